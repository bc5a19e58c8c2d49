/*
 * The rules of dual/rules.h, each with and without: what it prevents happens when it is away.
 *
 * The pair is in memory, the roles are the real ones on SQLite. An effect is a row in `done`,
 * so what was done twice is there twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dual/rules.h"
#include "role_world.h"
#include "support/case.h"
#include "support/pair.h"

/* ---- pass over ---- */

static int64_t done_of_a_second_copy(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    start(&running, &pair);
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 2);
    assert_int_equal(stop(&running), DT_OK);
    times = times_done(&pair, DUET_LIVE, "a");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void an_id_in_the_set_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(done_of_a_second_copy(0), 1);
    assert_int_equal(done_of_a_second_copy(DUET_RULE_PASS_OVER), 2);
}

/* ---- holes ---- */

static int64_t done_of_a_late_number(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 1, "second");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "first");
    start(&running, &pair);
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 2);
    assert_int_equal(stop(&running), DT_OK);
    times = times_done(&pair, DUET_LIVE, "first");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void the_set_keeps_its_holes(void **state)
{
    (void)state;
    assert_int_equal(done_of_a_late_number(0), 1);
    assert_int_equal(done_of_a_late_number(DUET_RULE_HOLES), 0);
}

/* ---- atomic ---- */

/* Saving the set fails once, by a trigger; then the consumer starts again. */
static int64_t done_after_a_failed_save(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    start(&running, &pair);
    assert_int_equal(stop(&running), DT_OK); /* the tables are there now */
    pair_number(pair.sink, DUET_LIVE,
                "create trigger planted before insert on duet_set "
                "begin select raise(abort, 'planted'); end");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    start(&running, &pair);
    pthread_join(running.thread, NULL); /* the failing save ends it */
    assert_int_not_equal(running.status, DT_OK);
    duet_consumer_close(running.consumer);
    pair_number(pair.sink, DUET_LIVE, "drop trigger planted");
    start(&running, &pair);
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 1);
    assert_int_equal(stop(&running), DT_OK);
    times = times_done(&pair, DUET_LIVE, "a");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void the_set_changes_with_the_effects_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(done_after_a_failed_save(0), 1);
    assert_int_equal(done_after_a_failed_save(DUET_RULE_ATOMIC), 2);
}

/* ---- version ---- */

static int64_t done_by_two_owners(unsigned without)
{
    struct pair pair;
    struct running first;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    start(&first, &pair);
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 1);
    /* Another owner, with what it had loaded before: it is as if the first one's batch had been
     * read and not yet committed when somebody else processed the next message. */
    {
        struct duet_sink *sink;
        struct duet_role_state other;
        struct duet_id id = {0};
        bool added;
        duet_value value[1] = {duet_text("b")};

        assert_int_equal(duet_sink_open(pair.sink, DUET_LIVE, PAIR_GROUP, &sink), DT_OK);
        assert_int_equal(duet_sink_load(sink, PAIR_TOPIC, 0, DUET_KAFKA, &other), DT_OK);
        id.instance = 1;
        id.sequence = 1;
        assert_int_equal(duet_sink_begin(sink), DT_OK);
        assert_int_equal(duet_sink_claim(sink, &other), DT_OK);
        assert_int_equal(
            duet_sink_exec(sink, "insert into done(value) values ($1)", value, 1, NULL),
            DT_OK);
        assert_int_equal(duet_idset_add(&other.processed, &id, 1, &added), DT_OK);
        assert_int_equal(duet_sink_save(sink, &other), DT_OK);
        assert_int_equal(duet_sink_commit(sink), DT_OK);
        duet_role_state_fini(&other);
        duet_sink_close(sink);
    }
    pair_send(&pair, DUET_KAFKA, 0, 1, 1, "b");
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 2);
    assert_int_equal(stop(&first), DT_OK);
    times = times_done(&pair, DUET_LIVE, "b");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void a_commit_needs_the_version_that_was_loaded(void **state)
{
    (void)state;
    assert_int_equal(done_by_two_owners(0), 1);
    assert_int_equal(done_by_two_owners(DUET_RULE_VERSION), 2);
}

/* ---- cursor and split ---- */

/* A message that stands in RocketMQ and not (yet) in Kafka, then a switch of the live role. */
static int64_t done_after_a_switch(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "a");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "a");
    pair_send(&pair, DUET_ROCKETMQ, 0, 2, 0, "only there");
    start(&running, &pair);
    wait_read(&pair, DUET_LIVE, DUET_KAFKA, 1);
    wait_read(&pair, DUET_LIVE, DUET_ROCKETMQ, 2); /* by the keeper */
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 3);
    wait_for(&pair, DUET_LIVE, "select count(*) from duet_state where side = 1", 1);
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 1, "after");
    wait_for(&pair, DUET_LIVE, "select count(*) from done where value = 'after'", 1);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(times_done(&pair, DUET_LIVE, "a"), 1);
    times = times_done(&pair, DUET_LIVE, "only there");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void the_unread_cursor_moves_over_the_set_only(void **state)
{
    (void)state;
    assert_int_equal(done_after_a_switch(0), 1);
    assert_int_equal(done_after_a_switch(DUET_RULE_CURSOR), 0);
}

static void a_switch_reads_on_from_the_new_sides_own_cursor(void **state)
{
    (void)state;
    assert_int_equal(done_after_a_switch(DUET_RULE_SPLIT), 0);
}

/* ---- mark ---- */

/* RocketMQ loses its newest message; another takes its position; the lost one is repaired. */
static int64_t done_after_a_lost_tail(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t times;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "a");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 1, "b");
    start(&running, &pair);
    wait_for(&pair, DUET_SHADOW, "select count(*) from done", 2);
    assert_int_equal(stop(&running), DT_OK);
    rmq_mock_restart(pair.rocketmq, 1);
    pair_send(&pair, DUET_ROCKETMQ, 0, 2, 0, "on the old place");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 1, "b");
    pair_send(&pair, DUET_ROCKETMQ, 0, 2, 1, "last");
    start(&running, &pair);
    wait_for(&pair, DUET_SHADOW, "select count(*) from done where value = 'last'", 1);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(times_done(&pair, DUET_SHADOW, "b"), 1);
    times = times_done(&pair, DUET_SHADOW, "on the old place");
    pair_stop(&pair);
    duet_rules_without(0);
    return times;
}

static void the_record_before_the_cursor_is_the_one_that_was_read(void **state)
{
    (void)state;
    assert_int_equal(done_after_a_lost_tail(0), 1);
    assert_int_equal(done_after_a_lost_tail(DUET_RULE_MARK), 0);
}

/* ---- link ---- */

#define GAP_SETTINGS "consumer: {hold.ms: 0}\n"

/*
 * Numbers 1 (void) and 2 (absent on RocketMQ) are missing for the shadow role; number 4's link
 * tells why, as soon as there is a record that carries it. @returns how many gaps stay.
 */
static void check_told_gaps(unsigned without, int64_t stay)
{
    static const struct duet_link_entry told[] = {{DUET_LINK_VOID, 1, 0, 1, 2},
                                                  {DUET_LINK_ABSENT_ROCKETMQ, 1, 0, 2, 3}};
    struct duet_id id = {.instance = 1, .sequence = 4};
    struct pair pair;
    struct running running;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, GAP_SETTINGS);
    start(&running, &pair);
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "0");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 3, "3");
    wait_gaps(&pair, 2);
    pair_send_linked(&pair, DUET_ROCKETMQ, &id, "4", told, 2);
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 5, "5");
    wait_for(&pair, DUET_SHADOW, "select count(*) from done where value = '5'", 1);
    if (stay == 0)
        wait_gaps(&pair, 0);
    assert_int_equal(stop(&running), DT_OK);
    wait_gaps(&pair, stay); /* also after all reports of a stop in order */
    /* a copy of the absent one that is repaired later is processed, once; void ones never come */
    start(&running, &pair);
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 2, "2");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 2, "2");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 6, "6");
    wait_for(&pair, DUET_SHADOW, "select count(*) from done where value = '6'", 1);
    if (stay > 0)
        wait_gaps(&pair, stay - 1);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(times_done(&pair, DUET_SHADOW, "2"), 1);
    pair_stop(&pair);
    duet_rules_without(0);
}

static void a_link_tells_why_numbers_are_missing(void **state)
{
    (void)state;
    check_told_gaps(0, 0);
    check_told_gaps(DUET_RULE_LINK, 2); /* they stay open for ever */
}

/* A copied or damaged link closes nothing: the pair's link is made for another record. */
static void a_link_of_another_record_closes_nothing(void **state)
{
    static const struct duet_link_entry told[] = {{DUET_LINK_VOID, 1, 0, 1, 2}};
    struct duet_id id = {.instance = 1, .sequence = 3};
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, GAP_SETTINGS);
    start(&running, &pair);
    pair_send(&pair, DUET_KAFKA, 0, 1, 0, "0");
    pair.keys.stamp.key[0] ^=
        1; /* of the link and the stamp: a record of another migration */
    pair_send_linked(&pair, DUET_KAFKA, &id, "foreign", told, 1);
    pair.keys.stamp.key[0] ^= 1;
    pair_send(&pair, DUET_KAFKA, 0, 1, 2, "2");
    wait_for(&pair, DUET_LIVE, "select count(*) from done where value = '2'", 1);
    wait_gaps(&pair, 1);
    assert_int_equal(stop(&running), DT_OK);
    pair_stop(&pair);
}

/* ---- the boot before ---- */

/* The producer died after Kafka had its last two messages and before RocketMQ had them: nothing
 * later of that boot will ever show the gap. @returns the shadow's gaps. */
static int64_t gaps_after_a_dead_boot(unsigned without)
{
    static const struct duet_link_entry told[] = {{DUET_LINK_ENDED, 1, 0, 0, 4}};
    struct duet_id next = {.instance = 1, .boot = 1};
    struct pair pair;
    struct running running;
    int64_t totals[DUET_LEDGER_KINDS];

    duet_rules_without(without | DUET_RULE_FETCH); /* which would bring them soon */
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, GAP_SETTINGS);
    start(&running, &pair);
    for (uint64_t i = 0; i < 3; i++)
        pair_send(&pair, DUET_KAFKA, 0, 1, i, "x");
    pair_send(&pair, DUET_ROCKETMQ, 0, 1, 0, "x");
    pair_send_linked(&pair, DUET_KAFKA, &next, "next", told, 1);
    pair_send_linked(&pair, DUET_ROCKETMQ, &next, "next", told, 1);
    wait_for(&pair, DUET_SHADOW, "select count(*) from done where value = 'next'", 1);
    wait_for(&pair, DUET_LIVE, "select count(*) from done where value = 'next'", 1);
    wait_read(&pair, DUET_SHADOW, DUET_KAFKA, 4); /* by its keeper */
    if (without == 0)
        wait_gaps(&pair, 2); /* and not the one that no side has */
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(duet_store_ledger_totals(pair.store, totals), DT_OK);
    pair_stop(&pair);
    duet_rules_without(0);
    return totals[DUET_LEDGER_GAP];
}

static void a_gap_is_seen_over_a_restart_of_its_producer(void **state)
{
    (void)state;
    assert_int_equal(gaps_after_a_dead_boot(0), 2);
    assert_int_equal(gaps_after_a_dead_boot(DUET_RULE_BOOTGAP), 0); /* lost in silence */
}

/* ---- first in, first out ---- */

#define LANE_MESSAGES 3000 /* more than a lane hands over at once */

static void produce(duet_producer *producer, int count)
{
    for (int i = 0; i < count; i++) {
        duet_message message = {.topic = PAIR_TOPIC, .value = "x", .value_size = 1};

        message.event_time_ms = -1;
        assert_int_equal(duet_produce(producer, &message, 0, NULL, NULL), DT_OK);
    }
}

struct progress {
    duet_producer *producer;
    int64_t done, plan;
};

static bool has_progress(void *context)
{
    struct progress *progress = context;
    duet_producer_stats stats;

    duet_producer_statistics(progress->producer, &stats);
    return stats.done >= progress->done && stats.plan_version >= progress->plan;
}

/* In RocketMQ's log, which must hold all of them. */
static int64_t count_inversions(struct pair *pair, size_t messages)
{
    static uint64_t sequences[LANE_MESSAGES + 100];
    size_t count = pair_log(pair, DUET_ROCKETMQ, 0, sequences, LANE_MESSAGES + 100);
    int64_t inversions = 0;

    assert_int_equal(count, messages);
    for (size_t i = 1; i < count; i++)
        inversions += sequences[i] < sequences[i - 1];
    return inversions;
}

static int64_t inversions_after_an_outage(unsigned without)
{
    struct pair pair;
    duet_producer *producer;
    int64_t inversions;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    rmq_mock_down(pair.rocketmq);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    produce(producer, LANE_MESSAGES);
    assert_int_equal(duet_producer_flush(producer, 200), DT_ETIMEDOUT);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    inversions = count_inversions(&pair, LANE_MESSAGES);
    pair_stop(&pair);
    duet_rules_without(0);
    return inversions;
}

static void a_lane_keeps_the_primarys_order(void **state)
{
    (void)state;
    assert_int_equal(inversions_after_an_outage(0), 0);
    assert_true(inversions_after_an_outage(DUET_RULE_FIFO) > 0);
}

/* ---- the change of primary ---- */

/* RocketMQ becomes the primary while something is owed to it: it was away. */
static int64_t inversions_after_a_change(unsigned without)
{
    struct pair pair;
    struct progress progress = {.done = LANE_MESSAGES};
    int64_t inversions;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    rmq_mock_down(pair.rocketmq);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &progress.producer), DT_OK);
    produce(progress.producer, LANE_MESSAGES);
    assert_true(pair_wait(has_progress, &progress));
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
    progress.plan = pair.plan->version;
    assert_true(pair_wait(has_progress, &progress));
    produce(progress.producer, 10);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(progress.producer, 30000), DT_OK);
    duet_producer_close(progress.producer);
    inversions = count_inversions(&pair, LANE_MESSAGES + 10);
    pair_stop(&pair);
    duet_rules_without(0);
    return inversions;
}

static void the_lane_to_a_new_primary_is_empty_first(void **state)
{
    (void)state;
    assert_int_equal(inversions_after_a_change(0), 0);
    assert_true(inversions_after_a_change(DUET_RULE_LANE) > 0);
}

/* RocketMQ becomes the primary while messages are in doubt at Kafka, which is away. */
static int64_t inversions_after_a_takeover(unsigned without)
{
    struct pair pair;
    struct progress progress = {0};
    int64_t inversions;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    duet_kafka_mock_set_down(pair.kafka, true);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &progress.producer), DT_OK);
    produce(progress.producer, 10);
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
    progress.plan = pair.plan->version;
    assert_true(pair_wait(has_progress, &progress));
    produce(progress.producer, 10);
    progress.done = 10;
    assert_true(pair_wait(has_progress, &progress));
    duet_kafka_mock_set_down(pair.kafka, false);
    assert_int_equal(duet_producer_flush(progress.producer, 30000), DT_OK);
    duet_producer_close(progress.producer);
    inversions = count_inversions(&pair, 20);
    pair_stop(&pair);
    duet_rules_without(0);
    return inversions;
}

static void what_is_in_doubt_at_the_old_primary_comes_first_at_the_new(void **state)
{
    (void)state;
    assert_int_equal(inversions_after_a_takeover(0), 0);
    assert_true(inversions_after_a_takeover(DUET_RULE_PEND) > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_in_the_set_is_passed_over),
        cmocka_unit_test(the_set_keeps_its_holes),
        cmocka_unit_test(the_set_changes_with_the_effects_or_not_at_all),
        cmocka_unit_test(a_commit_needs_the_version_that_was_loaded),
        cmocka_unit_test(the_unread_cursor_moves_over_the_set_only),
        cmocka_unit_test(a_switch_reads_on_from_the_new_sides_own_cursor),
        cmocka_unit_test(the_record_before_the_cursor_is_the_one_that_was_read),
        cmocka_unit_test(a_link_tells_why_numbers_are_missing),
        cmocka_unit_test(a_link_of_another_record_closes_nothing),
        cmocka_unit_test(a_gap_is_seen_over_a_restart_of_its_producer),
        cmocka_unit_test(a_lane_keeps_the_primarys_order),
        cmocka_unit_test(the_lane_to_a_new_primary_is_empty_first),
        cmocka_unit_test(what_is_in_doubt_at_the_old_primary_comes_first_at_the_new),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
