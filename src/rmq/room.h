/*
 * room.h - the bound on the memory of messages that are accepted and not yet answered, and what
 * happens to who finds it full.
 *
 * Taking and giving back are one atomic operation each while nobody waits. Who waits, or was
 * refused and wants to be told, is woken when a quarter of the room is free again: not for each
 * message that leaves.
 */
#ifndef RMQ_ROOM_H
#define RMQ_ROOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "rmq/producer.h"

struct rmq_room {
    size_t max;
    rmq_when_full when_full;
    void (*ready)(void *opaque);
    void *opaque;
    atomic_size_t used;
    atomic_uint asking; /* threads that wait, and one if is_owed */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    /* Lock: mutex */
    bool is_owed; /* ready() is, because somebody was refused */
};

/* DT_EINVAL: no such policy. */
DT_MUST_USE dt_status rmq_room_init(struct rmq_room *room,
                                    const rmq_producer_config *config);
void rmq_room_fini(struct rmq_room *room);

/**
 * Thread: any. On the net loop with may_wait false.
 * @returns DT_OK; DT_ETOOBIG: never will; DT_ENOMEM: full; DT_ETIMEDOUT: was full until then.
 */
DT_MUST_USE dt_status rmq_room_take(struct rmq_room *room, size_t size, bool may_wait,
                                    int64_t until_ms);

/* Thread: any; if it was taken for something that was accepted, the net loop, where ready()
 * runs. */
void rmq_room_give(struct rmq_room *room, size_t size);

/* Waits until nothing is taken. False: not in time. */
bool rmq_room_wait_empty(struct rmq_room *room, int64_t until_ms);

#endif
