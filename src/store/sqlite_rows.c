/* Statements of our own: prepared once per handle, values bound, rows read. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/sqlite.h"

static dt_status prepared(struct duet_sql *sql, const char *text, sqlite3_stmt **out)
{
    int result;

    *out = NULL;
    for (size_t i = 0; i < sql->cached_count; i++) {
        if (sql->cached[i].text == text) {
            *out = sql->cached[i].statement;
            return DT_OK;
        }
    }
    if (sql->cached_count == sql->cached_capacity) {
        size_t capacity = sql->cached_capacity == 0 ? 32 : 2 * sql->cached_capacity;
        void *grown = realloc(sql->cached, capacity * sizeof(*sql->cached));

        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "%s: no memory", sql->path);
        sql->cached = grown;
        sql->cached_capacity = capacity;
    }
    result = sqlite3_prepare_v3(sql->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (result != SQLITE_OK)
        return duet_sql_status(sql, result);
    sql->cached[sql->cached_count].text = text;
    sql->cached[sql->cached_count].statement = *out;
    sql->cached_count++;
    return DT_OK;
}

int duet_sql_bind(sqlite3_stmt *statement, int index, const duet_value *value)
{
    switch (value->type) {
    case DUET_NULL:
        return sqlite3_bind_null(statement, index);
    case DUET_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case DUET_REAL:
        return sqlite3_bind_double(statement, index, value->real);
    case DUET_TEXT:
        return sqlite3_bind_text64(statement, index, value->size > 0 ? value->data : "",
                                   value->size, SQLITE_STATIC, SQLITE_UTF8);
    case DUET_BLOB:
        if (value->size == 0) /* a NULL pointer would bind null */
            return sqlite3_bind_zeroblob(statement, index, 0);
        return sqlite3_bind_blob64(statement, index, value->data, value->size,
                                   SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static int bind_all(sqlite3_stmt *statement, const duet_value *values, size_t count)
{
    int result = SQLITE_OK;

    for (size_t i = 0; i < count && result == SQLITE_OK; i++)
        result = duet_sql_bind(statement, (int)i + 1, &values[i]);
    return result;
}

/* Outside a transaction each statement waits for itself. */
static void start_alone(struct duet_sql *sql)
{
    if (sqlite3_get_autocommit(sql->db))
        duet_sql_start(sql);
}

dt_status duet_sql_run(struct duet_sql *sql, const char *text, const duet_value *values,
                       size_t count, int64_t *changed)
{
    sqlite3_stmt *statement;
    dt_status status = prepared(sql, text, &statement);
    int result;

    if (status != DT_OK)
        return status;
    start_alone(sql);
    result = bind_all(statement, values, count);
    if (result == SQLITE_OK) {
        do
            result = sqlite3_step(statement);
        while (result == SQLITE_ROW);
    }
    if (result == SQLITE_DONE) {
        if (changed != NULL)
            *changed = sqlite3_changes64(sql->db);
    } else {
        status = duet_sql_status(sql, result);
    }
    sqlite3_reset(statement);
    return status;
}

dt_status duet_sql_script(struct duet_sql *sql, const char *text)
{
    start_alone(sql);
    return duet_sql_status(sql, sqlite3_exec(sql->db, text, NULL, NULL, NULL));
}

void duet_sql_select(struct duet_sql *sql, struct duet_rows *rows, const char *text,
                     const duet_value *values, size_t count)
{
    rows->sql = sql;
    rows->status = prepared(sql, text, &rows->statement);
    if (rows->status != DT_OK)
        return;
    start_alone(sql);
    rows->status = duet_sql_status(sql, bind_all(rows->statement, values, count));
}

void duet_sql_select_once(struct duet_sql *sql, struct duet_rows *rows, const char *text)
{
    rows->sql = sql;
    start_alone(sql);
    rows->status =
        duet_sql_status(sql, sqlite3_prepare_v2(sql->db, text, -1, &rows->statement, NULL));
}

bool duet_rows_next(struct duet_rows *rows)
{
    int result;

    if (rows->status != DT_OK)
        return false;
    result = sqlite3_step(rows->statement);
    if (result == SQLITE_ROW)
        return true;
    if (result != SQLITE_DONE)
        rows->status = duet_sql_status(rows->sql, result);
    return false;
}

dt_status duet_rows_end(struct duet_rows *rows)
{
    sqlite3_reset(rows->statement);
    rows->statement = NULL;
    return rows->status;
}

dt_status duet_rows_end_once(struct duet_rows *rows)
{
    sqlite3_finalize(rows->statement);
    rows->statement = NULL;
    return rows->status;
}

int64_t duet_rows_int(const struct duet_rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

struct dt_span duet_rows_bytes(const struct duet_rows *rows, int column)
{
    const void *data = sqlite3_column_blob(rows->statement, column);

    return dt_span_of(data, (size_t)sqlite3_column_bytes(rows->statement, column));
}

void duet_rows_text(const struct duet_rows *rows, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(rows->statement, column);

    snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}
