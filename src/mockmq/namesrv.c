/*
 * namesrv.c - the name server: routes, the cluster, the list of topics.
 */
#include <stdio.h>

#include "base/json_writer.h"
#include "mockmq/mock.h"
#include "rmq/route.h"

/* A route of one broker; what it points to lives in the structure itself. */
struct small_route {
    struct rmq_route route;
    struct rmq_route_broker broker;
    struct rmq_route_address address;
    struct rmq_route_share share;
};

static void fill(const struct mockmq *mock, const struct mock_topic *topic,
                 struct small_route *small)
{
    memset(small, 0, sizeof(*small));
    memcpy(small->address.address, mock->broker_address, sizeof(mock->broker_address));
    memcpy(small->broker.name, mock->broker_name, sizeof(small->broker.name));
    memcpy(small->broker.cluster, mock->cluster, sizeof(small->broker.cluster));
    small->broker.addresses = &small->address;
    small->broker.address_count = 1;
    small->route.brokers = &small->broker;
    small->route.broker_count = 1;
    if (topic == NULL)
        return;
    memcpy(small->share.broker_name, mock->broker_name, sizeof(small->share.broker_name));
    small->share.read_queues = topic->read_queues;
    small->share.write_queues = topic->write_queues;
    small->share.perm = topic->perm;
    small->route.shares = &small->share;
    small->route.share_count = 1;
}

void mock_handle_route(struct mockmq *mock, const struct mock_call *call,
                       struct mock_reply *reply)
{
    struct small_route small;
    struct mock_topic *topic;
    struct dt_span name;

    if (!mock_call_str(call, reply, "topic", &name))
        return;
    topic = mock_topic_find(mock, name);
    if (topic == NULL) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST,
                        "No topic route info in name server for the topic: %.*s\nSee "
                        "https://rocketmq.apache.org/docs/bestPractice/06FAQ for further "
                        "details.",
                        (int)(name.size < 255 ? name.size : 255), (const char *)name.data);
        return;
    }
    fill(mock, topic, &small);
    rmq_route_write(&small.route,
                    call->command->version >= RMQ_VERSION_4_9_4 ||
                        rmq_command_bool(call->command, "acceptStandardJsonOnly"),
                    &reply->body);
}

void mock_handle_cluster(struct mockmq *mock, const struct mock_call *call,
                         struct mock_reply *reply)
{
    struct small_route small;

    (void)call;
    fill(mock, NULL, &small);
    rmq_route_write_cluster(&small.route, &reply->body);
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
    for (struct mock_topic *topic = mock->topics; topic != NULL; topic = topic->next)
        dt_json_string(&json, topic->name);
    dt_json_array_end(&json);
    dt_json_object_end(&json);
}
