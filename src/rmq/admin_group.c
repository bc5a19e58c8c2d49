/* Consumer groups: creating, changing, deleting and listing them. */
#include <stdlib.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "rmq/gather.h"
#include "rmq/json.h"
#include "rmq/naming.h"

rmq_group_config rmq_group_defaults(void)
{
    rmq_group_config config = {.consume_enable = true,
                               .from_min_enable = true,
                               .broadcast_enable = true,
                               .notify_members = true,
                               .retry_queues = 1,
                               .retry_max = 16,
                               .consume_minutes = 15,
                               .slow_broker_id = 1};
    return config;
}

/* ---------------------------------------------------------------- creating */

struct wish {
    const char *group;
    rmq_group_config config;
};

static void put_config(struct rmq_ask *ask, struct dt_buf *out)
{
    const struct wish *wish = ask->question;
    struct dt_json json;

    dt_json_start(&json, out);
    dt_json_object(&json);
    dt_json_kv_int(&json, "brokerId", wish->config.broker_id);
    dt_json_kv_bool(&json, "consumeBroadcastEnable", wish->config.broadcast_enable);
    dt_json_kv_bool(&json, "consumeEnable", wish->config.consume_enable);
    dt_json_kv_bool(&json, "consumeFromMinEnable", wish->config.from_min_enable);
    dt_json_kv_bool(&json, "consumeMessageOrderly", wish->config.orderly);
    dt_json_kv_int(&json, "consumeTimeoutMinute", wish->config.consume_minutes);
    dt_json_kv_string(&json, "groupName", wish->group);
    dt_json_kv_bool(&json, "notifyConsumerIdsChangedEnable", wish->config.notify_members);
    dt_json_kv_int(&json, "retryMaxTimes", wish->config.retry_max);
    dt_json_kv_int(&json, "retryQueueNums", wish->config.retry_queues);
    dt_json_kv_int(&json, "whichBrokerWhenConsumeSlowly", wish->config.slow_broker_id);
    dt_json_object_end(&json);
}

/* Asks each master of every cluster; `ask` is made anew for each. */
static dt_status change_all(struct rmq_client *client, const struct rmq_ask *wish,
                            int64_t deadline_ms)
{
    struct rmq_masters masters;
    dt_status status = rmq_masters_of_all(client, deadline_ms, &masters);

    for (size_t i = 0; status == DT_OK && i < masters.count; i++) {
        struct rmq_ask ask = *wish;

        status = rmq_ask_master(&ask, &masters.all[i]);
        if (i > 0 && (status == DT_EUNREACH || status == DT_EBUSY))
            status = DT_EINDOUBT; /* others have carried it out */
        if (status != DT_OK)
            dt_error_wrap(status, "broker '%s'", masters.all[i].name);
    }
    rmq_masters_fini(&masters);
    return status;
}

dt_status rmq_group_put(rmq_client *client, const char *group,
                        const rmq_group_config *config, int64_t timeout_ms)
{
    char group_room[RMQ_FULL_NAME_SIZE];
    struct wish wish = {.config = rmq_group_defaults()};
    struct rmq_ask ask;
    dt_status status = rmq_admin_check(client, client, client, timeout_ms);

    if (status == DT_OK)
        status = rmq_admin_group(client, &group, group_room);
    if (status != DT_OK)
        return status;
    wish.group = group;
    if (config != NULL)
        wish.config = *config;
    if (wish.config.retry_queues < 0 || wish.config.retry_max < -1 ||
        wish.config.consume_minutes < 0 || wish.config.broker_id < 0 ||
        wish.config.slow_broker_id < 0)
        return dt_error_set(DT_EINVAL, "a number of group '%s' is negative", group);
    rmq_ask_init(&ask, client, RMQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
                 rmq_deadline_ms(timeout_ms));
    ask.put_body = put_config;
    ask.question = &wish;
    ask.changes = true;
    status = change_all(client, &ask, ask.deadline_ms);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "creating group '%s'", group);
}

/* ---------------------------------------------------------------- deleting */

struct removal {
    const char *group;
    bool clean_offsets;
};

static void put_removal(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct removal *removal = ask->question;

    rmq_encode_str(encoder, "groupName", removal->group);
    rmq_encode_bool(encoder, "cleanOffset", removal->clean_offsets);
}

dt_status rmq_group_delete(rmq_client *client, const char *group, bool clean_offsets,
                           int64_t timeout_ms)
{
    char group_room[RMQ_FULL_NAME_SIZE];
    struct removal removal = {.clean_offsets = clean_offsets};
    struct rmq_ask ask;
    dt_status status = rmq_admin_check(client, client, client, timeout_ms);

    if (status == DT_OK)
        status = rmq_admin_group(client, &group, group_room);
    if (status != DT_OK)
        return status;
    removal.group = group;
    rmq_ask_init(&ask, client, RMQ_DELETE_SUBSCRIPTIONGROUP, rmq_deadline_ms(timeout_ms));
    ask.put = put_removal;
    ask.question = &removal;
    ask.changes = true;
    status = change_all(client, &ask, ask.deadline_ms);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "deleting group '%s'", group);
}

/* ---------------------------------------------------------------- the brokers' tables */

/* Brokers after 5.3.3 give their table in pages; those before ignore that and give all of it. */
struct page {
    int64_t from;
    struct dt_buf version; /* of the table, as the page before had it; "" for the first */
    int64_t total;         /* -1: there are no pages */
    int64_t count;         /* in this one */
    void (*take)(void *context, const char *broker_name, struct rmq_json name,
                 struct rmq_json value);
    void *context;
    const char *broker_name;
};

static void put_page(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct page *page = ask->question;

    rmq_encode_int(encoder, "groupSeq", page->from);
    if (page->version.size > 0)
        rmq_encode_span(encoder, "dataVersion", dt_buf_span(&page->version));
}

static bool read_page(struct rmq_ask *ask, const struct rmq_command *command,
                      struct dt_span body)
{
    struct page *page = ask->result;
    struct rmq_json root, table, version, name, value;
    struct rmq_json_iter iter;

    page->count = 0;
    if (!rmq_json_parse(body, &root))
        return false;
    if (!rmq_command_i64(command, "totalGroupNum", &page->total))
        page->total = -1;
    version = rmq_json_get(root, "dataVersion");
    dt_buf_clear(&page->version);
    if (version.kind == RMQ_JSON_OBJECT)
        dt_buf_put_span(&page->version, version.raw);
    table = rmq_json_get(root, "subscriptionGroupTable");
    if (table.kind != RMQ_JSON_OBJECT)
        return false;
    iter = rmq_json_items(table);
    while (rmq_json_next(&iter, &name, &value)) {
        page->take(page->context, page->broker_name, name, value);
        page->count++;
    }
    return true;
}

static dt_status read_table(struct rmq_client *client, const struct rmq_one_master *master,
                            struct page *page, int64_t deadline_ms)
{
    dt_status status;

    page->from = 0;
    page->broker_name = master->name;
    dt_buf_clear(&page->version);
    do {
        struct rmq_ask ask;

        rmq_ask_init(&ask, client, RMQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, deadline_ms);
        ask.put = put_page;
        ask.question = page;
        ask.read = read_page;
        ask.result = page;
        status = rmq_ask_master(&ask, master);
        page->from += page->count;
    } while (status == DT_OK && page->count > 0 && page->from < page->total);
    return status;
}

static dt_status read_tables(struct rmq_client *client, const struct rmq_masters *masters,
                             void (*take)(void *context, const char *broker_name,
                                          struct rmq_json name, struct rmq_json value),
                             void *context, int64_t deadline_ms)
{
    struct page page = {.take = take, .context = context};
    dt_status status = DT_OK;

    dt_buf_init(&page.version, 4096);
    for (size_t i = 0; status == DT_OK && i < masters->count; i++)
        status = read_table(client, &masters->all[i], &page, deadline_ms);
    dt_buf_fini(&page.version);
    return status;
}

/* ---------------------------------------------------------------- listing */

static void take_name(void *context, const char *broker_name, struct rmq_json name,
                      struct rmq_json value)
{
    char text[RMQ_GROUP_SIZE_MAX + 1];

    (void)broker_name;
    (void)value;
    if (rmq_json_copy(name, text, sizeof(text)))
        rmq_texts_add(context, dt_span_str(text));
}

dt_status rmq_group_list(rmq_client *client, char ***out, size_t *count, int64_t timeout_ms)
{
    struct rmq_texts texts;
    struct rmq_masters masters;
    int64_t deadline_ms = rmq_deadline_ms(timeout_ms);
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    rmq_texts_init(&texts);
    status = rmq_masters_of_all(client, deadline_ms, &masters);
    if (status == DT_OK)
        status = read_tables(client, &masters, take_name, &texts, deadline_ms);
    if (status == DT_OK)
        status = rmq_texts_give(&texts, out, count);
    rmq_texts_fini(&texts);
    rmq_masters_fini(&masters);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "the list of groups");
}

/* ---------------------------------------------------------------- settings */

static void take_config(void *context, const char *broker_name, struct rmq_json name,
                        struct rmq_json value)
{
    struct rmq_gather *gather = context;
    rmq_group_config *config;

    if (!rmq_json_is(name, gather->group))
        return;
    config = rmq_rows_add(&gather->rows);
    if (config == NULL)
        return;
    config->consume_enable = rmq_json_bool(rmq_json_get(value, "consumeEnable"));
    config->from_min_enable = rmq_json_bool(rmq_json_get(value, "consumeFromMinEnable"));
    config->broadcast_enable = rmq_json_bool(rmq_json_get(value, "consumeBroadcastEnable"));
    config->orderly = rmq_json_bool(rmq_json_get(value, "consumeMessageOrderly"));
    config->notify_members =
        rmq_json_bool(rmq_json_get(value, "notifyConsumerIdsChangedEnable"));
    config->retry_queues =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "retryQueueNums"), 0, INT32_MAX, 0);
    config->retry_max =
        (int32_t)rmq_json_i64_or(rmq_json_get(value, "retryMaxTimes"), -1, INT32_MAX, 0);
    config->consume_minutes = (int32_t)rmq_json_i64_or(
        rmq_json_get(value, "consumeTimeoutMinute"), 0, INT32_MAX, 0);
    config->broker_id = rmq_json_i64_or(rmq_json_get(value, "brokerId"), 0, INT64_MAX, 0);
    config->slow_broker_id = rmq_json_i64_or(
        rmq_json_get(value, "whichBrokerWhenConsumeSlowly"), 0, INT64_MAX, 0);
    memcpy(config->broker_name, broker_name, strlen(broker_name) + 1);
}

dt_status rmq_group_config_get(rmq_client *client, const char *group,
                               rmq_group_config **out, size_t *count, int64_t timeout_ms)
{
    struct rmq_gather gather;
    dt_status status =
        rmq_gather_begin(&gather, client, sizeof(**out), timeout_ms, (void **)out, count);

    if (status == DT_OK)
        status = rmq_gather_group(&gather, group);
    if (status != DT_OK)
        return status;
    status = rmq_masters_of_all(client, gather.deadline_ms, &gather.masters);
    if (status == DT_OK)
        status =
            read_tables(client, &gather.masters, take_config, &gather, gather.deadline_ms);
    if (status == DT_OK && gather.rows.count == 0 && !gather.rows.failed)
        status = dt_error_set(DT_ENOTFOUND, "no broker has it");
    return rmq_gather_end(&gather, status, NULL, "settings of group", gather.group);
}
