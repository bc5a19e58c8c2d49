/*
 * outbox_sent.c - hands messages to the senders, and takes their outcomes.
 *
 * A message can be with both senders at once: after a takeover, the old primary's sender still has
 * what it never answered (outbox_change.c).
 */
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/status.h"
#include "dual/outbox_inside.h"
#include "dual/rules.h"
#include "model/mapping_encode.h"

static dt_status encode(struct duet_outgoing *outgoing, struct duet_rmq_message *message)
{
    struct duet_outbox *outbox = outgoing->lane->outbox;

    dt_buf_clear(&outbox->scratch);
    return duet_mapping_encode(message, &outgoing->record,
                               dt_span_of(outgoing->stamp_text, DUET_STAMP_TEXT_SIZE),
                               &outbox->scratch, outbox->properties);
}

/* Fits, or the message would not have it. */
static void add_link(const struct duet_outgoing *outgoing, struct duet_rmq_message *message,
                     char text[DT_BASE64_SIZE(DUET_LINK_SIZE_MAX)])
{
    const struct duet_outgoing_link *link = outgoing->link;

    if (link == NULL)
        return;
    dt_base64_encode(text, link->bytes, link->size);
    (void)duet_mapping_add_link(message, dt_span_of(text, DT_BASE64_SIZE(link->size)),
                                outgoing->lane->outbox->properties);
}

dt_status duet_outbox_send(struct duet_outgoing *outgoing, enum duet_side side)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_rmq_message message;
    struct duet_send send = {.route = lane->box->route,
                             .partition = lane->partition,
                             .record = &outgoing->record,
                             .stamp = outgoing->stamp_bytes,
                             .message = &message,
                             .token = outgoing};
    char link_text[DT_BASE64_SIZE(DUET_LINK_SIZE_MAX)];
    dt_status status = DT_OK;

    if ((lane->outbox->ended & (1u << side)) != 0)
        return dt_error_set(DT_ECLOSED, "the producer is being closed");
    if (side == DUET_ROCKETMQ)
        status = encode(outgoing, &message);
    if (status == DT_OK && side == DUET_ROCKETMQ)
        add_link(outgoing, &message, link_text);
    if (outgoing->link != NULL)
        send.link = dt_span_of(outgoing->link->bytes, outgoing->link->size);
    /* its outcome waits for our lock */
    if (status == DT_OK)
        status = duet_sender_send(lane->outbox->sender[side], &send);
    if (status == DT_OK) {
        outgoing->with |= (uint8_t)(1u << side);
        lane->with[side]++;
        duet_breaker_sent(&lane->outbox->breaker[side], lane->outbox->now_ms);
    }
    return status;
}

dt_status duet_outbox_check(struct duet_outgoing *outgoing, enum duet_side side)
{
    struct duet_rmq_message message;

    if (side == DUET_KAFKA)
        return duet_sender_takes(outgoing->lane->outbox->sender[side], &outgoing->record);
    /* encoding is the only exact test, so it is done only where it is near */
    if (duet_outgoing_properties_bound(outgoing) < DUET_PROPERTIES_MAX &&
        outgoing->record.value.size <= DUET_BODY_MAX)
        return DT_OK;
    return encode(outgoing, &message);
}

/* ---- outcomes ---- */

void duet_outbox_in_doubt(struct duet_outgoing *outgoing, enum duet_side side,
                          const char *reason, struct duet_answer *answer)
{
    if (!outgoing->answered)
        duet_outbox_doubt(outgoing, side, reason);
    duet_outbox_answer(outgoing, answer, DUET_RESULT_IN_DOUBT, "%s: %s",
                       duet_side_name(side), reason);
    duet_outbox_link_untold(outgoing);
    duet_outbox_primary_take(outgoing);
    duet_outgoing_free(outgoing);
}

/* The new primary refuses what the old one may have, or has: it stays there alone. */
static void refused_by_new(struct duet_outgoing *outgoing, enum duet_side side,
                           const char *reason, struct duet_answer *answer)
{
    struct duet_outbox *outbox = outgoing->lane->outbox;

    duet_outbox_note(OUTBOX_REFUSED, outgoing, side, reason);
    outbox->stats.refused++;
    outgoing->written &= (uint8_t) ~(1u << side);
    if (outgoing->stored == 0 && !outgoing->answered) {
        duet_outbox_doubt(outgoing, duet_other_side(side), reason);
        duet_outbox_answer(outgoing, answer, DUET_RESULT_IN_DOUBT,
                           "%s refuses it (%s), %s has not answered", duet_side_name(side),
                           reason, duet_side_name(duet_other_side(side)));
    } else {
        duet_outbox_keep_alone(outgoing, side, reason, answer);
    }
    duet_outbox_primary_take(outgoing);
    if (outgoing->with == 0)
        duet_outgoing_free(outgoing);
    else
        duet_outbox_owe_secondary(outbox, outgoing, answer);
}

static void primary_sent(struct duet_outgoing *outgoing, enum duet_side side,
                         enum duet_outcome outcome, const char *reason,
                         struct duet_answer *answer)
{
    bool elsewhere = (outgoing->stored | outgoing->with) != 0;

    outgoing->is_doubtful |= outcome == DUET_IN_DOUBT;
    if (outcome == DUET_DONE)
        duet_outbox_primary_done(outgoing, answer);
    else if (elsewhere && outgoing->lane->outbox->closing)
        return; /* duet_outbox_answer_unsent() */
    else if (elsewhere)
        refused_by_new(outgoing, side, reason, answer);
    else if (outgoing->is_doubtful)
        duet_outbox_in_doubt(outgoing, side, reason, answer);
    else
        duet_outbox_cancel(outgoing, reason, answer);
}

/* The primary before a takeover answers what the new one has not answered yet. */
static void old_primary_sent(struct duet_outgoing *outgoing, enum duet_side side,
                             enum duet_outcome outcome, const char *reason)
{
    struct duet_lane *lane = outgoing->lane;

    if (outcome == DUET_DONE) {
        outgoing->stored |= (uint8_t)(1u << side);
        /* without the rule PEND it was not written to the new one first */
        if (!duet_rule(DUET_RULE_PEND) && (outgoing->with & (1u << lane->primary)) == 0)
            (void)duet_outbox_send(outgoing, lane->primary);
    } else if (outcome == DUET_IN_DOUBT) {
        outgoing->is_doubtful = true;
    } else if (!lane->outbox->closing) {
        duet_outbox_note(OUTBOX_REFUSED, outgoing, side, reason);
        lane->outbox->stats.refused++;
        outgoing->written &= (uint8_t) ~(1u << side);
    }
}

void duet_outbox_sent(void *context, void *token, enum duet_outcome outcome,
                      const char *reason, int64_t position)
{
    const struct duet_seat *seat = context;
    struct duet_outbox *outbox = seat->outbox;
    struct duet_outgoing *outgoing = token;
    struct duet_lane *lane = outgoing->lane;
    struct duet_answer answer;
    bool later;

    answer.callback = NULL;
    pthread_mutex_lock(&outbox->lock);
    outgoing->with &= (uint8_t) ~(1u << seat->side);
    lane->with[seat->side]--;
    /* if it closes the breaker, the next tick hands over what waits in other lanes */
    (void)duet_breaker_ended(&outbox->breaker[seat->side], outcome != DUET_IN_DOUBT,
                             outbox->now_ms);
    if (position >= lane->known_end[seat->side])
        lane->known_end[seat->side] = position + 1;
    if (outgoing->is_owed)
        duet_outbox_secondary_sent(outgoing, seat->side, outcome, reason, &answer);
    else if (seat->side == lane->primary)
        primary_sent(outgoing, seat->side, outcome, reason, &answer);
    else
        old_primary_sent(outgoing, seat->side, outcome, reason);
    if (!outbox->closing) {
        if (lane->unsent != NULL)
            duet_outbox_pump_primary(lane);
        if (lane->change.is_due) {
            lane->change.progress_ms = dt_clock_ms();
            duet_lane_change(lane);
        }
    }
    duet_outbox_wake_waiters(outbox);
    later = outbox->later_first != NULL;
    pthread_mutex_unlock(&outbox->lock);
    duet_answer_run(&answer);
    if (later)
        duet_outbox_run_later(outbox);
}
