/*
 * span.h - borrowed bytes, and a scanner that takes big-endian values off their front.
 *
 * A span owns nothing. The scanner's error is sticky: after one value that does not fit,
 * everything it returns is zero or empty and dt_scan_ok() is false, so a parser reads all its
 * fields and asks once. No pointer arithmetic in protocol files.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dt_span {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

static inline struct dt_span dt_span_of(const void *data, size_t size)
{
    struct dt_span span = {(const uint8_t *)data, size};
    return span;
}

static inline struct dt_span dt_span_str(const char *text)
{
    return dt_span_of(text, strlen(text));
}

static inline bool dt_span_equal(struct dt_span a, struct dt_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool dt_span_equal_str(struct dt_span a, const char *text)
{
    return dt_span_equal(a, dt_span_str(text));
}

struct dt_scan {
    const uint8_t *next;
    size_t left;
    bool failed;
};

static inline struct dt_scan dt_scan_of(struct dt_span span)
{
    struct dt_scan scan = {span.data, span.size, false};
    return scan;
}

static inline bool dt_scan_ok(const struct dt_scan *scan)
{
    return !scan->failed;
}

/* The next `size` bytes, or an empty span and failure if there are fewer. */
static inline struct dt_span dt_scan_bytes(struct dt_scan *scan, size_t size)
{
    struct dt_span out = {NULL, 0};

    if (scan->failed || size > scan->left) {
        scan->failed = true;
        return out;
    }
    out.data = scan->next;
    out.size = size;
    if (size > 0)
        scan->next += size;
    scan->left -= size;
    return out;
}

static inline uint64_t dt_scan_uint(struct dt_scan *scan, size_t width)
{
    struct dt_span bytes = dt_scan_bytes(scan, width);
    uint64_t value = 0;

    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

static inline uint8_t dt_scan_u8(struct dt_scan *scan)
{
    struct dt_span bytes = dt_scan_bytes(scan, 1);

    return bytes.size == 0 ? 0 : bytes.data[0];
}

/* Written out, which compilers know as one load. */
static inline uint16_t dt_scan_u16(struct dt_scan *scan)
{
    const uint8_t *b = dt_scan_bytes(scan, 2).data;

    if (b == NULL) /* gcc's sanitizer build takes ?: for an int */
        return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}
static inline uint32_t dt_scan_u32(struct dt_scan *scan)
{
    const uint8_t *b = dt_scan_bytes(scan, 4).data;

    return b == NULL ? 0
                     : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
                           (uint32_t)b[3];
}
static inline uint64_t dt_scan_u64(struct dt_scan *scan)
{
    const uint8_t *b = dt_scan_bytes(scan, 8).data;

    return b == NULL ? 0
                     : (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
                           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 |
                           (uint64_t)b[5] << 16 | (uint64_t)b[6] << 8 | (uint64_t)b[7];
}
static inline int32_t dt_scan_i32(struct dt_scan *scan)
{
    return (int32_t)dt_scan_u32(scan);
}
static inline int64_t dt_scan_i64(struct dt_scan *scan)
{
    return (int64_t)dt_scan_u64(scan);
}

#endif
