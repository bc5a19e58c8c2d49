/* model/stamp: the golden bytes, and that nothing but the very stamp at its place is accepted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model/digest.h"
#include "model/stamp.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/random.h"

static struct duet_stamp_key golden_key(void)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    struct duet_stamp_key key;

    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)i;
    duet_keys_derive(master, 7, &key, NULL);
    return key;
}

static const struct duet_stamp first = {
    7, 0, {DUET_ID_ISSUED, 1, 2, 3, 4}, 22616640, 15706};

static enum duet_stamp_verdict decode(struct duet_stamp *out, const uint8_t *bytes,
                                      size_t size, const char *topic, int32_t partition)
{
    struct duet_stamp_key key = golden_key();

    return duet_stamp_decode(out, dt_span_of(bytes, size), &key, topic, partition);
}

static void assert_golden_stamp(const char *name, const char *topic,
                                const struct duet_stamp *stamp)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_STAMP_SIZE];
    char text[DUET_STAMP_TEXT_SIZE + 1], golden[64];
    struct duet_stamp back;

    duet_stamp_encode(bytes, stamp, &key, topic);
    duet_stamp_encode_text(text, stamp, &key, topic);
    snprintf(golden, sizeof(golden), "stamp.%s", name);
    test_assert_golden(golden, bytes, sizeof(bytes));
    snprintf(golden, sizeof(golden), "stamp.%s.text", name);
    test_assert_golden_text(golden, text);
    assert_int_equal(
        duet_stamp_decode_text(&back, dt_span_str(text), &key, topic, stamp->id.partition),
        DUET_STAMP_OK);
    assert_true(duet_id_equal(&back.id, &stamp->id));
    assert_int_equal(back.key_number, stamp->key_number);
    assert_int_equal(back.flags, stamp->flags);
    assert_int_equal(back.window, stamp->window);
    assert_int_equal(back.day, stamp->day);
}

static void stamps_have_the_golden_bytes(void **state)
{
    struct duet_stamp kafka = {7, 3, {DUET_ID_KAFKA, 12, 5, 0, 123456789}, 1, 1};
    struct duet_stamp last = {
        7,
        0xffff,
        {DUET_ID_ROCKETMQ, DUET_INSTANCE_MAX, 65535, 65535, DUET_SEQUENCE_MAX},
        UINT32_MAX,
        65535};
    struct duet_stamp longest = first;
    char topic[250];

    (void)state;
    memset(topic, 'x', 249);
    topic[249] = '\0';
    longest.flags = DUET_FLAG_NULL_VALUE;
    assert_golden_stamp("first", "flights", &first);
    assert_golden_stamp("kafka", "orders.eu-1_v2", &kafka);
    assert_golden_stamp("last", "t", &last);
    assert_golden_stamp("longest", topic, &longest);
}

static void keys_are_derived_as_the_golden_file_says(void **state)
{
    struct duet_stamp_key key = golden_key();

    (void)state;
    assert_int_equal(key.number, 7);
    test_assert_golden("key.stamp", key.key, sizeof(key.key));
}

static void every_flipped_bit_is_found(void **state)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_STAMP_SIZE];
    struct duet_stamp out;

    (void)state;
    duet_stamp_encode(bytes, &first, &key, "flights");
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        enum duet_stamp_verdict verdict;

        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        verdict = decode(&out, bytes, sizeof(bytes), "flights", 3);
        assert_int_equal(verdict, bit < 8    ? DUET_STAMP_BAD_VERSION
                                  : bit < 16 ? DUET_STAMP_BAD_KEY_NUMBER
                                             : DUET_STAMP_BAD_CHECK);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", 3), DUET_STAMP_OK);
}

static void a_stamp_copied_elsewhere_does_not_count(void **state)
{
    struct duet_stamp_key key = golden_key(), other = key;
    uint8_t bytes[DUET_STAMP_SIZE];
    struct duet_stamp out;

    (void)state;
    duet_stamp_encode(bytes, &first, &key, "flights");
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flight", 3), DUET_STAMP_BAD_CHECK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights2", 3),
                     DUET_STAMP_BAD_CHECK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "", 3), DUET_STAMP_BAD_CHECK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", 2),
                     DUET_STAMP_BAD_CHECK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", -1),
                     DUET_STAMP_BAD_CHECK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", 3 + 65536),
                     DUET_STAMP_BAD_CHECK);
    /* another migration that has the same key number */
    other.key[0] ^= 1;
    assert_int_equal(
        duet_stamp_decode(&out, dt_span_of(bytes, sizeof(bytes)), &other, "flights", 3),
        DUET_STAMP_BAD_CHECK);
}

static void the_queue_of_a_rocketmq_id_is_checked_too(void **state)
{
    struct duet_stamp_key key = golden_key();
    struct duet_stamp stamp = first, out;
    uint8_t bytes[DUET_STAMP_SIZE];

    (void)state;
    stamp.id.kind = DUET_ID_ROCKETMQ;
    duet_stamp_encode(bytes, &stamp, &key, "flights");
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", 3), DUET_STAMP_OK);
    assert_int_equal(decode(&out, bytes, sizeof(bytes), "flights", 4),
                     DUET_STAMP_BAD_CHECK);
}

static void missing_and_misshapen_stamps_are_told_apart(void **state)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_STAMP_SIZE + 1] = {0};
    char text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_stamp out;

    (void)state;
    duet_stamp_encode(bytes, &first, &key, "flights");
    assert_int_equal(decode(&out, NULL, 0, "flights", 3), DUET_STAMP_MISSING);
    for (size_t n = 0; n <= sizeof(bytes); n++)
        if (n != DUET_STAMP_SIZE)
            assert_int_equal(decode(&out, bytes, n, "flights", 3), DUET_STAMP_BAD_SIZE);
    duet_stamp_encode_text(text, &first, &key, "flights");
    assert_int_equal(duet_stamp_decode_text(&out, dt_span_of(NULL, 0), &key, "flights", 3),
                     DUET_STAMP_MISSING);
    assert_int_equal(duet_stamp_decode_text(&out, dt_span_of(text, 37), &key, "flights", 3),
                     DUET_STAMP_BAD_SIZE);
    text[5] = '+';
    assert_int_equal(duet_stamp_decode_text(&out, dt_span_str(text), &key, "flights", 3),
                     DUET_STAMP_BAD_SIZE);
    for (int i = DUET_STAMP_OK; i <= DUET_STAMP_BAD_CHECK; i++)
        assert_string_not_equal(duet_stamp_verdict_text((enum duet_stamp_verdict)i),
                                "unknown");
}

static void a_changed_character_of_the_text_is_found(void **state)
{
    struct duet_stamp_key key = golden_key();
    char text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_stamp out;

    (void)state;
    duet_stamp_encode_text(text, &first, &key, "flights");
    for (size_t i = 0; i < DUET_STAMP_TEXT_SIZE; i++) {
        char kept = text[i];

        for (int c = 1; c < 256; c++) {
            text[i] = (char)c;
            if (text[i] != kept)
                assert_int_not_equal(
                    duet_stamp_decode_text(&out, dt_span_of(text, DUET_STAMP_TEXT_SIZE),
                                           &key, "flights", 3),
                    DUET_STAMP_OK);
        }
        text[i] = kept;
    }
}

static void random_stamps_round_trip_and_random_bytes_do_not_pass(void **state)
{
    struct duet_stamp_key key = golden_key();
    struct test_random random = {2};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[DUET_STAMP_SIZE], again[DUET_STAMP_SIZE];
        struct duet_stamp stamp;

        test_random_fill(&random, bytes, sizeof(bytes));
        duet_id_decode(&stamp.id, bytes);
        stamp.key_number = key.number;
        stamp.flags = (uint16_t)test_random_next(&random);
        stamp.window = (uint32_t)test_random_next(&random);
        stamp.day = (uint16_t)test_random_next(&random);
        bytes[0] = DUET_STAMP_VERSION;
        bytes[1] = key.number;
        assert_int_equal(
            decode(&stamp, bytes, sizeof(bytes), "t", bytes[14] << 8 | bytes[15]),
            DUET_STAMP_BAD_CHECK);
        duet_stamp_encode(bytes, &stamp, &key, "t");
        assert_int_equal(decode(&stamp, bytes, sizeof(bytes), "t", stamp.id.partition),
                         DUET_STAMP_OK);
        duet_stamp_encode(again, &stamp, &key, "t");
        assert_memory_equal(bytes, again, sizeof(bytes));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_have_the_golden_bytes),
        cmocka_unit_test(keys_are_derived_as_the_golden_file_says),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(a_stamp_copied_elsewhere_does_not_count),
        cmocka_unit_test(the_queue_of_a_rocketmq_id_is_checked_too),
        cmocka_unit_test(missing_and_misshapen_stamps_are_told_apart),
        cmocka_unit_test(a_changed_character_of_the_text_is_found),
        cmocka_unit_test(random_stamps_round_trip_and_random_bytes_do_not_pass),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
