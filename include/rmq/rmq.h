/*
 * rmq.h - a native client for Apache RocketMQ 4.9 and 5.x (remoting protocol).
 *
 * Stands alone: nothing in here knows Kafka or a migration.
 *
 * A client owns one network thread, the connections and the route cache; producers and
 * consumers live on a client. Every function may be called from any thread unless its comment
 * says otherwise. Callbacks run on the client's network thread: they must not block and must
 * not call a function that waits (those return DT_ESTATE there); they may start asynchronous
 * work. No callback runs with a lock of the library held.
 *
 * Times are milliseconds. Strings are NUL-terminated UTF-8 unless a size stands beside them.
 * On failure dt_error_text() says what and where, on the thread that got the status.
 */
#ifndef RMQ_RMQ_H
#define RMQ_RMQ_H

#include <stddef.h>
#include <stdint.h>

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, such as "0.1.0". The text is static. */
DT_API const char *rmq_version(void);

/* ---------------------------------------------------------------- client */

typedef struct rmq_client rmq_client;

/** Settings of a client; zero or NULL means the default given. Start from {0}. */
typedef struct rmq_client_config {
    const char *namesrv;       /* "host:port;host:port"; required. Copied. */
    const char *instance_name; /* last part of the client id; NULL: pid and a random number.
                                  Must be unique in a consumer group. Copied. */
    int64_t connect_timeout_ms;  /* 3000 */
    int64_t request_timeout_ms;  /* 3000: one round trip that is not a long poll */
    int64_t heartbeat_period_ms; /* 30000 */
    int64_t route_period_ms;     /* 30000: refresh of known routes; on errors at once */
    int64_t backoff_ms_min;      /* 20: first wait after a failure ... */
    int64_t backoff_ms_max;      /* 1000: ... doubling, with jitter, up to this */
    size_t frame_size_max;       /* 16 MiB: a peer that announces more is cut off */
    bool binary_header; /* false: JSON headers are sent; both are always understood */
} rmq_client_config;

/**
 * Makes a client and starts its network thread. Connects to nobody yet: an address that is
 * wrong is known at the first request.
 *
 * @param config borrowed; copied. @param out the caller's, until rmq_client_free().
 * @returns DT_OK; DT_EINVAL: no or malformed name-server list; DT_ENOMEM; DT_EIO.
 */
DT_API DT_MUST_USE dt_status rmq_client_new(const rmq_client_config *config,
                                            rmq_client **out);

/** Stops the thread and frees. Producers and consumers of it must be freed before. NULL: no-op.
 * Not from a callback. */
DT_API void rmq_client_free(rmq_client *client);

/** The id under which brokers know this client: ip@instance_name. Valid as long as it lives. */
DT_API const char *rmq_client_id(const rmq_client *client);

/* ---------------------------------------------------------------- topics and offsets
 *
 * These block for at most timeout_ms (> 0), retries inside it included. Beside their own
 * outcomes each may return DT_EINVAL, DT_ENOMEM, DT_ESTATE (called from a callback), DT_ECLOSED,
 * DT_EUNREACH (no name server or broker could be reached in time: nothing was changed, as far
 * as is known), DT_EREFUSED (the broker's answer is in the text), DT_EBUSY (the broker was too
 * busy all the time), DT_ECORRUPT (an answer that is none), DT_EINDOUBT (a changing request was
 * sent and not answered). */

/** One queue of a topic. A queue is (topic, broker_name, queue_id). */
typedef struct rmq_queue {
    char broker_name[128];
    int32_t queue_id;
} rmq_queue;

/**
 * Creates the topic, or changes its number of queues, on every master of the default cluster.
 * @param queues read and write queues per broker, 1 to 65535.
 * @returns DT_OK when every master has it *and* the name server gives out its route.
 */
DT_API DT_MUST_USE dt_status rmq_topic_create(rmq_client *client, const char *topic,
                                              int32_t queues, int64_t timeout_ms);

/**
 * The queues that can be written (or read), sorted by broker name and queue id.
 * @param out the caller's, free() it with rmq_free(). @param count how many.
 * @returns DT_OK (asks the name server again, never only the cache); DT_ENOROUTE: the name
 * server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_write_queues(rmq_client *client, const char *topic,
                                                    rmq_queue **out, size_t *count,
                                                    int64_t timeout_ms);
DT_API DT_MUST_USE dt_status rmq_topic_read_queues(rmq_client *client, const char *topic,
                                                   rmq_queue **out, size_t *count,
                                                   int64_t timeout_ms);

/** First offset that is still stored (codes 31), and the next one to be written (30). */
DT_API DT_MUST_USE dt_status rmq_offset_min(rmq_client *client, const char *topic,
                                            const rmq_queue *queue, int64_t timeout_ms,
                                            int64_t *offset);
DT_API DT_MUST_USE dt_status rmq_offset_max(rmq_client *client, const char *topic,
                                            const rmq_queue *queue, int64_t timeout_ms,
                                            int64_t *offset);

/** The group's committed offset: the next one to read (14, with setZeroIfNotFound=false; a 4.x
 * broker may answer 0 for a new group on a young topic). DT_ENOTFOUND: none is stored. */
DT_API DT_MUST_USE dt_status rmq_offset_query(rmq_client *client, const char *group,
                                              const char *topic, const rmq_queue *queue,
                                              int64_t timeout_ms, int64_t *offset);
/** Sets it (15). DT_ENOTFOUND: the broker has never heard of the group; the first heartbeat or
 * pull of a member creates it. */
DT_API DT_MUST_USE dt_status rmq_offset_commit(rmq_client *client, const char *group,
                                               const char *topic, const rmq_queue *queue,
                                               int64_t offset, int64_t timeout_ms);

/**
 * The client ids that the brokers of `topic` know as members of `group` (38).
 * @param out NULL-terminated array, free with rmq_free() (one block). An empty group gives an
 * empty array and DT_OK.
 */
DT_API DT_MUST_USE dt_status rmq_group_members(rmq_client *client, const char *group,
                                               const char *topic, int64_t timeout_ms,
                                               char ***out, size_t *count);

/** Frees what a function above says to free with it. NULL is fine. */
DT_API void rmq_free(void *memory);

/* ---------------------------------------------------------------- messages */

typedef struct rmq_property {
    const char *name; /* NUL-terminated; no 0x01, no 0x02 */
    const char *value;
} rmq_property;

/** A message to send. Everything is borrowed until the call returns (it is copied). */
typedef struct rmq_message {
    const char *topic;
    const void *body; /* 1 byte to 4 MiB */
    size_t body_size;
    const char *keys; /* property KEYS; NULL: none */
    const char *tags; /* property TAGS; NULL: none */
    const rmq_property *properties;
    size_t property_count;
    int32_t flag; /* stored verbatim */
} rmq_message;

/** Where a message was stored. */
typedef struct rmq_receipt {
    char message_id[64];        /* UNIQ_KEY: what users see as the message id */
    char offset_message_id[64]; /* address of the copy on its broker */
    rmq_queue queue;
    int64_t offset; /* in the queue */
    bool less_safe; /* stored, but flush or replica was not confirmed (codes 10, 11, 12) */
} rmq_receipt;

/** A received message; everything in it is borrowed from its batch. */
typedef struct rmq_received {
    const char *topic;
    rmq_queue queue;
    int64_t offset;
    int64_t physical_offset;
    int64_t born_ms;  /* wall clock of the producer */
    int64_t store_ms; /* wall clock of the broker */
    int32_t sys_flag, flag, reconsume_times;
    const void *body; /* uncompressed */
    size_t body_size;
    const rmq_property
        *properties; /* in stored order, KEYS, TAGS and the broker's included */
    size_t property_count;
    const char *message_id; /* UNIQ_KEY, else the offset message id */
    bool corrupt_body;      /* CRC or compression is wrong: body is as stored */
} rmq_received;

/** The value of a property, or NULL. */
DT_API const char *rmq_received_property(const rmq_received *message, const char *name);

/* ---------------------------------------------------------------- producer
 *
 * An ordered lane per queue: messages handed to one queue are stored in that order, with one
 * request in flight; what is queued when the lane is free goes as one batch, under the limits
 * that brokers really have (properties over 16 KiB travel alone, 32,000 bytes are refused here
 * already, a batch stays under 4 MiB). A lane that fails retries the same messages first: later
 * ones never overtake. */

typedef struct rmq_producer rmq_producer;

typedef struct rmq_producer_config {
    const char *group;      /* required; copied */
    size_t memory_max;      /* 64 MiB: messages accepted and not yet answered */
    size_t batch_count_max; /* 256; 1 turns batching off */
    size_t batch_size_max;  /* 1 MiB of bodies and properties */
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
 *          DT_EINVAL (empty body, bad property, bad queue), DT_ETOOBIG (body over 4 MiB or
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

/* ---------------------------------------------------------------- consumer
 *
 * Reads chosen queues of one topic from chosen offsets by long polling; remembers nothing in
 * the broker unless told (rmq_offset_commit). With a group given as member it also heartbeats,
 * so that brokers and admin tools list it; sharing of queues between members is not done. */

typedef struct rmq_consumer rmq_consumer;

typedef struct rmq_consumer_config {
    const char *topic;           /* required; copied */
    const char *group;           /* required by the protocol; copied */
    bool member;                 /* true: heartbeat as a member of the group */
    size_t queue_memory_max;     /* 4 MiB read ahead per queue */
    int32_t pull_count;          /* 32 messages per request */
    int64_t suspend_ms;          /* 15000: how long the broker holds an empty pull */
    void (*ready)(void *opaque); /* network thread: there is something to poll; may be NULL.
                                    Called at least once after each poll that found nothing. */
    void *opaque;
} rmq_consumer_config;

/** What one poll gave; owns the messages. */
typedef struct rmq_batch {
    rmq_queue queue;
    const rmq_received *messages; /* in queue order; none when `count` is 0 */
    size_t count;
    int64_t
        next_offset; /* read on from here; beyond the last message if the broker skipped */
    int64_t min_offset; /* bounds of the queue as the broker last said; -1 unknown */
    int64_t max_offset;
    /* The offset asked for was outside the queue: reading goes on at next_offset, which the
     * caller must judge (data lost, or a tail lost). */
    bool moved;
    /* The connection was lost since the batch before: a broker that came back without its newest
     * messages uses their offsets again. */
    bool interrupted;
} rmq_batch;

DT_API DT_MUST_USE dt_status rmq_consumer_new(rmq_client *client,
                                              const rmq_consumer_config *config,
                                              rmq_consumer **out);
DT_API void
rmq_consumer_free(rmq_consumer *consumer); /* not from a callback; NULL: no-op */

/** Starts reading a queue at `offset`, or moves it there: what was read ahead is dropped, and
 * no later poll returns anything from before the move. */
DT_API DT_MUST_USE dt_status rmq_consumer_assign(rmq_consumer *consumer,
                                                 const rmq_queue *queue, int64_t offset);
DT_API void rmq_consumer_unassign(rmq_consumer *consumer, const rmq_queue *queue);

/**
 * The next messages of one queue, queues in turn.
 * @param timeout_ms 0: do not wait.
 * @param out the caller's, rmq_batch_free(). NULL when there is nothing.
 * @returns DT_OK with a batch (which may have no messages but a moved offset);
 *          DT_ETIMEDOUT: nothing yet; DT_ECLOSED.
 */
DT_API DT_MUST_USE dt_status rmq_consumer_poll(rmq_consumer *consumer, int64_t timeout_ms,
                                               rmq_batch **out);
DT_API void rmq_batch_free(rmq_batch *batch);

/** How long no broker has answered a pull of this consumer, in ms; 0 while all is well. */
DT_API int64_t rmq_consumer_silent_ms(const rmq_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
