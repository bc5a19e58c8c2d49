/*
 * log_count.h - counts what the logs hold, by a reader that is not a writer.
 *
 * Per (topic, partition, side) the control store keeps how far the log has been counted, which
 * ids were found and how many per window and day. A step reads on from there: an id not yet
 * found is `stored`, one found before is a further copy (`extra`), a record whose stamp does not
 * count is `foreign` and listed in the ledger.
 *
 * Any number of processes may count at the same time: what is saved is saved against the
 * position it started from, so a record is counted once; who loses that race loads again. A
 * counter leaves a partition alone while somebody else moves it on.
 *
 * A log that lost its tail (its end is below what was counted) is listed as `gap` and counted
 * anew where all of it is still there; what retention removed before it was counted is listed as
 * `purged`.
 *
 * Opens its own store handle and connections. Thread: one at a time calls a counter.
 */
#ifndef VERIFY_LOG_COUNT_H
#define VERIFY_LOG_COUNT_H

#include "config/config.h"
#include "config/keys.h"
#include "model/id.h"

struct duet_log_count;

/**
 * @param config borrowed for the counter's life.
 * @param keys   copied.
 * @param name   of the client on the brokers' side, such as "report" or the instance's name.
 * @param topic  only this route; NULL: all.
 * @returns DT_OK; DT_ENOTFOUND: no plan; DT_EUNREACH: the control store; DT_ENOMEM.
 *          The brokers are not asked.
 */
dt_status duet_log_count_new(const struct duet_config *config, const struct duet_keys *keys,
                             const char *name, const char *topic,
                             struct duet_log_count **out);
void duet_log_count_free(struct duet_log_count *counter); /* NULL: no-op */

/**
 * Counts what is there, for at most about budget_ms (a broker that does not answer may make it
 * some seconds); returns at once when there is nothing. Adopts a changed plan by itself. Call it
 * again and again, about once a second.
 * @returns DT_OK, also while a broker is away (it is tried again later, and said in the log once
 * a minute); else as the control store says: come again.
 */
dt_status duet_log_count_step(struct duet_log_count *counter, int64_t budget_ms);

/**
 * Counts up to where the logs end at this call, whoever else counts.
 * @param reached out, per side: false if that side is written but could not be read to its end.
 * @returns DT_OK; DT_EUNREACH: a written side could not be reached (the other one has been
 * counted); DT_ETIMEDOUT: not all could be read in time; others as the store gives them.
 */
dt_status duet_log_count_catch_up(struct duet_log_count *counter, int64_t timeout_ms,
                                  bool reached[DUET_SIDES]);

#endif
