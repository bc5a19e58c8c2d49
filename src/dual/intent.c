#include "dual/intent.h"

#include <stdio.h>

#include "base/log.h"
#include "base/status.h"
#include "dual/outbox_inside.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill.h"
#include "dual/spill_inside.h"

static bool is_critical(const struct duet_lane *lane, enum duet_side side)
{
    return (lane->box->route->critical & (1u << side)) != 0;
}

/* Into the journal's lane for `side`, with where to look for it in the other one's log. */
static dt_status append(struct duet_outgoing *outgoing, enum duet_side side)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_outbox *outbox = lane->outbox;
    uint32_t id = lane->spill.side[side].id[SPILL_MAIN];
    struct dt_buf *bytes = &outbox->scratch;
    uint64_t lsn;
    dt_status status;

    dt_buf_clear(bytes);
    duet_outgoing_note(bytes, lane->known_end[duet_other_side(side)]);
    duet_outgoing_encode(bytes, outgoing);
    status = dt_buf_status(bytes, "a message of the journal");
    if (status == DT_OK)
        status = duet_journal_append(outbox->journal, id, DUET_INTENT_FLAG,
                                     dt_buf_span(bytes), &lsn);
    if (status != DT_OK)
        return status;
    outgoing->lsn = lsn;
    outgoing->journal_lane = id;
    outgoing->journal_size = (uint32_t)bytes->size;
    return DT_OK;
}

dt_status duet_intent_put(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    enum duet_side secondary = duet_other_side(lane->primary);
    dt_status status;

    outgoing->lsn = 0;
    if (!lane->box->is_intent || (outgoing->written & (1u << secondary)) == 0)
        return DT_OK;
    status = append(outgoing, secondary);
    if (status == DT_ENOSPC && !is_critical(lane, secondary))
        return DT_OK; /* the copy is dropped and listed, if it is still so later */
    return status;
}

bool duet_intent_is_kept(const struct duet_outgoing *outgoing)
{
    const struct duet_lane *lane = outgoing->lane;

    return outgoing->lsn == 0 ||
           outgoing->lsn <= duet_journal_kept(lane->box->fsync, &lane->outbox->kept);
}

void duet_intent_accepted(const struct duet_outgoing *outgoing)
{
    const struct duet_lane *lane = outgoing->lane;

    /* what an earlier process left is before it, and may not be accepted */
    if (outgoing->lsn == 0 || lane->spill.side[DUET_KAFKA].old > 0 ||
        lane->spill.side[DUET_ROCKETMQ].old > 0)
        return;
    if (duet_journal_accept(lane->outbox->journal, outgoing->journal_lane, outgoing->lsn) !=
        DT_OK)
        dt_log_error("the journal: %s", dt_error_text()); /* it will be asked for */
}

void duet_intent_cancelled(const struct duet_outgoing *outgoing)
{
    uint64_t at;

    if (outgoing->lsn != 0 &&
        duet_journal_cancel(outgoing->lane->outbox->journal, outgoing->journal_lane,
                            outgoing->lsn, outgoing->journal_size, &at) != DT_OK)
        dt_log_error("the journal: %s", dt_error_text()); /* it will be asked for */
}

dt_status duet_intent_turn(struct duet_lane *lane, enum duet_side to)
{
    uint32_t id = lane->spill.side[duet_other_side(to)].id[SPILL_MAIN];

    for (struct duet_outgoing *at = lane->primary_first; at != NULL; at = at->next) {
        struct duet_outgoing before = *at;
        dt_status status;

        if (at->lsn == 0 || at->journal_lane == id)
            continue;
        status = append(at, duet_other_side(to));
        if (status != DT_OK)
            return status;
        duet_intent_cancelled(&before);
    }
    return DT_OK;
}

static void pump_all(struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count && outbox->boxes[b].is_intent;
             p++)
            duet_outbox_pump_primary(&outbox->boxes[b].lanes[p]);
}

void duet_intent_progress(void *context, const struct duet_journal_progress *progress)
{
    struct duet_outbox *outbox = context;

    pthread_mutex_lock(&outbox->lock);
    outbox->kept = *progress;
    if (!outbox->closing)
        pump_all(outbox);
    duet_outbox_wake_waiters(outbox); /* the disk is not behind any more */
    pthread_mutex_unlock(&outbox->lock);
}

void duet_intent_broken(void *context, const char *reason)
{
    struct duet_outbox *outbox = context;

    dt_log_error("the journal takes nothing any more: %s", reason);
    pthread_mutex_lock(&outbox->lock);
    outbox->journal_broken = true;
    duet_outbox_wake_waiters(outbox);
    pthread_mutex_unlock(&outbox->lock);
}
