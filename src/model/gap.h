/*
 * gap.h - which numbers a role should have and has not.
 *
 * A producer's numbers are dense per boot and partition, so one that is missing between two is
 * seen as soon as the later one is read. It is a gap unless something explains it:
 *
 *   - it is in the processed set (void numbers are put there);
 *   - it is known to be absent on the side that is read: nobody waits for it there;
 *   - it lies above everything that either side has shown of its boot: then it was fixed by a
 *     process that died with it. Only of a boot that a link says is over is anything above the
 *     highest number of the side that is read looked at: until then it may be on its way.
 *
 * Derived ids (kinds 1 and 2) are positions, and have gaps of their own: they are left out.
 *
 * Pure.
 */
#ifndef MODEL_GAP_H
#define MODEL_GAP_H

#include "model/idset.h"
#include "model/link.h"

struct duet_gap {
    struct duet_id id; /* the first; the partition is not filled */
    uint64_t to;       /* one above the last */
};

struct duet_gap_view {
    const struct duet_idset *processed;
    const struct duet_idset *seen, *absent, *ended; /* of the side that is read */
    const struct duet_idset *seen_other;
};

/* By boot and number. @param out the caller's, free(); NULL when there are none. DT_ENOMEM. */
dt_status duet_gaps_find(const struct duet_gap_view *view, struct duet_gap **out,
                         size_t *count);

#endif
