/* batch: the body of a batch send */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/batch.h"
#include "support/bytes.h"
#include "support/case.h"

/* body "a" with TAGS=x, then body "bc" without properties */
static const char golden[] = "0000001e0000000000000000000000000000000161000754414753017802"
                             "000000180000000000000000000000000000000262630000";

static void the_golden_bytes_are_read(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden);
    struct rmq_batch_item item;

    (void)state;
    assert_int_equal(rmq_batch_item_cut(bytes, &item), RMQ_CUT_FRAME);
    assert_int_equal(item.size, 0x1e);
    assert_int_equal(item.flag, 0);
    assert_span_text(item.body, "a");
    assert_span_text(item.properties, "TAGS\x01x\x02");
    assert_int_equal(rmq_batch_item_cut(dt_span_of(bytes.data + 0x1e, 0x18), &item),
                     RMQ_CUT_FRAME);
    assert_int_equal(item.size, 0x18);
    assert_span_text(item.body, "bc");
    assert_int_equal(item.properties.size, 0);
    bytes_free(bytes);
}

static void items_are_written_as_the_golden_bytes(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden);
    struct rmq_batch_item one = {0, 0, dt_span_str("a"), dt_span_str("TAGS\x01x\x02")};
    struct rmq_batch_item two = {0, 0, dt_span_str("bc"), {NULL, 0}};
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 100);
    rmq_batch_item_put(&out, &one);
    assert_int_equal(out.size, rmq_batch_item_size(1, 7));
    rmq_batch_item_put(&out, &two);
    assert_span_equal(dt_buf_span(&out), bytes);
    dt_buf_fini(&out);
    bytes_free(bytes);
}

static void every_prefix_asks_for_more(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden);

    (void)state;
    for (size_t n = 0; n < 0x1e; n++) {
        struct dt_span prefix = bytes_exact(bytes.data, n);
        struct rmq_batch_item item;

        assert_int_equal(rmq_batch_item_cut(prefix, &item), RMQ_CUT_MORE);
        bytes_free(prefix);
    }
    bytes_free(bytes);
}

static enum rmq_cut cut_changed(size_t at, uint8_t value)
{
    struct dt_span bytes = bytes_of_hex(golden);
    struct rmq_batch_item item;
    enum rmq_cut cut;

    ((uint8_t *)(uintptr_t)bytes.data)[at] = value;
    cut = rmq_batch_item_cut(bytes, &item);
    bytes_free(bytes);
    return cut;
}

static void hostile_lengths_are_corrupt(void **state)
{
    (void)state;
    assert_int_equal(cut_changed(0, 0x80), RMQ_CUT_CORRUPT);  /* negative */
    assert_int_equal(cut_changed(0, 0x7f), RMQ_CUT_MORE);     /* needs what never comes */
    assert_int_equal(cut_changed(3, 21), RMQ_CUT_CORRUPT);    /* less than its fixed part */
    assert_int_equal(cut_changed(3, 0x1d), RMQ_CUT_CORRUPT);  /* parts run past it */
    assert_int_equal(cut_changed(3, 0x1f), RMQ_CUT_CORRUPT);  /* parts end before it */
    assert_int_equal(cut_changed(16, 0xff), RMQ_CUT_CORRUPT); /* body */
    assert_int_equal(cut_changed(21, 0xff), RMQ_CUT_CORRUPT); /* properties */
}

static void properties_beyond_the_limit_are_not_written(void **state)
{
    static uint8_t big[32768];
    struct rmq_batch_item item = {0, 0, dt_span_str("a"), {big, 32767}};
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 100000);
    rmq_batch_item_put(&out, &item);
    assert_false(out.failed);
    item.properties.size++;
    rmq_batch_item_put(&out, &item);
    assert_true(out.failed);
    dt_buf_fini(&out);
}

static void random_batches_come_back_as_they_were(void **state)
{
    static uint8_t noise[2048];
    uint64_t seed = 5;
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)random_next(&seed);
    for (int round = 0; round < 500; round++) {
        struct rmq_batch_item items[10], item;
        size_t count = random_below(&seed, 11);
        struct dt_span exact, rest;

        dt_buf_clear(&out);
        for (size_t i = 0; i < count; i++) {
            items[i].flag = (int32_t)random_next(&seed);
            items[i].body = dt_span_of(noise, random_below(&seed, sizeof(noise)));
            items[i].properties = dt_span_of(noise, random_below(&seed, sizeof(noise)));
            rmq_batch_item_put(&out, &items[i]);
        }
        exact = rest = bytes_exact(out.data, out.size);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(rmq_batch_item_cut(rest, &item), RMQ_CUT_FRAME);
            assert_int_equal(item.flag, items[i].flag);
            assert_span_equal(item.body, items[i].body);
            assert_span_equal(item.properties, items[i].properties);
            rest = dt_span_of(rest.data + item.size, rest.size - item.size);
        }
        assert_int_equal(rest.size, 0);
        bytes_free(exact);
    }
    dt_buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_bytes_are_read),
        cmocka_unit_test(items_are_written_as_the_golden_bytes),
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(hostile_lengths_are_corrupt),
        cmocka_unit_test(properties_beyond_the_limit_are_not_written),
        cmocka_unit_test(random_batches_come_back_as_they_were),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
