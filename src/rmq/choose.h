/*
 * choose.h - which queue of a topic a message goes to.
 *
 * By key: the absolute value of the remainder of Java's String.hashCode() of the key (UTF-8 taken
 * as text) by the number of queues, as the Java client's selector by hash does, so that both send
 * a key to the same queue. By turns: the next queue whose broker is well, and best one that is
 * not behind already.
 *
 * Pure.
 */
#ifndef RMQ_CHOOSE_H
#define RMQ_CHOOSE_H

#include "base/span.h"

int32_t rmq_key_hash(struct dt_span key);
size_t rmq_hash_index(int32_t hash, size_t count); /* count > 0 */

/* What speaks against a queue; less is better. */
struct rmq_rank {
    enum {
        RMQ_RANK_FREE,      /* nothing */
        RMQ_RANK_BEHIND,    /* messages wait for it already */
        RMQ_RANK_AVOIDED,   /* its broker is slow or failing */
        RMQ_RANK_HAS_FAILED /* so it did with this very message */
    } level;
    int64_t until_ms; /* RMQ_RANK_AVOIDED and above: for how long */
};

/* The best of `count` queues (> 0), of equals the next one at or behind *turn, which moves
 * behind it. */
size_t rmq_choose_turn(uint32_t *turn, size_t count,
                       struct rmq_rank (*rank)(const void *context, size_t index),
                       const void *context);

#endif
