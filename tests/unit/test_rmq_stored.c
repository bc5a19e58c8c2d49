/* stored: messages as brokers store them, with their checks and compressions */
#include <lz4frame.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq/stored.h"
#include "support/bytes.h"
#include "support/case.h"

static const char golden_v1[] =
    "0000007edaa320a73610a68600000002000000000000000000000005000000000000040000000000000001"
    "8b"
    "cfe568000a00000100009c400000018bcfe5687b0a00000200002a9f000000000000000000000000000000"
    "0568"
    "656c6c6f09546f7069635465737400154b455953016b31206b320254414753015461674102";

static const char golden_ipv6[] =
    "00000076daa320a758932aac00000002000000000000000000000005000000000000040000000030000001"
    "8b"
    "cfe5680020010db8000000000000000000000001000000010000018bcfe5687b20010db800000000000000"
    "00"
    "0000000200002a9f00000000000000000000000000000002686901540000";

/* topic: 130 times T */
static const char golden_v2[] =
    "000000e7daa320ab58932aac00000002000000000000000000000005000000000000040000000000000001"
    "8b"
    "cfe568000a00000100009c400000018bcfe5687b0a00000200002a9f000000000000000000000000000000"
    "026869"
    "0082"
    "54545454545454545454545454545454545454545454545454545454545454545454545454545454545454"
    "545454"
    "54545454545454545454545454545454545454545454545454545454545454545454545454545454545454"
    "545454"
    "545454545454545454545454545454545454545454545454545454545454545454545454"
    "5454"
    "000754414753016102";

static const char *const goldens[] = {golden_v1, golden_ipv6, golden_v2};

static void assert_common(const struct rmq_stored *message)
{
    assert_int_equal(message->queue_id, 2);
    assert_int_equal(message->flag, 0);
    assert_int_equal(message->queue_offset, 5);
    assert_int_equal(message->physical_offset, 1024);
    assert_true(message->born_ms == 1700000000000);
    assert_true(message->store_ms == 1700000000123);
    assert_int_equal(message->store_host.port, 10911);
    assert_int_equal(message->reconsume_times, 0);
    assert_int_equal(message->prepared_offset, 0);
    assert_true(rmq_stored_crc_is_right(message));
}

static void the_golden_message_is_read(void **state)
{
    static const uint8_t born[] = {10, 0, 0, 1}, store[] = {10, 0, 0, 2};
    struct dt_span bytes = bytes_of_hex(golden_v1);
    struct rmq_stored message;

    (void)state;
    assert_int_equal(rmq_stored_cut(bytes, &message), RMQ_CUT_FRAME);
    assert_int_equal(message.size, 126);
    assert_common(&message);
    assert_int_equal(message.body_crc, 0x3610A686);
    assert_int_equal(message.sys_flag, 0);
    assert_int_equal(message.born_host.ip_size, 4);
    assert_memory_equal(message.born_host.ip, born, 4);
    assert_int_equal(message.born_host.port, 40000);
    assert_memory_equal(message.store_host.ip, store, 4);
    assert_span_text(message.body, "hello");
    assert_span_text(message.topic, "TopicTest");
    assert_span_text(message.properties, "KEYS\x01k1 k2\x02TAGS\x01TagA\x02");
    bytes_free(bytes);
}

static void the_golden_message_with_ipv6_hosts_is_read(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden_ipv6);
    struct rmq_stored message;
    char id[RMQ_MESSAGE_ID_SIZE];

    (void)state;
    assert_int_equal(rmq_stored_cut(bytes, &message), RMQ_CUT_FRAME);
    assert_int_equal(message.size, 118);
    assert_common(&message);
    assert_int_equal(message.sys_flag, 0x30);
    assert_int_equal(message.born_host.port, 1);
    rmq_offset_id(id, &message.store_host, message.physical_offset);
    assert_string_equal(id, "20010DB800000000000000000000000200002A9F0000000000000400");
    assert_span_text(message.body, "hi");
    assert_span_text(message.topic, "T");
    assert_int_equal(message.properties.size, 0);
    bytes_free(bytes);
}

static void the_golden_message_of_the_second_layout_is_read(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden_v2);
    struct rmq_stored message;

    (void)state;
    assert_int_equal(bytes.size, 231);
    assert_int_equal(rmq_stored_cut(bytes, &message), RMQ_CUT_FRAME);
    assert_common(&message);
    assert_int_equal(message.topic.size, 130);
    assert_int_equal(message.topic.data[129], 'T');
    assert_span_text(message.properties, "TAGS\x01"
                                         "a\x02");
    bytes_free(bytes);
}

static void messages_are_written_as_the_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct dt_span bytes = bytes_of_hex(goldens[i]);
        struct rmq_stored message;
        struct dt_buf out;

        dt_buf_init(&out, 1000);
        assert_int_equal(rmq_stored_cut(bytes, &message), RMQ_CUT_FRAME);
        message.sys_flag = 0; /* set by the hosts */
        rmq_stored_put(&out, &message);
        assert_span_equal(dt_buf_span(&out), bytes);
        assert_int_equal(rmq_stored_size(&message), bytes.size);
        dt_buf_fini(&out);
        bytes_free(bytes);
    }
}

static void every_prefix_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct dt_span bytes = bytes_of_hex(goldens[i]);

        for (size_t n = 0; n < bytes.size; n++) {
            struct dt_span prefix = bytes_exact(bytes.data, n);
            struct rmq_stored message;

            assert_int_equal(rmq_stored_cut(prefix, &message), RMQ_CUT_MORE);
            bytes_free(prefix);
        }
        bytes_free(bytes);
    }
}

static void what_a_later_version_adds_behind_is_passed_over(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden_v1);
    uint8_t longer[130] = {0};
    struct rmq_stored message;
    struct dt_span exact;

    (void)state;
    memcpy(longer, bytes.data, 126);
    longer[3] = 130;
    exact = bytes_exact(longer, sizeof(longer));
    assert_int_equal(rmq_stored_cut(exact, &message), RMQ_CUT_FRAME);
    assert_int_equal(message.size, 130);
    assert_span_text(message.body, "hello");
    bytes_free(exact);
    bytes_free(bytes);
}

static enum rmq_cut cut_changed(size_t at, uint8_t value)
{
    struct dt_span bytes = bytes_of_hex(golden_v1);
    struct rmq_stored message;
    enum rmq_cut cut;

    ((uint8_t *)(uintptr_t)bytes.data)[at] = value;
    cut = rmq_stored_cut(bytes, &message);
    bytes_free(bytes);
    return cut;
}

static void hostile_lengths_are_corrupt(void **state)
{
    (void)state;
    assert_int_equal(cut_changed(0, 0xff), RMQ_CUT_CORRUPT);  /* beyond any frame */
    assert_int_equal(cut_changed(2, 0x01), RMQ_CUT_MORE);     /* beyond what is there */
    assert_int_equal(cut_changed(3, 90), RMQ_CUT_CORRUPT);    /* less than its fixed part */
    assert_int_equal(cut_changed(3, 0x7d), RMQ_CUT_CORRUPT);  /* parts run past it */
    assert_int_equal(cut_changed(7, 0xa8), RMQ_CUT_CORRUPT);  /* no such layout */
    assert_int_equal(cut_changed(7, 0xab), RMQ_CUT_CORRUPT);  /* the other layout */
    assert_int_equal(cut_changed(84, 0xff), RMQ_CUT_CORRUPT); /* body */
    assert_int_equal(cut_changed(93, 0xff), RMQ_CUT_CORRUPT); /* topic */
    assert_int_equal(cut_changed(103, 0xff), RMQ_CUT_CORRUPT); /* properties */
    assert_int_equal(cut_changed(39, 0x30), RMQ_CUT_CORRUPT);  /* hosts said to be IPv6 */
}

static void a_message_changed_at_random_is_read_or_refused(void **state)
{
    uint64_t seed = 17;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct dt_span bytes = bytes_of_hex(goldens[round % 3]);
        struct rmq_stored message;
        struct dt_buf scratch;
        struct dt_span body;

        for (size_t i = 1 + random_below(&seed, 3); i > 0; i--)
            ((uint8_t *)(uintptr_t)bytes.data)[random_below(&seed, bytes.size)] =
                (uint8_t)random_next(&seed);
        dt_buf_init(&scratch, 100);
        if (rmq_stored_cut(bytes, &message) == RMQ_CUT_FRAME) {
            (void)rmq_stored_crc_is_right(&message);
            if (rmq_stored_body(&message, &scratch, &body) != DT_OK)
                assert_int_equal(scratch.size, 0);
        }
        dt_buf_fini(&scratch);
        bytes_free(bytes);
    }
}

static void the_crc_has_31_bits_and_0_means_unchecked(void **state)
{
    struct rmq_stored message = {.body = {(const uint8_t *)"hello", 5}};

    (void)state;
    assert_int_equal(rmq_body_crc(dt_span_str("123456789")), 0x4BF43926);
    assert_int_equal(rmq_body_crc(dt_span_str("hello")), 0x3610A686);
    assert_int_equal(rmq_body_crc(dt_span_str("")), 0);
    assert_true(rmq_stored_crc_is_right(&message));
    message.body_crc = 0x3610A686;
    assert_true(rmq_stored_crc_is_right(&message));
    message.body_crc = 0x3610A687;
    assert_false(rmq_stored_crc_is_right(&message));
}

/* ---------------------------------------------------------------- compression */

static const int32_t compressions[] = {0, RMQ_SYS_COMPRESSION_ZLIB, RMQ_SYS_COMPRESSION_LZ4,
                                       RMQ_SYS_COMPRESSION_ZSTD};

static size_t compress_with(int32_t compression, struct dt_span plain, uint8_t *out,
                            size_t size)
{
    uLongf zlib_size = size;

    switch (compression) {
    case RMQ_SYS_COMPRESSION_LZ4:
        return LZ4F_compressFrame(out, size, plain.data, plain.size, NULL);
    case RMQ_SYS_COMPRESSION_ZSTD:
        return ZSTD_compress(out, size, plain.data, plain.size, 3);
    default:
        assert_int_equal(compress2(out, &zlib_size, plain.data, plain.size, 5), Z_OK);
        return zlib_size;
    }
}

#define PLAIN_SIZE 200000

/* Unpacks `size` bytes with room for `room`; the status, and the body if it is whole. */
static dt_status unpack(int32_t compression, const uint8_t *bytes, size_t size, size_t room,
                        struct dt_span plain)
{
    struct dt_span exact = bytes_exact(bytes, size), body;
    struct rmq_stored message = {.sys_flag = RMQ_SYS_COMPRESSED | compression,
                                 .body = exact};
    struct dt_buf scratch;
    dt_status status;

    dt_buf_init(&scratch, room + 3);
    dt_buf_put_str(&scratch, "abc"); /* what is there already stays */
    status = rmq_stored_body(&message, &scratch, &body);
    if (status == DT_OK)
        assert_span_equal(body, plain);
    else
        assert_int_equal(body.size, 0);
    assert_int_equal(scratch.size, status == DT_OK ? 3 + plain.size : 3);
    assert_memory_equal(scratch.data, "abc", 3);
    dt_buf_fini(&scratch);
    bytes_free(exact);
    return status;
}

static void each_compression_is_undone_within_its_bound(void **state)
{
    static uint8_t plain[PLAIN_SIZE], packed[2 * PLAIN_SIZE];
    struct dt_span whole = dt_span_of(plain, sizeof(plain));
    uint64_t seed = 23;

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++) /* compressible, but not to nothing */
        plain[i] = (uint8_t)(random_next(&seed) & (i < PLAIN_SIZE / 2 ? 3 : 255));
    for (size_t i = 0; i < 4; i++) {
        size_t size = compress_with(compressions[i], whole, packed, sizeof(packed));

        assert_int_equal(unpack(compressions[i], packed, size, PLAIN_SIZE, whole), DT_OK);
        assert_int_equal(unpack(compressions[i], packed, size, PLAIN_SIZE - 1, whole),
                         DT_ETOOBIG);
        assert_int_equal(unpack(compressions[i], packed, size, 0, whole), DT_ETOOBIG);
        assert_int_equal(unpack(compressions[i], packed, size - 1, PLAIN_SIZE, whole),
                         DT_ECORRUPT);
        packed[size] = 0; /* a byte behind the end */
        assert_int_equal(unpack(compressions[i], packed, size + 1, PLAIN_SIZE, whole),
                         DT_ECORRUPT);
        packed[0] ^= 0xff;
        assert_int_equal(unpack(compressions[i], packed, size, PLAIN_SIZE, whole),
                         DT_ECORRUPT);
    }
}

static void a_small_stream_that_grows_without_end_is_stopped(void **state)
{
    static uint8_t plain[8 << 20], packed[9 << 20];

    (void)state;
    for (size_t i = 1; i < 4; i++) {
        size_t size = compress_with(compressions[i], dt_span_of(plain, sizeof(plain)),
                                    packed, sizeof(packed));

        assert_int_equal(
            unpack(compressions[i], packed, size, 4 << 20, dt_span_of(NULL, 0)),
            DT_ETOOBIG);
    }
}

static void no_compression_and_unknown_ones(void **state)
{
    (void)state;
    struct rmq_stored message = {.body = dt_span_str("hello")};
    struct dt_buf scratch;
    struct dt_span body;

    dt_buf_init(&scratch, 100);
    assert_int_equal(rmq_stored_body(&message, &scratch, &body), DT_OK);
    assert_ptr_equal(body.data, message.body.data);
    dt_buf_fini(&scratch);
    assert_int_equal(unpack(0x400, (const uint8_t *)"hello", 5, 100, body),
                     DT_EUNSUPPORTED);
    assert_int_equal(unpack(0, (const uint8_t *)"", 0, 100, body), DT_ECORRUPT);
}

static void what_does_not_fit_its_length_field_is_not_written(void **state)
{
    static uint8_t big[40000];
    struct rmq_stored message = {.born_host.ip_size = 4, .store_host.ip_size = 4};
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 1 << 20);
    message.topic = dt_span_str("T");
    message.properties = dt_span_of(big, 32768);
    rmq_stored_put(&out, &message);
    assert_true(out.failed);
    assert_int_equal(out.size, 0);
    dt_buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_message_is_read),
        cmocka_unit_test(the_golden_message_with_ipv6_hosts_is_read),
        cmocka_unit_test(the_golden_message_of_the_second_layout_is_read),
        cmocka_unit_test(messages_are_written_as_the_golden_bytes),
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(what_a_later_version_adds_behind_is_passed_over),
        cmocka_unit_test(hostile_lengths_are_corrupt),
        cmocka_unit_test(a_message_changed_at_random_is_read_or_refused),
        cmocka_unit_test(the_crc_has_31_bits_and_0_means_unchecked),
        cmocka_unit_test(each_compression_is_undone_within_its_bound),
        cmocka_unit_test(a_small_stream_that_grows_without_end_is_stopped),
        cmocka_unit_test(no_compression_and_unknown_ones),
        cmocka_unit_test(what_does_not_fit_its_length_field_is_not_written),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
