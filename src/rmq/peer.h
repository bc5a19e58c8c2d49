/*
 * peer.h - the brokers and name servers that a client talks to, by address.
 *
 *   peer  one address; has at most one connection for new requests, made when first needed
 *   conn  one TCP connection; also one that only waits for its last answers   (conn.h)
 *   call  one request                                                         (call.h)
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_PEER_H
#define RMQ_PEER_H

#include "rmq/conn.h"
#include "rmq/route.h"
#include "rmq/rtt.h"

struct rmq_peer {
    struct dt_link link;    /* in peers->peers */
    struct rmq_conn *conn;  /* for new calls; NULL: none */
    struct dt_link waiting; /* calls for the connection to open */
    int64_t failed_ms;      /* when connecting last failed; 0: it did not */
    int64_t told_ms;        /* that the connection was lost, or cannot be made */
    bool is_told;           /* and not that it is there again */
    char failure[RMQ_REASON_SIZE];
    /* for statistics */
    struct rmq_call_counters counters;
    uint64_t connects, disconnects, connect_failures;
    uint64_t tx_bytes, rx_bytes; /* of connections that have ended */
    struct rmq_rtt *rtt;         /* NULL: nothing was recorded */
    char address[RMQ_ADDRESS_SIZE];
};

enum { RMQ_PEERS_MAX = 4096 };

struct rmq_peers {
    struct rmq_client *client;
    struct rmq_calls calls;
    struct dt_link peers, conns;
    size_t peer_count;
    uint64_t last_conn_number;
    bool is_closed;
    int64_t warned_ms;
    struct dt_timer *timer; /* set to the earliest time a call may expire, or before */
    struct dt_buf scratch;  /* of the header being read */
    struct rmq_command command;
};

DT_MUST_USE dt_status rmq_peers_init(struct rmq_peers *peers, struct rmq_client *client);
void rmq_peers_close(
    struct rmq_peers *peers); /* all connections; calls end with DT_ECLOSED */
void rmq_peers_fini(struct rmq_peers *peers); /* after the loop has stopped; any thread */

/* True if requests to the address can go out at once. */
bool rmq_peer_is_open(struct rmq_peers *peers, const char *address);

/* Closes and forgets peers without calls for which keep() says no. */
void rmq_peers_prune(struct rmq_peers *peers,
                     bool (*keep)(struct rmq_client *client, const char *address));

/* A call ends that was not written to a connection. Peer NULL: there is not even one. */
void rmq_peer_not_sent(struct rmq_peers *peers, struct rmq_peer *peer,
                       struct rmq_call *call, dt_status status, const char *reason);

#endif
