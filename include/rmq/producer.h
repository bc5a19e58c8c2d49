/*
 * producer.h - sends messages.
 *
 * Lanes. What is sent to a queue goes through a lane of that queue. An ordered lane has one
 * request in flight, because brokers work on requests in a thread pool and would change the order
 * of two; when it fails the same messages are sent again first, so later ones never overtake. An
 * unordered lane has several in flight, and what fails may be stored behind what came later.
 *
 * Automatic batching. What has gathered when a lane is free goes as one request
 * (SEND_BATCH_MESSAGE), each message with its own outcome and offset, under the limits that
 * brokers really have: properties over 16 KiB travel alone, 32,000 bytes are refused here already,
 * a batch stays under 4 MiB, what is delayed, compressed or not waited for travels alone. With
 * linger_ms a lane waits so long for more.
 *
 * Too much asked of a broker. All requests of a producer to one broker share a window; the broker's
 * "busy" halves it, answers let it grow again.
 *
 * Outcomes. Done, not done and in doubt are three: only DT_EINDOUBT leaves open whether the message
 * is stored. A retry after an unanswered request can store a message twice, under one message id.
 *
 * Thread: every function from any, several at once, except where said. Callbacks run on the
 * client's network thread and must not block: they may send, but none of the functions that wait.
 */
#ifndef RMQ_PRODUCER_H
#define RMQ_PRODUCER_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Sends messages of one group, through lanes as said above. */
typedef struct rmq_producer rmq_producer;

/** How large bodies are compressed (bits of the message's sysFlag). Clients of 4.x, and those
 * of other languages, read zlib only. */
typedef enum rmq_compression {
    RMQ_COMPRESSION_NONE = 0,
    RMQ_COMPRESSION_ZLIB,
    RMQ_COMPRESSION_LZ4,
    RMQ_COMPRESSION_ZSTD
} rmq_compression;

/** What happens to a message for which there is no room in memory_max. */
typedef enum rmq_when_full {
    RMQ_FULL_ERROR = 0, /* DT_ENOMEM at once; room_ready() says when to try again */
    RMQ_FULL_BLOCK      /* its sender waits for room, until the message's deadline
                           (DT_ETIMEDOUT); in a callback, which may not wait, as above */
} rmq_when_full;

/** Settings of a producer; zero or NULL means the default given. Start from {0}. */
typedef struct rmq_producer_config {
    const char *group;      /* required; copied */
    size_t memory_max;      /* 64 MiB: messages accepted and not yet answered */
    size_t batch_count_max; /* 256 messages; 1 turns automatic batching off */
    size_t batch_size_max;  /* 1 MiB of bodies and properties, for each queue's batch */
    int64_t linger_ms; /* 0: what is queued when the lane is free goes at once; else the
                               oldest message waits so long for its batch to get full, unless
                               its deadline would come first */
    /* Bodies of at least so many bytes are compressed, in the thread that sends, if it makes
     * them smaller. A compressed message travels alone: batches know no compression. */
    rmq_compression compression; /* none */
    size_t compression_size_min; /* 4096 */
    int compression_level; /* 0: zlib 5 (1 to 9), LZ4 fast (to 12), zstd 3 (1 to 22) */
    /* Requests in flight. */
    int32_t queue_requests_max;  /* 8: of each queue's unordered lane */
    int32_t broker_requests_max; /* 256: the most that the window of a broker grows to */
    /* Memory. */
    rmq_when_full when_full; /* RMQ_FULL_ERROR */
    /* Called when a quarter of memory_max is free, once after messages were refused with
     * DT_ENOMEM for want of room. On the network thread. May be NULL. */
    void (*room_ready)(void *opaque);
    void *room_opaque; /* borrowed, given to room_ready() */
} rmq_producer_config;

/** @param config borrowed; copied. @param out the caller's, until rmq_producer_free().
 * @returns DT_OK; DT_EINVAL: no client, a group that is no name, a setting out of its range;
 * DT_ENOMEM; DT_ESTATE: from a callback. */
DT_API DT_MUST_USE dt_status rmq_producer_new(rmq_client *client,
                                              const rmq_producer_config *config,
                                              rmq_producer **out);

/** Ends the producer: what is not sent ends with DT_ECLOSED, what is in flight is waited for up
 * to the request timeout and ends with its answer or DT_EINDOUBT. All callbacks have run when
 * this returns. No other call may be under way. Not from a callback. NULL: no-op. */
DT_API void rmq_producer_free(rmq_producer *producer);

/**
 * Waits until everything that was accepted has ended and every callback has run; nothing lingers
 * meanwhile. Messages accepted while it waits are waited for, too.
 * @param timeout_ms > 0. @returns DT_OK; DT_ETIMEDOUT: something has not ended; DT_EINVAL;
 * DT_ESTATE: from a callback.
 */
DT_API DT_MUST_USE dt_status rmq_producer_flush(rmq_producer *producer, int64_t timeout_ms);

/* ---------------------------------------------------------------- which queue */

/**
 * Chooses a queue of the message's topic: the index of one of `queues`, which are sorted by broker
 * name and queue id. Called once per message on the network thread, when the route is known.
 * An index >= count ends the message with DT_EREFUSED.
 */
typedef size_t (*rmq_select_fn)(void *opaque, const rmq_queue *queues, size_t count);

/**
 * Where a message goes. Start from {0}: by turns, unordered. At most one of queue, key and select.
 *
 * By turns: over all writable queues, past brokers that are slow or failing for as long as others
 * are not (an answer after 550 ms, 1.8, 3, 5 or 15 s: avoided for 2, 5, 6, 10 or 30 s; a failure
 * counts as 10 s), a few messages in a row to the same queue when many are handed over at once.
 * What fails is sent again to another broker. Always unordered.
 */
typedef struct rmq_target {
    /* This one, as rmq_topic_write_queues() gave it. Borrowed until the call returns. */
    const rmq_queue *queue;
    /* The queue of a key: |hash % queues|, where hash is Java's String.hashCode() of the key as
     * UTF-8 text; the Java client's SelectMessageQueueByHash gives the same for a String. A key
     * stays on its queue as long as the number of queues does not change. Borrowed until the call
     * returns. */
    const void *key; /* NULL: none */
    size_t key_size; /* in bytes */
    /* The queue that a function of yours chooses. */
    rmq_select_fn select;
    void *select_opaque; /* must last until the message ends */
    /* false: queue, key and select keep the order in which messages were handed over, for each
     * queue. true: several requests in flight, and retries may change the order. */
    bool unordered;
} rmq_target;

/** The index of the queue that a key has of `count` (> 0). Pure. */
DT_API size_t rmq_key_index(const void *key, size_t key_size, size_t count);

/* ---------------------------------------------------------------- one message */

/**
 * Called exactly once per accepted message, on the network thread.
 *
 * @param status  DT_OK        stored; `receipt` says where.
 *                DT_EREFUSED  the broker will not take this message, or its select function gave
 *                             no queue: not stored.
 *                DT_ETIMEDOUT not stored before the deadline: never sent, or each time answered
 *                             that the broker cannot take it now (`reason` has its words).
 *                DT_ECLOSED   the producer was freed before it was sent: not stored.
 *                DT_EINDOUBT  sent, never answered before the deadline or the end: unknown.
 * @param reason  a sentence, "" on DT_OK; valid during the call.
 * @param receipt NULL unless DT_OK; valid during the call.
 */
typedef void (*rmq_send_fn)(void *opaque, dt_status status, const char *reason,
                            const rmq_receipt *receipt);

/** timeout_ms that never ends: retried until stored, refused or closed. */
#define RMQ_NO_DEADLINE INT64_MAX

/**
 * Hands a message to the ordered lane of a queue; returns at once, except when memory_max is
 * reached under RMQ_FULL_BLOCK.
 *
 * @param queue      as rmq_topic_write_queues() gave it; copied.
 * @param timeout_ms from now to the callback, retries included; > 0, or RMQ_NO_DEADLINE.
 * @param callback   may be NULL.
 * @returns DT_OK: accepted, the callback will run. Else it will not and nothing was sent:
 *          DT_EINVAL (empty body, bad property, two delays, bad queue), DT_ETOOBIG (body over
 *          4 MiB, properties over 32,000 bytes, more than all of memory_max), DT_ENOMEM
 *          (memory_max is reached), DT_ETIMEDOUT (so it stayed until the deadline), DT_ECLOSED.
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

/** The same to a queue that `target` tells; NULL: by turns. Also DT_EINVAL: two ways at once. */
DT_API DT_MUST_USE dt_status rmq_send_to_async(rmq_producer *producer,
                                               const rmq_target *target,
                                               const rmq_message *message,
                                               int64_t timeout_ms, rmq_send_fn callback,
                                               void *opaque);
/** The same, and waits, as rmq_send() does. */
DT_API DT_MUST_USE dt_status rmq_send_to(rmq_producer *producer, const rmq_target *target,
                                         const rmq_message *message, int64_t timeout_ms,
                                         rmq_receipt *receipt);

/**
 * Hands over a message that no broker will answer: whether it is stored is never known, and the
 * order among such messages is not kept. It leaves when there is a connection; what is not sent
 * in the client's request timeout is dropped.
 *
 * @param target as above; NULL: by turns.
 * @returns as rmq_send_to_async().
 */
DT_API DT_MUST_USE dt_status rmq_send_oneway(rmq_producer *producer,
                                             const rmq_target *target,
                                             const rmq_message *message);

/* ---------------------------------------------------------------- batches of the caller's */

/** Where the messages of a batch were stored. */
typedef struct rmq_receipts rmq_receipts;
/** How many messages the batch has. Network thread. */
DT_API size_t rmq_receipts_count(const rmq_receipts *receipts);
/** Fills `out` for message `index` (< count). Cheapest in order. Network thread. */
DT_API void rmq_receipts_get(rmq_receipts *receipts, size_t index, rmq_receipt *out);

/** As rmq_send_fn, once for all messages of a batch. @param receipts NULL unless DT_OK. */
typedef void (*rmq_batch_sent_fn)(void *opaque, dt_status status, const char *reason,
                                  rmq_receipts *receipts);

/**
 * Sends messages as one request (320): they are stored in this order in one queue with consecutive
 * offsets, all or none. Never split, never joined with others, never compressed.
 *
 * @param messages of one topic; borrowed until the call returns.
 * @param count    > 0; batch_count_max and batch_size_max do not bound it.
 * @returns as rmq_send_to_async(); also DT_EINVAL: two topics, a delay, a retry topic, some with
 *          WAIT=false and some without, an index of a message whose properties are over 16 KiB;
 *          DT_ETOOBIG: more than the store of a broker takes at a time (4 MiB less 64 KiB, each
 *          message counted with 384 bytes more).
 */
DT_API DT_MUST_USE dt_status rmq_send_batch_async(rmq_producer *producer,
                                                  const rmq_target *target,
                                                  const rmq_message *messages, size_t count,
                                                  int64_t timeout_ms,
                                                  rmq_batch_sent_fn callback, void *opaque);
/** The same, and waits. @param receipts `count` of them are filled on DT_OK; may be NULL. */
DT_API DT_MUST_USE dt_status rmq_send_batch(rmq_producer *producer,
                                            const rmq_target *target,
                                            const rmq_message *messages, size_t count,
                                            int64_t timeout_ms, rmq_receipt *receipts);

#ifdef __cplusplus
}
#endif
#endif
