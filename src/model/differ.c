#include "model/differ.h"

#include <stdlib.h>

#include "base/status.h"

static const char *const names[DUET_DIFF_KINDS] = {
    [DUET_DIFF_LOST] = "lost",
    [DUET_DIFF_EXTRA] = "extra",
    [DUET_DIFF_DUPLICATE] = "duplicate",
    [DUET_DIFF_ALTERED] = "altered",
    [DUET_DIFF_REORDERED] = "reordered",
    [DUET_DIFF_RESULT] = "result",
    [DUET_DIFF_UNPROCESSED] = "unprocessed",
    [DUET_DIFF_FOREIGN] = "foreign",
};

static _Thread_local enum duet_difference_kind left_out = DUET_DIFF_KINDS;

const char *duet_difference_kind_name(enum duet_difference_kind kind)
{
    return (unsigned)kind < DUET_DIFF_KINDS ? names[kind] : "unknown";
}

void duet_differ_without(enum duet_difference_kind kind)
{
    left_out = kind;
}

bool duet_differ_is_without(enum duet_difference_kind kind)
{
    return left_out == kind;
}

void duet_differences_init(struct duet_differences *list)
{
    memset(list, 0, sizeof(*list));
}

void duet_differences_fini(struct duet_differences *list)
{
    free(list->items);
    duet_differences_init(list);
}

dt_status duet_differences_add(struct duet_differences *list,
                               enum duet_difference_kind kind, enum duet_side side,
                               const struct duet_id *id, uint64_t copies)
{
    if (duet_differ_is_without(kind))
        return DT_OK;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 32 : 2 * list->capacity;
        struct duet_difference *items = realloc(list->items, capacity * sizeof(*items));

        if (items == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the differences");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (struct duet_difference){
        .kind = kind,
        .side = side,
        .id = *id,
        .sequence_to = id->sequence + 1,
        .copies = copies,
        .offset = -1,
    };
    return DT_OK;
}

/* ---- all pairs of one id ---- */

/* The pairs of the id at items[at], which stand side by side: how many copies are missing, and
 * how many there are too many. Returns where the next id begins. */
static size_t add_up(const struct duet_nets *nets, size_t at, uint64_t *fewer,
                     uint64_t *more)
{
    const struct duet_id *id = &nets->items[at].id;

    *fewer = *more = 0;
    for (; at < nets->count && duet_id_equal(&nets->items[at].id, id); at++) {
        int32_t net = nets->items[at].net;

        if (net < 0)
            *fewer += (uint64_t)-net;
        else
            *more += (uint64_t)net;
    }
    return at;
}

/* Where the pairs of the id begin, or would. */
static size_t first_of(const struct duet_nets *nets, const struct duet_id *id)
{
    struct dt_u128 wanted = duet_id_number(id);
    size_t low = 0, high = nets->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct dt_u128 x = duet_id_number(&nets->items[middle].id);

        if (x.hi < wanted.hi || (x.hi == wanted.hi && x.lo < wanted.lo))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether there are copies of the id; with `content` not NULL, of that content. */
static bool has_copies(const struct duet_nets *nets, const struct duet_id *id,
                       const uint64_t *content)
{
    for (size_t i = first_of(nets, id);
         i < nets->count && duet_id_equal(&nets->items[i].id, id); i++)
        if (nets->items[i].net > 0 &&
            (content == NULL || nets->items[i].content == *content))
            return true;
    return false;
}

/* ---- stored ---- */

static dt_status differ_issued(struct duet_differences *list, enum duet_side side,
                               const struct duet_id *id, uint64_t fewer, uint64_t more)
{
    uint64_t altered = fewer < more ? fewer : more;
    dt_status status = DT_OK;

    if (altered > 0)
        status = duet_differences_add(list, DUET_DIFF_ALTERED, side, id, altered);
    if (fewer > altered && status == DT_OK)
        status = duet_differences_add(list, DUET_DIFF_LOST, side, id, fewer - altered);
    if (more > altered && status == DT_OK)
        status = duet_differences_add(list, DUET_DIFF_DUPLICATE, side, id, more - altered);
    return status;
}

/* Nobody has told of it, so it is right if both sides have it, once and alike. */
static dt_status differ_tail(struct duet_differences *list,
                             const struct duet_nets net[DUET_SIDES], enum duet_side side,
                             const struct duet_id *id, uint64_t more)
{
    enum duet_side other = duet_other_side(side);
    dt_status status = DT_OK;

    if (more > 1)
        status = duet_differences_add(list, DUET_DIFF_DUPLICATE, side, id, more - 1);
    if (status == DT_OK && !has_copies(&net[other], id, NULL))
        status = duet_differences_add(list, DUET_DIFF_LOST, other, id, 1);
    return status;
}

/* A tail that both sides have with different contents: which of them is right cannot be told, so
 * it is the copy's side that is called wrong, RocketMQ's. */
static dt_status differ_tail_contents(struct duet_differences *list,
                                      const struct duet_nets net[DUET_SIDES],
                                      const struct duet_net *pair)
{
    if (has_copies(&net[DUET_KAFKA], &pair->id, NULL) &&
        !has_copies(&net[DUET_KAFKA], &pair->id, &pair->content))
        return duet_differences_add(list, DUET_DIFF_ALTERED, DUET_ROCKETMQ, &pair->id, 1);
    return DT_OK;
}

static dt_status differ_side(struct duet_differences *list,
                             const struct duet_nets net[DUET_SIDES], enum duet_side side,
                             duet_known_fn known, void *context)
{
    const struct duet_nets *nets = &net[side];
    dt_status status = DT_OK;

    for (size_t at = 0, next; at < nets->count && status == DT_OK; at = next) {
        const struct duet_id *id = &nets->items[at].id;
        uint64_t fewer, more;

        next = add_up(nets, at, &fewer, &more);
        switch (known(context, id)) {
        case DUET_KNOWN_ISSUED:
            status = differ_issued(list, side, id, fewer, more);
            break;
        case DUET_KNOWN_CANCELLED:
            status = duet_differences_add(list, DUET_DIFF_EXTRA, side, id, more + fewer);
            break;
        case DUET_KNOWN_TAIL:
            status = differ_tail(list, net, side, id, more);
            if (status == DT_OK && side == DUET_ROCKETMQ)
                status = differ_tail_contents(list, net, &nets->items[at]);
            break;
        case DUET_KNOWN_NOT:
            status = duet_differences_add(list, DUET_DIFF_FOREIGN, side, id, more + fewer);
            break;
        }
    }
    return status;
}

dt_status duet_differ_stored(struct duet_differences *list,
                             const struct duet_nets net[DUET_SIDES], duet_known_fn known,
                             void *context)
{
    dt_status status = differ_side(list, net, DUET_KAFKA, known, context);

    if (status == DT_OK)
        status = differ_side(list, net, DUET_ROCKETMQ, known, context);
    return status;
}

/* ---- processed ---- */

static dt_status differ_presence(struct duet_differences *list,
                                 const struct duet_nets *nets, enum duet_side side)
{
    dt_status status = DT_OK;

    for (size_t i = 0; i < nets->count && status == DT_OK; i++) {
        const struct duet_net *net = &nets->items[i];

        status = net->net < 0 ? duet_differences_add(list, DUET_DIFF_UNPROCESSED, side,
                                                     &net->id, (uint64_t)-net->net)
                              : duet_differences_add(list, DUET_DIFF_DUPLICATE, side,
                                                     &net->id, (uint64_t)net->net);
    }
    return status;
}

dt_status duet_differ_processed(struct duet_differences *list,
                                const struct duet_nets *result,
                                const struct duet_nets presence[DUET_ROLES],
                                const enum duet_side side[DUET_ROLES])
{
    dt_status status = DT_OK;

    /* an id with results on one role only is explained by that role's presence */
    for (size_t at = 0, next; at < result->count && status == DT_OK; at = next) {
        const struct duet_id *id = &result->items[at].id;
        uint64_t fewer, more;

        next = add_up(result, at, &fewer, &more);
        if (fewer > 0 && more > 0)
            status = duet_differences_add(list, DUET_DIFF_RESULT, side[DUET_SHADOW], id, 1);
    }
    for (int role = 0; role < DUET_ROLES && status == DT_OK; role++)
        status = differ_presence(list, &presence[role], side[role]);
    return status;
}

/* ---- the list ---- */

static int compare(const void *a_item, const void *b_item)
{
    const struct duet_difference *a = a_item, *b = b_item;
    struct dt_u128 x = duet_id_number(&a->id), y = duet_id_number(&b->id);

    if (a->side != b->side)
        return a->side < b->side ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (x.hi != y.hi)
        return x.hi < y.hi ? -1 : 1;
    return x.lo < y.lo ? -1 : x.lo > y.lo;
}

static bool continues(const struct duet_difference *a, const struct duet_difference *b)
{
    return a->side == b->side && a->kind == b->kind && a->copies == b->copies &&
           a->id.kind == b->id.kind && a->id.instance == b->id.instance &&
           a->id.boot == b->id.boot && a->id.partition == b->id.partition &&
           a->sequence_to == b->id.sequence;
}

void duet_differences_sort(struct duet_differences *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 1; i < list->count; i++) {
        if (continues(&list->items[kept], &list->items[i]))
            list->items[kept].sequence_to = list->items[i].sequence_to;
        else
            list->items[++kept] = list->items[i];
    }
    list->count = kept + 1;
}

uint64_t duet_differences_ids(const struct duet_differences *list)
{
    uint64_t ids = 0;

    for (size_t i = 0; i < list->count; i++)
        ids += list->items[i].sequence_to - list->items[i].id.sequence;
    return ids;
}

/* The difference of that side and kind whose first id this is, or NULL. */
static struct duet_difference *find(struct duet_differences *list, enum duet_side side,
                                    enum duet_difference_kind kind,
                                    const struct duet_id *id)
{
    struct duet_difference wanted = {.side = side, .kind = kind, .id = *id};

    if (list->count == 0)
        return NULL;
    return bsearch(&wanted, list->items, list->count, sizeof(wanted), compare);
}

void duet_differences_locate(struct duet_differences *list, enum duet_side side,
                             const struct duet_id *id, int64_t offset)
{
    for (int kind = 0; kind < DUET_DIFF_KINDS; kind++) {
        bool is_absent = kind == DUET_DIFF_LOST || kind == DUET_DIFF_UNPROCESSED;
        struct duet_difference *difference =
            find(list, kind == DUET_DIFF_LOST ? duet_other_side(side) : side,
                 (enum duet_difference_kind)kind, id);

        if (difference == NULL)
            continue;
        difference->seen++;
        if (difference->offset < 0 &&
            (is_absent || kind != DUET_DIFF_DUPLICATE || difference->seen == 2))
            difference->offset = offset;
    }
}
