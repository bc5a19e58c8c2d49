#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

void dt_buf_init(struct dt_buf *buf, size_t max)
{
    memset(buf, 0, sizeof(*buf));
    buf->max = max;
}

void dt_buf_fini(struct dt_buf *buf)
{
    size_t max = buf->max;

    free(buf->data);
    dt_buf_init(buf, max);
}

void dt_buf_clear(struct dt_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

uint8_t *dt_buf_grow(struct dt_buf *buf, size_t size)
{
    if (buf->failed)
        return NULL;
    if (size > buf->max || buf->size > buf->max - size) {
        buf->failed = true;
        return NULL;
    }
    if (buf->capacity - buf->size < size) {
        size_t need = buf->size + size;
        size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
        uint8_t *data;

        while (capacity < need)
            capacity *= 2;
        if (capacity > buf->max)
            capacity = buf->max;
        data = realloc(buf->data, capacity);
        if (data == NULL) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data == NULL ? NULL : buf->data + buf->size;
}

void dt_buf_commit(struct dt_buf *buf, size_t size)
{
    assert(size <= buf->capacity - buf->size);
    buf->size += size;
}

static void put_uint(struct dt_buf *buf, uint64_t value, size_t width)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    dt_buf_put(buf, bytes, width);
}

void dt_buf_put_u16(struct dt_buf *buf, uint16_t value)
{
    put_uint(buf, value, 2);
}

void dt_buf_put_u32(struct dt_buf *buf, uint32_t value)
{
    put_uint(buf, value, 4);
}

void dt_buf_put_u64(struct dt_buf *buf, uint64_t value)
{
    put_uint(buf, value, 8);
}

void dt_buf_printf(struct dt_buf *buf, const char *format, ...)
{
    va_list args, again;
    int length;
    uint8_t *to;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buf->failed = true;
    } else {
        to = dt_buf_reserve(buf, (size_t)length + 1); /* vsnprintf writes its NUL */
        if (to != NULL) {
            vsnprintf((char *)to, (size_t)length + 1, format, again);
            buf->size += (size_t)length;
        }
    }
    va_end(again);
}

void dt_buf_patch_u32(struct dt_buf *buf, size_t offset, uint32_t value)
{
    if (buf->failed)
        return;
    assert(offset + 4 <= buf->size);
    for (size_t i = 0; i < 4; i++)
        buf->data[offset + i] = (uint8_t)(value >> (8 * (3 - i)));
}

void dt_buf_consume(struct dt_buf *buf, size_t size)
{
    assert(size <= buf->size);
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

const char *dt_buf_str(struct dt_buf *buf)
{
    uint8_t *end = dt_buf_reserve(buf, 1);

    if (end == NULL)
        return "";
    *end = 0;
    return (const char *)buf->data;
}

dt_status dt_buf_status(const struct dt_buf *buf, const char *what)
{
    if (!buf->failed)
        return DT_OK;
    return dt_error_set(DT_ETOOBIG, "%s: more than %zu bytes, or no memory", what,
                        buf->max);
}
