/*
 * outgoing.h - a message on its way out: checked, and encoded once, when it is handed over.
 *
 * It is kept as the item of a batch that it will most likely be (batch.h): a batch is then one
 * copy per message, and a message that goes alone finds its body and properties in there.
 */
#ifndef RMQ_OUTGOING_H
#define RMQ_OUTGOING_H

#include "base/span.h"
#include "rmq/compress.h"
#include "rmq/message_id.h"
#include "rmq/rmq.h"

enum {
    RMQ_OUTGOING_PROPERTIES_MAX = 32000, /* of the caller; more is refused by brokers */
    RMQ_OUTGOING_BODY_AT = 20,      /* of an item; behind the body come 2 bytes of length */
    RMQ_OUTGOING_FIXED_SIZE = 22,   /* of an item, without body and properties */
    RMQ_OUTGOING_ALONE_SIZE = 16384 /* more properties than this never go in a batch: what
                                            brokers add overflows their 16-bit length */
};

struct rmq_outgoing {
    struct rmq_outgoing *next;
    int64_t deadline_ms; /* dt_clock_ms, INT64_MAX: none */
    int64_t born_ms;     /* wall clock */
    rmq_send_fn callback;
    void *opaque;
    uint32_t item_size, body_size, properties_size;
    uint32_t id_at; /* of the value of UNIQ_KEY in item */
    uint8_t id_size;
    uint16_t sys_flag; /* how the body is compressed */
    bool own_id;   /* UNIQ_KEY came with the message: else room is there, to be filled in */
    bool alone;    /* never in a batch */
    bool in_doubt; /* was sent, and not answered, at least once */
    bool ended;    /* its callback has run */
    int32_t flag;
    uint8_t item[];
};

/**
 * Checks and copies a message, compressed if it is large enough. `id_size` characters of room
 * are left for its UNIQ_KEY.
 * @returns DT_OK; DT_EINVAL: empty body, a property that cannot be sent; DT_ETOOBIG; DT_ENOMEM.
 */
DT_MUST_USE dt_status rmq_outgoing_new(const rmq_message *message, size_t id_size,
                                       struct rmq_compressors *compressors,
                                       struct rmq_outgoing **out);

static inline struct dt_span rmq_outgoing_body(const struct rmq_outgoing *message)
{
    return dt_span_of(message->item + RMQ_OUTGOING_BODY_AT, message->body_size);
}

static inline struct dt_span rmq_outgoing_properties(const struct rmq_outgoing *message)
{
    return dt_span_of(message->item + RMQ_OUTGOING_FIXED_SIZE + message->body_size,
                      message->properties_size);
}

/* Bytes of memory that it takes. */
static inline size_t rmq_outgoing_memory(const struct rmq_outgoing *message)
{
    return sizeof(*message) + message->item_size;
}

/* Bytes that a broker's store takes for it, and then some. */
static inline size_t rmq_outgoing_stored_size(const struct rmq_outgoing *message)
{
    return (size_t)message->item_size + 384;
}

#endif
