#include "rmq/pace.h"

#include <stddef.h>

enum {
    BUSY_LATENCY_MS = 550,    /* what an answer "busy" counts as */
    FAILED_LATENCY_MS = 10000 /* what a failure counts as */
};

void rmq_pace_init(struct rmq_pace *pace, int32_t window_max)
{
    *pace = (struct rmq_pace){.window = window_max, .window_max = window_max};
}

int64_t rmq_pace_next_ms(const struct rmq_pace *pace, int64_t now_ms)
{
    return pace->probe_ms > now_ms ? pace->probe_ms : now_ms + RMQ_PACE_PROBE_MS;
}

uint64_t rmq_pace_started(struct rmq_pace *pace, int64_t now_ms)
{
    pace->in_flight++;
    pace->probe_ms = now_ms + RMQ_PACE_PROBE_MS;
    return ++pace->last_number;
}

static int64_t avoid_ms(int64_t latency_ms)
{
    static const struct {
        int64_t latency_ms, avoid_ms;
    } steps[] = {{15000, 30000}, {5000, 10000}, {3000, 6000}, {1800, 5000}, {550, 2000}};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (latency_ms >= steps[i].latency_ms)
            return steps[i].avoid_ms;
    return 0;
}

static void grow(struct rmq_pace *pace)
{
    if (pace->window >= pace->window_max || ++pace->answers < pace->window)
        return;
    pace->answers = 0;
    pace->window++;
}

/* Halves what was really in flight, which may be far less than the window. */
static void cut(struct rmq_pace *pace)
{
    int32_t used = pace->in_flight < pace->window ? pace->in_flight : pace->window;

    pace->cut_number = pace->last_number;
    pace->answers = 0;
    pace->window = used / 2 > 1 ? used / 2 : 1;
}

void rmq_pace_ended(struct rmq_pace *pace, enum rmq_pace_end end, uint64_t number,
                    int64_t latency_ms, int64_t now_ms)
{
    bool is_full = pace->in_flight >= pace->window;

    if (end == RMQ_PACE_ANSWERED && is_full)
        grow(pace);
    if (end == RMQ_PACE_BUSY && number > pace->cut_number)
        cut(pace);
    pace->in_flight--;
    if (end == RMQ_PACE_NOTHING)
        return;
    if (end == RMQ_PACE_ANSWERED)
        pace->failing_ms = 0;
    else if (pace->failing_ms == 0)
        pace->failing_ms = now_ms;
    if (end == RMQ_PACE_BUSY && latency_ms < BUSY_LATENCY_MS)
        latency_ms = BUSY_LATENCY_MS;
    if (end == RMQ_PACE_FAILED && latency_ms < FAILED_LATENCY_MS)
        latency_ms = FAILED_LATENCY_MS;
    pace->avoid_until_ms = now_ms + avoid_ms(latency_ms);
}

void rmq_pace_failed(struct rmq_pace *pace, int64_t now_ms)
{
    pace->avoid_until_ms = now_ms + avoid_ms(FAILED_LATENCY_MS);
}
