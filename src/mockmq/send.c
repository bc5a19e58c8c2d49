/*
 * send.c - taking messages: 310, 10 and 320, single and in batches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "mockmq/mock.h"
#include "rmq/batch.h"
#include "rmq/properties.h"
#include "rmq/stored.h"

/* The header of a send; names are the short ones of V2 or the long ones of V1. */
struct send_header {
    struct dt_span group, topic, default_topic, properties;
    int32_t default_queues, queue_id, sys_flag, flag, reconsume_times;
    int64_t born_ms;
    bool batch;
};

struct send_names {
    const char *group, *topic, *default_topic, *default_queues, *queue_id, *sys_flag,
        *born_ms, *flag, *properties, *reconsume_times, *batch;
};

static const struct send_names short_names = {"a", "b", "c", "d", "e", "f",
                                              "g", "h", "i", "j", "m"};
static const struct send_names long_names = {
    "producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId", "sysFlag",
    "bornTimestamp", "flag",  "properties",   "reconsumeTimes",        "batch"};

static const struct send_names *names_of(int32_t code)
{
    return code == RMQ_SEND_MESSAGE ? &long_names : &short_names;
}

static bool parse_header(const struct mock_call *call, struct mock_reply *reply,
                         struct send_header *header)
{
    const struct send_names *names = names_of(call->command->code);

    memset(header, 0, sizeof(*header));
    if (!mock_call_str(call, reply, names->group, &header->group) ||
        !mock_call_str(call, reply, names->topic, &header->topic) ||
        !mock_call_str(call, reply, names->default_topic, &header->default_topic) ||
        !mock_call_i32(call, reply, names->default_queues, &header->default_queues) ||
        !mock_call_i32(call, reply, names->queue_id, &header->queue_id) ||
        !mock_call_i32(call, reply, names->sys_flag, &header->sys_flag) ||
        !mock_call_i64(call, reply, names->born_ms, &header->born_ms) ||
        !mock_call_i32(call, reply, names->flag, &header->flag))
        return false;
    (void)rmq_command_str(call->command, names->properties, &header->properties);
    (void)rmq_command_i32(call->command, names->reconsume_times, &header->reconsume_times);
    header->batch = rmq_command_bool(call->command, names->batch);
    return true;
}

struct mock_queue *mock_send_queue(struct mockmq *mock, const struct rmq_command *command)
{
    const struct send_names *names = names_of(command->code);
    struct dt_span topic;
    int32_t queue_id;

    if (!rmq_command_str(command, names->topic, &topic) ||
        !rmq_command_i32(command, names->queue_id, &queue_id))
        return NULL;
    return mock_queue_of(mock_topic_find(mock, topic), queue_id);
}

/* ---------------------------------------------------------------- checks */

static bool is_forbidden(struct dt_span topic)
{
    static const char *const names[] = {
        "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC",   "RMQ_SYS_TRANS_OP_HALF_TOPIC",
        "SELF_TEST_TOPIC",     "TRANS_CHECK_MAX_TIME_TOPIC", "OFFSET_MOVED_EVENT"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (dt_span_equal_str(topic, names[i]))
            return true;
    return false;
}

/* A topic that is not there is made from the one that the sender names, if that is inherited. */
static struct mock_topic *auto_create(struct mockmq *mock, const struct send_header *header)
{
    struct mock_topic *model = mock_topic_find(mock, header->default_topic);
    int32_t queues = header->default_queues;

    if (header->topic.size >= 7 && memcmp(header->topic.data, "%RETRY%", 7) == 0)
        return mock_topic_put(mock, header->topic, 1, 1, RMQ_PERM_READ | RMQ_PERM_WRITE);
    if (model == NULL || (model->perm & RMQ_PERM_INHERIT) == 0)
        return NULL;
    if (queues > model->write_queues)
        queues = model->write_queues;
    if (queues < 0)
        queues = 0;
    return mock_topic_put(mock, header->topic, queues, queues,
                          model->perm & ~RMQ_PERM_INHERIT);
}

static struct mock_queue *choose_queue(struct mockmq *mock,
                                       const struct send_header *header,
                                       struct mock_reply *reply)
{
    int name_size = (int)(header->topic.size < 128 ? header->topic.size : 128);
    const char *name = (const char *)header->topic.data;
    struct mock_topic *topic;
    int32_t most, queue_id = header->queue_id;

    if (!mock_topic_is_legal(header->topic)) {
        mock_reply_fail(reply, RMQ_INVALID_PARAMETER,
                        "The specified topic contains illegal characters, allowing only "
                        "^[%%|a-zA-Z0-9_-]+$, or is too long.");
        return NULL;
    }
    if (is_forbidden(header->topic)) {
        mock_reply_fail(reply, RMQ_NO_PERMISSION,
                        "Sending message to topic[%.*s] is forbidden.", name_size, name);
        return NULL;
    }
    topic = mock_topic_find(mock, header->topic);
    if (topic == NULL)
        topic = auto_create(mock, header);
    if (topic == NULL) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST,
                        "topic[%.*s] not exist, apply first please!", name_size, name);
        return NULL;
    }
    if ((topic->perm & RMQ_PERM_WRITE) == 0) {
        mock_reply_fail(reply, RMQ_NO_PERMISSION,
                        "the topic[%s] sending message is forbidden", topic->name);
        return NULL;
    }
    most =
        topic->read_queues > topic->write_queues ? topic->read_queues : topic->write_queues;
    if (queue_id < 0 && topic->write_queues > 0) {
        uint32_t number;

        dt_random_bytes(&number, sizeof(number));
        queue_id = (int32_t)(number % (uint32_t)topic->write_queues);
    }
    if (queue_id < 0 || queue_id >= most) {
        mock_reply_fail(reply, RMQ_INVALID_PARAMETER,
                        "request queueId[%d] is illegal, topic: %s read queues: %d write "
                        "queues: %d",
                        (int)queue_id, topic->name, (int)topic->read_queues,
                        (int)topic->write_queues);
        return NULL;
    }
    return mock_queue_of(topic, queue_id);
}

/* ---------------------------------------------------------------- storing */

static void full(struct mock_reply *reply)
{
    mock_reply_fail(
        reply, RMQ_SERVICE_NOT_AVAILABLE,
        "service not available now. It may be caused by one of the following "
        "reasons: the broker's disk is full [CL:  1.00 CQ:  1.00 INDEX:  1.00], "
        "messages are put to the slave, message store has been shut down, etc.");
}

static struct rmq_stored stored_of(const struct mockmq *mock, const struct mock_call *call,
                                   const struct mock_queue *queue,
                                   const struct send_header *header)
{
    struct rmq_stored stored;

    memset(&stored, 0, sizeof(stored));
    stored.queue_id = queue->id;
    stored.flag = header->flag;
    stored.sys_flag = header->sys_flag;
    stored.born_ms = header->born_ms;
    stored.born_host = call->conn->peer;
    stored.store_ms = mock_wall_ms(mock);
    stored.store_host = mock->at->host;
    stored.reconsume_times = header->reconsume_times;
    stored.topic = dt_span_str(queue->topic->name);
    return stored;
}

/* A message's own properties (a real broker shuffles those of a single message), which may lack their end, and what 5.x puts behind them. */
static void put_properties(const struct mockmq *mock, struct dt_buf *out,
                           struct dt_span own)
{
    dt_buf_put_span(out, own);
    if (own.size > 0 && own.data[own.size - 1] != 0x02)
        dt_buf_put_u8(out, 0x02);
    rmq_properties_put_str(out, "MSG_REGION", "DefaultRegion");
    rmq_properties_put_str(out, "TRACE_ON", "true");
    rmq_properties_put_str(out, "CLUSTER", mock->cluster);
}

static void add_ids(struct mock_reply *reply, struct dt_span ids,
                    const struct mock_queue *queue, int64_t offset)
{
    mock_reply_span(reply, "msgId", ids);
    mock_reply_int(reply, "queueId", queue->id);
    mock_reply_int(reply, "queueOffset", offset);
}

static void send_single(struct mockmq *mock, const struct mock_call *call,
                        const struct send_header *header, struct mock_queue *queue,
                        struct mock_reply *reply)
{
    struct rmq_stored stored = stored_of(mock, call, queue, header);
    int64_t offset = (int64_t)queue->count, physical_offset;
    int64_t delay_ms = mock_delay_wanted_ms(mock, header->properties);
    char uniq_key[RMQ_MESSAGE_ID_SIZE], id[RMQ_MESSAGE_ID_SIZE];
    struct dt_span key;
    struct dt_buf properties;

    if (call->body.size == 0) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null");
        return;
    }
    dt_buf_init(&properties, RMQ_FRAME_SIZE_MAX);
    put_properties(mock, &properties, header->properties);
    if (!rmq_properties_find(header->properties, "UNIQ_KEY", &key)) {
        rmq_uniq_key_next(&mock->uniq_key, stored.store_ms, uniq_key);
        rmq_properties_put_str(&properties, "UNIQ_KEY", uniq_key);
        key = dt_span_str(uniq_key);
    }
    stored.body = call->body;
    stored.properties = dt_buf_span(&properties);
    if (stored.body.size > RMQ_BODY_SIZE_MAX ||
        stored.properties.size > RMQ_PROPERTIES_SIZE_MAX || properties.failed) {
        mock_reply_fail(
            reply, RMQ_MESSAGE_ILLEGAL,
            "the message is illegal, maybe msg body or properties length not "
            "matched. msg body length limit %d B, msg properties length limit %d B.",
            RMQ_BODY_SIZE_MAX, RMQ_PROPERTIES_SIZE_MAX);
    } else if (delay_ms > 0) {
        if (!mock_schedule(mock, call->conn->node->shard, stored.topic, queue->id, &stored,
                           delay_ms))
            full(reply);
        rmq_offset_id(id, &call->conn->node->host, mock->physical_offset);
        add_ids(reply, dt_span_str(id), queue, 0); /* its place among those that wait */
        mock_reply_span(reply, "transactionId", key);
    } else if (!mock_queue_store(mock, queue, &stored, offset, &physical_offset)) {
        full(reply);
    } else {
        rmq_offset_id(id, &mock->at->host, physical_offset);
        add_ids(reply, dt_span_str(id), queue, offset);
        mock_reply_span(reply, "transactionId", key);
    }
    dt_buf_fini(&properties);
}

/* All of a batch is looked at before any of it is stored. */
static bool batch_is_right(const struct mockmq *mock, struct dt_span body,
                           size_t added_size, struct mock_reply *reply)
{
    size_t count = 0, memory = 0;

    if (body.size > RMQ_BODY_SIZE_MAX) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                        "java.lang.RuntimeException: message size exceeded");
        return false;
    }
    while (body.size > 0) {
        struct rmq_batch_item item;

        if (rmq_batch_item_cut(body, &item) != RMQ_CUT_FRAME) {
            mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                            "java.nio.BufferUnderflowException: null");
            return false;
        }
        /* A real broker of this version acknowledges it, and is wrecked from then on. */
        if (item.properties.size + 1 + added_size > RMQ_PROPERTIES_SIZE_MAX) {
            mock_reply_fail(
                reply, RMQ_SYSTEM_ERROR,
                "a message of this batch would overflow its properties and wreck "
                "the broker: it must travel alone");
            return false;
        }
        memory += item.size + added_size + 512;
        count++;
        body = dt_span_of(body.data + item.size, body.size - item.size);
    }
    if (count == 0)
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null");
    else if (memory > mock->memory_max - mock->memory_used)
        full(reply);
    return reply->code == RMQ_SUCCESS;
}

/* One message of a batch: its own properties, then those of the batch, which has the broker's. */
static bool store_item(struct mockmq *mock, struct mock_queue *queue,
                       struct rmq_stored *stored, const struct rmq_batch_item *item,
                       struct dt_span batch_properties, int64_t offset,
                       struct dt_buf *properties, struct dt_buf *ids)
{
    char id[RMQ_MESSAGE_ID_SIZE];
    int64_t physical_offset;

    dt_buf_clear(properties);
    dt_buf_put_span(properties, item->properties);
    if (item->properties.size > 0 &&
        item->properties.data[item->properties.size - 1] != 0x02)
        dt_buf_put_u8(properties, 0x02);
    dt_buf_put_span(properties, batch_properties);
    stored->flag = item->flag;
    stored->body = item->body;
    stored->properties = dt_buf_span(properties);
    if (!mock_queue_store(mock, queue, stored, offset, &physical_offset))
        return false;
    rmq_offset_id(id, &mock->at->host, physical_offset);
    if (ids->size > 0)
        dt_buf_put_u8(ids, ',');
    dt_buf_put_str(ids, id);
    return true;
}

static void send_batch(struct mockmq *mock, const struct mock_call *call,
                       const struct send_header *header, struct mock_queue *queue,
                       struct mock_reply *reply)
{
    struct rmq_stored stored = stored_of(mock, call, queue, header);
    int64_t first = (int64_t)queue->count, offset = first;
    struct dt_span rest = call->body;
    struct dt_buf added, properties, ids;

    dt_buf_init(&added, RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&properties, RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&ids, RMQ_FRAME_SIZE_MAX);
    put_properties(mock, &added, header->properties);
    if (batch_is_right(mock, rest, added.size, reply)) {
        struct rmq_batch_item item;
        bool stored_all = true;

        while (stored_all && rmq_batch_item_cut(rest, &item) == RMQ_CUT_FRAME) {
            stored_all = store_item(mock, queue, &stored, &item, dt_buf_span(&added),
                                    offset++, &properties, &ids);
            rest = dt_span_of(rest.data + item.size, rest.size - item.size);
        }
        if (stored_all)
            add_ids(reply, dt_buf_span(&ids), queue, first);
        else
            full(reply);
    }
    dt_buf_fini(&added);
    dt_buf_fini(&properties);
    dt_buf_fini(&ids);
}

void mock_handle_send(struct mockmq *mock, const struct mock_call *call,
                      struct mock_reply *reply)
{
    struct send_header header;
    struct mock_queue *queue;
    struct dt_span half;

    mock_reply_str(reply, "MSG_REGION", "DefaultRegion");
    mock_reply_str(reply, "TRACE_ON", "true");
    if (!parse_header(call, reply, &header))
        return;
    if (rmq_properties_find(header.properties, "TRAN_MSG", &half) &&
        dt_span_equal_str(half, "true")) {
        mock_reply_fail(reply, RMQ_NO_PERMISSION,
                        "the broker[%s] sending transaction message is forbidden",
                        mock->host);
        return;
    }
    if (mock->at->id > 0) {
        full(reply);
        return;
    }
    queue = choose_queue(mock, &header, reply);
    if (queue == NULL)
        return;
    if (header.batch)
        send_batch(mock, call, &header, queue, reply);
    else
        send_single(mock, call, &header, queue, reply);
    if (reply->code == RMQ_SYSTEM_ERROR)
        reply->field_count = 0; /* an exception goes out without them */
    mock_pulls_wake(mock, queue);
}
