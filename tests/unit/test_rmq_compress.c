/* compress: what senders make of large bodies, read back by decompress.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq/compress.h"
#include "rmq/stored.h"
#include "support/case.h"

enum { BODY_SIZE = 200000 };

static const rmq_compression codecs[] = {RMQ_COMPRESSION_ZLIB, RMQ_COMPRESSION_LZ4,
                                         RMQ_COMPRESSION_ZSTD};

static uint8_t *rows(size_t size)
{
    uint8_t *body = malloc(size);

    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t) "flight N14228 from EWR to IAH"[(i * i / 7 + i) % 29];
    return body;
}

/* Compresses into room of the exact size, so that a sanitizer sees one byte too many. */
static size_t pack(struct rmq_compressors *compressors, struct dt_span body, uint8_t **out,
                   int32_t *sys_flag)
{
    size_t size = 0;

    *out = malloc(rmq_compress_room(compressors, body.size));
    assert_non_null(*out);
    assert_int_equal(rmq_compress(compressors, body, *out, &size, sys_flag), DT_OK);
    return size;
}

static void every_codec_gives_what_is_read_back(void **state)
{
    uint8_t *body = rows(BODY_SIZE);

    (void)state;
    for (size_t c = 0; c < sizeof(codecs) / sizeof(codecs[0]); c++)
        for (int level = 0; level <= 9; level += 3) {
            struct rmq_compressors compressors;
            struct rmq_stored stored = {0};
            struct dt_buf scratch;
            struct dt_span back;
            uint8_t *packed;

            assert_int_equal(rmq_compressors_init(&compressors, codecs[c], level, 0),
                             DT_OK);
            dt_buf_init(&scratch, BODY_SIZE);
            for (int again = 0; again < 3; again++) { /* the context is used again */
                size_t size = pack(&compressors, dt_span_of(body, BODY_SIZE), &packed,
                                   &stored.sys_flag);

                assert_true(size > 0 && size < BODY_SIZE);
                stored.body = dt_span_of(packed, size);
                dt_buf_clear(&scratch);
                assert_int_equal(rmq_stored_body(&stored, &scratch, &back), DT_OK);
                assert_int_equal(back.size, BODY_SIZE);
                assert_memory_equal(back.data, body, BODY_SIZE);
                free(packed);
            }
            dt_buf_fini(&scratch);
            rmq_compressors_fini(&compressors);
        }
    free(body);
}

static void sys_flag_and_first_bytes_name_the_codec(void **state)
{
    static const uint8_t first[][4] = {
        {0x78}, {0x04, 0x22, 0x4d, 0x18}, {0x28, 0xb5, 0x2f, 0xfd}};
    static const size_t first_size[] = {1, 4, 4};
    static const int32_t flags[] = {0x301, 0x101, 0x201};
    uint8_t *body = rows(BODY_SIZE);

    (void)state;
    for (size_t c = 0; c < sizeof(codecs) / sizeof(codecs[0]); c++) {
        struct rmq_compressors compressors;
        uint8_t *packed;
        int32_t sys_flag;

        assert_int_equal(rmq_compressors_init(&compressors, codecs[c], 0, 0), DT_OK);
        assert_true(pack(&compressors, dt_span_of(body, BODY_SIZE), &packed, &sys_flag) >
                    0);
        assert_int_equal(sys_flag, flags[c]);
        assert_memory_equal(packed, first[c], first_size[c]);
        if (codecs[c] == RMQ_COMPRESSION_LZ4)
            assert_true(packed[4] &
                        0x20); /* independent blocks: the Java client needs them */
        free(packed);
        rmq_compressors_fini(&compressors);
    }
    free(body);
}

static void a_body_that_gets_no_smaller_goes_as_it_is(void **state)
{
    uint8_t *body = malloc(BODY_SIZE);
    uint32_t random = 1;

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < BODY_SIZE; i++) {
        random = random * 1664525 + 1013904223;
        body[i] = (uint8_t)(random >> 24);
    }
    for (size_t c = 0; c < sizeof(codecs) / sizeof(codecs[0]); c++)
        for (size_t size = 1; size <= BODY_SIZE; size = size * 7 + 1) {
            struct rmq_compressors compressors;
            uint8_t *packed;
            int32_t sys_flag;

            assert_int_equal(rmq_compressors_init(&compressors, codecs[c], 0, 1), DT_OK);
            assert_int_equal(pack(&compressors, dt_span_of(body, size), &packed, &sys_flag),
                             0);
            assert_int_equal(sys_flag, 0);
            free(packed);
            rmq_compressors_fini(&compressors);
        }
    free(body);
}

static void only_bodies_of_the_size_asked_for_are_compressed(void **state)
{
    struct rmq_compressors compressors;

    (void)state;
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_ZLIB, 0, 0), DT_OK);
    assert_false(rmq_compressors_want(&compressors, 4095));
    assert_true(rmq_compressors_want(&compressors, 4096));
    rmq_compressors_fini(&compressors);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_ZLIB, 0, 10),
                     DT_OK);
    assert_false(rmq_compressors_want(&compressors, 9));
    assert_true(rmq_compressors_want(&compressors, 10));
    rmq_compressors_fini(&compressors);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_NONE, 0, 10),
                     DT_OK);
    assert_false(rmq_compressors_want(&compressors, 1 << 20));
    rmq_compressors_fini(&compressors);
}

static void a_codec_or_level_that_is_none_is_refused(void **state)
{
    struct rmq_compressors compressors;

    (void)state;
    assert_int_equal(rmq_compressors_init(&compressors, (rmq_compression)4, 0, 0),
                     DT_EINVAL);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_ZLIB, 10, 0),
                     DT_EINVAL);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_LZ4, 13, 0),
                     DT_EINVAL);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_ZSTD, 23, 0),
                     DT_EINVAL);
    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_ZSTD, -1, 0),
                     DT_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_gives_what_is_read_back),
        cmocka_unit_test(sys_flag_and_first_bytes_name_the_codec),
        cmocka_unit_test(a_body_that_gets_no_smaller_goes_as_it_is),
        cmocka_unit_test(only_bodies_of_the_size_asked_for_are_compressed),
        cmocka_unit_test(a_codec_or_level_that_is_none_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
