/*
 * json_text.h - texts and numbers in JSON: escapes, both ways.
 *
 * Private to json.c and command.c. Pure.
 */
#ifndef RMQ_JSON_TEXT_H
#define RMQ_JSON_TEXT_H

#include "base/buf.h"

/* True if each backslash in `raw` begins an escape that is known: the standard's, and those that
 * fastjson reads and writes besides: \' \v \0 to \7 \xHH. */
bool rmq_json_escapes_are_right(struct dt_span raw);

/* Writes the text of `raw` to out[raw.size] at most; returns its size. */
size_t rmq_json_unescape(struct dt_span raw, uint8_t *out);

/* True if `raw` reads as `text`. */
bool rmq_json_unescaped_equal(struct dt_span raw, struct dt_span text);

/* Appends a text as JSON string, quotes included. Bytes that are not UTF-8 give U+FFFD. */
void rmq_json_put_string(struct dt_buf *out, struct dt_span text);

#endif
