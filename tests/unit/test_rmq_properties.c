/* properties: name 0x01 value 0x02, as the reference client reads them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/properties.h"
#include "support/bytes.h"
#include "support/case.h"

static const char golden[] = "4b455953016b31206b320254414753015461674102"; /* KEYS, TAGS */

static void the_golden_bytes_are_read_with_and_without_the_last_separator(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden);

    (void)state;
    for (size_t cut = 0; cut < 2; cut++) {
        struct dt_span exact = bytes_exact(bytes.data, bytes.size - cut), rest = exact,
                       value;
        struct rmq_property_span property;

        assert_true(rmq_properties_next(&rest, &property));
        assert_span_text(property.name, "KEYS");
        assert_span_text(property.value, "k1 k2");
        assert_true(rmq_properties_next(&rest, &property));
        assert_span_text(property.name, "TAGS");
        assert_span_text(property.value, "TagA");
        assert_false(rmq_properties_next(&rest, &property));
        assert_int_equal(rmq_properties_count(exact), 2);
        assert_true(rmq_properties_find(exact, "TAGS", &value));
        assert_span_text(value, "TagA");
        assert_false(rmq_properties_find(exact, "TAG", &value));
        bytes_free(exact);
    }
    bytes_free(bytes);
}

static void they_are_written_as_the_golden_bytes(void **state)
{
    struct dt_span bytes = bytes_of_hex(golden);
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 100);
    rmq_properties_put_str(&out, "KEYS", "k1 k2");
    rmq_properties_put_str(&out, "TAGS", "TagA");
    assert_span_equal(dt_buf_span(&out), bytes);
    assert_int_equal(out.size, rmq_property_size(4, 5) + rmq_property_size(4, 4));
    dt_buf_fini(&out);
    bytes_free(bytes);
}

static void entries_that_are_none_are_passed_over(void **state)
{
    static const char text[] = "\x02\x02no separator\x02\x01no name\x02"
                               "no value\x01\x02"
                               "a\x01"
                               "1\x01"
                               "1\x02"
                               "a\x01last\x02"
                               "tail";
    struct dt_span exact = bytes_exact(text, sizeof(text) - 1), rest = exact, value;
    struct rmq_property_span property;

    (void)state;
    assert_true(rmq_properties_next(&rest, &property));
    assert_span_text(property.name, "a");
    assert_span_text(property.value, "1\x01"
                                     "1");
    assert_true(rmq_properties_find(exact, "a", &value)); /* of a repeated name the last */
    assert_span_text(value, "last");
    assert_int_equal(rmq_properties_count(exact), 2);
    assert_int_equal(rmq_properties_count(dt_span_of(NULL, 0)), 0);
    bytes_free(exact);
}

static bool legal(const char *name, size_t name_size, const char *value, size_t value_size)
{
    return rmq_property_is_legal(dt_span_of(name, name_size),
                                 dt_span_of(value, value_size));
}

static void only_what_can_be_read_back_is_legal(void **state)
{
    (void)state;
    assert_true(legal("a", 1, "b c\xc3\xa4", 5));
    assert_false(legal("", 0, "b", 1));
    assert_false(legal("a", 1, "", 0));
    assert_false(legal("a\x01", 2, "b", 1));
    assert_false(legal("a", 1, "b\x02", 2));
    assert_false(legal("a", 1, "b\0c", 3));
}

static void random_properties_come_back_as_they_were(void **state)
{
    uint64_t seed = 3;
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 4096);
    for (int round = 0; round < 2000; round++) {
        uint8_t texts[2 * 8][9];
        size_t sizes[2 * 8], count = random_below(&seed, 9);
        struct rmq_property_span property;
        struct dt_span exact, rest;

        dt_buf_clear(&out);
        for (size_t i = 0; i < 2 * count; i++) {
            sizes[i] = 1 + random_below(&seed, 8);
            for (size_t k = 0; k < sizes[i]; k++)
                texts[i][k] = (uint8_t)(3 + random_below(&seed, 253));
        }
        for (size_t i = 0; i < count; i++) {
            struct dt_span name = dt_span_of(texts[2 * i], sizes[2 * i]);
            struct dt_span value = dt_span_of(texts[2 * i + 1], sizes[2 * i + 1]);

            assert_true(rmq_property_is_legal(name, value));
            rmq_properties_put(&out, name, value);
        }
        exact = rest = bytes_exact(out.data, out.size);
        for (size_t i = 0; i < count; i++) {
            assert_true(rmq_properties_next(&rest, &property));
            assert_span_equal(property.name, dt_span_of(texts[2 * i], sizes[2 * i]));
            assert_span_equal(property.value,
                              dt_span_of(texts[2 * i + 1], sizes[2 * i + 1]));
        }
        assert_false(rmq_properties_next(&rest, &property));
        bytes_free(exact);
    }
    dt_buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_bytes_are_read_with_and_without_the_last_separator),
        cmocka_unit_test(they_are_written_as_the_golden_bytes),
        cmocka_unit_test(entries_that_are_none_are_passed_over),
        cmocka_unit_test(only_what_can_be_read_back_is_legal),
        cmocka_unit_test(random_properties_come_back_as_they_were),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
