#include <stdio.h>
#include <stdlib.h>

#include "rmq/lane_inside.h"
#include "rmq/send.h"

/* A message ends without being stored, or in doubt. */
static void tell(struct rmq_lane *lane, struct rmq_outgoing *message, dt_status status,
                 const char *reason)
{
    uint64_t *counter =
        status == DT_EINDOUBT ? &lane->counters.in_doubt : &lane->counters.not_stored;

    message->ended = true;
    *counter += rmq_outgoing_count(message);
    if (message->batch_count > 0) {
        if (message->callback.all != NULL)
            message->callback.all(message->opaque, status, reason, NULL);
    } else if (message->callback.one != NULL) {
        message->callback.one(message->opaque, status, reason, NULL);
    }
}

/* Makes room for others. Before the callbacks run, which may want that room. */
void rmq_lane_make_room(struct rmq_lane *lane, const struct rmq_line *line)
{
    size_t memory = 0;

    for (const struct rmq_outgoing *message = line->first; message != NULL;
         message = message->next)
        memory += rmq_outgoing_memory(message);
    rmq_room_give(&lane->producer->room, memory);
}

static void batch_stored(struct rmq_lane *lane, struct rmq_outgoing *batch,
                         struct rmq_receipts *receipts, const rmq_receipt *receipt)
{
    receipts->batch = batch;
    receipts->queue = lane->queue;
    receipts->send_status = receipt->send_status;
    lane->counters.stored += batch->batch_count;
    lane->counters.less_safe += receipt->less_safe ? batch->batch_count : 0;
    if (batch->callback.all != NULL)
        batch->callback.all(batch->opaque, DT_OK, "", receipts);
}

void rmq_lane_stored(struct rmq_lane *lane, struct rmq_line *line,
                     const struct rmq_command *command)
{
    struct rmq_receipts receipts;
    struct rmq_outgoing *message;
    rmq_receipt receipt;
    size_t stored = 0;

    receipt.queue = lane->queue;
    receipt.send_status = (rmq_send_status)command->code;
    receipt.less_safe = receipt.send_status != RMQ_SEND_OK;
    rmq_receipts_start(&receipts, command);
    rmq_lane_make_room(lane, line);
    while ((message = rmq_line_take(line)) != NULL) {
        if (message->batch_count > 0) {
            if (!message->ended)
                batch_stored(lane, message, &receipts, &receipt);
        } else {
            rmq_receipts_next(&receipts, message, &receipt);
            stored += !message->ended;
            if (!message->ended && message->callback.one != NULL)
                message->callback.one(message->opaque, DT_OK, "", &receipt);
        }
        free(message);
    }
    lane->counters.stored += stored;
    lane->counters.less_safe += receipt.less_safe ? stored : 0;
}

void rmq_lane_finish(struct rmq_lane *lane, struct rmq_outgoing *message, dt_status status,
                     const char *reason)
{
    rmq_room_give(&lane->producer->room, rmq_outgoing_memory(message));
    if (!message->ended)
        tell(lane, message, status, reason);
    free(message);
}

/* A message that is in no request ends without being stored, or in doubt if it ever was in one
 * that was not answered. */
void rmq_lane_end_unsent(struct rmq_lane *lane, struct rmq_outgoing *message,
                         dt_status status, const char *what)
{
    char reason[2 * RMQ_REASON_SIZE];

    snprintf(reason, sizeof(reason), "%s%s%s", what, lane->trouble[0] == 0 ? "" : ": ",
             lane->trouble);
    rmq_lane_finish(lane, message, message->in_doubt ? DT_EINDOUBT : status, reason);
}

/* Messages in a request under way stay in their place, so that receipts find theirs. */
static int64_t expire_flying(struct rmq_flight *flight, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (struct rmq_outgoing *message = flight->line.first; message != NULL;
         message = message->next) {
        if (message->ended)
            continue;
        if (message->deadline_ms <= now_ms)
            tell(flight->lane, message, DT_EINDOUBT,
                 "sent, and not answered before the deadline");
        else if (message->deadline_ms < next_ms)
            next_ms = message->deadline_ms;
    }
    return next_ms;
}

int64_t rmq_lane_expire(struct rmq_lane *lane, int64_t now_ms, bool is_sorted)
{
    struct rmq_line kept = {NULL, NULL};
    int64_t next_ms = INT64_MAX;
    struct rmq_outgoing *message;

    for (struct rmq_flight *flight = &lane->first; flight != NULL; flight = flight->next) {
        int64_t its_ms = expire_flying(flight, now_ms);

        if (its_ms < next_ms)
            next_ms = its_ms;
    }
    while ((message = lane->pending.first) != NULL &&
           (!is_sorted || message->deadline_ms <= now_ms)) {
        rmq_line_take(&lane->pending);
        if (message->deadline_ms <= now_ms) {
            lane->pending_count--;
            rmq_lane_end_unsent(lane, message, DT_ETIMEDOUT,
                                "not stored before the deadline");
            continue;
        }
        if (message->deadline_ms < next_ms)
            next_ms = message->deadline_ms;
        rmq_line_append(&kept, message);
    }
    if (is_sorted) {
        if (message != NULL && message->deadline_ms < next_ms)
            next_ms = message->deadline_ms;
    } else {
        rmq_line_join_front(&lane->pending, &kept);
    }
    return next_ms;
}
