/*
 * status.h - how every call of librmq and libduet ends.
 *
 * One type for both libraries. DT_OK is 0; everything else is a failure whose sentence is
 * dt_error_text() on the thread that got the status.
 */
#ifndef RMQ_STATUS_H
#define RMQ_STATUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
/** A function that the shared library exports. */
#define DT_API __attribute__((visibility("default")))
/** Whoever drops the result is warned. */
#define DT_MUST_USE __attribute__((warn_unused_result))
/** Arguments are checked against the format, as those of printf() are. */
#define DT_PRINTF(format_index, first_arg)                                                 \
    __attribute__((format(printf, format_index, first_arg)))
#else
#define DT_API
#define DT_MUST_USE
#define DT_PRINTF(format_index, first_arg)
#endif

/** How a call ended. Each function says which of these it gives. */
typedef enum dt_status {
    DT_OK = 0,       /* done */
    DT_EINVAL,       /* an argument or a setting is not allowed */
    DT_ENOMEM,       /* no memory, or a bound that its owner set is reached */
    DT_ENOSPC,       /* the disk is full */
    DT_EIO,          /* a file or socket failed */
    DT_ETIMEDOUT,    /* not in time; nothing was sent or stored */
    DT_EUNREACH,     /* no connection to the broker, name server or store */
    DT_ENOROUTE,     /* no broker serves the topic */
    DT_ETOOBIG,      /* larger than a limit allows */
    DT_EINDOUBT,     /* sent, but not answered: stored or not, unknown */
    DT_EREFUSED,     /* the peer answered no */
    DT_EBUSY,        /* the peer, or a lock's holder, asks to come again later */
    DT_ENOTFOUND,    /* there is no such thing */
    DT_EEXIST,       /* there is one already */
    DT_ESTATE,       /* not possible in this state */
    DT_ECONFLICT,    /* somebody else was faster: load again, then retry */
    DT_ECORRUPT,     /* bytes that break their own format */
    DT_EUNSUPPORTED, /* this version, or this peer, cannot do it */
    DT_ECLOSED,      /* closed, or being closed */
    DT_STATUS_COUNT  /* how many there are; no status */
} dt_status;

/** The name of a status, such as "DT_EINDOUBT". Thread: any. The text is static. */
DT_API const char *dt_status_name(dt_status status);

/**
 * What went wrong in the last failing call of this thread: one sentence, or "" if none did.
 * Thread: any; each has its own. Valid until the next failing call on this thread.
 */
DT_API const char *dt_error_text(void);

#ifdef __cplusplus
}
#endif
#endif
