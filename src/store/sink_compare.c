/* The results of both roles side by side: which tables there are, and each one compared. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/status.h"
#include "store/compare.h"
#include "store/control.h"

struct compare {
    const char *const *tables; /* NULL: all */
    size_t table_count;
    size_t sample_max;
    struct duet_table_difference *out;
    size_t count;
};

void duet_table_differences_free(struct duet_table_difference *differences, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t s = 0; s < differences[i].sample_count; s++)
            free(differences[i].sample[s]);
        free(differences[i].sample);
    }
    free(differences);
}

/* A path within "file:...": what would end it or be decoded is written as %XX. */
static void put_uri_path(struct dt_buf *out, const char *path)
{
    for (; *path != '\0'; path++) {
        if (*path == '%' || *path == '?' || *path == '#')
            dt_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*path);
        else
            dt_buf_put_u8(out, (uint8_t)*path);
    }
}

static dt_status attach(struct duet_sql *sql, const char *folder, enum duet_role role)
{
    char path[PATH_MAX];
    struct dt_buf uri;
    dt_status status;

    if (snprintf(path, sizeof(path), "%s/%s.db", folder, duet_role_name(role)) >=
        (int)sizeof(path))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", folder);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return dt_error_set(DT_ENOTFOUND, "%s: there is no %s store", path,
                            duet_role_name(role));
    dt_buf_init(&uri, 4 * PATH_MAX);
    dt_buf_put_str(&uri, "file:");
    put_uri_path(&uri, path);
    dt_buf_put_str(&uri, "?mode=ro");
    status = dt_buf_status(&uri, "the address of a store");
    if (status == DT_OK)
        status = duet_sql_run(
            sql, "ATTACH ?1 AS ?2",
            DUET_BIND(duet_text_n(uri.data, uri.size), duet_text(duet_role_name(role))),
            NULL);
    dt_buf_fini(&uri);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "opening %s", path);
}

static dt_status add_table(struct compare *compare, const char *name)
{
    struct duet_table_difference *difference =
        duet_array_add(&compare->out, &compare->count, sizeof(*difference));

    if (difference == NULL)
        return DT_ENOMEM;
    if (snprintf(difference->table, sizeof(difference->table), "%s", name) >=
        (int)sizeof(difference->table))
        return dt_error_set(DT_EUNSUPPORTED, "a table has a name of %zu bytes",
                            strlen(name));
    return DT_OK;
}

static dt_status find_tables(struct duet_sql *sql, struct compare *compare)
{
    struct duet_rows rows;

    duet_sql_select(
        sql, &rows,
        "SELECT min(name) FROM (SELECT name, type FROM live.sqlite_master UNION ALL"
        " SELECT name, type FROM shadow.sqlite_master) WHERE type = 'table'"
        " AND lower(substr(name, 1, 5)) <> 'duet_'"
        " AND lower(substr(name, 1, 7)) <> 'sqlite_'"
        " GROUP BY lower(name) ORDER BY 1",
        DUET_NO_BIND);
    while (duet_rows_next(&rows)) {
        const unsigned char *name = sqlite3_column_text(rows.statement, 0);

        rows.status = add_table(compare, name != NULL ? (const char *)name : "");
    }
    return duet_rows_end(&rows);
}

/* Within one read transaction: each side is one snapshot, however long it takes. */
static dt_status compare_all(struct duet_sql *sql, void *context)
{
    struct compare *compare = context;
    dt_status status = DT_OK;

    if (compare->tables == NULL)
        status = find_tables(sql, compare);
    for (size_t i = 0;
         compare->tables != NULL && i < compare->table_count && status == DT_OK; i++) {
        if (sqlite3_strnicmp(compare->tables[i], "duet_", 5) == 0)
            return dt_error_set(DT_EINVAL, "table '%s' is duet's own and is not compared",
                                compare->tables[i]);
        status = add_table(compare, compare->tables[i]);
    }
    for (size_t i = 0; i < compare->count && status == DT_OK; i++)
        status = duet_compare_table(sql, compare->sample_max, &compare->out[i]);
    return status;
}

dt_status duet_sink_compare(const char *url, const char *group, const char *const *tables,
                            size_t table_count, size_t sample_max,
                            struct duet_table_difference **out, size_t *count)
{
    struct compare compare = {
        .tables = tables, .table_count = table_count, .sample_max = sample_max};
    struct duet_sql sql;
    const char *folder;
    dt_status status = duet_url_path(url, &folder);

    *out = NULL;
    *count = 0;
    if (status != DT_OK)
        return status;
    status = duet_sql_open_memory(&sql);
    if (status != DT_OK)
        return status;
    for (int role = 0; role < DUET_ROLES && status == DT_OK; role++)
        status = attach(&sql, folder, (enum duet_role)role);
    if (status == DT_OK)
        status = duet_sql_read(&sql, compare_all, &compare);
    duet_sql_close(&sql);
    if (status != DT_OK) {
        duet_table_differences_free(compare.out, compare.count);
        return dt_error_wrap(status, "comparing the results of group %s", group);
    }
    *out = compare.out;
    *count = compare.count;
    return DT_OK;
}
