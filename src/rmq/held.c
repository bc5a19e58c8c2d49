#include "rmq/held.h"

#include <stdlib.h>

/* Added to `claimed`, nothing can be claimed any more. */
#define CLOSED ((size_t)1 << 32)

struct rmq_held *rmq_held_new(struct rmq_consumer_topic *topic, const rmq_queue *queue)
{
    struct rmq_held *held = calloc(1, sizeof(*held));

    if (held == NULL)
        return NULL;
    dt_list_init(&held->link);
    dt_list_init(&held->works);
    held->topic = topic;
    held->queue = *queue;
    held->committed = -1;
    return held;
}

struct rmq_work *rmq_work_new(size_t message_count)
{
    struct rmq_work *work = calloc(1, sizeof(*work) + message_count);

    if (work == NULL)
        return NULL;
    dt_list_init(&work->link);
    return work;
}

void rmq_held_append(struct rmq_held *held, struct rmq_work *work, int64_t offset,
                     int64_t next, int64_t now_ms)
{
    work->held = held;
    work->topic = held->topic;
    work->offset = offset;
    work->next = next;
    work->opened_ms = now_ms;
    dt_list_append(&held->works, &work->link);
    held->taken = next;
}

/* ---------------------------------------------------------------- messages */

static enum rmq_message_state state_of(const struct rmq_work *work, size_t index)
{
    return (enum rmq_message_state)atomic_load_explicit(&work->states[index],
                                                        memory_order_acquire);
}

/* The first message that is not handled; `ready` if there is none. */
static size_t first_open(const struct rmq_work *work, size_t ready)
{
    size_t index = 0;

    while (index < ready && state_of(work, index) == RMQ_MESSAGE_DONE)
        index++;
    return index;
}

/* All before it is handled; work->next: all of the work is. */
static int64_t low_of(const struct rmq_work *work)
{
    size_t ready, index;

    if (!atomic_load_explicit(&work->is_open, memory_order_acquire))
        return work->offset;
    ready = atomic_load_explicit(&work->ready, memory_order_relaxed);
    index = first_open(work, ready);
    if (index == ready)
        return work->next;
    return index == 0 ? work->offset : work->messages[index].offset;
}

int64_t rmq_held_low(const struct rmq_held *held)
{
    const struct dt_link *link;

    for (link = held->works.next; link != &held->works; link = link->next) {
        const struct rmq_work *work = DT_CONTAINER(link, struct rmq_work, link);
        int64_t low = low_of(work);

        if (low < work->next)
            return low;
    }
    return held->taken;
}

void rmq_work_open(struct rmq_work *work, rmq_batch *batch)
{
    work->batch = batch;
    work->messages = (rmq_received *)batch->messages; /* ours: nobody else has the batch */
    atomic_store_explicit(&work->ready, batch->count, memory_order_release);
    atomic_store_explicit(&work->is_open, true, memory_order_release);
}

size_t rmq_work_claim(struct rmq_work *work, size_t most, size_t *index)
{
    size_t ready = atomic_load_explicit(&work->ready, memory_order_acquire);
    size_t first = atomic_fetch_add_explicit(&work->claimed, most, memory_order_relaxed);

    *index = first;
    if (first >= ready)
        return 0;
    return ready - first < most ? ready - first : most;
}

void rmq_work_mark(struct rmq_work *work, size_t index, size_t count,
                   enum rmq_message_state state)
{
    for (size_t i = index; i < index + count; i++)
        atomic_store_explicit(&work->states[i], (uint8_t)state, memory_order_release);
}

/* ---------------------------------------------------------------- ending */

/* No more is claimed; how many were. */
static size_t close_work(struct rmq_work *work)
{
    size_t claimed =
        atomic_fetch_add_explicit(&work->claimed, CLOSED, memory_order_relaxed);

    atomic_store_explicit(&work->is_stopped, true, memory_order_release);
    return claimed >= CLOSED ? claimed % CLOSED : claimed;
}

void rmq_held_close(struct rmq_held *held)
{
    int64_t end = held->taken;
    struct dt_link *link;

    for (link = held->works.prev; link != &held->works; link = link->prev) {
        struct rmq_work *work = DT_CONTAINER(link, struct rmq_work, link);

        if (work->next != end) /* what was between is handled, and forgotten */
            return;
        if (close_work(work) > 0)
            return;
        end = work->offset;
    }
}

static void free_work(struct rmq_work *work)
{
    dt_list_remove(&work->link);
    rmq_batch_free(work->batch);
    free(work);
}

void rmq_held_detach(struct rmq_held *held)
{
    struct dt_link *link, *next;

    for (link = held->works.next; link != &held->works; link = next) {
        struct rmq_work *work = DT_CONTAINER(link, struct rmq_work, link);

        next = link->next;
        close_work(work);
        atomic_store_explicit(&work->is_detached, true, memory_order_release);
        dt_list_remove(&work->link);
        work->held = NULL;
        if (work->users == 0)
            free_work(work);
    }
}

bool rmq_held_is_idle(const struct rmq_held *held)
{
    const struct dt_link *link;

    for (link = held->works.next; link != &held->works; link = link->next) {
        const struct rmq_work *work = DT_CONTAINER(link, struct rmq_work, link);

        if (work->users > 0 || rmq_work_unclaimed(work) > 0)
            return false;
    }
    return held->running == 0;
}

void rmq_work_leave(struct rmq_work *work)
{
    work->users--;
    if (work->users > 0)
        return;
    if (work->held == NULL || low_of(work) == work->next)
        free_work(work);
}

void rmq_held_free(struct rmq_held *held)
{
    rmq_held_detach(held);
    dt_list_remove(&held->link);
    free(held);
}
