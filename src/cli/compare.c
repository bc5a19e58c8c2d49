/* compare.c - rows of the live stores against those of the shadow stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "store/sink.h"

#define URL_MAX    4096
#define SAMPLE_MAX 10

struct found { /* of one group */
    const char *group;
    struct duet_table_difference *tables;
    size_t count;
};

struct compared {
    struct found *groups;
    size_t count;
    bool equal;
};

static bool differs(const struct duet_table_difference *table)
{
    return table->only_live + table->only_shadow + table->different > 0;
}

/* "a,b" into pointers; `text` is cut. */
static size_t split(char *text, const char **names, size_t max)
{
    size_t count = 0;

    for (char *save, *name = strtok_r(text, ",", &save); name != NULL && count < max;
         name = strtok_r(NULL, ",", &save))
        names[count++] = name;
    return count;
}

/* ---- comparing ---- */

static dt_status compare_group(struct duet_store *store, const char *topic,
                               const char *group, const char *const *names,
                               size_t name_count, bool named, struct compared *all)
{
    struct found *found;
    char url[URL_MAX];
    dt_status status = duet_store_sink(store, topic, group, url, sizeof(url));
    void *grown;

    if (status == DT_ENOTFOUND && !named)
        return DT_OK; /* no consumer of this group has run yet */
    if (status != DT_OK)
        return status;
    grown = realloc(all->groups, (all->count + 1) * sizeof(*all->groups));
    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to compare");
    all->groups = grown;
    found = &all->groups[all->count];
    found->group = group;
    found->tables = NULL;
    found->count = 0;
    status = duet_sink_compare(url, group, name_count > 0 ? names : NULL, name_count,
                               SAMPLE_MAX, &found->tables, &found->count);
    if (status != DT_OK)
        return status;
    all->count++;
    for (size_t i = 0; i < found->count; i++)
        if (differs(&found->tables[i]))
            all->equal = false;
    return DT_OK;
}

static dt_status compare_all(struct duet_store *store, const struct duet_plan *plan,
                             const char *group, const char *const *names, size_t name_count,
                             struct compared *all)
{
    bool any = false;
    dt_status status = DT_OK;

    for (size_t r = 0; r < plan->route_count && status == DT_OK; r++)
        for (size_t g = 0; g < plan->routes[r].group_count && status == DT_OK; g++) {
            const char *name = plan->routes[r].groups[g].name;

            if (group != NULL && strcmp(group, name) != 0)
                continue;
            any = true;
            status = compare_group(store, plan->routes[r].topic, name, names, name_count,
                                   group != NULL, all);
        }
    if (status == DT_OK && !any)
        return dt_error_set(DT_EINVAL, "there is no group '%s' in the plan",
                            group != NULL ? group : "");
    return status;
}

/* ---- showing ---- */

static bool write_json(struct cli *cli, const struct compared *all)
{
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_key(&json, "tables");
    dt_json_array(&json);
    for (size_t g = 0; g < all->count; g++)
        for (size_t i = 0; i < all->groups[g].count; i++) {
            const struct duet_table_difference *table = &all->groups[g].tables[i];

            dt_json_object(&json);
            dt_json_kv_string(&json, "group", all->groups[g].group);
            dt_json_kv_string(&json, "table", table->table);
            dt_json_kv_int(&json, "rows_live", table->rows_live);
            dt_json_kv_int(&json, "rows_shadow", table->rows_shadow);
            dt_json_kv_int(&json, "only_live", table->only_live);
            dt_json_kv_int(&json, "only_shadow", table->only_shadow);
            dt_json_kv_int(&json, "different", table->different);
            dt_json_key(&json, "sample");
            dt_json_array(&json);
            for (size_t s = 0; s < table->sample_count; s++)
                dt_json_raw(&json, table->sample[s]);
            dt_json_array_end(&json);
            dt_json_object_end(&json);
        }
    dt_json_array_end(&json);
    dt_json_kv_bool(&json, "equal", all->equal);
    dt_json_object_end(&json);
    return cli_json_end(cli, &out);
}

static void write_text(const struct compared *all)
{
    static const char *const columns[] = {"GROUP",      "TABLE",      ">LIVE",
                                          ">SHADOW",    ">ONLY LIVE", ">ONLY SHADOW",
                                          ">DIFFERENT", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t g = 0; g < all->count; g++)
        for (size_t i = 0; i < all->groups[g].count; i++) {
            const struct duet_table_difference *of = &all->groups[g].tables[i];

            cli_table_line(table, differs(of));
            cli_table_text(table, "%s", all->groups[g].group);
            cli_table_text(table, "%s", of->table);
            cli_table_number(table, of->rows_live);
            cli_table_number(table, of->rows_shadow);
            cli_table_number(table, of->only_live);
            cli_table_number(table, of->only_shadow);
            cli_table_number(table, of->different);
        }
    cli_table_print(table);
    for (size_t g = 0; g < all->count; g++)
        for (size_t i = 0; i < all->groups[g].count; i++)
            for (size_t s = 0; s < all->groups[g].tables[i].sample_count; s++)
                printf("%s.%s %s\n", all->groups[g].group, all->groups[g].tables[i].table,
                       all->groups[g].tables[i].sample[s]);
    printf("%s\n", all->equal ? "equal" : "not equal");
}

int cli_compare(struct cli *cli, int argc, char **argv)
{
    const char *group = NULL, *tables = NULL, *names[64];
    const struct cli_option options[] = {{"--group", NULL, &group, NULL, NULL},
                                         {"--tables", NULL, &tables, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    struct compared all = {NULL, 0, true};
    struct duet_config *config;
    struct duet_store *store;
    struct duet_plan *plan = NULL;
    char *cut = NULL;
    size_t words, name_count = 0;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words))
        return CLI_USAGE;
    if (tables != NULL) {
        cut = strdup(tables);
        name_count = cut != NULL ? split(cut, names, sizeof(names) / sizeof(names[0])) : 0;
        if (name_count == 0) {
            free(cut);
            return cli_usage(cli, "--tables '%s' names no table", tables);
        }
    }
    if (!cli_store(cli, &config, &store, &exit_code)) {
        free(cut);
        return exit_code;
    }
    status = duet_store_plan_load(store, &plan);
    if (status == DT_OK)
        status = compare_all(store, plan, group, names, name_count, &all);
    if (status != DT_OK) {
        exit_code = cli_fail(cli, status);
    } else {
        exit_code = all.equal ? CLI_OK : CLI_DIFFERENT;
        if (!cli->json)
            write_text(&all);
        else if (!write_json(cli, &all))
            exit_code = CLI_INTERNAL;
    }
    for (size_t g = 0; g < all.count; g++)
        duet_table_differences_free(all.groups[g].tables, all.groups[g].count);
    free(all.groups);
    free(cut);
    duet_plan_free(plan);
    duet_store_close(store);
    duet_config_free(config);
    return exit_code;
}
