/*
 * sender.h - sends one record to one side, in order per partition, with three outcomes.
 *
 * Kafka: idempotent, no client-side expiry. RocketMQ: one request in flight per queue, retried
 * in order without end; later records never overtake. The bytes are the caller's until the
 * outcome: nothing is copied that need not be.
 */
#ifndef SIDE_SENDER_H
#define SIDE_SENDER_H

#include "model/link.h"
#include "model/mapping.h"
#include "side/side.h"

struct duet_sender;

enum duet_outcome {
    DUET_DONE,
    DUET_NOT_DONE, /* refused, or closed before it was sent: not stored, never will be */
    DUET_IN_DOUBT  /* handed over and never answered */
};

/* Exactly once per accepted record, on a library thread; must not block. `reason` is valid
 * during the call; `position` is -1 unless done and known. */
typedef void (*duet_sent_fn)(void *context, void *token, enum duet_outcome outcome,
                             const char *reason, int64_t position);

struct duet_send {
    const struct duet_plan_route *route;
    int32_t partition;
    const struct duet_record *record; /* Kafka sends this ... */
    const uint8_t *stamp;             /* ... with this, DUET_STAMP_SIZE bytes, and `link` */
    const struct duet_rmq_message
        *message; /* RocketMQ sends this; stamp and link are in it. Copied */
    void *token;
    struct dt_span link; /* data NULL: none */
};

dt_status duet_sender_new(struct duet_side_client *client, size_t memory_max,
                          duet_sent_fn sent, void *context, struct duet_sender **out);

/* @returns DT_OK: `sent` will be called. DT_ENOMEM: the library's queue is full, come again.
 * Else refused at once with the reason (DT_ETOOBIG, DT_EINVAL): not sent, `sent` is not called. */
dt_status duet_sender_send(struct duet_sender *sender, const struct duet_send *send);

/* Whether the library would take a record of this size; the broker's own limits are not known
 * here. DT_OK, DT_ETOOBIG. */
dt_status duet_sender_takes(const struct duet_sender *sender,
                            const struct duet_record *record);

/* Asks for what is held back for batching to go out now. Does not wait. */
void duet_sender_flush(struct duet_sender *sender);

/* Waits up to timeout_ms for outcomes, then ends every record: what was never sent as not
 * done, what may have been as in doubt. All callbacks have run when it returns. */
void duet_sender_free(struct duet_sender *sender, int64_t timeout_ms);

/* Whether the side has been answering: false while every broker of it is unreachable, as far as
 * somebody wants something of it (a RocketMQ sender that is owed nothing does not ask). */
bool duet_sender_reachable(const struct duet_sender *sender);

#endif
