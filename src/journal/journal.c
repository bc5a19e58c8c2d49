#include "journal/journal_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"

enum { PENDING_MAX = 8 << 20 };

void journal_path(const struct duet_journal *journal, uint64_t number,
                  char path[DUET_JOURNAL_PATH_SIZE])
{
    snprintf(path, DUET_JOURNAL_PATH_SIZE, "%s/%016llx.seg", journal->dir,
             (unsigned long long)number);
}

/* ---- lanes and segments ---- */

struct journal_segment *journal_segment_add(struct duet_journal *journal,
                                            const struct duet_segment_header *header)
{
    struct journal_segment *segment = calloc(1, sizeof(*segment));

    if (segment == NULL)
        return NULL;
    segment->header = *header;
    segment->seed = duet_segment_seed(header);
    segment->fd = -1;
    segment->size = segment->written_size = DUET_SEGMENT_HEADER_SIZE;
    segment->end_lsn = header->first_lsn;
    if (journal->current != NULL)
        journal->current->next = segment;
    else
        journal->oldest = segment;
    journal->current = segment;
    journal->segment_count++;
    return segment;
}

void journal_segment_free(struct duet_journal *journal, struct journal_segment *segment)
{
    if (segment->fd >= 0)
        journal->disk->close(segment->fd);
    free(segment->last_lsn);
    free(segment);
}

dt_status journal_segment_owes(struct journal_segment *segment, uint32_t lane, uint64_t lsn)
{
    if (lane >= segment->lane_count) {
        size_t count = lane + 16;
        uint64_t *grown = realloc(segment->last_lsn, count * sizeof(*grown));

        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the journal's index");
        memset(grown + segment->lane_count, 0,
               (count - segment->lane_count) * sizeof(*grown));
        segment->last_lsn = grown;
        segment->lane_count = count;
    }
    if (segment->last_lsn[lane] == 0)
        segment->owing++;
    segment->last_lsn[lane] = lsn;
    return DT_OK;
}

void journal_settle(struct duet_journal *journal, uint32_t lane)
{
    uint64_t done = journal->lanes[lane].done_lsn;

    for (struct journal_segment *segment = journal->oldest;
         segment != NULL && segment->header.first_lsn <= done; segment = segment->next) {
        if (lane >= segment->lane_count || segment->last_lsn[lane] == 0 ||
            segment->last_lsn[lane] > done)
            continue;
        segment->last_lsn[lane] = 0;
        segment->owing--;
    }
}

/* ---- appending ---- */

/* Bytes for records of this segment that stand behind each other in its file. */
static struct dt_buf *pending_of(struct duet_journal *journal,
                                 struct journal_segment *segment)
{
    struct journal_chunk *chunk = journal->last_chunk;

    if (chunk != NULL && chunk->segment == segment)
        return &chunk->bytes;
    chunk = calloc(1, sizeof(*chunk));
    if (chunk == NULL)
        return NULL;
    chunk->segment = segment;
    chunk->at = segment->size;
    dt_buf_init(&chunk->bytes, journal->segment_size);
    if (journal->last_chunk != NULL)
        journal->last_chunk->next = chunk;
    else
        journal->first_chunk = chunk;
    journal->last_chunk = chunk;
    return &chunk->bytes;
}

/* Puts a record that is known to fit into the current segment. */
static dt_status put(struct duet_journal *journal, enum duet_record_kind kind,
                     uint32_t lane, uint8_t side, uint16_t flags, struct dt_span payload)
{
    struct journal_segment *segment = journal->current;
    struct duet_record_view record = {journal->next_lsn, kind, side, flags, lane, payload};
    struct dt_buf *bytes = pending_of(journal, segment);
    size_t room = duet_record_room(payload.size), before;

    if (bytes == NULL || dt_buf_reserve(bytes, room) == NULL) {
        if (bytes != NULL)
            bytes->failed = false;
        return dt_error_set(DT_ENOMEM, "no memory for a record of the journal");
    }
    before = bytes->size;
    duet_record_put(bytes, segment->seed, &record);
    segment->size += bytes->size - before;
    segment->end_lsn = ++journal->next_lsn;
    journal->pending_size += room;
    return DT_OK;
}

/* Room that every segment keeps for its seal. */
static size_t seal_room(void)
{
    return duet_record_room(8);
}

/* Room that messages leave to what is said about them: a journal that is full can still note what
 * is done and cancelled. */
static size_t notes_room(const struct duet_journal *journal)
{
    return journal->segment_size / 64;
}

static bool fits(const struct duet_journal *journal, size_t room)
{
    return journal->current != NULL && journal->current->fd >= 0 &&
           journal->current->size + room + seal_room() <= journal->segment_size;
}

/* `outcome` 0: none. */
static dt_status put_u64(struct duet_journal *journal, enum duet_record_kind kind,
                         uint32_t lane, uint8_t side, uint64_t value, uint8_t outcome)
{
    uint8_t bytes[9];

    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    bytes[8] = outcome;
    return put(journal, kind, lane, side, 0, dt_span_of(bytes, outcome == 0 ? 8 : 9));
}

/* Ends the current segment and goes on in the spare one. */
static dt_status roll(struct duet_journal *journal)
{
    struct duet_segment_header header;
    struct journal_segment *old = journal->current, *segment;
    struct journal_chunk *chunk;
    dt_status status;

    switch (journal->spare) {
    case SPARE_READY:
        break;
    case SPARE_NONE:
        pthread_cond_signal(&journal->wake);
        return dt_error_set(DT_EBUSY, "the journal waits for its next segment");
    case SPARE_FULL_DISK:
        return dt_error_set(DT_ENOSPC, "the disk of journal '%s' is full", journal->dir);
    case SPARE_BOUND:
        return dt_error_set(DT_ENOSPC, "journal '%s' has reached its bound of %lld bytes",
                            journal->dir, (long long)journal->size_max);
    }
    if (old != NULL && old->fd >= 0) { /* not one that an earlier process left */
        status = put_u64(journal, DUET_RECORD_SEAL, 0, 0,
                         journal->next_lsn - old->header.first_lsn + 1, 0);
        if (status != DT_OK)
            return status;
    }
    memcpy(header.journal, journal->id, sizeof(header.journal));
    header.number = journal->spare_number;
    header.first_lsn = journal->next_lsn;
    header.created_wall_ms = dt_clock_wall_ms();
    segment = journal_segment_add(journal, &header);
    if (segment == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a segment of the journal");
    segment->size = segment->written_size = 0;
    segment->fd = journal->spare_fd;
    journal->spare = SPARE_NONE;
    if (pending_of(journal, segment) == NULL) {
        segment->size = DUET_SEGMENT_HEADER_SIZE;
        journal->is_broken = true; /* a segment without a header must never be written to */
        snprintf(journal->broken_reason, sizeof(journal->broken_reason), "no memory");
        return dt_error_set(DT_ENOMEM, "no memory for a segment of the journal");
    }
    chunk = journal->last_chunk;
    duet_segment_put_header(&chunk->bytes, &header);
    segment->size = DUET_SEGMENT_HEADER_SIZE;
    journal->pending_size += DUET_SEGMENT_HEADER_SIZE;
    return DT_OK;
}

/* The record that names the lane, if this segment does not have one yet. */
static dt_status put_lane(struct duet_journal *journal, uint32_t id)
{
    const struct journal_lane *lane = &journal->lanes[id];
    uint8_t payload[4 + 255];
    size_t size = strlen(lane->topic);

    for (size_t i = 0; i < 4; i++)
        payload[i] = (uint8_t)((uint32_t)lane->partition >> (24 - 8 * i));
    memcpy(payload + 4, lane->topic, size);
    return put(journal, DUET_RECORD_LANE, id, lane->side, 0, dt_span_of(payload, 4 + size));
}

static bool is_named(const struct journal_segment *segment, uint32_t lane)
{
    return segment != NULL && lane < segment->lane_count && segment->last_lsn[lane] != 0;
}

/* When the record has to be synced. */
static void note_policy(struct duet_journal *journal, const struct journal_lane *lane,
                        uint64_t lsn)
{
    if (lane->policy == DUET_FSYNC_ALWAYS)
        journal->sync_now_lsn = lsn;
    else if (lane->policy == DUET_FSYNC_INTERVAL)
        journal->sync_later_lsn = lsn;
}

static dt_status append_locked(struct duet_journal *journal, uint32_t id, uint16_t flags,
                               struct dt_span payload, uint64_t *lsn)
{
    struct journal_lane *lane = &journal->lanes[id];
    size_t room = duet_record_room(payload.size);
    size_t naming = duet_record_room(4 + strlen(lane->topic));
    dt_status status;

    if (journal->is_broken)
        return dt_error_set(DT_EIO, "journal '%s' takes nothing any more: %s", journal->dir,
                            journal->broken_reason);
    if (DUET_SEGMENT_HEADER_SIZE + naming + room + seal_room() + notes_room(journal) >
        journal->segment_size)
        return dt_error_set(DT_ETOOBIG, "%zu bytes do not fit into a segment of %zu",
                            payload.size, journal->segment_size);
    if (journal->pending_size > PENDING_MAX)
        return dt_error_set(DT_EBUSY, "the disk of journal '%s' is behind", journal->dir);
    if (!fits(journal,
              room + notes_room(journal) + (is_named(journal->current, id) ? 0 : naming))) {
        status = roll(journal);
        if (status != DT_OK)
            return status;
    }
    if (!is_named(journal->current, id)) {
        status = put_lane(journal, id);
        if (status != DT_OK)
            return status;
    }
    /* room for the index first: what cannot be indexed must not be written */
    status = journal_segment_owes(journal->current, id, journal->next_lsn);
    if (status != DT_OK)
        return status;
    *lsn = journal->next_lsn;
    status = put(journal, DUET_RECORD_MESSAGE, id, lane->side, flags, payload);
    if (status != DT_OK)
        return status;
    lane->messages++;
    lane->bytes += payload.size;
    note_policy(journal, lane, *lsn);
    pthread_cond_signal(&journal->wake);
    return DT_OK;
}

dt_status duet_journal_append(struct duet_journal *journal, uint32_t lane, uint16_t flags,
                              struct dt_span payload, uint64_t *lsn)
{
    return duet_journal_append_until(journal, lane, flags, payload, 0, lsn);
}

dt_status duet_journal_append_until(struct duet_journal *journal, uint32_t lane,
                                    uint16_t flags, struct dt_span payload,
                                    int64_t until_ms, uint64_t *lsn)
{
    dt_status status;

    *lsn = 0;
    pthread_mutex_lock(&journal->lock);
    if (lane >= journal->lane_count)
        status = dt_error_set(DT_EINVAL, "the journal has no lane %u", (unsigned)lane);
    else
        while ((status = append_locked(journal, lane, flags, payload, lsn)) == DT_EBUSY &&
               journal_wait_changed(journal, until_ms))
            continue;
    pthread_mutex_unlock(&journal->lock);
    return status;
}

/* ---- what is said about messages ---- */

static dt_status put_note(struct duet_journal *journal, enum duet_record_kind kind,
                          uint32_t id, uint64_t value, uint8_t outcome)
{
    if (!fits(journal, duet_record_room(9))) {
        dt_status status = roll(journal);

        if (status != DT_OK)
            return status;
    }
    return put_u64(journal, kind, id, journal->lanes[id].side, value, outcome);
}

bool journal_put_done(struct duet_journal *journal)
{
    for (uint32_t id = 0; id < journal->lane_count; id++) {
        struct journal_lane *lane = &journal->lanes[id];

        if (lane->is_done_dirty) {
            if (put_note(journal, DUET_RECORD_DONE, id, lane->done_lsn, 0) != DT_OK)
                return false;
            lane->is_done_dirty = false;
        }
        if (lane->is_accept_dirty) {
            if (put_note(journal, DUET_RECORD_RESULT, id, lane->accepted_lsn,
                         JOURNAL_ACCEPTED) != DT_OK)
                return false;
            lane->is_accept_dirty = false;
        }
    }
    return true;
}

static dt_status cancel_locked(struct duet_journal *journal, uint32_t id, uint64_t lsn,
                               uint64_t size, uint64_t *at)
{
    struct journal_lane *lane = &journal->lanes[id];
    dt_status status;

    if (journal->is_broken)
        return dt_error_set(DT_EIO, "journal '%s' takes nothing any more: %s", journal->dir,
                            journal->broken_reason);
    status = journal_lane_cancel(lane, lsn);
    if (status != DT_OK)
        return status;
    status = put_note(journal, DUET_RECORD_RESULT, id, lsn, JOURNAL_CANCELLED);
    if (status != DT_OK) {
        journal_lane_keep(lane, lsn);
        return status;
    }
    *at = journal->next_lsn - 1;
    note_policy(journal, lane, *at);
    lane->messages -= lane->messages > 0;
    lane->bytes -= size < lane->bytes ? size : lane->bytes;
    journal_release_empty(journal, id);
    pthread_cond_signal(&journal->wake);
    return DT_OK;
}

dt_status duet_journal_cancel(struct duet_journal *journal, uint32_t lane, uint64_t lsn,
                              uint64_t size, uint64_t *at)
{
    dt_status status;

    *at = 0;
    pthread_mutex_lock(&journal->lock);
    if (lane >= journal->lane_count || lsn >= journal->next_lsn ||
        lsn <= journal->lanes[lane].done_lsn)
        status = dt_error_set(DT_EINVAL, "the journal's lane %u owes no number %llu",
                              (unsigned)lane, (unsigned long long)lsn);
    else
        status = cancel_locked(journal, lane, lsn, size, at);
    pthread_mutex_unlock(&journal->lock);
    return status;
}
