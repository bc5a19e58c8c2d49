#include "rmq/room.h"

#include "base/status.h"
#include "net/event.h"

dt_status rmq_room_init(struct rmq_room *room, const rmq_producer_config *config)
{
    if ((unsigned)config->when_full > RMQ_FULL_BLOCK)
        return dt_error_set(DT_EINVAL, "there is no policy %d for when it is full",
                            (int)config->when_full);
    room->max = config->memory_max == 0 ? 64u << 20 : config->memory_max;
    room->when_full = config->when_full;
    room->ready = config->room_ready;
    room->opaque = config->room_opaque;
    atomic_init(&room->used, 0);
    atomic_init(&room->asking, 0);
    pthread_mutex_init(&room->mutex, NULL);
    dt_cond_init(&room->freed);
    room->is_owed = false;
    return DT_OK;
}

void rmq_room_fini(struct rmq_room *room)
{
    pthread_cond_destroy(&room->freed);
    pthread_mutex_destroy(&room->mutex);
}

/* Never takes more than there is, not for a moment: who gives back must not see that. */
static bool try_take(struct rmq_room *room, size_t size)
{
    size_t used = atomic_load_explicit(&room->used, memory_order_relaxed);

    do
        if (size > room->max - used)
            return false;
    while (!atomic_compare_exchange_weak(&room->used, &used, used + size));
    return true;
}

static dt_status full(const struct rmq_room *room, dt_status status)
{
    return dt_error_set(status, "%zu bytes of messages wait to be stored already",
                        room->max);
}

/* From here on who gives back looks for us; what was given back just before is seen by trying
 * once more. */
static bool ask_to_be_told(struct rmq_room *room, size_t size)
{
    bool taken;

    if (room->ready == NULL)
        return false;
    pthread_mutex_lock(&room->mutex);
    if (!room->is_owed)
        atomic_fetch_add(&room->asking, 1);
    room->is_owed = true;
    taken = try_take(room, size);
    if (taken) {
        room->is_owed = false;
        atomic_fetch_sub(&room->asking, 1);
    }
    pthread_mutex_unlock(&room->mutex);
    return taken;
}

static bool wait_for(struct rmq_room *room, size_t size, int64_t until_ms)
{
    bool taken, in_time = true;

    pthread_mutex_lock(&room->mutex);
    atomic_fetch_add(&room->asking, 1);
    while (!(taken = try_take(room, size)) && in_time)
        in_time = dt_cond_wait(&room->freed, &room->mutex, until_ms);
    atomic_fetch_sub(&room->asking, 1);
    pthread_mutex_unlock(&room->mutex);
    return taken;
}

dt_status rmq_room_take(struct rmq_room *room, size_t size, bool may_wait, int64_t until_ms)
{
    if (try_take(room, size))
        return DT_OK;
    if (size > room->max)
        return dt_error_set(DT_ETOOBIG, "a message takes %zu bytes, over all of the %zu",
                            size, room->max);
    if (room->when_full == RMQ_FULL_BLOCK && may_wait)
        return wait_for(room, size, until_ms) ? DT_OK : full(room, DT_ETIMEDOUT);
    return ask_to_be_told(room, size) ? DT_OK : full(room, DT_ENOMEM);
}

static void wake(struct rmq_room *room)
{
    bool is_owed;

    pthread_mutex_lock(&room->mutex);
    is_owed = room->is_owed;
    if (is_owed)
        atomic_fetch_sub(&room->asking, 1);
    room->is_owed = false;
    pthread_cond_broadcast(&room->freed);
    pthread_mutex_unlock(&room->mutex);
    if (is_owed)
        room->ready(room->opaque);
}

void rmq_room_give(struct rmq_room *room, size_t size)
{
    size_t used = atomic_fetch_sub(&room->used, size) - size;

    if (atomic_load(&room->asking) != 0 && used <= room->max - room->max / 4)
        wake(room);
}

bool rmq_room_wait_empty(struct rmq_room *room, int64_t until_ms)
{
    bool in_time = true;

    pthread_mutex_lock(&room->mutex);
    atomic_fetch_add(&room->asking, 1);
    while (atomic_load(&room->used) > 0 && in_time)
        in_time = dt_cond_wait(&room->freed, &room->mutex, until_ms);
    atomic_fetch_sub(&room->asking, 1);
    in_time = atomic_load(&room->used) == 0;
    pthread_mutex_unlock(&room->mutex);
    return in_time;
}
