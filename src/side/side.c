#include "side/side.h"

#include <stdlib.h>

#include "base/status.h"
#include "side/ops.h"

dt_status duet_side_open(const struct duet_config *config, enum duet_side side,
                         const char *name, struct duet_side_client **out)
{
    *out = NULL;
    return side == DUET_KAFKA ? duet_kafka_open(config, name, out)
                              : duet_rocketmq_open(config, name, out);
}

void duet_side_close(struct duet_side_client *client)
{
    if (client != NULL)
        client->ops->close(client);
}

enum duet_side duet_side_of(const struct duet_side_client *client)
{
    return client->ops->side;
}

dt_status duet_side_topic_partitions(struct duet_side_client *client, const char *topic,
                                     int32_t *partitions, struct duet_plan_queue **queues,
                                     int64_t timeout_ms)
{
    *partitions = 0;
    if (queues != NULL)
        *queues = NULL;
    return client->ops->topic_partitions(client, topic, partitions, queues, timeout_ms);
}

dt_status duet_side_topic_create(struct duet_side_client *client, const char *topic,
                                 int32_t partitions, int64_t timeout_ms)
{
    return client->ops->topic_create(client, topic, partitions, timeout_ms);
}

dt_status duet_side_bounds(struct duet_side_client *client,
                           const struct duet_plan_route *route, int32_t partition,
                           int64_t timeout_ms, int64_t *begin, int64_t *end)
{
    *begin = *end = -1;
    return client->ops->bounds(client, route, partition, timeout_ms, begin, end);
}

dt_status duet_side_committed(struct duet_side_client *client,
                              const struct duet_plan_route *route, const char *group,
                              int32_t partition, int64_t timeout_ms, int64_t *position)
{
    *position = -1;
    return client->ops->committed(client, route, group, partition, timeout_ms, position);
}

dt_status duet_side_commit(struct duet_side_client *client,
                           const struct duet_plan_route *route, const char *group,
                           int32_t partition, int64_t position, int64_t timeout_ms)
{
    return client->ops->commit(client, route, group, partition, position, timeout_ms);
}

dt_status duet_side_foreign_member(struct duet_side_client *client,
                                   const struct duet_plan_route *route, const char *group,
                                   const char *self, int64_t timeout_ms, bool *found,
                                   char member[DUET_NAME_SIZE])
{
    *found = false;
    member[0] = '\0';
    return client->ops->foreign_member(client, route, group, self, timeout_ms, found,
                                       member);
}

/* ---- senders ---- */

dt_status duet_sender_new(struct duet_side_client *client, size_t memory_max,
                          duet_sent_fn sent, void *context, struct duet_sender **out)
{
    *out = NULL;
    return client->ops->sender_new(client, memory_max, sent, context, out);
}

dt_status duet_sender_send(struct duet_sender *sender, const struct duet_send *send)
{
    return sender->ops->send(sender, send);
}

void duet_sender_flush(struct duet_sender *sender)
{
    sender->ops->flush(sender);
}

void duet_sender_free(struct duet_sender *sender, int64_t timeout_ms)
{
    if (sender != NULL)
        sender->ops->free(sender, timeout_ms);
}

bool duet_sender_reachable(const struct duet_sender *sender)
{
    return sender->ops->reachable(sender);
}

dt_status duet_sender_takes(const struct duet_sender *sender,
                            const struct duet_record *record)
{
    return sender->ops->takes(sender, record);
}

/* ---- readers ---- */

dt_status duet_reader_new(struct duet_side_client *client,
                          const struct duet_reader_config *config, struct duet_reader **out)
{
    *out = NULL;
    return client->ops->reader_new(client, config, out);
}

void duet_reader_free(struct duet_reader *reader)
{
    if (reader != NULL)
        reader->ops->free(reader);
}

dt_status duet_reader_assign(struct duet_reader *reader, int32_t partition,
                             int64_t position)
{
    return reader->ops->assign(reader, partition, position);
}

void duet_reader_unassign(struct duet_reader *reader, int32_t partition)
{
    reader->ops->unassign(reader, partition);
}

dt_status duet_reader_poll(struct duet_reader *reader, size_t records_max,
                           struct duet_read_batch **out)
{
    *out = NULL;
    return reader->ops->poll(reader, records_max > 0 ? records_max : 1, out);
}

struct duet_read_batch *duet_batch_event(enum duet_read_event event, int32_t partition,
                                         int64_t next_position, int64_t begin, int64_t end)
{
    struct duet_batch_box *box = calloc(1, sizeof(*box));

    if (box == NULL)
        return NULL;
    box->batch.event = event;
    box->batch.partition = partition;
    box->batch.next_position = next_position;
    box->batch.begin = begin;
    box->batch.end = end;
    return &box->batch;
}

void duet_read_batch_free(struct duet_read_batch *batch)
{
    struct duet_batch_box *box = (struct duet_batch_box *)batch;

    if (box == NULL)
        return;
    if (box->release != NULL)
        box->release(box);
    free(box);
}
