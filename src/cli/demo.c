/* demo.c - the whole story on embedded brokers with real data. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/demo_data.h"
#include "cli/demo_story.h"

#define WITHHOLD_MAX 1000

/* "A:B": rows A to B - 1 of the file, counted from 0; either may be left out. */
static bool parse_rows(struct cli *cli, const char *text, int64_t all, int64_t *from,
                       int64_t *to)
{
    const char *colon = strchr(text, ':');
    char *end;

    *from = 0;
    *to = all;
    if (colon == NULL)
        goto wrong;
    if (colon != text) {
        *from = strtoll(text, &end, 10);
        if (end != colon)
            goto wrong;
    }
    if (colon[1] != '\0') {
        *to = strtoll(colon + 1, &end, 10);
        if (*end != '\0')
            goto wrong;
    }
    if (*from >= 0 && *from < *to && *to <= all)
        return true;
wrong:
    cli_usage(cli,
              "--rows '%s' is not of the form A:B with 0 <= A < B <= %" PRId64
              " (rows counted from 0, B not included)",
              text, all);
    return false;
}

static bool write_json(struct cli *cli, struct demo_story *story)
{
    cJSON *days = cJSON_GetObjectItemCaseSensitive(story->report, "days");
    char *text = days != NULL ? cJSON_PrintUnformatted(days) : NULL;
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_key(&json, "withheld");
    dt_json_array(&json);
    for (size_t i = 0; i < story->withheld_count; i++)
        dt_json_string(&json, story->withheld[i]);
    dt_json_array_end(&json);
    dt_json_kv_int(&json, "reported", (int64_t)story->reported);
    dt_json_key(&json, "days");
    dt_json_raw(&json, text != NULL ? text : "[]");
    dt_json_kv_bool(
        &json, "equal",
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(story->report, "equal")) != 0);
    dt_json_object_end(&json);
    free(text);
    return cli_json_end(cli, &out);
}

static int finish(struct cli *cli, struct demo_story *story)
{
    FILE *out = story->world.story;
    bool good = story->equal && story->exact;

    fprintf(out, "\n%s\n",
            good ? "The whole way, there and back, was exact; what was withheld, and only "
                   "that, was reported."
                 : "This is NOT how it should be: see above.");
    fprintf(out, "%zu withheld, %zu reported, %.0f seconds\n", story->withheld_count,
            story->reported, (double)(dt_clock_ms() - story->world.begun_ms) / 1000);
    if (cli->json && !write_json(cli, story))
        return CLI_INTERNAL;
    return good ? CLI_OK : CLI_DIFFERENT;
}

int cli_demo(struct cli *cli, int argc, char **argv)
{
    struct demo_story story;
    const char *rows = NULL, *withhold = NULL, *seed = NULL;
    const struct cli_option options[] = {{"--rows", NULL, &rows, NULL, NULL},
                                         {"--withhold", NULL, &withhold, NULL, NULL},
                                         {"--seed", NULL, &seed, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    size_t words;
    int64_t all, number = 1;
    int exit_code = CLI_OK;
    dt_status status;

    memset(&story, 0, sizeof(story));
    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words))
        return CLI_USAGE;
    story.withhold = 1;
    if (withhold != NULL &&
        !cli_number(cli, "--withhold", withhold, 0, WITHHOLD_MAX, &story.withhold))
        return CLI_USAGE;
    if (seed != NULL && !cli_number(cli, "--seed", seed, 0, INT64_MAX, &number))
        return CLI_USAGE;
    story.seed = (uint64_t)number;
    cli_catch_signals();
    rmq_log_set_level(DT_LOG_ERROR);
    status = demo_open(&story.world, cli);
    if (status == DT_OK)
        status = demo_data_count(story.world.csv, &all);
    if (status == DT_OK &&
        !parse_rows(cli, rows != NULL ? rows : ":", all, &story.from, &story.to)) {
        demo_close(&story.world, false);
        return CLI_USAGE;
    }
    if (status == DT_OK && story.withhold > story.to - story.from) {
        demo_close(&story.world, false);
        return cli_usage(cli, "--withhold is more than there are rows");
    }
    if (status == DT_OK)
        status = demo_tell(&story);
    if (status == DT_OK)
        status = demo_expose(&story);
    if (status == DT_OK)
        exit_code = finish(cli, &story);
    else
        exit_code = cli_fail(cli, status);
    demo_close(&story.world, exit_code != CLI_OK && exit_code != CLI_INTERRUPTED);
    cJSON_Delete(story.report);
    free(story.withheld);
    return exit_code;
}
