/*
 * side.h - one broker cluster behind one interface: connection, topics, positions.
 *
 * rdkafka.h is known to this folder alone; RocketMQ comes through include/rmq/rmq.h. Each call
 * here blocks up to timeout_ms; DT_EUNREACH means nobody answered in that time.
 *
 * Thread: any, unless said otherwise.
 */
#ifndef SIDE_SIDE_H
#define SIDE_SIDE_H

#include "config/config.h"
#include "model/plan.h"

struct duet_side_client;

/* `name` is the client's id on the brokers' side (client.id, instance name). Connects lazily. */
dt_status duet_side_open(const struct duet_config *config, enum duet_side side,
                         const char *name, struct duet_side_client **out);
/* Readers and senders of it must be gone. */
void duet_side_close(struct duet_side_client *client);
enum duet_side duet_side_of(const struct duet_side_client *client);

/* How many partitions (queues) the topic has; DT_ENOTFOUND: there is no such topic. For
 * RocketMQ `queues` receives *partitions entries sorted by broker and id, the caller's to free()
 * (NULL: not wanted); it stays NULL for Kafka. `topic` is the side's own name. */
dt_status duet_side_topic_partitions(struct duet_side_client *client, const char *topic,
                                     int32_t *partitions, struct duet_plan_queue **queues,
                                     int64_t timeout_ms);
/* Creates the topic with so many partitions (RocketMQ: queues on each master); returns when it is
 * visible. DT_EEXIST; DT_EUNSUPPORTED: the in-memory Kafka is told by kafka_mock.h. */
dt_status duet_side_topic_create(struct duet_side_client *client, const char *topic,
                                 int32_t partitions, int64_t timeout_ms);

/* First stored position and the next to be written. RocketMQ shows a message some milliseconds
 * after it acknowledged it. */
dt_status duet_side_bounds(struct duet_side_client *client,
                           const struct duet_plan_route *route, int32_t partition,
                           int64_t timeout_ms, int64_t *begin, int64_t *end);

/* The group's committed position as the broker knows it; DT_ENOTFOUND: none. Group names are
 * mapped for RocketMQ, where a commit gives DT_ENOTFOUND until a reader of the group has read. */
dt_status duet_side_committed(struct duet_side_client *client,
                              const struct duet_plan_route *route, const char *group,
                              int32_t partition, int64_t timeout_ms, int64_t *position);
dt_status duet_side_commit(struct duet_side_client *client,
                           const struct duet_plan_route *route, const char *group,
                           int32_t partition, int64_t position, int64_t timeout_ms);

/* Whether the broker knows a living member of the group other than `self`, a name given to
 * duet_side_open(), which may be NULL. RocketMQ: member list (readers with a group are members);
 * Kafka: group state. *member receives a name for messages. DT_EUNSUPPORTED: the in-memory Kafka
 * cannot say. */
dt_status duet_side_foreign_member(struct duet_side_client *client,
                                   const struct duet_plan_route *route, const char *group,
                                   const char *self, int64_t timeout_ms, bool *found,
                                   char member[DUET_NAME_SIZE]);

#endif
