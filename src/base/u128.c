#include "base/u128.h"

/* The 128 bits of a * b, from products of 32-bit halves. */
static struct dt_u128 multiply64(uint64_t a, uint64_t b)
{
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t middle = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t other = (a & UINT32_MAX) * (b >> 32) + (middle & UINT32_MAX);
    struct dt_u128 out = {other << 32 | (low & UINT32_MAX),
                          (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32)};

    return out;
}

struct dt_u128 dt_u128_times(struct dt_u128 a, int64_t times)
{
    struct dt_u128 out = multiply64(a.lo, (uint64_t)times);

    out.hi += a.hi * (uint64_t)times;
    if (times < 0)
        out.hi -= a.lo; /* the upper half of a negative number is all ones */
    return out;
}

bool dt_u128_divide(struct dt_u128 a, int32_t by, struct dt_u128 *quotient)
{
    bool negative = dt_u128_is_negative(a) != (by < 0);
    uint64_t divisor = by < 0 ? (uint64_t) - (int64_t)by : (uint64_t)by;
    struct dt_u128 left = dt_u128_is_negative(a) ? dt_u128_negative(a) : a;
    uint64_t limb, rest;
    struct dt_u128 out;

    if (left.hi == 0) {
        rest = left.lo % divisor;
        out.hi = 0;
        out.lo = left.lo / divisor;
    } else {
        out.hi = left.hi / divisor;
        rest = left.hi % divisor;
        limb = rest << 32 | left.lo >> 32; /* rest < 2^31, so this fits */
        out.lo = limb / divisor << 32;
        rest = limb % divisor;
        limb = rest << 32 | (left.lo & UINT32_MAX);
        out.lo |= limb / divisor;
        rest = limb % divisor;
    }
    *quotient = negative ? dt_u128_negative(out) : out;
    return rest == 0;
}
