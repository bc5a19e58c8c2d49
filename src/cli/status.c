/* status.c - where everything is, and what the next step of each route waits for. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/limits.h"
#include "cli/table.h"
#include "control/snapshot.h"

struct view {
    struct cli *cli;
    const struct duet_snapshot *snapshot;
    struct duet_gate_limits limits;
    struct dt_json *json; /* NULL: tables */
};

/* The side that the live role of (group, partition) reads from: as reported, else as wished. */
static enum duet_side live_side(const struct duet_route_snapshot *of,
                                const struct duet_plan_group *group, int32_t partition)
{
    for (size_t i = 0; i < of->report_count; i++)
        if (of->reports[i].role == DUET_LIVE && of->reports[i].partition == partition &&
            strcmp(of->reports[i].group, group->name) == 0)
            return of->reports[i].side;
    return group->wish[partition];
}

static const char *state_of(const struct duet_route_snapshot *of, const char *group)
{
    const char *state = "starting";

    for (size_t i = 0; i < of->report_count; i++) {
        if (of->reports[i].role != DUET_LIVE || strcmp(of->reports[i].group, group) != 0)
            continue;
        if (of->reports[i].starting)
            return "starting";
        state = "running";
    }
    return state;
}

/* ---- JSON ---- */

static void json_roles(const struct view *view, size_t route, const char *group,
                       const char *key, bool keeper)
{
    dt_json_key(view->json, key);
    dt_json_object(view->json);
    for (int role = 0; role < DUET_ROLES; role++)
        dt_json_kv_int(
            view->json, duet_role_name((enum duet_role)role),
            duet_snapshot_lag(view->snapshot, route, group, (enum duet_role)role, keeper));
    dt_json_object_end(view->json);
}

static void json_group(const struct view *view, size_t route,
                       const struct duet_plan_group *group)
{
    const struct duet_route_snapshot *of = &view->snapshot->routes[route];
    struct dt_json *json = view->json;

    dt_json_object(json);
    dt_json_kv_string(json, "group", group->name);
    dt_json_key(json, "live");
    dt_json_object(json);
    for (int side = 0; side < DUET_SIDES; side++) {
        dt_json_key(json, duet_side_name((enum duet_side)side));
        dt_json_array(json);
        for (int32_t p = 0; p < of->route->partitions; p++)
            if ((int)live_side(of, group, p) == side)
                dt_json_int(json, p);
        dt_json_array_end(json);
    }
    dt_json_object_end(json);
    json_roles(view, route, group->name, "lag", false);
    json_roles(view, route, group->name, "keeper", true);
    dt_json_kv_string(json, "state", state_of(of, group->name));
    dt_json_object_end(json);
}

static dt_status json_route(const struct view *view, size_t route)
{
    const struct duet_plan_route *of = view->snapshot->routes[route].route;
    struct duet_gate gates[DUET_GATES_MAX];
    struct dt_json *json = view->json;
    size_t count;
    dt_status status =
        duet_snapshot_gates(view->snapshot, route, &view->limits, NULL, gates, &count);

    if (status != DT_OK)
        return status;
    dt_json_object(json);
    dt_json_kv_string(json, "topic", of->topic);
    dt_json_kv_string(json, "step", duet_step_name(of->step));
    dt_json_kv_string(json, "write", duet_write_name(of->write));
    dt_json_key(json, "groups");
    dt_json_array(json);
    for (size_t g = 0; g < of->group_count; g++)
        json_group(view, route, &of->groups[g]);
    dt_json_array_end(json);
    dt_json_key(json, "gates");
    dt_json_array(json);
    for (size_t i = 0; i < count; i++) {
        dt_json_object(json);
        dt_json_kv_string(json, "name", gates[i].name);
        dt_json_kv_bool(json, "holds", gates[i].holds);
        dt_json_kv_string(json, "value", gates[i].value);
        dt_json_kv_string(json, "need", gates[i].need);
        dt_json_kv_string(json, "why", gates[i].why);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
    dt_json_object_end(json);
    return DT_OK;
}

static const char *role_name(const struct duet_instance *instance)
{
    return instance->role == DUET_PRODUCER ? "producer" : "consumer";
}

static const char *breaker_name(const struct duet_instance *instance, int side)
{
    return instance->breaker[side][0] != '\0' ? instance->breaker[side] : "none";
}

/* Whether a side that it writes does not answer. */
static bool is_open(const struct duet_instance *instance)
{
    for (int side = 0; side < DUET_SIDES; side++)
        if (strcmp(breaker_name(instance, side), "open") == 0 ||
            strcmp(breaker_name(instance, side), "probing") == 0)
            return true;
    return false;
}

static void json_instance(const struct view *view, const struct duet_instance *instance)
{
    struct dt_json *json = view->json;

    dt_json_object(json);
    dt_json_kv_string(json, "name", instance->name);
    dt_json_kv_string(json, "role", role_name(instance));
    dt_json_kv_int(json, "plan", instance->plan);
    dt_json_kv_bool(json, "alive", duet_instance_alive(instance, view->snapshot->now_ms));
    dt_json_key(json, "journal");
    dt_json_object(json);
    dt_json_kv_int(json, "messages", instance->pending_messages);
    dt_json_kv_int(json, "bytes", instance->pending_bytes);
    dt_json_kv_int(json, "oldest_s", instance->oldest_s);
    dt_json_object_end(json);
    dt_json_key(json, "breaker");
    dt_json_object(json);
    for (int side = 0; side < DUET_SIDES; side++)
        dt_json_kv_string(json, duet_side_name((enum duet_side)side),
                          breaker_name(instance, side));
    dt_json_object_end(json);
    dt_json_kv_int(json, "in_doubt", instance->in_doubt);
    dt_json_kv_int(json, "dropped", instance->dropped);
    dt_json_object_end(json);
}

static dt_status write_json(const struct view *view)
{
    const struct duet_snapshot *snapshot = view->snapshot;
    struct dt_json *json = view->json;
    dt_status status = DT_OK;

    dt_json_object(json);
    dt_json_kv_string(json, "migration", snapshot->plan->migration);
    dt_json_key(json, "routes");
    dt_json_array(json);
    for (size_t r = 0; r < snapshot->plan->route_count && status == DT_OK; r++)
        status = json_route(view, r);
    dt_json_array_end(json);
    dt_json_key(json, "instances");
    dt_json_array(json);
    for (size_t i = 0; i < snapshot->instance_count; i++)
        json_instance(view, &snapshot->instances[i]);
    dt_json_array_end(json);
    dt_json_key(json, "ledger");
    dt_json_object(json);
    for (int kind = 0; kind < DUET_LEDGER_KINDS; kind++)
        dt_json_kv_int(json, duet_ledger_kind_name((enum duet_ledger_kind)kind),
                       snapshot->ledger_totals[kind]);
    dt_json_object_end(json);
    dt_json_object_end(json);
    return status;
}

/* ---- tables ---- */

static void partitions_text(char *out, size_t size, const struct duet_route_snapshot *of,
                            const struct duet_plan_group *group, enum duet_side side)
{
    size_t used = 0;

    snprintf(out, size, "-");
    for (int32_t p = 0; p < of->route->partitions && used + 8 < size; p++)
        if (live_side(of, group, p) == side)
            used += (size_t)snprintf(out + used, size - used, "%s%d", used > 0 ? "," : "",
                                     (int)p);
}

static void table_groups(const struct view *view)
{
    static const char *const columns[] = {"TOPIC",          "STEP",        "WRITE",
                                          "GROUP",          "LIVE KAFKA",  "LIVE ROCKETMQ",
                                          ">LAG LIVE",      ">LAG SHADOW", ">KEEPER LIVE",
                                          ">KEEPER SHADOW", "STATE",       NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t r = 0; r < view->snapshot->plan->route_count; r++) {
        const struct duet_route_snapshot *of = &view->snapshot->routes[r];

        for (size_t g = 0; g < of->route->group_count || g == 0; g++) {
            const struct duet_plan_group *group = &of->route->groups[g];
            char text[64];

            cli_table_line(table, false);
            cli_table_text(table, "%s", of->route->topic);
            cli_table_text(table, "%s", duet_step_name(of->route->step));
            cli_table_text(table, "%s", duet_write_name(of->route->write));
            if (of->route->group_count == 0)
                break;
            cli_table_text(table, "%s", group->name);
            for (int side = 0; side < DUET_SIDES; side++) {
                partitions_text(text, sizeof(text), of, group, (enum duet_side)side);
                cli_table_text(table, "%s", text);
            }
            for (int keeper = 0; keeper < 2; keeper++)
                for (int role = 0; role < DUET_ROLES; role++)
                    cli_table_number(table,
                                     duet_snapshot_lag(view->snapshot, r, group->name,
                                                       (enum duet_role)role, keeper != 0));
            cli_table_text(table, "%s", state_of(of, group->name));
        }
    }
    cli_table_print(table);
}

static dt_status table_gates(const struct view *view)
{
    static const char *const columns[] = {"TOPIC", "GATE", "HOLDS", ">VALUE",
                                          "NEED",  "WHY",  NULL};
    struct cli_table *table = cli_table_new(columns);
    dt_status status = DT_OK;

    for (size_t r = 0; r < view->snapshot->plan->route_count && status == DT_OK; r++) {
        struct duet_gate gates[DUET_GATES_MAX];
        size_t count = 0;

        status = duet_snapshot_gates(view->snapshot, r, &view->limits, NULL, gates, &count);
        for (size_t i = 0; i < count; i++) {
            cli_table_line(table, !gates[i].holds);
            cli_table_text(table, "%s", view->snapshot->routes[r].route->topic);
            cli_table_text(table, "%s", gates[i].name);
            cli_table_text(table, "%s", gates[i].holds ? "yes" : "no");
            cli_table_text(table, "%s", gates[i].value);
            cli_table_text(table, "%s", gates[i].need);
            cli_table_text(table, "%s", gates[i].why);
        }
    }
    cli_table_print(table);
    return status;
}

static void table_instances(const struct view *view)
{
    static const char *const columns[] = {"INSTANCE", "ROLE",      ">PLAN",    "ALIVE",
                                          ">OWED",    ">BYTES",    ">OLDEST",  "KAFKA",
                                          "ROCKETMQ", ">IN DOUBT", ">DROPPED", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t i = 0; i < view->snapshot->instance_count; i++) {
        const struct duet_instance *instance = &view->snapshot->instances[i];
        bool alive = duet_instance_alive(instance, view->snapshot->now_ms);

        cli_table_line(table,
                       (!alive && !instance->closed) || (alive && is_open(instance)));
        cli_table_text(table, "%s", instance->name);
        cli_table_text(table, "%s", role_name(instance));
        cli_table_number(table, instance->plan);
        cli_table_text(table, "%s", alive ? "yes" : instance->closed ? "ended" : "no");
        cli_table_number(table, instance->pending_messages);
        cli_table_number(table, instance->pending_bytes);
        cli_table_text(table, "%lld s", (long long)instance->oldest_s);
        for (int side = 0; side < DUET_SIDES; side++)
            cli_table_text(table, "%s", breaker_name(instance, side));
        cli_table_number(table, instance->in_doubt);
        cli_table_number(table, instance->dropped);
    }
    cli_table_print(table);
}

static dt_status write_tables(const struct view *view)
{
    const struct duet_snapshot *snapshot = view->snapshot;
    bool any = false;
    dt_status status;

    printf("migration %s, plan %lld\n\n", snapshot->plan->migration,
           (long long)snapshot->plan->version);
    table_groups(view);
    printf("\n");
    status = table_gates(view);
    if (snapshot->instance_count > 0)
        printf("\n");
    table_instances(view);
    printf("\nledger:");
    for (int kind = 0; kind < DUET_LEDGER_KINDS; kind++) {
        if (snapshot->ledger_totals[kind] == 0)
            continue;
        printf("%s %lld %s", any ? "," : "", (long long)snapshot->ledger_totals[kind],
               duet_ledger_kind_name((enum duet_ledger_kind)kind));
        any = true;
    }
    printf("%s\n", any ? "" : " empty");
    return status;
}

int cli_status(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = {{NULL, NULL, NULL, NULL, NULL}};
    struct duet_config *config;
    struct duet_store *store;
    struct duet_snapshot *snapshot = NULL;
    struct dt_json json;
    struct dt_buf out;
    size_t words;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words))
        return CLI_USAGE;
    if (!cli_store(cli, &config, &store, &exit_code))
        return exit_code;
    status = duet_snapshot_take(store, NULL, 0, &snapshot);
    if (status == DT_OK) {
        struct view view = {cli, snapshot, cli_limits(config), cli->json ? &json : NULL};

        if (cli->json) {
            cli_json_start(&json, &out);
            status = write_json(&view);
            if (status != DT_OK)
                dt_buf_fini(&out);
            else if (!cli_json_end(cli, &out))
                exit_code = CLI_INTERNAL;
        } else {
            status = write_tables(&view);
        }
    }
    if (status != DT_OK)
        exit_code = cli_fail(cli, status);
    duet_snapshot_free(snapshot);
    duet_store_close(store);
    duet_config_free(config);
    return exit_code;
}
