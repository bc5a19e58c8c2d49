/*
 * side_world.h - what tests of both sides share: a client on a broker with a fresh topic, a
 * sender whose outcomes can be waited for, a reader whose notifications can be waited for.
 *
 * Include it after <cmocka.h>.
 */
#ifndef COMPONENT_SIDE_WORLD_H
#define COMPONENT_SIDE_WORLD_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "model/mapping_encode.h"
#include "side/reader.h"
#include "side/sender.h"

enum { PARTITIONS = 4, TIMEOUT_MS = 30000, SENT_MAX = 20000 };

struct world {
    enum duet_side side;
    int64_t now_ms; /* wall clock at its opening */
    struct duet_config config;
    struct duet_setting settings[4];
    struct duet_zone *zone;
    struct duet_stamp_key key;
    struct duet_plan_route route;
    struct duet_plan_queue *queues;
    struct duet_side_client *client;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    size_t outcomes;
    struct outcome {
        int calls;
        enum duet_outcome outcome;
        int64_t position;
    } sent[SENT_MAX]; /* by token */
    uint64_t notified;
};

#define must(call)                                                                         \
    do {                                                                                   \
        dt_status must_status_ = (call);                                                   \
        if (must_status_ != DT_OK)                                                         \
            fail_msg("%s: %s: %s", #call, dt_status_name(must_status_), dt_error_text());  \
    } while (0)

static inline void world_init(struct world *world, enum duet_side side)
{
    memset(world, 0, sizeof(*world));
    world->side = side;
    world->now_ms = dt_clock_wall_ms();
    must(duet_zone_load("+08:00", &world->zone));
    world->key.number = 3;
    dt_random_bytes(world->key.key, sizeof(world->key.key));
    world->config.zone = world->zone;
    world->config.kafka = world->settings;
    world->route.topic_number = 77;
    world->route.partitions = PARTITIONS;
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
}

/* A name that no run before has used. */
static inline void world_name(char *out, size_t size, const char *prefix)
{
    static unsigned count;

    snprintf(out, size, "%s-%ld-%lld-%u", prefix, (long)getpid(),
             (long long)dt_clock_wall_ms(), count++);
}

static inline void world_fini(struct world *world)
{
    duet_side_close(world->client);
    duet_zone_free(world->zone);
    free(world->queues);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
}

/* Lock held. False after TIMEOUT_MS. */
static inline bool world_wait(struct world *world)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIMEOUT_MS / 1000;
    return pthread_cond_timedwait(&world->changed, &world->lock, &until) == 0;
}

/* Looks again and again whether a sender sees its side as wished. */
static inline void world_wait_reachable(struct duet_sender *sender, bool wished)
{
    int64_t deadline_ms = dt_clock_ms() + TIMEOUT_MS;

    while (duet_sender_reachable(sender) != wished) {
        if (dt_clock_ms() > deadline_ms)
            fail_msg("reachable is not %d in time", wished);
        usleep(1000);
    }
}

/* ---- sending ---- */

static inline void world_sent(void *context, void *token, enum duet_outcome outcome,
                              const char *reason, int64_t position)
{
    struct world *world = context;
    struct outcome *sent = &world->sent[(uintptr_t)token];

    pthread_mutex_lock(&world->lock);
    sent->calls++;
    sent->outcome = outcome;
    sent->position = position;
    world->outcomes++;
    if (outcome != DUET_DONE && getenv("DUET_TEST_VERBOSE") != NULL)
        fprintf(stderr, "%zu: outcome %d: %s\n", (size_t)(uintptr_t)token, outcome, reason);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static inline void world_wait_outcomes(struct world *world, size_t count)
{
    bool in_time = true;

    pthread_mutex_lock(&world->lock);
    while (world->outcomes < count && in_time)
        in_time = world_wait(world);
    pthread_mutex_unlock(&world->lock);
    if (!in_time)
        fail_msg("%zu outcomes of %zu", world->outcomes, count);
}

static inline struct duet_stamp world_stamp(int32_t partition, uint64_t sequence)
{
    struct duet_stamp stamp = {.window = 22600000, .day = 15706};

    stamp.id.instance = 5;
    stamp.id.boot = 9;
    stamp.id.partition = (uint16_t)partition;
    stamp.id.sequence = sequence;
    return stamp;
}

/* Sends the record under its stamp, as the dual producer does. The record's bytes must live
 * until the outcome; the stamp is copied by both sides. */
static inline dt_status world_send_stamp(struct world *world, struct duet_sender *sender,
                                         const struct duet_stamp *stamp,
                                         const struct duet_record *record, size_t token)
{
    uint8_t bytes[DUET_STAMP_SIZE];
    char text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_stamp flagged = *stamp;
    struct duet_rmq_message message = {.property_count = 0};
    struct duet_property *properties = calloc(DUET_HEADERS_MAX + 4, sizeof(*properties));
    struct dt_buf scratch;
    struct duet_send send = {.route = &world->route,
                             .partition = stamp->id.partition,
                             .record = record,
                             .stamp = bytes,
                             .message = &message,
                             .token = (void *)(uintptr_t)token};
    dt_status status;

    flagged.flags |= duet_mapping_flags(record);
    duet_stamp_encode(bytes, &flagged, &world->key, world->route.topic);
    duet_stamp_encode_text(text, &flagged, &world->key, world->route.topic);
    dt_buf_init(&scratch, 1 << 20);
    must(duet_mapping_encode(&message, record, dt_span_str(text), &scratch, properties));
    status = duet_sender_send(sender, &send);
    dt_buf_fini(&scratch);
    free(properties);
    return status;
}

static inline dt_status world_send(struct world *world, struct duet_sender *sender,
                                   int32_t partition, uint64_t sequence,
                                   const struct duet_record *record, size_t token)
{
    struct duet_stamp stamp = world_stamp(partition, sequence);

    return world_send_stamp(world, sender, &stamp, record, token);
}

/* ---- reading ---- */

static inline void world_notify(void *context)
{
    struct world *world = context;

    pthread_mutex_lock(&world->lock);
    world->notified++;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static inline struct duet_reader *world_reader_of(struct world *world, const char *group)
{
    struct duet_reader_config config = {.route = &world->route,
                                        .group = group,
                                        .stamp_key = &world->key,
                                        .zone = world->zone,
                                        .notify = world_notify,
                                        .context = world};
    struct duet_reader *reader;

    must(duet_reader_new(world->client, &config, &reader));
    return reader;
}

static inline struct duet_reader *world_reader(struct world *world)
{
    return world_reader_of(world, "side-test");
}

/* The next batch, waiting for notifications only; NULL if none came in time. */
static inline struct duet_read_batch *world_next(struct world *world,
                                                 struct duet_reader *reader, size_t max)
{
    struct duet_read_batch *batch = NULL;
    bool in_time = true;

    while (in_time) {
        uint64_t seen;

        pthread_mutex_lock(&world->lock);
        seen = world->notified;
        pthread_mutex_unlock(&world->lock);
        must(duet_reader_poll(reader, max, &batch));
        if (batch != NULL)
            break;
        pthread_mutex_lock(&world->lock);
        while (world->notified == seen && in_time)
            in_time = world_wait(world);
        pthread_mutex_unlock(&world->lock);
    }
    return batch;
}

/* The next batch with records, or an event; skips batches that only move a position. */
static inline struct duet_read_batch *world_read(struct world *world,
                                                 struct duet_reader *reader, size_t max)
{
    for (;;) {
        struct duet_read_batch *batch = world_next(world, reader, max);

        if (batch == NULL)
            fail_msg("nothing to read in time");
        if (batch->event != DUET_READ_RECORDS || batch->count > 0)
            return batch;
        duet_read_batch_free(batch);
    }
}

#endif
