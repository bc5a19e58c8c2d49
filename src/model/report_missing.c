/* report_missing.c - which ids exactly a log lacks, by window: the difference of the two logs'
 * sets, less what was never meant for that side and what the ledger lists. */
#include <stdlib.h>

#include "base/status.h"
#include "model/report_boot.h"

struct search {
    const struct duet_tally *tally;
    const struct duet_boot_view *view;
    struct duet_idset listed[DUET_SIDES]; /* of the partition looked at */
    struct duet_missing piece;            /* what a visit is about */
    struct duet_missing *found;
    size_t count, capacity;
    dt_status status;
};

static void push(struct search *search, struct duet_interval ids)
{
    if (search->count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 16 : search->capacity * 2;
        void *grown = realloc(search->found, capacity * sizeof(*search->found));

        if (grown == NULL) {
            search->status = dt_error_set(DT_ENOMEM, "no memory for the missing ids");
            return;
        }
        search->found = grown;
        search->capacity = capacity;
    }
    search->found[search->count] = search->piece;
    search->found[search->count].id.sequence = ids.from;
    search->found[search->count].sequence_to = ids.to;
    search->count++;
}

static void visit_unlisted(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                           struct duet_interval ids)
{
    (void)kind, (void)instance, (void)boot;
    push(context, ids);
}

/* [from, to) is missing on the piece's side: pushes what of it is not listed. */
static void add_piece(struct search *search, uint64_t from, uint64_t to)
{
    struct duet_idset ids;

    if (from >= to || search->status != DT_OK)
        return;
    duet_idset_init(&ids);
    search->status = duet_idset_close(&ids, &search->piece.id, from, to);
    if (search->status == DT_OK)
        duet_idset_difference(&ids, &search->listed[search->piece.side], visit_unlisted,
                              search);
    duet_idset_fini(&ids);
}

/* Cuts an interval by the windows it was fixed in, and leaves out what is not settled or was
 * not meant for the side. */
static void cut_by_window(struct search *search, struct duet_interval ids)
{
    const struct duet_boot_view *view = search->view;

    for (size_t i = 0; i < view->segment_count; i++) {
        const struct duet_boot_segment *segment = &view->segments[i];
        struct duet_interval part = {segment->from, segment->to};

        if (search->piece.side == DUET_ROCKETMQ)
            part = segment->due;
        if (segment->window >= view->boot->settled)
            continue;
        if (part.from < ids.from)
            part.from = ids.from;
        if (part.to > ids.to)
            part.to = ids.to;
        search->piece.window = segment->window;
        add_piece(search, part.from, part.to);
    }
}

/* What `a` holds and `b` does not. */
static void subtract(struct search *search, const struct duet_idset_entry *a,
                     const struct duet_idset_entry *b)
{
    uint64_t from = 0;

    if (a == NULL)
        return;
    for (size_t i = 0; i <= a->hole_count; i++) {
        uint64_t to = i < a->hole_count ? a->holes[i].from : a->end, at = from;

        /* [from, to) is in a: the holes of b in it */
        for (size_t k = 0; b != NULL && k < b->hole_count; k++) {
            struct duet_interval hole = b->holes[k];

            if (hole.to <= at || hole.from >= to)
                continue;
            if (hole.from < at)
                hole.from = at;
            if (hole.to > to)
                hole.to = to;
            cut_by_window(search, hole);
        }
        if (b == NULL || b->end < to) {
            uint64_t end = b == NULL || b->end < from ? from : b->end;

            if (end < to)
                cut_by_window(search, (struct duet_interval){end, to});
        }
        if (i < a->hole_count)
            from = a->holes[i].to;
    }
}

static void search_boot(struct search *search, const struct duet_tally_boot *boot)
{
    struct duet_boot_view view;
    struct duet_id id = {DUET_ID_ISSUED, boot->instance, boot->boot,
                         (uint16_t)boot->partition, 0};

    search->status = duet_boot_view_make(search->tally, boot, &view);
    if (search->status != DT_OK)
        return;
    search->view = &view;
    search->piece =
        (struct duet_missing){.partition = boot->partition, .side = DUET_KAFKA, .id = id};
    subtract(search, view.entry[DUET_ROCKETMQ], view.entry[DUET_KAFKA]);
    search->piece.nowhere = true;
    for (size_t i = 0; i < view.nowhere_count; i++)
        cut_by_window(search, view.nowhere[i]);
    search->piece.nowhere = false;
    search->piece.side = DUET_ROCKETMQ;
    subtract(search, view.entry[DUET_KAFKA], view.entry[DUET_ROCKETMQ]);
    duet_boot_view_fini(&view);
}

static dt_status note_listed(struct search *search, int32_t partition)
{
    const struct duet_tally *tally = search->tally;
    dt_status status = DT_OK;

    for (size_t i = 0; i < tally->listed_count && status == DT_OK; i++) {
        const struct duet_tally_listed *listed = &tally->listed[i];

        if (listed->partition != partition)
            continue;
        for (int side = 0; side < DUET_SIDES && status == DT_OK; side++)
            if (listed->cancelled || side == (int)listed->side)
                status = duet_idset_close(&search->listed[side], &listed->id,
                                          listed->id.sequence, listed->sequence_to);
    }
    return status;
}

static int compare_missing(const void *a, const void *b)
{
    const struct duet_missing *x = a, *y = b;
    uint8_t left[DUET_ID_SIZE], right[DUET_ID_SIZE];

    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->side != y->side)
        return x->side < y->side ? -1 : 1;
    duet_id_encode(left, &x->id);
    duet_id_encode(right, &y->id);
    return memcmp(left, right, sizeof(left));
}

dt_status duet_missing_find(const struct duet_tally *tally, struct duet_missing **out,
                            size_t *count)
{
    struct search search = {.tally = tally};

    *out = NULL;
    *count = 0;
    for (int32_t p = 0; p < tally->partitions && search.status == DT_OK; p++) {
        duet_idset_init(&search.listed[DUET_KAFKA]);
        duet_idset_init(&search.listed[DUET_ROCKETMQ]);
        search.status = note_listed(&search, p);
        for (size_t b = 0; b < tally->boot_count && search.status == DT_OK; b++)
            if (tally->boots[b].partition == p)
                search_boot(&search, &tally->boots[b]);
        duet_idset_fini(&search.listed[DUET_KAFKA]);
        duet_idset_fini(&search.listed[DUET_ROCKETMQ]);
    }
    if (search.status != DT_OK) {
        free(search.found);
        return search.status;
    }
    if (search.count > 0)
        qsort(search.found, search.count, sizeof(*search.found), compare_missing);
    *out = search.found;
    *count = search.count;
    return DT_OK;
}
