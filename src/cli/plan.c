/* plan.c - makes the migration in the store, shows it, and what changed in the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "control/plan_init.h"

static void json_plan(struct dt_json *json, const struct duet_plan *plan)
{
    dt_json_kv_string(json, "migration", plan->migration);
    dt_json_kv_int(json, "version", plan->version);
    dt_json_kv_string(json, "timezone", plan->timezone);
    dt_json_kv_int(json, "key", plan->key_number);
    dt_json_kv_string(json, "fingerprint", plan->key_fingerprint);
    dt_json_key(json, "routes");
    dt_json_array(json);
    for (size_t r = 0; r < plan->route_count; r++) {
        const struct duet_plan_route *route = &plan->routes[r];

        dt_json_object(json);
        dt_json_kv_string(json, "topic", route->topic);
        dt_json_kv_string(json, "rocketmq", route->rocketmq_topic);
        dt_json_kv_int(json, "partitions", route->partitions);
        dt_json_kv_string(json, "step", duet_step_name(route->step));
        dt_json_kv_string(json, "write", duet_write_name(route->write));
        dt_json_key(json, "critical");
        dt_json_array(json);
        for (int side = 0; side < DUET_SIDES; side++)
            if ((route->critical >> side & 1u) != 0)
                dt_json_string(json, duet_side_name((enum duet_side)side));
        dt_json_array_end(json);
        dt_json_key(json, "queues");
        dt_json_array(json);
        for (int32_t p = 0; p < route->partitions; p++) {
            dt_json_object(json);
            dt_json_kv_string(json, "broker", route->queues[p].broker_name);
            dt_json_kv_int(json, "queue", route->queues[p].queue_id);
            dt_json_object_end(json);
        }
        dt_json_array_end(json);
        dt_json_key(json, "groups");
        dt_json_array(json);
        for (size_t g = 0; g < route->group_count; g++) {
            dt_json_object(json);
            dt_json_kv_string(json, "group", route->groups[g].name);
            dt_json_key(json, "wish");
            dt_json_array(json);
            for (int32_t p = 0; p < route->partitions; p++)
                dt_json_string(json, duet_side_name(route->groups[g].wish[p]));
            dt_json_array_end(json);
            dt_json_object_end(json);
        }
        dt_json_array_end(json);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
}

static void wishes_text(char *out, size_t size, const struct duet_plan_route *route,
                        const struct duet_plan_group *group)
{
    size_t used = 0;

    snprintf(out, size, "kafka");
    for (int32_t p = 0; p < route->partitions && used + 32 < size; p++)
        if (group->wish[p] == DUET_ROCKETMQ)
            used += (size_t)snprintf(out + used, size - used, "%s%d",
                                     used > 0 ? "," : "rocketmq: ", (int)p);
}

/* Where trouble is the application's. */
static void critical_text(char *out, size_t size, unsigned critical)
{
    size_t used = 0;

    out[0] = '\0';
    for (int side = 0; side < DUET_SIDES && used < size; side++)
        if ((critical >> side & 1u) != 0)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "",
                                     duet_side_name((enum duet_side)side));
}

static void table_plan(const struct duet_plan *plan)
{
    static const char *const columns[] = {"TOPIC", "ROCKETMQ",    ">PARTITIONS",
                                          "STEP",  "WRITE",       "CRITICAL",
                                          "GROUP", "WISHED LIVE", NULL};
    struct cli_table *table = cli_table_new(columns);

    printf("migration %s, plan %lld, days in %s, key %u (%s)\n\n", plan->migration,
           (long long)plan->version, plan->timezone, (unsigned)plan->key_number,
           plan->key_fingerprint);
    for (size_t r = 0; r < plan->route_count; r++) {
        const struct duet_plan_route *route = &plan->routes[r];

        for (size_t g = 0; g < route->group_count || g == 0; g++) {
            char text[128];

            cli_table_line(table, false);
            cli_table_text(table, "%s", route->topic);
            cli_table_text(table, "%s", route->rocketmq_topic);
            cli_table_number(table, route->partitions);
            cli_table_text(table, "%s", duet_step_name(route->step));
            cli_table_text(table, "%s", duet_write_name(route->write));
            critical_text(text, sizeof(text), route->critical);
            cli_table_text(table, "%s", text);
            if (route->group_count == 0)
                break;
            cli_table_text(table, "%s", route->groups[g].name);
            wishes_text(text, sizeof(text), route, &route->groups[g]);
            cli_table_text(table, "%s", text);
        }
    }
    cli_table_print(table);
}

static int show(struct cli *cli, const struct duet_plan *plan, const bool *created)
{
    struct dt_json json;
    struct dt_buf out;

    if (!cli->json) {
        if (created != NULL)
            printf("%s\n", *created ? "the plan was made" : "the plan is there already");
        table_plan(plan);
        return CLI_OK;
    }
    cli_json_start(&json, &out);
    dt_json_object(&json);
    if (created != NULL)
        dt_json_kv_bool(&json, "created", *created);
    json_plan(&json, plan);
    dt_json_object_end(&json);
    return cli_json_end(cli, &out) ? CLI_OK : CLI_INTERNAL;
}

static int run_init(struct cli *cli)
{
    struct duet_config *config;
    struct duet_plan *plan = NULL;
    bool created;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_config(cli, &config, &exit_code))
        return exit_code;
    status = duet_plan_create(config, &created, &plan);
    exit_code = status == DT_OK ? show(cli, plan, &created) : cli_fail(cli, status);
    duet_plan_free(plan);
    duet_config_free(config);
    return exit_code;
}

static int show_differences(struct cli *cli, const struct duet_plan_difference *items,
                            size_t count)
{
    static const char *const columns[] = {"WHAT", "IN THE PLAN", "IN THE FILE", NULL};
    struct cli_table *table;
    struct dt_json json;
    struct dt_buf out;
    bool ok = true;

    if (cli->json) {
        cli_json_start(&json, &out);
        dt_json_object(&json);
        dt_json_key(&json, "differences");
        dt_json_array(&json);
        for (size_t i = 0; i < count; i++) {
            dt_json_object(&json);
            dt_json_kv_string(&json, "what", items[i].what);
            dt_json_kv_string(&json, "plan", items[i].in_plan);
            dt_json_kv_string(&json, "file", items[i].in_file);
            dt_json_object_end(&json);
        }
        dt_json_array_end(&json);
        dt_json_object_end(&json);
        ok = cli_json_end(cli, &out);
    } else if (count == 0) {
        printf("the file is that of the plan\n");
    } else {
        table = cli_table_new(columns);
        for (size_t i = 0; i < count; i++) {
            cli_table_line(table, false);
            cli_table_text(table, "%s", items[i].what);
            cli_table_text(table, "%s", items[i].in_plan);
            cli_table_text(table, "%s", items[i].in_file);
        }
        cli_table_print(table);
    }
    if (!ok)
        return CLI_INTERNAL;
    return count > 0 ? CLI_DIFFERENT : CLI_OK;
}

static int run_stored(struct cli *cli, bool diff)
{
    struct duet_config *config;
    struct duet_store *store;
    struct duet_plan *plan = NULL;
    struct duet_plan_difference *items = NULL;
    size_t count = 0;
    int exit_code;
    dt_status status;

    if (!cli_store(cli, &config, &store, &exit_code))
        return exit_code;
    status = duet_store_plan_load(store, &plan);
    if (status == DT_OK && diff)
        status = duet_plan_differences(config, plan, &items, &count);
    if (status != DT_OK)
        exit_code = cli_fail(cli, status);
    else
        exit_code = diff ? show_differences(cli, items, count) : show(cli, plan, NULL);
    free(items);
    duet_plan_free(plan);
    duet_store_close(store);
    duet_config_free(config);
    return exit_code;
}

int cli_plan(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = {{NULL, NULL, NULL, NULL, NULL}};
    const char *word;
    size_t words;

    if (!cli_parse(cli, argc, argv, options, &word, 1, &words))
        return CLI_USAGE;
    if (words == 1 && strcmp(word, "init") == 0)
        return run_init(cli);
    if (words == 1 && strcmp(word, "show") == 0)
        return run_stored(cli, false);
    if (words == 1 && strcmp(word, "diff") == 0)
        return run_stored(cli, true);
    return cli_usage(cli, "plan takes one of init, show, diff");
}
