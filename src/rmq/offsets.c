/* Bounds of queues, and groups' committed offsets. */
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/naming.h"

struct position {
    const char *group; /* NULL: not part of the request */
    const char *topic;
    const rmq_queue *queue;
    int64_t commit;
    int64_t wall_ms;
    bool is_upper;
};

static void put_position(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct position *position = ask->question;

    if (position->group != NULL)
        rmq_encode_str(encoder, "consumerGroup", position->group);
    rmq_encode_str(encoder, "topic", position->topic);
    rmq_encode_int(encoder, "queueId", position->queue->queue_id);
    if (ask->request_code == RMQ_UPDATE_CONSUMER_OFFSET)
        rmq_encode_int(encoder, "commitOffset", position->commit);
    if (ask->request_code == RMQ_QUERY_CONSUMER_OFFSET)
        rmq_encode_bool(encoder, "setZeroIfNotFound", false);
    if (ask->request_code == RMQ_SEARCH_OFFSET_BY_TIMESTAMP) {
        rmq_encode_int(encoder, "timestamp", position->wall_ms);
        rmq_encode_str(encoder, "boundaryType", position->is_upper ? "UPPER" : "LOWER");
    }
}

static bool read_offset(struct rmq_ask *ask, const struct rmq_command *command,
                        struct dt_span body)
{
    (void)body;
    return rmq_command_i64(command, "offset", ask->result);
}

static dt_status check(const struct position *position, int64_t timeout_ms)
{
    if (position->queue == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no queue or no time");
    if (position->queue->broker_name[0] == 0 || position->queue->queue_id < 0)
        return dt_error_set(DT_EINVAL, "not a queue as rmq_topic_read_queues() gives them");
    return rmq_topic_name_check(position->topic);
}

static dt_status ask_position(rmq_client *client, int32_t code, struct position *position,
                              int64_t timeout_ms, int64_t *result)
{
    char topic_room[RMQ_FULL_NAME_SIZE], group_room[RMQ_FULL_NAME_SIZE];
    struct rmq_ask ask;
    dt_status status;

    if (client == NULL)
        return dt_error_set(DT_EINVAL, "no client given");
    position->topic = rmq_namespace_wrap(client->space, position->topic, topic_room);
    position->group = rmq_namespace_wrap(client->space, position->group, group_room);
    status = check(position, timeout_ms);
    if (status != DT_OK)
        return status;
    rmq_ask_init(&ask, client, code, rmq_deadline_ms(timeout_ms));
    ask.put = put_position;
    ask.question = position;
    ask.changes = code == RMQ_UPDATE_CONSUMER_OFFSET;
    ask.read = result == NULL ? NULL : read_offset;
    ask.result = result;
    status = rmq_ask_broker(&ask, position->topic, position->queue->broker_name);
    if (status == DT_OK)
        return DT_OK;
    if (status == DT_EREFUSED && ask.response_code == RMQ_TOPIC_NOT_EXIST)
        status = DT_ENOROUTE;
    if (status == DT_EREFUSED && (ask.response_code == RMQ_QUERY_NOT_FOUND ||
                                  ask.response_code == RMQ_SUBSCRIPTION_GROUP_NOT_EXIST))
        status = DT_ENOTFOUND;
    return dt_error_wrap(status, "topic '%s', queue %s/%d", position->topic,
                         position->queue->broker_name, position->queue->queue_id);
}

dt_status rmq_offset_min(rmq_client *client, const char *topic, const rmq_queue *queue,
                         int64_t timeout_ms, int64_t *offset)
{
    struct position position = {.topic = topic, .queue = queue};
    dt_status status;

    if (offset == NULL)
        return dt_error_set(DT_EINVAL, "no place for the offset");
    status = ask_position(client, RMQ_GET_MIN_OFFSET, &position, timeout_ms, offset);
    if (status == DT_OK && *offset < 0) /* nothing was ever stored */
        *offset = 0;
    return status;
}

dt_status rmq_offset_max(rmq_client *client, const char *topic, const rmq_queue *queue,
                         int64_t timeout_ms, int64_t *offset)
{
    struct position position = {.topic = topic, .queue = queue};

    if (offset == NULL)
        return dt_error_set(DT_EINVAL, "no place for the offset");
    return ask_position(client, RMQ_GET_MAX_OFFSET, &position, timeout_ms, offset);
}

dt_status rmq_offset_by_time(rmq_client *client, const char *topic, const rmq_queue *queue,
                             int64_t wall_ms, rmq_boundary boundary, int64_t timeout_ms,
                             int64_t *offset)
{
    struct position position = {.topic = topic, .queue = queue, .wall_ms = wall_ms};
    dt_status status;

    if (offset == NULL || wall_ms < 0 ||
        (boundary != RMQ_BOUNDARY_LOWER && boundary != RMQ_BOUNDARY_UPPER))
        return dt_error_set(DT_EINVAL,
                            "no place for the offset, no time or no such boundary");
    position.is_upper = boundary == RMQ_BOUNDARY_UPPER;
    status =
        ask_position(client, RMQ_SEARCH_OFFSET_BY_TIMESTAMP, &position, timeout_ms, offset);
    if (status == DT_OK && *offset < 0)
        *offset = 0;
    return status;
}

dt_status rmq_offset_query(rmq_client *client, const char *group, const char *topic,
                           const rmq_queue *queue, int64_t timeout_ms, int64_t *offset)
{
    struct position position = {.group = group, .topic = topic, .queue = queue};
    dt_status status = rmq_group_name_check(group);

    if (status == DT_OK && offset == NULL)
        status = dt_error_set(DT_EINVAL, "no place for the offset");
    if (status != DT_OK)
        return status;
    status = ask_position(client, RMQ_QUERY_CONSUMER_OFFSET, &position, timeout_ms, offset);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "offset of group '%s'", group);
}

dt_status rmq_offset_commit(rmq_client *client, const char *group, const char *topic,
                            const rmq_queue *queue, int64_t offset, int64_t timeout_ms)
{
    struct position position = {
        .group = group, .topic = topic, .queue = queue, .commit = offset};
    dt_status status = rmq_group_name_check(group);

    if (status == DT_OK && offset < 0)
        status = dt_error_set(DT_EINVAL, "a negative offset");
    if (status != DT_OK)
        return status;
    status = ask_position(client, RMQ_UPDATE_CONSUMER_OFFSET, &position, timeout_ms, NULL);
    return status == DT_OK ? DT_OK
                           : dt_error_wrap(status, "committing for group '%s'", group);
}
