/*
 * admin_view.c - single messages: by their place in the log, by key.
 */
#include "mockmq/mock.h"
#include "rmq/properties.h"

enum { COUNT_MAX = 64 };

/* The first message of the broker at work for which fits() says yes, and those after it, until it
 * has had `max`. */
static int32_t collect(struct mockmq *mock, struct dt_buf *out, int32_t max,
                       bool (*fits)(const void *wanted, const struct rmq_stored *stored),
                       const void *wanted)
{
    int32_t found = 0;

    for (struct mock_topic *topic = mock->at->shard->topics; topic != NULL;
         topic = topic->next) {
        for (size_t i = 0; i < topic->queue_count; i++) {
            const struct mock_queue *queue = topic->queues[i];

            for (size_t at = queue->base; at < queue->count && found < max; at++) {
                const struct mock_message *message = mock_queue_at(queue, at);
                struct rmq_stored stored;

                if (rmq_stored_cut(dt_span_of(message->bytes, message->size), &stored) !=
                        RMQ_CUT_FRAME ||
                    !fits(wanted, &stored))
                    continue;
                dt_buf_put(out, message->bytes, message->size);
                found++;
            }
        }
    }
    return found;
}

static bool is_there(const void *wanted, const struct rmq_stored *stored)
{
    return stored->physical_offset == *(const int64_t *)wanted;
}

void mock_handle_view(struct mockmq *mock, const struct mock_call *call,
                      struct mock_reply *reply)
{
    int64_t offset;

    if (!mock_call_i64(call, reply, "offset", &offset))
        return;
    if (collect(mock, &reply->body, 1, is_there, &offset) == 0)
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "can not find message by the offset, %lld",
                        (long long)offset);
}

struct wanted {
    struct dt_span topic, key;
    int64_t begin_ms, end_ms;
};

/* Brokers look by a hash, and so give out others, too: here what begins with the same letter, so
 * that a client which does not look itself is found out. */
static bool has_key(const void *context, const struct rmq_stored *stored)
{
    const struct wanted *wanted = context;
    struct dt_span rest = stored->properties;
    struct rmq_property_span span;

    if (!dt_span_equal(stored->topic, wanted->topic) ||
        stored->store_ms < wanted->begin_ms || stored->store_ms > wanted->end_ms)
        return false;
    while (rmq_properties_next(&rest, &span)) {
        if (!dt_span_equal_str(span.name, "KEYS") &&
            !dt_span_equal_str(span.name, "UNIQ_KEY"))
            continue;
        for (size_t i = 0; i < span.value.size; i++)
            if ((i == 0 || span.value.data[i - 1] == ' ') &&
                span.value.data[i] == wanted->key.data[0])
                return true;
    }
    return false;
}

void mock_handle_query(struct mockmq *mock, const struct mock_call *call,
                       struct mock_reply *reply)
{
    struct wanted wanted;
    int32_t max;

    if (!mock_call_str(call, reply, "topic", &wanted.topic) ||
        !mock_call_str(call, reply, "key", &wanted.key) ||
        !mock_call_i32(call, reply, "maxNum", &max) ||
        !mock_call_i64(call, reply, "beginTimestamp", &wanted.begin_ms) ||
        !mock_call_i64(call, reply, "endTimestamp", &wanted.end_ms))
        return;
    if (wanted.key.size == 0 ||
        collect(mock, &reply->body, max < COUNT_MAX ? max : COUNT_MAX, has_key, &wanted) ==
            0)
        mock_reply_fail(reply, RMQ_QUERY_NOT_FOUND,
                        "can not find message, maybe time range not correct");
    mock_reply_int(reply, "indexLastUpdateTimestamp", 0);
    mock_reply_int(reply, "indexLastUpdatePhyoffset", 0);
}
