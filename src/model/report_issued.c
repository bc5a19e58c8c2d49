/*
 * report_issued.c - what was issued per window and day, with what dead producers could no longer
 * report; the rules stand in report.h.
 */
#include "model/report_boot.h"

#include <stdlib.h>

#include "base/status.h"

/* Counters of a partition's cells: those of duet_issued_counter, and what Kafka's log holds. */
enum { CELL_STORED = DUET_UNRESOLVED_ROCKETMQ + 1 };
_Static_assert((int)CELL_STORED < (int)DUET_COUNTERS, "no room for the stored count");

struct sharing {
    const struct duet_tally *tally;
    struct duet_counts cells;        /* of one partition; all its rows exist */
    const struct duet_boot_view *at; /* the dead boot looked at */
    bool due;                        /* its last numbers were meant for RocketMQ, too */
    size_t last;                     /* index of the boot's newest cell */
    bool has_last;
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the cells ---- */

/* Adds counter `from` of a table to counter `to` of the cells. */
static dt_status add_column(struct duet_counts *cells, int to,
                            const struct duet_counts *table, int from)
{
    for (size_t i = 0; i < table->count; i++)
        if (duet_counts_add(cells, table->rows[i].window, table->rows[i].day, to,
                            table->rows[i].n[from]) != DT_OK)
            return DT_ENOMEM;
    return DT_OK;
}

static dt_status fill_cells(struct sharing *sharing, int32_t partition)
{
    const struct duet_tally *tally = sharing->tally;
    dt_status status =
        add_column(&sharing->cells, CELL_STORED, &tally->log[DUET_KAFKA][partition].counts,
                   DUET_TALLY_STORED);

    for (size_t b = 0; b < tally->boot_count && status == DT_OK; b++) {
        if (tally->boots[b].partition != partition)
            continue;
        status = add_column(&sharing->cells, DUET_ISSUED_KAFKA, &tally->boots[b].counts,
                            DUET_TALLY_ISSUED_KAFKA);
        if (status == DT_OK)
            status = add_column(&sharing->cells, DUET_ISSUED_ROCKETMQ,
                                &tally->boots[b].counts, DUET_TALLY_ISSUED_ROCKETMQ);
    }
    /* a boot that never reported may have left its ids in RocketMQ's log alone */
    if (status == DT_OK) {
        const struct duet_counts *other = &tally->log[DUET_ROCKETMQ][partition].counts;

        for (size_t i = 0; i < other->count && status == DT_OK; i++)
            if (duet_counts_at(&sharing->cells, other->rows[i].window,
                               other->rows[i].day) == NULL)
                status = DT_ENOMEM;
    }
    return status;
}

/* ---- one dead boot ---- */

static int compare_cells(const void *a, const void *b)
{
    const struct duet_count *x = a, *y = b;

    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return (x->day > y->day) - (x->day < y->day);
}

/* What this boot itself reported in the cell. */
static int64_t own(const struct duet_tally_boot *boot, const struct duet_count *cell)
{
    const struct duet_count *row =
        boot->counts.count == 0 ? NULL
                                : bsearch(cell, boot->counts.rows, boot->counts.count,
                                          sizeof(*cell), compare_cells);

    return row != NULL ? row->n[DUET_TALLY_ISSUED_KAFKA] : 0;
}

/* The newest cell in which the boot reported anything; of a boot that never did, the newest. */
static void find_last(struct sharing *sharing)
{
    sharing->has_last = false;
    for (size_t i = 0; i < sharing->cells.count; i++)
        if (own(sharing->at->boot, &sharing->cells.rows[i]) > 0) {
            sharing->last = i;
            sharing->has_last = true;
        }
    if (!sharing->has_last && sharing->cells.count > 0) {
        sharing->last = sharing->cells.count - 1;
        sharing->has_last = true;
    }
}

static void issue_in(struct sharing *sharing, size_t index, int64_t amount)
{
    struct duet_count *cell = &sharing->cells.rows[index];

    cell->n[DUET_ISSUED_KAFKA] += amount;
    if (sharing->due)
        cell->n[DUET_ISSUED_ROCKETMQ] += amount;
}

/* Stored after the last report: issued where the log holds more than was reported. */
static void share_late(struct sharing *sharing, int64_t amount)
{
    const struct duet_boot_view *view = sharing->at;
    uint32_t reported =
        view->segment_count > 1 ? view->segments[view->segment_count - 2].window : 0;

    for (int pass = 0; pass < 2 && amount > 0; pass++)
        for (size_t i = 0; i < sharing->cells.count && amount > 0; i++) {
            const struct duet_count *cell = &sharing->cells.rows[i];
            int64_t surplus = cell->n[CELL_STORED] - cell->n[DUET_ISSUED_KAFKA];

            if ((pass == 0) != (cell->window >= reported) || surplus <= 0)
                continue;
            surplus = smaller(surplus, amount);
            issue_in(sharing, i, surplus);
            amount -= surplus;
            if (i > sharing->last && pass == 0)
                sharing->last = i;
        }
    if (amount > 0)
        issue_in(sharing, sharing->last, amount);
}

/* `amount` unresolved ids of one window, `due` of them meant for RocketMQ, too. */
static void share_unresolved(struct sharing *sharing, uint32_t window, int64_t amount,
                             int64_t due)
{
    size_t newest = sharing->last;
    int64_t part;

    for (size_t i = 0; i < sharing->cells.count; i++) {
        struct duet_count *cell = &sharing->cells.rows[i];
        int64_t mine = cell->window == window ? own(sharing->at->boot, cell) : 0;

        if (mine <= 0)
            continue;
        newest = i;
        part = cell->n[DUET_ISSUED_KAFKA] - cell->n[CELL_STORED] -
               cell->n[DUET_UNRESOLVED_KAFKA];
        part = smaller(smaller(part, mine), amount);
        if (part <= 0)
            continue;
        cell->n[DUET_UNRESOLVED_KAFKA] += part;
        cell->n[DUET_UNRESOLVED_ROCKETMQ] += smaller(part, due);
        amount -= part;
        due -= smaller(part, due);
    }
    sharing->cells.rows[newest].n[DUET_UNRESOLVED_KAFKA] += amount;
    sharing->cells.rows[newest].n[DUET_UNRESOLVED_ROCKETMQ] += smaller(due, amount);
}

static int64_t nowhere_in(const struct duet_boot_view *view, uint64_t from, uint64_t to)
{
    int64_t size = 0;

    for (size_t i = 0; i < view->nowhere_count; i++) {
        uint64_t low = view->nowhere[i].from > from ? view->nowhere[i].from : from;
        uint64_t high = view->nowhere[i].to < to ? view->nowhere[i].to : to;

        if (low < high)
            size += (int64_t)(high - low);
    }
    return size;
}

static void resolve_boot(struct sharing *sharing)
{
    const struct duet_boot_view *view = sharing->at;
    const struct duet_boot_segment *late = &view->segments[view->segment_count - 1];
    int64_t stored, nowhere, other, cancelled;

    find_last(sharing);
    if (!sharing->has_last)
        return;
    /* what it fixed after its last report */
    sharing->due = late->due.from < late->due.to;
    stored = (int64_t)duet_entry_size(view->entry[DUET_KAFKA], late->from, late->to);
    nowhere = nowhere_in(view, late->from, late->to);
    other =
        (int64_t)(late->to - late->from) - stored - nowhere; /* in RocketMQ's log alone */
    cancelled =
        (int64_t)duet_boot_cancelled(sharing->tally, view->boot, late->from, late->to);
    share_late(sharing, stored);
    nowhere -= smaller(cancelled, nowhere);
    issue_in(sharing, sharing->last, nowhere + other);
    sharing->cells.rows[sharing->last].n[DUET_UNRESOLVED_KAFKA] += nowhere;
    if (sharing->due)
        sharing->cells.rows[sharing->last].n[DUET_UNRESOLVED_ROCKETMQ] += nowhere;
    /* what it reported, and no log has */
    for (size_t i = 0; i + 1 < view->segment_count; i++) {
        const struct duet_boot_segment *segment = &view->segments[i];
        int64_t gone = (int64_t)duet_boot_cancelled(sharing->tally, view->boot,
                                                    segment->from, segment->to);

        if (gone < segment->not_done)
            gone = segment->not_done;
        nowhere = nowhere_in(view, segment->from, segment->to) - gone;
        if (nowhere > 0)
            share_unresolved(
                sharing, segment->window, nowhere,
                smaller(nowhere, nowhere_in(view, segment->due.from, segment->due.to)));
    }
}

/* ---- all of it ---- */

static dt_status add_partition(struct sharing *sharing, int32_t partition,
                               struct duet_counts *issued)
{
    const struct duet_tally *tally = sharing->tally;
    dt_status status = fill_cells(sharing, partition);

    for (size_t b = 0; b < tally->boot_count && status == DT_OK; b++) {
        struct duet_boot_view view;

        if (tally->boots[b].partition != partition || !tally->boots[b].dead)
            continue;
        status = duet_boot_view_make(tally, &tally->boots[b], &view);
        if (status != DT_OK)
            break;
        sharing->at = &view;
        resolve_boot(sharing);
        duet_boot_view_fini(&view);
    }
    for (int k = 0; k < CELL_STORED && status == DT_OK; k++)
        status = add_column(issued, k, &sharing->cells, k);
    return status;
}

dt_status duet_tally_issued(const struct duet_tally *tally, struct duet_counts *issued)
{
    dt_status status = DT_OK;

    for (int32_t p = 0; p < tally->partitions && status == DT_OK; p++) {
        struct sharing sharing = {.tally = tally};

        duet_counts_init(&sharing.cells);
        status = add_partition(&sharing, p, issued);
        duet_counts_fini(&sharing.cells);
    }
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "adding up what was issued");
}
