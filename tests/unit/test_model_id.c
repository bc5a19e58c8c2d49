/* model/id and model/partition: bytes and text of ids, murmur2 as Kafka's Java client has it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model/id.h"
#include "model/partition.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/random.h"

static void ids_have_the_golden_bytes(void **state)
{
    struct duet_id first = {DUET_ID_ISSUED, 1, 2, 3, 4};
    struct duet_id kafka = {DUET_ID_KAFKA, 12, 5, 0, 123456789};
    struct duet_id last = {DUET_ID_ROCKETMQ, DUET_INSTANCE_MAX, 65535, 65535,
                           DUET_SEQUENCE_MAX};
    uint8_t bytes[DUET_ID_SIZE];

    (void)state;
    duet_id_encode(bytes, &first);
    test_assert_golden("id.first", bytes, sizeof(bytes));
    duet_id_encode(bytes, &kafka);
    test_assert_golden("id.kafka", bytes, sizeof(bytes));
    duet_id_encode(bytes, &last);
    test_assert_golden("id.last", bytes, sizeof(bytes));
}

static void ids_round_trip_as_bytes_and_as_text(void **state)
{
    struct test_random random = {1};

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint8_t bytes[DUET_ID_SIZE], again[DUET_ID_SIZE];
        char text[DUET_ID_TEXT_SIZE];
        struct duet_id id, back;

        test_random_fill(&random, bytes, sizeof(bytes));
        duet_id_decode(&id, bytes);
        duet_id_encode(again, &id);
        assert_memory_equal(bytes, again, sizeof(bytes));
        duet_id_text(text, &id);
        assert_int_equal(strlen(text), 28);
        assert_true(duet_id_parse(&back, text));
        assert_true(duet_id_equal(&id, &back));
        again[test_random_below(&random, DUET_ID_SIZE)] ^=
            (uint8_t)(1 << test_random_below(&random, 8));
        duet_id_decode(&back, again);
        assert_false(duet_id_equal(&id, &back));
    }
}

static void text_that_is_no_id_is_refused(void **state)
{
    struct duet_id id;

    (void)state;
    assert_true(duet_id_parse(&id, "0000000100020003000000000004"));
    assert_true(duet_id_parse(&id, "0000000A00020003000000000004"));
    assert_int_equal(id.instance, 10);
    assert_false(duet_id_parse(&id, ""));
    assert_false(duet_id_parse(&id, "000000010002000300000000000"));
    assert_false(duet_id_parse(&id, "00000001000200030000000000040"));
    assert_false(duet_id_parse(&id, "000000010002000300000000000g"));
    assert_false(duet_id_parse(&id, "0x00000100020003000000000004"));
}

static void sides_are_read_and_named(void **state)
{
    enum duet_side side;

    (void)state;
    assert_true(duet_side_parse("rocketmq", &side));
    assert_int_equal(side, DUET_ROCKETMQ);
    assert_string_equal(duet_side_name(duet_other_side(side)), "kafka");
    assert_false(duet_side_parse("Kafka", &side));
    assert_string_equal(duet_role_name(DUET_LIVE), "live");
    assert_string_equal(duet_role_name(DUET_SHADOW), "shadow");
}

static void murmur2_gives_kafkas_published_values(void **state)
{
    /* clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java */
    static const struct {
        const char *text;
        int32_t hash;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_int_equal((int32_t)duet_murmur2(dt_span_str(known[i].text)), known[i].hash);
}

static void a_keys_partition_is_the_positive_hash_modulo_the_count(void **state)
{
    (void)state;
    /* -973932308 & 0x7fffffff = 1173551340 */
    assert_int_equal(duet_partition_of_key(dt_span_str("21"), 7), 1173551340 % 7);
    assert_int_equal(duet_partition_of_key(dt_span_str("21"), 1), 0);
    assert_int_equal(duet_partition_of_key(dt_span_str("abc"), 1000), 107);
    /* the empty key is a key: hash 275646681 */
    assert_int_equal(duet_murmur2(dt_span_of(NULL, 0)), 275646681);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_the_golden_bytes),
        cmocka_unit_test(ids_round_trip_as_bytes_and_as_text),
        cmocka_unit_test(text_that_is_no_id_is_refused),
        cmocka_unit_test(sides_are_read_and_named),
        cmocka_unit_test(murmur2_gives_kafkas_published_values),
        cmocka_unit_test(a_keys_partition_is_the_positive_hash_modulo_the_count),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
