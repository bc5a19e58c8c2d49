#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/choose.h"
#include "rmq/lane_inside.h"

/* ---------------------------------------------------------------- queues of the topic */

void rmq_spread_fini(struct rmq_spread *spread)
{
    free(spread->queues);
    free(spread->brokers);
    free(spread->lanes);
    spread->queues = NULL;
    spread->brokers = NULL;
    spread->lanes = NULL;
    spread->count = 0;
}

static dt_status find_brokers(struct rmq_lane *lane)
{
    struct rmq_spread *spread = &lane->spread;

    for (size_t i = 0; i < spread->count; i++) {
        const char *name = spread->queues[i].broker_name;

        if (i > 0 && strcmp(name, spread->queues[i - 1].broker_name) == 0)
            spread->brokers[i] = spread->brokers[i - 1];
        else
            spread->brokers[i] = rmq_producer_broker(lane->producer, name);
        if (spread->brokers[i] == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a broker");
    }
    return DT_OK;
}

/* Takes the queues from the route when that is another than before. */
static dt_status look_up(struct rmq_lane *lane)
{
    struct rmq_spread *spread = &lane->spread;
    dt_status status;

    if (spread->queues != NULL && spread->route_number == lane->topic->route_number)
        return DT_OK;
    rmq_spread_fini(spread);
    spread->run_left = 0;
    status = rmq_route_write_queues(lane->topic->route, &spread->queues, &spread->count);
    if (status != DT_OK)
        return status;
    if (spread->count == 0)
        return dt_error_set(DT_ENOROUTE, "the topic has no queue that can be written");
    spread->brokers = calloc(spread->count, sizeof(struct rmq_send_broker *));
    spread->lanes = calloc(spread->count * RMQ_LANE_TOPIC, sizeof(struct rmq_lane *));
    if (spread->brokers == NULL || spread->lanes == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for the queues of a topic");
    else
        status = find_brokers(lane);
    if (status != DT_OK)
        rmq_spread_fini(spread);
    spread->route_number = lane->topic->route_number;
    return status;
}

/* The lane of a queue, made when it is first needed. NULL: no memory. */
static struct rmq_lane *lane_of(struct rmq_lane *topic_lane, size_t index,
                                enum rmq_lane_kind kind)
{
    struct rmq_spread *spread = &topic_lane->spread;
    struct rmq_lane **lane = &spread->lanes[index * RMQ_LANE_TOPIC + kind];

    if (*lane == NULL && rmq_producer_lane(topic_lane->producer, topic_lane->topic_name,
                                           &spread->queues[index], kind, lane) == DT_OK)
        (*lane)->topic_lane = topic_lane;
    return *lane;
}

/* ---------------------------------------------------------------- choosing */

struct ranking {
    const struct rmq_lane *lane;
    const struct rmq_outgoing *message;
    int64_t now_ms;
};

static struct rmq_rank rank(const void *context, size_t index)
{
    const struct ranking *ranking = context;
    const struct rmq_spread *spread = &ranking->lane->spread;
    const struct rmq_send_broker *broker = spread->brokers[index];
    const struct rmq_lane *lane =
        spread->lanes[index * RMQ_LANE_TOPIC + ranking->message->kind];
    struct rmq_rank result = {RMQ_RANK_FREE, broker->pace.avoid_until_ms};

    if (ranking->message->failed == broker)
        result.level = RMQ_RANK_HAS_FAILED;
    else if (rmq_pace_is_avoided(&broker->pace, ranking->now_ms))
        result.level = RMQ_RANK_AVOIDED;
    else if (lane != NULL && (lane->pending.first != NULL || lane->state != RMQ_LANE_READY))
        result.level = RMQ_RANK_BEHIND;
    return result;
}

/* Many at once go in runs, so that they make batches; but all queues get their share. */
static size_t run_length(const struct rmq_lane *lane)
{
    const struct rmq_spread *spread = &lane->spread;
    size_t most = lane->producer->batch_count_max, count = 0;
    const struct rmq_outgoing *message = lane->pending.first;

    while (message != NULL && count < most * spread->count) {
        count++;
        message = message->next;
    }
    return count / spread->count; /* beside the one at hand */
}

static size_t choose_turn(struct rmq_lane *lane, const struct rmq_outgoing *message)
{
    struct rmq_spread *spread = &lane->spread;
    const struct ranking ranking = {lane, message, dt_clock_ms()};

    if (spread->run_left > 0 && message->failed != spread->brokers[spread->run_index]) {
        spread->run_left--;
        return spread->run_index;
    }
    spread->run_left = run_length(lane);
    spread->run_index = rmq_choose_turn(&spread->turn, spread->count, rank, &ranking);
    return spread->run_index;
}

static size_t choose(struct rmq_lane *lane, const struct rmq_outgoing *message)
{
    const struct rmq_spread *spread = &lane->spread;

    switch (message->choice) {
    case RMQ_BY_KEY:
        return rmq_hash_index(message->select.hash, spread->count);
    case RMQ_BY_FUNCTION:
        return message->select.function(message->select_opaque, spread->queues,
                                        spread->count);
    default:
        return choose_turn(lane, message);
    }
}

/* ---------------------------------------------------------------- handing on */

/* Messages that follow each other and go the same way go together. */
struct run {
    struct rmq_lane *lane;
    struct rmq_line line;
};

static void run_end(struct run *run)
{
    if (run->lane != NULL && run->line.first != NULL)
        rmq_lane_push_line(run->lane, &run->line);
    run->lane = NULL;
}

void rmq_lane_spread(struct rmq_lane *lane)
{
    struct run run = {NULL, {NULL, NULL}};
    struct rmq_outgoing *message;
    dt_status status = look_up(lane);

    lane->spread.run_left = 0;
    while (status == DT_OK && (message = rmq_line_take(&lane->pending)) != NULL) {
        size_t index = choose(lane, message);
        struct rmq_lane *to;

        lane->pending_count--;
        if (index >= lane->spread.count) {
            rmq_lane_finish(lane, message, message->in_doubt ? DT_EINDOUBT : DT_EREFUSED,
                            "the function that selects a queue gave none");
            continue;
        }
        to = lane_of(lane, index, message->kind);
        if (to == NULL) {
            struct rmq_line again = {NULL, NULL};

            rmq_line_append(&again, message);
            rmq_line_join_front(&lane->pending, &again);
            lane->pending_count++;
            status = DT_ENOMEM;
            break;
        }
        if (to != run.lane)
            run_end(&run);
        run.lane = to;
        rmq_line_append(&run.line, message);
    }
    run_end(&run);
    if (status == DT_OK) {
        lane->failures = 0;
        lane->trouble[0] = 0;
        return;
    }
    rmq_lane_set_trouble(lane, dt_error_text());
    if (status == DT_ENOROUTE)
        rmq_topic_refresh(lane->topic, NULL);
    rmq_lane_back_off(lane);
}

bool rmq_lane_pass_on(struct rmq_lane *lane)
{
    struct rmq_lane *topic_lane = lane->topic_lane;
    const struct rmq_spread *spread = &topic_lane->spread;
    int64_t now_ms = dt_clock_ms();
    bool is_better = false;

    for (size_t i = 0; i < spread->count && !is_better; i++)
        is_better = spread->brokers[i] != lane->broker &&
                    !rmq_pace_is_avoided(&spread->brokers[i]->pace, now_ms);
    if (!is_better || lane->pending.first == NULL)
        return false;
    for (struct rmq_outgoing *message = lane->pending.first; message != NULL;
         message = message->next)
        message->failed = lane->broker;
    lane->pending_count = 0;
    rmq_lane_push_line(topic_lane, &lane->pending);
    return true;
}
