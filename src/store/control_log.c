/* What the logs hold: each range of positions is counted once, whoever reads it. */
#include <stdio.h>

#include "base/status.h"
#include "store/control.h"
#include "store/set_row.h"

static dt_status load_set(struct duet_sql *sql, struct duet_log_state *state)
{
    struct duet_rows rows;

    duet_sql_select(
        sql, &rows,
        "SELECT kind, instance, boot, set_end, newest_minute, holes FROM log_set"
        " WHERE topic = ?1 AND partition = ?2 AND side = ?3",
        DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                  duet_integer(state->side)));
    while (duet_rows_next(&rows))
        rows.status = duet_rows_set_entry(&rows, 0, &state->ids);
    return duet_rows_end(&rows);
}

static dt_status load_counts(struct duet_sql *sql, struct duet_log_state *state)
{
    struct duet_rows rows;

    duet_sql_select(sql, &rows,
                    "SELECT minute, day, c0, c1, c2, c3, c4, c5 FROM log_count"
                    " WHERE topic = ?1 AND partition = ?2 AND side = ?3",
                    DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                              duet_integer(state->side)));
    while (duet_rows_next(&rows))
        rows.status = duet_rows_count(&rows, 0, &state->counts);
    return duet_rows_end(&rows);
}

static dt_status load(struct duet_sql *sql, void *context)
{
    struct duet_log_state *state = context;
    struct duet_rows rows;
    dt_status status;

    duet_sql_select(sql, &rows,
                    "SELECT position, log_end FROM log_cover"
                    " WHERE topic = ?1 AND partition = ?2 AND side = ?3",
                    DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                              duet_integer(state->side)));
    if (duet_rows_next(&rows)) {
        state->position = duet_rows_int(&rows, 0);
        state->end = duet_rows_int(&rows, 1);
    }
    status = duet_rows_end(&rows);
    if (status == DT_OK)
        status = load_set(sql, state);
    if (status == DT_OK)
        status = load_counts(sql, state);
    return status;
}

static void clean(struct duet_log_state *state)
{
    duet_idset_clean(&state->ids);
    duet_counts_clean(&state->counts);
}

dt_status duet_store_log_load(struct duet_store *store, const char *topic,
                              int32_t partition, enum duet_side side,
                              struct duet_log_state *out)
{
    dt_status status;

    memset(out, 0, sizeof(*out));
    snprintf(out->topic, sizeof(out->topic), "%s", topic);
    out->partition = partition;
    out->side = side;
    duet_idset_init(&out->ids);
    duet_counts_init(&out->counts);
    status = duet_sql_read(&store->sql, load, out);
    if (status != DT_OK)
        duet_log_state_fini(out);
    else
        clean(out);
    return status;
}

void duet_log_state_fini(struct duet_log_state *state)
{
    duet_idset_fini(&state->ids);
    duet_counts_fini(&state->counts);
}

/* ---- save ---- */

static dt_status put_entry(struct duet_sql *sql, const struct duet_log_state *state,
                           const struct duet_idset_entry *entry, struct dt_buf *holes)
{
    dt_status status;

    dt_buf_clear(holes);
    duet_idset_entry_encode(entry, holes);
    status = dt_buf_status(holes, "the holes of an id set");
    if (status != DT_OK)
        return status;
    return duet_sql_run(
        sql,
        "REPLACE INTO log_set (topic, partition, side, kind, instance, boot, set_end,"
        " newest_minute, holes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                  duet_integer(state->side), duet_integer(entry->kind),
                  duet_integer(entry->instance), duet_integer(entry->boot),
                  duet_integer((int64_t)entry->end), duet_integer(entry->newest_window),
                  duet_sql_blob(dt_buf_span(holes))),
        NULL);
}

static dt_status put_count(struct duet_sql *sql, const struct duet_log_state *state,
                           const struct duet_count *row)
{
    return duet_sql_run(sql,
                        "REPLACE INTO log_count (topic, partition, side, minute, day, c0, "
                        "c1, c2, c3, c4, c5)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                        DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                                  duet_integer(state->side), duet_integer(row->window),
                                  duet_integer(row->day), duet_integer(row->n[0]),
                                  duet_integer(row->n[1]), duet_integer(row->n[2]),
                                  duet_integer(row->n[3]), duet_integer(row->n[4]),
                                  duet_integer(row->n[5])),
                        NULL);
}

struct save {
    const struct duet_log_state *state;
    int64_t from;
};

/* The position is compared and moved by one statement: what lies between is counted by the
 * one reader for whom it matched. */
static dt_status move_position(struct duet_sql *sql, const struct save *save)
{
    const struct duet_log_state *state = save->state;
    int64_t changed = 0;
    dt_status status =
        duet_sql_run(sql,
                     "UPDATE log_cover SET position = ?4, log_end = ?5"
                     " WHERE topic = ?1 AND partition = ?2 AND side = ?3 AND position = ?6",
                     DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                               duet_integer(state->side), duet_integer(state->position),
                               duet_integer(state->end), duet_integer(save->from)),
                     &changed);

    if (status == DT_OK && changed == 0 && save->from == 0)
        status =
            duet_sql_run(sql,
                         "INSERT INTO log_cover (topic, partition, side, position, log_end)"
                         " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                         DUET_BIND(duet_text(state->topic), duet_integer(state->partition),
                                   duet_integer(state->side), duet_integer(state->position),
                                   duet_integer(state->end)),
                         &changed);
    if (status == DT_OK && changed == 0)
        return dt_error_set(DT_ECONFLICT,
                            "another reader has counted %s/%d of %s beyond %lld",
                            state->topic, (int)state->partition,
                            duet_side_name(state->side), (long long)save->from);
    return status;
}

static dt_status save_state(struct duet_sql *sql, void *context)
{
    const struct save *save = context;
    const struct duet_log_state *state = save->state;
    struct dt_buf holes;
    dt_status status = move_position(sql, save);

    dt_buf_init(&holes, DUET_HOLES_MAX);
    for (size_t i = 0; i < state->ids.count && status == DT_OK; i++)
        if (state->ids.entries[i].dirty)
            status = put_entry(sql, state, &state->ids.entries[i], &holes);
    for (size_t i = 0; i < state->counts.count && status == DT_OK; i++)
        if (state->counts.rows[i].dirty)
            status = put_count(sql, state, &state->counts.rows[i]);
    dt_buf_fini(&holes);
    return status;
}

dt_status duet_store_log_save(struct duet_store *store, struct duet_log_state *state,
                              int64_t from)
{
    struct save save = {state, from};
    dt_status status = duet_sql_write(&store->sql, save_state, &save);

    if (status == DT_OK)
        clean(state);
    return status;
}
