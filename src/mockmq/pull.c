/*
 * pull.c - giving out messages, and holding pulls until there is something to give.
 */
#include <stdlib.h>

#include "mockmq/mock.h"
#include "rmq/properties.h"
#include "rmq/stored.h"

/* What a broker gives of messages that are still in memory. */
#define COUNT_MAX 32
#define BYTES_MAX 262144
/* So many messages it looks at when most do not match. */
#define SCAN_MAX 800

/* ---------------------------------------------------------------- tags */

static struct dt_span trim(struct dt_span text)
{
    while (text.size > 0 && text.data[0] == ' ')
        text = dt_span_of(text.data + 1, text.size - 1);
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

/* True if the tag is one of "TagA || TagB". */
static bool names_tag(const char *expression, struct dt_span tag)
{
    while (expression != NULL) {
        const char *bar = strstr(expression, "||");
        size_t size = bar == NULL ? strlen(expression) : (size_t)(bar - expression);

        if (dt_span_equal(trim(dt_span_of(expression, size)), tag))
            return true;
        expression = bar == NULL ? NULL : bar + 2;
    }
    return false;
}

static bool takes_all(const char *expression)
{
    struct dt_span text = trim(dt_span_str(expression));

    return text.size == 0 || dt_span_equal_str(text, "*");
}

static bool matches(const struct mock_message *message, const char *expression)
{
    struct rmq_stored stored;
    struct dt_span tag;

    if (takes_all(expression))
        return true;
    return rmq_stored_cut(dt_span_of(message->bytes, message->size), &stored) ==
               RMQ_CUT_FRAME &&
           rmq_properties_find(stored.properties, "TAGS", &tag) &&
           names_tag(expression, tag);
}

/* ---------------------------------------------------------------- reading */

void rmq_mock_pull_limit(struct mockmq *mock, int32_t count, size_t bytes)
{
    pthread_mutex_lock(&mock->lock);
    mock->answer_count_max = count;
    mock->answer_bytes_max = bytes;
    pthread_mutex_unlock(&mock->lock);
}

/* Fills the body; where reading goes on, and whether anything was found. */
static int64_t collect(const struct mockmq *mock, const struct mock_queue *queue,
                       int64_t offset, int32_t count_max, const char *expression,
                       struct dt_buf *body)
{
    int32_t answer_max = mock->answer_count_max == 0 ? COUNT_MAX : mock->answer_count_max;
    size_t bytes_max = mock->answer_bytes_max == 0 ? BYTES_MAX : mock->answer_bytes_max;
    int32_t found = 0;
    size_t at = (size_t)offset, end = mock_queue_end(mock, queue), scanned = 0;

    for (; at < end && scanned < SCAN_MAX; at++, scanned++) {
        const struct mock_message *message = mock_queue_at(queue, at);

        if (!matches(message, expression))
            continue;
        if (found > 0 && (found >= count_max || found >= answer_max ||
                          body->size + message->size > bytes_max))
            break;
        dt_buf_put(body, message->bytes, message->size);
        found++;
    }
    return (int64_t)at;
}

/* What every answer to a pull has, whatever it is. */
static void put_bounds(const struct mockmq *mock, const struct mock_queue *queue,
                       int64_t next, struct mock_reply *reply)
{
    int64_t max = (int64_t)mock_queue_end(mock, queue);
    int64_t min = (int64_t)queue->base < max ? (int64_t)queue->base : max;

    mock_reply_int(reply, "suggestWhichBrokerId", mock->at->suggested);
    mock_reply_int(reply, "nextBeginOffset", next);
    mock_reply_int(reply, "minOffset", min);
    mock_reply_int(reply, "maxOffset", max);
    mock_reply_int(reply, "topicSysFlag", 0);
    mock_reply_int(reply, "groupSysFlag", 0);
}

static void read_queue(const struct mockmq *mock, const struct mock_queue *queue,
                       int64_t offset, int32_t count_max, const char *expression,
                       struct mock_reply *reply)
{
    int64_t max = (int64_t)mock_queue_end(mock, queue), next = offset;
    int64_t min = (int64_t)queue->base < max ? (int64_t)queue->base : max;
    int32_t code = RMQ_PULL_NOT_FOUND;
    const char *remark = "OFFSET_OVERFLOW_ONE";

    if (max == 0) {
        remark = "NO_MESSAGE_IN_QUEUE";
        code = offset == 0 ? RMQ_PULL_NOT_FOUND : RMQ_PULL_OFFSET_MOVED;
        next = 0;
    } else if (offset < min) {
        remark = "OFFSET_TOO_SMALL";
        code = RMQ_PULL_OFFSET_MOVED;
        next = min;
    } else if (offset > max) {
        remark = "OFFSET_OVERFLOW_BADLY";
        code = RMQ_PULL_OFFSET_MOVED;
        next = max;
    } else if (offset < max) {
        next = collect(mock, queue, offset, count_max, expression, &reply->body);
        code = reply->body.size > 0 ? RMQ_SUCCESS : RMQ_PULL_RETRY_IMMEDIATELY;
        remark = code == RMQ_SUCCESS ? "FOUND" : "NO_MATCHED_MESSAGE";
    }
    if (code == RMQ_PULL_OFFSET_MOVED && mock->at->id > 0) {
        code = RMQ_PULL_RETRY_IMMEDIATELY; /* only a master knows where a queue ends */
        next = offset;
    }
    mock_reply_fail(reply, code, "%s", remark);
    put_bounds(mock, queue, next, reply);
}

/* ---------------------------------------------------------------- held pulls */

static void pull_free(struct mockmq *mock, struct mock_pull *pull)
{
    mock->pull_count--;
    free(pull->expression);
    free(pull);
}

static bool hold(struct mockmq *mock, const struct mock_call *call,
                 struct mock_queue *queue, int64_t offset, int32_t count_max,
                 int64_t suspend_ms, const char *expression)
{
    struct mock_pull *pull;

    if (mock->pull_count >= MOCK_TABLE_MAX)
        return false;
    pull = calloc(1, sizeof(*pull));
    if (pull == NULL)
        return false;
    pull->expression = strdup(expression);
    if (pull->expression == NULL) {
        free(pull);
        return false;
    }
    pull->from = call->from;
    pull->node = mock->at;
    pull->queue = queue;
    pull->offset = offset;
    pull->count_max = count_max;
    pull->deadline_ms = mock_now_ms(mock) + suspend_ms;
    pull->next = mock->pulls;
    mock->pulls = pull;
    mock->pull_count++;
    return true;
}

/* Answers a held pull if there is something for it, or if it has waited long enough. */
static bool try_answer(struct mockmq *mock, struct mock_pull *pull, bool at_last)
{
    struct mock_reply *reply = &mock->late_reply;
    struct mock_node *before = mock->at;

    mock_reply_begin(reply);
    mock->at = pull->node;
    read_queue(mock, pull->queue, pull->offset, pull->count_max, pull->expression, reply);
    mock->at = before;
    if (!at_last &&
        (reply->code == RMQ_PULL_NOT_FOUND || reply->code == RMQ_PULL_RETRY_IMMEDIATELY))
        return false;
    mock_answer(mock, pull->from, reply, NULL);
    return true;
}

void mock_pulls_wake(struct mockmq *mock, struct mock_queue *queue)
{
    struct mock_pull **at = &mock->pulls;

    while (*at != NULL) {
        struct mock_pull *pull = *at;

        if (pull->queue == queue && try_answer(mock, pull, false)) {
            *at = pull->next;
            pull_free(mock, pull);
        } else {
            at = &pull->next;
        }
    }
}

void mock_topic_forget_users(struct mockmq *mock, const struct mock_topic *topic)
{
    struct mock_pull **at = &mock->pulls;

    while (*at != NULL) {
        struct mock_pull *pull = *at;

        if (pull->queue->topic == topic) {
            (void)try_answer(mock, pull, true);
            *at = pull->next;
            pull_free(mock, pull);
        } else {
            at = &pull->next;
        }
    }
    mock_delayed_forget(mock, topic);
}

void mock_pulls_run(struct mockmq *mock, int64_t now_ms)
{
    struct mock_pull **at = &mock->pulls;

    while (*at != NULL) {
        struct mock_pull *pull = *at;

        if (pull->deadline_ms <= now_ms) {
            (void)try_answer(mock, pull, true);
            *at = pull->next;
            pull_free(mock, pull);
        } else {
            at = &pull->next;
        }
    }
}

int64_t mock_pulls_due_ms(const struct mockmq *mock)
{
    int64_t due_ms = INT64_MAX;

    for (const struct mock_pull *pull = mock->pulls; pull != NULL; pull = pull->next)
        if (pull->deadline_ms < due_ms)
            due_ms = pull->deadline_ms;
    return due_ms;
}

void mock_pulls_drop(struct mockmq *mock, uint64_t conn_id)
{
    struct mock_pull **at = &mock->pulls;

    while (*at != NULL) {
        struct mock_pull *pull = *at;

        if (pull->from.conn_id == conn_id) {
            *at = pull->next;
            pull_free(mock, pull);
        } else {
            at = &pull->next;
        }
    }
}

/* ---------------------------------------------------------------- the request */

struct pull_header {
    struct dt_span group, topic;
    int32_t queue_id, count_max, sys_flag;
    int64_t offset, commit_offset, suspend_ms, sub_version;
};

static bool parse_header(const struct mock_call *call, struct mock_reply *reply,
                         struct pull_header *header)
{
    memset(header, 0, sizeof(*header));
    return mock_call_str(call, reply, "consumerGroup", &header->group) &&
           mock_call_str(call, reply, "topic", &header->topic) &&
           mock_call_i32(call, reply, "queueId", &header->queue_id) &&
           mock_call_i64(call, reply, "queueOffset", &header->offset) &&
           mock_call_i32(call, reply, "maxMsgNums", &header->count_max) &&
           mock_call_i32(call, reply, "sysFlag", &header->sys_flag) &&
           mock_call_i64(call, reply, "commitOffset", &header->commit_offset) &&
           mock_call_i64(call, reply, "suspendTimeoutMillis", &header->suspend_ms) &&
           mock_call_i64(call, reply, "subVersion", &header->sub_version);
}

static struct mock_queue *queue_of(struct mockmq *mock, const struct pull_header *header,
                                   struct mock_reply *reply)
{
    struct mock_topic *topic = mock_topic_find(mock, header->topic);

    if (topic == NULL) {
        mock_reply_fail(reply, RMQ_TOPIC_NOT_EXIST,
                        "topic[%.*s] not exist, apply first please!",
                        (int)(header->topic.size < 128 ? header->topic.size : 128),
                        (const char *)header->topic.data);
        return NULL;
    }
    if ((topic->perm & RMQ_PERM_READ) == 0) {
        mock_reply_fail(reply, RMQ_NO_PERMISSION,
                        "the topic[%s] pulling message is forbidden", topic->name);
        return NULL;
    }
    if (header->queue_id < 0 || header->queue_id >= topic->read_queues) {
        mock_reply_fail(reply, RMQ_INVALID_PARAMETER,
                        "queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]",
                        (int)header->queue_id, topic->name, (int)topic->read_queues);
        return NULL;
    }
    return mock_queue_of(topic, header->queue_id);
}

/* The expression to filter by: of this request, else of the group's heartbeat. free() it. */
static char *expression_of(struct mockmq *mock, const struct mock_call *call,
                           const struct pull_header *header, struct mock_reply *reply)
{
    struct dt_span text, type;
    const char *known;

    if (rmq_command_str(call->command, "expressionType", &type) && type.size > 0 &&
        !dt_span_equal_str(type, "TAG")) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                        "The broker does not support consumer to filter message by %.*s",
                        (int)(type.size < 32 ? type.size : 32), (const char *)type.data);
        return NULL;
    }
    if ((header->sys_flag & RMQ_PULL_SUBSCRIPTION) != 0) {
        (void)rmq_command_str(call->command, "subscription", &text);
        return strndup(text.size == 0 ? "" : (const char *)text.data, text.size);
    }
    known = mock_subscription_of(mock, header->group, header->topic);
    if (known == NULL) {
        mock_reply_fail(reply, RMQ_SUBSCRIPTION_NOT_EXIST,
                        "the consumer's subscription not exist");
        return NULL;
    }
    return strdup(known);
}

/* An operator has put the group elsewhere. */
static void answer_reset(const struct mockmq *mock, const struct mock_queue *queue,
                         int64_t offset, struct mock_reply *reply)
{
    mock_reply_fail(reply, RMQ_PULL_OFFSET_MOVED, "OFFSET_RESET");
    put_bounds(mock, queue, offset, reply);
}

void mock_handle_pull(struct mockmq *mock, const struct mock_call *call,
                      struct mock_reply *reply)
{
    struct pull_header header;
    struct mock_queue *queue;
    char *expression;

    if (!parse_header(call, reply, &header))
        return;
    mock_group_add(mock, header.group);
    queue = queue_of(mock, &header, reply);
    if (queue == NULL)
        return;
    if (mock->at->id == 0 && mock_offset_take_reset(mock, header.group, header.topic,
                                                    queue->id, &header.offset)) {
        answer_reset(mock, queue, header.offset, reply);
        return;
    }
    expression = expression_of(mock, call, &header, reply);
    if (expression == NULL) {
        if (reply->code == RMQ_SUCCESS)
            mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.OutOfMemoryError");
        return;
    }
    if ((header.sys_flag & RMQ_PULL_COMMIT) != 0)
        mock_offset_commit(mock, header.group, header.topic, queue->id,
                           header.commit_offset);
    read_queue(mock, queue, header.offset, header.count_max, expression, reply);
    if (reply->code == RMQ_PULL_NOT_FOUND && (header.sys_flag & RMQ_PULL_SUSPEND) != 0 &&
        header.suspend_ms > 0 && !rmq_command_is_oneway(call->command))
        reply->held = hold(mock, call, queue, header.offset, header.count_max,
                           header.suspend_ms, expression);
    free(expression);
}
