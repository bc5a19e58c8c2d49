/*
 * status.h - making and wrapping the sentence behind a dt_status.
 *
 * The leaf says what failed (dt_error_set), callers add what for (dt_error_wrap). The text is
 * kept per thread; work that ends on another thread carries its own copy.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "rmq/status.h"

#define DT_ERROR_MAX 1024

/* Sets this thread's sentence and returns `status`, so that a leaf is one line. */
dt_status dt_error_set(dt_status status, const char *format, ...) DT_PRINTF(2, 3);

/* Puts "<what for>: " before this thread's sentence; returns `status`. */
dt_status dt_error_wrap(dt_status status, const char *format, ...) DT_PRINTF(2, 3);

/* As dt_error_set, with strerror(error_number) after it; ENOSPC and EDQUOT give DT_ENOSPC,
 * ENOMEM gives DT_ENOMEM, everything else DT_EIO. */
dt_status dt_error_errno(int error_number, const char *format, ...) DT_PRINTF(2, 3);

#endif
