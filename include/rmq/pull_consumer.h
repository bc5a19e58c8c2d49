/*
 * pull_consumer.h - reads chosen queues, without a group that shares them.
 *
 * Reads chosen queues of one topic from chosen offsets, ahead of who polls: while there is much
 * to read with several requests under way per queue (brokers give 32 messages per request, and
 * 8 from disk), at the end of a queue by one long poll. Messages of a queue come in order, each
 * once per assignment. Nothing is remembered in the broker unless told (rmq_offset_commit). With
 * a group given as member it also heartbeats, so that brokers and admin tools list it; sharing of
 * queues between members is not done.
 *
 * A broker that suggests a slave for reading is followed, queue by queue; where reading is to go
 * on after an offset that does not exist, only the master decides.
 *
 * Thread: all functions from any, several at once, except where said.
 */
#ifndef RMQ_PULL_CONSUMER_H
#define RMQ_PULL_CONSUMER_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Reads chosen queues of one topic. */
typedef struct rmq_pull_consumer rmq_pull_consumer;

/** Settings; zero or NULL means the default given. Start from {0}. */
typedef struct rmq_pull_consumer_config {
    const char *topic;           /* required; copied */
    const char *group;           /* required by the protocol; copied */
    bool member;                 /* true: heartbeat as a member of the group */
    const char *subscription;    /* "*", or tags: "TagA || TagB", matched exactly; copied */
    size_t queue_memory_max;     /* 4 MiB read ahead per queue */
    size_t queue_count_max;      /* 100000 messages read ahead per queue */
    int64_t queue_span_max;      /* 1000000: offsets from the first of these to the last */
    int32_t queue_requests_max;  /* 8 requests under way per queue, 1 to 32 */
    int32_t pull_count;          /* 32 messages per request; brokers may allow more */
    int64_t suspend_ms;          /* 15000: how long the broker holds an empty pull */
    void (*ready)(void *opaque); /* network thread: there is something to poll; may be NULL.
                                    Called at least once after each poll that found nothing. */
    void *opaque;                /* borrowed, given to ready() */
} rmq_pull_consumer_config;

/** What one poll gave; owns the messages. */
typedef struct rmq_batch {
    rmq_queue queue;              /* that all of it is of */
    const rmq_received *messages; /* in queue order; none when `count` is 0 */
    size_t count;                 /* may be 0 */
    int64_t
        next_offset; /* read on from here; beyond the last message if the broker skipped */
    int64_t min_offset; /* bounds of the queue as the broker last said; -1 unknown */
    int64_t max_offset; /* the next to be written; -1 unknown */
    /* The offset asked for was outside the queue: reading goes on at next_offset, which the
     * caller must judge (data lost, or a tail lost). */
    bool moved;
    /* The connection was lost since the batch before: a broker that came back without its newest
     * messages uses their offsets again. */
    bool interrupted;
} rmq_batch;

/**
 * Makes a consumer of no queue yet. Asks nobody: a topic that does not exist is known when it is
 * read.
 *
 * @param config borrowed; copied. @param out the caller's, rmq_pull_consumer_free(), before the
 * client is freed.
 * @returns DT_OK; DT_EINVAL: a name, number or expression that cannot be; DT_ENOMEM; DT_ESTATE:
 *          a member is made from a callback.
 */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_new(rmq_client *client,
                                                   const rmq_pull_consumer_config *config,
                                                   rmq_pull_consumer **out);

/** Ends it: polls that wait return DT_ECLOSED; batches that were given stay good. Not from a
 * callback, and not while another thread is in one of its functions. NULL: no-op. */
DT_API void rmq_pull_consumer_free(rmq_pull_consumer *consumer);

/**
 * Starts reading a queue at `offset`, or moves it there (seek): what was read ahead is dropped,
 * and no later poll returns anything from before the move. Reads on if it was paused.
 *
 * @param queue as rmq_topic_read_queues() gives it; copied. @param offset >= 0; one outside the
 *        queue is reported by a batch that has `moved` set.
 * @returns DT_OK; DT_EINVAL; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_assign(rmq_pull_consumer *consumer,
                                                      const rmq_queue *queue,
                                                      int64_t offset);

/** Where to start. */
typedef enum rmq_start {
    RMQ_START_FIRST,    /* the first message still stored */
    RMQ_START_LAST,     /* behind the last: what comes from now on */
    RMQ_START_TIME,     /* the first message that the broker stored at a time or later */
    RMQ_START_COMMITTED /* where the consumer's group has committed */
} rmq_start;

/**
 * Finds the offset and assigns. Waits: not from a callback. Brokers before 5.1 may answer the
 * last message for a time that is in the future.
 *
 * @param wall_ms  for RMQ_START_TIME: wall clock of the broker, ms since 1970.
 * @param offset   out; where reading starts; may be NULL.
 * @returns DT_OK; DT_ENOTFOUND: nothing is committed, and nothing was assigned; else as
 *          rmq_offset_min() and rmq_pull_consumer_assign().
 */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_assign_from(rmq_pull_consumer *consumer,
                                                           const rmq_queue *queue,
                                                           rmq_start start, int64_t wall_ms,
                                                           int64_t timeout_ms,
                                                           int64_t *offset);

/** Ends reading it; no later poll returns anything of it. A queue that is not read: no-op. */
DT_API void rmq_pull_consumer_unassign(rmq_pull_consumer *consumer, const rmq_queue *queue);

/** Polls give nothing of the queue, and no more is read ahead, until it is resumed; what was
 * read is kept. A queue that is not read: no-op. */
DT_API void rmq_pull_consumer_pause(rmq_pull_consumer *consumer, const rmq_queue *queue);
/** Ends a pause. A queue that is not read: no-op. */
DT_API void rmq_pull_consumer_resume(rmq_pull_consumer *consumer, const rmq_queue *queue);

/**
 * The next messages of one queue, queues in turn.
 * @param timeout_ms 0: do not wait, which is allowed in callbacks, too.
 * @param out the caller's, rmq_batch_free(). NULL when there is nothing.
 * @returns DT_OK with a batch (which may have no messages but a moved offset);
 *          DT_ETIMEDOUT: nothing yet; DT_ECLOSED; DT_ENOMEM: poll again; DT_EREFUSED: access
 *          control denied a pull, said once for each; reading goes on trying; DT_EINVAL;
 *          DT_ESTATE: a callback wants to wait.
 */
DT_API DT_MUST_USE dt_status rmq_pull_consumer_poll(rmq_pull_consumer *consumer,
                                                    int64_t timeout_ms, rmq_batch **out);
/** Frees a batch and its messages. Thread: any. NULL: no-op. */
DT_API void rmq_batch_free(rmq_batch *batch);

/** How long no broker has answered a pull of this consumer, in ms; 0 while all is well. */
DT_API int64_t rmq_pull_consumer_silent_ms(const rmq_pull_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
