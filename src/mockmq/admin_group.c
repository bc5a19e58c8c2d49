/*
 * admin_group.c - groups: listing and deleting them, their progress and members, resets.
 */
#include <stdio.h>

#include "base/json_writer.h"
#include "mockmq/mock.h"

static int cut(struct dt_span text)
{
    return (int)(text.size < 255 ? text.size : 255);
}

void mock_handle_group_list(struct mockmq *mock, const struct mock_call *call,
                            struct mock_reply *reply)
{
    struct dt_json json;

    (void)call;
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "dataVersion");
    dt_json_raw(&json, "{\"counter\":1,\"stateVersion\":0,\"timestamp\":1700000000000}");
    dt_json_key(&json, "subscriptionGroupTable");
    dt_json_object(&json);
    for (size_t i = 0; i < mock->group_count; i++) {
        dt_json_key(&json, mock->groups[i].name);
        if (mock->groups[i].config != NULL)
            dt_json_raw(&json, mock->groups[i].config);
        else
            dt_json_raw(
                &json,
                "{\"brokerId\":0,\"consumeBroadcastEnable\":true,\"consumeEnable\":true,"
                "\"consumeFromMinEnable\":true,\"consumeMessageOrderly\":false,"
                "\"consumeTimeoutMinute\":15,\"notifyConsumerIdsChangedEnable\":true,"
                "\"retryMaxTimes\":16,\"retryQueueNums\":1,"
                "\"whichBrokerWhenConsumeSlowly\":1}");
    }
    dt_json_object_end(&json);
    dt_json_object_end(&json);
}

void mock_handle_group_delete(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct dt_span name;

    if (!mock_call_str(call, reply, "groupName", &name))
        return;
    mock_group_remove(mock, name);
    if (rmq_command_bool(call->command, "cleanOffset"))
        mock_offsets_forget(mock, name);
}

/* Objects are keys in here, as only fastjson writes them. */
static void put_progress(struct mockmq *mock, struct dt_buf *out,
                         const struct mock_committed *entry)
{
    const struct mock_queue *queue =
        mock_queue_of(mock_topic_find(mock, dt_span_str(entry->topic)), entry->queue_id);
    size_t read = (size_t)entry->offset;
    long long last_ms = 0;

    if (queue == NULL)
        return;
    if (read > queue->base && read <= queue->count)
        last_ms = (long long)mock_queue_at(queue, read - 1)->store_ms;
    dt_buf_printf(out,
                  "%s{\"brokerName\":\"%s\",\"queueId\":%d,\"topic\":\"%s\"}:"
                  "{\"brokerOffset\":%zu,\"consumerOffset\":%lld,\"lastTimestamp\":%lld,"
                  "\"pullOffset\":%lld}",
                  out->data[out->size - 1] == '{' ? "" : ",", mock->at->shard->name,
                  (int)entry->queue_id, entry->topic, queue->count,
                  (long long)entry->offset, last_ms, (long long)entry->offset);
}

void mock_handle_progress(struct mockmq *mock, const struct mock_call *call,
                          struct mock_reply *reply)
{
    struct dt_span group, topic;
    bool of_one;

    if (!mock_call_str(call, reply, "consumerGroup", &group))
        return;
    of_one = rmq_command_str(call->command, "topic", &topic) && topic.size > 0;
    dt_buf_put_str(&reply->body, "{\"consumeTps\":0.0,\"offsetTable\":{");
    for (size_t i = 0; i < mock->committed_count && !reply->body.failed; i++) {
        const struct mock_committed *entry = &mock->committed[i];

        if (entry->shard == mock->at->shard && dt_span_equal_str(group, entry->group) &&
            (!of_one || dt_span_equal_str(topic, entry->topic)))
            put_progress(mock, &reply->body, entry);
    }
    dt_buf_put_str(&reply->body, "}}");
}

void mock_handle_connections(struct mockmq *mock, const struct mock_call *call,
                             struct mock_reply *reply)
{
    struct dt_span group;
    struct dt_json json;
    size_t count = 0;

    if (!mock_call_str(call, reply, "consumerGroup", &group))
        return;
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "connectionSet");
    dt_json_array(&json);
    for (size_t i = 0; i < mock->member_count; i++) {
        const struct mock_member *member = &mock->members[i];
        struct mock_conn *conn = mock_conn_find(mock, member->conn_id);
        char address[32];

        if (member->node != mock->at || conn == NULL ||
            !dt_span_equal_str(group, member->group))
            continue;
        snprintf(address, sizeof(address), "%d.%d.%d.%d:%d", conn->peer.ip[0],
                 conn->peer.ip[1], conn->peer.ip[2], conn->peer.ip[3],
                 (int)conn->peer.port);
        dt_json_object(&json);
        dt_json_kv_string(&json, "clientAddr", address);
        dt_json_kv_string(&json, "clientId", member->client_id);
        dt_json_kv_string(&json, "language",
                          member->language == RMQ_LANGUAGE_JAVA  ? "JAVA"
                          : member->language == RMQ_LANGUAGE_CPP ? "CPP"
                                                                 : "OTHER");
        dt_json_kv_int(&json, "version", member->version);
        dt_json_object_end(&json);
        count++;
    }
    dt_json_array_end(&json);
    dt_json_kv_string(&json, "consumeFromWhere", "CONSUME_FROM_LAST_OFFSET");
    dt_json_kv_string(&json, "consumeType", "CONSUME_PASSIVELY");
    dt_json_kv_string(&json, "messageModel", "CLUSTERING");
    dt_json_key(&json, "subscriptionTable");
    dt_json_raw(&json, "{}");
    dt_json_object_end(&json);
    if (count == 0) {
        dt_buf_clear(&reply->body);
        mock_reply_fail(reply, RMQ_CONSUMER_NOT_ONLINE,
                        "the consumer group[%.*s] not online", cut(group),
                        (const char *)group.data);
    }
}

/* As from 5.2 on: the offset is kept, and given to whoever pulls next. */
void mock_handle_reset(struct mockmq *mock, const struct mock_call *call,
                       struct mock_reply *reply)
{
    struct dt_span group, name;
    struct mock_topic *topic;
    int64_t wall_ms;

    if (!mock_call_str(call, reply, "topic", &name) ||
        !mock_call_str(call, reply, "group", &group) ||
        !mock_call_i64(call, reply, "timestamp", &wall_ms))
        return;
    topic = mock_topic_find(mock, name);
    if (topic == NULL) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST, "Topic %.*s does not exist", cut(name),
                        (const char *)name.data);
        return;
    }
    if (!mock_group_is_known(mock, group)) {
        mock_reply_fail(reply, RMQ_SUBSCRIPTION_GROUP_NOT_EXIST, "Group %.*s not exist",
                        cut(group), (const char *)group.data);
        return;
    }
    dt_buf_put_str(&reply->body, "{\"offsetTable\":{");
    for (int32_t i = 0; i < topic->write_queues; i++) {
        int64_t offset = mock_offset_at_time(topic->queues[i], wall_ms);

        mock_offset_reset(mock, group, name, i, offset);
        dt_buf_printf(&reply->body,
                      "%s{\"brokerName\":\"%s\",\"queueId\":%d,\"topic\":\"%s\"}:%lld",
                      i == 0 ? "" : ",", mock->at->shard->name, (int)i, topic->name,
                      (long long)offset);
    }
    dt_buf_put_str(&reply->body, "}}");
}
