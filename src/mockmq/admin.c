/*
 * admin.c - making topics and looking at them.
 */
#include "base/json_writer.h"
#include "mockmq/mock.h"
#include "rmq/json.h"

static bool is_system_topic(const struct mockmq *mock, struct dt_span name)
{
    static const char *const names[] = {
        RMQ_DEFAULT_TOPIC,     "SCHEDULE_TOPIC_XXXX",
        "BenchmarkTest",       "RMQ_SYS_TRANS_HALF_TOPIC",
        "RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
        "SELF_TEST_TOPIC",     "TRANS_CHECK_MAX_TIME_TOPIC",
        "OFFSET_MOVED_EVENT",  "CHECKPOINT_TOPIC"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (dt_span_equal_str(name, names[i]))
            return true;
    return (name.size >= 8 && memcmp(name.data, "rmq_sys_", 8) == 0) ||
           dt_span_equal_str(name, mock->cluster) ||
           dt_span_equal_str(name, mock->at->shard->name);
}

void mock_handle_topic_create(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct dt_span topic, text;
    int32_t read_queues, write_queues, perm;

    if (!mock_call_str(call, reply, "topic", &topic) ||
        !mock_call_str(call, reply, "defaultTopic", &text) ||
        !mock_call_i32(call, reply, "readQueueNums", &read_queues) ||
        !mock_call_i32(call, reply, "writeQueueNums", &write_queues) ||
        !mock_call_i32(call, reply, "perm", &perm) ||
        !mock_call_str(call, reply, "topicFilterType", &text) ||
        !mock_call_str(call, reply, "order", &text))
        return;
    if (!mock_topic_is_legal(topic)) {
        mock_reply_fail(reply, RMQ_INVALID_PARAMETER,
                        "The specified topic contains illegal characters, allowing only "
                        "^[%%|a-zA-Z0-9_-]+$, or is too long.");
    } else if (is_system_topic(mock, topic)) {
        mock_reply_fail(reply, RMQ_INVALID_PARAMETER,
                        "The topic[%.*s] is conflict with system topic.", (int)topic.size,
                        (const char *)topic.data);
    } else if (read_queues < 0 || write_queues < 0 || read_queues > MOCK_QUEUES_MAX ||
               write_queues > MOCK_QUEUES_MAX) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "no such number of queues");
    } else if (mock_topic_put(mock, topic, read_queues, write_queues, perm) == NULL) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.OutOfMemoryError");
    } else {
        /* a remark on success, which brokers leave there as well */
        mock_reply_fail(reply, RMQ_SUCCESS, "not set any response code");
    }
}

void mock_handle_group_create(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct rmq_json root;
    char name[MOCK_NAME_SIZE];

    if (rmq_json_parse(call->body, &root) &&
        rmq_json_copy(rmq_json_get(root, "groupName"), name, sizeof(name)))
        mock_group_configure(mock, dt_span_str(name), root.raw);
    else
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null");
}

static struct mock_topic *topic_of(struct mockmq *mock, const struct mock_call *call,
                                   struct mock_reply *reply)
{
    struct mock_topic *topic;
    struct dt_span name;

    if (!mock_call_str(call, reply, "topic", &name))
        return NULL;
    topic = mock_topic_find(mock, name);
    if (topic == NULL)
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST, "topic[%.*s] not exist",
                        (int)(name.size < 128 ? name.size : 128), (const char *)name.data);
    return topic;
}

/* Objects are keys in here, as only fastjson writes them. */
void mock_handle_topic_stats(struct mockmq *mock, const struct mock_call *call,
                             struct mock_reply *reply)
{
    struct mock_topic *topic = topic_of(mock, call, reply);
    struct dt_buf *out = &reply->body;

    if (topic == NULL)
        return;
    dt_buf_put_str(out, "{\"offsetTable\":{");
    for (int32_t i = 0; i < topic->write_queues; i++) {
        const struct mock_queue *queue = topic->queues[i];
        long long last_ms =
            queue->count == queue->base
                ? 0
                : (long long)mock_queue_at(queue, queue->count - 1)->store_ms;

        dt_buf_printf(out,
                      "%s{\"brokerName\":\"%s\",\"queueId\":%d,\"topic\":\"%s\"}:"
                      "{\"lastUpdateTimestamp\":%lld,\"maxOffset\":%zu,\"minOffset\":%zu}",
                      i == 0 ? "" : ",", mock->at->shard->name, (int)i, topic->name,
                      last_ms, queue->count, queue->base);
    }
    dt_buf_put_str(out, "},\"topicPutTps\":0.0}");
}

void mock_handle_topic_config(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct mock_topic *topic = topic_of(mock, call, reply);
    struct dt_json json;

    if (topic == NULL)
        return;
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "attributes");
    dt_json_raw(&json, "{}");
    dt_json_kv_bool(&json, "order", false);
    dt_json_kv_int(&json, "perm", topic->perm);
    dt_json_kv_int(&json, "readQueueNums", topic->read_queues);
    dt_json_kv_string(&json, "topicFilterType", "SINGLE_TAG");
    dt_json_kv_string(&json, "topicName", topic->name);
    dt_json_kv_int(&json, "topicSysFlag", 0);
    dt_json_kv_int(&json, "writeQueueNums", topic->write_queues);
    dt_json_object_end(&json);
}
