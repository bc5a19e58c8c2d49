#include "support/raw_mq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

void raw_begin_send(struct raw_peer *peer, const struct raw_message *message)
{
    struct rmq_encoder *encoder = &peer->encoder;

    raw_begin(peer, message->batch ? RMQ_SEND_BATCH_MESSAGE : RMQ_SEND_MESSAGE_V2);
    rmq_encode_str(encoder, "a", "PG");
    rmq_encode_str(encoder, "b", message->topic);
    rmq_encode_str(encoder, "c", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(encoder, "d", 4);
    rmq_encode_int(encoder, "e", message->queue_id);
    rmq_encode_int(encoder, "f", 0);
    rmq_encode_int(encoder, "g", 1700000000000);
    rmq_encode_int(encoder, "h", 77);
    if (message->properties.size > 0)
        rmq_encode_span(encoder, "i", message->properties);
    rmq_encode_int(encoder, "j", 0);
    rmq_encode_bool(encoder, "k", false);
    rmq_encode_bool(encoder, "m", message->batch);
}

int32_t raw_store(struct raw_peer *peer, const struct raw_message *message)
{
    raw_begin_send(peer, message);
    return raw_call(peer, message->body);
}

int32_t raw_store_text(struct raw_peer *peer, const char *topic, int32_t queue_id,
                       const char *text)
{
    struct raw_message message = {topic, queue_id, dt_span_str(text), {NULL, 0}, false};

    return raw_store(peer, &message);
}

void raw_begin_pull(struct raw_peer *peer, const char *topic, int32_t queue_id,
                    int64_t offset, int32_t count_max, int64_t suspend_ms)
{
    struct rmq_encoder *encoder = &peer->encoder;
    int32_t flags = RMQ_PULL_SUBSCRIPTION | (suspend_ms > 0 ? RMQ_PULL_SUSPEND : 0);

    raw_begin(peer, RMQ_PULL_MESSAGE);
    rmq_encode_str(encoder, "consumerGroup", "CG");
    rmq_encode_str(encoder, "topic", topic);
    rmq_encode_int(encoder, "queueId", queue_id);
    rmq_encode_int(encoder, "queueOffset", offset);
    rmq_encode_int(encoder, "maxMsgNums", count_max);
    rmq_encode_int(encoder, "sysFlag", flags);
    rmq_encode_int(encoder, "commitOffset", 0);
    rmq_encode_int(encoder, "suspendTimeoutMillis", suspend_ms);
    rmq_encode_str(encoder, "subscription", "*");
    rmq_encode_int(encoder, "subVersion", 0);
}

int32_t raw_pull(struct raw_peer *peer, const char *topic, int32_t queue_id, int64_t offset,
                 int32_t count_max)
{
    raw_begin_pull(peer, topic, queue_id, offset, count_max, 0);
    return raw_call(peer, dt_span_of(NULL, 0));
}

bool raw_next_message(struct raw_peer *peer, struct rmq_stored *out)
{
    if (peer->body.size == 0)
        return false;
    assert_int_equal(rmq_stored_cut(peer->body, out), RMQ_CUT_FRAME);
    assert_true(rmq_stored_crc_is_right(out));
    peer->body = dt_span_of(peer->body.data + out->size, peer->body.size - out->size);
    return true;
}

int32_t raw_offset(struct raw_peer *peer, int32_t code, const char *group,
                   const char *topic, int32_t queue_id, int64_t value)
{
    raw_begin(peer, code);
    if (group != NULL)
        rmq_encode_str(&peer->encoder, "consumerGroup", group);
    rmq_encode_str(&peer->encoder, "topic", topic);
    rmq_encode_int(&peer->encoder, "queueId", queue_id);
    if (value >= 0)
        rmq_encode_int(&peer->encoder, "commitOffset", value);
    return raw_call(peer, dt_span_of(NULL, 0));
}
