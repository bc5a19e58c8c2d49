/* frame: cutting frames out of a stream, whatever a peer announces */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/frame.h"
#include "support/bytes.h"
#include "support/case.h"

/* a heartbeat request: JSON header of 0x5f bytes, then its body */
static const char heartbeat[] = "000000af0000005f7b22636f6465223a33342c22666c6167223a302c22"
                                "6c616e6775616765223a2243505022"
                                "2c226f7061717565223a372c2273657269616c697a6554797065437572"
                                "72656e74525043223a224a534f4e22"
                                "2c2276657273696f6e223a3430317d7b22636c69656e744944223a2263"
                                "222c22636f6e73756d657244617461"
                                "536574223a5b5d2c2270726f647563657244617461536574223a5b7b22"
                                "67726f75704e616d65223a22504722"
                                "7d5d7d";

static void a_whole_frame_is_cut_and_what_follows_is_left(void **state)
{
    struct dt_span whole = bytes_of_hex(heartbeat);
    uint8_t twice[512];
    struct rmq_frame frame;

    (void)state;
    memcpy(twice, whole.data, whole.size);
    memcpy(twice + whole.size, whole.data, 10);
    assert_int_equal(rmq_frame_cut(dt_span_of(twice, whole.size + 10), 1024, &frame),
                     RMQ_CUT_FRAME);
    assert_int_equal(frame.type, RMQ_HEADER_JSON);
    assert_int_equal(frame.size, whole.size);
    assert_int_equal(frame.header.size, 0x5f);
    assert_int_equal(frame.header.data[0], '{');
    assert_span_text(frame.body,
                     "{\"clientID\":\"c\",\"consumerDataSet\":[],\"producerDataSet\":"
                     "[{\"groupName\":\"PG\"}]}");
    bytes_free(whole);
}

static void every_prefix_asks_for_more(void **state)
{
    struct dt_span whole = bytes_of_hex(heartbeat);

    (void)state;
    for (size_t n = 0; n < whole.size; n++) {
        struct dt_span prefix = bytes_exact(whole.data, n);
        struct rmq_frame frame;

        assert_int_equal(rmq_frame_cut(prefix, 1024, &frame), RMQ_CUT_MORE);
        bytes_free(prefix);
    }
    bytes_free(whole);
}

static enum rmq_cut cut_hex(const char *hex, size_t size_max)
{
    struct dt_span bytes = bytes_of_hex(hex);
    struct rmq_frame frame;
    enum rmq_cut cut = rmq_frame_cut(bytes, size_max, &frame);

    bytes_free(bytes);
    return cut;
}

static void an_announcement_over_the_bound_is_corrupt_at_once(void **state)
{
    (void)state;
    assert_int_equal(cut_hex("0000003c", 64), RMQ_CUT_MORE); /* 60 + 4 */
    assert_int_equal(cut_hex("0000003d", 64), RMQ_CUT_CORRUPT);
    assert_int_equal(cut_hex("ffffffff", 64), RMQ_CUT_CORRUPT);
    assert_int_equal(cut_hex("ffffffff", SIZE_MAX), RMQ_CUT_MORE);
}

static void sizes_and_types_that_cannot_be_are_corrupt(void **state)
{
    (void)state;
    assert_int_equal(cut_hex("00000000", 64), RMQ_CUT_CORRUPT);
    assert_int_equal(cut_hex("00000003", 64), RMQ_CUT_CORRUPT);
    assert_int_equal(cut_hex("0000000802", 64), RMQ_CUT_CORRUPT);       /* no such type */
    assert_int_equal(cut_hex("0000000800000005", 64), RMQ_CUT_CORRUPT); /* header > frame */
    assert_int_equal(cut_hex("1603010200", 64), RMQ_CUT_CORRUPT);       /* a TLS hello */
}

static void a_frame_without_header_or_body_is_one(void **state)
{
    struct dt_span bytes = bytes_of_hex("0000000401000000");
    struct rmq_frame frame;

    (void)state;
    assert_int_equal(rmq_frame_cut(bytes, 64, &frame), RMQ_CUT_FRAME);
    assert_int_equal(frame.type, RMQ_HEADER_BINARY);
    assert_int_equal(frame.header.size, 0);
    assert_int_equal(frame.body.size, 0);
    bytes_free(bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_frame_is_cut_and_what_follows_is_left),
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(an_announcement_over_the_bound_is_corrupt_at_once),
        cmocka_unit_test(sizes_and_types_that_cannot_be_are_corrupt),
        cmocka_unit_test(a_frame_without_header_or_body_is_one),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
