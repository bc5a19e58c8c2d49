#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/consumer_statistics.h"
#include "rmq/naming.h"
#include "rmq/pull_consumer_inside.h"

/* ---------------------------------------------------------------- from the pulls */

void rmq_pull_consumer_answered(struct rmq_pull_consumer *consumer)
{
    atomic_store(&consumer->silent_since_ms, 0);
}

void rmq_pull_consumer_unanswered(struct rmq_pull_consumer *consumer, int64_t since_ms)
{
    int_least64_t well = 0;

    atomic_compare_exchange_strong(&consumer->silent_since_ms, &well, since_ms);
}

int64_t rmq_pull_consumer_silent_ms(const rmq_pull_consumer *consumer)
{
    int64_t since_ms = atomic_load(&consumer->silent_since_ms);
    int64_t now_ms = dt_clock_ms();

    return since_ms == 0 || since_ms > now_ms ? 0 : now_ms - since_ms;
}

static void count_in(struct rmq_pull *pull, const struct rmq_chunk *chunk)
{
    pull->buffered += rmq_chunk_memory(chunk);
    pull->buffered_count += chunk->message_count;
}

/* Has a place in the row of those that can be polled, if there is something. */
static void show(struct rmq_pull *pull)
{
    if (!dt_list_is_empty(&pull->chunks) && !pull->is_paused &&
        dt_list_is_empty(&pull->ready))
        dt_list_append(&pull->consumer->ready, &pull->ready);
}

void rmq_pull_consumer_take(struct rmq_pull *pull, struct rmq_chunk *chunk)
{
    struct rmq_pull_consumer *consumer = pull->consumer;
    bool tell = false;

    pthread_mutex_lock(&consumer->mutex);
    if (pull->generation == pull->running && pull->is_assigned) {
        dt_list_append(&pull->chunks, &chunk->link);
        count_in(pull, chunk);
        show(pull);
        tell = !dt_list_is_empty(&consumer->ready) && consumer->wants_ready;
        consumer->wants_ready &= !tell;
        pthread_cond_signal(&consumer->arrived);
        chunk = NULL;
    }
    pthread_mutex_unlock(&consumer->mutex);
    free(chunk);
    if (tell && consumer->ready_fn != NULL)
        consumer->ready_fn(consumer->opaque);
}

void rmq_pull_consumer_tell(struct rmq_pull_consumer *consumer)
{
    bool tell;

    pthread_mutex_lock(&consumer->mutex);
    tell = !dt_list_is_empty(&consumer->ready) && consumer->wants_ready;
    consumer->wants_ready &= !tell;
    pthread_mutex_unlock(&consumer->mutex);
    if (tell && consumer->ready_fn != NULL)
        consumer->ready_fn(consumer->opaque);
}

/* ---------------------------------------------------------------- polling */

/* The first chunk of a pull that has one; others have their turn after it. Lock: mutex held. */
static struct rmq_chunk *take_from(struct rmq_pull *pull)
{
    struct rmq_chunk *chunk = DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link);

    dt_list_remove(&chunk->link);
    pull->buffered -= rmq_chunk_memory(chunk);
    pull->buffered_count -= chunk->message_count;
    dt_list_remove(&pull->ready);
    show(pull);
    return chunk;
}

/* The next chunk, from the queue whose turn it is; NULL: there is none. Lock: mutex held. */
static struct rmq_chunk *take_chunk(struct rmq_pull_consumer *consumer,
                                    struct rmq_pull **from)
{
    if (dt_list_is_empty(&consumer->ready))
        return NULL;
    *from = DT_CONTAINER(consumer->ready.next, struct rmq_pull, ready);
    return take_from(*from);
}

/* The batch could not be made: the chunk is the next again, if it still counts. */
static void put_back(struct rmq_pull_consumer *consumer, struct rmq_pull *pull,
                     uint64_t generation, struct rmq_chunk *chunk)
{
    pthread_mutex_lock(&consumer->mutex);
    if (pull->generation == generation && pull->is_assigned) {
        dt_list_append(pull->chunks.next, &chunk->link); /* before the first */
        count_in(pull, chunk);
        show(pull);
        chunk = NULL;
    }
    pthread_mutex_unlock(&consumer->mutex);
    free(chunk);
}

/* Half empty: so that there is room for several answers, not for one at a time. Lock: mutex
 * held; true: post pull->op. */
static bool make_room(struct rmq_pull *pull)
{
    const struct rmq_pull_consumer *consumer = pull->consumer;

    return pull->wants_room && pull->buffered <= consumer->queue_memory_max / 2 &&
           pull->buffered_count <= consumer->queue_count_max / 2 && rmq_pull_wake(pull);
}

struct rmq_chunk *rmq_pull_consumer_next(rmq_pull_consumer *consumer,
                                         rmq_pull_accept_fn accept, void *context,
                                         struct rmq_pull **from)
{
    struct rmq_chunk *chunk = NULL;
    struct dt_link *link;
    bool post = false;

    pthread_mutex_lock(&consumer->mutex);
    for (link = consumer->ready.next; link != &consumer->ready; link = link->next) {
        struct rmq_pull *pull = DT_CONTAINER(link, struct rmq_pull, ready);

        if (!accept(context, pull, DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link)))
            continue;
        chunk = take_from(pull);
        post = make_room(pull);
        *from = pull;
        break;
    }
    if (chunk == NULL)
        consumer->wants_ready = true;
    pthread_mutex_unlock(&consumer->mutex);
    if (post)
        dt_loop_post(consumer->client->loop, &(*from)->op);
    return chunk;
}

void rmq_pull_consumer_refused(struct rmq_pull_consumer *consumer, const char *reason)
{
    pthread_mutex_lock(&consumer->mutex);
    snprintf(consumer->refusal, sizeof(consumer->refusal), "%s", reason);
    pthread_cond_signal(&consumer->arrived);
    pthread_mutex_unlock(&consumer->mutex);
}

dt_status rmq_pull_consumer_poll(rmq_pull_consumer *consumer, int64_t timeout_ms,
                                 rmq_batch **out)
{
    struct rmq_chunk *chunk;
    struct rmq_pull *pull = NULL;
    uint64_t generation = 0;
    bool post = false, is_over = timeout_ms <= 0;
    int64_t deadline_ms = is_over ? 0 : rmq_deadline_ms(timeout_ms);
    dt_status status = DT_OK;

    if (consumer == NULL || out == NULL)
        return dt_error_set(DT_EINVAL, "no consumer, or no place for the batch");
    *out = NULL;
    status = rmq_client_check(consumer->client, !is_over);
    if (status != DT_OK)
        return status;
    pthread_mutex_lock(&consumer->mutex);
    while ((chunk = take_chunk(consumer, &pull)) == NULL) {
        consumer->wants_ready = true;
        if (is_over || consumer->is_closed || consumer->refusal[0] != 0)
            break;
        is_over = !dt_cond_wait(&consumer->arrived, &consumer->mutex, deadline_ms);
    }
    if (chunk != NULL) {
        generation = pull->generation;
        post = make_room(pull);
    } else if (consumer->is_closed) {
        status = dt_error_set(DT_ECLOSED, "the consumer is being closed");
    } else if (consumer->refusal[0] != 0) {
        status = dt_error_set(DT_EREFUSED, "%s", consumer->refusal);
        consumer->refusal[0] = 0;
    } else {
        status = dt_error_set(DT_ETIMEDOUT, "nothing to read yet");
    }
    pthread_mutex_unlock(&consumer->mutex);
    if (post)
        dt_loop_post(consumer->client->loop, &pull->op);
    if (chunk == NULL)
        return status;
    status = rmq_batch_make(chunk, &pull->queue, consumer->client->frame_size_max,
                            &consumer->tags, out);
    if (status != DT_OK)
        put_back(consumer, pull, generation, chunk);
    else
        rmq_batch_strip(*out, consumer->client->space);
    return status;
}

/* ---------------------------------------------------------------- assigning */

static struct rmq_pull *find_pull(struct rmq_pull_consumer *consumer,
                                  const rmq_queue *queue)
{
    struct rmq_pull *pull = consumer->pulls;

    while (pull != NULL && (pull->queue.queue_id != queue->queue_id ||
                            strcmp(pull->queue.broker_name, queue->broker_name) != 0))
        pull = pull->next;
    return pull;
}

struct rmq_pull *rmq_pull_consumer_find(struct rmq_pull_consumer *consumer,
                                        const rmq_queue *queue)
{
    struct rmq_pull *pull;

    pthread_mutex_lock(&consumer->mutex);
    pull = find_pull(consumer, queue);
    pthread_mutex_unlock(&consumer->mutex);
    return pull;
}

/* Begins a new generation. Lock: mutex held; true: post pull->op. */
static bool restart(struct rmq_pull *pull, bool is_assigned, int64_t offset)
{
    while (!dt_list_is_empty(&pull->chunks)) {
        struct rmq_chunk *chunk = DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link);

        dt_list_remove(&chunk->link);
        free(chunk);
    }
    dt_list_remove(&pull->ready);
    pull->buffered = pull->buffered_count = 0;
    pull->is_paused = false;
    pull->wants_room = false;
    pull->generation++;
    pull->is_assigned = is_assigned;
    pull->start_offset = offset;
    return rmq_pull_wake(pull);
}

dt_status rmq_pull_consumer_assign(rmq_pull_consumer *consumer, const rmq_queue *queue,
                                   int64_t offset)
{
    struct rmq_pull *pull;
    dt_status status = DT_OK;
    bool post = false;

    if (consumer == NULL || queue == NULL || offset < 0)
        return dt_error_set(DT_EINVAL, "no consumer, no queue or a negative offset");
    if (queue->broker_name[0] == 0 || queue->queue_id < 0 ||
        memchr(queue->broker_name, 0, sizeof(queue->broker_name)) == NULL)
        return dt_error_set(DT_EINVAL, "not a queue as rmq_topic_read_queues() gives them");
    status = rmq_client_check(consumer->client, false);
    if (status != DT_OK)
        return status;
    pthread_mutex_lock(&consumer->mutex);
    pull = find_pull(consumer, queue);
    if (pull == NULL) {
        status = rmq_pull_new(consumer, queue, &pull);
        if (status == DT_OK) {
            pull->next = consumer->pulls;
            consumer->pulls = pull;
        }
    }
    if (pull != NULL)
        post = restart(pull, true, offset);
    pthread_mutex_unlock(&consumer->mutex);
    if (post)
        dt_loop_post(consumer->client->loop, &pull->op);
    return status;
}

void rmq_pull_consumer_unassign(rmq_pull_consumer *consumer, const rmq_queue *queue)
{
    struct rmq_pull *pull, *other;
    bool post = false, is_idle = true;

    if (consumer == NULL || queue == NULL ||
        rmq_client_check(consumer->client, false) != DT_OK)
        return;
    pthread_mutex_lock(&consumer->mutex);
    pull = find_pull(consumer, queue);
    if (pull != NULL && pull->is_assigned)
        post = restart(pull, false, 0);
    for (other = consumer->pulls; other != NULL; other = other->next)
        is_idle &= !other->is_assigned;
    pthread_mutex_unlock(&consumer->mutex);
    if (is_idle)
        rmq_pull_consumer_answered(consumer); /* nobody is waited for */
    if (post)
        dt_loop_post(consumer->client->loop, &pull->op);
}

static void set_paused(rmq_pull_consumer *consumer, const rmq_queue *queue, bool is_paused)
{
    struct rmq_pull *pull;
    bool post = false;

    if (consumer == NULL || queue == NULL ||
        rmq_client_check(consumer->client, false) != DT_OK)
        return;
    pthread_mutex_lock(&consumer->mutex);
    pull = find_pull(consumer, queue);
    if (pull != NULL && pull->is_assigned && pull->is_paused != is_paused) {
        pull->is_paused = is_paused;
        if (is_paused) {
            dt_list_remove(&pull->ready);
        } else {
            show(pull);
            pthread_cond_signal(&consumer->arrived);
            post = rmq_pull_wake(pull); /* reads on, and tells */
        }
    }
    pthread_mutex_unlock(&consumer->mutex);
    if (post)
        dt_loop_post(consumer->client->loop, &pull->op);
}

void rmq_pull_consumer_pause(rmq_pull_consumer *consumer, const rmq_queue *queue)
{
    set_paused(consumer, queue, true);
}

void rmq_pull_consumer_resume(rmq_pull_consumer *consumer, const rmq_queue *queue)
{
    set_paused(consumer, queue, false);
}

dt_status rmq_pull_consumer_assign_from(rmq_pull_consumer *consumer, const rmq_queue *queue,
                                        rmq_start start, int64_t wall_ms,
                                        int64_t timeout_ms, int64_t *offset)
{
    rmq_client *client = consumer == NULL ? NULL : consumer->client;
    const char *topic = consumer == NULL ? NULL : consumer->topic;
    int64_t found = 0;
    dt_status status;

    switch (start) {
    case RMQ_START_FIRST:
        status = rmq_offset_min(client, topic, queue, timeout_ms, &found);
        break;
    case RMQ_START_LAST:
        status = rmq_offset_max(client, topic, queue, timeout_ms, &found);
        break;
    case RMQ_START_TIME:
        status = rmq_offset_by_time(client, topic, queue, wall_ms, RMQ_BOUNDARY_LOWER,
                                    timeout_ms, &found);
        break;
    case RMQ_START_COMMITTED:
        status = consumer == NULL ? dt_error_set(DT_EINVAL, "no consumer")
                                  : rmq_offset_query(client, consumer->group, topic, queue,
                                                     timeout_ms, &found);
        break;
    default:
        return dt_error_set(DT_EINVAL, "no such place to start");
    }
    if (status == DT_OK)
        status = rmq_pull_consumer_assign(consumer, queue, found);
    if (status == DT_OK && offset != NULL)
        *offset = found;
    return status;
}

/* ---------------------------------------------------------------- life */

static void join_on_loop(void *context)
{
    struct rmq_pull_consumer *consumer = context;

    rmq_heartbeat_join(consumer->client, &consumer->member);
}

static dt_status check_settings(const rmq_pull_consumer_config *config)
{
    dt_status status = rmq_topic_name_check(config->topic);

    if (status == DT_OK)
        status = rmq_group_name_check(config->group);
    if (status == DT_OK &&
        (config->pull_count < 0 || config->suspend_ms < 0 || config->queue_span_max < 0))
        status =
            dt_error_set(DT_EINVAL, "pull_count, suspend_ms or queue_span_max is negative");
    if (status == DT_OK &&
        (config->queue_requests_max < 0 || config->queue_requests_max > RMQ_PULL_DEPTH_MAX))
        status = dt_error_set(DT_EINVAL, "queue_requests_max is not 1 to %d",
                              RMQ_PULL_DEPTH_MAX);
    return status;
}

static dt_status take_settings(struct rmq_pull_consumer *consumer,
                               const rmq_pull_consumer_config *config)
{
    const char *subscription = config->subscription == NULL ? "*" : config->subscription;

    consumer->queue_memory_max =
        config->queue_memory_max == 0 ? 4u << 20 : config->queue_memory_max;
    consumer->queue_count_max =
        config->queue_count_max == 0 ? 100000 : config->queue_count_max;
    consumer->queue_span_max =
        config->queue_span_max == 0 ? 1000000 : config->queue_span_max;
    consumer->queue_requests_max =
        config->queue_requests_max == 0 ? 8 : (unsigned)config->queue_requests_max;
    consumer->pull_count = config->pull_count == 0 ? 32 : config->pull_count;
    consumer->suspend_ms = config->suspend_ms == 0 ? 15000 : config->suspend_ms;
    consumer->ready_fn = config->ready;
    consumer->opaque = config->opaque;
    consumer->is_member = config->member;
    strcpy(consumer->topic, config->topic);
    strcpy(consumer->group, config->group);
    consumer->subscription = strdup(subscription);
    if (consumer->subscription == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a subscription");
    return rmq_tag_filter_init(&consumer->tags, subscription);
}

static void free_consumer(struct rmq_pull_consumer *consumer)
{
    dt_event_fini(&consumer->finished);
    pthread_cond_destroy(&consumer->arrived);
    pthread_mutex_destroy(&consumer->mutex);
    rmq_tag_filter_fini(&consumer->tags);
    free(consumer->subscription);
    free(consumer);
}

dt_status rmq_pull_consumer_make(rmq_client *client, const rmq_pull_consumer_config *config,
                                 rmq_pull_consumer **out)
{
    char topic_room[RMQ_FULL_NAME_SIZE], group_room[RMQ_FULL_NAME_SIZE];
    rmq_pull_consumer_config full;
    struct rmq_pull_consumer *consumer;
    dt_status status;

    if (client == NULL || config == NULL || out == NULL)
        return dt_error_set(DT_EINVAL, "no client, settings or place for the consumer");
    *out = NULL;
    full = *config;
    full.topic = rmq_namespace_wrap(client->space, config->topic, topic_room);
    full.group = rmq_namespace_wrap(client->space, config->group, group_room);
    config = &full;
    status = check_settings(config);
    if (status != DT_OK)
        return status;
    consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a consumer");
    consumer->client = client;
    consumer->wants_ready = true;
    consumer->member.group = consumer->group;
    consumer->member.topic = consumer->topic;
    dt_list_init(&consumer->member.link);
    dt_list_init(&consumer->ready);
    pthread_mutex_init(&consumer->mutex, NULL);
    dt_cond_init(&consumer->arrived);
    dt_event_init(&consumer->finished);
    status = take_settings(consumer, config);
    if (status == DT_OK && config->member)
        status = rmq_client_run(client, join_on_loop, consumer);
    if (status != DT_OK) {
        free_consumer(consumer);
        return status;
    }
    *out = consumer;
    return DT_OK;
}

dt_status rmq_pull_consumer_new(rmq_client *client, const rmq_pull_consumer_config *config,
                                rmq_pull_consumer **out)
{
    dt_status status = rmq_pull_consumer_make(client, config, out);

    if (status != DT_OK)
        return status;
    (*out)->statistics.owner = *out;
    (*out)->statistics.write = rmq_pull_consumer_write_statistics;
    rmq_statistics_join(client, &(*out)->statistics);
    return DT_OK;
}

static void on_left(void *context)
{
    struct rmq_pull_consumer *consumer = context;

    dt_event_set(&consumer->finished);
}

static void close_on_loop(void *context)
{
    struct rmq_pull_consumer *consumer = context;

    rmq_statistics_leave(&consumer->statistics);
    for (struct rmq_pull *pull = consumer->pulls; pull != NULL; pull = pull->next)
        rmq_pull_leave_loop(pull);
    if (consumer->route_topic != NULL)
        consumer->route_topic->users--;
    consumer->route_topic = NULL;
    if (consumer->is_member)
        rmq_heartbeat_leave(consumer->client, &consumer->member, on_left, consumer);
    else
        on_left(consumer);
}

void rmq_pull_consumer_free(rmq_pull_consumer *consumer)
{
    struct rmq_pull *pull, *next;

    if (consumer == NULL || rmq_client_check(consumer->client, true) != DT_OK)
        return;
    pthread_mutex_lock(&consumer->mutex);
    consumer->is_closed = true;
    pthread_cond_broadcast(&consumer->arrived);
    pthread_mutex_unlock(&consumer->mutex);
    if (rmq_client_run(consumer->client, close_on_loop, consumer) != DT_OK)
        return;
    dt_event_wait(&consumer->finished, INT64_MAX);
    for (pull = consumer->pulls; pull != NULL; pull = next) {
        next = pull->next;
        rmq_pull_free(pull);
    }
    free_consumer(consumer);
}
