/*
 * record.h - a message as both sides' users know it: key, value, headers, times.
 *
 * Values borrow: whoever filled the record owns the bytes. The stamp is not among the headers.
 */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "base/span.h"
#include "model/stamp.h"

struct duet_header {
    struct dt_span name;  /* UTF-8, not NUL-terminated */
    struct dt_span value; /* data NULL: null; size 0 with data: empty */
};

struct duet_record {
    struct dt_span key;                /* data NULL: null; empty has data and size 0 */
    struct dt_span value;              /* the same */
    const struct duet_header *headers; /* in order, may repeat */
    size_t header_count;
    int64_t timestamp_ms; /* -1: none */
};

#endif
