/* The plan: one version for all of it, changed only by who has seen the version before. */
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"

/* ---- load ---- */

static dt_status load_queues(struct duet_sql *sql, struct duet_plan_route *route)
{
    struct duet_rows rows;

    route->queues =
        calloc((size_t)route->partitions + 1, sizeof(*route->queues)); /* + 1: never of 0 */
    if (route->queues == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the plan");
    duet_sql_select(
        sql, &rows,
        "SELECT partition, broker_name, queue_id FROM route_queue WHERE topic = ?1",
        DUET_BIND(duet_text(route->topic)));
    while (duet_rows_next(&rows)) {
        int64_t partition = duet_rows_int(&rows, 0);

        if (partition < 0 || partition >= route->partitions)
            continue;
        DUET_ROWS_TEXT(&rows, 1, route->queues[partition].broker_name);
        route->queues[partition].queue_id = (int32_t)duet_rows_int(&rows, 2);
    }
    return duet_rows_end(&rows);
}

static dt_status load_wishes(struct duet_sql *sql, const struct duet_plan_route *route,
                             struct duet_plan_group *group)
{
    struct duet_rows rows;

    group->wish = calloc((size_t)route->partitions + 1, sizeof(*group->wish));
    if (group->wish == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the plan");
    duet_sql_select(sql, &rows,
                    "SELECT partition, side FROM wish WHERE topic = ?1 AND grp = ?2",
                    DUET_BIND(duet_text(route->topic), duet_text(group->name)));
    while (duet_rows_next(&rows)) {
        int64_t partition = duet_rows_int(&rows, 0);

        if (partition >= 0 && partition < route->partitions)
            group->wish[partition] = (enum duet_side)duet_rows_int(&rows, 1);
    }
    return duet_rows_end(&rows);
}

static dt_status load_groups(struct duet_sql *sql, struct duet_plan_route *route)
{
    struct duet_rows rows;

    duet_sql_select(sql, &rows,
                    "SELECT grp FROM route_group WHERE topic = ?1 ORDER BY place, grp",
                    DUET_BIND(duet_text(route->topic)));
    while (duet_rows_next(&rows)) {
        struct duet_plan_group *group =
            duet_array_add(&route->groups, &route->group_count, sizeof(*group));

        if (group == NULL) {
            rows.status = DT_ENOMEM;
            break;
        }
        DUET_ROWS_TEXT(&rows, 0, group->name);
        rows.status = load_wishes(sql, route, group);
    }
    return duet_rows_end(&rows);
}

static dt_status load_routes(struct duet_sql *sql, struct duet_plan *plan)
{
    struct duet_rows rows;

    duet_sql_select(sql, &rows,
                    "SELECT topic, rocketmq_topic, topic_number, partitions, step, write,"
                    " critical, dual_write_since_ms FROM route ORDER BY topic",
                    DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        struct duet_plan_route *route =
            duet_array_add(&plan->routes, &plan->route_count, sizeof(*route));

        if (route == NULL) {
            rows.status = DT_ENOMEM;
            break;
        }
        DUET_ROWS_TEXT(&rows, 0, route->topic);
        DUET_ROWS_TEXT(&rows, 1, route->rocketmq_topic);
        route->topic_number = (uint32_t)duet_rows_int(&rows, 2);
        route->partitions = (int32_t)duet_rows_int(&rows, 3);
        route->step = (enum duet_step)duet_rows_int(&rows, 4);
        route->write = (enum duet_write)duet_rows_int(&rows, 5);
        route->critical = (unsigned)duet_rows_int(&rows, 6);
        route->dual_write_since_ms = duet_rows_int(&rows, 7);
        if (route->partitions < 1 || route->partitions > UINT16_MAX) {
            rows.status = dt_error_set(DT_ECORRUPT, "%s: topic %s has %d partitions",
                                       sql->path, route->topic, (int)route->partitions);
            route->partitions = 0;
            break;
        }
        rows.status = load_queues(sql, route);
        if (rows.status == DT_OK)
            rows.status = load_groups(sql, route);
    }
    return duet_rows_end(&rows);
}

static dt_status no_plan(struct duet_sql *sql)
{
    return dt_error_set(DT_ENOTFOUND, "%s holds no plan: run duet plan init first",
                        sql->path);
}

static dt_status load(struct duet_sql *sql, void *context)
{
    struct duet_plan **out = context;
    struct duet_plan *plan = calloc(1, sizeof(*plan));
    struct duet_rows rows;
    bool there;
    dt_status status;

    if (plan == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the plan");
    duet_sql_select(
        sql, &rows,
        "SELECT version, migration, timezone, key_number, key_fingerprint FROM plan",
        DUET_NO_BIND);
    there = duet_rows_next(&rows);
    if (there) {
        plan->version = duet_rows_int(&rows, 0);
        DUET_ROWS_TEXT(&rows, 1, plan->migration);
        DUET_ROWS_TEXT(&rows, 2, plan->timezone);
        plan->key_number = (uint8_t)duet_rows_int(&rows, 3);
        DUET_ROWS_TEXT(&rows, 4, plan->key_fingerprint);
    }
    status = duet_rows_end(&rows);
    if (status == DT_OK)
        status = there ? load_routes(sql, plan) : no_plan(sql);
    if (status != DT_OK) {
        duet_plan_free(plan);
        return status;
    }
    *out = plan;
    return DT_OK;
}

dt_status duet_store_plan_load(struct duet_store *store, struct duet_plan **out)
{
    *out = NULL;
    return duet_sql_read(&store->sql, load, out);
}

dt_status duet_store_plan_version(struct duet_store *store, int64_t *version)
{
    struct duet_rows rows;
    bool there;
    dt_status status;

    *version = 0;
    duet_sql_select(&store->sql, &rows, "SELECT version FROM plan", DUET_NO_BIND);
    there = duet_rows_next(&rows);
    if (there)
        *version = duet_rows_int(&rows, 0);
    status = duet_rows_end(&rows);
    if (status == DT_OK && !there)
        return no_plan(&store->sql);
    return status;
}

/* ---- init ---- */

/* Queues are not compared: the map does not move by itself, whatever the brokers say today. */
static dt_status same_route(const struct duet_plan_route *have,
                            const struct duet_plan_route *want)
{
    if (strcmp(have->rocketmq_topic, want->rocketmq_topic) != 0)
        return dt_error_set(DT_ECONFLICT,
                            "topic %s goes to RocketMQ topic %s in the plan, not %s",
                            have->topic, have->rocketmq_topic, want->rocketmq_topic);
    if (have->partitions != want->partitions)
        return dt_error_set(DT_ECONFLICT, "topic %s has %d partitions in the plan, not %d",
                            have->topic, (int)have->partitions, (int)want->partitions);
    for (size_t g = 0; g < want->group_count; g++)
        if (duet_plan_find_group(have, want->groups[g].name) == NULL)
            return dt_error_set(DT_ECONFLICT, "group %s of topic %s is not in the plan",
                                want->groups[g].name, have->topic);
    for (size_t g = 0; g < have->group_count; g++)
        if (duet_plan_find_group(want, have->groups[g].name) == NULL)
            return dt_error_set(DT_ECONFLICT,
                                "group %s of topic %s is in the plan, but not in this one",
                                have->groups[g].name, have->topic);
    return DT_OK;
}

static dt_status same_plan(const struct duet_plan *have, const struct duet_plan *want)
{
    if (strcmp(have->migration, want->migration) != 0)
        return dt_error_set(DT_ECONFLICT, "the store is that of migration %s, not %s",
                            have->migration, want->migration);
    if (strcmp(have->timezone, want->timezone) != 0)
        return dt_error_set(DT_ECONFLICT,
                            "days are counted in time zone %s in the plan, not %s",
                            have->timezone, want->timezone);
    if (have->key_number != want->key_number ||
        strcmp(have->key_fingerprint, want->key_fingerprint) != 0)
        return dt_error_set(DT_ECONFLICT,
                            "the plan was made with key %u (fingerprint %s), not %u (%s)",
                            (unsigned)have->key_number, have->key_fingerprint,
                            (unsigned)want->key_number, want->key_fingerprint);
    for (size_t r = 0; r < have->route_count; r++)
        if (duet_plan_find(want, have->routes[r].topic) == NULL)
            return dt_error_set(DT_ECONFLICT,
                                "topic %s is in the plan, but not in this one",
                                have->routes[r].topic);
    for (size_t r = 0; r < want->route_count; r++) {
        const struct duet_plan_route *route = duet_plan_find(have, want->routes[r].topic);
        dt_status status;

        if (route == NULL)
            return dt_error_set(DT_ECONFLICT, "topic %s is not in the plan",
                                want->routes[r].topic);
        status = same_route(route, &want->routes[r]);
        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

static dt_status insert_group(struct duet_sql *sql, const struct duet_plan_route *route,
                              size_t g)
{
    const char *name = route->groups[g].name;
    dt_status status = duet_sql_run(
        sql, "INSERT INTO route_group (topic, grp, place) VALUES (?1, ?2, ?3)",
        DUET_BIND(duet_text(route->topic), duet_text(name), duet_integer((int64_t)g)),
        NULL);

    for (int32_t p = 0; p < route->partitions && status == DT_OK; p++)
        status = duet_sql_run(
            sql, "INSERT INTO wish (topic, grp, partition, side) VALUES (?1, ?2, ?3, ?4)",
            DUET_BIND(duet_text(route->topic), duet_text(name), duet_integer(p),
                      duet_integer(DUET_KAFKA)),
            NULL);
    return status;
}

static dt_status insert_route(struct duet_sql *sql, const struct duet_plan_route *route)
{
    dt_status status = duet_sql_run(
        sql,
        "INSERT INTO route (topic, rocketmq_topic, topic_number, partitions, step, write,"
        " critical, dual_write_since_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        DUET_BIND(duet_text(route->topic), duet_text(route->rocketmq_topic),
                  duet_integer(route->topic_number), duet_integer(route->partitions),
                  duet_integer(DUET_STEP_PLANNED),
                  duet_integer(duet_step_write(DUET_STEP_PLANNED)),
                  duet_integer(1 << DUET_KAFKA)),
        NULL);

    for (int32_t p = 0; p < route->partitions && route->queues != NULL && status == DT_OK;
         p++)
        status =
            duet_sql_run(sql,
                         "INSERT INTO route_queue (topic, partition, broker_name, queue_id)"
                         " VALUES (?1, ?2, ?3, ?4)",
                         DUET_BIND(duet_text(route->topic), duet_integer(p),
                                   duet_text(route->queues[p].broker_name),
                                   duet_integer(route->queues[p].queue_id)),
                         NULL);
    for (size_t g = 0; g < route->group_count && status == DT_OK; g++)
        status = insert_group(sql, route, g);
    return status;
}

struct init {
    const struct duet_plan *plan;
    bool created;
};

static dt_status init_plan(struct duet_sql *sql, void *context)
{
    struct init *init = context;
    const struct duet_plan *plan = init->plan;
    struct duet_plan *have = NULL;
    dt_status status = load(sql, &have);

    init->created = false;
    if (status == DT_OK) {
        status = same_plan(have, plan);
        duet_plan_free(have);
        return status;
    }
    if (status != DT_ENOTFOUND)
        return status;
    status = duet_sql_run(
        sql,
        "INSERT INTO plan (only, version, migration, timezone, key_number, key_fingerprint)"
        " VALUES (1, 1, ?1, ?2, ?3, ?4)",
        DUET_BIND(duet_text(plan->migration), duet_text(plan->timezone),
                  duet_integer(plan->key_number), duet_text(plan->key_fingerprint)),
        NULL);
    for (size_t r = 0; r < plan->route_count && status == DT_OK; r++)
        status = insert_route(sql, &plan->routes[r]);
    if (status == DT_OK)
        status = duet_control_audit(sql, "plan init", plan->migration, "");
    init->created = status == DT_OK;
    return status;
}

dt_status duet_store_plan_init(struct duet_store *store, const struct duet_plan *plan,
                               bool *created)
{
    struct init init = {plan, false};
    dt_status status = duet_sql_write(&store->sql, init_plan, &init);

    *created = status == DT_OK && init.created;
    return status;
}

/* ---- update ---- */

struct update {
    const struct duet_plan *plan;
    const char *command, *detail, *reason;
};

static dt_status update_route(struct duet_sql *sql, const struct duet_plan_route *route)
{
    dt_status status = duet_sql_run(
        sql,
        "UPDATE route SET step = ?2, write = ?3, critical = ?4, dual_write_since_ms = ?5"
        " WHERE topic = ?1",
        DUET_BIND(duet_text(route->topic), duet_integer(route->step),
                  duet_integer(route->write), duet_integer(route->critical),
                  duet_integer(route->dual_write_since_ms)),
        NULL);

    for (size_t g = 0; g < route->group_count; g++) {
        const struct duet_plan_group *group = &route->groups[g];

        for (int32_t p = 0; p < route->partitions && status == DT_OK; p++)
            status = duet_sql_run(
                sql,
                "UPDATE wish SET side = ?4 WHERE topic = ?1 AND grp = ?2 AND partition = ?3"
                " AND side <> ?4",
                DUET_BIND(duet_text(route->topic), duet_text(group->name), duet_integer(p),
                          duet_integer(group->wish[p])),
                NULL);
    }
    return status;
}

static dt_status update_plan(struct duet_sql *sql, void *context)
{
    const struct update *update = context;
    const struct duet_plan *plan = update->plan;
    int64_t changed = 0;
    dt_status status =
        duet_sql_run(sql, "UPDATE plan SET version = version + 1 WHERE version = ?1",
                     DUET_BIND(duet_integer(plan->version)), &changed);

    if (status != DT_OK)
        return status;
    if (changed != 1)
        return dt_error_set(
            DT_ECONFLICT,
            "the plan is not of version %lld any more: somebody else changed it",
            (long long)plan->version);
    for (size_t r = 0; r < plan->route_count && status == DT_OK; r++)
        status = update_route(sql, &plan->routes[r]);
    if (status == DT_OK)
        status = duet_control_audit(sql, update->command, update->detail, update->reason);
    return status;
}

dt_status duet_store_plan_update(struct duet_store *store, struct duet_plan *plan,
                                 const char *command, const char *detail,
                                 const char *reason)
{
    struct update update = {plan, command, detail, reason};
    dt_status status = duet_sql_write(&store->sql, update_plan, &update);

    if (status == DT_OK)
        plan->version++;
    return status;
}
