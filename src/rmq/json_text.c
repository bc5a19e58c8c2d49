#include "rmq/json_text.h"

#include "rmq/json.h"

/* ---------------------------------------------------------------- reading escapes */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* `count` hex digits at the front of `text`, or -1. */
static int32_t hex_number(struct dt_span text, size_t count)
{
    int32_t value = 0;

    if (text.size < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int digit = hex_digit(text.data[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The escape at the front of `text`, which begins behind the backslash: its code unit, and how
 * many bytes it takes. -1: there is no such escape. */
static int32_t escape_unit(struct dt_span text, size_t *size)
{
    static const char letters[] = "\"\\/'bfnrtv01234567";
    static const uint8_t units[] = {'"', '\\', '/', '\'', 8, 12, 10, 13, 9,
                                    11,  0,    1,   2,    3, 4,  5,  6,  7};
    const char *letter;

    if (text.size == 0)
        return -1;
    if (text.data[0] == 'u' || text.data[0] == 'x') {
        size_t count = text.data[0] == 'u' ? 4 : 2;

        *size = 1 + count;
        return hex_number(dt_span_of(text.data + 1, text.size - 1), count);
    }
    *size = 1;
    letter = text.data[0] == 0 ? NULL : strchr(letters, text.data[0]);
    return letter == NULL ? -1 : units[letter - letters];
}

bool rmq_json_escapes_are_right(struct dt_span raw)
{
    for (size_t i = 0; i < raw.size;) {
        size_t size = 0;

        if (raw.data[i] == '\\') {
            if (escape_unit(dt_span_of(raw.data + i + 1, raw.size - i - 1), &size) < 0)
                return false;
        }
        i += 1 + size;
    }
    return true;
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* The character of the escape at raw[i], which is a backslash; *size is what it takes, the low
 * half of a surrogate pair included. */
static uint32_t escaped_character(struct dt_span raw, size_t i, size_t *size)
{
    size_t length = 0, low_length = 0;
    int32_t unit = escape_unit(dt_span_of(raw.data + i + 1, raw.size - i - 1), &length);
    int32_t low = -1;

    *size = 1 + length;
    if (unit < 0xd800 || unit > 0xdfff)
        return unit < 0 ? 0xfffd : (uint32_t)unit;
    i += 1 + length;
    if (unit <= 0xdbff && i + 1 < raw.size && raw.data[i] == '\\')
        low = escape_unit(dt_span_of(raw.data + i + 1, raw.size - i - 1), &low_length);
    if (low < 0xdc00 || low > 0xdfff)
        return 0xfffd;
    *size += 1 + low_length;
    return 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* No escape is shorter than what it stands for (\xHH: 4 bytes for at most 2), so raw.size bytes
 * are enough. */
size_t rmq_json_unescape(struct dt_span raw, uint8_t *out)
{
    size_t to = 0;

    for (size_t i = 0; i < raw.size;) {
        size_t size = 1;

        if (raw.data[i] == '\\')
            to += put_utf8(out + to, escaped_character(raw, i, &size));
        else
            out[to++] = raw.data[i];
        i += size;
    }
    return to;
}

bool rmq_json_unescaped_equal(struct dt_span raw, struct dt_span text)
{
    size_t at = 0;

    for (size_t i = 0; i < raw.size;) {
        uint8_t bytes[4];
        size_t size = 1, count = 1;

        if (raw.data[i] == '\\')
            count = put_utf8(bytes, escaped_character(raw, i, &size));
        else
            bytes[0] = raw.data[i];
        if (text.size - at < count || memcmp(text.data + at, bytes, count) != 0)
            return false;
        at += count;
        i += size;
    }
    return at == text.size;
}

bool rmq_json_text(struct rmq_json value, struct dt_buf *scratch, struct dt_span *out)
{
    uint8_t *to;
    size_t size;

    *out = dt_span_of(NULL, 0);
    if (value.kind == RMQ_JSON_NONE || value.kind == RMQ_JSON_NULL)
        return false;
    if (!value.escaped) {
        *out = value.raw;
        return true;
    }
    to = dt_buf_reserve(scratch, value.raw.size);
    if (to == NULL)
        return false;
    size = rmq_json_unescape(value.raw, to);
    dt_buf_commit(scratch, size);
    *out = dt_span_of(to, size);
    return true;
}

bool rmq_json_copy(struct rmq_json value, char *out, size_t size)
{
    struct dt_span text;
    struct dt_buf scratch;
    bool fits;

    dt_buf_init(&scratch, value.raw.size);
    fits = rmq_json_text(value, &scratch, &text) && text.size < size &&
           (text.size == 0 || memchr(text.data, 0, text.size) == NULL);
    if (fits && text.size > 0)
        memcpy(out, text.data, text.size);
    out[fits ? text.size : 0] = 0;
    dt_buf_fini(&scratch);
    return fits;
}

/* ---------------------------------------------------------------- writing */

/* Length of the UTF-8 sequence at the front of `text`, 0 if there is none. */
static size_t utf8_length(struct dt_span text)
{
    const uint8_t *s = text.data;
    size_t need = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;

    if (need == 0 || need > text.size)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

/* What may stand in a JSON string as it is, seen byte by byte. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* How many of the bytes at the front are plain, eight at a time. */
static size_t plain_words(struct dt_span text)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    size_t at = 0;
    uint64_t word;

    for (; text.size - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';

        /* a high bit stays where a byte is below 0x20, is one of the two, or has it itself */
        if (((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs)
            break;
    }
    return at;
}

static void put_escape(struct dt_buf *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        dt_buf_put(out, text, 2);
    } else {
        dt_buf_put(out, text, sizeof(text));
    }
}

void rmq_json_put_string(struct dt_buf *out, struct dt_span text)
{
    size_t run = 0; /* where the bytes that are still to be copied begin */

    dt_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size;) {
        size_t length = 1;

        if (is_plain(text.data[i])) {
            length = plain_words(dt_span_of(text.data + i, text.size - i));
            if (length == 0)
                length = 1;
        } else {
            if (text.data[i] >= 0x80)
                length = utf8_length(dt_span_of(text.data + i, text.size - i));
            if (length < 2) {
                dt_buf_put(out, text.data + run, i - run);
                if (length == 0)
                    dt_buf_put_str(out, "\xef\xbf\xbd");
                else
                    put_escape(out, text.data[i]);
                length = 1;
                run = i + 1;
            }
        }
        i += length;
    }
    if (text.size > run)
        dt_buf_put(out, text.data + run, text.size - run);
    dt_buf_put_u8(out, '"');
}
