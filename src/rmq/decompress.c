/*
 * decompress.c - bodies of messages out of their compression.
 *
 * What a compressed stream announces of its size is never believed: it is unpacked piece by
 * piece, until it ends or the caller's bound is reached.
 */
#define ZLIB_CONST /* input is const, as it should be */
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/status.h"
#include "rmq/codes.h"
#include "rmq/stored.h"

#define PIECE_SIZE 65536
/* 16 MiB: more than a body has, so no honest zstd stream looks back further */
#define ZSTD_WINDOW_LOG_MAX 24

/* One library's stream. `step` takes from *in, writes to out, and tells how much it did. DT_ECORRUPT:
 * the bytes are wrong; DT_ENOMEM. */
struct unpacker {
    void *stream;
    dt_status (*step)(void *stream, struct dt_span *in, uint8_t *out, size_t *out_size,
                      bool *done);
};

static dt_status zlib_step(void *stream, struct dt_span *in, uint8_t *out, size_t *out_size,
                           bool *done)
{
    z_stream *z = stream;
    int result;

    z->next_in = in->data;
    z->avail_in = (uInt)in->size;
    z->next_out = out;
    z->avail_out = (uInt)*out_size;
    result = inflate(z, Z_NO_FLUSH);
    *in = dt_span_of(z->next_in, z->avail_in);
    *out_size -= z->avail_out;
    *done = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return DT_ENOMEM;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? DT_OK
                                                                             : DT_ECORRUPT;
}

static dt_status lz4_step(void *stream, struct dt_span *in, uint8_t *out, size_t *out_size,
                          bool *done)
{
    size_t taken = in->size;
    size_t hint = LZ4F_decompress(stream, out, out_size, in->data, &taken, NULL);

    if (LZ4F_isError(hint)) /* the codes of its errors are not public, their names are */
        return strcmp(LZ4F_getErrorName(hint), "ERROR_allocation_failed") == 0
                   ? DT_ENOMEM
                   : DT_ECORRUPT;
    *in = dt_span_of(in->data + taken, in->size - taken);
    *done = hint == 0;
    return DT_OK;
}

static dt_status zstd_step(void *stream, struct dt_span *in, uint8_t *out, size_t *out_size,
                           bool *done)
{
    ZSTD_inBuffer from = {in->data, in->size, 0};
    ZSTD_outBuffer to = {out, *out_size, 0};
    size_t hint = ZSTD_decompressStream(stream, &to, &from);

    if (ZSTD_isError(hint))
        return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation ? DT_ENOMEM
                                                                       : DT_ECORRUPT;
    *in = dt_span_of(in->data + from.pos, in->size - from.pos);
    *out_size = to.pos;
    *done = hint == 0;
    return DT_OK;
}

static dt_status too_big(const struct dt_buf *scratch)
{
    return dt_error_set(DT_ETOOBIG, "a compressed body is larger than %zu bytes",
                        scratch->max);
}

static dt_status unpack(struct unpacker unpacker, struct dt_span in, struct dt_buf *scratch)
{
    bool done = false;
    dt_status status;

    while (!done) {
        size_t room = scratch->max - scratch->size;
        size_t size = room < PIECE_SIZE ? room : PIECE_SIZE, before = in.size;
        uint8_t beyond; /* takes a byte too many, to tell it from a stream that just fits */
        uint8_t *out = size == 0 ? &beyond : dt_buf_reserve(scratch, size);

        if (out == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a compressed body");
        if (size == 0)
            size = 1;
        status = unpacker.step(unpacker.stream, &in, out, &size, &done);
        if (status == DT_ENOMEM)
            return dt_error_set(DT_ENOMEM, "no memory for a compressed body");
        if (status != DT_OK)
            return dt_error_set(DT_ECORRUPT, "a compressed body is damaged");
        if (out == &beyond && size > 0)
            return too_big(scratch);
        if (!done && size == 0 && in.size == before)
            return dt_error_set(DT_ECORRUPT, "a compressed body breaks off");
        if (out != &beyond)
            dt_buf_commit(scratch, size);
    }
    if (in.size > 0)
        return dt_error_set(DT_ECORRUPT, "a compressed body has bytes behind its end");
    return DT_OK;
}

static dt_status unpack_zlib(struct dt_span in, struct dt_buf *scratch)
{
    z_stream z;
    dt_status status;

    memset(&z, 0, sizeof(z));
    if (inflateInit(&z) != Z_OK)
        return dt_error_set(DT_ENOMEM, "no memory for zlib");
    status = unpack((struct unpacker){&z, zlib_step}, in, scratch);
    inflateEnd(&z);
    return status;
}

static dt_status unpack_lz4(struct dt_span in, struct dt_buf *scratch)
{
    LZ4F_dctx *stream = NULL;
    dt_status status;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&stream, LZ4F_VERSION)))
        return dt_error_set(DT_ENOMEM, "no memory for lz4");
    status = unpack((struct unpacker){stream, lz4_step}, in, scratch);
    LZ4F_freeDecompressionContext(stream);
    return status;
}

static dt_status unpack_zstd(struct dt_span in, struct dt_buf *scratch)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    dt_status status;

    if (stream == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for zstd");
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    status = unpack((struct unpacker){stream, zstd_step}, in, scratch);
    ZSTD_freeDStream(stream);
    return status;
}

dt_status rmq_stored_body(const struct rmq_stored *message, struct dt_buf *scratch,
                          struct dt_span *body)
{
    size_t before = scratch->size;
    dt_status status;

    *body = dt_span_of(NULL, 0);
    if ((message->sys_flag & RMQ_SYS_COMPRESSED) == 0) {
        *body = message->body;
        return DT_OK;
    }
    if (message->body.size == 0 || message->body.size > RMQ_FRAME_SIZE_MAX)
        return dt_error_set(DT_ECORRUPT, "a compressed body has no bytes");
    switch (message->sys_flag & RMQ_SYS_COMPRESSION_MASK) {
    case 0:
    case RMQ_SYS_COMPRESSION_ZLIB:
        status = unpack_zlib(message->body, scratch);
        break;
    case RMQ_SYS_COMPRESSION_LZ4:
        status = unpack_lz4(message->body, scratch);
        break;
    case RMQ_SYS_COMPRESSION_ZSTD:
        status = unpack_zstd(message->body, scratch);
        break;
    default:
        status =
            dt_error_set(DT_EUNSUPPORTED, "a body has an unknown compression, sysFlag %#x",
                         (unsigned)message->sys_flag);
    }
    if (status == DT_OK)
        *body = dt_span_of(scratch->data + before, scratch->size - before);
    else
        scratch->size = before;
    return status;
}
