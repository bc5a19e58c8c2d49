/* model/steps: names, what may follow what, what each step writes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/steps.h"
#include "support/case.h"

static void names_of_steps_and_writes_are_read_back(void **state)
{
    enum duet_step step;
    enum duet_write write;

    (void)state;
    for (unsigned i = 0; i < DUET_STEP_COUNT; i++) {
        assert_true(duet_step_parse(duet_step_name((enum duet_step)i), &step));
        assert_int_equal(step, i);
    }
    for (unsigned i = 0; i <= DUET_WRITE_ROCKETMQ; i++) {
        assert_true(duet_write_parse(duet_write_name((enum duet_write)i), &write));
        assert_int_equal(write, i);
    }
    assert_string_equal(duet_step_name(DUET_STEP_DUAL_WRITE), "dual-write");
    assert_string_equal(duet_write_name(DUET_WRITE_ROCKETMQ_KAFKA), "rocketmq+kafka");
    assert_false(duet_step_parse("dual_write", &step));
    assert_false(duet_step_parse("", &step));
    assert_false(duet_write_parse("kafka+", &write));
}

static void a_number_that_is_no_step_leads_nowhere(void **state)
{
    enum duet_step step;

    (void)state;
    assert_string_equal(duet_step_name((enum duet_step)99), "unknown");
    assert_false(duet_step_may((enum duet_step)99, DUET_STEP_PLANNED));
    assert_false(duet_step_may(DUET_STEP_PLANNED, (enum duet_step)99));
    assert_false(duet_step_next((enum duet_step)99, &step));
}

static void only_the_drawn_arrows_may_be_taken(void **state)
{
    /* rows: from; columns: to */
    static const char *const may[DUET_STEP_COUNT] = {
        ".x....", /* planned */
        "x.x...", /* dual-write */
        ".x.xx.", /* dual-read */
        "..x.x.", /* switching */
        "..xx.x", /* switched */
        "......", /* finished: Kafka is no longer written */
    };

    (void)state;
    for (unsigned from = 0; from < DUET_STEP_COUNT; from++)
        for (unsigned to = 0; to < DUET_STEP_COUNT; to++)
            assert_int_equal(duet_step_may((enum duet_step)from, (enum duet_step)to),
                             may[from][to] == 'x');
}

static void advancing_leads_from_planned_to_switched_and_stops(void **state)
{
    static const enum duet_step way[] = {DUET_STEP_DUAL_WRITE, DUET_STEP_DUAL_READ,
                                         DUET_STEP_SWITCHED};
    enum duet_step step = DUET_STEP_PLANNED, next;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(duet_step_next(step, &next));
        assert_true(duet_step_may(step, next));
        assert_int_equal(next, way[i]);
        step = next;
    }
    assert_false(duet_step_next(step, &next));
    assert_false(duet_step_next(DUET_STEP_FINISHED, &next));
    assert_true(duet_step_next(DUET_STEP_SWITCHING, &next));
    assert_int_equal(next, DUET_STEP_SWITCHED);
}

static void kafka_is_written_until_finished(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DUET_STEP_COUNT; i++) {
        enum duet_write write = duet_step_write((enum duet_step)i);

        assert_int_equal(duet_write_has(write, DUET_KAFKA), i != DUET_STEP_FINISHED);
        assert_int_equal(duet_write_has(write, DUET_ROCKETMQ), i != DUET_STEP_PLANNED);
        assert_int_equal(duet_write_primary(write),
                         i >= DUET_STEP_SWITCHED ? DUET_ROCKETMQ : DUET_KAFKA);
        assert_int_equal(duet_step_has_shadow((enum duet_step)i),
                         i >= DUET_STEP_DUAL_READ && i <= DUET_STEP_SWITCHED);
    }
    assert_int_equal(duet_write_primary(DUET_WRITE_ROCKETMQ_KAFKA), DUET_ROCKETMQ);
    assert_true(duet_write_has(DUET_WRITE_ROCKETMQ_KAFKA, DUET_KAFKA));
    assert_false(duet_write_has(DUET_WRITE_KAFKA, DUET_ROCKETMQ));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_steps_and_writes_are_read_back),
        cmocka_unit_test(a_number_that_is_no_step_leads_nowhere),
        cmocka_unit_test(only_the_drawn_arrows_may_be_taken),
        cmocka_unit_test(advancing_leads_from_planned_to_switched_and_stops),
        cmocka_unit_test(kafka_is_written_until_finished),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
