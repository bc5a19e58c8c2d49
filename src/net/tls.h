/*
 * tls.h - TLS as client, from bytes to bytes: no socket, no clock.
 *
 * What the peer sent goes in, what is for the peer collects in dt_tls_out(). OpenSSL reads and
 * writes our buffers directly, so that a byte is copied only where it is encrypted.
 *
 * TLS 1.2 and later. The peer's certificate is verified unless a setting says otherwise: signed
 * by an authority that we trust, in its time, for the host that we connect to (DNS name or IP
 * address among its subject's alternative names).
 *
 * Thread: one at a time (the net loop); settings may be shared between loops.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "rmq/status.h"

struct dt_tls;         /* settings of connections */
struct dt_tls_session; /* one connection */

enum dt_tls_verify {
    DT_TLS_VERIFY_FULL, /* authority, time and host */
    DT_TLS_VERIFY_CHAIN, /* authority and time: for brokers whose certificates name no address */
    DT_TLS_VERIFY_NONE /* nothing: whoever sits in between reads and writes along */
};

/* NULL means none. Borrowed. Files are PEM. */
struct dt_tls_config {
    const char *ca_file; /* authorities to trust; NULL: the system's */
    const char
        *certificate_file; /* our own, followed by those between it and the authority */
    const char *key_file;  /* its key; NULL: in certificate_file */
    const char *key_password;
    enum dt_tls_verify verify;
};

/* Reads the files. DT_OK; DT_EIO: one cannot be read; DT_EINVAL: one does not hold what it
 * should, or key and certificate do not belong together; DT_ENOMEM. */
DT_MUST_USE dt_status dt_tls_new(const struct dt_tls_config *config, struct dt_tls **out);
void dt_tls_free(struct dt_tls *tls); /* after its sessions. NULL: no-op */

/**
 * A connection to `host` (name or IP address without brackets; the name is sent as SNI). Its
 * first bytes for the peer are there after dt_tls_receive() with none.
 * @param out_max bound of what may wait in dt_tls_out(). @returns DT_OK, DT_ENOMEM.
 */
DT_MUST_USE dt_status dt_tls_session_new(struct dt_tls *tls, const char *host,
                                         size_t out_max, struct dt_tls_session **out);
void dt_tls_session_free(struct dt_tls_session *session); /* NULL: no-op */

enum dt_tls_step {
    DT_TLS_GOES_ON,
    DT_TLS_ENDED, /* the peer said that it sends nothing more */
    DT_TLS_FAILED /* see dt_tls_reason(); an alert may be in dt_tls_out() */
};

/* Takes what the peer sent, all of it; what it means is appended to `plain`, at most
 * DT_TLS_RECORD_MAX bytes more than went in. */
#define DT_TLS_RECORD_MAX 16384
enum dt_tls_step dt_tls_receive(struct dt_tls_session *session, struct dt_span bytes,
                                struct dt_buf *plain);

/* True when the handshake is over: dt_tls_send() may be called. */
bool dt_tls_is_open(const struct dt_tls_session *session);

/* Encrypts all of it into dt_tls_out(). False: failed, see dt_tls_reason(). */
DT_MUST_USE bool dt_tls_send(struct dt_tls_session *session, struct dt_span plain);

/* The bytes for the peer; whoever writes them takes them out. */
struct dt_buf *dt_tls_out(struct dt_tls_session *session);

/* Why it failed, in a sentence without an end. */
const char *dt_tls_reason(const struct dt_tls_session *session);

#endif
