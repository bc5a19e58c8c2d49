#include "rmq/frame.h"

enum rmq_cut rmq_frame_cut(struct dt_span in, size_t size_max, struct rmq_frame *out)
{
    struct dt_scan scan = dt_scan_of(in);
    uint64_t total, header_size;
    uint8_t type;

    if (in.size < 4)
        return RMQ_CUT_MORE;
    total = dt_scan_u32(&scan);
    if (total < 4 || total + 4 > size_max)
        return RMQ_CUT_CORRUPT;
    if (in.size < 5)
        return RMQ_CUT_MORE;
    type = dt_scan_u8(&scan);
    if (type != RMQ_HEADER_JSON && type != RMQ_HEADER_BINARY)
        return RMQ_CUT_CORRUPT;
    if (in.size < RMQ_FRAME_PREFIX_SIZE)
        return RMQ_CUT_MORE;
    header_size = dt_scan_uint(&scan, 3);
    if (header_size > total - 4)
        return RMQ_CUT_CORRUPT;
    if (in.size - 4 < total)
        return RMQ_CUT_MORE;
    out->type = (enum rmq_header_type)type;
    out->header = dt_scan_bytes(&scan, (size_t)header_size);
    out->body = dt_scan_bytes(&scan, (size_t)(total - 4 - header_size));
    out->size = (size_t)total + 4;
    return RMQ_CUT_FRAME;
}
