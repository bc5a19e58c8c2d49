/*
 * log.h - one line per event, to stderr or to the application's function (rmq/log.h).
 *
 * Thread: any. Payloads, keys and secrets never go in here.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "rmq/log.h"

#define DT_LOG_LINE_SIZE 1536 /* longer ones are cut off */

#define dt_log_error(...)   dt_log(DT_LOG_ERROR, __VA_ARGS__)
#define dt_log_warning(...) dt_log(DT_LOG_WARNING, __VA_ARGS__)
#define dt_log_info(...)    dt_log(DT_LOG_INFO, __VA_ARGS__)
#define dt_log_debug(...)   dt_log(DT_LOG_DEBUG, __VA_ARGS__)

/* Whether the process wants lines of this level. */
bool dt_log_wants(dt_log_level level);

/* To where dt_log() sends lines, whatever the level. */
void dt_log_line(dt_log_level level, const char *line);

/* Rate limit for a line that a broken peer could repeat: true at most once per `every_ms`.
 * `last_ms` is the caller's, 0 at first. Not for use from two threads on one counter. */
bool dt_log_due(int64_t *last_ms, int64_t every_ms);

#endif
