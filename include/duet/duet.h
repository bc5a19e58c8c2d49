/*
 * duet.h - the SDK: a producer that writes to Kafka and RocketMQ, a consumer that runs the same
 * handler on both.
 *
 * A producer is: open, produce with a callback, flush, close. A consumer is: open with a group
 * and one handler, run, stop. What is written where, and which side is live, comes from the plan
 * in the control store and changes while both run; the application does not.
 *
 * All functions return a dt_status (rmq/status.h); on failure dt_error_text() has the sentence.
 */
#ifndef DUET_DUET_H
#define DUET_DUET_H

#include <stddef.h>
#include <stdint.h>

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, such as "0.1.0". The text is static. */
DT_API const char *duet_version(void);

/** A header of a message. Names are NUL-terminated; values are bytes, NULL is null. */
typedef struct duet_message_header {
    const char *name;  /* NUL-terminated */
    const void *value; /* bytes; NULL: null */
    size_t size;       /* in bytes */
} duet_message_header;

/**
 * Takes a document of statistics: one JSON object, valid during the call, NUL-terminated. Its fields
 * are listed with type, unit and meaning in docs/sdk-statistics.md. Fields may be added; none that
 * is listed changes its meaning. It must not block and not call into duet.
 * @param size of the text, without the NUL.
 */
typedef void (*duet_statistics_fn)(void *opaque, const char *json, size_t size);

/* ---------------------------------------------------------------- producer */

/** Writes messages to the sides that the plan names. */
typedef struct duet_producer duet_producer;

/** How a message ended. */
typedef enum duet_result {
    DUET_RESULT_DONE =
        0, /* the primary has acknowledged it; where both are waited for (`ack:
                                 both`, or a live side that is not the primary), both have */
    DUET_RESULT_NOT_DONE = 1, /* it is on no side and never will be */
    DUET_RESULT_IN_DOUBT =
        2 /* not answered in time: it may be stored. duet goes on to resolve
                                 it under the same id; do not send it again */
} duet_result;

/**
 * Called exactly once per accepted message, on a thread of the library; it must not block.
 * Messages of one partition are answered in the order they were produced.
 * @param reason a sentence, "" when done; valid during the call.
 */
typedef void (*duet_produce_fn)(void *opaque, duet_result result, const char *reason);

/** A message to produce. All of it is borrowed until the call returns. */
typedef struct duet_message {
    const char *topic; /* Kafka's name of a route; NULL: the migration's only one */
    const void *key;   /* NULL: none; the partition is then chosen round robin */
    size_t key_size;   /* in bytes */
    const void *value; /* NULL: null (a tombstone) */
    size_t value_size; /* in bytes */
    const duet_message_header *headers; /* in their order; may be NULL with 0 */
    size_t header_count;                /* how many */
    int64_t event_time_ms; /* wall clock; decides the day it is counted in. < 0: now */
} duet_message;

/**
 * Opens the producer `name` of the migration described by the file. The name is an identity: it
 * must stay the same over restarts and be used by one process at a time.
 *
 * @param out the caller's, until duet_producer_close().
 * @returns DT_OK; DT_EINVAL: the file or the name is wrong; DT_EBUSY: a living process on this
 * host has the name, or `duet journal adopt` is not through with its journal; DT_ENOTFOUND: no plan (`duet plan init`); DT_EUNREACH: the control store;
 * DT_ENOSPC, DT_EIO: state_dir cannot be written; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status duet_producer_open(const char *config_path, const char *name,
                                                duet_producer **out);

/**
 * Produces a message. Thread: any; the order of one thread's calls is kept per partition.
 * Waits only while the memory bound of a side is reached on which some group is live (or of the
 * primary), at most until timeout_ms.
 *
 * @param timeout_ms 0: producer.timeout_ms of the configuration. From now to the callback.
 * @param callback may be NULL.
 * @returns DT_OK: accepted, the callback will run. Else nothing was sent and it will not:
 * DT_EINVAL (unknown topic, bad argument), DT_ETOOBIG (a live side would refuse it),
 * DT_ETIMEDOUT (no room in time), DT_ENOMEM, DT_ECLOSED.
 */
DT_API DT_MUST_USE dt_status duet_produce(duet_producer *producer,
                                          const duet_message *message, int64_t timeout_ms,
                                          duet_produce_fn callback, void *opaque);

/**
 * Waits until every message is on each side that is written or listed as given up.
 * @returns DT_OK; DT_ETIMEDOUT after timeout_ms (< 0: without end).
 */
DT_API DT_MUST_USE dt_status duet_producer_flush(duet_producer *producer,
                                                 int64_t timeout_ms);

/** Statistics of a producer since it was opened. */
typedef struct duet_producer_stats {
    int64_t produced;       /* accepted */
    int64_t done;           /* of these, acknowledged by the primary */
    int64_t not_done;       /* of these, on no side */
    int64_t in_doubt;       /* of these, not known yet, or never */
    int64_t secondary_done; /* copies stored on the side that is not the primary */
    int64_t pending;        /* messages not yet everywhere */
    int64_t pending_bytes;  /* of these */
    int64_t journal;        /* of these, on disk alone: what memory has no room for */
    int64_t journal_bytes;  /* of these */
    int64_t spilled;        /* copies written to the journal */
    int64_t replayed;       /* and read back */
    int64_t dropped;        /* copies given up because a side's bounds were reached */
    int64_t refused;        /* copies that side can never take */
    int64_t isolated;       /* copies whose bytes in the journal are damaged */
    int64_t waits;          /* produce calls that had to wait for a secondary ... */
    int64_t plan_version;   /* of the plan that is carried out */
    int64_t moving; /* partitions that are not yet written to the plan's primary first */
} duet_producer_stats;
/** Fills `out`. Thread: any. */
DT_API void duet_producer_statistics(duet_producer *producer, duet_producer_stats *out);

/**
 * Gives a document of statistics to `fn` about every interval_ms (at least 10), on the producer's
 * own thread, until duet_producer_close(), after which none comes. Once for a producer.
 * @param opaque borrowed as long, given to `fn`.
 * @returns DT_OK; DT_EINVAL: the interval, or no function; DT_ESTATE: it was done before.
 */
DT_API DT_MUST_USE dt_status duet_producer_set_statistics(duet_producer *producer,
                                                          int64_t interval_ms,
                                                          duet_statistics_fn fn,
                                                          void *opaque);

/**
 * The folder in which this producer keeps its own state (in `state_dir`, locked while it is
 * open): absolute, and there. An application that must remember how far it came keeps it here,
 * in files whose names start with `app-`. Valid until duet_producer_close().
 */
DT_API const char *duet_producer_state_dir(const duet_producer *producer);

/** Ends without waiting longer than a few seconds: messages that are not out are answered as
 * not done or in doubt. Flush first. NULL: no-op. Not from a callback. */
DT_API void duet_producer_close(duet_producer *producer);

/* ---------------------------------------------------------------- consumer */

/** Reads a group's messages in two roles, live and shadow. */
typedef struct duet_consumer duet_consumer;

/** A message as the handler gets it; all of it is borrowed for the call. */
typedef struct duet_delivery duet_delivery;

/** Kafka's name of the route. */
DT_API const char *duet_delivery_topic(const duet_delivery *delivery);
/** The Kafka partition, which is the RocketMQ queue of the plan's map. */
DT_API int32_t duet_delivery_partition(const duet_delivery *delivery);
/** The key's bytes, and their number; NULL with *size 0 for null. */
DT_API const void *duet_delivery_key(const duet_delivery *delivery, size_t *size);
/** The value's, in the same way. */
DT_API const void *duet_delivery_value(const duet_delivery *delivery, size_t *size);
/** How many headers it has. */
DT_API size_t duet_delivery_header_count(const duet_delivery *delivery);
/** The i-th header; the name is not NUL-terminated. */
DT_API void duet_delivery_header(const duet_delivery *delivery, size_t i, const char **name,
                                 size_t *name_size, const void **value, size_t *value_size);
/** The message's identity as 28 hex digits: the same on both sides, usable as idempotence key. */
DT_API const char *duet_delivery_id(const duet_delivery *delivery);
/** "live" or "shadow". For logs: logic must not depend on it. */
DT_API const char *duet_delivery_role(const duet_delivery *delivery);
/** "kafka" or "rocketmq", in the same way. */
DT_API const char *duet_delivery_side(const duet_delivery *delivery);

/** What a value is. */
typedef enum duet_type {
    DUET_NULL,    /* null */
    DUET_INTEGER, /* of 64 bits */
    DUET_REAL,    /* a double */
    DUET_TEXT,    /* UTF-8 */
    DUET_BLOB     /* bytes */
} duet_type;

/** A value bound to $1, $2, ... or read from a row. */
typedef struct duet_value {
    duet_type type;   /* which of these counts */
    int64_t integer;  /* of DUET_INTEGER */
    double real;      /* of DUET_REAL */
    const void *data; /* text (not NUL-terminated) and blob; borrowed for the call */
    size_t size;      /* of it, in bytes */
} duet_value;

/** A null. Pure, as those below. */
DT_API duet_value duet_null(void);
/** A whole number. */
DT_API duet_value duet_integer(int64_t value);
/** A number with a fraction. */
DT_API duet_value duet_real(double value);
/** A NUL-terminated text, borrowed; NULL gives null. */
DT_API duet_value duet_text(const char *text);
/** A text of so many bytes, borrowed. */
DT_API duet_value duet_text_n(const void *text, size_t size);

/** Called per row; the values are valid during the call. Return false to stop. */
typedef bool (*duet_row_fn)(void *context, const duet_value *values, size_t count);

/**
 * Runs one SQL statement in the transaction of this delivery: the same text lands in the live or
 * the shadow database. Parameters are $1, $2, ... by number, as often as wanted.
 * @param changed rows changed; may be NULL.
 * @returns DT_OK; DT_EINVAL: the SQL is wrong or touches duet's own tables; others as the store
 * gives them: return them from the handler.
 */
DT_API DT_MUST_USE dt_status duet_exec(duet_delivery *delivery, const char *sql,
                                       const duet_value *values, size_t count,
                                       int64_t *changed);
/** The same for a statement that gives rows: `row` is called for each, with `context`. Outcomes as
 * duet_exec(). */
DT_API DT_MUST_USE dt_status duet_query(duet_delivery *delivery, const char *sql,
                                        const duet_value *values, size_t count,
                                        duet_row_fn row, void *context);

/**
 * The handler: one message, its effects through duet_exec only. It runs on the role's thread,
 * one message at a time per role; live and shadow run at the same time on different threads.
 *
 * @param state what `state_new` gave for this role; process-wide state must be read-only.
 * @returns DT_OK: its effects are committed with the batch. Else they are undone and it is
 * called again, consumer.handler.tries times; then the message is isolated: counted as failed
 * and listed.
 */
typedef dt_status (*duet_handler_fn)(duet_delivery *delivery, void *state);

/** Settings of a consumer, borrowed until duet_consumer_open() returns. Start from {0}. */
typedef struct duet_consumer_config {
    const char *config_path; /* the configuration file */
    const char *topic;       /* NULL: the only route that lists the group */
    const char *group;       /* of the route */
    const char *name;        /* of this instance */
    const char *sink;        /* "sqlite:DIR" */
    const char *const
        *schema;             /* statements run when a store is opened, ended by NULL: CREATE
                                  TABLE IF NOT EXISTS ...; may be NULL */
    duet_handler_fn handler; /* required */
    void *(*state_new)(void *context,
                       const char *role); /* may be NULL: state is `context` */
    void (*state_free)(void *state);      /* may be NULL */
    void *context; /* given to state_new, or the state of both roles */
} duet_consumer_config;

/**
 * Opens a consumer; nothing is read before duet_consumer_run().
 * @returns DT_OK; DT_EINVAL: wrong configuration, unknown topic or group, or a group that has
 * committed positions in Kafka but no state of duet's; DT_EBUSY: the name is held by a living
 * process, or the group by another name; DT_ENOTFOUND: no plan; DT_EUNREACH: store or brokers;
 * DT_ENOSPC, DT_EIO: the sink; DT_EUNSUPPORTED: a postgresql: sink.
 */
DT_API DT_MUST_USE dt_status duet_consumer_open(const duet_consumer_config *config,
                                                duet_consumer **out);

/**
 * Runs until duet_consumer_stop() or, if until_idle_ms > 0, until nothing was there to do for
 * that long in any role. Blocks; its own threads do the work.
 * @returns DT_OK: stopped or idle; else what ended it (DT_ENOSPC: the sink's disk is full; the
 * transaction was rolled back and nothing is lost; DT_EUNREACH: with until_idle_ms, a side did not
 * answer within 30 s, so that nobody knows whether anything was left to do).
 */
DT_API DT_MUST_USE dt_status duet_consumer_run(duet_consumer *consumer,
                                               int64_t until_idle_ms);

/** Asks run to return. Thread: any; from a signal handler, too. */
DT_API void duet_consumer_stop(duet_consumer *consumer);

/** What a consumer has done since it was opened. */
typedef struct duet_consumer_stats {
    int64_t live;       /* messages processed in the live role */
    int64_t shadow;     /* and in the shadow role */
    int64_t duplicates; /* passed over because stored twice */
    int64_t failed;     /* given up, and listed */
} duet_consumer_stats;
/** Fills `out`. Thread: any. */
DT_API void duet_consumer_statistics(duet_consumer *consumer, duet_consumer_stats *out);

/**
 * Gives a document of statistics to `fn` about every interval_ms (at least 10), on the thread of
 * duet_consumer_run(). Before that; once for a consumer.
 * @param opaque borrowed until duet_consumer_close(), given to `fn`.
 * @returns DT_OK; DT_EINVAL: the interval, or no function; DT_ESTATE: it was done before.
 */
DT_API DT_MUST_USE dt_status duet_consumer_set_statistics(duet_consumer *consumer,
                                                          int64_t interval_ms,
                                                          duet_statistics_fn fn,
                                                          void *opaque);

/** Ends and frees; what was not committed comes again. Not while it runs. NULL: no-op. */
DT_API void duet_consumer_close(duet_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif
