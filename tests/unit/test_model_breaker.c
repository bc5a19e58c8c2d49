/* breaker: a side that is away costs one message a second, and an answer ends that */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/breaker.h"
#include "support/case.h"

#define START_MS 100000

static struct duet_breaker opened(int64_t *now_ms)
{
    struct duet_breaker breaker;

    duet_breaker_init(&breaker, START_MS);
    duet_breaker_sent(&breaker, START_MS);
    *now_ms = START_MS + DUET_BREAKER_SILENT_MS;
    assert_true(duet_breaker_look(&breaker, true, *now_ms));
    assert_int_equal(breaker.state, DUET_BREAKER_OPEN);
    return breaker;
}

static void a_side_that_is_owed_nothing_may_be_silent(void **state)
{
    struct duet_breaker breaker;

    (void)state;
    duet_breaker_init(&breaker, START_MS);
    assert_false(duet_breaker_look(&breaker, true, START_MS + 1000000));
    assert_false(duet_breaker_look(&breaker, false, START_MS + 1000000));
    assert_true(duet_breaker_may_send(&breaker, START_MS + 1000000));
    /* the silence begins with the first message, not before */
    duet_breaker_sent(&breaker, START_MS + 1000000);
    assert_false(
        duet_breaker_look(&breaker, true, START_MS + 1000000 + DUET_BREAKER_SILENT_MS - 1));
    assert_true(
        duet_breaker_look(&breaker, true, START_MS + 1000000 + DUET_BREAKER_SILENT_MS));
}

static void answers_keep_it_closed_however_much_is_owed(void **state)
{
    struct duet_breaker breaker;
    int64_t now_ms = START_MS;

    (void)state;
    duet_breaker_init(&breaker, now_ms);
    for (int i = 0; i < 1000; i++)
        duet_breaker_sent(&breaker, now_ms);
    for (int i = 0; i < 999; i++) {
        now_ms += DUET_BREAKER_SILENT_MS - 1;
        assert_false(duet_breaker_look(&breaker, true, now_ms));
        assert_false(duet_breaker_ended(&breaker, true, now_ms));
    }
    assert_int_equal(breaker.opened, 0);
    assert_int_equal(breaker.owed, 1);
}

static void an_end_without_an_answer_is_no_sign_of_life(void **state)
{
    struct duet_breaker breaker;

    (void)state;
    duet_breaker_init(&breaker, START_MS);
    for (int i = 0; i < 3; i++)
        duet_breaker_sent(&breaker, START_MS);
    assert_false(duet_breaker_ended(&breaker, false, START_MS + 2000));
    assert_true(duet_breaker_look(&breaker, true, START_MS + DUET_BREAKER_SILENT_MS));
    assert_false(duet_breaker_ended(&breaker, false, START_MS + 4000));
    assert_int_equal(breaker.state, DUET_BREAKER_OPEN);
}

static void what_its_client_cannot_reach_is_open_at_once(void **state)
{
    struct duet_breaker breaker;

    (void)state;
    duet_breaker_init(&breaker, START_MS);
    duet_breaker_sent(&breaker, START_MS);
    assert_true(duet_breaker_look(&breaker, false, START_MS));
    assert_false(duet_breaker_may_send(&breaker, START_MS));
    assert_int_equal(breaker.opened, 1);
    assert_int_equal(breaker.changed_ms, START_MS);
}

static void an_open_one_lets_one_through_a_second(void **state)
{
    int64_t now_ms;
    struct duet_breaker breaker = opened(&now_ms);
    int64_t end_ms = now_ms + 60000;
    int probes = 0;

    (void)state;
    for (; now_ms < end_ms; now_ms += 7) {
        assert_false(duet_breaker_look(&breaker, now_ms % 2 == 0, now_ms));
        while (duet_breaker_may_send(&breaker, now_ms)) {
            duet_breaker_sent(&breaker, now_ms);
            probes++;
            assert_int_equal(breaker.state, DUET_BREAKER_PROBING);
        }
    }
    assert_in_range(probes, 57, 60);
    assert_int_equal(breaker.opened, 1);
}

static void any_answer_closes_it_from_open_and_from_probing(void **state)
{
    (void)state;
    for (int probing = 0; probing < 2; probing++) {
        int64_t now_ms;
        struct duet_breaker breaker = opened(&now_ms);

        if (probing) {
            now_ms += DUET_BREAKER_PROBE_MS;
            assert_true(duet_breaker_may_send(&breaker, now_ms));
            duet_breaker_sent(&breaker, now_ms);
        }
        now_ms += 10;
        assert_true(duet_breaker_ended(&breaker, true, now_ms));
        assert_int_equal(breaker.state, DUET_BREAKER_CLOSED);
        assert_int_equal(breaker.changed_ms, now_ms);
        assert_true(duet_breaker_may_send(&breaker, now_ms));
        /* what is still owed has a whole silence before it */
        assert_false(
            duet_breaker_look(&breaker, true, now_ms + DUET_BREAKER_SILENT_MS - 1));
        assert_int_equal(duet_breaker_look(&breaker, true, now_ms + DUET_BREAKER_SILENT_MS),
                         probing);
    }
}

static void a_probe_that_is_not_answered_is_followed_by_another(void **state)
{
    int64_t now_ms;
    struct duet_breaker breaker = opened(&now_ms);

    (void)state;
    now_ms += DUET_BREAKER_PROBE_MS;
    duet_breaker_sent(&breaker, now_ms);
    now_ms += DUET_BREAKER_PROBE_MS - 1;
    assert_false(duet_breaker_look(&breaker, true, now_ms));
    assert_int_equal(breaker.state, DUET_BREAKER_PROBING);
    assert_false(duet_breaker_may_send(&breaker, now_ms));
    now_ms++;
    assert_false(duet_breaker_look(&breaker, true, now_ms));
    assert_int_equal(breaker.state, DUET_BREAKER_OPEN);
    assert_true(duet_breaker_may_send(&breaker, now_ms));
}

/* Every sequence of seven events, each with its time: what holds in each state holds always. */
static void whatever_happens_each_state_keeps_its_promise(void **state)
{
    enum { EVENTS = 7, KINDS = 6 };
    int sequences = 1;

    (void)state;
    for (int i = 0; i < EVENTS; i++)
        sequences *= KINDS;
    for (int sequence = 0; sequence < sequences; sequence++) {
        struct duet_breaker breaker;
        int64_t now_ms = START_MS, last_sent_ms = INT64_MIN;
        uint64_t owed = 0, times = 0;

        duet_breaker_init(&breaker, now_ms);
        for (int i = 0, rest = sequence; i < EVENTS; i++, rest /= KINDS) {
            enum duet_breaker_state before = breaker.state;
            bool may = duet_breaker_may_send(&breaker, now_ms), changed = false;

            switch (rest % KINDS) {
            case 0:
                if (!may)
                    break;
                if (before != DUET_BREAKER_CLOSED && last_sent_ms != INT64_MIN)
                    assert_true(now_ms - breaker.changed_ms >= DUET_BREAKER_PROBE_MS);
                duet_breaker_sent(&breaker, now_ms);
                last_sent_ms = now_ms;
                owed++;
                assert_int_equal(breaker.state, before == DUET_BREAKER_CLOSED
                                                    ? DUET_BREAKER_CLOSED
                                                    : DUET_BREAKER_PROBING);
                break;
            case 1:
            case 2:
                if (owed == 0)
                    break;
                changed = duet_breaker_ended(&breaker, rest % KINDS == 1, now_ms);
                owed--;
                assert_int_equal(changed,
                                 rest % KINDS == 1 && before != DUET_BREAKER_CLOSED);
                assert_int_equal(breaker.state, changed ? DUET_BREAKER_CLOSED : before);
                break;
            case 3:
                now_ms += DUET_BREAKER_PROBE_MS;
                break;
            case 4:
            case 5:
                if (rest % KINDS == 5)
                    now_ms += DUET_BREAKER_SILENT_MS;
                changed = duet_breaker_look(&breaker, true, now_ms);
                times += changed;
                if (changed) {
                    assert_int_equal(before, DUET_BREAKER_CLOSED);
                    assert_int_equal(breaker.state, DUET_BREAKER_OPEN);
                    assert_true(owed > 0);
                    assert_false(duet_breaker_may_send(&breaker, now_ms));
                }
                break;
            }
            assert_int_equal(breaker.owed, owed);
            assert_int_equal(breaker.opened, times);
            if (owed == 0 && before == DUET_BREAKER_CLOSED)
                assert_int_equal(breaker.state, DUET_BREAKER_CLOSED);
        }
    }
}

static void each_state_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(duet_breaker_state_name(DUET_BREAKER_CLOSED), "closed");
    assert_string_equal(duet_breaker_state_name(DUET_BREAKER_OPEN), "open");
    assert_string_equal(duet_breaker_state_name(DUET_BREAKER_PROBING), "probing");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_side_that_is_owed_nothing_may_be_silent),
        cmocka_unit_test(answers_keep_it_closed_however_much_is_owed),
        cmocka_unit_test(an_end_without_an_answer_is_no_sign_of_life),
        cmocka_unit_test(what_its_client_cannot_reach_is_open_at_once),
        cmocka_unit_test(an_open_one_lets_one_through_a_second),
        cmocka_unit_test(any_answer_closes_it_from_open_and_from_probing),
        cmocka_unit_test(a_probe_that_is_not_answered_is_followed_by_another),
        cmocka_unit_test(whatever_happens_each_state_keeps_its_promise),
        cmocka_unit_test(each_state_has_its_name),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
