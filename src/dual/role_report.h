/*
 * role_report.h - from the role's thread to the control store: what it has read and done.
 *
 * The role copies what changed while it is still marked as changed (collect), shows it after
 * the commit (publish), and the reporter sends it. All numbers are absolute.
 */
#ifndef DUAL_ROLE_REPORT_H
#define DUAL_ROLE_REPORT_H

#include "dual/role.h"

/* Before a save: notes the counters that the save is about to write. */
void duet_role_collect(struct duet_role_thread *role, struct duet_part *part);
/* After a load: everything is to be sent again. */
void duet_role_collect_all(struct duet_role_thread *role, struct duet_part *part);
/* After a commit: the positions, and new entries of the sink's ledger. */
dt_status duet_role_publish(struct duet_role_thread *role);

#endif
