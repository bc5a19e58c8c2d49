/* change.c - advance and rollback: the same options, the same answer. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/limits.h"
#include "cli/table.h"
#include "control/change.h"
#include "control/plan_init.h"

#define WAIT_S     30
#define WAIT_S_MAX 86400

struct request {
    struct duet_change change;
    const char *wait, *to;
    bool direct, kill_holder;
};

static bool check(struct cli *cli, struct request *request, bool forward)
{
    struct duet_change *change = &request->change;
    int64_t wait_s = WAIT_S;

    if (request->direct || request->kill_holder) {
        cli_usage(cli, "%s comes later: this version does not have it",
                  request->direct ? "--direct" : "--kill-holder");
        return false;
    }
    if (change->force != (change->reason != NULL)) {
        cli_usage(cli, "--force and --reason go together");
        return false;
    }
    if (change->reason != NULL && change->reason[strspn(change->reason, " \t")] == '\0') {
        cli_usage(cli, "--reason is empty: say why the gates are overridden");
        return false;
    }
    if (request->wait != NULL &&
        !cli_number(cli, "--wait", request->wait, 0, WAIT_S_MAX, &wait_s))
        return false;
    change->wait_ms = wait_s * 1000;
    change->has_to = request->to != NULL;
    if (request->to != NULL && (forward || !duet_step_parse(request->to, &change->to))) {
        cli_usage(cli,
                  "--to '%s' is no step; the way back leads to dual-read, dual-write or "
                  "planned",
                  request->to);
        return false;
    }
    change->interrupted = cli_interrupted;
    return true;
}

/* ---- the answer ---- */

static bool write_json(struct cli *cli, const struct duet_change *change,
                       const struct duet_change_result *result)
{
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_key(&json, "steps");
    dt_json_array(&json);
    for (size_t i = 0; i < result->step_count; i++) {
        const struct duet_change_step *step = &result->steps[i];

        dt_json_object(&json);
        dt_json_kv_string(&json, "topic", step->topic);
        dt_json_kv_string(&json, "group", step->group[0] != '\0' ? step->group : NULL);
        dt_json_kv_string(&json, "from", duet_step_name(step->from));
        dt_json_kv_string(&json, "to", duet_step_name(step->to));
        dt_json_object_end(&json);
    }
    dt_json_array_end(&json);
    dt_json_key(&json, "refused");
    dt_json_array(&json);
    for (size_t i = 0; i < result->refused_count; i++) {
        dt_json_object(&json);
        dt_json_kv_string(&json, "gate", result->refused[i].name);
        dt_json_kv_string(&json, "why", result->refused[i].why);
        dt_json_kv_string(&json, "value", result->refused[i].value);
        dt_json_kv_string(&json, "need", result->refused[i].need);
        dt_json_object_end(&json);
    }
    dt_json_array_end(&json);
    dt_json_kv_bool(&json, "dry_run", change->dry_run);
    dt_json_object_end(&json);
    return cli_json_end(cli, &out);
}

static void write_text(const struct duet_change *change,
                       const struct duet_change_result *result)
{
    static const char *const columns[] = {"GATE", ">VALUE", "NEED", "WHY", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t i = 0; i < result->step_count; i++) {
        const struct duet_change_step *step = &result->steps[i];

        printf("%s%s%s: %s -> %s%s\n", step->topic,
               step->group[0] != '\0' ? ", group " : "", step->group,
               duet_step_name(step->from), duet_step_name(step->to),
               change->dry_run ? " (not done: --dry-run)" : "");
    }
    if (result->step_count == 0 && result->refused_count == 0)
        printf("nothing to do\n");
    if (result->refused_count > 0)
        printf("%s\n", result->done ? "overridden:" : "in the way:");
    for (size_t i = 0; i < result->refused_count; i++) {
        cli_table_line(table, true);
        cli_table_text(table, "%s", result->refused[i].name);
        cli_table_text(table, "%s", result->refused[i].value);
        cli_table_text(table, "%s", result->refused[i].need);
        cli_table_text(table, "%s", result->refused[i].why);
    }
    cli_table_print(table);
}

/* ---- doing it ---- */

static dt_status advance(struct cli *cli, const struct duet_config *config,
                         struct duet_store *store, const struct duet_change *change,
                         struct duet_change_result *result)
{
    struct duet_gate_limits limits = cli_limits(config);
    struct duet_log_count *counter = NULL;
    struct duet_plan *plan = NULL;
    struct duet_keys keys;
    dt_status status = duet_store_plan_load(store, &plan);

    (void)cli;
    if (status == DT_OK)
        status = duet_plan_keys(config, plan, &keys);
    if (status == DT_OK)
        status = duet_log_count_new(config, &keys, "duet-advance", change->topic, &counter);
    if (status == DT_OK)
        status = duet_advance(store, counter, &limits, change, result);
    duet_log_count_free(counter);
    duet_plan_free(plan);
    return status;
}

static int run(struct cli *cli, int argc, char **argv, bool forward)
{
    struct request request = {0};
    struct duet_change *change = &request.change;
    const struct cli_option options[] = {
        /* those of rollback alone stand last */
        {"--route", NULL, &change->topic, NULL, NULL},
        {"--group", NULL, &change->group, NULL, NULL},
        {"--partitions", NULL, &change->partitions, NULL, NULL},
        {"--dry-run", &change->dry_run, NULL, NULL, NULL},
        {"--force", &change->force, NULL, NULL, NULL},
        {"--reason", NULL, &change->reason, NULL, NULL},
        {"--wait", NULL, &request.wait, NULL, NULL},
        {forward ? NULL : "--to", NULL, &request.to, NULL, NULL},
        {"--direct", &request.direct, NULL, NULL, NULL},
        {"--kill-holder", &request.kill_holder, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL}};
    struct duet_change_result result = {0};
    struct duet_config *config;
    struct duet_store *store;
    size_t words;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words) ||
        !check(cli, &request, forward))
        return CLI_USAGE;
    if (!cli_store(cli, &config, &store, &exit_code))
        return exit_code;
    cli_catch_signals();
    status = forward ? advance(cli, config, store, change, &result)
                     : duet_rollback(store, change, &result);
    if (status != DT_OK) {
        exit_code = cli_fail(cli, status);
    } else {
        exit_code = result.done ? CLI_OK : CLI_DIFFERENT;
        if (!cli->json)
            write_text(change, &result);
        else if (!write_json(cli, change, &result))
            exit_code = CLI_INTERNAL;
    }
    duet_change_result_fini(&result);
    duet_store_close(store);
    duet_config_free(config);
    return exit_code;
}

int cli_advance(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, true);
}

int cli_rollback(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, false);
}
