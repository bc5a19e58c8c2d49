#include "control/waiting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "control/selection.h"

#define LOOK_MS 50

struct look { /* what the store says now */
    struct duet_instance *instances;
    size_t instance_count;
    int64_t now_ms;
    char who[400]; /* who has not; "" if everybody has */
};

static void check_plans(struct look *look, int64_t version, enum duet_wait_for what)
{
    for (size_t i = 0; i < look->instance_count && look->who[0] == '\0'; i++) {
        const struct duet_instance *instance = &look->instances[i];
        bool producer = instance->role == DUET_PRODUCER;

        bool alive = duet_instance_alive(instance, look->now_ms);

        /* a producer that is cut off from the store may go on by the plan it knows */
        if (what == DUET_WAIT_PRODUCERS ? !producer || instance->closed : !alive)
            continue;
        if (instance->plan >= version)
            continue;
        snprintf(look->who, sizeof(look->who),
                 "%s '%.100s' still works by plan %" PRId64 ", not %" PRId64 "%s",
                 producer ? "producer" : "consumer", instance->name, instance->plan,
                 version, alive ? "" : ", and has not been heard of lately");
    }
}

static bool is_carried_out(const struct duet_role_report *reports, size_t count,
                           const char *group, int32_t partition, enum duet_side wish)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].role == DUET_LIVE && reports[i].partition == partition &&
            strcmp(reports[i].group, group) == 0)
            return reports[i].side == wish;
    return false;
}

/* Whether a consumer of this group's name must be one of this route: another route may list a
 * group of the same name, and a living consumer is of one of them. */
static bool is_expected(const struct duet_plan *plan, const struct duet_plan_route *route,
                        const char *group, const struct duet_role_report *reports,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(reports[i].group, group) == 0)
            return true;
    for (size_t r = 0; r < plan->route_count; r++)
        if (&plan->routes[r] != route &&
            duet_plan_find_group(&plan->routes[r], group) != NULL)
            return false;
    return true;
}

/* A group without a living consumer carries its wishes out when one starts. */
static void check_group(struct look *look, const struct duet_plan *plan,
                        const struct duet_plan_route *route,
                        const struct duet_plan_group *group,
                        const struct duet_role_report *reports, size_t count)
{
    const struct duet_instance *consumer = duet_find_consumer(
        look->instances, look->instance_count, group->name, look->now_ms);

    if (consumer == NULL || !is_expected(plan, route, group->name, reports, count))
        return;
    for (int32_t p = 0; p < route->partitions && look->who[0] == '\0'; p++)
        if (!is_carried_out(reports, count, group->name, p, group->wish[p]))
            snprintf(
                look->who, sizeof(look->who),
                "consumer '%.80s' has not moved partition %d of %.100s for group %.80s "
                "to %s",
                consumer->name, (int)p, route->topic, group->name,
                duet_side_name(group->wish[p]));
}

static dt_status look_once(struct duet_store *store, const struct duet_plan *plan,
                           const struct duet_change *change, enum duet_wait_for what,
                           struct look *look)
{
    dt_status status = duet_store_instances(store, &look->instances, &look->instance_count);

    look->now_ms = dt_clock_wall_ms();
    look->who[0] = '\0';
    if (status != DT_OK)
        return status;
    check_plans(look, plan->version, what);
    for (size_t r = 0; r < plan->route_count && what == DUET_WAIT_ALL; r++) {
        const struct duet_plan_route *route = &plan->routes[r];
        struct duet_role_report *reports;
        size_t count;

        if (look->who[0] != '\0' || !duet_selects_route(change, route))
            continue;
        status = duet_store_role_reports(store, route->topic, &reports, &count);
        if (status != DT_OK)
            break;
        for (size_t g = 0; g < route->group_count; g++)
            check_group(look, plan, route, &route->groups[g], reports, count);
        free(reports);
    }
    free(look->instances);
    look->instances = NULL;
    return status;
}

dt_status duet_wait(struct duet_store *store, const struct duet_plan *plan,
                    const struct duet_change *change, enum duet_wait_for what,
                    int64_t wait_ms)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    int64_t until_ms = dt_clock_ms() + wait_ms;

    for (;;) {
        struct look look = {0};
        dt_status status = look_once(store, plan, change, what, &look);

        if (status != DT_OK || look.who[0] == '\0')
            return status;
        if (change->interrupted != NULL && change->interrupted())
            return dt_error_set(DT_ECLOSED, "interrupted while waiting: %s; the wish stays",
                                look.who);
        if (dt_clock_ms() >= until_ms)
            return dt_error_set(DT_ETIMEDOUT, "%s", look.who);
        nanosleep(&pause, NULL);
    }
}
