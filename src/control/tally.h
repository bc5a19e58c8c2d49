/*
 * tally.h - fills the model's tally of a route from the control store; part of a snapshot.
 */
#ifndef CONTROL_TALLY_H
#define CONTROL_TALLY_H

#include "control/snapshot.h"

/* Fills of->tally and of->log_end; plan, instances, ledger and of->reports are there. What was
 * allocated is duet_tally_fini()'s, also after a failure. */
dt_status duet_tally_load(struct duet_store *store, const struct duet_snapshot *snapshot,
                          struct duet_route_snapshot *of);

/* Windows below: the living producer has nothing under way in them, and fixes no id. */
uint32_t duet_instance_settled(const struct duet_instance *instance);

#endif
