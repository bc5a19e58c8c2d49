#include "net/event.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void dt_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);

    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(cond, &attributes);
    assert(failed == 0);
    (void)failed;
    pthread_condattr_destroy(&attributes);
}

bool dt_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms)
{
    struct timespec until;

    if (until_ms == INT64_MAX) {
        pthread_cond_wait(cond, mutex);
        return true;
    }
    until.tv_sec = (time_t)(until_ms / 1000);
    until.tv_nsec = (long)(until_ms % 1000) * 1000000;
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

void dt_event_init(struct dt_event *event)
{
    pthread_mutex_init(&event->mutex, NULL);
    dt_cond_init(&event->cond);
    event->is_set = false;
}

void dt_event_fini(struct dt_event *event)
{
    pthread_cond_destroy(&event->cond);
    pthread_mutex_destroy(&event->mutex);
}

void dt_event_set(struct dt_event *event)
{
    /* Signalled under the mutex: a waiter cannot return, and free the event, before the unlock
     * here has let go of it. */
    pthread_mutex_lock(&event->mutex);
    event->is_set = true;
    pthread_cond_signal(&event->cond);
    pthread_mutex_unlock(&event->mutex);
}

bool dt_event_wait(struct dt_event *event, int64_t until_ms)
{
    bool is_set;

    pthread_mutex_lock(&event->mutex);
    while (!event->is_set && dt_cond_wait(&event->cond, &event->mutex, until_ms))
        ;
    is_set = event->is_set;
    pthread_mutex_unlock(&event->mutex);
    return is_set;
}
