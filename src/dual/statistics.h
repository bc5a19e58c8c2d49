/*
 * statistics.h - when a document of statistics is due, and to whom it is given.
 *
 * Set before the instance works, then of the one thread that gives: no lock.
 */
#ifndef DUAL_STATISTICS_H
#define DUAL_STATISTICS_H

#include "base/json_writer.h"
#include "dual/session.h"
#include "duet/duet.h"

struct duet_statistics {
    int64_t interval_ms; /* 0: nobody wants them */
    int64_t started_ms, next_ms, warned_ms;
    duet_statistics_fn fn;
    void *opaque;
};

/* DT_EINVAL: the interval, or there is no function. */
dt_status duet_statistics_set(struct duet_statistics *statistics, int64_t interval_ms,
                              duet_statistics_fn fn, void *opaque);

bool duet_statistics_are_due(const struct duet_statistics *statistics, int64_t now_ms);

/* What each document begins with. */
void duet_statistics_begin(struct dt_json *json, const struct duet_statistics *statistics,
                           const struct duet_session *session, const char *role,
                           int64_t now_ms);

/* Gives the document, and says when the next is due. Frees what is in `text`. */
void duet_statistics_give(struct duet_statistics *statistics, struct dt_buf *text,
                          int64_t now_ms);

#endif
