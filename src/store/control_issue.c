/* What producers issued, absolute per (topic, partition, instance, boot). */
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"

struct issue {
    const struct duet_issue_report *report;
    const struct duet_counts *counts;
};

static dt_status put_count(struct duet_sql *sql, const struct duet_issue_report *report,
                           const struct duet_count *row)
{
    return duet_sql_run(
        sql,
        "REPLACE INTO issue_count (topic, partition, instance, boot, minute, day,"
        " c0, c1, c2, c3, c4, c5) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
        "?12)",
        DUET_BIND(duet_text(report->topic), duet_integer(report->partition),
                  duet_integer(report->instance), duet_integer(report->boot),
                  duet_integer(row->window), duet_integer(row->day),
                  duet_integer(row->n[0]), duet_integer(row->n[1]), duet_integer(row->n[2]),
                  duet_integer(row->n[3]), duet_integer(row->n[4]),
                  duet_integer(row->n[5])),
        NULL);
}

/* A report from before the stored one (a delayed one) changes nothing. */
static dt_status issue_report(struct duet_sql *sql, void *context)
{
    const struct issue *issue = context;
    const struct duet_issue_report *it = issue->report;
    int64_t changed = 0;
    dt_status status = duet_sql_run(
        sql,
        "INSERT INTO issue_report (topic, partition, instance, boot, issued_to, closed)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (topic, partition, instance, boot)"
        " DO UPDATE SET issued_to = excluded.issued_to, closed = excluded.closed"
        " WHERE excluded.issued_to >= issued_to AND excluded.closed >= closed",
        DUET_BIND(duet_text(it->topic), duet_integer(it->partition),
                  duet_integer(it->instance), duet_integer(it->boot),
                  duet_integer((int64_t)it->issued_to), duet_integer(it->closed)),
        &changed);

    if (status != DT_OK || changed == 0 || issue->counts == NULL)
        return status;
    for (size_t i = 0; i < issue->counts->count && status == DT_OK; i++)
        if (issue->counts->rows[i].dirty)
            status = put_count(sql, it, &issue->counts->rows[i]);
    return status;
}

dt_status duet_store_issue_report(struct duet_store *store,
                                  const struct duet_issue_report *report,
                                  const struct duet_counts *counts)
{
    struct issue issue = {report, counts};

    return duet_sql_write(&store->sql, issue_report, &issue);
}

dt_status duet_store_issue_reports(struct duet_store *store, const char *topic,
                                   struct duet_issue_report **out, size_t *count)
{
    struct duet_rows rows;
    dt_status status;

    *out = NULL;
    *count = 0;
    duet_sql_select(
        &store->sql, &rows,
        "SELECT topic, partition, instance, boot, issued_to, closed"
        " FROM issue_report WHERE topic = ?1 ORDER BY partition, instance, boot",
        DUET_BIND(duet_text(topic)));
    while (duet_rows_next(&rows)) {
        struct duet_issue_report *report = duet_array_add(out, count, sizeof(*report));

        if (report == NULL) {
            rows.status = DT_ENOMEM;
            break;
        }
        DUET_ROWS_TEXT(&rows, 0, report->topic);
        report->partition = (int32_t)duet_rows_int(&rows, 1);
        report->instance = (uint32_t)duet_rows_int(&rows, 2);
        report->boot = (uint16_t)duet_rows_int(&rows, 3);
        report->issued_to = (uint64_t)duet_rows_int(&rows, 4);
        report->closed = duet_rows_int(&rows, 5) != 0;
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

dt_status duet_store_issue_counts(struct duet_store *store,
                                  const struct duet_issue_report *of,
                                  struct duet_counts *counts)
{
    struct duet_rows rows;

    duet_sql_select(&store->sql, &rows,
                    "SELECT minute, day, c0, c1, c2, c3, c4, c5 FROM issue_count WHERE"
                    " topic = ?1 AND partition = ?2 AND instance = ?3 AND boot = ?4",
                    DUET_BIND(duet_text(of->topic), duet_integer(of->partition),
                              duet_integer(of->instance), duet_integer(of->boot)));
    while (duet_rows_next(&rows))
        rows.status = duet_rows_count(&rows, 0, counts);
    return duet_rows_end(&rows);
}
