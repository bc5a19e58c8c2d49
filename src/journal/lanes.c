/* lanes.c - lanes as others see them: named, done, accepted, counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "journal/journal_inside.h"

enum { LANES_MAX = 1 << 20 };

dt_status journal_lane_put(struct duet_journal *journal, uint32_t id, const char *topic,
                           int32_t partition, uint8_t side)
{
    struct journal_lane *lane;

    if (id >= LANES_MAX)
        return dt_error_set(DT_EINVAL, "more than %d lanes", LANES_MAX);
    if (id >= journal->lane_capacity) {
        size_t capacity = journal->lane_capacity == 0 ? 16 : journal->lane_capacity;
        void *grown;

        while (capacity <= id)
            capacity *= 2;
        grown = realloc(journal->lanes, capacity * sizeof(*journal->lanes));
        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a lane of the journal");
        journal->lanes = grown;
        memset(journal->lanes + journal->lane_capacity, 0,
               (capacity - journal->lane_capacity) * sizeof(*journal->lanes));
        journal->lane_capacity = capacity;
    }
    lane = &journal->lanes[id];
    if (lane->topic == NULL || lane->topic[0] == '\0') {
        char *name = strdup(topic);

        if (name == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a lane of the journal");
        free(lane->topic);
        lane->topic = name;
        lane->partition = partition;
        lane->side = side;
        lane->policy = journal->fsync;
    }
    if (id >= journal->lane_count)
        journal->lane_count = id + 1;
    return DT_OK;
}

void journal_lane_fini(struct journal_lane *lane)
{
    free(lane->topic);
    free(lane->cancelled);
}

/* ---- cancelled messages ---- */

/* Where `lsn` is in the list, or would be. */
static size_t find_cancelled(const struct journal_lane *lane, uint64_t lsn)
{
    size_t low = 0, high = lane->cancelled_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lane->cancelled[middle] < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool journal_lane_is_cancelled(const struct journal_lane *lane, uint64_t lsn)
{
    size_t at = find_cancelled(lane, lsn);

    return at < lane->cancelled_count && lane->cancelled[at] == lsn;
}

dt_status journal_lane_cancel(struct journal_lane *lane, uint64_t lsn)
{
    size_t at = find_cancelled(lane, lsn);

    if (journal_lane_is_cancelled(lane, lsn))
        return DT_OK;
    if (lane->cancelled_count == lane->cancelled_capacity) {
        size_t capacity = lane->cancelled_capacity == 0 ? 16 : lane->cancelled_capacity * 2;
        void *grown = realloc(lane->cancelled, capacity * sizeof(*lane->cancelled));

        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "no memory to cancel a message of the journal");
        lane->cancelled = grown;
        lane->cancelled_capacity = capacity;
    }
    memmove(lane->cancelled + at + 1, lane->cancelled + at,
            (lane->cancelled_count - at) * sizeof(*lane->cancelled));
    lane->cancelled[at] = lsn;
    lane->cancelled_count++;
    return DT_OK;
}

void journal_lane_keep(struct journal_lane *lane, uint64_t lsn)
{
    size_t at = find_cancelled(lane, lsn);

    if (!journal_lane_is_cancelled(lane, lsn))
        return;
    lane->cancelled_count--;
    memmove(lane->cancelled + at, lane->cancelled + at + 1,
            (lane->cancelled_count - at) * sizeof(*lane->cancelled));
}

/* Those up to done_lsn are of no interest any more. */
static void forget_cancelled(struct journal_lane *lane)
{
    size_t at = find_cancelled(lane, lane->done_lsn + 1);

    if (at == 0)
        return;
    lane->cancelled_count -= at;
    memmove(lane->cancelled, lane->cancelled + at,
            lane->cancelled_count * sizeof(*lane->cancelled));
}

void journal_release_empty(struct duet_journal *journal, uint32_t id)
{
    struct journal_lane *lane = &journal->lanes[id];
    uint64_t last = lane->done_lsn;

    if (lane->messages > 0)
        return;
    for (const struct journal_segment *at = journal->oldest; at != NULL; at = at->next)
        if (id < at->lane_count && at->last_lsn[id] > last)
            last = at->last_lsn[id];
    if (last == lane->done_lsn)
        return;
    lane->done_lsn = last;
    lane->is_done_dirty = true;
    forget_cancelled(lane);
    journal_settle(journal, id);
}

/* ---- as others see them ---- */

dt_status duet_journal_lane(struct duet_journal *journal, const char *topic,
                            int32_t partition, uint8_t side, uint32_t *id)
{
    dt_status status = DT_OK;

    if (strlen(topic) > 255 || topic[0] == '\0')
        return dt_error_set(DT_EINVAL, "a lane's topic has 1 to 255 bytes");
    pthread_mutex_lock(&journal->lock);
    for (*id = 0; *id < journal->lane_count; ++*id) {
        const struct journal_lane *lane = &journal->lanes[*id];

        if (lane->topic != NULL && lane->partition == partition && lane->side == side &&
            strcmp(lane->topic, topic) == 0)
            break;
    }
    if (*id == journal->lane_count)
        status = journal_lane_put(journal, *id, topic, partition, side);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

dt_status duet_journal_done(struct duet_journal *journal, uint32_t lane, uint64_t lsn,
                            uint64_t messages, uint64_t bytes)
{
    struct journal_lane *at;

    pthread_mutex_lock(&journal->lock);
    if (lane >= journal->lane_count || lsn >= journal->next_lsn) {
        pthread_mutex_unlock(&journal->lock);
        return dt_error_set(DT_EINVAL, "the journal has no lane %u with number %llu",
                            (unsigned)lane, (unsigned long long)lsn);
    }
    at = &journal->lanes[lane];
    if (lsn > at->done_lsn) {
        at->done_lsn = lsn;
        at->is_done_dirty = true;
        at->messages -= messages < at->messages ? messages : at->messages;
        at->bytes -= bytes < at->bytes ? bytes : at->bytes;
        forget_cancelled(at);
        journal_settle(journal, lane);
        if (journal->oldest->owing == 0)
            pthread_cond_signal(&journal->wake);
    }
    pthread_mutex_unlock(&journal->lock);
    return DT_OK;
}

dt_status duet_journal_accept(struct duet_journal *journal, uint32_t lane, uint64_t lsn)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&journal->lock);
    if (lane >= journal->lane_count || lsn >= journal->next_lsn) {
        status = dt_error_set(DT_EINVAL, "the journal has no lane %u with number %llu",
                              (unsigned)lane, (unsigned long long)lsn);
    } else if (lsn > journal->lanes[lane].accepted_lsn) {
        journal->lanes[lane].accepted_lsn = lsn;
        journal->lanes[lane].is_accept_dirty = true;
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}

void duet_journal_lane_policy(struct duet_journal *journal, uint32_t lane,
                              enum duet_fsync policy)
{
    pthread_mutex_lock(&journal->lock);
    if (lane < journal->lane_count)
        journal->lanes[lane].policy = policy;
    pthread_mutex_unlock(&journal->lock);
}

dt_status duet_journal_lanes(struct duet_journal *journal, struct duet_journal_lane **out,
                             size_t *count)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&journal->lock);
    *count = journal->lane_count;
    *out = calloc(*count + 1, sizeof(**out));
    if (*out == NULL) {
        *count = 0;
        status = dt_error_set(DT_ENOMEM, "no memory for the list of lanes");
    }
    for (uint32_t id = 0; id < *count; id++) {
        const struct journal_lane *lane = &journal->lanes[id];
        struct duet_journal_lane *to = &(*out)[id];

        to->id = id;
        to->partition = lane->partition;
        to->side = lane->side;
        to->messages = lane->messages;
        to->bytes = lane->bytes;
        to->accepted_lsn = lane->accepted_lsn;
        to->done_lsn = lane->done_lsn;
        for (const struct journal_segment *at = journal->oldest; at != NULL; at = at->next)
            if (id < at->lane_count && at->last_lsn[id] > to->last_lsn)
                to->last_lsn = at->last_lsn[id];
        snprintf(to->topic, sizeof(to->topic), "%s",
                 lane->topic != NULL ? lane->topic : "");
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}

void duet_journal_stats(struct duet_journal *journal, struct duet_journal_stats *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < journal->lane_count; i++) {
        out->messages += journal->lanes[i].messages;
        out->bytes += journal->lanes[i].bytes;
    }
    out->disk_bytes =
        (int64_t)(journal->segment_count + (journal->spare == SPARE_READY ? 1 : 0)) *
        (int64_t)journal->segment_size;
    for (const struct journal_segment *at = journal->oldest; at != NULL; at = at->next)
        if (at->owing > 0) {
            out->oldest_wall_ms = at->header.created_wall_ms;
            break;
        }
    out->syncs = journal->syncs;
    out->writes = journal->writes;
    pthread_mutex_unlock(&journal->lock);
}
