/*
 * rmq_world.h - a client with a topic of its own, on the in-memory RocketMQ, or on a real one
 * whose name server DUET_TEST_NAMESRV names. Cases that inject faults are skipped on a real one.
 *
 * Include it after <cmocka.h>.
 */
#ifndef COMPONENT_RMQ_WORLD_H
#define COMPONENT_RMQ_WORLD_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "rmq/mock.h"
#include "rmq/rmq.h"

enum { LONG_MS = 20000 }; /* nothing here takes that long unless it is broken */

struct world {
    rmq_mock *mock; /* NULL: a real one */
    char namesrv[300];
    char topic[64];
    rmq_client *client;
    rmq_queue *queues;
    size_t queue_count;
};

#define assert_done(call)                                                                  \
    do {                                                                                   \
        dt_status status_of_call = (call);                                                 \
        if (status_of_call != DT_OK)                                                       \
            print_error("%s: %s: %s\n", #call, dt_status_name(status_of_call),             \
                        dt_error_text());                                                  \
        assert_int_equal(status_of_call, DT_OK);                                           \
    } while (0)

#define assert_status(call, expected)                                                      \
    do {                                                                                   \
        dt_status status_of_call = (call);                                                 \
        if (status_of_call != (expected))                                                  \
            print_error("%s: %s: %s\n", #call, dt_status_name(status_of_call),             \
                        status_of_call == DT_OK ? "" : dt_error_text());                   \
        assert_int_equal(status_of_call, expected);                                        \
    } while (0)

/* A mock, or the real one; no client yet. */
static inline void world_find(struct world *world, bool needs_mock)
{
    const char *real = getenv("DUET_TEST_NAMESRV");
    static int serial;

    memset(world, 0, sizeof(*world));
    snprintf(world->topic, sizeof(world->topic), "T%d-%d", (int)getpid(), serial++);
    if (real != NULL && real[0] != 0) {
        if (needs_mock)
            skip();
        snprintf(world->namesrv, sizeof(world->namesrv), "%s", real);
        return;
    }
    assert_done(rmq_mock_new(NULL, &world->mock));
    snprintf(world->namesrv, sizeof(world->namesrv), "%s", rmq_mock_namesrv(world->mock));
}

static inline rmq_client *world_client(struct world *world,
                                       const rmq_client_config *settings)
{
    rmq_client_config config = {0};
    rmq_client *client;

    if (settings != NULL)
        config = *settings;
    if (config.namesrv == NULL)
        config.namesrv = world->namesrv;
    assert_done(rmq_client_new(&config, &client));
    return client;
}

static inline void world_open(struct world *world, bool needs_mock, int32_t queues,
                              const rmq_client_config *settings)
{
    world_find(world, needs_mock);
    world->client = world_client(world, settings);
    assert_done(rmq_topic_create(world->client, world->topic, queues, LONG_MS));
    assert_done(rmq_topic_write_queues(world->client, world->topic, &world->queues,
                                       &world->queue_count, LONG_MS));
    assert_true(world->queue_count >= (size_t)queues);
}

static inline void world_close(struct world *world)
{
    rmq_free(world->queues);
    rmq_client_free(world->client);
    rmq_mock_free(world->mock);
}

static inline rmq_producer *world_producer(struct world *world,
                                           const rmq_producer_config *settings)
{
    rmq_producer_config config = {0};
    rmq_producer *producer;

    if (settings != NULL)
        config = *settings;
    config.group = "producers";
    assert_done(rmq_producer_new(world->client, &config, &producer));
    return producer;
}

static inline rmq_pull_consumer *world_consumer(struct world *world,
                                                const rmq_pull_consumer_config *settings)
{
    rmq_pull_consumer_config config = {0};
    rmq_pull_consumer *consumer;

    if (settings != NULL)
        config = *settings;
    config.topic = world->topic;
    if (config.group == NULL)
        config.group = "readers";
    assert_done(rmq_pull_consumer_new(world->client, &config, &consumer));
    return consumer;
}

static inline rmq_message text_message(const struct world *world, const char *text)
{
    rmq_message message = {0};

    message.topic = world->topic;
    message.body = text;
    message.body_size = strlen(text);
    return message;
}

/* The mock is away, and the client has seen its connections close: what is sent from now on is
 * not sent. */
static inline void world_down(struct world *world)
{
    int64_t offset;

    rmq_mock_down(world->mock);
    assert_status(
        rmq_offset_max(world->client, world->topic, &world->queues[0], 100, &offset),
        DT_EUNREACH);
}

/* ---------------------------------------------------------------- outcomes */

/* What became of messages that were sent asynchronously, by the number given to each. */
enum { SENT_MAX = 8192 };

struct sent;
struct sent_one {
    struct sent *all;
    dt_status status;
    int calls;
    int64_t offset;
    bool less_safe;
    char reason[200];
    char message_id[64];
};

struct sent {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int ended;
    struct sent_one one[SENT_MAX];
};

static inline struct sent *sent_new(void)
{
    struct sent *sent = calloc(1, sizeof(*sent));

    assert_non_null(sent);
    pthread_mutex_init(&sent->mutex, NULL);
    pthread_cond_init(&sent->changed, NULL);
    for (int i = 0; i < SENT_MAX; i++)
        sent->one[i].all = sent;
    return sent;
}

static inline void sent_free(struct sent *sent)
{
    pthread_cond_destroy(&sent->changed);
    pthread_mutex_destroy(&sent->mutex);
    free(sent);
}

static inline void sent_fn(void *opaque, dt_status status, const char *reason,
                           const rmq_receipt *receipt)
{
    struct sent_one *one = opaque;

    pthread_mutex_lock(&one->all->mutex);
    one->status = status;
    one->calls++;
    snprintf(one->reason, sizeof(one->reason), "%s", reason);
    if (receipt != NULL) {
        one->offset = receipt->offset;
        one->less_safe = receipt->less_safe;
        snprintf(one->message_id, sizeof(one->message_id), "%s", receipt->message_id);
    }
    one->all->ended++;
    pthread_cond_broadcast(&one->all->changed);
    pthread_mutex_unlock(&one->all->mutex);
}

static inline void sent_wait(struct sent *sent, int count)
{
    pthread_mutex_lock(&sent->mutex);
    while (sent->ended < count)
        pthread_cond_wait(&sent->changed, &sent->mutex); /* ctest has the time-out */
    pthread_mutex_unlock(&sent->mutex);
}

/* Message number i has the body "i". */
static inline dt_status send_number(struct world *world, rmq_producer *producer,
                                    size_t queue, struct sent *sent, int i,
                                    int64_t timeout_ms)
{
    char text[16];
    rmq_message message;

    snprintf(text, sizeof(text), "%d", i);
    message = text_message(world, text);
    return rmq_send_async(producer, &world->queues[queue], &message, timeout_ms, sent_fn,
                          &sent->one[i]);
}

/* ---------------------------------------------------------------- reading back */

static inline int number_of(const rmq_received *message)
{
    char text[16] = "";

    assert_true(message->body_size < sizeof(text));
    memcpy(text, message->body, message->body_size);
    return atoi(text);
}

/* Reads the numbers of a queue from its start to its end, `least` of them at least: a real
 * broker shows the end of a queue a moment late. How many there are. */
static inline int read_numbers(struct world *world, size_t queue, int *numbers, int max,
                               int least)
{
    rmq_pull_consumer *consumer = world_consumer(world, NULL);
    int64_t end = 0, next = 0;
    int count = 0;

    assert_done(rmq_pull_consumer_assign(consumer, &world->queues[queue], 0));
    while (next < end || count < least) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++) {
            assert_true(count < max);
            assert_int_equal(batch->messages[i].offset, count);
            numbers[count++] = number_of(&batch->messages[i]);
        }
        next = batch->next_offset;
        rmq_batch_free(batch);
        assert_done(rmq_offset_max(world->client, world->topic, &world->queues[queue],
                                   LONG_MS, &end));
    }
    rmq_pull_consumer_free(consumer);
    return count;
}

/* Every number from 0 on is there, and each stands for the first time behind the one before. */
static inline void assert_in_order(const int *numbers, int count, int expected)
{
    int next = 0;

    for (int i = 0; i < count; i++) {
        assert_true(numbers[i] <= next);
        next += numbers[i] == next;
    }
    assert_int_equal(next, expected);
}

#endif
