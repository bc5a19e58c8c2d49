/*
 * wake.h - lets one thread sleep until others have something for it, or a time has come.
 *
 * A wake that comes before the wait is not lost; several are one. duet_wake_raise() may be
 * called from any thread and from a signal handler.
 */
#ifndef DUAL_WAKE_H
#define DUAL_WAKE_H

#include <stdint.h>

#include "rmq/status.h"

struct duet_wake {
    int fd; /* eventfd */
};

dt_status duet_wake_init(struct duet_wake *wake);
void duet_wake_fini(struct duet_wake *wake);
void duet_wake_raise(struct duet_wake *wake);
void duet_wake_notify(void *wake); /* the same, as a callback */
/* Returns when raised since the last wait, or after timeout_ms (>= 0). */
void duet_wake_wait(struct duet_wake *wake, int64_t timeout_ms);

#endif
