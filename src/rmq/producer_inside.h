/*
 * producer_inside.h - what a producer is made of, for its lanes.
 */
#ifndef RMQ_PRODUCER_INSIDE_H
#define RMQ_PRODUCER_INSIDE_H

#include "net/event.h"
#include "rmq/lane.h"
#include "rmq/room.h"

enum { RMQ_LANE_BUCKETS = 1024 };

struct rmq_producer {
    struct rmq_client *client;
    /* settings: never change */
    size_t batch_count_max, batch_size_max;
    int64_t linger_ms;
    int32_t queue_requests_max, broker_requests_max;
    char group[RMQ_GROUP_SIZE_MAX + 1];
    struct rmq_compressors compressors;
    struct rmq_room room;
    atomic_int hurrying;   /* who flush: nothing lingers */
    pthread_mutex_t mutex; /* of who adds a lane; finding one takes no lock */
    _Atomic(struct rmq_lane *) lanes[RMQ_LANE_BUCKETS];
    /* the net loop's */
    struct rmq_send_broker *brokers;
    struct rmq_member member;
    struct rmq_statistics_source statistics;
    bool is_closed;
    size_t lanes_left; /* that have not finished, when closed */
    struct dt_event finished;
};

/* The lane of a queue (or, queue NULL, of a topic), made when it is first asked for. Thread: any.
 * DT_EINVAL: no such topic or queue can be; DT_ENOMEM. */
DT_MUST_USE dt_status rmq_producer_lane(struct rmq_producer *producer, const char *topic,
                                        const rmq_queue *queue, enum rmq_lane_kind kind,
                                        struct rmq_lane **out);

/* A broker by its name. Thread: net loop. NULL: no memory. */
struct rmq_send_broker *rmq_producer_broker(struct rmq_producer *producer,
                                            const char *name);

/* Thread: net loop. */
void rmq_producer_write_statistics(void *producer, struct dt_json *json,
                                   struct rmq_statistics_sums *sums);

/* A closed lane has nothing left. Thread: net loop. */
void rmq_producer_lane_finished(struct rmq_producer *producer);

#endif
