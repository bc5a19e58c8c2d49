/* dual consumer: switch and back, failing handlers, names and groups that are taken */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "duet/duet.h"
#include "side/side.h"
#include "support/case.h"
#include "support/pair.h"

static const char *const schema[] = {
    "create table if not exists done(id text primary key, value text, times integer)",
    NULL};

/* "poison" fails always, after it has written something. */
static dt_status handle(duet_delivery *delivery, void *state)
{
    size_t size;
    const char *value = duet_delivery_value(delivery, &size);
    duet_value values[2] = {duet_text(duet_delivery_id(delivery)),
                            duet_text_n(value, size)};
    dt_status status;

    (void)state;
    status = duet_exec(delivery,
                       "insert into done(id, value, times) values ($1, $2, 1) "
                       "on conflict(id) do update set times = times + 1",
                       values, 2, NULL);
    if (status == DT_OK && size == 6 && memcmp(value, "poison", 6) == 0)
        return DT_ECORRUPT;
    return status;
}

struct running {
    duet_consumer *consumer;
    pthread_t thread;
    dt_status status;
};

static void *run_consumer(void *context)
{
    struct running *running = context;

    running->status = duet_consumer_run(running->consumer, 0);
    return NULL;
}

static dt_status open_consumer(struct pair *pair, const char *name, const char *group,
                               const char *sink, duet_consumer **out)
{
    duet_consumer_config config = {0};

    config.config_path = pair->config_path;
    config.group = group;
    config.name = name;
    config.sink = sink;
    config.schema = schema;
    config.handler = handle;
    return duet_consumer_open(&config, out);
}

static void start(struct running *running, struct pair *pair)
{
    memset(running, 0, sizeof(*running));
    assert_int_equal(open_consumer(pair, "c1", PAIR_GROUP, pair->sink, &running->consumer),
                     DT_OK);
    assert_int_equal(pthread_create(&running->thread, NULL, run_consumer, running), 0);
}

static void stop(struct running *running)
{
    duet_consumer_stop(running->consumer);
    pthread_join(running->thread, NULL);
    assert_int_equal(running->status, DT_OK);
    duet_consumer_close(running->consumer);
}

struct expectation {
    const char *sink;
    enum duet_role role;
    const char *sql;
    int64_t least;
};

static bool reached(void *context)
{
    const struct expectation *e = context;

    return pair_number(e->sink, e->role, e->sql) >= e->least;
}

static void wait_for(struct pair *pair, enum duet_role role, const char *sql, int64_t least)
{
    struct expectation e = {pair->sink, role, sql, least};

    if (!pair_wait(reached, &e))
        fail_msg("%s: %s stayed below %lld", duet_role_name(role), sql, (long long)least);
}

static void produce(duet_producer *producer, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[16];
        duet_message message = {.topic = PAIR_TOPIC, .value = text};

        message.value_size = (size_t)snprintf(text, sizeof(text), "m%d", i);
        message.event_time_ms = -1;
        assert_int_equal(duet_produce(producer, &message, 0, NULL, NULL), DT_OK);
    }
}

static void every_message_has_its_effects_once_through_switch_and_back(void **state)
{
    struct pair pair;
    struct running running;
    duet_producer *producer;
    const unsigned both = 3;

    (void)state;
    pair_start(&pair, 2, DUET_STEP_DUAL_READ, "");
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    start(&running, &pair);
    produce(producer, 0, 500);
    wait_for(&pair, DUET_LIVE, "select count(*) from done", 100);
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, both);
    produce(producer, 500, 1000);
    wait_for(&pair, DUET_LIVE, "select count(*) from duet_state where side = 1", 2);
    wait_for(&pair, DUET_LIVE, "select count(*) from done", 1000);
    pair_plan(&pair, DUET_STEP_DUAL_READ, DUET_KAFKA, both);
    produce(producer, 1000, 1500);
    wait_for(&pair, DUET_LIVE, "select count(*) from duet_state where side = 0", 2);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    for (int role = 0; role < DUET_ROLES; role++) {
        wait_for(&pair, (enum duet_role)role, "select count(*) from done", 1500);
        assert_int_equal(
            pair_number(pair.sink, (enum duet_role)role, "select sum(times) from done"),
            1500);
    }
    stop(&running);
    duet_producer_close(producer);
    pair_stop(&pair);
}

static void a_message_whose_handler_fails_is_isolated_and_listed(void **state)
{
    struct pair pair;
    struct running running;
    int64_t totals[DUET_LEDGER_KINDS];
    struct duet_counts read, live, shadow;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "before");
    pair_send(&pair, DUET_KAFKA, 0, 1, 1, "poison");
    pair_send(&pair, DUET_KAFKA, 0, 1, 2, "after");
    start(&running, &pair);
    wait_for(&pair, DUET_LIVE, "select count(*) from done where value = 'after'", 1);
    stop(&running);
    /* its effects are undone, those of the others are there */
    assert_int_equal(pair_number(pair.sink, DUET_LIVE, "select count(*) from done"), 2);
    assert_int_equal(duet_store_ledger_totals(pair.store, totals), DT_OK);
    assert_int_equal(totals[DUET_LEDGER_ISOLATED], 1);
    duet_counts_init(&read);
    duet_counts_init(&live);
    duet_counts_init(&shadow);
    assert_int_equal(duet_store_group_counts(pair.store, PAIR_TOPIC, PAIR_GROUP, DUET_KAFKA,
                                             &read, &live, &shadow),
                     DT_OK);
    assert_int_equal(duet_counts_total(&read, DUET_COUNT_READ), 3);
    assert_int_equal(duet_counts_total(&live, DUET_COUNT_PROCESSED), 2);
    assert_int_equal(duet_counts_total(&live, DUET_COUNT_FAILED), 1);
    duet_counts_fini(&read);
    duet_counts_fini(&live);
    duet_counts_fini(&shadow);
    pair_stop(&pair);
}

static void
a_second_copy_on_one_side_is_a_duplicate_and_the_other_sides_is_not(void **state)
{
    struct pair pair;
    struct running running;
    struct duet_counts read, live, shadow;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    for (int copy = 0; copy < 2; copy++)
        pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "a");
    start(&running, &pair);
    wait_for(&pair, DUET_LIVE, "select sum(read_to) from duet_cursor", 3);
    wait_for(&pair, DUET_SHADOW, "select sum(read_to) from duet_cursor", 3);
    stop(&running);
    duet_counts_init(&read);
    duet_counts_init(&live);
    duet_counts_init(&shadow);
    assert_int_equal(duet_store_group_counts(pair.store, PAIR_TOPIC, PAIR_GROUP, DUET_KAFKA,
                                             &read, &live, &shadow),
                     DT_OK);
    assert_int_equal(duet_counts_total(&read, DUET_COUNT_READ), 2);
    assert_int_equal(duet_counts_total(&read, DUET_COUNT_DUPLICATE), 1);
    duet_counts_fini(&read);
    duet_counts_init(&read);
    assert_int_equal(duet_store_group_counts(pair.store, PAIR_TOPIC, PAIR_GROUP,
                                             DUET_ROCKETMQ, &read, &live, &shadow),
                     DT_OK);
    assert_int_equal(duet_counts_total(&read, DUET_COUNT_READ), 1);
    assert_int_equal(duet_counts_total(&read, DUET_COUNT_DUPLICATE), 0);
    duet_counts_fini(&read);
    duet_counts_fini(&live);
    duet_counts_fini(&shadow);
    pair_stop(&pair);
}

static void a_group_or_name_that_is_taken_is_refused(void **state)
{
    struct pair pair;
    struct running running;
    duet_consumer *second = NULL;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    start(&running, &pair);
    assert_int_equal(open_consumer(&pair, "c1", PAIR_GROUP, pair.sink, &second), DT_EBUSY);
    assert_int_equal(open_consumer(&pair, "c2", PAIR_GROUP, pair.sink, &second), DT_EBUSY);
    assert_non_null(strstr(dt_error_text(), "c1"));
    assert_int_equal(open_consumer(&pair, "c2", "nobody", pair.sink, &second), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "nobody"));
    assert_int_equal(
        open_consumer(&pair, "c2", PAIR_GROUP, "postgresql://localhost/x", &second),
        DT_EUNSUPPORTED);
    stop(&running);
    /* the group is free again at once */
    assert_int_equal(open_consumer(&pair, "c2", PAIR_GROUP, pair.sink, &second), DT_OK);
    duet_consumer_close(second);
    pair_stop(&pair);
}

static void a_group_with_positions_in_kafka_and_no_state_is_refused(void **state)
{
    struct pair pair;
    struct duet_side_client *kafka;
    duet_consumer *consumer = NULL;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    assert_int_equal(duet_side_open(pair.config, DUET_KAFKA, "old", &kafka), DT_OK);
    assert_int_equal(
        duet_side_commit(kafka, &pair.plan->routes[0], PAIR_GROUP, 0, 1, 30000), DT_OK);
    duet_side_close(kafka);
    assert_int_equal(open_consumer(&pair, "c1", PAIR_GROUP, pair.sink, &consumer),
                     DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "committed position"));
    pair_stop(&pair);
}

static void the_shadow_rests_until_dual_read(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "a");
    start(&running, &pair);
    wait_for(&pair, DUET_LIVE, "select sum(read_to) from duet_cursor", 2);
    assert_int_equal(pair_number(pair.sink, DUET_SHADOW, "select count(*) from done"), 0);
    pair_plan(&pair, DUET_STEP_DUAL_READ, DUET_KAFKA, 1);
    wait_for(&pair, DUET_SHADOW, "select count(*) from done", 1);
    stop(&running);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_has_its_effects_once_through_switch_and_back),
        cmocka_unit_test(a_message_whose_handler_fails_is_isolated_and_listed),
        cmocka_unit_test(
            a_second_copy_on_one_side_is_a_duplicate_and_the_other_sides_is_not),
        cmocka_unit_test(a_group_or_name_that_is_taken_is_refused),
        cmocka_unit_test(a_group_with_positions_in_kafka_and_no_state_is_refused),
        cmocka_unit_test(the_shadow_rests_until_dual_read),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
