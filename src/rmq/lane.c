#include "rmq/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "rmq/lane_inside.h"

enum {
    SCAN_MS = 10 /* at the most so often are unsorted deadlines looked through */
};

/* ---------------------------------------------------------------- intake */

/* Lock: lane->mutex held. */
static void take_in(struct rmq_lane *lane, struct rmq_outgoing *message)
{
    if (message->deadline_ms < lane->last_deadline_ms)
        lane->is_sorted = false;
    lane->last_deadline_ms = message->deadline_ms;
    rmq_line_append(&lane->incoming, message);
    lane->incoming_count++;
    lane->incoming_size += message->item_size;
}

/* True if the loop must be told, which the caller then does. Lock: lane->mutex held. */
static bool must_post(struct rmq_lane *lane, int64_t deadline_ms)
{
    bool is_full = lane->is_lingering && (lane->incoming_count >= lane->linger_count ||
                                          lane->incoming_size >= lane->linger_size);
    bool post =
        !lane->is_posted && (!lane->is_awake || deadline_ms < lane->wake_ms || is_full);

    if (deadline_ms < lane->wake_ms)
        lane->wake_ms = deadline_ms;
    lane->is_awake = true;
    lane->is_posted |= post;
    return post;
}

dt_status rmq_lane_push(struct rmq_lane *lane, struct rmq_outgoing *message)
{
    bool post;

    pthread_mutex_lock(&lane->mutex);
    if (lane->is_closed) {
        pthread_mutex_unlock(&lane->mutex);
        return dt_error_set(DT_ECLOSED, "the producer is being closed");
    }
    if (!message->has_id)
        rmq_outgoing_set_ids(message, &lane->ids);
    take_in(lane, message);
    post = must_post(lane, message->deadline_ms);
    pthread_mutex_unlock(&lane->mutex);
    if (post)
        dt_loop_post(lane->producer->client->loop, &lane->op);
    return DT_OK;
}

void rmq_lane_push_line(struct rmq_lane *lane, struct rmq_line *line)
{
    int64_t first_ms = INT64_MAX;
    struct rmq_outgoing *message;
    bool post;

    pthread_mutex_lock(&lane->mutex);
    while ((message = rmq_line_take(line)) != NULL) {
        if (message->deadline_ms < first_ms)
            first_ms = message->deadline_ms;
        take_in(lane, message);
    }
    post = must_post(lane, first_ms);
    pthread_mutex_unlock(&lane->mutex);
    if (post)
        dt_loop_post(lane->producer->client->loop, &lane->op);
}

void rmq_lane_post(struct rmq_lane *lane)
{
    bool post;

    pthread_mutex_lock(&lane->mutex);
    post = !lane->is_posted;
    lane->is_posted = true;
    pthread_mutex_unlock(&lane->mutex);
    if (post)
        dt_loop_post(lane->producer->client->loop, &lane->op);
}

void rmq_lane_unsort(struct rmq_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->is_sorted = false;
    pthread_mutex_unlock(&lane->mutex);
}

/* Lock: lane->mutex held. */
static void take_incoming(struct rmq_lane *lane)
{
    rmq_line_join(&lane->pending, &lane->incoming);
    lane->pending_count += lane->incoming_count;
    lane->incoming_count = lane->incoming_size = 0;
}

void rmq_lane_collect(struct rmq_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    take_incoming(lane);
    pthread_mutex_unlock(&lane->mutex);
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

/* ---------------------------------------------------------------- timers */

void rmq_lane_set_timer(struct rmq_lane *lane)
{
    int64_t at_ms;

    pthread_mutex_lock(&lane->mutex);
    at_ms = lane->wake_ms;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->state == RMQ_LANE_BACKOFF && lane->backoff_until_ms < at_ms)
        at_ms = lane->backoff_until_ms;
    dt_timer_set_sooner(lane->timer, at_ms);
}

static void end_back_off(struct rmq_lane *lane)
{
    lane->state = RMQ_LANE_READY;
    if (lane->kind == RMQ_LANE_SPREAD)
        (void)rmq_lane_pass_on(lane); /* else it tries here once more */
}

static void on_timer(void *context)
{
    struct rmq_lane *lane = context;
    int64_t now_ms = dt_clock_ms();
    int64_t next_ms;
    bool is_sorted;

    pthread_mutex_lock(&lane->mutex);
    take_incoming(lane);
    is_sorted = lane->is_sorted;
    lane->wake_ms = INT64_MAX; /* from here on pushes tell us of theirs */
    pthread_mutex_unlock(&lane->mutex);
    next_ms = rmq_lane_expire(lane, now_ms, is_sorted);
    if (!is_sorted && next_ms < now_ms + SCAN_MS)
        next_ms = now_ms + SCAN_MS;
    pthread_mutex_lock(&lane->mutex);
    if (next_ms < lane->wake_ms)
        lane->wake_ms = next_ms;
    pthread_mutex_unlock(&lane->mutex);
    /* nothing was sent, and there is nothing left that should be */
    if (lane->flying > 0 && lane->pending.first == NULL)
        rmq_lane_cancel_waiting(lane);
    if (lane->state == RMQ_LANE_BACKOFF && now_ms >= lane->backoff_until_ms)
        end_back_off(lane);
    rmq_lane_go(lane);
    rmq_lane_set_timer(lane);
}

void rmq_lane_set_trouble(struct rmq_lane *lane, const char *reason)
{
    snprintf(lane->trouble, sizeof(lane->trouble), "%s", reason);
}

void rmq_lane_back_off(struct rmq_lane *lane)
{
    struct rmq_client *client = lane->producer->client;

    if (lane->state == RMQ_LANE_BACKOFF)
        return; /* another of its requests has failed just before */
    lane->state = RMQ_LANE_BACKOFF;
    lane->failures++;
    lane->counters.backoffs++;
    lane->backoff_until_ms = dt_clock_ms() + rmq_client_backoff_ms(client, lane->failures);
    if (lane->failures == 1)
        rmq_client_log(client, DT_LOG_DEBUG, "queue %s/%d of topic '%s': %s",
                       lane->queue.broker_name, lane->queue.queue_id, lane->topic_name,
                       lane->trouble);
    rmq_lane_set_timer(lane);
}

/* ---------------------------------------------------------------- lingering */

/* How much longer the oldest message may wait for company. */
static int64_t linger_left_ms(const struct rmq_lane *lane)
{
    int64_t linger_ms = lane->producer->linger_ms;
    int64_t waited_ms = dt_clock_wall_ms() - lane->pending.first->born_ms;

    if (waited_ms < 0) /* somebody has set the wall clock */
        return linger_ms;
    return waited_ms >= linger_ms ? 0 : linger_ms - waited_ms;
}

/* From here on whoever makes the batch full tells us. False: it has become so meanwhile. */
static bool wait_for_more(struct rmq_lane *lane, size_t count, size_t size,
                          int64_t until_ms)
{
    bool is_lingering;

    pthread_mutex_lock(&lane->mutex);
    is_lingering = lane->incoming_count < count && lane->incoming_size < size;
    lane->is_lingering = is_lingering;
    lane->linger_count = count;
    lane->linger_size = size;
    pthread_mutex_unlock(&lane->mutex);
    if (is_lingering)
        dt_timer_set_sooner(lane->timer, until_ms);
    return is_lingering;
}

/* True if the batch is not full and has time to get so. */
static bool lingers(struct rmq_lane *lane)
{
    const struct rmq_producer *producer = lane->producer;
    size_t count = 0, size = 0;
    int64_t wait_ms, until_ms;

    if (producer->linger_ms == 0)
        return false;
    pthread_mutex_lock(&lane->mutex);
    take_incoming(lane);
    lane->is_lingering = false;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->failures > 0 || lane->pending.first->alone ||
        atomic_load(&producer->hurrying) > 0)
        return false;
    wait_ms = linger_left_ms(lane);
    until_ms = dt_clock_ms() + wait_ms;
    if (wait_ms == 0)
        return false;
    for (const struct rmq_outgoing *message = lane->pending.first; message != NULL;
         message = message->next) {
        size += message->item_size;
        if (++count >= producer->batch_count_max || size >= producer->batch_size_max ||
            message->deadline_ms <= until_ms)
            return false;
    }
    return wait_for_more(lane, producer->batch_count_max - count,
                         producer->batch_size_max - size, until_ms);
}

/* ---------------------------------------------------------------- what is next */

static void on_route(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                     const char *reason)
{
    struct rmq_lane *lane = DT_CONTAINER(wait, struct rmq_lane, wait);

    (void)topic;
    lane->state = RMQ_LANE_READY;
    if (status != DT_OK) {
        rmq_lane_set_trouble(lane, reason);
        rmq_lane_back_off(lane);
    }
    rmq_lane_go(lane);
}

/* False: it is asked for, or there is no memory. */
static bool has_route(struct rmq_lane *lane)
{
    if (lane->topic == NULL) {
        lane->topic = rmq_topic_get(lane->producer->client, lane->topic_name);
        if (lane->topic == NULL) {
            rmq_lane_set_trouble(lane, "no memory for a topic");
            rmq_lane_back_off(lane);
            return false;
        }
        lane->topic->users++;
    }
    if (lane->topic->route != NULL)
        return true;
    lane->state = RMQ_LANE_ROUTE;
    rmq_topic_refresh(lane->topic, &lane->wait);
    return false;
}

static bool has_broker(struct rmq_lane *lane)
{
    if (lane->broker == NULL)
        lane->broker = rmq_producer_broker(lane->producer, lane->queue.broker_name);
    if (lane->broker != NULL)
        return true;
    rmq_lane_set_trouble(lane, "no memory for a broker");
    rmq_lane_back_off(lane);
    return false;
}

/* The route names no master: somebody else's queue may do. */
static void has_no_master(struct rmq_lane *lane)
{
    rmq_lane_set_trouble(lane, "the name server knows no master of the broker");
    rmq_topic_refresh(lane->topic, NULL);
    rmq_pace_failed(&lane->broker->pace, dt_clock_ms());
    rmq_lane_collect(lane);
    if (lane->kind != RMQ_LANE_SPREAD || !rmq_lane_pass_on(lane))
        rmq_lane_back_off(lane);
}

/* Its window is full, or it is down. True: somebody else takes what was for it. */
static bool wait_for_broker(struct rmq_lane *lane)
{
    const struct rmq_pace *pace = &lane->broker->pace;
    int64_t now_ms = dt_clock_ms();

    if (lane->kind == RMQ_LANE_SPREAD && rmq_pace_is_down(pace, now_ms)) {
        rmq_lane_collect(lane);
        if (rmq_lane_pass_on(lane))
            return true;
    }
    if (dt_list_is_empty(&lane->waiting))
        dt_list_append(&lane->broker->waiting, &lane->waiting);
    /* it may be long before a request ends there */
    dt_timer_set_sooner(lane->timer, rmq_pace_next_ms(pace, now_ms));
    return false;
}

/* Starts one request, or what comes before it. True: another may follow at once. */
static bool step(struct rmq_lane *lane)
{
    const char *address;

    if (lane->state != RMQ_LANE_READY || !rmq_lane_may_fly(lane) || is_empty(lane) ||
        !has_route(lane))
        return false;
    if (lane->kind == RMQ_LANE_TOPIC) {
        rmq_lane_collect(lane);
        rmq_lane_spread(lane);
        return true;
    }
    if (!has_broker(lane) || lingers(lane))
        return false;
    address = rmq_route_master(lane->topic->route, lane->queue.broker_name);
    if (address == NULL) {
        has_no_master(lane);
        return true;
    }
    if (!rmq_pace_may_start(&lane->broker->pace, dt_clock_ms()))
        return wait_for_broker(lane);
    return rmq_lane_fly(lane, address) && lane->kind != RMQ_LANE_ORDERED;
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

void rmq_lane_go(struct rmq_lane *lane)
{
    struct rmq_outgoing *message;

    if (!lane->producer->is_closed) {
        while (step(lane))
            ;
        return;
    }
    rmq_lane_collect(lane);
    lane->pending_count = 0;
    while ((message = rmq_line_take(&lane->pending)) != NULL)
        rmq_lane_end_unsent(lane, message, DT_ECLOSED, "the producer was closed");
    if (lane->flying == 0)
        close_finished(lane);
}

static void on_posted(struct dt_op *op)
{
    struct rmq_lane *lane = DT_CONTAINER(op, struct rmq_lane, op);

    pthread_mutex_lock(&lane->mutex);
    lane->is_posted = false;
    pthread_mutex_unlock(&lane->mutex);
    if (lane->is_finished)
        return;
    rmq_lane_go(lane);
    rmq_lane_set_timer(lane);
}

void rmq_lane_hurry(struct rmq_lane *lane)
{
    rmq_lane_go(lane);
}

/* ---------------------------------------------------------------- life */

dt_status rmq_lane_new(struct rmq_producer *producer, const char *topic,
                       const rmq_queue *queue, enum rmq_lane_kind kind, uint64_t hash,
                       struct rmq_lane **out)
{
    struct rmq_client *client = producer->client;
    size_t topic_size = strlen(topic) + 1;
    struct rmq_lane *lane = calloc(1, sizeof(*lane) + topic_size);
    uint32_t random[3];
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
    lane->kind = kind;
    pthread_mutex_init(&lane->mutex, NULL);
    dt_random_bytes(random, sizeof(random));
    rmq_uniq_key_init(&lane->ids, dt_span_of(client->ip, sizeof(client->ip)),
                      (uint32_t)getpid(), random[0], (uint16_t)random[1]);
    lane->spread.turn = random[2];
    lane->wake_ms = INT64_MAX;
    lane->is_sorted = true;
    lane->op.run = on_posted;
    dt_list_init(&lane->waiting);
    rmq_topic_wait_init(&lane->wait);
    lane->wait.done = on_route;
    rmq_flight_init(&lane->first, lane);
    *out = lane;
    return DT_OK;
}

void rmq_lane_close(struct rmq_lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->is_closed = true;
    pthread_mutex_unlock(&lane->mutex);
    dt_list_remove(&lane->waiting);
    rmq_lane_cancel_waiting(lane);
    if (lane->state == RMQ_LANE_ROUTE) {
        rmq_topic_wait_cancel(&lane->wait);
        lane->state = RMQ_LANE_READY;
    }
    rmq_lane_go(lane);
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
    while (lane->first.next != NULL) {
        struct rmq_flight *flight = lane->first.next;

        lane->first.next = flight->next;
        free(flight);
    }
    rmq_spread_fini(&lane->spread);
    free(lane);
}
