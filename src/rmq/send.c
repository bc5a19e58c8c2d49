#include "rmq/send.h"

#include <string.h>

#include "rmq/sign.h"

void rmq_send_encode(const struct rmq_send *send, int32_t opaque, enum rmq_header_type type,
                     struct dt_buf *out)
{
    const struct rmq_outgoing *message = send->first;
    bool is_batch = send->count > 1 || message->batch_count > 0;
    struct rmq_encoder encoder;
    size_t body_size = 0;

    rmq_encode_begin(
        &encoder, out, type,
        rmq_head_request(is_batch ? RMQ_SEND_BATCH_MESSAGE : RMQ_SEND_MESSAGE_V2, opaque,
                         send->is_oneway ? RMQ_FLAG_ONEWAY : 0));
    rmq_encode_str(&encoder, "a", send->group);
    rmq_encode_str(&encoder, "b", send->topic);
    rmq_encode_str(&encoder, "c", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(&encoder, "d", 4);
    rmq_encode_int(&encoder, "e", send->queue->queue_id);
    rmq_encode_int(&encoder, "f", is_batch ? 0 : message->sys_flag);
    rmq_encode_int(&encoder, "g", message->born_ms);
    rmq_encode_int(&encoder, "h", is_batch ? 0 : message->flag);
    if (!is_batch)
        rmq_encode_span(&encoder, "i", rmq_outgoing_properties(message));
    else if (message->not_waited)
        rmq_encode_str(&encoder, "i",
                       "WAIT\x01"
                       "false\x02");
    rmq_encode_int(&encoder, "j", 0);
    rmq_encode_bool(&encoder, "k", false);
    rmq_encode_bool(&encoder, "m", is_batch);
    rmq_encode_str(&encoder, "n", send->queue->broker_name);
    if (!is_batch) {
        rmq_encode_end(&encoder, message->body_size);
        dt_buf_put_span(out, rmq_outgoing_body(message));
        return;
    }
    for (size_t i = 0; i < send->count; i++, message = message->next)
        body_size += message->item_size;
    rmq_encode_end(&encoder, body_size);
    message = send->first;
    for (size_t i = 0; i < send->count; i++, message = message->next)
        dt_buf_put(out, message->item, message->item_size);
}

/* Code 1 covers everything from a disk that is slow for a moment to a queue that does not
 * exist; only the words tell them apart. */
static bool is_moment(struct dt_span remark)
{
    static const char *const words[] = {
        "busy",    "create mapped file failed", "not available",
        "timeout", "store has been shut",       "UNKNOWN_ERROR"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (remark.size > 0 &&
            memmem(remark.data, remark.size, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

enum rmq_send_verdict rmq_send_judge(const struct rmq_command *command)
{
    switch (command->code) {
    case RMQ_SUCCESS:
    case RMQ_FLUSH_DISK_TIMEOUT:
    case RMQ_SLAVE_NOT_AVAILABLE:
    case RMQ_FLUSH_SLAVE_TIMEOUT:
        return RMQ_SEND_STORED;
    case RMQ_SYSTEM_BUSY:
    case RMQ_SERVICE_NOT_AVAILABLE:
    case RMQ_TOPIC_NOT_EXIST:
    case RMQ_NO_BUYER_ID:
    case RMQ_NOT_IN_CURRENT_UNIT:
    case RMQ_FLOW_CONTROL:
    case RMQ_GO_AWAY:
        return RMQ_SEND_AGAIN;
    case RMQ_NO_PERMISSION: /* an operator may have taken the broker out of service */
        return rmq_command_is_denied(command) ? RMQ_SEND_REFUSED : RMQ_SEND_AGAIN;
    case RMQ_SYSTEM_ERROR:
        return is_moment(command->remark) ? RMQ_SEND_AGAIN : RMQ_SEND_REFUSED;
    default:
        return RMQ_SEND_REFUSED;
    }
}

void rmq_receipts_start(struct rmq_receipts *receipts, const struct rmq_command *command)
{
    rmq_command_str(command, "msgId", &receipts->all_ids);
    receipts->ids = receipts->all_ids;
    if (!rmq_command_i64(command, "queueOffset", &receipts->first_offset))
        receipts->first_offset = -1;
    receipts->offset = receipts->first_offset;
    receipts->batch = NULL;
    receipts->index = 0;
}

static void copy_text(char *out, size_t size, const void *text, size_t length)
{
    if (length >= size)
        length = 0;
    if (length > 0)
        memcpy(out, text, length);
    out[length] = 0;
}

/* Takes the next offset and the next offset id. */
static void next(struct rmq_receipts *receipts, rmq_receipt *receipt)
{
    struct dt_span ids = receipts->ids;
    const uint8_t *comma = ids.size == 0 ? NULL : memchr(ids.data, ',', ids.size);
    size_t length = comma == NULL ? ids.size : (size_t)(comma - ids.data);

    copy_text(receipt->offset_message_id, sizeof(receipt->offset_message_id), ids.data,
              length);
    receipts->ids =
        comma == NULL ? dt_span_of(NULL, 0) : dt_span_of(comma + 1, ids.size - length - 1);
    receipt->offset = receipts->offset;
    if (receipts->offset >= 0)
        receipts->offset++;
    receipts->index++;
}

void rmq_receipts_next(struct rmq_receipts *receipts, const struct rmq_outgoing *message,
                       rmq_receipt *receipt)
{
    next(receipts, receipt);
    copy_text(receipt->message_id, sizeof(receipt->message_id),
              message->item + message->id_at, message->id_size);
}

size_t rmq_receipts_count(const rmq_receipts *receipts)
{
    return receipts->batch->batch_count;
}

void rmq_receipts_get(rmq_receipts *receipts, size_t index, rmq_receipt *out)
{
    struct rmq_outgoing_id id;

    memset(out, 0, sizeof(*out));
    if (index >= receipts->batch->batch_count)
        return;
    if (index < receipts->index) { /* from the start again */
        receipts->ids = receipts->all_ids;
        receipts->offset = receipts->first_offset;
        receipts->index = 0;
    }
    while (receipts->index <= index)
        next(receipts, out);
    id = rmq_outgoing_id_of(receipts->batch, index);
    copy_text(out->message_id, sizeof(out->message_id), receipts->batch->item + id.at,
              id.size);
    out->queue = receipts->queue;
    out->send_status = receipts->send_status;
    out->less_safe = receipts->send_status != RMQ_SEND_OK;
}
