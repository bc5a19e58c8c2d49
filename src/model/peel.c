#include "model/peel.h"

#include <stdlib.h>

enum { LADDER_STEP = 4 };

/* Cells to look at, each once in the queue at most; `waiting` has a flag for each. */
struct peeling {
    struct duet_sketch *sketch;
    const struct duet_digest_key *key;
    uint32_t *queue;
    uint8_t *waiting;
    uint32_t cells, head, queued;
    struct duet_nets *nets;
    size_t capacity;
    uint64_t steps_left;
};

static void push(struct peeling *work, uint32_t cell)
{
    if (work->waiting[cell])
        return;
    work->waiting[cell] = 1;
    work->queue[(work->head + work->queued++) & (work->cells - 1)] = cell;
}

static uint32_t pop(struct peeling *work)
{
    uint32_t cell = work->queue[work->head];

    work->head = (work->head + 1) & (work->cells - 1);
    work->queued--;
    work->waiting[cell] = 0;
    return cell;
}

/* Signed 64-bit division, exact or not at all. */
static bool divide64(uint64_t a, int32_t by, uint64_t *quotient)
{
    bool negative = (a >> 63 != 0) != (by < 0);
    uint64_t size = a >> 63 != 0 ? -a : a, divisor = (uint64_t)(by < 0 ? -by : by);

    *quotient = negative ? -(size / divisor) : size / divisor;
    return size % divisor == 0;
}

static uint32_t cell_index(const struct duet_sketch *sketch, struct dt_u128 term,
                           uint32_t table)
{
    return table * sketch->width +
           ((uint32_t)(term.lo >> 16 * table) & (sketch->width - 1));
}

/* Whether the cell holds copies of one pair, and of which. */
static bool is_pure(const struct peeling *work, uint32_t index, struct duet_net *net,
                    struct dt_u128 *term)
{
    const struct duet_cell *cell = &work->sketch->cells[index];
    struct dt_u128 x = {cell->id_lo, cell->id_hi};
    int32_t c = (int32_t)cell->count;
    uint64_t y = cell->content;

    if (c == 0 || c > DUET_SKETCH_TIMES_MAX || c < -DUET_SKETCH_TIMES_MAX)
        return false;
    if (c != 1 && (!dt_u128_divide(x, c, &x) || !divide64(y, c, &y)))
        return false;
    if (x.hi >> 48 != 0 || y > DUET_CONTENT_MAX)
        return false;
    net->id = duet_id_of_number(x);
    net->content = y;
    net->net = c;
    *term = duet_digest_term(work->key, &net->id, y);
    return (uint32_t)c * ((uint32_t)(term->hi >> 32) | 1) == cell->check &&
           index == cell_index(work->sketch, *term, index / work->sketch->width);
}

static bool list(struct peeling *work, const struct duet_net *net)
{
    struct duet_nets *nets = work->nets;

    if (nets->count == work->capacity) {
        size_t capacity = work->capacity == 0 ? 64 : 2 * work->capacity;
        struct duet_net *items = realloc(nets->items, capacity * sizeof(*items));

        if (items == NULL)
            return false;
        nets->items = items;
        work->capacity = capacity;
    }
    nets->items[nets->count++] = *net;
    return true;
}

/* False without memory. */
static bool take_out(struct peeling *work)
{
    while (work->queued > 0) {
        uint32_t index = pop(work);
        struct duet_net net;
        struct dt_u128 term;

        if (!is_pure(work, index, &net, &term))
            continue;
        if (work->steps_left-- == 0) /* wrong ones can go round in a circle */
            return true;
        if (!list(work, &net))
            return false;
        duet_sketch_add_term(work->sketch, term, &net.id, net.content, 0, -net.net);
        for (uint32_t j = 0; j < DUET_SKETCH_TABLES; j++) {
            uint32_t at = cell_index(work->sketch, term, j);

            if (work->sketch->cells[at].count != 0)
                push(work, at);
        }
    }
    return true;
}

static int compare(const void *a_item, const void *b_item)
{
    const struct duet_net *a = a_item, *b = b_item;
    struct dt_u128 x = duet_id_number(&a->id), y = duet_id_number(&b->id);

    if (x.hi != y.hi)
        return x.hi < y.hi ? -1 : 1;
    if (x.lo != y.lo)
        return x.lo < y.lo ? -1 : 1;
    if (a->content != b->content)
        return a->content < b->content ? -1 : 1;
    return 0;
}

/* A pair that was taken out wrongly and put back stands twice: its nets add up. */
static void sort_and_add_up(struct duet_nets *nets)
{
    size_t kept = 0;

    qsort(nets->items, nets->count, sizeof(*nets->items), compare);
    for (size_t i = 0; i < nets->count; i++) {
        if (kept > 0 && compare(&nets->items[kept - 1], &nets->items[i]) == 0)
            nets->items[kept - 1].net += nets->items[i].net;
        else
            nets->items[kept++] = nets->items[i];
        if (nets->items[kept - 1].net == 0)
            kept--;
    }
    nets->count = kept;
}

static enum duet_peeled peel_all(struct peeling *work)
{
    struct duet_sketch *sketch = work->sketch;

    for (uint32_t i = 0; i < work->cells; i++)
        if (sketch->cells[i].count != 0)
            push(work, i);
    if (!take_out(work))
        return DUET_PEEL_NO_MEMORY;
    sketch->total.bytes = 0; /* pairs do not tell their sizes */
    if (!duet_sketch_is_zero(sketch))
        return DUET_PEEL_BEYOND;
    if (work->nets->count > 0)
        sort_and_add_up(work->nets);
    return DUET_PEELED;
}

enum duet_peeled duet_peel(struct duet_sketch *sketch, const struct duet_digest_key *key,
                           struct duet_nets *nets)
{
    uint32_t cells = DUET_SKETCH_TABLES * sketch->width;
    struct peeling work = {.sketch = sketch,
                           .key = key,
                           .queue = malloc(cells * sizeof(*work.queue)),
                           .waiting = calloc(cells, 1),
                           .cells = cells,
                           .nets = nets,
                           .steps_left = 8 * (uint64_t)cells + 64};
    enum duet_peeled result = DUET_PEEL_NO_MEMORY;

    memset(nets, 0, sizeof(*nets));
    if (work.queue != NULL && work.waiting != NULL)
        result = peel_all(&work);
    free(work.queue);
    free(work.waiting);
    if (result != DUET_PEELED)
        duet_nets_fini(nets);
    return result;
}

void duet_nets_fini(struct duet_nets *nets)
{
    free(nets->items);
    memset(nets, 0, sizeof(*nets));
}

/* ---- the ladder ---- */

/* In a sub-table with d unit differences thrown at random, sum(count^2) = d on average, plus what
 * their common sum S makes of itself: S^2 / width. */
double duet_sketch_estimate(const struct duet_sketch *sketch)
{
    double width = sketch->width, sum = (double)sketch->total.count, squares = 0, estimate;

    for (uint32_t i = 0; i < DUET_SKETCH_TABLES * sketch->width; i++) {
        double count = (int32_t)sketch->cells[i].count;

        squares += count * count;
    }
    estimate = (squares / DUET_SKETCH_TABLES - sum * sum / width) / (1 - 1 / width);
    if (sum < 0)
        sum = -sum;
    return estimate > sum ? estimate : sum;
}

uint32_t duet_sketch_next_width(uint32_t width, double estimate)
{
    /* room for 30 % more at a load of 0.65; the last one holds 0.77, and since a narrow table's
     * estimate may be far off it is tried up to 1.6 times that */
    for (uint32_t next = DUET_SKETCH_WIDTH_MIN; next <= DUET_SKETCH_WIDTH_MAX;
         next *= LADDER_STEP) {
        double room = next < DUET_SKETCH_WIDTH_MAX ? 0.65 / 1.3 : 0.77 * 1.6;

        if (next > width && DUET_SKETCH_TABLES * next * room >= estimate)
            return next;
    }
    return 0;
}

enum duet_peeled duet_peel_ladder(const struct duet_sketch *difference,
                                  const struct duet_digest_key *key, struct duet_nets *nets,
                                  uint32_t *width)
{
    enum duet_peeled result = DUET_PEEL_BEYOND;

    memset(nets, 0, sizeof(*nets));
    *width = DUET_SKETCH_WIDTH_MIN;
    while (*width != 0 && *width <= difference->width) {
        struct duet_sketch rung;
        double estimate;

        if (duet_sketch_copy(&rung, difference) != DT_OK)
            return DUET_PEEL_NO_MEMORY;
        duet_sketch_fold(&rung, *width);
        estimate = duet_sketch_estimate(&rung);
        result = duet_peel(&rung, key, nets);
        duet_sketch_fini(&rung);
        if (result != DUET_PEEL_BEYOND)
            break;
        *width = duet_sketch_next_width(*width, estimate);
    }
    return result;
}
