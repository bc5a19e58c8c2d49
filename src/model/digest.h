/*
 * digest.h - the keyed multiset digest: which messages, how often, with which content.
 *
 *   u = XXH3_128(secret, canonical(record))           content hash
 *   y = low 48 bits of u
 *   z = PRF(x, y)                                     the pair's 128-bit term
 *   N += c;  bytes += c * size;  D += c * z (mod 2^128)
 *
 * The PRF is SipHash-2-4-128 over x as 14 bytes and y as 6, big-endian; or, three times as fast
 * where the processor has the instructions, AES-128 CBC-MAC of x and y as 16 little-endian bytes
 * each. Which of them is a part of the key's number, so sums of different ones never meet;
 * every process can compute both.
 *
 * Sums add up over readers and are equal iff the multisets are (2^-128 otherwise, under a
 * secret key). `canonical` is length-prefixed, keeps null apart from empty and the order of
 * headers, and leaves out what duet or a broker adds.
 *
 * Pure.
 */
#ifndef MODEL_DIGEST_H
#define MODEL_DIGEST_H

#include "base/aes.h"
#include "base/buf.h"
#include "model/record.h"

#define DUET_DIGEST_SECRET_SIZE 192

#define DUET_CONTENT_MAX ((UINT64_C(1) << 48) - 1)

enum duet_prf { DUET_PRF_SIPHASH = 1, DUET_PRF_AES = 2 };

struct duet_digest_key {
    uint8_t number;
    enum duet_prf prf;                       /* SipHash, unless it is set */
    uint8_t secret[DUET_DIGEST_SECRET_SIZE]; /* for XXH3 */
    uint8_t k1[DT_SIPHASH_KEY_SIZE];
    struct dt_aes aes;
};

/* The key's number as sketches carry it: the PRF's in the high byte, the migration's below. */
uint16_t duet_digest_key_number(const struct duet_digest_key *key);

/* The PRF to choose for a new key: AES where the processor has the instructions. */
enum duet_prf duet_prf_fastest(void);

struct duet_digest {
    int64_t count;
    int64_t bytes;
    struct dt_u128 sum;
};

/* Everything below is derived from the 32 bytes of the migration's key file, so that one secret
 * is kept: each part is SipHash-2-4-128 of a label and a counter under its halves, exactly as
 * docs/wire-format.md says. Either output may be NULL. */
#define DUET_MASTER_KEY_SIZE 32
void duet_keys_derive(const uint8_t master[DUET_MASTER_KEY_SIZE], uint8_t number,
                      struct duet_stamp_key *stamp_key, struct duet_digest_key *digest_key);

/* Appends the canonical form. With `with_timestamp` false the time is left out (a topic whose
 * broker sets it). */
void duet_canonical(struct dt_buf *out, const struct duet_stamp *stamp,
                    const struct duet_record *record, bool with_timestamp);

/* The 48-bit content digest of canonical bytes. */
uint64_t duet_content_digest(const struct duet_digest_key *key, struct dt_span canonical);

/* z of the pair. */
struct dt_u128 duet_digest_term(const struct duet_digest_key *key, const struct duet_id *id,
                                uint64_t content);

/* Adds `times` (which may be negative) copies of (id, content). */
void duet_digest_add(struct duet_digest *digest, const struct duet_digest_key *key,
                     const struct duet_id *id, uint64_t content, size_t bytes,
                     int64_t times);
/* The same in two parts, so that the first is at work while the content is being hashed. */
static inline struct dt_u128 duet_digest_term_begin(const struct duet_digest_key *key,
                                                    const struct duet_id *id)
{
    struct dt_u128 x = duet_id_number(id);

    return key->prf == DUET_PRF_AES ? dt_aes_mac_begin(&key->aes, x) : x;
}
struct dt_u128 duet_digest_term_end(const struct duet_digest_key *key, struct dt_u128 begun,
                                    uint64_t content);

/* The same with the pair's term, for who needs it for more than this. */
void duet_digest_add_term(struct duet_digest *digest, struct dt_u128 term, size_t bytes,
                          int64_t times);
void duet_digest_merge(struct duet_digest *digest, const struct duet_digest *other);
void duet_digest_subtract(struct duet_digest *digest, const struct duet_digest *other);
bool duet_digest_is_zero(const struct duet_digest *digest);
bool duet_digest_equal(const struct duet_digest *a, const struct duet_digest *b);

#endif
