#include "model/windows_inner.h"

#include <stdlib.h>

#include "base/status.h"

static struct duet_windows_producer *find_producer(const struct duet_windows *windows,
                                                   uint8_t id_kind, uint32_t instance)
{
    for (size_t i = 0; i < windows->producer_count; i++)
        if (windows->producers[i].id_kind == id_kind &&
            windows->producers[i].instance == instance)
            return &windows->producers[i];
    return NULL;
}

static struct duet_windows_producer *add_producer(struct duet_windows *windows,
                                                  uint8_t id_kind, uint32_t instance)
{
    struct duet_windows_producer *producers =
        realloc(windows->producers, (windows->producer_count + 1) * sizeof(*producers));

    if (producers == NULL)
        return NULL;
    windows->producers = producers;
    producers += windows->producer_count++;
    *producers = (struct duet_windows_producer){
        .id_kind = id_kind, .instance = instance, .heard_ms = -1};
    return producers;
}

dt_status duet_windows_declare(struct duet_windows *windows, uint8_t id_kind,
                               uint32_t instance, uint32_t since)
{
    struct duet_windows_producer *producer = find_producer(windows, id_kind, instance);

    if (producer != NULL)
        return DT_OK;
    producer = add_producer(windows, id_kind, instance);
    if (producer == NULL)
        return duet_windows_no_memory();
    producer->open_from = since;
    return DT_OK;
}

dt_status duet_windows_hear(struct duet_windows *windows,
                            const struct duet_windows_producer *said)
{
    struct duet_windows_producer *producer =
        find_producer(windows, said->id_kind, said->instance);
    struct duet_windows_end *ends = malloc((said->end_count + 1) * sizeof(*ends));

    if (ends != NULL && producer == NULL)
        producer = add_producer(windows, said->id_kind, said->instance);
    if (ends == NULL || producer == NULL) {
        free(ends);
        return duet_windows_no_memory();
    }
    if (producer->has_spoken &&
        (said->boot < producer->boot ||
         (said->boot == producer->boot && said->open_from < producer->open_from))) {
        free(ends); /* it was under way for long */
        return DT_OK;
    }
    if (said->end_count > 0)
        memcpy(ends, said->ends, said->end_count * sizeof(*ends));
    free(producer->ends);
    *producer = *said;
    producer->ends = ends;
    producer->has_spoken = true;
    producer->is_dead = false;
    return DT_OK;
}

dt_status duet_windows_forget(struct duet_windows *windows, uint8_t id_kind,
                              uint32_t instance)
{
    struct duet_windows_producer *producer = find_producer(windows, id_kind, instance);

    if (producer == NULL)
        return dt_error_set(DT_ENOTFOUND, "no producer has number %u", instance);
    producer->is_dead = true;
    return DT_OK;
}

/* ---- looking ---- */

/* An id's lane does not tell the route: all of `windows` are of one. */
static const struct duet_windows_lane *
lane_of(const struct duet_windows *windows, enum duet_stage stage, const struct duet_id *id)
{
    for (size_t i = 0; i < windows->lane_count; i++) {
        const struct duet_lane *lane = &windows->lanes[i].lane;

        if (lane->stage == stage && lane->id_kind == id->kind &&
            lane->instance == id->instance && lane->boot == id->boot &&
            lane->partition == id->partition)
            return &windows->lanes[i];
    }
    return NULL;
}

static bool is_known_boot(const struct duet_windows *windows, const struct duet_id *id)
{
    for (size_t i = 0; i < windows->lane_count; i++) {
        const struct duet_lane *lane = &windows->lanes[i].lane;

        if (lane->stage == DUET_STAGE_I && lane->id_kind == id->kind &&
            lane->instance == id->instance && lane->boot == id->boot)
            return true;
    }
    for (size_t i = 0; i < windows->producer_count; i++)
        if (windows->producers[i].has_spoken && windows->producers[i].id_kind == id->kind &&
            windows->producers[i].instance == id->instance &&
            windows->producers[i].boot == id->boot)
            return true;
    return false;
}

enum duet_known duet_windows_known(void *context, const struct duet_id *id)
{
    const struct duet_windows *windows = context;
    const struct duet_windows_lane *lane = lane_of(windows, DUET_STAGE_X, id);
    uint64_t next = id->sequence + 1;

    if (lane != NULL && duet_ranges_covered(&lane->covered, id->sequence, next) == 1)
        return DUET_KNOWN_CANCELLED;
    lane = lane_of(windows, DUET_STAGE_I, id);
    if (lane != NULL && duet_ranges_covered(&lane->covered, id->sequence, next) == 1)
        return DUET_KNOWN_ISSUED;
    return is_known_boot(windows, id) ? DUET_KNOWN_TAIL : DUET_KNOWN_NOT;
}
