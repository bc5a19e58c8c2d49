/* base/aes: AES-128 of two blocks, by instruction and by table */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/aes.h"
#include "support/case.h"
#include "support/random.h"

static struct dt_u128 number_of(const uint8_t bytes[16])
{
    struct dt_u128 out = {0, 0};

    for (int i = 7; i >= 0; i--) {
        out.lo = out.lo << 8 | bytes[i];
        out.hi = out.hi << 8 | bytes[8 + i];
    }
    return out;
}

static void assert_number(struct dt_u128 got, struct dt_u128 expected)
{
    assert_true(got.lo == expected.lo);
    assert_true(got.hi == expected.hi);
}

/* FIPS 197, appendix C.1: E(plain) = cipher. A second block of cipher ^ plain makes the input of
 * the MAC's second encryption the same plain text. */
static void the_vector_of_fips_197_comes_out(void **state)
{
    uint8_t key[16], plain[16];
    static const uint8_t cipher[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                       0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    struct dt_u128 b0, b1, expected = number_of(cipher);
    struct dt_aes aes;

    (void)state;
    for (int i = 0; i < 16; i++) {
        key[i] = (uint8_t)i;
        plain[i] = (uint8_t)(i << 4 | i);
    }
    b0 = number_of(plain);
    b1 = expected;
    b1.lo ^= b0.lo;
    b1.hi ^= b0.hi;
    dt_aes_init(&aes, key);
    assert_number(dt_aes_encrypt(&aes, b0), expected);
    assert_number(dt_aes_encrypt_portable(&aes, b0), expected);
    assert_number(dt_aes_mac_end(&aes, dt_aes_mac_begin(&aes, b0), b1), expected);
}

/* FIPS 197, appendix A.1. */
static void the_round_keys_of_fips_197_come_out(void **state)
{
    static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                    0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const uint8_t last[16] = {0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89,
                                     0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6};
    struct dt_aes aes;

    (void)state;
    dt_aes_init(&aes, key);
    assert_memory_equal(aes.round_key[DT_AES_ROUNDS], last, sizeof(last));
}

static void instruction_and_table_agree(void **state)
{
    struct test_random random = {7};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct dt_u128 b0 = {test_random_next(&random), test_random_next(&random)};
        struct dt_aes aes;
        uint8_t key[16];

        test_random_fill(&random, key, sizeof(key));
        dt_aes_init(&aes, key);
        assert_number(dt_aes_encrypt(&aes, b0), dt_aes_encrypt_portable(&aes, b0));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_fips_197_comes_out),
        cmocka_unit_test(the_round_keys_of_fips_197_come_out),
        cmocka_unit_test(instruction_and_table_agree),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
