/* The handler's SQL: prepared once per text, parameters by number, its errors told apart. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/sink_internal.h"

struct duet_sink_statement {
    char *text;
    size_t size;
    sqlite3_stmt *statement;
    uint64_t used;    /* when, counted in uses */
    int parameters;   /* how many different ones */
    uint16_t *number; /* SQLite counts them by appearance: the n of $n for each */
    duet_value *row;  /* of `columns` */
    int columns;
    bool once; /* not in the cache: its text is running already, further up the stack */
};

static void statement_free(struct duet_sink_statement *it)
{
    if (it == NULL)
        return;
    sqlite3_finalize(it->statement);
    free(it->text);
    free(it->number);
    free(it->row);
    free(it);
}

void duet_sink_statements_free(struct duet_sink *sink)
{
    for (size_t i = 0; i < sink->statement_count; i++)
        statement_free(sink->statements[i]);
    sink->statement_count = 0;
}

/* DT_EINVAL is what the same message would cause again; the rest is the store's trouble. */
static dt_status failed(struct duet_sink *sink, int result, const char *sql)
{
    const char *text = sqlite3_errmsg(sink->sql.db);
    dt_status status;

    switch (result & 0xff) {
    case SQLITE_AUTH:
        status = dt_error_set(DT_EINVAL, "%s: in '%.100s'", sink->denied, sql);
        break;
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
        status = dt_error_set(DT_EINVAL, "%s: in '%.100s'", text, sql);
        break;
    default:
        status = duet_sql_status(&sink->sql, result);
        break;
    }
    return duet_sink_failed(sink, status);
}

/* ---- preparing ---- */

/* "$12" -> 12; 0 for anything else that SQLite takes as a parameter. */
static int parameter_number(const char *name)
{
    int number = 0;

    if (name == NULL || name[0] != '$' || name[1] < '1' || name[1] > '9')
        return 0;
    for (const char *at = name + 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > 3276)
            return 0;
        number = number * 10 + (*at - '0');
    }
    return number;
}

/* The numbers must be 1 ... n with none left out: other databases insist on it, and a text has
 * to mean the same on all. */
static dt_status read_parameters(struct duet_sink_statement *it)
{
    int largest = 0;

    it->parameters = sqlite3_bind_parameter_count(it->statement);
    it->number = calloc((size_t)it->parameters + 1, sizeof(*it->number));
    if (it->number == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a statement");
    for (int i = 0; i < it->parameters; i++) {
        const char *name = sqlite3_bind_parameter_name(it->statement, i + 1);
        int number = parameter_number(name);

        if (number == 0)
            return dt_error_set(DT_EINVAL,
                                "parameters are $1, $2, ..., not %s: in '%.100s'",
                                name != NULL ? name : "?", it->text);
        it->number[i] = (uint16_t)number;
        if (number > largest)
            largest = number;
    }
    if (largest != it->parameters)
        return dt_error_set(DT_EINVAL,
                            "$%d is used, but not every parameter before it: in '%.100s'",
                            largest, it->text);
    return DT_OK;
}

static dt_status check_rest(struct duet_sink *sink, const char *rest, const char *sql)
{
    while (*rest != '\0') { /* a comment or a lone semicolon gives no statement */
        sqlite3_stmt *second = NULL;
        int result = sqlite3_prepare_v2(sink->sql.db, rest, -1, &second, &rest);
        bool more = result != SQLITE_OK || second != NULL;

        sqlite3_finalize(second);
        if (more)
            return dt_error_set(DT_EINVAL, "one statement at a time: in '%.100s'", sql);
    }
    return DT_OK;
}

static dt_status compile(struct duet_sink *sink, struct duet_sink_statement *it)
{
    const char *rest = "";
    int result;
    dt_status status;

    if (!duet_sink_text_allowed(sink, it->text))
        return dt_error_set(DT_EINVAL, "%s: in '%.100s'", sink->denied, it->text);
    result = sqlite3_prepare_v3(sink->sql.db, it->text, -1, SQLITE_PREPARE_PERSISTENT,
                                &it->statement, &rest);
    if (result != SQLITE_OK)
        return failed(sink, result, it->text);
    if (it->statement == NULL)
        return dt_error_set(DT_EINVAL, "there is no statement in '%.100s'", it->text);
    status = check_rest(sink, rest, it->text);
    return status == DT_OK ? read_parameters(it) : status;
}

static dt_status statement_new(struct duet_sink *sink, const char *sql, size_t size,
                               struct duet_sink_statement **out)
{
    struct duet_sink_statement *it = calloc(1, sizeof(*it));
    dt_status status;

    *out = NULL;
    if (it != NULL)
        it->text = malloc(size + 1);
    if (it == NULL || it->text == NULL) {
        free(it);
        return dt_error_set(DT_ENOMEM, "no memory for a statement");
    }
    memcpy(it->text, sql, size + 1);
    it->size = size;
    status = compile(sink, it);
    if (status != DT_OK) {
        statement_free(it);
        return status;
    }
    *out = it;
    return DT_OK;
}

/* Puts it into the cache, in place of the one not used for longest; if all are running (each
 * from a row of another), it lives for this call only. */
static void keep(struct duet_sink *sink, struct duet_sink_statement *it)
{
    size_t place = sink->statement_count;

    if (place == DUET_SINK_STATEMENTS) {
        for (size_t i = 0; i < DUET_SINK_STATEMENTS; i++)
            if (!sqlite3_stmt_busy(sink->statements[i]->statement) &&
                (place == DUET_SINK_STATEMENTS ||
                 sink->statements[i]->used < sink->statements[place]->used))
                place = i;
        if (place == DUET_SINK_STATEMENTS) {
            it->once = true;
            return;
        }
        statement_free(sink->statements[place]);
    } else {
        sink->statement_count++;
    }
    sink->statements[place] = it;
}

static dt_status statement_get(struct duet_sink *sink, const char *sql,
                               struct duet_sink_statement **out)
{
    size_t size = strlen(sql);
    bool running = false;
    dt_status status;

    for (size_t i = 0; i < sink->statement_count; i++) {
        struct duet_sink_statement *it = sink->statements[i];

        if (it->size != size || memcmp(it->text, sql, size) != 0)
            continue;
        running = sqlite3_stmt_busy(it->statement);
        if (running)
            break;
        it->used = ++sink->uses;
        *out = it;
        return DT_OK;
    }
    status = statement_new(sink, sql, size, out);
    if (status != DT_OK)
        return status;
    (*out)->used = ++sink->uses;
    if (running)
        (*out)->once = true;
    else
        keep(sink, *out);
    return DT_OK;
}

/* ---- running ---- */

static dt_status bind(struct duet_sink *sink, struct duet_sink_statement *it,
                      const duet_value *values, size_t count)
{
    if (count != (size_t)it->parameters)
        return dt_error_set(DT_EINVAL,
                            "%d parameters are used, %zu values given: in '%.100s'",
                            it->parameters, count, it->text);
    for (int i = 0; i < it->parameters; i++) {
        int result = duet_sql_bind(it->statement, i + 1, &values[it->number[i] - 1]);

        if (result == SQLITE_MISUSE)
            return dt_error_set(DT_EINVAL,
                                "the value of $%d has no known type: in '%.100s'",
                                (int)it->number[i], it->text);
        if (result != SQLITE_OK)
            return failed(sink, result, it->text);
    }
    return DT_OK;
}

static dt_status read_row(struct duet_sink_statement *it, int *columns)
{
    *columns = sqlite3_data_count(it->statement); /* may change with the schema */
    if (*columns > it->columns) {
        duet_value *row = realloc(it->row, (size_t)*columns * sizeof(*row));

        if (row == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a row");
        it->row = row;
        it->columns = *columns;
    }
    for (int i = 0; i < *columns; i++) {
        duet_value *value = &it->row[i];

        memset(value, 0, sizeof(*value));
        switch (sqlite3_column_type(it->statement, i)) {
        case SQLITE_INTEGER:
            value->type = DUET_INTEGER;
            value->integer = sqlite3_column_int64(it->statement, i);
            break;
        case SQLITE_FLOAT:
            value->type = DUET_REAL;
            value->real = sqlite3_column_double(it->statement, i);
            break;
        case SQLITE_TEXT:
            value->type = DUET_TEXT;
            value->data = sqlite3_column_text(it->statement, i);
            value->size = (size_t)sqlite3_column_bytes(it->statement, i);
            break;
        case SQLITE_BLOB:
            value->type = DUET_BLOB;
            value->data = sqlite3_column_blob(it->statement, i);
            value->size = (size_t)sqlite3_column_bytes(it->statement, i);
            break;
        default:
            value->type = DUET_NULL;
            break;
        }
    }
    return DT_OK;
}

static dt_status step_all(struct duet_sink *sink, struct duet_sink_statement *it,
                          duet_row_fn row, void *context)
{
    int columns;

    for (;;) {
        int result = sqlite3_step(it->statement);
        dt_status status;

        if (result == SQLITE_DONE)
            return DT_OK;
        if (result != SQLITE_ROW)
            return failed(sink, result, it->text);
        if (row == NULL)
            continue;
        status = read_row(it, &columns);
        if (status != DT_OK)
            return status;
        if (!row(context, it->row, (size_t)columns))
            return DT_OK;
    }
}

static dt_status execute(struct duet_sink *sink, const char *sql, const duet_value *values,
                         size_t count, duet_row_fn row, void *context)
{
    struct duet_sink_statement *it;
    bool outer = sink->in_handler;
    dt_status status = duet_sink_check(sink);

    if (status != DT_OK)
        return status;
    sink->in_handler = true;
    status = statement_get(sink, sql, &it);
    if (status == DT_OK) {
        status = bind(sink, it, values, count);
        if (status == DT_OK)
            status = step_all(sink, it, row, context);
        sqlite3_reset(it->statement);
        if (it->once)
            statement_free(it);
    }
    sink->in_handler = outer;
    return status;
}

dt_status duet_sink_exec(struct duet_sink *sink, const char *sql, const duet_value *values,
                         size_t count, int64_t *changed)
{
    int64_t before = sqlite3_total_changes64(sink->sql.db);
    dt_status status = execute(sink, sql, values, count, NULL, NULL);

    if (changed != NULL) /* what a SELECT leaves is the number of the statement before it */
        *changed = status != DT_OK || sqlite3_total_changes64(sink->sql.db) == before
                       ? 0
                       : sqlite3_changes64(sink->sql.db);
    return status;
}

dt_status duet_sink_query(struct duet_sink *sink, const char *sql, const duet_value *values,
                          size_t count, duet_row_fn row, void *context)
{
    return execute(sink, sql, values, count, row, context);
}
