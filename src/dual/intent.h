/*
 * intent.h - `journal: intent`: a message is in the journal before it is sent anywhere.
 *
 * It goes into the journal's lane for its secondary and waits, accepted, until it is kept there as
 * the route's sync policy says; many producers' messages share one sync. Then it is sent to the
 * primary, and from there on goes the way of every message; what memory has no room for is let go
 * of, since the journal has it.
 *
 * After a crash a record may be one that the primary never got. The thread that reads the journal
 * asks the primary's log (duet_intent_ask) from a position that was noted with the record to its
 * end: what is there goes to the secondary, what is not is cancelled and listed. While the primary
 * cannot be read nothing is guessed: the lane waits, and what is new queues behind.
 *
 * Lock: outbox->lock held, but where another thing is said.
 */
#ifndef DUAL_INTENT_H
#define DUAL_INTENT_H

#include "dual/outgoing.h"

/* Of a record in the journal. */
enum { DUET_INTENT_FLAG = 1 };

/**
 * Puts a message whose id is fixed into the journal.
 * @returns DT_OK: it is there (lsn is set), or need not be: it is for one side, or the journal is
 *          full and nobody is live on the other. DT_EBUSY, DT_ENOSPC: no room now, again later.
 *          Else as duet_journal_append().
 */
DT_MUST_USE dt_status duet_intent_put(struct duet_outgoing *outgoing);

/* Whether it may be sent: it is kept. */
bool duet_intent_is_kept(const struct duet_outgoing *outgoing);

/* The primary has it, or will never have it. */
void duet_intent_accepted(const struct duet_outgoing *outgoing);
void duet_intent_cancelled(const struct duet_outgoing *outgoing);

/* The primary is to become this side: what it has not got is put into the lane for the other one.
 * As duet_journal_append(); what failed can be repeated. */
DT_MUST_USE dt_status duet_intent_turn(struct duet_lane *lane, enum duet_side to);

/* For the journal, on its thread; context is the outbox. Lock: not held. */
void duet_intent_progress(void *context, const struct duet_journal_progress *progress);
void duet_intent_broken(void *context, const char *reason);

/**
 * Which ids the log of a side holds in this lane from `position` (-1: its begin) to its end. Lock:
 * not held; waits for the broker.
 * @param found initialised; receives them.
 * @returns DT_OK; DT_EUNREACH: it cannot be read now; others as the reader gives them.
 */
DT_MUST_USE dt_status duet_intent_ask(struct duet_lane *lane, enum duet_side side,
                                      int64_t position, struct duet_idset *found);

#endif
