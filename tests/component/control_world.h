/*
 * control_world.h - a control store in a temporary folder, and threads that play instances.
 *
 * An actor polls the plan as a real instance does, confirms it, and (a consumer) carries wishes
 * out and reports. It can be told to be deaf (alive, but adopts nothing) or stubborn (adopts, but
 * carries nothing out). Include after <cmocka.h>.
 */
#ifndef COMPONENT_CONTROL_WORLD_H
#define COMPONENT_CONTROL_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "control/change.h"

enum { PARTITIONS = 4, SEEN_MAX = 64 };

struct seen { /* a plan that an actor adopted */
    unsigned critical;
    size_t wishes; /* on rocketmq, of all groups */
    enum duet_step step;
};

struct actor {
    const char *url;
    char name[64], group[64];                 /* group "": a producer */
    atomic_bool stop, deaf, stubborn, silent; /* silent: no heartbeat either */
    atomic_int lags_ms;                       /* adopts a plan so much later */
    struct seen seen[SEEN_MAX];
    atomic_int seen_count;
    pthread_t thread;
};

struct world {
    char folder[64], url[96];
    struct duet_store *store;
    struct duet_gate_limits limits;
    struct actor actors[8];
    size_t actor_count;
};

static inline void pause_ms(long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

/* One route "t" of four partitions with groups g and h. */
static inline struct duet_plan *world_plan(void)
{
    struct duet_plan *plan = calloc(1, sizeof(*plan));
    struct duet_plan_route *route;

    assert_non_null(plan);
    plan->routes = calloc(1, sizeof(*plan->routes));
    plan->route_count = 1;
    snprintf(plan->migration, sizeof(plan->migration), "m");
    snprintf(plan->timezone, sizeof(plan->timezone), "UTC");
    plan->key_number = 1;
    snprintf(plan->key_fingerprint, sizeof(plan->key_fingerprint), "0123456789abcdef");
    route = &plan->routes[0];
    snprintf(route->topic, sizeof(route->topic), "t");
    snprintf(route->rocketmq_topic, sizeof(route->rocketmq_topic), "t");
    route->topic_number = 1;
    route->partitions = PARTITIONS;
    route->queues = calloc(PARTITIONS, sizeof(*route->queues));
    route->groups = calloc(2, sizeof(*route->groups));
    for (size_t g = 0; g < 2; g++) {
        snprintf(route->groups[g].name, sizeof(route->groups[g].name), "%s",
                 g == 0 ? "g" : "h");
        route->groups[g].wish = calloc(PARTITIONS, sizeof(*route->groups[g].wish));
    }
    route->group_count = 2;
    return plan;
}

static inline void world_open(struct world *world)
{
    struct duet_plan *plan = world_plan();
    bool created;

    memset(world, 0, sizeof(*world));
    snprintf(world->folder, sizeof(world->folder), "/tmp/duet-control-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->url, sizeof(world->url), "sqlite:%s/duet.db", world->folder);
    assert_int_equal(duet_store_open(world->url, true, &world->store), DT_OK);
    assert_int_equal(duet_store_plan_init(world->store, plan, &created), DT_OK);
    assert_true(created);
    world->limits.lag_max = 1000;
    duet_plan_free(plan);
}

/* ---- actors ---- */

static inline void actor_note(struct actor *actor, const struct duet_plan *plan)
{
    const struct duet_plan_route *route = &plan->routes[0];
    int at = atomic_load(&actor->seen_count);

    if (at == SEEN_MAX)
        return;
    actor->seen[at].critical = route->critical;
    actor->seen[at].step = route->step;
    actor->seen[at].wishes = 0;
    for (size_t g = 0; g < route->group_count; g++)
        for (int32_t p = 0; p < route->partitions; p++)
            actor->seen[at].wishes += route->groups[g].wish[p] == DUET_ROCKETMQ;
    atomic_store(&actor->seen_count, at + 1);
}

static inline void actor_report(struct actor *actor, struct duet_store *store,
                                const struct duet_plan *plan, enum duet_side *side,
                                int64_t *version)
{
    const struct duet_plan_group *group =
        duet_plan_find_group(&plan->routes[0], actor->group);

    for (int32_t p = 0; group != NULL && p < PARTITIONS; p++)
        for (int role = 0; role < DUET_ROLES; role++) {
            struct duet_role_report report = {.partition = p, .role = (enum duet_role)role};

            if (!atomic_load(&actor->stubborn))
                side[p] = group->wish[p];
            snprintf(report.topic, sizeof(report.topic), "t");
            snprintf(report.group, sizeof(report.group), "%s", actor->group);
            report.side = role == DUET_LIVE ? side[p] : duet_other_side(side[p]);
            report.version = (*version)++;
            report.updated_ms = dt_clock_wall_ms();
            (void)duet_store_role_report(store, &report, NULL);
        }
}

static inline void *actor_run(void *context)
{
    struct actor *actor = context;
    struct duet_store *store = NULL;
    struct duet_plan *plan = NULL;
    enum duet_side side[PARTITIONS] = {DUET_KAFKA};
    int64_t version = 1, told_ms = 0;

    if (duet_store_open(actor->url, false, &store) != DT_OK)
        return NULL;
    while (!atomic_load(&actor->stop)) {
        int64_t current;
        bool adopted = false;

        if ((plan == NULL || !atomic_load(&actor->deaf)) &&
            duet_store_plan_version(store, &current) == DT_OK &&
            (plan == NULL || plan->version != current)) {
            if (plan != NULL)
                pause_ms(atomic_load(&actor->lags_ms));
            duet_plan_free(plan);
            plan = NULL;
            if (duet_store_plan_load(store, &plan) == DT_OK)
                actor_note(actor, plan);
            adopted = true;
        }
        if (plan != NULL && !atomic_load(&actor->silent) &&
            (adopted || dt_clock_ms() - told_ms > 200)) {
            struct duet_instance instance = {
                .role = actor->group[0] == '\0' ? DUET_PRODUCER : DUET_CONSUMER,
                .number = 1,
                .boot = 1,
                .plan = plan->version,
                .heartbeat_ms = dt_clock_wall_ms()};

            snprintf(instance.name, sizeof(instance.name), "%s", actor->name);
            snprintf(instance.group, sizeof(instance.group), "%s", actor->group);
            instance.window = duet_window_of(instance.heartbeat_ms);
            (void)duet_store_heartbeat(store, &instance);
            if (actor->group[0] != '\0')
                actor_report(actor, store, plan, side, &version);
            told_ms = dt_clock_ms();
        }
        pause_ms(10);
    }
    duet_plan_free(plan);
    duet_store_close(store);
    return NULL;
}

/* `group` NULL: a producer. Returns when it has adopted its first plan. */
static inline struct actor *world_actor(struct world *world, const char *name,
                                        const char *group)
{
    struct actor *actor = &world->actors[world->actor_count++];

    actor->url = world->url;
    snprintf(actor->name, sizeof(actor->name), "%s", name);
    snprintf(actor->group, sizeof(actor->group), "%s", group != NULL ? group : "");
    assert_int_equal(pthread_create(&actor->thread, NULL, actor_run, actor), 0);
    for (int i = 0; i < 500 && atomic_load(&actor->seen_count) == 0; i++)
        pause_ms(10);
    assert_true(atomic_load(&actor->seen_count) > 0);
    return actor;
}

static inline void world_close(struct world *world)
{
    char command[160];

    for (size_t i = 0; i < world->actor_count; i++) {
        atomic_store(&world->actors[i].stop, true);
        pthread_join(world->actors[i].thread, NULL);
    }
    duet_store_close(world->store);
    snprintf(command, sizeof(command), "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

/* ---- asking ---- */

static inline struct duet_plan_route world_route(struct world *world, unsigned *live)
{
    struct duet_plan *plan;
    struct duet_plan_route route;

    assert_int_equal(duet_store_plan_load(world->store, &plan), DT_OK);
    route = plan->routes[0];
    *live = 0; /* a bit per (group, partition) wished on rocketmq */
    for (size_t g = 0; g < route.group_count; g++)
        for (int32_t p = 0; p < route.partitions; p++)
            if (route.groups[g].wish[p] == DUET_ROCKETMQ)
                *live |= 1u << (g * PARTITIONS + (size_t)p);
    route.queues = NULL; /* freed with the plan */
    route.groups = NULL;
    duet_plan_free(plan);
    return route;
}

static inline void world_expect(struct world *world, enum duet_step step, unsigned live,
                                unsigned critical)
{
    unsigned is_live;
    struct duet_plan_route route = world_route(world, &is_live);

    assert_int_equal(route.step, step);
    assert_int_equal(is_live, live);
    assert_int_equal(route.critical, critical);
    assert_int_equal(route.write, duet_step_write(step));
    assert_true((route.dual_write_since_ms > 0) == (step > DUET_STEP_PLANNED));
}

/* A command that must go through. */
static inline void world_go(struct world *world, bool forward, struct duet_change change)
{
    struct duet_change_result result;
    dt_status status;

    if (change.wait_ms == 0)
        change.wait_ms = 10000;
    status = forward ? duet_advance(world->store, NULL, &world->limits, &change, &result)
                     : duet_rollback(world->store, &change, &result);
    if (status != DT_OK)
        fail_msg("%s", dt_error_text());
    if (!result.done)
        fail_msg("%s: %s", result.refused[0].name, result.refused[0].why);
    duet_change_result_fini(&result);
}

/* As far as dual-read. */
static inline void world_dual_read(struct world *world)
{
    world_go(world, true, (struct duet_change){0});
    world_go(world, true, (struct duet_change){0});
    world_expect(world, DUET_STEP_DUAL_READ, 0, 1u << DUET_KAFKA);
}

#define KAFKA_CRITICAL    (1u << DUET_KAFKA)
#define ROCKETMQ_CRITICAL (1u << DUET_ROCKETMQ)
#define BOTH_CRITICAL     (1u << DUET_KAFKA | 1u << DUET_ROCKETMQ)

#endif
