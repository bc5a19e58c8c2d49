/*
 * differ.h - what the pairs of a difference mean: lost, extra, duplicate, altered, ...
 *
 * The pairs are those of one stage minus another (model/peel.h); what is known of an id beside
 * them (issued, cancelled, above all that its producer has told) is asked of the caller.
 *
 *   stored - issued, of an id x              verdict on that side
 *   (x, y) -1                                lost
 *   (x, y) +k                                duplicate, k further copies
 *   (x, y) -1 and (x, y') +k                 altered, and k - 1 duplicates
 *   any +k, x was cancelled                  extra
 *   any +k, nobody issued x                  foreign
 *   x is the tail of a producer that died    lost where it is missing, if the other side has it
 *
 * Pure. Lists grow by themselves and are the caller's.
 */
#ifndef MODEL_DIFFER_H
#define MODEL_DIFFER_H

#include "model/peel.h"

enum duet_difference_kind {
    DUET_DIFF_LOST,
    DUET_DIFF_EXTRA,
    DUET_DIFF_DUPLICATE,
    DUET_DIFF_ALTERED,
    DUET_DIFF_REORDERED,
    DUET_DIFF_RESULT,      /* both roles have processed it, with different results */
    DUET_DIFF_UNPROCESSED, /* by the role that reads `side` */
    DUET_DIFF_FOREIGN,
    DUET_DIFF_KINDS
};
const char *duet_difference_kind_name(enum duet_difference_kind kind); /* "lost", ... */

struct duet_difference {
    enum duet_difference_kind kind;
    enum duet_side side;  /* where it is wrong */
    struct duet_id id;    /* the first of a range that ends below sequence_to */
    uint64_t sequence_to; /* id.sequence + 1 for a single id */
    uint64_t copies; /* of each id: how many too many or too few; 1 for altered and so on */
    int64_t offset;  /* where an existing copy of the first id stands; -1: not located */
    uint64_t seen;   /* copies of the first id that were come upon while locating */
};

struct duet_differences {
    struct duet_difference *items;
    size_t count, capacity;
};
void duet_differences_init(struct duet_differences *list);
void duet_differences_fini(struct duet_differences *list);

/* What is known of an id beside the pairs. */
enum duet_known {
    DUET_KNOWN_ISSUED,
    DUET_KNOWN_CANCELLED, /* issued, then definitely not done: it is on no side */
    DUET_KNOWN_TAIL,      /* of a known boot, above all that it has told before it died */
    DUET_KNOWN_NOT        /* nobody issues it */
};
typedef enum duet_known (*duet_known_fn)(void *context, const struct duet_id *id);

/* Of stored - issued on both sides; either list may be empty. DT_ENOMEM. */
dt_status duet_differ_stored(struct duet_differences *list,
                             const struct duet_nets net[DUET_SIDES], duet_known_fn known,
                             void *context);

/* Of processing. `result`: results of the live role minus those of the shadow role, contents
 * being digests of results. `presence`: for each role, processed minus issued, both with content
 * 0. `side`: which side each role reads. */
dt_status duet_differ_processed(struct duet_differences *list,
                                const struct duet_nets *result,
                                const struct duet_nets presence[DUET_ROLES],
                                const enum duet_side side[DUET_ROLES]);

/* Sorts by side, kind and id, and makes one range of ids that follow each other with the same
 * verdict: what an outage leaves behind. */
void duet_differences_sort(struct duet_differences *list);

/* A scan came upon a copy of `id` at `offset` of a side: where it is the copy that a difference is
 * about (of a duplicate the second one, of what is lost the one on the other side), its place is
 * noted. The list is sorted; copies come in the order of their offsets. */
void duet_differences_locate(struct duet_differences *list, enum duet_side side,
                             const struct duet_id *id, int64_t offset);

/* ids in all: of ranges each. */
uint64_t duet_differences_ids(const struct duet_differences *list);

/* For a test of the tests: from now on in this thread the comparison that finds `kind` is left
 * out (DUET_DIFF_KINDS: none is). */
void duet_differ_without(enum duet_difference_kind kind);
bool duet_differ_is_without(enum duet_difference_kind kind);

/* Adds one; for model/order.c. */
dt_status duet_differences_add(struct duet_differences *list,
                               enum duet_difference_kind kind, enum duet_side side,
                               const struct duet_id *id, uint64_t copies);

#endif
