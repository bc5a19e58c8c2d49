#include "model/idset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/status.h"

void duet_idset_init(struct duet_idset *set)
{
    memset(set, 0, sizeof(*set));
}

void duet_idset_fini(struct duet_idset *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->entries[i].holes);
    free(set->entries);
    duet_idset_init(set);
}

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "processed set: no memory");
}

/* ---- entries ---- */

static int compare(const struct duet_idset_entry *entry, uint8_t kind, uint32_t instance,
                   uint16_t boot)
{
    if (entry->kind != kind)
        return entry->kind < kind ? -1 : 1;
    if (entry->instance != instance)
        return entry->instance < instance ? -1 : 1;
    if (entry->boot != boot)
        return entry->boot < boot ? -1 : 1;
    return 0;
}

/* The index of the entry, or where it belongs. */
static size_t entry_index(const struct duet_idset *set, uint8_t kind, uint32_t instance,
                          uint16_t boot, bool *found)
{
    size_t low = 0, high = set->count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&set->entries[middle], kind, instance, boot);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct duet_idset_entry *duet_idset_find(const struct duet_idset *set, uint8_t kind,
                                               uint32_t instance, uint16_t boot)
{
    bool found;
    size_t index = entry_index(set, kind, instance, boot, &found);

    return found ? &set->entries[index] : NULL;
}

/* Puts `entry` at `index`; it owns the holes from then on. */
static bool insert_entry(struct duet_idset *set, size_t index,
                         const struct duet_idset_entry *entry)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 4 : set->capacity * 2;
        struct duet_idset_entry *entries =
            realloc(set->entries, capacity * sizeof(*entries));

        if (entries == NULL)
            return false;
        set->entries = entries;
        set->capacity = capacity;
    }
    memmove(&set->entries[index + 1], &set->entries[index],
            (set->count - index) * sizeof(*entry));
    set->entries[index] = *entry;
    set->count++;
    return true;
}

/* ---- holes of one entry ---- */

static bool reserve_holes(struct duet_idset_entry *entry, size_t count)
{
    struct duet_interval *holes;
    size_t capacity = entry->hole_capacity == 0 ? 4 : entry->hole_capacity;

    if (count <= entry->hole_capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    holes = realloc(entry->holes, capacity * sizeof(*holes));
    if (holes == NULL)
        return false;
    entry->holes = holes;
    entry->hole_capacity = capacity;
    return true;
}

/* The first hole that ends above `sequence`: the one that holds it, if any does. */
static size_t hole_index(const struct duet_idset_entry *entry, uint64_t sequence)
{
    size_t low = 0, high = entry->hole_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (entry->holes[middle].to <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool entry_has(const struct duet_idset_entry *entry, uint64_t sequence)
{
    size_t index;

    if (sequence >= entry->end)
        return false;
    index = hole_index(entry, sequence);
    return index == entry->hole_count || sequence < entry->holes[index].from;
}

/* Takes [from, to) out of the holes: those inside go, those at the borders shrink, and one that
 * reaches beyond both is split. */
static bool fill_holes(struct duet_idset_entry *entry, uint64_t from, uint64_t to)
{
    size_t first = hole_index(entry, from), last = first, kept = 0;
    struct duet_interval keep[2];

    while (last < entry->hole_count && entry->holes[last].from < to)
        last++;
    if (last == first)
        return true;
    if (entry->holes[first].from < from)
        keep[kept++] = (struct duet_interval){entry->holes[first].from, from};
    if (entry->holes[last - 1].to > to)
        keep[kept++] = (struct duet_interval){to, entry->holes[last - 1].to};
    if (!reserve_holes(entry, entry->hole_count - (last - first) + kept))
        return false;
    memmove(&entry->holes[first + kept], &entry->holes[last],
            (entry->hole_count - last) * sizeof(keep[0]));
    memcpy(&entry->holes[first], keep, kept * sizeof(keep[0]));
    entry->hole_count = entry->hole_count - (last - first) + kept;
    entry->dirty = true;
    return true;
}

/* [from, to), not empty, is passed. On failure the entry is as it was. */
static bool entry_pass(struct duet_idset_entry *entry, uint64_t from, uint64_t to)
{
    if (from < entry->end) {
        if (!fill_holes(entry, from, to))
            return false;
    } else if (from > entry->end) {
        if (!reserve_holes(entry, entry->hole_count + 1))
            return false;
        /* end - 1 is in the set, so the new hole does not touch the last one */
        entry->holes[entry->hole_count++] = (struct duet_interval){entry->end, from};
    }
    if (to > entry->end) {
        entry->end = to;
        entry->dirty = true;
    }
    return true;
}

/* ---- the set ---- */

bool duet_idset_has(const struct duet_idset *set, const struct duet_id *id)
{
    const struct duet_idset_entry *entry =
        duet_idset_find(set, id->kind, id->instance, id->boot);

    return entry != NULL && entry_has(entry, id->sequence);
}

/* Passes [from, to) of the id's entry, which is made if it is not there. */
static dt_status pass(struct duet_idset *set, const struct duet_id *id, uint64_t from,
                      uint64_t to, uint32_t window)
{
    bool found;
    size_t index = entry_index(set, id->kind, id->instance, id->boot, &found);
    struct duet_idset_entry *entry, made;

    if (found) {
        entry = &set->entries[index];
        if (!entry_pass(entry, from, to))
            return no_memory();
        if (window > entry->newest_window) {
            entry->newest_window = window;
            entry->dirty = true;
        }
        return DT_OK;
    }
    memset(&made, 0, sizeof(made));
    made.kind = id->kind;
    made.instance = id->instance;
    made.boot = id->boot;
    made.newest_window = window;
    if (!entry_pass(&made, from, to) || !insert_entry(set, index, &made)) {
        free(made.holes);
        return no_memory();
    }
    return DT_OK;
}

dt_status duet_idset_add(struct duet_idset *set, const struct duet_id *id, uint32_t window,
                         bool *added)
{
    bool is_new = !duet_idset_has(set, id);
    dt_status status = pass(set, id, id->sequence, id->sequence + 1, window);

    if (added != NULL)
        *added = is_new && status == DT_OK;
    return status;
}

dt_status duet_idset_close(struct duet_idset *set, const struct duet_id *id, uint64_t from,
                           uint64_t to)
{
    return from < to ? pass(set, id, from, to, 0) : DT_OK;
}

static bool copy_entry(struct duet_idset_entry *to, const struct duet_idset_entry *from)
{
    *to = *from;
    to->holes = NULL;
    to->hole_count = to->hole_capacity = 0;
    if (!reserve_holes(to, from->hole_count))
        return false;
    if (from->hole_count > 0)
        memcpy(to->holes, from->holes, from->hole_count * sizeof(*from->holes));
    to->hole_count = from->hole_count;
    return true;
}

dt_status duet_idset_copy(struct duet_idset *to, const struct duet_idset *from)
{
    if (to == from)
        return DT_OK;
    duet_idset_fini(to);
    if (from->count == 0)
        return DT_OK;
    to->entries = calloc(from->count, sizeof(*to->entries));
    if (to->entries == NULL)
        return no_memory();
    to->capacity = from->count;
    for (size_t i = 0; i < from->count; i++) {
        if (!copy_entry(&to->entries[i], &from->entries[i])) {
            duet_idset_fini(to);
            return no_memory();
        }
        to->count++;
    }
    return DT_OK;
}

/* Passes in `entry` what `other` has passed: the gaps between the holes of `other`. */
static bool merge_entry(struct duet_idset_entry *entry,
                        const struct duet_idset_entry *other)
{
    uint64_t from = 0;

    for (size_t i = 0; i <= other->hole_count; i++) {
        uint64_t to = i < other->hole_count ? other->holes[i].from : other->end;

        if (from < to && !entry_pass(entry, from, to))
            return false;
        if (i < other->hole_count)
            from = other->holes[i].to;
    }
    if (other->newest_window > entry->newest_window) {
        entry->newest_window = other->newest_window;
        entry->dirty = true;
    }
    return true;
}

dt_status duet_idset_merge(struct duet_idset *set, const struct duet_idset *other)
{
    if (set == other)
        return DT_OK;
    for (size_t i = 0; i < other->count; i++) {
        const struct duet_idset_entry *from = &other->entries[i];
        struct duet_idset_entry made;
        bool found;
        size_t index = entry_index(set, from->kind, from->instance, from->boot, &found);

        if (found) {
            if (!merge_entry(&set->entries[index], from))
                return no_memory();
            continue;
        }
        if (!copy_entry(&made, from) || !insert_entry(set, index, &made)) {
            free(made.holes);
            return no_memory();
        }
        set->entries[index].dirty = true;
    }
    return DT_OK;
}

uint64_t duet_idset_size(const struct duet_idset *set)
{
    uint64_t size = 0;

    for (size_t i = 0; i < set->count; i++) {
        const struct duet_idset_entry *entry = &set->entries[i];

        size += entry->end;
        for (size_t k = 0; k < entry->hole_count; k++)
            size -= entry->holes[k].to - entry->holes[k].from;
    }
    return size;
}

void duet_idset_clean(struct duet_idset *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->entries[i].dirty = false;
}

bool duet_idset_run(const struct duet_idset_entry *entry, uint64_t at, uint64_t *to)
{
    size_t index;

    *to = UINT64_MAX;
    if (entry == NULL || at >= entry->end)
        return false;
    index = hole_index(entry, at);
    if (index < entry->hole_count && entry->holes[index].from <= at) {
        *to = entry->holes[index].to;
        return false;
    }
    *to = index < entry->hole_count ? entry->holes[index].from : entry->end;
    return true;
}

/* ---- difference ---- */

/* The k-th interval that `entry` has not passed: its holes, then all from its end on. */
static struct duet_interval not_passed(const struct duet_idset_entry *entry, size_t k)
{
    if (entry == NULL)
        return (struct duet_interval){0, UINT64_MAX};
    return k < entry->hole_count ? entry->holes[k]
                                 : (struct duet_interval){entry->end, UINT64_MAX};
}

/* Cuts what `a` has passed with what `b` has not: both lists ascend, so one walk does. */
static void entry_difference(const struct duet_idset_entry *a,
                             const struct duet_idset_entry *b, duet_idset_visit_fn visit,
                             void *context)
{
    size_t b_last = b == NULL ? 0 : b->hole_count, k = 0;
    uint64_t start = 0;

    for (size_t i = 0; i <= a->hole_count; i++) {
        uint64_t stop = i < a->hole_count ? a->holes[i].from : a->end;

        while (start < stop) {
            struct duet_interval open = not_passed(b, k);
            struct duet_interval cut = {start > open.from ? start : open.from,
                                        stop < open.to ? stop : open.to};

            if (cut.from < cut.to)
                visit(context, a->kind, a->instance, a->boot, cut);
            if (open.to > stop || k == b_last)
                break;
            k++;
        }
        if (i < a->hole_count)
            start = a->holes[i].to;
    }
}

void duet_idset_difference(const struct duet_idset *a, const struct duet_idset *b,
                           duet_idset_visit_fn visit, void *context)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct duet_idset_entry *entry = &a->entries[i];

        entry_difference(entry,
                         duet_idset_find(b, entry->kind, entry->instance, entry->boot),
                         visit, context);
    }
}
