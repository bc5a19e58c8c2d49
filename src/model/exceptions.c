#include "model/exceptions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* What a set of positions calls itself: the numbers of no message. */
static const struct duet_id positions_of = {.kind = DUET_ID_ROCKETMQ};

void duet_exceptions_init(struct duet_exceptions *list)
{
    memset(list, 0, sizeof(*list));
}

void duet_exceptions_fini(struct duet_exceptions *list)
{
    free(list->items);
    duet_exceptions_init(list);
}

dt_status duet_exceptions_add(struct duet_exceptions *list,
                              const struct duet_exception *exception)
{
    assert(list->count < DUET_EXCEPTIONS_MAX);
    assert(list->count == 0 || list->items[list->count - 1].position < exception->position);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        void *items = realloc(list->items, capacity * sizeof(*list->items));

        if (items == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for %zu positions", capacity);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *exception;
    list->dirty = true;
    return DT_OK;
}

size_t duet_exceptions_at(const struct duet_exceptions *list, int64_t position)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->items[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void duet_exceptions_remove(struct duet_exceptions *list, size_t index)
{
    assert(index < list->count);
    memmove(&list->items[index], &list->items[index + 1],
            (list->count - index - 1) * sizeof(*list->items));
    list->count--;
    list->dirty = true;
}

void duet_exceptions_truncate(struct duet_exceptions *list, int64_t position)
{
    size_t kept = duet_exceptions_at(list, position);

    list->dirty |= kept != list->count;
    list->count = kept;
}

void duet_exceptions_shift(struct duet_exceptions *list, size_t count)
{
    if (count == 0)
        return;
    memmove(list->items, &list->items[count], (list->count - count) * sizeof(*list->items));
    list->count -= count;
    list->dirty = true;
}

bool duet_exceptions_passed(const struct duet_exceptions_view *view, int64_t other_end)
{
    return view->other_still || (other_end >= 0 && view->other_next >= other_end);
}

void duet_exceptions_look(struct duet_exceptions *list,
                          const struct duet_exceptions_view *view)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct duet_exception *one = &list->items[i];

        if (one->known && duet_idset_has(view->processed, &one->id))
            continue;
        if (!duet_exceptions_passed(view, one->other_end))
            one->due_ms = 0;
        else if (one->due_ms == 0)
            one->due_ms = view->now_ms;
        list->items[kept++] = *one;
    }
    list->dirty |= kept != list->count;
    list->count = kept;
}

dt_status duet_exceptions_store(struct duet_exceptions *list, struct duet_idset *positions)
{
    struct duet_id id = positions_of;
    struct duet_idset made;
    dt_status status = DT_OK;

    duet_idset_init(&made);
    for (size_t i = 0; status == DT_OK && i < list->count; i++) {
        id.sequence = (uint64_t)list->items[i].position;
        status = duet_idset_add(&made, &id, 0, NULL);
    }
    if (status == DT_OK && list->count == 0)
        status = duet_idset_entry_load(&made, id.kind, id.instance, id.boot, 0, 0,
                                       (struct dt_span){NULL, 0});
    if (status != DT_OK) {
        duet_idset_fini(&made);
        return status;
    }
    made.entries[0].dirty = true;
    duet_idset_fini(positions);
    *positions = made;
    list->dirty = false;
    return DT_OK;
}

struct reading {
    struct duet_exceptions *list;
    dt_status status;
};

static void add_positions(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                          struct duet_interval interval)
{
    struct reading *reading = context;

    (void)kind;
    (void)instance;
    (void)boot;
    for (uint64_t at = interval.from; reading->status == DT_OK && at < interval.to; at++) {
        struct duet_exception one = {.position = (int64_t)at, .other_end = -1};

        if (reading->list->count == DUET_EXCEPTIONS_MAX)
            reading->status =
                dt_error_set(DT_ECORRUPT, "more than %d positions stand beside a cursor",
                             DUET_EXCEPTIONS_MAX);
        else
            reading->status = duet_exceptions_add(reading->list, &one);
    }
}

dt_status duet_exceptions_load(struct duet_exceptions *list,
                               const struct duet_idset *positions)
{
    static const struct duet_idset none = {NULL, 0, 0};
    struct reading reading = {list, DT_OK};

    duet_exceptions_fini(list);
    duet_idset_difference(positions, &none, add_positions, &reading);
    if (reading.status != DT_OK)
        duet_exceptions_fini(list);
    list->dirty = false;
    return reading.status;
}
