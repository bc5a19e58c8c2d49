/*
 * status.h - making and wrapping the sentence behind a dt_status.
 *
 * The leaf says what failed (dt_error_set), callers add what for (dt_error_wrap). The text is
 * kept per thread; work that ends on another thread carries its own copy.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "rmq/error.h"

#define DT_ERROR_MAX 1024

#endif
