/*
 * client_inside.h - what a client is made of, for the files of this folder.
 *
 * All but the settings belongs to the net loop.
 */
#ifndef RMQ_CLIENT_INSIDE_H
#define RMQ_CLIENT_INSIDE_H

#include "net/loop.h"
#include "net/tls.h"
#include "rmq/client_log.h"
#include "rmq/heartbeat.h"
#include "rmq/names.h"
#include "rmq/naming.h"
#include "rmq/peer.h"
#include "rmq/sign.h"
#include "rmq/statistics.h"
#include "rmq/topics.h"

#define RMQ_CLIENT_ID_SIZE 320

struct rmq_client {
    /* settings: never change */
    int64_t connect_timeout_ms, request_timeout_ms;
    int64_t heartbeat_period_ms, route_period_ms;
    int64_t backoff_ms_min, backoff_ms_max;
    size_t frame_size_max;
    enum rmq_header_type header_type;
    char id[RMQ_CLIENT_ID_SIZE];
    char space[RMQ_TOPIC_SIZE_MAX + 1]; /* the namespace, "" for none: see naming.h */
    uint8_t ip[4];                      /* of this host, in message ids */
    struct dt_tls *tls;                 /* NULL: none */
    struct dt_loop *loop;
    struct rmq_client_sink log;
    /* the net loop's */
    struct rmq_peers peers;
    struct rmq_names names;
    struct rmq_topics topics;
    struct rmq_heartbeat heartbeat;
    struct dt_link inbound;    /* consumers that brokers may ask for: inbound.h */
    struct rmq_signer *signer; /* NULL: requests are not signed */
    uint64_t random;
    uint64_t retries; /* messages that were sent again, or are to be */
    struct rmq_statistics statistics;
};

/* How long to wait after the n-th failure in a row (n >= 1): doubling from backoff_ms_min to
 * backoff_ms_max, of which a random half. Thread: net loop. */
int64_t rmq_client_backoff_ms(struct rmq_client *client, unsigned failures);

/* DT_OK; DT_ESTATE in a process that was forked off, or, for what waits, on the net loop. The
 * first thing that a public function asks: before it takes a lock. Thread: any. */
DT_MUST_USE dt_status rmq_client_check(const struct rmq_client *client, bool waits);

/* Runs fn(context) on the net loop and waits until it has. DT_ESTATE on the loop itself. */
DT_MUST_USE dt_status rmq_client_run(struct rmq_client *client, void (*fn)(void *context),
                                     void *context);

/* Now + timeout_ms, without overflow. */
int64_t rmq_deadline_ms(int64_t timeout_ms);

#endif
