/* dual producer: plans adopted while running, whose trouble a full bound is, dense ids */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define CRITICAL_BOTH ((1u << DUET_KAFKA) | (1u << DUET_ROCKETMQ))
#define NO_JOURNAL    "producer: {memory.max: 64KiB, journal.max: 0}\n"

static atomic_int answers[3]; /* by duet_result */

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    (void)reason;
    atomic_fetch_add(&answers[result], 1);
}

static void forget_answers(void)
{
    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
}

static dt_status produce(duet_producer *producer, size_t size, int64_t timeout_ms)
{
    static char bytes[70000];
    duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, timeout_ms, note, NULL);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    forget_answers();
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

struct adopted {
    duet_producer *producer;
    int64_t version;
};

static bool has_adopted(void *context)
{
    struct adopted *adopted = context;
    duet_producer_stats stats;

    duet_producer_statistics(adopted->producer, &stats);
    return stats.plan_version >= adopted->version;
}

static void wait_adopted(duet_producer *producer, const struct pair *pair)
{
    struct adopted adopted = {producer, pair->plan->version};

    assert_true(pair_wait(has_adopted, &adopted));
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

static void a_plan_is_adopted_while_messages_flow(void **state)
{
    struct pair pair;
    duet_producer *producer;
    uint64_t kafka[64], rocketmq[64];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_PLANNED, "");
    producer = open_producer(&pair);
    for (int i = 0; i < 10; i++)
        assert_int_equal(produce(producer, 10, 0), DT_OK);
    pair_plan(&pair, DUET_STEP_DUAL_WRITE, DUET_KAFKA, 1u << DUET_KAFKA);
    wait_adopted(producer, &pair);
    for (int i = 0; i < 5; i++)
        assert_int_equal(produce(producer, 10, 0), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 15);
    assert_int_equal(pair_log(&pair, DUET_KAFKA, 0, kafka, 64), 15);
    assert_int_equal(pair_log(&pair, DUET_ROCKETMQ, 0, rocketmq, 64), 5);
    for (uint64_t i = 0; i < 15; i++)
        assert_int_equal(kafka[i], i); /* dense */
    assert_int_equal(rocketmq[0], 10); /* the same ids on both sides */
    pair_stop(&pair);
}

static void ids_of_a_restarted_producer_have_another_boot(void **state)
{
    struct pair pair;
    struct duet_issue_report *reports;
    size_t count;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (int boot = 0; boot < 2; boot++) {
        duet_producer *producer = open_producer(&pair);

        assert_int_equal(produce(producer, 10, 0), DT_OK);
        assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
        duet_producer_close(producer);
    }
    assert_int_equal(duet_store_issue_reports(pair.store, PAIR_TOPIC, &reports, &count),
                     DT_OK);
    assert_int_equal(count, 2);
    assert_int_equal(reports[0].instance, reports[1].instance);
    assert_int_not_equal(reports[0].boot, reports[1].boot);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(reports[i].issued_to, 1);
        assert_true(reports[i].closed);
    }
    free(reports);
    pair_stop(&pair);
}

static void a_name_that_is_in_use_is_refused(void **state)
{
    struct pair pair;
    duet_producer *producer, *second = NULL;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &second), DT_EBUSY);
    assert_null(second);
    assert_non_null(strstr(dt_error_text(), "p1"));
    assert_int_equal(duet_producer_open(pair.config_path, "../p2", &second), DT_EINVAL);
    duet_producer_close(producer);
    pair_stop(&pair);
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

/* The plan whose secondary is `secondary`, live where `critical` says. */
static void plan_for(struct pair *pair, enum duet_side secondary, unsigned critical)
{
    if (secondary == DUET_ROCKETMQ)
        pair_plan(pair, DUET_STEP_DUAL_READ, DUET_KAFKA, critical);
    else
        pair_plan(pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, critical);
}

static void check_outage_drops(enum duet_side secondary)
{
    enum duet_side primary = duet_other_side(secondary);
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    struct duet_ledger_entry *entries;
    size_t count;
    static uint64_t full[512], lacking[512];
    size_t stored;
    uint64_t dropped = 0;

    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, NO_JOURNAL);
    plan_for(&pair, secondary, 1u << primary);
    set_down(&pair, secondary, true);
    producer = open_producer(&pair);
    for (int i = 0; i < 300; i++)
        assert_int_equal(produce(producer, 1000, 0), DT_OK);
    while (atomic_load(&answers[DUET_RESULT_DONE]) <
           300) /* all of them, with one side away */
        assert_int_equal(duet_producer_flush(producer, 50), DT_ETIMEDOUT);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.waits, 0);
    assert_true(stats.dropped > 200 && stats.dropped < 300);
    assert_true(stats.pending_bytes <= 64 * 1024);
    set_down(&pair, secondary, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(pair_log(&pair, primary, 0, full, 512), 300);
    stored = pair_log(&pair, secondary, 0, lacking, 512);
    assert_int_equal(stored + (size_t)stats.dropped, 300);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), stats.dropped);
    /* exactly the listed ranges are missing */
    assert_int_equal(duet_store_ledger(pair.store, &entries, &count), DT_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].kind, DUET_LEDGER_DROPPED);
        assert_int_equal(entries[i].side, secondary);
        for (uint64_t s = entries[i].id.sequence; s < entries[i].sequence_to;
             s++, dropped++)
            for (size_t r = 0; r < stored; r++)
                assert_true(lacking[r] != s);
    }
    assert_int_equal(dropped, (uint64_t)stats.dropped);
    free(entries);
    pair_stop(&pair);
}

static void an_outage_where_nobody_is_live_drops_and_lists(void **state)
{
    (void)state;
    check_outage_drops(DUET_ROCKETMQ);
    check_outage_drops(DUET_KAFKA);
}

static void check_outage_blocks(enum duet_side secondary)
{
    enum duet_side primary = duet_other_side(secondary);
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    dt_status status = DT_OK;
    int64_t started_ms;

    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, NO_JOURNAL);
    plan_for(&pair, secondary, CRITICAL_BOTH);
    set_down(&pair, secondary, true);
    producer = open_producer(&pair);
    started_ms = dt_clock_ms();
    for (int i = 0; i < 300 && status == DT_OK; i++)
        status = produce(producer, 1000, 300);
    assert_int_equal(status, DT_ETIMEDOUT);
    assert_true(dt_clock_ms() - started_ms >= 300);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(stats.waits, 1);
    /* nobody is live there any more: the same call goes through */
    plan_for(&pair, secondary, 1u << primary);
    wait_adopted(producer, &pair);
    assert_int_equal(produce(producer, 1000, 5000), DT_OK);
    set_down(&pair, secondary, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    pair_stop(&pair);
}

static void an_outage_of_a_live_side_is_the_applications_within_its_deadline(void **state)
{
    (void)state;
    check_outage_blocks(DUET_ROCKETMQ);
    check_outage_blocks(DUET_KAFKA);
}

/* A record that RocketMQ can never take: more header bytes than its properties may have. */
static dt_status produce_large_headers(duet_producer *producer)
{
    static char bytes[33000];
    duet_message_header header = {"h", bytes, sizeof(bytes)};
    duet_message message = {.topic = PAIR_TOPIC, .value = "x", .value_size = 1};

    message.headers = &header;
    message.header_count = 1;
    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, note, NULL);
}

static void what_rocketmq_can_never_take_is_listed_or_refused(void **state)
{
    struct pair pair;
    duet_producer *producer;
    uint64_t sequences[8];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    producer = open_producer(&pair);
    assert_int_equal(produce_large_headers(producer), DT_OK);
    assert_int_equal(produce(producer, 10, 0), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, CRITICAL_BOTH);
    wait_adopted(producer, &pair);
    assert_int_equal(produce_large_headers(producer), DT_ETOOBIG); /* sent to neither */
    duet_producer_close(producer);
    assert_int_equal(pair_log(&pair, DUET_KAFKA, 0, sequences, 8), 2);
    assert_int_equal(pair_log(&pair, DUET_ROCKETMQ, 0, sequences, 8), 1);
    assert_int_equal(sequences[0], 1);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_REFUSED), 1);
    pair_stop(&pair);
}

/* Larger than a message that Kafka takes, and small for RocketMQ. */
static dt_status produce_large(duet_producer *producer)
{
    static char bytes[1500000];
    duet_message message = {
        .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, note, NULL);
}

static void what_kafka_can_never_take_is_listed_or_refused(void **state)
{
    struct pair pair;
    duet_producer *producer;
    uint64_t sequences[8];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    plan_for(&pair, DUET_KAFKA, 1u << DUET_ROCKETMQ);
    producer = open_producer(&pair);
    assert_int_equal(produce_large(producer), DT_OK);
    assert_int_equal(produce(producer, 10, 0), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    plan_for(&pair, DUET_KAFKA, CRITICAL_BOTH);
    wait_adopted(producer, &pair);
    assert_int_equal(produce_large(producer), DT_ETOOBIG); /* sent to neither */
    duet_producer_close(producer);
    assert_int_equal(pair_log(&pair, DUET_ROCKETMQ, 0, sequences, 8), 2);
    assert_int_equal(pair_log(&pair, DUET_KAFKA, 0, sequences, 8), 1);
    assert_int_equal(sequences[0], 1);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_REFUSED), 1);
    pair_stop(&pair);
}

static void bad_arguments_are_sentences(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_message message = {.topic = "nothing", .value = "x", .value_size = 1};

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    producer = open_producer(&pair);
    assert_int_equal(duet_produce(producer, &message, 0, NULL, NULL), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "nothing"));
    assert_int_equal(duet_produce(producer, NULL, 0, NULL, NULL), DT_EINVAL);
    duet_producer_close(producer);
    assert_int_equal(duet_producer_open("/nowhere/duet.yaml", "p1", &producer),
                     DT_ENOTFOUND);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_adopted_while_messages_flow),
        cmocka_unit_test(ids_of_a_restarted_producer_have_another_boot),
        cmocka_unit_test(a_name_that_is_in_use_is_refused),
        cmocka_unit_test(an_outage_where_nobody_is_live_drops_and_lists),
        cmocka_unit_test(an_outage_of_a_live_side_is_the_applications_within_its_deadline),
        cmocka_unit_test(what_rocketmq_can_never_take_is_listed_or_refused),
        cmocka_unit_test(what_kafka_can_never_take_is_listed_or_refused),
        cmocka_unit_test(bad_arguments_are_sentences),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
