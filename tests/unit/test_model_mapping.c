/* model/mapping: what records look like on RocketMQ, what is too big, what is corrupt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/mapping_encode.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/mapping_trip.h"
#include "support/random.h"

static const struct duet_property *property(const struct trip *trip, const char *name)
{
    for (size_t i = 0; i < trip->message.property_count; i++)
        if (dt_span_equal_str(trip->properties[i].name, name))
            return &trip->properties[i];
    return NULL;
}

static void assert_property(const struct trip *trip, const char *name, const char *value)
{
    const struct duet_property *found = property(trip, name);

    if (found == NULL)
        fail_msg("no property %s", name);
    else
        assert_true(dt_span_equal_str(found->value, value));
}

/* ---- what a record looks like on RocketMQ ---- */

static void plain_records_look_plain(void **state)
{
    struct test_random random = {6};
    struct trip *trip = trip_new();

    (void)state;
    set(trip, text("N14228"), text("{\"flight\":1545}"));
    assert_round_trip(trip, &random);
    assert_int_equal(trip->message.property_count, 2);
    assert_property(trip, "KEYS", "N14228");
    assert_property(trip, "DUET", stamp_text);
    assert_true(dt_span_equal(trip->message.body, trip->record.value));

    add_header(trip, "origin.country", text("Zürich, ZH"));
    assert_round_trip(trip, &random);
    assert_property(trip, "origin.country", "Zürich, ZH");
    assert_int_equal(trip->message.property_count, 4); /* and DUET_HEADERS: the order */
    trip_free(trip);
}

static void null_and_empty_values_have_a_body_and_a_flag(void **state)
{
    struct test_random random = {7};
    struct trip *trip = trip_new();

    (void)state;
    set(trip, null_span(), null_span());
    assert_int_equal(duet_mapping_flags(&trip->record), DUET_FLAG_NULL_VALUE);
    assert_round_trip(trip, &random);
    assert_int_equal(trip->message.body.size, 1);
    assert_int_equal(trip->message.body.data[0], 0);
    set(trip, null_span(), text(""));
    assert_int_equal(duet_mapping_flags(&trip->record), DUET_FLAG_EMPTY_VALUE);
    assert_round_trip(trip, &random);
    assert_int_equal(trip->message.body.size, 1);
    set(trip, null_span(), dt_span_of("\0", 1)); /* a real zero byte is neither */
    assert_int_equal(duet_mapping_flags(&trip->record), 0);
    assert_round_trip(trip, &random);
    trip_free(trip);
}

static void a_key_is_keys_if_rocketmq_can_say_it(void **state)
{
    static const struct {
        const char *key, *as; /* as NULL: DUET_KEY */
    } keys[] = {
        {"N14228", "N14228"}, {"a.b-c_d/e", "a.b-c_d/e"},
        {"Zürich", "Zürich"}, {"two words", NULL},
        {"tab\t", NULL},      {"\xff", NULL},
        {"a\x01", NULL},      {"\xc2\xa0", NULL}, /* a no-break space */
    };
    struct test_random random = {8};
    struct trip *trip = trip_new();
    struct dt_span golden_key = dt_span_of("\0key \xff", 6);

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        set(trip, text(keys[i].key), text("v"));
        assert_round_trip(trip, &random);
        assert_int_equal(property(trip, "KEYS") != NULL, keys[i].as != NULL);
        assert_int_equal(property(trip, "DUET_KEY") != NULL, keys[i].as == NULL);
        if (keys[i].as != NULL)
            assert_property(trip, "KEYS", keys[i].as);
    }
    set(trip, golden_key, text("v"));
    assert_round_trip(trip, &random);
    {
        char golden[TEST_GOLDEN_MAX];

        test_golden_text(golden, "headers.key");
        assert_property(trip, "DUET_KEY", golden);
    }
    set(trip, null_span(), text("v"));
    assert_round_trip(trip, &random);
    assert_int_equal(trip->message.property_count, 1);
    set(trip, text(""), text("v"));
    assert_round_trip(trip, &random);
    assert_property(trip, "DUET_KEY", "-");
    trip_free(trip);
}

static void names_that_are_not_free_are_written_out(void **state)
{
    static const char *const names[] = {
        "KEYS",       "TAGS",
        "WAIT",       "DELAY",
        "DUET",       "DUET_HEADERS",
        "DUETTO",     "duet",
        "__mine",     "",
        "with space", "n\xc3\xa4me",
        "UNIQ_KEY",   "__RMQ.TRANSIENT.X",
    };
    struct test_random random = {9};
    struct trip *trip = trip_new();

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        set(trip, null_span(), text("v"));
        add_header(trip, names[i], text("x"));
        assert_round_trip(trip, &random);
        assert_int_equal(trip->message.property_count, 2);
        assert_non_null(property(trip, "DUET_HEADERS"));
    }
    trip_free(trip);
}

static void repeated_names_are_all_written_out_in_order(void **state)
{
    struct test_random random = {10};
    struct trip *trip = trip_new();

    (void)state;
    set(trip, null_span(), text("v"));
    add_header(trip, "b", text("1"));
    add_header(trip, "a", text("2"));
    add_header(trip, "b", text("3"));
    add_header(trip, "b", text("3"));
    add_header(trip, "c", text("4"));
    for (int i = 0; i < 50; i++)
        assert_round_trip(trip, &random);
    assert_null(property(trip, "b"));
    assert_property(trip, "a", "2");
    assert_property(trip, "c", "4");
    trip_free(trip);
}

static void names_of_one_hash_are_written_out(void **state)
{
    /* a known pair: FNV-1a of both is 0x5e4daa9d */
    struct test_random random = {11};
    struct trip *trip = trip_new();

    (void)state;
    set(trip, null_span(), text("v"));
    add_header(trip, "costarring", text("1"));
    add_header(trip, "liquid", text("2"));
    add_header(trip, "other", text("3"));
    assert_round_trip(trip, &random);
    assert_null(property(trip, "costarring"));
    assert_null(property(trip, "liquid"));
    assert_property(trip, "other", "3");
    trip_free(trip);
}

static void the_header_list_has_the_golden_bytes(void **state)
{
    struct test_random random = {12};
    struct trip *trip = trip_new();
    char golden[TEST_GOLDEN_MAX], xs[201];

    (void)state;
    memset(xs, 'x', 200);
    xs[200] = '\0';
    set(trip, null_span(), text("v"));
    add_header(trip, "trace-id", text("abc"));
    add_header(trip, "raw", dt_span_of("\0\x01\xff", 3));
    add_header(trip, "gone", null_span());
    add_header(trip, "", text(""));
    add_header(trip, "WAIT", text(xs));
    add_header(trip, "city", text("Zürich"));
    assert_round_trip(trip, &random);
    test_golden_text(golden, "headers.list");
    assert_property(trip, "DUET_HEADERS", golden);
    trip_free(trip);
}

/* ---- limits ---- */

static void what_rocketmq_would_refuse_is_too_big(void **state)
{
    struct test_random random = {13};
    struct trip *trip = trip_new();
    static uint8_t large[DUET_BODY_MAX + 1];

    (void)state;
    memset(large, 'x', sizeof(large));
    set(trip, null_span(), dt_span_of(large, DUET_BODY_MAX));
    assert_round_trip(trip, &random);
    trip->record.value.size++;
    assert_int_equal(encode(trip), DT_ETOOBIG);

    /* KEYS 0x01 key 0x02 DUET 0x01 stamp 0x02: 4 + 4 + 38 + 4 beside the key */
    set(trip, dt_span_of(large, DUET_PROPERTIES_MAX - 50), text("v"));
    assert_round_trip(trip, &random);
    trip->record.key.size++;
    assert_int_equal(encode(trip), DT_ETOOBIG);
    trip->record.key.size = sizeof(large);
    assert_int_equal(encode(trip), DT_ETOOBIG);

    set(trip, null_span(), text("v"));
    add_header(trip, "WAIT", dt_span_of(large, 23000));
    assert_round_trip(trip, &random);
    trip->headers[0].value.size = 24500;
    assert_int_equal(encode(trip), DT_ETOOBIG);
    trip->headers[0].value.size = sizeof(large);
    assert_int_equal(encode(trip), DT_ETOOBIG);
    trip->headers[0].name = text("a");
    assert_int_equal(encode(trip), DT_ETOOBIG);

    trip->record.header_count = DUET_HEADERS_MAX + 1;
    assert_int_equal(encode(trip), DT_ETOOBIG);
    trip_free(trip);
}

static void as_many_headers_as_the_limit_allows_come_back(void **state)
{
    struct test_random random = {14};
    struct trip *trip = trip_new();
    static char names[DUET_HEADERS_MAX][16];

    (void)state;
    for (int repeated = 0; repeated < 2; repeated++) {
        set(trip, null_span(), text("v"));
        for (int i = 0; i < DUET_HEADERS_MAX; i++) {
            snprintf(names[i], sizeof(names[i]), "h%d", repeated ? i % 7 : i);
            add_header(trip, names[i], text("1"));
        }
        assert_round_trip(trip, &random);
    }
    trip_free(trip);
}

static void a_full_scratch_buffer_is_an_error(void **state)
{
    struct trip *trip = trip_new();
    struct dt_buf small;

    (void)state;
    dt_buf_init(&small, 8);
    set(trip, text("two words"), text("v"));
    assert_int_equal(duet_mapping_encode(&trip->message, &trip->record, text(stamp_text),
                                         &small, trip->properties),
                     DT_ENOMEM);
    assert_int_equal(encode(trip), DT_OK);
    dt_buf_clear(&small);
    assert_int_equal(
        duet_mapping_decode(&trip->back, &trip->message, 0, &small, trip->back_headers),
        DT_ETOOBIG);
    dt_buf_fini(&small);
    trip_free(trip);
}

/* ---- messages that break the format ---- */

static dt_status decode_pair(struct trip *trip, const char *name, const char *value,
                             const char *name2, const char *value2)
{
    struct duet_rmq_message message = {text("v"), trip->parsed, name2 == NULL ? 1 : 2};

    trip->parsed[0].name = text(name);
    trip->parsed[0].value = text(value);
    if (name2 != NULL) {
        trip->parsed[1].name = text(name2);
        trip->parsed[1].value = text(value2);
    }
    dt_buf_clear(&trip->decoded);
    return duet_mapping_decode(&trip->back, &message, 0, &trip->decoded,
                               trip->back_headers);
}

static void broken_messages_are_corrupt(void **state)
{
    static const uint8_t zero[2] = {0, 0};
    struct trip *trip = trip_new();
    struct duet_rmq_message message = {{zero, 1}, NULL, 0};
    const uint16_t both = DUET_FLAG_NULL_VALUE | DUET_FLAG_EMPTY_VALUE;

    (void)state;
#define DECODE(flags)                                                                      \
    duet_mapping_decode(&trip->back, &message, flags, &trip->decoded, trip->back_headers)
    assert_int_equal(DECODE(0), DT_OK);
    assert_int_equal(DECODE(DUET_FLAG_NULL_VALUE), DT_OK);
    assert_int_equal(DECODE(both), DT_ECORRUPT);
    message.body.size = 2;
    assert_int_equal(DECODE(DUET_FLAG_EMPTY_VALUE), DT_ECORRUPT);
    message.body = text("v");
    assert_int_equal(DECODE(DUET_FLAG_EMPTY_VALUE), DT_ECORRUPT);
    message.body.size = 0;
    assert_int_equal(DECODE(0), DT_ECORRUPT);
#undef DECODE
    assert_int_equal(decode_pair(trip, "DUET_KEY", "AQ", "KEYS", "k"), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_KEY", "AQ", "DUET_KEY", "AQ"), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "KEYS", "a", "KEYS", "a"), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_KEY", "A", NULL, NULL), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_KEY", "A+AA", NULL, NULL), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "!!!!", NULL, NULL), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AQ", NULL, NULL), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AgAA", NULL, NULL), DT_ECORRUPT);
    /* 01 00 e40c292c: the property `a` */
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AQDkDCks", "a", "1"), DT_OK);
    assert_int_equal(trip->back.header_count, 1);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AQDkDCks", "b", "1"), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AQDkDCks", "a", ""), DT_ECORRUPT);
    assert_int_equal(decode_pair(trip, "DUET_HEADERS", "AQDkDCk", "a", "1"), DT_ECORRUPT);
    trip_free(trip);
}

static void without_a_list_no_property_is_a_header(void **state)
{
    struct trip *trip = trip_new();

    (void)state;
    assert_int_equal(decode_pair(trip, "of.a.later.broker", "1", "KEYS", "k"), DT_OK);
    assert_int_equal(trip->back.header_count, 0);
    assert_true(dt_span_equal_str(trip->back.key, "k"));
    trip_free(trip);
}

static void a_foreign_message_gives_its_user_properties(void **state)
{
    static const char *const pairs[][2] = {
        {"KEYS", "a b"},  {"color", "red"}, {"UNIQ_KEY", "x"}, {"CLUSTER", "c"},
        {"TAGS", "TagA"}, {"WAIT", "true"}, {"shape", "box"},
    };
    struct trip *trip = trip_new();
    struct duet_rmq_message message = {text("body"), trip->parsed, 7};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        trip->parsed[i].name = text(pairs[i][0]);
        trip->parsed[i].value = text(pairs[i][1]);
    }
    assert_int_equal(duet_mapping_decode_foreign(&trip->back, &message, trip->back_headers),
                     DT_OK);
    assert_true(dt_span_equal_str(trip->back.key, "a b"));
    assert_true(dt_span_equal_str(trip->back.value, "body"));
    assert_int_equal(trip->back.header_count, 2);
    assert_true(dt_span_equal_str(trip->back.headers[0].name, "color"));
    assert_true(dt_span_equal_str(trip->back.headers[1].value, "box"));
    message.body = null_span();
    message.property_count = 0;
    assert_int_equal(duet_mapping_decode_foreign(&trip->back, &message, trip->back_headers),
                     DT_OK);
    assert_null(trip->back.key.data);
    assert_true(trip->back.value.data != NULL && trip->back.value.size == 0);
    trip_free(trip);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records_look_plain),
        cmocka_unit_test(null_and_empty_values_have_a_body_and_a_flag),
        cmocka_unit_test(a_key_is_keys_if_rocketmq_can_say_it),
        cmocka_unit_test(names_that_are_not_free_are_written_out),
        cmocka_unit_test(repeated_names_are_all_written_out_in_order),
        cmocka_unit_test(names_of_one_hash_are_written_out),
        cmocka_unit_test(the_header_list_has_the_golden_bytes),
        cmocka_unit_test(what_rocketmq_would_refuse_is_too_big),
        cmocka_unit_test(as_many_headers_as_the_limit_allows_come_back),
        cmocka_unit_test(a_full_scratch_buffer_is_an_error),
        cmocka_unit_test(broken_messages_are_corrupt),
        cmocka_unit_test(without_a_list_no_property_is_a_header),
        cmocka_unit_test(a_foreign_message_gives_its_user_properties),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
