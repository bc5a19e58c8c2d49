/* What an operator sees of a consumer: ConsumerRunningInfo, as mqadmin reads it. */
#include <stdio.h>

#include "base/json_writer.h"
#include "rmq/consumer_inside.h"

static void write_number(struct dt_json *json, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    dt_json_kv_string(json, key, text);
}

static void write_properties(struct dt_json *json, const struct rmq_consumer *consumer)
{
    const struct rmq_names *names = &consumer->client->names;

    dt_json_key(json, "properties");
    dt_json_object(json);
    dt_json_kv_string(json, "PROP_NAMESERVER_ADDR",
                      names->count == 0 ? "" : names->addresses[names->current]);
    dt_json_kv_string(json, "PROP_CONSUME_TYPE", "CONSUME_PASSIVELY");
    dt_json_kv_string(json, "PROP_CLIENT_VERSION", "V4_9_4");
    write_number(json, "PROP_THREADPOOL_CORE_SIZE", consumer->config.threads);
    dt_json_kv_string(json, "PROP_CONSUMEORDERLY",
                      consumer->config.orderly ? "true" : "false");
    write_number(json, "PROP_CONSUMER_START_TIMESTAMP", consumer->started_wall_ms);
    dt_json_object_end(json);
}

/* Objects as keys, as only fastjson writes them: by hand. Lock: mutex held. */
static void write_queues(struct dt_buf *out, const struct rmq_consumer *consumer)
{
    const struct dt_link *link;
    bool is_first = true;

    dt_buf_put_str(out, "{");
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        const struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);
        int64_t low = rmq_held_low(held);
        struct dt_json json;

        if (!is_first)
            dt_buf_put_str(out, ",");
        is_first = false;
        dt_json_start(&json, out);
        dt_json_object(&json);
        dt_json_kv_string(&json, "brokerName", held->queue.broker_name);
        dt_json_kv_int(&json, "queueId", held->queue.queue_id);
        dt_json_kv_string(&json, "topic", held->topic->name);
        dt_json_object_end(&json);
        dt_buf_put_str(out, ":");
        dt_json_start(&json, out);
        dt_json_object(&json);
        dt_json_kv_int(&json, "commitOffset", held->committed < 0 ? 0 : held->committed);
        dt_json_kv_int(&json, "cachedMsgMinOffset", low);
        dt_json_kv_int(&json, "cachedMsgMaxOffset", held->taken);
        dt_json_kv_int(&json, "cachedMsgCount", held->taken - low);
        dt_json_kv_int(&json, "cachedMsgSizeInMiB", 0);
        dt_json_kv_int(&json, "transactionMsgMinOffset", 0);
        dt_json_kv_int(&json, "transactionMsgMaxOffset", 0);
        dt_json_kv_int(&json, "transactionMsgCount", 0);
        dt_json_kv_bool(&json, "locked", held->is_locked);
        dt_json_kv_int(&json, "tryUnlockTimes", 0);
        dt_json_kv_int(&json, "lastLockTimestamp", 0);
        dt_json_kv_bool(&json, "droped", held->is_leaving);
        dt_json_kv_int(&json, "lastPullTimestamp", 0);
        dt_json_kv_int(&json, "lastConsumeTimestamp", 0);
        dt_json_object_end(&json);
    }
    dt_buf_put_str(out, "}");
}

static void write_status(struct dt_json *json, const struct rmq_consumer *consumer)
{
    const struct dt_link *link;

    dt_json_key(json, "statusTable");
    dt_json_object(json);
    for (link = consumer->topics.next; link != &consumer->topics; link = link->next) {
        dt_json_key(json, DT_CONTAINER(link, struct rmq_consumer_topic, link)->name);
        dt_json_raw(json, "{\"consumeFailedMsgs\":0,\"consumeFailedTPS\":0.0,"
                          "\"consumeOKTPS\":0.0,\"consumeRT\":0.0,\"pullRT\":0.0,"
                          "\"pullTPS\":0.0}");
    }
    dt_json_object_end(json);
}

bool rmq_consumer_describe(void *owner, struct dt_buf *out)
{
    struct rmq_consumer *consumer = owner;
    const struct dt_link *link;
    struct dt_json json;
    struct dt_buf queues;

    dt_buf_init(&queues, consumer->client->frame_size_max);
    dt_json_start(&json, out);
    dt_json_object(&json);
    write_properties(&json, consumer);
    pthread_mutex_lock(&consumer->mutex);
    dt_json_key(&json, "subscriptionSet");
    dt_json_array(&json);
    for (link = consumer->topics.next; link != &consumer->topics; link = link->next)
        rmq_member_write_subscription(
            &json, &DT_CONTAINER(link, struct rmq_consumer_topic, link)->member);
    dt_json_array_end(&json);
    write_queues(&queues, consumer);
    write_status(&json, consumer);
    pthread_mutex_unlock(&consumer->mutex);
    dt_json_key(&json, "mqTable");
    dt_json_raw(&json, dt_buf_str(&queues));
    dt_json_key(&json, "mqPopTable");
    dt_json_raw(&json, "{}");
    dt_json_key(&json, "userConsumerInfo");
    dt_json_raw(&json, "{}");
    dt_json_object_end(&json);
    if (queues.failed)
        out->failed = true;
    dt_buf_fini(&queues);
    return !out->failed;
}
