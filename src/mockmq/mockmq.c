#include "rmq/mock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "mockmq/mock.h"

#define GIB ((size_t)1 << 30)

/* ---------------------------------------------------------------- start and end */

static bool copy_name(char *out, size_t size, const char *name, const char *otherwise)
{
    return (size_t)snprintf(out, size, "%s", name == NULL ? otherwise : name) < size;
}

static dt_status take_config(struct mockmq *mock, const rmq_mock_config *config)
{
    if (!copy_name(mock->host, sizeof(mock->host), config->host, "127.0.0.1") ||
        inet_pton(AF_INET, mock->host, &mock->ip) != 1)
        return dt_error_set(DT_EINVAL, "'%s' is not an IPv4 address", mock->host);
    if (!copy_name(mock->cluster, sizeof(mock->cluster), config->cluster,
                   "DefaultCluster") ||
        !copy_name(mock->broker_name, sizeof(mock->broker_name), config->broker_name,
                   "broker-a"))
        return dt_error_set(DT_EINVAL, "a cluster's or broker's name is too long");
    mock->forgets = config->forgets;
    mock->memory_max = config->memory_max == 0 ? GIB : config->memory_max;
    mock->default_queues = config->default_queues <= 0 ? 8 : config->default_queues;
    mock->auto_create = !config->no_auto_create;
    mock->mirror_header_type = config->mirror_header_type;
    mock->is_virtual = config->virtual_time;
    mock->members_expire = config->members_expire;
    mock->now_ms = dt_clock_ms();
    mock->wall_ms = dt_clock_wall_ms();
    return DT_OK;
}

static void init_memory(struct mockmq *mock)
{
    struct mock_reply *replies[] = {&mock->reply, &mock->late_reply};

    for (size_t i = 0; i < 2; i++) {
        dt_buf_init(&replies[i]->text, RMQ_FRAME_SIZE_MAX);
        dt_buf_init(&replies[i]->body, RMQ_FRAME_SIZE_MAX);
    }
    dt_buf_init(&mock->scratch, RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&mock->stored, RMQ_FRAME_SIZE_MAX);
}

static void init_ids(struct mockmq *mock)
{
    uint32_t random[2];

    dt_random_bytes(random, sizeof(random));
    rmq_uniq_key_init(&mock->uniq_key, dt_span_of(&mock->ip, 4), (uint32_t)getpid(),
                      random[0], (uint16_t)random[1]);
}

static dt_status start(struct mockmq *mock, const rmq_mock_config *config)
{
    struct mock_node *namesrv;
    dt_status status;

    mock->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    mock->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mock->epoll_fd < 0 || mock->wake_fd < 0)
        return dt_error_errno(errno, "epoll");
    mock_watch(mock, mock->wake_fd, MOCK_ID_WAKE, EPOLLIN, true);
    mock->accepting = true;
    status = mock_node_add(mock, NULL, 0, config->namesrv_port, &namesrv);
    if (status == DT_OK)
        status = mock_node_add(mock, mock->broker_name, 0, config->broker_port, &mock->at);
    if (status != DT_OK)
        return status;
    if (mock->auto_create &&
        mock_topic_put(mock, dt_span_str(RMQ_DEFAULT_TOPIC), mock->default_queues,
                       mock->default_queues,
                       RMQ_PERM_READ | RMQ_PERM_WRITE | RMQ_PERM_INHERIT) == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for an in-memory broker");
    if (pthread_create(&mock->thread, NULL, mock_serve, mock) != 0)
        return dt_error_set(DT_EIO, "no thread for an in-memory broker");
    mock->thread_runs = true;
    return DT_OK;
}

dt_status rmq_mock_new(const rmq_mock_config *config, struct mockmq **out)
{
    static const rmq_mock_config defaults;
    struct mockmq *mock = calloc(1, sizeof(*mock));
    pthread_condattr_t monotonic;
    dt_status status;

    *out = NULL;
    if (mock == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for an in-memory broker");
    pthread_mutex_init(&mock->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&mock->arrived, &monotonic);
    pthread_condattr_destroy(&monotonic);
    mock->epoll_fd = mock->wake_fd = -1;
    init_memory(mock);
    if (config == NULL)
        config = &defaults;
    status = take_config(mock, config);
    if (status == DT_OK) {
        init_ids(mock);
        status = start(mock, config);
    }
    if (status == DT_OK)
        *out = mock;
    else
        rmq_mock_free(mock);
    return status;
}

static void free_tables(struct mockmq *mock)
{
    for (size_t i = 0; i < mock->subscription_count; i++)
        free(mock->subscriptions[i].expression);
    free(mock->subscriptions);
    for (size_t i = 0; i < mock->group_count; i++)
        free(mock->groups[i].config);
    free(mock->groups);
    free(mock->members);
    free(mock->committed);
    free(mock->locks);
    mock_scheduled_free(mock);
    free(mock->withholds);
    free(mock->withheld);
    free(mock->conns);
    dt_buf_fini(&mock->reply.text);
    dt_buf_fini(&mock->reply.body);
    dt_buf_fini(&mock->late_reply.text);
    dt_buf_fini(&mock->late_reply.body);
    dt_buf_fini(&mock->scratch);
    dt_buf_fini(&mock->stored);
}

void rmq_mock_free(struct mockmq *mock)
{
    if (mock == NULL)
        return;
    if (mock->thread_runs) {
        pthread_mutex_lock(&mock->lock);
        mock->stopping = true;
        pthread_mutex_unlock(&mock->lock);
        (void)eventfd_write(mock->wake_fd, 1);
        pthread_join(mock->thread, NULL);
    }
    mock_conns_close(mock, NULL);
    mock_nodes_free(mock);
    free_tables(mock);
    if (mock->wake_fd >= 0)
        close(mock->wake_fd);
    if (mock->epoll_fd >= 0)
        close(mock->epoll_fd);
    pthread_cond_destroy(&mock->arrived);
    pthread_mutex_destroy(&mock->lock);
    free(mock);
}

const char *rmq_mock_namesrv(const struct mockmq *mock)
{
    return mock->namesrvs;
}

const char *rmq_mock_broker(const struct mockmq *mock)
{
    return mock->nodes[1]->address;
}

static bool create_topic(struct mockmq *mock, struct mock_node *node, struct dt_span name,
                         int32_t queues)
{
    struct mock_node *before = mock->at;
    struct mock_topic *made;

    mock->at = node;
    made = mock_topic_find(mock, name);
    if (made == NULL || made->write_queues < queues)
        made = mock_topic_put(mock, name, queues, queues, RMQ_PERM_READ | RMQ_PERM_WRITE);
    mock->at = before;
    return made != NULL;
}

dt_status rmq_mock_topic_create(rmq_mock *mock, const char *topic, int32_t queues)
{
    struct dt_span name = dt_span_str(topic);
    bool made = true;

    if (!mock_topic_is_legal(name) || queues < 1 || queues > MOCK_QUEUES_MAX)
        return dt_error_set(DT_EINVAL, "no broker takes a topic '%.200s' with %d queues",
                            topic, (int)queues);
    pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->node_count && made; i++)
        if (mock->nodes[i]->shard != NULL && mock->nodes[i]->id == 0)
            made = create_topic(mock, mock->nodes[i], name, queues);
    pthread_mutex_unlock(&mock->lock);
    return made ? DT_OK : dt_error_set(DT_ENOMEM, "no memory for topic '%s'", topic);
}

/* ---------------------------------------------------------------- misbehaviour */

dt_status rmq_mock_withhold(struct mockmq *mock, const char *topic, int64_t count)
{
    struct dt_span name = dt_span_str(topic);
    struct mock_withhold *withhold = NULL;

    if (!mock_topic_is_legal(name) || count < 0)
        return dt_error_set(DT_EINVAL, "'%.200s' is not a topic's name", topic);
    pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->withhold_count && withhold == NULL; i++)
        if (dt_span_equal_str(name, mock->withholds[i].topic))
            withhold = &mock->withholds[i];
    if (withhold == NULL) {
        withhold = mock_table_add((void **)&mock->withholds, &mock->withhold_count,
                                  &mock->withhold_capacity, sizeof(*withhold));
        if (withhold != NULL)
            memcpy(withhold->topic, topic, name.size);
    }
    if (withhold != NULL)
        withhold->count += count;
    pthread_mutex_unlock(&mock->lock);
    return withhold == NULL ? dt_error_set(DT_ENOMEM, "no memory") : DT_OK;
}

size_t rmq_mock_withheld_count(struct mockmq *mock)
{
    size_t count;

    pthread_mutex_lock(&mock->lock);
    count = mock->withheld_count;
    pthread_mutex_unlock(&mock->lock);
    return count;
}

dt_status rmq_mock_withheld_get(struct mockmq *mock, size_t index, rmq_mock_withheld *out)
{
    bool found;

    pthread_mutex_lock(&mock->lock);
    found = index < mock->withheld_count;
    if (found)
        *out = mock->withheld[index];
    pthread_mutex_unlock(&mock->lock);
    return found ? DT_OK : dt_error_set(DT_ENOTFOUND, "no withheld message %zu", index);
}

void rmq_mock_error(struct mockmq *mock, int32_t request_code, int32_t response_code,
                    int64_t count)
{
    if (request_code < 0 || request_code >= MOCK_SCRIPTED_MAX)
        return;
    pthread_mutex_lock(&mock->lock);
    mock->scripts[request_code].error_code = response_code;
    mock->scripts[request_code].errors = count;
    pthread_mutex_unlock(&mock->lock);
}

void rmq_mock_lose_answers(struct mockmq *mock, int32_t request_code, int64_t count)
{
    if (request_code < 0 || request_code >= MOCK_SCRIPTED_MAX)
        return;
    pthread_mutex_lock(&mock->lock);
    mock->scripts[request_code].lost_answers = count;
    pthread_mutex_unlock(&mock->lock);
}

void rmq_mock_delay(struct mockmq *mock, int64_t delay_ms)
{
    pthread_mutex_lock(&mock->lock);
    mock->delay_ms = delay_ms;
    pthread_mutex_unlock(&mock->lock);
}

void rmq_mock_cut(struct mockmq *mock)
{
    pthread_mutex_lock(&mock->lock);
    mock_conns_close(mock, NULL);
    pthread_mutex_unlock(&mock->lock);
}

void rmq_mock_restart(struct mockmq *mock, int64_t lose)
{
    pthread_mutex_lock(&mock->lock);
    mock_conns_close(mock, NULL);
    for (struct mock_shard *shard = mock->shards; shard != NULL; shard = shard->next)
        mock_topics_lose(mock, shard, lose);
    pthread_mutex_unlock(&mock->lock);
}

void rmq_mock_down(struct mockmq *mock)
{
    pthread_mutex_lock(&mock->lock);
    mock_conns_close(mock, NULL);
    for (size_t i = 0; i < mock->node_count; i++)
        mock_listen_end(mock->nodes[i]);
    pthread_mutex_unlock(&mock->lock);
}

dt_status rmq_mock_up(struct mockmq *mock)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->node_count && status == DT_OK; i++)
        status = mock_listen(mock, mock->nodes[i]);
    pthread_mutex_unlock(&mock->lock);
    return status;
}

/* ---------------------------------------------------------------- looking inside */

static bool is_counted(int32_t request_code)
{
    return request_code >= 0 && request_code < MOCK_SCRIPTED_MAX;
}

int64_t rmq_mock_requests(struct mockmq *mock, int32_t request_code)
{
    int64_t count = 0;

    pthread_mutex_lock(&mock->lock);
    if (is_counted(request_code))
        count = mock->scripts[request_code].requests;
    pthread_mutex_unlock(&mock->lock);
    return count;
}

bool rmq_mock_wait_requests(struct mockmq *mock, int32_t request_code, int64_t count,
                            int64_t timeout_ms)
{
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    struct timespec deadline = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};
    bool arrived = false;

    if (!is_counted(request_code))
        return false;
    pthread_mutex_lock(&mock->lock);
    for (;;) {
        arrived = mock->scripts[request_code].requests >= count;
        if (arrived ||
            pthread_cond_timedwait(&mock->arrived, &mock->lock, &deadline) == ETIMEDOUT)
            break;
    }
    arrived = mock->scripts[request_code].requests >= count;
    pthread_mutex_unlock(&mock->lock);
    return arrived;
}

/* The queue of a broker, or NULL. */
static struct mock_queue *queue_of(struct mockmq *mock, int broker, const char *topic,
                                   int32_t queue_id)
{
    struct mock_node *node = mock_broker_of(mock, broker);

    if (node == NULL)
        return NULL;
    return mock_queue_of(mock_shard_topic(node->shard, dt_span_str(topic)), queue_id);
}

int64_t rmq_mock_broker_max_offset(rmq_mock *mock, int broker, const char *topic,
                                   int32_t queue_id)
{
    struct mock_queue *queue;
    int64_t offset;

    pthread_mutex_lock(&mock->lock);
    queue = queue_of(mock, broker, topic, queue_id);
    offset = queue == NULL ? -1 : (int64_t)queue->count;
    pthread_mutex_unlock(&mock->lock);
    return offset;
}

int64_t rmq_mock_max_offset(rmq_mock *mock, const char *topic, int32_t queue_id)
{
    return rmq_mock_broker_max_offset(mock, 1, topic, queue_id);
}

dt_status rmq_mock_body(rmq_mock *mock, int broker, const char *topic, int32_t queue_id,
                        int64_t offset, void *out, size_t size, size_t *body_size)
{
    struct mock_queue *queue;
    struct rmq_stored stored;
    bool found;

    *body_size = 0;
    pthread_mutex_lock(&mock->lock);
    queue = queue_of(mock, broker, topic, queue_id);
    found =
        queue != NULL && offset >= (int64_t)queue->base && offset < (int64_t)queue->count;
    if (found) {
        const struct mock_message *message = mock_queue_at(queue, (size_t)offset);

        found = rmq_stored_cut(dt_span_of(message->bytes, message->size), &stored) ==
                RMQ_CUT_FRAME;
        if (found && stored.body.size <= size && stored.body.size > 0)
            memcpy(out, stored.body.data, stored.body.size);
        *body_size = stored.body.size;
    }
    pthread_mutex_unlock(&mock->lock);
    if (!found)
        return dt_error_set(DT_ENOTFOUND, "no message there");
    return *body_size <= size
               ? DT_OK
               : dt_error_set(DT_ETOOBIG, "the body has %zu bytes", *body_size);
}

dt_status rmq_mock_expire(rmq_mock *mock, int broker, const char *topic, int32_t queue_id,
                          int64_t offset)
{
    struct mock_queue *queue;

    pthread_mutex_lock(&mock->lock);
    queue = queue_of(mock, broker, topic, queue_id);
    if (queue != NULL && offset > 0)
        mock_queue_expire(mock, queue, (size_t)offset);
    pthread_mutex_unlock(&mock->lock);
    return queue != NULL ? DT_OK : dt_error_set(DT_ENOTFOUND, "no such queue");
}

int64_t rmq_mock_sends_at_once(struct mockmq *mock)
{
    int64_t most;

    pthread_mutex_lock(&mock->lock);
    most = mock->sends_at_once;
    pthread_mutex_unlock(&mock->lock);
    return most;
}

int64_t rmq_mock_connections(struct mockmq *mock)
{
    int64_t count;

    pthread_mutex_lock(&mock->lock);
    count = mock->conn_count;
    pthread_mutex_unlock(&mock->lock);
    return count;
}
