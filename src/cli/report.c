/* report.c - counts per day from the control store, after counting the logs to their ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "control/plan_init.h"
#include "control/snapshot.h"

#define COUNT_MS      60000
#define MISSING_LINES 20 /* people see so many; --ledger has them all */

struct view {
    struct cli *cli;
    bool daily, ledger, csv;
    uint16_t from, to;
    struct duet_snapshot *snapshot;
    struct duet_report report, total;
    struct duet_missing **missing; /* per route */
    size_t *missing_count;
};

/* ---- JSON ---- */

static void json_row(struct dt_json *json, const struct duet_report_row *row, bool with_day)
{
    char day[11];

    duet_day_text(day, row->day);
    dt_json_object(json);
    dt_json_kv_string(json, "day", with_day ? day : NULL);
    dt_json_kv_string(json, "topic", row->topic);
    dt_json_kv_string(json, "group", row->group[0] != '\0' ? row->group : NULL);
    dt_json_kv_string(json, "side", duet_side_name(row->side));
    if (row->group[0] == '\0') {
        dt_json_kv_int(json, "issued", row->issued);
        dt_json_kv_int(json, "stored", row->stored);
        dt_json_kv_int(json, "duplicates", row->duplicates);
        dt_json_kv_int(json, "unresolved", row->unresolved);
    } else {
        dt_json_kv_int(json, "read", row->read);
        dt_json_kv_int(json, "live", row->live);
        dt_json_kv_int(json, "shadow", row->shadow);
        dt_json_kv_int(json, "failed", row->failed);
        dt_json_kv_int(json, "duplicates", row->duplicates);
    }
    dt_json_object_end(json);
}

static void time_text(char out[32], int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    out[0] = '\0';
    if (gmtime_r(&seconds, &parts) != NULL)
        strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void id_range(char first[DUET_ID_TEXT_SIZE], char last[DUET_ID_TEXT_SIZE],
                     const struct duet_id *id, uint64_t sequence_to)
{
    struct duet_id end = *id;

    if (sequence_to > id->sequence)
        end.sequence = sequence_to - 1;
    duet_id_text(first, id);
    duet_id_text(last, &end);
}

static void json_range(struct dt_json *json, const struct duet_id *id, uint64_t sequence_to)
{
    char first[DUET_ID_TEXT_SIZE], last[DUET_ID_TEXT_SIZE];

    id_range(first, last, id, sequence_to);
    dt_json_kv_string(json, "id", first);
    dt_json_kv_string(json, "id_to", last);
    dt_json_kv_int(json, "count",
                   sequence_to > id->sequence ? (int64_t)(sequence_to - id->sequence) : 1);
}

static void json_entry(struct dt_json *json, const struct duet_ledger_entry *entry)
{
    char at[32];

    time_text(at, entry->at_ms);
    dt_json_object(json);
    dt_json_kv_string(json, "kind", duet_ledger_kind_name(entry->kind));
    dt_json_kv_string(json, "topic", entry->topic);
    dt_json_kv_string(json, "group", entry->group[0] != '\0' ? entry->group : NULL);
    dt_json_kv_int(json, "partition", entry->partition);
    dt_json_kv_string(json, "side", duet_side_name(entry->side));
    json_range(json, &entry->id, entry->sequence_to);
    if (entry->position >= 0) {
        dt_json_kv_int(json, "position", entry->position);
    } else {
        dt_json_key(json, "position");
        dt_json_null(json);
    }
    dt_json_kv_string(json, "at", at);
    dt_json_kv_string(json, "reason", entry->reason);
    dt_json_kv_bool(json, "resolved", entry->resolved);
    dt_json_object_end(json);
}

static void json_missing(struct dt_json *json, const char *topic,
                         const struct duet_missing *missing)
{
    char window[18];

    duet_window_text(window, missing->window);
    dt_json_object(json);
    dt_json_kv_string(json, "topic", topic);
    dt_json_kv_int(json, "partition", missing->partition);
    dt_json_kv_string(json, "window", window);
    dt_json_kv_string(json, "side",
                      missing->nowhere ? NULL : duet_side_name(missing->side));
    json_range(json, &missing->id, missing->sequence_to);
    dt_json_object_end(json);
}

static bool write_json(const struct view *view)
{
    const struct duet_snapshot *snapshot = view->snapshot;
    const struct duet_report *report = view->daily ? &view->report : &view->total;
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "migration", snapshot->plan->migration);
    dt_json_key(&json, view->daily ? "days" : "totals");
    dt_json_array(&json);
    for (size_t i = 0; i < report->count; i++)
        json_row(&json, &report->rows[i], view->daily);
    dt_json_array_end(&json);
    if (view->ledger) {
        dt_json_key(&json, "ledger");
        dt_json_array(&json);
        for (size_t i = 0; i < snapshot->ledger_count; i++)
            json_entry(&json, &snapshot->ledger[i]);
        dt_json_array_end(&json);
        dt_json_key(&json, "missing");
        dt_json_array(&json);
        for (size_t r = 0; r < snapshot->plan->route_count; r++)
            for (size_t i = 0; i < view->missing_count[r]; i++)
                json_missing(&json, snapshot->plan->routes[r].topic, &view->missing[r][i]);
        dt_json_array_end(&json);
    }
    dt_json_kv_bool(&json, "equal", view->report.equal);
    dt_json_object_end(&json);
    return cli_json_end(view->cli, &out);
}

/* ---- text ---- */

static void table_topics(const struct duet_report *report, bool daily)
{
    static const char *const columns[] = {
        "DAY", "TOPIC", "SIDE", ">ISSUED", ">STORED", ">DUPLICATES", ">UNRESOLVED", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t i = 0; i < report->count; i++) {
        const struct duet_report_row *row = &report->rows[i];
        char day[11];

        if (row->group[0] != '\0')
            continue;
        duet_day_text(day, row->day);
        cli_table_line(table, row->issued != row->stored || row->unresolved != 0);
        cli_table_text(table, "%s", daily ? day : "all");
        cli_table_text(table, "%s", row->topic);
        cli_table_text(table, "%s", duet_side_name(row->side));
        cli_table_number(table, row->issued);
        cli_table_number(table, row->stored);
        cli_table_number(table, row->duplicates);
        cli_table_number(table, row->unresolved);
    }
    cli_table_print(table);
}

static void table_groups(const struct duet_report *report, bool daily)
{
    static const char *const columns[] = {"DAY",         "TOPIC", "GROUP",   "SIDE",
                                          ">READ",       ">LIVE", ">SHADOW", ">FAILED",
                                          ">DUPLICATES", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t i = 0; i < report->count; i++) {
        const struct duet_report_row *row = &report->rows[i];
        char day[11];

        if (row->group[0] == '\0')
            continue;
        duet_day_text(day, row->day);
        cli_table_line(table, row->failed != 0);
        cli_table_text(table, "%s", daily ? day : "all");
        cli_table_text(table, "%s", row->topic);
        cli_table_text(table, "%s", row->group);
        cli_table_text(table, "%s", duet_side_name(row->side));
        cli_table_number(table, row->read);
        cli_table_number(table, row->live);
        cli_table_number(table, row->shadow);
        cli_table_number(table, row->failed);
        cli_table_number(table, row->duplicates);
    }
    cli_table_print(table);
}

static void table_ledger(const struct duet_snapshot *snapshot)
{
    static const char *const columns[] = {"KIND",  "TOPIC",  "PARTITION", "SIDE",   "GROUP",
                                          "FIRST", ">COUNT", "TIME",      "REASON", NULL};
    struct cli_table *table = cli_table_new(columns);

    for (size_t i = 0; i < snapshot->ledger_count; i++) {
        const struct duet_ledger_entry *entry = &snapshot->ledger[i];
        char first[DUET_ID_TEXT_SIZE], at[32];

        duet_id_text(first, &entry->id);
        time_text(at, entry->at_ms);
        cli_table_line(table, false);
        cli_table_text(table, "%s%s", duet_ledger_kind_name(entry->kind),
                       entry->resolved ? " (resolved)" : "");
        cli_table_text(table, "%s", entry->topic);
        cli_table_number(table, entry->partition);
        cli_table_text(table, "%s", duet_side_name(entry->side));
        cli_table_text(table, "%s", entry->group);
        cli_table_text(table, "%s", first);
        cli_table_number(table, entry->sequence_to > entry->id.sequence
                                    ? (int64_t)(entry->sequence_to - entry->id.sequence)
                                    : 1);
        cli_table_text(table, "%s", at);
        cli_table_text(table, "%s", entry->reason);
    }
    cli_table_print(table);
}

static void say_missing(const char *topic, const struct duet_missing *missing)
{
    char first[DUET_ID_TEXT_SIZE], last[DUET_ID_TEXT_SIZE], window[18];
    uint64_t count = missing->sequence_to - missing->id.sequence;

    id_range(first, last, &missing->id, missing->sequence_to);
    duet_window_text(window, missing->window);
    if (missing->nowhere)
        printf("%s, partition %d, window %s: no log has", topic, (int)missing->partition,
               window);
    else
        printf("%s, partition %d, window %s: %s lacks", topic, (int)missing->partition,
               window, duet_side_name(missing->side));
    if (count == 1)
        printf(" 1 id: %s\n", first);
    else
        printf(" %" PRIu64 " ids: %s to %s\n", count, first, last);
}

static void write_text(const struct view *view)
{
    const struct duet_snapshot *snapshot = view->snapshot;
    const struct duet_report *report = view->daily ? &view->report : &view->total;
    size_t said = 0, all = 0;

    table_topics(report, view->daily);
    printf("\n");
    table_groups(report, view->daily);
    if (view->ledger) {
        printf("\n%s\n", snapshot->ledger_count == 0 ? "ledger: empty" : "ledger:");
        table_ledger(snapshot);
    }
    for (size_t r = 0; r < snapshot->plan->route_count; r++)
        all += view->missing_count[r];
    if (all > 0)
        printf("\n");
    for (size_t r = 0; r < snapshot->plan->route_count; r++)
        for (size_t i = 0; i < view->missing_count[r] && said < MISSING_LINES; i++, said++)
            say_missing(snapshot->plan->routes[r].topic, &view->missing[r][i]);
    if (all > said)
        printf("and %zu more ranges (report --ledger --json lists all)\n", all - said);
    if (view->report.equal)
        printf("\nequal\n");
    else
        printf("\nnot equal: %s\n", view->report.why);
}

static void write_csv(const struct view *view)
{
    const struct duet_report *report = view->daily ? &view->report : &view->total;

    printf("day,topic,group,side,issued,stored,duplicates,unresolved,read,live,shadow,"
           "failed\n");
    for (size_t i = 0; i < report->count; i++) {
        const struct duet_report_row *row = &report->rows[i];
        bool topic = row->group[0] == '\0';
        char day[11];

        duet_day_text(day, row->day);
        printf("%s,%s,%s,%s,", view->daily ? day : "", row->topic, row->group,
               duet_side_name(row->side));
        if (topic)
            printf("%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",,,,\n", row->issued,
                   row->stored, row->duplicates, row->unresolved);
        else
            printf(",,%" PRId64 ",,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "\n",
                   row->duplicates, row->read, row->live, row->shadow, row->failed);
    }
}

/* ---- computing ---- */

static dt_status take(const struct duet_config *config, struct duet_store *store,
                      struct duet_snapshot **out)
{
    struct duet_log_count *counter = NULL;
    struct duet_plan *plan = NULL;
    struct duet_keys keys;
    dt_status status = duet_store_plan_load(store, &plan);

    if (status == DT_OK)
        status = duet_plan_keys(config, plan, &keys);
    if (status == DT_OK)
        status = duet_log_count_new(config, &keys, "duet-report", NULL, &counter);
    if (status == DT_OK)
        status = duet_snapshot_take(store, counter, COUNT_MS, out);
    duet_log_count_free(counter);
    duet_plan_free(plan);
    return status;
}

/* The ledger as it is after what the logs lack has been listed in it. */
static dt_status list_gaps(struct duet_store *store, struct duet_snapshot *snapshot)
{
    dt_status status = duet_snapshot_list_gaps(store, snapshot);

    if (status != DT_OK)
        return status;
    free(snapshot->ledger);
    snapshot->ledger = NULL;
    snapshot->ledger_count = 0;
    return duet_store_ledger(store, &snapshot->ledger, &snapshot->ledger_count);
}

static dt_status compute(struct view *view)
{
    size_t routes = view->snapshot->plan->route_count;
    dt_status status = DT_OK;

    view->missing = calloc(routes + 1, sizeof(*view->missing));
    view->missing_count = calloc(routes + 1, sizeof(*view->missing_count));
    if (view->missing == NULL || view->missing_count == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a report");
    for (size_t r = 0; r < routes && status == DT_OK; r++) {
        const struct duet_tally *tally = &view->snapshot->routes[r].tally;

        status = duet_report_add(&view->report, tally, view->from, view->to);
        if (status == DT_OK)
            status = duet_missing_find(tally, &view->missing[r], &view->missing_count[r]);
    }
    duet_report_finish(&view->report);
    if (status == DT_OK)
        status = duet_report_total(&view->report, &view->total);
    return status;
}

static int show(struct view *view)
{
    const struct duet_snapshot *snapshot = view->snapshot;
    bool unreachable =
        snapshot->unreachable[DUET_KAFKA] || snapshot->unreachable[DUET_ROCKETMQ];

    if (unreachable)
        fprintf(stderr,
                "duet report: warning: %s; what is shown is what had been counted before\n",
                snapshot->unreachable_why);
    if (view->cli->json) {
        if (!write_json(view))
            return CLI_INTERNAL;
    } else if (view->csv) {
        write_csv(view);
    } else {
        write_text(view);
    }
    if (unreachable)
        return CLI_UNREACHABLE;
    return view->report.equal ? CLI_OK : CLI_DIFFERENT;
}

static bool parse_day(struct cli *cli, const char *option, const char *text, uint16_t *day)
{
    if (text == NULL || duet_day_parse(text, day))
        return true;
    cli_usage(cli, "%s '%s' is no day of the form 2013-01-31", option, text);
    return false;
}

int cli_report(struct cli *cli, int argc, char **argv)
{
    struct view view = {.cli = cli, .from = 0, .to = UINT16_MAX};
    const char *from = NULL, *to = NULL;
    const struct cli_option options[] = {{"--daily", &view.daily, NULL, NULL, NULL},
                                         {"--ledger", &view.ledger, NULL, NULL, NULL},
                                         {"--csv", &view.csv, NULL, NULL, NULL},
                                         {"--from", NULL, &from, NULL, NULL},
                                         {"--to", NULL, &to, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    struct duet_config *config;
    struct duet_store *store;
    size_t words;
    int exit_code = CLI_OK;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, NULL, 0, &words) ||
        !parse_day(cli, "--from", from, &view.from) ||
        !parse_day(cli, "--to", to, &view.to))
        return CLI_USAGE;
    if (view.from > view.to)
        return cli_usage(cli, "--from %s is after --to %s", from, to);
    if (view.csv && cli->json)
        return cli_usage(cli, "--csv and --json are two forms: choose one");
    if (!cli_store(cli, &config, &store, &exit_code))
        return exit_code;
    duet_report_init(&view.report);
    duet_report_init(&view.total);
    status = take(config, store, &view.snapshot);
    if (status == DT_OK)
        status = list_gaps(store, view.snapshot);
    if (status == DT_OK)
        status = compute(&view);
    exit_code = status == DT_OK ? show(&view) : cli_fail(cli, status);
    for (size_t r = 0; view.missing != NULL && r < view.snapshot->plan->route_count; r++)
        free(view.missing[r]);
    free(view.missing);
    free(view.missing_count);
    duet_report_fini(&view.report);
    duet_report_fini(&view.total);
    duet_snapshot_free(view.snapshot);
    duet_store_close(store);
    duet_config_free(config);
    return exit_code;
}
