#include "dual/role_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

/* Copies rows of `from` (all, or the dirty ones) into `to`, where they are dirty. */
static void copy_rows(struct duet_counts *to, const struct duet_counts *from, bool all)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct duet_count *row = &from->rows[i];
        struct duet_count *copy;

        if (!all && !row->dirty)
            continue;
        copy = duet_counts_at(to, row->window, row->day);
        if (copy !=
            NULL) /* without memory: late, not lost; the row comes again on the next change
                             or start */
            memcpy(copy->n, row->n, sizeof(copy->n));
    }
}

static void collect(struct duet_role_thread *role, struct duet_part *part, bool all)
{
    pthread_mutex_lock(&role->lock);
    for (int side = 0; side < DUET_SIDES; side++)
        copy_rows(&part->reported[side], &part->state.cursor[side].counts, all);
    pthread_mutex_unlock(&role->lock);
}

void duet_role_collect(struct duet_role_thread *role, struct duet_part *part)
{
    collect(role, part, false);
}

void duet_role_collect_all(struct duet_role_thread *role, struct duet_part *part)
{
    collect(role, part, true);
}

/* Whether two reports say the same, their time aside. */
static bool same(const struct duet_role_report *a, const struct duet_role_report *b)
{
    for (int side = 0; side < DUET_SIDES; side++)
        if (a->position[side] != b->position[side] ||
            a->read_to[side] != b->read_to[side] || a->end[side] != b->end[side])
            return false;
    return a->side == b->side && a->version == b->version && a->starting == b->starting;
}

/* Lock: held. */
static void fill_report(struct duet_role_thread *role, struct duet_part *part)
{
    struct duet_role_report *report = &part->report;
    struct duet_role_report before = *report;

    snprintf(report->topic, sizeof(report->topic), "%s", part->state.topic);
    snprintf(report->group, sizeof(report->group), "%s", role->group);
    report->role = role->which;
    report->partition = part->state.partition;
    report->side = part->state.side;
    report->version = part->state.version;
    part->began |= part->track[part->state.side].phase == DUET_TRACK_READING;
    report->starting = !part->began;
    for (int side = 0; side < DUET_SIDES; side++) {
        const struct duet_cursor *cursor = &part->state.cursor[side];

        report->position[side] = cursor->position > 0 ? cursor->position : 0;
        report->read_to[side] = cursor->read_to;
        report->end[side] = part->track[side].end;
    }
    if (!same(&before, report) || report->updated_ms == 0) {
        report->updated_ms = dt_clock_wall_ms();
        part->report_dirty = true;
    }
}

/* Entries that the committed transactions put into the sink's ledger. */
static dt_status take_ledger(struct duet_role_thread *role)
{
    struct duet_ledger_entry *entries = NULL, *grown;
    size_t count = 0;
    dt_status status = duet_sink_ledger_after(role->sink, role->ledger_row, &entries,
                                              &count, &role->ledger_row);

    if (status != DT_OK || count == 0) {
        free(entries);
        return status;
    }
    pthread_mutex_lock(&role->lock);
    grown = realloc(role->ledger, (role->ledger_count + count) * sizeof(*grown));
    if (grown != NULL) {
        memcpy(grown + role->ledger_count, entries, count * sizeof(*grown));
        role->ledger = grown;
        role->ledger_count += count;
    } else {
        status = dt_error_set(DT_ENOMEM, "no memory for %zu ledger entries", count);
    }
    pthread_mutex_unlock(&role->lock);
    free(entries);
    return status;
}

dt_status duet_role_publish(struct duet_role_thread *role)
{
    pthread_mutex_lock(&role->lock);
    for (size_t p = 0; p < role->part_count; p++)
        fill_report(role, &role->parts[p]);
    pthread_mutex_unlock(&role->lock);
    return take_ledger(role);
}

static dt_status send_part(struct duet_role_thread *role, struct duet_part *part,
                           struct duet_store *store)
{
    struct duet_counts counts[DUET_SIDES];
    struct duet_role_report report;
    dt_status status = DT_OK;
    bool wanted;

    for (int side = 0; side < DUET_SIDES; side++)
        duet_counts_init(&counts[side]);
    pthread_mutex_lock(&role->lock);
    wanted = part->report_dirty;
    if (wanted) {
        report = part->report;
        for (int side = 0; side < DUET_SIDES; side++) {
            copy_rows(&counts[side], &part->reported[side], false);
            duet_counts_clean(&part->reported[side]);
        }
        part->report_dirty = false;
    }
    pthread_mutex_unlock(&role->lock);
    if (wanted)
        status = duet_store_role_report(store, &report, counts);
    if (status != DT_OK) {
        pthread_mutex_lock(&role->lock);
        part->report_dirty = true;
        for (int side = 0; side < DUET_SIDES; side++)
            for (size_t i = 0; i < counts[side].count;
                 i++) /* exists: only made dirty again */
                (void)duet_counts_at(&part->reported[side], counts[side].rows[i].window,
                                     counts[side].rows[i].day);
        pthread_mutex_unlock(&role->lock);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        duet_counts_fini(&counts[side]);
    return status;
}

/* Puts entries that did not arrive before those that came since. */
static void give_back(struct duet_role_thread *role, struct duet_ledger_entry *entries,
                      size_t count)
{
    struct duet_ledger_entry *grown;

    pthread_mutex_lock(&role->lock);
    grown = realloc(entries, (count + role->ledger_count) * sizeof(*entries));
    if (grown != NULL) {
        if (role->ledger_count > 0)
            memcpy(grown + count, role->ledger, role->ledger_count * sizeof(*grown));
        free(role->ledger);
        role->ledger = grown;
        role->ledger_count += count;
    } else {
        free(entries);
        dt_log_error("no memory for %zu ledger entries; the group's own store keeps them",
                     count);
    }
    pthread_mutex_unlock(&role->lock);
}

static dt_status send_ledger(struct duet_role_thread *role, struct duet_store *store)
{
    struct duet_ledger_entry *entries;
    size_t count;
    dt_status status;

    pthread_mutex_lock(&role->lock);
    entries = role->ledger;
    count = role->ledger_count;
    role->ledger = NULL;
    role->ledger_count = 0;
    pthread_mutex_unlock(&role->lock);
    if (count == 0)
        return DT_OK;
    status = duet_store_ledger_put(store, entries, count);
    if (status == DT_OK) {
        free(entries);
        return DT_OK;
    }
    give_back(role, entries, count);
    return status;
}

dt_status duet_role_send_reports(struct duet_role_thread *role, struct duet_store *store)
{
    dt_status status = DT_OK;

    atomic_store(&role->urgent, false);
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++)
        status = send_part(role, &role->parts[p], store);
    if (status == DT_OK)
        status = send_ledger(role, store);
    return status;
}
