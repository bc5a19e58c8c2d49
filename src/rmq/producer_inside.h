/*
 * producer_inside.h - what a producer is made of, for its lanes.
 */
#ifndef RMQ_PRODUCER_INSIDE_H
#define RMQ_PRODUCER_INSIDE_H

#include "net/event.h"
#include "rmq/lane.h"

enum { RMQ_LANE_BUCKETS = 1024 };

struct rmq_producer {
    struct rmq_client *client;
    size_t memory_max, batch_count_max, batch_size_max;
    char group[RMQ_GROUP_SIZE_MAX + 1];
    struct rmq_compressors compressors;
    atomic_size_t memory_used;
    pthread_mutex_t mutex; /* of who adds a lane; finding one takes no lock */
    _Atomic(struct rmq_lane *) lanes[RMQ_LANE_BUCKETS];
    /* the net loop's */
    struct rmq_member member;
    bool is_closed;
    size_t lanes_left; /* that have not finished, when closed */
    struct dt_event finished;
};

/* A closed lane has nothing left. Thread: net loop. */
void rmq_producer_lane_finished(struct rmq_producer *producer);

#endif
