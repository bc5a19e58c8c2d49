#include "model/before.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t end_of(const struct duet_idset *set, const struct duet_id *boot)
{
    const struct duet_idset_entry *entry =
        duet_idset_find(set, DUET_ID_ISSUED, boot->instance, boot->boot);

    return entry != NULL ? entry->end : 0;
}

/* The first entry of `set` that is of `instance` and at least `boot`, or of a later one. */
static size_t first_of(const struct duet_idset *set, uint32_t instance, int32_t boot)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct duet_idset_entry *entry = &set->entries[middle];

        if (entry->kind == DUET_ID_ISSUED &&
            (entry->instance < instance ||
             (entry->instance == instance && entry->boot < boot)))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_earlier(const struct duet_idset *set, size_t index, const struct duet_id *id)
{
    return index < set->count && set->entries[index].kind == DUET_ID_ISSUED &&
           set->entries[index].instance == id->instance &&
           set->entries[index].boot < id->boot;
}

/* ---- one boot ---- */

/* What is known of one boot's numbers. */
struct knowledge {
    const struct duet_idset_entry *processed, *given_up, *absent[DUET_SIDES];
};

/* Whether `at` is missing, and how far that goes. What is on neither side is not. */
static bool is_missing(const struct knowledge *known, uint64_t at, uint64_t *to)
{
    bool absent[DUET_SIDES];
    uint64_t end[DUET_SIDES];

    if (duet_idset_run(known->processed, at, to))
        return false;
    if (duet_idset_run(known->given_up, at, &end[0])) {
        *to = end[0];
        return false;
    }
    *to = least(*to, end[0]);
    for (int side = 0; side < DUET_SIDES; side++)
        absent[side] = duet_idset_run(known->absent[side], at, &end[side]);
    *to = least(*to, least(end[0], end[1]));
    return !absent[0] || !absent[1];
}

static void each_of_boot(const struct duet_before_view *view, const struct duet_id *boot,
                         uint64_t end, duet_idset_visit_fn visit, void *context)
{
    struct knowledge known;
    uint64_t at = 0, to;

    known.processed =
        duet_idset_find(view->processed, DUET_ID_ISSUED, boot->instance, boot->boot);
    known.given_up =
        duet_idset_find(view->given_up, DUET_ID_ISSUED, boot->instance, boot->boot);
    for (int side = 0; side < DUET_SIDES; side++)
        known.absent[side] =
            duet_idset_find(view->absent[side], DUET_ID_ISSUED, boot->instance, boot->boot);
    for (; at < end; at = to) {
        bool missing = is_missing(&known, at, &to);

        if (missing)
            visit(context, DUET_ID_ISSUED, boot->instance, boot->boot,
                  (struct duet_interval){at, least(to, end)});
    }
}

/* ---- all boots ---- */

/* How far an earlier boot came: where a link says it ended, else what its logs have shown. */
static uint64_t length_of(const struct duet_before_view *view, const struct duet_id *boot)
{
    uint64_t length = 0;

    for (int side = 0; side < DUET_SIDES; side++) {
        uint64_t ended = end_of(view->ended[side], boot),
                 seen = end_of(view->seen[side], boot);

        length = ended > length ? ended : length;
        length = seen > length ? seen : length;
    }
    return length;
}

/* The lowest earlier boot of the instance above `boot->boot` (from -1) that anybody knows. */
static bool next_boot(const struct duet_before_view *view, const struct duet_id *id,
                      int32_t above, struct duet_id *boot)
{
    int32_t found = -1;

    for (int s = 0; s < 2 * DUET_SIDES; s++) {
        const struct duet_idset *set =
            s < DUET_SIDES ? view->seen[s] : view->ended[s - DUET_SIDES];

        size_t first = first_of(set, id->instance, above + 1);

        if (is_earlier(set, first, id) && (found < 0 || set->entries[first].boot < found))
            found = set->entries[first].boot;
    }
    if (found < 0)
        return false;
    *boot = (struct duet_id){
        .kind = DUET_ID_ISSUED, .instance = id->instance, .boot = (uint16_t)found};
    return true;
}

void duet_before_each(const struct duet_before_view *view, const struct duet_id *id,
                      duet_idset_visit_fn visit, void *context)
{
    struct duet_id boot;

    if (id->kind != DUET_ID_ISSUED)
        return;
    for (int32_t above = -1; next_boot(view, id, above, &boot); above = boot.boot)
        each_of_boot(view, &boot, length_of(view, &boot), visit, context);
    each_of_boot(view, id, id->sequence, visit, context);
}

/* ---- the question ---- */

struct judgement {
    const struct duet_before_view *view;
    enum duet_before found;
};

static void judge(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                  struct duet_interval missing)
{
    struct judgement *judgement = context;
    const struct duet_idset_entry *seen =
        duet_idset_find(judgement->view->seen[duet_other_side(judgement->view->side)], kind,
                        instance, boot);
    uint64_t to;

    for (uint64_t at = missing.from; at < missing.to; at = to)
        if (duet_idset_run(seen, at, &to)) {
            judgement->found = DUET_BEFORE_OTHER;
            return;
        }
    if (judgement->found == DUET_BEFORE_DONE)
        judgement->found = DUET_BEFORE_MISSING;
}

enum duet_before duet_before_find(const struct duet_before_view *view,
                                  const struct duet_id *id)
{
    struct judgement judgement = {view, DUET_BEFORE_DONE};
    const struct duet_idset_entry *entry =
        duet_idset_find(view->processed, id->kind, id->instance, id->boot);

    /* One that has a window holds a message, for which the boots before were looked at. */
    if (entry != NULL && entry->hole_count == 0 && entry->newest_window > 0 &&
        entry->end >= id->sequence)
        return DUET_BEFORE_DONE;
    duet_before_each(view, id, judge, &judgement);
    return judgement.found;
}
