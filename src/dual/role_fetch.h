/*
 * role_fetch.h - processes from the side that is not read what the other never had.
 *
 * The keeper leaves ids beside its cursor that are not in the set (model/exceptions.h). One that
 * nothing has brought for `consumer.hold.ms`, since the side that is read went beyond the place
 * where it should have been, is read again where the keeper found it and processed from there, in
 * an ordinary commit, after everything that its producer issued before; it is listed as fetched.
 * So a switch is exact whatever is missing on the side that is read.
 *
 * Thread: the role's.
 */
#ifndef DUAL_ROLE_FETCH_H
#define DUAL_ROLE_FETCH_H

#include "dual/role.h"

/* Starts to fetch if something is due and the keeper does not fetch already. */
void duet_role_start_fetch(struct duet_role_thread *role, struct duet_part *part);

/* What came while the keeper fetches: records, or that its place is outside the log. */
dt_status duet_role_take_fetched(struct duet_role_thread *role, struct duet_part *part,
                                 enum duet_side side, const struct duet_read_batch *batch,
                                 size_t *handled);

/* Before a commit: puts what was fetched into the ledger. */
dt_status duet_role_list_fetched(struct duet_role_thread *role, struct duet_part *part);

/* The first `count` that were left are not in the log any more: lists and forgets them. */
dt_status duet_role_purge_left(struct duet_role_thread *role, struct duet_part *part,
                               enum duet_side side, size_t count);

#endif
