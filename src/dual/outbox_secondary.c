#include "dual/outbox_inside.h"

#include <stdlib.h>

#include "base/status.h"
#include "dual/rules.h"
#include "dual/spill.h"
#include "model/mapping_encode.h"

static const char closed_reason[] = "the producer was closed before the copy was stored";

/* Lock: held. */
void duet_outbox_secondary_gone(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    outbox->secondary_bytes -= (int64_t)outgoing->size;
    outbox->secondary_count--;
    duet_outbox_wake_waiters(outbox);
    free(outgoing);
}

static dt_status send_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    struct duet_rmq_message message;
    struct duet_send send = {.route = outgoing->lane->box->route,
                             .partition = outgoing->lane->partition,
                             .message = &message,
                             .token = outgoing};
    dt_status status;

    dt_buf_clear(&outbox->scratch);
    status = duet_mapping_encode(&message, &outgoing->record,
                                 dt_span_of(outgoing->stamp_text, DUET_STAMP_TEXT_SIZE),
                                 &outbox->scratch, outbox->properties);
    if (status != DT_OK)
        return status;
    return duet_sender_send(outbox->sender[DUET_ROCKETMQ], &send);
}

/* Lock: held. Without the rule FIFO the newest goes first. */
static struct duet_outgoing *next_unhanded(struct duet_lane *lane)
{
    struct duet_outgoing *next = lane->unhanded;

    if (next != NULL && !duet_rule(DUET_RULE_FIFO))
        for (struct duet_outgoing *at = next; at != NULL; at = at->next)
            if (!at->handed)
                next = at;
    return next != NULL && next->handed ? NULL : next;
}

static void skip_handed(struct duet_lane *lane)
{
    while (lane->unhanded != NULL && lane->unhanded->handed)
        lane->unhanded = lane->unhanded->next;
}

/* Lock: held. Hands the lane's copies to the sender, in order, as far as it takes them. */
void duet_outbox_pump(struct duet_lane *lane)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_outgoing *next;

    while (lane->handed < DUET_LANE_WINDOW && (next = next_unhanded(lane)) != NULL) {
        dt_status status = send_secondary(outbox, next);

        if (status == DT_ENOMEM || status == DT_ECLOSED)
            return; /* the sender is full: again after its next outcome, or at the next tick */
        next->handed = true;
        skip_handed(lane);
        if (status == DT_OK) {
            lane->handed++;
            continue;
        }
        duet_outbox_note(OUTBOX_REFUSED, next, DUET_ROCKETMQ, dt_error_text());
        outbox->stats.refused++;
        if (lane->secondary_first == next) /* else it is with the next that is stored */
            duet_spill_done(lane, next);
        duet_outgoing_take_out(&lane->secondary_first, &lane->secondary_last, next);
        duet_outbox_secondary_gone(outbox, next);
    }
}

static void drop(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                 const char *reason)
{
    duet_outbox_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ, reason);
    outbox->stats.dropped++;
    free(outgoing);
}

/* Lock: held. The primary has the message: it is owed to the secondary, or given up there. */
void duet_outbox_owe_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    bool critical = (lane->box->route->critical & (1u << DUET_ROCKETMQ)) != 0, dropped;

    if (duet_spill_take(lane, outgoing, critical, &dropped) && !dropped)
        return;
    if (dropped) {
        drop(outbox, outgoing,
             "journal and memory bound were reached while no group is live there");
        return;
    }
    if (!critical &&
        outbox->secondary_bytes + (int64_t)outgoing->size > outbox->memory_max) {
        drop(outbox, outgoing, "the memory bound was reached while no group is live there");
        return;
    }
    outbox->secondary_bytes += (int64_t)outgoing->size;
    outbox->secondary_count++;
    duet_outgoing_append(&lane->secondary_first, &lane->secondary_last, outgoing);
    if (lane->unhanded == NULL)
        lane->unhanded = outgoing;
    duet_outbox_pump(lane);
}

void duet_outbox_secondary_sent(void *context, void *token, enum duet_outcome outcome,
                                const char *reason, int64_t position)
{
    struct duet_outbox *outbox = context;
    struct duet_outgoing *outgoing = token;
    struct duet_lane *lane = outgoing->lane;

    (void)position;
    pthread_mutex_lock(&outbox->lock);
    if (outcome != DUET_DONE && outbox->closing && outbox->journal != NULL) {
        /* Stays in the list, in its place: duet_spill_keep() keeps it for the next start. One in
         * doubt is then sent again under its id. */
        lane->handed--;
        outgoing->handed = false;
        pthread_mutex_unlock(&outbox->lock);
        return;
    }
    duet_spill_done(lane, outgoing);
    duet_outgoing_take_out(&lane->secondary_first, &lane->secondary_last, outgoing);
    lane->handed--;
    if (outcome == DUET_DONE) {
        outbox->stats.secondary_done++;
    } else if (outcome == DUET_IN_DOUBT) {
        duet_outbox_note_in_doubt(outgoing, DUET_ROCKETMQ, reason, false);
    } else if (outbox->closing) {
        duet_outbox_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ, closed_reason);
        outbox->stats.dropped++;
    } else {
        duet_outbox_note(OUTBOX_REFUSED, outgoing, DUET_ROCKETMQ, reason);
        outbox->stats.refused++;
    }
    duet_outbox_secondary_gone(outbox, outgoing);
    if (!outbox->closing)
        duet_outbox_pump(lane);
    if (lane->unhanded == NULL && lane->handed < DUET_LANE_WINDOW / 2 &&
        duet_spill_is_behind(lane))
        duet_spill_wake(outbox);
    pthread_mutex_unlock(&outbox->lock);
}

/* What the journal has is still owed; everything else is given up. */
static void give_up_list(struct duet_outbox *outbox, struct duet_outgoing **first,
                         struct duet_outgoing **last)
{
    while (*first != NULL) {
        struct duet_outgoing *outgoing = *first;

        if (outgoing->lsn == 0) {
            duet_outbox_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ, closed_reason);
            outbox->stats.dropped++;
        }
        duet_outgoing_take_out(first, last, outgoing);
        duet_outbox_secondary_gone(outbox, outgoing);
    }
}

void duet_outbox_give_up(struct duet_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            lane->unhanded = NULL;
            give_up_list(outbox, &lane->secondary_first, &lane->secondary_last);
            give_up_list(outbox, &lane->spill.behind_first, &lane->spill.behind_last);
        }
    pthread_mutex_unlock(&outbox->lock);
}
