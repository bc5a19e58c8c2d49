/* model/text and the names that RocketMQ keeps for itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/mapping.h"
#include "model/text.h"
#include "support/case.h"

static struct dt_span text(const char *string)
{
    return dt_span_str(string);
}

static void rocketmqs_own_names_are_known(void **state)
{
    static const char *const own[] = {
        "KEYS",
        "TAGS",
        "WAIT",
        "UNIQ_KEY",
        "CLUSTER",
        "MSG_REGION",
        "TRACE_ON",
        "__CRC32#",
        "INNER_NUM",
        "1ST_POP_TIME",
        "__BORNHOST",
        "TTL",
        "PGROUP",
        "DELAY",
        "__RMQ.TRANSIENT.GROUP_SYS_FLAG",
        "__transactionId__",
        "BUYER_ID",
        "TRAN_MSG",
        "DUP_INFO",
        "MQ2_FLAG",
        "REAL_QID",
        "POP_CK",
    };
    static const char *const free_names[] = {"",         "keys", "KEY", "KEYSX",
                                             "trace-id", "DUET", "Z"};

    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!duet_property_reserved(text(own[i])))
            fail_msg("%s", own[i]);
    for (size_t i = 0; i < sizeof(free_names) / sizeof(free_names[0]); i++)
        assert_false(duet_property_reserved(text(free_names[i])));
}

static void only_shortest_utf8_is_text(void **state)
{
    static const char *const wrong[] = {
        "\x80",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xe2\x82",
        "a\xc3",
        "\xc3(",
        "\xff",
        "a\nb",
        "\x1f",
    };
    static const char *const right[] = {
        "a",
        "\xc2\xa1",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "~",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (duet_text_printable(text(wrong[i])))
            fail_msg("wrong %zu", i);
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        if (!duet_text_word(text(right[i])))
            fail_msg("right %zu", i);
    assert_true(duet_text_printable(text("a b")));
    assert_false(duet_text_word(text("a b")));
    assert_false(duet_text_printable(text(" ")));
    assert_false(duet_text_printable(text("")));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rocketmqs_own_names_are_known),
        cmocka_unit_test(only_shortest_utf8_is_text),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
