/*
 * decimal.h - whole numbers as decimal text, which is how ext fields carry them. Pure.
 */
#ifndef RMQ_DECIMAL_H
#define RMQ_DECIMAL_H

#include "base/buf.h"

/* Decimal text as a number; false, and *value untouched, unless all of it is one, in range. */
bool rmq_parse_i64(struct dt_span text, int64_t *value);

/* Appends a number; quicker than dt_buf_printf(), for what is written with every message. */
void rmq_put_decimal(struct dt_buf *out, int64_t value);

#endif
