/*
 * retry.c - messages that are stored later: delay levels, and what a consumer gives back (36),
 * which comes again by the group's retry topic or ends in its dead letters.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mockmq/mock.h"
#include "rmq/properties.h"

enum { LEVELS = 18, ATTEMPTS_MAX = 16 };

/* messageDelayLevel of a broker, in ms. */
static const int64_t level_ms[LEVELS] = {
    1000,   5000,   10000,  30000,  60000,  120000,  180000,  240000,  300000,
    360000, 420000, 480000, 540000, 600000, 1200000, 1800000, 3600000, 7200000};

struct mock_scheduled {
    struct mock_scheduled *next;
    int64_t due_ms;
    struct mock_shard *shard;
    char topic[MOCK_NAME_SIZE];
    int32_t queue_id;
    size_t size;
    uint8_t bytes[]; /* as stored */
};

/* ---------------------------------------------------------------- later */

static int64_t delay_of_level(int64_t level)
{
    if (level <= 0)
        return 0;
    return level_ms[(level > LEVELS ? LEVELS : level) - 1];
}

static bool number_of(struct dt_span properties, const char *name, int64_t *out)
{
    struct dt_span text;

    return rmq_properties_find(properties, name, &text) && rmq_parse_i64(text, out);
}

int64_t mock_delay_wanted_ms(const struct mockmq *mock, struct dt_span properties)
{
    int64_t number;

    if (number_of(properties, "TIMER_DELIVER_MS", &number))
        return number - mock_wall_ms(mock);
    if (number_of(properties, "TIMER_DELAY_MS", &number))
        return number;
    if (number_of(properties, "TIMER_DELAY_SEC", &number) && number < INT32_MAX)
        return number * 1000;
    return number_of(properties, "DELAY", &number) ? delay_of_level(number) : 0;
}

bool mock_schedule(struct mockmq *mock, struct mock_shard *shard, struct dt_span topic,
                   int32_t queue_id, const struct rmq_stored *stored, int64_t delay_ms)
{
    size_t size = rmq_stored_size(stored);
    struct mock_scheduled *later, **at = &mock->scheduled;

    if (topic.size >= MOCK_NAME_SIZE || size > mock->memory_max - mock->memory_used)
        return false;
    dt_buf_clear(&mock->stored);
    rmq_stored_put(&mock->stored, stored);
    later = mock->stored.failed ? NULL : calloc(1, sizeof(*later) + size);
    if (later == NULL)
        return false;
    later->due_ms = mock_now_ms(mock) + delay_ms;
    later->shard = shard;
    later->queue_id = queue_id;
    later->size = size;
    memcpy(later->topic, topic.data, topic.size);
    memcpy(later->bytes, mock->stored.data, size);
    while (*at != NULL && (*at)->due_ms <= later->due_ms)
        at = &(*at)->next;
    later->next = *at;
    *at = later;
    return true;
}

/* What only said when to deliver is not delivered. */
static bool says_when(struct dt_span name)
{
    return dt_span_equal_str(name, "DELAY") || dt_span_equal_str(name, "TIMER_DELAY_MS") ||
           dt_span_equal_str(name, "TIMER_DELAY_SEC") ||
           dt_span_equal_str(name, "TIMER_DELIVER_MS");
}

static void store_now(struct mockmq *mock, const struct mock_scheduled *later)
{
    struct mock_topic *topic = mock_shard_topic(later->shard, dt_span_str(later->topic));
    struct mock_queue *queue = mock_queue_of(topic, later->queue_id);
    struct rmq_property_span property;
    struct rmq_stored stored;
    struct dt_span rest;
    struct dt_buf properties;
    int64_t physical_offset;

    if (queue == NULL ||
        rmq_stored_cut(dt_span_of(later->bytes, later->size), &stored) != RMQ_CUT_FRAME)
        return; /* the topic was deleted */
    dt_buf_init(&properties, RMQ_FRAME_SIZE_MAX);
    rest = stored.properties;
    while (rmq_properties_next(&rest, &property))
        if (!says_when(property.name))
            rmq_properties_put(&properties, property.name, property.value);
    stored.topic = dt_span_str(topic->name);
    stored.queue_id = queue->id;
    stored.properties = dt_buf_span(&properties);
    stored.store_ms = mock_wall_ms(mock);
    if (mock_queue_store(mock, queue, &stored, (int64_t)queue->count, &physical_offset))
        mock_pulls_wake(mock, queue);
    dt_buf_fini(&properties);
}

void mock_scheduled_run(struct mockmq *mock, int64_t now_ms)
{
    while (mock->scheduled != NULL && mock->scheduled->due_ms <= now_ms) {
        struct mock_scheduled *later = mock->scheduled;

        mock->scheduled = later->next;
        store_now(mock, later);
        free(later);
    }
}

int64_t mock_scheduled_due_ms(const struct mockmq *mock)
{
    return mock->scheduled == NULL ? INT64_MAX : mock->scheduled->due_ms;
}

void mock_scheduled_free(struct mockmq *mock)
{
    while (mock->scheduled != NULL) {
        struct mock_scheduled *later = mock->scheduled;

        mock->scheduled = later->next;
        free(later);
    }
}

/* ---------------------------------------------------------------- given back */

/* The message at that place of the commit log, of all queues of the broker. */
static bool find_message(const struct mock_shard *shard, int64_t physical_offset,
                         struct rmq_stored *out)
{
    for (const struct mock_topic *topic = shard->topics; topic != NULL; topic = topic->next)
        for (size_t i = 0; i < topic->queue_count; i++)
            for (size_t k = topic->queues[i]->base; k < topic->queues[i]->count; k++) {
                const struct mock_message *message = mock_queue_at(topic->queues[i], k);

                if (rmq_stored_cut(dt_span_of(message->bytes, message->size), out) ==
                        RMQ_CUT_FRAME &&
                    out->physical_offset == physical_offset)
                    return true;
            }
    return false;
}

static void put_if_absent(struct dt_buf *properties, struct dt_span own, const char *name,
                          struct dt_span value)
{
    struct dt_span known;

    if (!rmq_properties_find(own, name, &known))
        rmq_properties_put(properties, dt_span_str(name), value);
}

/* The topic of that prefix and group, with one queue; NULL: no memory. */
static struct mock_topic *group_topic(struct mockmq *mock, const char *prefix,
                                      struct dt_span group, char *name, size_t name_size)
{
    struct mock_topic *topic;

    snprintf(name, name_size, "%s%.*s", prefix, (int)group.size, (const char *)group.data);
    topic = mock_topic_find(mock, dt_span_str(name));
    if (topic == NULL)
        topic =
            mock_topic_put(mock, dt_span_str(name), 1, 1, RMQ_PERM_READ | RMQ_PERM_WRITE);
    return topic;
}

static void store_again(struct mockmq *mock, struct rmq_stored *stored,
                        struct dt_span group, struct dt_span origin_id, bool is_dead,
                        int64_t delay_level, struct mock_reply *reply)
{
    char name[MOCK_NAME_SIZE + 8];
    struct mock_topic *topic =
        group_topic(mock, is_dead ? "%DLQ%" : "%RETRY%", group, name, sizeof(name));
    int64_t delay_ms =
        is_dead
            ? 0
            : delay_of_level(delay_level == 0 ? 3 + stored->reconsume_times : delay_level);
    struct dt_span own = stored->properties;
    struct dt_buf properties;
    bool is_stored = false;

    if (topic == NULL) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "topic[%s] not exist", name);
        return;
    }
    dt_buf_init(&properties, RMQ_FRAME_SIZE_MAX);
    dt_buf_put_span(&properties, own);
    put_if_absent(&properties, own, "RETRY_TOPIC", stored->topic);
    put_if_absent(&properties, own, "ORIGIN_MESSAGE_ID", origin_id);
    stored->properties = dt_buf_span(&properties);
    stored->topic = dt_span_str(name);
    stored->queue_id = 0;
    stored->reconsume_times++;
    is_stored = !properties.failed && mock_schedule(mock, mock->at->shard,
                                                    dt_span_str(name), 0, stored, delay_ms);
    dt_buf_fini(&properties);
    if (!is_stored)
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "putMessage failed");
}

void mock_handle_send_back(struct mockmq *mock, const struct mock_call *call,
                           struct mock_reply *reply)
{
    struct dt_span group, origin_id;
    int64_t physical_offset;
    int32_t delay_level, attempts_max = ATTEMPTS_MAX;
    struct rmq_stored stored;

    if (!mock_call_i64(call, reply, "offset", &physical_offset) ||
        !mock_call_str(call, reply, "group", &group) ||
        !mock_call_i32(call, reply, "delayLevel", &delay_level))
        return;
    (void)rmq_command_str(call->command, "originMsgId", &origin_id);
    (void)rmq_command_i32(call->command, "maxReconsumeTimes", &attempts_max);
    if (!mock_group_is_known(mock, group) || group.size >= MOCK_NAME_SIZE) {
        mock_reply_fail(
            reply, RMQ_SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group not exist, %.*s",
            (int)(group.size < 255 ? group.size : 255), (const char *)group.data);
        return;
    }
    if (!find_message(mock->at->shard, physical_offset, &stored)) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "look message by offset failed, %lld",
                        (long long)physical_offset);
        return;
    }
    store_again(mock, &stored, group, origin_id,
                delay_level < 0 || stored.reconsume_times >= attempts_max, delay_level,
                reply);
}
