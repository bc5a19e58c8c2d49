#include "model/counts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/status.h"

void duet_counts_init(struct duet_counts *counts)
{
    memset(counts, 0, sizeof(*counts));
}

void duet_counts_fini(struct duet_counts *counts)
{
    free(counts->rows);
    duet_counts_init(counts);
}

static uint64_t order_of(uint32_t window, uint16_t day)
{
    return (uint64_t)window << 16 | day;
}

static bool is_row(const struct duet_counts *counts, size_t index, uint64_t order)
{
    return index < counts->count &&
           order_of(counts->rows[index].window, counts->rows[index].day) == order;
}

/* The index of the row, or where it belongs. */
static size_t row_index(const struct duet_counts *counts, uint64_t order)
{
    size_t low = 0, high = counts->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order_of(counts->rows[middle].window, counts->rows[middle].day) < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert_row(struct duet_counts *counts, size_t index, uint32_t window,
                       uint16_t day)
{
    if (counts->count == counts->capacity) {
        size_t capacity = counts->capacity == 0 ? 8 : counts->capacity * 2;
        struct duet_count *rows = realloc(counts->rows, capacity * sizeof(*rows));

        if (rows == NULL)
            return false;
        counts->rows = rows;
        counts->capacity = capacity;
    }
    memmove(&counts->rows[index + 1], &counts->rows[index],
            (counts->count - index) * sizeof(*counts->rows));
    counts->rows[index] = (struct duet_count){.window = window, .day = day};
    counts->count++;
    return true;
}

struct duet_count *duet_counts_at(struct duet_counts *counts, uint32_t window, uint16_t day)
{
    uint64_t order = order_of(window, day);

    /* messages come in runs of one window and day */
    if (!is_row(counts, counts->last, order)) {
        size_t index = row_index(counts, order);

        if (!is_row(counts, index, order) && !insert_row(counts, index, window, day)) {
            dt_error_set(DT_ENOMEM, "counts: no memory");
            return NULL;
        }
        counts->last = index;
    }
    counts->rows[counts->last].dirty = true;
    return &counts->rows[counts->last];
}

dt_status duet_counts_add(struct duet_counts *counts, uint32_t window, uint16_t day,
                          int which, int64_t amount)
{
    struct duet_count *row;

    assert(which >= 0 && which < DUET_COUNTERS);
    row = duet_counts_at(counts, window, day);
    if (row == NULL)
        return DT_ENOMEM;
    row->n[which] += amount;
    return DT_OK;
}

dt_status duet_counts_merge(struct duet_counts *counts, const struct duet_counts *other)
{
    /* all rows first: without memory nothing has been added yet */
    for (size_t i = 0; i < other->count; i++)
        if (duet_counts_at(counts, other->rows[i].window, other->rows[i].day) == NULL)
            return DT_ENOMEM;
    for (size_t i = 0; i < other->count; i++) {
        struct duet_count *row =
            duet_counts_at(counts, other->rows[i].window, other->rows[i].day);

        for (int k = 0; k < DUET_COUNTERS; k++)
            row->n[k] += other->rows[i].n[k];
    }
    return DT_OK;
}

int64_t duet_counts_total(const struct duet_counts *counts, int which)
{
    int64_t total = 0;

    assert(which >= 0 && which < DUET_COUNTERS);
    for (size_t i = 0; i < counts->count; i++)
        total += counts->rows[i].n[which];
    return total;
}

void duet_counts_clean(struct duet_counts *counts)
{
    for (size_t i = 0; i < counts->count; i++)
        counts->rows[i].dirty = false;
}
