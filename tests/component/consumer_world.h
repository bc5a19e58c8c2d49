/*
 * consumer_world.h - group consumers under test: what their handlers got, and what they hold.
 *
 * Include it after <cmocka.h>.
 */
#ifndef COMPONENT_CONSUMER_WORLD_H
#define COMPONENT_CONSUMER_WORLD_H

#include "rmq_world.h"

enum { SEEN_MAX = 4096, TOLD_MAX = 256 };

/* What the handlers of one or more consumers got; message number i has the body "i". */
struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int times[SEEN_MAX]; /* handled */
    int calls[SEEN_MAX]; /* given */
    int handled;         /* different ones */
    int order[4 * SEEN_MAX];
    int order_count;
    int running, most_running;
    int last_times; /* reconsume_times of the last message given */
    char last_topic[128];
    /* what to do */
    int fail_times;      /* each message so often before it is handled */
    int fail_number;     /* only this one; -1: all */
    int32_t delay_level; /* of those that fail */
    int block;           /* handlers wait while it is set */
    size_t most_in_call;
    rmq_consumer *consumer; /* for a handler that needs it */
    /* queues that were given and are held now, by all consumers */
    int held, given, taken;
};

static inline struct seen *seen_new(void)
{
    struct seen *seen = calloc(1, sizeof(*seen));

    assert_non_null(seen);
    pthread_mutex_init(&seen->mutex, NULL);
    pthread_cond_init(&seen->changed, NULL);
    seen->fail_number = -1;
    return seen;
}

static inline void seen_free(struct seen *seen)
{
    pthread_cond_destroy(&seen->changed);
    pthread_mutex_destroy(&seen->mutex);
    free(seen);
}

static inline void seen_set_block(struct seen *seen, int block)
{
    pthread_mutex_lock(&seen->mutex);
    seen->block = block;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
}

static inline rmq_handled seen_handle(void *opaque, rmq_delivery *delivery)
{
    struct seen *seen = opaque;
    rmq_handled outcome = RMQ_HANDLED;

    pthread_mutex_lock(&seen->mutex);
    seen->running++;
    if (seen->running > seen->most_running)
        seen->most_running = seen->running;
    if (delivery->count > seen->most_in_call)
        seen->most_in_call = delivery->count;
    for (size_t i = 0; i < delivery->count; i++) {
        const rmq_received *message = &delivery->messages[i];
        char text[16] = "";
        int number;

        memcpy(text, message->body, message->body_size < 15 ? message->body_size : 15);
        number = atoi(text);
        if (number < 0 || number >= SEEN_MAX || seen->order_count >= 4 * SEEN_MAX)
            abort();
        seen->calls[number]++;
        seen->order[seen->order_count++] = number;
        seen->last_times = message->reconsume_times;
        snprintf(seen->last_topic, sizeof(seen->last_topic), "%s", message->topic);
        pthread_cond_broadcast(&seen->changed);
        while (seen->block)
            pthread_cond_wait(&seen->changed, &seen->mutex);
        if (outcome == RMQ_LATER ||
            ((seen->fail_number < 0 || seen->fail_number == number) &&
             seen->calls[number] <= seen->fail_times)) {
            outcome = RMQ_LATER;
            delivery->delay_level = seen->delay_level;
            continue;
        }
        delivery->handled_count = i + 1;
        if (seen->times[number]++ == 0)
            seen->handled++;
    }
    seen->running--;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
    return outcome;
}

static inline void seen_assigned(void *opaque, const char *topic, const rmq_queue *queue,
                                 bool given)
{
    struct seen *seen = opaque;

    (void)queue;
    if (strncmp(topic, "%RETRY%", 7) == 0)
        return;
    pthread_mutex_lock(&seen->mutex);
    seen->held += given ? 1 : -1;
    seen->given += given;
    seen->taken += !given;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
}

/* Waits until a number of `seen` is at least so large. ctest has the time-out. */
static inline void seen_wait(struct seen *seen, const int *number, int least)
{
    pthread_mutex_lock(&seen->mutex);
    while (*number < least)
        pthread_cond_wait(&seen->changed, &seen->mutex);
    pthread_mutex_unlock(&seen->mutex);
}

static inline void seen_wait_exactly(struct seen *seen, const int *number, int wanted)
{
    pthread_mutex_lock(&seen->mutex);
    while (*number != wanted)
        pthread_cond_wait(&seen->changed, &seen->mutex);
    pthread_mutex_unlock(&seen->mutex);
}

/* Each message from..to-1 was handled, none more than so often. */
static inline void assert_handled(struct seen *seen, int from, int to, int most)
{
    pthread_mutex_lock(&seen->mutex);
    for (int i = from; i < to; i++) {
        if (seen->times[i] < 1 || seen->times[i] > most)
            print_error("message %d was handled %d times\n", i, seen->times[i]);
        assert_in_range(seen->times[i], 1, most);
    }
    pthread_mutex_unlock(&seen->mutex);
}

static inline const char *world_group(const struct world *world)
{
    static char group[80];

    snprintf(group, sizeof(group), "G-%s", world->topic);
    return group;
}

/* A consumer of the world's topic that tells `seen`. */
static inline rmq_consumer *group_consumer(struct world *world, rmq_client *client,
                                           struct seen *seen,
                                           const rmq_consumer_config *settings)
{
    rmq_subscription subscription = {world->topic, NULL};
    rmq_consumer_config config = {0};
    rmq_consumer *consumer;

    if (settings != NULL)
        config = *settings;
    config.group = world_group(world);
    if (config.subscriptions == NULL) {
        config.subscriptions = &subscription;
        config.subscription_count = 1;
    }
    if (config.handler == NULL)
        config.handler = seen_handle;
    config.assigned = seen_assigned;
    config.opaque = seen;
    if (config.threads == 0)
        config.threads = 4;
    assert_done(rmq_consumer_new(client, &config, &consumer));
    return consumer;
}

/* Sends numbers from..to-1, in turn to the queues. */
static inline void send_numbers(struct world *world, int from, int to)
{
    rmq_producer *producer = world_producer(world, NULL);
    struct sent *sent = sent_new();

    for (int i = from; i < to; i++)
        assert_done(
            send_number(world, producer, (size_t)i % world->queue_count, sent, i, LONG_MS));
    sent_wait(sent, to - from);
    for (int i = from; i < to; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
}

/* What the group has committed, over all queues of the topic. */
static inline int64_t committed(struct world *world)
{
    int64_t sum = 0;

    for (size_t i = 0; i < world->queue_count; i++) {
        int64_t offset = 0;
        dt_status status = rmq_offset_query(world->client, world_group(world), world->topic,
                                            &world->queues[i], LONG_MS, &offset);

        assert_true(status == DT_OK || status == DT_ENOTFOUND);
        sum += status == DT_OK ? offset : 0;
    }
    return sum;
}

#endif
