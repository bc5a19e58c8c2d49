/*
 * kafka_bounds.h - asks for the bounds of a log in the background.
 *
 * librdkafka can be asked only by waiting, and polling a reader never waits for the network.
 * The answer of a partition that has moved comes from a thread of this module, made at the
 * first question. Only side/kafka_reader.c includes this.
 */
#ifndef SIDE_KAFKA_BOUNDS_H
#define SIDE_KAFKA_BOUNDS_H

#include <librdkafka/rdkafka.h>

#include "rmq/status.h"

struct duet_kafka_bounds;

struct duet_kafka_answer {
    int32_t partition;
    int64_t begin, end;
};

/* `answered` is called on the thread. Handle and topic name are borrowed. */
dt_status duet_kafka_bounds_new(rd_kafka_t *handle, const char *topic, int32_t partitions,
                                void (*answered)(void *context), void *context,
                                struct duet_kafka_bounds **out);
void duet_kafka_bounds_free(struct duet_kafka_bounds *bounds);

/* Asks, and asks again until there is an answer. A second question replaces the first. */
dt_status duet_kafka_bounds_ask(struct duet_kafka_bounds *bounds, int32_t partition);
/* What was asked for this partition is no longer wanted. */
void duet_kafka_bounds_forget(struct duet_kafka_bounds *bounds, int32_t partition);
/* The next answer, once. */
bool duet_kafka_bounds_take(struct duet_kafka_bounds *bounds,
                            struct duet_kafka_answer *answer);

#endif
