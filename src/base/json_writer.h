/*
 * json_writer.h - writes JSON text into a dt_buf, commas and escapes included.
 *
 * For what is written on every message or heartbeat; documents that are read go through a
 * parser instead. The caller's order of calls is the document; a missing _end is a bug that
 * the reader of the text would see. Depth is bounded by 32.
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct dt_json {
    struct dt_buf *out;
    uint32_t has_items; /* one bit per depth: a comma is due before the next item */
    unsigned depth;
    bool after_key;
};

void dt_json_start(struct dt_json *json, struct dt_buf *out);
void dt_json_object(struct dt_json *json);
void dt_json_object_end(struct dt_json *json);
void dt_json_array(struct dt_json *json);
void dt_json_array_end(struct dt_json *json);
void dt_json_key(struct dt_json *json, const char *key);
void dt_json_string(struct dt_json *json, const char *text);  /* NULL gives null */
void dt_json_span(struct dt_json *json, struct dt_span text); /* invalid UTF-8: U+FFFD */
void dt_json_int(struct dt_json *json, int64_t value);
void dt_json_double(struct dt_json *json, double value); /* %.6g; not finite gives null */
void dt_json_bool(struct dt_json *json, bool value);
void dt_json_null(struct dt_json *json);
void dt_json_raw(struct dt_json *json, const char *text); /* text is JSON already */

/* key and value at once */
void dt_json_kv_string(struct dt_json *json, const char *key, const char *text);
void dt_json_kv_int(struct dt_json *json, const char *key, int64_t value);
void dt_json_kv_bool(struct dt_json *json, const char *key, bool value);

#endif
