/* Reads what an earlier process left: lanes, what they still owe, and what is damaged. */
#include "journal/journal_inside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"

#define ASIDE ".damaged"

enum { FILE_SIZE_MAX = 1 << 30 };

/* Bytes `from` to `to` of `segment`'s file; both 0: they are gone. */
static dt_status note_damage(struct duet_journal *journal, uint64_t segment,
                             uint64_t lsn_from, uint64_t lsn_to, size_t from, size_t to,
                             const char *what)
{
    struct duet_journal_damage damage = {
        .segment = segment, .lsn_from = lsn_from, .lsn_to = lsn_to};

    journal_damage_place(&damage, segment, from, to);
    snprintf(damage.what, sizeof(damage.what), "%s", what);
    return journal_damage_add(&journal->damages, &journal->damage_count, &damage);
}

/* ---- files ---- */

/* The number in a name like "0000000000000001.seg", with `tail` behind; or 0. */
static uint64_t number_of(const char *name, const char *tail)
{
    uint64_t number = 0;

    if (strlen(name) < 20 || strncmp(name + 16, ".seg", 4) != 0 ||
        strcmp(name + 20, tail) != 0)
        return 0;
    for (int i = 0; i < 16; i++) {
        int c = name[i];

        if (!isdigit(c) && !(c >= 'a' && c <= 'f'))
            return 0;
        number = number << 4 | (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return number;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static dt_status list_segments(const char *dir, const char *tail, uint64_t **out,
                               size_t *count)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    size_t capacity = 0;

    *out = NULL;
    *count = 0;
    if (folder == NULL)
        return dt_error_set(DT_EIO, "'%s': %s", dir, strerror(errno));
    while ((entry = readdir(folder)) != NULL) {
        uint64_t number = number_of(entry->d_name, tail);

        if (number == 0)
            continue;
        if (*count == capacity) {
            uint64_t *grown;

            capacity = capacity == 0 ? 64 : capacity * 2;
            grown = realloc(*out, capacity * sizeof(*grown));
            if (grown == NULL) {
                closedir(folder);
                return dt_error_set(DT_ENOMEM, "no memory for the list of segments");
            }
            *out = grown;
        }
        (*out)[(*count)++] = number;
    }
    closedir(folder);
    if (*count > 0)
        qsort(*out, *count, sizeof(**out), by_number);
    return DT_OK;
}

static dt_status read_segment(const struct duet_journal *journal, uint64_t number,
                              struct dt_buf *out)
{
    char path[DUET_JOURNAL_PATH_SIZE];

    journal_path(journal, number, path);
    dt_buf_clear(out);
    return dt_file_read(path, out);
}

/* ---- records ---- */

static uint64_t read_u64(struct dt_span payload)
{
    struct dt_scan scan = dt_scan_of(payload);

    return dt_scan_u64(&scan);
}

static dt_status take_lane(struct duet_journal *journal,
                           const struct duet_record_view *record)
{
    struct dt_scan scan = dt_scan_of(record->payload);
    int32_t partition = dt_scan_i32(&scan);
    char topic[256];

    if (!dt_scan_ok(&scan) || scan.left == 0 || scan.left >= sizeof(topic))
        return DT_OK; /* a sum that is right over a name that is none: of a later version */
    memcpy(topic, scan.next, scan.left);
    topic[scan.left] = '\0';
    return journal_lane_put(journal, record->lane, topic, partition, record->side);
}

static dt_status take_result(struct duet_journal *journal,
                             const struct duet_record_view *record)
{
    struct dt_scan scan = dt_scan_of(record->payload);
    uint64_t lsn = dt_scan_u64(&scan);
    uint8_t outcome = dt_scan_u8(&scan);
    struct journal_lane *lane;

    if (!dt_scan_ok(&scan) || record->lane >= journal->lane_count)
        return DT_OK;
    lane = &journal->lanes[record->lane];
    if (outcome == JOURNAL_CANCELLED)
        return journal_lane_cancel(lane, lsn);
    if (outcome == JOURNAL_ACCEPTED && lsn > lane->accepted_lsn)
        lane->accepted_lsn = lsn;
    return DT_OK;
}

static dt_status take_record(struct duet_journal *journal, struct journal_segment *segment,
                             const struct duet_record_view *record)
{
    dt_status status;

    switch (record->kind) {
    case DUET_RECORD_LANE:
        return take_lane(journal, record);
    case DUET_RECORD_MESSAGE:
        if (record->lane >= journal->lane_count ||
            journal->lanes[record->lane].topic == NULL) {
            /* its name was in a damaged place; another segment may have it */
            status = journal_lane_put(journal, record->lane, "", -1, record->side);
            if (status != DT_OK)
                return status;
        }
        return journal_segment_owes(segment, record->lane, record->lsn);
    case DUET_RECORD_DONE:
        if (record->lane < journal->lane_count &&
            read_u64(record->payload) > journal->lanes[record->lane].done_lsn)
            journal->lanes[record->lane].done_lsn = read_u64(record->payload);
        return DT_OK;
    case DUET_RECORD_RESULT:
        return take_result(journal, record);
    case DUET_RECORD_SEAL:
    case DUET_RECORD_KINDS:
        break;
    }
    return DT_OK;
}

static dt_status walk_segment(struct duet_journal *journal, struct journal_segment *segment,
                              struct dt_span bytes)
{
    struct duet_walk walk;
    enum duet_walk_event event = DUET_WALK_END;
    dt_status status = DT_OK;

    duet_walk_init(&walk, bytes, &segment->header);
    while (status == DT_OK && (event = duet_walk_next(&walk)) != DUET_WALK_END &&
           event != DUET_WALK_TORN) {
        char what[96];

        if (event == DUET_WALK_RECORD) {
            status = take_record(journal, segment, &walk.record);
            continue;
        }
        snprintf(what, sizeof(what), "bytes %zu to %zu are no records", walk.damage.from,
                 walk.damage.to);
        status = note_damage(journal, segment->header.number, walk.damage.lsn_from,
                             walk.damage.lsn_to, walk.damage.from, walk.damage.to, what);
    }
    if (event == DUET_WALK_TORN) {
        segment->torn_at = walk.at;
        segment->torn_to = bytes.size;
    }
    segment->size = segment->written_size = walk.at;
    segment->end_lsn = walk.next_lsn;
    return status;
}

/* What the lane still owes is known when its last DONE was seen: a second look at those segments
 * that owe anything. */
static dt_status count_owed(struct duet_journal *journal, struct dt_buf *bytes)
{
    for (struct journal_segment *at = journal->oldest; at != NULL; at = at->next) {
        struct duet_walk walk;
        enum duet_walk_event event;
        dt_status status;

        if (at->owing == 0)
            continue;
        status = read_segment(journal, at->header.number, bytes);
        if (status != DT_OK)
            return status;
        duet_walk_init(&walk, dt_buf_span(bytes), &at->header);
        while ((event = duet_walk_next(&walk)) == DUET_WALK_RECORD ||
               event == DUET_WALK_DAMAGED) {
            struct journal_lane *lane;

            if (event == DUET_WALK_DAMAGED || walk.record.kind != DUET_RECORD_MESSAGE)
                continue;
            lane = &journal->lanes[walk.record.lane];
            if (walk.record.lsn > lane->done_lsn &&
                !journal_lane_is_cancelled(lane, walk.record.lsn)) {
                lane->messages++;
                lane->bytes += walk.record.payload.size;
            }
        }
    }
    return DT_OK;
}

static dt_status note_aside(struct duet_journal *journal, uint64_t number, const char *file,
                            const char *what)
{
    struct duet_journal_damage damage = {.segment = number, .to = FILE_SIZE_MAX};

    snprintf(damage.file, sizeof(damage.file), "%s", file);
    snprintf(damage.what, sizeof(damage.what), "%s", what);
    return journal_damage_add(&journal->damages, &journal->damage_count, &damage);
}

/* A file without a readable header: empty ones were a spare segment; others are set aside, and
 * listed with those that were before (list_aside). */
static dt_status set_aside(struct duet_journal *journal, uint64_t number,
                           enum duet_header_state state)
{
    char path[DUET_JOURNAL_PATH_SIZE], aside[DUET_JOURNAL_PATH_SIZE + 16];

    journal_path(journal, number, path);
    if (journal->is_look)
        return state == DUET_HEADER_EMPTY
                   ? DT_OK
                   : note_aside(journal, number, path + strlen(path) - 20,
                                "no readable header");
    if (state == DUET_HEADER_EMPTY) {
        if (journal->disk->unlink(path) != 0)
            return dt_error_set(DT_EIO, "'%s': %s", path, strerror(errno));
        return DT_OK;
    }
    snprintf(aside, sizeof(aside), "%s" ASIDE, path);
    if (rename(path, aside) != 0)
        return dt_error_set(DT_EIO, "'%s': %s", path, strerror(errno));
    return DT_OK;
}

/* Each time: whoever lists them elsewhere may have been killed before. */
static dt_status list_aside(struct duet_journal *journal)
{
    uint64_t *numbers;
    size_t count;
    dt_status status = list_segments(journal->dir, ASIDE, &numbers, &count);

    for (size_t i = 0; i < count && status == DT_OK; i++) {
        char file[40];

        snprintf(file, sizeof(file), "%016llx.seg" ASIDE, (unsigned long long)numbers[i]);
        status = note_aside(journal, numbers[i], file,
                            "no readable header: set aside as .damaged");
    }
    free(numbers);
    return status;
}

static bool has_segments(const struct duet_journal *journal)
{
    return journal->oldest != NULL;
}

static dt_status recover_segment(struct duet_journal *journal, uint64_t number,
                                 struct dt_buf *bytes)
{
    struct duet_segment_header header;
    struct journal_segment *segment;
    enum duet_header_state state;
    dt_status status = read_segment(journal, number, bytes);

    if (status != DT_OK)
        return status;
    state = duet_segment_read_header(dt_buf_span(bytes), &header);
    if (state == DUET_HEADER_OK && header.number != number)
        state = DUET_HEADER_BAD;
    if (state != DUET_HEADER_OK)
        return set_aside(journal, number, state);
    if (has_segments(journal) &&
        memcmp(header.journal, journal->id, sizeof(journal->id)) != 0)
        return dt_error_set(DT_ECORRUPT, "it holds segments of two journals");
    if (has_segments(journal) && header.first_lsn < journal->next_lsn)
        return dt_error_set(
            DT_ECORRUPT, "segment %llu begins with number %llu, before the end of an older",
            (unsigned long long)number, (unsigned long long)header.first_lsn);
    if (has_segments(journal) && header.first_lsn > journal->next_lsn) {
        const struct journal_segment *before = journal->current;

        status = note_damage(journal, before->torn_to > 0 ? before->header.number : number,
                             journal->next_lsn, header.first_lsn, before->torn_at,
                             before->torn_to, "records before this segment are gone");
        if (status != DT_OK)
            return status;
    }
    memcpy(journal->id, header.journal, sizeof(journal->id));
    segment = journal_segment_add(journal, &header);
    if (segment == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a segment of the journal");
    status = walk_segment(journal, segment, dt_buf_span(bytes));
    journal->next_lsn = segment->end_lsn;
    return status;
}

dt_status journal_recover(struct duet_journal *journal)
{
    struct dt_buf bytes;
    uint64_t *numbers;
    size_t count;
    dt_status status = list_segments(journal->dir, "", &numbers, &count);

    dt_buf_init(&bytes, (size_t)2 << 30);
    for (size_t i = 0; i < count && status == DT_OK; i++)
        status = recover_segment(journal, numbers[i], &bytes);
    if (status == DT_OK)
        status = list_aside(journal);
    for (uint32_t id = 0; id < journal->lane_count && status == DT_OK; id++)
        journal_settle(journal, id);
    if (status == DT_OK)
        status = count_owed(journal, &bytes);
    for (uint32_t id = 0; id < journal->lane_count && status == DT_OK; id++)
        journal_release_empty(journal, id);
    if (!has_segments(journal))
        dt_random_bytes(journal->id, sizeof(journal->id));
    journal->spare_number = count > 0 ? numbers[count - 1] + 1 : 1;
    journal->reached.written = journal->reached.synced = journal->next_lsn - 1;
    dt_buf_fini(&bytes);
    free(numbers);
    return status;
}
