/*
 * pull_consumer_inside.h - what a consumer is made of, for its pulls.
 */
#ifndef RMQ_PULL_CONSUMER_INSIDE_H
#define RMQ_PULL_CONSUMER_INSIDE_H

#include <stdatomic.h>

#include "net/event.h"
#include "rmq/pull.h"

/* What a consumer has done since it was made. Counted on the net loop, read by any thread. */
struct rmq_pull_counters {
    atomic_uint_least64_t requests;  /* sent */
    atomic_uint_least64_t answers;   /* of any kind */
    atomic_uint_least64_t messages;  /* put before the reader: in order, each once */
    atomic_uint_least64_t bytes;     /* of these, as stored */
    atomic_uint_least64_t empty;     /* answers without messages */
    atomic_uint_least64_t discarded; /* answers that others made superfluous */
    atomic_uint_least64_t moved;     /* offsets outside the queue, or reset */
    atomic_uint_least64_t failures;  /* no answer, or an error */
};

struct rmq_pull_consumer {
    /* settings: never change */
    struct rmq_client *client;
    size_t queue_memory_max;
    size_t queue_count_max;
    int64_t queue_span_max;
    unsigned queue_requests_max;
    int32_t pull_count;
    char *subscription;         /* the expression that brokers filter by */
    struct rmq_tag_filter tags; /* the same, to be exact */
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
    char refusal[RMQ_REASON_SIZE];        /* of access, for the next poll; "": none */
    atomic_int_least64_t silent_since_ms; /* dt_clock_ms; 0: all is well */
    struct rmq_pull_counters counters;
    /* the net loop's */
    struct rmq_topic *route_topic;
    struct rmq_member member;
    struct rmq_statistics_source statistics; /* of one that no group consumer has */
    struct dt_event finished;
};

/* As rmq_pull_consumer_new(), for a consumer that shows it in its own statistics. */
DT_MUST_USE dt_status rmq_pull_consumer_make(rmq_client *client,
                                             const rmq_pull_consumer_config *config,
                                             struct rmq_pull_consumer **out);

/* What is read of a queue; NULL: it never was. Thread: any. */
struct rmq_pull *rmq_pull_consumer_find(struct rmq_pull_consumer *consumer,
                                        const rmq_queue *queue);

/* Takes the next chunk of a queue that `accept` agrees to, queues in turn; NULL: there is none now,
 * and ready_fn will be called when one comes. `accept` runs with the consumer's mutex held.
 * Thread: any. */
typedef bool (*rmq_pull_accept_fn)(void *context, const struct rmq_pull *pull,
                                   const struct rmq_chunk *chunk);
struct rmq_chunk *rmq_pull_consumer_next(struct rmq_pull_consumer *consumer,
                                         rmq_pull_accept_fn accept, void *context,
                                         struct rmq_pull **from);

/* Hands a chunk over; frees it if its generation is over. Thread: net loop. */
void rmq_pull_consumer_take(struct rmq_pull *pull, struct rmq_chunk *chunk);

/* Access control says no: the next poll tells. Thread: net loop. */
void rmq_pull_consumer_refused(struct rmq_pull_consumer *consumer, const char *reason);

/* Calls ready_fn if somebody waits for it and there is something to poll. Thread: net loop. */
void rmq_pull_consumer_tell(struct rmq_pull_consumer *consumer);

/* A pull was answered; or was not, as should have been by that time. Thread: net loop. */
void rmq_pull_consumer_answered(struct rmq_pull_consumer *consumer);
void rmq_pull_consumer_unanswered(struct rmq_pull_consumer *consumer, int64_t since_ms);

#endif
