#include "model/digest.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define XXH_DISPATCH_DISABLE_REPLACE /* its functions under their own names */
#include <xxh_x86dispatch.h>
#endif

enum { CANONICAL_FORMAT = 1 };
#define NO_BYTES UINT32_MAX /* the size field of null */

/* ---- keys ---- */

static void put_le64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

/* Written out, which compilers know as one store. */
static inline void put_be64(uint8_t *out, uint64_t value)
{
    out[0] = (uint8_t)(value >> 56);
    out[1] = (uint8_t)(value >> 48);
    out[2] = (uint8_t)(value >> 40);
    out[3] = (uint8_t)(value >> 32);
    out[4] = (uint8_t)(value >> 24);
    out[5] = (uint8_t)(value >> 16);
    out[6] = (uint8_t)(value >> 8);
    out[7] = (uint8_t)value;
}

/* 16 bytes for each (label, key number, counter): SipHash under either half of the master key,
 * combined by xor, so that both halves have to be known. The last byte of the input tells the
 * halves apart, or equal ones would cancel. */
static void derive(uint8_t *out, size_t size, const uint8_t *master, const char *label,
                   uint8_t number)
{
    uint8_t input[32];
    size_t input_size = strlen(label);

    memcpy(input, label, input_size);
    input[input_size++] = number;
    for (size_t at = 0; at < size; at += DT_SIPHASH_KEY_SIZE) {
        struct dt_u128 a, b;

        input[input_size] = (uint8_t)(at / DT_SIPHASH_KEY_SIZE);
        input[input_size + 1] = 0;
        a = dt_siphash128(master, input, input_size + 2);
        input[input_size + 1] = 1;
        b = dt_siphash128(master + DT_SIPHASH_KEY_SIZE, input, input_size + 2);
        put_le64(out + at, a.lo ^ b.lo);
        put_le64(out + at + 8, a.hi ^ b.hi);
    }
}

void duet_keys_derive(const uint8_t master[DUET_MASTER_KEY_SIZE], uint8_t number,
                      struct duet_stamp_key *stamp_key, struct duet_digest_key *digest_key)
{
    uint8_t aes[DT_AES_KEY_SIZE];

    if (stamp_key != NULL) {
        stamp_key->number = number;
        derive(stamp_key->key, sizeof(stamp_key->key), master, "duet stamp", number);
    }
    if (digest_key != NULL) {
        digest_key->number = number;
        derive(digest_key->secret, sizeof(digest_key->secret), master, "duet content",
               number);
        derive(digest_key->k1, sizeof(digest_key->k1), master, "duet digest", number);
        digest_key->prf = DUET_PRF_SIPHASH;
        derive(aes, sizeof(aes), master, "duet aes", number);
        dt_aes_init(&digest_key->aes, aes);
    }
}

uint16_t duet_digest_key_number(const struct duet_digest_key *key)
{
    return (uint16_t)((unsigned)key->prf << 8 | key->number);
}

enum duet_prf duet_prf_fastest(void)
{
    return dt_aes_has_instruction() ? DUET_PRF_AES : DUET_PRF_SIPHASH;
}

/* ---- content ---- */

static inline void put_size(struct dt_buf *out, uint32_t size)
{
    const uint8_t bytes[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16),
                              (uint8_t)(size >> 8), (uint8_t)size};

    dt_buf_put(out, bytes, sizeof(bytes));
}

static void put_bytes(struct dt_buf *out, struct dt_span bytes)
{
    if (bytes.data == NULL) {
        put_size(out, NO_BYTES);
        return;
    }
    if (bytes.size >= NO_BYTES) {
        out->failed = true;
        return;
    }
    put_size(out, (uint32_t)bytes.size);
    dt_buf_put_span(out, bytes);
}

void duet_canonical(struct dt_buf *out, const struct duet_stamp *stamp,
                    const struct duet_record *record, bool with_timestamp)
{
    struct dt_u128 x = duet_id_number(&stamp->id);
    uint8_t head[4 + DUET_ID_SIZE + 6 + 1 + 8];
    uint64_t first = (uint64_t)CANONICAL_FORMAT << 56 | (uint64_t)stamp->key_number << 48 |
                     (uint64_t)stamp->flags << 32 | x.hi >> 16;
    uint64_t last = (uint64_t)stamp->window << 32 | (uint64_t)stamp->day << 16 |
                    (uint64_t)with_timestamp << 8;

    /* format 1, key number 1, flags 2, id 14, window 4, day 2, whether there is a time 1 */
    put_be64(head, first);
    put_be64(head + 8, x.hi << 48 | x.lo >> 16);
    put_be64(head + 18, last); /* its last byte is written over */
    head[16] = (uint8_t)(x.lo >> 8);
    head[17] = (uint8_t)x.lo;
    put_be64(head + 25, (uint64_t)record->timestamp_ms);
    dt_buf_put(out, head, with_timestamp ? 33 : 25);
    put_bytes(out, record->key);
    put_bytes(out, record->value);
    put_size(out, (uint32_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        struct dt_span name = record->headers[i].name;

        put_bytes(out, name.data == NULL ? dt_span_of("", 0) : name);
        put_bytes(out, record->headers[i].value);
    }
}

enum { SHORT = 240 }; /* up to here XXH3 has no use for wide registers */

#if defined(__x86_64__)
/* libxxhash leaves the upper halves of wide registers as they are, which would make every later
 * instruction of the older kind three times slower. */
__attribute__((target("avx"))) static void clean_registers(void)
{
    _mm256_zeroupper();
}

static XXH128_hash_t hash_long(const struct duet_digest_key *key, struct dt_span bytes)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret_dispatch(bytes.data, bytes.size,
                                                          key->secret, sizeof(key->secret));

    if (__builtin_cpu_supports("avx") != 0)
        clean_registers();
    return hash;
}
#else
static XXH128_hash_t hash_long(const struct duet_digest_key *key, struct dt_span bytes)
{
    return XXH3_128bits_withSecret(bytes.data, bytes.size, key->secret,
                                   sizeof(key->secret));
}
#endif

uint64_t duet_content_digest(const struct duet_digest_key *key, struct dt_span canonical)
{
    XXH128_hash_t hash;

    if (canonical.size > SHORT)
        hash = hash_long(key, canonical);
    else
        hash = XXH3_128bits_withSecret(canonical.data, canonical.size, key->secret,
                                       sizeof(key->secret));
    return hash.low64 & DUET_CONTENT_MAX;
}

/* Signed sums wrap, too: a report of garbage must not be undefined behaviour. */
static int64_t wrapping_add(int64_t a, uint64_t b)
{
    return (int64_t)((uint64_t)a + b);
}

/* Of the number's 14 bytes and the content's 6, big-endian. */
static struct dt_u128 siphash_term(const uint8_t *k1, struct dt_u128 x, uint64_t content)
{
    return dt_siphash128_of_20(k1, __builtin_bswap64(x.hi << 16 | x.lo >> 48),
                               __builtin_bswap64(x.lo << 16 | content >> 32),
                               __builtin_bswap32((uint32_t)content));
}

struct dt_u128 duet_digest_term_end(const struct duet_digest_key *key, struct dt_u128 begun,
                                    uint64_t content)
{
    struct dt_u128 y = {content, 0};

    if (key->prf == DUET_PRF_AES)
        return dt_aes_mac_end(&key->aes, begun, y);
    return siphash_term(key->k1, begun, content);
}

struct dt_u128 duet_digest_term(const struct duet_digest_key *key, const struct duet_id *id,
                                uint64_t content)
{
    return duet_digest_term_end(key, duet_digest_term_begin(key, id), content);
}

void duet_digest_add_term(struct duet_digest *digest, struct dt_u128 term, size_t bytes,
                          int64_t times)
{
    digest->count = wrapping_add(digest->count, (uint64_t)times);
    digest->bytes = wrapping_add(digest->bytes, (uint64_t)times * bytes);
    digest->sum = dt_u128_add(digest->sum, times == 1 ? term : dt_u128_times(term, times));
}

void duet_digest_add(struct duet_digest *digest, const struct duet_digest_key *key,
                     const struct duet_id *id, uint64_t content, size_t bytes,
                     int64_t times)
{
    duet_digest_add_term(digest, duet_digest_term(key, id, content), bytes, times);
}

void duet_digest_merge(struct duet_digest *digest, const struct duet_digest *other)
{
    digest->count = wrapping_add(digest->count, (uint64_t)other->count);
    digest->bytes = wrapping_add(digest->bytes, (uint64_t)other->bytes);
    digest->sum = dt_u128_add(digest->sum, other->sum);
}

void duet_digest_subtract(struct duet_digest *digest, const struct duet_digest *other)
{
    digest->count = wrapping_add(digest->count, -(uint64_t)other->count);
    digest->bytes = wrapping_add(digest->bytes, -(uint64_t)other->bytes);
    digest->sum = dt_u128_subtract(digest->sum, other->sum);
}

bool duet_digest_equal(const struct duet_digest *a, const struct duet_digest *b)
{
    return a->count == b->count && a->bytes == b->bytes && dt_u128_equal(a->sum, b->sum);
}

bool duet_digest_is_zero(const struct duet_digest *digest)
{
    return digest->count == 0 && digest->bytes == 0 && digest->sum.lo == 0 &&
           digest->sum.hi == 0;
}
