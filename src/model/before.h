/*
 * before.h - whether a role has everything that a producer issued before one of its messages.
 *
 * Numbers are dense per (instance, boot), and links tell where a boot ended, so "everything
 * before" is: all lower numbers of the boot, and all numbers of the instance's earlier boots as
 * far as anybody has told of them. What is on neither side is not waited for.
 *
 * Pure.
 */
#ifndef MODEL_BEFORE_H
#define MODEL_BEFORE_H

#include "model/idset.h"

struct duet_before_view {
    const struct duet_idset *processed;
    enum duet_side side; /* that is read */
    /* By side: ids seen in its log, numbers known not to be there, boots known to be over. */
    const struct duet_idset *seen[DUET_SIDES], *absent[DUET_SIDES], *ended[DUET_SIDES];
    const struct duet_idset *given_up; /* numbers that were waited for long enough */
};

enum duet_before {
    DUET_BEFORE_DONE,    /* nothing is missing: the message may be processed */
    DUET_BEFORE_MISSING, /* something is, and neither side has shown it so far */
    DUET_BEFORE_OTHER    /* something is, and the log of the side that is not read has it */
};

/* Ids that are not issued (kinds 1 and 2) come after nothing: DUET_BEFORE_DONE. Where all of the
 * boot is in the set up to the id, as nearly always, it takes one look-up. */
enum duet_before duet_before_find(const struct duet_before_view *view,
                                  const struct duet_id *id);

/* Calls `visit` for each interval of numbers that are missing before the id, by boot. */
void duet_before_each(const struct duet_before_view *view, const struct duet_id *id,
                      duet_idset_visit_fn visit, void *context);

#endif
