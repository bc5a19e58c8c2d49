/*
 * id.h - the identity of a message: 112 bits that both copies carry (docs/wire-format.md).
 *
 * Pure. Ids of kind 0 are dense: for one (instance, boot, partition) the sequence counts
 * 0, 1, 2, ... so "issued or not", "seen or not" and "a gap" are interval tests.
 */
#ifndef MODEL_ID_H
#define MODEL_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/u128.h"

#define DUET_ID_SIZE      14
#define DUET_ID_TEXT_SIZE (2 * DUET_ID_SIZE + 1)
#define DUET_INSTANCE_MAX ((1u << 28) - 1)
#define DUET_SEQUENCE_MAX ((UINT64_C(1) << 48) - 1)

enum duet_side { DUET_KAFKA = 0, DUET_ROCKETMQ = 1, DUET_SIDES = 2 };
enum duet_role { DUET_LIVE = 0, DUET_SHADOW = 1, DUET_ROLES = 2 };

const char *duet_side_name(enum duet_side side); /* "kafka", "rocketmq" */
const char *duet_role_name(enum duet_role role); /* "live", "shadow" */
/* False if the text is no side. */
bool duet_side_parse(const char *text, enum duet_side *side);
static inline enum duet_side duet_other_side(enum duet_side side)
{
    return side == DUET_KAFKA ? DUET_ROCKETMQ : DUET_KAFKA;
}

/* A record of a journal has no id that anybody knows once it is damaged: instance is then the
 * journal's tag, sequence its number there. */
enum duet_id_kind {
    DUET_ID_ISSUED = 0,
    DUET_ID_KAFKA = 1,
    DUET_ID_ROCKETMQ = 2,
    DUET_ID_JOURNAL = 15
};

struct duet_id {
    uint8_t kind;      /* 4 bits */
    uint32_t instance; /* 28 bits; kind 1 and 2: topic number */
    uint16_t boot;     /* kind 1: low bits of the leader epoch; 2: hash of the store time */
    uint16_t partition;
    uint64_t sequence; /* 48 bits; kind 1 and 2: offset */
};

void duet_id_encode(uint8_t out[DUET_ID_SIZE], const struct duet_id *id);
void duet_id_decode(struct duet_id *id, const uint8_t in[DUET_ID_SIZE]);
bool duet_id_equal(const struct duet_id *a, const struct duet_id *b);

/* The id as one number below 2^112, whose 14 big-endian bytes are the encoding. */
static inline struct dt_u128 duet_id_number(const struct duet_id *id)
{
    struct dt_u128 x;

    x.lo = (uint64_t)id->partition << 48 | (id->sequence & DUET_SEQUENCE_MAX);
    x.hi = (uint64_t)(id->kind & 0xf) << 44 |
           (uint64_t)(id->instance & DUET_INSTANCE_MAX) << 16 | id->boot;
    return x;
}
struct duet_id duet_id_of_number(struct dt_u128 x);

/* 28 hex digits and a NUL: what reports and --json show. */
void duet_id_text(char out[DUET_ID_TEXT_SIZE], const struct duet_id *id);
bool duet_id_parse(struct duet_id *id, const char *text);

#endif
