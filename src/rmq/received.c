#include "rmq/received.h"

#include <stdlib.h>

#include "base/status.h"
#include "rmq/batch.h"
#include "rmq/codes.h"
#include "rmq/naming.h"
#include "rmq/properties.h"

/* A body that came compressed. */
struct plain {
    uint8_t *data;
    size_t size;
    bool is_damaged;
};

/* A batch in one block: this, then messages, properties, plain bodies and ids. */
struct whole {
    rmq_batch batch;
    struct rmq_chunk *chunk;
    struct plain *plains; /* of the compressed messages, in order */
    size_t plain_count, plain_next;
    const struct rmq_tag_filter *tags;
    /* where the next go; the batch counts the messages */
    rmq_received *messages;
    rmq_property *properties;
    char (*ids)[RMQ_MESSAGE_ID_SIZE];
};

/* ---------------------------------------------------------------- counting */

/* How often a byte occurs; eight at a time, as every property of every message goes by here. */
static size_t count_byte(struct dt_span span, uint8_t byte)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7f;
    const uint64_t pattern = 0x0101010101010101 * byte;
    size_t count = 0, i = 0;

    for (; i + 8 <= span.size; i += 8) {
        uint64_t word;

        memcpy(&word, span.data + i, 8);
        word ^= pattern;
        word = ~(((word & low) + low) | word | low); /* 0x80 where the byte is */
        count += (size_t)((word >> 7) * 0x0101010101010101 >> 56); /* adds the bits */
    }
    for (; i < span.size; i++)
        count += span.data[i] == byte;
    return count;
}

/* An upper bound: each entry but the last ends with that byte. */
static size_t count_properties(struct dt_span properties)
{
    return properties.size == 0 ? 0 : count_byte(properties, 0x02) + 1;
}

/* A batch that was compressed has no members to us; its body is given as it is. */
static bool is_inner_batch(const struct rmq_stored *stored)
{
    return (stored->sys_flag & RMQ_SYS_INNER_BATCH) == RMQ_SYS_INNER_BATCH &&
           (stored->sys_flag & RMQ_SYS_COMPRESSED) == 0;
}

static bool is_compressed(const struct rmq_stored *stored)
{
    return (stored->sys_flag & RMQ_SYS_COMPRESSED) != 0;
}

static dt_status corrupt(size_t at, size_t size)
{
    return dt_error_set(DT_ECORRUPT, "byte %zu of %zu does not begin a stored message", at,
                        size);
}

/* False: the body is no batch. */
static bool count_members(struct dt_span body, struct rmq_chunk *head)
{
    struct rmq_batch_item item;

    for (size_t at = 0; at < body.size; at += item.size) {
        if (rmq_batch_item_cut(dt_span_of(body.data + at, body.size - at), &item) !=
            RMQ_CUT_FRAME)
            return false;
        head->message_count++;
        head->property_count += count_properties(item.properties);
    }
    return true;
}

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
            return corrupt(at, body.size);
        if (is_inner_batch(&stored)) {
            if (!count_members(stored.body, &head))
                return corrupt(at, body.size);
            continue;
        }
        head.message_count++;
        head.property_count += count_properties(stored.properties);
        head.compressed_count += is_compressed(&stored);
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

/* ---------------------------------------------------------------- messages */

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

/* False: the reader does not want a message with such a tag. */
static bool take_properties(struct whole *whole, struct dt_span rest, rmq_received *out)
{
    struct rmq_property_span span;
    rmq_property *property = whole->properties;
    const char *tag = NULL;

    out->properties = property;
    while (rmq_properties_next(&rest, &span)) {
        property->name = end_text(whole->chunk, span.name);
        property->value = end_text(whole->chunk, span.value);
        if (property->name[0] == 'U' && strcmp(property->name, "UNIQ_KEY") == 0)
            out->message_id = property->value;
        else if (property->name[0] == 'T' && strcmp(property->name, "TAGS") == 0)
            tag = property->value;
        property++;
    }
    if (whole->tags != NULL && !rmq_tag_filter_takes(whole->tags, tag))
        return false;
    out->property_count = (size_t)(property - whole->properties);
    whole->properties = property;
    return true;
}

static void take_body(const struct rmq_stored *stored, const struct plain *plain,
                      rmq_received *out)
{
    bool is_unpacked = plain != NULL && !plain->is_damaged;

    out->corrupt_body =
        plain != NULL ? plain->is_damaged : !rmq_stored_crc_is_right(stored);
    out->body = is_unpacked ? plain->data : stored->body.data;
    out->body_size = is_unpacked ? plain->size : stored->body.size;
}

/* What a message has, or all members of a batch: not the body, properties, id. */
static void take_outside(struct whole *whole, const struct rmq_stored *stored,
                         rmq_received *out)
{
    out->topic = end_text(whole->chunk, stored->topic);
    out->queue = whole->batch.queue;
    out->queue.queue_id = stored->queue_id; /* the same, but for messages found by key */
    out->offset = stored->queue_offset;
    out->physical_offset = stored->physical_offset;
    out->born_ms = stored->born_ms;
    out->store_ms = stored->store_ms;
    out->sys_flag = stored->sys_flag;
    out->flag = stored->flag;
    out->reconsume_times = stored->reconsume_times;
    out->message_id = NULL;
}

static void take_id(struct whole *whole, const struct rmq_stored *stored, rmq_received *out)
{
    if (out->message_id != NULL)
        return;
    rmq_offset_id(*whole->ids, &stored->store_host, stored->physical_offset);
    out->message_id = *whole->ids;
    whole->ids++;
}

static void take_message(struct whole *whole, const struct rmq_stored *stored)
{
    rmq_received *out = &whole->messages[whole->batch.count];
    const struct plain *plain =
        is_compressed(stored) ? &whole->plains[whole->plain_next++] : NULL;

    take_outside(whole, stored, out);
    if (!take_properties(whole, stored->properties, out))
        return;
    take_body(stored, plain, out);
    take_id(whole, stored, out);
    whole->batch.count++;
}

static void take_members(struct whole *whole, const struct rmq_stored *stored)
{
    bool is_corrupt = !rmq_stored_crc_is_right(stored);
    int64_t offset = stored->queue_offset;
    struct rmq_batch_item item;

    for (size_t at = 0; at < stored->body.size; at += item.size, offset++) {
        rmq_received *out = &whole->messages[whole->batch.count];

        if (rmq_batch_item_cut(dt_span_of(stored->body.data + at, stored->body.size - at),
                               &item) != RMQ_CUT_FRAME)
            return; /* cannot be: rmq_chunk_new() has looked */
        if (offset < whole->chunk->asked_offset)
            continue;
        take_outside(whole, stored, out);
        out->offset = offset;
        out->flag = item.flag;
        out->body = item.body.data;
        out->body_size = item.body.size;
        out->corrupt_body = is_corrupt;
        if (!take_properties(whole, item.properties, out))
            continue;
        take_id(whole, stored, out);
        whole->batch.count++;
    }
}

/* Unpacks all compressed bodies, before anything is changed: with no memory for one of them the
 * chunk is as it was, and may be tried again. */
static dt_status unpack_bodies(struct whole *whole, size_t body_max)
{
    const struct rmq_chunk *chunk = whole->chunk;
    struct rmq_stored stored;

    for (size_t at = 0; at < chunk->size; at += stored.size) {
        struct plain *plain = &whole->plains[whole->plain_count];
        dt_status status = DT_ECORRUPT;
        struct dt_span body;
        struct dt_buf out;

        if (rmq_stored_cut(dt_span_of(chunk->data + at, chunk->size - at), &stored) !=
            RMQ_CUT_FRAME)
            break; /* cannot be: rmq_chunk_new() has looked */
        if (!is_compressed(&stored) || stored.queue_offset < chunk->asked_offset)
            continue;
        dt_buf_init(&out, body_max);
        if (rmq_stored_crc_is_right(&stored))
            status = rmq_stored_body(&stored, &out, &body);
        if (status != DT_OK)
            dt_buf_fini(&out);
        if (status == DT_ENOMEM)
            return DT_ENOMEM;
        plain->is_damaged = status != DT_OK;
        plain->data = out.data;
        plain->size = out.size;
        whole->plain_count++;
    }
    return DT_OK;
}

static void free_plains(struct whole *whole)
{
    for (size_t i = 0; i < whole->plain_count; i++)
        free(whole->plains[i].data);
}

dt_status rmq_batch_make(struct rmq_chunk *chunk, const rmq_queue *queue, size_t body_max,
                         const struct rmq_tag_filter *tags, rmq_batch **out)
{
    /* ids: for each message, as it is not known yet which of them bring one */
    size_t size = sizeof(struct whole) + chunk->message_count * sizeof(rmq_received) +
                  chunk->property_count * sizeof(rmq_property) +
                  chunk->compressed_count * sizeof(struct plain) +
                  chunk->message_count * RMQ_MESSAGE_ID_SIZE;
    struct whole *whole = malloc(size);
    struct rmq_stored stored;
    uint8_t *place;

    *out = NULL;
    if (whole == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a batch of %zu messages",
                            chunk->message_count);
    memset(whole, 0, sizeof(*whole));
    place = (uint8_t *)(whole + 1);
    whole->messages = carve(&place, chunk->message_count * sizeof(rmq_received));
    whole->properties = carve(&place, chunk->property_count * sizeof(rmq_property));
    whole->plains = carve(&place, chunk->compressed_count * sizeof(struct plain));
    whole->ids = carve(&place, chunk->message_count * RMQ_MESSAGE_ID_SIZE);
    whole->tags = tags;
    whole->chunk = chunk;
    whole->batch.queue = *queue;
    whole->batch.messages = whole->messages;
    whole->batch.next_offset = chunk->next_offset;
    whole->batch.min_offset = chunk->min_offset;
    whole->batch.max_offset = chunk->max_offset;
    whole->batch.moved = chunk->moved;
    whole->batch.interrupted = chunk->interrupted;
    if (unpack_bodies(whole, body_max) != DT_OK) {
        free_plains(whole);
        free(whole);
        return dt_error_wrap(DT_ENOMEM, "a batch of %zu messages", chunk->message_count);
    }
    for (size_t at = 0; at < chunk->size; at += stored.size) {
        if (rmq_stored_cut(dt_span_of(chunk->data + at, chunk->size - at), &stored) !=
            RMQ_CUT_FRAME)
            break; /* cannot be: rmq_chunk_new() has looked */
        if (is_inner_batch(&stored))
            take_members(whole, &stored);
        else if (stored.queue_offset >= chunk->asked_offset)
            take_message(whole, &stored);
    }
    *out = &whole->batch;
    return DT_OK;
}

void rmq_batch_free(rmq_batch *batch)
{
    struct whole *whole;

    if (batch == NULL)
        return;
    whole = DT_CONTAINER(batch, struct whole, batch);
    free_plains(whole);
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

void rmq_batch_strip(rmq_batch *batch, const char *space)
{
    rmq_received *messages = (rmq_received *)batch->messages;

    for (size_t i = 0; space[0] != 0 && i < batch->count; i++)
        messages[i].topic = rmq_namespace_strip(space, messages[i].topic);
}
