/* pace: the window of requests to a broker, and for how long it is avoided */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/pace.h"
#include "support/case.h"

/* Starts as many as may. */
static int32_t fill(struct rmq_pace *pace, uint64_t *numbers)
{
    int32_t count = 0;

    while (rmq_pace_may_start(pace, 1000))
        numbers[count++] = rmq_pace_started(pace, 1000);
    return count;
}

static void the_window_bounds_what_is_in_flight(void **state)
{
    struct rmq_pace pace;
    uint64_t numbers[8];

    (void)state;
    rmq_pace_init(&pace, 4);
    assert_int_equal(fill(&pace, numbers), 4);
    rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, numbers[0], 1, 1000);
    assert_int_equal(fill(&pace, numbers), 1);
    assert_int_equal(pace.window, 4);
}

static void one_overload_halves_the_window_once(void **state)
{
    struct rmq_pace pace;
    uint64_t numbers[64];

    (void)state;
    rmq_pace_init(&pace, 64);
    assert_int_equal(fill(&pace, numbers), 64);
    for (int i = 0; i < 64; i++) /* all of them meet the same overload */
        rmq_pace_ended(&pace, RMQ_PACE_BUSY, numbers[i], 1, 1000);
    assert_int_equal(pace.window, 32);
    assert_int_equal(fill(&pace, numbers), 32);
    rmq_pace_ended(&pace, RMQ_PACE_BUSY, numbers[31], 1, 1000);
    assert_int_equal(pace.window, 16);
}

static void what_was_in_flight_is_halved_not_what_was_allowed(void **state)
{
    struct rmq_pace pace;
    uint64_t number;

    (void)state;
    rmq_pace_init(&pace, 256);
    (void)rmq_pace_started(&pace, 1000);
    (void)rmq_pace_started(&pace, 1000);
    (void)rmq_pace_started(&pace, 1000);
    number = rmq_pace_started(&pace, 1000);
    rmq_pace_ended(&pace, RMQ_PACE_BUSY, number, 1, 1000);
    assert_int_equal(pace.window, 2);
}

static void the_window_never_closes(void **state)
{
    struct rmq_pace pace;

    (void)state;
    rmq_pace_init(&pace, 8);
    for (int i = 0; i < 20; i++) {
        uint64_t number = rmq_pace_started(&pace, 1000);

        rmq_pace_ended(&pace, RMQ_PACE_BUSY, number, 1, 1000);
        assert_int_equal(pace.window, 1);
        assert_true(rmq_pace_may_start(&pace, 1000));
    }
}

static void a_window_full_of_answers_adds_one_up_to_the_most(void **state)
{
    struct rmq_pace pace;
    uint64_t number = 0;
    int answers = 0;

    (void)state;
    rmq_pace_init(&pace, 10);
    number = rmq_pace_started(&pace, 1000);
    rmq_pace_ended(&pace, RMQ_PACE_BUSY, number, 1, 1000);
    assert_int_equal(pace.window, 1);
    while (pace.window < 10 && answers < 1000) {
        while (rmq_pace_may_start(&pace, 1000))
            number = rmq_pace_started(&pace, 1000);
        rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, number, 1, 1000);
        answers++;
    }
    assert_int_equal(answers, 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9);
    for (int i = 0; i < 100; i++) {
        while (rmq_pace_may_start(&pace, 1000))
            number = rmq_pace_started(&pace, 1000);
        rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, number, 1, 1000);
    }
    assert_int_equal(pace.window, 10);
}

static void a_window_that_is_not_used_does_not_grow(void **state)
{
    struct rmq_pace pace;

    (void)state;
    rmq_pace_init(&pace, 100);
    for (int i = 0; i < 8; i++)
        (void)rmq_pace_started(&pace, 1000);
    rmq_pace_ended(&pace, RMQ_PACE_BUSY, 8, 1, 1000);
    assert_int_equal(pace.window, 4);
    for (uint64_t i = 1; i < 8; i++)
        rmq_pace_ended(&pace, RMQ_PACE_NOTHING, i, 1, 1000);
    for (int i = 0; i < 100; i++) /* one at a time */
        rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, rmq_pace_started(&pace, 1000), 1, 1000);
    assert_int_equal(pace.window, 4);
}

static void slow_and_failing_brokers_are_avoided_for_the_time_of_the_table(void **state)
{
    static const int64_t table[][2] = {{0, 0},         {549, 0},      {550, 2000},
                                       {1799, 2000},   {1800, 5000},  {2999, 5000},
                                       {3000, 6000},   {4999, 6000},  {5000, 10000},
                                       {14999, 10000}, {15000, 30000}};
    struct rmq_pace pace;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        rmq_pace_init(&pace, 8);
        rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, rmq_pace_started(&pace, 1000), table[i][0],
                       100000);
        assert_true(pace.avoid_until_ms == 100000 + table[i][1]);
        assert_int_equal(rmq_pace_is_avoided(&pace, 100000), table[i][1] > 0);
        assert_false(rmq_pace_is_avoided(&pace, 100000 + table[i][1]));
    }
    rmq_pace_ended(&pace, RMQ_PACE_FAILED, rmq_pace_started(&pace, 1000), 1, 100000);
    assert_true(pace.avoid_until_ms == 110000);
    rmq_pace_ended(&pace, RMQ_PACE_BUSY, rmq_pace_started(&pace, 1000), 1, 100000);
    assert_true(pace.avoid_until_ms == 102000);
    rmq_pace_ended(&pace, RMQ_PACE_NOTHING, rmq_pace_started(&pace, 1000), 1, 100000);
    assert_true(pace.avoid_until_ms == 102000); /* that says nothing */
    rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, rmq_pace_started(&pace, 1000), 1, 100001);
    assert_false(rmq_pace_is_avoided(&pace, 100001)); /* well again */
    rmq_pace_failed(&pace, 100000);
    assert_true(pace.avoid_until_ms == 110000);
}

static void a_broker_that_carries_out_nothing_gets_one_request_a_second(void **state)
{
    static const enum rmq_pace_end ends[] = {RMQ_PACE_FAILED, RMQ_PACE_BUSY};
    struct rmq_pace pace;

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int64_t now_ms = 5000;
        int started = 0;

        rmq_pace_init(&pace, 64);
        rmq_pace_ended(&pace, ends[i], rmq_pace_started(&pace, now_ms), 1, now_ms);
        /* a short trouble is left to those that back off */
        assert_true(rmq_pace_may_start(&pace, now_ms + RMQ_PACE_DOWN_MS - 1));
        now_ms += RMQ_PACE_DOWN_MS;
        for (int64_t end_ms = now_ms + 30000; now_ms < end_ms; now_ms += 3)
            while (rmq_pace_may_start(&pace, now_ms)) {
                rmq_pace_ended(&pace, ends[i], rmq_pace_started(&pace, now_ms), 1, now_ms);
                assert_true(rmq_pace_next_ms(&pace, now_ms) == now_ms + RMQ_PACE_PROBE_MS);
                started++;
            }
        assert_in_range(started, 29, 31);
    }
}

static void one_at_a_time_is_asked_of_a_broker_that_is_silent(void **state)
{
    struct rmq_pace pace;
    uint64_t numbers[4], last;

    (void)state;
    rmq_pace_init(&pace, 4);
    assert_int_equal(fill(&pace, numbers), 4);
    for (int i = 0; i < 3; i++)
        rmq_pace_ended(&pace, RMQ_PACE_FAILED, numbers[i], 3000, 4000);
    assert_false(rmq_pace_may_start(&pace, 8000)); /* the fourth is still under way */
    assert_true(rmq_pace_next_ms(&pace, 8000) == 8000 + RMQ_PACE_PROBE_MS);
    rmq_pace_ended(&pace, RMQ_PACE_FAILED, numbers[3], 3000, 8000);
    assert_true(rmq_pace_may_start(&pace, 8000));
    last = rmq_pace_started(&pace, 8000);
    assert_false(rmq_pace_may_start(&pace, 10000));
    rmq_pace_ended(&pace, RMQ_PACE_ANSWERED, last, 2000, 10000); /* and it is back */
    assert_int_equal(fill(&pace, numbers), 4);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_bounds_what_is_in_flight),
        cmocka_unit_test(one_overload_halves_the_window_once),
        cmocka_unit_test(what_was_in_flight_is_halved_not_what_was_allowed),
        cmocka_unit_test(the_window_never_closes),
        cmocka_unit_test(a_window_full_of_answers_adds_one_up_to_the_most),
        cmocka_unit_test(a_window_that_is_not_used_does_not_grow),
        cmocka_unit_test(slow_and_failing_brokers_are_avoided_for_the_time_of_the_table),
        cmocka_unit_test(a_broker_that_carries_out_nothing_gets_one_request_a_second),
        cmocka_unit_test(one_at_a_time_is_asked_of_a_broker_that_is_silent),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
