/* gates: what holds when there is nothing, and what each of them fails at */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/gates.h"
#include "support/case.h"

/* Windows are given as lines: one message issued and stored on both sides, or a difference. */
struct fixture {
    struct duet_tally tally;
    struct duet_line line[16];
    struct duet_lines windows;
    struct duet_gate_instance instance[4];
    struct duet_gate_lag lag[4];
    struct duet_gate_input input;
    struct duet_gate gate[DUET_GATES_MAX];
};

static void prepare(struct fixture *it, enum duet_step step)
{
    memset(it, 0, sizeof(*it));
    snprintf(it->tally.topic, sizeof(it->tally.topic), "t");
    it->tally.write = DUET_WRITE_KAFKA_ROCKETMQ;
    it->windows.line = it->line;
    it->windows.written[DUET_KAFKA] = it->windows.written[DUET_ROCKETMQ] = true;
    it->input.step = step;
    it->input.plan_version = 5;
    it->input.now_ms = 1000000000;
    it->input.limits.lag_max = 1000;
    it->input.instances = it->instance;
    it->input.lags = it->lag;
    it->input.tally = &it->tally;
    it->input.windows = &it->windows;
    it->input.settled_below = UINT32_MAX;
}

static void add_window(struct fixture *it, uint32_t window, bool equal)
{
    struct duet_line *line = &it->line[it->windows.count++];

    line->key = window;
    for (int side = 0; side < DUET_SIDES; side++)
        line->issued[side] = line->stored[side] = 1;
    if (!equal)
        line->stored[DUET_ROCKETMQ] = 0;
}

static const struct duet_gate *gate(struct fixture *it, const char *name)
{
    size_t count = duet_gates_check(&it->input, it->gate);

    for (size_t i = 0; i < count; i++)
        if (strcmp(it->gate[i].name, name) == 0)
            return &it->gate[i];
    return NULL;
}

static void every_gate_holds_while_there_is_nothing(void **state)
{
    struct fixture it;
    size_t count;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    count = duet_gates_check(&it.input, it.gate);
    assert_int_equal(count, 7);
    for (size_t i = 0; i < count; i++)
        assert_true(it.gate[i].holds);
}

static void the_first_steps_ask_for_instances_alone(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_PLANNED);
    assert_int_equal(duet_gates_check(&it.input, it.gate), 1);
    it.input.step = DUET_STEP_DUAL_WRITE;
    assert_int_equal(duet_gates_check(&it.input, it.gate), 1);
    assert_string_equal(it.gate[0].name, "instances");
    it.input.step = DUET_STEP_SWITCHING;
    assert_int_equal(duet_gates_check(&it.input, it.gate), 7);
    it.input.step = DUET_STEP_SWITCHED;
    assert_int_equal(duet_gates_check(&it.input, it.gate), 0);
}

static void an_instance_on_an_older_plan_is_named(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_PLANNED);
    it.input.instance_count = 3;
    for (int i = 0; i < 3; i++) {
        snprintf(it.instance[i].name, sizeof(it.instance[i].name), "i%d", i);
        it.instance[i].plan = 5;
        it.instance[i].alive = true;
    }
    assert_true(gate(&it, "instances")->holds);
    it.instance[1].plan = 4;
    assert_false(gate(&it, "instances")->holds);
    assert_non_null(strstr(gate(&it, "instances")->why, "'i1'"));
    assert_string_equal(gate(&it, "instances")->value, "2 of 3");
    it.instance[1].alive = false; /* dead, not forgotten: it still counts */
    assert_false(gate(&it, "instances")->holds);
    it.instance[1].closed = true; /* ended in order */
    assert_true(gate(&it, "instances")->holds);
}

static void with_no_number_asked_for_no_settled_window_may_differ(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    add_window(&it, 10, true);
    add_window(&it, 11, false);
    add_window(&it, 12, true);
    assert_false(gate(&it, "counts")->holds);
    assert_string_equal(gate(&it, "counts")->value, "1 of 3 differ");
    assert_non_null(strstr(gate(&it, "counts")->why, "window 1970-01-01T00:11Z"));
    it.input.settled_below = 11; /* younger ones do not count */
    assert_true(gate(&it, "counts")->holds);
}

static void production_asks_for_windows_in_a_row_over_a_time(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    it.input.limits.windows_min = 3;
    it.input.limits.span_min_s = 600;
    assert_false(gate(&it, "counts")->holds); /* it is not about all of nothing */
    add_window(&it, 10, false);
    add_window(&it, 11, true);
    add_window(&it, 12, true);
    assert_false(gate(&it, "counts")->holds);
    add_window(&it, 13, true);
    assert_false(gate(&it, "counts")->holds); /* three, but over three minutes */
    add_window(&it, 21, true);
    assert_true(gate(&it, "counts")->holds);
    add_window(&it, 22, false);
    assert_false(gate(&it, "counts")->holds);
}

static void windows_without_messages_are_not_counted(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    it.input.limits.windows_min = 1;
    it.line[it.windows.count++].key = 9;
    assert_false(gate(&it, "counts")->holds);
}

static void the_worse_role_decides_the_lag(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    it.input.lag_count = 2;
    snprintf(it.lag[1].group, sizeof(it.lag[1].group), "g");
    it.lag[0].lag = 1000;
    assert_true(gate(&it, "lag")->holds);
    it.lag[1].lag = 1001;
    it.lag[1].role = DUET_SHADOW;
    assert_false(gate(&it, "lag")->holds);
    assert_string_equal(gate(&it, "lag")->value, "1001");
    assert_string_equal(gate(&it, "lag")->why, "the shadow role of group g");
}

static void times_sides_retention_and_debt_are_looked_at(void **state)
{
    struct fixture it;

    (void)state;
    prepare(&it, DUET_STEP_DUAL_READ);
    it.input.limits.dual_write_min_s = 60;
    it.input.dual_write_since_ms = it.input.now_ms - 59999;
    assert_false(gate(&it, "dual-write-time")->holds);
    it.input.dual_write_since_ms = it.input.now_ms - 60000;
    assert_true(gate(&it, "dual-write-time")->holds);
    it.input.dual_write_since_ms = 0;
    assert_false(gate(&it, "dual-write-time")->holds);
    it.input.limits.retention_compared = true;
    assert_false(gate(&it, "retention")->holds);
    assert_non_null(strstr(gate(&it, "retention")->why, "gates.retention_compared: false"));
    it.input.unreachable[DUET_ROCKETMQ] = true;
    assert_false(gate(&it, "sides")->holds);
    it.input.instance_count = 1;
    it.instance[0].alive = it.instance[0].producer = true;
    it.instance[0].pending = 1001;
    assert_false(gate(&it, "debt")->holds);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gate_holds_while_there_is_nothing),
        cmocka_unit_test(the_first_steps_ask_for_instances_alone),
        cmocka_unit_test(an_instance_on_an_older_plan_is_named),
        cmocka_unit_test(with_no_number_asked_for_no_settled_window_may_differ),
        cmocka_unit_test(production_asks_for_windows_in_a_row_over_a_time),
        cmocka_unit_test(windows_without_messages_are_not_counted),
        cmocka_unit_test(the_worse_role_decides_the_lag),
        cmocka_unit_test(times_sides_retention_and_debt_are_looked_at),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
