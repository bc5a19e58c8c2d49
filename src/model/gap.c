#include "model/gap.h"

#include <stdlib.h>

#include "base/status.h"

struct search {
    struct duet_gap *found;
    size_t count, capacity;
    bool no_memory;
};

static void add(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                struct duet_interval numbers)
{
    struct search *search = context;
    struct duet_gap *gap;

    if (search->count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 8 : search->capacity * 2;
        void *grown = realloc(search->found, capacity * sizeof(*search->found));

        if (grown == NULL) {
            search->no_memory = true;
            return;
        }
        search->found = grown;
        search->capacity = capacity;
    }
    gap = &search->found[search->count++];
    memset(gap, 0, sizeof(*gap));
    gap->id.kind = kind;
    gap->id.instance = instance;
    gap->id.boot = boot;
    gap->id.sequence = numbers.from;
    gap->to = numbers.to;
}

static uint64_t end_of(const struct duet_idset *set, const struct duet_idset_entry *boot)
{
    const struct duet_idset_entry *entry =
        duet_idset_find(set, boot->kind, boot->instance, boot->boot);

    return entry != NULL ? entry->end : 0;
}

/* One above the highest number of the boot that should have been read. */
static uint64_t due_to(const struct duet_gap_view *view,
                       const struct duet_idset_entry *boot)
{
    uint64_t seen = end_of(view->seen, boot), other = end_of(view->seen_other, boot);
    uint64_t ended = end_of(view->ended, boot);

    if (ended <= seen || other <= seen)
        return seen;
    return ended < other ? ended : other;
}

/* Cheap for a boot of which nothing is missing, as nearly always. */
static bool may_miss(const struct duet_gap_view *view, const struct duet_idset_entry *boot,
                     uint64_t due)
{
    const struct duet_idset_entry *processed =
        duet_idset_find(view->processed, boot->kind, boot->instance, boot->boot);

    return processed == NULL || processed->end < due || processed->hole_count > 0;
}

static dt_status find_of_boot(const struct duet_gap_view *view,
                              const struct duet_idset_entry *boot, struct search *search)
{
    struct duet_id id = {
        .kind = boot->kind, .instance = boot->instance, .boot = boot->boot};
    uint64_t due = due_to(view, boot);
    struct duet_idset expected, explained;
    dt_status status = DT_OK;

    if (due == 0 || !may_miss(view, boot, due))
        return DT_OK;
    duet_idset_init(&expected);
    duet_idset_init(&explained);
    status = duet_idset_close(&expected, &id, 0, due);
    for (int i = 0; status == DT_OK && i < 2; i++) {
        const struct duet_idset_entry *known =
            duet_idset_find(i == 0 ? view->processed : view->absent, boot->kind,
                            boot->instance, boot->boot);
        struct duet_idset one = {.entries = (struct duet_idset_entry *)(uintptr_t)known,
                                 .count = known != NULL ? 1 : 0};

        status = duet_idset_merge(&explained, &one);
    }
    if (status == DT_OK)
        duet_idset_difference(&expected, &explained, add, search);
    duet_idset_fini(&expected);
    duet_idset_fini(&explained);
    return status;
}

dt_status duet_gaps_find(const struct duet_gap_view *view, struct duet_gap **out,
                         size_t *count)
{
    const struct duet_idset *sets[] = {view->seen, view->ended};
    struct search search = {NULL, 0, 0, false};
    dt_status status = DT_OK;

    *out = NULL;
    *count = 0;
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->count && status == DT_OK; i++) {
            const struct duet_idset_entry *boot = &sets[s]->entries[i];

            if (boot->kind != DUET_ID_ISSUED)
                continue;
            if (s == 1 &&
                duet_idset_find(view->seen, boot->kind, boot->instance, boot->boot) != NULL)
                continue; /* looked at already */
            status = find_of_boot(view, boot, &search);
        }
    if (status == DT_OK && search.no_memory)
        status = dt_error_set(DT_ENOMEM, "no memory for the numbers that are missing");
    if (status != DT_OK) {
        free(search.found);
        return status;
    }
    *out = search.found;
    *count = search.count;
    return DT_OK;
}
