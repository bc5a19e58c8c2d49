/* Orderly mode: queues that the brokers lock for us, so that nobody else handles their messages. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/consumer_inside.h"
#include "rmq/json.h"

struct locked {
    char topic[RMQ_TOPIC_SIZE_MAX + 1];
    rmq_queue queue;
    bool is_tried;    /* its broker was asked */
    bool is_answered; /* and has answered */
    bool is_ours;
};

/* Queues of one broker that are asked for. */
struct request {
    const struct rmq_consumer *consumer;
    const char *broker_name;
    struct locked *all;
    size_t count;
};

static bool is_of_broker(const struct request *request, const struct locked *locked)
{
    return strcmp(locked->queue.broker_name, request->broker_name) == 0;
}

static void put_queues(struct rmq_ask *ask, struct dt_buf *out)
{
    const struct request *request = ask->question;
    struct dt_json json;

    dt_json_start(&json, out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "clientId", request->consumer->client->id);
    dt_json_kv_string(&json, "consumerGroup", request->consumer->group);
    dt_json_key(&json, "mqSet");
    dt_json_array(&json);
    for (size_t i = 0; i < request->count; i++) {
        const struct locked *locked = &request->all[i];

        if (!is_of_broker(request, locked))
            continue;
        dt_json_object(&json);
        dt_json_kv_string(&json, "brokerName", locked->queue.broker_name);
        dt_json_kv_int(&json, "queueId", locked->queue.queue_id);
        dt_json_kv_string(&json, "topic", locked->topic);
        dt_json_object_end(&json);
    }
    dt_json_array_end(&json);
    dt_json_kv_bool(&json, "onlyThisBroker", false);
    dt_json_object_end(&json);
}

static bool read_locked(struct rmq_ask *ask, const struct rmq_command *command,
                        struct dt_span body)
{
    struct request *request = ask->result;
    struct rmq_json root, item;
    struct rmq_json_iter iter;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "lockOKMQSet"));
    while (rmq_json_next(&iter, NULL, &item)) {
        int64_t queue_id = rmq_json_i64_or(rmq_json_get(item, "queueId"), 0, INT32_MAX, -1);

        for (size_t i = 0; i < request->count; i++) {
            struct locked *locked = &request->all[i];

            if (is_of_broker(request, locked) && locked->queue.queue_id == queue_id &&
                rmq_json_is(rmq_json_get(item, "topic"), locked->topic))
                locked->is_ours = true;
        }
    }
    return true;
}

/* Lock: mutex held. */
static struct locked *collect(struct rmq_consumer *consumer, bool renew, size_t *count)
{
    struct dt_link *link;
    struct locked *all;
    size_t most = 0;

    *count = 0;
    for (link = consumer->held.next; link != &consumer->held; link = link->next)
        most++;
    all = most == 0 ? NULL : calloc(most, sizeof(*all));
    if (all == NULL)
        return NULL;
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        const struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->is_locked ? !renew : held->is_leaving)
            continue;
        memcpy(all[*count].topic, held->topic->name, sizeof(all[0].topic));
        all[(*count)++].queue = held->queue;
    }
    return all;
}

/* Somebody else has handled messages since: what we have of it counts for nothing, and where to go
 * on is asked again. Lock: mutex held. */
static void lose(struct rmq_consumer *consumer, struct rmq_held *held)
{
    snprintf(consumer->note, sizeof(consumer->note),
             "group '%s': the lock of %.100s %.60s/%d is lost", consumer->group,
             held->topic->name, held->queue.broker_name, (int)held->queue.queue_id);
    held->is_locked = false;
    atomic_store(&held->locked_ms, 0);
    held->is_started = false;
    rmq_pull_consumer_unassign(held->topic->pulls, &held->queue);
    rmq_held_detach(held);
}

static void note(struct rmq_consumer *consumer, const struct locked *locked,
                 int64_t asked_ms)
{
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (strcmp(held->topic->name, locked->topic) != 0 ||
            held->queue.queue_id != locked->queue.queue_id ||
            strcmp(held->queue.broker_name, locked->queue.broker_name) != 0)
            continue;
        if (locked->is_ours) {
            held->is_locked = true;
            atomic_store(&held->locked_ms, asked_ms);
            held->retry_ms = 0;
        } else if (held->is_locked &&
                   (locked->is_answered ||
                    asked_ms - atomic_load(&held->locked_ms) >= RMQ_LOCK_GOOD_MS)) {
            lose(consumer, held);
        }
    }
}

void rmq_consumer_lock_held(struct rmq_consumer *consumer, bool renew)
{
    struct request request = {consumer, NULL, NULL, 0};
    int64_t asked_ms = dt_clock_ms(); /* a broker counts from later on */

    pthread_mutex_lock(&consumer->mutex);
    request.all = collect(consumer, renew, &request.count);
    pthread_mutex_unlock(&consumer->mutex);
    for (size_t i = 0; i < request.count; i++) {
        struct rmq_ask ask;

        bool is_answered;

        if (request.all[i].is_tried)
            continue;
        request.broker_name = request.all[i].queue.broker_name;
        rmq_ask_init(&ask, consumer->client, RMQ_LOCK_BATCH_MQ,
                     rmq_deadline_ms(consumer->client->request_timeout_ms));
        ask.put_body = put_queues;
        ask.question = &request;
        ask.read = read_locked;
        ask.result = &request;
        is_answered =
            rmq_ask_broker(&ask, request.all[i].topic, request.broker_name) == DT_OK;
        if (!is_answered)
            rmq_client_log(consumer->client, DT_LOG_WARNING,
                           "group '%s': locking queues: %s", consumer->group,
                           dt_error_text());
        for (size_t k = i; k < request.count; k++) {
            if (is_of_broker(&request, &request.all[k])) {
                request.all[k].is_tried = true;
                request.all[k].is_answered = is_answered;
            }
        }
    }
    pthread_mutex_lock(&consumer->mutex);
    for (size_t i = 0; i < request.count; i++)
        note(consumer, &request.all[i], asked_ms);
    rmq_workers_wake(consumer);
    rmq_consumer_log_note(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    free(request.all);
}

void rmq_consumer_unlock(struct rmq_consumer *consumer, const char *topic,
                         const rmq_queue *queue)
{
    struct locked locked = {{0}, *queue, false, false, false};
    struct request request = {consumer, queue->broker_name, &locked, 1};
    struct rmq_ask ask;

    memcpy(locked.topic, topic, strlen(topic) + 1);
    rmq_ask_init(&ask, consumer->client, RMQ_UNLOCK_BATCH_MQ,
                 rmq_deadline_ms(consumer->client->request_timeout_ms));
    ask.put_body = put_queues;
    ask.question = &request;
    if (rmq_ask_broker(&ask, topic, queue->broker_name) != DT_OK)
        rmq_client_log(consumer->client, DT_LOG_DEBUG, "group '%s': unlocking: %s",
                       consumer->group, dt_error_text());
}
