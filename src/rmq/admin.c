/* Topics: creating them, and the queues that they have. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/naming.h"

/* ---------------------------------------------------------------- queues */

struct queues {
    bool to_write;
    rmq_queue *queues;
    size_t count;
};

static dt_status take_queues(void *context, const struct rmq_route *route)
{
    struct queues *taken = context;

    if (taken->to_write)
        return rmq_route_write_queues(route, &taken->queues, &taken->count);
    return rmq_route_read_queues(route, &taken->queues, &taken->count);
}

static dt_status queues_of(rmq_client *client, const char *topic, bool to_write,
                           rmq_queue **out, size_t *count, int64_t timeout_ms)
{
    struct queues taken = {to_write, NULL, 0};
    char room[RMQ_FULL_NAME_SIZE];
    dt_status status;

    if (client == NULL || out == NULL || count == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no client, no place for the queues or no time");
    *out = NULL;
    *count = 0;
    topic = rmq_namespace_wrap(client->space, topic, room);
    status = rmq_topic_name_check(topic);
    if (status == DT_OK)
        status = rmq_ask_route(client, topic, true, rmq_deadline_ms(timeout_ms),
                               take_queues, &taken);
    if (status != DT_OK)
        return dt_error_wrap(status, "queues of topic '%s'", topic);
    *out = taken.queues;
    *count = taken.count;
    return DT_OK;
}

dt_status rmq_topic_write_queues(rmq_client *client, const char *topic, rmq_queue **out,
                                 size_t *count, int64_t timeout_ms)
{
    return queues_of(client, topic, true, out, count, timeout_ms);
}

dt_status rmq_topic_read_queues(rmq_client *client, const char *topic, rmq_queue **out,
                                size_t *count, int64_t timeout_ms)
{
    return queues_of(client, topic, false, out, count, timeout_ms);
}

/* ---------------------------------------------------------------- creating */

static const char default_cluster[] = "DefaultCluster";

struct new_topic {
    const char *topic;
    int32_t queues;
};

static void put_new_topic(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct new_topic *wish = ask->question;

    rmq_encode_str(encoder, "topic", wish->topic);
    rmq_encode_str(encoder, "defaultTopic", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(encoder, "readQueueNums", wish->queues);
    rmq_encode_int(encoder, "writeQueueNums", wish->queues);
    rmq_encode_int(encoder, "perm", RMQ_PERM_READ | RMQ_PERM_WRITE);
    rmq_encode_str(encoder, "topicFilterType", "SINGLE_TAG");
    rmq_encode_int(encoder, "topicSysFlag", 0);
    rmq_encode_bool(encoder, "order", false);
}

static bool read_cluster(struct rmq_ask *ask, const struct rmq_command *command,
                         struct dt_span body)
{
    (void)command;
    return rmq_route_parse_cluster(body, ask->result) == DT_OK;
}

/* Every cluster that a name server knows, as a route without queues. */
static dt_status fetch_cluster(struct rmq_client *client, int64_t deadline_ms,
                               struct rmq_route **out)
{
    struct rmq_ask ask;

    *out = NULL;
    rmq_ask_init(&ask, client, RMQ_GET_BROKER_CLUSTER_INFO, deadline_ms);
    ask.read = read_cluster;
    ask.result = out;
    return rmq_ask_names(&ask);
}

/* The cluster whose masters get the topic: the one with the default name, else the only one. */
static const char *choose_cluster(const struct rmq_route *route)
{
    for (size_t i = 0; i < route->broker_count; i++)
        if (strcmp(route->brokers[i].cluster, default_cluster) == 0)
            return default_cluster;
    for (size_t i = 1; i < route->broker_count; i++)
        if (strcmp(route->brokers[i].cluster, route->brokers[0].cluster) != 0)
            return NULL;
    return route->broker_count > 0 ? route->brokers[0].cluster : NULL;
}

static dt_status create_on_masters(struct rmq_client *client,
                                   const struct rmq_route *brokers, const char *cluster,
                                   const struct new_topic *wish, int64_t deadline_ms)
{
    for (size_t i = 0; i < brokers->broker_count; i++) {
        const struct rmq_route_broker *broker = &brokers->brokers[i];
        const char *address = rmq_route_master(brokers, broker->name);
        struct rmq_ask ask;
        dt_status status;

        if (address == NULL || strcmp(broker->cluster, cluster) != 0)
            continue;
        rmq_ask_init(&ask, client, RMQ_UPDATE_AND_CREATE_TOPIC, deadline_ms);
        ask.put = put_new_topic;
        ask.question = wish;
        ask.changes = true;
        status = rmq_ask_address(&ask, address);
        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

struct complete {
    const struct rmq_route *brokers;
    const char *cluster;
    const struct new_topic *wish;
};

/* DT_OK if the route has the wished queues on each master; else DT_EBUSY. */
static dt_status check_complete(void *context, const struct rmq_route *route)
{
    const struct complete *complete = context;

    for (size_t i = 0; i < complete->brokers->broker_count; i++) {
        const struct rmq_route_broker *broker = &complete->brokers->brokers[i];
        bool found = false;

        if (rmq_route_master(complete->brokers, broker->name) == NULL ||
            strcmp(broker->cluster, complete->cluster) != 0)
            continue;
        for (size_t j = 0; j < route->share_count; j++)
            found |= strcmp(route->shares[j].broker_name, broker->name) == 0 &&
                     route->shares[j].write_queues == complete->wish->queues &&
                     route->shares[j].read_queues == complete->wish->queues;
        if (!found)
            return dt_error_set(DT_EBUSY,
                                "the name server does not show it on broker '%s' yet",
                                broker->name);
    }
    return DT_OK;
}

static dt_status create_topic(struct rmq_client *client, const struct new_topic *wish,
                              int64_t deadline_ms)
{
    struct rmq_route *brokers = NULL;
    struct complete complete = {NULL, NULL, wish};
    unsigned failures = 0;
    dt_status status = fetch_cluster(client, deadline_ms, &brokers);

    if (status != DT_OK)
        goto done;
    complete.brokers = brokers;
    complete.cluster = choose_cluster(brokers);
    if (complete.cluster == NULL) {
        status = dt_error_set(
            DT_EUNREACH, brokers->broker_count == 0
                             ? "the name server knows no broker"
                             : "there are several clusters, and none is DefaultCluster");
        goto done;
    }
    status = create_on_masters(client, brokers, complete.cluster, wish, deadline_ms);
    if (status != DT_OK)
        goto done;
    do
        status = rmq_ask_route(client, wish->topic, true, deadline_ms, check_complete,
                               &complete);
    while ((status == DT_EBUSY || status == DT_EUNREACH || status == DT_ENOROUTE) &&
           rmq_ask_pause(client, ++failures, deadline_ms));
    /* the brokers have it, so "nothing was changed" would be wrong */
    if (status == DT_EBUSY || status == DT_EUNREACH || status == DT_ENOROUTE)
        status = dt_error_wrap(DT_EINDOUBT, "created, but not yet to be seen");
done:
    rmq_route_free(brokers);
    return status;
}

dt_status rmq_topic_create(rmq_client *client, const char *topic, int32_t queues,
                           int64_t timeout_ms)
{
    struct new_topic wish = {topic, queues};
    char room[RMQ_FULL_NAME_SIZE];
    dt_status status;

    if (client == NULL || timeout_ms <= 0 || queues < 1 || queues > RMQ_ROUTE_QUEUES_MAX)
        return dt_error_set(DT_EINVAL, "no client, no time, or not 1 to %d queues",
                            RMQ_ROUTE_QUEUES_MAX);
    topic = wish.topic = rmq_namespace_wrap(client->space, topic, room);
    status = rmq_topic_name_check(topic);
    if (status != DT_OK)
        return status;
    status = create_topic(client, &wish, rmq_deadline_ms(timeout_ms));
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "creating topic '%s'", topic);
}
