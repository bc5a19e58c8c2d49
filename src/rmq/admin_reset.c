/* Putting a group to a time. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/json.h"
#include "rmq/masters.h"
#include "rmq/naming.h"
#include "rmq/rows.h"

struct reset {
    struct rmq_client *client;
    const char *group;
    const char *topic;
    int64_t wall_ms;
    int64_t deadline_ms;
    struct rmq_rows rows;
};

static void put_reset(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct reset *reset = ask->question;

    rmq_encode_str(encoder, "topic", reset->topic);
    rmq_encode_str(encoder, "group", reset->group);
    rmq_encode_int(encoder, "timestamp", reset->wall_ms);
    rmq_encode_bool(encoder, "isForce", true); /* also ahead of what is committed */
}

static void add(struct reset *reset, const char *broker_name, int64_t queue_id,
                int64_t offset)
{
    rmq_position *row = rmq_rows_add(&reset->rows);

    if (row == NULL)
        return;
    memcpy(row->queue.broker_name, broker_name, strlen(broker_name) + 1);
    row->queue.queue_id = (int32_t)queue_id;
    row->offset = offset;
}

static bool read_reset(struct rmq_ask *ask, const struct rmq_command *command,
                       struct dt_span body)
{
    struct reset *reset = ask->result;
    struct rmq_json root, key, offset;
    struct rmq_json_iter iter;
    char broker_name[RMQ_NAME_SIZE];
    int64_t queue_id, number;

    (void)command;
    if (body.size == 0)
        return true;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "offsetTable"));
    while (rmq_json_next(&iter, &key, &offset)) {
        if (!rmq_json_copy(rmq_json_get(key, "brokerName"), broker_name,
                           sizeof(broker_name)) ||
            !rmq_json_i64(rmq_json_get(key, "queueId"), &queue_id) || queue_id < 0 ||
            queue_id > INT32_MAX || !rmq_json_i64(offset, &number))
            return false;
        add(reset, broker_name, queue_id, number);
    }
    return true;
}

/* ---------------------------------------------------------------- nobody is online */

static int64_t left_ms(const struct reset *reset)
{
    int64_t left = reset->deadline_ms - dt_clock_ms();

    return left > 0 ? left : 1;
}

static dt_status commit_queue(struct reset *reset, const rmq_queue *queue)
{
    int64_t offset;
    dt_status status;

    if (reset->wall_ms == RMQ_RESET_TO_END)
        status =
            rmq_offset_max(reset->client, reset->topic, queue, left_ms(reset), &offset);
    else
        status = rmq_offset_by_time(reset->client, reset->topic, queue, reset->wall_ms,
                                    RMQ_BOUNDARY_LOWER, left_ms(reset), &offset);
    if (status == DT_OK)
        status = rmq_offset_commit(reset->client, reset->group, reset->topic, queue, offset,
                                   left_ms(reset));
    if (status == DT_OK)
        add(reset, queue->broker_name, queue->queue_id, offset);
    return status;
}

static dt_status commit_broker(struct reset *reset, const struct rmq_one_master *master)
{
    rmq_queue *queues = NULL;
    size_t count = 0;
    dt_status status =
        rmq_topic_read_queues(reset->client, reset->topic, &queues, &count, left_ms(reset));

    for (size_t i = 0; status == DT_OK && i < count; i++)
        if (strcmp(queues[i].broker_name, master->name) == 0)
            status = commit_queue(reset, &queues[i]);
    rmq_free(queues);
    return status;
}

/* ---------------------------------------------------------------- all of it */

static dt_status reset_broker(struct reset *reset, const struct rmq_one_master *master)
{
    struct rmq_ask ask;
    dt_status status;

    rmq_ask_init(&ask, reset->client, RMQ_INVOKE_BROKER_TO_RESET_OFFSET,
                 reset->deadline_ms);
    ask.put = put_reset;
    ask.question = reset;
    ask.read = read_reset;
    ask.result = reset;
    ask.changes = true;
    status = rmq_ask_master(&ask, master);
    if (status == DT_EREFUSED && ask.response_code == RMQ_CONSUMER_NOT_ONLINE)
        return commit_broker(reset, master);
    return status;
}

static int compare(const void *a, const void *b)
{
    const rmq_queue *one = &((const rmq_position *)a)->queue;
    const rmq_queue *other = &((const rmq_position *)b)->queue;
    int order = strcmp(one->broker_name, other->broker_name);

    return order != 0
               ? order
               : (one->queue_id > other->queue_id) - (one->queue_id < other->queue_id);
}

dt_status rmq_group_reset(rmq_client *client, const char *group, const char *topic,
                          int64_t wall_ms, rmq_position **out, size_t *count,
                          int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE], group_room[RMQ_FULL_NAME_SIZE];
    struct reset reset = {client, NULL, NULL, wall_ms, 0, {0}};
    struct rmq_masters masters;
    dt_status status = rmq_admin_check(client, client, client, timeout_ms);

    if (status == DT_OK && ((out == NULL) != (count == NULL) || wall_ms < RMQ_RESET_TO_END))
        status = dt_error_set(DT_EINVAL, "no such time, or half a place for the answer");
    if (status == DT_OK)
        status = rmq_admin_group(client, &group, group_room);
    if (status == DT_OK)
        status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    if (out != NULL) {
        *out = NULL;
        *count = 0;
    }
    reset.group = group;
    reset.topic = topic;
    reset.deadline_ms = rmq_deadline_ms(timeout_ms);
    rmq_rows_init(&reset.rows, sizeof(rmq_position));
    status = rmq_masters_of_topic(client, topic, reset.deadline_ms, &masters);
    for (size_t i = 0; status == DT_OK && i < masters.count; i++) {
        status = reset_broker(&reset, &masters.all[i]);
        if (i > 0 && (status == DT_EUNREACH || status == DT_EBUSY))
            status = dt_error_wrap(DT_EINDOUBT, "reset on other brokers");
    }
    rmq_rows_sort(&reset.rows, compare);
    if (status == DT_OK && out != NULL)
        status = rmq_rows_give(&reset.rows, (void **)out, count);
    rmq_rows_fini(&reset.rows);
    rmq_masters_fini(&masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "resetting group '%s'", group);
}
