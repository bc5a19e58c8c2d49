/*
 * result.h - filling the result of a change; shared by advance and rollback.
 */
#ifndef CONTROL_RESULT_H
#define CONTROL_RESULT_H

#include "control/change.h"

/* `group` NULL: the whole route. */
dt_status duet_result_step(struct duet_change_result *result, const char *topic,
                           const char *group, enum duet_step from, enum duet_step to);
dt_status duet_result_refuse(struct duet_change_result *result,
                             const struct duet_gate *gate);
/* A refusal that is no gate of the model. */
dt_status duet_result_refuse_text(struct duet_change_result *result, const char *gate,
                                  const char *why, const char *value, const char *need);

/* "flights: dual-read -> switching (group g, partitions 0,1)" for the audit log. */
void duet_change_text(char *out, size_t size, const struct duet_change *change,
                      const struct duet_change_result *result);

/* The sides where trouble is the application's: the primary, and where a group is wished live. */
unsigned duet_critical_sides(const struct duet_plan_route *route);

/* Enters a step: what is written follows it. Whether it may is the caller's to know. */
void duet_route_enter(struct duet_plan_route *route, enum duet_step to, int64_t now_ms);

#endif
