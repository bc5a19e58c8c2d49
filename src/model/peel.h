/*
 * peel.h - lists the difference that a sketch holds, or says that it holds too much.
 *
 * A cell is *pure* if it holds c copies of one pair: c = count divides the sums of ids and of
 * contents, both quotients are in range, the check is c * g of that pair, and the cell is one of
 * the pair's four. Peeling takes pure cells' pairs out of their other cells, which makes more
 * cells pure, until nothing is left. A mixed cell passes for a pure one with about 2^-32 / width;
 * what that would do is caught at the end, where all cells, N and D must have come to zero.
 *
 * A sketch of `width` w lists up to about 2.8 w pairs (0.7 of its cells).
 *
 * Pure.
 */
#ifndef MODEL_PEEL_H
#define MODEL_PEEL_H

#include "model/sketch.h"

/* One pair of a difference A - B: `net` more copies in A, or fewer. Never 0. */
struct duet_net {
    struct duet_id id;
    uint64_t content;
    int32_t net;
};

struct duet_nets {
    struct duet_net *items; /* ascending by (id, content) */
    size_t count;
};

enum duet_peeled {
    DUET_PEELED,      /* everything is listed */
    DUET_PEEL_BEYOND, /* more than this width can hold, or a pair beyond +-32,767 times */
    DUET_PEEL_NO_MEMORY
};

/* Takes the difference apart: `sketch` is left with what could not be listed (zero if all was).
 * *nets is the caller's, duet_nets_fini(); on DUET_PEEL_BEYOND it holds nothing: pairs of a
 * difference that does not come out to zero are no facts. */
enum duet_peeled duet_peel(struct duet_sketch *sketch, const struct duet_digest_key *key,
                           struct duet_nets *nets);
void duet_nets_fini(struct duet_nets *nets);

/* The same from the narrowest rung up: folds a copy to width 16, and goes on to the width that the
 * estimate asks for until the difference is listed or `difference` itself is too narrow. *width:
 * where it ended. Who has only a narrow one yet asks for the rungs instead (sketch_bytes.h). */
enum duet_peeled duet_peel_ladder(const struct duet_sketch *difference,
                                  const struct duet_digest_key *key, struct duet_nets *nets,
                                  uint32_t *width);

/* About how many copies the difference is, from the counts of its cells: 20 % off (rms) at width
 * 16, 10 % at 64. Sums of squares, so a pair with net c weighs c^2. */
double duet_sketch_estimate(const struct duet_sketch *sketch);

/* The width to ask for next: of 16, 64, 256, 1024, 4096 the least that is likely to list a
 * difference of that size and is more than `width`; 0 if there is none. */
uint32_t duet_sketch_next_width(uint32_t width, double estimate);

#endif
