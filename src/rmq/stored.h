/*
 * stored.h - a message as the broker stores it and as pulls return it.
 *
 *   | size:32 | magic:32 | crc:32 | queue_id:32 | flag:32 | queue_offset:64 |
 *   | physical_offset:64 | sys_flag:32 | born_ms:64 | born_host | store_ms:64 | store_host |
 *   | reconsume_times:32 | prepared_offset:64 | body_size:32 body |
 *   | topic_size topic | properties_size:16 properties |
 *
 * A host is its IP (4 or 16 bytes, by a bit of sys_flag) and a 32-bit port. topic_size has 8
 * bits (magic V1) or 16 (V2, topics over 127 bytes). What is behind the last field, within
 * `size`, is passed over: later versions may add.
 *
 * Pure; spans point into the input.
 */
#ifndef RMQ_STORED_H
#define RMQ_STORED_H

#include "base/buf.h"
#include "rmq/frame.h"
#include "rmq/message_id.h"

#define RMQ_MAGIC_V1 0xDAA320A7u
#define RMQ_MAGIC_V2 0xDAA320ABu

struct rmq_stored {
    size_t size; /* bytes it takes: consume so many */
    uint32_t body_crc;
    int32_t queue_id;
    int32_t flag;
    int64_t queue_offset;
    int64_t physical_offset;
    int32_t sys_flag;
    int64_t born_ms;
    struct rmq_host born_host;
    int64_t store_ms;
    struct rmq_host store_host;
    int32_t reconsume_times;
    int64_t prepared_offset;
    struct dt_span body; /* as stored, so maybe compressed */
    struct dt_span topic;
    struct dt_span properties; /* properties.h */
};

/* Looks at the front of `in`; fills `out` on RMQ_CUT_FRAME only. RMQ_CUT_MORE in an answer that
 * is complete means that it was cut off. */
enum rmq_cut rmq_stored_cut(struct dt_span in, struct rmq_stored *out);

/* CRC-32 as brokers keep it: 31 bits; of nothing 0. */
uint32_t rmq_body_crc(struct dt_span body);

/* True if the stored CRC is the body's, or 0, which means unchecked. */
bool rmq_stored_crc_is_right(const struct rmq_stored *message);

/**
 * The body without compression (zlib, LZ4 frame or zstd, by sys_flag).
 *
 * @param scratch a compressed body is appended to it in plain; its maximum bounds that, whatever
 *                the compressed bytes announce.
 * @param body    out; into the message, or into scratch (holds until that grows).
 * @returns DT_OK; DT_ECORRUPT: not such a stream, or bytes before or behind it; DT_ETOOBIG: more
 *          than fits into scratch; DT_ENOMEM; DT_EUNSUPPORTED: an unknown compression. Except
 *          on DT_OK the span is empty and scratch as it was before.
 */
DT_MUST_USE dt_status rmq_stored_body(const struct rmq_stored *message,
                                      struct dt_buf *scratch, struct dt_span *body);

/* Appends a message; size and body_crc are computed, the host bits of sys_flag set by the hosts,
 * V2 chosen by the topic's length. Bytes it takes: rmq_stored_size(). Sets out->failed if the
 * topic or the properties do not fit their length field. */
void rmq_stored_put(struct dt_buf *out, const struct rmq_stored *message);
size_t rmq_stored_size(const struct rmq_stored *message);

#endif
