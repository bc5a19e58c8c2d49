/*
 * The bytes are a polynomial over GF(2), and what is wanted is its remainder by P. Blocks of 64
 * bytes are folded onto the next 64: multiplied by x^512 mod P, in halves, and added; at the end
 * 64 bytes are folded to 16, these to 8, and the remainder is taken by Barrett's reduction.
 * V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction"
 * (Intel, 2009), with bits in reflected order, as this CRC has them.
 */
#include "rmq/crc32.h"

#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { BLOCK = 64, PART = 16 };

static __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* `sum` times the two constants, and what stands so much further. */
__attribute__((target("pclmul,sse4.1"))) static __m128i fold(__m128i sum, __m128i by,
                                                             __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(sum, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(sum, by, 0x11);

    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* Of 16 bytes that stand for all. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t remainder_of(__m128i sum,
                                                                      __m128i by_128)
{
    const __m128i by_64 = _mm_set_epi64x(0, 0x163cd6124);             /* x^64 */
    const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641); /* x^64 / P, P */
    const __m128i low_32 = _mm_set_epi32(0, -1, 0, -1);
    __m128i part;

    part = _mm_clmulepi64_si128(sum, by_128, 0x10);
    sum = _mm_xor_si128(_mm_srli_si128(sum, 8), part);
    part = _mm_srli_si128(sum, 4);
    sum =
        _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(sum, low_32), by_64, 0x00), part);
    part = _mm_clmulepi64_si128(_mm_and_si128(sum, low_32), barrett, 0x10);
    part = _mm_clmulepi64_si128(_mm_and_si128(part, low_32), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(sum, part), 1);
}

/* Of BLOCK bytes or more, as many as make whole parts; how many: *done. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t
by_instruction(const uint8_t *at, size_t size, size_t *done)
{
    const __m128i by_512 =
        _mm_set_epi64x(0x1c6e41596, 0x154442bd4); /* x^(512-32), x^(512+32) */
    const __m128i by_128 =
        _mm_set_epi64x(0x0ccaa009e, 0x1751997d0); /* x^(128-32), x^(128+32) */
    const uint8_t *start = at;
    __m128i sum[4];

    for (int i = 0; i < 4; i++)
        sum[i] = load(at + i * PART);
    sum[0] = _mm_xor_si128(sum[0], _mm_cvtsi32_si128(-1));
    at += BLOCK;
    size -= BLOCK;
    for (; size >= BLOCK; at += BLOCK, size -= BLOCK)
        for (int i = 0; i < 4; i++)
            sum[i] = fold(sum[i], by_512, load(at + i * PART));
    for (int i = 1; i < 4; i++)
        sum[0] = fold(sum[0], by_128, sum[i]);
    for (; size >= PART; at += PART, size -= PART)
        sum[0] = fold(sum[0], by_128, load(at));
    *done = (size_t)(at - start);
    return ~remainder_of(sum[0], by_128);
}

bool rmq_crc32_has_instruction(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
bool rmq_crc32_has_instruction(void)
{
    return false;
}
#endif

uint32_t rmq_crc32(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint32_t crc = 0;
    size_t done = 0;

#if defined(__x86_64__)
    if (size >= BLOCK && rmq_crc32_has_instruction())
        crc = by_instruction(at, size, &done);
#endif
    return size == done ? crc : (uint32_t)crc32_z(crc, at + done, size - done);
}
