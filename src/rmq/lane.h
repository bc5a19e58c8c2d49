/*
 * lane.h - the messages of one queue (or of one topic, whose queues are yet to be chosen) on
 * their way to the broker.
 *
 * An ordered lane has one request in flight, because brokers work on requests in a thread pool and
 * would change the order of two; a windowed one has several. What has gathered when a request may
 * start goes as one batch. After a failure the same messages are sent again first, so that in an
 * ordered lane later ones never overtake; a batch that was refused whole is sent again one by
 * one, so that only the bad message fails.
 *
 *   READY -> ROUTE -> READY    the topic's route is not known yet
 *   READY -> BACKOFF -> READY  a request failed, or was told to come again
 *
 * In READY nothing waits that could go, except within rmq_lane_go().
 *
 *   lane.c         intake, timers, what is next      lane_end.c     how a message ends
 *   lane_flight.c  requests and their answers        lane_spread.c  the lane of a topic
 */
#ifndef RMQ_LANE_H
#define RMQ_LANE_H

#include <pthread.h>
#include <stdatomic.h>

#include "rmq/client_inside.h"
#include "rmq/line.h"
#include "rmq/pace.h"

struct rmq_producer;

/* A broker, as the lanes of one producer see it. Thread: net loop. */
struct rmq_send_broker {
    struct rmq_send_broker *next;
    struct rmq_pace pace;
    struct dt_link waiting; /* lanes that wait for room in its window */
    uint64_t busy;          /* answers that said so */
    char name[RMQ_NAME_SIZE];
};

/* One request, and what is in it. */
struct rmq_flight {
    struct rmq_flight *next; /* of its lane */
    struct rmq_lane *lane;
    struct rmq_call call;
    struct rmq_line line;
    size_t count;
    bool is_used;
    bool has_waited; /* for the connection */
    uint64_t number; /* for the broker's pace */
    int64_t started_ms;
};

/* The queues that the lane of a topic gives its messages to. */
struct rmq_spread {
    rmq_queue *queues;
    size_t count;
    struct rmq_send_broker **brokers; /* of each queue */
    struct rmq_lane **lanes;    /* count for each kind below RMQ_LANE_TOPIC; or NULL */
    uint64_t route_number;      /* of the route that they come from */
    uint32_t turn;              /* the next queue by turns */
    size_t run_index, run_left; /* so many more go to the same queue */
};

/* What a lane has done since it was made. A message counts as one; a batch of the caller's as all
 * that are in it, except in `queued`, which is the length of a line. */
struct rmq_lane_counters {
    uint64_t requests, batches; /* sent; of these, with more than one message */
    uint64_t messages, bytes;   /* in them, those that are sent again included */
    uint64_t stored, less_safe; /* ended so; of these, less safe than asked */
    uint64_t not_stored, in_doubt, oneway;
    uint64_t retries; /* messages that were put back to be sent again */
    uint64_t backoffs;
};

enum rmq_lane_state { RMQ_LANE_READY, RMQ_LANE_ROUTE, RMQ_LANE_BACKOFF };

struct rmq_lane {
    struct rmq_lane *next; /* in its bucket of the producer; never changes */
    struct rmq_producer *producer;
    uint64_t hash;
    rmq_queue queue; /* of a topic's lane: without name, id -1 */
    enum rmq_lane_kind kind;
    /* Lock: mutex */
    pthread_mutex_t mutex;
    struct rmq_line incoming;
    size_t incoming_count, incoming_size;
    struct rmq_uniq_key ids;
    int64_t wake_ms; /* the timer is set to this or sooner */
    int64_t last_deadline_ms;
    bool is_sorted;    /* deadlines never went down since the lane was last empty */
    bool is_awake;     /* the loop will look at `incoming` without being told */
    bool is_lingering; /* it will, but wants to be told when so many, or so large: */
    size_t linger_count, linger_size;
    bool is_posted;
    bool is_closed;
    struct dt_op op;
    /* the net loop's */
    enum rmq_lane_state state;
    struct rmq_topic *topic;
    struct rmq_topic_wait wait;
    struct dt_timer *timer;
    struct rmq_send_broker *broker; /* NULL: not yet known, or a topic's lane */
    struct dt_link waiting;         /* in broker->waiting */
    struct rmq_line pending;        /* to be sent, in order */
    size_t pending_count;           /* of these */
    struct rmq_flight first;        /* of its flights */
    int32_t flying;                 /* how many are used */
    int64_t backoff_until_ms;
    unsigned failures;             /* in a row */
    unsigned error_count;          /* answers with code 1 to this batch */
    bool is_finished;              /* closed, and the producer knows */
    char trouble[RMQ_REASON_SIZE]; /* why nothing was stored lately; "" if it was */
    struct rmq_lane_counters counters;
    struct rmq_spread spread;    /* of a topic's lane */
    struct rmq_lane *topic_lane; /* of a RMQ_LANE_SPREAD, where failed messages go */
    char topic_name[];
};

/* Thread: any. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_lane_new(struct rmq_producer *producer, const char *topic,
                                   const rmq_queue *queue, enum rmq_lane_kind kind,
                                   uint64_t hash, struct rmq_lane **out);

/* Takes the message over. Thread: any. DT_ECLOSED: not taken. */
DT_MUST_USE dt_status rmq_lane_push(struct rmq_lane *lane, struct rmq_outgoing *message);

/* Sends what lingers. Thread: net loop. */
void rmq_lane_hurry(struct rmq_lane *lane);

/* Ends what was not sent and waits for what was; then rmq_producer_lane_finished(), maybe before
 * this returns. Thread: net loop. */
void rmq_lane_close(struct rmq_lane *lane);

/* After it has finished: on the loop, then anywhere. */
void rmq_lane_leave_loop(struct rmq_lane *lane);
void rmq_lane_free(struct rmq_lane *lane);

#endif
