/*
 * consumer_statistics.h - what consumers have counted: docs/rmq-statistics.md. The owners are a
 * struct rmq_consumer and a struct rmq_pull_consumer.
 *
 * Thread: net loop.
 */
#ifndef RMQ_CONSUMER_STATISTICS_H
#define RMQ_CONSUMER_STATISTICS_H

#include "rmq/statistics.h"

void rmq_consumer_write_statistics(void *consumer, struct dt_json *json,
                                   struct rmq_statistics_sums *sums);
void rmq_pull_consumer_write_statistics(void *consumer, struct dt_json *json,
                                        struct rmq_statistics_sums *sums);

#endif
