/*
 * held.h - a queue that a consumer holds, and what of it is handed out.
 *
 *   held   one queue. What was taken from its pull is a row of works, in order of offsets
 *   work   one answer of a broker: the messages that one thread began with and others may help with
 *
 *     handled             handed out or not, some handled         not taken from the pull yet
 *     ---------|----work----|----work----|------------work-------|----------------------
 *              ^ low: all before is handled                      ^ taken
 *
 * Messages of a work are claimed in order and each is marked when it is handled; the lowest that is
 * not is what may be committed. Claiming and marking take no lock. A work that is detached (its
 * queue was given away, or reading went elsewhere) still belongs to who handles it, and counts for
 * nothing.
 *
 * Lock: the consumer's mutex, where nothing else is said.
 */
#ifndef RMQ_HELD_H
#define RMQ_HELD_H

#include <stdatomic.h>

#include "rmq/pull_consumer_inside.h"

struct rmq_consumer_topic;

enum rmq_message_state {
    RMQ_MESSAGE_NEW,   /* not handled, or being handled */
    RMQ_MESSAGE_AGAIN, /* to be given again, here */
    RMQ_MESSAGE_DONE   /* handled, or sent back */
};

struct rmq_work {
    struct dt_link link;   /* in held->works, or alone when detached */
    struct rmq_held *held; /* NULL: detached */
    struct rmq_consumer_topic *topic;
    int64_t offset, next; /* of the queue, it covers */
    int64_t opened_ms;
    unsigned users;          /* threads that handle some of it */
    size_t again;            /* messages in state AGAIN */
    int64_t again_ms;        /* when the first of them may be given */
    rmq_batch *batch;        /* set before it is open */
    rmq_received *messages;  /* of the batch */
    atomic_bool is_open;     /* decoded */
    atomic_bool is_stopped;  /* no more of it is claimed */
    atomic_bool is_detached; /* what becomes of its messages is not ours to say any more */
    atomic_size_t
        claimed; /* messages given out; as many as `ready` or more: no more to claim */
    atomic_size_t ready;       /* messages that may be claimed: 0 until they are decoded */
    _Atomic(uint8_t) states[]; /* enum rmq_message_state, by message */
};

struct rmq_held {
    struct dt_link link; /* in consumer->held */
    struct rmq_consumer_topic *topic;
    rmq_queue queue;
    struct dt_link works;
    int64_t taken;     /* all before was taken from the pull; where reading starts */
    int64_t committed; /* as the broker has last confirmed; -1: unknown */
    bool is_started;   /* it is being read: the offset to start from was found */
    bool is_told;      /* the application was told that it is ours */
    bool is_leaving;   /* to be given away when what is handed out has been handled ... */
    int64_t leave_ms;  /* ... or then */
    int64_t retry_ms;  /* not started: when to try again */
    struct rmq_pull *pull; /* of it, once statistics have looked for that; NULL */
    /* orderly */
    unsigned running;               /* 1: a thread handles its messages */
    bool is_locked;                 /* by the brokers, for us */
    atomic_int_least64_t locked_ms; /* when that was last confirmed; 0: is not locked */
    int64_t resume_ms;              /* hand out no sooner */
};

/* A held queue, not started. NULL: no memory. */
struct rmq_held *rmq_held_new(struct rmq_consumer_topic *topic, const rmq_queue *queue);

/* A work at the end of the row for what was just taken from the pull; takes nothing over. */
struct rmq_work *rmq_work_new(size_t message_count);
void rmq_held_append(struct rmq_held *held, struct rmq_work *work, int64_t offset,
                     int64_t next, int64_t now_ms);

/* All before it is handled. */
int64_t rmq_held_low(const struct rmq_held *held);

/* The messages of a work, now decoded, may be claimed. Takes the batch. Thread: who opens it. */
void rmq_work_open(struct rmq_work *work, rmq_batch *batch);

/* Gives out the next messages, `most` at the most: the first one's index and how many; 0: none is
 * left. Thread: any. */
size_t rmq_work_claim(struct rmq_work *work, size_t most, size_t *index);
static inline size_t rmq_work_unclaimed(const struct rmq_work *work)
{
    size_t claimed = atomic_load_explicit(&work->claimed, memory_order_relaxed);
    size_t ready = atomic_load_explicit(&work->ready, memory_order_acquire);

    return claimed < ready ? ready - claimed : 0;
}

/* Thread: who handles them. */
void rmq_work_mark(struct rmq_work *work, size_t index, size_t count,
                   enum rmq_message_state state);

/* No more is claimed behind the last message of the queue that is: what lies before it is still
 * handed out, so that nothing that is handled comes again. */
void rmq_held_close(struct rmq_held *held);

/* No more is claimed at all; the works are detached, those that nobody uses freed. */
void rmq_held_detach(struct rmq_held *held);

/* True if nobody handles anything of it, and nothing is left to be claimed. */
bool rmq_held_is_idle(const struct rmq_held *held);

/* A thread has ended its part: frees the work if that was the last thing to be done with it. */
void rmq_work_leave(struct rmq_work *work);

void rmq_held_free(struct rmq_held *held); /* detaches its works */

#endif
