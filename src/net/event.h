/*
 * event.h - one thread waits until another says that something has happened.
 *
 * Also the condition variable for those who have a mutex already: both measure time by the
 * monotonic clock (dt_clock_ms), so that a change of the wall clock moves no deadline.
 *
 * Thread: any.
 */
#ifndef NET_EVENT_H
#define NET_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct dt_event {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_set;
};

void dt_event_init(struct dt_event *event);
void dt_event_fini(struct dt_event *event);

/* Says it. The waiter may end the event's life at once: nothing is touched after. */
void dt_event_set(struct dt_event *event);

/* Waits for it, at most until `until_ms` (dt_clock_ms; INT64_MAX: for ever). False: not set. */
bool dt_event_wait(struct dt_event *event, int64_t until_ms);

/* A condition variable on the monotonic clock, and a wait on it; false: the time is over. */
void dt_cond_init(pthread_cond_t *cond);
bool dt_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms);

#endif
