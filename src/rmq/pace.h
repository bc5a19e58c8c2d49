/*
 * pace.h - how much a broker is asked at a time, and whether it is better left alone for now.
 *
 * The window of requests in flight to one broker is halved when the broker says that it is busy,
 * once for all requests that were under way at that moment, and grows by one for each window full
 * of answers while it is what limits us (additive increase, multiplicative decrease).
 *
 * A broker that answers late or fails is avoided for a while by those who have a choice; how long
 * is the table of the Java client's latency fault tolerance.
 *
 * Those who have none wait for it. Each of them backs off by itself, but there may be hundreds: so
 * from a broker that has carried out nothing for RMQ_PACE_DOWN_MS they have one request a second
 * between them, until it carries one out.
 *
 * Pure: no clock; times are those of dt_clock_ms().
 */
#ifndef RMQ_PACE_H
#define RMQ_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct rmq_pace {
    int32_t in_flight;
    int32_t window, window_max; /* at least 1 */
    int32_t answers;            /* towards the next one more */
    uint64_t last_number;       /* of a request */
    uint64_t cut_number;        /* the last one sent before the window was halved */
    int64_t avoid_until_ms;
    int64_t failing_ms; /* since when nothing was carried out; 0: it was */
    int64_t probe_ms;   /* while that is long: no request before */
};

enum { RMQ_PACE_DOWN_MS = 1000, RMQ_PACE_PROBE_MS = 1000 };

/* How a request ended. */
enum rmq_pace_end {
    RMQ_PACE_ANSWERED,
    RMQ_PACE_BUSY,   /* the broker is overloaded, and said so */
    RMQ_PACE_FAILED, /* no connection, no answer, or out of service */
    RMQ_PACE_NOTHING /* was not sent, or says nothing about the broker */
};

void rmq_pace_init(struct rmq_pace *pace, int32_t window_max);

static inline bool rmq_pace_is_down(const struct rmq_pace *pace, int64_t now_ms)
{
    return pace->failing_ms != 0 && now_ms - pace->failing_ms >= RMQ_PACE_DOWN_MS;
}

static inline bool rmq_pace_may_start(const struct rmq_pace *pace, int64_t now_ms)
{
    if (rmq_pace_is_down(pace, now_ms))
        return pace->in_flight == 0 && now_ms >= pace->probe_ms;
    return pace->in_flight < pace->window;
}

/* When to ask again, at the latest, after rmq_pace_may_start() said no. */
int64_t rmq_pace_next_ms(const struct rmq_pace *pace, int64_t now_ms);

/* Returns the request's number, for rmq_pace_ended(). */
uint64_t rmq_pace_started(struct rmq_pace *pace, int64_t now_ms);
void rmq_pace_ended(struct rmq_pace *pace, enum rmq_pace_end end, uint64_t number,
                    int64_t latency_ms, int64_t now_ms);

/* The broker is not there: as if a request had failed. */
void rmq_pace_failed(struct rmq_pace *pace, int64_t now_ms);

static inline bool rmq_pace_is_avoided(const struct rmq_pace *pace, int64_t now_ms)
{
    return pace->avoid_until_ms > now_ms;
}

#endif
