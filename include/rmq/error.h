/*
 * error.h - the sentence behind a dt_status, for libraries that stand on librmq.
 *
 * libduet and librmq fail with the same dt_status, and dt_error_text() is one per thread for both:
 * whoever wraps librmq sets it with these, too. Applications only read it (rmq/status.h).
 *
 * Thread: any; the text is the calling thread's. Nothing is allocated; texts over 1023 bytes are
 * cut. `format` and what follows are borrowed for the call and may point into dt_error_text().
 */
#ifndef RMQ_ERROR_H
#define RMQ_ERROR_H

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Sets this thread's sentence. @returns `status`, whatever it is, so that a leaf is one line. */
DT_API dt_status dt_error_set(dt_status status, const char *format, ...) DT_PRINTF(2, 3);

/** Puts "<what for>: " before this thread's sentence. @returns `status`, whatever it is. */
DT_API dt_status dt_error_wrap(dt_status status, const char *format, ...) DT_PRINTF(2, 3);

/**
 * As dt_error_set(), with strerror(error_number) after it.
 * @param error_number of errno.
 * @returns DT_ENOSPC for ENOSPC and EDQUOT, DT_ENOMEM for ENOMEM, DT_EIO for all else.
 */
DT_API dt_status dt_error_errno(int error_number, const char *format, ...) DT_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
