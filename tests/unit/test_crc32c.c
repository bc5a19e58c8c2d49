/* CRC-32C: the vectors of RFC 3720, appendix B.4, and both ways of computing it against each
 * other. */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/case.h"
#include "support/random.h"

static uint8_t bytes[32];

static void need(uint32_t wanted)
{
    assert_int_equal(dt_crc32c(0, bytes, sizeof(bytes)), wanted);
    assert_int_equal(dt_crc32c_portable(0, bytes, sizeof(bytes)), wanted);
}

static void the_vectors_of_the_rfc_hold(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    need(0x8A9136AA);
    memset(bytes, 0xff, sizeof(bytes));
    need(0x62A8AB43);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    need(0x46DD794E);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(31 - i);
    need(0x113FDB5C);
    assert_int_equal(dt_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(dt_crc32c(0, NULL, 0), 0);
}

static void both_ways_agree_on_any_size_and_split(void **state)
{
    static uint8_t data[300];
    struct test_random random = {7};

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)test_random_next(&random);
    for (size_t at = 0; at < 8; at++)
        for (size_t size = 0; size + at <= sizeof(data); size++) {
            size_t split = size == 0 ? 0 : test_random_below(&random, size);
            uint32_t whole = dt_crc32c(0, data + at, size);

            assert_int_equal(whole, dt_crc32c_portable(0, data + at, size));
            assert_int_equal(whole, dt_crc32c(dt_crc32c(0, data + at, split),
                                              data + at + split, size - split));
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_hold),
        cmocka_unit_test(both_ways_agree_on_any_size_and_split),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
