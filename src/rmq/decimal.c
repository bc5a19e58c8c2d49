#include "rmq/decimal.h"

bool rmq_parse_i64(struct dt_span text, int64_t *value)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = negative ? 1 : 0;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t total = 0;

    if (text.size == at)
        return false;
    for (; at < text.size; at++) {
        uint64_t digit = (uint64_t)text.data[at] - '0';

        if (digit > 9 || total > (limit - digit) / 10)
            return false;
        total = total * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - total) : (int64_t)total;
    return true;
}

/* Two digits at a time: a division costs more than the table. */
void rmq_put_decimal(struct dt_buf *out, int64_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930"
        "31323334353637383940414243444546474849505152535455565758596061"
        "62636465666768697071727374757677787980818283848586878889909192"
        "93949596979899";
    char text[20];
    size_t at = sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    for (; rest >= 100; rest /= 100) {
        at -= 2;
        memcpy(text + at, pairs + 2 * (rest % 100), 2);
    }
    if (rest >= 10) {
        at -= 2;
        memcpy(text + at, pairs + 2 * rest, 2);
    } else {
        text[--at] = (char)('0' + rest);
    }
    if (value < 0)
        text[--at] = '-';
    dt_buf_put(out, text + at, sizeof(text) - at);
}
