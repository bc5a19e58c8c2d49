/* advance.c - one step forward; the order of a switch stands in change.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "control/change.h"
#include "control/result.h"
#include "control/selection.h"
#include "control/waiting.h"

#define TRIES      5     /* somebody else changed the plan in between: all over again */
#define COUNT_MS   20000 /* for counting the logs to their ends */
#define SETTLE_MS  3000  /* readers may still be reporting what they have read */
#define SETTLE_GAP 300

struct advancing {
    struct duet_store *store;
    struct duet_log_count *counter;
    const struct duet_gate_limits *limits;
    const struct duet_change *change;
    struct duet_change_result *result;
    struct duet_snapshot *snapshot;
    struct duet_plan *next; /* what the plan is to become */
    bool moves, switches;   /* some route gets another step or wish; to RocketMQ */
    bool judges_counts;     /* some selected route is far enough for that gate */
};

/* ---- what is to be ---- */

/* The whole route goes one step, a part of it goes live on RocketMQ. */
static dt_status aim(const struct duet_change *change, struct duet_plan_route *route,
                     bool *changed)
{
    enum duet_step to;
    size_t all;

    *changed = false;
    if (duet_selects_part(change) && route->step < DUET_STEP_DUAL_READ)
        return dt_error_set(DT_EINVAL,
                            "topic %s is at %s: groups and partitions move one by one from "
                            "dual-read on",
                            route->topic, duet_step_name(route->step));
    if (!duet_step_next(route->step, &to))
        return DT_OK; /* refused by the caller */
    if (to == DUET_STEP_SWITCHED) {
        *changed = duet_selection_wish(change, route, DUET_ROCKETMQ);
        if (duet_wishes_on_rocketmq(route, &all) < all)
            to = DUET_STEP_SWITCHING;
        if (!*changed && to == DUET_STEP_SWITCHING)
            return DT_OK; /* that part is there already */
    }
    *changed = true;
    duet_route_enter(route, to, dt_clock_wall_ms());
    return DT_OK;
}

static dt_status refuse_end(struct advancing *advancing,
                            const struct duet_plan_route *route)
{
    char why[400];

    snprintf(
        why, sizeof(why),
        route->step == DUET_STEP_FINISHED
            ? "topic %.200s is finished: nothing comes after"
            : "topic %.200s is switched: what is left is the point of no return, `duet "
              "finish`",
        route->topic);
    return duet_result_refuse_text(advancing->result, "finish", why,
                                   duet_step_name(route->step), "duet finish");
}

/* Judges one route's gates; what does not hold goes among the refused. */
static dt_status judge(struct advancing *advancing, size_t route, bool *refused)
{
    struct duet_gate gates[DUET_GATES_MAX];
    size_t count;
    dt_status status = duet_snapshot_gates(advancing->snapshot, route, advancing->limits,
                                           advancing->change->group, gates, &count);

    *refused = false;
    for (size_t i = 0; i < count && status == DT_OK; i++) {
        if (gates[i].holds)
            continue;
        *refused = true;
        status = duet_result_refuse(advancing->result, &gates[i]);
    }
    return status;
}

static dt_status plan_route(struct advancing *advancing, size_t r)
{
    const struct duet_change *change = advancing->change;
    struct duet_plan_route *route = &advancing->next->routes[r];
    const struct duet_plan_route *now = &advancing->snapshot->plan->routes[r];
    bool changed, refused;
    dt_status status = aim(change, route, &changed);

    if (status != DT_OK)
        return status;
    if (now->step >= DUET_STEP_SWITCHED) {
        advancing->result->done = false;
        return refuse_end(advancing, now);
    }
    if (!changed)
        return DT_OK;
    status = judge(advancing, r, &refused);
    if (status != DT_OK)
        return status;
    if (refused && !change->force) { /* this route stays as it is */
        advancing->result->done = false;
        route->step = now->step;
        route->write = now->write;
        route->dual_write_since_ms = now->dual_write_since_ms;
        for (size_t g = 0; g < route->group_count; g++)
            memcpy(route->groups[g].wish, now->groups[g].wish,
                   (size_t)route->partitions * sizeof(*now->groups[g].wish));
        return DT_OK;
    }
    advancing->moves = true;
    if (route->step >= DUET_STEP_SWITCHING)
        advancing->switches = true;
    return duet_result_step(advancing->result, route->topic, change->group, now->step,
                            route->step);
}

/* Takes a snapshot and says what the command would do. */
static dt_status judge_all(struct advancing *advancing)
{
    struct duet_plan *plan;
    dt_status status;

    duet_change_result_fini(advancing->result);
    advancing->result->done = true;
    advancing->moves = advancing->switches = false;
    duet_snapshot_free(advancing->snapshot);
    duet_plan_free(advancing->next);
    advancing->next = NULL;
    status = duet_snapshot_take(advancing->store,
                                advancing->judges_counts ? advancing->counter : NULL,
                                COUNT_MS, &advancing->snapshot);
    if (status != DT_OK)
        return status;
    plan = advancing->snapshot->plan;
    status = duet_selection_check(plan, advancing->change);
    if (status != DT_OK)
        return status;
    advancing->next = duet_plan_copy(plan);
    if (advancing->next == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a plan");
    for (size_t r = 0; r < plan->route_count && status == DT_OK; r++)
        if (duet_selects_route(advancing->change, &plan->routes[r]))
            status = plan_route(advancing, r);
    return status;
}

/* Refused only because a report is on its way? Then it is there a moment later. */
static dt_status judge_settled(struct advancing *advancing)
{
    const struct timespec pause = {0, SETTLE_GAP * 1000000L};
    int64_t until_ms = dt_clock_ms() + SETTLE_MS;
    dt_status status = judge_all(advancing);

    while (status == DT_OK && advancing->result->refused_count > 0 &&
           !advancing->change->force && dt_clock_ms() < until_ms &&
           strcmp(advancing->result->refused[0].name, "finish") != 0) {
        nanosleep(&pause, NULL);
        status = judge_all(advancing);
    }
    return status;
}

/* ---- doing it ---- */

/* Somebody did not confirm or carry out: said among the refused, and the exit code is 1. */
static dt_status late(struct advancing *advancing, const char *gate, dt_status status)
{
    char why[256];

    if (status != DT_ETIMEDOUT)
        return status;
    snprintf(why, sizeof(why), "%s", dt_error_text());
    advancing->result->done = false;
    return duet_result_refuse_text(advancing->result, gate, why, "not all", "all living");
}

static dt_status update(struct advancing *advancing, struct duet_plan *plan)
{
    char text[480];

    duet_change_text(text, sizeof(text), advancing->change, advancing->result);
    return duet_store_plan_update(advancing->store, plan, "advance", text,
                                  advancing->change->reason);
}

/* Steps 1 and 2 of a switch: the plan as it is, with RocketMQ critical. False: not confirmed
 * and not forced, nothing further happens. */
static dt_status make_critical(struct advancing *advancing, bool *confirmed)
{
    const struct duet_change *change = advancing->change;
    struct duet_plan *now = advancing->snapshot->plan;
    bool changed = false;
    dt_status status = DT_OK;

    *confirmed = true;
    for (size_t r = 0; r < now->route_count; r++) {
        unsigned critical =
            now->routes[r].critical | duet_critical_sides(&advancing->next->routes[r]);

        changed = changed || critical != now->routes[r].critical;
        now->routes[r].critical = critical;
        advancing->next->routes[r].critical = critical;
    }
    if (changed)
        status = update(advancing, now);
    advancing->next->version = now->version;
    if (status == DT_OK)
        status =
            duet_wait(advancing->store, now, change, DUET_WAIT_PRODUCERS, change->wait_ms);
    if (status == DT_ETIMEDOUT && !change->force) {
        struct duet_change_result *result = advancing->result;

        *confirmed = false;
        result->step_count = 0; /* none was taken */
    }
    if (status == DT_ETIMEDOUT) {
        bool done = change->force;

        status = late(advancing, "confirmed", status);
        advancing->result->done = done;
    }
    return status;
}

/* Step 5 of a switch: what the last group has left is critical no more. Whoever changed the plan
 * meanwhile does it then. */
static dt_status make_uncritical(struct advancing *advancing)
{
    const struct duet_change *change = advancing->change;
    struct duet_plan *plan;
    char text[480];
    size_t used = 0;
    dt_status status = duet_store_plan_load(advancing->store, &plan);

    if (status != DT_OK)
        return status;
    for (size_t r = 0; r < plan->route_count; r++) {
        struct duet_plan_route *route = &plan->routes[r];
        unsigned critical = duet_critical_sides(route);

        if (!duet_selects_route(change, route) || route->step != DUET_STEP_SWITCHED ||
            critical == route->critical)
            continue;
        route->critical = critical;
        if (used < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used,
                                     "%s%.100s: no group is live on kafka any more",
                                     used > 0 ? "; " : "", route->topic);
    }
    if (used > 0)
        status =
            duet_store_plan_update(advancing->store, plan, "advance", text, change->reason);
    if (used > 0 && status == DT_OK)
        status = duet_wait(advancing->store, plan, change, DUET_WAIT_ALL, change->wait_ms);
    duet_plan_free(plan);
    return status == DT_ECONFLICT ? DT_OK : status;
}

static dt_status carry_out(struct advancing *advancing)
{
    const struct duet_change *change = advancing->change;
    bool confirmed = true;
    dt_status status;

    if (advancing->switches) {
        status = make_critical(advancing, &confirmed);
        if (status != DT_OK || !confirmed)
            return status;
    } else {
        for (size_t r = 0; r < advancing->next->route_count; r++)
            advancing->next->routes[r].critical =
                duet_critical_sides(&advancing->next->routes[r]);
    }
    status = update(advancing, advancing->next);
    if (status != DT_OK)
        return status;
    status = duet_wait(advancing->store, advancing->next, change, DUET_WAIT_ALL,
                       change->wait_ms);
    if (status == DT_OK)
        status = make_uncritical(advancing);
    return late(advancing, "carried-out", status);
}

/* What an earlier command left to be carried out comes first. */
static dt_status complete_earlier(struct advancing *advancing)
{
    const struct duet_change *change = advancing->change;
    struct duet_plan *plan;
    dt_status status = duet_store_plan_load(advancing->store, &plan);

    if (status != DT_OK)
        return status;
    status = duet_selection_check(plan, change);
    for (size_t r = 0; r < plan->route_count; r++)
        if (duet_selects_route(change, &plan->routes[r]) &&
            plan->routes[r].step >= DUET_STEP_DUAL_READ)
            advancing->judges_counts = true;
    if (status == DT_OK && !change->dry_run)
        status = duet_wait(advancing->store, plan, change, DUET_WAIT_ALL,
                           change->force ? 0 : change->wait_ms);
    duet_plan_free(plan);
    if (status == DT_OK && !change->dry_run)
        status = make_uncritical(advancing);
    if (status == DT_ETIMEDOUT && change->force)
        return DT_OK; /* the gates name it */
    return status;
}

dt_status duet_advance(struct duet_store *store, struct duet_log_count *counter,
                       const struct duet_gate_limits *limits,
                       const struct duet_change *change, struct duet_change_result *result)
{
    struct advancing advancing = {.store = store,
                                  .counter = counter,
                                  .limits = limits,
                                  .change = change,
                                  .result = result};
    dt_status status;

    memset(result, 0, sizeof(*result));
    status = complete_earlier(&advancing);
    if (status == DT_ETIMEDOUT)
        return late(&advancing, "carried-out", status);
    for (int i = 0; i < TRIES && status == DT_OK; i++) {
        status = judge_settled(&advancing);
        if (status == DT_OK && advancing.moves && !change->dry_run)
            status = carry_out(&advancing);
        if (status != DT_ECONFLICT)
            break;
        status = i + 1 < TRIES ? DT_OK : DT_ECONFLICT;
    }
    duet_snapshot_free(advancing.snapshot);
    duet_plan_free(advancing.next);
    if (status != DT_OK)
        duet_change_result_fini(result);
    return status;
}
