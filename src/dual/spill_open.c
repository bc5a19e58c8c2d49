/*
 * spill_open.c - the journal's life: opened before the first message, with what an earlier process
 * left in it, and given at the end what the secondary never got.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
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
        if (id < known_count)
            spill->last_lsn[which] = known[id].last_lsn;
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

static dt_status list_damages(struct duet_outbox *outbox, const char *folder)
{
    const struct duet_journal_damage *damages;
    size_t count = duet_journal_damages(outbox->journal, &damages);
    dt_status status = DT_OK;

    for (size_t i = 0; i < count && status == DT_OK; i++) {
        dt_log_error("journal '%s': segment %llx is damaged, %llu records are lost from "
                     "number %llu on: %s",
                     folder, (unsigned long long)damages[i].segment,
                     (unsigned long long)(damages[i].lsn_to - damages[i].lsn_from),
                     (unsigned long long)damages[i].lsn_from, damages[i].what);
        status = duet_spill_isolate(outbox, outbox->journal, &damages[i]);
    }
    if (outbox->spilled_count > 0)
        dt_log_info("journal '%s': %lld copies are owed from before", folder,
                    (long long)outbox->spilled_count);
    return status;
}

static dt_status open_journal(struct duet_outbox *outbox, const char *folder,
                              int64_t size_max, bool takes_over)
{
    struct duet_journal_config config = {.dir = folder,
                                         .size_max = size_max,
                                         .takes_over = takes_over,
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
        status = duet_spill_name_lanes(outbox);
    if (status == DT_OK)
        duet_journal_stats(outbox->journal, &stats);
    if (status == DT_OK)
        status = duet_journal_lanes(outbox->journal, &known, &known_count);
    for (size_t b = 0; b < outbox->box_count && status == DT_OK; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count && status == DT_OK; p++)
            status = find_sides(&outbox->boxes[b].lanes[p], known, known_count,
                                stats.oldest_wall_ms);
    free(known);
    return status == DT_OK ? list_damages(outbox, folder) : status;
}

dt_status duet_spill_open(struct duet_outbox *outbox, const char *folder, int64_t size_max)
{
    return open_journal(outbox, folder, size_max, false);
}

dt_status duet_spill_adopt(struct duet_outbox *outbox, const char *folder, int64_t size_max)
{
    return open_journal(outbox, folder, size_max, true);
}

/* Messages of lanes that nobody could name are listed, and hold the journal's segments no more. */
static dt_status pass_nameless(struct duet_outbox *outbox)
{
    struct duet_journal_lane *lanes;
    size_t count;
    dt_status status = duet_journal_lanes(outbox->journal, &lanes, &count);

    for (size_t i = 0; i < count && status == DT_OK; i++)
        if (lanes[i].topic[0] == '\0' && lanes[i].last_lsn > lanes[i].done_lsn)
            status = duet_journal_done(outbox->journal, lanes[i].id, lanes[i].last_lsn,
                                       lanes[i].messages, lanes[i].bytes);
    free(lanes);
    return status;
}

dt_status duet_spill_start(struct duet_outbox *outbox)
{
    dt_status status;

    if (outbox->journal == NULL)
        return DT_OK;
    status = pass_nameless(outbox);
    if (status != DT_OK)
        return status;
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
