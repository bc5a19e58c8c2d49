/*
 * drill.h - how to list a difference of any size in bounded memory.
 *
 * Up to about 12,000 pairs the ladder of widths does (model/peel.h). Where it does not, the ids are scanned
 * again: in parts of about 550 differing pairs, cut by bits of their terms, each into a sketch of
 * width 256; or, if more than an eighth of all differs, as intervals of sequences per producer
 * (model/idset.h), since what an outage leaves behind is dense.
 *
 * Pure.
 */
#ifndef MODEL_DRILL_H
#define MODEL_DRILL_H

#include "model/differ.h"
#include "model/idset.h"

enum { DUET_PART_WIDTH = 256, DUET_PART_PAIRS = 550, DUET_PART_BITS_MAX = 24 };

enum duet_drill { DUET_DRILL_LADDER, DUET_DRILL_PARTS, DUET_DRILL_RANGES };

/* Begin with this; if the ladder lists nothing, go on as if it had not been an answer: parts or
 * ranges. `differing` is an estimate, `counted` how many copies the larger side has. */
enum duet_drill duet_drill_choose(double differing, uint64_t counted);
enum duet_drill duet_drill_beyond_ladder(double differing, uint64_t counted);

/* Into how many bits of the term to cut. */
unsigned duet_part_bits(double differing);

/* The part of a pair, 0 to 2^bits - 1: bits that neither places nor checks of cells use. */
uint32_t duet_part_of(struct dt_u128 term, unsigned bits);

/* What is in `issued` and not in `stored` is lost on `side`; the reverse is foreign. Both are of
 * one partition. DT_ENOMEM. */
dt_status duet_differ_ranges(struct duet_differences *list, const struct duet_idset *issued,
                             const struct duet_idset *stored, enum duet_side side,
                             uint16_t partition);

#endif
