/*
 * received.h - from the bytes of a pull's answer to the messages that an application reads.
 *
 * The bytes are copied once, off the connection; names, values and topics are then ended with a
 * NUL where they lie, over the separator behind them, so that no message costs an allocation.
 *
 * An inner batch, which the broker stores as one message, comes out as its members: each with an
 * offset, properties and a flag of its own, and all else of the outer message.
 */
#ifndef RMQ_RECEIVED_H
#define RMQ_RECEIVED_H

#include "net/list.h"
#include "rmq/rmq.h"
#include "rmq/stored.h"
#include "rmq/tags.h"

/* What one pull gave; waits to be polled. */
struct rmq_chunk {
    struct dt_link link;
    int64_t asked_offset; /* messages before it are left out */
    int64_t next_offset, min_offset, max_offset;
    bool moved, interrupted;
    size_t message_count, property_count, compressed_count; /* at most so many */
    size_t size;    /* of stored messages, one behind the other */
    uint8_t data[]; /* and one byte more, for the last NUL */
};

/* Copies the body of an answer. Messages before the offset that was asked for will be left out: a
 * broker may give out more than that. DT_ENOMEM; DT_ECORRUPT: not a row of whole messages. */
DT_MUST_USE dt_status rmq_chunk_new(struct dt_span body, int64_t asked_offset,
                                    struct rmq_chunk **out);

/* What it counts against a bound on memory. */
static inline size_t rmq_chunk_memory(const struct rmq_chunk *chunk)
{
    return sizeof(*chunk) + chunk->size;
}

/* Makes the batch; takes the chunk over on DT_OK. `body_max` bounds one message's body when
 * decompressed; `tags` NULL: all messages. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_batch_make(struct rmq_chunk *chunk, const rmq_queue *queue,
                                     size_t body_max, const struct rmq_tag_filter *tags,
                                     rmq_batch **out);

/* Takes the namespace ("": none) off the messages' topics, before anybody sees the batch. */
void rmq_batch_strip(rmq_batch *batch, const char *space);

#endif
