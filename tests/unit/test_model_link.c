/* model/link: the golden bytes, and that nothing but the very link at its record is accepted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base64.h"
#include "model/digest.h"
#include "model/link.h"
#include "model/mapping_encode.h"
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

static const struct duet_id first = {DUET_ID_ISSUED, 1, 2, 3, 4};
static const struct duet_link_entry one[] = {{DUET_LINK_VOID, 1, 2, 1, 4}};
static const struct duet_link_entry boots[] = {{DUET_LINK_ENDED, 1, 2, 0, 100},
                                               {DUET_LINK_ENDED_AT_LEAST, 7, 65535, 0, 1},
                                               {DUET_LINK_ABSENT_KAFKA, 1, 2, 90, 91},
                                               {DUET_LINK_ABSENT_ROCKETMQ, 1, 2, 92, 99}};

static void assert_same(const struct duet_link *link, const struct duet_link_entry *entries,
                        size_t count)
{
    assert_int_equal(link->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(link->entries[i].kind, entries[i].kind);
        assert_int_equal(link->entries[i].instance, entries[i].instance);
        assert_int_equal(link->entries[i].boot, entries[i].boot);
        assert_true(link->entries[i].from == entries[i].from);
        assert_true(link->entries[i].to == entries[i].to);
    }
}

static void assert_golden_link(const char *name, const char *topic,
                               const struct duet_id *carrier,
                               const struct duet_link_entry *entries, size_t count)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_LINK_SIZE_MAX];
    char text[DT_BASE64_SIZE(DUET_LINK_SIZE_MAX) + 1], golden[64];
    size_t size = duet_link_encode(bytes, entries, count, &key, topic, carrier);
    struct duet_link back;

    snprintf(golden, sizeof(golden), "link.%s", name);
    test_assert_golden(golden, bytes, size);
    dt_base64_encode(text, bytes, size);
    text[DT_BASE64_SIZE(size)] = '\0';
    snprintf(golden, sizeof(golden), "link.%s.text", name);
    test_assert_golden_text(golden, text);
    assert_int_equal(duet_link_decode(&back, dt_span_of(bytes, size), &key, topic, carrier),
                     DUET_LINK_OK);
    assert_same(&back, entries, count);
}

static void links_have_the_golden_bytes(void **state)
{
    struct duet_id next_boot = {DUET_ID_ISSUED, 1, 3, 3, 0};
    struct duet_id last = {DUET_ID_ROCKETMQ, DUET_INSTANCE_MAX, 65535, 65535,
                           DUET_SEQUENCE_MAX};
    struct duet_link_entry most[DUET_LINK_ENTRIES_MAX];
    char topic[250];

    (void)state;
    memset(topic, 'x', 249);
    topic[249] = '\0';
    for (size_t i = 0; i < DUET_LINK_ENTRIES_MAX; i++)
        most[i] = (struct duet_link_entry){DUET_LINK_ABSENT_ROCKETMQ, DUET_INSTANCE_MAX,
                                           (uint16_t)i, i, DUET_SEQUENCE_MAX + 1};
    assert_golden_link("one", "flights", &first, one, 1);
    assert_golden_link("boots", "flights", &next_boot, boots, 4);
    assert_golden_link("most", topic, &last, most, DUET_LINK_ENTRIES_MAX);
}

static void every_flipped_bit_is_found(void **state)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_LINK_SIZE_MAX];
    size_t size = duet_link_encode(bytes, boots, 4, &key, "flights", &first);
    struct duet_link link = {.count = 77};

    (void)state;
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(
            duet_link_decode(&link, dt_span_of(bytes, size), &key, "flights", &first),
            DUET_LINK_OK);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(link.count, 77); /* never half of one */
}

static void a_link_counts_on_its_own_record_only(void **state)
{
    struct duet_stamp_key key = golden_key(), other = key;
    uint8_t bytes[DUET_LINK_SIZE_MAX];
    size_t size = duet_link_encode(bytes, one, 1, &key, "flights", &first);
    struct dt_span span = dt_span_of(bytes, size);
    struct duet_id id = first;
    struct duet_link link;

    (void)state;
    id.sequence++;
    assert_int_equal(duet_link_decode(&link, span, &key, "flights", &id),
                     DUET_LINK_BAD_CHECK);
    id = first;
    id.partition++;
    assert_int_equal(duet_link_decode(&link, span, &key, "flights", &id),
                     DUET_LINK_BAD_CHECK);
    id = first;
    id.boot++;
    assert_int_equal(duet_link_decode(&link, span, &key, "flights", &id),
                     DUET_LINK_BAD_CHECK);
    assert_int_equal(duet_link_decode(&link, span, &key, "flight", &first),
                     DUET_LINK_BAD_CHECK);
    other.key[0] ^= 1;
    assert_int_equal(duet_link_decode(&link, span, &other, "flights", &first),
                     DUET_LINK_BAD_CHECK);
    assert_int_equal(duet_link_decode(&link, span, &key, "flights", &first), DUET_LINK_OK);
}

static void what_is_no_link_has_a_reason(void **state)
{
    struct duet_stamp_key key = golden_key();
    uint8_t bytes[DUET_LINK_SIZE_MAX + DUET_LINK_ENTRY_SIZE] = {0};
    size_t size = duet_link_encode(bytes, boots, 4, &key, "flights", &first);
    struct duet_link link;

    (void)state;
    assert_int_equal(duet_link_decode(&link, dt_span_of(NULL, 0), &key, "flights", &first),
                     DUET_LINK_MISSING);
    for (size_t cut = 0; cut < sizeof(bytes); cut++)
        if (cut != size)
            assert_int_not_equal(
                duet_link_decode(&link, dt_span_of(bytes, cut), &key, "flights", &first),
                DUET_LINK_OK);
    assert_int_equal(
        duet_link_decode(&link, dt_span_of(bytes, sizeof(bytes)), &key, "flights", &first),
        DUET_LINK_BAD_SIZE);
    bytes[0] = 2;
    assert_int_equal(
        duet_link_decode(&link, dt_span_of(bytes, size), &key, "flights", &first),
        DUET_LINK_BAD_VERSION);
}

static void a_range_has_to_fit_the_format(void **state)
{
    struct duet_link_entry entry = {DUET_LINK_VOID, 1, 2, 3, 4};

    (void)state;
    assert_true(duet_link_entry_valid(&entry));
    entry.to = 3;
    assert_false(duet_link_entry_valid(&entry));
    entry.to = DUET_SEQUENCE_MAX + 1;
    assert_true(duet_link_entry_valid(&entry));
    entry.to++;
    assert_false(duet_link_entry_valid(&entry));
    entry = (struct duet_link_entry){DUET_LINK_ENDED, 1, 2, 3, 4};
    assert_false(duet_link_entry_valid(&entry)); /* a boot begins at 0 */
    entry.from = 0;
    assert_true(duet_link_entry_valid(&entry));
    entry.kind = DUET_LINK_KINDS;
    assert_false(duet_link_entry_valid(&entry));
    entry = (struct duet_link_entry){DUET_LINK_VOID, DUET_INSTANCE_MAX + 1, 2, 3, 4};
    assert_false(duet_link_entry_valid(&entry));
}

/* The record that is read back is the same with and without a link beside it. */
static void the_mapping_carries_a_link_beside_the_record(void **state)
{
    static const struct duet_header headers[] = {
        {{(const uint8_t *)"DUET_LINK", 9}, {(const uint8_t *)"the user's own", 14}}};
    static struct duet_property properties[DUET_HEADERS_MAX + 4];
    static struct duet_header back_headers[DUET_HEADERS_MAX];
    struct duet_record record = {.value = dt_span_str("v"), .headers = headers};
    struct duet_rmq_message message;
    struct duet_record back;
    struct dt_buf out, in;

    (void)state;
    record.header_count = 1;
    dt_buf_init(&out, 4096);
    dt_buf_init(&in, 4096);
    assert_int_equal(
        duet_mapping_encode(&message, &record, dt_span_str("stamp"), &out, properties),
        DT_OK);
    assert_true(duet_mapping_add_link(&message, dt_span_str("linktext"), properties));
    assert_true(
        dt_span_equal_str(properties[message.property_count - 1].name, DUET_PROPERTY_LINK));
    assert_int_equal(duet_mapping_decode(&back, &message, 0, &in, back_headers), DT_OK);
    assert_int_equal(back.header_count, 1);
    assert_true(dt_span_equal_str(back.headers[0].name, "DUET_LINK"));
    assert_true(dt_span_equal_str(back.headers[0].value, "the user's own"));
    dt_buf_fini(&out);
    dt_buf_fini(&in);
}

static void a_link_never_makes_a_record_too_large(void **state)
{
    static struct duet_property properties[DUET_HEADERS_MAX + 4];
    static uint8_t key[DUET_PROPERTIES_MAX];
    struct duet_record record = {.value = dt_span_str("v")};
    struct duet_rmq_message message;
    struct dt_buf out;
    size_t count;

    (void)state;
    memset(key, 'k', sizeof(key));
    dt_buf_init(&out, 1 << 17);
    record.key = dt_span_of(key, DUET_PROPERTIES_MAX - 60); /* KEYS, DUET, little else */
    assert_int_equal(
        duet_mapping_encode(&message, &record, dt_span_str("stamp"), &out, properties),
        DT_OK);
    count = message.property_count;
    assert_false(duet_mapping_add_link(
        &message, dt_span_str("more characters than what is left has room for, in all"),
        properties));
    assert_int_equal(message.property_count, count);
    assert_true(duet_mapping_add_link(&message, dt_span_str("few"), properties));
    dt_buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_have_the_golden_bytes),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(a_link_counts_on_its_own_record_only),
        cmocka_unit_test(what_is_no_link_has_a_reason),
        cmocka_unit_test(a_range_has_to_fit_the_format),
        cmocka_unit_test(the_mapping_carries_a_link_beside_the_record),
        cmocka_unit_test(a_link_never_makes_a_record_too_large),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
