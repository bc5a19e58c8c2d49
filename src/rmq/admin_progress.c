/* How far a group is, and who is in it. */
#include <stdio.h>

#include "rmq/gather.h"
#include "rmq/json.h"

static void put_question(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct rmq_gather *gather = ask->question;

    rmq_encode_str(encoder, "consumerGroup", gather->group);
    if (gather->topic != NULL)
        rmq_encode_str(encoder, "topic", gather->topic);
}

static dt_status
ask_one(struct rmq_gather *gather, const struct rmq_one_master *master, int32_t code,
        bool (*read)(struct rmq_ask *ask, const struct rmq_command *command,
                     struct dt_span body))
{
    struct rmq_ask ask;
    dt_status status;

    rmq_ask_init(&ask, gather->client, code, gather->deadline_ms);
    ask.put = put_question;
    ask.question = gather;
    ask.read = read;
    ask.result = gather;
    status = rmq_ask_master(&ask, master);
    /* how brokers say that there is nothing: nobody online, no such group or topic */
    if (status == DT_EREFUSED && (ask.response_code == RMQ_CONSUMER_NOT_ONLINE ||
                                  ask.response_code == RMQ_SUBSCRIPTION_GROUP_NOT_EXIST ||
                                  ask.response_code == RMQ_TOPIC_NOT_EXIST))
        return DT_OK;
    return status;
}

/* ---------------------------------------------------------------- progress */

static bool take_progress(rmq_progress *row, struct rmq_json key, struct rmq_json value)
{
    int64_t queue_id;

    if (!rmq_json_copy(rmq_json_get(key, "topic"), row->topic, sizeof(row->topic)) ||
        !rmq_json_copy(rmq_json_get(key, "brokerName"), row->queue.broker_name,
                       sizeof(row->queue.broker_name)) ||
        !rmq_json_i64(rmq_json_get(key, "queueId"), &queue_id) || queue_id < 0 ||
        queue_id > INT32_MAX)
        return false;
    row->queue.queue_id = (int32_t)queue_id;
    row->broker_offset =
        rmq_json_i64_or(rmq_json_get(value, "brokerOffset"), 0, INT64_MAX, 0);
    /* brokers write -1 for a queue without a commit: nothing was read */
    row->consumer_offset =
        rmq_json_i64_or(rmq_json_get(value, "consumerOffset"), 0, INT64_MAX, 0);
    row->diff = row->broker_offset - row->consumer_offset;
    row->last_ms = rmq_json_i64_or(rmq_json_get(value, "lastTimestamp"), 0, INT64_MAX, 0);
    return true;
}

static bool read_progress(struct rmq_ask *ask, const struct rmq_command *command,
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
        rmq_progress *row = rmq_rows_add(&gather->rows);

        if (row == NULL)
            return true; /* told when they are given */
        if (!take_progress(row, key, value))
            return false;
        /* brokers may tell of all, whatever was asked */
        if (gather->topic != NULL && strcmp(row->topic, gather->topic) != 0)
            gather->rows.count--;
    }
    return true;
}

static int compare_progress(const void *a, const void *b)
{
    const rmq_progress *one = a, *other = b;
    int order = strcmp(one->topic, other->topic);

    if (order == 0)
        order = strcmp(one->queue.broker_name, other->queue.broker_name);
    return order != 0 ? order
                      : (one->queue.queue_id > other->queue.queue_id) -
                            (one->queue.queue_id < other->queue.queue_id);
}

/* Takes the namespace off. */
static void strip(const char *space, char *topic)
{
    const char *name = rmq_namespace_strip(space, topic);

    memmove(topic, name, strlen(name) + 1);
}

static dt_status ask_progress(struct rmq_gather *gather,
                              const struct rmq_one_master *master)
{
    return ask_one(gather, master, RMQ_GET_CONSUME_STATS, read_progress);
}

dt_status rmq_group_progress(rmq_client *client, const char *group, const char *topic,
                             rmq_progress **out, size_t *count, int64_t timeout_ms)
{
    struct rmq_gather gather;
    dt_status status =
        rmq_gather_begin(&gather, client, sizeof(**out), timeout_ms, (void **)out, count);

    if (status == DT_OK)
        status = rmq_gather_group(&gather, group);
    if (status == DT_OK && topic != NULL)
        status = rmq_gather_topic(&gather, topic);
    if (status != DT_OK)
        return status;
    status =
        rmq_masters_of_group(client, gather.group, gather.deadline_ms, &gather.masters);
    status = rmq_gather_each(&gather, status, ask_progress);
    status = rmq_gather_end(&gather, status, compare_progress, "progress of group",
                            gather.group);
    for (size_t i = 0; status == DT_OK && i < *count; i++)
        strip(client->space, (*out)[i].topic);
    return status;
}

/* ---------------------------------------------------------------- members */

/* A version is the ordinal of a release in a row that had, from 4.1.0 on, ten patches for each
 * minor version and ten minor versions for each major one, each first as SNAPSHOT. */
static void release_of(int64_t version, char *out, size_t size)
{
    enum { V4_1_0_SNAPSHOT = 232, HIGHER = 612 };
    int64_t number = (version - V4_1_0_SNAPSHOT) / 2 + 10;

    out[0] = 0;
    if (version >= V4_1_0_SNAPSHOT && version < HIGHER)
        snprintf(out, size, "%d.%d.%d%s", (int)(4 + number / 100), (int)(number / 10 % 10),
                 (int)(number % 10), version % 2 == 0 ? "-SNAPSHOT" : "");
}

static bool read_connections(struct rmq_ask *ask, const struct rmq_command *command,
                             struct dt_span body)
{
    struct rmq_gather *gather = ask->result;
    struct rmq_json root, value;
    struct rmq_json_iter iter;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "connectionSet"));
    while (rmq_json_next(&iter, NULL, &value)) {
        rmq_connection *row = rmq_rows_add(&gather->rows);

        if (row == NULL)
            return true; /* told when they are given */
        /* what is missing or too long is left empty; without an id it is nobody */
        if (!rmq_json_copy(rmq_json_get(value, "clientId"), row->client_id,
                           sizeof(row->client_id))) {
            gather->rows.count--;
            continue;
        }
        (void)rmq_json_copy(rmq_json_get(value, "clientAddr"), row->address,
                            sizeof(row->address));
        (void)rmq_json_copy(rmq_json_get(value, "language"), row->language,
                            sizeof(row->language));
        row->version =
            (int32_t)rmq_json_i64_or(rmq_json_get(value, "version"), 0, INT32_MAX, 0);
        release_of(row->version, row->release, sizeof(row->release));
    }
    return true;
}

static int compare_connections(const void *a, const void *b)
{
    return strcmp(((const rmq_connection *)a)->client_id,
                  ((const rmq_connection *)b)->client_id);
}

static dt_status ask_connections(struct rmq_gather *gather,
                                 const struct rmq_one_master *master)
{
    return ask_one(gather, master, RMQ_GET_CONSUMER_CONNECTION_LIST, read_connections);
}

dt_status rmq_group_connections(rmq_client *client, const char *group, rmq_connection **out,
                                size_t *count, int64_t timeout_ms)
{
    struct rmq_gather gather;
    dt_status status =
        rmq_gather_begin(&gather, client, sizeof(**out), timeout_ms, (void **)out, count);

    if (status == DT_OK)
        status = rmq_gather_group(&gather, group);
    if (status != DT_OK)
        return status;
    status =
        rmq_masters_of_group(client, gather.group, gather.deadline_ms, &gather.masters);
    status = rmq_gather_each(&gather, status, ask_connections);
    return rmq_gather_end(&gather, status, compare_connections, "members of group",
                          gather.group);
}
