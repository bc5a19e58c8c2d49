/*
 * message.h - messages to send, receipts, messages received.
 */
#ifndef RMQ_MESSAGE_H
#define RMQ_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One queue of a topic. A queue is (topic, broker_name, queue_id). */
typedef struct rmq_queue {
    char broker_name[128]; /* NUL-terminated */
    int32_t queue_id;      /* from 0 on, of that broker */
} rmq_queue;

/** A name and a value that travel with a message. */
typedef struct rmq_property {
    const char *name;  /* NUL-terminated; no 0x01, no 0x02 */
    const char *value; /* the same */
} rmq_property;

/** A message to send. Everything is borrowed until the call returns (it is copied). */
typedef struct rmq_message {
    const char *topic;              /* required */
    const void *body;               /* 1 byte to 4 MiB */
    size_t body_size;               /* in bytes */
    const char *keys;               /* property KEYS; NULL: none */
    const char *tags;               /* property TAGS; NULL: none */
    const rmq_property *properties; /* of the caller; may be NULL with 0 */
    size_t property_count;          /* how many */
    int32_t flag;                   /* stored verbatim */
    /* When consumers get to see it; at most one of the three, 0: at once. A delayed message is
     * parked: the offset in its receipt is one of the broker's own queue. */
    int32_t delay_level; /* 1 to 18: 1s 5s 10s 30s 1m 2m .. 10m 20m 30m 1h 2h, unless the
                              broker's messageDelayLevel says otherwise; above its last: that */
    int64_t delay_ms;    /* brokers of 5.x, at most 3 days unless set otherwise there; those
                              of 4.x know no such times and deliver at once */
    int64_t deliver_wall_ms; /* the same, as milliseconds since 1970 */
} rmq_message;

/** How safe a stored message is. Each of these means that the master has it. */
typedef enum rmq_send_status {
    RMQ_SEND_OK = 0,                   /* as safe as the broker is set up to make it */
    RMQ_SEND_FLUSH_DISK_TIMEOUT = 10,  /* not known to be on the master's disk */
    RMQ_SEND_SLAVE_NOT_AVAILABLE = 11, /* no replica was near enough to ask */
    RMQ_SEND_FLUSH_SLAVE_TIMEOUT = 12  /* no replica has confirmed it in time */
} rmq_send_status;

/** Where a message was stored. */
typedef struct rmq_receipt {
    char message_id[64];        /* UNIQ_KEY: what users see as the message id */
    char offset_message_id[64]; /* address of the copy on its broker */
    rmq_queue queue;            /* that has it */
    int64_t offset;             /* in the queue */
    bool
        less_safe; /* stored, but flush or replica was not confirmed: send_status says which */
    rmq_send_status send_status; /* how safely */
} rmq_receipt;

/** A received message; everything in it is borrowed from its batch. */
typedef struct rmq_received {
    const char *topic;       /* that it was read from; of a group consumer: was sent to */
    rmq_queue queue;         /* the same */
    int64_t offset;          /* in the queue */
    int64_t physical_offset; /* in the broker's log */
    int64_t born_ms;         /* wall clock of the producer, ms since 1970 */
    int64_t store_ms;        /* wall clock of the broker, ms since 1970 */
    int32_t sys_flag;        /* bits of the protocol: compression, transactions */
    int32_t flag;            /* as it was sent */
    int32_t reconsume_times; /* how often it was given back */
    const void *body;        /* uncompressed */
    size_t body_size;        /* in bytes */
    const rmq_property
        *properties;        /* in stored order, KEYS, TAGS and the broker's included */
    size_t property_count;  /* how many */
    const char *message_id; /* UNIQ_KEY, else the offset message id */
    bool corrupt_body;      /* CRC or compression is wrong: body is as stored */
} rmq_received;

/** The value of a property, or NULL. */
DT_API const char *rmq_received_property(const rmq_received *message, const char *name);

#ifdef __cplusplus
}
#endif
#endif
