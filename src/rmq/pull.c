#include "rmq/pull.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/pull_consumer_inside.h"

enum {
    HELD_MS = 5000, /* brokers look only so often at requests that they hold */
    QUICK_MS = 50   /* an empty answer sooner than this was not held at all */
};

static void fill(struct rmq_pull *pull);

static void add(atomic_uint_least64_t *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

/* ---------------------------------------------------------------- state */

static struct rmq_client *client_of(struct rmq_pull *pull)
{
    return pull->consumer->client;
}

static void free_discarded(struct rmq_pull *pull)
{
    void *chunk;

    while ((chunk = rmq_pull_window_discard(&pull->window)) != NULL) {
        add(&pull->consumer->counters.discarded, 1);
        free(chunk);
    }
}

/* Forgets what was asked and what cannot be handed on yet; reading stands at `offset`. */
static void clear(struct rmq_pull *pull, int64_t offset)
{
    for (size_t i = 0; i < RMQ_PULL_PIECES_MAX; i++)
        if (pull->requests[i] != NULL)
            rmq_call_cancel(&pull->requests[i]->call);
    rmq_pull_window_clear(&pull->window, offset);
    free_discarded(pull);
}

static void stop(struct rmq_pull *pull)
{
    clear(pull, 0);
    rmq_topic_wait_cancel(&pull->wait);
    dt_timer_stop(pull->timer);
    pull->state = RMQ_PULL_OFF;
}

static void back_off(struct rmq_pull *pull, const char *why)
{
    struct rmq_client *client = client_of(pull);

    clear(pull, pull->window.next);
    pull->state = RMQ_PULL_BACKOFF;
    pull->failures++;
    if (pull->failures == 1)
        rmq_client_log(pull->consumer->client, DT_LOG_DEBUG, "pulling %s %s/%d: %s",
                       pull->consumer->topic, pull->queue.broker_name, pull->queue.queue_id,
                       why);
    dt_timer_set(pull->timer,
                 dt_clock_ms() + rmq_client_backoff_ms(client, pull->failures));
}

static void on_timer(void *context)
{
    struct rmq_pull *pull = context;

    if (pull->state == RMQ_PULL_BACKOFF)
        fill(pull);
}

/* The route may be another by now; nobody waits for it. */
static void refresh_route(struct rmq_pull *pull)
{
    if (pull->consumer->route_topic != NULL)
        rmq_topic_refresh(pull->consumer->route_topic, NULL);
}

/* ---------------------------------------------------------------- handing on */

/* What an answer to a request at `offset` says; NULL: it cannot be kept, and reading pauses. */
static struct rmq_chunk *chunk_of(struct rmq_pull *pull, const struct rmq_command *command,
                                  struct dt_span body, int64_t offset)
{
    struct rmq_chunk *chunk;

    if (rmq_chunk_new(body, offset, &chunk) != DT_OK) {
        char why[RMQ_REASON_SIZE];

        snprintf(why, sizeof(why), "%s", dt_error_text());
        rmq_client_log(pull->consumer->client, DT_LOG_WARNING,
                       "answer to a pull of %s %s/%d at offset %lld: %s",
                       pull->consumer->topic, pull->queue.broker_name, pull->queue.queue_id,
                       (long long)offset, why);
        back_off(pull, why);
        return NULL;
    }
    chunk->min_offset = chunk->max_offset = -1;
    rmq_command_i64(command, "minOffset", &chunk->min_offset);
    rmq_command_i64(command, "maxOffset", &chunk->max_offset);
    return chunk;
}

static void give(struct rmq_pull *pull, struct rmq_chunk *chunk, int64_t offset,
                 int64_t next_offset)
{
    chunk->asked_offset = offset;
    chunk->next_offset = next_offset;
    chunk->interrupted = pull->was_lost;
    pull->was_lost = false;
    add(&pull->consumer->counters.messages, chunk->message_count);
    add(&pull->consumer->counters.bytes, chunk->size);
    pull->message_count += chunk->message_count;
    pull->byte_count += chunk->size;
    rmq_pull_consumer_take(pull, chunk);
}

/* Hands on what is complete, and asks on. */
static void go_on(struct rmq_pull *pull)
{
    struct rmq_pull_taken taken;

    while (rmq_pull_window_take(&pull->window, &taken))
        give(pull, taken.payload, taken.offset, taken.next);
    free_discarded(pull);
    fill(pull);
}

/* All that there is from the request's offset to next_offset. */
static void keep(struct rmq_pull *pull, const struct rmq_pull_request *request,
                 const struct rmq_command *command, struct dt_span body,
                 int64_t next_offset)
{
    struct rmq_chunk *chunk = chunk_of(pull, command, body, request->wish.offset);

    if (chunk == NULL)
        return;
    pull->failures = 0;
    pull->answer_size = rmq_chunk_memory(chunk);
    rmq_pull_window_answer(&pull->window, request->wish.id, next_offset, chunk->max_offset,
                           chunk, rmq_chunk_memory(chunk));
    go_on(pull);
}

/* ---------------------------------------------------------------- answers */

static void on_found(struct rmq_pull *pull, const struct rmq_pull_request *request,
                     const struct rmq_command *command, struct dt_span body)
{
    int64_t next_offset;

    if (!rmq_command_i64(command, "nextBeginOffset", &next_offset) ||
        next_offset <= request->wish.offset) {
        back_off(pull, "messages, but no next offset");
        return;
    }
    keep(pull, request, command, body, next_offset);
}

/* Reading is to go on elsewhere. */
static void on_moved(struct rmq_pull *pull, const struct rmq_pull_request *request,
                     const struct rmq_command *command, int64_t next_offset, bool is_quick)
{
    int64_t offset = pull->window.next;
    struct rmq_chunk *chunk =
        chunk_of(pull, command, dt_span_of(NULL, 0), request->wish.offset);

    if (chunk == NULL)
        return;
    add(&pull->consumer->counters.moved, 1);
    chunk->moved = true;
    clear(pull, next_offset);
    give(pull, chunk, offset, next_offset);
    /* A broker that sends us to and fro must not make us ask without end. */
    if (is_quick && pull->failures > 0) {
        back_off(pull, "moved again at once");
        return;
    }
    pull->failures = is_quick ? 1 : 0;
    fill(pull);
}

/* Nothing there, and no way on. */
static void on_nothing(struct rmq_pull *pull, const struct rmq_pull_request *request,
                       const struct rmq_command *command, bool is_quick)
{
    int64_t offset = pull->window.next, max_offset = -1;

    if (pull->was_lost) { /* the reader waits to hear of it */
        struct rmq_chunk *chunk = chunk_of(pull, command, dt_span_of(NULL, 0), offset);

        if (chunk == NULL)
            return;
        give(pull, chunk, offset, offset);
    }
    if (is_quick) {
        back_off(pull, "an empty answer at once");
        return;
    }
    rmq_command_i64(command, "maxOffset", &max_offset);
    pull->failures = 0;
    rmq_pull_window_drop(&pull->window, request->wish.id, max_offset);
    fill(pull);
}

/* Codes 19, 20 and 21. A request that was a guess is only good for a way on; what else its
 * answer says is asked again when reading stands there. But a reset that an operator has asked
 * for is told once, to whatever request comes first. */
static void on_empty(struct rmq_pull *pull, const struct rmq_pull_request *request,
                     const struct rmq_command *command)
{
    int64_t next_offset = request->wish.offset, max_offset = -1;
    bool is_first = rmq_pull_window_is_first(&pull->window, request->wish.id);
    bool is_moved = command->code == RMQ_PULL_OFFSET_MOVED;
    bool is_reset = is_moved && dt_span_equal_str(command->remark, "OFFSET_RESET");
    bool is_quick = dt_clock_ms() - request->asked_ms < QUICK_MS;

    add(&pull->consumer->counters.empty, 1);
    rmq_command_i64(command, "nextBeginOffset", &next_offset);
    if (next_offset < 0)
        next_offset = 0;
    if (is_reset || (is_moved && is_first && request->to_master)) {
        on_moved(pull, request, command, next_offset, is_quick);
    } else if (is_moved && is_first) {
        /* a slave that lacks the newest messages, or has them longer: its master decides */
        pull->broker_id = 0;
        back_off(pull, "the offset is not one of the slave's");
    } else if (!is_moved && next_offset > request->wish.offset &&
               (is_first || command->code == RMQ_PULL_RETRY_IMMEDIATELY)) {
        keep(pull, request, command, dt_span_of(NULL, 0), next_offset);
    } else if (is_first && request->wish.is_first) {
        on_nothing(pull, request, command, is_quick);
    } else {
        rmq_command_i64(command, "maxOffset", &max_offset);
        rmq_pull_window_drop(&pull->window, request->wish.id, max_offset);
        fill(pull);
    }
}

static void on_unanswered(struct rmq_pull *pull, const struct rmq_pull_request *request,
                          const char *reason)
{
    struct rmq_pull_consumer *consumer = pull->consumer;
    int64_t now_ms = dt_clock_ms(), since_ms = now_ms;

    if (now_ms - request->asked_ms >= request->call.timeout_ms)
        since_ms = request->asked_ms + (request->wish.is_first ? consumer->suspend_ms : 0);
    rmq_pull_consumer_unanswered(consumer, since_ms);
    add(&consumer->counters.failures, 1);
    pull->was_lost = true;
    pull->broker_id = 0;
    refresh_route(pull);
    back_off(pull, reason);
}

static void on_error(struct rmq_pull *pull, const struct rmq_pull_request *request,
                     const struct rmq_command *command)
{
    char remark[RMQ_REASON_SIZE];

    add(&pull->consumer->counters.failures, 1);
    if (!rmq_pull_window_is_first(&pull->window, request->wish.id)) {
        rmq_pull_window_drop(&pull->window, request->wish.id, pull->window.max);
        fill(pull);
        return;
    }
    snprintf(remark, sizeof(remark), "the broker %s %d: %.*s",
             rmq_command_is_denied(command) ? "denies access," : "answers", command->code,
             (int)command->remark.size,
             command->remark.size == 0 ? "" : (const char *)command->remark.data);
    if (rmq_command_is_denied(command))
        rmq_pull_consumer_refused(pull->consumer, remark);
    if (command->code != RMQ_SYSTEM_BUSY && command->code != RMQ_FLOW_CONTROL)
        refresh_route(pull);
    back_off(pull, remark);
}

/* True if the answer came by a newer connection than those before: the broker may have lost its
 * newest messages in between. */
static bool is_by_new_connection(struct rmq_pull *pull,
                                 const struct rmq_pull_request *request)
{
    uint64_t *last = &pull->conn_numbers[request->to_master];
    bool is_new = *last != 0 && request->call.conn_number > *last;

    if (request->call.conn_number > *last)
        *last = request->call.conn_number;
    return is_new;
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct rmq_pull_request *request = call->owner;
    struct rmq_pull *pull = request->pull;
    const struct rmq_command *command = answer->command;

    if (answer->status != DT_OK) {
        on_unanswered(pull, request, answer->reason);
        return;
    }
    rmq_pull_consumer_answered(pull->consumer);
    add(&pull->consumer->counters.answers, 1);
    pull->answered_ms = dt_clock_ms();
    if (is_by_new_connection(pull, request)) {
        pull->was_lost = true;
        if (pull->window.count >
            1) { /* with what came by the one before: ask for all again */
            clear(pull, pull->window.next);
            fill(pull);
            return;
        }
    }
    rmq_command_i64(command, "suggestWhichBrokerId", &pull->broker_id);
    switch (command->code) {
    case RMQ_SUCCESS:
        on_found(pull, request, command, answer->body);
        return;
    case RMQ_PULL_NOT_FOUND:
    case RMQ_PULL_RETRY_IMMEDIATELY:
    case RMQ_PULL_OFFSET_MOVED:
        on_empty(pull, request, command);
        return;
    default:
        on_error(pull, request, command);
    }
}

/* ---------------------------------------------------------------- asking */

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_pull_request *request = call->owner;
    struct rmq_pull *pull = request->pull;
    struct rmq_pull_consumer *consumer = pull->consumer;
    struct rmq_encoder encoder;

    request->asked_ms = dt_clock_ms();
    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_PULL_MESSAGE, call->opaque, 0));
    rmq_encode_str(&encoder, "consumerGroup", consumer->group);
    rmq_encode_str(&encoder, "topic", consumer->topic);
    rmq_encode_int(&encoder, "queueId", pull->queue.queue_id);
    rmq_encode_int(&encoder, "queueOffset", request->wish.offset);
    rmq_encode_int(&encoder, "maxMsgNums", request->wish.count);
    rmq_encode_int(&encoder, "sysFlag",
                   RMQ_PULL_SUBSCRIPTION | (request->wish.is_first ? RMQ_PULL_SUSPEND : 0));
    rmq_encode_int(&encoder, "commitOffset", 0);
    rmq_encode_int(&encoder, "suspendTimeoutMillis", consumer->suspend_ms);
    rmq_encode_str(&encoder, "subscription", consumer->subscription);
    rmq_encode_int(&encoder, "subVersion", 0);
    rmq_encode_str(&encoder, "expressionType", "TAG");
    rmq_encode_end(&encoder, 0);
}

static struct rmq_pull_request *request_of(struct rmq_pull *pull, unsigned id)
{
    struct rmq_pull_request *request = pull->requests[id];

    if (request != NULL)
        return request;
    request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->pull = pull;
    rmq_call_init(&request->call);
    request->call.owner = request;
    request->call.encode = encode;
    request->call.done = on_answer;
    request->call.repeatable = true;
    pull->requests[id] = request;
    return request;
}

static bool start(struct rmq_pull *pull, const char *address, bool to_master,
                  const struct rmq_pull_wish *wish)
{
    struct rmq_client *client = client_of(pull);
    struct rmq_pull_request *request = request_of(pull, wish->id);

    if (request == NULL) {
        rmq_pull_window_drop(&pull->window, wish->id, pull->window.max);
        if (wish->is_first)
            back_off(pull, "no memory for a request");
        return false;
    }
    request->wish = *wish;
    request->to_master = to_master;
    request->asked_ms = dt_clock_ms();
    request->call.timeout_ms = HELD_MS + client->request_timeout_ms +
                               (wish->is_first ? pull->consumer->suspend_ms : 0);
    request->call.is_held = wish->is_first;
    add(&pull->consumer->counters.requests, 1);
    pull->request_count++;
    rmq_call_start(client, address, &request->call);
    return true;
}

static void on_route(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                     const char *reason)
{
    struct rmq_pull *pull = DT_CONTAINER(wait, struct rmq_pull, wait);

    (void)topic;
    if (status == DT_OK) {
        fill(pull);
        return;
    }
    rmq_pull_consumer_unanswered(pull->consumer, dt_clock_ms());
    back_off(pull, reason);
}

/* Offsets between the oldest message that waits to be polled and what is asked for. Lock:
 * consumer->mutex held. */
static int64_t span_of(const struct rmq_pull *pull)
{
    const struct rmq_pull_window *window = &pull->window;
    int64_t end = window->count > 0 ? window->pieces[window->count - 1].next : window->next;

    if (dt_list_is_empty(&pull->chunks))
        return end - window->next;
    return end - DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link)->asked_offset;
}

/* Whether there is room for the next answer, and for others ahead. Whoever polls will wake us if
 * there is not. */
static bool has_room(struct rmq_pull *pull, bool *ahead)
{
    const struct rmq_pull_window *window = &pull->window;
    struct rmq_pull_consumer *consumer = pull->consumer;
    size_t under_way = rmq_pull_window_under_way(window);
    size_t guessed = window->held + (under_way + 1) * pull->answer_size;
    size_t guessed_count =
        (window->count + 1) * (size_t)(window->stride < consumer->pull_count
                                           ? window->stride
                                           : consumer->pull_count);
    bool room;

    pthread_mutex_lock(&consumer->mutex);
    room = !pull->is_paused && pull->buffered < consumer->queue_memory_max &&
           pull->buffered_count < consumer->queue_count_max &&
           span_of(pull) < consumer->queue_span_max;
    *ahead = room && pull->buffered + guessed <= consumer->queue_memory_max &&
             pull->buffered_count + guessed_count <= consumer->queue_count_max;
    pull->wants_room = !room || !*ahead;
    pthread_mutex_unlock(&consumer->mutex);
    return room;
}

/* The topic's route: NULL while it is being asked for. */
static const struct rmq_route *route_of(struct rmq_pull *pull)
{
    struct rmq_pull_consumer *consumer = pull->consumer;

    if (consumer->route_topic == NULL) {
        struct rmq_topic *topic = rmq_topic_get(consumer->client, consumer->topic);

        if (topic == NULL) {
            back_off(pull, "no memory for a topic");
            return NULL;
        }
        topic->users++;
        consumer->route_topic = topic;
    }
    if (consumer->route_topic->route == NULL) {
        pull->state = RMQ_PULL_ROUTE;
        rmq_topic_refresh(consumer->route_topic, &pull->wait);
    }
    return consumer->route_topic->route;
}

/* Asks for what comes next, and for as much ahead as is wise. */
static void fill(struct rmq_pull *pull)
{
    const struct rmq_route *route = route_of(pull);
    struct rmq_pull_wish wish;
    const char *address, *master;
    bool ahead;

    if (route == NULL)
        return;
    address = rmq_route_pull_address(route, pull->queue.broker_name, pull->broker_id);
    if (address == NULL) {
        rmq_pull_consumer_unanswered(pull->consumer, dt_clock_ms());
        refresh_route(pull);
        back_off(pull, "the name server does not know the broker");
        return;
    }
    master = rmq_route_master(route, pull->queue.broker_name);
    pull->state = RMQ_PULL_RUNNING;
    while (has_room(pull, &ahead) && rmq_pull_window_ask(&pull->window, ahead, &wish))
        if (!start(pull, address, address == master, &wish))
            break;
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
        if (pull->state == RMQ_PULL_RUNNING)
            fill(pull);
        rmq_pull_consumer_tell(consumer);
        return;
    }
    stop(pull);
    pull->running = generation;
    rmq_pull_window_init(&pull->window, start_offset, consumer->queue_requests_max,
                         consumer->pull_count);
    pull->failures = 0;
    pull->was_lost = false;
    pull->conn_numbers[0] = pull->conn_numbers[1] = 0;
    if (is_assigned)
        fill(pull);
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
    for (size_t i = 0; i < RMQ_PULL_PIECES_MAX; i++)
        free(pull->requests[i]);
    free(pull);
}
