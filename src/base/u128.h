/*
 * u128.h - numbers modulo 2^128, for sums of keyed hashes.
 *
 * Of two halves, since not every compiler has a type of that size.
 */
#ifndef BASE_U128_H
#define BASE_U128_H

#include <stdbool.h>
#include <stdint.h>

struct dt_u128 {
    uint64_t lo, hi;
};

static inline struct dt_u128 dt_u128_add(struct dt_u128 a, struct dt_u128 b)
{
    struct dt_u128 sum = {a.lo + b.lo, a.hi + b.hi};

    sum.hi += sum.lo < a.lo;
    return sum;
}

static inline struct dt_u128 dt_u128_negative(struct dt_u128 a)
{
    struct dt_u128 out = {~a.lo + 1, ~a.hi + (a.lo == 0)};

    return out;
}

static inline struct dt_u128 dt_u128_subtract(struct dt_u128 a, struct dt_u128 b)
{
    return dt_u128_add(a, dt_u128_negative(b));
}

static inline bool dt_u128_equal(struct dt_u128 a, struct dt_u128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static inline bool dt_u128_is_negative(struct dt_u128 a)
{
    return a.hi >> 63 != 0;
}

/* a * times mod 2^128. */
struct dt_u128 dt_u128_times(struct dt_u128 a, int64_t times);

/* The quotient of `a`, read as a signed number, by `by`, not 0. False: it does not divide it. */
bool dt_u128_divide(struct dt_u128 a, int32_t by, struct dt_u128 *quotient);

#endif
