/*
 * The side that is not read: what the other never had is fetched from there, in order, and what
 * stays missing neither pins the cursor nor stops other producers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dual/rules.h"
#include "role_world.h"

#define SOON    "consumer: {hold.ms: 300}\n"
#define NEVER   "consumer: {hold.ms: 86400000}\n"
#define ORDERED ", delivery: order, ack: both"

/* The shadow reads RocketMQ, so what only Kafka has is for its keeper to find. */
static void send(struct pair *pair, enum duet_side side, uint32_t instance, uint64_t first,
                 uint64_t last)
{
    for (uint64_t n = first; n <= last; n++) {
        char value[32];

        snprintf(value, sizeof(value), "%u.%llu", instance, (unsigned long long)n);
        pair_send(pair, side, 0, instance, n, value);
    }
}

static void wait_done(struct pair *pair, const char *value)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "select count(*) from done where value = '%s'", value);
    wait_for(pair, DUET_SHADOW, sql, 1);
}

/* Pairs of one producer's messages that were done in the wrong order. */
static int64_t inversions(struct pair *pair)
{
    return pair_number(pair->sink, DUET_SHADOW,
                       "select count(*) from done a join done b on a.rowid < b.rowid and "
                       "substr(a.value, 1, 2) = substr(b.value, 1, 2) and "
                       "cast(substr(a.value, 3) as integer) > "
                       "cast(substr(b.value, 3) as integer)");
}

static int64_t rows(struct pair *pair)
{
    return pair_number(pair->sink, DUET_SHADOW, "select count(*) from done");
}

/* ---- fetch ---- */

static void a_message_that_the_read_side_never_had_is_fetched(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 4);
    send(&pair, DUET_ROCKETMQ, 1, 0, 1);
    send(&pair, DUET_ROCKETMQ, 1, 3, 4);
    wait_done(&pair, "1.2");
    wait_listed(&pair, DUET_LEDGER_FETCHED, 1);
    wait_gaps(&pair, 0);
    send(&pair, DUET_ROCKETMQ, 1, 2, 2); /* the copy that comes after all is passed over */
    send(&pair, DUET_ROCKETMQ, 1, 5, 5);
    wait_done(&pair, "1.5");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 6);
    pair_stop(&pair);
}

/* Without the rule it stays missing, and is listed. */
static void without_fetch_it_is_a_gap(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    duet_rules_without(DUET_RULE_FETCH);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 4);
    send(&pair, DUET_ROCKETMQ, 1, 0, 1);
    send(&pair, DUET_ROCKETMQ, 1, 3, 4);
    wait_gaps(&pair, 1);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 4);
    pair_stop(&pair);
    duet_rules_without(0);
}

/* Kafka's copies stand in the wrong order, as repaired ones may. */
static int64_t inversions_of_a_fetch(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t wrong;

    duet_rules_without(without);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    send(&pair, DUET_KAFKA, 1, 0, 0);
    send(&pair, DUET_KAFKA, 1, 3, 3);
    send(&pair, DUET_KAFKA, 1, 2, 2);
    send(&pair, DUET_KAFKA, 1, 1, 1);
    wait_listed(&pair, DUET_LEDGER_FETCHED, 3);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 4);
    wrong = inversions(&pair);
    pair_stop(&pair);
    duet_rules_without(0);
    return wrong;
}

static void a_fetch_keeps_the_order_of_the_producer(void **state)
{
    (void)state;
    assert_int_equal(inversions_of_a_fetch(0), 0);
    assert_int_equal(inversions_of_a_fetch(DUET_RULE_BEFORE), 3);
}

/* Number 1 is nowhere: number 2 is fetched all the same, when that was waited for twice. */
static void a_number_that_is_nowhere_does_not_keep_others_for_ever(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    send(&pair, DUET_KAFKA, 1, 0, 0);
    send(&pair, DUET_KAFKA, 1, 2, 3);
    wait_done(&pair, "1.3");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 3);
    assert_int_equal(inversions(&pair), 0);
    pair_stop(&pair);
}

/* Kafka never gets the messages that a dead primary's producer wrote to RocketMQ alone. */
static void what_a_silent_side_does_not_bring_is_fetched(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 9);
    wait_for(&pair, DUET_LIVE, "select count(*) from done", 10);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(pair_number(pair.sink, DUET_LIVE, "select count(*) from done"), 10);
    wait_listed(&pair, DUET_LEDGER_FETCHED, 10);
    /* as ranges, however many there are */
    assert_true(pair_number(pair.sink, DUET_LIVE, "select count(*) from duet_ledger") < 10);
    pair_stop(&pair);
}

/* ---- what stays beside the cursor ---- */

#define KAFKA_CURSOR "select position from duet_cursor where side = 0"

static void one_hole_does_not_pin_the_keeper(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NEVER);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 39);
    send(&pair, DUET_ROCKETMQ, 1, 0, 9);
    send(&pair, DUET_ROCKETMQ, 1, 11, 39);
    wait_for(&pair, DUET_SHADOW, KAFKA_CURSOR, 40);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 39);
    start(&running, &pair);
    /* the shadow moves to Kafka: what was left there is read again, and nothing else is done */
    pair_plan(&pair, DUET_STEP_SWITCHING, DUET_ROCKETMQ, 3);
    wait_done(&pair, "1.10");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 40);
    pair_stop(&pair);
}

static void what_was_left_is_fetched_after_a_restart(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "consumer: {hold.ms: 2000}\n");
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 39);
    send(&pair, DUET_ROCKETMQ, 1, 0, 9);
    send(&pair, DUET_ROCKETMQ, 1, 12, 39);
    wait_for(&pair, DUET_SHADOW, KAFKA_CURSOR, 40);
    assert_int_equal(stop(&running), DT_OK);
    start(&running, &pair);
    wait_done(&pair, "1.11");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 40);
    assert_int_equal(pair_number(pair.sink, DUET_SHADOW,
                                 "select set_end from duet_set where which = 'kafka-left'"),
                     0);
    pair_stop(&pair);
}

/* ---- order ---- */

/* Number 1 comes late on the side that is read; another producer goes on meanwhile. */
static int64_t inversions_of_a_late_copy(unsigned without)
{
    struct pair pair;
    struct running running;
    int64_t wrong;

    duet_rules_without(without);
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NEVER);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    send(&pair, DUET_ROCKETMQ, 1, 2, 5);
    send(&pair, DUET_ROCKETMQ, 2, 0, 3);
    wait_done(&pair, "2.3");
    send(&pair, DUET_ROCKETMQ, 1, 1, 1);
    send(&pair, DUET_ROCKETMQ, 1, 6, 6);
    wait_done(&pair, "1.6");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 11);
    wrong = inversions(&pair);
    pair_stop(&pair);
    duet_rules_without(0);
    return wrong;
}

static void a_gap_sets_its_producers_later_messages_aside(void **state)
{
    (void)state;
    assert_int_equal(inversions_of_a_late_copy(0), 0);
    assert_int_equal(inversions_of_a_late_copy(DUET_RULE_ORDER), 4);
}

static void what_is_set_aside_waits_for_the_fetch(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 9);
    send(&pair, DUET_ROCKETMQ, 1, 0, 2);
    send(&pair, DUET_ROCKETMQ, 1, 4, 5);
    send(&pair, DUET_ROCKETMQ, 1, 8, 9);
    wait_done(&pair, "1.9");
    wait_listed(&pair, DUET_LEDGER_FETCHED, 3);
    wait_gaps(&pair, 0);
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 10);
    assert_int_equal(inversions(&pair), 0);
    pair_stop(&pair);
}

static void what_is_nowhere_is_given_up_and_listed(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 0); /* Kafka's log has an end that is known */
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    send(&pair, DUET_ROCKETMQ, 1, 2, 5);
    wait_done(&pair, "1.5");
    wait_gaps(&pair, 1);
    send(&pair, DUET_ROCKETMQ, 1, 6, 6); /* nothing waits for it any more */
    wait_done(&pair, "1.6");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 6);
    assert_int_equal(inversions(&pair), 0);
    pair_stop(&pair);
}

static void more_than_may_be_held_is_waited_for_no_longer(void **state)
{
    struct pair pair;
    struct running running;
    char value[8192];

    (void)state;
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ,
               "consumer: {hold.ms: 86400000, hold.bytes: 64KiB}\n");
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (uint64_t n = 2; n < 12; n++)
        pair_send(&pair, DUET_ROCKETMQ, 0, 1, n, value);
    wait_for(&pair, DUET_SHADOW, "select count(*) from done", 11);
    assert_int_equal(stop(&running), DT_OK);
    pair_stop(&pair);
}

static void what_was_set_aside_is_read_again_after_a_restart(void **state)
{
    struct pair pair;
    struct running running;

    (void)state;
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NEVER);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 1, 0, 0);
    send(&pair, DUET_ROCKETMQ, 1, 2, 5);
    send(&pair, DUET_ROCKETMQ, 2, 0, 3);
    wait_done(&pair, "2.3");
    assert_int_equal(stop(&running), DT_OK);
    start(&running, &pair);
    send(&pair, DUET_ROCKETMQ, 2, 4, 4);
    wait_done(&pair, "2.4");
    send(&pair, DUET_ROCKETMQ, 1, 1, 1);
    wait_done(&pair, "1.5");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 11);
    assert_int_equal(inversions(&pair), 0);
    pair_stop(&pair);
}

/* The boot before ended with number 2, as the first record of the next one tells. */
static void the_next_boot_waits_for_the_end_of_the_one_before(void **state)
{
    static const struct duet_link_entry told[] = {{DUET_LINK_ENDED, 1, 0, 0, 3}};
    struct duet_id next = {.instance = 1, .boot = 1};
    struct pair pair;
    struct running running;

    (void)state;
    pair_route(ORDERED);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SOON);
    start(&running, &pair);
    send(&pair, DUET_KAFKA, 1, 0, 2);
    send(&pair, DUET_ROCKETMQ, 1, 0, 1);
    pair_send_linked(&pair, DUET_ROCKETMQ, &next, "1.100", told, 1);
    pair_send_linked(&pair, DUET_KAFKA, &next, "1.100", told, 1);
    wait_done(&pair, "1.100");
    assert_int_equal(stop(&running), DT_OK);
    assert_int_equal(rows(&pair), 4);
    assert_int_equal(inversions(&pair), 0);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_the_read_side_never_had_is_fetched),
        cmocka_unit_test(without_fetch_it_is_a_gap),
        cmocka_unit_test(a_fetch_keeps_the_order_of_the_producer),
        cmocka_unit_test(a_number_that_is_nowhere_does_not_keep_others_for_ever),
        cmocka_unit_test(what_a_silent_side_does_not_bring_is_fetched),
        cmocka_unit_test(one_hole_does_not_pin_the_keeper),
        cmocka_unit_test(what_was_left_is_fetched_after_a_restart),
        cmocka_unit_test(a_gap_sets_its_producers_later_messages_aside),
        cmocka_unit_test(what_is_set_aside_waits_for_the_fetch),
        cmocka_unit_test(what_is_nowhere_is_given_up_and_listed),
        cmocka_unit_test(more_than_may_be_held_is_waited_for_no_longer),
        cmocka_unit_test(what_was_set_aside_is_read_again_after_a_restart),
        cmocka_unit_test(the_next_boot_waits_for_the_end_of_the_one_before),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
