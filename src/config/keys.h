/*
 * keys.h - the migration's key file: <migration>.keys, mode 0600, beside the configuration.
 *
 * Text: a line "duet-keys 1", then "key <number> <64 hex digits>". The store holds the number
 * and a fingerprint (first 16 hex digits of SipHash-2-4-128 of a fixed text), never the key.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "model/digest.h"

struct duet_keys {
    uint8_t number;
    struct duet_stamp_key stamp;
    struct duet_digest_key digest;
    char fingerprint[17];
};

/* DT_ENOTFOUND; DT_EINVAL: others may read the file (mode), or it is malformed. */
dt_status duet_keys_load(const char *path, struct duet_keys *out);
/* Writes a new file with a random key and the given number; DT_EEXIST if there is one. */
dt_status duet_keys_create(const char *path, uint8_t number);

#endif
