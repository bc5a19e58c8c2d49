#include "rmq/stored.h"

#include "rmq/codes.h"
#include "rmq/crc32.h"

/* Without hosts, body, topic and properties; the size of the topic's length apart. */
#define FIXED_SIZE 74

static struct rmq_host scan_host(struct dt_scan *scan, bool ipv6)
{
    struct rmq_host host;
    struct dt_span ip;

    memset(&host, 0, sizeof(host));
    host.ip_size = ipv6 ? 16 : 4;
    ip = dt_scan_bytes(scan, host.ip_size);
    if (ip.size > 0)
        memcpy(host.ip, ip.data, ip.size);
    host.port = dt_scan_i32(scan);
    return host;
}

enum rmq_cut rmq_stored_cut(struct dt_span in, struct rmq_stored *out)
{
    struct dt_scan scan = dt_scan_of(in);
    struct rmq_stored message;
    uint32_t size, magic;

    size = dt_scan_u32(&scan);
    if (!dt_scan_ok(&scan))
        return RMQ_CUT_MORE;
    if (size > RMQ_FRAME_SIZE_MAX || size < FIXED_SIZE + 16 + 1)
        return RMQ_CUT_CORRUPT;
    magic = dt_scan_u32(&scan);
    if (!dt_scan_ok(&scan))
        return RMQ_CUT_MORE;
    if (magic != RMQ_MAGIC_V1 && magic != RMQ_MAGIC_V2)
        return RMQ_CUT_CORRUPT;
    if (in.size < size)
        return RMQ_CUT_MORE;
    scan = dt_scan_of(dt_span_of(in.data + 8, size - 8));
    message.size = size;
    message.body_crc = dt_scan_u32(&scan);
    message.queue_id = dt_scan_i32(&scan);
    message.flag = dt_scan_i32(&scan);
    message.queue_offset = dt_scan_i64(&scan);
    message.physical_offset = dt_scan_i64(&scan);
    message.sys_flag = dt_scan_i32(&scan);
    message.born_ms = dt_scan_i64(&scan);
    message.born_host = scan_host(&scan, (message.sys_flag & RMQ_SYS_BORN_HOST_IPV6) != 0);
    message.store_ms = dt_scan_i64(&scan);
    message.store_host =
        scan_host(&scan, (message.sys_flag & RMQ_SYS_STORE_HOST_IPV6) != 0);
    message.reconsume_times = dt_scan_i32(&scan);
    message.prepared_offset = dt_scan_i64(&scan);
    message.body = dt_scan_bytes(&scan, dt_scan_u32(&scan));
    message.topic =
        dt_scan_bytes(&scan, dt_scan_uint(&scan, magic == RMQ_MAGIC_V1 ? 1 : 2));
    message.properties = dt_scan_bytes(&scan, dt_scan_u16(&scan));
    if (!dt_scan_ok(&scan) || message.properties.size > RMQ_PROPERTIES_SIZE_MAX)
        return RMQ_CUT_CORRUPT;
    *out = message;
    return RMQ_CUT_FRAME;
}

uint32_t rmq_body_crc(struct dt_span body)
{
    if (body.size == 0)
        return 0;
    return rmq_crc32(body.data, body.size) & 0x7fffffff;
}

bool rmq_stored_crc_is_right(const struct rmq_stored *message)
{
    return message->body_crc == 0 || message->body_crc == rmq_body_crc(message->body);
}

static bool is_v2(const struct rmq_stored *message)
{
    return message->topic.size > RMQ_TOPIC_SIZE_MAX;
}

size_t rmq_stored_size(const struct rmq_stored *message)
{
    return FIXED_SIZE + message->born_host.ip_size + 4 + message->store_host.ip_size + 4 +
           message->body.size + (is_v2(message) ? 2 : 1) + message->topic.size +
           message->properties.size;
}

static void put_host(struct dt_buf *out, const struct rmq_host *host)
{
    dt_buf_put(out, host->ip, host->ip_size);
    dt_buf_put_u32(out, (uint32_t)host->port);
}

static int32_t with_host_bits(const struct rmq_stored *message)
{
    int32_t sys_flag =
        message->sys_flag & ~(RMQ_SYS_BORN_HOST_IPV6 | RMQ_SYS_STORE_HOST_IPV6);

    if (message->born_host.ip_size == 16)
        sys_flag |= RMQ_SYS_BORN_HOST_IPV6;
    if (message->store_host.ip_size == 16)
        sys_flag |= RMQ_SYS_STORE_HOST_IPV6;
    return sys_flag;
}

void rmq_stored_put(struct dt_buf *out, const struct rmq_stored *message)
{
    size_t size = rmq_stored_size(message);

    if (message->topic.size > INT16_MAX || message->properties.size > INT16_MAX ||
        size > RMQ_FRAME_SIZE_MAX) {
        out->failed = true;
        return;
    }
    dt_buf_put_u32(out, (uint32_t)size);
    dt_buf_put_u32(out, is_v2(message) ? RMQ_MAGIC_V2 : RMQ_MAGIC_V1);
    dt_buf_put_u32(out, rmq_body_crc(message->body));
    dt_buf_put_u32(out, (uint32_t)message->queue_id);
    dt_buf_put_u32(out, (uint32_t)message->flag);
    dt_buf_put_u64(out, (uint64_t)message->queue_offset);
    dt_buf_put_u64(out, (uint64_t)message->physical_offset);
    dt_buf_put_u32(out, (uint32_t)with_host_bits(message));
    dt_buf_put_u64(out, (uint64_t)message->born_ms);
    put_host(out, &message->born_host);
    dt_buf_put_u64(out, (uint64_t)message->store_ms);
    put_host(out, &message->store_host);
    dt_buf_put_u32(out, (uint32_t)message->reconsume_times);
    dt_buf_put_u64(out, (uint64_t)message->prepared_offset);
    dt_buf_put_u32(out, (uint32_t)message->body.size);
    dt_buf_put_span(out, message->body);
    if (is_v2(message))
        dt_buf_put_u16(out, (uint16_t)message->topic.size);
    else
        dt_buf_put_u8(out, (uint8_t)message->topic.size);
    dt_buf_put_span(out, message->topic);
    dt_buf_put_u16(out, (uint16_t)message->properties.size);
    dt_buf_put_span(out, message->properties);
}
