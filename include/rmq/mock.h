/*
 * mock.h - a RocketMQ in memory: one name server and one broker on loopback TCP.
 *
 * Behaves as 5.3.3 does towards a client, for the requests that producers, consumers and the
 * creation of topics need; everything else is answered "not supported" (code 3). It can be told
 * to misbehave: lose copies that it acknowledged, answer with errors, late or not at all, drop
 * connections, restart with or without its newest messages.
 *
 * Thread: every function from any, at any time while the mock lives. One thread of its own does
 * all the serving. What a function changes holds for each request that arrives after it
 * returned.
 */
#ifndef RMQ_MOCK_H
#define RMQ_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mockmq rmq_mock;

/* Zero or NULL means the default given. */
typedef struct rmq_mock_config {
    const char *host; /* "127.0.0.1": an IPv4 address, listened on and put into routes */
    uint16_t namesrv_port;   /* any free one */
    uint16_t broker_port;    /* any free one */
    const char *cluster;     /* "DefaultCluster" */
    const char *broker_name; /* "broker-a" */
    size_t memory_max;       /* 1 GiB of stored messages; when full, sends get code 14 */
    int32_t
        default_queues;  /* 8: queues of TBW102; auto-created topics get min(wish, this) */
    bool no_auto_create; /* sends and pulls of unknown topics get code 17 */
    bool
        mirror_header_type; /* answer in the type of the request, as 4.9 does; else in JSON */
    bool
        forgets; /* messages get their offsets and are dropped: pulls find nothing there. For
                     more load than memory would hold */
} rmq_mock_config;

/**
 * Starts it; both ports answer when this returns.
 *
 * @param config borrowed; NULL: all defaults.
 * @param out    the caller's, rmq_mock_free(); NULL unless DT_OK.
 * @returns DT_OK; DT_EINVAL: no such host, a name that is too long; DT_EIO: a port is taken, no
 *          file handles; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status rmq_mock_new(const rmq_mock_config *config, rmq_mock **out);

/* Closes all connections, ends the thread, frees. NULL: no-op. */
DT_API void rmq_mock_free(rmq_mock *mock);

/* "host:port" to give to clients; the same as long as the mock lives. */
DT_API const char *rmq_mock_namesrv(const rmq_mock *mock);
DT_API const char *rmq_mock_broker(const rmq_mock *mock);

/* Creates a topic, as code 17 does; more queues are added to one that is there, never taken.
 * DT_EINVAL: a name or number that a broker refuses; DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_mock_topic_create(rmq_mock *mock, const char *topic,
                                                   int32_t queues);

/* ---------------------------------------------------------------- misbehaviour */

/**
 * One text command, as the sandbox's socket takes it:
 *
 *     withhold TOPIC N    error CODE N    delay MS    cut    restart [lose]    down    up
 *
 * @param reply gets one line without its end: "ok", or what is wrong with the text.
 * @returns DT_OK; DT_EINVAL; DT_ENOMEM.
 */
DT_API dt_status rmq_mock_control(rmq_mock *mock, const char *text, char *reply,
                                  size_t reply_size);

/* The next `count` messages sent to the topic are acknowledged, then not stored: their offsets
 * go to the messages after them. Adds to a number still outstanding. Which ones they were stays
 * on record. DT_EINVAL: no legal topic name; DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_mock_withhold(rmq_mock *mock, const char *topic,
                                               int64_t count);

/* A message that was withheld. */
typedef struct rmq_mock_withheld {
    char topic[256];
    int32_t queue_id;
    int64_t offset;    /* that its sender was told */
    char duet[128];    /* its property DUET, "" if there is none or it is longer */
    char uniq_key[64]; /* its property UNIQ_KEY, in the same way */
} rmq_mock_withheld;

/* How many were, since the start, in the order of their arrival; and one of them. */
DT_API size_t rmq_mock_withheld_count(rmq_mock *mock);
/* DT_ENOTFOUND: index >= count. */
DT_API DT_MUST_USE dt_status rmq_mock_withheld_get(rmq_mock *mock, size_t index,
                                                   rmq_mock_withheld *out);

/* The next `count` requests with this request code (0: every kind of send) are answered with
 * `response_code` and not carried out. Replaces what is outstanding for that request code. */
DT_API void rmq_mock_error(rmq_mock *mock, int32_t request_code, int32_t response_code,
                           int64_t count);

/* The next `count` requests with this request code (0: every kind of send) are carried out, but
 * their connection is closed instead of answered: in doubt. Replaces what is outstanding. */
DT_API void rmq_mock_lose_answers(rmq_mock *mock, int32_t request_code, int64_t count);

/* Every answer from now on leaves so much later; 0: at once. */
DT_API void rmq_mock_delay(rmq_mock *mock, int64_t delay_ms);

/* Pulls are answered with at most so many messages and bytes from now on, as brokers do for what
 * is no longer in their memory (8 and 65536); 0: 32 messages, 256 KiB. One message always goes. */
DT_API void rmq_mock_pull_limit(rmq_mock *mock, int32_t count, size_t bytes);

/* Closes all connections. */
DT_API void rmq_mock_cut(rmq_mock *mock);

/* Closes all connections and comes back at once, on the same ports. The last `lose` messages of
 * each queue are gone: their offsets will be used again. 0: no message is. Members are forgotten,
 * committed offsets are not. While it is down it stays down. */
DT_API void rmq_mock_restart(rmq_mock *mock, int64_t lose);

/* Closes all connections and listens no more: connecting is refused until rmq_mock_up(). Data
 * stays. rmq_mock_up() gives DT_EIO if a port was taken by another in between. */
DT_API void rmq_mock_down(rmq_mock *mock);
DT_API DT_MUST_USE dt_status rmq_mock_up(rmq_mock *mock);

/* ---------------------------------------------------------------- looking inside, for tests */

/* Requests with this code (0: every kind of send) that have arrived. */
DT_API int64_t rmq_mock_requests(rmq_mock *mock, int32_t request_code);

/* Waits until that many have arrived. False: not in time. */
DT_API bool rmq_mock_wait_requests(rmq_mock *mock, int32_t request_code, int64_t count,
                                   int64_t timeout_ms);

/* The next offset of a queue; -1 if there is no such queue. */
DT_API int64_t rmq_mock_max_offset(rmq_mock *mock, const char *topic, int32_t queue_id);

/* The most requests that were sending to one and the same queue at a time: arrived, not yet
 * answered. Only delayed answers make it more than 1. */
DT_API int64_t rmq_mock_sends_at_once(rmq_mock *mock);

/* Connections that are open now, to name server and broker. */
DT_API int64_t rmq_mock_connections(rmq_mock *mock);

#ifdef __cplusplus
}
#endif
#endif
