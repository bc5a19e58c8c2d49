/* when a message is done: when the primary has it, or both sides; deadlines, journal, refusals */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL "producer: {memory.max: 64KiB}\n"

static atomic_int answers[3]; /* by duet_result */
static char last_reason[256];

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    if (result != DUET_RESULT_DONE)
        snprintf(last_reason, sizeof(last_reason), "%s", reason);
    atomic_fetch_add(&answers[result], 1);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
    last_reason[0] = '\0';
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

static void produce(duet_producer *producer, int count, size_t size, int64_t timeout_ms)
{
    static char bytes[40000];

    for (int i = 0; i < count; i++) {
        duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

        message.event_time_ms = -1;
        assert_int_equal(duet_produce(producer, &message, timeout_ms, note, NULL), DT_OK);
    }
}

static int wanted;

static bool has_doubts(void *context)
{
    (void)context;
    return atomic_load(&answers[DUET_RESULT_IN_DOUBT]) >= wanted;
}

static bool has_done(void *context)
{
    (void)context;
    return atomic_load(&answers[DUET_RESULT_DONE]) >= wanted;
}

static void wait_for(bool (*condition)(void *context), int count)
{
    wanted = count;
    assert_true(pair_wait(condition, NULL));
}

static bool is_in_journal(void *context)
{
    duet_producer_stats stats;

    duet_producer_statistics(context, &stats);
    return stats.journal >= wanted;
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

static void need_logs(struct pair *pair, uint64_t count)
{
    static uint64_t sequences[4096];

    for (int side = 0; side < DUET_SIDES; side++) {
        assert_int_equal(pair_log(pair, (enum duet_side)side, 0, sequences, 4096), count);
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(sequences[i], i);
    }
}

static void set_down(struct pair *pair, enum duet_side side, bool down)
{
    if (side == DUET_KAFKA)
        duet_kafka_mock_set_down(pair->kafka, down);
    else if (down)
        rmq_mock_down(pair->rocketmq);
    else
        assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
}

/* With `ack: both` and one side away a deadline passes while the other has the message. */
static void half_way(enum duet_side secondary, const char *says)
{
    struct pair pair;
    duet_producer *producer;

    pair_route(", ack: both");
    pair_start(&pair, 1,
               secondary == DUET_ROCKETMQ ? DUET_STEP_DUAL_WRITE : DUET_STEP_SWITCHED, "");
    producer = open_producer(&pair);
    produce(producer, 5, 100, 0);
    wait_for(has_done, 5);
    set_down(&pair, secondary, true);
    produce(producer, 20, 100, 300);
    wait_for(has_doubts, 20);
    assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 5);
    assert_string_equal(last_reason, says);
    set_down(&pair, secondary, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    produce(producer, 5, 100, 0);
    wait_for(has_done, 10);
    duet_producer_close(producer);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_IN_DOUBT), 0); /* resolved */
    need_logs(&pair, 30);
    pair_stop(&pair);
}

static void with_both_a_deadline_says_which_side_has_it(void **state)
{
    (void)state;
    half_way(DUET_ROCKETMQ, "kafka has it; rocketmq has not answered within the deadline");
    half_way(DUET_KAFKA, "rocketmq has it; kafka has not answered within the deadline");
}

static void a_journal_on_disk_keeps_the_callbacks(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_route(", ack: both");
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    set_down(&pair, DUET_ROCKETMQ, true);
    producer = open_producer(&pair);
    produce(producer, 100, 1000, 0);
    wanted = 60;
    assert_true(pair_wait(is_in_journal, producer));
    assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 0);
    set_down(&pair, DUET_ROCKETMQ, false);
    wait_for(has_done, 100);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(atomic_load(&answers[DUET_RESULT_IN_DOUBT]), 0);
    need_logs(&pair, 100);
    pair_stop(&pair);
}

static void too_many_that_wait_are_in_doubt_not_in_memory(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_route(", ack: both");
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    set_down(&pair, DUET_ROCKETMQ, true);
    producer = open_producer(&pair);
    produce(producer, 1000, 1000, 0);
    wait_for(has_doubts, 700); /* 32 KiB hold the rest */
    assert_non_null(strstr(last_reason, "kafka has it"));
    set_down(&pair, DUET_ROCKETMQ, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(atomic_load(&answers[DUET_RESULT_IN_DOUBT]) +
                         atomic_load(&answers[DUET_RESULT_DONE]),
                     1000);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_IN_DOUBT), 0);
    need_logs(&pair, 1000);
    pair_stop(&pair);
}

static void a_live_side_that_is_not_the_primary_is_waited_for(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    set_down(&pair, DUET_ROCKETMQ, true);
    producer = open_producer(&pair);
    produce(producer, 5, 100, 0);
    wait_for(has_done, 5); /* nobody is live on RocketMQ */
    pair_plan(&pair, DUET_STEP_SWITCHING, DUET_ROCKETMQ,
              1u << DUET_KAFKA | 1u << DUET_ROCKETMQ);
    for (int i = 0; i < 1000 && atomic_load(&answers[DUET_RESULT_IN_DOUBT]) == 0; i++) {
        assert_int_equal(duet_producer_flush(producer, 20), DT_ETIMEDOUT);
        produce(producer, 1, 100, 100);
    }
    assert_non_null(strstr(last_reason, "kafka has it"));
    set_down(&pair, DUET_ROCKETMQ, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    pair_stop(&pair);
}

/* A record that RocketMQ can never take, where nobody is live: stored in Kafka alone. */
static void with_both_a_copy_that_is_refused_is_in_doubt_and_listed(void **state)
{
    static char bytes[33000];
    duet_message_header header = {"h", bytes, sizeof(bytes)};
    duet_message message = {.topic = PAIR_TOPIC, .value = "x", .value_size = 1};
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_route(", ack: both");
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    producer = open_producer(&pair);
    message.headers = &header;
    message.header_count = 1;
    message.event_time_ms = -1;
    assert_int_equal(duet_produce(producer, &message, 0, note, NULL), DT_OK);
    wait_for(has_doubts, 1);
    assert_non_null(strstr(last_reason, "kafka has it"));
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_REFUSED), 1);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_IN_DOUBT), 0);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_both_a_deadline_says_which_side_has_it),
        cmocka_unit_test(a_journal_on_disk_keeps_the_callbacks),
        cmocka_unit_test(too_many_that_wait_are_in_doubt_not_in_memory),
        cmocka_unit_test(a_live_side_that_is_not_the_primary_is_waited_for),
        cmocka_unit_test(with_both_a_copy_that_is_refused_is_in_doubt_and_listed),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
