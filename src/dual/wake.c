#include "dual/wake.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

dt_status duet_wake_init(struct duet_wake *wake)
{
    wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake->fd < 0)
        return dt_error_errno(errno, "cannot make an event descriptor");
    return DT_OK;
}

void duet_wake_fini(struct duet_wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

void duet_wake_raise(struct duet_wake *wake)
{
    int saved = errno; /* a signal handler may call this */
    uint64_t one = 1;
    ssize_t ignored = write(wake->fd, &one, sizeof(one)); /* full means raised already */

    (void)ignored;
    errno = saved;
}

void duet_wake_notify(void *wake)
{
    duet_wake_raise(wake);
}

void duet_wake_wait(struct duet_wake *wake, int64_t timeout_ms)
{
    struct pollfd wanted = {wake->fd, POLLIN, 0};
    uint64_t count;
    ssize_t ignored;

    poll(&wanted, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
    ignored = read(wake->fd, &count, sizeof(count));
    (void)ignored;
}
