/*
 * hmac.h - HMAC-SHA1 under one key, for many texts that come in pieces.
 *
 * The key goes into the library's own context and is wiped with it; nothing here can give it
 * back.
 *
 * Thread: one at a time.
 */
#ifndef BASE_HMAC_H
#define BASE_HMAC_H

#include "base/span.h"
#include "rmq/status.h"

struct dt_hmac;

#define DT_HMAC_TEXT_SIZE 29 /* 20 bytes in base64 with padding, and a NUL */

/* DT_OK; DT_ENOMEM; DT_EUNSUPPORTED: the crypto library has no SHA-1 (a FIPS configuration). */
DT_MUST_USE dt_status dt_hmac_sha1_new(struct dt_span key, struct dt_hmac **out);
void dt_hmac_free(struct dt_hmac *hmac); /* NULL: no-op */

/* A new text; a piece of it; its end, in base64 (standard alphabet, padded). False from the end:
 * something failed since the start, and `out` is "". */
void dt_hmac_start(struct dt_hmac *hmac);
void dt_hmac_put(struct dt_hmac *hmac, struct dt_span piece);
DT_MUST_USE bool dt_hmac_end(struct dt_hmac *hmac, char out[DT_HMAC_TEXT_SIZE]);

#endif
