/*
 * rocketmq_batch.h - RocketMQ messages as a batch of records, which borrow from them.
 *
 * Only side/rocketmq_reader.c includes this.
 */
#ifndef SIDE_ROCKETMQ_BATCH_H
#define SIDE_ROCKETMQ_BATCH_H

#include <stdatomic.h>

#include "model/mapping.h"
#include "rmq/rmq.h"
#include "side/derive.h"
#include "side/ops.h"

/* What one poll of librmq gave; it may be handed out in parts. */
struct duet_rocketmq_pulled {
    rmq_batch *batch;
    atomic_int users;
};

struct duet_rocketmq_pulled *
duet_rocketmq_pulled_new(rmq_batch *batch); /* one user; NULL */
void duet_rocketmq_pulled_release(struct duet_rocketmq_pulled *pulled);

struct duet_rocketmq_origin { /* of a reader's messages; borrowed during the call */
    const char *topic;        /* Kafka's name */
    const struct duet_stamp_key *stamp_key;
    struct duet_derive derive;
    int32_t partition;
};

/* Makes a batch of messages [first, first + count), and becomes a user of `pulled`. */
dt_status duet_rocketmq_batch_new(const struct duet_rocketmq_origin *origin,
                                  struct duet_rocketmq_pulled *pulled, size_t first,
                                  size_t count, struct duet_read_batch **out);

#endif
