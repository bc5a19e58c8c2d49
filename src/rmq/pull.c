#include "rmq/pull.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "rmq/pull_consumer_inside.h"

enum {
    HELD_MS = 5000, /* brokers look only so often at requests that they hold */
    QUICK_MS = 50   /* an empty answer sooner than this was not held at all */
};

static void pull_go(struct rmq_pull *pull);

/* ---------------------------------------------------------------- state */

static struct rmq_client *client_of(struct rmq_pull *pull)
{
    return pull->consumer->client;
}

static void stop(struct rmq_pull *pull)
{
    rmq_call_cancel(&pull->call);
    rmq_topic_wait_cancel(&pull->wait);
    dt_timer_stop(pull->timer);
    pull->state = RMQ_PULL_OFF;
}

static void back_off(struct rmq_pull *pull, const char *why)
{
    struct rmq_client *client = client_of(pull);

    pull->state = RMQ_PULL_BACKOFF;
    pull->failures++;
    if (pull->failures == 1)
        dt_log_debug("pulling %s %s/%d: %s", pull->consumer->topic, pull->queue.broker_name,
                     pull->queue.queue_id, why);
    dt_timer_set(pull->timer,
                 dt_clock_ms() + rmq_client_backoff_ms(client, pull->failures));
}

static void on_timer(void *context)
{
    struct rmq_pull *pull = context;

    if (pull->state == RMQ_PULL_BACKOFF)
        pull_go(pull);
}

/* The route may be another by now; nobody waits for it. */
static void refresh_route(struct rmq_pull *pull)
{
    if (pull->consumer->route_topic != NULL)
        rmq_topic_refresh(pull->consumer->route_topic, NULL);
}

/* ---------------------------------------------------------------- answers */

/* Hands on what an answer says, if it says anything new. */
static void give(struct rmq_pull *pull, const struct rmq_command *command,
                 struct dt_span body, int64_t next_offset)
{
    struct rmq_chunk *chunk;
    bool is_moved = command->code == RMQ_PULL_OFFSET_MOVED;

    if (body.size == 0 && next_offset == pull->offset && !is_moved && !pull->was_lost)
        return;
    if (rmq_chunk_new(body, pull->offset, &chunk) != DT_OK) {
        dt_log_warning("answer to a pull of %s %s/%d at offset %lld: %s",
                       pull->consumer->topic, pull->queue.broker_name, pull->queue.queue_id,
                       (long long)pull->offset, dt_error_text());
        back_off(pull, dt_error_text());
        return;
    }
    chunk->next_offset = next_offset;
    chunk->min_offset = chunk->max_offset = -1;
    rmq_command_i64(command, "minOffset", &chunk->min_offset);
    rmq_command_i64(command, "maxOffset", &chunk->max_offset);
    chunk->moved = is_moved;
    chunk->interrupted = pull->was_lost;
    pull->was_lost = false;
    pull->offset = next_offset;
    rmq_pull_consumer_take(pull, chunk);
}

static void on_found(struct rmq_pull *pull, const struct rmq_command *command,
                     struct dt_span body)
{
    int64_t next_offset;

    if (!rmq_command_i64(command, "nextBeginOffset", &next_offset) ||
        next_offset <= pull->offset) {
        back_off(pull, "messages, but no next offset");
        return;
    }
    pull->state = RMQ_PULL_OFF;
    give(pull, command, body, next_offset);
    if (pull->state == RMQ_PULL_BACKOFF)
        return;
    pull->failures = 0;
    pull_go(pull);
}

/* Nothing there, or not there. */
static void on_empty(struct rmq_pull *pull, const struct rmq_command *command)
{
    int64_t next_offset = pull->offset;
    bool is_moved = command->code == RMQ_PULL_OFFSET_MOVED;
    bool is_quick = dt_clock_ms() - pull->asked_ms < QUICK_MS;

    rmq_command_i64(command, "nextBeginOffset", &next_offset);
    if (next_offset < 0)
        next_offset = 0;
    /* A broker that does not hold requests, or that sends us to and fro, must not make us ask
     * without end. */
    if (is_quick && (is_moved || next_offset <= pull->offset)) {
        give(pull, command, dt_span_of(NULL, 0), next_offset);
        if (is_moved && pull->failures == 0) {
            pull->failures = 1;
            pull_go(pull);
        } else {
            back_off(pull, "an empty answer at once");
        }
        return;
    }
    pull->failures = 0;
    give(pull, command, dt_span_of(NULL, 0), next_offset);
    pull_go(pull);
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct rmq_pull *pull = call->owner;
    struct rmq_pull_consumer *consumer = pull->consumer;
    const struct rmq_command *command = answer->command;
    int64_t now_ms = dt_clock_ms();
    char remark[RMQ_REASON_SIZE];

    if (answer->status != DT_OK) {
        bool is_late = now_ms - pull->asked_ms >= call->timeout_ms;

        rmq_pull_consumer_unanswered(
            consumer, is_late ? pull->asked_ms + consumer->suspend_ms : now_ms);
        pull->was_lost = true;
        refresh_route(pull);
        back_off(pull, answer->reason);
        return;
    }
    rmq_pull_consumer_answered(consumer);
    rmq_command_i64(command, "suggestWhichBrokerId", &pull->broker_id);
    switch (command->code) {
    case RMQ_SUCCESS:
        on_found(pull, command, answer->body);
        return;
    case RMQ_PULL_NOT_FOUND:
    case RMQ_PULL_RETRY_IMMEDIATELY:
    case RMQ_PULL_OFFSET_MOVED:
        on_empty(pull, command);
        return;
    default:
        break;
    }
    snprintf(remark, sizeof(remark), "the broker answers %d: %.*s", command->code,
             (int)command->remark.size,
             command->remark.size == 0 ? "" : (const char *)command->remark.data);
    if (command->code != RMQ_SYSTEM_BUSY && command->code != RMQ_FLOW_CONTROL)
        refresh_route(pull);
    back_off(pull, remark);
}

/* ---------------------------------------------------------------- asking */

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_pull *pull = call->owner;
    struct rmq_pull_consumer *consumer = pull->consumer;
    struct rmq_encoder encoder;

    pull->asked_ms = dt_clock_ms();
    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_PULL_MESSAGE, call->opaque, 0));
    rmq_encode_str(&encoder, "consumerGroup", consumer->group);
    rmq_encode_str(&encoder, "topic", consumer->topic);
    rmq_encode_int(&encoder, "queueId", pull->queue.queue_id);
    rmq_encode_int(&encoder, "queueOffset", pull->offset);
    rmq_encode_int(&encoder, "maxMsgNums", consumer->pull_count);
    rmq_encode_int(&encoder, "sysFlag", RMQ_PULL_SUSPEND | RMQ_PULL_SUBSCRIPTION);
    rmq_encode_int(&encoder, "commitOffset", 0);
    rmq_encode_int(&encoder, "suspendTimeoutMillis", consumer->suspend_ms);
    rmq_encode_str(&encoder, "subscription", "*");
    rmq_encode_int(&encoder, "subVersion", 0);
    rmq_encode_str(&encoder, "expressionType", "TAG");
    rmq_encode_end(&encoder, 0);
}

static void on_route(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                     const char *reason)
{
    struct rmq_pull *pull = DT_CONTAINER(wait, struct rmq_pull, wait);

    (void)topic;
    if (status == DT_OK) {
        pull_go(pull);
        return;
    }
    rmq_pull_consumer_unanswered(pull->consumer, dt_clock_ms());
    back_off(pull, reason);
}

/* True if there is no room for another answer; whoever polls will wake us. */
static bool is_full(struct rmq_pull *pull)
{
    struct rmq_pull_consumer *consumer = pull->consumer;
    bool full;

    pthread_mutex_lock(&consumer->mutex);
    full = pull->buffered >= consumer->queue_memory_max;
    pull->wants_room = full;
    pthread_mutex_unlock(&consumer->mutex);
    return full;
}

/* Asks for what comes next. */
static void pull_go(struct rmq_pull *pull)
{
    struct rmq_pull_consumer *consumer = pull->consumer;
    struct rmq_client *client = client_of(pull);
    struct rmq_topic *topic = consumer->route_topic;
    const char *address;

    if (is_full(pull)) {
        pull->state = RMQ_PULL_FULL;
        return;
    }
    if (topic == NULL) {
        topic = rmq_topic_get(client, consumer->topic);
        if (topic == NULL) {
            back_off(pull, "no memory for a topic");
            return;
        }
        topic->users++;
        consumer->route_topic = topic;
    }
    if (topic->route == NULL) {
        pull->state = RMQ_PULL_ROUTE;
        rmq_topic_refresh(topic, &pull->wait);
        return;
    }
    address =
        rmq_route_pull_address(topic->route, pull->queue.broker_name, pull->broker_id);
    if (address == NULL) {
        rmq_pull_consumer_unanswered(consumer, dt_clock_ms());
        refresh_route(pull);
        back_off(pull, "the name server does not know the broker");
        return;
    }
    pull->state = RMQ_PULL_CALLING;
    pull->asked_ms = dt_clock_ms();
    pull->call.timeout_ms = consumer->suspend_ms + HELD_MS + client->request_timeout_ms;
    rmq_call_start(client, address, &pull->call);
}

static void on_posted(struct dt_op *op)
{
    struct rmq_pull *pull = DT_CONTAINER(op, struct rmq_pull, op);
    struct rmq_pull_consumer *consumer = pull->consumer;
    uint64_t generation;
    int64_t start_offset;
    bool is_assigned;

    pthread_mutex_lock(&consumer->mutex);
    pull->is_posted = false;
    generation = pull->generation;
    start_offset = pull->start_offset;
    is_assigned = pull->is_assigned && !consumer->is_closed;
    pthread_mutex_unlock(&consumer->mutex);
    if (generation == pull->running) {
        if (pull->state == RMQ_PULL_FULL)
            pull_go(pull);
        return;
    }
    stop(pull);
    pull->running = generation;
    pull->offset = start_offset;
    pull->failures = 0;
    pull->was_lost = false;
    if (is_assigned)
        pull_go(pull);
}

bool rmq_pull_wake(struct rmq_pull *pull)
{
    if (pull->is_posted)
        return false;
    pull->is_posted = true;
    return true;
}

/* ---------------------------------------------------------------- life */

dt_status rmq_pull_new(struct rmq_pull_consumer *consumer, const rmq_queue *queue,
                       struct rmq_pull **out)
{
    struct rmq_pull *pull = calloc(1, sizeof(*pull));
    dt_status status;

    *out = NULL;
    if (pull == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a queue");
    status = dt_timer_new(consumer->client->loop, on_timer, pull, &pull->timer);
    if (status != DT_OK) {
        free(pull);
        return status;
    }
    pull->consumer = consumer;
    pull->queue = *queue;
    pull->op.run = on_posted;
    dt_list_init(&pull->chunks);
    dt_list_init(&pull->ready);
    rmq_topic_wait_init(&pull->wait);
    pull->wait.done = on_route;
    rmq_call_init(&pull->call);
    pull->call.owner = pull;
    pull->call.encode = encode;
    pull->call.done = on_answer;
    pull->call.repeatable = true;
    *out = pull;
    return DT_OK;
}

void rmq_pull_leave_loop(struct rmq_pull *pull)
{
    stop(pull);
    dt_timer_free(pull->timer);
    pull->timer = NULL;
}

void rmq_pull_free(struct rmq_pull *pull)
{
    while (!dt_list_is_empty(&pull->chunks)) {
        struct rmq_chunk *chunk = DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link);

        dt_list_remove(&chunk->link);
        free(chunk);
    }
    free(pull);
}
