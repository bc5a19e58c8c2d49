#include "base/aes.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* FIPS 197, figure 7. */
static const uint8_t sbox[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7,
    0xab, 0x76, 0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf,
    0x9c, 0xa4, 0x72, 0xc0, 0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5,
    0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15, 0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a,
    0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75, 0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e,
    0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84, 0x53, 0xd1, 0x00, 0xed,
    0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf, 0xd0, 0xef,
    0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff,
    0xf3, 0xd2, 0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d,
    0x64, 0x5d, 0x19, 0x73, 0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee,
    0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb, 0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c,
    0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79, 0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5,
    0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08, 0xba, 0x78, 0x25, 0x2e,
    0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a, 0x70, 0x3e,
    0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55,
    0x28, 0xdf, 0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f,
    0xb0, 0x54, 0xbb, 0x16,
};

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ ((x & 0x80) != 0 ? 0x1b : 0));
}

void dt_aes_init(struct dt_aes *aes, const uint8_t key[DT_AES_KEY_SIZE])
{
    uint8_t round_constant = 1;

    memcpy(aes->round_key[0], key, DT_AES_KEY_SIZE);
    for (int round = 1; round <= DT_AES_ROUNDS; round++) {
        const uint8_t *before = aes->round_key[round - 1];
        uint8_t *now = aes->round_key[round];

        for (int i = 0; i < 4; i++)
            now[i] = before[i] ^ sbox[before[12 + (i + 1) % 4]];
        now[0] ^= round_constant;
        round_constant = twice(round_constant);
        for (int i = 4; i < DT_AES_BLOCK_SIZE; i++)
            now[i] = before[i] ^ now[i - 4];
    }
}

static uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static void xor_number(uint8_t *block, struct dt_u128 number)
{
    for (int i = 0; i < 8; i++) {
        block[i] ^= (uint8_t)(number.lo >> 8 * i);
        block[8 + i] ^= (uint8_t)(number.hi >> 8 * i);
    }
}

static void xor_key(uint8_t *block, const uint8_t *key)
{
    for (int i = 0; i < DT_AES_BLOCK_SIZE; i++)
        block[i] ^= key[i];
}

/* SubBytes and ShiftRows: row r of the columns moves r columns to the left. */
static void substitute(uint8_t *block)
{
    uint8_t moved[DT_AES_BLOCK_SIZE];

    for (int i = 0; i < DT_AES_BLOCK_SIZE; i++)
        moved[i] = sbox[block[(i + 4 * (i % 4)) % DT_AES_BLOCK_SIZE]];
    memcpy(block, moved, sizeof(moved));
}

static void mix_columns(uint8_t *block)
{
    for (int c = 0; c < DT_AES_BLOCK_SIZE; c += 4) {
        uint8_t *at = block + c, first = at[0];
        uint8_t all = at[0] ^ at[1] ^ at[2] ^ at[3];

        for (int r = 0; r < 3; r++)
            at[r] ^= all ^ twice(at[r] ^ at[r + 1]);
        at[3] ^= all ^ twice(at[3] ^ first);
    }
}

static void encrypt(const struct dt_aes *aes, uint8_t *block)
{
    xor_key(block, aes->round_key[0]);
    for (int round = 1; round < DT_AES_ROUNDS; round++) {
        substitute(block);
        mix_columns(block);
        xor_key(block, aes->round_key[round]);
    }
    substitute(block);
    xor_key(block, aes->round_key[DT_AES_ROUNDS]);
}

struct dt_u128 dt_aes_encrypt_portable(const struct dt_aes *aes, struct dt_u128 block)
{
    uint8_t bytes[DT_AES_BLOCK_SIZE] = {0};
    struct dt_u128 out;

    xor_number(bytes, block);
    encrypt(aes, bytes);
    out.lo = load_le64(bytes);
    out.hi = load_le64(bytes + 8);
    return out;
}

#if defined(__x86_64__)

static inline __m128i round_key(const struct dt_aes *aes, int round)
{
    return _mm_loadu_si128((const __m128i *)(const void *)aes->round_key[round]);
}

/* Written out: a loop of such short steps is not unrolled by itself. The number goes from register
 * to register: two halves stored and loaded as one would wait for each other. */
__attribute__((target("aes,sse4.1"))) static struct dt_u128
by_instruction(const struct dt_aes *aes, struct dt_u128 number)
{
    __m128i block =
        _mm_insert_epi64(_mm_cvtsi64_si128((long long)number.lo), (long long)number.hi, 1);
    struct dt_u128 out;

    block = _mm_xor_si128(block, round_key(aes, 0));
    block = _mm_aesenc_si128(block, round_key(aes, 1));
    block = _mm_aesenc_si128(block, round_key(aes, 2));
    block = _mm_aesenc_si128(block, round_key(aes, 3));
    block = _mm_aesenc_si128(block, round_key(aes, 4));
    block = _mm_aesenc_si128(block, round_key(aes, 5));
    block = _mm_aesenc_si128(block, round_key(aes, 6));
    block = _mm_aesenc_si128(block, round_key(aes, 7));
    block = _mm_aesenc_si128(block, round_key(aes, 8));
    block = _mm_aesenc_si128(block, round_key(aes, 9));
    block = _mm_aesenclast_si128(block, round_key(aes, 10));
    out.lo = (uint64_t)_mm_cvtsi128_si64(block);
    out.hi = (uint64_t)_mm_extract_epi64(block, 1);
    return out;
}

bool dt_aes_has_instruction(void)
{
    return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("sse4.1") != 0;
}

struct dt_u128 dt_aes_encrypt(const struct dt_aes *aes, struct dt_u128 block)
{
    if (dt_aes_has_instruction())
        return by_instruction(aes, block);
    return dt_aes_encrypt_portable(aes, block);
}

#else

bool dt_aes_has_instruction(void)
{
    return false;
}

struct dt_u128 dt_aes_encrypt(const struct dt_aes *aes, struct dt_u128 block)
{
    return dt_aes_encrypt_portable(aes, block);
}

#endif
