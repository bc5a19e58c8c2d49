/* base/histogram: percentiles against exact ones, over many shapes of data */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/histogram.h"
#include "support/case.h"
#include "support/random.h"

enum { VALUES_MAX = 20000 };

static struct dt_histogram histogram, other;
static uint64_t values[VALUES_MAX];

static const double shares[] = {0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank, over the sorted values. */
static uint64_t exact(size_t count, double share)
{
    double rank = ceil(share * (double)count);

    return values[rank < 1 ? 0 : (size_t)rank - 1];
}

static void check_error(uint64_t found, uint64_t right)
{
    uint64_t off = found > right ? found - right : right - found;

    if (right < 256 ? off != 0 : off > right / 256)
        fail_msg("%llu is too far from %llu", (unsigned long long)found,
                 (unsigned long long)right);
}

static void check_against_exact(size_t count)
{
    dt_histogram_init(&histogram);
    for (size_t i = 0; i < count; i++)
        dt_histogram_record(&histogram, values[i]);
    qsort(values, count, sizeof(values[0]), by_value);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        check_error(dt_histogram_percentile(&histogram, shares[i]),
                    exact(count, shares[i]));
    assert_true(histogram.count == count);
    assert_true(histogram.min == values[0]);
    assert_true(histogram.max == values[count - 1]);
    assert_true(dt_histogram_percentile(&histogram, 1) == values[count - 1]);
}

/* One value of one of several shapes: even, with a long tail, of all magnitudes, few and equal. */
static uint64_t draw(struct test_random *random, size_t shape)
{
    uint64_t bits = test_random_next(random);
    double even = (double)(bits >> 11) / (double)((uint64_t)1 << 53);

    switch (shape) {
    case 0:
        return bits % 1000;
    case 1:
        return bits % 100000000;
    case 2:
        return (uint64_t)(-log(1 - even) * 250000);
    case 3:
        return (uint64_t)(50000 / (1.000001 - even));
    case 4:
        return bits >> test_random_below(random, 64);
    default:
        return 1000 + 37 * (bits % 3);
    }
}

static void percentiles_are_within_a_256th_of_the_exact_ones(void **state)
{
    struct test_random random = {20};

    (void)state;
    for (size_t shape = 0; shape < 6; shape++)
        for (size_t round = 0; round < 12; round++) {
            size_t count = 1 + test_random_below(&random, round < 6 ? 50 : VALUES_MAX);

            for (size_t i = 0; i < count; i++)
                values[i] = draw(&random, shape);
            check_against_exact(count);
        }
}

static void a_single_value_of_any_size_comes_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int away = -2; away <= 2; away++) {
            uint64_t value = ((uint64_t)1 << bit) + (uint64_t)(int64_t)away;

            dt_histogram_init(&histogram);
            dt_histogram_record(&histogram, value);
            assert_true(dt_histogram_percentile(&histogram, 0.5) == value);
        }
    dt_histogram_init(&histogram);
    dt_histogram_record(&histogram, UINT64_MAX);
    dt_histogram_record(&histogram, UINT64_MAX);
    assert_true(dt_histogram_percentile(&histogram, 0.1) == UINT64_MAX);
}

static void every_value_below_256_is_exact(void **state)
{
    (void)state;
    dt_histogram_init(&histogram);
    for (uint64_t value = 0; value < 256; value++)
        dt_histogram_record(&histogram, value);
    for (uint64_t value = 0; value < 256; value++)
        assert_true(dt_histogram_percentile(&histogram, (double)(value + 1) / 256) ==
                    value);
}

static void merging_is_the_same_as_recording_all(void **state)
{
    static struct dt_histogram all;
    struct test_random random = {21};

    (void)state;
    dt_histogram_init(&histogram);
    dt_histogram_init(&other);
    dt_histogram_init(&all);
    for (size_t i = 0; i < 5000; i++) {
        uint64_t value = draw(&random, 4);

        dt_histogram_record(i % 3 == 0 ? &histogram : &other, value);
        dt_histogram_record(&all, value);
    }
    dt_histogram_merge(&histogram, &other);
    assert_memory_equal(&histogram, &all, sizeof(all));
}

static void nothing_recorded_gives_zero(void **state)
{
    (void)state;
    dt_histogram_init(&histogram);
    assert_true(dt_histogram_percentile(&histogram, 0.5) == 0);
    dt_histogram_init(&other);
    dt_histogram_record(&other, 7);
    dt_histogram_merge(&other, &histogram);
    assert_true(dt_histogram_percentile(&other, 0) == 7);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_a_256th_of_the_exact_ones),
        cmocka_unit_test(a_single_value_of_any_size_comes_back),
        cmocka_unit_test(every_value_below_256_is_exact),
        cmocka_unit_test(merging_is_the_same_as_recording_all),
        cmocka_unit_test(nothing_recorded_gives_zero),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
