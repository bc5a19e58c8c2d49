/* Members of a group, as the brokers of a topic know them. */
#include <stdlib.h>

#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/json.h"
#include "rmq/naming.h"
#include "rmq/rows.h"

static void put_group(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "consumerGroup", ask->question);
}

static bool read_members(struct rmq_ask *ask, const struct rmq_command *command,
                         struct dt_span body)
{
    struct rmq_json root, name;
    struct rmq_json_iter iter;
    struct dt_buf scratch;
    struct dt_span text;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    dt_buf_init(&scratch, RMQ_FRAME_SIZE_MAX);
    iter = rmq_json_items(rmq_json_get(root, "consumerIdList"));
    while (rmq_json_next(&iter, NULL, &name)) {
        dt_buf_clear(&scratch);
        if (rmq_json_text(name, &scratch, &text))
            rmq_texts_add(ask->result, text);
    }
    dt_buf_fini(&scratch);
    return true;
}

struct brokers {
    char (*names)[RMQ_NAME_SIZE];
    size_t count;
};

static dt_status take_brokers(void *context, const struct rmq_route *route)
{
    struct brokers *brokers = context;

    brokers->names = calloc(route->broker_count + 1, sizeof(brokers->names[0]));
    if (brokers->names == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for brokers' names");
    brokers->count = route->broker_count;
    for (size_t i = 0; i < route->broker_count; i++)
        memcpy(brokers->names[i], route->brokers[i].name, RMQ_NAME_SIZE);
    return DT_OK;
}

dt_status rmq_group_members(rmq_client *client, const char *group, const char *topic,
                            int64_t timeout_ms, char ***out, size_t *count)
{
    struct rmq_texts members;
    struct brokers brokers = {NULL, 0};
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    char topic_room[RMQ_FULL_NAME_SIZE], group_room[RMQ_FULL_NAME_SIZE];
    dt_status status;

    if (client == NULL || out == NULL || count == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no client, no place for the members or no time");
    *out = NULL;
    *count = 0;
    topic = rmq_namespace_wrap(client->space, topic, topic_room);
    group = rmq_namespace_wrap(client->space, group, group_room);
    status = rmq_group_name_check(group);
    if (status == DT_OK)
        status = rmq_topic_name_check(topic);
    if (status != DT_OK)
        return status;
    rmq_texts_init(&members);
    status = rmq_ask_route(client, topic, true, deadline_ms, take_brokers, &brokers);
    for (size_t i = 0; status == DT_OK && i < brokers.count; i++) {
        struct rmq_ask ask;

        rmq_ask_init(&ask, client, RMQ_GET_CONSUMER_LIST_BY_GROUP, deadline_ms);
        ask.put = put_group;
        ask.question = group;
        ask.read = read_members;
        ask.result = &members;
        status = rmq_ask_broker(&ask, topic, brokers.names[i]);
        /* how brokers say that there is none */
        if (status == DT_EREFUSED && ask.response_code == RMQ_SYSTEM_ERROR &&
            strstr(ask.reason, "no consumer") != NULL)
            status = DT_OK;
    }
    if (status == DT_OK)
        status = rmq_texts_give(&members, out, count);
    free(brokers.names);
    rmq_texts_fini(&members);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "members of group '%s'", group);
}
