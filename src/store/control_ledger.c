/* What left the normal path, and who changed the plan. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"
#include "store/control.h"
#include "store/ledger_row.h"

static const char *const kind_names[DUET_LEDGER_KINDS] = {
    [DUET_LEDGER_DROPPED] = "dropped",
    [DUET_LEDGER_REFUSED] = "refused",
    [DUET_LEDGER_CANCELLED] = "cancelled",
    [DUET_LEDGER_ISOLATED] = "isolated",
    [DUET_LEDGER_PURGED] = "purged",
    [DUET_LEDGER_LATE] = "late",
    [DUET_LEDGER_FETCHED] = "fetched",
    [DUET_LEDGER_FOREIGN] = "foreign",
    [DUET_LEDGER_DUPLICATE] = "duplicate",
    [DUET_LEDGER_IN_DOUBT] = "in_doubt",
    [DUET_LEDGER_GAP] = "gap",
};

const char *duet_ledger_kind_name(enum duet_ledger_kind kind)
{
    return (unsigned)kind < DUET_LEDGER_KINDS ? kind_names[kind] : "unknown";
}

struct entries {
    const struct duet_ledger_entry *entries;
    size_t count;
};

static dt_status put(struct duet_sql *sql, void *context)
{
    const struct entries *entries = context;
    dt_status status = DT_OK;

    for (size_t i = 0; i < entries->count && status == DT_OK; i++) {
        struct duet_ledger_row row;

        duet_ledger_row_of(&row, &entries->entries[i]);
        status = duet_sql_run(
            sql,
            "INSERT INTO ledger (kind, topic, grp, partition, side, first_id, position,"
            " messages, at_ms, reason, resolved)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            " ON CONFLICT (kind, topic, grp, partition, side, first_id, position)"
            " DO UPDATE SET messages = max(messages, excluded.messages),"
            " reason = excluded.reason, resolved = max(resolved, excluded.resolved)",
            row.values, DUET_LEDGER_COLUMNS, NULL);
    }
    return status;
}

dt_status duet_store_ledger_put(struct duet_store *store,
                                const struct duet_ledger_entry *entries, size_t count)
{
    struct entries all = {entries, count};

    return count == 0 ? DT_OK : duet_sql_write(&store->sql, put, &all);
}

dt_status duet_store_ledger(struct duet_store *store, struct duet_ledger_entry **out,
                            size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(
        &store->sql, &rows,
        "SELECT kind, topic, grp, partition, side, first_id, position, messages,"
        " at_ms, reason, resolved FROM ledger ORDER BY entry",
        DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        struct duet_ledger_entry *entry = duet_array_add(out, count, sizeof(*entry));

        rows.status = entry == NULL ? DT_ENOMEM : duet_ledger_row_read(&rows, 0, entry);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

/* What is missing may be listed by each role that misses it and by who counts the logs: each
 * number counts once. Entries that name no number count as they are. */
static dt_status count_gaps(struct duet_store *store, int64_t *total)
{
    char topic[DUET_NAME_SIZE] = "";
    int64_t partition = -1;
    struct duet_idset numbers;
    struct duet_rows rows;

    *total = 0;
    duet_idset_init(&numbers);
    duet_sql_select(
        &store->sql, &rows,
        "SELECT kind, topic, grp, partition, side, first_id, position, messages,"
        " at_ms, reason, resolved FROM ledger WHERE kind = ?1 AND NOT resolved"
        " ORDER BY topic, partition",
        DUET_BIND(duet_integer(DUET_LEDGER_GAP)));
    while (duet_rows_next(&rows)) {
        struct duet_ledger_entry entry;

        rows.status = duet_ledger_row_read(&rows, 0, &entry);
        if (rows.status != DT_OK)
            break;
        if (entry.partition != partition || strcmp(entry.topic, topic) != 0) {
            *total += (int64_t)duet_idset_size(&numbers);
            duet_idset_fini(&numbers);
            snprintf(topic, sizeof(topic), "%s", entry.topic);
            partition = entry.partition;
        }
        if (entry.id.instance == 0)
            *total += (int64_t)(entry.sequence_to - entry.id.sequence);
        else
            rows.status =
                duet_idset_close(&numbers, &entry.id, entry.id.sequence, entry.sequence_to);
    }
    *total += (int64_t)duet_idset_size(&numbers);
    duet_idset_fini(&numbers);
    return duet_rows_end(&rows);
}

dt_status duet_store_ledger_totals(struct duet_store *store,
                                   int64_t totals[DUET_LEDGER_KINDS])
{
    struct duet_rows rows;
    dt_status status;

    memset(totals, 0, DUET_LEDGER_KINDS * sizeof(*totals));
    duet_sql_select(
        &store->sql, &rows,
        "SELECT kind, sum(messages) FROM ledger WHERE NOT resolved GROUP BY kind",
        DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        int64_t kind = duet_rows_int(&rows, 0);

        if (kind >= 0 && kind < DUET_LEDGER_KINDS)
            totals[kind] = duet_rows_int(&rows, 1);
    }
    status = duet_rows_end(&rows);
    return status == DT_OK ? count_gaps(store, &totals[DUET_LEDGER_GAP]) : status;
}

/* ---- audit ---- */

/* Who runs this process: what an audit line can know by itself. */
static void actor_text(char *out, size_t size)
{
    char host[65] = "", memory[1024];
    struct passwd entry, *found = NULL;

    (void)gethostname(host, sizeof(host) - 1);
    if (getpwuid_r(geteuid(), &entry, memory, sizeof(memory), &found) == 0 && found != NULL)
        snprintf(out, size, "%s@%s", found->pw_name, host);
    else
        snprintf(out, size, "uid %ld@%s", (long)geteuid(), host);
}

dt_status duet_control_audit(struct duet_sql *sql, const char *command, const char *detail,
                             const char *reason)
{
    char actor[128];

    actor_text(actor, sizeof(actor));
    return duet_sql_run(sql,
                        "INSERT INTO audit (at_ms, actor, command, detail, reason) VALUES "
                        "(?1, ?2, ?3, ?4, ?5)",
                        DUET_BIND(duet_integer(dt_clock_wall_ms()), duet_text(actor),
                                  duet_text(command != NULL ? command : ""),
                                  duet_text(detail != NULL ? detail : ""),
                                  duet_text(reason != NULL ? reason : "")),
                        NULL);
}

struct audit {
    const char *command, *detail, *reason;
};

static dt_status put_audit(struct duet_sql *sql, void *context)
{
    const struct audit *audit = context;

    return duet_control_audit(sql, audit->command, audit->detail, audit->reason);
}

dt_status duet_store_audit(struct duet_store *store, const char *command,
                           const char *detail, const char *reason)
{
    struct audit audit = {command, detail, reason};

    return duet_sql_write(&store->sql, put_audit, &audit);
}

dt_status duet_store_audit_lines(struct duet_store *store, struct duet_audit_line **out,
                                 size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(&store->sql, &rows,
                    "SELECT at_ms, actor, command, detail, reason FROM audit ORDER BY line",
                    DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        struct duet_audit_line *line = duet_array_add(out, count, sizeof(*line));

        if (line == NULL) {
            rows.status = DT_ENOMEM;
            break;
        }
        line->at_ms = duet_rows_int(&rows, 0);
        DUET_ROWS_TEXT(&rows, 1, line->actor);
        DUET_ROWS_TEXT(&rows, 2, line->command);
        DUET_ROWS_TEXT(&rows, 3, line->detail);
        DUET_ROWS_TEXT(&rows, 4, line->reason);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}
