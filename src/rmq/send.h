/*
 * send.h - the requests that store messages (310 and 320), their answers, and what these mean.
 *
 * Pure.
 */
#ifndef RMQ_SEND_H
#define RMQ_SEND_H

#include "rmq/command.h"
#include "rmq/outgoing.h"

struct rmq_send {
    const char *group;
    const char *topic;
    const rmq_queue *queue;
    const struct rmq_outgoing *first; /* `count` of them, by `next`; 1: a single send */
    size_t count;
    bool is_oneway; /* not to be answered */
};

/* Appends the frame. */
void rmq_send_encode(const struct rmq_send *send, int32_t opaque, enum rmq_header_type type,
                     struct dt_buf *out);

/* What an answer means for the messages of its request. */
enum rmq_send_verdict {
    RMQ_SEND_STORED, /* how safely: the code is a rmq_send_status */
    RMQ_SEND_AGAIN,  /* not now: the same request may be taken later */
    RMQ_SEND_REFUSED /* this request never will be */
};
enum rmq_send_verdict rmq_send_judge(const struct rmq_command *command);

/* Goes over the receipts of an answer, in the order of the messages. */
struct rmq_receipts {
    struct dt_span all_ids; /* comma-separated */
    struct dt_span ids;     /* those that are left */
    int64_t first_offset;   /* -1: the broker did not say */
    int64_t offset;         /* of the next */
    /* Of a batch of the caller's. */
    const struct rmq_outgoing *batch;
    size_t index; /* of the next */
    rmq_queue queue;
    rmq_send_status send_status;
};
void rmq_receipts_start(struct rmq_receipts *receipts, const struct rmq_command *command);

/* Fills in all but queue and status, which are the same for all. */
void rmq_receipts_next(struct rmq_receipts *receipts, const struct rmq_outgoing *message,
                       rmq_receipt *receipt);

#endif
