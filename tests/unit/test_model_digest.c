/* model/digest: sums that are equal iff the multisets of (id, content) are */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/digest.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/random.h"

static struct duet_digest_key golden_key(void)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    struct duet_digest_key key;

    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)i;
    duet_keys_derive(master, 7, NULL, &key);
    return key;
}

static const struct duet_id first_id = {DUET_ID_ISSUED, 1, 2, 3, 4};

static struct duet_stamp first_stamp(void)
{
    struct duet_stamp stamp = {7, 0, first_id, 22616640, 15706};

    return stamp;
}

static void keys_are_derived_as_the_golden_file_says(void **state)
{
    struct duet_digest_key key = golden_key();

    (void)state;
    assert_int_equal(key.number, 7);
    test_assert_golden("key.digest", key.k1, sizeof(key.k1));
    test_assert_golden("key.content", key.secret, sizeof(key.secret));
}

static void every_byte_of_the_master_key_and_its_number_change_all_keys(void **state)
{
    uint8_t master[DUET_MASTER_KEY_SIZE] = {0};
    struct duet_stamp_key stamp[2];
    struct duet_digest_key digest[2];

    (void)state;
    duet_keys_derive(master, 1, &stamp[0], &digest[0]);
    for (size_t i = 0; i <= sizeof(master); i++) {
        if (i < sizeof(master))
            master[i] ^= 1;
        duet_keys_derive(master, i < sizeof(master) ? 1 : 2, &stamp[1], &digest[1]);
        assert_memory_not_equal(stamp[0].key, stamp[1].key, DT_SIPHASH_KEY_SIZE);
        assert_memory_not_equal(digest[0].k1, digest[1].k1, DT_SIPHASH_KEY_SIZE);
        for (size_t at = 0; at < DUET_DIGEST_SECRET_SIZE; at += 16)
            assert_memory_not_equal(digest[0].secret + at, digest[1].secret + at, 16);
        if (i < sizeof(master))
            master[i] ^= 1;
    }
}

static void the_canonical_form_has_the_golden_bytes(void **state)
{
    struct duet_header headers[] = {
        {dt_span_str("a"), dt_span_str("1")},
        {dt_span_str("a"), dt_span_of(NULL, 0)},
        {dt_span_str(""), dt_span_str("")},
    };
    struct duet_record record = {dt_span_str("k"), dt_span_str("value"), headers, 3,
                                 INT64_C(1357000000000)};
    struct duet_stamp stamp = first_stamp();
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 1000);
    duet_canonical(&out, &stamp, &record, true);
    test_assert_golden("canonical.full", out.data, out.size);
    dt_buf_clear(&out);
    memset(&record, 0, sizeof(record));
    stamp.flags = DUET_FLAG_NULL_VALUE;
    duet_canonical(&out, &stamp, &record, false);
    test_assert_golden("canonical.null", out.data, out.size);
    dt_buf_fini(&out);
}

/* A fixed vector of libxxhash 0.8.1; the format of XXH3 has been final since 0.8.0. */
static void the_content_digest_is_48_bits_of_xxh3_under_the_secret(void **state)
{
    struct duet_digest_key key = golden_key();
    char text[32];
    uint8_t large[1000];

    (void)state;
    memset(large, 'x', sizeof(large));
    snprintf(text, sizeof(text), "%012llx",
             (unsigned long long)duet_content_digest(&key, dt_span_str("duet")));
    assert_string_equal(text, "e59030d93733");
    snprintf(
        text, sizeof(text), "%012llx",
        (unsigned long long)duet_content_digest(&key, dt_span_of(large, sizeof(large))));
    assert_string_equal(text, "217b0a43b819");
    key.secret[150] ^= 1; /* the secret matters to its end for long input */
    snprintf(
        text, sizeof(text), "%012llx",
        (unsigned long long)duet_content_digest(&key, dt_span_of(large, sizeof(large))));
    assert_string_not_equal(text, "217b0a43b819");
}

static void sums_have_the_golden_value_times_any_factor(void **state)
{
    static const int64_t factors[] = {1, 3, -2, 0};
    struct duet_digest_key key = golden_key();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct duet_digest digest = {0};
        char name[32], text[40];

        duet_digest_add(&digest, &key, &first_id, 0xabcdef012345, 100, factors[i]);
        snprintf(name, sizeof(name), "digest.%d", (int)factors[i]);
        snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)digest.sum.hi,
                 (unsigned long long)digest.sum.lo);
        test_assert_golden_text(name, text);
        assert_int_equal(digest.count, factors[i]);
        assert_int_equal(digest.bytes, factors[i] * 100);
    }
}

static void adding_n_times_equals_adding_n_and_removing_undoes_it(void **state)
{
    struct duet_digest_key key = golden_key();
    struct test_random random = {1};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct duet_digest one = {0}, many = {0}, zero = {0};
        struct duet_id id = first_id;
        uint64_t content = test_random_next(&random) & DUET_SEQUENCE_MAX;
        int64_t times = 1 + (int64_t)test_random_below(&random, 20);
        int64_t large = (int64_t)(test_random_next(&random) >> 2);

        id.sequence = (uint64_t)i;
        for (int64_t n = 0; n < times; n++)
            duet_digest_add(&one, &key, &id, content, 10, 1);
        duet_digest_add(&many, &key, &id, content, 10, times);
        assert_true(duet_digest_equal(&one, &many));
        duet_digest_add(&many, &key, &id, content, 10, -times);
        assert_true(duet_digest_equal(&many, &zero));
        duet_digest_add(&many, &key, &id, content, 10, large);
        duet_digest_add(&many, &key, &id, content, 10, -large - 1);
        duet_digest_add(&many, &key, &id, content, 10, 1);
        assert_true(duet_digest_equal(&many, &zero));
    }
}

static void order_and_split_do_not_matter(void **state)
{
    enum { MESSAGES = 300, PARTS = 7 };
    struct duet_digest_key key = golden_key();

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct test_random random = {seed};
        struct duet_digest whole = {0}, parts[PARTS] = {{0}}, sum = {0};
        size_t order[MESSAGES];

        for (size_t i = 0; i < MESSAGES; i++)
            order[i] = i;
        for (size_t i = MESSAGES; i > 1; i--) {
            size_t k = test_random_below(&random, i), kept = order[k];

            order[k] = order[i - 1];
            order[i - 1] = kept;
        }
        for (size_t i = 0; i < MESSAGES; i++) {
            struct duet_id id = first_id, other = first_id;

            id.sequence = i;
            other.sequence = order[i];
            duet_digest_add(&whole, &key, &id, i * 77, i, 1);
            duet_digest_add(&parts[test_random_below(&random, PARTS)], &key, &other,
                            order[i] * 77, order[i], 1);
        }
        for (size_t i = PARTS; i-- > 0;)
            duet_digest_merge(&sum, &parts[i]);
        assert_true(duet_digest_equal(&whole, &sum));
    }
}

static void duplicates_swaps_and_losses_change_the_sum(void **state)
{
    struct duet_digest_key key = golden_key();
    struct duet_id a = first_id, b = first_id;
    struct duet_digest right = {0}, other;

    (void)state;
    b.sequence++;
    duet_digest_add(&right, &key, &a, 1, 10, 1);
    duet_digest_add(&right, &key, &b, 2, 10, 1);

    memset(&other, 0, sizeof(other)); /* lost */
    duet_digest_add(&other, &key, &a, 1, 10, 1);
    assert_false(duet_digest_equal(&right, &other));

    memset(&other, 0,
           sizeof(other)); /* stored twice, the other lost: same count and bytes */
    duet_digest_add(&other, &key, &a, 1, 10, 2);
    assert_false(duet_digest_equal(&right, &other));

    memset(&other, 0, sizeof(other)); /* contents swapped */
    duet_digest_add(&other, &key, &a, 2, 10, 1);
    duet_digest_add(&other, &key, &b, 1, 10, 1);
    assert_false(duet_digest_equal(&right, &other));

    memset(&other, 0, sizeof(other)); /* an even number of copies does not vanish */
    duet_digest_merge(&other, &right);
    duet_digest_add(&other, &key, &a, 1, 10, 2);
    assert_false(duet_digest_equal(&right, &other));
}

static uint64_t content_of(const struct duet_stamp *stamp, const struct duet_record *record,
                           bool with_timestamp)
{
    struct duet_digest_key key = golden_key();
    struct dt_buf out;
    uint64_t content;

    dt_buf_init(&out, 10000);
    duet_canonical(&out, stamp, record, with_timestamp);
    assert_false(out.failed);
    content = duet_content_digest(&key, dt_buf_span(&out));
    dt_buf_fini(&out);
    return content;
}

static void every_part_of_a_record_changes_its_content(void **state)
{
    struct duet_header headers[] = {{dt_span_str("a"), dt_span_str("1")},
                                    {dt_span_str("b"), dt_span_str("2")}};
    struct duet_header swapped[] = {headers[1], headers[0]};
    struct duet_header null_header[] = {{dt_span_str("a"), dt_span_of(NULL, 0)},
                                        headers[1]};
    struct duet_header empty_header[] = {{dt_span_str("a"), dt_span_str("")}, headers[1]};
    struct duet_header shifted[] = {{dt_span_str("a1"), dt_span_str("")}, headers[1]};
    const struct duet_record record = {dt_span_str("k"), dt_span_str("v"), headers, 2, 5};
    struct duet_record altered[16];
    struct duet_stamp stamp = first_stamp(), other = stamp;
    uint64_t seen[24];
    size_t count = 0, seen_count = 0;

    (void)state;
    for (size_t i = 0; i < 16; i++)
        altered[i] = record;
    count++; /* the first stays as it is */
    altered[count++].key = dt_span_str("K");
    altered[count++].key = dt_span_str("");
    altered[count++].key = dt_span_of(NULL, 0);
    altered[count++].value = dt_span_str("w");
    altered[count++].value = dt_span_str("");
    altered[count++].value = dt_span_of(NULL, 0);
    altered[count].key = dt_span_str("kv"); /* bytes that move over a border */
    altered[count++].value = dt_span_str("");
    altered[count++].header_count = 1;
    altered[count++].header_count = 0;
    altered[count++].headers = swapped;
    altered[count++].headers = null_header;
    altered[count++].headers = empty_header;
    altered[count++].headers = shifted;
    altered[count++].timestamp_ms = 6;
    for (size_t i = 0; i < count; i++)
        seen[seen_count++] = content_of(&stamp, &altered[i], true);
    other.id.partition++;
    seen[seen_count++] = content_of(&other, &record, true);
    other = stamp;
    other.window++;
    seen[seen_count++] = content_of(&other, &record, true);
    other = stamp;
    other.day++;
    seen[seen_count++] = content_of(&other, &record, true);
    seen[seen_count++] = content_of(&stamp, &record, false);
    for (size_t i = 0; i < seen_count; i++)
        for (size_t k = 0; k < i; k++)
            if (seen[i] == seen[k])
                fail_msg("%zu and %zu", i, k);
    assert_true(content_of(&stamp, &record, false) ==
                content_of(&stamp, &altered[count - 1], false)); /* the time left out */
}

static void any_flipped_bit_of_the_content_changes_it(void **state)
{
    struct duet_digest_key key = golden_key();
    uint8_t bytes[300];

    (void)state;
    for (size_t size = 1; size <= sizeof(bytes); size += 23) {
        uint64_t right;

        memset(bytes, 0x5a, sizeof(bytes));
        right = duet_content_digest(&key, dt_span_of(bytes, size));
        assert_true(right <= DUET_SEQUENCE_MAX);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(duet_content_digest(&key, dt_span_of(bytes, size)) != right);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_derived_as_the_golden_file_says),
        cmocka_unit_test(every_byte_of_the_master_key_and_its_number_change_all_keys),
        cmocka_unit_test(the_canonical_form_has_the_golden_bytes),
        cmocka_unit_test(the_content_digest_is_48_bits_of_xxh3_under_the_secret),
        cmocka_unit_test(sums_have_the_golden_value_times_any_factor),
        cmocka_unit_test(adding_n_times_equals_adding_n_and_removing_undoes_it),
        cmocka_unit_test(order_and_split_do_not_matter),
        cmocka_unit_test(duplicates_swaps_and_losses_change_the_sum),
        cmocka_unit_test(every_part_of_a_record_changes_its_content),
        cmocka_unit_test(any_flipped_bit_of_the_content_changes_it),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
