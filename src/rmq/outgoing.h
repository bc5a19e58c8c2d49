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
    RMQ_OUTGOING_BODY_AT = 20,    /* of an item; behind the body come 2 bytes of length */
    RMQ_OUTGOING_FIXED_SIZE = 22, /* of an item, without body and properties */
    RMQ_BATCH_STORED_MAX =
        4 * 1024 * 1024 - 65536,    /* what the broker's store makes of a batch */
    RMQ_OUTGOING_ALONE_SIZE = 16384 /* more properties than this never go in a batch: what
                                            brokers add overflows their 16-bit length */
};

/* How a message is treated by the lane that it goes through (lane.h). */
enum rmq_lane_kind {
    RMQ_LANE_ORDERED, /* of a queue: one request in flight */
    RMQ_LANE_WINDOW,  /* of a queue: several, without order */
    RMQ_LANE_SPREAD,  /* the same; what fails may go to another queue */
    RMQ_LANE_ONEWAY,  /* of a queue: nothing is answered */
    RMQ_LANE_TOPIC    /* of a topic: gives each message to a lane of a queue */
};

/* Who chooses the queue, where the lane of a topic does. */
enum rmq_choice { RMQ_BY_TURNS, RMQ_BY_KEY, RMQ_BY_FUNCTION };

struct rmq_send_broker;

struct rmq_outgoing {
    struct rmq_outgoing *next;
    int64_t deadline_ms; /* dt_clock_ms, INT64_MAX: none */
    int64_t born_ms;     /* wall clock */
    union {
        rmq_send_fn one;
        rmq_batch_sent_fn all; /* with batch_count > 0 */
    } callback;
    void *opaque;
    union {
        int32_t hash; /* of the key */
        rmq_select_fn function;
    } select;
    void *select_opaque;
    const struct rmq_send_broker *failed; /* the last that did with this message, or NULL */
    uint32_t item_size, body_size, properties_size;
    uint32_t id_at;       /* of the value of UNIQ_KEY in item */
    uint32_t batch_count; /* > 0: a batch of the caller's: item has so many, then an
                             rmq_outgoing_id for each */
    int32_t flag;
    uint16_t sys_flag; /* how the body is compressed */
    uint8_t id_size;
    uint8_t kind;    /* enum rmq_lane_kind of the lane that it is for in the end */
    uint8_t choice;  /* enum rmq_choice */
    bool has_id;     /* UNIQ_KEY is there: else room for it is */
    bool alone;      /* never in a batch with others */
    bool not_waited; /* WAIT=false, which a batch has in its header */
    bool in_doubt;   /* was sent, and not answered, at least once */
    bool ended;      /* its callback has run */
    uint8_t item[];
};

/* Where a UNIQ_KEY is in the items of a batch. */
struct rmq_outgoing_id {
    uint32_t at;
    uint16_t size;
    uint16_t is_set; /* 0: room for it is there, to be filled in */
};

/**
 * Checks and copies a message, compressed if it is large enough. `id_size` characters of room
 * are left for its UNIQ_KEY.
 * @returns DT_OK; DT_EINVAL: empty body, a property that cannot be sent; DT_ETOOBIG; DT_ENOMEM.
 */
DT_MUST_USE dt_status rmq_outgoing_new(const rmq_message *message, size_t id_size,
                                       struct rmq_compressors *compressors,
                                       struct rmq_outgoing **out);

/** The same for a batch that goes as it is; DT_EINVAL, too: messages that cannot go together. */
DT_MUST_USE dt_status rmq_outgoing_new_batch(const rmq_message *messages, size_t count,
                                             size_t id_size, struct rmq_outgoing **out);

/* Puts the next UNIQ_KEYs where the message has none. */
void rmq_outgoing_set_ids(struct rmq_outgoing *message, struct rmq_uniq_key *ids);

/* Which id message `index` of a batch has. */
struct rmq_outgoing_id rmq_outgoing_id_of(const struct rmq_outgoing *batch, size_t index);

static inline struct dt_span rmq_outgoing_body(const struct rmq_outgoing *message)
{
    return dt_span_of(message->item + RMQ_OUTGOING_BODY_AT, message->body_size);
}

static inline struct dt_span rmq_outgoing_properties(const struct rmq_outgoing *message)
{
    return dt_span_of(message->item + RMQ_OUTGOING_FIXED_SIZE + message->body_size,
                      message->properties_size);
}

/* Messages that it stands for. */
static inline size_t rmq_outgoing_count(const struct rmq_outgoing *message)
{
    return message->batch_count > 0 ? message->batch_count : 1;
}

/* Bytes of memory that it takes. */
static inline size_t rmq_outgoing_memory(const struct rmq_outgoing *message)
{
    return sizeof(*message) + message->item_size +
           message->batch_count * sizeof(struct rmq_outgoing_id);
}

/* Bytes that a broker's store takes for an item, and then some. */
static inline size_t rmq_item_stored_size(size_t item_size)
{
    return item_size + 384;
}

#endif
