/*
 * outbox_tick.c - what time brings: deadlines, what waits to be handed over, lanes that may move.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
#include "dual/spill.h"

/* Lock: held. Answers what of the list is over its deadline, or need not wait any more. False
 * without memory for it: what is left is answered at the next tick. */
static bool expire(struct duet_outgoing *first, int64_t now_ms)
{
    for (struct duet_outgoing *at = first; at != NULL; at = at->next) {
        enum duet_side late = at->lane->primary;
        bool half = at->stored != 0;

        if (at->answered)
            continue;
        if (at->is_owed && !duet_outbox_waits_for_both(at)) { /* the plan has changed */
            if (!duet_outbox_answer_later(at, DUET_RESULT_DONE, "%s", ""))
                return false;
            continue;
        }
        if (at->deadline_ms > now_ms && !at->lane->is_unsorted)
            return true;
        if (at->deadline_ms > now_ms)
            continue;
        if (half)
            late = duet_outgoing_target(at);
        if (!duet_outbox_answer_later(at, DUET_RESULT_IN_DOUBT,
                                      "%s%s%s has not answered within the deadline",
                                      half ? duet_side_name(duet_other_side(late)) : "",
                                      half ? " has it; " : "", duet_side_name(late)))
            return false;
        duet_outbox_doubt(at, late,
                          half ? "not answered within the send's deadline; the other side "
                                 "has it"
                               : "not answered within the send's deadline");
    }
    return true;
}

/* Lock: held. The first message, if it waits to be sent and its primary refuses it at once: it
 * ends, behind everything that was produced before it. */
static bool refuse_first(struct duet_lane *lane, struct duet_answer *answer, char *reason,
                         size_t reason_size)
{
    struct duet_outgoing *first = lane->primary_first;
    dt_status status;

    if (first == NULL || first != lane->unsent || lane->change.holds ||
        lane->outbox->closing || (first->with | first->stored) != 0)
        return false;
    if (!duet_intent_is_kept(first)) {
        if (!lane->outbox->journal_broken)
            return false;
        duet_outbox_cancel(first, "the journal failed before it was sent", answer);
        return true;
    }
    if (!duet_outbox_may_send(lane, lane->primary))
        return false;
    status = duet_outbox_send(first, lane->primary);
    if (status == DT_OK)
        lane->unsent = first->next;
    if (status == DT_OK || status == DT_ENOMEM || status == DT_ECLOSED)
        return false;
    snprintf(reason, reason_size, "%s", dt_error_text());
    duet_outbox_cancel(first, reason, answer);
    return true;
}

/* Lock: held. The first message, if the side that is the primary since a takeover has it already:
 * it was the primary before, too. */
static bool finish_first(struct duet_lane *lane, struct duet_answer *answer)
{
    struct duet_outgoing *first = lane->primary_first;

    if (first == NULL || (first->stored & (1u << lane->primary)) == 0)
        return false;
    duet_outbox_primary_done(first, answer);
    return true;
}

/* Lock: held. With nothing left that waits for its deadline, they may come in any order again. */
static void forget_deadlines(struct duet_lane *lane)
{
    if (lane->primary_first != NULL || lane->secondary_first != NULL ||
        lane->spill.stub_first != NULL || lane->spill.behind_first != NULL)
        return;
    lane->is_unsorted = false;
    lane->last_deadline_ms = 0;
}

static void tick_lane(struct duet_outbox *outbox, struct duet_lane *lane, int64_t now_ms)
{
    char reason[160];
    bool any = true;

    while (any) {
        struct duet_answer answer;

        answer.callback = NULL;
        pthread_mutex_lock(&outbox->lock);
        if (expire(lane->secondary_first, now_ms) &&
            expire(lane->spill.stub_first, now_ms) &&
            expire(lane->spill.behind_first, now_ms))
            (void)expire(lane->primary_first, now_ms);
        duet_spill_forget_stubs(lane);
        forget_deadlines(lane);
        any = finish_first(lane, &answer) ||
              refuse_first(lane, &answer, reason, sizeof(reason));
        if (!any) {
            duet_outbox_pump_primary(lane);
            if (lane->unhanded != NULL)
                duet_outbox_pump(lane);
            if (lane->change.is_due)
                duet_lane_change(lane);
        }
        pthread_mutex_unlock(&outbox->lock);
        duet_answer_run(&answer);
        duet_outbox_run_later(outbox);
    }
}

void duet_outbox_tick(struct duet_outbox *outbox)
{
    int64_t now_ms = dt_clock_ms();

    duet_outbox_look_at_sides(outbox, now_ms);
    for (size_t b = 0; b < outbox->box_count; b++) /* boxes and lanes never change */
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            tick_lane(outbox, &outbox->boxes[b].lanes[p], now_ms);
}
