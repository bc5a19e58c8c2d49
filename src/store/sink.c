/* A sink's life and its transactions. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"
#include "store/ledger_row.h"
#include "store/sink_internal.h"

dt_status duet_sink_open(const char *url, enum duet_role role, const char *group,
                         struct duet_sink **out)
{
    char path[PATH_MAX];
    const char *folder;
    struct duet_sink *sink;
    dt_status status = duet_url_path(url, &folder);

    *out = NULL;
    if (status != DT_OK)
        return status;
    if (snprintf(path, sizeof(path), "%s/%s.db", folder, duet_role_name(role)) >=
        (int)sizeof(path))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", folder);
    sink = calloc(1, sizeof(*sink));
    if (sink == NULL)
        return dt_error_set(DT_ENOMEM, "%s: no memory", path);
    sink->role = role;
    snprintf(sink->group, sizeof(sink->group), "%s", group);
    status = duet_sql_open(&sink->sql, path, true);
    if (status == DT_OK)
        status = duet_sink_prepare(&sink->sql);
    if (status != DT_OK) {
        dt_error_wrap(status, "opening the %s store of group %s", duet_role_name(role),
                      group);
        duet_sink_close(sink);
        return status;
    }
    duet_sink_guard(sink);
    *out = sink;
    return DT_OK;
}

void duet_sink_close(struct duet_sink *sink)
{
    if (sink == NULL)
        return;
    duet_sink_statements_free(sink);
    duet_sql_close(&sink->sql);
    free(sink);
}

/* ---- transactions ---- */

dt_status duet_sink_check(const struct duet_sink *sink)
{
    if (!sink->in_transaction)
        return dt_error_set(DT_ESTATE, "%s: no transaction is open", sink->sql.path);
    if (sink->lost != DT_OK)
        return dt_error_set(sink->lost, "%s", sink->lost_text);
    return DT_OK;
}

dt_status duet_sink_failed(struct duet_sink *sink, dt_status status)
{
    if (sink->in_transaction && sink->lost == DT_OK &&
        sqlite3_get_autocommit(sink->sql.db)) {
        sink->lost = status;
        snprintf(sink->lost_text, sizeof(sink->lost_text), "%s", dt_error_text());
    }
    return status;
}

static void ended(struct duet_sink *sink)
{
    sink->in_transaction = false;
    sink->in_savepoint = false;
    sink->lost = DT_OK;
}

dt_status duet_sink_begin(struct duet_sink *sink)
{
    dt_status status;

    if (sink->in_transaction)
        return dt_error_set(DT_ESTATE, "%s: a transaction is open already", sink->sql.path);
    status = duet_sql_begin(&sink->sql);
    sink->in_transaction = status == DT_OK;
    return status;
}

dt_status duet_sink_commit(struct duet_sink *sink)
{
    dt_status status = duet_sink_check(sink);

    if (!sink->in_transaction)
        return status;
    if (status == DT_OK)
        status = duet_sql_commit(&sink->sql);
    duet_sql_rollback(&sink->sql); /* of one that has failed */
    ended(sink);
    return status;
}

void duet_sink_rollback(struct duet_sink *sink)
{
    duet_sql_rollback(&sink->sql);
    ended(sink);
}

static dt_status run(struct duet_sink *sink, const char *text)
{
    return duet_sink_failed(sink, duet_sql_run(&sink->sql, text, DUET_NO_BIND, NULL));
}

dt_status duet_sink_savepoint(struct duet_sink *sink)
{
    dt_status status = duet_sink_check(sink);

    if (status != DT_OK)
        return status;
    if (sink->in_savepoint)
        return dt_error_set(DT_ESTATE, "%s: a savepoint is open already", sink->sql.path);
    status = run(sink, "SAVEPOINT duet_message");
    sink->in_savepoint = status == DT_OK;
    return status;
}

static dt_status check_savepoint(const struct duet_sink *sink)
{
    dt_status status = duet_sink_check(sink);

    if (status == DT_OK && !sink->in_savepoint)
        return dt_error_set(DT_ESTATE, "%s: no savepoint is open", sink->sql.path);
    return status;
}

/* A foreign key that is checked at COMMIT would fail the whole batch there, again and again;
 * here it fails the message that broke it. */
static dt_status check_deferred(struct duet_sink *sink)
{
    int broken = 0, unused = 0;

    (void)sqlite3_db_status(sink->sql.db, SQLITE_DBSTATUS_DEFERRED_FKS, &broken, &unused,
                            0);
    if (broken != 0)
        return dt_error_set(DT_EINVAL, "%s: a deferred foreign key is broken",
                            sink->sql.path);
    return DT_OK;
}

dt_status duet_sink_release(struct duet_sink *sink)
{
    dt_status status = check_savepoint(sink);

    if (status == DT_OK)
        status = check_deferred(sink);
    if (status == DT_OK)
        status = run(sink, "RELEASE duet_message");
    if (status == DT_OK)
        sink->in_savepoint = false;
    return status;
}

dt_status duet_sink_undo(struct duet_sink *sink)
{
    dt_status status = check_savepoint(sink);

    if (status == DT_OK)
        status = run(sink, "ROLLBACK TO duet_message");
    if (status == DT_OK)
        status = run(sink, "RELEASE duet_message");
    if (status == DT_OK)
        sink->in_savepoint = false;
    return status;
}

/* ---- ledger ---- */

dt_status duet_sink_ledger(struct duet_sink *sink, const struct duet_ledger_entry *entry)
{
    struct duet_ledger_row row;
    dt_status status = duet_sink_check(sink);

    if (status != DT_OK)
        return status;
    duet_ledger_row_of(&row, entry);
    status = duet_sql_run(&sink->sql,
                          "INSERT INTO main.duet_ledger (kind, topic, grp, partition, side,"
                          " first_id, position, messages, at_ms, reason, resolved)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                          row.values, DUET_LEDGER_COLUMNS, NULL);
    return duet_sink_failed(sink, status);
}

dt_status duet_sink_ledger_after(struct duet_sink *sink, int64_t after,
                                 struct duet_ledger_entry **out, size_t *count,
                                 int64_t *last)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    *last = after;
    duet_sql_select(&sink->sql, &rows,
                    "SELECT entry, kind, topic, grp, partition, side, first_id, position,"
                    " messages, at_ms, reason, resolved FROM main.duet_ledger"
                    " WHERE entry > ?1 AND grp = ?2 ORDER BY entry LIMIT ?3",
                    DUET_BIND(duet_integer(after), duet_text(sink->group),
                              duet_integer(DUET_SINK_LEDGER_MAX)));
    while (duet_rows_next(&rows)) {
        struct duet_ledger_entry *entry = duet_array_add(out, count, sizeof(*entry));

        rows.status = entry == NULL ? DT_ENOMEM : duet_ledger_row_read(&rows, 1, entry);
        if (rows.status == DT_OK)
            *last = duet_rows_int(&rows, 0);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
        *last = after;
    }
    return status;
}

dt_status duet_sink_open_gaps(struct duet_sink *sink, const char *topic, int32_t partition,
                              struct duet_ledger_entry **out, size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(&sink->sql, &rows,
                    "SELECT kind, topic, grp, partition, side, first_id, position,"
                    " max(messages), min(at_ms), reason, max(resolved)"
                    " FROM main.duet_ledger WHERE kind = ?1 AND grp = ?2 AND topic = ?3"
                    " AND partition = ?4 GROUP BY side, first_id, position"
                    " HAVING max(resolved) = 0 ORDER BY min(entry) LIMIT ?5",
                    DUET_BIND(duet_integer(DUET_LEDGER_GAP), duet_text(sink->group),
                              duet_text(topic), duet_integer(partition),
                              duet_integer(DUET_SINK_LEDGER_MAX)));
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
