#include "model/sketch.h"

#include <assert.h>
#include <stdlib.h>

#include "base/status.h"

static_assert(sizeof(struct duet_cell) == 32, "a cell has no padding");

bool duet_sketch_width_valid(uint32_t width)
{
    return width >= DUET_SKETCH_WIDTH_MIN && width <= DUET_SKETCH_WIDTH_MAX &&
           (width & (width - 1)) == 0;
}

static size_t cell_count(const struct duet_sketch *sketch)
{
    return (size_t)DUET_SKETCH_TABLES * sketch->width;
}

dt_status duet_sketch_init(struct duet_sketch *sketch, uint16_t key, uint32_t width)
{
    assert(duet_sketch_width_valid(width));
    memset(sketch, 0, sizeof(*sketch));
    sketch->key = key;
    sketch->width = width;
    sketch->cells = calloc(cell_count(sketch), sizeof(*sketch->cells));
    if (sketch->cells == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a sketch");
    return DT_OK;
}

void duet_sketch_fini(struct duet_sketch *sketch)
{
    free(sketch->cells);
    memset(sketch, 0, sizeof(*sketch));
}

dt_status duet_sketch_copy(struct duet_sketch *to, const struct duet_sketch *from)
{
    dt_status status = duet_sketch_init(to, from->key, from->width);

    if (status != DT_OK)
        return status;
    to->total = from->total;
    memcpy(to->cells, from->cells, cell_count(from) * sizeof(*from->cells));
    return DT_OK;
}

/* ---- one pair ---- */

/* A negative `times` is sign-extended to 128 bits, so multiplying takes away. */
static struct duet_cell cell_of(const struct duet_id *id, uint64_t content, uint32_t check,
                                int32_t times)
{
    struct dt_u128 x = duet_id_number(id);
    struct duet_cell out = {x.lo, x.hi, content, check, 1};

    if (times != 1) {
        struct dt_u128 product = dt_u128_times(x, times);

        out.id_lo = product.lo;
        out.id_hi = product.hi;
        out.content = content * (uint64_t)(int64_t)times;
        out.check = check * (uint32_t)times;
        out.count = (uint32_t)times;
    }
    return out;
}

static inline void cell_add(struct duet_cell *to, const struct duet_cell *from)
{
    uint64_t lo = to->id_lo + from->id_lo;

    to->id_hi += from->id_hi + (lo < from->id_lo);
    to->id_lo = lo;
    to->content += from->content;
    to->check += from->check;
    to->count += from->count;
}

static inline void cell_subtract(struct duet_cell *to, const struct duet_cell *from)
{
    to->id_hi -= from->id_hi + (to->id_lo < from->id_lo);
    to->id_lo -= from->id_lo;
    to->content -= from->content;
    to->check -= from->check;
    to->count -= from->count;
}

void duet_sketch_add_term(struct duet_sketch *sketch, struct dt_u128 term,
                          const struct duet_id *id, uint64_t content, size_t bytes,
                          int32_t times)
{
    uint32_t mask = sketch->width - 1, check = (uint32_t)(term.hi >> 32) | 1;
    const struct duet_cell add = cell_of(id, content, check, times);
    struct duet_cell *table = sketch->cells;

    duet_digest_add_term(&sketch->total, term, bytes, times);
    for (int j = 0; j < DUET_SKETCH_TABLES; j++, table += sketch->width)
        cell_add(&table[(term.lo >> 16 * j) & mask], &add);
}

void duet_sketch_add(struct duet_sketch *sketch, const struct duet_digest_key *key,
                     const struct duet_id *id, uint64_t content, size_t bytes,
                     int32_t times)
{
    assert(sketch->key == duet_digest_key_number(key));
    duet_sketch_add_term(sketch, duet_digest_term(key, id, content), id, content, bytes,
                         times);
}

uint64_t duet_sketch_count(struct duet_sketch *sketch, const struct duet_digest_key *key,
                           const struct duet_id *id, struct dt_span canonical, size_t bytes)
{
    struct dt_u128 begun = duet_digest_term_begin(key, id);
    uint64_t content = duet_content_digest(key, canonical);

    assert(sketch->key == duet_digest_key_number(key));
    duet_sketch_add_term(sketch, duet_digest_term_end(key, begun, content), id, content,
                         bytes, 1);
    return content;
}

/* ---- whole sketches ---- */

void duet_sketch_fold(struct duet_sketch *sketch, uint32_t width)
{
    struct duet_cell *smaller;

    if (width >= sketch->width)
        return;
    assert(duet_sketch_width_valid(width));
    for (size_t j = 0; j < DUET_SKETCH_TABLES; j++) {
        /* to the front: what is written has been read */
        struct duet_cell *from = sketch->cells + j * sketch->width;
        struct duet_cell *to = sketch->cells + j * width;

        memmove(to, from, width * sizeof(*to));
        for (uint32_t i = width; i < sketch->width; i++)
            cell_add(&to[i & (width - 1)], &from[i]);
    }
    sketch->width = width;
    smaller = realloc(sketch->cells, cell_count(sketch) * sizeof(*smaller));
    if (smaller != NULL) /* else it keeps more than it needs */
        sketch->cells = smaller;
}

static dt_status combine(struct duet_sketch *sketch, const struct duet_sketch *other,
                         void (*one)(struct duet_cell *, const struct duet_cell *))
{
    uint32_t mask;

    if (sketch->key != other->key)
        return dt_error_set(DT_EINVAL,
                            "a sketch under key %u of algorithm %u cannot be added to one "
                            "under key %u of algorithm %u",
                            other->key & 0xffu, (unsigned)other->key >> 8,
                            sketch->key & 0xffu, (unsigned)sketch->key >> 8);
    duet_sketch_fold(sketch, other->width);
    mask = sketch->width - 1;
    for (size_t j = 0; j < DUET_SKETCH_TABLES; j++)
        for (uint32_t i = 0; i < other->width; i++)
            one(&sketch->cells[j * sketch->width + (i & mask)],
                &other->cells[j * other->width + i]);
    return DT_OK;
}

dt_status duet_sketch_merge(struct duet_sketch *sketch, const struct duet_sketch *other)
{
    dt_status status = combine(sketch, other, cell_add);

    if (status == DT_OK)
        duet_digest_merge(&sketch->total, &other->total);
    return status;
}

dt_status duet_sketch_subtract(struct duet_sketch *sketch, const struct duet_sketch *other)
{
    dt_status status = combine(sketch, other, cell_subtract);

    if (status == DT_OK)
        duet_digest_subtract(&sketch->total, &other->total);
    return status;
}

static bool cell_is_zero(const struct duet_cell *cell)
{
    return (cell->id_lo | cell->id_hi | cell->content | cell->check | cell->count) == 0;
}

bool duet_sketch_is_zero(const struct duet_sketch *sketch)
{
    for (size_t i = 0; i < cell_count(sketch); i++)
        if (!cell_is_zero(&sketch->cells[i]))
            return false;
    return duet_digest_is_zero(&sketch->total);
}
