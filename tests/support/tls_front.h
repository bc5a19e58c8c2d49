/*
 * tls_front.h - a TLS server on loopback that hands everything on to a plain one behind it, for
 * tests of clients. What comes back may name the plain server's peers: one address in it can be
 * replaced by another of the same length.
 */
#ifndef SUPPORT_TLS_FRONT_H
#define SUPPORT_TLS_FRONT_H

#include <stdbool.h>
#include <stdint.h>

struct tls_front;

struct tls_front_config {
    const char *dir;       /* of certs.h */
    const char *name;      /* the certificate that it shows */
    const char *backend;   /* "127.0.0.1:port"; NULL: it sends back what it gets */
    const char *from, *to; /* in answers; NULL: nothing is replaced */
    bool wants_client;     /* a certificate of dir/ca.pem */
    bool is_silent;        /* accepts connections and never says a word */
    int version_max;       /* OpenSSL's number; 0: the newest */
};

/* Aborts if it cannot. `config` is only needed during the call. */
struct tls_front *tls_front_start(const struct tls_front_config *config);
void tls_front_stop(struct tls_front *front);

const char *tls_front_address(const struct tls_front *front); /* 127.0.0.1:port */
int tls_front_port(const struct tls_front *front);

/* Handshakes that went through, and the name that the last client asked for, "" if none. */
int tls_front_handshakes(struct tls_front *front);
void tls_front_sni(struct tls_front *front, char out[256]);

#endif
