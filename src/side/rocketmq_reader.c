/* rocketmq_reader.c - reads queues of one topic; partition n of the route is its queue n. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "side/rocketmq.h"
#include "side/rocketmq_batch.h"

enum {
    MEMORY_DEFAULT = 16 << 20,
    QUEUE_MEMORY_MIN = 256 << 10,
    PULL_COUNT = 256 /* brokers give 32 at a time unless told otherwise */
};

struct partition {
    rmq_queue queue;
    bool assigned;
    int64_t next_position;
};

struct rocketmq_reader {
    struct duet_reader base;
    rmq_pull_consumer *consumer;
    char name[DUET_NAME_SIZE]; /* Kafka's */
    struct duet_stamp_key stamp_key;
    struct duet_rocketmq_origin origin;
    struct duet_rocketmq_pulled *held; /* the rest of it is to be handed out */
    int32_t held_partition;
    size_t held_next;
    int32_t last_found; /* most polls find the queue of the one before, or the next */
    int32_t partition_count;
    struct partition partitions[];
};

static void drop_held(struct rocketmq_reader *reader)
{
    duet_rocketmq_pulled_release(reader->held);
    reader->held = NULL;
}

/* ---- positions ---- */

static void reader_unassign(struct duet_reader *base, int32_t partition)
{
    struct rocketmq_reader *reader = (struct rocketmq_reader *)base;

    if (partition < 0 || partition >= reader->partition_count ||
        !reader->partitions[partition].assigned)
        return;
    if (reader->held != NULL && reader->held_partition == partition)
        drop_held(reader);
    rmq_pull_consumer_unassign(reader->consumer, &reader->partitions[partition].queue);
    reader->partitions[partition].assigned = false;
}

static dt_status reader_assign(struct duet_reader *base, int32_t partition,
                               int64_t position)
{
    struct rocketmq_reader *reader = (struct rocketmq_reader *)base;
    dt_status status;

    if (partition < 0 || partition >= reader->partition_count || position < 0)
        return dt_error_set(DT_EINVAL, "rocketmq: %s has no partition %d, position %lld",
                            reader->name, partition, (long long)position);
    if (reader->held != NULL && reader->held_partition == partition)
        drop_held(reader);
    status = rmq_pull_consumer_assign(reader->consumer,
                                      &reader->partitions[partition].queue, position);
    if (status != DT_OK)
        return dt_error_wrap(status, "rocketmq: reading %s partition %d", reader->name,
                             partition);
    reader->partitions[partition].assigned = true;
    reader->partitions[partition].next_position = position;
    return DT_OK;
}

/* ---- polling ---- */

static int32_t find_partition(struct rocketmq_reader *reader, const rmq_queue *queue)
{
    for (int32_t i = 0; i < reader->partition_count; i++) {
        int32_t at = (reader->last_found + i) % reader->partition_count;
        const rmq_queue *other = &reader->partitions[at].queue;

        if (other->queue_id == queue->queue_id &&
            strcmp(other->broker_name, queue->broker_name) == 0) {
            reader->last_found = at;
            return at;
        }
    }
    return -1;
}

static dt_status refill(struct rocketmq_reader *reader)
{
    rmq_batch *batch;
    int32_t partition;
    dt_status status = rmq_pull_consumer_poll(reader->consumer, 0, &batch);

    if (status == DT_ETIMEDOUT)
        return DT_OK;
    if (status != DT_OK)
        return dt_error_wrap(status == DT_ECLOSED ? DT_EUNREACH : status,
                             "rocketmq: reading %s", reader->name);
    partition = find_partition(reader, &batch->queue);
    if (partition < 0 || !reader->partitions[partition].assigned) {
        rmq_batch_free(batch);
        return DT_OK;
    }
    reader->held = duet_rocketmq_pulled_new(batch);
    if (reader->held == NULL) {
        rmq_batch_free(batch);
        reader_assign(&reader->base, partition,
                      reader->partitions[partition].next_position);
        return dt_error_set(DT_ENOMEM, "rocketmq: no memory for what was read");
    }
    reader->held_partition = partition;
    reader->held_next = 0;
    return DT_OK;
}

static dt_status give_event(enum duet_read_event event, int32_t partition,
                            int64_t next_position, int64_t begin, int64_t end,
                            struct duet_read_batch **out)
{
    *out = duet_batch_event(event, partition, next_position, begin, end);
    return *out != NULL ? DT_OK
                        : dt_error_set(DT_ENOMEM, "rocketmq: no memory for what was read");
}

static dt_status give_records(struct rocketmq_reader *reader, size_t records_max,
                              struct duet_read_batch **out)
{
    size_t left = reader->held->batch->count - reader->held_next;
    size_t count = left < records_max ? left : records_max;
    dt_status status;

    reader->origin.partition = reader->held_partition;
    status = duet_rocketmq_batch_new(&reader->origin, reader->held, reader->held_next,
                                     count, out);
    if (status != DT_OK)
        return status;
    reader->held_next += count;
    reader->partitions[reader->held_partition].next_position = (*out)->next_position;
    if (count == left)
        drop_held(reader);
    return DT_OK;
}

static dt_status reader_poll(struct duet_reader *base, size_t records_max,
                             struct duet_read_batch **out)
{
    struct rocketmq_reader *reader = (struct rocketmq_reader *)base;
    struct partition *partition;
    rmq_batch *batch;
    dt_status status;

    if (reader->held == NULL) {
        status = refill(reader);
        if (status != DT_OK || reader->held == NULL)
            return status;
    }
    batch = reader->held->batch;
    partition = &reader->partitions[reader->held_partition];
    if (batch->interrupted) { /* told once, before what came after it */
        batch->interrupted = false;
        return give_event(DUET_READ_INTERRUPTED, -1, -1, -1, -1, out);
    }
    if (batch->moved) {
        status =
            give_event(DUET_READ_MOVED, reader->held_partition, partition->next_position,
                       batch->min_offset, batch->max_offset, out);
        if (status == DT_OK)
            reader_unassign(base, reader->held_partition); /* drops what is held */
        return status;
    }
    if (batch->count > 0)
        return give_records(reader, records_max, out);
    partition->next_position = batch->next_offset; /* the broker skipped something */
    status = give_event(DUET_READ_RECORDS, reader->held_partition, batch->next_offset,
                        batch->min_offset, batch->max_offset, out);
    if (status == DT_OK)
        drop_held(reader);
    return status;
}

/* ---- new and free ---- */

static void reader_free(struct duet_reader *base)
{
    struct rocketmq_reader *reader = (struct rocketmq_reader *)base;

    drop_held(reader);
    rmq_pull_consumer_free(reader->consumer);
    free(reader);
}

static const struct duet_reader_ops reader_ops = {
    .free = reader_free,
    .assign = reader_assign,
    .unassign = reader_unassign,
    .poll = reader_poll,
};

static dt_status reader_start(struct rocketmq_reader *reader,
                              struct duet_rocketmq_client *client,
                              const struct duet_reader_config *config)
{
    const struct duet_plan_route *route = config->route;
    size_t memory = config->memory_max > 0 ? config->memory_max : MEMORY_DEFAULT;
    char group[DUET_RMQ_GROUP_MAX + 1] = "duet-reader";
    rmq_pull_consumer_config settings = {.topic = route->rocketmq_topic,
                                         .group = group,
                                         .member = config->group != NULL,
                                         .pull_count = PULL_COUNT,
                                         .ready = config->notify,
                                         .opaque = config->context};
    dt_status status = DT_OK;

    if (config->group != NULL)
        status =
            duet_name_to_rocketmq(group, sizeof(group), config->group, DUET_RMQ_GROUP_MAX);
    for (int32_t i = 0; status == DT_OK && i < route->partitions; i++)
        status = duet_rocketmq_queue(route, i, &reader->partitions[i].queue);
    settings.queue_memory_max = memory / (size_t)route->partitions;
    if (settings.queue_memory_max < QUEUE_MEMORY_MIN)
        settings.queue_memory_max = QUEUE_MEMORY_MIN;
    if (status == DT_OK)
        status = rmq_pull_consumer_new(client->rmq, &settings, &reader->consumer);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

dt_status duet_rocketmq_reader_new(struct duet_side_client *client,
                                   const struct duet_reader_config *config,
                                   struct duet_reader **out)
{
    const struct duet_plan_route *route = config->route;
    struct rocketmq_reader *reader =
        calloc(1, sizeof(*reader) + (size_t)route->partitions * sizeof(struct partition));
    dt_status status;

    if (reader == NULL)
        return dt_error_set(DT_ENOMEM, "rocketmq: no memory for a reader");
    reader->base.ops = &reader_ops;
    memcpy(reader->name, route->topic, sizeof(reader->name));
    reader->partition_count = route->partitions;
    reader->stamp_key = *config->stamp_key;
    reader->origin.topic = reader->name;
    reader->origin.stamp_key = &reader->stamp_key;
    reader->origin.derive.key_number = config->stamp_key->number;
    reader->origin.derive.topic_number = route->topic_number;
    reader->origin.derive.zone = config->zone;
    status = reader_start(reader, (struct duet_rocketmq_client *)client, config);
    if (status != DT_OK) {
        reader_free(&reader->base);
        return status;
    }
    *out = &reader->base;
    return DT_OK;
}
