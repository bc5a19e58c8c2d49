/*
 * The threads that call the handler. Each takes an answer of a broker as a whole and goes through
 * it: no lock and no wake-up per message. When the handler is slow, others help: a timer of the
 * net loop looks once a millisecond whether something waits while threads sleep, as long as any
 * thread is busy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/consumer_inside.h"

enum { HELP_MS = 1, HELP_MS_MAX = 16, NO_MEMORY_MS = 100 };

/* ---------------------------------------------------------------- who calls, what is logged */

static _Thread_local const struct rmq_consumer *here;

bool rmq_consumer_is_here(const struct rmq_consumer *consumer)
{
    return here == consumer;
}

void rmq_consumer_set_here(const struct rmq_consumer *consumer)
{
    here = consumer;
}

void rmq_consumer_log_note(struct rmq_consumer *consumer)
{
    char note[sizeof(consumer->note)];

    if (consumer->note[0] == 0)
        return;
    memcpy(note, consumer->note, sizeof(note));
    consumer->note[0] = 0;
    pthread_mutex_unlock(&consumer->mutex);
    rmq_client_log(consumer->client, DT_LOG_WARNING, "%s", note);
    pthread_mutex_lock(&consumer->mutex);
}

/* ---------------------------------------------------------------- taking */

struct taking {
    struct rmq_consumer *consumer;
    struct rmq_consumer_topic *topic;
    rmq_may_take_fn may;
    int64_t now_ms;
    struct rmq_held *held;
    struct rmq_work *work; /* room for the chunk; NULL: it has no messages */
};

static bool accept_chunk(void *context, const struct rmq_pull *pull,
                         const struct rmq_chunk *chunk)
{
    struct taking *taking = context;
    struct rmq_held *held =
        rmq_consumer_find_held(taking->consumer, taking->topic, &pull->queue);

    if (held == NULL || !held->is_started || held->is_leaving)
        return false;
    if (!taking->may(taking->consumer, held, chunk->next_offset, taking->now_ms))
        return false;
    taking->held = held;
    taking->work = NULL;
    if (chunk->message_count == 0)
        return true;
    taking->work = rmq_work_new(chunk->message_count);
    if (taking->work == NULL)
        taking->consumer->lacks_memory = true; /* it waits where it is */
    return taking->work != NULL;
}

/* Reading goes on elsewhere, because of the broker: what was before does not count. */
static void follow(struct rmq_consumer *consumer, struct rmq_held *held,
                   const struct rmq_chunk *chunk)
{
    snprintf(
        consumer->note, sizeof(consumer->note),
        "group '%s': %.100s %.60s/%d: offset %lld is not in the queue: reading goes on "
        "at %lld",
        consumer->group, held->topic->name, held->queue.broker_name,
        (int)held->queue.queue_id, (long long)chunk->asked_offset,
        (long long)chunk->next_offset);
    rmq_held_detach(held);
    held->taken = chunk->next_offset;
    held->committed = -1;
}

bool rmq_job_take(struct rmq_consumer *consumer, rmq_may_take_fn may, int64_t now_ms,
                  struct rmq_job *job)
{
    struct dt_link *link = consumer->topics.next;

    if (consumer->is_stopping)
        return false;
    while (link != &consumer->topics) {
        struct rmq_consumer_topic *topic =
            DT_CONTAINER(link, struct rmq_consumer_topic, link);
        struct taking taking = {consumer, topic, may, now_ms, NULL, NULL};
        struct rmq_chunk *chunk = NULL;

        if (!rmq_topic_is_paused(consumer, topic))
            chunk = rmq_pull_consumer_next(topic->pulls, accept_chunk, &taking, &job->pull);
        if (chunk == NULL) {
            link = link->next;
            continue;
        }
        if (chunk->moved)
            follow(consumer, taking.held, chunk);
        taking.held->taken = chunk->next_offset;
        if (taking.work == NULL) {
            free(chunk);
            continue;
        }
        rmq_held_append(taking.held, taking.work, chunk->asked_offset, chunk->next_offset,
                        now_ms);
        job->work = taking.work;
        job->held = taking.held;
        job->chunk = chunk;
        job->is_again = false;
        dt_list_remove(&topic->link); /* others have their turn */
        dt_list_append(&consumer->topics, &topic->link);
        return true;
    }
    return false;
}

/* What comes by the retry topic is shown with the topic that it was sent to. */
static void restore_topics(rmq_batch *batch)
{
    rmq_received *messages = (rmq_received *)batch->messages; /* nobody else has it yet */

    for (size_t i = 0; i < batch->count; i++) {
        const char *topic = rmq_received_property(&messages[i], "RETRY_TOPIC");

        if (topic != NULL && topic[0] != 0)
            messages[i].topic = topic;
    }
}

static void pause_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&pause, NULL);
}

bool rmq_job_decode(struct rmq_consumer *consumer, struct rmq_job *job)
{
    struct rmq_work *work = job->work;
    rmq_batch *batch;

    while (rmq_batch_make(job->chunk, &job->pull->queue, consumer->client->frame_size_max,
                          &work->topic->pulls->tags, &batch) != DT_OK) {
        bool is_over;

        pthread_mutex_lock(&consumer->mutex);
        is_over = consumer->is_stopping || work->held == NULL;
        pthread_mutex_unlock(&consumer->mutex);
        if (is_over) {
            free(job->chunk);
            return false;
        }
        rmq_client_log(consumer->client, DT_LOG_WARNING, "group '%s': %s", consumer->group,
                       dt_error_text());
        pause_ms(NO_MEMORY_MS);
    }
    if (work->topic->is_retry)
        restore_topics(batch);
    rmq_batch_strip(batch, consumer->client->space);
    rmq_work_open(work, batch);
    return true;
}

/* ---------------------------------------------------------------- the handler */

size_t rmq_deliver(struct rmq_consumer *consumer, struct rmq_work *work, size_t index,
                   size_t count, rmq_delivery *delivery)
{
    const rmq_consumer_config *config = &consumer->config;

    *delivery = (rmq_delivery){&work->messages[index], count, 0, 0, 0};
    if (config->handler(config->opaque, delivery) == RMQ_HANDLED)
        return count;
    return delivery->handled_count < count ? delivery->handled_count : count;
}

/* ---------------------------------------------------------------- waking */

void rmq_workers_wake(struct rmq_consumer *consumer)
{
    pthread_cond_broadcast(&consumer->work);
}

void rmq_consumer_on_ready(void *opaque)
{
    struct rmq_consumer *consumer = opaque;

    pthread_mutex_lock(&consumer->mutex);
    if (consumer->idle > 0)
        pthread_cond_signal(&consumer->work);
    consumer->is_called = true;
    consumer->help_ms = HELP_MS;
    pthread_mutex_unlock(&consumer->mutex);
    dt_timer_set_sooner(consumer->timer, dt_clock_ms() + HELP_MS);
}

/* Calls of the handler that wait while threads sleep. */
static size_t count_waiting(const struct rmq_consumer *consumer, int64_t now_ms)
{
    size_t each = (size_t)consumer->config.call_count_max, waiting = 1;
    const struct dt_link *link, *at;

    if (consumer->config.orderly)
        return waiting;
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        const struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        for (at = held->works.next; at != &held->works; at = at->next) {
            const struct rmq_work *work = DT_CONTAINER(at, struct rmq_work, link);

            if (now_ms - work->opened_ms >= HELP_MS)
                waiting += (rmq_work_unclaimed(work) + each - 1) / each;
        }
    }
    return waiting;
}

void rmq_consumer_on_help_timer(void *opaque)
{
    struct rmq_consumer *consumer = opaque;
    int64_t now_ms = dt_clock_ms(), again_ms = INT64_MAX;
    size_t waiting;

    pthread_mutex_lock(&consumer->mutex);
    waiting =
        consumer->active > 0 && consumer->idle > 0 ? count_waiting(consumer, now_ms) : 0;
    /* a handler that takes minutes is not looked after a thousand times a second */
    if (waiting > 1 || consumer->help_ms == 0)
        consumer->help_ms = HELP_MS;
    else if (consumer->help_ms < HELP_MS_MAX)
        consumer->help_ms *= 2;
    if (consumer->active > 0 || consumer->is_called)
        again_ms = now_ms + consumer->help_ms;
    if (waiting > consumer->idle)
        waiting = consumer->idle;
    for (; waiting > 0; waiting--)
        pthread_cond_signal(&consumer->work);
    pthread_mutex_unlock(&consumer->mutex);
    dt_timer_set(consumer->timer, again_ms);
}

/* ---------------------------------------------------------------- the threads */

static void run(struct rmq_consumer *consumer, struct rmq_job *job)
{
    bool is_orderly = consumer->config.orderly;

    job->work->users++;
    consumer->active++;
    rmq_consumer_log_note(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    if (job->chunk == NULL || rmq_job_decode(consumer, job)) {
        if (is_orderly)
            rmq_orderly_run(consumer, job);
        else
            rmq_concurrent_run(consumer, job);
    }
    pthread_mutex_lock(&consumer->mutex);
    consumer->active--;
    if (is_orderly)
        rmq_orderly_end(consumer, job);
    if (consumer->is_stopping || job->work->held == NULL || job->work->held->is_leaving)
        rmq_manager_wake(consumer);
    rmq_work_leave(job->work);
}

void *rmq_worker_main(void *opaque)
{
    struct rmq_consumer *consumer = opaque;

    rmq_consumer_set_here(consumer);
    pthread_mutex_lock(&consumer->mutex);
    for (;;) {
        int64_t now_ms = dt_clock_ms(), wait_ms = INT64_MAX;
        struct rmq_job job = {NULL, NULL, NULL, NULL, false};
        bool found = consumer->config.orderly
                         ? rmq_orderly_find(consumer, now_ms, &job, &wait_ms)
                         : rmq_concurrent_find(consumer, now_ms, &job, &wait_ms);

        consumer->is_called = false; /* if it was found, we are active now */
        if (found) {
            run(consumer, &job);
            continue;
        }
        if (consumer->workers_end)
            break;
        if (consumer->note[0] != 0) {
            rmq_consumer_log_note(consumer);
            continue;
        }
        if (consumer->lacks_memory && wait_ms > now_ms + NO_MEMORY_MS)
            wait_ms = now_ms + NO_MEMORY_MS; /* nobody says when there is some */
        consumer->lacks_memory = false;
        consumer->idle++;
        dt_cond_wait(&consumer->work, &consumer->mutex, wait_ms);
        consumer->idle--;
    }
    pthread_mutex_unlock(&consumer->mutex);
    return NULL;
}
