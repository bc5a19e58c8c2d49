#include "control/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "control/tally.h"

/* Without a count just before, what readers have of the newest windows is still on its way. */
#define YOUNG_MS 10000

bool duet_instance_alive(const struct duet_instance *instance, int64_t now_ms)
{
    return !instance->closed && now_ms - instance->heartbeat_ms < DUET_ALIVE_MS;
}

const struct duet_instance *duet_find_consumer(const struct duet_instance *instances,
                                               size_t count, const char *group,
                                               int64_t now_ms)
{
    for (size_t i = 0; i < count; i++)
        if (instances[i].role == DUET_CONSUMER && strcmp(instances[i].group, group) == 0 &&
            duet_instance_alive(&instances[i], now_ms))
            return &instances[i];
    return NULL;
}

static uint32_t settled_below(const struct duet_snapshot *snapshot)
{
    uint32_t settled = UINT32_MAX;

    for (size_t i = 0; i < snapshot->instance_count; i++) {
        const struct duet_instance *instance = &snapshot->instances[i];
        uint32_t of;

        if (instance->role != DUET_PRODUCER ||
            !duet_instance_alive(instance, snapshot->now_ms))
            continue;
        of = duet_instance_settled(instance);
        if (of < settled)
            settled = of;
    }
    if (!snapshot->counted && settled > duet_window_of(snapshot->now_ms - YOUNG_MS))
        settled = duet_window_of(snapshot->now_ms - YOUNG_MS);
    return settled;
}

static dt_status count_logs(struct duet_snapshot *snapshot, struct duet_log_count *counter,
                            int64_t count_ms)
{
    bool reached[DUET_SIDES];
    dt_status status = duet_log_count_catch_up(counter, count_ms, reached);

    if (status != DT_OK && status != DT_EUNREACH && status != DT_ETIMEDOUT)
        return status;
    snapshot->counted = status == DT_OK;
    for (int side = 0; side < DUET_SIDES; side++)
        snapshot->unreachable[side] = !reached[side];
    if (status != DT_OK)
        snprintf(snapshot->unreachable_why, sizeof(snapshot->unreachable_why), "%s",
                 dt_error_text());
    return DT_OK;
}

static dt_status load_routes(struct duet_store *store, struct duet_snapshot *snapshot)
{
    dt_status status = DT_OK;

    snapshot->routes = calloc(snapshot->plan->route_count + 1, sizeof(*snapshot->routes));
    if (snapshot->routes == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the routes");
    for (size_t r = 0; r < snapshot->plan->route_count && status == DT_OK; r++) {
        struct duet_route_snapshot *of = &snapshot->routes[r];

        of->route = &snapshot->plan->routes[r];
        status = duet_store_role_reports(store, of->route->topic, &of->reports,
                                         &of->report_count);
        if (status == DT_OK)
            status = duet_tally_load(store, snapshot, of);
    }
    return status;
}

dt_status duet_snapshot_take(struct duet_store *store, struct duet_log_count *counter,
                             int64_t count_ms, struct duet_snapshot **out)
{
    struct duet_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    dt_status status;

    *out = NULL;
    if (snapshot == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a snapshot");
    status = duet_store_plan_load(store, &snapshot->plan);
    if (status == DT_OK)
        status =
            duet_store_instances(store, &snapshot->instances, &snapshot->instance_count);
    snapshot->now_ms = dt_clock_wall_ms();
    if (status == DT_OK && counter != NULL)
        status = count_logs(snapshot, counter, count_ms);
    snapshot->settled_below = settled_below(snapshot);
    if (status == DT_OK)
        status = duet_store_ledger(store, &snapshot->ledger, &snapshot->ledger_count);
    if (status == DT_OK)
        status = duet_store_ledger_totals(store, snapshot->ledger_totals);
    if (status == DT_OK)
        status = load_routes(store, snapshot);
    if (status != DT_OK) {
        duet_snapshot_free(snapshot);
        return status;
    }
    *out = snapshot;
    return DT_OK;
}

void duet_snapshot_free(struct duet_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t r = 0; snapshot->routes != NULL && r < snapshot->plan->route_count; r++) {
        free(snapshot->routes[r].reports);
        duet_tally_fini(&snapshot->routes[r].tally);
        for (int side = 0; side < DUET_SIDES; side++)
            free(snapshot->routes[r].log_end[side]);
    }
    free(snapshot->routes);
    free(snapshot->instances);
    free(snapshot->ledger);
    duet_plan_free(snapshot->plan);
    free(snapshot);
}

int64_t duet_snapshot_lag(const struct duet_snapshot *snapshot, size_t route,
                          const char *group, enum duet_role role, bool keeper)
{
    const struct duet_route_snapshot *of = &snapshot->routes[route];
    bool alive = duet_find_consumer(snapshot->instances, snapshot->instance_count, group,
                                    snapshot->now_ms) != NULL;
    int64_t lag = 0;

    if (role == DUET_SHADOW && !of->tally.shadow_due)
        return 0;
    for (size_t i = 0; i < of->report_count; i++) {
        const struct duet_role_report *report = &of->reports[i];
        enum duet_side side = keeper ? duet_other_side(report->side) : report->side;
        int64_t position = report->position[side], end = report->end[side];

        if (report->role != role || strcmp(report->group, group) != 0 ||
            report->partition < 0 || report->partition >= of->tally.partitions)
            continue;
        /* the end that a role which has stopped last saw is old */
        if (!alive && end < of->log_end[side][report->partition])
            end = of->log_end[side][report->partition];
        if (position < 0)
            position = 0;
        lag += end > position ? end - position : 0;
    }
    return lag;
}
