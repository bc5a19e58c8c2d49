/*
 * How one table differs. With a primary key that both sides have and no null in it, rows are
 * matched by key; otherwise tables are multisets of whole rows. Values are compared as they
 * are stored: by type and by bytes, whatever collation a column has. A column that one side
 * lacks is null there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/compare.h"
#include "store/control.h"

enum { SQL_MAX = 4 << 20 };

static const char *const schema_of[DUET_ROLES] = {DUET_COMPARE_LIVE, DUET_COMPARE_SHADOW};

void duet_sql_quote(struct dt_buf *out, const char *name)
{
    dt_buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            dt_buf_put_u8(out, '"');
        dt_buf_put_u8(out, (uint8_t)*name);
    }
    dt_buf_put_u8(out, '"');
}

/* ---- columns ---- */

static struct duet_column *find_column(struct duet_compared *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (sqlite3_stricmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

static dt_status read_columns(struct duet_compared *table, int role)
{
    struct duet_rows rows;

    duet_sql_select(table->sql, &rows,
                    "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) WHERE hidden <> 1",
                    DUET_BIND(duet_text(table->out->table), duet_text(schema_of[role])));
    while (duet_rows_next(&rows)) {
        char name[DUET_COLUMN_NAME_SIZE];
        struct duet_column *column;

        if (duet_rows_bytes(&rows, 0).size >= sizeof(name)) {
            rows.status = dt_error_set(DT_EUNSUPPORTED,
                                       "table %s has a column with a name of "
                                       "%zu bytes",
                                       table->out->table, duet_rows_bytes(&rows, 0).size);
            break;
        }
        DUET_ROWS_TEXT(&rows, 0, name);
        column = find_column(table, name);
        if (column == NULL) {
            column = duet_array_add(&table->columns, &table->count, sizeof(*column));
            if (column == NULL) {
                rows.status = DT_ENOMEM;
                break;
            }
            memcpy(column->name, name, sizeof(name));
        }
        column->in[role] = true;
        column->key[role] = (int)duet_rows_int(&rows, 1);
        table->in[role] = true;
    }
    return duet_rows_end(&rows);
}

static int by_key(const void *a, const void *b)
{
    const struct duet_column *one = a, *other = b;
    int left = one->key[DUET_LIVE], right = other->key[DUET_LIVE];

    if ((left == 0) != (right == 0))
        return left == 0 ? 1 : -1;
    if (left != right)
        return left < right ? -1 : 1;
    return sqlite3_stricmp(one->name, other->name);
}

/* The number of key columns, 0 if the two sides do not have the same key. Where one side has
 * no such table, the other's key will do. */
static size_t common_key(struct duet_compared *table)
{
    size_t keys = 0;

    for (size_t i = 0; i < table->count; i++) {
        struct duet_column *column = &table->columns[i];

        for (int role = 0; role < DUET_ROLES; role++)
            if (!table->in[role])
                column->key[role] = column->key[1 - role];
        if (column->key[DUET_LIVE] != column->key[DUET_SHADOW])
            return 0;
        if (column->key[DUET_LIVE] != 0)
            keys++;
    }
    return keys;
}

/* ---- SQL text ---- */

static void put_column(struct duet_compared *table, const char *alias, size_t i)
{
    dt_buf_printf(&table->text, "%s.", alias);
    duet_sql_quote(&table->text, table->columns[i].name);
}

static void put_table(struct duet_compared *table, int role, const char *alias)
{
    dt_buf_printf(&table->text, "%s.", schema_of[role]);
    duet_sql_quote(&table->text, table->out->table);
    dt_buf_printf(&table->text, " %s", alias);
}

static void put_values(struct duet_compared *table, int role, const char *alias,
                       size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (i > from)
            dt_buf_put_str(&table->text, ", ");
        if (table->columns[i].in[role])
            put_column(table, alias, i);
        else
            dt_buf_put_str(&table->text, "NULL");
    }
}

/* s has the row of l's key: the index of that key finds it. */
static void put_match(struct duet_compared *table)
{
    for (size_t i = 0; i < table->keys; i++) {
        if (i > 0)
            dt_buf_put_str(&table->text, " AND ");
        put_column(table, "b", i);
        dt_buf_put_str(&table->text, " = ");
        put_column(table, "a", i);
    }
}

static void put_value(struct duet_compared *table, int role, const char *alias, size_t i)
{
    put_values(table, role, alias, i, i + 1);
}

/* Any column differs, the key's included: a collation may call different keys the same. */
static void put_differs(struct duet_compared *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (i > 0)
            dt_buf_put_str(&table->text, " OR ");
        put_value(table, DUET_LIVE, "a", i);
        dt_buf_put_str(&table->text, " IS NOT ");
        put_value(table, DUET_SHADOW, "b", i);
        dt_buf_put_str(&table->text, " COLLATE BINARY OR typeof(");
        put_value(table, DUET_LIVE, "a", i);
        dt_buf_put_str(&table->text, ") <> typeof(");
        put_value(table, DUET_SHADOW, "b", i);
        dt_buf_put_str(&table->text, ")");
    }
}

static dt_status number(struct duet_compared *table, int64_t *out)
{
    struct duet_rows rows;
    dt_status status = dt_buf_status(&table->text, "a comparison");

    *out = 0;
    if (status != DT_OK)
        return status;
    duet_sql_select_once(table->sql, &rows, dt_buf_str(&table->text));
    if (duet_rows_next(&rows))
        *out = duet_rows_int(&rows, 0);
    return duet_rows_end_once(&rows);
}

static dt_status count_rows(struct duet_compared *table, int role, int64_t *out)
{
    *out = 0;
    if (!table->in[role])
        return DT_OK;
    dt_buf_clear(&table->text);
    dt_buf_put_str(&table->text, "SELECT count(*) FROM ");
    put_table(table, role, "a");
    return number(table, out);
}

/* SQLite lets nulls into most primary keys, any number of the same; they match nothing. */
static dt_status has_null_key(struct duet_compared *table, bool *has)
{
    dt_status status = DT_OK;

    *has = false;
    for (int role = 0; role < DUET_ROLES && status == DT_OK && !*has; role++) {
        int64_t found = 0;

        if (!table->in[role])
            continue;
        dt_buf_clear(&table->text);
        dt_buf_put_str(&table->text, "SELECT EXISTS (SELECT 1 FROM ");
        put_table(table, role, "a");
        dt_buf_put_str(&table->text, " WHERE ");
        for (size_t i = 0; i < table->keys; i++) {
            dt_buf_put_str(&table->text, i > 0 ? " OR " : "");
            put_column(table, "a", i);
            dt_buf_put_str(&table->text, " IS NULL");
        }
        dt_buf_put_str(&table->text, ")");
        status = number(table, &found);
        *has = found != 0;
    }
    return status;
}

static size_t room(const struct duet_compared *table)
{
    return table->sample_max - table->out->sample_count;
}

/* ---- rows matched by key ---- */

static dt_status samples(struct duet_compared *table, bool live, bool shadow)
{
    struct duet_rows rows;
    dt_status status = dt_buf_status(&table->text, "a comparison");

    if (status != DT_OK)
        return status;
    duet_sql_select_once(table->sql, &rows, dt_buf_str(&table->text));
    while (duet_rows_next(&rows))
        rows.status = duet_compare_sample(table, rows.statement, live, shadow);
    return duet_rows_end_once(&rows);
}

/* FROM and WHERE of the rows that only `role` has. */
static void put_only(struct duet_compared *table, int role)
{
    int other = 1 - role;

    dt_buf_put_str(&table->text, " FROM ");
    put_table(table, role, "a");
    if (!table->in[other])
        return;
    dt_buf_put_str(&table->text, " WHERE NOT EXISTS (SELECT 1 FROM ");
    put_table(table, other, "b");
    dt_buf_put_str(&table->text, " WHERE ");
    put_match(table);
    dt_buf_put_str(&table->text, ")");
}

static dt_status only_on(struct duet_compared *table, int role, int64_t *count)
{
    dt_status status;

    *count = 0;
    if (!table->in[role])
        return DT_OK;
    dt_buf_clear(&table->text);
    dt_buf_put_str(&table->text, "SELECT count(*)");
    put_only(table, role);
    status = number(table, count);
    if (status != DT_OK || *count == 0 || room(table) == 0)
        return status;
    dt_buf_clear(&table->text);
    dt_buf_put_str(&table->text, "SELECT ");
    put_values(table, role, "a", 0, table->count);
    for (size_t i = table->keys; i < table->count; i++) { /* the place of shadow's */
        dt_buf_put_str(&table->text, ", ");
        put_value(table, role, "a", i);
    }
    put_only(table, role);
    dt_buf_printf(&table->text, " LIMIT %zu", room(table));
    return samples(table, role == DUET_LIVE, role == DUET_SHADOW);
}

static void put_joined(struct duet_compared *table)
{
    dt_buf_put_str(&table->text, " FROM ");
    put_table(table, DUET_LIVE, "a");
    dt_buf_put_str(&table->text,
                   " CROSS JOIN "); /* in this order: the key's index finds b */
    put_table(table, DUET_SHADOW, "b");
    dt_buf_put_str(&table->text, " WHERE ");
    put_match(table);
    dt_buf_put_str(&table->text, " AND (");
    put_differs(table);
    dt_buf_put_str(&table->text, ")");
}

static dt_status different(struct duet_compared *table)
{
    dt_status status;

    if (!table->in[DUET_LIVE] || !table->in[DUET_SHADOW])
        return DT_OK;
    dt_buf_clear(&table->text);
    dt_buf_put_str(&table->text, "SELECT count(*)");
    put_joined(table);
    status = number(table, &table->out->different);
    if (status != DT_OK || table->out->different == 0 || room(table) == 0)
        return status;
    dt_buf_clear(&table->text);
    dt_buf_put_str(&table->text, "SELECT ");
    put_values(table, DUET_LIVE, "a", 0, table->count);
    for (size_t i = table->keys; i < table->count; i++) {
        dt_buf_put_str(&table->text, ", ");
        put_value(table, DUET_SHADOW, "b", i);
    }
    put_joined(table);
    dt_buf_printf(&table->text, " LIMIT %zu", room(table));
    return samples(table, true, true);
}

/* ---- whole rows ---- */

/* One side of the union: c0 ... cn are its values, `live` and `shadow` say whose they are. */
static void put_side(struct duet_compared *table, int role)
{
    dt_buf_put_str(&table->text, "SELECT ");
    for (size_t i = 0; i < table->count; i++) {
        put_value(table, role, "a", i);
        dt_buf_printf(&table->text, " COLLATE BINARY AS c%zu, ", i);
    }
    dt_buf_printf(&table->text, "%d AS l, %d AS s FROM ", role == DUET_LIVE,
                  role == DUET_SHADOW);
    put_table(table, role, "a");
}

static dt_status whole_rows(struct duet_compared *table)
{
    struct duet_rows rows;
    struct dt_buf *text = &table->text;
    dt_status status;

    dt_buf_clear(text);
    dt_buf_put_str(text, "SELECT ");
    for (int copy = 0; copy < DUET_ROLES; copy++)
        for (size_t i = 0; i < table->count; i++)
            dt_buf_printf(text, "c%zu, ", i);
    dt_buf_put_str(text, "sum(l) - sum(s) FROM (");
    for (int role = 0; role < DUET_ROLES; role++) {
        if (!table->in[role])
            continue;
        dt_buf_put_str(text,
                       role == DUET_SHADOW && table->in[DUET_LIVE] ? " UNION ALL " : "");
        put_side(table, role);
    }
    dt_buf_put_str(text, ") GROUP BY ");
    for (size_t i = 0; i < table->count; i++)
        dt_buf_printf(text, "%sc%zu COLLATE BINARY, typeof(c%zu)", i > 0 ? ", " : "", i, i);
    dt_buf_put_str(text, " HAVING sum(l) <> sum(s)");
    status = dt_buf_status(text, "a comparison");
    if (status != DT_OK)
        return status;
    duet_sql_select_once(table->sql, &rows, dt_buf_str(text));
    while (duet_rows_next(&rows)) {
        int64_t more = duet_rows_int(&rows, (int)(2 * table->count));

        if (more > 0)
            table->out->only_live += more;
        else
            table->out->only_shadow -= more;
        if (room(table) > 0)
            rows.status = duet_compare_sample(table, rows.statement, more > 0, more < 0);
    }
    return duet_rows_end_once(&rows);
}

static dt_status compare(struct duet_compared *table)
{
    struct duet_table_difference *out = table->out;
    bool null_key = false;
    dt_status status = DT_OK;

    for (int role = 0; role < DUET_ROLES && status == DT_OK; role++)
        status = read_columns(table, role);
    if (status != DT_OK)
        return status;
    if (table->count == 0)
        return dt_error_set(DT_ENOTFOUND, "table '%s' is on neither side", out->table);
    table->keys = common_key(table);
    if (table->keys > 0)
        qsort(table->columns, table->count, sizeof(*table->columns), by_key);
    status = count_rows(table, DUET_LIVE, &out->rows_live);
    if (status == DT_OK)
        status = count_rows(table, DUET_SHADOW, &out->rows_shadow);
    if (status == DT_OK && table->keys > 0)
        status = has_null_key(table, &null_key);
    if (status != DT_OK)
        return status;
    if (table->keys == 0 || null_key) {
        table->keys = 0;
        return whole_rows(table);
    }
    status = different(table);
    if (status == DT_OK)
        status = only_on(table, DUET_LIVE, &out->only_live);
    if (status == DT_OK)
        status = only_on(table, DUET_SHADOW, &out->only_shadow);
    return status;
}

dt_status duet_compare_table(struct duet_sql *sql, size_t sample_max,
                             struct duet_table_difference *out)
{
    struct duet_compared table = {.sql = sql, .out = out, .sample_max = sample_max};
    dt_status status;

    dt_buf_init(&table.text, SQL_MAX);
    status = compare(&table);
    dt_buf_fini(&table.text);
    free(table.columns);
    return status;
}
