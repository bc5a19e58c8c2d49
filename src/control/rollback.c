/*
 * rollback.c - the way back: wishes at once, then what the step no longer needs.
 *
 * A takeover waits for nobody: the wishes are written before anything is asked. Only what comes
 * after (rocketmq no longer critical, no longer written, no shadow) waits until the living
 * instances have left RocketMQ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "control/change.h"
#include "control/result.h"
#include "control/selection.h"
#include "control/waiting.h"

#define TRIES 5

struct returning {
    struct duet_store *store;
    const struct duet_change *change;
    struct duet_change_result *result;
    struct duet_plan *plan; /* as it is, then as it is to be */
    bool changed;
};

static dt_status check(const struct duet_change *change,
                       const struct duet_plan_route *route)
{
    if (route->step == DUET_STEP_FINISHED)
        return dt_error_set(
            DT_ESTATE,
            "topic %s is finished: Kafka is not written any more, there is no "
            "way back",
            route->topic);
    if (!change->has_to)
        return DT_OK;
    if (change->to > DUET_STEP_DUAL_READ)
        return dt_error_set(
            DT_EINVAL, "--to %s: the way back leads to dual-read, dual-write or planned",
            duet_step_name(change->to));
    if (change->to > route->step)
        return dt_error_set(DT_EINVAL, "topic %s is at %s: --to %s would be a step forward",
                            route->topic, duet_step_name(route->step),
                            duet_step_name(change->to));
    if (change->to < DUET_STEP_DUAL_READ && duet_selects_part(change))
        return dt_error_set(DT_EINVAL,
                            "--to %s is for whole routes, not for a group or partitions",
                            duet_step_name(change->to));
    return DT_OK;
}

/* The step that a route has once the selected part is live on Kafka again. */
static enum duet_step step_after(const struct duet_plan_route *route)
{
    size_t all;

    if (route->step <= DUET_STEP_DUAL_READ)
        return route->step;
    return duet_wishes_on_rocketmq(route, &all) > 0 ? DUET_STEP_SWITCHING
                                                    : DUET_STEP_DUAL_READ;
}

/* Wishes and steps of the first update; the result names the whole way. */
static dt_status aim(struct returning *returning)
{
    const struct duet_change *change = returning->change;
    dt_status status = duet_selection_check(returning->plan, change);

    duet_change_result_fini(returning->result);
    returning->result->done = true;
    returning->changed = false;
    for (size_t r = 0; r < returning->plan->route_count && status == DT_OK; r++) {
        struct duet_plan_route *route = &returning->plan->routes[r];
        enum duet_step from = route->step, to;
        bool wished;

        if (!duet_selects_route(change, route))
            continue;
        status = check(change, route);
        if (status != DT_OK)
            return status;
        wished = duet_selection_wish(change, route, DUET_KAFKA);
        to = step_after(route);
        if (wished || to != from) {
            returning->changed = true;
            duet_route_enter(route, to, dt_clock_wall_ms());
            route->critical |= duet_critical_sides(route);
        }
        if (change->has_to && change->to < to)
            to = change->to;
        if (wished || to != from)
            status =
                duet_result_step(returning->result, route->topic, change->group, from, to);
    }
    return status;
}

static dt_status update(struct returning *returning)
{
    char text[480];

    duet_change_text(text, sizeof(text), returning->change, returning->result);
    return duet_store_plan_update(returning->store, returning->plan, "rollback", text,
                                  returning->change->reason);
}

/* What no longer holds now that the living instances have left RocketMQ. True if there is any. */
static bool tidy(struct returning *returning)
{
    const struct duet_change *change = returning->change;
    bool changed = false;

    for (size_t r = 0; r < returning->plan->route_count; r++) {
        struct duet_plan_route *route = &returning->plan->routes[r];
        unsigned critical;

        if (!duet_selects_route(change, route))
            continue;
        if (change->has_to && change->to < route->step) {
            duet_route_enter(route, change->to, dt_clock_wall_ms());
            changed = true;
        }
        critical = duet_critical_sides(route);
        changed = changed || critical != route->critical;
        route->critical = critical;
    }
    return changed;
}

static dt_status wait(struct returning *returning)
{
    const struct duet_change *change = returning->change;
    dt_status status = duet_wait(returning->store, returning->plan, change, DUET_WAIT_ALL,
                                 change->wait_ms);
    char why[256];

    if (status != DT_ETIMEDOUT)
        return status;
    snprintf(why, sizeof(why), "%s", dt_error_text());
    returning->result->done = false;
    return duet_result_refuse_text(returning->result, "carried-out", why, "not all",
                                   "all living");
}

/* One try; DT_ECONFLICT: somebody else changed the plan in between. */
static dt_status go_back(struct returning *returning)
{
    dt_status status;

    duet_plan_free(returning->plan);
    status = duet_store_plan_load(returning->store, &returning->plan);
    if (status == DT_OK)
        status = aim(returning);
    if (status != DT_OK || returning->change->dry_run)
        return status;
    if (returning->changed)
        status = update(returning);
    if (status == DT_OK)
        status = wait(returning);
    if (status != DT_OK || !returning->result->done || !tidy(returning))
        return status;
    status = update(returning);
    return status == DT_OK ? wait(returning) : status;
}

dt_status duet_rollback(struct duet_store *store, const struct duet_change *change,
                        struct duet_change_result *result)
{
    struct returning returning = {store, change, result, NULL, false};
    struct duet_change_result first = {0};
    dt_status status = DT_ECONFLICT;

    memset(result, 0, sizeof(*result));
    for (int i = 0; i < TRIES && status == DT_ECONFLICT; i++) {
        status = go_back(&returning);
        if (status == DT_ECONFLICT && first.step_count == 0) {
            first = *result; /* the way may be half done: what was begun is told, too */
            memset(result, 0, sizeof(*result));
        }
    }
    if (status == DT_OK && result->step_count == 0 && first.step_count > 0) {
        first.done = result->done;
        duet_change_result_fini(result);
        *result = first;
        memset(&first, 0, sizeof(first));
    }
    duet_change_result_fini(&first);
    duet_plan_free(returning.plan);
    if (status != DT_OK)
        duet_change_result_fini(result);
    return status;
}
