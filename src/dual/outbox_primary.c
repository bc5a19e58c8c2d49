/* outbox_primary.c - the primary's list: what waits to be sent there, and how it ends. */
#include "dual/intent.h"
#include "dual/outbox_inside.h"

/* Lock: held. A definite "not done" takes the number out of what was issued. */
static void uncount(struct duet_outgoing *outgoing)
{
    struct duet_counts *counts = &outgoing->lane->counts;
    uint32_t window = outgoing->stamp.window;
    uint16_t day = outgoing->stamp.day;

    /* the row exists since the id was counted: this cannot fail */
    for (int side = 0; side < DUET_SIDES; side++)
        if ((outgoing->counted & (1u << side)) != 0)
            (void)duet_counts_add(counts, window, day, DUET_COUNT_ISSUED_KAFKA + side, -1);
    (void)duet_counts_add(counts, window, day, DUET_COUNT_NOT_DONE, 1);
    outgoing->lane->counts_dirty = true;
}

void duet_outbox_primary_take(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;

    if (lane->unsent == outgoing)
        lane->unsent = outgoing->next;
    duet_outgoing_take_out(&lane->primary_first, &lane->primary_last, outgoing);
    lane->outbox->primary_bytes -= (int64_t)outgoing->size;
    lane->outbox->primary_count--;
}

void duet_outbox_cancel(struct duet_outgoing *outgoing, const char *reason,
                        struct duet_answer *answer)
{
    duet_outbox_resolve(outgoing, false);
    duet_outbox_answer(outgoing, answer, DUET_RESULT_NOT_DONE, "%s", reason);
    uncount(outgoing);
    duet_outbox_note(OUTBOX_CANCELLED, outgoing, outgoing->lane->primary, reason);
    duet_intent_cancelled(outgoing);
    duet_outbox_primary_take(outgoing);
    duet_outgoing_free(outgoing);
}

void duet_outbox_primary_done(struct duet_outgoing *outgoing, struct duet_answer *answer)
{
    struct duet_lane *lane = outgoing->lane;
    bool is_owed;

    outgoing->stored |= (uint8_t)(1u << lane->primary);
    duet_outbox_link_told(outgoing);
    duet_intent_accepted(outgoing);
    is_owed = (outgoing->written & ~outgoing->stored) != 0;
    if (!is_owed || !duet_outbox_waits_for_both(outgoing)) {
        duet_outbox_resolve(outgoing, true);
        duet_outbox_answer(outgoing, answer, DUET_RESULT_DONE, "%s", "");
    }
    duet_outbox_primary_take(outgoing);
    if (is_owed)
        duet_outbox_owe_secondary(lane->outbox, outgoing, answer);
    else
        duet_outgoing_free(outgoing);
}

void duet_outbox_pump_primary(struct duet_lane *lane)
{
    while (lane->unsent != NULL && !lane->change.holds) {
        struct duet_outgoing *next = lane->unsent;

        if (!duet_intent_is_kept(next))
            return;
        /* what is refused now is answered when it is the first: duet_outbox_tick() */
        if (((next->with | next->stored) & (1u << lane->primary)) == 0 &&
            (!duet_outbox_may_send(lane, lane->primary) ||
             duet_outbox_send(next, lane->primary) != DT_OK))
            return;
        lane->unsent = next->next;
    }
}
