#include "model/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

void duet_tally_fini(struct duet_tally *tally)
{
    for (int side = 0; side < DUET_SIDES; side++) {
        for (int32_t p = 0; tally->log[side] != NULL && p < tally->partitions; p++) {
            duet_idset_fini(&tally->log[side][p].ids);
            duet_counts_fini(&tally->log[side][p].counts);
        }
        free(tally->log[side]);
    }
    for (size_t i = 0; i < tally->boot_count; i++)
        duet_counts_fini(&tally->boots[i].counts);
    for (size_t g = 0; g < tally->group_count; g++)
        for (int side = 0; side < DUET_SIDES; side++) {
            duet_counts_fini(&tally->groups[g].read[side]);
            duet_counts_fini(&tally->groups[g].live[side]);
            duet_counts_fini(&tally->groups[g].shadow[side]);
        }
    free(tally->boots);
    free(tally->listed);
    free(tally->groups);
    memset(tally, 0, sizeof(*tally));
}

/* ---- lines ---- */

struct folding {
    struct duet_lines *lines;
    size_t group_count, capacity;
    enum duet_fold fold;
};

static uint32_t key_of(enum duet_fold fold, const struct duet_count *row)
{
    return fold == DUET_BY_DAY ? row->day : row->window;
}

/* The index of the line of a key, or where it belongs. */
static size_t line_index(const struct duet_lines *lines, uint32_t key)
{
    size_t low = 0, high = lines->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lines->line[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The line of a key, made if missing; NULL without memory. */
static struct duet_line *line_at(struct folding *folding, uint32_t key)
{
    struct duet_lines *lines = folding->lines;
    size_t at = line_index(lines, key);
    struct duet_line_group *groups;

    if (at < lines->count && lines->line[at].key == key)
        return &lines->line[at];
    if (lines->count == folding->capacity) {
        size_t capacity = folding->capacity == 0 ? 16 : folding->capacity * 2;
        void *grown = realloc(lines->line, capacity * sizeof(*lines->line));

        if (grown == NULL)
            return NULL;
        lines->line = grown;
        folding->capacity = capacity;
    }
    groups = calloc(folding->group_count + 1, sizeof(*groups));
    if (groups == NULL)
        return NULL;
    memmove(&lines->line[at + 1], &lines->line[at],
            (lines->count - at) * sizeof(*lines->line));
    lines->line[at] = (struct duet_line){.key = key, .groups = groups};
    lines->count++;
    return &lines->line[at];
}

static dt_status fold_issued(struct folding *folding, const struct duet_counts *issued)
{
    for (size_t i = 0; i < issued->count; i++) {
        const struct duet_count *row = &issued->rows[i];
        struct duet_line *line = line_at(folding, key_of(folding->fold, row));

        if (line == NULL)
            return DT_ENOMEM;
        for (int side = 0; side < DUET_SIDES; side++) {
            line->issued[side] += row->n[DUET_ISSUED_KAFKA + side];
            line->unresolved[side] += row->n[DUET_UNRESOLVED_KAFKA + side];
        }
    }
    return DT_OK;
}

static dt_status fold_log(struct folding *folding, const struct duet_counts *counts,
                          int side)
{
    for (size_t i = 0; i < counts->count; i++) {
        const struct duet_count *row = &counts->rows[i];
        struct duet_line *line;

        if (row->n[DUET_TALLY_STORED] == 0 && row->n[DUET_TALLY_EXTRA] == 0)
            continue; /* only foreign records: they are in the ledger */
        line = line_at(folding, key_of(folding->fold, row));
        if (line == NULL)
            return DT_ENOMEM;
        line->stored[side] += row->n[DUET_TALLY_STORED];
        line->duplicates[side] += row->n[DUET_TALLY_EXTRA];
    }
    return DT_OK;
}

enum part { PART_READ, PART_LIVE, PART_SHADOW };

static void fold_group_row(struct duet_line_group *group, int side, enum part part,
                           const struct duet_count *row)
{
    switch (part) {
    case PART_READ:
        group->read[side] += row->n[DUET_TALLY_READ];
        group->duplicates[side] += row->n[DUET_TALLY_DUPLICATE];
        break;
    case PART_LIVE:
        group->live[side] += row->n[DUET_TALLY_PROCESSED];
        group->failed[side] += row->n[DUET_TALLY_FAILED];
        break;
    case PART_SHADOW:
        group->shadow[side] += row->n[DUET_TALLY_PROCESSED];
        group->failed[side] += row->n[DUET_TALLY_FAILED];
        break;
    }
}

static dt_status fold_group(struct folding *folding, const struct duet_counts *counts,
                            size_t group, int side, enum part part)
{
    for (size_t i = 0; i < counts->count; i++) {
        const struct duet_count *row = &counts->rows[i];
        struct duet_line *line = line_at(folding, key_of(folding->fold, row));

        if (line == NULL)
            return DT_ENOMEM;
        fold_group_row(&line->groups[group], side, part, row);
    }
    return DT_OK;
}

static dt_status fold_all(struct folding *folding, const struct duet_tally *tally)
{
    struct duet_counts issued;
    dt_status status;

    duet_counts_init(&issued);
    status = duet_tally_issued(tally, &issued);
    if (status == DT_OK)
        status = fold_issued(folding, &issued);
    duet_counts_fini(&issued);
    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++) {
        for (int32_t p = 0; p < tally->partitions && status == DT_OK; p++)
            status = fold_log(folding, &tally->log[side][p].counts, side);
        for (size_t g = 0; g < tally->group_count && status == DT_OK; g++) {
            const struct duet_tally_group *group = &tally->groups[g];

            status = fold_group(folding, &group->read[side], g, side, PART_READ);
            if (status == DT_OK)
                status = fold_group(folding, &group->live[side], g, side, PART_LIVE);
            if (status == DT_OK)
                status = fold_group(folding, &group->shadow[side], g, side, PART_SHADOW);
        }
    }
    return status;
}

dt_status duet_lines_make(const struct duet_tally *tally, enum duet_fold fold,
                          struct duet_lines *out)
{
    struct folding folding = {out, tally->group_count, 0, fold};
    dt_status status;

    memset(out, 0, sizeof(*out));
    status = fold_all(&folding, tally);
    if (status != DT_OK) {
        duet_lines_fini(out);
        return dt_error_set(status, "no memory for the lines of topic '%s'", tally->topic);
    }
    for (int side = 0; side < DUET_SIDES; side++) {
        out->written[side] = duet_write_has(tally->write, (enum duet_side)side);
        for (size_t i = 0; i < out->count; i++)
            if (out->line[i].issued[side] != 0 || out->line[i].stored[side] != 0)
                out->written[side] = true;
    }
    return DT_OK;
}

void duet_lines_fini(struct duet_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->line[i].groups);
    free(lines->line);
    memset(lines, 0, sizeof(*lines));
}

/* ---- equal ---- */

static bool differs(char *why, size_t why_size, const char *format, ...) DT_PRINTF(3, 4);
static bool differs(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    return false;
}

static bool group_equal(const struct duet_tally *tally, const struct duet_lines *lines,
                        const struct duet_line *line, size_t index, char *why,
                        size_t why_size)
{
    const struct duet_tally_group *group = &tally->groups[index];
    const struct duet_line_group *of = &line->groups[index];
    int main_side = lines->written[DUET_KAFKA] ? DUET_KAFKA : DUET_ROCKETMQ;
    int64_t issued = line->issued[main_side], live = 0, shadow = 0;

    if (!group->reads[DUET_KAFKA] && !group->reads[DUET_ROCKETMQ])
        return true; /* nothing of this group exists yet */
    for (int side = 0; side < DUET_SIDES; side++) {
        live += of->live[side];
        shadow += of->shadow[side];
        if (of->failed[side] != 0)
            return differs(why, why_size, "group %s gave up %lld messages of %s",
                           group->name, (long long)of->failed[side],
                           duet_side_name((enum duet_side)side));
        if (group->reads[side] &&
            of->read[side] != line->stored[side] + line->duplicates[side])
            return differs(why, why_size, "group %s has read %lld of %lld in %s",
                           group->name, (long long)of->read[side],
                           (long long)(line->stored[side] + line->duplicates[side]),
                           duet_side_name((enum duet_side)side));
    }
    if (live != issued)
        return differs(why, why_size, "group %s has processed %lld of %lld live",
                       group->name, (long long)live, (long long)issued);
    if (tally->shadow_due && shadow != issued)
        return differs(why, why_size, "group %s has processed %lld of %lld as shadow",
                       group->name, (long long)shadow, (long long)issued);
    return true;
}

bool duet_line_equal(const struct duet_tally *tally, const struct duet_lines *lines,
                     const struct duet_line *line, char *why, size_t why_size)
{
    for (int side = 0; side < DUET_SIDES; side++) {
        const char *name = duet_side_name((enum duet_side)side);

        if (!lines->written[side])
            continue;
        if (line->unresolved[side] != 0)
            return differs(why, why_size, "%lld ids of a producer that died are unresolved",
                           (long long)line->unresolved[side]);
        if (line->issued[side] != line->stored[side])
            return differs(why, why_size, "%s holds %lld of %lld issued", name,
                           (long long)line->stored[side], (long long)line->issued[side]);
    }
    for (size_t g = 0; g < tally->group_count; g++)
        if (!group_equal(tally, lines, line, g, why, why_size))
            return false;
    if (why_size > 0)
        why[0] = '\0';
    return true;
}
