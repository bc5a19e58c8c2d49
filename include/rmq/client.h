/*
 * client.h - a client: the network thread, the connections and the route cache.
 */
#ifndef RMQ_CLIENT_H
#define RMQ_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rmq/log.h"
#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, such as "0.1.0". The text is static. */
DT_API const char *rmq_version(void);

/**
 * After a fork() the child has none of the client's threads. There every function of a client
 * made before it, of its producers and consumers, gives DT_ESTATE at once or does nothing, the
 * ..._free() functions too: the child may exit, execute another program, or make a client of its
 * own. The parent's goes on undisturbed.
 */
typedef struct rmq_client rmq_client;

/** How much of a broker's certificate has to be right. */
typedef enum rmq_tls_verify {
    RMQ_TLS_VERIFY_FULL =
        0, /**< signed by a trusted authority, in its time, for the host name or
                                  IP address that is connected to */
    RMQ_TLS_VERIFY_CHAIN, /**< authority and time: where certificates name no address */
    RMQ_TLS_VERIFY_NONE   /**< nothing. Whoever sits in between can read and change all. */
} rmq_tls_verify;

/**
 * TLS 1.2 or later to name servers and brokers (their `tls.server.mode` permissive or enforcing).
 * Files are PEM, read once by rmq_client_new(). All zero: the system's authorities, full
 * verification, no client certificate.
 */
typedef struct rmq_tls_config {
    const char *ca_file;          /* authorities to trust; NULL: the system's */
    const char *certificate_file; /* the client's own, then those between; NULL: none */
    const char *key_file;         /* its key; NULL: in certificate_file */
    const char *key_password;     /* NULL: the key is not encrypted */
    rmq_tls_verify verify;        /* how much of the peer's has to be right */
} rmq_tls_config;

/**
 * Takes what a client has counted, with its producers and consumers: one JSON object, whose fields
 * are listed with type, unit and meaning in docs/rmq-statistics.md. Fields may be added; none
 * changes its meaning.
 *
 * Called on the client's network thread, at most once per interval (what was missed is not made
 * up for), never before rmq_client_new() has begun and never after rmq_client_free() has
 * returned. It must not block and must not call a function that waits. No lock is held.
 * @param opaque as given. @param json the text, NUL-terminated, valid during the call.
 * @param size   its length in bytes, without the NUL.
 */
typedef void (*rmq_statistics_fn)(void *opaque, const char *json, size_t size);

/** Settings of a client; zero or NULL means the default given. Start from {0}. */
typedef struct rmq_client_config {
    const char *namesrv;       /* "host:port;host:port"; required. Copied. */
    const char *instance_name; /* last part of the client id; NULL: pid and a random number.
                                  Must be unique in a consumer group. Copied. */
    int64_t connect_timeout_ms;  /* 3000 */
    int64_t request_timeout_ms;  /* 3000: one round trip that is not a long poll */
    int64_t heartbeat_period_ms; /* 30000 */
    int64_t route_period_ms;     /* 30000: refresh of known routes; on errors at once */
    int64_t backoff_ms_min;      /* 20: first wait after a failure ... */
    int64_t backoff_ms_max;      /* 1000: ... doubling, with jitter, up to this */
    size_t frame_size_max;       /* 16 MiB: a peer that announces more is cut off */
    /* NULL or "": none. Else every topic and group that is named to this client, and that it names,
     * is `name_space%name` to name servers and brokers, as the Java client's v1 namespaces are;
     * topics of the system itself are not. Copied. */
    const char *name_space;
    bool binary_header; /* false: JSON headers are sent; both are always understood */
    /* Access control (ACL of 4.x, authentication of 5.x): every request is signed. Both keys or
     * none; on 5.x they are user name and password. Copied; never logged. */
    const char *access_key;
    const char *secret_key;     /* of the same owner */
    const char *security_token; /* of temporary credentials; NULL: none */
    const rmq_tls_config *tls;  /* NULL: no TLS. Needed only during the call. */
    /* So often the client's counters are given to `statistics`, at least 10; 0: never, and then
     * nothing is kept for them but plain counters. Both or none. */
    int64_t statistics_interval_ms;
    rmq_statistics_fn statistics; /* NULL: none */
    void *statistics_opaque;      /* borrowed, given to `statistics` */
    /* Takes the lines of this client, its producers and consumers instead of the process's log
     * (rmq/log.h); NULL: they go there. Called on whatever thread has something to say, several at
     * once, from within rmq_client_new() on, and never after rmq_client_free() has returned. */
    dt_log_fn log;
    void *log_opaque; /* borrowed, given to `log` */
} rmq_client_config;

/**
 * Makes a client and starts its network thread. Connects to nobody yet: an address that is
 * wrong is known at the first request.
 *
 * @param config borrowed; copied. @param out the caller's, until rmq_client_free().
 * @returns DT_OK; DT_EINVAL: no or malformed name-server list, a setting that is none, a file that
 *          does not hold what it should; DT_EIO: a file cannot be read, no thread or descriptors;
 *          DT_ENOMEM; DT_EUNSUPPORTED: keys are given, and the crypto library has no HMAC-SHA1.
 */
DT_API DT_MUST_USE dt_status rmq_client_new(const rmq_client_config *config,
                                            rmq_client **out);

/** Stops the thread and frees. Producers and consumers of it must be freed before. NULL: no-op.
 * Not from a callback. */
DT_API void rmq_client_free(rmq_client *client);

/**
 * Signs with other credentials from the next request on, as temporary ones that run out ask for.
 * Requests that are under way stay as they are. All three are copied; access_key NULL: requests
 * are no longer signed. Thread: any but a callback's.
 *
 * @returns DT_OK; DT_EINVAL: one of the keys without the other; DT_ENOMEM; DT_EUNSUPPORTED: the
 *          crypto library gives no HMAC-SHA1; DT_ESTATE: called from a callback. On a failure the
 *          old ones stay.
 */
DT_API DT_MUST_USE dt_status rmq_client_credentials_set(rmq_client *client,
                                                        const char *access_key,
                                                        const char *secret_key,
                                                        const char *security_token);

/**
 * Drops the client's lines beyond `level` from now on, whoever takes them. Until this is called
 * the level of the process holds (rmq_log_set_level()). Thread: any, callbacks included.
 *
 * @returns DT_OK; DT_EINVAL: no client, or none of dt_log_level.
 */
DT_API dt_status rmq_client_set_log_level(rmq_client *client, dt_log_level level);

/** The id under which brokers know this client: ip@instance_name. Valid as long as it lives. */
DT_API const char *rmq_client_id(const rmq_client *client);

/** Frees what a function of this library says to free with it. NULL is fine. */
DT_API void rmq_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
