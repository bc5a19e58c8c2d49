/* model/names: topic and group names there and back, no two alike */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/mapping.h"
#include "support/case.h"
#include "support/random.h"

enum { OUT = 600 };

static void assert_mapped(const char *kafka, const char *rocketmq)
{
    char out[OUT], back[OUT];

    assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), kafka, OUT), DT_OK);
    assert_string_equal(out, rocketmq);
    assert_int_equal(duet_name_from_rocketmq(back, sizeof(back), out), DT_OK);
    assert_string_equal(back, kafka);
}

static void legal_names_stay_and_dots_are_escaped(void **state)
{
    (void)state;
    assert_mapped("flights", "flights");
    assert_mapped("orders_EU-1", "orders_EU-1");
    assert_mapped("orders.eu.v2", "orders_x2eeu_x2ev2");
    assert_mapped(".", "_x2e");
    assert_mapped("a%b|c d", "a_x25b_x7cc_x20d");
    assert_mapped("\xc3\xa4", "_xc3_xa4");
}

static void a_literal_escape_is_escaped_itself(void **state)
{
    (void)state;
    assert_mapped("a_x2e", "a_x5fx2e");
    assert_mapped("_x5f", "_x5fx5f");
    assert_mapped("_x", "_x");
    assert_mapped("_x2", "_x2");
    assert_mapped("_x2.", "_x2_x2e");
    assert_mapped("_x2E", "_x2E"); /* escapes are in lower case */
    assert_mapped("__x2e", "__x5fx2e");
}

static void a_name_of_rocketmqs_own_is_kept_apart(void **state)
{
    (void)state;
    assert_mapped("TBW102", "_x54BW102");
    assert_mapped("_x54BW102", "_x5fx54BW102");
    assert_mapped("DEFAULT_CONSUMER", "_x44EFAULT_CONSUMER");
    assert_mapped("rmq_sys_TRACE", "_x72mq_sys_TRACE");
    assert_mapped("TBW1020", "TBW1020");
}

static void names_too_long_or_empty_are_refused(void **state)
{
    char name[300], out[OUT], exact[5];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[DUET_RMQ_TOPIC_MAX] = '\0';
    assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), name, DUET_RMQ_TOPIC_MAX),
                     DT_OK);
    name[DUET_RMQ_TOPIC_MAX] = 'a';
    name[DUET_RMQ_TOPIC_MAX + 1] = '\0';
    assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), name, DUET_RMQ_TOPIC_MAX),
                     DT_EINVAL);
    assert_string_equal(out, "");
    name[DUET_RMQ_TOPIC_MAX - 3] = '.'; /* one escape makes it three longer */
    name[DUET_RMQ_TOPIC_MAX - 2] = '\0';
    assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), name, DUET_RMQ_TOPIC_MAX),
                     DT_EINVAL);
    assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), "", DUET_RMQ_TOPIC_MAX),
                     DT_EINVAL);
    assert_int_equal(duet_name_to_rocketmq(exact, 5, ".", 127), DT_OK);
    assert_int_equal(duet_name_to_rocketmq(exact, 4, ".", 127), DT_EINVAL);
    assert_int_equal(duet_name_to_rocketmq(exact, 0, "a", 127), DT_EINVAL);
    assert_int_equal(duet_name_from_rocketmq(exact, 2, "ab"), DT_EINVAL);
    assert_int_equal(duet_name_from_rocketmq(exact, 3, "ab"), DT_OK);
}

static void names_that_nothing_maps_to_are_refused(void **state)
{
    static const char *const names[] = {
        "",      "_x61", /* a is legal as it is */
        "a_x5f", "_x00", "TBW102", "a.b", "%RETRY%group", "_x5fx2", "\xff",
    };
    char out[OUT];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (duet_name_from_rocketmq(out, sizeof(out), names[i]) != DT_EINVAL)
            fail_msg("%s", names[i]);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All names of up to six characters over the alphabet of escapes: none meet in RocketMQ. */
static void no_two_names_meet(void **state)
{
    static const char alphabet[] = "_x25f.";
    enum { LETTERS = 6, LONGEST = 6, SIZE = 4 * LONGEST + 1, COUNT = 55986 };
    char(*mapped)[SIZE] = malloc((size_t)COUNT * SIZE);
    size_t count = 0;

    (void)state;
    assert_non_null(mapped);
    for (size_t length = 1, names = LETTERS; length <= LONGEST;
         length++, names *= LETTERS) {
        for (size_t n = 0; n < names; n++) {
            char name[LONGEST + 1] = {0}, back[LONGEST + 1];

            for (size_t i = 0, rest = n; i < length; i++, rest /= LETTERS)
                name[i] = alphabet[rest % LETTERS];
            assert_int_equal(duet_name_to_rocketmq(mapped[count], SIZE, name, SIZE), DT_OK);
            assert_null(strchr(mapped[count], '.'));
            assert_int_equal(duet_name_from_rocketmq(back, sizeof(back), mapped[count]),
                             DT_OK);
            assert_string_equal(back, name);
            count++;
        }
    }
    assert_int_equal(count, COUNT);
    qsort(mapped, COUNT, SIZE, compare);
    for (size_t i = 1; i < COUNT; i++)
        assert_string_not_equal(mapped[i - 1], mapped[i]);
    free(mapped);
}

static void random_names_come_back_and_use_legal_characters(void **state)
{
    struct test_random random = {1};

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char name[120] = {0}, out[OUT], back[OUT];
        size_t length = 1 + test_random_below(&random, 100);

        for (size_t k = 0; k < length; k++)
            name[k] = test_random_once_in(&random, 3)
                          ? (char)(1 + test_random_below(&random, 255))
                          : "_x25f.aZ-"[test_random_below(&random, 9)];
        assert_int_equal(duet_name_to_rocketmq(out, sizeof(out), name, OUT), DT_OK);
        assert_int_equal(strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-"),
                         strlen(out));
        assert_int_equal(duet_name_from_rocketmq(back, sizeof(back), out), DT_OK);
        assert_string_equal(back, name);
    }
}

/* The other way round: whatever RocketMQ name is accepted is what its Kafka name maps to. */
static void an_accepted_rocketmq_name_is_the_only_one(void **state)
{
    struct test_random random = {2};
    size_t accepted = 0;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char name[20] = {0}, kafka[OUT], again[OUT];
        size_t length = 1 + test_random_below(&random, 12);

        for (size_t k = 0; k < length; k++)
            name[k] = "_x25fe"[test_random_below(&random, 6)];
        if (duet_name_from_rocketmq(kafka, sizeof(kafka), name) != DT_OK)
            continue;
        accepted++;
        assert_int_equal(duet_name_to_rocketmq(again, sizeof(again), kafka, OUT), DT_OK);
        assert_string_equal(again, name);
    }
    assert_true(accepted > 10000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_names_stay_and_dots_are_escaped),
        cmocka_unit_test(a_literal_escape_is_escaped_itself),
        cmocka_unit_test(a_name_of_rocketmqs_own_is_kept_apart),
        cmocka_unit_test(names_too_long_or_empty_are_refused),
        cmocka_unit_test(names_that_nothing_maps_to_are_refused),
        cmocka_unit_test(no_two_names_meet),
        cmocka_unit_test(random_names_come_back_and_use_legal_characters),
        cmocka_unit_test(an_accepted_rocketmq_name_is_the_only_one),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
