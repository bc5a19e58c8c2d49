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

void rmq_put_decimal(struct dt_buf *out, int64_t value)
{
    char text[20];
    size_t at = sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        text[--at] = '-';
    dt_buf_put(out, text + at, sizeof(text) - at);
}
