#include "journal/journal_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"

enum { LANES_MAX = 1 << 20, PENDING_MAX = 8 << 20 };

void journal_path(const struct duet_journal *journal, uint64_t number,
                  char path[DUET_JOURNAL_PATH_SIZE])
{
    snprintf(path, DUET_JOURNAL_PATH_SIZE, "%s/%016llx.seg", journal->dir,
             (unsigned long long)number);
}

/* ---- lanes and segments ---- */

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
    }
    if (id >= journal->lane_count)
        journal->lane_count = id + 1;
    return DT_OK;
}

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

static bool fits(const struct duet_journal *journal, size_t room)
{
    return journal->current != NULL && journal->current->fd >= 0 &&
           journal->current->size + room + seal_room() <= journal->segment_size;
}

static dt_status put_u64(struct duet_journal *journal, enum duet_record_kind kind,
                         uint32_t lane, uint8_t side, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    return put(journal, kind, lane, side, 0, dt_span_of(bytes, sizeof(bytes)));
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
                         journal->next_lsn - old->header.first_lsn + 1);
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
    if (DUET_SEGMENT_HEADER_SIZE + naming + room + seal_room() > journal->segment_size)
        return dt_error_set(DT_ETOOBIG, "%zu bytes do not fit into a segment of %zu",
                            payload.size, journal->segment_size);
    if (journal->pending_size > PENDING_MAX)
        return dt_error_set(DT_EBUSY, "the disk of journal '%s' is behind", journal->dir);
    if (!fits(journal, room + (is_named(journal->current, id) ? 0 : naming))) {
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
    pthread_cond_signal(&journal->wake);
    return DT_OK;
}

dt_status duet_journal_append(struct duet_journal *journal, uint32_t lane, uint16_t flags,
                              struct dt_span payload, uint64_t *lsn)
{
    dt_status status;

    *lsn = 0;
    pthread_mutex_lock(&journal->lock);
    if (lane >= journal->lane_count)
        status = dt_error_set(DT_EINVAL, "the journal has no lane %u", (unsigned)lane);
    else
        status = append_locked(journal, lane, flags, payload, lsn);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

void journal_put_done(struct duet_journal *journal)
{
    for (uint32_t id = 0; id < journal->lane_count; id++) {
        struct journal_lane *lane = &journal->lanes[id];

        if (!lane->is_done_dirty)
            continue;
        if (!fits(journal, duet_record_room(8)) && roll(journal) != DT_OK)
            return;
        if (put_u64(journal, DUET_RECORD_DONE, id, lane->side, lane->done_lsn) != DT_OK)
            return;
        lane->is_done_dirty = false;
    }
}

/* ---- lanes, as others see them ---- */

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
        journal_settle(journal, lane);
        if (journal->oldest->owing == 0)
            pthread_cond_signal(&journal->wake);
    }
    pthread_mutex_unlock(&journal->lock);
    return DT_OK;
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

dt_status duet_journal_wait(struct duet_journal *journal, uint64_t lsn, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    dt_status status = DT_OK;

    pthread_mutex_lock(&journal->lock);
    while (journal->durable_lsn < lsn && !journal->is_broken)
        if (pthread_cond_timedwait(&journal->changed, &journal->lock, &until) == ETIMEDOUT)
            break;
    if (journal->durable_lsn >= lsn)
        status = DT_OK;
    else if (journal->is_broken)
        status =
            dt_error_set(DT_EIO, "journal '%s': %s", journal->dir, journal->broken_reason);
    else
        status =
            dt_error_set(DT_ETIMEDOUT, "journal '%s': not durable in time", journal->dir);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

size_t duet_journal_damages(const struct duet_journal *journal,
                            const struct duet_journal_damage **out)
{
    *out = journal->damages;
    return journal->damage_count;
}
