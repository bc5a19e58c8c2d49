/*
 * loop.h - an event loop on a thread of its own, and the mailbox by which others talk to it.
 *
 * What lives on the loop (connections, timers, and the state of those who use them) belongs to
 * its thread alone. Everybody else posts operations: a function and what it needs, in memory
 * that the poster owns. Operations run in the order in which they were posted. Waking the
 * thread costs a system call, so it happens only while the thread sleeps.
 *
 * One turn of the loop: timers, operations, then all that was written to connections leaves in
 * one write each, then sleep until something happens.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "rmq/status.h"

struct dt_loop;

/* An operation. It may be freed, or posted again, from its own run() on, not before. */
struct dt_op {
    void (*run)(struct dt_op *op);
    struct dt_op *next; /* the mailbox's */
};

/* Starts the thread. Signals are blocked on it: they are for the application's threads, and a
 * connection that the peer closed gives an error instead of SIGPIPE.
 * @returns DT_OK, DT_ENOMEM, DT_EIO. */
DT_MUST_USE dt_status dt_loop_start(const char *name, struct dt_loop **out);

/* Runs what was posted, ends the thread and frees. Connections and timers must have been freed
 * on the loop. NULL: no-op, and so it is after a fork (the memory stays). Thread: any but the loop's. */
void dt_loop_stop(struct dt_loop *loop);

/* Thread: any. */
void dt_loop_post(struct dt_loop *loop, struct dt_op *op);
bool dt_loop_is_here(const struct dt_loop *loop); /* the caller is the loop's thread */

/* True in a process that fork() made of the one where the loop was started: the thread is not
 * there, and locks of its users may be held for ever by threads that are not there either. */
bool dt_loop_is_forked(const struct dt_loop *loop);

/* ---------------------------------------------------------------- timers */

struct dt_timer;

/* A timer calls fn(context) once when the time is there. Thread: any. DT_ENOMEM. */
DT_MUST_USE dt_status dt_timer_new(struct dt_loop *loop, void (*fn)(void *context),
                                   void *context, struct dt_timer **out);

/* Thread: net loop, all of these. Times are those of dt_clock_ms(); INT64_MAX is never.
 * Setting replaces; _sooner keeps what is earlier. A freed timer never fires; NULL: no-op. */
void dt_timer_set(struct dt_timer *timer, int64_t at_ms);
void dt_timer_set_sooner(struct dt_timer *timer, int64_t at_ms);
void dt_timer_stop(struct dt_timer *timer);
void dt_timer_free(struct dt_timer *timer);

#endif
