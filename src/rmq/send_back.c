/* A message that was not handled goes back to the broker that has it, which delivers it again. */
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/consumer_inside.h"

struct back {
    const struct rmq_consumer *consumer;
    const rmq_received *message;
    int32_t delay_level, attempts_max;
};

static void put_back(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    const struct back *back = ask->question;
    const rmq_received *message = back->message;
    char room[RMQ_FULL_NAME_SIZE];

    rmq_encode_int(encoder, "offset", message->physical_offset);
    rmq_encode_str(encoder, "group", back->consumer->group);
    rmq_encode_int(encoder, "delayLevel", back->delay_level);
    rmq_encode_str(encoder, "originMsgId", message->message_id);
    rmq_encode_str(encoder, "originTopic",
                   rmq_namespace_wrap(back->consumer->client->space, message->topic, room));
    rmq_encode_bool(encoder, "unitMode", false);
    rmq_encode_int(encoder, "maxReconsumeTimes", back->attempts_max);
}

dt_status rmq_send_back(struct rmq_consumer *consumer, const struct rmq_work *work,
                        const rmq_received *message, int32_t delay_level,
                        int32_t attempts_max)
{
    struct rmq_client *client = consumer->client;
    struct back back = {consumer, message, delay_level, attempts_max};
    struct rmq_ask ask;
    dt_status status;

    rmq_ask_init(&ask, client, RMQ_CONSUMER_SEND_MSG_BACK,
                 rmq_deadline_ms(client->request_timeout_ms));
    ask.changes = true;
    ask.put = put_back;
    ask.question = &back;
    status = rmq_ask_broker(&ask, work->topic->name, message->queue.broker_name);
    if (status != DT_OK)
        return dt_error_wrap(status, "sending a message back");
    if (delay_level < 0 || message->reconsume_times >= attempts_max) /* the broker's rule */
        atomic_fetch_add_explicit(&consumer->counters.dead_lettered, 1,
                                  memory_order_relaxed);
    return DT_OK;
}
