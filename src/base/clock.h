/*
 * clock.h - the only place that asks what time it is.
 *
 * Intervals use the monotonic clock; the wall clock is for what people read and for the
 * minutes in a stamp.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t dt_clock_ms(void);      /* monotonic milliseconds, from an arbitrary start */
int64_t dt_clock_us(void);      /* monotonic microseconds, same start */
int64_t dt_clock_ns(void);      /* monotonic nanoseconds, same start */
int64_t dt_clock_wall_ms(void); /* milliseconds since 1970 UTC */

#endif
