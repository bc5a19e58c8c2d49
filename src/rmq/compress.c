#define ZLIB_CONST /* input is const, as it should be */
#include "rmq/compress.h"

#include <lz4frame.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/status.h"
#include "rmq/codes.h"

enum {
    SIZE_MIN = 4096, /* as the Java client has it */
    ZLIB_LEVEL = 5,  /* so, too */
    ZSTD_LEVEL = 3
};

struct rmq_compressor {
    struct rmq_compressor *next;
    z_stream zlib;
    ZSTD_CCtx *zstd;
};

/* ---------------------------------------------------------------- contexts */

static void compressor_free(struct rmq_compressor *compressor, rmq_compression codec)
{
    if (codec == RMQ_COMPRESSION_ZLIB)
        deflateEnd(&compressor->zlib);
    ZSTD_freeCCtx(compressor->zstd);
    free(compressor);
}

static struct rmq_compressor *compressor_new(rmq_compression codec, int level)
{
    struct rmq_compressor *compressor = calloc(1, sizeof(*compressor));
    bool is_ready = true;

    if (compressor == NULL)
        return NULL;
    if (codec == RMQ_COMPRESSION_ZLIB) {
        is_ready = deflateInit(&compressor->zlib, level) == Z_OK;
    } else if (codec == RMQ_COMPRESSION_ZSTD) {
        compressor->zstd = ZSTD_createCCtx();
        is_ready = compressor->zstd != NULL;
    }
    if (is_ready)
        return compressor;
    free(compressor);
    return NULL;
}

static struct rmq_compressor *take(struct rmq_compressors *compressors)
{
    struct rmq_compressor *compressor;

    pthread_mutex_lock(&compressors->mutex);
    compressor = compressors->idle;
    if (compressor != NULL)
        compressors->idle = compressor->next;
    pthread_mutex_unlock(&compressors->mutex);
    if (compressor == NULL)
        compressor = compressor_new(compressors->codec, compressors->level);
    return compressor;
}

static void give_back(struct rmq_compressors *compressors,
                      struct rmq_compressor *compressor)
{
    pthread_mutex_lock(&compressors->mutex);
    compressor->next = compressors->idle;
    compressors->idle = compressor;
    pthread_mutex_unlock(&compressors->mutex);
}

dt_status rmq_compressors_init(struct rmq_compressors *compressors, rmq_compression codec,
                               int level, size_t size_min)
{
    static const int defaults[] = {0, ZLIB_LEVEL, 0, ZSTD_LEVEL};
    const int highest[] = {0, Z_BEST_COMPRESSION, LZ4HC_CLEVEL_MAX, ZSTD_maxCLevel()};

    if ((unsigned)codec > RMQ_COMPRESSION_ZSTD)
        return dt_error_set(DT_EINVAL, "there is no compression %d", (int)codec);
    if (level < 0 || level > highest[codec])
        return dt_error_set(DT_EINVAL, "the compression level %d is not from 0 to %d",
                            level, highest[codec]);
    compressors->codec = codec;
    compressors->level = level == 0 ? defaults[codec] : level;
    compressors->size_min = size_min == 0 ? SIZE_MIN : size_min;
    compressors->idle = NULL;
    pthread_mutex_init(&compressors->mutex, NULL);
    return DT_OK;
}

void rmq_compressors_fini(struct rmq_compressors *compressors)
{
    while (compressors->idle != NULL) {
        struct rmq_compressor *compressor = compressors->idle;

        compressors->idle = compressor->next;
        compressor_free(compressor, compressors->codec);
    }
    pthread_mutex_destroy(&compressors->mutex);
}

/* ---------------------------------------------------------------- codecs */

/* 0: no smaller than the body. */
static size_t pack_zlib(struct rmq_compressor *compressor, struct dt_span body,
                        uint8_t *out)
{
    z_stream *z = &compressor->zlib;
    int result;

    z->next_in = body.data;
    z->avail_in = (uInt)body.size;
    z->next_out = out;
    z->avail_out = (uInt)body.size - 1;
    result = deflate(z, Z_FINISH);
    deflateReset(z);
    return result == Z_STREAM_END ? body.size - 1 - z->avail_out : 0;
}

static LZ4F_preferences_t lz4_preferences(const struct rmq_compressors *compressors)
{
    LZ4F_preferences_t preferences;

    memset(&preferences, 0, sizeof(preferences));
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.compressionLevel = compressors->level;
    return preferences;
}

static size_t pack_lz4(const struct rmq_compressors *compressors, struct dt_span body,
                       uint8_t *out)
{
    LZ4F_preferences_t preferences = lz4_preferences(compressors);
    size_t size = LZ4F_compressFrame(out, LZ4F_compressFrameBound(body.size, &preferences),
                                     body.data, body.size, &preferences);

    return LZ4F_isError(size) || size >= body.size ? 0 : size;
}

static size_t pack_zstd(struct rmq_compressor *compressor, int level, struct dt_span body,
                        uint8_t *out)
{
    size_t size = ZSTD_compressCCtx(compressor->zstd, out, body.size - 1, body.data,
                                    body.size, level);

    return ZSTD_isError(size) ? 0 : size;
}

size_t rmq_compress_room(const struct rmq_compressors *compressors, size_t body_size)
{
    LZ4F_preferences_t preferences;

    if (compressors->codec != RMQ_COMPRESSION_LZ4)
        return body_size;
    preferences = lz4_preferences(compressors);
    return LZ4F_compressFrameBound(body_size, &preferences);
}

dt_status rmq_compress(struct rmq_compressors *compressors, struct dt_span body,
                       uint8_t *out, size_t *size, int32_t *sys_flag)
{
    static const int32_t flags[] = {0, RMQ_SYS_COMPRESSION_ZLIB, RMQ_SYS_COMPRESSION_LZ4,
                                    RMQ_SYS_COMPRESSION_ZSTD};
    struct rmq_compressor *compressor;

    *size = 0;
    *sys_flag = 0;
    if (compressors->codec == RMQ_COMPRESSION_LZ4) {
        *size = pack_lz4(compressors, body, out);
    } else {
        compressor = take(compressors);
        if (compressor == NULL)
            return dt_error_set(DT_ENOMEM, "no memory to compress a body");
        *size = compressors->codec == RMQ_COMPRESSION_ZLIB
                    ? pack_zlib(compressor, body, out)
                    : pack_zstd(compressor, compressors->level, body, out);
        give_back(compressors, compressor);
    }
    if (*size > 0)
        *sys_flag = RMQ_SYS_COMPRESSED | flags[compressors->codec];
    return DT_OK;
}
