/*
 * log.h - what the library has to say besides the outcomes of calls: one line per event.
 *
 * A client with a function of its own (rmq_client_config.log) gives its lines to that. All others,
 * and libduet, share the log of the process: a function of the application, or stderr, with the
 * time (UTC) and the level before each line. Payloads, keys and secrets never go into a line. Lines
 * that a broken peer could repeat without end come at most every few seconds.
 */
#ifndef RMQ_LOG_H
#define RMQ_LOG_H

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** From grave to chatty. Error: something is lost or will not work by itself again. Warning: it
 * works on, but somebody should look. Info: what changed. Debug: for who reads the source. */
typedef enum dt_log_level {
    DT_LOG_ERROR,
    DT_LOG_WARNING,
    DT_LOG_INFO,
    DT_LOG_DEBUG
} dt_log_level;

/**
 * Takes one line.
 *
 * Called on whatever thread has something to say, several at once; it must not block, and must
 * not call a function of the library that waits. No lock is held.
 * @param opaque as given. @param level one of dt_log_level.
 * @param line   without its end, valid during the call; at most 1535 bytes.
 */
typedef void (*dt_log_fn)(void *opaque, int level, const char *line);

/**
 * Sends lines to the application's function from now on.
 *
 * Thread: any, at any time; but a line that another thread has begun may still reach the function
 * of before. So what `opaque` points to must live until that has passed: set it before the first
 * client is made, and take it back after the last is freed.
 * @param fn NULL: back to stderr. @param opaque borrowed, given to `fn`.
 */
DT_API void rmq_log_set(dt_log_fn fn, void *opaque);

/** Lines beyond `level` are dropped: DT_LOG_INFO at first, or what the environment's DUET_LOG
 * (error, warning, info, debug) says when the process first has a line. A call of this wins over
 * the environment. Thread: any, at any time. */
DT_API void rmq_log_set_level(dt_log_level level);

/** Says a line: for libraries that stand on librmq. Thread: any. `format` and what follows are
 * borrowed for the call. */
DT_API void dt_log(dt_log_level level, const char *format, ...) DT_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
