/* CRC-32 of bodies: known values, and zlib's for every size and place */
#include "rmq/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <cmocka.h>

#include "support/case.h"
#include "support/random.h"

static void known_values_hold(void **state)
{
    static uint8_t bytes[4096];

    (void)state;
    assert_int_equal(rmq_crc32("", 0), 0);
    assert_int_equal(rmq_crc32("123456789", 9), 0xCBF43926);
    assert_int_equal(rmq_crc32("The quick brown fox jumps over the lazy dog", 43),
                     0x414FA339);
    assert_int_equal(rmq_crc32(bytes, 32), 0x190A55AD);
    assert_int_equal(rmq_crc32(bytes, sizeof(bytes)), 0xC71C0011);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(rmq_crc32(bytes, 32), 0xFF6CAB0B);
    assert_int_equal(rmq_crc32(bytes, sizeof(bytes)), 0xF154670A);
}

/* The bytes stand at the end of what was allocated: a sanitizer sees one too many. */
static void every_size_and_place_gives_what_zlib_gives(void **state)
{
    enum { SIZE_MAX_HERE = 700, PLACES = 17 };
    struct test_random random = {32};

    (void)state;
    for (size_t place = 0; place < PLACES; place++)
        for (size_t size = 0; size <= SIZE_MAX_HERE; size++) {
            uint8_t *bytes = malloc(place + size + 1);

            assert_non_null(bytes);
            for (size_t i = 0; i < place + size + 1; i++)
                bytes[i] = (uint8_t)test_random_next(&random);
            assert_int_equal(rmq_crc32(bytes + place + 1, size),
                             crc32_z(0, bytes + place + 1, size));
            free(bytes);
        }
}

static void long_ones_do_too(void **state)
{
    enum { LONGEST = 1 << 20, ROUNDS = 40 };
    struct test_random random = {33};
    uint8_t *bytes = malloc(LONGEST);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < LONGEST; i++)
        bytes[i] = (uint8_t)test_random_next(&random);
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = test_random_below(&random, LONGEST);

        assert_int_equal(rmq_crc32(bytes, size), crc32_z(0, bytes, size));
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values_hold),
        cmocka_unit_test(every_size_and_place_gives_what_zlib_gives),
        cmocka_unit_test(long_ones_do_too),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
