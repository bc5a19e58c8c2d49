#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

void duet_plan_free(struct duet_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t r = 0; plan->routes != NULL && r < plan->route_count; r++) {
        struct duet_plan_route *route = &plan->routes[r];

        for (size_t g = 0; route->groups != NULL && g < route->group_count; g++)
            free(route->groups[g].wish);
        free(route->groups);
        free(route->queues);
    }
    free(plan->routes);
    free(plan);
}

static void *copy_array(const void *from, size_t count, size_t size)
{
    void *to = calloc(count > 0 ? count : 1, size);

    if (to != NULL && count > 0 && from != NULL)
        memcpy(to, from, count * size);
    return to;
}

struct duet_plan *duet_plan_copy(const struct duet_plan *plan)
{
    struct duet_plan *copy = copy_array(plan, 1, sizeof(*plan));

    if (copy == NULL)
        return NULL;
    copy->routes = calloc(plan->route_count + 1, sizeof(*copy->routes));
    if (copy->routes == NULL)
        goto failed;
    for (size_t r = 0; r < plan->route_count; r++) {
        const struct duet_plan_route *from = &plan->routes[r];
        struct duet_plan_route *to = &copy->routes[r];
        size_t partitions = (size_t)from->partitions;

        *to = *from;
        to->queues = copy_array(from->queues, partitions, sizeof(*to->queues));
        to->groups = calloc(from->group_count + 1, sizeof(*to->groups));
        if (to->queues == NULL || to->groups == NULL)
            goto failed;
        for (size_t g = 0; g < from->group_count; g++) {
            to->groups[g] = from->groups[g];
            to->groups[g].wish =
                copy_array(from->groups[g].wish, partitions, sizeof(*to->groups[g].wish));
            if (to->groups[g].wish == NULL)
                goto failed;
        }
    }
    return copy;

failed:
    duet_plan_free(copy);
    return NULL;
}

struct duet_plan_route *duet_plan_find(const struct duet_plan *plan, const char *topic)
{
    for (size_t r = 0; r < plan->route_count; r++)
        if (strcmp(plan->routes[r].topic, topic) == 0)
            return &plan->routes[r];
    return NULL;
}

struct duet_plan_group *duet_plan_find_group(const struct duet_plan_route *route,
                                             const char *group)
{
    for (size_t g = 0; g < route->group_count; g++)
        if (strcmp(route->groups[g].name, group) == 0)
            return &route->groups[g];
    return NULL;
}
