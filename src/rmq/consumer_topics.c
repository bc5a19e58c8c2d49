/* Topics of a consumer: subscribing, giving up, pausing. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/consumer_inside.h"
#include "rmq/naming.h"

struct rmq_consumer_topic *rmq_consumer_find_topic(struct rmq_consumer *consumer,
                                                   const char *name)
{
    char room[RMQ_FULL_NAME_SIZE];
    struct dt_link *link;

    name = rmq_namespace_wrap(consumer->client->space, name, room);
    for (link = consumer->topics.next; link != &consumer->topics; link = link->next) {
        struct rmq_consumer_topic *topic =
            DT_CONTAINER(link, struct rmq_consumer_topic, link);

        if (strcmp(topic->name, name) == 0)
            return topic;
    }
    return NULL;
}

/* ---------------------------------------------------------------- membership */

struct membership {
    struct rmq_consumer *consumer;
    struct rmq_consumer_topic *topic;
    struct dt_event left;
};

static void join_on_loop(void *context)
{
    struct membership *membership = context;

    rmq_heartbeat_join(membership->consumer->client, &membership->topic->member);
}

static void on_left(void *context)
{
    struct membership *membership = context;

    dt_event_set(&membership->left);
}

static void leave_on_loop(void *context)
{
    struct membership *membership = context;

    rmq_heartbeat_leave(membership->consumer->client, &membership->topic->member, on_left,
                        membership);
}

static void leave(struct rmq_consumer *consumer, struct rmq_consumer_topic *topic)
{
    struct membership membership = {.consumer = consumer, .topic = topic};

    if (!topic->is_member)
        return;
    topic->is_member = false;
    dt_event_init(&membership.left);
    rmq_consumer_on_loop(consumer, leave_on_loop, &membership);
    dt_event_wait(&membership.left, INT64_MAX); /* it has a bound of its own */
    dt_event_fini(&membership.left);
}

void rmq_consumer_leave_group(struct rmq_consumer *consumer)
{
    struct dt_link *link;

    for (link = consumer->topics.next; link != &consumer->topics; link = link->next)
        leave(consumer, DT_CONTAINER(link, struct rmq_consumer_topic, link));
}

static void beat_on_loop(void *context)
{
    struct rmq_consumer *consumer = context;

    rmq_heartbeat_now(consumer->client);
}

/* ---------------------------------------------------------------- adding */

static const char *from_where(const rmq_consumer_config *config)
{
    switch (config->start) {
    case RMQ_START_LAST:
        return "CONSUME_FROM_LAST_OFFSET";
    case RMQ_START_TIME:
        return "CONSUME_FROM_TIMESTAMP";
    default:
        return "CONSUME_FROM_FIRST_OFFSET";
    }
}

static dt_status new_topic(struct rmq_consumer *consumer, const char *name,
                           const char *expression, bool is_retry,
                           struct rmq_consumer_topic **out)
{
    const rmq_consumer_config *config = &consumer->config;
    rmq_pull_consumer_config pulls = {
        .topic = name,
        .group = consumer->group,
        .subscription = expression,
        .queue_memory_max = config->queue_memory_max,
        .queue_count_max = config->queue_count_max,
        .queue_requests_max = config->queue_requests_max,
        .pull_count = config->pull_count,
        .suspend_ms = config->suspend_pull_ms,
        .ready = rmq_consumer_on_ready,
        .opaque = consumer,
    };
    struct rmq_consumer_topic *topic = calloc(1, sizeof(*topic));
    dt_status status;

    *out = NULL;
    if (topic == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a topic");
    status = rmq_pull_consumer_make(consumer->client, &pulls, &topic->pulls);
    if (status != DT_OK) {
        free(topic);
        return status;
    }
    strcpy(topic->name, name);
    topic->is_retry = is_retry;
    dt_list_init(&topic->link);
    dt_list_init(&topic->member.link);
    topic->member.group = consumer->group;
    topic->member.topic = topic->name;
    topic->member.expression = topic->pulls->subscription;
    topic->member.tags = &topic->pulls->tags;
    topic->member.from_where = from_where(config);
    *out = topic;
    return DT_OK;
}

void rmq_consumer_topic_free(struct rmq_consumer *consumer,
                             struct rmq_consumer_topic *topic)
{
    leave(consumer, topic);
    rmq_pull_consumer_free(topic->pulls);
    free(topic);
}

/* The queues that are read for the old expression are read on for the new one, from where all is
 * handled. Lock: mutex held. */
static dt_status replace(struct rmq_consumer *consumer, struct rmq_consumer_topic *old,
                         struct rmq_consumer_topic *topic)
{
    struct dt_link *link;
    dt_status status = DT_OK;

    atomic_store(&topic->is_paused, atomic_load(&old->is_paused));
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->topic != old || held->is_leaving)
            continue;
        rmq_pull_consumer_unassign(old->pulls, &held->queue);
        held->topic = topic;
        held->pull = NULL;
        if (!held->is_started)
            continue;
        held->taken = rmq_held_low(held);
        rmq_held_detach(held);
        status = rmq_pull_consumer_assign(topic->pulls, &held->queue, held->taken);
        if (status != DT_OK) { /* the manager tries again, from what is committed */
            held->is_started = false;
            held->retry_ms = dt_clock_ms();
        }
    }
    dt_list_remove(&old->link);
    dt_list_append(&consumer->old_topics, &old->link);
    old->is_old = true;
    return status;
}

dt_status rmq_consumer_add_topic(struct rmq_consumer *consumer, const char *name,
                                 const char *expression, bool is_retry)
{
    struct rmq_consumer_topic *topic, *old;
    struct membership membership = {.consumer = consumer};
    bool is_stopping;
    dt_status status = new_topic(consumer, name, expression, is_retry, &topic);

    if (status != DT_OK)
        return status;
    membership.topic = topic;
    status = rmq_client_run(consumer->client, join_on_loop, &membership);
    if (status != DT_OK) {
        rmq_pull_consumer_free(topic->pulls);
        free(topic);
        return status;
    }
    topic->is_member = true;
    pthread_mutex_lock(&consumer->mutex);
    is_stopping = consumer->is_stopping;
    old = rmq_consumer_find_topic(consumer, name);
    if (!is_stopping) {
        topic->number = consumer->topic_numbers++;
        if (old != NULL)
            (void)replace(consumer, old, topic);
        dt_list_append(&consumer->topics, &topic->link);
        consumer->wants_rebalance = true;
        rmq_manager_wake(consumer);
    }
    pthread_mutex_unlock(&consumer->mutex);
    if (is_stopping) {
        rmq_consumer_topic_free(consumer, topic);
        return dt_error_set(DT_ECLOSED, "the consumer was stopped");
    }
    if (old != NULL) {
        leave(consumer, old);
        rmq_consumer_on_loop(consumer, beat_on_loop, consumer);
    }
    return DT_OK;
}

/* ---------------------------------------------------------------- for applications */

static bool is_retry_topic(const char *topic)
{
    return strncmp(topic, RMQ_RETRY_PREFIX, strlen(RMQ_RETRY_PREFIX)) == 0;
}

dt_status rmq_consumer_subscribe(rmq_consumer *consumer, const char *topic,
                                 const char *expression)
{
    char room[RMQ_FULL_NAME_SIZE];
    dt_status status;

    if (consumer == NULL || topic == NULL)
        return dt_error_set(DT_EINVAL, "no consumer or no topic");
    topic = rmq_namespace_wrap(consumer->client->space, topic, room);
    if (rmq_client_check(consumer->client, true) != DT_OK)
        return DT_ESTATE;
    status = rmq_topic_name_check(topic);
    if (status == DT_OK && is_retry_topic(topic))
        status = dt_error_set(DT_EINVAL, "a group's retry topic is subscribed to anyway");
    if (status == DT_OK)
        status = rmq_consumer_add_topic(consumer, topic, expression, false);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "subscribing");
}

static dt_status not_subscribed(const char *topic)
{
    return dt_error_set(DT_ENOTFOUND, "topic '%s' is not subscribed to", topic);
}

dt_status rmq_consumer_unsubscribe(rmq_consumer *consumer, const char *topic)
{
    struct rmq_consumer_topic *found;
    struct dt_link *link;

    if (consumer == NULL || topic == NULL || is_retry_topic(topic))
        return dt_error_set(DT_EINVAL, "no consumer, or no topic that can be given up");
    if (rmq_client_check(consumer->client, true) != DT_OK)
        return DT_ESTATE;
    pthread_mutex_lock(&consumer->mutex);
    found = rmq_consumer_find_topic(consumer, topic);
    if (found == NULL) {
        pthread_mutex_unlock(&consumer->mutex);
        return not_subscribed(topic);
    }
    found->is_old = true;
    dt_list_remove(&found->link);
    dt_list_append(&consumer->old_topics, &found->link);
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

        if (held->topic == found)
            rmq_consumer_leave(consumer, held,
                               dt_clock_ms() + consumer->config.release_wait_ms);
    }
    rmq_manager_wake(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    leave(consumer, found);
    return rmq_client_run(consumer->client, beat_on_loop, consumer);
}

static dt_status set_paused(rmq_consumer *consumer, const char *topic, bool is_paused)
{
    struct rmq_consumer_topic *found = NULL;

    if (consumer == NULL)
        return dt_error_set(DT_EINVAL, "no consumer");
    if (rmq_client_check(consumer->client, false) != DT_OK)
        return DT_ESTATE;
    pthread_mutex_lock(&consumer->mutex);
    if (topic == NULL)
        atomic_store(&consumer->is_paused, is_paused);
    else if ((found = rmq_consumer_find_topic(consumer, topic)) != NULL)
        atomic_store(&found->is_paused, is_paused);
    rmq_workers_wake(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    return topic == NULL || found != NULL ? DT_OK : not_subscribed(topic);
}

dt_status rmq_consumer_pause(rmq_consumer *consumer, const char *topic)
{
    return set_paused(consumer, topic, true);
}

dt_status rmq_consumer_resume(rmq_consumer *consumer, const char *topic)
{
    return set_paused(consumer, topic, false);
}
