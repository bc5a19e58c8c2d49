/*
 * The thread of a consumer that waits for brokers, so that nobody else has to: it divides queues,
 * finds where to start, commits on a timer, renews locks, lets go of queues, and stops it all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/consumer_inside.h"

enum {
    AGAIN_MS = 1000, /* what came to nothing is tried again after it */
    TIDY_MS = 100 /* queues that are leaving are looked at so often, if nobody wakes us */
};

void rmq_manager_wake(struct rmq_consumer *consumer)
{
    pthread_cond_signal(&consumer->chore);
}

struct rmq_held *rmq_consumer_find_held(struct rmq_consumer *consumer,
                                        const struct rmq_consumer_topic *topic,
                                        const rmq_queue *queue)
{
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->topic == topic && held->queue.queue_id == queue->queue_id &&
            strcmp(held->queue.broker_name, queue->broker_name) == 0)
            return held;
    }
    return NULL;
}

/* ---------------------------------------------------------------- letting go */

void rmq_consumer_leave(struct rmq_consumer *consumer, struct rmq_held *held,
                        int64_t leave_ms)
{
    if (held->is_leaving)
        return;
    held->is_leaving = true;
    held->leave_ms = leave_ms;
    rmq_pull_consumer_unassign(held->topic->pulls, &held->queue);
    rmq_held_close(held);
    rmq_workers_wake(
        consumer); /* what lies before the last message handled is still to do */
}

/* Nobody handles anything of it any more, or we do not wait longer. In orderly mode a handler that
 * runs keeps the lock: nobody else may have the queue. */
static bool may_go(const struct rmq_consumer *consumer, const struct rmq_held *held,
                   int64_t now_ms)
{
    if (rmq_held_is_idle(held))
        return true;
    return now_ms >= held->leave_ms &&
           (!consumer->config.orderly || held->running == 0 || consumer->is_stopping);
}

static void tell_assigned(struct rmq_consumer *consumer, const char *topic,
                          const rmq_queue *queue, bool given)
{
    if (consumer->config.assigned != NULL)
        consumer->config.assigned(consumer->config.opaque,
                                  rmq_namespace_strip(consumer->client->space, topic),
                                  queue, given);
}

/* The first queue that may go and is committed (or, `lossy`, could not be), out of the list. Lock:
 * mutex held. */
static struct rmq_held *take_leaver(struct rmq_consumer *consumer, bool lossy)
{
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        /* it may have become idle only after the commit */
        if (held->is_leaving && may_go(consumer, held, now_ms) &&
            (lossy || !held->is_started || rmq_held_low(held) == held->committed)) {
            dt_list_remove(&held->link);
            return held;
        }
    }
    return NULL;
}

static bool is_any_ready_to_go(struct rmq_consumer *consumer)
{
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->is_leaving && may_go(consumer, held, now_ms))
            return true;
    }
    return false;
}

/* Commits, unlocks and forgets what can go. What cannot be committed is told. */
static dt_status let_go(struct rmq_consumer *consumer)
{
    struct rmq_held *held;
    dt_status status = DT_OK;
    bool any, may_try_again;

    pthread_mutex_lock(&consumer->mutex);
    any = is_any_ready_to_go(consumer);
    may_try_again = consumer->is_stopping && dt_clock_ms() < consumer->stop_ms;
    pthread_mutex_unlock(&consumer->mutex);
    if (!any)
        return DT_OK;
    status = rmq_consumer_commit_held(consumer, true);
    if (status != DT_OK && may_try_again)
        return status; /* it must be exact */
    for (;;) {
        char topic[RMQ_TOPIC_SIZE_MAX + 1];
        rmq_queue queue;
        bool was_locked, was_told;

        pthread_mutex_lock(&consumer->mutex);
        held = take_leaver(consumer, status != DT_OK);
        if (held == NULL) {
            pthread_mutex_unlock(&consumer->mutex);
            break;
        }
        memcpy(topic, held->topic->name, sizeof(topic));
        queue = held->queue;
        was_locked = held->is_locked;
        was_told = held->is_told;
        if (held->running > 0) { /* its thread comes back to it */
            rmq_held_detach(held);
            dt_list_append(&consumer->gone, &held->link);
        } else {
            rmq_held_free(held);
        }
        pthread_mutex_unlock(&consumer->mutex);
        if (was_locked)
            rmq_consumer_unlock(consumer, topic, &queue);
        if (was_told)
            tell_assigned(consumer, topic, &queue, false);
    }
    return status;
}

/* ---------------------------------------------------------------- starting */

/* Where a queue is to be read from. */
static dt_status find_start(struct rmq_consumer *consumer, const char *topic, bool is_retry,
                            const rmq_queue *queue, int64_t *offset, bool *is_committed)
{
    const rmq_consumer_config *config = &consumer->config;
    rmq_client *client = consumer->client;
    int64_t timeout_ms = client->request_timeout_ms;
    dt_status status =
        rmq_offset_query(client, consumer->group, topic, queue, timeout_ms, offset);

    *is_committed = status == DT_OK;
    if (status != DT_ENOTFOUND)
        return status;
    if (is_retry || config->start == RMQ_START_FIRST)
        return rmq_offset_min(client, topic, queue, timeout_ms, offset);
    if (config->start == RMQ_START_TIME)
        return rmq_offset_by_time(client, topic, queue, config->start_wall_ms,
                                  RMQ_BOUNDARY_LOWER, timeout_ms, offset);
    return rmq_offset_max(client, topic, queue, timeout_ms, offset);
}

static struct rmq_held *next_to_start(struct rmq_consumer *consumer, int64_t now_ms,
                                      int64_t *next_ms)
{
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->is_started || held->is_leaving || held->running > 0 ||
            (consumer->config.orderly && !held->is_locked))
            continue;
        if (held->retry_ms <= now_ms)
            return held;
        if (held->retry_ms < *next_ms)
            *next_ms = held->retry_ms;
    }
    return NULL;
}

/* Starts what is held and not read yet. When to come again, or INT64_MAX. */
static int64_t start_held(struct rmq_consumer *consumer)
{
    int64_t next_ms = INT64_MAX;

    for (;;) {
        struct rmq_consumer_topic *topic = NULL;
        struct rmq_held *held;
        rmq_queue queue;
        int64_t offset = 0;
        bool is_committed, is_news = false;
        dt_status status;

        pthread_mutex_lock(&consumer->mutex);
        held =
            consumer->is_stopping ? NULL : next_to_start(consumer, dt_clock_ms(), &next_ms);
        if (held != NULL) {
            topic = held->topic;
            queue = held->queue;
        }
        pthread_mutex_unlock(&consumer->mutex);
        if (held == NULL)
            return next_ms;
        status = find_start(consumer, topic->name, topic->is_retry, &queue, &offset,
                            &is_committed);
        pthread_mutex_lock(&consumer->mutex);
        held = rmq_consumer_find_held(consumer, topic, &queue);
        if (held == NULL || held->is_leaving || held->is_started) {
            pthread_mutex_unlock(&consumer->mutex);
            continue;
        }
        if (status == DT_OK)
            status = rmq_pull_consumer_assign(topic->pulls, &queue, offset);
        if (status == DT_OK) {
            held->taken = offset;
            held->committed = is_committed ? offset : -1;
            held->is_started = true;
            is_news = !held->is_told;
            held->is_told = true;
        } else {
            held->retry_ms = dt_clock_ms() + AGAIN_MS;
        }
        pthread_mutex_unlock(&consumer->mutex);
        if (is_news)
            tell_assigned(consumer, topic->name, &queue, true);
        if (status != DT_OK)
            rmq_client_log(consumer->client, DT_LOG_WARNING,
                           "group '%s': %s %s/%d is not read yet: %s", consumer->group,
                           topic->name, queue.broker_name, (int)queue.queue_id,
                           dt_error_text());
    }
}

/* ---------------------------------------------------------------- stopping */

/* All queues leave; what they have under way is waited for. */
static void stop(struct rmq_consumer *consumer)
{
    dt_status status = DT_OK;
    struct dt_link *link;
    bool is_over = false;

    pthread_mutex_lock(&consumer->mutex);
    atomic_store(&consumer->is_paused, false);
    for (link = consumer->held.next; link != &consumer->held; link = link->next)
        rmq_consumer_leave(consumer, DT_CONTAINER(link, struct rmq_held, link),
                           consumer->stop_ms);
    pthread_mutex_unlock(&consumer->mutex);
    while (!is_over) {
        dt_status now = let_go(consumer);

        if (now != DT_OK) {
            status = now;
            snprintf(consumer->stop_reason, sizeof(consumer->stop_reason), "%.255s",
                     dt_error_text());
        }
        pthread_mutex_lock(&consumer->mutex);
        is_over = dt_list_is_empty(&consumer->held);
        if (is_over && dt_clock_ms() < consumer->stop_ms)
            status = DT_OK; /* all was committed in the end */
        if (!is_over)
            dt_cond_wait(&consumer->chore, &consumer->mutex, dt_clock_ms() + TIDY_MS);
        pthread_mutex_unlock(&consumer->mutex);
    }
    pthread_mutex_lock(&consumer->mutex);
    if (consumer->active > 0) {
        status = DT_ETIMEDOUT;
        snprintf(consumer->stop_reason, sizeof(consumer->stop_reason),
                 "%zu handlers still run", consumer->active);
    }
    consumer->stop_status = status;
    consumer->workers_end = true;
    rmq_workers_wake(consumer);
    pthread_mutex_unlock(&consumer->mutex);
}

/* ---------------------------------------------------------------- the thread */

struct times {
    int64_t rebalance_ms, commit_ms, lock_ms, start_ms;
};

static int64_t earliest(const struct rmq_consumer *consumer, const struct times *times)
{
    int64_t next_ms = times->rebalance_ms;
    const struct dt_link *link;

    if (times->commit_ms < next_ms)
        next_ms = times->commit_ms;
    if (times->lock_ms < next_ms)
        next_ms = times->lock_ms;
    if (times->start_ms < next_ms)
        next_ms = times->start_ms;
    for (link = consumer->held.next; link != &consumer->held; link = link->next)
        if (DT_CONTAINER(link, struct rmq_held, link)->is_leaving &&
            next_ms > dt_clock_ms() + TIDY_MS)
            next_ms = dt_clock_ms() + TIDY_MS;
    return next_ms;
}

/* Orderly: renews all locks on their timer, and asks for those that are missing once a second. */
static void look_after_locks(struct rmq_consumer *consumer, struct times *times,
                             bool rebalanced)
{
    const rmq_consumer_config *config = &consumer->config;
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link;
    bool is_missing = false;

    if (!config->orderly)
        return;
    if (now_ms >= times->lock_ms || rebalanced)
        rmq_consumer_lock_held(consumer, times->lock_ms <= now_ms);
    pthread_mutex_lock(&consumer->mutex);
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        const struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        is_missing |= !held->is_locked && !held->is_leaving;
    }
    pthread_mutex_unlock(&consumer->mutex);
    now_ms = dt_clock_ms();
    if (is_missing && config->lock_period_ms > AGAIN_MS)
        times->lock_ms = now_ms + AGAIN_MS;
    else if (now_ms >= times->lock_ms || times->lock_ms - now_ms <= AGAIN_MS)
        times->lock_ms = now_ms + config->lock_period_ms;
}

/* One round of what is due. */
static void look_after(struct rmq_consumer *consumer, struct times *times, bool rebalance)
{
    const rmq_consumer_config *config = &consumer->config;

    rmq_consumer_run_resets(consumer);
    if (rebalance || dt_clock_ms() >= times->rebalance_ms) {
        bool is_complete = rmq_consumer_rebalance(consumer);

        times->rebalance_ms =
            dt_clock_ms() + (is_complete || config->rebalance_period_ms < AGAIN_MS
                                 ? config->rebalance_period_ms
                                 : AGAIN_MS);
        rebalance = true;
    }
    if (let_go(consumer) != DT_OK)
        rmq_client_log(consumer->client, DT_LOG_WARNING, "group '%s': %s", consumer->group,
                       dt_error_text());
    look_after_locks(consumer, times, rebalance);
    times->start_ms = start_held(consumer);
    if (dt_clock_ms() >= times->commit_ms) {
        if (rmq_consumer_commit_held(consumer, false) != DT_OK)
            rmq_client_log(consumer->client, DT_LOG_WARNING, "group '%s': %s",
                           consumer->group, dt_error_text());
        times->commit_ms = dt_clock_ms() + config->commit_period_ms;
    }
}

void *rmq_manager_main(void *opaque)
{
    struct rmq_consumer *consumer = opaque;
    int64_t now_ms = dt_clock_ms();
    struct times times = {
        now_ms, now_ms + consumer->config.commit_period_ms,
        consumer->config.orderly ? now_ms + consumer->config.lock_period_ms : INT64_MAX,
        INT64_MAX};

    rmq_consumer_set_here(consumer);
    for (;;) {
        bool rebalance, is_stopping;

        pthread_mutex_lock(&consumer->mutex);
        while (!consumer->is_stopping && !consumer->wants_rebalance &&
               dt_list_is_empty(&consumer->resets) && !is_any_ready_to_go(consumer) &&
               dt_clock_ms() < earliest(consumer, &times))
            dt_cond_wait(&consumer->chore, &consumer->mutex, earliest(consumer, &times));
        rebalance = consumer->wants_rebalance;
        consumer->wants_rebalance = false;
        is_stopping = consumer->is_stopping;
        pthread_mutex_unlock(&consumer->mutex);
        if (is_stopping)
            break;
        look_after(consumer, &times, rebalance);
    }
    stop(consumer);
    dt_event_set(&consumer->stopped);
    return NULL;
}
