#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/naming.h"
#include "rmq/producer_inside.h"

/* ---------------------------------------------------------------- lanes */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t mix_text(uint64_t hash, const char *text, size_t size)
{
    uint64_t word;

    for (; size >= sizeof(word); size -= sizeof(word), text += sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        hash = mix(hash, word);
    }
    word = size;
    memcpy(&word, text, size); /* fewer than 8 */
    return mix(hash, word ^ (uint64_t)size << 56);
}

static struct rmq_lane *find_lane(struct rmq_producer *producer, const char *topic,
                                  const rmq_queue *queue, enum rmq_lane_kind kind,
                                  uint64_t hash)
{
    struct rmq_lane *lane = atomic_load_explicit(&producer->lanes[hash % RMQ_LANE_BUCKETS],
                                                 memory_order_acquire);

    while (lane != NULL && (lane->hash != hash || lane->kind != kind ||
                            lane->queue.queue_id != queue->queue_id ||
                            strcmp(lane->queue.broker_name, queue->broker_name) != 0 ||
                            strcmp(lane->topic_name, topic) != 0))
        lane = lane->next;
    return lane;
}

static dt_status add_lane(struct rmq_producer *producer, const char *topic,
                          const rmq_queue *queue, enum rmq_lane_kind kind, uint64_t hash,
                          struct rmq_lane **out)
{
    _Atomic(struct rmq_lane *) *bucket = &producer->lanes[hash % RMQ_LANE_BUCKETS];
    dt_status status = rmq_topic_name_check(topic);

    if (status != DT_OK)
        return status;
    if (kind != RMQ_LANE_TOPIC && (queue->queue_id < 0 || queue->broker_name[0] == 0))
        return dt_error_set(DT_EINVAL,
                            "not a queue as rmq_topic_write_queues() gives them");
    pthread_mutex_lock(&producer->mutex);
    *out =
        find_lane(producer, topic, queue, kind, hash); /* somebody may have been faster */
    if (*out == NULL)
        status = rmq_lane_new(producer, topic, queue, kind, hash, out);
    if (*out != NULL && find_lane(producer, topic, queue, kind, hash) == NULL) {
        (*out)->next = atomic_load_explicit(bucket, memory_order_relaxed);
        atomic_store_explicit(bucket, *out, memory_order_release);
    }
    pthread_mutex_unlock(&producer->mutex);
    return status;
}

dt_status rmq_producer_lane(struct rmq_producer *producer, const char *topic,
                            const rmq_queue *queue, enum rmq_lane_kind kind,
                            struct rmq_lane **out)
{
    static const rmq_queue none = {.queue_id = -1};
    char room[RMQ_FULL_NAME_SIZE];
    size_t name_size;
    uint64_t hash;

    topic = rmq_namespace_wrap(producer->client->space, topic, room);
    if (queue == NULL)
        queue = &none;
    name_size = strnlen(queue->broker_name, sizeof(queue->broker_name));
    if (name_size == sizeof(queue->broker_name))
        return dt_error_set(DT_EINVAL, "the broker's name has no end");
    hash = mix(kind, (uint64_t)(uint32_t)queue->queue_id);
    hash = mix_text(hash, queue->broker_name, name_size);
    hash = mix_text(hash, topic, strlen(topic));
    *out = find_lane(producer, topic, queue, kind, hash);
    if (*out != NULL)
        return DT_OK;
    return add_lane(producer, topic, queue, kind, hash, out);
}

/* ---------------------------------------------------------------- brokers */

struct rmq_send_broker *rmq_producer_broker(struct rmq_producer *producer, const char *name)
{
    struct rmq_send_broker *broker = producer->brokers;

    while (broker != NULL && strcmp(broker->name, name) != 0)
        broker = broker->next;
    if (broker != NULL)
        return broker;
    broker = calloc(1, sizeof(*broker));
    if (broker == NULL)
        return NULL;
    rmq_pace_init(&broker->pace, producer->broker_requests_max);
    dt_list_init(&broker->waiting);
    snprintf(broker->name, sizeof(broker->name), "%s", name);
    broker->next = producer->brokers;
    producer->brokers = broker;
    return broker;
}

static void free_brokers(struct rmq_producer *producer)
{
    while (producer->brokers != NULL) {
        struct rmq_send_broker *broker = producer->brokers;

        producer->brokers = broker->next;
        free(broker);
    }
}

/* ---------------------------------------------------------------- life */

static void join_on_loop(void *context)
{
    struct rmq_producer *producer = context;

    rmq_heartbeat_join(producer->client, &producer->member);
    producer->statistics.is_producer = true;
    producer->statistics.owner = producer;
    producer->statistics.write = rmq_producer_write_statistics;
    rmq_statistics_join(producer->client, &producer->statistics);
}

static dt_status take_settings(struct rmq_producer *producer,
                               const rmq_producer_config *config)
{
    dt_status status = rmq_group_name_check(config->group);

    if (status != DT_OK)
        return status;
    if (config->linger_ms < 0 || config->queue_requests_max < 0 ||
        config->broker_requests_max < 0)
        return dt_error_set(DT_EINVAL, "a setting of the producer is negative");
    producer->batch_count_max =
        config->batch_count_max == 0 ? 256 : config->batch_count_max;
    producer->batch_size_max =
        config->batch_size_max == 0 ? 1u << 20 : config->batch_size_max;
    producer->linger_ms = config->linger_ms;
    producer->queue_requests_max =
        config->queue_requests_max == 0 ? 8 : config->queue_requests_max;
    producer->broker_requests_max =
        config->broker_requests_max == 0 ? 256 : config->broker_requests_max;
    strcpy(producer->group, config->group);
    status = rmq_compressors_init(&producer->compressors, config->compression,
                                  config->compression_level, config->compression_size_min);
    if (status != DT_OK)
        return status;
    status = rmq_room_init(&producer->room, config);
    if (status != DT_OK)
        rmq_compressors_fini(&producer->compressors);
    return status;
}

static void free_producer(struct rmq_producer *producer)
{
    dt_event_fini(&producer->finished);
    pthread_mutex_destroy(&producer->mutex);
    rmq_room_fini(&producer->room);
    rmq_compressors_fini(&producer->compressors);
    free(producer);
}

dt_status rmq_producer_new(rmq_client *client, const rmq_producer_config *config,
                           rmq_producer **out)
{
    char room[RMQ_FULL_NAME_SIZE];
    rmq_producer_config full;
    struct rmq_producer *producer;
    dt_status status;

    if (client == NULL || config == NULL || out == NULL)
        return dt_error_set(DT_EINVAL, "no client, settings or place for the producer");
    *out = NULL;
    full = *config;
    full.group = rmq_namespace_wrap(client->space, config->group, room);
    producer = calloc(1, sizeof(*producer));
    if (producer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a producer");
    status = take_settings(producer, &full);
    if (status != DT_OK) {
        free(producer);
        return status;
    }
    producer->client = client;
    producer->member.group = producer->group;
    dt_list_init(&producer->member.link);
    pthread_mutex_init(&producer->mutex, NULL);
    dt_event_init(&producer->finished);
    status = rmq_client_run(client, join_on_loop, producer);
    if (status != DT_OK) {
        free_producer(producer);
        return status;
    }
    *out = producer;
    return DT_OK;
}

/* ---------------------------------------------------------------- end */

static void each_lane(struct rmq_producer *producer, void (*fn)(struct rmq_lane *lane))
{
    for (size_t i = 0; i < RMQ_LANE_BUCKETS; i++) {
        struct rmq_lane *lane = atomic_load(&producer->lanes[i]);

        while (lane != NULL) {
            struct rmq_lane *next = lane->next;

            fn(lane);
            lane = next;
        }
    }
}

static void on_left(void *context)
{
    struct rmq_producer *producer = context;

    rmq_statistics_leave(&producer->statistics);
    each_lane(producer, rmq_lane_leave_loop);
    dt_event_set(&producer->finished);
}

void rmq_producer_lane_finished(struct rmq_producer *producer)
{
    if (--producer->lanes_left == 0)
        rmq_heartbeat_leave(producer->client, &producer->member, on_left, producer);
}

static void count_lane(struct rmq_lane *lane)
{
    lane->producer->lanes_left++;
}

static void close_on_loop(void *context)
{
    struct rmq_producer *producer = context;

    producer->is_closed = true;
    producer->lanes_left = 1; /* us, while we close them */
    each_lane(producer, count_lane);
    each_lane(producer, rmq_lane_close);
    rmq_producer_lane_finished(producer);
}

void rmq_producer_free(rmq_producer *producer)
{
    if (producer == NULL ||
        rmq_client_run(producer->client, close_on_loop, producer) != DT_OK)
        return;
    dt_event_wait(&producer->finished, INT64_MAX);
    each_lane(producer, rmq_lane_free);
    free_brokers(producer);
    free_producer(producer);
}

/* ---------------------------------------------------------------- flush */

static void hurry_on_loop(void *context)
{
    each_lane(context, rmq_lane_hurry);
}

static void nothing(void *context)
{
    (void)context;
}

dt_status rmq_producer_flush(rmq_producer *producer, int64_t timeout_ms)
{
    bool is_empty = false;
    dt_status status;

    if (producer == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no producer, or no time to flush");
    atomic_fetch_add(&producer->hurrying, 1);
    status = rmq_client_run(producer->client, hurry_on_loop, producer);
    if (status == DT_OK)
        is_empty = rmq_room_wait_empty(&producer->room, rmq_deadline_ms(timeout_ms));
    /* The last callbacks may still run: room is made before them. What is put into the loop's
     * mailbox now comes after. */
    if (status == DT_OK)
        status = rmq_client_run(producer->client, nothing, NULL);
    atomic_fetch_sub(&producer->hurrying, 1);
    if (status == DT_OK && !is_empty)
        status = dt_error_set(DT_ETIMEDOUT, "some messages are not stored yet");
    return status;
}
