/* The RocketMQ side's client: topics, bounds, positions and members of groups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "model/mapping.h"
#include "side/rocketmq.h"

_Static_assert(DUET_BROKER_NAME_SIZE == sizeof(((rmq_queue *)0)->broker_name),
               "a broker's name has the same room in a plan");

dt_status duet_rocketmq_queue(const struct duet_plan_route *route, int32_t partition,
                              rmq_queue *queue)
{
    if (partition < 0 || partition >= route->partitions || route->queues == NULL)
        return dt_error_set(DT_EINVAL, "rocketmq: route %s has no partition %d",
                            route->topic, partition);
    memcpy(queue->broker_name, route->queues[partition].broker_name,
           sizeof(queue->broker_name));
    queue->queue_id = route->queues[partition].queue_id;
    return DT_OK;
}

static rmq_client *rmq_of(struct duet_side_client *client)
{
    return ((struct duet_rocketmq_client *)client)->rmq;
}

/* ---- topics ---- */

static dt_status topic_partitions(struct duet_side_client *client, const char *topic,
                                  int32_t *partitions, struct duet_plan_queue **queues,
                                  int64_t timeout_ms)
{
    rmq_queue *found;
    size_t count;
    dt_status status =
        rmq_topic_write_queues(rmq_of(client), topic, &found, &count, timeout_ms);

    if (status != DT_OK) /* to our users a topic without a route is none */
        return dt_error_wrap(status == DT_ENOROUTE ? DT_ENOTFOUND : status, "rocketmq");
    *partitions = (int32_t)count;
    if (queues != NULL) {
        *queues = calloc(count ? count : 1, sizeof(**queues));
        if (*queues == NULL)
            status = dt_error_set(DT_ENOMEM, "rocketmq: no memory for %zu queues", count);
    }
    for (size_t i = 0; queues != NULL && *queues != NULL && i < count; i++) {
        memcpy((*queues)[i].broker_name, found[i].broker_name, DUET_BROKER_NAME_SIZE);
        (*queues)[i].queue_id = found[i].queue_id;
    }
    rmq_free(found);
    return status;
}

/* rmq_topic_create() changes a topic that is there: look first. */
static dt_status topic_create(struct duet_side_client *client, const char *topic,
                              int32_t partitions, int64_t timeout_ms)
{
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    int32_t there = 0;
    int64_t left_ms;
    dt_status status = topic_partitions(client, topic, &there, NULL, timeout_ms);

    if (status == DT_OK)
        return dt_error_set(DT_EEXIST, "rocketmq: topic '%s' is there with %d queues",
                            topic, there);
    if (status != DT_ENOTFOUND)
        return status;
    left_ms = deadline_ms - dt_clock_ms();
    status = rmq_topic_create(rmq_of(client), topic, partitions, left_ms > 0 ? left_ms : 1);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

static dt_status bounds(struct duet_side_client *client,
                        const struct duet_plan_route *route, int32_t partition,
                        int64_t timeout_ms, int64_t *begin, int64_t *end)
{
    int64_t deadline_ms = dt_clock_ms() + timeout_ms, left_ms;
    rmq_queue queue;
    dt_status status = duet_rocketmq_queue(route, partition, &queue);

    if (status != DT_OK)
        return status;
    status =
        rmq_offset_min(rmq_of(client), route->rocketmq_topic, &queue, timeout_ms, begin);
    left_ms = deadline_ms - dt_clock_ms();
    if (status == DT_OK)
        status = rmq_offset_max(rmq_of(client), route->rocketmq_topic, &queue,
                                left_ms > 0 ? left_ms : 1, end);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

/* ---- groups ---- */

static dt_status committed(struct duet_side_client *client,
                           const struct duet_plan_route *route, const char *group,
                           int32_t partition, int64_t timeout_ms, int64_t *position)
{
    char mapped[DUET_RMQ_GROUP_MAX + 1];
    rmq_queue queue;
    dt_status status = duet_rocketmq_queue(route, partition, &queue);

    if (status == DT_OK)
        status = duet_name_to_rocketmq(mapped, sizeof(mapped), group, DUET_RMQ_GROUP_MAX);
    if (status == DT_OK)
        status = rmq_offset_query(rmq_of(client), mapped, route->rocketmq_topic, &queue,
                                  timeout_ms, position);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

static dt_status commit(struct duet_side_client *client,
                        const struct duet_plan_route *route, const char *group,
                        int32_t partition, int64_t position, int64_t timeout_ms)
{
    char mapped[DUET_RMQ_GROUP_MAX + 1];
    rmq_queue queue;
    dt_status status = duet_rocketmq_queue(route, partition, &queue);

    if (status == DT_OK)
        status = duet_name_to_rocketmq(mapped, sizeof(mapped), group, DUET_RMQ_GROUP_MAX);
    if (status == DT_OK)
        status = rmq_offset_commit(rmq_of(client), mapped, route->rocketmq_topic, &queue,
                                   position, timeout_ms);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "rocketmq");
}

/* A member's id is ip@name. */
static const char *name_of(const char *id)
{
    const char *at = strchr(id, '@');

    return at != NULL ? at + 1 : id;
}

static dt_status foreign_member(struct duet_side_client *client,
                                const struct duet_plan_route *route, const char *group,
                                const char *self, int64_t timeout_ms, bool *found,
                                char member[DUET_NAME_SIZE])
{
    char mapped[DUET_RMQ_GROUP_MAX + 1];
    char **ids;
    size_t count;
    dt_status status =
        duet_name_to_rocketmq(mapped, sizeof(mapped), group, DUET_RMQ_GROUP_MAX);

    if (status == DT_OK)
        status = rmq_group_members(rmq_of(client), mapped, route->rocketmq_topic,
                                   timeout_ms, &ids, &count);
    if (status != DT_OK)
        return dt_error_wrap(status, "rocketmq");
    for (size_t i = 0; i < count && !*found; i++) {
        if (self != NULL && strcmp(name_of(ids[i]), self) == 0)
            continue;
        *found = true;
        snprintf(member, DUET_NAME_SIZE, "%.240s", ids[i]);
    }
    rmq_free(ids);
    return DT_OK;
}

/* ---- the client ---- */

static void client_close(struct duet_side_client *client)
{
    rmq_client_free(rmq_of(client));
    free(client);
}

static const struct duet_side_ops rocketmq_ops = {
    .side = DUET_ROCKETMQ,
    .close = client_close,
    .topic_partitions = topic_partitions,
    .topic_create = topic_create,
    .bounds = bounds,
    .committed = committed,
    .commit = commit,
    .foreign_member = foreign_member,
    .sender_new = duet_rocketmq_sender_new,
    .reader_new = duet_rocketmq_reader_new,
};

dt_status duet_rocketmq_open(const struct duet_config *config, const char *name,
                             struct duet_side_client **out)
{
    struct duet_rocketmq_client *client = calloc(1, sizeof(*client));
    dt_status status;

    if (client == NULL)
        return dt_error_set(DT_ENOMEM, "rocketmq: no memory for a client");
    client->base.ops = &rocketmq_ops;
    status = duet_rocketmq_connect(config, name, &client->rmq);
    if (status != DT_OK) {
        free(client);
        return dt_error_wrap(status, "rocketmq");
    }
    *out = &client->base;
    return DT_OK;
}
