#include "cli/demo_story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "cli/demo_data.h"
#include "cli/table.h"

#define STREAM_S   20 /* the traffic takes about so long: steps happen in mid-stream */
#define DRAIN_MS   30000
#define SETTLED_MS 15000
#define GATE_TRIES 6

/* ---- telling ---- */

void demo_chapter(struct demo_story *story, const char *title, const char *text)
{
    bool bold = story->world.story == stdout && cli_colour();

    fprintf(story->world.story, "\n%s%s%s\n%s", bold ? "\033[1m" : "", title,
            bold ? "\033[0m" : "", text);
    fflush(story->world.story);
}

static void measured(struct demo_story *story, const char *format, ...) DT_PRINTF(2, 3);
static void measured(struct demo_story *story, const char *format, ...)
{
    va_list arguments;

    fprintf(story->world.story, "  -> ");
    va_start(arguments, format);
    vfprintf(story->world.story, format, arguments);
    va_end(arguments);
    fprintf(story->world.story, "\n");
    fflush(story->world.story);
}

/* ---- steps ---- */

static void say_refused(struct demo_story *story, const cJSON *answer)
{
    const cJSON *refused;

    cJSON_ArrayForEach(refused, cJSON_GetObjectItemCaseSensitive(answer, "refused"))
        measured(story, "refused by the gate `%s`: %s (is %s, needs %s)",
                 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(refused, "gate")),
                 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(refused, "why")),
                 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(refused, "value")),
                 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(refused, "need")));
}

/* Runs advance or rollback. A gate that does not hold in mid-stream holds a moment later. */
static dt_status step(struct demo_story *story, const char *const *words)
{
    int64_t begun_ms = 0;

    for (int i = 0; i < GATE_TRIES; i++) {
        cJSON *answer;
        int exit_code;
        dt_status status;

        begun_ms = dt_clock_ms();
        status = demo_duet(&story->world, false, &answer, &exit_code, words);
        if (status != DT_OK)
            return status;
        if (exit_code == CLI_OK) {
            const cJSON *first =
                cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(answer, "steps"), 0);

            measured(story, "%s to %s, carried out by every living instance within %.1f s",
                     cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "from")),
                     cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "to")),
                     (double)(dt_clock_ms() - begun_ms) / 1000);
            cJSON_Delete(answer);
            return DT_OK;
        }
        say_refused(story, answer);
        cJSON_Delete(answer);
    }
    return dt_error_set(DT_ESTATE, "the gates have refused %s %d times", words[0],
                        GATE_TRIES);
}

struct reaching {
    int64_t live, shadow; /* of every group; -1: no matter */
};

static bool has_reached(struct demo *demo, void *context)
{
    const struct reaching *reaching = context;

    for (int g = 0; g < DEMO_GROUPS; g++)
        if (demo_processed(demo, demo_groups[g], DUET_LIVE) < reaching->live ||
            demo_processed(demo, demo_groups[g], DUET_SHADOW) < reaching->shadow)
            return false;
    return true;
}

dt_status demo_wait_processed(struct demo_story *story, int64_t live, int64_t shadow)
{
    struct reaching reaching = {live, shadow};

    return demo_wait(&story->world, "the consumers to process what was sent",
                     DRAIN_MS + STREAM_S * 1000, has_reached, &reaching);
}

static dt_status stream_to(struct demo_story *story, int percent)
{
    return demo_wait_processed(story, (story->to - story->from) * percent / 100, -1);
}

static void say_processed(struct demo_story *story)
{
    for (int g = 0; g < DEMO_GROUPS; g++)
        measured(story, "group %s has processed %" PRId64 " live and %" PRId64 " as shadow",
                 demo_groups[g], demo_processed(&story->world, demo_groups[g], DUET_LIVE),
                 demo_processed(&story->world, demo_groups[g], DUET_SHADOW));
}

/* ---- the report ---- */

static int64_t integer(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text != NULL ? text : "";
}

/* Every count is in the report within seconds of its event: asks until it is equal, or for as
 * long as that takes. */
dt_status demo_report(struct demo_story *story, bool quiet, bool want_equal)
{
    static const char *const words[] = {"report", "--daily", "--ledger", NULL};
    int64_t until_ms = dt_clock_ms() + SETTLED_MS;

    for (;;) {
        int exit_code;
        dt_status status;

        cJSON_Delete(story->report);
        status = demo_duet(&story->world, quiet, &story->report, &exit_code, words);
        if (status != DT_OK)
            return status;
        if (!want_equal || exit_code == CLI_OK || dt_clock_ms() > until_ms)
            return DT_OK;
        quiet = true;
    }
}

struct day { /* one line of the table */
    const char *day;
    int64_t issued, stored[DUET_SIDES], live[DEMO_GROUPS], shadow[DEMO_GROUPS];
};

static void add_row(struct day *day, const cJSON *row)
{
    const char *group = text_of(row, "group");
    bool rocketmq = strcmp(text_of(row, "side"), "rocketmq") == 0;

    day->day = text_of(row, "day");
    if (group[0] == '\0') {
        day->stored[rocketmq ? DUET_ROCKETMQ : DUET_KAFKA] += integer(row, "stored");
        if (!rocketmq)
            day->issued += integer(row, "issued");
        return;
    }
    for (int g = 0; g < DEMO_GROUPS; g++)
        if (strcmp(group, demo_groups[g]) == 0) {
            day->live[g] += integer(row, "live");
            day->shadow[g] += integer(row, "shadow");
        }
}

static void print_day(struct cli_table *table, const struct day *day, const char *name)
{
    bool bad =
        day->issued != day->stored[DUET_KAFKA] || day->issued != day->stored[DUET_ROCKETMQ];

    for (int g = 0; g < DEMO_GROUPS; g++)
        bad = bad || day->live[g] != day->issued || day->shadow[g] != day->issued;
    cli_table_line(table, bad);
    cli_table_text(table, "  %s", name);
    cli_table_number(table, day->issued);
    cli_table_number(table, day->stored[DUET_KAFKA]);
    cli_table_number(table, day->stored[DUET_ROCKETMQ]);
    for (int g = 0; g < DEMO_GROUPS; g++) {
        cli_table_number(table, day->live[g]);
        cli_table_number(table, day->shadow[g]);
    }
    cli_table_text(table, "%s", bad ? "<-" : "");
}

static void add_day(struct day *all, const struct day *day)
{
    all->issued += day->issued;
    for (int side = 0; side < DUET_SIDES; side++)
        all->stored[side] += day->stored[side];
    for (int g = 0; g < DEMO_GROUPS; g++) {
        all->live[g] += day->live[g];
        all->shadow[g] += day->shadow[g];
    }
}

void demo_daily_table(struct demo_story *story)
{
    static const char *const columns[] = {"  DAY",
                                          ">SENT",
                                          ">IN KAFKA",
                                          ">IN ROCKETMQ",
                                          ">CARRIER-STATS LIVE",
                                          ">SHADOW",
                                          ">FLEET LIVE",
                                          ">SHADOW",
                                          "",
                                          NULL};
    struct cli_table *table = cli_table_new(columns);
    struct day day = {.day = NULL}, all = {.day = NULL};
    const cJSON *row;

    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(story->report, "days"))
    {
        if (day.day != NULL && strcmp(day.day, text_of(row, "day")) != 0) {
            print_day(table, &day, day.day);
            add_day(&all, &day);
            memset(&day, 0, sizeof(day));
        }
        add_row(&day, row);
    }
    if (day.day != NULL) {
        print_day(table, &day, day.day);
        add_day(&all, &day);
    }
    print_day(table, &all, "all");
    cli_table_print_to(table, story->world.story);
}

/* ---- the chapters ---- */

static dt_status prepare(struct demo_story *story)
{
    static const char *const init[] = {"plan", "init", NULL};
    cJSON *answer;
    int exit_code;
    dt_status status;

    demo_chapter(
        story, "1. Two clusters and a plan",
        "  Kafka and RocketMQ run in this process, in memory. The plan names one topic\n"
        "  of four partitions and the two groups that read it; it lies in a control\n"
        "  store, beside a key that signs every message's identity.\n");
    status = demo_duet(&story->world, false, &answer, &exit_code, init);
    cJSON_Delete(answer);
    return status;
}

static dt_status start_consumers(struct demo_story *story)
{
    dt_status status = DT_OK;

    demo_chapter(
        story, "2. The consumers",
        "  Two groups start, each with one handler that keeps tables about carriers and\n"
        "  aircraft in SQL. What a message changes and the note that it was processed\n"
        "  are one transaction: that is what makes every later step exact.\n");
    for (int g = 0; g < DEMO_GROUPS && status == DT_OK; g++) {
        char label[32], sink[PATH_MAX], name[64];
        const char *const words[] = {story->world.consumer,
                                     "--config",
                                     story->world.config,
                                     "--group",
                                     demo_groups[g],
                                     "--name",
                                     name,
                                     "--sink",
                                     sink,
                                     NULL};

        snprintf(label, sizeof(label), "consumer-%d", g);
        snprintf(name, sizeof(name), "reader-of-%s", demo_groups[g]);
        snprintf(sink, sizeof(sink), "sqlite:%s/%s", story->world.folder, demo_groups[g]);
        status = demo_start(&story->world, label, words);
    }
    return status;
}

/* Alive and known to the store, so that the steps below wait for them. */
static bool are_known(struct demo *demo, void *context)
{
    struct duet_instance *instances = NULL;
    size_t count = 0, consumers = 0;

    (void)context;
    if (demo_processed(demo, demo_groups[0], DUET_LIVE) < 0 ||
        duet_store_instances(demo->store, &instances, &count) != DT_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        consumers += instances[i].role == DUET_CONSUMER;
    free(instances);
    return consumers == DEMO_GROUPS;
}

static dt_status dual(struct demo_story *story)
{
    static const char *const advance[] = {"advance", NULL};
    dt_status status =
        demo_wait(&story->world, "the consumers to start", DRAIN_MS, are_known, NULL);

    if (status != DT_OK)
        return status;
    demo_chapter(
        story, "3. Dual write",
        "  From now on every message goes to both sides, Kafka first. An application is\n"
        "  told \"sent\" when Kafka has it: trouble in RocketMQ is not its trouble yet.\n");
    status = step(story, advance);
    if (status != DT_OK)
        return status;
    demo_chapter(
        story, "4. Dual read",
        "  Each consumer now reads both sides with the same handler: what comes from\n"
        "  Kafka changes the real tables (live), what comes from RocketMQ changes\n"
        "  tables that are only there to be compared (shadow).\n");
    return step(story, advance);
}

static dt_status start_producers(struct demo_story *story)
{
    char input[PATH_MAX], rate[32], text[400];
    int64_t rows = story->to - story->from;
    dt_status status;

    snprintf(
        text, sizeof(text),
        "  Two producers send %" PRId64 " real flights of January 2013 (New York, CC0), "
        "one message\n  a flight, keyed by aircraft, over about %d seconds. All of the "
        "following happens\n  while they run; nothing is stopped or started again.\n",
        rows, STREAM_S);
    demo_chapter(story, "5. Traffic", text);
    snprintf(input, sizeof(input), "%s/rows.csv", story->world.folder);
    snprintf(rate, sizeof(rate), "%.3f", (double)rows / STREAM_S / 2);
    status = demo_data_slice(story->world.csv, input, story->from, story->to);
    for (int i = 0; i < 2 && status == DT_OK; i++) {
        const char *const words[] = {story->world.producer,
                                     "--config",
                                     story->world.config,
                                     "--input",
                                     input,
                                     "--name",
                                     i == 0 ? "desk-1" : "desk-2",
                                     "--shard",
                                     i == 0 ? "0/2" : "1/2",
                                     "--rate",
                                     rate,
                                     NULL};

        status = demo_start(&story->world, i == 0 ? "producer-0" : "producer-1", words);
    }
    if (status == DT_OK)
        status = stream_to(story, 20);
    if (status == DT_OK)
        say_processed(story);
    story->sent = rows;
    return status;
}

static dt_status switch_and_back(struct demo_story *story)
{
    static const char *const advance[] = {"advance", NULL};
    static const char *const rollback[] = {"rollback", NULL};
    char partition[16];
    const char *const part[] = {"advance",      "--group", demo_groups[0],
                                "--partitions", partition, NULL};
    dt_status status;

    snprintf(partition, sizeof(partition), "%d", (int)(story->seed % DEMO_PARTITIONS));
    demo_chapter(
        story, "6. A first, small switch",
        "  One partition of one group goes live on RocketMQ: its live role reads on\n"
        "  there, passing over what it has processed; its shadow role moves to Kafka.\n");
    status = step(story, part);
    if (status == DT_OK)
        status = stream_to(story, 40);
    if (status != DT_OK)
        return status;
    demo_chapter(
        story, "7. The switch",
        "  The rest follows. Kafka goes on being written, so that there is a way back.\n");
    status = step(story, advance);
    if (status == DT_OK)
        status = stream_to(story, 60);
    if (status != DT_OK)
        return status;
    say_processed(story);
    demo_chapter(
        story, "8. The way back",
        "  The same statement with the other side's name; it would work with RocketMQ\n"
        "  dead, too.\n");
    status = step(story, rollback);
    if (status == DT_OK)
        status = stream_to(story, 80);
    if (status != DT_OK)
        return status;
    demo_chapter(story, "9. And there again", "");
    return step(story, advance);
}

static dt_status verdict(struct demo_story *story)
{
    static const char *const compare[] = {"compare", NULL};
    cJSON *answer;
    const cJSON *table;
    int exit_code;
    dt_status status = demo_join(&story->world, "producer-0", DRAIN_MS);

    if (status == DT_OK)
        status = demo_join(&story->world, "producer-1", DRAIN_MS);
    if (status == DT_OK)
        status = demo_wait_processed(story, story->sent, story->sent);
    if (status != DT_OK)
        return status;
    demo_chapter(
        story, "10. The verdict",
        "  Per day of the event: sent, found in each log by a reader that is not a "
        "writer,\n  and processed by each role of each group.\n");
    status = demo_report(story, false, true);
    if (status != DT_OK)
        return status;
    demo_daily_table(story);
    story->equal =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(story->report, "equal")) != 0;
    measured(story, "counts: %s", story->equal ? "equal on every day" : "NOT equal");
    status = demo_duet(&story->world, false, &answer, &exit_code, compare);
    if (status != DT_OK)
        return status;
    cJSON_ArrayForEach(table, cJSON_GetObjectItemCaseSensitive(answer, "tables")) measured(
        story, "%s.%s: %" PRId64 " rows live, %" PRId64 " shadow, %" PRId64 " differ",
        text_of(table, "group"), text_of(table, "table"), integer(table, "rows_live"),
        integer(table, "rows_shadow"),
        integer(table, "only_live") + integer(table, "only_shadow") +
            integer(table, "different"));
    story->equal = story->equal && exit_code == CLI_OK;
    cJSON_Delete(answer);
    return DT_OK;
}

dt_status demo_tell(struct demo_story *story)
{
    dt_status status = prepare(story);

    if (status == DT_OK)
        status = start_consumers(story);
    if (status == DT_OK)
        status = dual(story);
    if (status == DT_OK)
        status = start_producers(story);
    if (status == DT_OK)
        status = switch_and_back(story);
    if (status == DT_OK)
        status = verdict(story);
    return status;
}
