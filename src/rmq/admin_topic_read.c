/* What topics are and hold, by the brokers that have them. */
#include "rmq/gather.h"
#include "rmq/json.h"

static void put_name(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "topic", ask->question);
}

static dt_status
ask_one(struct rmq_gather *gather, const struct rmq_one_master *master, int32_t code,
        bool (*read)(struct rmq_ask *ask, const struct rmq_command *command,
                     struct dt_span body))
{
    struct rmq_ask ask;
    dt_status status;

    rmq_ask_init(&ask, gather->client, code, gather->deadline_ms);
    if (code != RMQ_GET_ALL_TOPIC_CONFIG)
        ask.put = put_name;
    ask.question = gather->topic;
    ask.read = read;
    ask.result = gather;
    status = rmq_ask_master(&ask, master);
    /* the name server has not heard yet that this broker lost it */
    return status == DT_EREFUSED && ask.response_code == RMQ_TOPIC_NOT_EXIST ? DT_OK
                                                                             : status;
}

/* ---------------------------------------------------------------- settings */

static void add_config(struct rmq_gather *gather, struct rmq_json value)
{
    rmq_topic_config *config = rmq_rows_add(&gather->rows);

    if (config == NULL)
        return;
    config->read_queues =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "readQueueNums"), 0, INT32_MAX, 0);
    config->write_queues =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "writeQueueNums"), 0, INT32_MAX, 0);
    config->perm = (int32_t)rmq_json_i64_or(rmq_json_get(value, "perm"), 0, INT32_MAX, 0);
    config->order = rmq_json_bool(rmq_json_get(value, "order"));
    memcpy(config->broker_name, gather->broker_name,
           strlen(gather->broker_name) + 1); /* both RMQ_NAME_SIZE */
}

static bool read_config(struct rmq_ask *ask, const struct rmq_command *command,
                        struct dt_span body)
{
    struct rmq_json root;

    (void)command;
    if (!rmq_json_parse(body, &root) ||
        rmq_json_get(root, "readQueueNums").kind == RMQ_JSON_NONE)
        return false;
    add_config(ask->result, root);
    return true;
}

static bool read_config_table(struct rmq_ask *ask, const struct rmq_command *command,
                              struct dt_span body)
{
    struct rmq_gather *gather = ask->result;
    struct rmq_json root, value;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    value = rmq_json_get(rmq_json_get(root, "topicConfigTable"), gather->topic);
    if (value.kind == RMQ_JSON_OBJECT)
        add_config(gather, value);
    return true;
}

static dt_status ask_config(struct rmq_gather *gather, const struct rmq_one_master *master)
{
    dt_status status = ask_one(gather, master, RMQ_GET_TOPIC_CONFIG, read_config);

    if (status == DT_EUNSUPPORTED)
        status = ask_one(gather, master, RMQ_GET_ALL_TOPIC_CONFIG, read_config_table);
    return status;
}

dt_status rmq_topic_config_get(rmq_client *client, const char *topic,
                               rmq_topic_config **out, size_t *count, int64_t timeout_ms)
{
    struct rmq_gather gather;
    dt_status status =
        rmq_gather_begin(&gather, client, sizeof(**out), timeout_ms, (void **)out, count);

    if (status == DT_OK)
        status = rmq_gather_topic(&gather, topic);
    if (status != DT_OK)
        return status;
    status =
        rmq_masters_of_topic(client, gather.topic, gather.deadline_ms, &gather.masters);
    status = rmq_gather_each(&gather, status, ask_config);
    return rmq_gather_end(&gather, status, NULL, "settings of", gather.topic);
}

/* ---------------------------------------------------------------- statistics */

static bool read_stats(struct rmq_ask *ask, const struct rmq_command *command,
                       struct dt_span body)
{
    struct rmq_gather *gather = ask->result;
    struct rmq_json root, key, value;
    struct rmq_json_iter iter;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "offsetTable"));
    while (rmq_json_next(&iter, &key, &value)) {
        rmq_queue_stats *stats = rmq_rows_add(&gather->rows);

        if (stats == NULL)
            return true; /* told when they are given */
        if (!rmq_json_copy(rmq_json_get(key, "brokerName"), stats->queue.broker_name,
                           sizeof(stats->queue.broker_name)))
            return false;
        stats->queue.queue_id = (int32_t)rmq_json_i64_or(rmq_json_get(key, "queueId"), 0,
                                                         RMQ_ROUTE_QUEUES_MAX, -1);
        stats->min_offset =
            rmq_json_i64_or(rmq_json_get(value, "minOffset"), 0, INT64_MAX, 0);
        stats->max_offset =
            rmq_json_i64_or(rmq_json_get(value, "maxOffset"), 0, INT64_MAX, 0);
        stats->last_updated_ms =
            rmq_json_i64_or(rmq_json_get(value, "lastUpdateTimestamp"), 0, INT64_MAX, 0);
    }
    return true;
}

static int compare_stats(const void *a, const void *b)
{
    const rmq_queue *one = &((const rmq_queue_stats *)a)->queue;
    const rmq_queue *other = &((const rmq_queue_stats *)b)->queue;
    int order = strcmp(one->broker_name, other->broker_name);

    return order != 0
               ? order
               : (one->queue_id > other->queue_id) - (one->queue_id < other->queue_id);
}

static dt_status ask_stats(struct rmq_gather *gather, const struct rmq_one_master *master)
{
    return ask_one(gather, master, RMQ_GET_TOPIC_STATS_INFO, read_stats);
}

dt_status rmq_topic_stats(rmq_client *client, const char *topic, rmq_queue_stats **out,
                          size_t *count, int64_t timeout_ms)
{
    struct rmq_gather gather;
    dt_status status =
        rmq_gather_begin(&gather, client, sizeof(**out), timeout_ms, (void **)out, count);

    if (status == DT_OK)
        status = rmq_gather_topic(&gather, topic);
    if (status != DT_OK)
        return status;
    status =
        rmq_masters_of_topic(client, gather.topic, gather.deadline_ms, &gather.masters);
    status = rmq_gather_each(&gather, status, ask_stats);
    return rmq_gather_end(&gather, status, compare_stats, "statistics of", gather.topic);
}
