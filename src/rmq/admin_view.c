/* Single messages: by the address of the copy, or by key. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "rmq/masters.h"
#include "rmq/message_id.h"
#include "rmq/naming.h"
#include "rmq/properties.h"
#include "rmq/received.h"
#include "rmq/rows.h"
#include "rmq/stored.h"

enum {
    KEY_COUNT_MAX = 64, /* of one answer: maxMsgsNumBatch */
    BODY_SIZE_MAX = 4 * RMQ_BODY_SIZE_MAX
};

/* Whose message is at which place of the commit log. */
struct origin {
    const char *broker_name;
    int64_t physical_offset;
};

struct view {
    const char *topic;
    const char *key;
    int32_t max;
    int64_t physical_offset, begin_ms, end_ms;
    const char *broker_name; /* of the one that answers */
    struct dt_buf found;     /* stored messages, one behind the other */
    struct rmq_rows origins; /* of these */
};

static void view_init(struct view *view)
{
    dt_buf_init(&view->found, 4 * RMQ_FRAME_SIZE_MAX);
    rmq_rows_init(&view->origins, sizeof(struct origin));
}

static void view_fini(struct view *view)
{
    dt_buf_fini(&view->found);
    rmq_rows_fini(&view->origins);
}

static void keep(struct view *view, struct dt_span bytes, const struct rmq_stored *stored)
{
    struct origin *origin = rmq_rows_add(&view->origins);

    if (origin == NULL)
        return;
    origin->broker_name = view->broker_name;
    origin->physical_offset = stored->physical_offset;
    dt_buf_put(&view->found, bytes.data, stored->size);
}

/* Members of an inner batch have the place of the whole. */
static dt_status make(struct view *view, rmq_batch **out)
{
    rmq_queue nowhere = {"", 0};
    const struct origin *origin = view->origins.items;
    const struct origin *end = origin + view->origins.count;
    struct rmq_chunk *chunk;
    dt_status status = dt_buf_status(&view->found, "the messages found");

    if (status == DT_OK && view->origins.failed)
        status = dt_error_set(DT_ENOMEM, "no memory for the messages found");
    if (status == DT_OK && view->found.size == 0)
        status = dt_error_set(DT_ENOTFOUND, "there is no such message");
    if (status == DT_OK)
        status = rmq_chunk_new(dt_buf_span(&view->found), 0, &chunk);
    if (status != DT_OK)
        return status;
    status = rmq_batch_make(chunk, &nowhere, BODY_SIZE_MAX, NULL, out);
    if (status != DT_OK) {
        free(chunk);
        return status;
    }
    for (size_t i = 0; i < (*out)->count; i++) {
        rmq_received *message = (rmq_received *)&(*out)->messages[i];

        while (origin + 1 < end && origin->physical_offset != message->physical_offset)
            origin++;
        if (origin < end && origin->broker_name != NULL)
            snprintf(message->queue.broker_name, sizeof(message->queue.broker_name), "%s",
                     origin->broker_name);
    }
    return DT_OK;
}

/* ---------------------------------------------------------------- by id */

static void put_place(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct view *view = ask->question;

    rmq_encode_int(encoder, "offset", view->physical_offset);
    if (view->topic != NULL)
        rmq_encode_str(encoder, "topic", view->topic);
}

static bool read_one(struct rmq_ask *ask, const struct rmq_command *command,
                     struct dt_span body)
{
    struct view *view = ask->result;
    struct rmq_stored stored;

    (void)command;
    if (rmq_stored_cut(body, &stored) != RMQ_CUT_FRAME)
        return false;
    if (view->topic == NULL || dt_span_equal_str(stored.topic, view->topic))
        keep(view, body, &stored);
    return true;
}

static dt_status find_place(const char *id, char address[RMQ_ADDRESS_SIZE],
                            int64_t *physical_offset)
{
    char ip[INET6_ADDRSTRLEN];
    struct rmq_host host;

    if (id == NULL || !rmq_offset_id_parse(dt_span_str(id), &host, physical_offset) ||
        host.port <= 0 || host.port > 65535 || *physical_offset < 0 ||
        inet_ntop(host.ip_size == 4 ? AF_INET : AF_INET6, host.ip, ip, sizeof(ip)) == NULL)
        return dt_error_set(DT_EINVAL, "'%s' is no offset message id",
                            id == NULL ? "" : id);
    snprintf(address, RMQ_ADDRESS_SIZE, host.ip_size == 4 ? "%s:%d" : "[%s]:%d", ip,
             (int)host.port);
    return DT_OK;
}

/* The name that a name server has for an address; "" if it has none, or none answers. */
static void find_name(struct rmq_client *client, const char *address, int64_t deadline_ms,
                      char name[RMQ_NAME_SIZE])
{
    struct rmq_route *route;

    name[0] = 0;
    if (rmq_fetch_cluster(client, deadline_ms, &route) != DT_OK)
        return;
    for (size_t i = 0; i < route->broker_count; i++)
        for (size_t j = 0; j < route->brokers[i].address_count; j++)
            if (strcmp(route->brokers[i].addresses[j].address, address) == 0)
                memcpy(name, route->brokers[i].name, RMQ_NAME_SIZE);
    rmq_route_free(route);
}

dt_status rmq_view_by_id(rmq_client *client, const char *id, const char *topic,
                         int64_t timeout_ms, rmq_batch **out)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct view view = {0};
    char address[RMQ_ADDRESS_SIZE], broker_name[RMQ_NAME_SIZE];
    struct rmq_ask ask;
    dt_status status = rmq_admin_check(client, out, out, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    if (topic != NULL)
        status = rmq_admin_topic(client, &topic, topic_room);
    if (status == DT_OK)
        status = find_place(id, address, &view.physical_offset);
    if (status != DT_OK)
        return status;
    view.topic = topic;
    view_init(&view);
    rmq_ask_init(&ask, client, RMQ_VIEW_MESSAGE_BY_ID, rmq_deadline_ms(timeout_ms));
    ask.put = put_place;
    ask.question = &view;
    ask.read = read_one;
    ask.result = &view;
    find_name(client, address, ask.deadline_ms, broker_name);
    view.broker_name = broker_name;
    status = rmq_ask_address(&ask, address);
    /* brokers have no code for it; other errors of theirs are Java exceptions */
    if (status == DT_EREFUSED && ask.response_code == RMQ_SYSTEM_ERROR &&
        strstr(ask.reason, "can not find message") != NULL)
        status = DT_ENOTFOUND;
    if (status == DT_OK)
        status = make(&view, out);
    if (status == DT_OK)
        rmq_batch_strip(*out, client->space);
    view_fini(&view);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "message %s", id);
}

/* ---------------------------------------------------------------- by key */

static void put_key(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct view *view = ask->question;

    rmq_encode_str(encoder, "topic", view->topic);
    rmq_encode_str(encoder, "key", view->key);
    rmq_encode_int(encoder, "maxNum", view->max);
    rmq_encode_int(encoder, "beginTimestamp", view->begin_ms);
    rmq_encode_int(encoder, "endTimestamp", view->end_ms);
}

/* KEYS hold several keys with spaces between. */
static bool has_key(struct dt_span keys, const char *key)
{
    size_t start = 0;

    for (size_t i = 0; i <= keys.size; i++) {
        if (i < keys.size && keys.data[i] != ' ')
            continue;
        if (dt_span_equal_str(dt_span_of(keys.data + start, i - start), key))
            return true;
        start = i + 1;
    }
    return false;
}

static bool matches(const struct view *view, const struct rmq_stored *stored)
{
    struct dt_span rest = stored->properties;
    struct rmq_property_span span;

    if (!dt_span_equal_str(stored->topic, view->topic) ||
        stored->store_ms < view->begin_ms || stored->store_ms > view->end_ms)
        return false;
    while (rmq_properties_next(&rest, &span)) {
        if (dt_span_equal_str(span.name, "UNIQ_KEY") &&
            dt_span_equal_str(span.value, view->key))
            return true;
        if (dt_span_equal_str(span.name, "KEYS") && has_key(span.value, view->key))
            return true;
    }
    return false;
}

static bool read_many(struct rmq_ask *ask, const struct rmq_command *command,
                      struct dt_span body)
{
    struct view *view = ask->result;
    struct rmq_stored stored;

    (void)command;
    for (size_t at = 0; at < body.size; at += stored.size) {
        struct dt_span rest = dt_span_of(body.data + at, body.size - at);

        if (rmq_stored_cut(rest, &stored) != RMQ_CUT_FRAME)
            return false;
        if (matches(view, &stored))
            keep(view, rest, &stored);
    }
    return true;
}

static dt_status check_key(const char *key, int32_t max, int64_t begin_ms, int64_t end_ms)
{
    if (key == NULL || key[0] == 0 || strchr(key, ' ') != NULL)
        return dt_error_set(DT_EINVAL, "no key, or one with a space in it");
    if (max < 1 || max > KEY_COUNT_MAX || begin_ms < 0 || end_ms < begin_ms)
        return dt_error_set(DT_EINVAL, "not from 1 to %d messages, or no such time",
                            KEY_COUNT_MAX);
    return DT_OK;
}

dt_status rmq_view_by_key(rmq_client *client, const char *topic, const char *key,
                          int32_t max, int64_t begin_ms, int64_t end_ms, int64_t timeout_ms,
                          rmq_batch **out)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct view view = {.key = key, .max = max, .begin_ms = begin_ms, .end_ms = end_ms};
    struct rmq_masters masters;
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    dt_status status = rmq_admin_check(client, out, out, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    status = rmq_admin_topic(client, &topic, topic_room);
    if (status == DT_OK)
        status = check_key(key, max, begin_ms, end_ms);
    if (status != DT_OK)
        return status;
    view.topic = topic;
    view_init(&view);
    status = rmq_masters_of_topic(client, topic, deadline_ms, &masters);
    for (size_t i = 0; status == DT_OK && i < masters.count; i++) {
        struct rmq_ask ask;

        view.broker_name = masters.all[i].name;
        rmq_ask_init(&ask, client, RMQ_QUERY_MESSAGE, deadline_ms);
        ask.put = put_key;
        ask.question = &view;
        ask.read = read_many;
        ask.result = &view;
        status = rmq_ask_master(&ask, &masters.all[i]);
        if (status == DT_EREFUSED && ask.response_code == RMQ_QUERY_NOT_FOUND)
            status = DT_OK;
    }
    if (status == DT_OK)
        status = make(&view, out);
    if (status == DT_OK)
        rmq_batch_strip(*out, client->space);
    view_fini(&view);
    rmq_masters_fini(&masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "messages with key '%s'", key);
}
