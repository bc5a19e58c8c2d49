/*
 * siphash.h - SipHash-2-4, a keyed pseudo-random function (Aumasson and Bernstein, 2012).
 *
 * Pure. The key is 16 bytes; outputs are as in the reference code (`siphash.c`, 8 and 16 byte
 * variants, little-endian words), checked against its published vectors.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>

#include "base/u128.h"

#define DT_SIPHASH_KEY_SIZE 16

uint64_t dt_siphash64(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data,
                      size_t size);
struct dt_u128 dt_siphash128(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data,
                             size_t size);

/* dt_siphash128() of 20 bytes that are at hand as little-endian words: 8, 8 and 4. */
struct dt_u128 dt_siphash128_of_20(const uint8_t key[DT_SIPHASH_KEY_SIZE], uint64_t w0,
                                   uint64_t w1, uint32_t w2);

#endif
