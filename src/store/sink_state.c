/* A role's state in its sink: loaded whole, claimed by its version, saved where it is dirty. */
#include <stdio.h>

#include "base/status.h"
#include "store/control.h"
#include "store/set_row.h"
#include "store/sink_internal.h"

enum { MARKS_BYTES_MAX = 4096 };

/* duet_set.which */
static const char processed[] = "processed";
static const char *const seen_on[DUET_SIDES] = {"kafka", "rocketmq"};
static const char *const absent_on[DUET_SIDES] = {"kafka-absent", "rocketmq-absent"};
static const char *const ended_on[DUET_SIDES] = {"kafka-ended", "rocketmq-ended"};
static const char *const left_on[DUET_SIDES] = {"kafka-left", "rocketmq-left"};

/* ---- load ---- */

static void state_init(struct duet_role_state *state, const char *topic, int32_t partition)
{
    memset(state, 0, sizeof(*state));
    snprintf(state->topic, sizeof(state->topic), "%s", topic);
    state->partition = partition;
    duet_idset_init(&state->processed);
    for (int side = 0; side < DUET_SIDES; side++) {
        struct duet_cursor *cursor = &state->cursor[side];

        cursor->position = -1;
        duet_marks_init(&cursor->marks);
        duet_idset_init(&cursor->seen);
        duet_idset_init(&cursor->absent);
        duet_idset_init(&cursor->ended);
        duet_idset_init(&cursor->left);
        duet_counts_init(&cursor->counts);
    }
}

void duet_role_state_fini(struct duet_role_state *state)
{
    duet_idset_fini(&state->processed);
    for (int side = 0; side < DUET_SIDES; side++) {
        duet_idset_fini(&state->cursor[side].seen);
        duet_idset_fini(&state->cursor[side].absent);
        duet_idset_fini(&state->cursor[side].ended);
        duet_idset_fini(&state->cursor[side].left);
        duet_counts_fini(&state->cursor[side].counts);
    }
}

static void clean(struct duet_role_state *state)
{
    duet_idset_clean(&state->processed);
    for (int side = 0; side < DUET_SIDES; side++) {
        struct duet_cursor *cursor = &state->cursor[side];

        cursor->dirty = false;
        duet_idset_clean(&cursor->seen);
        duet_idset_clean(&cursor->absent);
        duet_idset_clean(&cursor->ended);
        duet_idset_clean(&cursor->left);
        duet_counts_clean(&cursor->counts);
    }
}

static dt_status load_set(struct duet_sink *sink, const struct duet_role_state *state,
                          const char *which, struct duet_idset *set)
{
    struct duet_rows rows;

    duet_sql_select(&sink->sql, &rows,
                    "SELECT kind, instance, boot, set_end, newest_minute, holes"
                    " FROM main.duet_set"
                    " WHERE grp = ?1 AND topic = ?2 AND partition = ?3 AND which = ?4",
                    DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                              duet_integer(state->partition), duet_text(which)));
    while (duet_rows_next(&rows))
        rows.status = duet_rows_set_entry(&rows, 0, set);
    return duet_rows_end(&rows);
}

static dt_status load_cursors(struct duet_sink *sink, struct duet_role_state *state)
{
    struct duet_rows rows;

    duet_sql_select(&sink->sql, &rows,
                    "SELECT side, position, read_to, marks FROM main.duet_cursor"
                    " WHERE grp = ?1 AND topic = ?2 AND partition = ?3",
                    DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                              duet_integer(state->partition)));
    while (duet_rows_next(&rows)) {
        int64_t side = duet_rows_int(&rows, 0);

        if (side < 0 || side >= DUET_SIDES)
            continue;
        state->cursor[side].position = duet_rows_int(&rows, 1);
        state->cursor[side].read_to = duet_rows_int(&rows, 2);
        rows.status =
            duet_marks_decode(&state->cursor[side].marks, duet_rows_bytes(&rows, 3));
    }
    return duet_rows_end(&rows);
}

static dt_status load_counts(struct duet_sink *sink, struct duet_role_state *state)
{
    struct duet_rows rows;

    duet_sql_select(&sink->sql, &rows,
                    "SELECT side, minute, day, c0, c1, c2, c3, c4, c5 FROM main.duet_count"
                    " WHERE grp = ?1 AND topic = ?2 AND partition = ?3",
                    DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                              duet_integer(state->partition)));
    while (duet_rows_next(&rows)) {
        int64_t side = duet_rows_int(&rows, 0);

        if (side >= 0 && side < DUET_SIDES)
            rows.status = duet_rows_count(&rows, 1, &state->cursor[side].counts);
    }
    return duet_rows_end(&rows);
}

struct load {
    struct duet_sink *sink;
    struct duet_role_state *state;
    enum duet_side first_side;
    bool there;
};

static dt_status load_state(struct duet_sql *sql, void *context)
{
    struct load *load = context;
    struct duet_sink *sink = load->sink;
    struct duet_role_state *state = load->state;
    struct duet_rows rows;
    dt_status status;

    duet_sql_select(sql, &rows,
                    "SELECT side, version FROM main.duet_state"
                    " WHERE grp = ?1 AND topic = ?2 AND partition = ?3",
                    DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                              duet_integer(state->partition)));
    load->there = duet_rows_next(&rows);
    if (load->there) {
        state->side = (enum duet_side)duet_rows_int(&rows, 0);
        state->version = duet_rows_int(&rows, 1);
    }
    status = duet_rows_end(&rows);
    if (status != DT_OK || !load->there)
        return status;
    if ((unsigned)state->side >= DUET_SIDES)
        return dt_error_set(DT_ECORRUPT, "%s: the state of %s/%d has an unknown side",
                            sql->path, state->topic, (int)state->partition);
    status = load_set(sink, state, processed, &state->processed);
    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++) {
        struct duet_cursor *cursor = &state->cursor[side];

        status = load_set(sink, state, seen_on[side], &cursor->seen);
        if (status == DT_OK)
            status = load_set(sink, state, absent_on[side], &cursor->absent);
        if (status == DT_OK)
            status = load_set(sink, state, ended_on[side], &cursor->ended);
        if (status == DT_OK)
            status = load_set(sink, state, left_on[side], &cursor->left);
    }
    if (status == DT_OK)
        status = load_cursors(sink, state);
    if (status == DT_OK)
        status = load_counts(sink, state);
    return status;
}

/* Somebody else may have made it in between: then it is theirs that counts. */
static dt_status create_state(struct duet_sql *sql, void *context)
{
    const struct load *load = context;

    return duet_sql_run(
        sql,
        "INSERT OR IGNORE INTO main.duet_state (grp, topic, partition, side,"
        " version) VALUES (?1, ?2, ?3, ?4, 0)",
        DUET_BIND(duet_text(load->sink->group), duet_text(load->state->topic),
                  duet_integer(load->state->partition), duet_integer(load->first_side)),
        NULL);
}

static dt_status run_work(struct duet_sink *sink, bool write, duet_sql_work work,
                          void *context)
{
    dt_status status;

    if (!sink->in_transaction)
        return write ? duet_sql_write(&sink->sql, work, context)
                     : duet_sql_read(&sink->sql, work, context);
    status = duet_sink_check(sink);
    return status == DT_OK ? duet_sink_failed(sink, work(&sink->sql, context)) : status;
}

dt_status duet_sink_load(struct duet_sink *sink, const char *topic, int32_t partition,
                         enum duet_side first_side, struct duet_role_state *out)
{
    struct load load = {.sink = sink, .state = out, .first_side = first_side};
    dt_status status;

    state_init(out, topic, partition);
    status = run_work(sink, false, load_state, &load);
    if (status == DT_OK && !load.there) {
        status = run_work(sink, true, create_state, &load);
        if (status == DT_OK)
            status = run_work(sink, false, load_state, &load);
    }
    if (status != DT_OK)
        duet_role_state_fini(out);
    else
        clean(out);
    return status;
}

dt_status duet_sink_has_state(struct duet_sink *sink, const char *topic, bool *has)
{
    struct duet_rows rows;

    duet_sql_select(&sink->sql, &rows,
                    "SELECT 1 FROM main.duet_state WHERE grp = ?1 AND topic = ?2 LIMIT 1",
                    DUET_BIND(duet_text(sink->group), duet_text(topic)));
    *has = duet_rows_next(&rows);
    return duet_rows_end(&rows);
}

/* ---- claim and save ---- */

dt_status duet_sink_claim(struct duet_sink *sink, struct duet_role_state *state)
{
    int64_t changed = 0;
    dt_status status = duet_sink_check(sink);

    if (status != DT_OK)
        return status;
    status = duet_sql_run(
        &sink->sql,
        "UPDATE main.duet_state SET version = version + 1"
        " WHERE grp = ?1 AND topic = ?2 AND partition = ?3 AND version = ?4",
        DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                  duet_integer(state->partition), duet_integer(state->version)),
        &changed);
    if (status != DT_OK)
        return duet_sink_failed(sink, status);
    if (changed != 1)
        return dt_error_set(
            DT_ECONFLICT,
            "%s/%d of group %s is not of version %lld any more: somebody else "
            "committed or switched it",
            state->topic, (int)state->partition, sink->group, (long long)state->version);
    state->version++;
    return DT_OK;
}

static dt_status save_set(struct duet_sink *sink, const struct duet_role_state *state,
                          const char *which, const struct duet_idset *set,
                          struct dt_buf *holes)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct duet_idset_entry *entry = &set->entries[i];
        dt_status status;

        if (!entry->dirty)
            continue;
        dt_buf_clear(holes);
        duet_idset_entry_encode(entry, holes);
        status = dt_buf_status(holes, "the holes of an id set");
        if (status == DT_OK)
            status = duet_sql_run(
                &sink->sql,
                "REPLACE INTO main.duet_set (grp, topic, partition, which, kind, instance, "
                "boot,"
                " set_end, newest_minute, holes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                "?9, ?10)",
                DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                          duet_integer(state->partition), duet_text(which),
                          duet_integer(entry->kind), duet_integer(entry->instance),
                          duet_integer(entry->boot), duet_integer((int64_t)entry->end),
                          duet_integer(entry->newest_window),
                          duet_sql_blob(dt_buf_span(holes))),
                NULL);
        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

static dt_status save_counts(struct duet_sink *sink, const struct duet_role_state *state,
                             enum duet_side side)
{
    const struct duet_counts *counts = &state->cursor[side].counts;

    for (size_t i = 0; i < counts->count; i++) {
        const struct duet_count *row = &counts->rows[i];
        dt_status status;

        if (!row->dirty)
            continue;
        status = duet_sql_run(
            &sink->sql,
            "REPLACE INTO main.duet_count (grp, topic, partition, side, minute, day,"
            " c0, c1, c2, c3, c4, c5)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                      duet_integer(state->partition), duet_integer(side),
                      duet_integer(row->window), duet_integer(row->day),
                      duet_integer(row->n[0]), duet_integer(row->n[1]),
                      duet_integer(row->n[2]), duet_integer(row->n[3]),
                      duet_integer(row->n[4]), duet_integer(row->n[5])),
            NULL);
        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

static dt_status save_cursor(struct duet_sink *sink, const struct duet_role_state *state,
                             enum duet_side side, struct dt_buf *marks)
{
    const struct duet_cursor *cursor = &state->cursor[side];
    dt_status status;

    if (!cursor->dirty)
        return DT_OK;
    dt_buf_clear(marks);
    duet_marks_encode(&cursor->marks, marks);
    status = dt_buf_status(marks, "the marks of a cursor");
    if (status != DT_OK)
        return status;
    return duet_sql_run(&sink->sql,
                        "REPLACE INTO main.duet_cursor (grp, topic, partition, side, "
                        "position, read_to, marks)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                        DUET_BIND(duet_text(sink->group), duet_text(state->topic),
                                  duet_integer(state->partition), duet_integer(side),
                                  duet_integer(cursor->position),
                                  duet_integer(cursor->read_to),
                                  duet_sql_blob(dt_buf_span(marks))),
                        NULL);
}

dt_status duet_sink_save(struct duet_sink *sink, struct duet_role_state *state)
{
    struct dt_buf bytes;
    dt_status status = duet_sink_check(sink);

    if (status != DT_OK)
        return status;
    dt_buf_init(&bytes, DUET_HOLES_MAX);
    status = save_set(sink, state, processed, &state->processed, &bytes);
    for (int i = 0; i < DUET_SIDES && status == DT_OK; i++) {
        enum duet_side side = (enum duet_side)i;
        const struct duet_cursor *cursor = &state->cursor[side];

        status = save_set(sink, state, seen_on[side], &cursor->seen, &bytes);
        if (status == DT_OK)
            status = save_set(sink, state, absent_on[side], &cursor->absent, &bytes);
        if (status == DT_OK)
            status = save_set(sink, state, ended_on[side], &cursor->ended, &bytes);
        if (status == DT_OK)
            status = save_set(sink, state, left_on[side], &cursor->left, &bytes);
        if (status == DT_OK)
            status = save_cursor(sink, state, side, &bytes);
        if (status == DT_OK)
            status = save_counts(sink, state, side);
    }
    dt_buf_fini(&bytes);
    if (status != DT_OK)
        return duet_sink_failed(sink, status);
    clean(state);
    return DT_OK;
}
