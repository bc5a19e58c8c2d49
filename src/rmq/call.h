/*
 * call.h - one request that is under way, and what becomes of it.
 *
 * A call is in memory of whoever makes it, from rmq_call_start() to done(). It ends exactly once:
 * with an answer, or with why there is none. What matters to a sender is whether the request can
 * have reached the peer, and here that is exact: DT_EINDOUBT only if all its bytes were handed to
 * the system, else DT_EUNREACH or DT_ETIMEDOUT.
 *
 * Thread: net loop, all of it.
 */
#ifndef RMQ_CALL_H
#define RMQ_CALL_H

#include "net/list.h"
#include "net/loop.h"
#include "rmq/command.h"

struct rmq_call;
struct rmq_client;
struct rmq_conn;

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
    bool
        is_held; /* the broker may wait before it answers: says nothing about the way there */
    /* Not the owner's. */
    enum rmq_call_state state;
    int32_t opaque;
    struct dt_link link;             /* in waiting, pending or ending */
    struct rmq_call *next_in_bucket; /* of the table of sent calls */
    struct rmq_conn *conn;           /* when sent */
    uint64_t conn_number; /* of the connection it went by last: later ones have larger */
    uint64_t sent_end;    /* stream position behind it */
    uint64_t received_before; /* bytes that had come in when it was sent */
    int64_t sent_us;          /* dt_clock_us */
    int64_t expires_ms;
    dt_status end_status;
    char reason[RMQ_REASON_SIZE];
};

/* What became of calls: sent = answered + timed_out + failed + cancelled + oneway + those that
 * are under way. */
struct rmq_call_counters {
    uint64_t sent;   /* written to a connection */
    uint64_t oneway; /* of these, those that nobody answers */
    uint64_t answered;
    uint64_t timed_out; /* not answered in time */
    uint64_t failed;    /* the connection was lost before the answer, or given up */
    uint64_t cancelled; /* the owner's interest ended */
    uint64_t not_sent;  /* no connection, or none in time */
};

enum { RMQ_CALL_BUCKETS = 1024 };

/* The calls of a client. */
struct rmq_calls {
    struct dt_loop *loop;
    struct rmq_call *sent[RMQ_CALL_BUCKETS]; /* by opaque */
    int32_t last_opaque;
    struct dt_link ending; /* done() is still to be called */
    struct dt_op deliver_op;
    bool deliver_posted;
    struct rmq_call_counters counters;
};

/* Makes a zeroed call ready to be started. */
void rmq_call_init(struct rmq_call *call);

/* Sends a request to "host:port". Never calls done() before it returns. */
void rmq_call_start(struct rmq_client *client, const char *address, struct rmq_call *call);

/* Ends the caller's interest: done() is not called, a later answer is dropped. True if the
 * request may have reached the peer. An idle call gives false. */
bool rmq_call_cancel(struct rmq_call *call);

/* ---------------------------------------------------------------- for peer.c and conn.c */

void rmq_calls_init(struct rmq_calls *calls, struct dt_loop *loop);

/* A number that no call under way has. */
int32_t rmq_calls_next_opaque(struct rmq_calls *calls);

/* It is on the connection now, and found by its number. */
void rmq_call_sent(struct rmq_calls *calls, struct rmq_call *call);
struct rmq_call *rmq_calls_find(struct rmq_calls *calls, int32_t opaque); /* NULL: none */

/* Takes the call off whatever it is in. */
void rmq_call_detach(struct rmq_calls *calls, struct rmq_call *call);

/* The call ends without an answer. done() is called by rmq_calls_deliver(), which _later does
 * when the owner, who is calling us, has returned. */
void rmq_call_end(struct rmq_calls *calls, struct rmq_call *call, dt_status status,
                  const char *reason);
void rmq_calls_deliver(struct rmq_calls *calls);
void rmq_calls_deliver_later(struct rmq_calls *calls);

/* Of two times, INT64_MAX being never. */
static inline int64_t rmq_earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

#endif
