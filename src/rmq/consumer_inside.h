/*
 * consumer_inside.h - what a group consumer is made of, for its files.
 *
 *   consumer.c         settings, life            manager.c    the thread that waits for brokers
 *   consumer_topics.c  subscriptions, pausing    rebalance.c  which queues are ours
 *   consumer_seek.c    seek, what is held        commit.c     offsets, many at once
 *   worker.c           the threads that call     locks.c      queues locked for us (orderly)
 *   concurrent.c       the handler               send_back.c  what is to come again
 *   orderly.c                                    inbound.c    what brokers ask of us
 *
 * One mutex guards what is shared. While it is held, a pull consumer's mutex may be taken, never
 * the other way round; and nobody waits for a broker.
 */
#ifndef RMQ_CONSUMER_INSIDE_H
#define RMQ_CONSUMER_INSIDE_H

#include <assert.h>

#include "net/event.h"
#include "rmq/held.h"
#include "rmq/inbound.h"

#define RMQ_RETRY_PREFIX "%RETRY%"

enum {
    RMQ_CONSUMER_GROUP_MAX = RMQ_TOPIC_SIZE_MAX - 7, /* its retry topic must be a topic */
    RMQ_LOCK_GOOD_MS = 30000 /* without renewal: then we do not rely on a lock any more */
};

struct rmq_consumer_topic {
    struct dt_link link; /* in consumer->topics, or consumer->old_topics until the end */
    rmq_pull_consumer *pulls;
    size_t number;            /* one goes through them by it: they change places */
    struct rmq_member member; /* the net loop's */
    bool is_member;           /* of who adds and removes it */
    bool is_retry;
    atomic_bool is_paused;
    bool is_old; /* given up, or replaced */
    char name[RMQ_TOPIC_SIZE_MAX + 1];
};

struct rmq_consumer_counters {
    atomic_uint_least64_t handled, later, sent_back, local_retry, rebalances, commits;
    atomic_uint_least64_t dead_lettered; /* of those sent back, as far as we can tell */
};

struct rmq_consumer {
    /* settings: never change */
    struct rmq_client *client;
    rmq_consumer_config
        config; /* all numbers set; pointers of the caller's but functions NULL */
    char group[RMQ_CONSUMER_GROUP_MAX + 1];
    int64_t started_wall_ms;
    pthread_mutex_t mutex;
    /* Lock: mutex */
    pthread_cond_t work;  /* for workers */
    pthread_cond_t chore; /* for the manager */
    struct dt_link topics, old_topics;
    size_t topic_numbers; /* given out */
    struct dt_link held;
    struct dt_link
        gone; /* given up while a handler still ran: orderly, after a stop in vain */
    size_t active, idle; /* workers */
    bool is_called;      /* a worker was woken, and has not looked yet */
    int64_t help_ms;     /* until the timer looks again */
    atomic_bool is_paused;
    bool is_stopping; /* no more is handed out */
    bool workers_end;
    bool lacks_memory; /* for something that could be handed out */
    bool wants_rebalance;
    struct dt_link resets;
    int64_t warned_ms;
    char note[512];  /* to be logged when the mutex is let go of */
    int64_t stop_ms; /* deadline of stopping */
    dt_status stop_status;
    char stop_reason[256];
    bool has_stopped;
    struct rmq_consumer_counters counters;
    pthread_mutex_t commit_mutex; /* one commit at a time; taken before `mutex` */
    pthread_mutex_t stop_mutex;
    struct dt_event stopped; /* the manager has ended its work */
    pthread_t manager;
    pthread_t *workers;
    size_t worker_count;
    struct dt_timer *timer; /* the net loop's: looks whether help is needed */
    struct rmq_inbound inbound;
    struct rmq_statistics_source statistics;
};

/* Runs fn(context) on the net loop and waits; not called there, so it does. */
static inline void rmq_consumer_on_loop(struct rmq_consumer *consumer,
                                        void (*fn)(void *context), void *context)
{
    dt_status status = rmq_client_run(consumer->client, fn, context);

    assert(status == DT_OK);
}

/* Thread: any. */
static inline bool rmq_topic_is_paused(const struct rmq_consumer *consumer,
                                       const struct rmq_consumer_topic *topic)
{
    return atomic_load_explicit(&consumer->is_paused, memory_order_relaxed) ||
           atomic_load_explicit(&topic->is_paused, memory_order_relaxed);
}

/* ---------------------------------------------------------------- worker.c, concurrent.c, orderly.c */

void *rmq_worker_main(void *consumer);

/* Logs the note, if there is one: the application's log function runs with no lock held. Lock: mutex
 * held, let go of meanwhile. */
void rmq_consumer_log_note(struct rmq_consumer *consumer);

/* True if the caller is a handler, or the function that is told of queues. Thread: any. */
bool rmq_consumer_is_here(const struct rmq_consumer *consumer);
void rmq_consumer_set_here(const struct rmq_consumer *consumer);

/* Something may have to be done. Lock: mutex held. */
void rmq_workers_wake(struct rmq_consumer *consumer);
void rmq_consumer_on_ready(void *consumer); /* a pull has something. Thread: net loop */
void rmq_consumer_on_help_timer(void *consumer); /* Thread: net loop */

/* Something to do for a worker. */
struct rmq_job {
    struct rmq_work *work;
    struct rmq_held *held;   /* orderly: stays while it is running */
    struct rmq_chunk *chunk; /* not decoded yet; the job's */
    struct rmq_pull *pull;   /* where it came from */
    bool is_again;           /* messages that are to be given again, not new ones */
};

/* Finds one; false: there is none before *wait_ms. Lock: mutex held. */
bool rmq_concurrent_find(struct rmq_consumer *consumer, int64_t now_ms, struct rmq_job *job,
                         int64_t *wait_ms);
bool rmq_orderly_find(struct rmq_consumer *consumer, int64_t now_ms, struct rmq_job *job,
                      int64_t *wait_ms);
/* Does it. Lock: mutex not held, except in _end. */
void rmq_concurrent_run(struct rmq_consumer *consumer, struct rmq_job *job);
void rmq_orderly_run(struct rmq_consumer *consumer, struct rmq_job *job);
void rmq_orderly_end(struct rmq_consumer *consumer, struct rmq_job *job);

/* Takes the next chunk that `may` agrees to into a new work of its queue; empty ones are passed
 * over. Lock: mutex held. */
typedef bool (*rmq_may_take_fn)(struct rmq_consumer *consumer, struct rmq_held *held,
                                int64_t next_offset, int64_t now_ms);
bool rmq_job_take(struct rmq_consumer *consumer, rmq_may_take_fn may, int64_t now_ms,
                  struct rmq_job *job);
/* Decodes it; false: never, the consumer ends. */
bool rmq_job_decode(struct rmq_consumer *consumer, struct rmq_job *job);

/* Lets the handler have messages. How many at the front are handled. Lock: none held. */
size_t rmq_deliver(struct rmq_consumer *consumer, struct rmq_work *work, size_t index,
                   size_t count, rmq_delivery *delivery);

/* ---------------------------------------------------------------- send_back.c */

/* Asks the broker to deliver a message again. DT_OK: it will, or it is a dead letter now. Waits. */
dt_status rmq_send_back(struct rmq_consumer *consumer, const struct rmq_work *work,
                        const rmq_received *message, int32_t delay_level,
                        int32_t attempts_max);

/* ---------------------------------------------------------------- manager.c and its helpers */

void *rmq_manager_main(void *consumer);
void rmq_manager_wake(struct rmq_consumer *consumer); /* Lock: mutex held */

struct rmq_held *rmq_consumer_find_held(struct rmq_consumer *consumer,
                                        const struct rmq_consumer_topic *topic,
                                        const rmq_queue *queue);
/* Starts letting go of a queue. Lock: mutex held. */
void rmq_consumer_leave(struct rmq_consumer *consumer, struct rmq_held *held,
                        int64_t leave_ms);

/* Divides the queues anew. False: something was missing, try again soon. Thread: manager. */
bool rmq_consumer_rebalance(struct rmq_consumer *consumer);

/* Commits what is handled of all queues that are held, or of those that are leaving and are done,
 * all at once. Waits. Thread: any but the net loop. */
dt_status rmq_consumer_commit_held(struct rmq_consumer *consumer, bool only_leaving);

/* Asks the brokers to lock what is held and not locked, or (renew) all. Thread: manager. */
void rmq_consumer_lock_held(struct rmq_consumer *consumer, bool renew);
void rmq_consumer_unlock(struct rmq_consumer *consumer, const char *topic,
                         const rmq_queue *queue);

/* ---------------------------------------------------------------- consumer_topics.c, consumer_seek.c */

struct rmq_consumer_topic *rmq_consumer_find_topic(struct rmq_consumer *consumer,
                                                   const char *name);
DT_MUST_USE dt_status rmq_consumer_add_topic(struct rmq_consumer *consumer,
                                             const char *name, const char *expression,
                                             bool is_retry);
void rmq_consumer_leave_group(struct rmq_consumer *consumer);
void rmq_consumer_topic_free(struct rmq_consumer *consumer,
                             struct rmq_consumer_topic *topic);

/* Reading goes on at `offset`. Lock: mutex held. */
void rmq_consumer_move(struct rmq_consumer *consumer, struct rmq_held *held,
                       int64_t offset);

/* An operator has asked for offsets; carried out by the manager. */
struct rmq_reset {
    struct dt_link link;
    char topic[RMQ_TOPIC_SIZE_MAX + 1];
    rmq_queue queue;
    int64_t offset;
};
void rmq_consumer_run_resets(struct rmq_consumer *consumer);
void rmq_consumer_on_reset(void *consumer, struct dt_span topic, struct dt_span body);

/* ---------------------------------------------------------------- running_info.c */

bool rmq_consumer_describe(void *consumer, struct dt_buf *out);

#endif
