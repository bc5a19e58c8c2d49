/*
 * buf.h - a growing byte buffer with a bound.
 *
 * Made with its maximum by whoever knows what it is for, so no peer's announcement can make it
 * grow beyond that. Failure is sticky (`failed`): writers append on, and ask once at the end.
 * The text helpers do not add a NUL; dt_buf_str() does, behind the size.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"
#include "rmq/status.h"

struct dt_buf {
    uint8_t *data;
    size_t size;
    size_t capacity; /* never more than max */
    size_t max;
    bool failed; /* an append did not fit into max, or there was no memory */
};

void dt_buf_init(struct dt_buf *buf, size_t max);
void dt_buf_fini(struct dt_buf *buf);  /* frees; the buffer may be initialised again */
void dt_buf_clear(struct dt_buf *buf); /* size 0, failed false, memory kept */

/* dt_buf_reserve() where there is no room yet. */
uint8_t *dt_buf_grow(struct dt_buf *buf, size_t size);

/* Makes room for `size` more bytes and returns where they go, or NULL (then failed is set).
 * dt_buf_commit(n) with n <= size makes them part of the buffer. */
static inline uint8_t *dt_buf_reserve(struct dt_buf *buf, size_t size)
{
    if (buf->failed || size > buf->capacity - buf->size || buf->capacity == 0)
        return dt_buf_grow(buf, size);
    return buf->data + buf->size;
}

void dt_buf_commit(struct dt_buf *buf, size_t size);

static inline void dt_buf_put(struct dt_buf *buf, const void *data, size_t size)
{
    uint8_t *to;

    if (size == 0 || (to = dt_buf_reserve(buf, size)) == NULL)
        return;
    memcpy(to, data, size);
    buf->size += size;
}

static inline void dt_buf_put_span(struct dt_buf *buf, struct dt_span span)
{
    dt_buf_put(buf, span.data, span.size);
}

/* Inline, so that the size of a constant is known where it is compiled. */
static inline void dt_buf_put_str(struct dt_buf *buf, const char *text)
{
    dt_buf_put(buf, text, strlen(text));
}

static inline void dt_buf_put_u8(struct dt_buf *buf, uint8_t value)
{
    dt_buf_put(buf, &value, 1);
}

void dt_buf_put_u16(struct dt_buf *buf, uint16_t value); /* big-endian, as all of these */
void dt_buf_put_u32(struct dt_buf *buf, uint32_t value);
void dt_buf_put_u64(struct dt_buf *buf, uint64_t value);
void dt_buf_printf(struct dt_buf *buf, const char *format, ...) DT_PRINTF(2, 3);

/* Writes a big-endian u32 over bytes that are there already (a length known only later). */
void dt_buf_patch_u32(struct dt_buf *buf, size_t offset, uint32_t value);

/* Drops `size` bytes from the front; what is behind moves up. */
void dt_buf_consume(struct dt_buf *buf, size_t size);

/* The content as NUL-terminated text, owned by the buffer; "" after a failure to add the NUL. */
const char *dt_buf_str(struct dt_buf *buf);

static inline struct dt_span dt_buf_span(const struct dt_buf *buf)
{
    return dt_span_of(buf->data, buf->size);
}

/* DT_OK, or DT_ENOMEM / DT_ETOOBIG with a sentence that names `what`. */
dt_status dt_buf_status(const struct dt_buf *buf, const char *what);

#endif
