/*
 * ops.h - what a broker must be able to do: the two implementations behind side.h, sender.h
 * and reader.h fill these tables and put the base first in their structs.
 *
 * Only side/ includes this.
 */
#ifndef SIDE_OPS_H
#define SIDE_OPS_H

#include "side/reader.h"
#include "side/sender.h"

struct duet_side_ops {
    enum duet_side side;
    void (*close)(struct duet_side_client *client);
    dt_status (*topic_partitions)(struct duet_side_client *client, const char *topic,
                                  int32_t *partitions, struct duet_plan_queue **queues,
                                  int64_t timeout_ms);
    dt_status (*topic_create)(struct duet_side_client *client, const char *topic,
                              int32_t partitions, int64_t timeout_ms);
    dt_status (*bounds)(struct duet_side_client *client,
                        const struct duet_plan_route *route, int32_t partition,
                        int64_t timeout_ms, int64_t *begin, int64_t *end);
    dt_status (*committed)(struct duet_side_client *client,
                           const struct duet_plan_route *route, const char *group,
                           int32_t partition, int64_t timeout_ms, int64_t *position);
    dt_status (*commit)(struct duet_side_client *client,
                        const struct duet_plan_route *route, const char *group,
                        int32_t partition, int64_t position, int64_t timeout_ms);
    dt_status (*foreign_member)(struct duet_side_client *client,
                                const struct duet_plan_route *route, const char *group,
                                const char *self, int64_t timeout_ms, bool *found,
                                char member[DUET_NAME_SIZE]);
    dt_status (*sender_new)(struct duet_side_client *client, size_t memory_max,
                            duet_sent_fn sent, void *context, struct duet_sender **out);
    dt_status (*reader_new)(struct duet_side_client *client,
                            const struct duet_reader_config *config,
                            struct duet_reader **out);
};

struct duet_sender_ops {
    dt_status (*send)(struct duet_sender *sender, const struct duet_send *send);
    void (*flush)(struct duet_sender *sender);
    void (*free)(struct duet_sender *sender, int64_t timeout_ms);
    bool (*reachable)(const struct duet_sender *sender);
    dt_status (*takes)(const struct duet_sender *sender, const struct duet_record *record);
};

struct duet_reader_ops {
    void (*free)(struct duet_reader *reader);
    dt_status (*assign)(struct duet_reader *reader, int32_t partition, int64_t position);
    void (*unassign)(struct duet_reader *reader, int32_t partition);
    dt_status (*poll)(struct duet_reader *reader, size_t records_max,
                      struct duet_read_batch **out);
};

struct duet_side_client {
    const struct duet_side_ops *ops;
};

struct duet_sender {
    const struct duet_sender_ops *ops;
};

struct duet_reader {
    const struct duet_reader_ops *ops;
};

/* What duet_read_batch_free() finds: the batch and how to let go of what it borrows. */
struct duet_batch_box {
    struct duet_read_batch batch; /* first */
    void (*release)(struct duet_batch_box *box);
};

/* A batch without records: an event, or a position that moved on. NULL without memory. */
struct duet_read_batch *duet_batch_event(enum duet_read_event event, int32_t partition,
                                         int64_t next_position, int64_t begin, int64_t end);

dt_status duet_kafka_open(const struct duet_config *config, const char *name,
                          struct duet_side_client **out);
dt_status duet_rocketmq_open(const struct duet_config *config, const char *name,
                             struct duet_side_client **out);

#endif
