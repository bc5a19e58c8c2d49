#include "rmq/message_id.h"

#include <assert.h>
#include <time.h>

static char *put_hex(char *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
    return out;
}

static void put_uint(uint8_t *out, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        out[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

void rmq_offset_id(char out[RMQ_MESSAGE_ID_SIZE], const struct rmq_host *host,
                   int64_t physical_offset)
{
    uint8_t tail[12];

    assert(host->ip_size == 4 || host->ip_size == 16);
    put_uint(tail, (uint32_t)host->port, 4);
    put_uint(tail + 4, (uint64_t)physical_offset, 8);
    out = put_hex(out, host->ip, host->ip_size);
    put_hex(out, tail, sizeof(tail));
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool rmq_offset_id_parse(struct dt_span text, struct rmq_host *host,
                         int64_t *physical_offset)
{
    uint8_t bytes[28];
    struct dt_scan scan;
    struct dt_span ip;

    if (text.size != 32 && text.size != 56)
        return false;
    for (size_t i = 0; i < text.size; i += 2) {
        int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    scan = dt_scan_of(dt_span_of(bytes, text.size / 2));
    memset(host, 0, sizeof(*host));
    host->ip_size = text.size / 2 - 12;
    ip = dt_scan_bytes(&scan, host->ip_size);
    memcpy(host->ip, ip.data, ip.size);
    host->port = dt_scan_i32(&scan);
    *physical_offset = dt_scan_i64(&scan);
    return true;
}

void rmq_uniq_key_init(struct rmq_uniq_key *key, struct dt_span ip, uint32_t pid,
                       uint32_t constant, uint16_t counter)
{
    uint8_t prefix[22];

    assert(ip.size == 4 || ip.size == 16);
    memset(key, 0, sizeof(*key));
    memcpy(prefix, ip.data, ip.size);
    put_uint(prefix + ip.size, pid & 0xffff, 2);
    put_uint(prefix + ip.size + 2, constant, 4);
    key->prefix_size = 2 * (ip.size + 6);
    put_hex(key->text, prefix, ip.size + 6);
    key->wall_ms = INT64_MIN;
    key->counter = counter;
}

/* When the first of the local month, `months` from that of wall_ms, begins. */
static int64_t month_start_ms(int64_t wall_ms, int months)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (localtime_r(&seconds, &tm) == NULL)
        return 0;
    tm.tm_mon += months;
    tm.tm_mday = 1;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * 1000;
}

static void put_time(struct rmq_uniq_key *key, int64_t wall_ms)
{
    uint8_t bytes[4];

    if (wall_ms < key->month_start_ms || wall_ms >= key->month_end_ms) {
        key->month_start_ms = month_start_ms(wall_ms, 0);
        key->month_end_ms = month_start_ms(wall_ms, 1);
    }
    key->wall_ms = wall_ms;
    put_uint(bytes, (uint64_t)(wall_ms - key->month_start_ms), 4);
    put_hex(key->text + key->prefix_size, bytes, 4);
}

void rmq_uniq_key_next(struct rmq_uniq_key *key, int64_t wall_ms,
                       char out[RMQ_MESSAGE_ID_SIZE])
{
    uint8_t bytes[2] = {(uint8_t)(key->counter >> 8), (uint8_t)key->counter};
    size_t size = key->prefix_size + 8;

    if (wall_ms != key->wall_ms) /* many are made in one millisecond */
        put_time(key, wall_ms);
    memcpy(out, key->text, size);
    put_hex(out + size, bytes, 2);
    key->counter++;
}
