/*
 * namesrv.c - the name server: routes, the cluster, the list of topics.
 */
#include <stdio.h>

#include "base/json_writer.h"
#include "mockmq/mock.h"
#include "rmq/route.h"

/* A route of all brokers; what it points to lives in the structure itself. */
struct whole_route {
    struct rmq_route route;
    struct rmq_route_broker brokers[MOCK_NODES_MAX];
    struct rmq_route_address addresses[MOCK_NODES_MAX];
    struct rmq_route_share shares[MOCK_NODES_MAX];
};

static bool is_listed(const struct mock_node *node, const struct mock_shard *shard)
{
    return node->shard == shard && !node->is_unlisted;
}

/* The listed brokers of one name, if there are any. */
static bool add_brokers(const struct mockmq *mock, const struct mock_shard *shard,
                        struct whole_route *whole, size_t *used)
{
    struct rmq_route_broker *broker = &whole->brokers[whole->route.broker_count];
    size_t first = *used;

    for (size_t i = 0; i < mock->node_count; i++) {
        const struct mock_node *node = mock->nodes[i];

        if (!is_listed(node, shard))
            continue;
        whole->addresses[*used].broker_id = node->id;
        snprintf(whole->addresses[*used].address, sizeof(whole->addresses[*used].address),
                 "%s", node->address);
        (*used)++;
    }
    if (*used == first)
        return false;
    memcpy(broker->name, shard->name, sizeof(broker->name));
    memcpy(broker->cluster, mock->cluster, sizeof(broker->cluster));
    broker->addresses = &whole->addresses[first];
    broker->address_count = *used - first;
    whole->route.broker_count++;
    return true;
}

/* name NULL: of the whole cluster, without shares. */
static void fill(const struct mockmq *mock, const struct dt_span *name,
                 struct whole_route *whole)
{
    size_t used = 0;

    memset(whole, 0, sizeof(*whole));
    whole->route.brokers = whole->brokers;
    whole->route.shares = whole->shares;
    for (const struct mock_shard *shard = mock->shards; shard != NULL;
         shard = shard->next) {
        const struct mock_topic *topic = NULL;
        struct rmq_route_share *share = &whole->shares[whole->route.share_count];

        if (name != NULL) {
            topic = mock_shard_topic(shard, *name);
            if (topic == NULL)
                continue;
        }
        if (!add_brokers(mock, shard, whole, &used) || topic == NULL)
            continue;
        memcpy(share->broker_name, shard->name, sizeof(share->broker_name));
        share->read_queues = topic->read_queues;
        share->write_queues = topic->write_queues;
        share->perm = topic->perm;
        whole->route.share_count++;
    }
}

void mock_handle_route(struct mockmq *mock, const struct mock_call *call,
                       struct mock_reply *reply)
{
    struct whole_route whole;
    struct dt_span name;

    if (!mock_call_str(call, reply, "topic", &name))
        return;
    fill(mock, &name, &whole);
    if (whole.route.share_count == 0) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST,
                        "No topic route info in name server for the topic: %.*s\nSee "
                        "https://rocketmq.apache.org/docs/bestPractice/06FAQ for further "
                        "details.",
                        (int)(name.size < 255 ? name.size : 255), (const char *)name.data);
        return;
    }
    rmq_route_write(&whole.route,
                    call->command->version >= RMQ_VERSION_4_9_4 ||
                        rmq_command_bool(call->command, "acceptStandardJsonOnly"),
                    &reply->body);
}

void mock_handle_cluster(struct mockmq *mock, const struct mock_call *call,
                         struct mock_reply *reply)
{
    struct whole_route whole;

    (void)call;
    fill(mock, NULL, &whole);
    rmq_route_write_cluster(&whole.route, &reply->body);
}

/* Another broker that was looked at before has the topic, too. */
static bool is_repeated(const struct mockmq *mock, const struct mock_shard *shard,
                        const struct mock_topic *topic)
{
    for (const struct mock_shard *before = mock->shards; before != shard;
         before = before->next)
        if (mock_shard_topic(before, dt_span_str(topic->name)) != NULL)
            return true;
    return false;
}

void mock_handle_topic_list(struct mockmq *mock, const struct mock_call *call,
                            struct mock_reply *reply)
{
    struct dt_json json;

    (void)call;
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "topicList");
    dt_json_array(&json);
    for (const struct mock_shard *shard = mock->shards; shard != NULL; shard = shard->next)
        for (struct mock_topic *topic = shard->topics; topic != NULL; topic = topic->next)
            if (!is_repeated(mock, shard, topic))
                dt_json_string(&json, topic->name);
    dt_json_array_end(&json);
    dt_json_object_end(&json);
}
