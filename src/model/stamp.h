/*
 * stamp.h - the 28 bytes that travel with both copies of a message (docs/wire-format.md).
 *
 *   | version 1 | key number 1 | flags 2 | check 4 | id 14 | window 4 | day 2 |   big-endian
 *
 * Kafka: record header `duet`, the bytes. RocketMQ: user property `DUET`, base64url, 38
 * characters. A stamp counts only if its check is right for the Kafka topic name and partition
 * it is found on, under the migration's key; everything else is "unstamped", with the reason.
 *
 * Pure: no clock, no allocation.
 */
#ifndef MODEL_STAMP_H
#define MODEL_STAMP_H

#include "base/siphash.h"
#include "base/span.h"
#include "model/id.h"

#define DUET_STAMP_SIZE         28
#define DUET_STAMP_TEXT_SIZE    38
#define DUET_STAMP_VERSION      1
#define DUET_STAMP_KAFKA_HEADER "duet"
#define DUET_STAMP_PROPERTY     "DUET"

enum duet_stamp_flag {
    DUET_FLAG_RELAY = 1 << 0,      /* the copy is made by relay, else directly */
    DUET_FLAG_MIRROR = 1 << 1,     /* the mirror made the stamp, else the producer */
    DUET_FLAG_NULL_VALUE = 1 << 2, /* mapping: the Kafka value is null ... */
    DUET_FLAG_EMPTY_VALUE = 1 << 3 /* ... or empty; RocketMQ's body is one 0x00 byte */
};

struct duet_stamp {
    uint8_t key_number;
    uint16_t flags;
    struct duet_id id;
    uint32_t window; /* minutes since 1970 when the id was fixed */
    uint16_t day;    /* days since 1970, in the migration's time zone, of the event time */
};

/* The part of the migration's key file that stamps need. */
struct duet_stamp_key {
    uint8_t number;
    uint8_t key[DT_SIPHASH_KEY_SIZE];
};

enum duet_stamp_verdict {
    DUET_STAMP_OK,
    DUET_STAMP_MISSING, /* no header, no property */
    DUET_STAMP_BAD_SIZE,
    DUET_STAMP_BAD_VERSION,
    DUET_STAMP_BAD_KEY_NUMBER, /* from another migration, or another key */
    DUET_STAMP_BAD_CHECK       /* damaged, or copied from another topic or partition */
};

/* For ledgers and logs: "no stamp", "the stamp's check is wrong", ... */
const char *duet_stamp_verdict_text(enum duet_stamp_verdict verdict);

/* The partition in the check is the id's. */
void duet_stamp_encode(uint8_t out[DUET_STAMP_SIZE], const struct duet_stamp *stamp,
                       const struct duet_stamp_key *key, const char *kafka_topic);
void duet_stamp_encode_text(char out[DUET_STAMP_TEXT_SIZE + 1],
                            const struct duet_stamp *stamp,
                            const struct duet_stamp_key *key, const char *kafka_topic);

/* `partition` is where the record was found (RocketMQ: the queue's number in the plan); it must
 * be the id's.
 * *stamp is filled on DUET_STAMP_OK only. */
enum duet_stamp_verdict duet_stamp_decode(struct duet_stamp *stamp, struct dt_span bytes,
                                          const struct duet_stamp_key *key,
                                          const char *kafka_topic, int32_t partition);
enum duet_stamp_verdict duet_stamp_decode_text(struct duet_stamp *stamp,
                                               struct dt_span text,
                                               const struct duet_stamp_key *key,
                                               const char *kafka_topic, int32_t partition);

#endif
