#include "model/report_boot.h"

#include <stdlib.h>

#include "base/status.h"

uint64_t duet_entry_size(const struct duet_idset_entry *entry, uint64_t from, uint64_t to)
{
    uint64_t size;

    if (entry == NULL || from >= entry->end || from >= to)
        return 0;
    if (to > entry->end)
        to = entry->end;
    size = to - from;
    for (size_t i = 0; i < entry->hole_count; i++) {
        uint64_t low = entry->holes[i].from > from ? entry->holes[i].from : from;
        uint64_t high = entry->holes[i].to < to ? entry->holes[i].to : to;

        if (low < high)
            size -= high - low;
    }
    return size;
}

uint64_t duet_boot_cancelled(const struct duet_tally *tally,
                             const struct duet_tally_boot *boot, uint64_t from, uint64_t to)
{
    uint64_t size = 0;

    for (size_t i = 0; i < tally->listed_count; i++) {
        const struct duet_tally_listed *listed = &tally->listed[i];
        uint64_t low = listed->id.sequence > from ? listed->id.sequence : from;
        uint64_t high = listed->sequence_to < to ? listed->sequence_to : to;

        if (listed->cancelled && listed->partition == boot->partition &&
            listed->id.kind == DUET_ID_ISSUED && listed->id.instance == boot->instance &&
            listed->id.boot == boot->boot && low < high)
            size += high - low;
    }
    return size;
}

/* ---- segments ---- */

struct window_sum {
    uint32_t window;
    int64_t kafka, rocketmq, not_done;
};

/* Adds the days of each window; counts are sorted by (window, day). */
static size_t sum_windows(const struct duet_counts *counts, struct window_sum *sums)
{
    size_t count = 0;

    for (size_t i = 0; i < counts->count; i++) {
        const struct duet_count *row = &counts->rows[i];

        if (count == 0 || sums[count - 1].window != row->window)
            sums[count++] = (struct window_sum){.window = row->window};
        sums[count - 1].kafka += row->n[DUET_TALLY_ISSUED_KAFKA];
        sums[count - 1].rocketmq += row->n[DUET_TALLY_ISSUED_ROCKETMQ];
        sums[count - 1].not_done += row->n[DUET_TALLY_NOT_DONE];
    }
    return count;
}

/* Which of the segment's numbers were meant for RocketMQ. In the minute in which the plan
 * changed only a part was: the later part when RocketMQ was not written before. */
static struct duet_interval due_of(const struct duet_boot_segment *segment,
                                   const struct window_sum *sum, bool due_before)
{
    struct duet_interval due = {segment->from, segment->to};
    uint64_t not_due =
        sum->kafka > sum->rocketmq ? (uint64_t)(sum->kafka - sum->rocketmq) : 0;

    if (sum->rocketmq <= 0 && not_due > 0)
        due.to = due.from;
    else if (not_due > 0 && due_before)
        due.to -= not_due < due.to - due.from ? not_due : due.to - due.from;
    else
        due.from += not_due < due.to - due.from ? not_due : due.to - due.from;
    return due;
}

static dt_status make_segments(const struct duet_tally *tally,
                               const struct duet_tally_boot *boot,
                               struct duet_boot_view *view)
{
    const struct duet_counts *counts = &boot->counts;
    struct window_sum *sums = calloc(counts->count + 1, sizeof(*sums));
    size_t sum_count;
    uint64_t at = 0;
    bool due = duet_write_has(tally->write, DUET_ROCKETMQ), any = false;
    struct duet_boot_segment *last;

    view->segments = calloc(counts->count + 1, sizeof(*view->segments));
    if (sums == NULL || view->segments == NULL) {
        free(sums);
        return dt_error_set(DT_ENOMEM, "no memory for the windows of a producer");
    }
    sum_count = sum_windows(counts, sums);
    for (size_t i = 0; i < sum_count; i++) {
        struct duet_boot_segment *segment = &view->segments[view->segment_count];
        int64_t fixed = sums[i].kafka + sums[i].not_done;

        if (fixed <= 0)
            continue;
        segment->window = sums[i].window;
        segment->from = at;
        segment->to = at + (uint64_t)fixed;
        segment->not_done = sums[i].not_done;
        segment->due = due_of(segment, &sums[i], any && due);
        due = segment->due.to == segment->to && segment->due.from < segment->due.to;
        any = true;
        at = segment->to;
        view->segment_count++;
    }
    free(sums);
    /* what was fixed after the last report: like the newest that was reported */
    last = &view->segments[view->segment_count++];
    last->from = at;
    last->to = view->end > at ? view->end : at;
    last->due = (struct duet_interval){at, due ? last->to : at};
    last->window =
        view->segment_count > 1 ? view->segments[view->segment_count - 2].window : 0;
    for (int side = 0; side < DUET_SIDES; side++)
        if (view->entry[side] != NULL && view->entry[side]->newest_window > last->window)
            last->window = view->entry[side]->newest_window;
    return DT_OK;
}

/* ---- in no log ---- */

/* The i-th interval that an entry does not hold; beyond them all the rest from its end. */
static struct duet_interval hole(const struct duet_idset_entry *entry, size_t i,
                                 uint64_t end)
{
    if (entry == NULL)
        return (struct duet_interval){0, end};
    if (i < entry->hole_count)
        return entry->holes[i];
    return (struct duet_interval){entry->end < end ? entry->end : end, end};
}

/* Both logs' holes, cut with each other: both lists ascend. */
static dt_status make_nowhere(struct duet_boot_view *view)
{
    const struct duet_idset_entry *a = view->entry[DUET_KAFKA],
                                  *b = view->entry[DUET_ROCKETMQ];
    size_t a_count = a == NULL ? 1 : a->hole_count + 1;
    size_t b_count = b == NULL ? 1 : b->hole_count + 1;
    size_t i = 0, k = 0;

    view->nowhere = calloc(a_count + b_count, sizeof(*view->nowhere));
    if (view->nowhere == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the holes of a producer");
    while (i < a_count && k < b_count) {
        struct duet_interval x = hole(a, i, view->end), y = hole(b, k, view->end);
        struct duet_interval cut = {x.from > y.from ? x.from : y.from,
                                    x.to < y.to ? x.to : y.to};

        if (cut.from < cut.to)
            view->nowhere[view->nowhere_count++] = cut;
        if (x.to <= y.to)
            i++;
        else
            k++;
    }
    return DT_OK;
}

/* ---- the view ---- */

dt_status duet_boot_view_make(const struct duet_tally *tally,
                              const struct duet_tally_boot *boot,
                              struct duet_boot_view *out)
{
    dt_status status;

    memset(out, 0, sizeof(*out));
    out->boot = boot;
    out->end = boot->issued_to;
    for (int side = 0; side < DUET_SIDES; side++) {
        out->entry[side] = duet_idset_find(&tally->log[side][boot->partition].ids,
                                           DUET_ID_ISSUED, boot->instance, boot->boot);
        if (out->entry[side] != NULL && out->entry[side]->end > out->end)
            out->end = out->entry[side]->end;
    }
    status = make_segments(tally, boot, out);
    if (status == DT_OK)
        status = make_nowhere(out);
    if (status != DT_OK)
        duet_boot_view_fini(out);
    return status;
}

void duet_boot_view_fini(struct duet_boot_view *view)
{
    free(view->segments);
    free(view->nowhere);
    memset(view, 0, sizeof(*view));
}
