/*
 * client_log.h - what a client has to say: to its own function if it has one, else to the
 * process's (rmq/log.h).
 *
 * Thread: any, no lock held: the function is the application's. A line that nobody wants is not
 * even written.
 */
#ifndef RMQ_CLIENT_LOG_H
#define RMQ_CLIENT_LOG_H

#include <stdatomic.h>

#include "rmq/client.h"

struct rmq_client_sink {
    dt_log_fn fn; /* NULL: the process's. Never changes. */
    void *opaque;
    atomic_int level_max; /* -1: as the process */
};

void rmq_client_log(struct rmq_client *client, dt_log_level level, const char *format, ...)
    DT_PRINTF(3, 4);

#endif
