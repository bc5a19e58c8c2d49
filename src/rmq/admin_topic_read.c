/* What topics are and hold, by the brokers that have them. */
#include <stdlib.h>

#include "base/status.h"
#include "rmq/json.h"
#include "rmq/masters.h"
#include "rmq/naming.h"
#include "rmq/rows.h"

/* What the answers of all masters go into. */
struct gathered {
    const char *topic;
    const char *broker_name; /* of the one that answers */
    struct rmq_rows rows;
};

static void put_name(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "topic", ask->question);
}

static dt_status ask_one(struct rmq_client *client, int32_t code,
                         const struct rmq_one_master *master, struct gathered *gathered,
                         bool (*read)(struct rmq_ask *ask,
                                      const struct rmq_command *command,
                                      struct dt_span body),
                         int64_t deadline_ms)
{
    struct rmq_ask ask;
    dt_status status;

    gathered->broker_name = master->name;
    rmq_ask_init(&ask, client, code, deadline_ms);
    if (code != RMQ_GET_ALL_TOPIC_CONFIG)
        ask.put = put_name;
    ask.question = gathered->topic;
    ask.read = read;
    ask.result = gathered;
    status = rmq_ask_master(&ask, master);
    /* the name server has not heard yet that this broker lost it */
    return status == DT_EREFUSED && ask.response_code == RMQ_TOPIC_NOT_EXIST ? DT_OK
                                                                             : status;
}

/* ---------------------------------------------------------------- settings */

static void add_config(struct gathered *gathered, struct rmq_json value)
{
    rmq_topic_config *config = rmq_rows_add(&gathered->rows);

    if (config == NULL)
        return;
    config->read_queues =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "readQueueNums"), 0, INT32_MAX, 0);
    config->write_queues =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "writeQueueNums"), 0, INT32_MAX, 0);
    config->perm = (int32_t)rmq_json_i64_or(rmq_json_get(value, "perm"), 0, INT32_MAX, 0);
    config->order = rmq_json_bool(rmq_json_get(value, "order"));
    memcpy(config->broker_name, gathered->broker_name,
           strlen(gathered->broker_name) + 1); /* both RMQ_NAME_SIZE */
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
    struct gathered *gathered = ask->result;
    struct rmq_json root, value;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    value = rmq_json_get(rmq_json_get(root, "topicConfigTable"), gathered->topic);
    if (value.kind == RMQ_JSON_OBJECT)
        add_config(gathered, value);
    return true;
}

dt_status rmq_topic_config_get(rmq_client *client, const char *topic,
                               rmq_topic_config **out, size_t *count, int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct gathered gathered = {0};
    struct rmq_masters masters;
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    gathered.topic = topic;
    rmq_rows_init(&gathered.rows, sizeof(rmq_topic_config));
    status = rmq_masters_of_topic(client, topic, deadline_ms, &masters);
    for (size_t i = 0; status == DT_OK && i < masters.count; i++) {
        status = ask_one(client, RMQ_GET_TOPIC_CONFIG, &masters.all[i], &gathered,
                         read_config, deadline_ms);
        if (status == DT_EUNSUPPORTED)
            status = ask_one(client, RMQ_GET_ALL_TOPIC_CONFIG, &masters.all[i], &gathered,
                             read_config_table, deadline_ms);
    }
    if (status == DT_OK)
        status = rmq_rows_give(&gathered.rows, (void **)out, count);
    rmq_rows_fini(&gathered.rows);
    rmq_masters_fini(&masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "settings of '%s'", topic);
}

/* ---------------------------------------------------------------- statistics */

static bool read_stats(struct rmq_ask *ask, const struct rmq_command *command,
                       struct dt_span body)
{
    struct gathered *gathered = ask->result;
    struct rmq_json root, key, value;
    struct rmq_json_iter iter;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "offsetTable"));
    while (rmq_json_next(&iter, &key, &value)) {
        rmq_queue_stats *stats = rmq_rows_add(&gathered->rows);

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

dt_status rmq_topic_stats(rmq_client *client, const char *topic, rmq_queue_stats **out,
                          size_t *count, int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct gathered gathered = {0};
    struct rmq_masters masters;
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    gathered.topic = topic;
    rmq_rows_init(&gathered.rows, sizeof(rmq_queue_stats));
    status = rmq_masters_of_topic(client, topic, deadline_ms, &masters);
    for (size_t i = 0; status == DT_OK && i < masters.count; i++)
        status = ask_one(client, RMQ_GET_TOPIC_STATS_INFO, &masters.all[i], &gathered,
                         read_stats, deadline_ms);
    rmq_rows_sort(&gathered.rows, compare_stats);
    if (status == DT_OK)
        status = rmq_rows_give(&gathered.rows, (void **)out, count);
    rmq_rows_fini(&gathered.rows);
    rmq_masters_fini(&masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "statistics of '%s'", topic);
}
