#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t dt_clock_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t dt_clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t dt_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t dt_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}
