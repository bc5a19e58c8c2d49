/*
 * conn.h - one TCP connection to a peer, and the calls that went by it.
 *
 * A request that is not answered in time makes its connection suspect if nothing at all has come
 * in since: new requests then get a new connection, and the old one is closed after its last
 * answer or time-out, so that the others on it do not end in doubt with it.
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_CONN_H
#define RMQ_CONN_H

#include "net/tcp.h"
#include "rmq/call.h"

struct rmq_peer;
struct rmq_peers;

struct rmq_conn {
    struct dt_link link; /* in peers->conns */
    struct rmq_peers *peers;
    struct rmq_peer *peer;
    struct dt_tcp *tcp;
    uint64_t number; /* from 1 on, never used twice */
    bool is_open;
    bool is_draining; /* gets no new calls; closed after the last answer */
    bool is_reading;  /* frames are being handled: not to be freed now */
    bool is_dead;
    struct dt_link pending; /* calls sent and not answered, oldest first */
};

/* Begins to connect; the peer's calls go by it from now on. */
DT_MUST_USE dt_status rmq_conn_open(struct rmq_peers *peers, struct rmq_peer *peer);

/* Its calls end, and so do those that waited for it; no event after. */
void rmq_conn_close(struct rmq_conn *conn, dt_status status, const char *reason);

/* Sends a call by an open connection. */
void rmq_conn_send(struct rmq_conn *conn, struct rmq_call *call);

/* Ends what was not answered in time; returns the next time to look. May close the connection. */
int64_t rmq_conn_expire(struct rmq_conn *conn, int64_t now_ms);

#endif
