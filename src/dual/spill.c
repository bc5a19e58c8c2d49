#include "dual/spill.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "dual/outbox_inside.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill_inside.h"
#include "journal/journal.h"

bool duet_spill_owes(const struct duet_lane *lane, enum duet_side side)
{
    const struct duet_spill_side *spill = &lane->spill.side[side];

    return spill->unread[SPILL_FRONT] + spill->unread[SPILL_MAIN] > 0;
}

static bool has_unread(const struct duet_lane *lane)
{
    return duet_spill_owes(lane, DUET_KAFKA) || duet_spill_owes(lane, DUET_ROCKETMQ);
}

dt_status duet_spill_append(struct duet_lane *lane, int which,
                            const struct duet_outgoing *outgoing, uint64_t *lsn)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[duet_outgoing_target(outgoing)];
    struct dt_buf *bytes = &outbox->scratch;
    dt_status status;

    dt_buf_clear(bytes);
    duet_outgoing_encode(bytes, outgoing);
    status = dt_buf_status(bytes, "a message of the journal");
    if (status == DT_OK)
        status = duet_journal_append(outbox->journal, spill->id[which], 0,
                                     dt_buf_span(bytes), lsn);
    if (status != DT_OK)
        return status;
    if (!has_unread(lane))
        lane->spill.oldest_ms = outgoing->made_ms;
    spill->unread[which]++;
    spill->last_lsn[which] = *lsn;
    outbox->spilled_count++;
    outbox->spilled_bytes += (int64_t)bytes->size;
    return DT_OK;
}

bool duet_spill_is_behind(const struct duet_lane *lane)
{
    return has_unread(lane) || lane->spill.behind_first != NULL;
}

/* The copy is in the journal: its bytes go, its callback stays, if it has not run. */
static void leave_stub(struct duet_lane *lane, struct duet_outgoing *outgoing, uint64_t lsn)
{
    struct duet_outbox *outbox = lane->outbox;
    enum duet_side side = duet_outgoing_target(outgoing);
    struct duet_outgoing *stub;

    if (!outgoing->answered &&
        outbox->stub_bytes + (int64_t)sizeof(*stub) > outbox->memory_max / 2 &&
        duet_outbox_answer_later(
            outgoing, DUET_RESULT_IN_DOUBT,
            "%s has it; %s is behind, and there is no memory to wait for it",
            duet_side_name(duet_other_side(side)), duet_side_name(side)))
        duet_outbox_doubt(outgoing, side, "too many wait for it; the other side has it");
    if (outgoing->answered) {
        duet_outgoing_free(outgoing);
        return;
    }
    free(outgoing->link);
    stub = realloc(outgoing, sizeof(*stub));
    if (stub == NULL)
        stub = outgoing;
    stub->link = NULL;
    memset(&stub->record, 0, sizeof(stub->record));
    stub->lsn = lsn;
    stub->size = sizeof(*stub);
    stub->is_owed = true;
    outbox->stub_bytes += (int64_t)stub->size;
    duet_outgoing_append(&lane->spill.stub_first, &lane->spill.stub_last, stub);
}

static void free_stub(struct duet_lane *lane)
{
    struct duet_outgoing *stub = lane->spill.stub_first;

    lane->outbox->stub_bytes -= (int64_t)stub->size;
    duet_outgoing_take_out(&lane->spill.stub_first, &lane->spill.stub_last, stub);
    duet_outgoing_free(stub);
}

void duet_spill_forget_stubs(struct duet_lane *lane)
{
    while (lane->spill.stub_first != NULL && lane->spill.stub_first->answered)
        free_stub(lane);
}

void duet_spill_take_stub(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_outgoing *stub;

    outgoing->doubted = duet_outbox_is_doubted(outgoing);
    while ((stub = lane->spill.stub_first) != NULL && stub->lsn <= outgoing->lsn) {
        if (stub->lsn == outgoing->lsn) {
            outgoing->callback = stub->callback;
            outgoing->opaque = stub->opaque;
            outgoing->deadline_ms = stub->deadline_ms;
            outgoing->answered = stub->answered;
            outgoing->made_ms = stub->made_ms;
        } else if (!duet_outbox_answer_later(stub, DUET_RESULT_IN_DOUBT, "%s",
                                             "the journal lost the other side's copy")) {
            return;
        }
        free_stub(lane);
    }
}

/* With `journal: intent`: the journal has it already, unless it was full. */
static bool take_intent(struct duet_lane *lane, struct duet_outgoing *outgoing,
                        bool *dropped)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[duet_outgoing_target(outgoing)];

    if (!duet_spill_is_behind(lane) &&
        (outgoing->lsn == 0 ||
         outbox->secondary_bytes + (int64_t)outgoing->size <= outbox->memory_max / 2))
        return false;
    if (outgoing->lsn == 0) {
        *dropped = true;
        return true;
    }
    if (spill->unread[SPILL_MAIN] ==
        0) /* nobody reads there: what is before is in memory */
        spill->cursor[SPILL_MAIN] = (struct duet_journal_cursor){.lsn = outgoing->lsn - 1};
    if (!has_unread(lane))
        lane->spill.oldest_ms = outgoing->made_ms;
    spill->unread[SPILL_MAIN]++;
    spill->last_lsn[SPILL_MAIN] = outgoing->lsn;
    outbox->spilled_count++;
    outbox->spilled_bytes += outgoing->journal_size;
    outbox->stats.spilled++;
    leave_stub(lane, outgoing, outgoing->lsn);
    duet_spill_wake(outbox);
    return true;
}

bool duet_spill_take(struct duet_lane *lane, struct duet_outgoing *outgoing, bool critical,
                     bool *dropped)
{
    struct duet_outbox *outbox = lane->outbox;
    int64_t size = (int64_t)outgoing->size;
    uint64_t lsn;

    *dropped = false;
    if (lane->box->is_intent && outbox->journal != NULL)
        return take_intent(lane, outgoing, dropped);
    if (outbox->journal == NULL ||
        (!duet_spill_is_behind(lane) &&
         outbox->secondary_bytes + size <= outbox->memory_max / 2))
        return false;
    if (lane->spill.behind_first == NULL &&
        duet_spill_append(lane, SPILL_MAIN, outgoing, &lsn) == DT_OK) {
        outbox->stats.spilled++;
        leave_stub(lane, outgoing, lsn);
        duet_spill_wake(outbox);
        return true;
    }
    if (!critical && outbox->secondary_bytes + size > outbox->memory_max) {
        *dropped = true;
        return true;
    }
    outgoing->is_owed = true;
    duet_outgoing_append(&lane->spill.behind_first, &lane->spill.behind_last, outgoing);
    outbox->secondary_bytes += size;
    outbox->secondary_count++;
    return true;
}

void duet_spill_settle_behind(struct duet_lane *lane)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_outgoing *first;

    while ((first = lane->spill.behind_first) != NULL) {
        bool is_next = !has_unread(lane);
        uint64_t lsn;

        if (!is_next && duet_spill_append(lane, SPILL_MAIN, first, &lsn) != DT_OK)
            return;
        duet_outgoing_take_out(&lane->spill.behind_first, &lane->spill.behind_last, first);
        if (is_next) { /* already counted as owed */
            duet_outbox_secondary_append(first);
            continue;
        }
        outbox->stats.spilled++;
        outbox->secondary_bytes -= (int64_t)first->size;
        outbox->secondary_count--;
        leave_stub(lane, first, lsn);
        duet_outbox_wake_waiters(outbox);
    }
    duet_outbox_pump(lane);
}

void duet_spill_done(struct duet_lane *lane, const struct duet_outgoing *outgoing)
{
    if (outgoing->lsn != 0 &&
        duet_journal_done(lane->outbox->journal, outgoing->journal_lane, outgoing->lsn, 1,
                          outgoing->journal_size) != DT_OK)
        dt_log_error("the journal: %s", dt_error_text()); /* it will be sent again */
}

void duet_spill_wake(struct duet_outbox *outbox)
{
    if (outbox->replay_idle)
        pthread_cond_signal(&outbox->replay);
}
