/* Where queues are read: moving on request, and what is held. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/assign.h"
#include "rmq/consumer_inside.h"
#include "rmq/json.h"

enum { RESETS_MAX = 65536 };

/* ---------------------------------------------------------------- moving */

void rmq_consumer_move(struct rmq_consumer *consumer, struct rmq_held *held, int64_t offset)
{
    rmq_held_detach(held);
    held->taken = offset;
    held->committed = -1;
    held->is_started = true;
    held->resume_ms = 0;
    if (rmq_pull_consumer_assign(held->topic->pulls, &held->queue, offset) != DT_OK) {
        held->is_started = false; /* cannot be: the queue is being read already */
        held->retry_ms = dt_clock_ms();
    }
    rmq_workers_wake(consumer);
}

/* False: the queue is not ours. */
static bool move_queue(struct rmq_consumer *consumer, const char *topic,
                       const rmq_queue *queue, int64_t offset)
{
    struct rmq_consumer_topic *found;
    struct rmq_held *held = NULL;

    pthread_mutex_lock(&consumer->mutex);
    found = rmq_consumer_find_topic(consumer, topic);
    if (found != NULL)
        held = rmq_consumer_find_held(consumer, found, queue);
    if (held != NULL && (held->is_leaving || !held->is_started))
        held = NULL;
    if (held != NULL)
        rmq_consumer_move(consumer, held, offset);
    pthread_mutex_unlock(&consumer->mutex);
    return held != NULL;
}

dt_status rmq_consumer_seek(rmq_consumer *consumer, const char *topic,
                            const rmq_queue *queue, int64_t offset)
{
    if (consumer == NULL || topic == NULL || queue == NULL || offset < 0)
        return dt_error_set(DT_EINVAL, "no consumer, topic, queue or offset");
    if (rmq_client_check(consumer->client, true) != DT_OK)
        return DT_ESTATE;
    if (!move_queue(consumer, topic, queue, offset))
        return dt_error_set(DT_ENOTFOUND, "queue %s/%d of topic '%s' is not ours now",
                            queue->broker_name, (int)queue->queue_id, topic);
    return rmq_consumer_commit_held(consumer, false);
}

dt_status rmq_consumer_commit(rmq_consumer *consumer)
{
    if (consumer == NULL)
        return dt_error_set(DT_EINVAL, "no consumer");
    if (rmq_client_check(consumer->client, true) != DT_OK)
        return DT_ESTATE;
    return rmq_consumer_commit_held(consumer, false);
}

dt_status rmq_consumer_seek_time(rmq_consumer *consumer, const char *topic, int64_t wall_ms,
                                 int64_t timeout_ms)
{
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    rmq_held_queue *queues;
    size_t count, moved = 0;
    dt_status status;

    if (topic == NULL || wall_ms < 0 || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no topic or no time");
    status = rmq_consumer_queues(consumer, &queues, &count);
    for (size_t i = 0; status == DT_OK && i < count; i++) {
        int64_t offset, left_ms = deadline_ms - dt_clock_ms();

        if (strcmp(queues[i].topic, topic) != 0)
            continue;
        status = rmq_offset_by_time(consumer->client, topic, &queues[i].queue, wall_ms,
                                    RMQ_BOUNDARY_LOWER, left_ms > 0 ? left_ms : 1, &offset);
        if (status == DT_OK)
            moved += move_queue(consumer, topic, &queues[i].queue, offset);
    }
    rmq_free(queues);
    if (status != DT_OK)
        return status;
    if (moved == 0)
        return dt_error_set(DT_ENOTFOUND, "no queue of topic '%s' is ours now", topic);
    return rmq_consumer_commit_held(consumer, false);
}

/* ---------------------------------------------------------------- what is held */

static int compare_held(const void *a, const void *b)
{
    const rmq_held_queue *one = a, *other = b;
    int topics = strcmp(one->topic, other->topic);

    return topics != 0 ? topics : rmq_queue_compare(&one->queue, &other->queue);
}

dt_status rmq_consumer_queues(rmq_consumer *consumer, rmq_held_queue **out, size_t *count)
{
    struct dt_link *link;
    size_t most = 0;

    if (consumer == NULL || out == NULL || count == NULL)
        return dt_error_set(DT_EINVAL, "no consumer, or no place for its queues");
    *out = NULL;
    *count = 0;
    pthread_mutex_lock(&consumer->mutex);
    for (link = consumer->held.next; link != &consumer->held; link = link->next)
        most++;
    *out = most == 0 ? NULL : calloc(most, sizeof(**out));
    for (link = consumer->held.next; *out != NULL && link != &consumer->held;
         link = link->next) {
        const struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);
        rmq_held_queue *queue = &(*out)[*count];

        if (!held->is_started || held->is_leaving)
            continue;
        snprintf(queue->topic, sizeof(queue->topic), "%s",
                 rmq_namespace_strip(consumer->client->space, held->topic->name));
        queue->queue = held->queue;
        queue->handled = rmq_held_low(held);
        queue->committed = held->committed;
        queue->taken = held->taken;
        (*count)++;
    }
    pthread_mutex_unlock(&consumer->mutex);
    if (most > 0 && *out == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a list of queues");
    if (*count > 1)
        qsort(*out, *count, sizeof(**out), compare_held);
    return DT_OK;
}

/* ---------------------------------------------------------------- resets */

static void add_reset(struct rmq_consumer *consumer, struct dt_span topic,
                      struct rmq_json queue, int64_t offset)
{
    struct rmq_json of_queue = rmq_json_get(queue, "topic");
    struct rmq_reset *reset;
    char name[RMQ_TOPIC_SIZE_MAX + 1];
    int64_t queue_id = rmq_json_i64_or(rmq_json_get(queue, "queueId"), 0, INT32_MAX, -1);

    if (offset < 0 || queue_id < 0 || topic.size >= sizeof(name))
        return;
    if (!rmq_json_copy(of_queue, name, sizeof(name))) {
        memcpy(name, topic.data, topic.size);
        name[topic.size] = 0;
    }
    reset = calloc(1, sizeof(*reset));
    if (reset == NULL)
        return; /* an operator sees that nothing has moved */
    memcpy(reset->topic, name, sizeof(name));
    reset->offset = offset;
    reset->queue.queue_id = (int32_t)queue_id;
    if (rmq_json_copy(rmq_json_get(queue, "brokerName"), reset->queue.broker_name,
                      sizeof(reset->queue.broker_name))) {
        pthread_mutex_lock(&consumer->mutex);
        dt_list_append(&consumer->resets, &reset->link);
        rmq_manager_wake(consumer);
        pthread_mutex_unlock(&consumer->mutex);
    } else {
        free(reset);
    }
}

/* Two forms: {"offsetTable":{{queue}:offset}}, and a list of queues each with its offset. */
void rmq_consumer_on_reset(void *owner, struct dt_span topic, struct dt_span body)
{
    struct rmq_consumer *consumer = owner;
    struct rmq_json root, table, key, value;
    struct rmq_json_iter iter;
    size_t count = 0;

    if (!rmq_json_parse(body, &root))
        return;
    table = rmq_json_get(root, "offsetTable");
    iter = rmq_json_items(table);
    while (rmq_json_next(&iter, &key, &value) && count++ < RESETS_MAX) {
        if (table.kind == RMQ_JSON_ARRAY)
            add_reset(consumer, topic, value,
                      rmq_json_i64_or(rmq_json_get(value, "offset"), 0, INT64_MAX, -1));
        else
            add_reset(consumer, topic, key, rmq_json_i64_or(value, 0, INT64_MAX, -1));
    }
}

void rmq_consumer_run_resets(struct rmq_consumer *consumer)
{
    bool any = false;

    for (;;) {
        struct rmq_reset *reset = NULL;

        pthread_mutex_lock(&consumer->mutex);
        if (!dt_list_is_empty(&consumer->resets)) {
            reset = DT_CONTAINER(consumer->resets.next, struct rmq_reset, link);
            dt_list_remove(&reset->link);
        }
        pthread_mutex_unlock(&consumer->mutex);
        if (reset == NULL)
            break;
        if (move_queue(consumer, reset->topic, &reset->queue, reset->offset)) {
            any = true;
            rmq_client_log(consumer->client, DT_LOG_INFO,
                           "group '%s': %s %s/%d was reset to offset %lld", consumer->group,
                           reset->topic, reset->queue.broker_name,
                           (int)reset->queue.queue_id, (long long)reset->offset);
        }
        free(reset);
    }
    if (any && rmq_consumer_commit_held(consumer, false) != DT_OK)
        rmq_client_log(consumer->client, DT_LOG_WARNING, "group '%s': %s", consumer->group,
                       dt_error_text());
}
