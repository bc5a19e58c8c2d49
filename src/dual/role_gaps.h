/*
 * role_gaps.h - what links tell a role about missing numbers, and which of those stay missing.
 *
 * A number that nothing explains is a gap. It is listed once it has been one for `hold.ms`, and
 * listed as resolved when it came, or was explained, after all: the ledger then counts none that
 * is not missing. The list is found again in the sink's own ledger after a restart.
 *
 * Thread: the role's.
 */
#ifndef DUAL_ROLE_GAPS_H
#define DUAL_ROLE_GAPS_H

#include "dual/role.h"
#include "model/gap.h"

struct duet_role_gap {
    struct duet_gap gap;
    enum duet_side side;
    int64_t since_ms; /* monotonic */
    int64_t position; /* of the ledger entry, when it is listed */
    bool listed;
};

/* Enters what the record's link says, whichever side it was read from: void numbers count as
 * processed, absent and ended ones are known. */
dt_status duet_role_take_link(struct duet_role_thread *role, struct duet_part *part,
                              enum duet_side side, const struct duet_read_record *record);

/* The first record of a boot in a log whose beginning is gone: what was before it is not missed. */
dt_status duet_role_begin_boot(struct duet_part *part, enum duet_side side,
                               const struct duet_read_record *record);

/* Looks what is missing now, from time to time; lists and resolves in the open transaction. */
dt_status duet_role_watch_gaps(struct duet_role_thread *role, struct duet_part *part);

/* After the state was loaded: what the store has listed. */
dt_status duet_role_load_gaps(struct duet_role_thread *role, struct duet_part *part);
void duet_role_forget_gaps(struct duet_part *part);

#endif
