#include "rmq/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "rmq/producer_inside.h"
#include "rmq/send.h"

enum {
    BATCH_STORED_MAX =
        4 * 1024 * 1024 - 65536, /* what the broker's store makes of a batch */
    SCAN_MS = 10,  /* at the most so often are unsorted deadlines looked through */
    ERRORS_MAX = 3 /* code 1 to a batch, before its members go one by one */
};

static void lane_go(struct rmq_lane *lane);

/* ---------------------------------------------------------------- lines */

static void line_append(struct rmq_line *line, struct rmq_outgoing *message)
{
    message->next = NULL;
    if (line->last != NULL)
        line->last->next = message;
    else
        line->first = message;
    line->last = message;
}

static struct rmq_outgoing *line_take(struct rmq_line *line)
{
    struct rmq_outgoing *message = line->first;

    if (message == NULL)
        return NULL;
    line->first = message->next;
    if (line->first == NULL)
        line->last = NULL;
    return message;
}

/* Puts all of `tail` behind `line`. */
static void line_join(struct rmq_line *line, struct rmq_line *tail)
{
    if (tail->first == NULL)
        return;
    if (line->last != NULL)
        line->last->next = tail->first;
    else
        line->first = tail->first;
    line->last = tail->last;
    tail->first = tail->last = NULL;
}

static void collect(struct rmq_lane *lane)
{
    struct rmq_line incoming;

    pthread_mutex_lock(&lane->mutex);
    incoming = lane->incoming;
    lane->incoming.first = lane->incoming.last = NULL;
    pthread_mutex_unlock(&lane->mutex);
    line_join(&lane->pending, &incoming);
}

/* ---------------------------------------------------------------- ends of messages */

static void tell(struct rmq_outgoing *message, dt_status status, const char *reason,
                 const rmq_receipt *receipt)
{
    message->ended = true;
    if (message->callback != NULL)
        message->callback(message->opaque, status, reason, receipt);
}

/* Makes room for others. Before the callback runs, which may want that room. */
static void make_room(struct rmq_lane *lane, const struct rmq_line *line)
{
    size_t memory = 0;

    for (const struct rmq_outgoing *message = line->first; message != NULL;
         message = message->next)
        memory += rmq_outgoing_memory(message);
    atomic_fetch_sub(&lane->producer->memory_used, memory);
}

/* The last of a message: its callback runs, unless it has. */
static void finish(struct rmq_lane *lane, struct rmq_outgoing *message, dt_status status,
                   const char *reason)
{
    atomic_fetch_sub(&lane->producer->memory_used, rmq_outgoing_memory(message));
    if (!message->ended)
        tell(message, status, reason, NULL);
    free(message);
}

/* A message that is in no request ends without being stored, or in doubt if it ever was in one
 * that was not answered. */
static void end_unsent(struct rmq_lane *lane, struct rmq_outgoing *message,
                       dt_status status, const char *what)
{
    char reason[2 * RMQ_REASON_SIZE];

    snprintf(reason, sizeof(reason), "%s%s%s", what, lane->trouble[0] == 0 ? "" : ": ",
             lane->trouble);
    finish(lane, message, message->in_doubt ? DT_EINDOUBT : status, reason);
}

/* Ends what is due; returns the next deadline. Messages in a request under way stay in their
 * place, so that receipts find theirs. */
static int64_t expire(struct rmq_lane *lane, int64_t now_ms, bool is_sorted)
{
    struct rmq_line kept = {NULL, NULL};
    int64_t next_ms = INT64_MAX;
    struct rmq_outgoing *message;

    for (message = lane->flying.first; message != NULL; message = message->next) {
        if (message->ended)
            continue;
        if (message->deadline_ms > now_ms) {
            if (message->deadline_ms < next_ms)
                next_ms = message->deadline_ms;
            continue;
        }
        tell(message, DT_EINDOUBT, "sent, and not answered before the deadline", NULL);
    }
    while ((message = lane->pending.first) != NULL &&
           (!is_sorted || message->deadline_ms <= now_ms)) {
        line_take(&lane->pending);
        if (message->deadline_ms <= now_ms) {
            end_unsent(lane, message, DT_ETIMEDOUT, "not stored before the deadline");
            continue;
        }
        if (message->deadline_ms < next_ms)
            next_ms = message->deadline_ms;
        line_append(&kept, message);
    }
    if (is_sorted) {
        if (message != NULL && message->deadline_ms < next_ms)
            next_ms = message->deadline_ms;
    } else {
        line_join(&kept, &lane->pending);
        lane->pending = kept;
    }
    return next_ms;
}

static void set_timer(struct rmq_lane *lane)
{
    int64_t at_ms;

    pthread_mutex_lock(&lane->mutex);
    at_ms = lane->wake_ms;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->state == RMQ_LANE_BACKOFF && lane->backoff_until_ms < at_ms)
        at_ms = lane->backoff_until_ms;
    dt_timer_set_sooner(lane->timer, at_ms);
}

static void on_timer(void *context)
{
    struct rmq_lane *lane = context;
    int64_t now_ms = dt_clock_ms();
    int64_t next_ms;
    bool is_sorted;

    pthread_mutex_lock(&lane->mutex);
    line_join(&lane->pending, &lane->incoming);
    is_sorted = lane->is_sorted;
    lane->wake_ms = INT64_MAX; /* from here on pushes tell us of theirs */
    pthread_mutex_unlock(&lane->mutex);
    next_ms = expire(lane, now_ms, is_sorted);
    if (!is_sorted && next_ms < now_ms + SCAN_MS)
        next_ms = now_ms + SCAN_MS;
    pthread_mutex_lock(&lane->mutex);
    if (next_ms < lane->wake_ms)
        lane->wake_ms = next_ms;
    pthread_mutex_unlock(&lane->mutex);
    /* nothing was sent, and there is nothing left that should be */
    if (lane->state == RMQ_LANE_CALLING && lane->call.state == RMQ_CALL_WAITING &&
        lane->pending.first == NULL) {
        rmq_call_cancel(&lane->call);
        lane->state = RMQ_LANE_IDLE;
    }
    if (lane->state == RMQ_LANE_BACKOFF && now_ms >= lane->backoff_until_ms)
        lane->state = RMQ_LANE_IDLE;
    lane_go(lane);
    set_timer(lane);
}

/* ---------------------------------------------------------------- failures */

static void set_trouble(struct rmq_lane *lane, const char *reason)
{
    snprintf(lane->trouble, sizeof(lane->trouble), "%s", reason);
}

static void back_off(struct rmq_lane *lane)
{
    struct rmq_client *client = lane->producer->client;

    lane->state = RMQ_LANE_BACKOFF;
    lane->failures++;
    lane->backoff_until_ms = dt_clock_ms() + rmq_client_backoff_ms(client, lane->failures);
    if (lane->failures == 1)
        dt_log_debug("queue %s/%d of topic '%s': %s", lane->queue.broker_name,
                     lane->queue.queue_id, lane->topic_name, lane->trouble);
    set_timer(lane);
}

/* Back to the front, less those whose deadline has come meanwhile. */
static void put_back(struct rmq_lane *lane, bool in_doubt, bool alone)
{
    struct rmq_line again = {NULL, NULL};
    struct rmq_outgoing *message;

    while ((message = line_take(&lane->flying)) != NULL) {
        message->in_doubt |= in_doubt;
        message->alone |= alone;
        if (message->ended)
            finish(lane, message, DT_EINDOUBT, "");
        else
            line_append(&again, message);
    }
    lane->flying_count = 0;
    line_join(&again, &lane->pending);
    lane->pending = again;
}

static void on_stored(struct rmq_lane *lane, const struct rmq_command *command)
{
    struct rmq_receipts receipts;
    struct rmq_outgoing *message;
    rmq_receipt receipt;

    lane->failures = lane->error_count = 0;
    lane->trouble[0] = 0;
    receipt.queue = lane->queue;
    receipt.send_status = (rmq_send_status)command->code;
    receipt.less_safe = receipt.send_status != RMQ_SEND_OK;
    rmq_receipts_start(&receipts, command);
    make_room(lane, &lane->flying);
    while ((message = line_take(&lane->flying)) != NULL) {
        rmq_receipts_next(&receipts, message, &receipt);
        if (!message->ended)
            tell(message, DT_OK, "", &receipt);
        free(message);
    }
    lane->flying_count = 0;
}

static void on_refused(struct rmq_lane *lane)
{
    struct rmq_outgoing *message;

    if (lane->flying_count > 1) { /* one of them is bad: find out which */
        put_back(lane, false, true);
        lane->error_count = 0;
        return;
    }
    message = line_take(&lane->flying);
    lane->flying_count = 0;
    finish(lane, message, message->in_doubt ? DT_EINDOUBT : DT_EREFUSED, lane->trouble);
    lane->failures = lane->error_count = 0;
    lane->trouble[0] = 0;
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct rmq_lane *lane = call->owner;
    const struct rmq_command *command = answer->command;
    enum rmq_send_verdict verdict;

    lane->state = RMQ_LANE_IDLE;
    if (answer->status != DT_OK) {
        set_trouble(lane, answer->reason);
        put_back(lane, answer->status == DT_EINDOUBT, false);
        rmq_topic_refresh(lane->topic, NULL);
        back_off(lane);
        lane_go(lane);
        return;
    }
    verdict = rmq_send_judge(command);
    if (verdict == RMQ_SEND_STORED) {
        on_stored(lane, command);
        lane_go(lane);
        return;
    }
    snprintf(lane->trouble, sizeof(lane->trouble), "the broker %s %d: %.*s",
             rmq_command_is_denied(command) ? "denies access," : "answers", command->code,
             (int)command->remark.size,
             command->remark.size == 0 ? "" : (const char *)command->remark.data);
    if (verdict == RMQ_SEND_AGAIN && command->code == RMQ_SYSTEM_ERROR &&
        lane->flying_count > 1 && ++lane->error_count >= ERRORS_MAX)
        verdict = RMQ_SEND_REFUSED;
    if (verdict == RMQ_SEND_REFUSED) {
        on_refused(lane);
    } else {
        put_back(lane, false, false);
        if (command->code != RMQ_SYSTEM_BUSY)
            rmq_topic_refresh(lane->topic, NULL);
        back_off(lane);
    }
    lane_go(lane);
}

/* ---------------------------------------------------------------- sending */

/* Moves what fits into one request from pending to flying. */
static void take_batch(struct rmq_lane *lane)
{
    const struct rmq_producer *producer = lane->producer;
    size_t size = 0, stored = 0;
    struct rmq_outgoing *message;

    while ((message = lane->pending.first) != NULL) {
        bool is_first = lane->flying_count == 0;

        size += message->item_size;
        stored += rmq_outgoing_stored_size(message);
        if (!is_first &&
            (message->alone || lane->flying_count >= producer->batch_count_max ||
             size > producer->batch_size_max || stored > BATCH_STORED_MAX))
            return;
        line_append(&lane->flying, line_take(&lane->pending));
        lane->flying_count++;
        if (message->alone)
            return;
    }
}

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_lane *lane = call->owner;
    struct rmq_send send;

    collect(lane);
    take_batch(lane);
    send.group = lane->producer->group;
    send.topic = lane->topic_name;
    send.queue = &lane->queue;
    send.first = lane->flying.first;
    send.count = lane->flying_count;
    rmq_send_encode(&send, call->opaque, type, out);
}

static void on_route(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                     const char *reason)
{
    struct rmq_lane *lane = DT_CONTAINER(wait, struct rmq_lane, wait);

    (void)topic;
    lane->state = RMQ_LANE_IDLE;
    if (status != DT_OK) {
        set_trouble(lane, reason);
        back_off(lane);
    }
    lane_go(lane);
}

static void close_finished(struct rmq_lane *lane)
{
    bool is_posted;

    pthread_mutex_lock(&lane->mutex);
    is_posted = lane->is_posted;
    pthread_mutex_unlock(&lane->mutex);
    if (is_posted || lane->is_finished)
        return; /* the operation that is on its way comes by here */
    lane->is_finished = true;
    rmq_producer_lane_finished(lane->producer);
}

/* True if there is nothing to send; whoever pushes then posts. */
static bool is_empty(struct rmq_lane *lane)
{
    bool empty;

    if (lane->pending.first != NULL)
        return false;
    pthread_mutex_lock(&lane->mutex);
    empty = lane->incoming.first == NULL;
    if (empty) {
        lane->is_awake = false;
        lane->is_sorted = true;
        lane->last_deadline_ms = 0;
    }
    pthread_mutex_unlock(&lane->mutex);
    return empty;
}

/* Goes on with whatever is next, if nothing is under way. */
static void lane_go(struct rmq_lane *lane)
{
    struct rmq_client *client = lane->producer->client;
    struct rmq_outgoing *message;
    const char *address;

    if (lane->producer->is_closed) {
        collect(lane);
        while ((message = line_take(&lane->pending)) != NULL)
            end_unsent(lane, message, DT_ECLOSED, "the producer was closed");
        if (lane->state != RMQ_LANE_CALLING)
            close_finished(lane);
        return;
    }
    if (lane->state != RMQ_LANE_IDLE || is_empty(lane))
        return;
    if (lane->topic == NULL) {
        lane->topic = rmq_topic_get(client, lane->topic_name);
        if (lane->topic == NULL) {
            set_trouble(lane, "no memory for a topic");
            back_off(lane);
            return;
        }
        lane->topic->users++;
    }
    if (lane->topic->route == NULL) {
        lane->state = RMQ_LANE_ROUTE;
        rmq_topic_refresh(lane->topic, &lane->wait);
        return;
    }
    address = rmq_route_master(lane->topic->route, lane->queue.broker_name);
    if (address == NULL) {
        set_trouble(lane, "the name server knows no master of the broker");
        rmq_topic_refresh(lane->topic, NULL);
        back_off(lane);
        return;
    }
    lane->state = RMQ_LANE_CALLING;
    lane->call.timeout_ms = client->request_timeout_ms;
    rmq_call_start(client, address, &lane->call);
}

static void on_posted(struct dt_op *op)
{
    struct rmq_lane *lane = DT_CONTAINER(op, struct rmq_lane, op);

    pthread_mutex_lock(&lane->mutex);
    lane->is_posted = false;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->is_finished)
        return;
    lane_go(lane);
    set_timer(lane);
}

dt_status rmq_lane_push(struct rmq_lane *lane, struct rmq_outgoing *message)
{
    bool post;

    pthread_mutex_lock(&lane->mutex);
    if (lane->is_closed) {
        pthread_mutex_unlock(&lane->mutex);
        return dt_error_set(DT_ECLOSED, "the producer is being closed");
    }
    if (!message->own_id) {
        char id[RMQ_MESSAGE_ID_SIZE];

        rmq_uniq_key_next(&lane->ids, message->born_ms, id);
        memcpy(message->item + message->id_at, id, message->id_size);
    }
    if (message->deadline_ms < lane->last_deadline_ms)
        lane->is_sorted = false;
    lane->last_deadline_ms = message->deadline_ms;
    line_append(&lane->incoming, message);
    post = !lane->is_posted && (!lane->is_awake || message->deadline_ms < lane->wake_ms);
    if (message->deadline_ms < lane->wake_ms)
        lane->wake_ms = message->deadline_ms;
    lane->is_awake = true;
    lane->is_posted |= post;
    pthread_mutex_unlock(&lane->mutex);
    if (post)
        dt_loop_post(lane->producer->client->loop, &lane->op);
    return DT_OK;
}

/* ---------------------------------------------------------------- life */

dt_status rmq_lane_new(struct rmq_producer *producer, const char *topic,
                       const rmq_queue *queue, uint64_t hash, struct rmq_lane **out)
{
    struct rmq_client *client = producer->client;
    size_t topic_size = strlen(topic) + 1;
    struct rmq_lane *lane = calloc(1, sizeof(*lane) + topic_size);
    uint32_t random[2];
    dt_status status;

    *out = NULL;
    if (lane == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a queue's lane");
    status = dt_timer_new(client->loop, on_timer, lane, &lane->timer);
    if (status != DT_OK) {
        free(lane);
        return status;
    }
    memcpy(lane->topic_name, topic, topic_size);
    lane->producer = producer;
    lane->hash = hash;
    lane->queue = *queue;
    pthread_mutex_init(&lane->mutex, NULL);
    dt_random_bytes(random, sizeof(random));
    rmq_uniq_key_init(&lane->ids, dt_span_of(client->ip, sizeof(client->ip)),
                      (uint32_t)getpid(), random[0], (uint16_t)random[1]);
    lane->wake_ms = INT64_MAX;
    lane->is_sorted = true;
    lane->op.run = on_posted;
    rmq_topic_wait_init(&lane->wait);
    lane->wait.done = on_route;
    rmq_call_init(&lane->call);
    lane->call.owner = lane;
    lane->call.encode = encode;
    lane->call.done = on_answer;
    *out = lane;
    return DT_OK;
}

void rmq_lane_close(struct rmq_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->is_closed = true;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->state == RMQ_LANE_CALLING && lane->call.state == RMQ_CALL_WAITING) {
        rmq_call_cancel(&lane->call);
        lane->state = RMQ_LANE_IDLE;
    }
    if (lane->state == RMQ_LANE_ROUTE) {
        rmq_topic_wait_cancel(&lane->wait);
        lane->state = RMQ_LANE_IDLE;
    }
    lane_go(lane);
}

void rmq_lane_leave_loop(struct rmq_lane *lane)
{
    dt_timer_free(lane->timer);
    lane->timer = NULL;
    if (lane->topic != NULL)
        lane->topic->users--;
    lane->topic = NULL;
}

void rmq_lane_free(struct rmq_lane *lane)
{
    if (lane == NULL)
        return;
    dt_timer_free(lane->timer);
    pthread_mutex_destroy(&lane->mutex);
    free(lane);
}
