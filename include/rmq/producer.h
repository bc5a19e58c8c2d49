/*
 * producer.h - sends messages.
 *
 * An ordered lane per queue: messages handed to one queue are stored in that order, with one
 * request in flight; what is queued when the lane is free goes as one batch, under the limits
 * that brokers really have (properties over 16 KiB travel alone, 32,000 bytes are refused here
 * already, a batch stays under 4 MiB). A lane that fails retries the same messages first: later
 * ones never overtake.
 */
#ifndef RMQ_PRODUCER_H
#define RMQ_PRODUCER_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rmq_producer rmq_producer;

/** How large bodies are compressed (bits of the message's sysFlag). Clients of 4.x, and those
 * of other languages, read zlib only. */
typedef enum rmq_compression {
    RMQ_COMPRESSION_NONE = 0,
    RMQ_COMPRESSION_ZLIB,
    RMQ_COMPRESSION_LZ4,
    RMQ_COMPRESSION_ZSTD
} rmq_compression;

/** Settings of a producer; zero or NULL means the default given. Start from {0}. */
typedef struct rmq_producer_config {
    const char *group;      /* required; copied */
    size_t memory_max;      /* 64 MiB: messages accepted and not yet answered */
    size_t batch_count_max; /* 256 messages; 1 turns batching off */
    size_t batch_size_max;  /* 1 MiB of bodies and properties */
    /* Bodies of at least so many bytes are compressed, in the thread that sends, if it makes
     * them smaller. A compressed message travels alone: batches know no compression. */
    rmq_compression compression; /* none */
    size_t compression_size_min; /* 4096 */
    int compression_level; /* 0: zlib 5 (1 to 9), LZ4 fast (to 12), zstd 3 (1 to 22) */
} rmq_producer_config;

/**
 * Called exactly once per accepted message, on the network thread.
 *
 * @param status  DT_OK        stored; `receipt` says where.
 *                DT_EREFUSED  the broker will not take this message: not stored.
 *                DT_ETIMEDOUT not stored before the deadline: never sent, or each time answered
 *                             that the broker cannot take it now (`reason` has its words).
 *                DT_ECLOSED   the producer was freed before it was sent: not stored.
 *                DT_EINDOUBT  sent, never answered before the deadline or the end: unknown.
 * @param reason  a sentence, "" on DT_OK; valid during the call.
 * @param receipt NULL unless DT_OK; valid during the call.
 */
typedef void (*rmq_send_fn)(void *opaque, dt_status status, const char *reason,
                            const rmq_receipt *receipt);

/** @param config borrowed; copied. @param out the caller's, until rmq_producer_free().
 * @returns DT_OK; DT_EINVAL: no client, a group that is no name, a setting out of its range;
 * DT_ENOMEM; DT_ESTATE: from a callback. */
DT_API DT_MUST_USE dt_status rmq_producer_new(rmq_client *client,
                                              const rmq_producer_config *config,
                                              rmq_producer **out);

/** Ends the producer: what is not sent ends with DT_ECLOSED, what is in flight is waited for up
 * to the request timeout and ends with its answer or DT_EINDOUBT. All callbacks have run when
 * this returns. Not from a callback. NULL: no-op. */
DT_API void rmq_producer_free(rmq_producer *producer);

/** timeout_ms that never ends: retried until stored, refused or closed. */
#define RMQ_NO_DEADLINE INT64_MAX

/**
 * Hands a message to a queue's lane; returns at once.
 *
 * @param queue      as rmq_topic_write_queues() gave it; copied.
 * @param timeout_ms from now to the callback, retries included; > 0, or RMQ_NO_DEADLINE.
 * @param callback   may be NULL.
 * @returns DT_OK: accepted, the callback will run. Else it will not and nothing was sent:
 *          DT_EINVAL (empty body, bad property, two delays, bad queue), DT_ETOOBIG (body over 4 MiB or
 *          properties over 32,000 bytes), DT_ENOMEM (memory_max is reached), DT_ECLOSED.
 */
DT_API DT_MUST_USE dt_status rmq_send_async(rmq_producer *producer, const rmq_queue *queue,
                                            const rmq_message *message, int64_t timeout_ms,
                                            rmq_send_fn callback, void *opaque);

/**
 * Sends one message and waits. Outcomes as rmq_send_fn gives them, and those of
 * rmq_send_async(), DT_ESTATE from a callback. @param receipt may be NULL.
 */
DT_API DT_MUST_USE dt_status rmq_send(rmq_producer *producer, const rmq_queue *queue,
                                      const rmq_message *message, int64_t timeout_ms,
                                      rmq_receipt *receipt);

#ifdef __cplusplus
}
#endif
#endif
