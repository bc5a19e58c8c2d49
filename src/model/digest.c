#include "model/digest.h"

#include <xxhash.h>

enum { CANONICAL_FORMAT = 1 };
#define NO_BYTES UINT32_MAX /* the size field of null */

/* ---- keys ---- */

static void put_le64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
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

static void put_bytes(struct dt_buf *out, struct dt_span bytes)
{
    if (bytes.data == NULL) {
        dt_buf_put_u32(out, NO_BYTES);
        return;
    }
    if (bytes.size >= NO_BYTES) {
        out->failed = true;
        return;
    }
    dt_buf_put_u32(out, (uint32_t)bytes.size);
    dt_buf_put_span(out, bytes);
}

void duet_canonical(struct dt_buf *out, const struct duet_stamp *stamp,
                    const struct duet_record *record, bool with_timestamp)
{
    uint8_t id[DUET_ID_SIZE];

    duet_id_encode(id, &stamp->id);
    dt_buf_put_u8(out, CANONICAL_FORMAT);
    dt_buf_put_u8(out, stamp->key_number);
    dt_buf_put_u16(out, stamp->flags);
    dt_buf_put(out, id, sizeof(id));
    dt_buf_put_u32(out, stamp->window);
    dt_buf_put_u16(out, stamp->day);
    dt_buf_put_u8(out, with_timestamp);
    if (with_timestamp)
        dt_buf_put_u64(out, (uint64_t)record->timestamp_ms);
    put_bytes(out, record->key);
    put_bytes(out, record->value);
    dt_buf_put_u32(out, (uint32_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        struct dt_span name = record->headers[i].name;

        put_bytes(out, name.data == NULL ? dt_span_of("", 0) : name);
        put_bytes(out, record->headers[i].value);
    }
}

uint64_t duet_content_digest(const struct duet_digest_key *key, struct dt_span canonical)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(canonical.data, canonical.size,
                                                 key->secret, sizeof(key->secret));

    return hash.low64 & DUET_CONTENT_MAX;
}

/* ---- sums modulo 2^128 ---- */

/* Signed sums wrap, too: a report of garbage must not be undefined behaviour. */
static int64_t wrapping_add(int64_t a, uint64_t b)
{
    return (int64_t)((uint64_t)a + b);
}

static struct dt_u128 siphash_term(const uint8_t *k1, const struct duet_id *id,
                                   uint64_t content)
{
    uint8_t pair[DUET_ID_SIZE + 6];

    duet_id_encode(pair, id);
    for (int i = 0; i < 6; i++)
        pair[DUET_ID_SIZE + i] = (uint8_t)(content >> (8 * (5 - i)));
    return dt_siphash128(k1, pair, sizeof(pair));
}

struct dt_u128 duet_digest_term(const struct duet_digest_key *key, const struct duet_id *id,
                                uint64_t content)
{
    struct dt_u128 y = {content, 0};

    if (key->prf == DUET_PRF_AES)
        return dt_aes_mac(&key->aes, duet_id_number(id), y);
    return siphash_term(key->k1, id, content);
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
