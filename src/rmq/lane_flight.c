#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rmq/lane_inside.h"
#include "rmq/send.h"
#include "rmq/sign.h"

enum {
    ERRORS_MAX = 3 /* code 1 to a batch, before its members go one by one */
};

/* ---------------------------------------------------------------- taking off */

/* Moves what fits into one request from pending to the flight. */
static void take_batch(struct rmq_flight *flight)
{
    struct rmq_lane *lane = flight->lane;
    const struct rmq_producer *producer = lane->producer;
    size_t size = 0, stored = 0;
    struct rmq_outgoing *message;

    while ((message = lane->pending.first) != NULL) {
        bool is_first = flight->count == 0;

        size += message->item_size;
        stored += rmq_item_stored_size(message->item_size);
        if (!is_first && (message->alone || flight->count >= producer->batch_count_max ||
                          size > producer->batch_size_max || stored > RMQ_BATCH_STORED_MAX))
            return;
        rmq_line_append(&flight->line, rmq_line_take(&lane->pending));
        flight->count++;
        if (message->alone)
            return;
    }
}

static size_t messages_of(const struct rmq_flight *flight)
{
    if (flight->line.first == NULL)
        return 0;
    /* a batch of the caller's is alone */
    return flight->count > 1 ? flight->count : rmq_outgoing_count(flight->line.first);
}

static void count_request(const struct rmq_flight *flight, size_t size)
{
    struct rmq_lane_counters *counters = &flight->lane->counters;
    size_t messages = messages_of(flight);

    counters->requests++;
    counters->batches += messages > 1;
    counters->messages += messages;
    counters->bytes += size;
}

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_flight *flight = call->owner;
    struct rmq_lane *lane = flight->lane;
    size_t size_before = out->size;
    struct rmq_send send;

    rmq_lane_collect(lane);
    take_batch(flight);
    lane->pending_count -= flight->count;
    send.group = lane->producer->group;
    send.topic = lane->topic_name;
    send.queue = &lane->queue;
    send.first = flight->line.first;
    send.count = flight->count;
    send.is_oneway = lane->kind == RMQ_LANE_ONEWAY;
    rmq_send_encode(&send, call->opaque, type, out);
    count_request(flight, out->size - size_before);
    if (flight->has_waited && lane->kind != RMQ_LANE_ORDERED)
        rmq_lane_post(lane); /* there may be more than this one takes */
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer);

void rmq_flight_init(struct rmq_flight *flight, struct rmq_lane *lane)
{
    rmq_call_init(&flight->call);
    flight->lane = lane;
    flight->call.owner = flight;
    flight->call.encode = encode;
    flight->call.done = on_answer;
    flight->call.is_oneway = lane->kind == RMQ_LANE_ONEWAY;
}

static int32_t flights_max(const struct rmq_lane *lane)
{
    return lane->kind == RMQ_LANE_ORDERED ? 1 : lane->producer->queue_requests_max;
}

/* One that waits for the connection takes all that there is when that is open. */
bool rmq_lane_may_fly(const struct rmq_lane *lane)
{
    if (lane->flying >= flights_max(lane))
        return false;
    for (const struct rmq_flight *flight = &lane->first; flight != NULL;
         flight = flight->next)
        if (flight->call.state == RMQ_CALL_WAITING)
            return false;
    return true;
}

static struct rmq_flight *free_flight(struct rmq_lane *lane)
{
    struct rmq_flight *flight = &lane->first, *last = flight;

    for (; flight != NULL; last = flight, flight = flight->next)
        if (!flight->is_used)
            return flight;
    flight = calloc(1, sizeof(*flight));
    if (flight == NULL)
        return NULL;
    rmq_flight_init(flight, lane);
    last->next = flight;
    return flight;
}

bool rmq_lane_fly(struct rmq_lane *lane, const char *address)
{
    struct rmq_client *client = lane->producer->client;
    struct rmq_flight *flight = free_flight(lane);

    if (flight == NULL)
        return false; /* the first is never missing, so one is under way */
    flight->is_used = true;
    flight->has_waited = false;
    flight->started_ms = dt_clock_ms();
    flight->number = rmq_pace_started(&lane->broker->pace, flight->started_ms);
    lane->flying++;
    flight->call.timeout_ms = client->request_timeout_ms;
    rmq_call_start(client, address, &flight->call);
    flight->has_waited = flight->call.state == RMQ_CALL_WAITING;
    return true;
}

/* ---------------------------------------------------------------- landing */

/* The request is over, its messages are still in the flight. */
static void land(struct rmq_flight *flight, enum rmq_pace_end end)
{
    struct rmq_lane *lane = flight->lane;
    int64_t now_ms = dt_clock_ms();

    flight->is_used = false;
    lane->flying--;
    rmq_pace_ended(&lane->broker->pace, end, flight->number, now_ms - flight->started_ms,
                   now_ms);
}

/* Those that found the broker's window full. */
static void wake_waiting(struct rmq_send_broker *broker)
{
    while (!dt_list_is_empty(&broker->waiting) &&
           rmq_pace_may_start(&broker->pace, dt_clock_ms())) {
        struct rmq_lane *lane =
            DT_CONTAINER(broker->waiting.next, struct rmq_lane, waiting);

        dt_list_remove(&lane->waiting);
        rmq_lane_go(lane);
    }
}

void rmq_lane_cancel_waiting(struct rmq_lane *lane)
{
    bool any = false;

    for (struct rmq_flight *flight = &lane->first; flight != NULL; flight = flight->next)
        if (flight->is_used && flight->call.state == RMQ_CALL_WAITING) {
            rmq_call_cancel(&flight->call);
            land(flight, RMQ_PACE_NOTHING);
            any = true;
        }
    if (any)
        wake_waiting(lane->broker);
}

/* Back to the front, less those whose deadline has come meanwhile. */
static void put_back(struct rmq_flight *flight, bool in_doubt, bool alone)
{
    struct rmq_lane *lane = flight->lane;
    struct rmq_line again = {NULL, NULL};
    struct rmq_outgoing *message;
    size_t count = 0, messages = 0;

    while ((message = rmq_line_take(&flight->line)) != NULL) {
        message->in_doubt |= in_doubt;
        message->alone |= alone;
        message->failed = lane->broker;
        if (message->ended) {
            rmq_lane_finish(lane, message, DT_EINDOUBT, "");
            continue;
        }
        rmq_line_append(&again, message);
        count++;
        messages += rmq_outgoing_count(message);
    }
    lane->pending_count += count;
    lane->counters.retries += messages;
    lane->producer->client->retries += messages;
    flight->count = 0;
    rmq_line_join_front(&lane->pending, &again);
    if (lane->kind != RMQ_LANE_ORDERED) /* another flight may have come back before it */
        rmq_lane_unsort(lane);
}

/* Elsewhere at once if there is a better place; else here, a little later. */
static void try_again(struct rmq_lane *lane)
{
    if (lane->kind == RMQ_LANE_SPREAD && !lane->producer->is_closed) {
        rmq_lane_collect(lane);
        if (rmq_lane_pass_on(lane))
            return;
    }
    rmq_lane_back_off(lane);
}

static void on_stored(struct rmq_flight *flight, const struct rmq_command *command)
{
    struct rmq_lane *lane = flight->lane;

    lane->failures = lane->error_count = 0;
    lane->trouble[0] = 0;
    flight->count = 0;
    rmq_lane_stored(lane, &flight->line, command);
}

static void on_refused(struct rmq_flight *flight)
{
    struct rmq_lane *lane = flight->lane;
    struct rmq_outgoing *message;

    lane->error_count = 0;
    if (flight->count > 1) { /* one of them is bad: find out which */
        put_back(flight, false, true);
        return;
    }
    message = rmq_line_take(&flight->line);
    flight->count = 0;
    rmq_lane_finish(lane, message, message->in_doubt ? DT_EINDOUBT : DT_EREFUSED,
                    lane->trouble);
    lane->failures = 0;
    lane->trouble[0] = 0;
}

/* Handed to the system, and nobody will say more. */
static void on_gone(struct rmq_flight *flight)
{
    struct rmq_outgoing *message;

    flight->lane->counters.oneway += messages_of(flight);
    rmq_lane_make_room(flight->lane, &flight->line);
    while ((message = rmq_line_take(&flight->line)) != NULL)
        free(message);
    flight->count = 0;
    flight->lane->failures = 0;
    flight->lane->trouble[0] = 0;
}

static void on_failed(struct rmq_flight *flight, const struct rmq_answer *answer)
{
    struct rmq_lane *lane = flight->lane;

    land(flight, RMQ_PACE_FAILED);
    rmq_lane_set_trouble(lane, answer->reason);
    put_back(flight, answer->status == DT_EINDOUBT, false);
    rmq_topic_refresh(lane->topic, NULL);
    try_again(lane);
}

static bool is_busy(const struct rmq_command *command)
{
    return command->code == RMQ_SYSTEM_BUSY || command->code == RMQ_FLOW_CONTROL;
}

static void on_not_stored(struct rmq_flight *flight, const struct rmq_command *command,
                          enum rmq_send_verdict verdict)
{
    struct rmq_lane *lane = flight->lane;

    snprintf(lane->trouble, sizeof(lane->trouble), "the broker %s %d: %.*s",
             rmq_command_is_denied(command) ? "denies access," : "answers", command->code,
             (int)command->remark.size,
             command->remark.size == 0 ? "" : (const char *)command->remark.data);
    if (verdict == RMQ_SEND_AGAIN && command->code == RMQ_SYSTEM_ERROR &&
        flight->count > 1 && ++lane->error_count >= ERRORS_MAX)
        verdict = RMQ_SEND_REFUSED;
    land(flight, is_busy(command)            ? RMQ_PACE_BUSY
                 : verdict == RMQ_SEND_AGAIN ? RMQ_PACE_FAILED
                                             : RMQ_PACE_ANSWERED);
    if (verdict == RMQ_SEND_REFUSED) {
        on_refused(flight);
        return;
    }
    put_back(flight, false, false);
    lane->broker->busy += is_busy(command);
    if (!is_busy(command))
        rmq_topic_refresh(lane->topic, NULL);
    try_again(lane);
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct rmq_flight *flight = call->owner;
    struct rmq_lane *lane = flight->lane;
    struct rmq_send_broker *broker = lane->broker;
    enum rmq_send_verdict verdict;

    if (answer->status != DT_OK) {
        on_failed(flight, answer);
    } else if (lane->kind == RMQ_LANE_ONEWAY) {
        land(flight, RMQ_PACE_NOTHING);
        on_gone(flight);
    } else {
        verdict = rmq_send_judge(answer->command);
        if (verdict == RMQ_SEND_STORED) {
            land(flight, RMQ_PACE_ANSWERED);
            on_stored(flight, answer->command);
        } else {
            on_not_stored(flight, answer->command, verdict);
        }
    }
    wake_waiting(
        broker); /* first: with the last answer of a closed producer it may be freed */
    rmq_lane_go(lane);
}
