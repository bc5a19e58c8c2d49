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
    char broker_name[128];
    int32_t queue_id;
} rmq_queue;

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

#ifdef __cplusplus
}
#endif
#endif
