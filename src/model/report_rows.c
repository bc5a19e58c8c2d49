/* report_rows.c - the rows of the daily report from the lines of each route. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "model/report.h"

void duet_window_text(char out[18], uint32_t window)
{
    char day[11];
    uint32_t days = window / 1440;

    duet_day_text(day, days > UINT16_MAX ? UINT16_MAX : (uint16_t)days);
    snprintf(out, 18, "%sT%02u:%02uZ", day, window % 1440 / 60, window % 60);
}

void duet_report_init(struct duet_report *report)
{
    memset(report, 0, sizeof(*report));
    report->equal = true;
}

void duet_report_fini(struct duet_report *report)
{
    free(report->rows);
    duet_report_init(report);
}

static dt_status push(struct duet_report *report, const struct duet_report_row *row)
{
    if ((report->count & (report->count - 1)) == 0) { /* room doubles at powers of two */
        size_t capacity = report->count == 0 ? 1 : report->count * 2;
        void *grown = realloc(report->rows, capacity * sizeof(*report->rows));

        if (grown == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the rows of a report");
        report->rows = grown;
    }
    report->rows[report->count++] = *row;
    return DT_OK;
}

static dt_status add_line(struct duet_report *report, const struct duet_tally *tally,
                          const struct duet_lines *lines, const struct duet_line *line)
{
    dt_status status = DT_OK;

    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++) {
        struct duet_report_row row = {.day = (uint16_t)line->key,
                                      .side = (enum duet_side)side,
                                      .issued = line->issued[side],
                                      .stored = line->stored[side],
                                      .unresolved = line->unresolved[side],
                                      .duplicates = line->duplicates[side]};

        snprintf(row.topic, sizeof(row.topic), "%s", tally->topic);
        if (lines->written[side])
            status = push(report, &row);
    }
    for (size_t g = 0; g < tally->group_count; g++)
        for (int side = 0; side < DUET_SIDES && status == DT_OK; side++) {
            const struct duet_line_group *of = &line->groups[g];
            struct duet_report_row row = {.day = (uint16_t)line->key,
                                          .side = (enum duet_side)side,
                                          .duplicates = of->duplicates[side],
                                          .read = of->read[side],
                                          .live = of->live[side],
                                          .shadow = of->shadow[side],
                                          .failed = of->failed[side]};

            snprintf(row.topic, sizeof(row.topic), "%s", tally->topic);
            snprintf(row.group, sizeof(row.group), "%s", tally->groups[g].name);
            if (tally->groups[g].reads[side])
                status = push(report, &row);
        }
    return status;
}

dt_status duet_report_add(struct duet_report *report, const struct duet_tally *tally,
                          uint16_t from, uint16_t to)
{
    struct duet_lines lines;
    dt_status status = duet_lines_make(tally, DUET_BY_DAY, &lines);
    char why[160], day[11];

    for (size_t i = 0; i < lines.count && status == DT_OK; i++) {
        const struct duet_line *line = &lines.line[i];

        if (line->key < from || line->key > to)
            continue;
        status = add_line(report, tally, &lines, line);
        if (report->equal && !duet_line_equal(tally, &lines, line, why, sizeof(why))) {
            report->equal = false;
            duet_day_text(day, (uint16_t)line->key);
            snprintf(report->why, sizeof(report->why), "%s: %s", day, why);
        }
    }
    duet_lines_fini(&lines);
    return status;
}

static int compare_rows(const void *a, const void *b)
{
    const struct duet_report_row *x = a, *y = b;
    int order = (x->day > y->day) - (x->day < y->day);

    if (order == 0)
        order = strcmp(x->topic, y->topic);
    if (order == 0)
        order = strcmp(x->group, y->group);
    return order != 0 ? order : (int)x->side - (int)y->side;
}

void duet_report_finish(struct duet_report *report)
{
    if (report->count > 0)
        qsort(report->rows, report->count, sizeof(*report->rows), compare_rows);
}

dt_status duet_report_total(const struct duet_report *report, struct duet_report *total)
{
    total->equal = report->equal;
    snprintf(total->why, sizeof(total->why), "%s", report->why);
    for (size_t i = 0; i < report->count; i++) {
        struct duet_report_row row = report->rows[i];
        size_t at = 0;
        dt_status status;

        row.day = 0;
        while (at < total->count && compare_rows(&total->rows[at], &row) != 0)
            at++;
        if (at == total->count) {
            status = push(total, &row);
            if (status != DT_OK)
                return status;
            continue;
        }
        total->rows[at].issued += row.issued;
        total->rows[at].stored += row.stored;
        total->rows[at].unresolved += row.unresolved;
        total->rows[at].duplicates += row.duplicates;
        total->rows[at].read += row.read;
        total->rows[at].live += row.live;
        total->rows[at].shadow += row.shadow;
        total->rows[at].failed += row.failed;
    }
    duet_report_finish(total);
    return DT_OK;
}
