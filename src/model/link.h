/*
 * link.h - what a record says about other numbers of its partition (docs/wire-format.md).
 *
 * A producer's numbers are dense. Where it gave some up, or where an earlier boot of it ended,
 * its next record of the partition carries that on both copies: Kafka header `DUET_LINK`,
 * RocketMQ property `DUET_LINK` (base64url). So whoever reads sees why a number is not there.
 *
 *   | version 1 | flags 1, 0 | check 8 | entry 19 | entry 19 | ...        big-endian
 *
 *   entry:  | kind 1 | instance 4 | boot 2 | first 6 | last 6 |     numbers of that boot
 *
 * The check is keyed and covers topic, partition, the id of the record that carries the link and
 * all of it: a link that was damaged, or copied to another record, counts for nothing.
 *
 * Pure: no clock, no allocation.
 */
#ifndef MODEL_LINK_H
#define MODEL_LINK_H

#include "model/stamp.h"

#define DUET_LINK_VERSION      1
#define DUET_LINK_KAFKA_HEADER "DUET_LINK"

enum {
    DUET_LINK_ENTRIES_MAX = 32,
    DUET_LINK_HEAD_SIZE = 10,
    DUET_LINK_ENTRY_SIZE = 19,
    DUET_LINK_SIZE_MAX = DUET_LINK_HEAD_SIZE + DUET_LINK_ENTRIES_MAX * DUET_LINK_ENTRY_SIZE
};

/* Why numbers are not where they are looked for. */
enum duet_link_kind {
    DUET_LINK_VOID,            /* on no side, and never will be: cancelled */
    DUET_LINK_ABSENT_KAFKA,    /* not on Kafka; RocketMQ has them, and a copy may follow */
    DUET_LINK_ABSENT_ROCKETMQ, /* the reverse */
    DUET_LINK_ENDED, /* the boot has ended; it fixed [0, to) and no more; from is 0 */
    DUET_LINK_ENDED_AT_LEAST, /* the same, but it may have fixed more (its host went down) */
    DUET_LINK_KINDS
};

struct duet_link_entry {
    uint8_t kind; /* enum duet_link_kind */
    uint32_t instance;
    uint16_t boot;
    uint64_t from, to; /* [from, to), not empty, up to 2^48 */
};

struct duet_link {
    struct duet_link_entry entries[DUET_LINK_ENTRIES_MAX];
    size_t count;
};

enum duet_link_verdict {
    DUET_LINK_OK,
    DUET_LINK_MISSING,
    DUET_LINK_BAD_SIZE,    /* or alphabet, or more entries than a link may have */
    DUET_LINK_BAD_VERSION, /* or flags that this version does not know */
    DUET_LINK_BAD_CHECK,   /* damaged, or of another record */
    DUET_LINK_BAD_ENTRY    /* an unknown kind, an empty or impossible range */
};
const char *duet_link_verdict_text(enum duet_link_verdict verdict);
/* "void", "absent-kafka", ...; for logs and the numbers file's page. */
const char *duet_link_kind_name(unsigned kind);

/* A kind, an instance and a range that the format can hold. */
bool duet_link_entry_valid(const struct duet_link_entry *entry);

/**
 * The check covers | "duet link" 00 | topic | size 2 | carrier's id 14 | the link without check |.
 * @param count   1 to DUET_LINK_ENTRIES_MAX valid entries.
 * @param carrier the id of the record that carries it; the partition in the check is the id's.
 * @returns the size in bytes.
 */
size_t duet_link_encode(uint8_t out[DUET_LINK_SIZE_MAX],
                        const struct duet_link_entry *entries, size_t count,
                        const struct duet_stamp_key *key, const char *kafka_topic,
                        const struct duet_id *carrier);

/* *link is filled on DUET_LINK_OK only. `bytes` with data NULL is DUET_LINK_MISSING. */
enum duet_link_verdict duet_link_decode(struct duet_link *link, struct dt_span bytes,
                                        const struct duet_stamp_key *key,
                                        const char *kafka_topic,
                                        const struct duet_id *carrier);

#endif
