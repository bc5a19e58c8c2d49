/*
 * control.c - the sandbox's text commands.
 */
#include <stdio.h>

#include "base/status.h"
#include "mockmq/mock.h"
#include "rmq/decimal.h"

#define WORDS_MAX 4

static const char usage[] =
    "withhold TOPIC N, error CODE N, delay MS, cut, restart [lose], down, "
    "up";

/* Cuts text into words; how many, WORDS_MAX + 1 if there are more. */
static size_t split(const char *text, struct dt_span words[WORDS_MAX])
{
    size_t count = 0;

    for (;;) {
        size_t size;

        text += strspn(text, " \t\r\n");
        size = strcspn(text, " \t\r\n");
        if (size == 0)
            return count;
        if (count == WORDS_MAX)
            return WORDS_MAX + 1;
        words[count++] = dt_span_of(text, size);
        text += size;
    }
}

static dt_status bad(const char *format, const char *usage_text)
{
    return dt_error_set(DT_EINVAL, format, usage_text);
}

static bool number(struct dt_span word, int64_t max, int64_t *value)
{
    return rmq_parse_i64(word, value) && *value >= 0 && *value <= max;
}

static dt_status withhold(struct mockmq *mock, const struct dt_span *words, size_t count)
{
    char topic[MOCK_NAME_SIZE];
    int64_t n;

    if (count != 3 || words[1].size >= sizeof(topic) || !number(words[2], INT32_MAX, &n))
        return bad("expected: %s", "withhold TOPIC N");
    memcpy(topic, words[1].data, words[1].size);
    topic[words[1].size] = 0;
    return rmq_mock_withhold(mock, topic, n);
}

static dt_status error(struct mockmq *mock, const struct dt_span *words, size_t count)
{
    int64_t code, n;

    if (count != 3 || !number(words[1], 65535, &code) || !number(words[2], INT32_MAX, &n))
        return bad("expected: %s", "error CODE N");
    rmq_mock_error(mock, 0, (int32_t)code, n);
    return DT_OK;
}

static dt_status delay(struct mockmq *mock, const struct dt_span *words, size_t count)
{
    int64_t ms;

    if (count != 2 || !number(words[1], 3600000, &ms))
        return bad("expected: %s", "delay MS");
    rmq_mock_delay(mock, ms);
    return DT_OK;
}

static dt_status restart(struct mockmq *mock, const struct dt_span *words, size_t count)
{
    if (count > 2 || (count == 2 && !dt_span_equal_str(words[1], "lose")))
        return bad("expected: %s", "restart [lose]");
    rmq_mock_restart(mock, count == 2 ? 1 : 0);
    return DT_OK;
}

static dt_status run(struct mockmq *mock, const struct dt_span *words, size_t count)
{
    if (count == 0)
        return bad("an empty command; there are: %s", usage);
    if (dt_span_equal_str(words[0], "withhold"))
        return withhold(mock, words, count);
    if (dt_span_equal_str(words[0], "error"))
        return error(mock, words, count);
    if (dt_span_equal_str(words[0], "delay"))
        return delay(mock, words, count);
    if (dt_span_equal_str(words[0], "restart"))
        return restart(mock, words, count);
    if (count == 1 && dt_span_equal_str(words[0], "cut")) {
        rmq_mock_cut(mock);
        return DT_OK;
    }
    if (count == 1 && dt_span_equal_str(words[0], "down")) {
        rmq_mock_down(mock);
        return DT_OK;
    }
    if (count == 1 && dt_span_equal_str(words[0], "up"))
        return rmq_mock_up(mock);
    return bad("no such command; there are: %s", usage);
}

dt_status rmq_mock_control(struct mockmq *mock, const char *text, char *reply,
                           size_t reply_size)
{
    struct dt_span words[WORDS_MAX];
    dt_status status = run(mock, words, split(text, words));

    snprintf(reply, reply_size, "%s", status == DT_OK ? "ok" : dt_error_text());
    return status;
}
