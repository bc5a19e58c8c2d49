#include "control/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "control/selection.h"

void duet_change_result_fini(struct duet_change_result *result)
{
    free(result->steps);
    free(result->refused);
    memset(result, 0, sizeof(*result));
}

dt_status duet_result_step(struct duet_change_result *result, const char *topic,
                           const char *group, enum duet_step from, enum duet_step to)
{
    struct duet_change_step *step;
    void *grown = realloc(result->steps, (result->step_count + 1) * sizeof(*result->steps));

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a result");
    result->steps = grown;
    step = &result->steps[result->step_count++];
    snprintf(step->topic, sizeof(step->topic), "%s", topic);
    snprintf(step->group, sizeof(step->group), "%s", group != NULL ? group : "");
    step->from = from;
    step->to = to;
    return DT_OK;
}

dt_status duet_result_refuse(struct duet_change_result *result,
                             const struct duet_gate *gate)
{
    void *grown =
        realloc(result->refused, (result->refused_count + 1) * sizeof(*result->refused));

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a result");
    result->refused = grown;
    result->refused[result->refused_count++] = *gate;
    return DT_OK;
}

dt_status duet_result_refuse_text(struct duet_change_result *result, const char *name,
                                  const char *why, const char *value, const char *need)
{
    struct duet_gate gate = {.holds = false};

    snprintf(gate.name, sizeof(gate.name), "%s", name);
    snprintf(gate.why, sizeof(gate.why), "%s", why);
    snprintf(gate.value, sizeof(gate.value), "%s", value);
    snprintf(gate.need, sizeof(gate.need), "%s", need);
    return duet_result_refuse(result, &gate);
}

void duet_change_text(char *out, size_t size, const struct duet_change *change,
                      const struct duet_change_result *result)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < result->step_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.100s: %s -> %s",
                                 i > 0 ? "; " : "", result->steps[i].topic,
                                 duet_step_name(result->steps[i].from),
                                 duet_step_name(result->steps[i].to));
    if (change->group != NULL && used < size)
        used += (size_t)snprintf(out + used, size - used, ", group %.100s", change->group);
    if (change->partitions != NULL && used < size)
        used += (size_t)snprintf(out + used, size - used, ", partitions %.60s",
                                 change->partitions);
    for (size_t i = 0; i < result->refused_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 i == 0 ? ", forced over " : ", ", result->refused[i].name);
}

unsigned duet_critical_sides(const struct duet_plan_route *route)
{
    unsigned critical = 1u << duet_write_primary(route->write);
    size_t all, on_rocketmq = duet_wishes_on_rocketmq(route, &all);

    if (on_rocketmq > 0)
        critical |= 1u << DUET_ROCKETMQ;
    if (on_rocketmq < all)
        critical |= 1u << DUET_KAFKA;
    return critical;
}

void duet_route_enter(struct duet_plan_route *route, enum duet_step to, int64_t now_ms)
{
    bool both_before = duet_write_has(route->write, DUET_ROCKETMQ);

    route->step = to;
    route->write = duet_step_write(to);
    if (!duet_write_has(route->write, DUET_ROCKETMQ))
        route->dual_write_since_ms = 0;
    else if (!both_before || route->dual_write_since_ms == 0)
        route->dual_write_since_ms = now_ms;
}
