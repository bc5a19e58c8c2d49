#include "model/ranges.h"

#include <stdlib.h>

#include "base/status.h"

void duet_ranges_init(struct duet_ranges *ranges)
{
    memset(ranges, 0, sizeof(*ranges));
}

void duet_ranges_fini(struct duet_ranges *ranges)
{
    free(ranges->items);
    duet_ranges_init(ranges);
}

/* The first interval that ends at `position` or above. */
static size_t index_of(const struct duet_ranges *ranges, uint64_t position)
{
    size_t low = 0, high = ranges->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ranges->items[middle].to < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct duet_ranges *ranges)
{
    size_t capacity = ranges->capacity == 0 ? 4 : 2 * ranges->capacity;
    struct duet_interval *items;

    if (ranges->count < ranges->capacity)
        return true;
    items = realloc(ranges->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    ranges->items = items;
    ranges->capacity = capacity;
    return true;
}

dt_status duet_ranges_add(struct duet_ranges *ranges, uint64_t from, uint64_t to)
{
    size_t first = index_of(ranges, from), last = first;
    struct duet_interval *at;

    if (from >= to)
        return DT_OK;
    while (last < ranges->count && ranges->items[last].from <= to)
        last++;
    if (last == first) {
        if (!make_room(ranges))
            return dt_error_set(DT_ENOMEM, "no memory for covered ranges");
        at = &ranges->items[first];
        memmove(at + 1, at, (ranges->count - first) * sizeof(*at));
        *at = (struct duet_interval){from, to};
        ranges->count++;
        return DT_OK;
    }
    at = &ranges->items[first]; /* all that touch become one */
    if (from < at->from)
        at->from = from;
    at->to = ranges->items[last - 1].to > to ? ranges->items[last - 1].to : to;
    memmove(at + 1, &ranges->items[last], (ranges->count - last) * sizeof(*at));
    ranges->count -= last - first - 1;
    return DT_OK;
}

uint64_t duet_ranges_covered(const struct duet_ranges *ranges, uint64_t from, uint64_t to)
{
    uint64_t covered = 0;

    for (size_t i = index_of(ranges, from); i < ranges->count && ranges->items[i].from < to;
         i++) {
        uint64_t start = ranges->items[i].from > from ? ranges->items[i].from : from;
        uint64_t stop = ranges->items[i].to < to ? ranges->items[i].to : to;

        covered += start < stop ? stop - start : 0;
    }
    return covered;
}

bool duet_ranges_hole(const struct duet_ranges *ranges, uint64_t from, uint64_t to,
                      struct duet_interval *hole)
{
    size_t i = index_of(ranges, from);

    if (i < ranges->count && ranges->items[i].from <= from) {
        from = ranges->items[i].to > from ? ranges->items[i].to : from;
        i++;
    }
    if (from >= to)
        return false;
    hole->from = from;
    hole->to = i < ranges->count && ranges->items[i].from < to ? ranges->items[i].from : to;
    return true;
}
