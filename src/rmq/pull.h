/*
 * pull.h - reads one queue ahead: one request under way, by long polling.
 *
 *   OFF -> ROUTE -> CALLING     the topic's route is not known yet
 *   CALLING -> CALLING          an answer came, and there is room for another
 *   CALLING -> FULL -> CALLING  there is no room until somebody polls
 *   CALLING -> BACKOFF -> ...   no answer, or one that says: come again
 *
 * Each assignment has a generation number. What an older one gave is dropped where it is met.
 */
#ifndef RMQ_PULL_H
#define RMQ_PULL_H

#include "rmq/client_inside.h"
#include "rmq/received.h"

struct rmq_pull_consumer;

enum rmq_pull_state {
    RMQ_PULL_OFF,
    RMQ_PULL_ROUTE,
    RMQ_PULL_CALLING,
    RMQ_PULL_FULL,
    RMQ_PULL_BACKOFF
};

struct rmq_pull {
    struct rmq_pull *next; /* of the consumer; never changes */
    struct rmq_pull_consumer *consumer;
    rmq_queue queue;
    /* Lock: consumer->mutex */
    uint64_t generation;
    bool is_assigned;
    int64_t start_offset;
    struct dt_link chunks; /* of this generation, oldest first */
    size_t buffered;       /* bytes of them */
    struct dt_link ready;  /* in consumer->ready while there are chunks */
    bool wants_room;       /* is FULL: tell it when there is room */
    bool is_posted;
    struct dt_op op;
    /* the net loop's */
    enum rmq_pull_state state;
    uint64_t running;  /* the generation that it reads for */
    int64_t offset;    /* to ask for next */
    int64_t broker_id; /* that the broker suggested */
    int64_t asked_ms;
    unsigned failures; /* in a row */
    bool was_lost;     /* the connection, since the last answer */
    struct rmq_topic_wait wait;
    struct rmq_call call;
    struct dt_timer *timer;
};

/* Thread: any. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_pull_new(struct rmq_pull_consumer *consumer,
                                   const rmq_queue *queue, struct rmq_pull **out);

/* Looks at generation and room again. Lock: consumer->mutex held; true: the caller must post
 * pull->op after letting go of it. */
bool rmq_pull_wake(struct rmq_pull *pull);

/* Ends what it does. Thread: net loop. */
void rmq_pull_leave_loop(struct rmq_pull *pull);
void rmq_pull_free(struct rmq_pull *pull);

#endif
