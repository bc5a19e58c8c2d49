/*
 * aes.h - AES-128 of two blocks, as a keyed pseudo-random function of exactly 32 bytes.
 *
 * CBC-MAC, E(E(b0) ^ b1), which is a PRF as long as every input has the same size (Bellare,
 * Kilian and Rogaway, 2000). With the processor's own instructions where it has them, else by a
 * table of 256 bytes; both give the same. The latter takes time that depends on the data, so it
 * is no cipher for secrets that an attacker can time.
 *
 * Pure.
 */
#ifndef BASE_AES_H
#define BASE_AES_H

#include "base/u128.h"

enum { DT_AES_BLOCK_SIZE = 16, DT_AES_KEY_SIZE = 16, DT_AES_ROUNDS = 10 };

struct dt_aes {
    uint8_t round_key[DT_AES_ROUNDS + 1][DT_AES_BLOCK_SIZE];
};

void dt_aes_init(struct dt_aes *aes, const uint8_t key[DT_AES_KEY_SIZE]);

/* Whether this processor has the instructions. */
bool dt_aes_has_instruction(void);

/* E of one block; both are numbers as 16 little-endian bytes. */
struct dt_u128 dt_aes_encrypt(const struct dt_aes *aes, struct dt_u128 block);

/* The same without the instructions, on every processor: for the test that compares the two. */
struct dt_u128 dt_aes_encrypt_portable(const struct dt_aes *aes, struct dt_u128 block);

/* The MAC of two blocks is _end(_begin(b0), b1): the first may be at work while the second is
 * not known yet. */
static inline struct dt_u128 dt_aes_mac_begin(const struct dt_aes *aes, struct dt_u128 b0)
{
    return dt_aes_encrypt(aes, b0);
}

static inline struct dt_u128 dt_aes_mac_end(const struct dt_aes *aes, struct dt_u128 begun,
                                            struct dt_u128 b1)
{
    begun.lo ^= b1.lo;
    begun.hi ^= b1.hi;
    return dt_aes_encrypt(aes, begun);
}

#endif
