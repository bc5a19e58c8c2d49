/* model/delta: what was counted of a range, as bytes that refuse damage */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crc32c.h"
#include "model/delta.h"
#include "support/bytes.h"
#include "support/case.h"
#include "support/sketches.h"

static const struct duet_lane lane = {.stage = DUET_STAGE_K, .topic = 3, .partition = 2};

/* As delta() of tests/golden/sketch.py. */
static struct duet_delta golden_delta(void)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct test_random random = {5};
    struct duet_delta delta;

    duet_delta_init(&delta, &lane, duet_digest_key_number(&key), 16, 100);
    for (uint64_t i = 0; i < 9; i++) {
        struct test_pair pair = test_random_pair(&random);
        uint64_t order = pair.content ^ 1;
        struct duet_counted counted = {
            &pair.id,   i < 6 ? 22616640 : 22616641, i < 2 ? 15705 : 15706, pair.content,
            pair.bytes, i < 4 ? &order : NULL};

        test_random_next(&random); /* how often, which is not asked here */
        assert_int_equal(duet_delta_count(&delta, &key, 100 + i, &counted), DT_OK);
    }
    duet_delta_without_order(&delta, 22616641);
    duet_delta_pass(&delta, 110);
    return delta;
}

static struct dt_buf encoded(const struct duet_delta *delta)
{
    struct dt_buf out;

    dt_buf_init(&out, DUET_DELTA_BYTES_MAX);
    duet_delta_encode(delta, &out);
    assert_false(out.failed);
    return out;
}

static struct dt_buf golden_bytes(void)
{
    struct duet_delta delta = golden_delta();
    struct dt_buf out = encoded(&delta);

    duet_delta_fini(&delta);
    return out;
}

static void deltas_have_the_golden_bytes_and_are_read_from_them(void **state)
{
    struct dt_buf bytes = golden_bytes(), again;
    FILE *file = fopen(SOURCE_DIR "/tests/golden/sketch-delta.bin", "rb");
    uint8_t *golden = malloc(bytes.size + 1);
    struct duet_delta delta;

    (void)state;
    assert_non_null(file);
    assert_non_null(golden);
    assert_int_equal(fread(golden, 1, bytes.size + 1, file), bytes.size);
    fclose(file);
    assert_memory_equal(bytes.data, golden, bytes.size);
    assert_int_equal(duet_delta_decode(&delta, dt_span_of(golden, bytes.size)), DT_OK);
    assert_int_equal(delta.from, 100);
    assert_int_equal(delta.to, 110);
    assert_true(duet_lane_equal(&delta.lane, &lane));
    assert_int_equal(delta.window_count, 2);
    assert_int_equal(delta.windows[0].digest.count, 6);
    assert_int_equal(delta.windows[0].order.count, 4);
    assert_false(delta.windows[1].has_order);
    again = encoded(&delta);
    assert_span_equal(dt_buf_span(&again), dt_buf_span(&bytes));
    duet_delta_fini(&delta);
    dt_buf_fini(&again);
    dt_buf_fini(&bytes);
    free(golden);
}

static void every_prefix_and_every_flipped_bit_is_refused(void **state)
{
    struct dt_buf bytes = golden_bytes();
    struct duet_delta delta;

    (void)state;
    for (size_t size = 0; size < bytes.size; size++) {
        struct dt_span exact = bytes_exact(bytes.data, size);

        assert_int_not_equal(duet_delta_decode(&delta, exact), DT_OK);
        bytes_free(exact);
    }
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(duet_delta_decode(&delta, dt_buf_span(&bytes)), DT_OK);
        assert_null(delta.windows);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    dt_buf_fini(&bytes);
}

/* Behind a right checksum. */
static dt_status decode_mended(struct dt_buf *bytes)
{
    struct duet_delta delta;
    dt_status status;

    dt_buf_patch_u32(bytes, bytes->size - 4, dt_crc32c(0, bytes->data, bytes->size - 4));
    status = duet_delta_decode(&delta, dt_buf_span(bytes));
    if (status == DT_OK)
        duet_delta_fini(&delta);
    return status;
}

static void a_delta_that_contradicts_itself_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } lies[] = {
        {3, '2', "version"},
        {4, 3, "algorithm"},
        {5, 8, "another key than its sketch"},
        {6, 8, "stage"},
        {17, 3, "kind of id"},
        {31, 200, "from behind to"},
        {39, 105, "too short"},
        {40, 65, "too many windows"},
        {44, 9, "window"},
        {45, 8, "flags"},
        {53, 7, "count"},
        {54, 0x80, "bytes"},
        {77, 9, "sum"},
        {111, 9, "days"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct dt_buf bytes = golden_bytes();
        dt_status status;

        bytes.data[lies[i].at] = lies[i].value;
        status = decode_mended(&bytes);
        if (status != DT_ECORRUPT && status != DT_EUNSUPPORTED && lies[i].at != 44)
            fail_msg("%s: %d", lies[i].what, (int)status);
        dt_buf_fini(&bytes);
    }
}

static void the_65th_window_asks_for_a_new_delta(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct duet_id id = {DUET_ID_ISSUED, 1, 2, 3, 4};
    struct duet_delta delta;

    (void)state;
    duet_delta_init(&delta, &lane, duet_digest_key_number(&key), 0, 0);
    for (uint32_t i = 0; i < DUET_DELTA_WINDOWS_MAX; i++) {
        struct duet_counted counted = {&id, 900 - i, 1, 5, 10, NULL};

        assert_int_equal(duet_delta_count(&delta, &key, i, &counted), DT_OK);
    }
    struct duet_counted counted = {&id, 901, 1, 5, 10, NULL};
    assert_int_equal(duet_delta_count(&delta, &key, 64, &counted), DT_ETOOBIG);
    assert_int_equal(delta.to, 64);
    for (size_t i = 1; i < delta.window_count; i++)
        assert_true(delta.windows[i - 1].window < delta.windows[i].window);
    duet_delta_fini(&delta);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_have_the_golden_bytes_and_are_read_from_them),
        cmocka_unit_test(every_prefix_and_every_flipped_bit_is_refused),
        cmocka_unit_test(a_delta_that_contradicts_itself_is_refused),
        cmocka_unit_test(the_65th_window_asks_for_a_new_delta),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
