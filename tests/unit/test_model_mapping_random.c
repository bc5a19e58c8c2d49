/* model/mapping: any record comes back as it was, whatever the broker adds to the message */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base64.h"
#include "model/mapping_encode.h"
#include "support/case.h"
#include "support/mapping_trip.h"
#include "support/random.h"

static struct dt_span pick(struct test_random *random, const char *const *texts,
                           size_t count)
{
    return text(texts[test_random_below(random, count)]);
}

static struct dt_span random_bytes(struct trip *trip, struct test_random *random,
                                   size_t size)
{
    uint8_t *to = dt_buf_reserve(&trip->bytes, size + 1);

    assert_non_null(to);
    test_random_fill(random, to, size);
    dt_buf_commit(&trip->bytes, size + 1);
    return dt_span_of(to, size);
}

static struct dt_span random_name(struct trip *trip, struct test_random *random)
{
    static const char *const names[] = {
        "trace-id",     "trace.id", "a",          "b",        "content-type",
        "ce_id",        "X-Y.Z_1",  "duet",       "DUET",     "DUET_KEY",
        "DUET_HEADERS", "DUETTO",   "KEYS",       "TAGS",     "WAIT",
        "DELAY",        "UNIQ_KEY", "CLUSTER",    "TRAN_MSG", "with space",
        "n\xc3\xa4me",  "tab\t",    "one\x01two", "two\x02",  "__mine",
        "keys",         "=",        "%",          "|",        "Duet",
    };

    switch (test_random_below(random, 12)) {
    case 0:
        return random_bytes(trip, random, test_random_below(random, 20)); /* also empty */
    case 1: {
        struct dt_span name =
            random_bytes(trip, random, 250 + test_random_below(random, 10));

        memset((uint8_t *)name.data, 'n', name.size);
        return name;
    }
    default:
        return pick(random, names, sizeof(names) / sizeof(names[0]));
    }
}

static struct dt_span random_value(struct trip *trip, struct test_random *random)
{
    static const char *const values[] = {
        "",          "x",
        "two words", " ",
        "   ",       " lead",
        "é",         "日本語",
        "🛫",      "a\x01 b",
        "a\x02 b",   "line\nline",
        "nul",       "\xff",
        "\xc0\x80",  "\xed\xa0\x80",
        "\x7f",      "\xc2\x85",
        "-",         "AQ",
        "\xf0\x9f",  "\xe2\x80\xa8",
        "　",        "a=b;c",
    };

    switch (test_random_below(random, 5)) {
    case 0:
        return null_span();
    case 1:
        return random_bytes(trip, random, test_random_below(random, 40));
    default:
        return pick(random, values, sizeof(values) / sizeof(values[0]));
    }
}

static void random_record(struct trip *trip, struct test_random *random)
{
    size_t most = test_random_once_in(random, 50) ? 40 : 6;

    dt_buf_clear(&trip->bytes);
    assert_non_null(dt_buf_reserve(&trip->bytes, 65536)); /* spans into it must not move */
    trip->record.key = random_value(trip, random);
    trip->record.value = random_value(trip, random);
    trip->record.headers = trip->headers;
    trip->record.header_count = test_random_below(random, most + 1);
    trip->record.timestamp_ms = 1;
    for (size_t i = 0; i < trip->record.header_count; i++) {
        trip->headers[i].name = random_name(trip, random);
        trip->headers[i].value = random_value(trip, random);
    }
}

static void random_records_come_back_whatever_the_broker_adds(void **state)
{
    struct test_random random = {2013};
    struct trip *trip = trip_new();

    (void)state;
    for (int i = 0; i < 30000; i++) {
        random_record(trip, &random);
        assert_round_trip(trip, &random);
    }
    trip_free(trip);
}

static void altered_properties_are_an_error_or_a_record_and_never_a_crash(void **state)
{
    struct test_random random = {4};
    struct trip *trip = trip_new();
    size_t corrupt = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        dt_status status;

        random_record(trip, &random);
        assert_int_equal(encode(trip), DT_OK);
        to_wire(trip, &random);
        for (size_t n = 1 + test_random_below(&random, 3); n > 0; n--) {
            uint8_t *byte = &trip->wire.data[test_random_below(&random, trip->wire.size)];

            if (*byte > 2) /* names and values change, their borders do not */
                *byte = (uint8_t) "AB-_z "[test_random_below(&random, 6)];
        }
        status = decode_parsed(trip);
        assert_true(status == DT_OK || status == DT_ECORRUPT);
        corrupt += status != DT_OK;
    }
    assert_true(corrupt > 1000);
    trip_free(trip);
}

static void random_header_lists_never_crash_the_decoder(void **state)
{
    struct test_random random = {5};
    struct trip *trip = trip_new();

    (void)state;
    for (int i = 0; i < 50000; i++) {
        struct duet_rmq_message message = {text("v"), trip->parsed, 2};
        uint8_t bytes[24] = {1};
        size_t size = 1 + test_random_below(&random, sizeof(bytes) - 1);
        size_t length = DT_BASE64_SIZE(size);
        char *exact = malloc(length); /* exact size: ASan sees one byte too many */
        dt_status status;

        assert_non_null(exact);
        for (size_t k = 1; k < size; k++)
            bytes[k] = (uint8_t)test_random_below(&random, k % 2 == 0 ? 256 : 8);
        dt_base64_encode(exact, bytes, size);
        trip->parsed[0].name = text(DUET_PROPERTY_HEADERS);
        trip->parsed[0].value = dt_span_of(exact, length);
        trip->parsed[1].name = text("a");
        trip->parsed[1].value = text("b");
        dt_buf_clear(&trip->decoded);
        status = duet_mapping_decode(&trip->back, &message, 0, &trip->decoded,
                                     trip->back_headers);
        assert_true(status == DT_OK || status == DT_ECORRUPT);
        free(exact);
    }
    trip_free(trip);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_records_come_back_whatever_the_broker_adds),
        cmocka_unit_test(altered_properties_are_an_error_or_a_record_and_never_a_crash),
        cmocka_unit_test(random_header_lists_never_crash_the_decoder),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
