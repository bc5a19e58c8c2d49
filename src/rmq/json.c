#include "rmq/json.h"

#include <strings.h>

#include "rmq/decimal.h"
#include "rmq/json_text.h"

/*
 * The scanner. `rest` is what has not been looked at; everything takes from its front and
 * answers false for text that breaks the rules, after which `rest` means nothing.
 */

static void advance(struct dt_span *rest, size_t size)
{
    rest->data += size;
    rest->size -= size;
}

static void skip_space(struct dt_span *rest)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\n' ||
                              rest->data[0] == '\r' || rest->data[0] == '\t'))
        advance(rest, 1);
}

/* Takes white space and then `c`, if that is what follows. */
static bool take(struct dt_span *rest, char c)
{
    skip_space(rest);
    if (rest->size == 0 || rest->data[0] != (uint8_t)c)
        return false;
    advance(rest, 1);
    return true;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Where the string that begins at rest[1] ends, its quote excluded; `size` if it does not. */
static size_t string_end(struct dt_span rest, bool *escaped)
{
    const uint8_t *quote = memchr(rest.data + 1, '"', rest.size - 1);
    size_t at = 1;

    if (quote == NULL)
        return rest.size;
    *escaped = memchr(rest.data + 1, '\\', (size_t)(quote - rest.data) - 1) != NULL;
    if (!*escaped)
        return (size_t)(quote - rest.data);
    while (at < rest.size && rest.data[at] != '"')
        at += rest.data[at] == '\\' ? 2 : 1;
    return at;
}

static bool scan_string(struct dt_span *rest, struct rmq_json *out)
{
    size_t end = string_end(*rest, &out->escaped);

    if (end >= rest->size)
        return false;
    out->kind = RMQ_JSON_STRING;
    out->raw = dt_span_of(rest->data + 1, end - 1);
    advance(rest, end + 1);
    return !out->escaped || rmq_json_escapes_are_right(out->raw);
}

static size_t digits(struct dt_span rest, size_t at)
{
    size_t start = at;

    while (at < rest.size && is_digit(rest.data[at]))
        at++;
    return at - start;
}

/* -? digits ( . digits )? ( [eE] [+-]? digits )? */
static bool scan_number(struct dt_span *rest, struct rmq_json *out)
{
    size_t at = rest->data[0] == '-' ? 1 : 0;
    size_t count = digits(*rest, at);

    if (count == 0)
        return false;
    at += count;
    if (at < rest->size && rest->data[at] == '.') {
        count = digits(*rest, at + 1);
        if (count == 0)
            return false;
        at += 1 + count;
    }
    if (at < rest->size && (rest->data[at] == 'e' || rest->data[at] == 'E')) {
        at++;
        if (at < rest->size && (rest->data[at] == '+' || rest->data[at] == '-'))
            at++;
        count = digits(*rest, at);
        if (count == 0)
            return false;
        at += count;
    }
    out->kind = RMQ_JSON_NUMBER;
    out->raw = dt_span_of(rest->data, at);
    advance(rest, at);
    return true;
}

static bool scan_word(struct dt_span *rest, const char *word, enum rmq_json_kind kind,
                      struct rmq_json *out)
{
    size_t size = strlen(word);

    if (rest->size < size || memcmp(rest->data, word, size) != 0)
        return false;
    out->kind = kind;
    out->raw = dt_span_of(rest->data, size);
    advance(rest, size);
    return true;
}

static bool scan_value(struct dt_span *rest, unsigned depth, struct rmq_json *out);

/* In key position stands a string, or in this dialect a number or an object. */
static bool scan_key(struct dt_span *rest, unsigned depth, struct rmq_json *out)
{
    skip_space(rest);
    if (rest->size == 0)
        return false;
    if (rest->data[0] != '"' && rest->data[0] != '{' && rest->data[0] != '-' &&
        !is_digit(rest->data[0]))
        return false;
    return scan_value(rest, depth, out) && take(rest, ':');
}

static bool scan_container(struct dt_span *rest, unsigned depth, struct rmq_json *out)
{
    struct dt_span start = *rest;
    bool object = rest->data[0] == '{';
    char end = object ? '}' : ']';
    struct rmq_json member;

    if (depth >= RMQ_JSON_DEPTH_MAX)
        return false;
    advance(rest, 1);
    if (!take(rest, end)) {
        do {
            if (object && !scan_key(rest, depth + 1, &member))
                return false;
            if (!scan_value(rest, depth + 1, &member))
                return false;
        } while (take(rest, ','));
        if (!take(rest, end))
            return false;
    }
    out->kind = object ? RMQ_JSON_OBJECT : RMQ_JSON_ARRAY;
    out->raw = dt_span_of(start.data, start.size - rest->size);
    return true;
}

static bool scan_value(struct dt_span *rest, unsigned depth, struct rmq_json *out)
{
    memset(out, 0, sizeof(*out));
    skip_space(rest);
    if (rest->size == 0)
        return false;
    switch (rest->data[0]) {
    case '"':
        return scan_string(rest, out);
    case '{':
    case '[':
        return scan_container(rest, depth, out);
    case 't':
        return scan_word(rest, "true", RMQ_JSON_TRUE, out);
    case 'f':
        return scan_word(rest, "false", RMQ_JSON_FALSE, out);
    case 'n':
        return scan_word(rest, "null", RMQ_JSON_NULL, out);
    default:
        return scan_number(rest, out);
    }
}

bool rmq_json_parse(struct dt_span text, struct rmq_json *out)
{
    if (scan_value(&text, 0, out)) {
        skip_space(&text);
        if (text.size == 0)
            return true;
    }
    memset(out, 0, sizeof(*out));
    return false;
}

struct rmq_json_iter rmq_json_members(struct dt_span text)
{
    struct rmq_json_iter iter = {text, RMQ_JSON_OBJECT, false, false};

    if (!take(&iter.rest, '{')) {
        iter.kind = RMQ_JSON_NONE;
        iter.failed = true;
    }
    return iter;
}

bool rmq_json_ended(struct rmq_json_iter *iter)
{
    skip_space(&iter->rest);
    return iter->kind == RMQ_JSON_NONE && !iter->failed && iter->rest.size == 0;
}

struct rmq_json_iter rmq_json_items(struct rmq_json value)
{
    struct rmq_json_iter iter = {{NULL, 0}, RMQ_JSON_NONE, false, false};

    if (value.kind == RMQ_JSON_OBJECT || value.kind == RMQ_JSON_ARRAY) {
        iter.kind = value.kind;
        iter.rest = dt_span_of(value.raw.data + 1, value.raw.size - 1);
    }
    return iter;
}

static bool fail(struct rmq_json_iter *iter)
{
    iter->kind = RMQ_JSON_NONE;
    iter->failed = true;
    return false;
}

/* To the next member; false: there is none. */
static bool next_member(struct rmq_json_iter *iter)
{
    if (iter->kind == RMQ_JSON_NONE)
        return false;
    if (take(&iter->rest, iter->kind == RMQ_JSON_OBJECT ? '}' : ']')) {
        iter->kind = RMQ_JSON_NONE;
        return false;
    }
    if (iter->started && !take(&iter->rest, ','))
        return fail(iter);
    iter->started = true;
    return true;
}

bool rmq_json_next_key(struct rmq_json_iter *iter, struct rmq_json *key)
{
    if (next_member(iter) && (scan_key(&iter->rest, 1, key) || fail(iter)))
        return true;
    memset(key, 0, sizeof(*key));
    return false;
}

bool rmq_json_next_value(struct rmq_json_iter *iter, struct rmq_json *value)
{
    if (scan_value(&iter->rest, 1, value))
        return true;
    memset(value, 0, sizeof(*value));
    return fail(iter);
}

bool rmq_json_enter(struct rmq_json_iter *iter, struct rmq_json_iter *inner)
{
    skip_space(&iter->rest);
    if (iter->rest.size == 0 || iter->rest.data[0] != '{')
        return false;
    *inner = rmq_json_members(iter->rest);
    return true;
}

void rmq_json_leave(struct rmq_json_iter *iter, const struct rmq_json_iter *inner)
{
    iter->rest = inner->rest;
    if (inner->failed || inner->kind != RMQ_JSON_NONE)
        fail(iter);
}

bool rmq_json_next(struct rmq_json_iter *iter, struct rmq_json *key, struct rmq_json *value)
{
    struct rmq_json unwanted;

    if (key == NULL)
        key = &unwanted;
    key->kind = RMQ_JSON_NONE;
    if (iter->kind == RMQ_JSON_OBJECT ? rmq_json_next_key(iter, key) : next_member(iter))
        if (rmq_json_next_value(iter, value))
            return true;
    memset(key, 0, sizeof(*key));
    memset(value, 0, sizeof(*value));
    return false;
}

struct rmq_json rmq_json_get(struct rmq_json object, const char *name)
{
    struct rmq_json_iter iter;
    struct rmq_json key, value, found;

    memset(&found, 0, sizeof(found));
    if (object.kind != RMQ_JSON_OBJECT)
        return found;
    iter = rmq_json_items(object);
    while (rmq_json_next(&iter, &key, &value))
        if (rmq_json_is(key, name))
            found = value;
    return found;
}

bool rmq_json_is(struct rmq_json value, const char *text)
{
    struct dt_span wanted = dt_span_str(text);

    if (value.kind != RMQ_JSON_STRING && value.kind != RMQ_JSON_NUMBER)
        return false;
    if (!value.escaped)
        return dt_span_equal(value.raw, wanted);
    return rmq_json_unescaped_equal(value.raw, wanted);
}

bool rmq_json_i64(struct rmq_json value, int64_t *out)
{
    if ((value.kind != RMQ_JSON_NUMBER && value.kind != RMQ_JSON_STRING) || value.escaped)
        return false;
    return rmq_parse_i64(value.raw, out);
}

int64_t rmq_json_i64_or(struct rmq_json value, int64_t min, int64_t max, int64_t otherwise)
{
    int64_t number;

    if (!rmq_json_i64(value, &number) || number < min || number > max)
        return otherwise;
    return number;
}

bool rmq_json_bool(struct rmq_json value)
{
    if (value.kind == RMQ_JSON_STRING && !value.escaped && value.raw.size == 4)
        return strncasecmp((const char *)value.raw.data, "true", 4) == 0;
    return value.kind == RMQ_JSON_TRUE;
}
