/*
 * pull_consumer_inside.h - what a consumer is made of, for its pulls.
 */
#ifndef RMQ_PULL_CONSUMER_INSIDE_H
#define RMQ_PULL_CONSUMER_INSIDE_H

#include <stdatomic.h>

#include "net/event.h"
#include "rmq/pull.h"

struct rmq_pull_consumer {
    /* settings: never change */
    struct rmq_client *client;
    size_t queue_memory_max;
    int32_t pull_count;
    int64_t suspend_ms;
    void (*ready_fn)(void *opaque);
    void *opaque;
    bool is_member;
    char topic[RMQ_TOPIC_SIZE_MAX + 1];
    char group[RMQ_GROUP_SIZE_MAX + 1];
    pthread_mutex_t mutex;
    /* Lock: mutex */
    pthread_cond_t arrived;
    struct rmq_pull *pulls;
    struct dt_link ready; /* pulls with chunks, in turn */
    bool wants_ready;     /* a poll found nothing since ready_fn was called */
    bool is_closed;
    atomic_int_least64_t silent_since_ms; /* dt_clock_ms; 0: all is well */
    /* the net loop's */
    struct rmq_topic *route_topic;
    struct rmq_member member;
    struct dt_event finished;
};

/* Hands a chunk over; frees it if its generation is over. Thread: net loop. */
void rmq_pull_consumer_take(struct rmq_pull *pull, struct rmq_chunk *chunk);

/* A pull was answered; or was not, as should have been by that time. Thread: net loop. */
void rmq_pull_consumer_answered(struct rmq_pull_consumer *consumer);
void rmq_pull_consumer_unanswered(struct rmq_pull_consumer *consumer, int64_t since_ms);

#endif
