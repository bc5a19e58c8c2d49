/*
 * idset.h - the exact set of ids that a role has processed (or a reader has seen).
 *
 * Per (kind, instance, boot) the end of what has been passed (one above the highest sequence)
 * and the holes below it, as intervals. A sequence in no hole and below the end is in the set.
 * Closed numbers (given up by their producer) count as passed. One set belongs to one
 * partition, so the partition of an id is not looked at.
 *
 * Pure. Sequences start anywhere: the first id of an entry makes everything below it a hole,
 * unless the entry was closed below.
 */
#ifndef MODEL_IDSET_H
#define MODEL_IDSET_H

#include "base/buf.h"
#include "model/id.h"

struct duet_interval {
    uint64_t from, to; /* [from, to) */
};

struct duet_idset_entry {
    uint8_t kind;
    uint32_t instance;
    uint16_t boot;
    uint64_t end;                /* one above the highest sequence in the set */
    struct duet_interval *holes; /* ascending, disjoint, not touching, below end */
    size_t hole_count, hole_capacity;
    uint32_t newest_window; /* of any id added; 0 if none had one */
    bool dirty;             /* changed since duet_idset_clean() */
};

struct duet_idset {
    struct duet_idset_entry *entries; /* sorted by (kind, instance, boot) */
    size_t count, capacity;
};

void duet_idset_init(struct duet_idset *set);
void duet_idset_fini(struct duet_idset *set);
/* *to becomes equal to *from; to is initialised. On DT_ENOMEM it is empty. */
dt_status duet_idset_copy(struct duet_idset *to, const struct duet_idset *from);

bool duet_idset_has(const struct duet_idset *set, const struct duet_id *id);

/* Adds; *added says whether it was new. DT_ENOMEM leaves the set as it was. */
dt_status duet_idset_add(struct duet_idset *set, const struct duet_id *id, uint32_t window,
                         bool *added);

/* [from, to) of the id's (kind, instance, boot) counts as passed from now on. */
dt_status duet_idset_close(struct duet_idset *set, const struct duet_id *id, uint64_t from,
                           uint64_t to);

/* Union into `set`. */
dt_status duet_idset_merge(struct duet_idset *set, const struct duet_idset *other);

/* How many ids are in the set: sum over the entries of end less holes. */
uint64_t duet_idset_size(const struct duet_idset *set);

const struct duet_idset_entry *duet_idset_find(const struct duet_idset *set, uint8_t kind,
                                               uint32_t instance, uint16_t boot);

/* Whether the number `at` of an entry (NULL: of one that is not there) is in the set, and where
 * the run of numbers of which that is true ends: *to > at. */
bool duet_idset_run(const struct duet_idset_entry *entry, uint64_t at, uint64_t *to);

/* Calls `visit` for each maximal interval of ids that is in `a` and not in `b`, ascending. */
typedef void (*duet_idset_visit_fn)(void *context, uint8_t kind, uint32_t instance,
                                    uint16_t boot, struct duet_interval interval);
void duet_idset_difference(const struct duet_idset *a, const struct duet_idset *b,
                           duet_idset_visit_fn visit, void *context);

/* An entry is stored as a row: its four numbers and the holes as bytes (varint gaps). The blob
 * of no holes is empty. Loading replaces an entry of the same name; DT_ECORRUPT for bytes that
 * are not ascending, disjoint and below the end. */
void duet_idset_entry_encode(const struct duet_idset_entry *entry, struct dt_buf *holes);
dt_status duet_idset_entry_load(struct duet_idset *set, uint8_t kind, uint32_t instance,
                                uint16_t boot, uint64_t end, uint32_t newest_window,
                                struct dt_span holes);
void duet_idset_clean(struct duet_idset *set); /* no entry is dirty any more */

#endif
