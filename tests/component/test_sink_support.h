/*
 * test_sink_support.h - a sink with the table of a small application, and a role's batches.
 *
 * Include it after test_store_support.h.
 */
#ifndef TEST_SINK_SUPPORT_H
#define TEST_SINK_SUPPORT_H

#include "store/sink.h"

#define TOPIC "flights"
#define GROUP "stats"

static inline struct duet_sink *sink_open(const struct place *place, enum duet_role role)
{
    struct duet_sink *sink;

    assert_ok(duet_sink_open(place->sink, role, GROUP, &sink));
    return sink;
}

/* One statement in a transaction of its own. */
static inline void sink_run(struct duet_sink *sink, const char *sql)
{
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_exec(sink, sql, NULL, 0, NULL));
    assert_ok(duet_sink_commit(sink));
}

static inline void table_make(struct duet_sink *sink)
{
    sink_run(sink,
             "CREATE TABLE IF NOT EXISTS effect (id INTEGER PRIMARY KEY, times INTEGER"
             " NOT NULL) WITHOUT ROWID");
}

static inline void state_load(struct duet_sink *sink, struct duet_role_state *state)
{
    assert_ok(duet_sink_load(sink, TOPIC, 0, DUET_KAFKA, state));
}

/* What a handler does for message `sequence`: how often it was done can be seen. */
static inline dt_status effect(struct duet_sink *sink, uint64_t sequence)
{
    const duet_value values[] = {duet_integer((int64_t)sequence)};

    return duet_sink_exec(sink,
                          "INSERT INTO effect VALUES ($1, 1)"
                          " ON CONFLICT DO UPDATE SET times = times + 1",
                          values, 1, NULL);
}

static inline dt_status note(struct duet_role_state *state, uint64_t sequence)
{
    struct duet_cursor *cursor = &state->cursor[state->side];
    struct duet_id id = id_of(1, 0, sequence);
    bool added;
    dt_status status = duet_idset_add(&state->processed, &id, 100, &added);

    if (status == DT_OK)
        status = duet_counts_add(&cursor->counts, 100, 1, DUET_COUNT_PROCESSED, 1);
    cursor->position = cursor->read_to = (int64_t)sequence + 1;
    cursor->dirty = true;
    return status;
}

static inline bool is_processed(const struct duet_role_state *state, uint64_t sequence)
{
    struct duet_id id = id_of(1, 0, sequence);

    return duet_idset_has(&state->processed, &id);
}

/* Messages [from, to) that are not in the set, in one transaction. */
static inline dt_status batch(struct duet_sink *sink, struct duet_role_state *state,
                              uint64_t from, uint64_t to)
{
    dt_status status = duet_sink_begin(sink);

    if (status == DT_OK)
        status = duet_sink_claim(sink, state);
    for (uint64_t i = from; i < to && status == DT_OK; i++) {
        if (is_processed(state, i))
            continue;
        status = effect(sink, i);
        if (status == DT_OK)
            status = note(state, i);
    }
    if (status == DT_OK)
        status = duet_sink_save(sink, state);
    if (status == DT_OK)
        return duet_sink_commit(sink);
    duet_sink_rollback(sink);
    return status;
}

struct tally {
    int64_t rows, sum;
};

static inline bool tally_row(void *context, const duet_value *values, size_t count)
{
    struct tally *tally = context;

    assert_int_equal(count, 2);
    tally->rows = values[0].integer;
    tally->sum = values[1].integer;
    return true;
}

/* How many messages had effects, and how many effects there are. */
static inline struct tally effects(struct duet_sink *sink)
{
    struct tally tally = {-1, -1};

    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_query(sink, "SELECT count(*), coalesce(sum(times), 0) FROM effect",
                              NULL, 0, tally_row, &tally));
    duet_sink_rollback(sink);
    return tally;
}

#endif
