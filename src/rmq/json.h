/*
 * json.h - reads JSON as RocketMQ writes it, which is not always JSON.
 *
 * Brokers and name servers use fastjson: integer keys stand without quotes ({0:"a:10911"}), and
 * in some answers an *object* is the key ({{"queueId":0}:{...}}). Both are read, next to
 * everything that is standard. Unknown members are for the caller to pass over, missing ones
 * read as RMQ_JSON_NONE.
 *
 * Pure, and without a tree: a value is a kind and a span of the text, so that nothing is
 * allocated whatever the text announces. Nesting is bounded.
 *
 *     struct rmq_json root, key, value;
 *     if (!rmq_json_parse(text, &root)) ...corrupt
 *     struct rmq_json_iter iter = rmq_json_items(rmq_json_get(root, "brokerAddrs"));
 *     while (rmq_json_next(&iter, &key, &value)) ...
 */
#ifndef RMQ_JSON_H
#define RMQ_JSON_H

#include "base/buf.h"

#define RMQ_JSON_DEPTH_MAX 32

enum rmq_json_kind {
    RMQ_JSON_NONE, /* not there */
    RMQ_JSON_NULL,
    RMQ_JSON_TRUE,
    RMQ_JSON_FALSE,
    RMQ_JSON_NUMBER,
    RMQ_JSON_STRING,
    RMQ_JSON_OBJECT,
    RMQ_JSON_ARRAY
};

struct rmq_json {
    enum rmq_json_kind kind;
    bool escaped;       /* a string with a backslash in it */
    struct dt_span raw; /* the value's text; of a string what stands between the quotes */
};

/* Reads one value that fills `text` but for white space, and checks all of it, so that what is
 * later taken from `out` is sound. False: not such a value, or nested too deep. */
bool rmq_json_parse(struct dt_span text, struct rmq_json *out);

/* Goes over the members of an object or array; of any other value there are none. */
struct rmq_json_iter {
    struct dt_span rest;
    enum rmq_json_kind kind;
    bool started;
    bool failed; /* the text breaks off or breaks the rules: only if it was never parsed */
};

struct rmq_json_iter rmq_json_items(struct rmq_json value);

/* The members of an object that fills `text`, not parsed before: each is checked when it is come
 * to, and rmq_json_ended() tells after the last if all was sound. One pass instead of two, for
 * what comes with every frame. */
struct rmq_json_iter rmq_json_members(struct dt_span text);
bool rmq_json_ended(struct rmq_json_iter *iter);

/* The same in two steps, for objects: after a key comes its value, or, if that is an object that
 * is worth no second pass, its members: enter it, go over `inner` to its end, and leave. */
bool rmq_json_next_key(struct rmq_json_iter *iter, struct rmq_json *key);
bool rmq_json_next_value(struct rmq_json_iter *iter, struct rmq_json *value);
bool rmq_json_enter(struct rmq_json_iter *iter, struct rmq_json_iter *inner);
void rmq_json_leave(struct rmq_json_iter *iter, const struct rmq_json_iter *inner);

/* The next member; `key` is RMQ_JSON_NONE in an array, a number or an object where the dialect
 * has it, and may be NULL. False at the end, or on failure. */
bool rmq_json_next(struct rmq_json_iter *iter, struct rmq_json *key,
                   struct rmq_json *value);

/* The member of that name (the last, if repeated; a number key by its digits), or NONE. */
struct rmq_json rmq_json_get(struct rmq_json object, const char *name);

/* True if a string (or a number key) reads so. */
bool rmq_json_is(struct rmq_json value, const char *text);

/* The value of a whole number, or of a string that holds one; false and *out untouched if it is
 * something else or out of range. */
bool rmq_json_i64(struct rmq_json value, int64_t *out);

/* The same within [min, max], or `otherwise` when there is none or it is outside. */
int64_t rmq_json_i64_or(struct rmq_json value, int64_t min, int64_t max, int64_t otherwise);

/* True for `true` and the string "true" in any case. */
bool rmq_json_bool(struct rmq_json value);

/**
 * The text of a value, as fastjson makes a string of it: strings without their escapes, of
 * anything else the characters that stand there.
 *
 * With escapes, the text is appended to `scratch` (never more than raw.size bytes) and `out`
 * points there: it holds until `scratch` grows. Else it points into the input. A lone surrogate
 * gives U+FFFD. False, and an empty span, for NONE, NULL and if `scratch` is full.
 */
bool rmq_json_text(struct rmq_json value, struct dt_buf *scratch, struct dt_span *out);

/* The same as NUL-terminated text in out[size]; false, and "", for NONE, NULL, a text with NUL
 * in it, and one that does not fit. */
bool rmq_json_copy(struct rmq_json value, char *out, size_t size);

#endif
