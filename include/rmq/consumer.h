/*
 * consumer.h - a member of a consumer group: the group's members share the queues, and the
 * library calls a handler with the messages.
 *
 * Members agree on who reads what without talking to each other: each asks a broker who the
 * members are, sorts them and the queues, and computes the same division; so all members of a
 * group, Java clients among them, must have the same topics and the same strategy. That is done
 * again when a broker says that members came or went, when a route has changed, and on a timer.
 *
 * A message is delivered until the handler has said RMQ_HANDLED: at least once, and more than
 * once after a crash, or when a queue changes its reader while messages of it are being handled.
 * After rmq_consumer_stop() returned DT_OK nothing that was handled is delivered again.
 *
 * Concurrent mode: messages of a queue are handled by several threads at once, in no order. What
 * the handler does not take goes back to the broker, which delivers it again after a delay, up to
 * max_attempts, and then puts it into the group's dead-letter topic (%DLQ%group). Orderly mode:
 * the brokers lock each queue for one member, and its messages are handled one call after the
 * other; what the handler does not take is given to it again.
 *
 * Handlers run on threads of the consumer, never on the network thread: they may block, and may
 * call everything but rmq_consumer_stop() and rmq_consumer_free() of their own consumer.
 *
 * Thread: all functions from any, several at once, except where said.
 */
#ifndef RMQ_CONSUMER_H
#define RMQ_CONSUMER_H

#include "rmq/client.h"
#include "rmq/message.h"
#include "rmq/pull_consumer.h"
#include "rmq/strategy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A member of a consumer group. */
typedef struct rmq_consumer rmq_consumer;

/** A topic, and which of its messages are wanted. */
typedef struct rmq_subscription {
    const char *topic; /* required */
    const char
        *expression; /* "*" or NULL: all; else tags: "TagA || TagB", matched exactly */
} rmq_subscription;

/* ---------------------------------------------------------------- handling */

/** What a handler says of the messages that it was given. */
typedef enum rmq_handled {
    RMQ_HANDLED, /* never again */
    RMQ_LATER    /* again later; messages before `handled_count` excepted */
} rmq_handled;

/** One call of the handler. Messages are borrowed for the call. */
typedef struct rmq_delivery {
    const rmq_received
        *messages; /* of one queue, in its order; `topic` is the one they were sent
                                     to, also where they come by the retry topic, and
                                     `reconsume_times` says how often they were given back */
    size_t count;  /* 1 to call_count_max */
    /* With RMQ_LATER, the handler's to set. */
    size_t handled_count; /* 0: so many at the front are handled nevertheless */
    int32_t
        delay_level; /* concurrent. 0: the broker's steps, 10 s at first, 2 h at last; 1 to 18:
                             1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h, unless
                             the broker has others; -1: to the dead letters at once */
    int64_t suspend_ms; /* orderly. 0: suspend_ms of the settings */
} rmq_delivery;

/** Handles messages. Called on one of the consumer's threads, up to `threads` at once; it may
 * block, and may call everything but rmq_consumer_stop() and rmq_consumer_free() of its own.
 * @param opaque of the settings. @param delivery borrowed for the call. */
typedef rmq_handled (*rmq_handler_fn)(void *opaque, rmq_delivery *delivery);

/** A queue was given to this member, or (given = false) it has let go of it: handled, committed,
 * forgotten. Called on the consumer's own thread, which waits: do not block for long. */
typedef void (*rmq_assigned_fn)(void *opaque, const char *topic, const rmq_queue *queue,
                                bool given);

/** Settings; zero or NULL means the default given. Start from {0}. Everything is copied. */
typedef struct rmq_consumer_config {
    const char *group;                     /* required; 1 to 120 bytes */
    const rmq_subscription *subscriptions; /* may be none: rmq_consumer_subscribe() */
    size_t subscription_count;             /* how many */
    rmq_handler_fn handler;                /* required */
    void *opaque;                          /* of all functions in here */
    bool orderly;    /* a queue's messages one after the other; false: concurrently */
    int32_t threads; /* 20: handlers at once, 1 to 1024 */
    int32_t call_count_max; /* 1: messages per call of the handler, 1 to 1024 */
    int32_t max_attempts;   /* 16 in concurrent mode; no bound in orderly mode */

    rmq_strategy strategy;    /* how queues are divided; the same for all members */
    rmq_divide_fn divide;     /* for RMQ_STRATEGY_OWN */
    rmq_assigned_fn assigned; /* may be NULL */
    rmq_start start;       /* where nothing is committed: RMQ_START_FIRST, _LAST or _TIME */
    int64_t start_wall_ms; /* for RMQ_START_TIME */

    size_t queue_count_max;  /* 4096 messages read ahead per queue */
    size_t queue_memory_max; /* 16 MiB read ahead per queue */
    int64_t
        queue_span_max; /* 2000; concurrent: offsets from the first message that is not yet
                                   handled to the last that may be */
    int32_t queue_requests_max; /* 8 pulls under way per queue, 1 to 32 */
    int32_t pull_count;         /* 32 messages per pull; brokers may allow more */
    int64_t suspend_pull_ms;    /* 15000: how long the broker holds an empty pull */

    int64_t rebalance_period_ms; /* 20000; beside this, whenever a broker says so */
    int64_t commit_period_ms;    /* 5000 */
    int64_t lock_period_ms;      /* 20000; orderly: locks are renewed */
    int64_t suspend_ms;          /* 1000; orderly: before a message is given again */
    int64_t local_retry_ms;  /* 5000: before a message is given again that could not be sent
                                      back to the broker */
    int64_t release_wait_ms; /* 1000: a queue that goes to another member is committed when
                                      the handlers of its messages have returned, at most so much
                                      later */
} rmq_consumer_config;

/**
 * Makes a consumer and starts it: it joins the group, and the handler may be called from now on.
 *
 * @param out the caller's, rmq_consumer_free(), before the client is freed.
 * @returns DT_OK; DT_EINVAL: a name, number or expression that cannot be; DT_ENOMEM; DT_EIO: no
 *          threads; DT_EEXIST: the client has a consumer of this group already; DT_ESTATE: called
 *          from a callback.
 */
DT_API DT_MUST_USE dt_status rmq_consumer_new(rmq_client *client,
                                              const rmq_consumer_config *config,
                                              rmq_consumer **out);

/**
 * Stops: no more is handed out, handlers that run are waited for, offsets are committed, locks
 * given back, the group left. Not from a handler or callback. Stopped twice: DT_OK.
 *
 * @returns DT_OK: every offset is committed; nothing that was handled will come again.
 *          DT_ETIMEDOUT: handlers still run; the consumer is as good as stopped, what they have
 *          under way is not committed, and rmq_consumer_free() will wait for them. DT_EINDOUBT,
 *          DT_EUNREACH, DT_EREFUSED: an offset could not be committed: what was handled since the
 *          last commit may come again. DT_EINVAL, DT_ESTATE.
 */
DT_API DT_MUST_USE dt_status rmq_consumer_stop(rmq_consumer *consumer, int64_t timeout_ms);

/** Stops as rmq_consumer_stop() does, if that was not done, waits for all handlers and frees. Not
 * from a handler or callback. NULL: no-op. */
DT_API void rmq_consumer_free(rmq_consumer *consumer);

/** Adds a topic, or changes its expression: what was read ahead by the old one is dropped, nothing
 * is skipped. Waits for the network thread. DT_OK, DT_EINVAL, DT_ENOMEM, DT_ESTATE (from a callback),
 * DT_ECLOSED (stopped). */
DT_API DT_MUST_USE dt_status rmq_consumer_subscribe(rmq_consumer *consumer,
                                                    const char *topic,
                                                    const char *expression);

/** Gives a topic up; its queues are let go of by the consumer's own thread soon after. DT_ENOTFOUND:
 * not subscribed. Else as rmq_consumer_subscribe(). */
DT_API DT_MUST_USE dt_status rmq_consumer_unsubscribe(rmq_consumer *consumer,
                                                      const char *topic);

/** No more is handed out, of one topic or (NULL) of all, until it is resumed; handlers that run are
 * not waited for. Queues stay ours. What is retried comes by a topic of its own: it pauses with
 * NULL only. DT_ENOTFOUND: not subscribed. */
DT_API DT_MUST_USE dt_status rmq_consumer_pause(rmq_consumer *consumer, const char *topic);
/** Ends a pause. As rmq_consumer_pause(). */
DT_API DT_MUST_USE dt_status rmq_consumer_resume(rmq_consumer *consumer, const char *topic);

/** Reads a queue on from `offset`, which is also committed; what is being handled is not waited for,
 * and its outcome changes nothing. DT_ENOTFOUND: the queue is not ours now. */
DT_API DT_MUST_USE dt_status rmq_consumer_seek(rmq_consumer *consumer, const char *topic,
                                               const rmq_queue *queue, int64_t offset);

/** The same for all queues of a topic that are ours: to the first message that the broker stored at
 * a time or later. Waits. DT_ENOTFOUND: none is ours; else as rmq_offset_by_time(), and then some
 * queues may have been moved. @param wall_ms since 1970. */
DT_API DT_MUST_USE dt_status rmq_consumer_seek_time(rmq_consumer *consumer,
                                                    const char *topic, int64_t wall_ms,
                                                    int64_t timeout_ms);

/** A queue that is ours. */
typedef struct rmq_held_queue {
    char topic[128];   /* NUL-terminated */
    rmq_queue queue;   /* of it */
    int64_t handled;   /* all before this offset is handled */
    int64_t committed; /* as last committed; -1: not yet */
    int64_t taken;     /* all before was given to handlers, or is about to be */
} rmq_held_queue;

/** The queues that are ours now, those of the retry topic included. @param out the caller's,
 * rmq_free(); NULL where there are none. DT_OK, DT_EINVAL, DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_consumer_queues(rmq_consumer *consumer,
                                                 rmq_held_queue **out, size_t *count);

/** Commits now what is handled. Waits. Outcomes as rmq_consumer_stop() but DT_ETIMEDOUT. */
DT_API DT_MUST_USE dt_status rmq_consumer_commit(rmq_consumer *consumer);

/** What a consumer has done since it was made. */
typedef struct rmq_consumer_stats {
    uint64_t handled;     /* messages that the handler took */
    uint64_t later;       /* that it did not */
    uint64_t sent_back;   /* of these, given back to a broker */
    uint64_t local_retry; /* of these, kept here to be given again */
    uint64_t rebalances;  /* divisions of the queues */
    uint64_t commits;     /* offsets committed */
} rmq_consumer_stats;

/** Fills `out`. Thread: any, at any time before rmq_consumer_free(). */
DT_API void rmq_consumer_get_stats(const rmq_consumer *consumer, rmq_consumer_stats *out);

#ifdef __cplusplus
}
#endif
#endif
