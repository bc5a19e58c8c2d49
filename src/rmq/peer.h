/*
 * peer.h - connections to brokers and name servers, and the requests that are under way on them.
 *
 *   peer  one address; has at most one connection for new requests, made when first needed
 *   conn  one TCP connection; also one that only waits for its last answers
 *   call  one request, in memory of whoever makes it, from rmq_call_start() to done()
 *
 * A call ends exactly once: with an answer, or with why there is none. What matters to a sender
 * is whether the request can have reached the peer, and here that is exact: DT_EINDOUBT only if
 * all its bytes were handed to the system, else DT_EUNREACH or DT_ETIMEDOUT.
 *
 * A request that is not answered in time makes its connection suspect if nothing at all has come
 * in since: new requests then get a new connection, and the old one is closed after its last
 * answer or time-out, so that the others on it do not end in doubt with it.
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_PEER_H
#define RMQ_PEER_H

#include "net/list.h"
#include "net/tcp.h"
#include "rmq/command.h"
#include "rmq/route.h"

struct rmq_call;
struct rmq_client;

#define RMQ_REASON_SIZE 192

/* How a call ended. Everything is borrowed for the call of done(). */
struct rmq_answer {
    dt_status status;   /* DT_OK: the peer answered; what it thinks is in command->code */
    const char *reason; /* "" on DT_OK */
    const struct rmq_command *command; /* NULL unless DT_OK, and of a oneway call */
    struct dt_span body;
};

enum rmq_call_state {
    RMQ_CALL_IDLE,    /* not under way: may be started */
    RMQ_CALL_WAITING, /* for the connection: nothing was sent */
    RMQ_CALL_SENT,
    RMQ_CALL_ENDING /* done() will be called in this turn */
};

struct rmq_call {
    /* Set by the owner. encode() writes one whole frame with call->opaque to `out`; it is called
     * when the connection is there. done() may start the call again. */
    void (*encode)(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type);
    void (*done)(struct rmq_call *call, const struct rmq_answer *answer);
    void *owner;         /* for the two above */
    int64_t timeout_ms;  /* for the answer, from when it is sent */
    int64_t deadline_ms; /* for all of it (dt_clock_ms), INT64_MAX: none */
    bool
        repeatable; /* sent twice does no harm: ended as soon as the connection is suspect */
    bool
        is_oneway; /* never answered: done() says DT_OK without a command when it is handed to
                       the connection */
    /* Not the owner's. */
    enum rmq_call_state state;
    int32_t opaque;
    struct dt_link link;             /* in waiting, pending or ending */
    struct rmq_call *next_in_bucket; /* of the table of sent calls */
    struct rmq_conn *conn;           /* when sent */
    uint64_t conn_number; /* of the connection it went by last: later ones have larger */
    uint64_t sent_end;    /* stream position behind it */
    uint64_t received_before; /* bytes that had come in when it was sent */
    int64_t expires_ms;
    dt_status end_status;
    char reason[RMQ_REASON_SIZE];
};

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

struct rmq_peer {
    struct dt_link link;    /* in peers->peers */
    struct rmq_conn *conn;  /* for new calls; NULL: none */
    struct dt_link waiting; /* calls for the connection to open */
    int64_t failed_ms;      /* when connecting last failed; 0: it did not */
    char failure[RMQ_REASON_SIZE];
    char address[RMQ_ADDRESS_SIZE];
};

enum { RMQ_CALL_BUCKETS = 1024, RMQ_PEERS_MAX = 4096 };

struct rmq_peers {
    struct rmq_client *client;
    struct dt_link peers, conns;
    size_t peer_count;
    struct rmq_call *sent[RMQ_CALL_BUCKETS]; /* by opaque */
    int32_t last_opaque;
    uint64_t last_conn_number;
    struct dt_link ending;
    struct dt_op deliver_op;
    bool deliver_posted;
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

/* Makes a zeroed call ready to be started. */
void rmq_call_init(struct rmq_call *call);

/* Sends a request to "host:port". Never calls done() before it returns. */
void rmq_call_start(struct rmq_client *client, const char *address, struct rmq_call *call);

/* Ends the caller's interest: done() is not called, a later answer is dropped. True if the
 * request may have reached the peer. An idle call gives false. */
bool rmq_call_cancel(struct rmq_call *call);

/* True if requests to the address can go out at once. */
bool rmq_peer_is_open(struct rmq_peers *peers, const char *address);

/* Closes and forgets peers without calls for which keep() says no. */
void rmq_peers_prune(struct rmq_peers *peers,
                     bool (*keep)(struct rmq_client *client, const char *address));

#endif
