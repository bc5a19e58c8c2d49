#include "rmq/rtt.h"

#include <stdlib.h>

void rmq_rtt_record(struct rmq_rtt **rtt, int64_t us)
{
    if (*rtt == NULL) {
        *rtt = malloc(sizeof(**rtt));
        if (*rtt == NULL)
            return;
        (*rtt)->sum_us = 0;
        dt_histogram_init(&(*rtt)->histogram);
    }
    (*rtt)->sum_us += (uint64_t)us;
    dt_histogram_record(&(*rtt)->histogram, (uint64_t)us);
}

void rmq_rtt_clear(struct rmq_rtt *rtt)
{
    if (rtt == NULL || rtt->histogram.count == 0)
        return;
    rtt->sum_us = 0;
    dt_histogram_init(&rtt->histogram);
}

void rmq_rtt_free(struct rmq_rtt *rtt)
{
    free(rtt);
}
