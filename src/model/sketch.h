/*
 * sketch.h - a table of sums from which the difference of two multisets can be listed.
 *
 * A foldable invertible Bloom lookup table over pairs (x, y): x the id, y the 48-bit digest of
 * its content. 4 sub-tables of `width` cells; a pair's term z (model/digest.h) gives its cell in
 * each, its check and its share of the total:
 *
 *   p_j = (z >> 16 j) mod width, j = 0..3      g = (z >> 96) | 1
 *   total.N += c;  total.D += c * z;  cell[j][p_j] += (c * x, c * y, c * g, c)
 *
 * Everything is a sum modulo its size, so sketches of many readers add up, the difference of two
 * sides is a subtraction in which all that is equal cancels, and a sketch folds to half its
 * width: cell[i] += cell[i + width/2]. What is left of the difference is taken out again by
 * peeling (model/peel.h). A pair counts c times up to |c| < 2^15, which is why 16 bits of x's and
 * y's sums are free: c can be divided out exactly.
 *
 * Pure. Not thread-safe.
 */
#ifndef MODEL_SKETCH_H
#define MODEL_SKETCH_H

#include "model/digest.h"

enum {
    DUET_SKETCH_TABLES = 4,
    DUET_SKETCH_WIDTH_MIN = 16,   /* 2 KiB */
    DUET_SKETCH_WIDTH_MAX = 4096, /* 512 KiB */
    DUET_SKETCH_TIMES_MAX = 32767 /* of one pair in a difference that is to be listed */
};

struct duet_cell {
    uint64_t id_lo, id_hi; /* sum of c * x mod 2^128 */
    uint64_t content;      /* sum of c * y mod 2^64 */
    uint32_t check;        /* sum of c * g mod 2^32 */
    uint32_t count;        /* sum of c mod 2^32 */
};

struct duet_sketch {
    struct duet_digest total;
    uint16_t key;            /* duet_digest_key_number() */
    uint32_t width;          /* cells of a sub-table: a power of two */
    struct duet_cell *cells; /* sub-table j begins at j * width */
};

/* A power of two from DUET_SKETCH_WIDTH_MIN to DUET_SKETCH_WIDTH_MAX. */
bool duet_sketch_width_valid(uint32_t width);

/* An empty one. DT_ENOMEM leaves *sketch with no cells, for which _fini() is allowed. */
dt_status duet_sketch_init(struct duet_sketch *sketch, uint16_t key, uint32_t width);
void duet_sketch_fini(struct duet_sketch *sketch);
dt_status duet_sketch_copy(struct duet_sketch *to, const struct duet_sketch *from);

/* Adds `times` copies (negative: takes them away). `key` is the one of the sketch. */
void duet_sketch_add(struct duet_sketch *sketch, const struct duet_digest_key *key,
                     const struct duet_id *id, uint64_t content, size_t bytes,
                     int32_t times);
/* Hashes the canonical bytes of a copy and adds it: the whole update, in the order in which it
 * is fastest. Returns the content digest. */
uint64_t duet_sketch_count(struct duet_sketch *sketch, const struct duet_digest_key *key,
                           const struct duet_id *id, struct dt_span canonical,
                           size_t bytes);
/* duet_sketch_add() with the pair's term. */
void duet_sketch_add_term(struct duet_sketch *sketch, struct dt_u128 term,
                          const struct duet_id *id, uint64_t content, size_t bytes,
                          int32_t times);

/* Adds, or subtracts, all of `other`. Where the widths differ the wider one is folded, `sketch`
 * itself if need be. DT_EINVAL: they are under different keys, and nothing has changed. */
dt_status duet_sketch_merge(struct duet_sketch *sketch, const struct duet_sketch *other);
dt_status duet_sketch_subtract(struct duet_sketch *sketch, const struct duet_sketch *other);

/* To a smaller width; a larger or equal one changes nothing. */
void duet_sketch_fold(struct duet_sketch *sketch, uint32_t width);

bool duet_sketch_is_zero(const struct duet_sketch *sketch);

#endif
