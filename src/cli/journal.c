/* journal.c - looks into a producer's journal, without touching it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill_inside.h"
#include "journal/journal.h"

#define PAYLOAD_MAX (16u << 20)

struct looked {
    struct duet_journal *journal;
    struct duet_journal_lane *lanes;
    size_t lane_count;
    const struct duet_journal_damage *damages;
    size_t damage_count;
    struct duet_journal_stats stats;
};

/* What is done with each message that is owed. */
typedef void visit_fn(void *context, const struct duet_journal_lane *lane, uint64_t lsn,
                      const struct duet_id *id, struct dt_span key, struct dt_span value);

static const char *side_of(const struct duet_journal_lane *lane)
{
    return duet_side_name((enum duet_side)(lane->side & ~SPILL_FRONT_BIT));
}

static bool is_known(const struct duet_journal_lane *lane)
{
    return lane->topic[0] != '\0' && (lane->side & ~SPILL_FRONT_BIT) < DUET_SIDES;
}

static dt_status visit_lane(const struct looked *looked,
                            const struct duet_journal_lane *lane, visit_fn *visit,
                            void *context)
{
    struct duet_journal_cursor cursor = {0};
    struct duet_record_view record;
    struct dt_buf payload;
    dt_status status;

    dt_buf_init(&payload, PAYLOAD_MAX);
    while ((status = duet_journal_next(looked->journal, lane->id, &cursor, &payload,
                                       &record)) == DT_OK) {
        struct dt_span stamp, key, value;
        struct duet_id id;

        if (!duet_outgoing_peek(record.payload, &stamp, &key, &value))
            continue; /* of another writer: counted, not shown */
        duet_id_decode(&id, stamp.data + 8);
        visit(context, lane, record.lsn, &id, key, value);
    }
    dt_buf_fini(&payload);
    return status == DT_ENOTFOUND ? DT_OK : status;
}

static dt_status visit_all(const struct looked *looked, visit_fn *visit, void *context)
{
    dt_status status = DT_OK;

    for (size_t i = 0; i < looked->lane_count && status == DT_OK; i++)
        if (looked->lanes[i].messages > 0)
            status = visit_lane(looked, &looked->lanes[i], visit, context);
    return status;
}

/* ---- JSON ---- */

static void json_message(void *context, const struct duet_journal_lane *lane, uint64_t lsn,
                         const struct duet_id *id, struct dt_span key, struct dt_span value)
{
    struct dt_json *json = context;
    char text[DUET_ID_TEXT_SIZE];

    duet_id_text(text, id);
    dt_json_object(json);
    dt_json_kv_int(json, "number", (int64_t)lsn);
    dt_json_kv_string(json, "topic", lane->topic);
    dt_json_kv_int(json, "partition", lane->partition);
    dt_json_kv_string(json, "id", text);
    dt_json_key(json, "key");
    if (key.data == NULL)
        dt_json_null(json);
    else
        dt_json_span(json, key);
    dt_json_key(json, "value");
    if (value.data == NULL)
        dt_json_null(json);
    else
        dt_json_span(json, value);
    dt_json_object_end(json);
}

static void json_lanes(struct dt_json *json, const struct looked *looked)
{
    dt_json_key(json, "lanes");
    dt_json_array(json);
    for (size_t i = 0; i < looked->lane_count; i++) {
        const struct duet_journal_lane *lane = &looked->lanes[i];

        if (lane->messages == 0)
            continue;
        dt_json_object(json);
        dt_json_kv_string(json, "topic", lane->topic);
        dt_json_kv_int(json, "partition", lane->partition);
        dt_json_kv_string(json, "side", is_known(lane) ? side_of(lane) : NULL);
        dt_json_kv_int(json, "messages", (int64_t)lane->messages);
        dt_json_kv_int(json, "bytes", (int64_t)lane->bytes);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
}

static void json_damages(struct dt_json *json, const struct looked *looked)
{
    dt_json_key(json, "damages");
    dt_json_array(json);
    for (size_t i = 0; i < looked->damage_count; i++) {
        const struct duet_journal_damage *damage = &looked->damages[i];

        dt_json_object(json);
        dt_json_kv_int(json, "segment", (int64_t)damage->segment);
        dt_json_kv_int(json, "number_from", (int64_t)damage->lsn_from);
        dt_json_kv_int(json, "number_to", (int64_t)damage->lsn_to);
        dt_json_kv_string(json, "what", damage->what);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
}

static int write_json(struct cli *cli, const struct looked *looked, const char *dir,
                      bool payload)
{
    dt_status status = DT_OK;
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "journal", dir);
    dt_json_kv_int(&json, "messages", (int64_t)looked->stats.messages);
    dt_json_kv_int(&json, "bytes", (int64_t)looked->stats.bytes);
    dt_json_kv_int(&json, "disk_bytes", looked->stats.disk_bytes);
    json_lanes(&json, looked);
    json_damages(&json, looked);
    if (payload) {
        dt_json_key(&json, "owed");
        dt_json_array(&json);
        status = visit_all(looked, json_message, &json);
        dt_json_array_end(&json);
    }
    dt_json_object_end(&json);
    if (status != DT_OK) {
        dt_buf_fini(&out);
        return cli_fail(cli, status);
    }
    return cli_json_end(cli, &out) ? CLI_OK : CLI_INTERNAL;
}

/* ---- text ---- */

static void print_bytes(struct dt_span bytes)
{
    if (bytes.data == NULL)
        fputs("null", stdout);
    for (size_t i = 0; i < bytes.size; i++) /* a terminal is not to be told what to do */
        if (bytes.data[i] >= 0x20 && bytes.data[i] != 0x7f && bytes.data[i] != '\\')
            putchar(bytes.data[i]);
        else
            printf("\\x%02x", bytes.data[i]);
}

static void text_message(void *context, const struct duet_journal_lane *lane, uint64_t lsn,
                         const struct duet_id *id, struct dt_span key, struct dt_span value)
{
    char text[DUET_ID_TEXT_SIZE];

    (void)context;
    duet_id_text(text, id);
    printf("%llu %s/%d %s ", (unsigned long long)lsn, lane->topic, (int)lane->partition,
           text);
    print_bytes(key);
    putchar(' ');
    print_bytes(value);
    putchar('\n');
}

static int write_text(struct cli *cli, const struct looked *looked, bool payload)
{
    static const char *const columns[] = {"TOPIC",     ">PARTITION", "OWED TO",
                                          ">MESSAGES", ">BYTES",     NULL};
    struct cli_table *table = cli_table_new(columns);
    dt_status status = DT_OK;

    for (size_t i = 0; i < looked->lane_count; i++) {
        const struct duet_journal_lane *lane = &looked->lanes[i];

        if (lane->messages == 0)
            continue;
        cli_table_line(table, !is_known(lane));
        cli_table_text(table, "%s", lane->topic[0] != '\0' ? lane->topic : "(damaged)");
        cli_table_number(table, lane->partition);
        cli_table_text(table, "%s", is_known(lane) ? side_of(lane) : "?");
        cli_table_number(table, (int64_t)lane->messages);
        cli_table_number(table, (int64_t)lane->bytes);
    }
    cli_table_print(table);
    if (payload)
        status = visit_all(looked, text_message, NULL);
    if (status != DT_OK)
        return cli_fail(cli, status);
    for (size_t i = 0; i < looked->damage_count; i++)
        printf("damaged: segment %016llx, numbers %llu to %llu: %s\n",
               (unsigned long long)looked->damages[i].segment,
               (unsigned long long)looked->damages[i].lsn_from,
               (unsigned long long)looked->damages[i].lsn_to, looked->damages[i].what);
    printf("%llu messages owed, %llu bytes; %lld bytes on disk; %s\n",
           (unsigned long long)looked->stats.messages,
           (unsigned long long)looked->stats.bytes, (long long)looked->stats.disk_bytes,
           looked->damage_count == 0 ? "nothing is damaged" : "see what is damaged above");
    return CLI_OK;
}

int cli_journal(struct cli *cli, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    bool payload = false, check;
    const struct cli_option options[] = {{"--payload", &payload, NULL, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    struct looked looked = {0};
    size_t count;
    int exit_code;
    dt_status status;

    if (argc > 0 && strcmp(argv[0], "adopt") == 0)
        return cli_journal_adopt(cli, argc - 1, argv + 1);
    if (!cli_parse(cli, argc, argv, options, words, 2, &count))
        return CLI_USAGE;
    check = count > 0 && strcmp(words[0], "check") == 0;
    if (count != 2 || (!check && strcmp(words[0], "list") != 0))
        return cli_usage(cli,
                         "journal list|check DIR, or journal adopt DIR --reason T: DIR is "
                         "the folder 'journal' in a producer's folder of state_dir");
    if (check && payload)
        return cli_usage(cli, "--payload belongs to journal list");
    status = duet_journal_look(words[1], &looked.journal);
    if (status == DT_OK)
        status = duet_journal_lanes(looked.journal, &looked.lanes, &looked.lane_count);
    if (status != DT_OK) {
        duet_journal_close(looked.journal);
        return status == DT_ENOTFOUND ? cli_usage(cli, "%s", dt_error_text())
                                      : cli_fail(cli, status);
    }
    looked.damage_count = duet_journal_damages(looked.journal, &looked.damages);
    duet_journal_stats(looked.journal, &looked.stats);
    exit_code = cli->json ? write_json(cli, &looked, words[1], payload)
                          : write_text(cli, &looked, payload);
    if (exit_code == CLI_OK && looked.damage_count > 0)
        exit_code = CLI_DIFFERENT;
    free(looked.lanes);
    duet_journal_close(looked.journal);
    return exit_code;
}
