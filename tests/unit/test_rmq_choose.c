/* choose: queues by key, as Java has them, and by turns */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rmq/choose.h"
#include "rmq/rmq.h"
#include "support/case.h"

static int32_t hash(const char *text)
{
    return rmq_key_hash(dt_span_str(text));
}

static void the_hash_is_that_of_a_java_string(void **state)
{
    (void)state;
    assert_int_equal(hash(""), 0);
    assert_int_equal(hash("a"), 97);
    assert_int_equal(hash("TagA"), 2598919);
    assert_int_equal(hash("order-created"), -392709271);
    assert_int_equal(hash("zzzzzzzz"), -1910022912);
    assert_int_equal(hash("\xe4\xb8\xad"), 20013); /* U+4E2D */
    assert_int_equal(hash("\xc3\xbc"), 252);       /* U+00FC */
    assert_int_equal(hash("\xf0\x9f\x9b\xab"),
                     0xd83d * 31 + 0xdeeb); /* U+1F6EB: two chars */
}

static void bytes_that_are_no_text_have_a_hash_too(void **state)
{
    static const uint8_t bytes[][4] = {{0xff, 0xfe, 0x80, 0x00},
                                       {0xf0, 0x9f, 0x9b, 'x'},
                                       {0xe4, 0xb8, 'x', 'y'},
                                       {0xf0, 0x9f, 0x9b, 0xab}};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t size = 0; size <= 4; size++) { /* cut off anywhere */
            uint8_t *exact = malloc(size == 0 ? 1 : size);

            assert_non_null(exact);
            memcpy(exact, bytes[i], size);
            assert_true(rmq_hash_index(rmq_key_hash(dt_span_of(exact, size)), 7) < 7);
            free(exact);
        }
    assert_int_equal(rmq_key_hash(dt_span_of(bytes[0], 1)), 0xff);
}

static void the_queue_of_a_key_is_the_remainder_without_its_sign(void **state)
{
    (void)state;
    assert_int_equal(rmq_hash_index(-392709271, 4), 3);
    assert_int_equal(rmq_hash_index(-392709271, 1000), 271);
    assert_int_equal(rmq_hash_index(INT32_MIN, 3), 2); /* where abs() has no answer */
    assert_int_equal(rmq_key_index("TagA", 4, 8), 2598919 % 8);
    assert_int_equal(rmq_key_index("TagA", 4, 1), 0);
    assert_int_equal(rmq_key_index(NULL, 0, 8), 0);
}

static struct rmq_rank ranks[8];

static struct rmq_rank rank_of(const void *context, size_t index)
{
    (void)context;
    return ranks[index];
}

static size_t turn_of(uint32_t *turn, size_t count)
{
    return rmq_choose_turn(turn, count, rank_of, NULL);
}

static void by_turns_every_queue_has_its_turn(void **state)
{
    uint32_t turn = UINT32_MAX; /* wherever it begins */
    int seen[5] = {0};

    (void)state;
    memset(ranks, 0, sizeof(ranks));
    for (int i = 0; i < 500; i++)
        seen[turn_of(&turn, 5)]++;
    for (int i = 0; i < 5; i++)
        assert_int_equal(seen[i], 100);
}

static void queues_with_something_against_them_are_passed_over(void **state)
{
    uint32_t turn = 0;

    (void)state;
    memset(ranks, 0, sizeof(ranks));
    ranks[0].level = RMQ_RANK_BEHIND;
    ranks[1].level = RMQ_RANK_AVOIDED;
    ranks[2].level = RMQ_RANK_HAS_FAILED;
    for (int i = 0; i < 10; i++)
        assert_int_equal(turn_of(&turn, 4), 3);
    ranks[3].level = RMQ_RANK_AVOIDED;
    assert_int_equal(turn_of(&turn, 4), 0);
    ranks[0].level = RMQ_RANK_HAS_FAILED;
    ranks[1].until_ms = 2000;
    ranks[3].until_ms = 1000;
    assert_int_equal(turn_of(&turn, 4), 3); /* well again the soonest */
    ranks[1].level = ranks[3].level = RMQ_RANK_HAS_FAILED;
    assert_true(turn_of(&turn, 4) < 4); /* better one of these than none */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_that_of_a_java_string),
        cmocka_unit_test(bytes_that_are_no_text_have_a_hash_too),
        cmocka_unit_test(the_queue_of_a_key_is_the_remainder_without_its_sign),
        cmocka_unit_test(by_turns_every_queue_has_its_turn),
        cmocka_unit_test(queues_with_something_against_them_are_passed_over),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
