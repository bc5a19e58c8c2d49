#include "base/siphash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

/* Written out, which compilers know as one load. */
static inline uint64_t load_le64(const uint8_t *b)
{
    return (uint64_t)b[7] << 56 | (uint64_t)b[6] << 48 | (uint64_t)b[5] << 40 |
           (uint64_t)b[4] << 32 | (uint64_t)b[3] << 24 | (uint64_t)b[2] << 16 |
           (uint64_t)b[1] << 8 | (uint64_t)b[0];
}

static inline uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
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

static inline void take(struct state *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    sip_round(s);
    s->v0 ^= m;
}

static inline void finish(struct state *s)
{
    sip_round(s);
    sip_round(s);
    sip_round(s);
    sip_round(s);
}

static const struct state initial = {0x736f6d6570736575, 0x646f72616e646f6d,
                                     0x6c7967656e657261, 0x7465646279746573};

static inline struct state begin(const uint8_t *key)
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    struct state s = initial;

    s.v0 ^= k0;
    s.v1 ^= k1;
    s.v2 ^= k0;
    s.v3 ^= k1;
    return s;
}

static inline void absorb(struct state *s, const uint8_t *data, size_t size)
{
    uint8_t last[8] = {0};
    size_t whole = size & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8)
        take(s, load_le64(data + i));
    if (size > whole)
        memcpy(last, data + whole, size - whole);
    last[7] = (uint8_t)size;
    take(s, load_le64(last));
}

static inline uint64_t folded(const struct state *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline struct dt_u128 end_of_128(struct state *s)
{
    struct dt_u128 out;

    s->v2 ^= 0xee;
    finish(s);
    out.lo = folded(s);
    s->v1 ^= 0xdd;
    finish(s);
    out.hi = folded(s);
    return out;
}

uint64_t dt_siphash64(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data, size_t size)
{
    struct state s = begin(key);

    absorb(&s, data, size);
    s.v2 ^= 0xff;
    finish(&s);
    return folded(&s);
}

struct dt_u128 dt_siphash128(const uint8_t key[DT_SIPHASH_KEY_SIZE], const void *data,
                             size_t size)
{
    struct state s = begin(key);

    s.v1 ^= 0xee;
    absorb(&s, data, size);
    return end_of_128(&s);
}

struct dt_u128 dt_siphash128_of_20(const uint8_t key[DT_SIPHASH_KEY_SIZE], uint64_t w0,
                                   uint64_t w1, uint32_t w2)
{
    struct state s = begin(key);

    s.v1 ^= 0xee;
    take(&s, w0);
    take(&s, w1);
    take(&s, (uint64_t)20 << 56 | w2);
    return end_of_128(&s);
}
