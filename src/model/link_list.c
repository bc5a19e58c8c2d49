#include "model/link_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void duet_link_list_init(struct duet_link_list *list)
{
    memset(list, 0, sizeof(*list));
}

void duet_link_list_fini(struct duet_link_list *list)
{
    free(list->entries);
    duet_link_list_init(list);
}

static bool touches(const struct duet_link_entry *a, const struct duet_link_entry *b)
{
    return a->kind == b->kind && a->instance == b->instance && a->boot == b->boot &&
           a->from <= b->to && b->from <= a->to;
}

static void take_out(struct duet_link_list *list, size_t at, size_t count)
{
    memmove(&list->entries[at], &list->entries[at + count],
            (list->count - at - count) * sizeof(*list->entries));
    list->count -= count;
}

/* Widens the entry at `at`; those later ones that it touches by that become one with it. */
static void widen(struct duet_link_list *list, size_t at,
                  const struct duet_link_entry *entry)
{
    struct duet_link_entry *wide = &list->entries[at];

    if (entry->from < wide->from)
        wide->from = entry->from;
    if (entry->to > wide->to)
        wide->to = entry->to;
    for (size_t i = at + 1; i < list->count; i++)
        if (touches(wide, &list->entries[i])) {
            struct duet_link_entry other = list->entries[i];

            take_out(list, i, 1);
            widen(list, at, &other);
            return;
        }
}

bool duet_link_list_add(struct duet_link_list *list, const struct duet_link_entry *entry)
{
    assert(duet_link_entry_valid(entry));
    for (size_t i = 0; i < list->count; i++)
        if (touches(&list->entries[i], entry)) {
            widen(list, i, entry);
            return true;
        }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        void *grown = realloc(list->entries, capacity * sizeof(*list->entries));

        if (grown == NULL)
            return false;
        list->entries = grown;
        list->capacity = capacity;
    }
    list->entries[list->count++] = *entry;
    return true;
}

void duet_link_list_take(struct duet_link_list *list, size_t count)
{
    assert(count <= list->count);
    if (count > 0)
        take_out(list, 0, count);
}
