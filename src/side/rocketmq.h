/*
 * rocketmq.h - what the files of the RocketMQ side share. Only side/rocketmq_*.c includes this.
 */
#ifndef SIDE_ROCKETMQ_H
#define SIDE_ROCKETMQ_H

#include "rmq/rmq.h"
#include "side/ops.h"

struct duet_rocketmq_client {
    struct duet_side_client base;
    rmq_client *rmq;
};

/* A client as the configuration says, with the secrets that it names. DT_EINVAL, DT_EIO, ... */
dt_status duet_rocketmq_connect(const struct duet_config *config, const char *name,
                                rmq_client **out);

/* Partition n of a route; DT_EINVAL where the route has none. */
dt_status duet_rocketmq_queue(const struct duet_plan_route *route, int32_t partition,
                              rmq_queue *queue);

dt_status duet_rocketmq_sender_new(struct duet_side_client *client, size_t memory_max,
                                   duet_sent_fn sent, void *context,
                                   struct duet_sender **out);
dt_status duet_rocketmq_reader_new(struct duet_side_client *client,
                                   const struct duet_reader_config *config,
                                   struct duet_reader **out);

#endif
