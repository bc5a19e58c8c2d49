/* snapshot_gates.c - hands a snapshot to the model's gates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "control/snapshot.h"

static struct duet_gate_instance *gate_instances(const struct duet_snapshot *snapshot)
{
    struct duet_gate_instance *out = calloc(snapshot->instance_count + 1, sizeof(*out));

    for (size_t i = 0; out != NULL && i < snapshot->instance_count; i++) {
        const struct duet_instance *instance = &snapshot->instances[i];

        snprintf(out[i].name, sizeof(out[i].name), "%s", instance->name);
        out[i].producer = instance->role == DUET_PRODUCER;
        out[i].closed = instance->closed;
        out[i].alive = duet_instance_alive(instance, snapshot->now_ms);
        out[i].plan = instance->plan;
        out[i].pending = instance->pending_messages;
    }
    return out;
}

static struct duet_gate_lag *gate_lags(const struct duet_snapshot *snapshot, size_t route,
                                       const char *group, size_t *count)
{
    const struct duet_plan_route *of = snapshot->routes[route].route;
    struct duet_gate_lag *out = calloc(of->group_count * DUET_ROLES + 1, sizeof(*out));

    *count = 0;
    for (size_t g = 0; out != NULL && g < of->group_count; g++)
        for (int role = 0; role < DUET_ROLES; role++) {
            struct duet_gate_lag *lag = &out[*count];

            if (group != NULL && strcmp(group, of->groups[g].name) != 0)
                continue;
            snprintf(lag->group, sizeof(lag->group), "%s", of->groups[g].name);
            lag->role = (enum duet_role)role;
            lag->lag = duet_snapshot_lag(snapshot, route, lag->group, lag->role, false);
            (*count)++;
        }
    return out;
}

dt_status duet_snapshot_gates(const struct duet_snapshot *snapshot, size_t route,
                              const struct duet_gate_limits *limits, const char *group,
                              struct duet_gate out[DUET_GATES_MAX], size_t *count)
{
    const struct duet_route_snapshot *of = &snapshot->routes[route];
    struct duet_gate_input input = {.step = of->route->step,
                                    .plan_version = snapshot->plan->version,
                                    .now_ms = snapshot->now_ms,
                                    .dual_write_since_ms = of->route->dual_write_since_ms,
                                    .limits = *limits,
                                    .instance_count = snapshot->instance_count,
                                    .tally = &of->tally,
                                    .settled_below = snapshot->settled_below};
    struct duet_gate_instance *instances = gate_instances(snapshot);
    struct duet_gate_lag *lags = gate_lags(snapshot, route, group, &input.lag_count);
    struct duet_lines windows;
    dt_status status = duet_lines_make(&of->tally, DUET_BY_WINDOW, &windows);

    *count = 0;
    if (status == DT_OK && (instances == NULL || lags == NULL))
        status = dt_error_set(DT_ENOMEM, "no memory for the gates");
    if (status == DT_OK) {
        input.instances = instances;
        input.lags = lags;
        input.windows = &windows;
        for (int side = 0; side < DUET_SIDES; side++)
            input.unreachable[side] = snapshot->unreachable[side];
        *count = duet_gates_check(&input, out);
    }
    duet_lines_fini(&windows);
    free(lags);
    free(instances);
    return status;
}
