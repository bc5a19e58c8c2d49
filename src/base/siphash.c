#include "base/siphash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static inline uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void rounds(struct state *s, int count)
{
    for (int i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

/* Everything up to the finalisation, which differs by output size. */
static void absorb(struct state *s, const uint8_t *key, const uint8_t *data, size_t size)
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    uint8_t last[8] = {0};
    size_t whole = size & ~(size_t)7;
    uint64_t m;

    s->v0 ^= k0;
    s->v1 ^= k1;
    s->v2 ^= k0;
    s->v3 ^= k1;
    for (size_t i = 0; i < whole; i += 8) {
        m = load_le64(data + i);
        s->v3 ^= m;
        rounds(s, 2);
        s->v0 ^= m;
    }
    if (size > whole)
        memcpy(last, data + whole, size - whole);
    last[7] = (uint8_t)size;
    m = load_le64(last);
    s->v3 ^= m;
    rounds(s, 2);
    s->v0 ^= m;
}

static const struct state initial = {0x736f6d6570736575, 0x646f72616e646f6d,
                                     0x6c7967656e657261, 0x7465646279746573};

uint64_t dt_siphash64(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data, size_t size)
{
    struct state s = initial;

    absorb(&s, key, data, size);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct dt_u128 dt_siphash128(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data,
                             size_t size)
{
    struct state s = initial;
    struct dt_u128 out;

    s.v1 ^= 0xee;
    absorb(&s, key, data, size);
    s.v2 ^= 0xee;
    rounds(&s, 4);
    out.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    out.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return out;
}
