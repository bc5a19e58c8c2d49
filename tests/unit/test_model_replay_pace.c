/* replay pace: what is read back follows what is produced, and never stands still */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model/replay_pace.h"
#include "support/case.h"

#define START_MS 50000
#define TURN     256

static int64_t total, bytes; /* produced */

static void start(struct duet_replay_pace *pace, int64_t percent, int64_t now_ms)
{
    total = bytes = 0;
    duet_replay_pace_init(pace, percent, now_ms);
}

/* Reads back what it may for so long beside live traffic; the mean per second. */
static int64_t run(struct duet_replay_pace *pace, int64_t *now_ms, int64_t live,
                   int64_t size, int64_t for_ms)
{
    int64_t begin_ms = *now_ms, took = 0;
    int64_t carry = 0;

    for (; *now_ms < begin_ms + for_ms; ++*now_ms) {
        carry += live;
        total += carry / 1000;
        bytes += carry / 1000 * size;
        carry %= 1000;
        duet_replay_pace_look(pace, total, bytes, *now_ms);
        while (duet_replay_pace_wait_ms(pace) == 0) {
            duet_replay_pace_took(pace, TURN, TURN * size);
            took += TURN;
        }
    }
    return took * 1000 / for_ms;
}

static void beside_little_traffic_it_has_the_floor(void **state)
{
    struct duet_replay_pace pace;
    int64_t now_ms = START_MS;

    (void)state;
    start(&pace, 200, now_ms);
    assert_in_range(run(&pace, &now_ms, 0, 100, 10000), DUET_REPLAY_MESSAGES_MIN * 99 / 100,
                    DUET_REPLAY_MESSAGES_MIN * 102 / 100);
    assert_in_range(run(&pace, &now_ms, 4000, 100, 10000),
                    DUET_REPLAY_MESSAGES_MIN * 99 / 100,
                    DUET_REPLAY_MESSAGES_MIN * 102 / 100);
}

static void beside_much_traffic_it_has_its_share_of_it(void **state)
{
    struct duet_replay_pace pace;
    int64_t now_ms = START_MS;

    (void)state;
    start(&pace, 200, now_ms);
    (void)run(&pace, &now_ms, 50000, 100, 5000); /* it follows within seconds */
    assert_in_range(run(&pace, &now_ms, 50000, 100, 10000), 98000, 102000);
    (void)run(&pace, &now_ms, 20000, 100, 5000);
    assert_in_range(run(&pace, &now_ms, 20000, 100, 10000), 39000, 41000);
    start(&pace, 150, now_ms);
    (void)run(&pace, &now_ms, 50000, 100, 5000);
    assert_in_range(run(&pace, &now_ms, 50000, 100, 10000), 73000, 77000);
}

static void large_messages_are_bounded_by_their_bytes(void **state)
{
    struct duet_replay_pace pace;
    int64_t now_ms = START_MS;

    (void)state;
    start(&pace, 200, now_ms);
    assert_in_range(run(&pace, &now_ms, 10, 1 << 16, 20000), 250,
                    270); /* 16 MiB a second */
    (void)run(&pace, &now_ms, 500, 1 << 16, 5000);
    assert_in_range(run(&pace, &now_ms, 500, 1 << 16, 20000), 970, 1030);
}

static void what_was_not_used_is_not_kept_for_long(void **state)
{
    struct duet_replay_pace pace;
    int64_t took = 0;

    (void)state;
    duet_replay_pace_init(&pace, 200, START_MS);
    duet_replay_pace_look(&pace, 0, 0, START_MS + 3600000); /* nothing to do for an hour */
    while (duet_replay_pace_wait_ms(&pace) == 0) {
        duet_replay_pace_took(&pace, 1, 100);
        took++;
    }
    assert_in_range(took, 1, DUET_REPLAY_MESSAGES_MIN * DUET_REPLAY_BURST_MS / 1000 + 1);
}

static void the_wait_is_as_long_as_it_takes(void **state)
{
    struct duet_replay_pace pace;
    int64_t wait_ms;

    (void)state;
    duet_replay_pace_init(&pace, 200, START_MS);
    duet_replay_pace_took(&pace, 5000, 100); /* half a second's */
    wait_ms = duet_replay_pace_wait_ms(&pace);
    assert_int_equal(wait_ms, 500);
    duet_replay_pace_look(&pace, 0, 0, START_MS + wait_ms - 1);
    assert_int_equal(duet_replay_pace_wait_ms(&pace), 1);
    duet_replay_pace_look(&pace, 0, 0, START_MS + wait_ms);
    assert_int_equal(duet_replay_pace_wait_ms(&pace), 0);
}

static void without_a_bound_there_is_none(void **state)
{
    struct duet_replay_pace pace;

    (void)state;
    duet_replay_pace_init(&pace, 0, START_MS);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(duet_replay_pace_wait_ms(&pace), 0);
        duet_replay_pace_took(&pace, 1000000, 1 << 30);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_little_traffic_it_has_the_floor),
        cmocka_unit_test(beside_much_traffic_it_has_its_share_of_it),
        cmocka_unit_test(large_messages_are_bounded_by_their_bytes),
        cmocka_unit_test(what_was_not_used_is_not_kept_for_long),
        cmocka_unit_test(the_wait_is_as_long_as_it_takes),
        cmocka_unit_test(without_a_bound_there_is_none),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
