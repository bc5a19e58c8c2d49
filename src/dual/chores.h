/*
 * chores.h - what a consumer does beside its roles, on a thread that may wait for brokers:
 * counting what the logs hold, and committing the live role's positions to both brokers, so
 * that their own tools show them and a plain consumer could go on from there.
 */
#ifndef DUAL_CHORES_H
#define DUAL_CHORES_H

#include <pthread.h>
#include <stdatomic.h>

#include "dual/role.h"

struct duet_chores {
    const struct duet_session *session;
    struct duet_role_thread *live;
    struct duet_side_client *client[DUET_SIDES];
    struct duet_wake wake;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    int64_t *committed[DUET_SIDES]; /* per partition, the last position sent */
    int64_t failed_ms;
};

dt_status duet_chores_start(struct duet_chores *chores, const struct duet_session *session,
                            struct duet_role_thread *live);
void duet_chores_stop(struct duet_chores *chores);

#endif
