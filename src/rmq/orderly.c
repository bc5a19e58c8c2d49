/* Messages of a queue handled one call after the other, while the brokers hold it locked for us. */
#include "base/clock.h"
#include "rmq/consumer_inside.h"

enum { SEND_BACK_DEAD = -1 };

/* A lock that was not renewed may be another's by now. Thread: any. */
static bool has_lock(const struct rmq_held *held, int64_t now_ms)
{
    int64_t locked_ms = atomic_load_explicit(&held->locked_ms, memory_order_acquire);

    return locked_ms != 0 && now_ms - locked_ms < RMQ_LOCK_GOOD_MS;
}

static bool may_run(const struct rmq_consumer *consumer, const struct rmq_held *held,
                    int64_t now_ms)
{
    return !consumer->is_stopping && held->is_started && !held->is_leaving &&
           held->running == 0 && has_lock(held, now_ms) &&
           !rmq_topic_is_paused(consumer, held->topic);
}

static bool may_take(struct rmq_consumer *consumer, struct rmq_held *held,
                     int64_t next_offset, int64_t now_ms)
{
    (void)next_offset;
    return may_run(consumer, held, now_ms) && dt_list_is_empty(&held->works);
}

bool rmq_orderly_find(struct rmq_consumer *consumer, int64_t now_ms, struct rmq_job *job,
                      int64_t *wait_ms)
{
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (dt_list_is_empty(&held->works) || !may_run(consumer, held, now_ms))
            continue;
        if (held->resume_ms > now_ms) {
            if (held->resume_ms < *wait_ms)
                *wait_ms = held->resume_ms;
            continue;
        }
        *job = (struct rmq_job){DT_CONTAINER(held->works.next, struct rmq_work, link), held,
                                NULL, NULL, false};
        held->running = 1;
        return true;
    }
    if (!rmq_job_take(consumer, may_take, now_ms, job))
        return false;
    job->held->running = 1;
    return true;
}

/* Not handled: the same messages again after a while, or, as a last resort, to the dead letters.
 * False: the queue is suspended. */
static bool give_up(struct rmq_consumer *consumer, struct rmq_work *work, size_t index)
{
    rmq_received *message = &work->messages[index];
    int32_t attempts_max = consumer->config.max_attempts;

    message->reconsume_times++;
    if (attempts_max <= 0 || message->reconsume_times < attempts_max)
        return false;
    if (rmq_send_back(consumer, work, message, SEND_BACK_DEAD, attempts_max) != DT_OK) {
        rmq_client_log(consumer->client, DT_LOG_WARNING,
                       "group '%s': message %s cannot be sent to the dead letters: %s",
                       consumer->group, message->message_id, dt_error_text());
        return false;
    }
    atomic_fetch_add_explicit(&consumer->counters.sent_back, 1, memory_order_relaxed);
    return true;
}

/* One call. False: no more now; *suspend_ms says for how long. */
static bool handle(struct rmq_consumer *consumer, struct rmq_work *work,
                   int64_t *suspend_ms)
{
    size_t ready = atomic_load(&work->ready), at = atomic_load(&work->claimed);
    size_t most = (size_t)consumer->config.call_count_max;
    size_t count = at >= ready ? 0 : ready - at < most ? ready - at : most;
    size_t handled;
    rmq_delivery delivery;

    *suspend_ms = 0;
    if (count == 0)
        return false;
    handled = rmq_deliver(consumer, work, at, count, &delivery);
    rmq_work_mark(work, at, handled, RMQ_MESSAGE_DONE);
    atomic_fetch_add_explicit(&consumer->counters.handled, handled, memory_order_relaxed);
    if (handled < count) {
        bool is_suspended = false;

        atomic_fetch_add_explicit(&consumer->counters.later, count - handled,
                                  memory_order_relaxed);
        for (size_t i = at + handled; i < at + count; i++) {
            if (!is_suspended && give_up(consumer, work, i)) {
                rmq_work_mark(work, i, 1, RMQ_MESSAGE_DONE);
                handled++;
            } else {
                /* those behind it were not handled, either */
                if (is_suspended)
                    work->messages[i].reconsume_times++;
                is_suspended = true;
            }
        }
        if (is_suspended)
            *suspend_ms =
                delivery.suspend_ms > 0 ? delivery.suspend_ms : consumer->config.suspend_ms;
    }
    /* a closed work stays closed */
    atomic_fetch_add(&work->claimed, handled);
    return *suspend_ms == 0;
}

void rmq_orderly_run(struct rmq_consumer *consumer, struct rmq_job *job)
{
    struct rmq_work *work = job->work;
    bool goes_on = true;

    while (goes_on) {
        int64_t suspend_ms;

        if (rmq_topic_is_paused(consumer, work->topic) ||
            atomic_load_explicit(&work->is_stopped, memory_order_acquire) ||
            !has_lock(job->held, dt_clock_ms()))
            return;
        goes_on = handle(consumer, work, &suspend_ms);
        if (suspend_ms > 0) {
            pthread_mutex_lock(&consumer->mutex);
            job->held->resume_ms = dt_clock_ms() + suspend_ms;
            pthread_mutex_unlock(&consumer->mutex);
        }
    }
}

void rmq_orderly_end(struct rmq_consumer *consumer, struct rmq_job *job)
{
    (void)consumer;
    job->held->running = 0;
}
