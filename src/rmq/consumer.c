#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/consumer_inside.h"
#include "rmq/consumer_statistics.h"
#include "rmq/naming.h"

enum {
    FREE_STOP_MS =
        30000, /* what rmq_consumer_free() gives to a stop that nobody asked for */
    THREADS_MAX = 1024,
    CALL_COUNT_MAX = 1024
};

/* ---------------------------------------------------------------- settings */

static bool is_negative(const rmq_consumer_config *config)
{
    return config->threads < 0 || config->call_count_max < 0 || config->max_attempts < 0 ||
           config->start_wall_ms < 0 || config->queue_span_max < 0 ||
           config->queue_requests_max < 0 || config->pull_count < 0 ||
           config->suspend_pull_ms < 0 || config->rebalance_period_ms < 0 ||
           config->commit_period_ms < 0 || config->lock_period_ms < 0 ||
           config->suspend_ms < 0 || config->local_retry_ms < 0 ||
           config->release_wait_ms < 0;
}

static dt_status check_settings(const rmq_consumer_config *config)
{
    dt_status status = rmq_group_name_check(config->group);

    if (status != DT_OK)
        return status;
    if (strlen(config->group) > RMQ_CONSUMER_GROUP_MAX)
        return dt_error_set(DT_EINVAL, "the name of group '%s' has more than %d bytes",
                            config->group, RMQ_CONSUMER_GROUP_MAX);
    if (config->handler == NULL)
        return dt_error_set(DT_EINVAL, "no handler for the messages");
    if (is_negative(config))
        return dt_error_set(DT_EINVAL, "a number of the consumer's settings is negative");
    if (config->threads > THREADS_MAX || config->call_count_max > CALL_COUNT_MAX)
        return dt_error_set(DT_EINVAL, "more than %d threads, or %d messages in a call",
                            THREADS_MAX, CALL_COUNT_MAX);
    if ((unsigned)config->strategy > RMQ_STRATEGY_OWN ||
        (config->strategy == RMQ_STRATEGY_OWN && config->divide == NULL))
        return dt_error_set(DT_EINVAL, "no such strategy, or no function for an own one");
    if (config->start != RMQ_START_FIRST && config->start != RMQ_START_LAST &&
        config->start != RMQ_START_TIME)
        return dt_error_set(DT_EINVAL, "a consumer cannot start there");
    if (config->subscription_count > 0 && config->subscriptions == NULL)
        return dt_error_set(DT_EINVAL, "subscriptions are counted but not there");
    return DT_OK;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static void take_settings(struct rmq_consumer *consumer, const rmq_consumer_config *given)
{
    rmq_consumer_config *config = &consumer->config;

    *config = *given;
    strcpy(consumer->group, given->group);
    config->group = consumer->group;
    config->subscriptions = NULL;
    config->subscription_count = 0;
    config->threads = (int32_t)or_default(config->threads, 20);
    config->call_count_max = (int32_t)or_default(config->call_count_max, 1);
    if (!config->orderly)
        config->max_attempts = (int32_t)or_default(config->max_attempts, 16);
    if (config->queue_count_max == 0)
        config->queue_count_max = 4096;
    if (config->queue_memory_max == 0)
        config->queue_memory_max = (size_t)16 << 20;
    config->queue_span_max = or_default(config->queue_span_max, 2000);
    config->rebalance_period_ms = or_default(config->rebalance_period_ms, 20000);
    config->commit_period_ms = or_default(config->commit_period_ms, 5000);
    config->lock_period_ms = or_default(config->lock_period_ms, 20000);
    config->suspend_ms = or_default(config->suspend_ms, 1000);
    config->local_retry_ms = or_default(config->local_retry_ms, 5000);
    config->release_wait_ms = or_default(config->release_wait_ms, 1000);
}

/* ---------------------------------------------------------------- from brokers */

static void on_members_changed(void *owner)
{
    struct rmq_consumer *consumer = owner;

    pthread_mutex_lock(&consumer->mutex);
    consumer->wants_rebalance = true;
    rmq_manager_wake(consumer);
    pthread_mutex_unlock(&consumer->mutex);
}

struct add_inbound {
    struct rmq_consumer *consumer;
    bool is_added;
};

static void add_inbound(void *context)
{
    struct add_inbound *add = context;

    add->is_added = rmq_inbound_add(add->consumer->client, &add->consumer->inbound);
    if (!add->is_added)
        return;
    add->consumer->statistics.owner = add->consumer;
    add->consumer->statistics.write = rmq_consumer_write_statistics;
    rmq_statistics_join(add->consumer->client, &add->consumer->statistics);
}

static void remove_inbound(void *context)
{
    struct rmq_consumer *consumer = context;

    rmq_inbound_remove(&consumer->inbound);
    rmq_statistics_leave(&consumer->statistics);
}

/* ---------------------------------------------------------------- life */

static void free_timer(void *context)
{
    struct rmq_consumer *consumer = context;

    dt_timer_free(consumer->timer);
    consumer->timer = NULL;
}

static void free_topics(struct rmq_consumer *consumer, struct dt_link *topics)
{
    while (!dt_list_is_empty(topics)) {
        struct rmq_consumer_topic *topic =
            DT_CONTAINER(topics->next, struct rmq_consumer_topic, link);

        dt_list_remove(&topic->link);
        rmq_consumer_topic_free(consumer, topic);
    }
}

/* Threads have ended, or were never started. */
static void free_consumer(struct rmq_consumer *consumer)
{
    while (!dt_list_is_empty(&consumer->held))
        rmq_held_free(DT_CONTAINER(consumer->held.next, struct rmq_held, link));
    while (!dt_list_is_empty(&consumer->gone))
        rmq_held_free(DT_CONTAINER(consumer->gone.next, struct rmq_held, link));
    free_topics(consumer, &consumer->topics);
    free_topics(consumer, &consumer->old_topics);
    while (!dt_list_is_empty(&consumer->resets)) {
        struct rmq_reset *reset =
            DT_CONTAINER(consumer->resets.next, struct rmq_reset, link);

        dt_list_remove(&reset->link);
        free(reset);
    }
    if (consumer->timer != NULL)
        rmq_consumer_on_loop(consumer, free_timer, consumer);
    dt_event_fini(&consumer->stopped);
    pthread_mutex_destroy(&consumer->stop_mutex);
    pthread_mutex_destroy(&consumer->commit_mutex);
    pthread_mutex_destroy(&consumer->mutex);
    pthread_cond_destroy(&consumer->work);
    pthread_cond_destroy(&consumer->chore);
    free(consumer->workers);
    free(consumer);
}

static void init_consumer(struct rmq_consumer *consumer, rmq_client *client)
{
    consumer->client = client;
    consumer->started_wall_ms = dt_clock_wall_ms();
    dt_list_init(&consumer->topics);
    dt_list_init(&consumer->old_topics);
    dt_list_init(&consumer->held);
    dt_list_init(&consumer->gone);
    dt_list_init(&consumer->resets);
    pthread_mutex_init(&consumer->mutex, NULL);
    pthread_mutex_init(&consumer->commit_mutex, NULL);
    pthread_mutex_init(&consumer->stop_mutex, NULL);
    dt_cond_init(&consumer->work);
    dt_cond_init(&consumer->chore);
    dt_event_init(&consumer->stopped);
    dt_list_init(&consumer->inbound.link);
    consumer->inbound.group = consumer->group;
    consumer->inbound.owner = consumer;
    consumer->inbound.members_changed = on_members_changed;
    consumer->inbound.reset = rmq_consumer_on_reset;
    consumer->inbound.describe = rmq_consumer_describe;
}

static void join_workers(struct rmq_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    consumer->workers_end = true;
    consumer->is_stopping = true;
    rmq_workers_wake(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    for (size_t i = 0; i < consumer->worker_count; i++)
        pthread_join(consumer->workers[i], NULL);
    consumer->worker_count = 0;
}

/* Signals are for the application's own threads. */
static dt_status start_threads(struct rmq_consumer *consumer)
{
    size_t count = (size_t)consumer->config.threads;
    sigset_t all, before;
    dt_status status = DT_OK;

    consumer->workers = calloc(count, sizeof(*consumer->workers));
    if (consumer->workers == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for threads");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (status == DT_OK && consumer->worker_count < count) {
        if (pthread_create(&consumer->workers[consumer->worker_count], NULL,
                           rmq_worker_main, consumer) != 0)
            status = dt_error_set(DT_EIO, "no thread for a consumer");
        else
            consumer->worker_count++;
    }
    if (status == DT_OK &&
        pthread_create(&consumer->manager, NULL, rmq_manager_main, consumer) != 0)
        status = dt_error_set(DT_EIO, "no thread for a consumer");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != DT_OK)
        join_workers(consumer);
    return status;
}

static dt_status add_topics(struct rmq_consumer *consumer,
                            const rmq_consumer_config *config)
{
    char retry[sizeof(RMQ_RETRY_PREFIX) + RMQ_CONSUMER_GROUP_MAX];
    dt_status status = DT_OK;

    for (size_t i = 0; status == DT_OK && i < config->subscription_count; i++)
        status = rmq_consumer_subscribe(consumer, config->subscriptions[i].topic,
                                        config->subscriptions[i].expression);
    if (status != DT_OK)
        return status;
    snprintf(retry, sizeof(retry), "%s%s", RMQ_RETRY_PREFIX, consumer->group);
    return rmq_consumer_add_topic(consumer, retry, "*", true);
}

dt_status rmq_consumer_new(rmq_client *client, const rmq_consumer_config *config,
                           rmq_consumer **out)
{
    char room[RMQ_FULL_NAME_SIZE];
    rmq_consumer_config full;
    struct rmq_consumer *consumer;
    struct add_inbound add;
    dt_status status;

    if (client == NULL || config == NULL || out == NULL)
        return dt_error_set(DT_EINVAL, "no client, settings or place for the consumer");
    *out = NULL;
    if (rmq_client_check(client, true) != DT_OK)
        return DT_ESTATE;
    full = *config;
    full.group = rmq_namespace_wrap(client->space, config->group, room);
    config = &full;
    status = check_settings(config);
    if (status != DT_OK)
        return status;
    consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a consumer");
    init_consumer(consumer, client);
    take_settings(consumer, config);
    add = (struct add_inbound){consumer, false};
    status =
        dt_timer_new(client->loop, rmq_consumer_on_help_timer, consumer, &consumer->timer);
    if (status == DT_OK)
        status = rmq_client_run(client, add_inbound, &add);
    if (status == DT_OK && !add.is_added)
        status = dt_error_set(DT_EEXIST, "the client has a consumer of group '%s' already",
                              consumer->group);
    if (status == DT_OK)
        status = add_topics(consumer, config);
    if (status == DT_OK)
        status = start_threads(consumer);
    if (status != DT_OK) {
        if (add.is_added)
            rmq_consumer_on_loop(consumer, remove_inbound, consumer);
        rmq_consumer_leave_group(consumer);
        free_consumer(consumer);
        return status;
    }
    *out = consumer;
    return DT_OK;
}

dt_status rmq_consumer_stop(rmq_consumer *consumer, int64_t timeout_ms)
{
    dt_status status = DT_OK;

    if (consumer == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no consumer, or no time to stop it");
    if (rmq_client_check(consumer->client, true) != DT_OK)
        return DT_ESTATE;
    if (rmq_consumer_is_here(consumer))
        return dt_error_set(DT_ESTATE, "a consumer is not stopped from its own handler");
    pthread_mutex_lock(&consumer->stop_mutex);
    if (!consumer->has_stopped) {
        consumer->has_stopped = true;
        pthread_mutex_lock(&consumer->mutex);
        consumer->is_stopping = true;
        consumer->stop_ms = rmq_deadline_ms(timeout_ms);
        rmq_manager_wake(consumer);
        pthread_mutex_unlock(&consumer->mutex);
        dt_event_wait(&consumer->stopped, INT64_MAX);
        rmq_consumer_on_loop(consumer, remove_inbound, consumer);
        rmq_consumer_leave_group(consumer);
        pthread_join(consumer->manager, NULL);
        status = consumer->stop_status;
        if (status != DT_OK)
            dt_error_set(status, "stopping group '%s': %s", consumer->group,
                         consumer->stop_reason);
    }
    pthread_mutex_unlock(&consumer->stop_mutex);
    return status;
}

void rmq_consumer_free(rmq_consumer *consumer)
{
    if (consumer == NULL || rmq_consumer_is_here(consumer) ||
        rmq_client_check(consumer->client, true) != DT_OK)
        return;
    if (rmq_consumer_stop(consumer, FREE_STOP_MS) != DT_OK)
        rmq_client_log(consumer->client, DT_LOG_WARNING, "%s", dt_error_text());
    join_workers(consumer);
    free_consumer(consumer);
}

void rmq_consumer_get_stats(const rmq_consumer *consumer, rmq_consumer_stats *out)
{
    const struct rmq_consumer_counters *counters = &consumer->counters;

    out->handled = atomic_load(&counters->handled);
    out->later = atomic_load(&counters->later);
    out->sent_back = atomic_load(&counters->sent_back);
    out->local_retry = atomic_load(&counters->local_retry);
    out->rebalances = atomic_load(&counters->rebalances);
    out->commits = atomic_load(&counters->commits);
}
