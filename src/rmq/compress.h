/*
 * compress.h - bodies of messages into their compression, as senders do it: large ones only, and
 * only where it makes them smaller.
 *
 * What comes out is what decompress.c reads, and what the Java client reads: a zlib stream, an LZ4
 * frame of independent blocks (that client knows no others), a zstd frame.
 *
 * Thread: any, several at once. The contexts of zlib and zstd are large, so they are kept for the
 * next body.
 */
#ifndef RMQ_COMPRESS_H
#define RMQ_COMPRESS_H

#include <pthread.h>

#include "base/span.h"
#include "rmq/producer.h"

struct rmq_compressor; /* one library's context */

struct rmq_compressors {
    rmq_compression codec;
    int level;
    size_t size_min; /* smaller bodies go as they are */
    pthread_mutex_t mutex;
    struct rmq_compressor *idle;
};

/* level 0: zlib 5, LZ4 fast, zstd 3. size_min 0: 4096. DT_EINVAL: no such codec or level. */
DT_MUST_USE dt_status rmq_compressors_init(struct rmq_compressors *compressors,
                                           rmq_compression codec, int level,
                                           size_t size_min);
void rmq_compressors_fini(struct rmq_compressors *compressors);

/* True if a body of that size is to be compressed. */
static inline bool rmq_compressors_want(const struct rmq_compressors *compressors,
                                        size_t body_size)
{
    return compressors->codec != RMQ_COMPRESSION_NONE && body_size >= compressors->size_min;
}

/* Room that compressing wants for its output. */
size_t rmq_compress_room(const struct rmq_compressors *compressors, size_t body_size);

/**
 * @param out  room for rmq_compress_room() bytes.
 * @param size of what was written; 0: the body would not get smaller, and goes as it is.
 * @param sys_flag bits of the message's sysFlag; 0 with size 0.
 * @returns DT_OK; DT_ENOMEM: none for a context.
 */
DT_MUST_USE dt_status rmq_compress(struct rmq_compressors *compressors, struct dt_span body,
                                   uint8_t *out, size_t *size, int32_t *sys_flag);

#endif
