/*
 * log.h - one line per event, to stderr or to the application's function.
 *
 * Thread: any. Payloads, keys and secrets never go in here.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "rmq/status.h"

enum dt_log_level { DT_LOG_ERROR, DT_LOG_WARNING, DT_LOG_INFO, DT_LOG_DEBUG };

typedef void (*dt_log_fn)(void *context, int level, const char *line);

/* NULL goes back to stderr. Set it before threads that log are started. */
void dt_log_set_sink(dt_log_fn sink, void *context);
void dt_log_set_level(
    enum dt_log_level level); /* default: info; DUET_LOG=debug|info|... wins */

void dt_log(enum dt_log_level level, const char *format, ...) DT_PRINTF(2, 3);

#define dt_log_error(...)   dt_log(DT_LOG_ERROR, __VA_ARGS__)
#define dt_log_warning(...) dt_log(DT_LOG_WARNING, __VA_ARGS__)
#define dt_log_info(...)    dt_log(DT_LOG_INFO, __VA_ARGS__)
#define dt_log_debug(...)   dt_log(DT_LOG_DEBUG, __VA_ARGS__)

/* Rate limit for a line that a broken peer could repeat: true at most once per `every_ms`.
 * `last_ms` is the caller's, 0 at first. Not for use from two threads on one counter. */
bool dt_log_due(int64_t *last_ms, int64_t every_ms);

#endif
