#include "rmq/received.h"

#include <stdlib.h>

#include "base/status.h"
#include "rmq/codes.h"
#include "rmq/properties.h"

/* A batch in one block: this, then messages, properties and ids. */
struct whole {
    rmq_batch batch;
    struct rmq_chunk *chunk;
    void **plain; /* decompressed bodies, plain_count of them */
    size_t plain_count;
};

dt_status rmq_chunk_new(struct dt_span body, int64_t asked_offset, struct rmq_chunk **out)
{
    struct rmq_chunk head;
    struct rmq_stored stored;

    *out = NULL;
    memset(&head, 0, sizeof(head));
    head.asked_offset = asked_offset;
    for (size_t at = 0; at < body.size; at += stored.size) {
        if (rmq_stored_cut(dt_span_of(body.data + at, body.size - at), &stored) !=
            RMQ_CUT_FRAME)
            return dt_error_set(DT_ECORRUPT,
                                "byte %zu of %zu does not begin a stored message", at,
                                body.size);
        if (stored.queue_offset < asked_offset)
            continue;
        head.message_count++;
        head.property_count += rmq_properties_count(stored.properties);
        head.compressed_count += (stored.sys_flag & RMQ_SYS_COMPRESSED) != 0;
    }
    *out = malloc(sizeof(head) + body.size + 1);
    if (*out == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %zu bytes of messages", body.size);
    head.size = body.size;
    **out = head;
    dt_list_init(&(*out)->link);
    if (body.size > 0)
        memcpy((*out)->data, body.data, body.size);
    (*out)->data[body.size] = 0;
    return DT_OK;
}

/* A place behind the last one given, for `size` bytes. */
static void *carve(uint8_t **at, size_t size)
{
    uint8_t *place = *at;

    *at += size;
    return place;
}

/* Puts the NUL behind a span of our own bytes. What stands there has been read by now. */
static const char *end_text(struct rmq_chunk *chunk, struct dt_span text)
{
    uint8_t *start = chunk->data + (text.data - chunk->data);

    start[text.size] = 0;
    return (const char *)start;
}

static void take_properties(struct rmq_chunk *chunk, struct dt_span rest,
                            rmq_property **properties, rmq_received *out)
{
    struct rmq_property_span span;
    rmq_property *property = *properties;

    out->properties = property;
    while (rmq_properties_next(&rest, &span)) {
        property->name = end_text(chunk, span.name);
        property->value = end_text(chunk, span.value);
        if (strcmp(property->name, "UNIQ_KEY") == 0)
            out->message_id = property->value;
        property++;
    }
    out->property_count = (size_t)(property - *properties);
    *properties = property;
}

static void take_body(struct whole *whole, const struct rmq_stored *stored, size_t body_max,
                      rmq_received *out)
{
    struct dt_span body = stored->body;
    struct dt_buf plain;

    out->corrupt_body = !rmq_stored_crc_is_right(stored);
    if ((stored->sys_flag & RMQ_SYS_COMPRESSED) != 0 && !out->corrupt_body) {
        dt_buf_init(&plain, body_max);
        if (rmq_stored_body(stored, &plain, &body) == DT_OK) {
            whole->plain[whole->plain_count++] = plain.data;
        } else {
            out->corrupt_body = true;
            body = stored->body;
            dt_buf_fini(&plain);
        }
    }
    out->body = body.data;
    out->body_size = body.size;
}

static void take_message(struct whole *whole, const struct rmq_stored *stored,
                         size_t body_max, rmq_property **properties,
                         char (**ids)[RMQ_MESSAGE_ID_SIZE], rmq_received *out)
{
    struct rmq_chunk *chunk = whole->chunk;

    out->queue = whole->batch.queue;
    out->offset = stored->queue_offset;
    out->physical_offset = stored->physical_offset;
    out->born_ms = stored->born_ms;
    out->store_ms = stored->store_ms;
    out->sys_flag = stored->sys_flag;
    out->flag = stored->flag;
    out->reconsume_times = stored->reconsume_times;
    out->message_id = NULL;
    take_body(whole, stored, body_max, out);
    out->topic = end_text(chunk, stored->topic);
    take_properties(chunk, stored->properties, properties, out);
    if (out->message_id != NULL)
        return;
    rmq_offset_id(**ids, &stored->store_host, stored->physical_offset);
    out->message_id = **ids;
    (*ids)++;
}

dt_status rmq_batch_make(struct rmq_chunk *chunk, const rmq_queue *queue, size_t body_max,
                         rmq_batch **out)
{
    /* ids: for each message, as it is not known yet which of them bring one */
    size_t size = sizeof(struct whole) + chunk->message_count * sizeof(rmq_received) +
                  chunk->property_count * sizeof(rmq_property) +
                  chunk->compressed_count * sizeof(void *) +
                  chunk->message_count * RMQ_MESSAGE_ID_SIZE;
    struct whole *whole = malloc(size);
    char(*ids)[RMQ_MESSAGE_ID_SIZE];
    rmq_received *messages, *message;
    rmq_property *properties;
    struct rmq_stored stored;
    uint8_t *place;

    *out = NULL;
    if (whole == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a batch of %zu messages",
                            chunk->message_count);
    memset(whole, 0, sizeof(*whole));
    place = (uint8_t *)(whole + 1);
    messages = message = carve(&place, chunk->message_count * sizeof(*messages));
    properties = carve(&place, chunk->property_count * sizeof(*properties));
    whole->plain = carve(&place, chunk->compressed_count * sizeof(void *));
    ids = carve(&place, chunk->message_count * sizeof(ids[0]));
    whole->chunk = chunk;
    whole->batch.queue = *queue;
    whole->batch.messages = messages;
    whole->batch.next_offset = chunk->next_offset;
    whole->batch.min_offset = chunk->min_offset;
    whole->batch.max_offset = chunk->max_offset;
    whole->batch.moved = chunk->moved;
    whole->batch.interrupted = chunk->interrupted;
    for (size_t at = 0; at < chunk->size; at += stored.size) {
        if (rmq_stored_cut(dt_span_of(chunk->data + at, chunk->size - at), &stored) !=
            RMQ_CUT_FRAME)
            break; /* cannot be: rmq_chunk_new() has looked */
        if (stored.queue_offset >= chunk->asked_offset)
            take_message(whole, &stored, body_max, &properties, &ids, message++);
    }
    whole->batch.count = (size_t)(message - messages);
    *out = &whole->batch;
    return DT_OK;
}

void rmq_batch_free(rmq_batch *batch)
{
    struct whole *whole;

    if (batch == NULL)
        return;
    whole = DT_CONTAINER(batch, struct whole, batch);
    for (size_t i = 0; i < whole->plain_count; i++)
        free(whole->plain[i]);
    free(whole->chunk);
    free(whole);
}

const char *rmq_received_property(const rmq_received *message, const char *name)
{
    for (size_t i = message->property_count; i > 0; i--)
        if (strcmp(message->properties[i - 1].name, name) == 0)
            return message->properties[i - 1].value;
    return NULL;
}
