/* Gives a lane's messages back, in order. A segment is walked once and kept for a while, since
 * lanes usually go through the same segments at about the same time. */
#include "journal/journal_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

/* A segment as the reader needs to know it, copied under the lock. */
struct target {
    struct duet_segment_header header;
    size_t size;      /* written */
    uint64_t end_lsn; /* behind the last record of that */
};

/* ---- the cache ---- */

static void forget(struct journal_cached *cached)
{
    free(cached->bytes);
    free(cached->spots);
    free(cached->holes);
    memset(cached, 0, sizeof(*cached));
}

void journal_cache_forget(struct duet_journal *journal, uint64_t number)
{
    pthread_mutex_lock(&journal->read_lock);
    for (size_t i = 0; i < DUET_JOURNAL_CACHED; i++)
        if (journal->cached[i].number == number)
            forget(&journal->cached[i]);
    pthread_mutex_unlock(&journal->read_lock);
}

void journal_cache_free(struct duet_journal *journal)
{
    for (size_t i = 0; i < DUET_JOURNAL_CACHED; i++)
        forget(&journal->cached[i]);
}

/* Lock: read_lock, as all below. The one that has it, else the one unused for longest. */
static struct journal_cached *find_cached(struct duet_journal *journal, uint64_t number)
{
    struct journal_cached *oldest = &journal->cached[0];

    for (size_t i = 0; i < DUET_JOURNAL_CACHED; i++) {
        if (journal->cached[i].number == number)
            return &journal->cached[i];
        if (journal->cached[i].used < oldest->used)
            oldest = &journal->cached[i];
    }
    forget(oldest);
    return oldest;
}

/* What is not there any more is damaged: zeros are no records. */
static void lose_rest(struct journal_cached *cached, const struct target *target)
{
    memset(cached->bytes + cached->loaded, 0, target->size - cached->loaded);
    cached->loaded = target->size;
}

static dt_status read_more(const struct duet_journal *journal,
                           struct journal_cached *cached, const struct target *target)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    uint8_t *grown = realloc(cached->bytes, target->size);
    int fd;

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to read a segment of the journal");
    cached->bytes = grown;
    journal_path(journal, target->header.number, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        lose_rest(cached, target);
        return DT_OK;
    }
    if (fd < 0)
        return dt_error_set(DT_EIO, "'%s': %s", path, strerror(errno));
    while (cached->loaded < target->size) {
        ssize_t n = pread(fd, cached->bytes + cached->loaded, target->size - cached->loaded,
                          (off_t)cached->loaded);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = errno;

            close(fd);
            if (n < 0)
                return dt_error_set(DT_EIO, "'%s': %s", path, strerror(error));
            lose_rest(cached, target);
            return DT_OK;
        }
        cached->loaded += (size_t)n;
    }
    close(fd);
    return DT_OK;
}

static dt_status add_spot(struct journal_cached *cached)
{
    struct journal_spot *spot;

    if (cached->spot_count == cached->spot_capacity) {
        size_t capacity = cached->spot_capacity == 0 ? 1024 : cached->spot_capacity * 2;
        void *grown = realloc(cached->spots, capacity * sizeof(*cached->spots));

        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the index of a segment");
        cached->spots = grown;
        cached->spot_capacity = capacity;
    }
    spot = &cached->spots[cached->spot_count++];
    spot->lsn = cached->walk.record.lsn;
    spot->lane = cached->walk.record.lane;
    spot->at = (uint32_t)cached->walk.record_at;
    return DT_OK;
}

static bool was_there(const struct duet_journal *journal, uint64_t segment,
                      uint64_t lsn_from)
{
    for (size_t i = 0; i < journal->damage_count; i++)
        if (journal->damages[i].segment == segment &&
            journal->damages[i].lsn_from == lsn_from)
            return true;
    return false;
}

/* Bytes `from` to `to` are no record, though they were, before the journal was opened or since. */
static dt_status add_hole(struct duet_journal *journal, struct journal_cached *cached,
                          const struct duet_damage *damage)
{
    struct duet_journal_damage found = {
        .segment = cached->number, .lsn_from = damage->lsn_from, .lsn_to = damage->lsn_to};
    struct journal_hole *grown;
    dt_status status;

    if (cached->hole_count > 0 &&
        cached->holes[cached->hole_count - 1].lsn_to > found.lsn_from)
        found.lsn_from = cached->holes[cached->hole_count - 1].lsn_to;
    if (found.lsn_from >= found.lsn_to ||
        was_there(journal, cached->number, damage->lsn_from))
        return DT_OK;
    grown = realloc(cached->holes, (cached->hole_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the index of a segment");
    cached->holes = grown;
    grown[cached->hole_count++] = (struct journal_hole){found.lsn_from, found.lsn_to};
    for (size_t i = 0; i < journal->found_count; i++) /* the cache had let go of it */
        if (journal->found[i].segment == found.segment &&
            journal->found[i].lsn_to >= found.lsn_to)
            return DT_OK;
    journal_damage_place(&found, cached->number, damage->from, damage->to);
    snprintf(found.what, sizeof(found.what), "bytes %zu to %zu are no records any more",
             damage->from, damage->to);
    status = journal_damage_add(&journal->found, &journal->found_count, &found);
    if (status != DT_OK)
        cached->hole_count--;
    return status;
}

/* All that was written is a record, or the end of it is damaged. */
static dt_status check_end(struct duet_journal *journal, struct journal_cached *cached,
                           const struct target *target)
{
    struct duet_damage damage = {.from = cached->walk.at,
                                 .to = cached->loaded,
                                 .lsn_from = cached->walk.next_lsn,
                                 .lsn_to = target->end_lsn};

    return damage.lsn_from < damage.lsn_to ? add_hole(journal, cached, &damage) : DT_OK;
}

/* Reads the segment as far as it is written, if that was not done yet. */
static dt_status load(struct duet_journal *journal, const struct target *target,
                      struct journal_cached **out)
{
    struct journal_cached *cached = find_cached(journal, target->header.number);
    enum duet_walk_event event;
    dt_status status;

    *out = cached;
    cached->used = ++journal->clock;
    if (cached->number != 0 && cached->loaded >= target->size)
        return DT_OK;
    status = read_more(journal, cached, target);
    if (status != DT_OK)
        return status;
    if (cached->number == 0)
        duet_walk_init(&cached->walk, dt_span_of(cached->bytes, cached->loaded),
                       &target->header);
    cached->number = target->header.number;
    cached->walk.bytes = dt_span_of(cached->bytes, cached->loaded);
    while (status == DT_OK &&
           ((event = duet_walk_next(&cached->walk)) == DUET_WALK_RECORD ||
            event == DUET_WALK_DAMAGED)) {
        if (event == DUET_WALK_DAMAGED)
            status = add_hole(journal, cached, &cached->walk.damage);
        else if (cached->walk.record.kind == DUET_RECORD_MESSAGE)
            status = add_spot(cached);
    }
    if (status == DT_OK)
        status = check_end(journal, cached, target);
    if (status != DT_OK)
        forget(cached); /* half an index would hide messages */
    return status;
}

/* ---- reading ---- */

/* The first segment that has a message of the lane behind `from`. */
static bool find_target(struct duet_journal *journal, uint32_t lane, uint64_t *from,
                        struct target *target)
{
    const struct journal_segment *at;

    pthread_mutex_lock(&journal->lock);
    if (lane < journal->lane_count && journal->lanes[lane].done_lsn > *from)
        *from = journal->lanes[lane].done_lsn;
    for (at = journal->oldest; at != NULL; at = at->next)
        if (lane < at->lane_count && at->last_lsn[lane] > *from)
            break;
    if (at != NULL) {
        target->header = at->header;
        target->size = at->written_size;
        target->end_lsn = at->end_lsn <= journal->reached.written
                              ? at->end_lsn
                              : journal->reached.written + 1;
    }
    pthread_mutex_unlock(&journal->lock);
    return at != NULL && target->size > DUET_SEGMENT_HEADER_SIZE; /* else not yet written */
}

static struct journal_spot *find_spot(struct journal_cached *cached, uint32_t lane,
                                      uint64_t from, struct duet_journal_cursor *cursor)
{
    size_t low = 0, high = cached->spot_count;

    if (cursor->segment == cached->number && cursor->spot <= cached->spot_count) {
        low = cursor->spot;
    } else {
        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (cached->spots[middle].lsn > from)
                high = middle;
            else
                low = middle + 1;
        }
    }
    cursor->segment = cached->number;
    for (; low < cached->spot_count; low++)
        if (cached->spots[low].lane == lane && cached->spots[low].lsn > from)
            break;
    cursor->spot = low;
    return low < cached->spot_count ? &cached->spots[low] : NULL;
}

/* A hole that the lane has not been told of, before its next message. */
static const struct journal_hole *find_hole(const struct journal_cached *cached,
                                            uint64_t from, const struct journal_spot *spot)
{
    for (size_t i = 0; i < cached->hole_count; i++)
        if (cached->holes[i].lsn_to > from + 1 &&
            (spot == NULL || cached->holes[i].lsn_from < spot->lsn))
            return &cached->holes[i];
    return NULL;
}

static dt_status copy_out(const struct journal_cached *cached,
                          const struct journal_spot *spot, struct dt_buf *payload,
                          struct duet_record_view *record)
{
    struct dt_scan scan =
        dt_scan_of(dt_span_of(cached->bytes + spot->at, cached->loaded - spot->at));
    size_t size = dt_scan_u32(&scan);

    dt_scan_u32(&scan);
    record->lsn = dt_scan_u64(&scan);
    record->kind = (enum duet_record_kind)dt_scan_u8(&scan);
    record->side = dt_scan_u8(&scan);
    record->flags = dt_scan_u16(&scan);
    record->lane = dt_scan_u32(&scan);
    dt_buf_clear(payload);
    dt_buf_put_span(payload, dt_scan_bytes(&scan, size - DUET_RECORD_HEADER_SIZE));
    record->payload = dt_buf_span(payload);
    return dt_buf_status(payload, "a message of the journal");
}

static dt_status next_spot(struct duet_journal *journal, uint32_t lane,
                           struct duet_journal_cursor *cursor, struct dt_buf *payload,
                           struct duet_record_view *record)
{
    uint64_t from = cursor->lsn;
    struct journal_cached *cached;
    const struct journal_hole *hole = NULL;
    struct journal_spot *spot;
    struct target target;
    dt_status status;

    if (!find_target(journal, lane, &from, &target))
        return dt_error_set(DT_ENOTFOUND, "nothing more in this lane of the journal");
    pthread_mutex_lock(&journal->read_lock);
    status = load(journal, &target, &cached);
    if (status == DT_OK) {
        spot = find_spot(cached, lane, from, cursor);
        hole = find_hole(cached, from, spot);
        if (hole != NULL)
            status = dt_error_set(DT_ECORRUPT,
                                  "segment %llx of the journal was damaged since it was "
                                  "opened: numbers %llu to %llu",
                                  (unsigned long long)cached->number,
                                  (unsigned long long)hole->lsn_from,
                                  (unsigned long long)hole->lsn_to - 1);
        else if (spot == NULL)
            status = dt_error_set(DT_ENOTFOUND, "not yet written");
        else
            status = copy_out(cached, spot, payload, record);
        if (status == DT_OK) {
            cursor->lsn = record->lsn;
            cursor->spot++;
        } else if (hole != NULL) {
            cursor->lsn = hole->lsn_to - 1;
        }
    }
    pthread_mutex_unlock(&journal->read_lock);
    return status;
}

static bool is_cancelled(struct duet_journal *journal, uint32_t lane, uint64_t lsn)
{
    bool result;

    pthread_mutex_lock(&journal->lock);
    result = journal_lane_is_cancelled(&journal->lanes[lane], lsn);
    pthread_mutex_unlock(&journal->lock);
    return result;
}

dt_status duet_journal_next(struct duet_journal *journal, uint32_t lane,
                            struct duet_journal_cursor *cursor, struct dt_buf *payload,
                            struct duet_record_view *record)
{
    dt_status status;

    do
        status = next_spot(journal, lane, cursor, payload, record);
    while (status == DT_OK && is_cancelled(journal, lane, record->lsn));
    return status;
}
