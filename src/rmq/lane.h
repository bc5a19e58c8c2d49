/*
 * lane.h - the messages of one queue, stored in the order in which they were handed over.
 *
 * One request is in flight at a time, because brokers work on requests in a thread pool and
 * would change the order of two. What has gathered when the lane is free goes as one batch.
 * After a failure the same messages are sent again first, so later ones never overtake; a batch
 * that was refused whole is sent again one by one, so that only the bad message fails.
 *
 *   IDLE -> ROUTE -> IDLE       the topic's route is not known yet
 *   IDLE -> CALLING -> IDLE     a request is under way
 *   CALLING -> BACKOFF -> IDLE  it failed, or was told to come again
 *
 * In IDLE nothing waits, except within lane_go().
 */
#ifndef RMQ_LANE_H
#define RMQ_LANE_H

#include <pthread.h>
#include <stdatomic.h>

#include "rmq/client_inside.h"
#include "rmq/outgoing.h"

struct rmq_producer;

/* A singly linked queue of messages. */
struct rmq_line {
    struct rmq_outgoing *first, *last;
};

enum rmq_lane_state { RMQ_LANE_IDLE, RMQ_LANE_ROUTE, RMQ_LANE_CALLING, RMQ_LANE_BACKOFF };

struct rmq_lane {
    struct rmq_lane *next; /* in its bucket of the producer; never changes */
    struct rmq_producer *producer;
    uint64_t hash;
    rmq_queue queue;
    /* Lock: mutex */
    pthread_mutex_t mutex;
    struct rmq_line incoming;
    struct rmq_uniq_key ids;
    int64_t wake_ms; /* the timer is set to this or sooner */
    int64_t last_deadline_ms;
    bool is_sorted; /* deadlines never went down since the lane was last empty */
    bool is_awake;  /* the loop will look at `incoming` without being told */
    bool is_posted;
    bool is_closed;
    struct dt_op op;
    /* the net loop's */
    enum rmq_lane_state state;
    struct rmq_topic *topic;
    struct rmq_topic_wait wait;
    struct dt_timer *timer;
    struct rmq_call call;
    struct rmq_line pending; /* to be sent, in order */
    struct rmq_line flying;  /* in the request under way */
    size_t flying_count;
    int64_t backoff_until_ms;
    unsigned failures;             /* in a row */
    unsigned error_count;          /* answers with code 1 to this batch */
    bool is_finished;              /* closed, and the producer knows */
    char trouble[RMQ_REASON_SIZE]; /* why nothing was stored lately; "" if it was */
    char topic_name[];
};

/* Thread: any. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_lane_new(struct rmq_producer *producer, const char *topic,
                                   const rmq_queue *queue, uint64_t hash,
                                   struct rmq_lane **out);

/* Takes the message over. Thread: any. DT_ECLOSED: not taken. */
DT_MUST_USE dt_status rmq_lane_push(struct rmq_lane *lane, struct rmq_outgoing *message);

/* Ends what was not sent and waits for what was; then rmq_producer_lane_finished(), maybe before
 * this returns. Thread: net loop. */
void rmq_lane_close(struct rmq_lane *lane);

/* After it has finished: on the loop, then anywhere. */
void rmq_lane_leave_loop(struct rmq_lane *lane);
void rmq_lane_free(struct rmq_lane *lane);

#endif
