/* Apart from log.c, whose state exists once per process: libduet.so has a copy of this, but takes
 * the log from librmq.so. */
#include "base/clock.h"
#include "base/log.h"

bool dt_log_due(int64_t *last_ms, int64_t every_ms)
{
    int64_t now_ms = dt_clock_ms();

    if (*last_ms != 0 && now_ms - *last_ms < every_ms)
        return false;
    *last_ms = now_ms;
    return true;
}
