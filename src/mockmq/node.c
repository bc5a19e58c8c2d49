/*
 * node.c - name servers, masters and slaves, and what changes between them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "mockmq/mock.h"

static struct mock_node *find(struct mockmq *mock, bool is_namesrv, int number)
{
    for (size_t i = 0; i < mock->node_count; i++)
        if (mock->nodes[i]->is_namesrv == is_namesrv && mock->nodes[i]->number == number)
            return mock->nodes[i];
    return NULL;
}

struct mock_node *mock_namesrv_of(struct mockmq *mock, int number)
{
    return find(mock, true, number);
}

struct mock_node *mock_broker_of(struct mockmq *mock, int number)
{
    return find(mock, false, number);
}

/* ---------------------------------------------------------------- making them */

static struct mock_shard *shard_of(struct mockmq *mock, const char *name)
{
    struct mock_shard *shard = mock->shards;

    while (shard != NULL && strcmp(shard->name, name) != 0)
        shard = shard->next;
    if (shard != NULL)
        return shard;
    shard = calloc(1, sizeof(*shard));
    if (shard == NULL)
        return NULL;
    snprintf(shard->name, sizeof(shard->name), "%s", name);
    shard->next = mock->shards;
    mock->shards = shard;
    return shard;
}

/* A broker's place among those of its name. */
static dt_status join(struct mockmq *mock, struct mock_node *node, const char *broker_name,
                      int64_t id)
{
    for (size_t i = 0; i < mock->node_count; i++)
        if (mock->nodes[i]->shard != NULL && mock->nodes[i]->id == id &&
            strcmp(mock->nodes[i]->shard->name, broker_name) == 0)
            return dt_error_set(DT_EEXIST, "broker '%s' has a member %lld already",
                                broker_name, (long long)id);
    node->shard = shard_of(mock, broker_name);
    if (node->shard == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a broker");
    node->id = id;
    if (id == 0)
        return DT_OK;
    if (node->shard->slots == MOCK_SLAVES_MAX)
        return dt_error_set(DT_EINVAL, "broker '%s' has %d slaves already", broker_name,
                            MOCK_SLAVES_MAX);
    node->slot = node->shard->slots++;
    return DT_OK;
}

static void list_namesrvs(struct mockmq *mock)
{
    size_t used = 0;

    for (size_t i = 0; i < mock->node_count; i++)
        if (mock->nodes[i]->is_namesrv)
            used += (size_t)snprintf(mock->namesrvs + used, sizeof(mock->namesrvs) - used,
                                     "%s%s", used == 0 ? "" : ";", mock->nodes[i]->address);
}

dt_status mock_node_add(struct mockmq *mock, const char *broker_name, int64_t id,
                        uint16_t port, struct mock_node **out)
{
    struct mock_node *node;
    dt_status status = DT_OK;

    if (mock->node_count == MOCK_NODES_MAX)
        return dt_error_set(DT_EINVAL, "%d name servers and brokers are there already",
                            MOCK_NODES_MAX);
    node = calloc(1, sizeof(*node));
    if (node == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a broker");
    node->is_namesrv = broker_name == NULL;
    node->fd = -1;
    node->port = port;
    node->number = 1;
    while (find(mock, node->is_namesrv, node->number) != NULL)
        node->number++;
    if (broker_name != NULL)
        status = join(mock, node, broker_name, id);
    if (status != DT_OK) {
        free(node);
        return status;
    }
    mock->nodes[mock->node_count++] = node; /* its place is its id for epoll */
    status = mock_listen(mock, node);
    if (status != DT_OK) {
        mock->node_count--;
        free(node);
        return status;
    }
    snprintf(node->address, sizeof(node->address), "%s:%u", mock->host,
             (unsigned)node->port);
    node->host.ip_size = 4;
    memcpy(node->host.ip, &mock->ip, 4);
    node->host.port = node->port;
    if (node->is_namesrv)
        list_namesrvs(mock);
    *out = node;
    return DT_OK;
}

void mock_nodes_free(struct mockmq *mock)
{
    for (size_t i = 0; i < mock->node_count; i++) {
        mock_listen_end(mock->nodes[i]);
        free(mock->nodes[i]);
    }
    mock->node_count = 0;
    while (mock->shards != NULL) {
        struct mock_shard *shard = mock->shards;

        mock->shards = shard->next;
        mock_topics_free(mock, shard);
        free(shard);
    }
}

/* ---------------------------------------------------------------- functions of rmq/mock.h */

static dt_status no_such(const char *what, int number)
{
    return dt_error_set(DT_ENOTFOUND, "there is no %s %d", what, number);
}

dt_status rmq_mock_namesrv_add(rmq_mock *mock, int *number)
{
    struct mock_node *node = NULL;
    dt_status status;

    pthread_mutex_lock(&mock->lock);
    status = mock_node_add(mock, NULL, 0, 0, &node);
    if (status == DT_OK && number != NULL)
        *number = node->number;
    pthread_mutex_unlock(&mock->lock);
    return status;
}

/* A new master has the topic that others inherit from, as the first one has. */
static dt_status give_default_topic(struct mockmq *mock, struct mock_node *node)
{
    struct mock_node *before = mock->at;
    bool made = true;

    mock->at = node;
    if (mock->auto_create && node->id == 0)
        made = mock_topic_put(mock, dt_span_str(RMQ_DEFAULT_TOPIC), mock->default_queues,
                              mock->default_queues,
                              RMQ_PERM_READ | RMQ_PERM_WRITE | RMQ_PERM_INHERIT) != NULL;
    mock->at = before;
    return made ? DT_OK : dt_error_set(DT_ENOMEM, "no memory for a broker");
}

dt_status rmq_mock_broker_add(rmq_mock *mock, const char *broker_name, int64_t id,
                              int *number)
{
    struct mock_node *node = NULL;
    dt_status status;

    if (broker_name == NULL || broker_name[0] == 0 ||
        strlen(broker_name) >= RMQ_NAME_SIZE || id < 0)
        return dt_error_set(DT_EINVAL, "not a broker's name and id");
    pthread_mutex_lock(&mock->lock);
    status = mock_node_add(mock, broker_name, id, 0, &node);
    if (status == DT_OK)
        status = give_default_topic(mock, node);
    if (status == DT_OK && number != NULL)
        *number = node->number;
    pthread_mutex_unlock(&mock->lock);
    return status;
}

const char *rmq_mock_namesrv_address(rmq_mock *mock, int number)
{
    struct mock_node *node;

    pthread_mutex_lock(&mock->lock);
    node = mock_namesrv_of(mock, number);
    pthread_mutex_unlock(&mock->lock);
    return node == NULL ? NULL : node->address;
}

const char *rmq_mock_broker_address(rmq_mock *mock, int number)
{
    struct mock_node *node;

    pthread_mutex_lock(&mock->lock);
    node = mock_broker_of(mock, number);
    pthread_mutex_unlock(&mock->lock);
    return node == NULL ? NULL : node->address;
}

static dt_status set_down(struct mockmq *mock, struct mock_node *node, bool is_down)
{
    if (!is_down)
        return mock_listen(mock, node);
    mock_conns_close(mock, node);
    mock_listen_end(node);
    return DT_OK;
}

dt_status rmq_mock_namesrv_down(rmq_mock *mock, int number, bool is_down)
{
    struct mock_node *node;
    dt_status status;

    pthread_mutex_lock(&mock->lock);
    node = mock_namesrv_of(mock, number);
    status = node == NULL ? no_such("name server", number) : set_down(mock, node, is_down);
    pthread_mutex_unlock(&mock->lock);
    return status;
}

/* Each function on one broker has this shape: `then` runs with the lock held. */
static dt_status with_broker(struct mockmq *mock, int number,
                             dt_status (*then)(struct mockmq *mock, struct mock_node *node,
                                               int64_t value),
                             int64_t value)
{
    struct mock_node *node;
    dt_status status;

    pthread_mutex_lock(&mock->lock);
    node = mock_broker_of(mock, number);
    status = node == NULL ? no_such("broker", number) : then(mock, node, value);
    pthread_mutex_unlock(&mock->lock);
    return status;
}

static dt_status broker_down(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    return set_down(mock, node, value != 0);
}

dt_status rmq_mock_broker_down(rmq_mock *mock, int broker, bool is_down)
{
    return with_broker(mock, broker, broker_down, is_down);
}

static dt_status broker_listed(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    (void)mock;
    node->is_unlisted = value == 0;
    return DT_OK;
}

dt_status rmq_mock_broker_listed(rmq_mock *mock, int broker, bool is_listed)
{
    return with_broker(mock, broker, broker_listed, is_listed);
}

static dt_status broker_restart(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    mock_conns_close(mock, node);
    if (node->id == 0)
        mock_topics_lose(mock, node->shard, value);
    return DT_OK;
}

dt_status rmq_mock_broker_restart(rmq_mock *mock, int broker, int64_t lose)
{
    if (lose < 0)
        return dt_error_set(DT_EINVAL, "a broker cannot lose %lld messages",
                            (long long)lose);
    return with_broker(mock, broker, broker_restart, lose);
}

static dt_status broker_suggest(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    (void)mock;
    node->suggested = value;
    return DT_OK;
}

dt_status rmq_mock_broker_suggest(rmq_mock *mock, int broker, int64_t id)
{
    return with_broker(mock, broker, broker_suggest, id);
}

/* ---------------------------------------------------------------- slaves */

/* Goes over every queue of a shard. */
static void each_queue(struct mockmq *mock, struct mock_shard *shard,
                       void (*then)(struct mockmq *mock, struct mock_queue *queue))
{
    for (struct mock_topic *topic = shard->topics; topic != NULL; topic = topic->next)
        for (size_t i = 0; i < topic->queue_count; i++)
            then(mock, topic->queues[i]);
}

/* What the slave that is at work shows of the queue is all that it will. */
static void freeze(struct mockmq *mock, struct mock_queue *queue)
{
    queue->frozen[mock->at->slot] = mock_queue_end(mock, queue);
}

static dt_status slave_lag(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    struct mock_node *before = mock->at;

    if (node->id == 0)
        return dt_error_set(DT_EINVAL, "broker %d is a master", node->number);
    mock->at = node;
    if (value == RMQ_MOCK_FROZEN && !node->is_frozen) {
        each_queue(mock, node->shard, freeze);
        node->is_frozen = true;
    } else if (value >= 0) {
        node->is_frozen = false;
        node->lag = value;
        each_queue(mock, node->shard, mock_pulls_wake);
    }
    mock->at = before;
    return DT_OK;
}

dt_status rmq_mock_slave_lag(rmq_mock *mock, int broker, int64_t messages)
{
    if (messages < 0 && messages != RMQ_MOCK_FROZEN)
        return dt_error_set(DT_EINVAL, "a slave cannot be %lld messages behind",
                            (long long)messages);
    return with_broker(mock, broker, slave_lag, messages);
}

/* What the slave that is at work never got is lost. */
static void lose_unseen(struct mockmq *mock, struct mock_queue *queue)
{
    mock_queue_lose(mock, queue, queue->count - mock_queue_end(mock, queue));
}

static dt_status promote(struct mockmq *mock, struct mock_node *node, int64_t value)
{
    struct mock_node *before = mock->at, *master = NULL;

    (void)value;
    if (node->id == 0)
        return dt_error_set(DT_EINVAL, "broker %d is the master", node->number);
    for (size_t i = 0; i < mock->node_count; i++)
        if (mock->nodes[i]->shard == node->shard && mock->nodes[i]->id == 0)
            master = mock->nodes[i];
    mock->at = node;
    each_queue(mock, node->shard, lose_unseen);
    mock->at = before;
    if (master != NULL) {
        mock_conns_close(mock, master);
        master->id = node->id;
        master->slot = node->slot;
        master->is_frozen = false;
        master->lag = 0;
    }
    mock_conns_close(mock, node);
    node->id = 0;
    node->is_frozen = false;
    node->lag = 0;
    return DT_OK;
}

dt_status rmq_mock_promote(rmq_mock *mock, int broker)
{
    return with_broker(mock, broker, promote, 0);
}

/* ---------------------------------------------------------------- topics of a broker */

dt_status rmq_mock_topic_put(rmq_mock *mock, int broker, const char *topic,
                             int32_t read_queues, int32_t write_queues, int32_t perm)
{
    struct dt_span name = dt_span_str(topic);
    struct mock_node *node, *before;
    struct mock_topic *made = NULL;

    if (!mock_topic_is_legal(name) || read_queues < 0 || write_queues < 0 ||
        read_queues > MOCK_QUEUES_MAX || write_queues > MOCK_QUEUES_MAX)
        return dt_error_set(DT_EINVAL, "no broker takes a topic '%.200s' like that", topic);
    pthread_mutex_lock(&mock->lock);
    node = mock_broker_of(mock, broker);
    if (node != NULL) {
        before = mock->at;
        mock->at = node;
        made = mock_topic_put(mock, name, read_queues, write_queues, perm);
        mock->at = before;
    }
    pthread_mutex_unlock(&mock->lock);
    if (node == NULL)
        return no_such("broker", broker);
    return made == NULL ? dt_error_set(DT_ENOMEM, "no memory for topic '%s'", topic)
                        : DT_OK;
}

dt_status rmq_mock_topic_delete(rmq_mock *mock, int broker, const char *topic)
{
    struct mock_node *node;
    bool found;

    pthread_mutex_lock(&mock->lock);
    node = mock_broker_of(mock, broker);
    found = node != NULL && mock_topic_remove(mock, node->shard, dt_span_str(topic));
    mock_conns_settle(mock);
    pthread_mutex_unlock(&mock->lock);
    return found ? DT_OK
                 : dt_error_set(DT_ENOTFOUND, "broker %d has no topic '%.200s'", broker,
                                topic);
}
