/*
 * offset.c - bounds of queues, and what groups have committed.
 */
#include "mockmq/mock.h"

static struct mock_committed *find(struct mockmq *mock, struct dt_span group,
                                   struct dt_span topic, int32_t queue_id)
{
    for (size_t i = 0; i < mock->committed_count; i++) {
        struct mock_committed *entry = &mock->committed[i];

        if (entry->queue_id == queue_id && entry->shard == mock->at->shard &&
            dt_span_equal_str(group, entry->group) &&
            dt_span_equal_str(topic, entry->topic))
            return entry;
    }
    return NULL;
}

void mock_offset_commit(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                        int32_t queue_id, int64_t offset)
{
    struct mock_committed *entry = find(mock, group, topic, queue_id);

    if (group.size >= MOCK_NAME_SIZE || topic.size >= MOCK_NAME_SIZE)
        return;
    if (entry == NULL) {
        entry = mock_table_add((void **)&mock->committed, &mock->committed_count,
                               &mock->committed_capacity, sizeof(*entry));
        if (entry == NULL)
            return;
        memcpy(entry->group, group.data, group.size);
        memcpy(entry->topic, topic.data, topic.size);
        entry->queue_id = queue_id;
        entry->shard = mock->at->shard;
    }
    entry->offset = offset;
}

void mock_offset_reset(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                       int32_t queue_id, int64_t offset)
{
    struct mock_committed *entry;

    mock_offset_commit(mock, group, topic, queue_id, offset);
    entry = find(mock, group, topic, queue_id);
    if (entry != NULL)
        entry->is_reset = true;
}

bool mock_offset_take_reset(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                            int32_t queue_id, int64_t *offset)
{
    struct mock_committed *entry = find(mock, group, topic, queue_id);

    if (entry == NULL || !entry->is_reset)
        return false;
    entry->is_reset = false;
    *offset = entry->offset;
    return true;
}

void mock_offsets_forget(struct mockmq *mock, struct dt_span group)
{
    size_t kept = 0;

    for (size_t i = 0; i < mock->committed_count; i++)
        if (mock->committed[i].shard != mock->at->shard ||
            !dt_span_equal_str(group, mock->committed[i].group))
            mock->committed[kept++] = mock->committed[i];
    mock->committed_count = kept;
}

void mock_handle_offset_query(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct dt_span group, topic, zero;
    struct mock_committed *entry;
    int32_t queue_id;

    if (!mock_call_str(call, reply, "consumerGroup", &group) ||
        !mock_call_str(call, reply, "topic", &topic) ||
        !mock_call_i32(call, reply, "queueId", &queue_id))
        return;
    entry = find(mock, group, topic, queue_id);
    if (entry != NULL)
        mock_reply_int(reply, "offset", entry->offset);
    else if (rmq_command_str(call->command, "setZeroIfNotFound", &zero) &&
             !rmq_command_bool(call->command, "setZeroIfNotFound"))
        mock_reply_fail(reply, RMQ_QUERY_NOT_FOUND,
                        "Not found, do not set to zero, maybe this "
                        "group boot first");
    else if (mock_topic_find(mock, topic) == NULL)
        mock_reply_fail(reply, RMQ_QUERY_NOT_FOUND,
                        "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
    else
        mock_reply_int(reply, "offset", 0);
}

void mock_handle_offset_update(struct mockmq *mock, const struct mock_call *call,
                               struct mock_reply *reply)
{
    struct dt_span group, topic;
    int32_t queue_id;
    int64_t offset;

    if (!mock_call_str(call, reply, "consumerGroup", &group) ||
        !mock_call_str(call, reply, "topic", &topic) ||
        !mock_call_i32(call, reply, "queueId", &queue_id) ||
        !mock_call_i64(call, reply, "commitOffset", &offset))
        return;
    if (!mock_group_is_known(mock, group)) {
        mock_reply_fail(reply, RMQ_SUBSCRIPTION_GROUP_NOT_EXIST, "Group %.*s not exist!",
                        (int)(group.size < 255 ? group.size : 255),
                        (const char *)group.data);
        return;
    }
    if (mock_topic_find(mock, topic) == NULL) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST, "Topic %.*s not exist!",
                        (int)(topic.size < 128 ? topic.size : 128),
                        (const char *)topic.data);
        return;
    }
    mock_offset_commit(mock, group, topic, queue_id, offset);
}

/* The queue that a request names, NULL without one; false: fields are missing. */
static bool queue_of(struct mockmq *mock, const struct mock_call *call,
                     struct mock_reply *reply, struct mock_queue **queue)
{
    struct dt_span topic;
    int32_t queue_id;

    if (!mock_call_str(call, reply, "topic", &topic) ||
        !mock_call_i32(call, reply, "queueId", &queue_id))
        return false;
    *queue = mock_queue_of(mock_topic_find(mock, topic), queue_id);
    return true;
}

void mock_handle_offset_max(struct mockmq *mock, const struct mock_call *call,
                            struct mock_reply *reply)
{
    struct mock_queue *queue;

    if (queue_of(mock, call, reply, &queue))
        mock_reply_int(reply, "offset",
                       queue == NULL ? 0 : (int64_t)mock_queue_end(mock, queue));
}

void mock_handle_offset_min(struct mockmq *mock, const struct mock_call *call,
                            struct mock_reply *reply)
{
    struct mock_queue *queue;

    if (queue_of(mock, call, reply, &queue))
        mock_reply_int(reply, "offset", queue == NULL ? 0 : (int64_t)queue->base);
}

/* How many messages were stored before that time. */
static size_t stored_before(const struct mock_queue *queue, int64_t wall_ms)
{
    size_t low = queue->base, high = queue->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (mock_queue_at(queue, middle)->store_ms < wall_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* LOWER: the first message stored at that time or later, the end if there is none. UPPER: the
 * last stored at that time or earlier, the first if there is none. */
void mock_handle_offset_search(struct mockmq *mock, const struct mock_call *call,
                               struct mock_reply *reply)
{
    struct mock_queue *queue;
    struct dt_span boundary;
    int64_t wall_ms;
    size_t found = 0;

    if (!queue_of(mock, call, reply, &queue) ||
        !mock_call_i64(call, reply, "timestamp", &wall_ms))
        return;
    if (queue != NULL && rmq_command_str(call->command, "boundaryType", &boundary) &&
        (dt_span_equal_str(boundary, "UPPER") || dt_span_equal_str(boundary, "upper"))) {
        found = wall_ms == INT64_MAX ? queue->count : stored_before(queue, wall_ms + 1);
        if (found > queue->base)
            found--;
    } else if (queue != NULL) {
        found = stored_before(queue, wall_ms);
    }
    mock_reply_int(reply, "offset", (int64_t)found);
}

int64_t mock_offset_at_time(const struct mock_queue *queue, int64_t wall_ms)
{
    return (int64_t)(wall_ms < 0 ? queue->count : stored_before(queue, wall_ms));
}
