/* What a producer has counted: docs/rmq-statistics.md. */
#include "base/clock.h"
#include "rmq/producer_inside.h"

static const char *kind_of(const struct rmq_lane *lane)
{
    static const char *const names[] = {[RMQ_LANE_ORDERED] = "ordered",
                                        [RMQ_LANE_WINDOW] = "unordered",
                                        [RMQ_LANE_SPREAD] = "by_turns",
                                        [RMQ_LANE_ONEWAY] = "oneway",
                                        [RMQ_LANE_TOPIC] = "topic"};

    return names[lane->kind];
}

static const char *state_of(const struct rmq_lane *lane)
{
    static const char *const names[] = {[RMQ_LANE_READY] = "ready",
                                        [RMQ_LANE_ROUTE] = "route",
                                        [RMQ_LANE_BACKOFF] = "backoff"};

    return names[lane->state];
}

static void put_counters(struct dt_json *json, const struct rmq_lane_counters *counters)
{
    double average = counters->requests == 0
                         ? 0
                         : (double)counters->messages / (double)counters->requests;

    dt_json_kv_int(json, "requests", (int64_t)counters->requests);
    dt_json_kv_int(json, "batches", (int64_t)counters->batches);
    dt_json_key(json, "batch_avg");
    dt_json_double(json, average);
    dt_json_kv_int(json, "messages", (int64_t)counters->messages);
    dt_json_kv_int(json, "bytes", (int64_t)counters->bytes);
    dt_json_kv_int(json, "stored", (int64_t)counters->stored);
    dt_json_kv_int(json, "less_safe", (int64_t)counters->less_safe);
    dt_json_kv_int(json, "not_stored", (int64_t)counters->not_stored);
    dt_json_kv_int(json, "in_doubt", (int64_t)counters->in_doubt);
    dt_json_kv_int(json, "oneway", (int64_t)counters->oneway);
    dt_json_kv_int(json, "retries", (int64_t)counters->retries);
    dt_json_kv_int(json, "backoffs", (int64_t)counters->backoffs);
}

static void put_lane(struct dt_json *json, struct rmq_lane *lane)
{
    size_t queued = lane->pending_count, in_flight = 0;

    pthread_mutex_lock(&lane->mutex);
    queued += lane->incoming_count;
    pthread_mutex_unlock(&lane->mutex);
    for (const struct rmq_flight *flight = &lane->first; flight != NULL;
         flight = flight->next)
        in_flight += flight->count;
    dt_json_object(json);
    dt_json_kv_string(json, "topic", lane->topic_name);
    dt_json_kv_string(json, "broker_name", lane->queue.broker_name);
    dt_json_kv_int(json, "queue_id", lane->queue.queue_id);
    dt_json_kv_string(json, "lane", kind_of(lane));
    dt_json_kv_string(json, "state", state_of(lane));
    dt_json_kv_string(json, "trouble", lane->trouble);
    dt_json_kv_int(json, "queued", (int64_t)queued);
    dt_json_kv_int(json, "in_flight", (int64_t)in_flight);
    dt_json_kv_int(json, "requests_in_flight", lane->flying);
    put_counters(json, &lane->counters);
    dt_json_object_end(json);
}

static void put_broker(struct dt_json *json, const struct rmq_send_broker *broker,
                       int64_t now_ms)
{
    int64_t avoided_ms = broker->pace.avoid_until_ms - now_ms;

    dt_json_object(json);
    dt_json_kv_string(json, "name", broker->name);
    dt_json_kv_int(json, "window", broker->pace.window);
    dt_json_kv_int(json, "window_max", broker->pace.window_max);
    dt_json_kv_int(json, "requests_in_flight", broker->pace.in_flight);
    dt_json_kv_int(json, "busy", (int64_t)broker->busy);
    dt_json_kv_int(json, "avoided_ms", avoided_ms > 0 ? avoided_ms : 0);
    dt_json_object_end(json);
}

void rmq_producer_write_statistics(void *owner, struct dt_json *json,
                                   struct rmq_statistics_sums *sums)
{
    struct rmq_producer *producer = owner;
    int64_t now_ms = dt_clock_ms();
    size_t used = atomic_load(&producer->room.used);

    sums->memory_used += used;
    sums->memory_max += producer->room.max;
    dt_json_object(json);
    dt_json_kv_string(json, "group", producer->group);
    dt_json_kv_int(json, "memory_used", (int64_t)used);
    dt_json_kv_int(json, "memory_max", (int64_t)producer->room.max);
    dt_json_key(json, "brokers");
    dt_json_array(json);
    for (const struct rmq_send_broker *broker = producer->brokers; broker != NULL;
         broker = broker->next)
        put_broker(json, broker, now_ms);
    dt_json_array_end(json);
    dt_json_key(json, "queues");
    dt_json_array(json);
    for (size_t i = 0; i < RMQ_LANE_BUCKETS; i++)
        for (struct rmq_lane *lane =
                 atomic_load_explicit(&producer->lanes[i], memory_order_acquire);
             lane != NULL; lane = lane->next)
            put_lane(json, lane);
    dt_json_array_end(json);
    dt_json_object_end(json);
}
