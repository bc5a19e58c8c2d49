/*
 * digest.h - the keyed multiset digest: which messages, how often, with which content.
 *
 *   u = XXH3_128(secret, canonical(record))           content hash
 *   y = low 48 bits of u
 *   z = SipHash-2-4-128(k1, x || y)                   x the id's 14 bytes, y as 6, big-endian
 *   N += c;  bytes += c * size;  D += c * z (mod 2^128)
 *
 * Sums add up over readers and are equal iff the multisets are (2^-128 otherwise, under a
 * secret key). `canonical` is length-prefixed, keeps null apart from empty and the order of
 * headers, and leaves out what duet or a broker adds.
 *
 * Pure.
 */
#ifndef MODEL_DIGEST_H
#define MODEL_DIGEST_H

#include "base/buf.h"
#include "model/record.h"

#define DUET_DIGEST_SECRET_SIZE 192

struct duet_digest_key {
    uint8_t number;
    uint8_t secret[DUET_DIGEST_SECRET_SIZE]; /* for XXH3 */
    uint8_t k1[DT_SIPHASH_KEY_SIZE];
};

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

/* Adds `times` (which may be negative) copies of (id, content). */
void duet_digest_add(struct duet_digest *digest, const struct duet_digest_key *key,
                     const struct duet_id *id, uint64_t content, size_t bytes,
                     int64_t times);
void duet_digest_merge(struct duet_digest *digest, const struct duet_digest *other);
bool duet_digest_equal(const struct duet_digest *a, const struct duet_digest *b);

#endif
