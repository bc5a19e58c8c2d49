/*
 * tcp.h - a TCP connection to a peer, as client: never blocks, many small writes in one call;
 * with TLS above it where wanted.
 *
 * What is put into the buffer of dt_tcp_out() leaves at the end of the loop's turn, all of it in
 * one write. Counting positions in the stream tells afterwards whether a piece of it can have
 * reached the peer: what was never handed to the system has not.
 *
 * Thread: net loop, all of it.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/tls.h"

struct dt_tcp;

struct dt_tcp_events {
    /* connected, and with TLS the peer is who it should be; what is in dt_tcp_out() goes out from now on */
    void (*opened)(void *context);
    /* Bytes are there. Returns how many of them were used; the rest comes again, with more
     * behind it. May close the connection. */
    size_t (*received)(void *context, struct dt_span bytes);
    /* The connection could not be made, or is lost: no further event, and the pointer is dead
     * after. Not called for dt_tcp_close(). DT_EUNREACH; DT_EREFUSED: in TLS one of the two does
     * not trust the other, or does not speak it; DT_ENOMEM. */
    void (*closed)(void *context, dt_status status, const char *reason);
};

struct dt_tcp_config {
    const char *address;        /* host:port */
    int64_t connect_timeout_ms; /* with the name's look-up and the TLS handshake */
    size_t in_max;      /* bytes received and not used: beyond, the connection is closed */
    size_t out_max;     /* bytes put and not written: beyond, the buffer fails */
    struct dt_tls *tls; /* NULL: none. Borrowed for the connection's life. */
};

/**
 * Starts to connect. Nothing is called back before this has returned.
 * @param config borrowed. @param events borrowed for the connection's life.
 * @returns DT_OK; DT_EINVAL: no address; DT_ENOMEM.
 */
DT_MUST_USE dt_status dt_tcp_open(struct dt_loop *loop, const struct dt_tcp_config *config,
                                  const struct dt_tcp_events *events, void *context,
                                  struct dt_tcp **out);

/* Closes at once; what is not written is dropped. No event after. NULL: no-op. */
void dt_tcp_close(struct dt_tcp *tcp);

/* Where to put bytes; call dt_tcp_flush() after. If the buffer fails, the caller takes what it
 * put back out (size) and clears `failed`. */
struct dt_buf *dt_tcp_out(struct dt_tcp *tcp);
void dt_tcp_flush(struct dt_tcp *tcp);

/* Position in the stream of what was put, behind its last byte and behind the last that was handed
 * to the system (and may have reached the peer). */
uint64_t dt_tcp_put_position(const struct dt_tcp *tcp);
uint64_t dt_tcp_sent_position(const struct dt_tcp *tcp);

/* Writes that were handed to the system since the start. */
uint64_t dt_tcp_writes(const struct dt_tcp *tcp);

/* Bytes received since the start, as they came. */
uint64_t dt_tcp_received(const struct dt_tcp *tcp);

#endif
