/*
 * pull_consumer.h - reads chosen queues, without a group that shares them.
 *
 * Reads chosen queues of one topic from chosen offsets by long polling; remembers nothing in
 * the broker unless told (rmq_offset_commit). With a group given as member it also heartbeats,
 * so that brokers and admin tools list it; sharing of queues between members is not done.
 */
#ifndef RMQ_PULL_CONSUMER_H
#define RMQ_PULL_CONSUMER_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rmq_pull_consumer rmq_pull_consumer;

typedef struct rmq_pull_consumer_config {
    const char *topic;           /* required; copied */
    const char *group;           /* required by the protocol; copied */
    bool member;                 /* true: heartbeat as a member of the group */
    size_t queue_memory_max;     /* 4 MiB read ahead per queue */
    int32_t pull_count;          /* 32 messages per request */
    int64_t suspend_ms;          /* 15000: how long the broker holds an empty pull */
    void (*ready)(void *opaque); /* network thread: there is something to poll; may be NULL.
                                    Called at least once after each poll that found nothing. */
    void *opaque;
} rmq_pull_consumer_config;

/** What one poll gave; owns the messages. */
typedef struct rmq_batch {
    rmq_queue queue;
    const rmq_received *messages; /* in queue order; none when `count` is 0 */
    size_t count;
    int64_t
        next_offset; /* read on from here; beyond the last message if the broker skipped */
    int64_t min_offset; /* bounds of the queue as the broker last said; -1 unknown */
    int64_t max_offset;
    /* The offset asked for was outside the queue: reading goes on at next_offset, which the
     * caller must judge (data lost, or a tail lost). */
    bool moved;
    /* The connection was lost since the batch before: a broker that came back without its newest
     * messages uses their offsets again. */
    bool interrupted;
} rmq_batch;

DT_API DT_MUST_USE dt_status rmq_pull_consumer_new(rmq_client *client,
                                                   const rmq_pull_consumer_config *config,
                                                   rmq_pull_consumer **out);
DT_API void
rmq_pull_consumer_free(rmq_pull_consumer *consumer); /* not from a callback; NULL: no-op */

/** Starts reading a queue at `offset`, or moves it there: what was read ahead is dropped, and
 * no later poll returns anything from before the move. */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_assign(rmq_pull_consumer *consumer,
                                                      const rmq_queue *queue,
                                                      int64_t offset);
DT_API void rmq_pull_consumer_unassign(rmq_pull_consumer *consumer, const rmq_queue *queue);

/**
 * The next messages of one queue, queues in turn.
 * @param timeout_ms 0: do not wait.
 * @param out the caller's, rmq_batch_free(). NULL when there is nothing.
 * @returns DT_OK with a batch (which may have no messages but a moved offset);
 *          DT_ETIMEDOUT: nothing yet; DT_ECLOSED.
 */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_poll(rmq_pull_consumer *consumer,
                                                    int64_t timeout_ms, rmq_batch **out);
DT_API void rmq_batch_free(rmq_batch *batch);

/** How long no broker has answered a pull of this consumer, in ms; 0 while all is well. */
DT_API int64_t rmq_pull_consumer_silent_ms(const rmq_pull_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
