/* Messages of a queue handled by several threads at once; what is not taken goes back. */
#include "base/clock.h"
#include "base/log.h"
#include "rmq/consumer_inside.h"

enum { HELP_MS = 1, WARN_MS = 5000 };

/* The distance from the first message that is not handled stays bounded: a message that takes
 * very long must not let all that is read after it be read again after a crash. */
static bool may_take(struct rmq_consumer *consumer, struct rmq_held *held,
                     int64_t next_offset, int64_t now_ms)
{
    (void)now_ms;
    return dt_list_is_empty(&held->works) ||
           next_offset - rmq_held_low(held) <= consumer->config.queue_span_max;
}

/* Something of a work that is under way: messages to be given again, or a slow handler's. */
static bool may_help(const struct rmq_consumer *consumer, const struct rmq_held *held,
                     struct rmq_work *work, int64_t now_ms, struct rmq_job *job,
                     int64_t *wait_ms)
{
    int64_t due_ms = INT64_MAX;

    if (rmq_topic_is_paused(consumer, held->topic) && !held->is_leaving)
        return false;
    if (work->again > 0 && !held->is_leaving) {
        if (work->again_ms <= now_ms) {
            *job = (struct rmq_job){work, NULL, NULL, NULL, true};
            work->again_ms = INT64_MAX; /* one thread does it */
            return true;
        }
        due_ms = work->again_ms;
    }
    if (rmq_work_unclaimed(work) > 0) {
        if (held->is_leaving || now_ms - work->opened_ms >= HELP_MS) {
            *job = (struct rmq_job){work, NULL, NULL, NULL, false};
            return true;
        }
        if (work->opened_ms + HELP_MS < due_ms)
            due_ms = work->opened_ms + HELP_MS;
    }
    if (due_ms < *wait_ms)
        *wait_ms = due_ms;
    return false;
}

bool rmq_concurrent_find(struct rmq_consumer *consumer, int64_t now_ms, struct rmq_job *job,
                         int64_t *wait_ms)
{
    struct dt_link *link, *at;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        for (at = held->works.next; at != &held->works; at = at->next)
            if (may_help(consumer, held, DT_CONTAINER(at, struct rmq_work, link), now_ms,
                         job, wait_ms))
                return true;
    }
    return rmq_job_take(consumer, may_take, now_ms, job);
}

/* ---------------------------------------------------------------- what is not taken */

/* Back to the broker; where that cannot be had, it is given again here. */
static void give_back(struct rmq_consumer *consumer, struct rmq_work *work, size_t index,
                      int32_t delay_level)
{
    rmq_received *message = &work->messages[index];
    bool warn;

    if (atomic_load_explicit(&work->is_detached, memory_order_acquire))
        return; /* it comes again by its queue, wherever that is read now */
    if (rmq_send_back(consumer, work, message, delay_level,
                      consumer->config.max_attempts) == DT_OK) {
        rmq_work_mark(work, index, 1, RMQ_MESSAGE_DONE);
        atomic_fetch_add_explicit(&consumer->counters.sent_back, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&consumer->counters.local_retry, 1, memory_order_relaxed);
    message->reconsume_times++;
    rmq_work_mark(work, index, 1, RMQ_MESSAGE_AGAIN);
    pthread_mutex_lock(&consumer->mutex);
    warn = dt_log_due(&consumer->warned_ms, WARN_MS);
    work->again++;
    work->again_ms = dt_clock_ms() + consumer->config.local_retry_ms;
    pthread_mutex_unlock(&consumer->mutex);
    if (warn)
        rmq_client_log(consumer->client, DT_LOG_WARNING,
                       "group '%s': message %s cannot be sent back, it will be given again "
                       "here: %s",
                       consumer->group, message->message_id, dt_error_text());
}

static void handle(struct rmq_consumer *consumer, struct rmq_work *work, size_t index,
                   size_t count)
{
    rmq_delivery delivery;
    size_t handled = rmq_deliver(consumer, work, index, count, &delivery);

    rmq_work_mark(work, index, handled, RMQ_MESSAGE_DONE);
    atomic_fetch_add_explicit(&consumer->counters.handled, handled, memory_order_relaxed);
    if (handled == count)
        return;
    atomic_fetch_add_explicit(&consumer->counters.later, count - handled,
                              memory_order_relaxed);
    for (size_t i = index + handled; i < index + count; i++)
        give_back(consumer, work, i, delivery.delay_level);
}

/* What is to be given again, one by one: each has a fate of its own by now. */
static void handle_again(struct rmq_consumer *consumer, struct rmq_work *work)
{
    size_t ready = atomic_load(&work->ready);

    for (size_t i = 0; i < ready; i++) {
        uint8_t expected = RMQ_MESSAGE_AGAIN;

        if (!atomic_compare_exchange_strong(&work->states[i], &expected, RMQ_MESSAGE_NEW))
            continue;
        pthread_mutex_lock(&consumer->mutex);
        work->again--;
        pthread_mutex_unlock(&consumer->mutex);
        handle(consumer, work, i, 1);
    }
}

void rmq_concurrent_run(struct rmq_consumer *consumer, struct rmq_job *job)
{
    size_t most = (size_t)consumer->config.call_count_max, index, count;

    if (job->is_again)
        handle_again(consumer, job->work);
    while (!job->is_again && !rmq_topic_is_paused(consumer, job->work->topic) &&
           (count = rmq_work_claim(job->work, most, &index)) > 0)
        handle(consumer, job->work, index, count);
}
