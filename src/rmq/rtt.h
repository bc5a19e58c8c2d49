/*
 * rtt.h - round-trip times of one peer since statistics were last given.
 *
 * Thread: one at a time.
 */
#ifndef RMQ_RTT_H
#define RMQ_RTT_H

#include "base/histogram.h"

struct rmq_rtt {
    uint64_t sum_us;
    struct dt_histogram histogram; /* microseconds */
};

/* Makes it when it is first needed; without memory for it nothing is recorded. */
void rmq_rtt_record(struct rmq_rtt **rtt, int64_t us);
void rmq_rtt_clear(struct rmq_rtt *rtt); /* NULL: no-op */
void rmq_rtt_free(struct rmq_rtt *rtt);

#endif
