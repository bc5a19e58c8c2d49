#include "control/selection.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

bool duet_selects_route(const struct duet_change *change,
                        const struct duet_plan_route *route)
{
    if (change->topic != NULL && strcmp(change->topic, route->topic) != 0)
        return false;
    return change->group == NULL || duet_plan_find_group(route, change->group) != NULL;
}

bool duet_selects_part(const struct duet_change *change)
{
    return change->group != NULL || change->partitions != NULL;
}

/* "25%": how many of the lowest numbers; at least one. False if the text is no percentage. */
static bool parse_percent(const char *text, int32_t partitions, int32_t *count)
{
    char *end;
    long percent = strtol(text, &end, 10);

    if (end == text || strcmp(end, "%") != 0 || percent < 1 || percent > 100)
        return false;
    *count = (int32_t)(((int64_t)partitions * percent + 99) / 100);
    return true;
}

/* Whether the list names the partition; *valid is false if it is no list of numbers below
 * `partitions`. */
static bool list_has(const char *text, int32_t partitions, int32_t partition, bool *valid)
{
    bool found = false;

    *valid = true;
    for (const char *at = text;;) {
        char *end;
        long number = strtol(at, &end, 10);

        if (end == at || at[0] < '0' || at[0] > '9' || number >= partitions ||
            (*end != ',' && *end != '\0')) {
            *valid = false;
            return false;
        }
        if (number == partition)
            found = true;
        if (*end == '\0')
            return found;
        at = end + 1;
    }
}

bool duet_selects(const struct duet_change *change, const struct duet_plan_route *route,
                  const char *group, int32_t partition)
{
    int32_t count;
    bool valid;

    if (!duet_selects_route(change, route) ||
        (change->group != NULL && strcmp(change->group, group) != 0))
        return false;
    if (change->partitions == NULL)
        return true;
    if (parse_percent(change->partitions, route->partitions, &count))
        return partition < count;
    return list_has(change->partitions, route->partitions, partition, &valid);
}

dt_status duet_selection_check(const struct duet_plan *plan,
                               const struct duet_change *change)
{
    bool any = false;

    if (change->topic != NULL && duet_plan_find(plan, change->topic) == NULL)
        return dt_error_set(DT_EINVAL, "there is no route of topic '%s' in the plan",
                            change->topic);
    for (size_t r = 0; r < plan->route_count; r++) {
        const struct duet_plan_route *route = &plan->routes[r];
        int32_t count;
        bool valid;

        if (!duet_selects_route(change, route))
            continue;
        any = true;
        if (change->partitions == NULL ||
            parse_percent(change->partitions, route->partitions, &count))
            continue;
        (void)list_has(change->partitions, route->partitions, 0, &valid);
        if (!valid)
            return dt_error_set(
                DT_EINVAL,
                "--partitions '%s' is neither a list of numbers from 0 to %d "
                "(as 0,2,3) nor a percentage from 1%% to 100%%",
                change->partitions, (int)route->partitions - 1);
    }
    if (!any)
        return dt_error_set(DT_EINVAL, "no route%s%s lists the group '%s'",
                            change->topic != NULL ? " of topic " : "",
                            change->topic != NULL ? change->topic : "",
                            change->group != NULL ? change->group : "");
    return DT_OK;
}

bool duet_selection_wish(const struct duet_change *change, struct duet_plan_route *route,
                         enum duet_side side)
{
    bool changed = false;

    for (size_t g = 0; g < route->group_count; g++)
        for (int32_t p = 0; p < route->partitions; p++) {
            enum duet_side *wish = &route->groups[g].wish[p];

            if (*wish == side || !duet_selects(change, route, route->groups[g].name, p))
                continue;
            *wish = side;
            changed = true;
        }
    return changed;
}

size_t duet_wishes_on_rocketmq(const struct duet_plan_route *route, size_t *all)
{
    size_t count = 0;

    *all = route->group_count * (size_t)route->partitions;
    for (size_t g = 0; g < route->group_count; g++)
        for (int32_t p = 0; p < route->partitions; p++)
            count += route->groups[g].wish[p] == DUET_ROCKETMQ;
    return count;
}
