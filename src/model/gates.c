#include "model/gates.h"

#include <inttypes.h>
#include <stdio.h>

static struct duet_gate *start(struct duet_gate *gate, const char *name, const char *what)
{
    memset(gate, 0, sizeof(*gate));
    snprintf(gate->name, sizeof(gate->name), "%s", name);
    snprintf(gate->why, sizeof(gate->why), "%s", what);
    gate->holds = true;
    return gate;
}

/* Every declared instance that has not ended in order works by this plan. */
static void check_instances(const struct duet_gate_input *input, struct duet_gate *gate)
{
    size_t declared = 0, current = 0;

    start(gate, "instances", "every declared instance works by the current plan");
    for (size_t i = 0; i < input->instance_count; i++) {
        const struct duet_gate_instance *instance = &input->instances[i];

        if (instance->closed)
            continue;
        declared++;
        if (instance->plan == input->plan_version) {
            current++;
            continue;
        }
        if (gate->holds)
            snprintf(
                gate->why, sizeof(gate->why), "%s '%.100s' works by plan %" PRId64 "%s",
                instance->producer ? "producer" : "consumer", instance->name,
                instance->plan, instance->alive ? "" : " and has not been heard of lately");
        gate->holds = false;
    }
    snprintf(gate->value, sizeof(gate->value), "%zu of %zu", current, declared);
    snprintf(gate->need, sizeof(gate->need), "all on plan %" PRId64, input->plan_version);
}

static void check_sides(const struct duet_gate_input *input, struct duet_gate *gate)
{
    start(gate, "sides", "both sides answer");
    snprintf(gate->need, sizeof(gate->need), "both");
    snprintf(gate->value, sizeof(gate->value), "both");
    for (int side = 0; side < DUET_SIDES; side++) {
        if (!input->unreachable[side])
            continue;
        gate->holds = false;
        snprintf(gate->value, sizeof(gate->value), "not %s",
                 duet_side_name((enum duet_side)side));
        snprintf(gate->why, sizeof(gate->why), "%s does not answer",
                 duet_side_name((enum duet_side)side));
    }
}

static void check_dual_write_time(const struct duet_gate_input *input,
                                  struct duet_gate *gate)
{
    int64_t since_ms = input->dual_write_since_ms;
    int64_t seconds = since_ms > 0 ? (input->now_ms - since_ms) / 1000 : 0;

    start(gate, "dual-write-time", "both sides have been written for so long");
    if (seconds < 0)
        seconds = 0;
    gate->holds = seconds >= input->limits.dual_write_min_s;
    snprintf(gate->value, sizeof(gate->value), "%" PRId64 " s", seconds);
    snprintf(gate->need, sizeof(gate->need), "%" PRId64 " s",
             input->limits.dual_write_min_s);
}

static void check_retention(const struct duet_gate_input *input, struct duet_gate *gate)
{
    start(gate, "retention", "gates.retention_compared is false");
    snprintf(gate->value, sizeof(gate->value), "not compared");
    snprintf(gate->need, sizeof(gate->need), "rocketmq >= kafka");
    if (!input->limits.retention_compared)
        return;
    gate->holds = false;
    snprintf(
        gate->why, sizeof(gate->why),
        "this version cannot ask the brokers for their retention: compare it yourself, "
        "then set gates.retention_compared: false");
}

static bool has_messages(const struct duet_line *line)
{
    return line->issued[DUET_KAFKA] + line->issued[DUET_ROCKETMQ] +
               line->stored[DUET_KAFKA] + line->stored[DUET_ROCKETMQ] >
           0;
}

static void check_counts(const struct duet_gate_input *input, struct duet_gate *gate)
{
    int64_t settled = 0, run = 0, differing = 0, span_s = 0;
    uint32_t newest = 0;
    char why[160];

    start(gate, "counts", "no window differs");
    for (size_t i = input->windows->count; i > 0; i--) { /* the newest first */
        const struct duet_line *line = &input->windows->line[i - 1];

        if (line->key >= input->settled_below || !has_messages(line))
            continue;
        if (settled++ == 0)
            newest = line->key;
        if (!duet_line_equal(input->tally, input->windows, line, why, sizeof(why))) {
            char minute[18];

            duet_window_text(minute, line->key);
            if (differing++ == 0)
                snprintf(gate->why, sizeof(gate->why), "%.60s, window %s: %s",
                         input->tally->topic, minute, why);
        } else if (differing == 0) {
            run++;
            span_s = ((int64_t)newest - line->key + 1) * 60;
        }
    }
    if (input->limits.windows_min <= 0 && input->limits.span_min_s <= 0) {
        gate->holds = differing == 0;
        snprintf(gate->value, sizeof(gate->value), "%" PRId64 " of %" PRId64 " differ",
                 differing, settled);
        snprintf(gate->need, sizeof(gate->need), "none");
        return;
    }
    gate->holds = run >= input->limits.windows_min && span_s >= input->limits.span_min_s;
    snprintf(gate->value, sizeof(gate->value),
             "%" PRId64 " equal in a row over %" PRId64 " s", run, span_s);
    snprintf(gate->need, sizeof(gate->need), "%" PRId64 " over %" PRId64 " s",
             input->limits.windows_min, input->limits.span_min_s);
    if (!gate->holds && differing == 0)
        snprintf(gate->why, sizeof(gate->why), "not enough windows yet");
}

static void check_lag(const struct duet_gate_input *input, struct duet_gate *gate)
{
    int64_t worst = 0;

    start(gate, "lag", "both roles are near the ends that they read to");
    for (size_t i = 0; i < input->lag_count; i++) {
        if (input->lags[i].lag <= worst)
            continue;
        worst = input->lags[i].lag;
        snprintf(gate->why, sizeof(gate->why), "the %s role of group %.100s",
                 duet_role_name(input->lags[i].role), input->lags[i].group);
    }
    gate->holds = worst <= input->limits.lag_max;
    snprintf(gate->value, sizeof(gate->value), "%" PRId64, worst);
    snprintf(gate->need, sizeof(gate->need), "<= %" PRId64, input->limits.lag_max);
}

static void check_debt(const struct duet_gate_input *input, struct duet_gate *gate)
{
    int64_t worst = 0;

    start(gate, "debt", "producers owe few copies to either side");
    for (size_t i = 0; i < input->instance_count; i++) {
        if (!input->instances[i].alive || input->instances[i].pending <= worst)
            continue;
        worst = input->instances[i].pending;
        snprintf(gate->why, sizeof(gate->why), "producer '%.100s'",
                 input->instances[i].name);
    }
    gate->holds = worst <= input->limits.lag_max;
    snprintf(gate->value, sizeof(gate->value), "%" PRId64, worst);
    snprintf(gate->need, sizeof(gate->need), "<= %" PRId64, input->limits.lag_max);
}

size_t duet_gates_check(const struct duet_gate_input *input,
                        struct duet_gate out[DUET_GATES_MAX])
{
    size_t count = 0;

    if (input->step >= DUET_STEP_SWITCHED)
        return 0; /* what finishing needs comes with the change of primary */
    check_instances(input, &out[count++]);
    if (input->step < DUET_STEP_DUAL_READ)
        return count;
    check_sides(input, &out[count++]);
    check_dual_write_time(input, &out[count++]);
    check_retention(input, &out[count++]);
    check_counts(input, &out[count++]);
    check_lag(input, &out[count++]);
    check_debt(input, &out[count++]);
    return count;
}
