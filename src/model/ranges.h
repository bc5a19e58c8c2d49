/*
 * ranges.h - which positions of a log, or numbers of a lane, have been counted: a set of intervals.
 *
 * Pure. Grows with the number of holes, not of positions.
 */
#ifndef MODEL_RANGES_H
#define MODEL_RANGES_H

#include "model/idset.h"

struct duet_ranges {
    struct duet_interval *items; /* ascending, disjoint, not touching */
    size_t count, capacity;
};

void duet_ranges_init(struct duet_ranges *ranges);
void duet_ranges_fini(struct duet_ranges *ranges);

/* [from, to) is covered from now on. DT_ENOMEM leaves the set as it was. */
dt_status duet_ranges_add(struct duet_ranges *ranges, uint64_t from, uint64_t to);

/* How many of [from, to) are covered. */
uint64_t duet_ranges_covered(const struct duet_ranges *ranges, uint64_t from, uint64_t to);

/* The first part of [from, to) that is not covered; false: there is none. */
bool duet_ranges_hole(const struct duet_ranges *ranges, uint64_t from, uint64_t to,
                      struct duet_interval *hole);

#endif
