/*
 * frame.h - cuts RocketMQ remoting frames out of a byte stream.
 *
 *   | size:32 | type:8 header_size:24 | header | body |    big-endian;
 *                                               `size` does not count its own 4 bytes
 *
 * Pure: no socket, clock, lock, or allocation, so a test or a fuzzer drives it with plain
 * arrays. Spans in the result point into `in`.
 */
#ifndef RMQ_FRAME_H
#define RMQ_FRAME_H

#include <stdint.h>

#include "base/span.h"

#define RMQ_FRAME_PREFIX_SIZE 8

/* How the header of a frame is written; each frame says it for itself. */
enum rmq_header_type { RMQ_HEADER_JSON = 0, RMQ_HEADER_BINARY = 1 };

struct rmq_frame {
    enum rmq_header_type type;
    struct dt_span header;
    struct dt_span body; /* size 0: none; the protocol knows no difference */
    size_t size;         /* of the whole frame: consume so many bytes */
};

/* What stands at the front of some bytes; the other cutters of this folder answer the same. */
enum rmq_cut {
    RMQ_CUT_FRAME,  /* a whole one */
    RMQ_CUT_MORE,   /* nothing wrong so far, but it goes on behind the end */
    RMQ_CUT_CORRUPT /* no further byte can make it right */
};

/* Looks at the front of `in`; fills `out` on RMQ_CUT_FRAME only. A peer cannot make us buffer
 * more than `size_max` bytes, the length bytes counted: a bigger announcement is corrupt at
 * once, as is an unknown header type or a header longer than its frame. */
enum rmq_cut rmq_frame_cut(struct dt_span in, size_t size_max, struct rmq_frame *out);

#endif
