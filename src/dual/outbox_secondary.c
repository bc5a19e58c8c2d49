#include "dual/outbox_inside.h"

#include <stdlib.h>

#include "base/status.h"
#include "dual/rules.h"
#include "dual/spill.h"

static const char closed_reason[] = "the producer was closed before the copy was stored";

/* Lock: held. */
void duet_outbox_secondary_gone(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    outbox->secondary_bytes -= (int64_t)outgoing->size;
    outbox->secondary_count--;
    duet_outbox_wake_waiters(outbox);
    duet_outgoing_free(outgoing);
}

void duet_outbox_secondary_append(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    bool handed = (outgoing->with & (1u << duet_outgoing_target(outgoing))) != 0;

    outgoing->is_owed = true;
    duet_outgoing_append(&lane->secondary_first, &lane->secondary_last, outgoing);
    lane->secondary_count++;
    lane->handed += handed;
    if (lane->unhanded == NULL && !handed)
        lane->unhanded = outgoing;
}

void duet_outbox_secondary_take(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;

    if (lane->unhanded == outgoing)
        lane->unhanded = outgoing->next;
    duet_outgoing_take_out(&lane->secondary_first, &lane->secondary_last, outgoing);
    lane->secondary_count--;
}

static bool is_handed(const struct duet_outgoing *outgoing)
{
    return (outgoing->with & (1u << duet_outgoing_target(outgoing))) != 0;
}

/* Lock: held. Without the rule FIFO the newest goes first. */
static struct duet_outgoing *next_unhanded(struct duet_lane *lane)
{
    struct duet_outgoing *next = lane->unhanded;

    if (next != NULL && !duet_rule(DUET_RULE_FIFO))
        for (struct duet_outgoing *at = next; at != NULL; at = at->next)
            if (!is_handed(at))
                next = at;
    return next != NULL && is_handed(next) ? NULL : next;
}

static void skip_handed(struct duet_lane *lane)
{
    while (lane->unhanded != NULL && is_handed(lane->unhanded))
        lane->unhanded = lane->unhanded->next;
}

/* Lock: held. Hands the lane's copies to the sender, in order, as far as it takes them. */
void duet_outbox_pump(struct duet_lane *lane)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_outgoing *next;

    while (lane->handed < DUET_LANE_WINDOW && (next = next_unhanded(lane)) != NULL) {
        enum duet_side side = duet_outgoing_target(next);
        dt_status status;

        if (!duet_outbox_may_send(lane, side))
            return;
        status = duet_outbox_send(next, side);
        if (status == DT_ENOMEM || status == DT_ECLOSED)
            return; /* the sender is full: again after its next outcome, or at the next tick */
        if (status == DT_OK) {
            lane->handed++;
            skip_handed(lane);
            continue;
        }
        if (!duet_outbox_answer_later(next, DUET_RESULT_IN_DOUBT,
                                      "%s has it; %s refuses it: %s",
                                      duet_side_name(duet_other_side(side)),
                                      duet_side_name(side), dt_error_text()))
            return;
        duet_outbox_note(OUTBOX_REFUSED, next, side, dt_error_text());
        duet_outbox_resolve(next, true);
        outbox->stats.refused++;
        if (lane->secondary_first == next) /* else it is with the next that is stored */
            duet_spill_done(lane, next);
        duet_outbox_secondary_take(next);
        skip_handed(lane);
        duet_outbox_secondary_gone(outbox, next);
    }
}

void duet_outbox_keep_alone(struct duet_outgoing *outgoing, enum duet_side missing,
                            const char *reason, struct duet_answer *answer)
{
    duet_outbox_resolve(outgoing, true);
    if (!duet_outbox_waits_for_both(outgoing))
        duet_outbox_answer(outgoing, answer, DUET_RESULT_DONE, "%s", "");
    else
        duet_outbox_answer(
            outgoing, answer, DUET_RESULT_IN_DOUBT, "%s has it; %s will not: %s",
            duet_side_name(duet_other_side(missing)), duet_side_name(missing), reason);
}

static void drop(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                 const char *reason, struct duet_answer *answer)
{
    enum duet_side side = duet_outgoing_target(outgoing);

    duet_outbox_note(OUTBOX_DROPPED, outgoing, side, reason);
    outbox->stats.dropped++;
    duet_outbox_keep_alone(outgoing, side, reason, answer);
    duet_outgoing_free(outgoing);
}

/* Lock: held. The primary has the message: it is owed to the secondary, or given up there. */
void duet_outbox_owe_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                               struct duet_answer *answer)
{
    struct duet_lane *lane = outgoing->lane;
    enum duet_side side = duet_outgoing_target(outgoing);
    bool critical = (lane->box->route->critical & (1u << side)) != 0, dropped = false;
    /* after a takeover its sender has it since it was the primary's */
    bool handed = (outgoing->with & (1u << side)) != 0;

    if (!handed && duet_spill_take(lane, outgoing, critical, &dropped) && !dropped)
        return;
    if (dropped) {
        drop(outbox, outgoing,
             "journal and memory bound were reached while no group is live there", answer);
        return;
    }
    if (!critical && !handed &&
        outbox->secondary_bytes + (int64_t)outgoing->size > outbox->memory_max) {
        drop(outbox, outgoing, "the memory bound was reached while no group is live there",
             answer);
        return;
    }
    outbox->secondary_bytes += (int64_t)outgoing->size;
    outbox->secondary_count++;
    duet_outbox_secondary_append(outgoing);
    duet_outbox_pump(lane);
}

/* Lock: held. */
void duet_outbox_secondary_sent(struct duet_outgoing *outgoing, enum duet_side side,
                                enum duet_outcome outcome, const char *reason,
                                struct duet_answer *answer)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_outbox *outbox = lane->outbox;

    lane->handed--;
    /* Stays in the list, in its place: duet_spill_keep() keeps it for the next start. One in
     * doubt is then sent again under its id. */
    if (outcome != DUET_DONE && outbox->closing && outbox->journal != NULL)
        return;
    duet_spill_done(lane, outgoing);
    duet_outbox_secondary_take(outgoing);
    if (outcome == DUET_DONE) {
        outbox->stats.secondary_done++;
        duet_outbox_resolve(outgoing, true);
        duet_outbox_answer(outgoing, answer, DUET_RESULT_DONE, "%s", "");
    } else if (outcome == DUET_IN_DOUBT) {
        duet_outbox_note_in_doubt(outgoing, side, reason);
    } else if (outbox->closing) {
        duet_outbox_note(OUTBOX_DROPPED, outgoing, side, closed_reason);
        outbox->stats.dropped++;
    } else {
        duet_outbox_note(OUTBOX_REFUSED, outgoing, side, reason);
        outbox->stats.refused++;
    }
    duet_outbox_keep_alone(outgoing, side, reason, answer); /* unless answered */
    duet_outbox_secondary_gone(outbox, outgoing);
    if (!outbox->closing)
        duet_outbox_pump(lane);
    if (lane->unhanded == NULL && lane->handed < DUET_LANE_WINDOW / 2 &&
        duet_spill_is_behind(lane))
        duet_spill_wake(outbox);
}

/* What the journal has is still owed; everything else is given up. */
static void give_up_list(struct duet_outbox *outbox, struct duet_outgoing **first,
                         struct duet_outgoing **last)
{
    while (*first != NULL) {
        struct duet_outgoing *outgoing = *first;

        if (outgoing->lsn == 0) {
            duet_outbox_note(OUTBOX_DROPPED, outgoing, duet_outgoing_target(outgoing),
                             closed_reason);
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
