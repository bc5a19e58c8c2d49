/* What the roles are and have counted, as their instances report it. */
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"

struct report {
    const struct duet_role_report *report;
    const struct duet_counts *counts;
};

static dt_status put_count(struct duet_sql *sql, const struct duet_role_report *report,
                           enum duet_side side, const struct duet_count *row)
{
    return duet_sql_run(
        sql,
        "REPLACE INTO role_count (topic, grp, role, partition, side, minute, day,"
        " c0, c1, c2, c3, c4, c5)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        DUET_BIND(duet_text(report->topic), duet_text(report->group),
                  duet_integer(report->role), duet_integer(report->partition),
                  duet_integer(side), duet_integer(row->window), duet_integer(row->day),
                  duet_integer(row->n[0]), duet_integer(row->n[1]), duet_integer(row->n[2]),
                  duet_integer(row->n[3]), duet_integer(row->n[4]),
                  duet_integer(row->n[5])),
        NULL);
}

/* Writes the report unless the stored one is newer: then *written is false. */
static dt_status put_report(struct duet_sql *sql, const struct duet_role_report *it,
                            bool *written)
{
    int64_t changed = 0;
    dt_status status = duet_sql_run(
        sql,
        "INSERT INTO role_report (topic, grp, role, partition, side, version, "
        "position_kafka,"
        " position_rocketmq, read_to_kafka, read_to_rocketmq, end_kafka, end_rocketmq,"
        " updated_ms, starting)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        " ON CONFLICT (topic, grp, role, partition) DO UPDATE SET side = excluded.side,"
        " version = excluded.version, position_kafka = excluded.position_kafka,"
        " position_rocketmq = excluded.position_rocketmq,"
        " read_to_kafka = excluded.read_to_kafka,"
        " read_to_rocketmq = excluded.read_to_rocketmq, end_kafka = excluded.end_kafka,"
        " end_rocketmq = excluded.end_rocketmq, updated_ms = excluded.updated_ms,"
        " starting = excluded.starting WHERE excluded.version >= version",
        DUET_BIND(duet_text(it->topic), duet_text(it->group), duet_integer(it->role),
                  duet_integer(it->partition), duet_integer(it->side),
                  duet_integer(it->version), duet_integer(it->position[DUET_KAFKA]),
                  duet_integer(it->position[DUET_ROCKETMQ]),
                  duet_integer(it->read_to[DUET_KAFKA]),
                  duet_integer(it->read_to[DUET_ROCKETMQ]),
                  duet_integer(it->end[DUET_KAFKA]), duet_integer(it->end[DUET_ROCKETMQ]),
                  duet_integer(it->updated_ms), duet_integer(it->starting)),
        &changed);

    *written = changed > 0;
    return status;
}

static dt_status role_report(struct duet_sql *sql, void *context)
{
    const struct report *report = context;
    bool written;
    dt_status status = put_report(sql, report->report, &written);

    if (status != DT_OK || !written || report->counts == NULL)
        return status;
    for (int side = 0; side < DUET_SIDES; side++) {
        const struct duet_counts *counts = &report->counts[side];

        for (size_t i = 0; i < counts->count && status == DT_OK; i++)
            if (counts->rows[i].dirty)
                status =
                    put_count(sql, report->report, (enum duet_side)side, &counts->rows[i]);
    }
    return status;
}

dt_status duet_store_role_report(struct duet_store *store,
                                 const struct duet_role_report *report,
                                 const struct duet_counts counts[DUET_SIDES])
{
    struct report all = {report, counts};

    return duet_sql_write(&store->sql, role_report, &all);
}

static void read_report(const struct duet_rows *rows, struct duet_role_report *it)
{
    DUET_ROWS_TEXT(rows, 0, it->topic);
    DUET_ROWS_TEXT(rows, 1, it->group);
    it->role = (enum duet_role)duet_rows_int(rows, 2);
    it->partition = (int32_t)duet_rows_int(rows, 3);
    it->side = (enum duet_side)duet_rows_int(rows, 4);
    it->version = duet_rows_int(rows, 5);
    it->position[DUET_KAFKA] = duet_rows_int(rows, 6);
    it->position[DUET_ROCKETMQ] = duet_rows_int(rows, 7);
    it->read_to[DUET_KAFKA] = duet_rows_int(rows, 8);
    it->read_to[DUET_ROCKETMQ] = duet_rows_int(rows, 9);
    it->end[DUET_KAFKA] = duet_rows_int(rows, 10);
    it->end[DUET_ROCKETMQ] = duet_rows_int(rows, 11);
    it->updated_ms = duet_rows_int(rows, 12);
    it->starting = duet_rows_int(rows, 13) != 0;
}

dt_status duet_store_role_reports(struct duet_store *store, const char *topic,
                                  struct duet_role_report **out, size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(&store->sql, &rows,
                    "SELECT topic, grp, role, partition, side, version, position_kafka,"
                    " position_rocketmq, read_to_kafka, read_to_rocketmq, end_kafka,"
                    " end_rocketmq, updated_ms, starting FROM role_report WHERE topic = ?1"
                    " ORDER BY grp, role, partition",
                    DUET_BIND(duet_text(topic)));
    while (duet_rows_next(&rows)) {
        struct duet_role_report *report = duet_array_add(out, count, sizeof(*report));

        if (report == NULL)
            rows.status = DT_ENOMEM;
        else
            read_report(&rows, report);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

/* ---- sums of a group ---- */

/* Adds `which` of (minute, day, c0 ... c5) starting at `column`. */
static dt_status add_counters(const struct duet_rows *rows, int column, const int *which,
                              size_t which_count, struct duet_counts *counts)
{
    struct duet_count *row = duet_counts_at(counts, (uint32_t)duet_rows_int(rows, column),
                                            (uint16_t)duet_rows_int(rows, column + 1));

    if (row == NULL)
        return DT_ENOMEM;
    for (size_t i = 0; i < which_count; i++)
        row->n[which[i]] += duet_rows_int(rows, column + 2 + which[i]);
    return DT_OK;
}

/* Both roles begin at the same place of the log, so what the one that is further has read
 * contains what the other has: its counters are those of either role. */
dt_status duet_store_group_counts(struct duet_store *store, const char *topic,
                                  const char *group, enum duet_side side,
                                  struct duet_counts *read_and_duplicates,
                                  struct duet_counts *live, struct duet_counts *shadow)
{
    static const int of_reader[] = {DUET_COUNT_READ, DUET_COUNT_DUPLICATE,
                                    DUET_COUNT_UNSTAMPED};
    static const int of_role[] = {DUET_COUNT_PROCESSED, DUET_COUNT_FAILED};
    struct duet_rows rows;

    /* one statement, hence one snapshot */
    duet_sql_select(
        &store->sql, &rows,
        "SELECT c.role, c.role = (SELECT r.role FROM role_report r WHERE r.topic = c.topic"
        "  AND r.grp = c.grp AND r.partition = c.partition ORDER BY"
        "  CASE ?3 WHEN 0 THEN r.read_to_kafka ELSE r.read_to_rocketmq END DESC, r.role "
        "LIMIT 1),"
        " c.minute, c.day, c.c0, c.c1, c.c2, c.c3, c.c4, c.c5"
        " FROM role_count c WHERE c.topic = ?1 AND c.grp = ?2 AND c.side = ?3",
        DUET_BIND(duet_text(topic), duet_text(group), duet_integer(side)));
    while (duet_rows_next(&rows)) {
        struct duet_counts *role = duet_rows_int(&rows, 0) == DUET_LIVE ? live : shadow;

        rows.status = add_counters(&rows, 2, of_role, 2, role);
        if (rows.status == DT_OK && duet_rows_int(&rows, 1) != 0)
            rows.status = add_counters(&rows, 2, of_reader, 3, read_and_duplicates);
    }
    return duet_rows_end(&rows);
}
