#include "dual/spill.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill_inside.h"
#include "journal/journal.h"

/* A message of the largest size has to fit into one; reading keeps three in memory. */
#define SEGMENT_SIZE      (5u << 20)
#define FSYNC_INTERVAL_MS 100

/* ---- open and close ---- */

/* The journal's lanes of a partition, and what an earlier process left in them. */
static dt_status find_lanes(struct duet_lane *lane, enum duet_side side,
                            const struct duet_journal_lane *known, size_t known_count,
                            int64_t oldest_ms)
{
    static const uint8_t bits[SPILL_LANES] = {
        [SPILL_FRONT] = SPILL_FRONT_BIT,
    };
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[side];

    for (int which = 0; which < SPILL_LANES; which++) {
        uint32_t id;
        dt_status status =
            duet_journal_lane(outbox->journal, lane->box->route->topic, lane->partition,
                              (uint8_t)side | bits[which], &id);

        if (status != DT_OK)
            return status;
        spill->id[which] = id;
        duet_journal_lane_policy(outbox->journal, id, lane->box->fsync);
        if (id >= known_count || known[id].messages == 0)
            continue;
        spill->unread[which] = known[id].messages;
        spill->old += known[id].messages;
        if (which == SPILL_MAIN)
            spill->accepted_lsn = known[id].accepted_lsn;
        lane->spill.oldest_ms = oldest_ms;
        outbox->spilled_count += (int64_t)known[id].messages;
        outbox->spilled_bytes += (int64_t)known[id].bytes;
    }
    return DT_OK;
}

static dt_status find_sides(struct duet_lane *lane, const struct duet_journal_lane *known,
                            size_t known_count, int64_t oldest_ms)
{
    dt_status status = DT_OK;

    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++)
        status = find_lanes(lane, (enum duet_side)side, known, known_count, oldest_ms);
    if (status == DT_OK)
        duet_lane_choose_primary(lane);
    return status;
}

static void say_damages(const struct duet_outbox *outbox, const char *folder)
{
    const struct duet_journal_damage *damages;
    size_t count = duet_journal_damages(outbox->journal, &damages);

    for (size_t i = 0; i < count; i++)
        dt_log_error("journal '%s': segment %llx is damaged, %llu records are lost from "
                     "number %llu on: %s",
                     folder, (unsigned long long)damages[i].segment,
                     (unsigned long long)(damages[i].lsn_to - damages[i].lsn_from),
                     (unsigned long long)damages[i].lsn_from, damages[i].what);
    if (outbox->spilled_count > 0)
        dt_log_info("journal '%s': %lld copies are owed from before", folder,
                    (long long)outbox->spilled_count);
}

dt_status duet_spill_open(struct duet_outbox *outbox, const char *folder, int64_t size_max)
{
    struct duet_journal_config config = {.dir = folder,
                                         .size_max = size_max,
                                         .segment_size = SEGMENT_SIZE,
                                         .fsync = DUET_FSYNC_INTERVAL,
                                         .fsync_interval_ms = FSYNC_INTERVAL_MS,
                                         .progress = duet_intent_progress,
                                         .broken = duet_intent_broken,
                                         .context = outbox};
    struct duet_journal_lane *known = NULL;
    struct duet_journal_stats stats = {0};
    size_t known_count = 0;
    dt_status status = duet_journal_open(&config, &outbox->journal);

    if (status == DT_OK)
        duet_journal_stats(outbox->journal, &stats);
    if (status == DT_OK)
        status = duet_journal_lanes(outbox->journal, &known, &known_count);
    for (size_t b = 0; b < outbox->box_count && status == DT_OK; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count && status == DT_OK; p++)
            status = find_sides(&outbox->boxes[b].lanes[p], known, known_count,
                                stats.oldest_wall_ms);
    free(known);
    if (status != DT_OK)
        return status;
    say_damages(outbox, folder);
    if (pthread_create(&outbox->replay_thread, NULL, duet_spill_run, outbox) != 0)
        return dt_error_set(DT_ENOMEM, "cannot start the thread that reads the journal");
    outbox->replay_runs = true;
    return DT_OK;
}

void duet_spill_stop(struct duet_outbox *outbox)
{
    if (!outbox->replay_runs)
        return;
    pthread_mutex_lock(&outbox->lock);
    outbox->replay_stop = true;
    pthread_cond_signal(&outbox->replay);
    pthread_mutex_unlock(&outbox->lock);
    pthread_join(outbox->replay_thread, NULL);
    outbox->replay_runs = false;
}

void duet_spill_close(struct duet_outbox *outbox)
{
    duet_journal_close(outbox->journal);
    outbox->journal = NULL;
}

/* ---- into the journal ---- */

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

/* ---- the end of a producer ---- */

/* The journal's own thread makes room within milliseconds, or there is none. */
static dt_status append_patiently(struct duet_lane *lane, int which,
                                  const struct duet_outgoing *outgoing, int64_t until_ms)
{
    static const struct timespec moment = {0, 2000000};
    uint64_t lsn;
    dt_status status;

    while ((status = duet_spill_append(lane, which, outgoing, &lsn)) == DT_EBUSY &&
           dt_clock_ms() < until_ms)
        nanosleep(&moment, NULL);
    return status;
}

/* Whether something of the list is in memory alone. */
static bool has_unkept(const struct duet_lane *lane)
{
    for (const struct duet_outgoing *at = lane->secondary_first; at != NULL; at = at->next)
        if (at->lsn == 0)
            return true;
    return false;
}

/*
 * What stands in the list is older than everything of the lane in the journal, but for what was
 * read from there. So if something of it is in memory alone, all of it goes to the front lane in
 * its order, and what came from the journal is done there: a process that dies in between leaves
 * second copies, not another order.
 */
static void keep_lane(struct duet_lane *lane, int64_t until_ms)
{
    struct duet_outbox *outbox = lane->outbox;
    bool again = has_unkept(lane);
    struct duet_outgoing *first;

    while ((first = lane->secondary_first) != NULL) {
        if (again) {
            if (append_patiently(lane, SPILL_FRONT, first, until_ms) != DT_OK)
                return;
            outbox->stats.spilled++;
            duet_spill_done(lane, first);
        }
        duet_outbox_secondary_take(first);
        duet_outbox_secondary_gone(outbox, first);
    }
    while ((first = lane->spill.behind_first) != NULL) {
        if (append_patiently(lane, SPILL_MAIN, first, until_ms) != DT_OK)
            return;
        outbox->stats.spilled++;
        duet_outgoing_take_out(&lane->spill.behind_first, &lane->spill.behind_last, first);
        duet_outbox_secondary_gone(outbox, first);
    }
}

void duet_spill_keep(struct duet_outbox *outbox)
{
    int64_t until_ms = dt_clock_ms() + 3000;

    if (outbox->journal == NULL)
        return;
    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            keep_lane(&outbox->boxes[b].lanes[p], until_ms);
    pthread_mutex_unlock(&outbox->lock);
}
