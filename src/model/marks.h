/*
 * marks.h - how a reader knows that the log before its cursor is still the one it has read.
 *
 * Positions are not identities: a broker that lost its tail uses them again. So a cursor keeps,
 * for the record before it and for about 20 earlier positions at growing distances, the id and
 * the broker's own mark (RocketMQ: store time; Kafka: leader epoch, else a hash of the 64 ids
 * before). After a reconnect the reader goes on from the newest that still matches.
 *
 * Pure.
 */
#ifndef MODEL_MARKS_H
#define MODEL_MARKS_H

#include "base/buf.h"
#include "model/id.h"

enum { DUET_MARKS_MAX = 24 };

struct duet_mark {
    int64_t position; /* of the record itself; reading goes on at position + 1 */
    struct duet_id id;
    uint64_t broker_mark;
};

struct duet_marks {
    struct duet_mark mark[DUET_MARKS_MAX]; /* ascending positions, the newest last */
    size_t count;
};

void duet_marks_init(struct duet_marks *marks);

/* Notes the record just read; positions must ascend (a lower one first drops all from it on).
 * Thins older ones so that distances to the newest grow about by two. */
void duet_marks_add(struct duet_marks *marks, int64_t position, const struct duet_id *id,
                    uint64_t broker_mark);

/* The newest mark whose position is < `position`, or NULL: what the record before a cursor at
 * `position` should be, and which to try next after a mismatch. */
const struct duet_mark *duet_marks_before(const struct duet_marks *marks, int64_t position);

/* Whether the record found at mark->position is the one that was read then. Both the id and
 * the broker's mark must agree: an id alone is not enough (a retried copy may land there). */
bool duet_mark_matches(const struct duet_mark *mark, const struct duet_id *id,
                       uint64_t broker_mark);

/* Drops marks at or above `position` (the reader went back). */
void duet_marks_truncate(struct duet_marks *marks, int64_t position);

void duet_marks_encode(const struct duet_marks *marks, struct dt_buf *out);
dt_status duet_marks_decode(struct duet_marks *marks, struct dt_span bytes);

#endif
