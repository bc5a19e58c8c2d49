#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/naming.h"
#include "rmq/producer_inside.h"

enum {
    ID_SIZE = 32, /* of a UNIQ_KEY with an IPv4 address */
};

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
                                  const rmq_queue *queue, uint64_t hash)
{
    struct rmq_lane *lane = atomic_load_explicit(&producer->lanes[hash % RMQ_LANE_BUCKETS],
                                                 memory_order_acquire);

    while (lane != NULL && (lane->hash != hash || lane->queue.queue_id != queue->queue_id ||
                            strcmp(lane->queue.broker_name, queue->broker_name) != 0 ||
                            strcmp(lane->topic_name, topic) != 0))
        lane = lane->next;
    return lane;
}

static dt_status add_lane(struct rmq_producer *producer, const char *topic,
                          const rmq_queue *queue, uint64_t hash, struct rmq_lane **out)
{
    _Atomic(struct rmq_lane *) *bucket = &producer->lanes[hash % RMQ_LANE_BUCKETS];
    dt_status status = rmq_topic_name_check(topic);

    if (status != DT_OK)
        return status;
    if (queue->queue_id < 0 || queue->broker_name[0] == 0)
        return dt_error_set(DT_EINVAL,
                            "not a queue as rmq_topic_write_queues() gives them");
    pthread_mutex_lock(&producer->mutex);
    *out = find_lane(producer, topic, queue, hash); /* somebody may have been faster */
    if (*out == NULL)
        status = rmq_lane_new(producer, topic, queue, hash, out);
    if (*out != NULL && find_lane(producer, topic, queue, hash) == NULL) {
        (*out)->next = atomic_load_explicit(bucket, memory_order_relaxed);
        atomic_store_explicit(bucket, *out, memory_order_release);
    }
    pthread_mutex_unlock(&producer->mutex);
    return status;
}

static dt_status lane_of(struct rmq_producer *producer, const char *topic,
                         const rmq_queue *queue, struct rmq_lane **out)
{
    size_t name_size = strnlen(queue->broker_name, sizeof(queue->broker_name));
    uint64_t hash = mix(0, (uint64_t)(uint32_t)queue->queue_id);

    if (name_size == sizeof(queue->broker_name))
        return dt_error_set(DT_EINVAL, "the broker's name has no end");
    hash = mix_text(hash, queue->broker_name, name_size);
    hash = mix_text(hash, topic, strlen(topic));
    *out = find_lane(producer, topic, queue, hash);
    if (*out != NULL)
        return DT_OK;
    return add_lane(producer, topic, queue, hash, out);
}

/* ---------------------------------------------------------------- sending */

dt_status rmq_send_async(rmq_producer *producer, const rmq_queue *queue,
                         const rmq_message *message, int64_t timeout_ms,
                         rmq_send_fn callback, void *opaque)
{
    struct rmq_outgoing *outgoing = NULL;
    struct rmq_lane *lane = NULL;
    size_t memory;
    dt_status status;

    if (producer == NULL || queue == NULL || message == NULL || message->topic == NULL)
        return dt_error_set(DT_EINVAL, "no producer, queue, message or topic");
    if (timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no time to send");
    status = rmq_client_check(producer->client, false);
    if (status != DT_OK)
        return status;
    status = lane_of(producer, message->topic, queue, &lane);
    if (status != DT_OK)
        return status;
    status = rmq_outgoing_new(message, ID_SIZE, &producer->compressors, &outgoing);
    if (status != DT_OK)
        return status;
    outgoing->deadline_ms =
        timeout_ms == RMQ_NO_DEADLINE ? INT64_MAX : rmq_deadline_ms(timeout_ms);
    outgoing->callback = callback;
    outgoing->opaque = opaque;
    memory = rmq_outgoing_memory(outgoing);
    if (atomic_fetch_add(&producer->memory_used, memory) + memory > producer->memory_max)
        status = dt_error_set(DT_ENOMEM, "%zu bytes of messages wait to be stored already",
                              producer->memory_max);
    else
        status = rmq_lane_push(lane, outgoing);
    if (status != DT_OK) {
        atomic_fetch_sub(&producer->memory_used, memory);
        free(outgoing);
    }
    return status;
}

struct sync_send {
    struct dt_event done;
    dt_status status;
    rmq_receipt *receipt;
    char reason[DT_ERROR_MAX];
};

static void on_sent(void *opaque, dt_status status, const char *reason,
                    const rmq_receipt *receipt)
{
    struct sync_send *sync = opaque;

    sync->status = status;
    snprintf(sync->reason, sizeof(sync->reason), "%s", reason);
    if (receipt != NULL && sync->receipt != NULL)
        *sync->receipt = *receipt;
    dt_event_set(&sync->done);
}

dt_status rmq_send(rmq_producer *producer, const rmq_queue *queue,
                   const rmq_message *message, int64_t timeout_ms, rmq_receipt *receipt)
{
    struct sync_send sync;
    dt_status status;

    if (producer == NULL)
        return dt_error_set(DT_EINVAL, "no producer");
    status = rmq_client_check(producer->client, true);
    if (status != DT_OK)
        return status;
    sync.receipt = receipt;
    dt_event_init(&sync.done);
    status = rmq_send_async(producer, queue, message, timeout_ms, on_sent, &sync);
    if (status == DT_OK) {
        dt_event_wait(&sync.done, INT64_MAX); /* the lane keeps the deadline */
        status = sync.status;
        if (status != DT_OK)
            dt_error_set(status, "%s", sync.reason);
    }
    dt_event_fini(&sync.done);
    return status;
}

/* ---------------------------------------------------------------- life */

static void join_on_loop(void *context)
{
    struct rmq_producer *producer = context;

    rmq_heartbeat_join(producer->client, &producer->member);
}

dt_status rmq_producer_new(rmq_client *client, const rmq_producer_config *config,
                           rmq_producer **out)
{
    struct rmq_producer *producer;
    dt_status status;

    if (client == NULL || config == NULL || out == NULL)
        return dt_error_set(DT_EINVAL, "no client, settings or place for the producer");
    *out = NULL;
    status = rmq_group_name_check(config->group);
    if (status != DT_OK)
        return status;
    producer = calloc(1, sizeof(*producer));
    if (producer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a producer");
    status = rmq_compressors_init(&producer->compressors, config->compression,
                                  config->compression_level, config->compression_size_min);
    if (status != DT_OK) {
        free(producer);
        return status;
    }
    producer->client = client;
    producer->memory_max = config->memory_max == 0 ? 64u << 20 : config->memory_max;
    producer->batch_count_max =
        config->batch_count_max == 0 ? 256 : config->batch_count_max;
    producer->batch_size_max =
        config->batch_size_max == 0 ? 1u << 20 : config->batch_size_max;
    strcpy(producer->group, config->group);
    producer->member.group = producer->group;
    dt_list_init(&producer->member.link);
    pthread_mutex_init(&producer->mutex, NULL);
    dt_event_init(&producer->finished);
    status = rmq_client_run(client, join_on_loop, producer);
    if (status != DT_OK) {
        dt_event_fini(&producer->finished);
        pthread_mutex_destroy(&producer->mutex);
        rmq_compressors_fini(&producer->compressors);
        free(producer);
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
    rmq_compressors_fini(&producer->compressors);
    dt_event_fini(&producer->finished);
    pthread_mutex_destroy(&producer->mutex);
    free(producer);
}
