/*
 * pull.h - reads one queue ahead: several requests under way while there is much to read, one
 * long poll at its end.
 *
 *   OFF -> ROUTE -> RUNNING          the topic's route is not known yet
 *   RUNNING                          asks as long as the window (pull_window.h) wants to and there
 *                                    is room for answers; whoever polls wakes it
 *   RUNNING -> BACKOFF -> RUNNING    no answer, or one that says: come again
 *
 * What the window holds out of order is only as good as the connection it came by: when that is
 * lost all of it is dropped, since a broker may come back without its newest messages.
 *
 * Each assignment has a generation number. What an older one gave is dropped where it is met.
 */
#ifndef RMQ_PULL_H
#define RMQ_PULL_H

#include "rmq/client_inside.h"
#include "rmq/pull_window.h"
#include "rmq/received.h"

struct rmq_pull_consumer;

enum rmq_pull_state { RMQ_PULL_OFF, RMQ_PULL_ROUTE, RMQ_PULL_RUNNING, RMQ_PULL_BACKOFF };

/* One request of a pull; made when first needed, kept for the next. */
struct rmq_pull_request {
    struct rmq_pull *pull;
    struct rmq_call call;
    struct rmq_pull_wish wish;
    int64_t asked_ms;
    bool to_master; /* else a slave, which may know less */
};

struct rmq_pull {
    struct rmq_pull *next; /* of the consumer; never changes */
    struct rmq_pull_consumer *consumer;
    rmq_queue queue;
    /* Lock: consumer->mutex */
    uint64_t generation;
    bool is_assigned;
    int64_t start_offset;
    bool is_paused;
    struct dt_link chunks; /* of this generation, oldest first */
    size_t buffered;       /* bytes of them */
    size_t buffered_count; /* messages of them */
    struct dt_link ready;  /* in consumer->ready while there are chunks to be polled */
    bool wants_room;       /* would ask for more: tell it when there is room */
    bool is_posted;
    struct dt_op op;
    /* the net loop's */
    enum rmq_pull_state state;
    uint64_t running; /* the generation that it reads for */
    struct rmq_pull_window window;
    struct rmq_pull_request *requests[RMQ_PULL_PIECES_MAX]; /* by id */
    size_t answer_size;                                     /* what an answer took lately */
    int64_t broker_id;                                      /* that the broker suggested */
    uint64_t conn_numbers[2]; /* that answers came by: of a slave, of the master */
    unsigned failures;        /* in a row */
    bool was_lost;            /* the connection, since the last batch */
    int64_t answered_ms;      /* last, by a broker that told the queue's end; 0: never */
    uint64_t request_count, message_count, byte_count; /* asked, and given */
    struct rmq_topic_wait wait;
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
