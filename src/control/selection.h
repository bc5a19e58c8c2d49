/*
 * selection.h - which (group, partition) of a route a command is about, and what changing them
 * makes of the route. Pure but for reading a plan.
 */
#ifndef CONTROL_SELECTION_H
#define CONTROL_SELECTION_H

#include "control/change.h"

/* DT_EINVAL: no such route or group, a partition that a selected route does not have, or a text
 * that is neither a list nor a percentage. */
dt_status duet_selection_check(const struct duet_plan *plan,
                               const struct duet_change *change);

bool duet_selects_route(const struct duet_change *change,
                        const struct duet_plan_route *route);
bool duet_selects(const struct duet_change *change, const struct duet_plan_route *route,
                  const char *group, int32_t partition);
/* Only some groups or partitions of its routes. */
bool duet_selects_part(const struct duet_change *change);

/* Wishes `side` for what is selected; true if that changed anything. */
bool duet_selection_wish(const struct duet_change *change, struct duet_plan_route *route,
                         enum duet_side side);
/* How many (group, partition) of the route are wished live on RocketMQ, and how many there are. */
size_t duet_wishes_on_rocketmq(const struct duet_plan_route *route, size_t *all);

#endif
