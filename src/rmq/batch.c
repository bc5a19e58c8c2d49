#include "rmq/batch.h"

#define FIXED_SIZE 22

void rmq_batch_item_put(struct dt_buf *out, const struct rmq_batch_item *item)
{
    if (item->body.size > INT32_MAX - 65536 || item->properties.size > INT16_MAX) {
        out->failed = true;
        return;
    }
    dt_buf_put_u32(out,
                   (uint32_t)rmq_batch_item_size(item->body.size, item->properties.size));
    dt_buf_put_u32(out, 0); /* magic: the broker sets its own */
    dt_buf_put_u32(out, 0); /* crc: so, too */
    dt_buf_put_u32(out, (uint32_t)item->flag);
    dt_buf_put_u32(out, (uint32_t)item->body.size);
    dt_buf_put_span(out, item->body);
    dt_buf_put_u16(out, (uint16_t)item->properties.size);
    dt_buf_put_span(out, item->properties);
}

enum rmq_cut rmq_batch_item_cut(struct dt_span in, struct rmq_batch_item *out)
{
    struct dt_scan scan = dt_scan_of(in);
    struct rmq_batch_item item;
    uint32_t size = dt_scan_u32(&scan);

    if (!dt_scan_ok(&scan))
        return RMQ_CUT_MORE;
    if (size < FIXED_SIZE || size > INT32_MAX)
        return RMQ_CUT_CORRUPT;
    if (in.size < size)
        return RMQ_CUT_MORE;
    scan = dt_scan_of(dt_span_of(in.data + 4, size - 4));
    (void)dt_scan_u64(&scan); /* magic and crc */
    item.size = size;
    item.flag = dt_scan_i32(&scan);
    item.body = dt_scan_bytes(&scan, dt_scan_u32(&scan));
    item.properties = dt_scan_bytes(&scan, dt_scan_u16(&scan));
    if (!dt_scan_ok(&scan) || scan.left != 0 || item.properties.size > INT16_MAX)
        return RMQ_CUT_CORRUPT;
    *out = item;
    return RMQ_CUT_FRAME;
}
