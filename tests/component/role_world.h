/*
 * role_world.h - a consumer with both its roles on a pair in memory, and what its handler did.
 *
 * The roles are the real ones on SQLite. An effect is a row in `done`, so what was done twice is
 * there twice, and rowids tell the order. Include it after <cmocka.h>.
 */
#ifndef COMPONENT_ROLE_WORLD_H
#define COMPONENT_ROLE_WORLD_H

#include <pthread.h>
#include <stdlib.h>

#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

static const char *const schema[] = {"create table if not exists done(value text)", NULL};

static inline dt_status handle(duet_delivery *delivery, void *state)
{
    size_t size;
    const void *value = duet_delivery_value(delivery, &size);
    duet_value values[1] = {duet_text_n(value, size)};

    (void)state;
    return duet_exec(delivery, "insert into done(value) values ($1)", values, 1, NULL);
}

struct running {
    struct pair *pair;
    duet_consumer *consumer;
    pthread_t thread;
    dt_status status;
};

static inline void *run_consumer(void *context)
{
    struct running *running = context;

    running->status = duet_consumer_run(running->consumer, 0);
    return NULL;
}

static inline void start(struct running *running, struct pair *pair)
{
    duet_consumer_config config = {0};

    memset(running, 0, sizeof(*running));
    running->pair = pair;
    config.config_path = pair->config_path;
    config.group = PAIR_GROUP;
    config.name = "c1";
    config.sink = pair->sink;
    config.schema = schema;
    config.handler = handle;
    assert_int_equal(duet_consumer_open(&config, &running->consumer), DT_OK);
    assert_int_equal(pthread_create(&running->thread, NULL, run_consumer, running), 0);
}

static inline dt_status stop(struct running *running)
{
    duet_consumer_stop(running->consumer);
    pthread_join(running->thread, NULL);
    duet_consumer_close(running->consumer);
    return running->status;
}

/* ---- what is waited for ---- */

struct expectation {
    const char *sink;
    enum duet_role role;
    const char *sql;
    int64_t least;
};

static inline bool reached(void *context)
{
    const struct expectation *e = context;

    return pair_number(e->sink, e->role, e->sql) >= e->least;
}

static inline void wait_for(struct pair *pair, enum duet_role role, const char *sql,
                            int64_t least)
{
    struct expectation e = {pair->sink, role, sql, least};

    if (!pair_wait(reached, &e))
        fail_msg("%s stayed below %lld", sql, (long long)least);
}

static inline int64_t times_done(struct pair *pair, enum duet_role role, const char *value)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "select count(*) from done where value = '%s'", value);
    return pair_number(pair->sink, role, sql);
}

/* Positions of a side that the role has read and committed. */
static inline void wait_read(struct pair *pair, enum duet_role role, enum duet_side side,
                             int64_t least)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "select max(read_to) from duet_cursor where side = %d",
             (int)side);
    wait_for(pair, role, sql, least);
}

/* ---- the ledger ---- */

struct listing {
    struct pair *pair;
    enum duet_ledger_kind kind;
    int64_t expected;
};

static inline bool listed_are(void *context)
{
    const struct listing *listing = context;
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(listing->pair->store, totals), DT_OK);
    return totals[listing->kind] == listing->expected;
}

static inline void wait_listed(struct pair *pair, enum duet_ledger_kind kind,
                               int64_t expected)
{
    struct listing listing = {pair, kind, expected};

    if (!pair_wait(listed_are, &listing))
        fail_msg("the ledger never counted %lld of kind %d", (long long)expected,
                 (int)kind);
}

static inline void wait_gaps(struct pair *pair, int64_t expected)
{
    wait_listed(pair, DUET_LEDGER_GAP, expected);
}

#endif
