/*
 * outgoing.h - one message on its way: a copy of the application's bytes, its id and stamp.
 */
#ifndef DUAL_OUTGOING_H
#define DUAL_OUTGOING_H

#include "dual/outbox.h"

struct duet_outgoing_link { /* outbox_link.c */
    struct duet_link told;
    size_t size;
    uint8_t bytes[DUET_LINK_SIZE_MAX];
};

struct duet_outgoing {
    struct duet_outgoing *next;
    struct duet_lane *lane;
    struct duet_record record; /* its bytes stand behind this struct */
    struct duet_stamp stamp;
    uint8_t stamp_bytes[DUET_STAMP_SIZE];
    char stamp_text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_outgoing_link *link; /* owned; NULL: none */
    duet_produce_fn callback;
    void *opaque;
    int64_t deadline_ms;
    int64_t made_ms; /* wall clock, when its id was fixed; from the journal: its window */
    size_t size;     /* what it counts against the bounds */
    /* bits per side */
    uint8_t
        written; /* where it belongs: by the plan it was made under, less what refused it */
    uint8_t counted;  /* as issued for these */
    uint8_t with;     /* with that side's sender, which has not answered */
    uint8_t stored;   /* that side has it */
    bool is_owed;     /* in the secondary list (or behind it), not in the primary list */
    bool answered;    /* the callback has run */
    bool doubted;     /* ... as in doubt, and that is not resolved */
    bool is_doubtful; /* a sender that is gone may have stored it */
    uint64_t lsn;     /* where the journal has it; 0: it does not */
    uint32_t journal_lane;
    uint32_t journal_size; /* of its payload there */
};

/* The side a copy in the secondary list is for. */
static inline enum duet_side duet_outgoing_target(const struct duet_outgoing *outgoing)
{
    return (outgoing->written & ~outgoing->stored & (1u << DUET_ROCKETMQ)) != 0
               ? DUET_ROCKETMQ
               : DUET_KAFKA;
}

/* Copies key, value and headers in one allocation; NULL without memory. */
struct duet_outgoing *duet_outgoing_new(const duet_message *message);
void duet_outgoing_free(struct duet_outgoing *outgoing);

/* An upper bound of what the RocketMQ properties of this record take. */
size_t duet_outgoing_properties_bound(const struct duet_outgoing *outgoing);

#endif
