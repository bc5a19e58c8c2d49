#include "verify/log_part.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

void duet_log_notes_fini(struct duet_log_notes *notes)
{
    free(notes->entries);
    notes->entries = NULL;
    notes->count = 0;
}

static dt_status push(struct duet_log_notes *notes, const struct duet_ledger_entry *entry)
{
    void *grown = realloc(notes->entries, (notes->count + 1) * sizeof(*notes->entries));

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a ledger entry");
    notes->entries = grown;
    notes->entries[notes->count++] = *entry;
    return DT_OK;
}

static void fill(struct duet_ledger_entry *entry, enum duet_ledger_kind kind,
                 const struct duet_log_part *part, int64_t position)
{
    memset(entry, 0, sizeof(*entry));
    entry->kind = kind;
    snprintf(entry->topic, sizeof(entry->topic), "%s", part->state.topic);
    entry->partition = part->state.partition;
    entry->side = part->state.side;
    entry->position = position;
    entry->at_ms = dt_clock_wall_ms();
}

/* ---- one record ---- */

/* Foreign records that stand side by side become one range: a topic may hold millions. */
static dt_status note_foreign(struct duet_log_part *part,
                              const struct duet_read_record *record,
                              struct duet_log_notes *notes)
{
    struct duet_ledger_entry *open = &part->foreign;
    const char *text = duet_stamp_verdict_text(record->verdict);
    dt_status status;

    if (part->has_foreign && strcmp(open->reason, text) == 0 &&
        open->position + (int64_t)(open->sequence_to - open->id.sequence) ==
            record->position) {
        open->sequence_to++;
        part->foreign_dirty = true;
        return DT_OK;
    }
    status = duet_log_part_note_foreign(part, notes);
    if (status != DT_OK)
        return status;
    fill(open, DUET_LEDGER_FOREIGN, part, record->position);
    open->id = record->stamp.id;
    open->sequence_to = open->id.sequence + 1;
    snprintf(open->reason, sizeof(open->reason), "%s", text);
    part->has_foreign = part->foreign_dirty = true;
    return DT_OK;
}

dt_status duet_log_part_note_foreign(struct duet_log_part *part,
                                     struct duet_log_notes *notes)
{
    dt_status status = DT_OK;

    if (part->has_foreign && part->foreign_dirty)
        status = push(notes, &part->foreign);
    if (status == DT_OK)
        part->foreign_dirty = false;
    return status;
}

dt_status duet_log_part_count(struct duet_log_part *part,
                              const struct duet_read_record *record,
                              struct duet_log_notes *notes)
{
    const struct duet_stamp *stamp = &record->stamp;
    struct duet_count *row = duet_counts_at(&part->state.counts, stamp->window, stamp->day);
    bool added = false;
    dt_status status = DT_OK;

    if (row == NULL)
        return DT_ENOMEM;
    if (record->verdict != DUET_STAMP_OK) {
        status = note_foreign(part, record, notes);
        if (status == DT_OK)
            row->n[DUET_COUNT_FOREIGN]++;
    } else {
        status = duet_idset_add(&part->state.ids, &stamp->id, stamp->window, &added);
        if (status == DT_OK)
            row->n[added ? DUET_COUNT_STORED : DUET_COUNT_EXTRA]++;
    }
    if (status != DT_OK)
        return status;
    part->state.position = record->position + 1;
    part->unsaved++;
    return DT_OK;
}

bool duet_log_part_is_known(const struct duet_log_part *part,
                            const struct duet_read_record *record)
{
    /* of an unstamped record only its place is known */
    return record->verdict != DUET_STAMP_OK ||
           duet_idset_has(&part->state.ids, &record->stamp.id);
}

/* ---- the log is not what it was ---- */

/* Counts from the beginning again: zeros are saved like any other number. */
static void forget(struct duet_log_part *part)
{
    for (size_t i = 0; i < part->state.ids.count; i++) {
        struct duet_idset_entry *entry = &part->state.ids.entries[i];

        entry->end = 0;
        entry->hole_count = 0;
        entry->newest_window = 0;
        entry->dirty = true;
    }
    for (size_t i = 0; i < part->state.counts.count; i++) {
        memset(part->state.counts.rows[i].n, 0, sizeof(part->state.counts.rows[i].n));
        part->state.counts.rows[i].dirty = true;
    }
    part->has_foreign = false;
}

static dt_status note_range(struct duet_log_part *part, enum duet_ledger_kind kind,
                            int64_t from, int64_t to, const char *reason,
                            struct duet_log_notes *notes)
{
    struct duet_ledger_entry entry;

    fill(&entry, kind, part, from);
    entry.id.kind = part->state.side == DUET_KAFKA ? DUET_ID_KAFKA : DUET_ID_ROCKETMQ;
    entry.id.instance = part->kind_number;
    entry.id.partition = (uint16_t)part->state.partition;
    entry.id.sequence = (uint64_t)from;
    entry.sequence_to = (uint64_t)(to > from ? to : from + 1);
    snprintf(entry.reason, sizeof(entry.reason), "%s", reason);
    dt_log_warning("%s %s/%d: %s (positions %" PRId64 " to %" PRId64 ")",
                   duet_side_name(part->state.side), part->state.topic,
                   (int)part->state.partition, reason, from, to);
    return push(notes, &entry);
}

dt_status duet_log_part_moved(struct duet_log_part *part, int64_t begin, int64_t end,
                              bool replaced, struct duet_log_notes *notes)
{
    int64_t position = part->state.position;
    bool lost = replaced || end < position;
    dt_status status = DT_OK;

    part->unsaved++;          /* the new position is worth saving */
    if (lost && begin == 0) { /* all that is left is there: count it anew, exactly */
        status = note_range(part, DUET_LEDGER_GAP, replaced ? position - 1 : end, position,
                            "the log lost its tail; what is left is counted again", notes);
        if (status == DT_OK) {
            forget(part);
            part->state.position = 0;
        }
    } else if (lost) {
        status = note_range(part, DUET_LEDGER_GAP, replaced ? position - 1 : end, position,
                            "the log lost its tail; what it held stays counted", notes);
        if (status == DT_OK && end < position)
            part->state.position = end > begin ? end : begin;
    } else if (begin > position) {
        if (position > 0)
            status = note_range(part, DUET_LEDGER_PURGED, position, begin,
                                "removed by the broker before it was counted", notes);
        else
            dt_log_info("%s %s/%d: counting begins at %" PRId64 ", where the log begins",
                        duet_side_name(part->state.side), part->state.topic,
                        (int)part->state.partition, begin);
        if (status == DT_OK)
            part->state.position = begin;
    }
    part->state.end = end;
    return status;
}
