/* Topics: creating, changing, deleting and listing them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/json.h"
#include "rmq/masters.h"
#include "rmq/naming.h"
#include "rmq/rows.h"

/* ---------------------------------------------------------------- creating */

struct wish {
    const char *topic;
    rmq_topic_config config;
};

static void put_wish(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct wish *wish = ask->question;

    rmq_encode_str(encoder, "topic", wish->topic);
    rmq_encode_str(encoder, "defaultTopic", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(encoder, "readQueueNums", wish->config.read_queues);
    rmq_encode_int(encoder, "writeQueueNums", wish->config.write_queues);
    rmq_encode_int(encoder, "perm", wish->config.perm);
    rmq_encode_str(encoder, "topicFilterType", "SINGLE_TAG");
    rmq_encode_int(encoder, "topicSysFlag", 0);
    rmq_encode_bool(encoder, "order", wish->config.order);
    if (wish->config.attributes != NULL && wish->config.attributes[0] != 0)
        rmq_encode_str(encoder, "attributes", wish->config.attributes);
}

static dt_status put_on_masters(struct rmq_client *client,
                                const struct rmq_masters *masters, const struct wish *wish,
                                int64_t deadline_ms)
{
    for (size_t i = 0; i < masters->count; i++) {
        struct rmq_ask ask;
        dt_status status;

        rmq_ask_init(&ask, client, RMQ_UPDATE_AND_CREATE_TOPIC, deadline_ms);
        ask.put = put_wish;
        ask.question = wish;
        ask.changes = true;
        status = rmq_ask_master(&ask, &masters->all[i]);
        if (status == DT_OK)
            continue;
        if (i > 0 && (status == DT_EUNREACH || status == DT_EBUSY))
            status = DT_EINDOUBT; /* others have it already */
        return dt_error_wrap(status, "broker '%s'", masters->all[i].name);
    }
    return DT_OK;
}

struct complete {
    const struct rmq_masters *masters;
    const struct wish *wish;
};

static bool is_shown(const struct rmq_route *route, const struct rmq_one_master *master,
                     const rmq_topic_config *config)
{
    for (size_t i = 0; i < route->share_count; i++)
        if (strcmp(route->shares[i].broker_name, master->name) == 0)
            return route->shares[i].write_queues == config->write_queues &&
                   route->shares[i].read_queues == config->read_queues &&
                   route->shares[i].perm == config->perm;
    return false;
}

/* DT_OK if the route has the wished queues on each master; else DT_EBUSY. */
static dt_status check_complete(void *context, const struct rmq_route *route)
{
    const struct complete *complete = context;

    for (size_t i = 0; i < complete->masters->count; i++)
        if (!is_shown(route, &complete->masters->all[i], &complete->wish->config))
            return dt_error_set(DT_EBUSY,
                                "the name server does not show it on broker '%s' yet",
                                complete->masters->all[i].name);
    return DT_OK;
}

static dt_status put_topic(struct rmq_client *client, const struct wish *wish,
                           int64_t deadline_ms)
{
    struct rmq_masters masters;
    struct complete complete = {&masters, wish};
    unsigned failures = 0;
    dt_status status =
        rmq_masters_of_cluster(client, wish->config.cluster, deadline_ms, &masters);

    if (status == DT_OK)
        status = put_on_masters(client, &masters, wish, deadline_ms);
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
    rmq_masters_fini(&masters);
    return status;
}

dt_status rmq_topic_put(rmq_client *client, const char *topic,
                        const rmq_topic_config *config, int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct wish wish;
    dt_status status = rmq_admin_check(client, config, config, timeout_ms);

    if (status == DT_OK)
        status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    wish.topic = topic;
    wish.config = *config;
    if (wish.config.perm == 0)
        wish.config.perm = RMQ_PERM_READ | RMQ_PERM_WRITE;
    if (wish.config.read_queues < 1 || wish.config.read_queues > RMQ_ROUTE_QUEUES_MAX ||
        wish.config.write_queues < 1 || wish.config.write_queues > RMQ_ROUTE_QUEUES_MAX)
        return dt_error_set(DT_EINVAL, "a topic has 1 to %d queues, not %d and %d",
                            RMQ_ROUTE_QUEUES_MAX, (int)config->read_queues,
                            (int)config->write_queues);
    if ((wish.config.perm & ~(RMQ_PERM_READ | RMQ_PERM_WRITE)) != 0)
        return dt_error_set(DT_EINVAL, "%d is no permission of a topic", (int)config->perm);
    status = put_topic(client, &wish, rmq_deadline_ms(timeout_ms));
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "creating topic '%s'", topic);
}

dt_status rmq_topic_create(rmq_client *client, const char *topic, int32_t queues,
                           int64_t timeout_ms)
{
    rmq_topic_config config = {.read_queues = queues, .write_queues = queues};

    return rmq_topic_put(client, topic, &config, timeout_ms);
}

/* ---------------------------------------------------------------- deleting */

static void put_name(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "topic", ask->question);
}

static dt_status delete_at(struct rmq_client *client, int32_t code, const char *topic,
                           const char *address, int64_t deadline_ms)
{
    struct rmq_ask ask;
    dt_status status;

    rmq_ask_init(&ask, client, code, deadline_ms);
    ask.put = put_name;
    ask.question = topic;
    ask.changes = true;
    status = rmq_ask_address(&ask, address);
    if (status == DT_EREFUSED && ask.response_code == RMQ_TOPIC_NOT_EXIST)
        return DT_OK;
    return status;
}

static dt_status delete_topic(struct rmq_client *client, const char *topic,
                              int64_t deadline_ms)
{
    struct rmq_masters masters;
    size_t done_count = 0;
    dt_status status = rmq_masters_of_all(client, deadline_ms, &masters);

    for (size_t i = 0; status == DT_OK && i < masters.count; i++, done_count++)
        status = delete_at(client, RMQ_DELETE_TOPIC_IN_BROKER, topic,
                           masters.all[i].address, deadline_ms);
    /* what a broker no longer has, it no longer tells name servers: these forget last */
    for (size_t i = 0; status == DT_OK && i < client->names.count; i++, done_count++)
        status = delete_at(client, RMQ_DELETE_TOPIC_IN_NAMESRV, topic,
                           client->names.addresses[i], deadline_ms);
    if (done_count > 1 && (status == DT_EUNREACH || status == DT_EBUSY))
        status = dt_error_wrap(DT_EINDOUBT, "deleted elsewhere");
    rmq_masters_fini(&masters);
    return status;
}

dt_status rmq_topic_delete(rmq_client *client, const char *topic, int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    dt_status status = rmq_admin_check(client, client, client, timeout_ms);

    if (status == DT_OK)
        status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    status = delete_topic(client, topic, rmq_deadline_ms(timeout_ms));
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "deleting topic '%s'", topic);
}

/* ---------------------------------------------------------------- listing */

static bool read_list(struct rmq_ask *ask, const struct rmq_command *command,
                      struct dt_span body)
{
    struct rmq_texts *texts = ask->result;
    struct rmq_json root, name;
    struct rmq_json_iter iter;
    struct dt_buf scratch;
    struct dt_span text;

    (void)command;
    if (!rmq_json_parse(body, &root))
        return false;
    dt_buf_init(&scratch, RMQ_FRAME_SIZE_MAX);
    iter = rmq_json_items(rmq_json_get(root, "topicList"));
    while (rmq_json_next(&iter, NULL, &name)) {
        dt_buf_clear(&scratch);
        if (rmq_json_text(name, &scratch, &text))
            rmq_texts_add(texts, text);
    }
    dt_buf_fini(&scratch);
    return true;
}

dt_status rmq_topic_list(rmq_client *client, char ***out, size_t *count, int64_t timeout_ms)
{
    struct rmq_texts texts;
    struct rmq_ask ask;
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    rmq_texts_init(&texts);
    rmq_ask_init(&ask, client, RMQ_GET_ALL_TOPIC_LIST, rmq_deadline_ms(timeout_ms));
    ask.read = read_list;
    ask.result = &texts;
    status = rmq_ask_names(&ask);
    if (status == DT_OK)
        status = rmq_texts_give(&texts, out, count);
    rmq_texts_fini(&texts);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "the list of topics");
}
