/*
 * loop_uv.h - the inside of a loop, for the files of this folder.
 */
#ifndef NET_LOOP_UV_H
#define NET_LOOP_UV_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "net/list.h"
#include "net/loop.h"

struct dt_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t turn;
    uint8_t
        *raw; /* where encrypted bytes are read to, for one call; NULL: not needed yet */
    struct dt_link written; /* of connections with bytes to write at the end of the turn */
    /* shared with posters */
    _Atomic(struct dt_op *) mailbox; /* newest first */
    atomic_bool asleep;              /* who posts must wake */
    pthread_t thread;
    unsigned forks; /* how many lay between the first process and the one of the thread */
};

/* A connection that has bytes to write waits in loop->written with such a link. */
struct dt_write_turn {
    struct dt_link link;
    void (*write)(struct dt_write_turn *turn);
};

#endif
