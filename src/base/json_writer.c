#include "base/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

void dt_json_start(struct dt_json *json, struct dt_buf *out)
{
    memset(json, 0, sizeof(*json));
    json->out = out;
}

static void before_item(struct dt_json *json)
{
    uint32_t bit = 1u << json->depth;

    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if ((json->has_items & bit) != 0)
        dt_buf_put_u8(json->out, ',');
    json->has_items |= bit;
}

static void open_scope(struct dt_json *json, char mark)
{
    before_item(json);
    dt_buf_put_u8(json->out, (uint8_t)mark);
    json->depth++;
    assert(json->depth < 32);
    json->has_items &= ~(1u << json->depth);
}

static void close_scope(struct dt_json *json, char mark)
{
    assert(json->depth > 0);
    json->depth--;
    dt_buf_put_u8(json->out, (uint8_t)mark);
}

void dt_json_object(struct dt_json *json)
{
    open_scope(json, '{');
}
void dt_json_object_end(struct dt_json *json)
{
    close_scope(json, '}');
}
void dt_json_array(struct dt_json *json)
{
    open_scope(json, '[');
}
void dt_json_array_end(struct dt_json *json)
{
    close_scope(json, ']');
}

/* Length of the valid UTF-8 sequence at the front, 0 if there is none. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
    size_t need = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (need == 0 || s[0] > 0xf4 || need > left)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

static void put_quoted(struct dt_buf *out, struct dt_span text)
{
    dt_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size;) {
        size_t length = utf8_length(text.data + i, text.size - i);
        uint8_t c = text.data[i];

        if (length == 0) {
            dt_buf_put_str(out, "\\ufffd");
            i++;
        } else if (c == '"' || c == '\\') {
            dt_buf_put_u8(out, '\\');
            dt_buf_put_u8(out, c);
            i++;
        } else if (c < 0x20) {
            dt_buf_printf(out, "\\u%04x", c);
            i++;
        } else {
            dt_buf_put(out, text.data + i, length);
            i += length;
        }
    }
    dt_buf_put_u8(out, '"');
}

void dt_json_key(struct dt_json *json, const char *key)
{
    before_item(json);
    put_quoted(json->out, dt_span_str(key));
    dt_buf_put_u8(json->out, ':');
    json->after_key = true;
}

void dt_json_span(struct dt_json *json, struct dt_span text)
{
    before_item(json);
    put_quoted(json->out, text);
}

void dt_json_raw(struct dt_json *json, const char *text)
{
    before_item(json);
    dt_buf_put_str(json->out, text);
}

void dt_json_null(struct dt_json *json)
{
    dt_json_raw(json, "null");
}

void dt_json_string(struct dt_json *json, const char *text)
{
    if (text == NULL)
        dt_json_null(json);
    else
        dt_json_span(json, dt_span_str(text));
}

void dt_json_int(struct dt_json *json, int64_t value)
{
    before_item(json);
    dt_buf_printf(json->out, "%" PRId64, value);
}

void dt_json_double(struct dt_json *json, double value)
{
    if (!isfinite(value)) {
        dt_json_null(json);
        return;
    }
    before_item(json);
    dt_buf_printf(json->out, "%.6g", value);
}

void dt_json_bool(struct dt_json *json, bool value)
{
    dt_json_raw(json, value ? "true" : "false");
}

void dt_json_kv_string(struct dt_json *json, const char *key, const char *text)
{
    dt_json_key(json, key);
    dt_json_string(json, text);
}

void dt_json_kv_int(struct dt_json *json, const char *key, int64_t value)
{
    dt_json_key(json, key);
    dt_json_int(json, value);
}

void dt_json_kv_bool(struct dt_json *json, const char *key, bool value)
{
    dt_json_key(json, key);
    dt_json_bool(json, value);
}
