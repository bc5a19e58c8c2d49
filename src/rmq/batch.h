/*
 * batch.h - the body of a batch send (code 320): messages one behind the other.
 *
 *   | size:32 | magic:32 = 0 | crc:32 = 0 | flag:32 | body_size:32 body |
 *   | properties_size:16 properties |
 *
 * All go to one topic and queue, in order. Pure; spans point into the input.
 */
#ifndef RMQ_BATCH_H
#define RMQ_BATCH_H

#include "base/buf.h"
#include "rmq/frame.h"

struct rmq_batch_item {
    size_t size; /* bytes it takes; out only */
    int32_t flag;
    struct dt_span body;
    struct dt_span properties; /* properties.h; at most RMQ_PROPERTIES_SIZE_MAX bytes */
};

/* Bytes that an item takes. */
static inline size_t rmq_batch_item_size(size_t body_size, size_t properties_size)
{
    return 22 + body_size + properties_size;
}

/* Appends one. Sets out->failed if a part does not fit its length field. */
void rmq_batch_item_put(struct dt_buf *out, const struct rmq_batch_item *item);

/* Looks at the front of `in`; fills `out` on RMQ_CUT_FRAME only. */
enum rmq_cut rmq_batch_item_cut(struct dt_span in, struct rmq_batch_item *out);

#endif
