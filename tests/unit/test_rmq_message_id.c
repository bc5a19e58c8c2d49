/* message_id: offset ids and UNIQ_KEYs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "rmq/message_id.h"
#include "support/bytes.h"
#include "support/case.h"

static const struct rmq_host ipv4 = {{10, 0, 0, 2}, 4, 10911};
static const struct rmq_host ipv6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 2}, 16, 10911};

static void offset_ids_are_the_golden_ones(void **state)
{
    char id[RMQ_MESSAGE_ID_SIZE];

    (void)state;
    rmq_offset_id(id, &ipv4, 1024);
    assert_string_equal(id, "0A00000200002A9F0000000000000400");
    rmq_offset_id(id, &ipv6, 1024);
    assert_string_equal(id, "20010DB800000000000000000000000200002A9F0000000000000400");
}

static void offset_ids_are_read_back(void **state)
{
    struct rmq_host host;
    int64_t offset;

    (void)state;
    assert_true(rmq_offset_id_parse(dt_span_str("0A00000200002a9f0000000000000400"), &host,
                                    &offset));
    assert_int_equal(host.ip_size, 4);
    assert_memory_equal(host.ip, ipv4.ip, 4);
    assert_int_equal(host.port, 10911);
    assert_int_equal(offset, 1024);
    assert_true(rmq_offset_id_parse(
        dt_span_str("20010DB800000000000000000000000200002A9F0000000000000400"), &host,
        &offset));
    assert_int_equal(host.ip_size, 16);
    assert_memory_equal(host.ip, ipv6.ip, 16);
    assert_false(rmq_offset_id_parse(dt_span_str(""), &host, &offset));
    assert_false(rmq_offset_id_parse(dt_span_str("0A00000200002A9F000000000000040"), &host,
                                     &offset));
    assert_false(rmq_offset_id_parse(dt_span_str("0A00000200002A9F000000000000040g"), &host,
                                     &offset));
}

/* The first of a month at 00:00, local time. */
static int64_t month_ms(int year, int month)
{
    struct tm tm = {
        .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1, .tm_isdst = -1};

    return (int64_t)mktime(&tm) * 1000;
}

static void a_uniq_key_is_the_golden_one_and_counts_on(void **state)
{
    static const uint8_t ip[] = {192, 168, 1, 9};
    struct rmq_uniq_key key;
    char id[RMQ_MESSAGE_ID_SIZE];

    (void)state;
    rmq_uniq_key_init(&key, dt_span_of(ip, 4), 70000, 0x18B4AAC2, 1);
    rmq_uniq_key_next(&key, month_ms(2024, 3) + 1234567890, id);
    assert_string_equal(id, "C0A80109117018B4AAC2499602D20001");
    rmq_uniq_key_next(&key, month_ms(2024, 3) + 1234567890, id);
    assert_string_equal(id, "C0A80109117018B4AAC2499602D20002");
    rmq_uniq_key_next(&key, month_ms(2024, 4), id); /* a new month counts from 0 */
    assert_string_equal(id, "C0A80109117018B4AAC2000000000003");
    rmq_uniq_key_next(&key, month_ms(2024, 4) - 1, id); /* and a clock may go back */
    assert_string_equal(id + 28, "0004");
    assert_string_not_equal(id, "C0A80109117018B4AAC2000000000004");
}

static void a_uniq_key_has_56_digits_with_ipv6(void **state)
{
    struct rmq_uniq_key key;
    char id[RMQ_MESSAGE_ID_SIZE];

    (void)state;
    rmq_uniq_key_init(&key, dt_span_of(ipv6.ip, 16), 1, 2, 0xffff);
    rmq_uniq_key_next(&key, month_ms(2024, 12), id);
    assert_string_equal(id, "20010DB8000000000000000000000002000100000002"
                            "00000000FFFF");
    rmq_uniq_key_next(&key, month_ms(2024, 12) + 1, id);
    assert_string_equal(id + 44, "000000010000"); /* the counter wraps */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offset_ids_are_the_golden_ones),
        cmocka_unit_test(offset_ids_are_read_back),
        cmocka_unit_test(a_uniq_key_is_the_golden_one_and_counts_on),
        cmocka_unit_test(a_uniq_key_has_56_digits_with_ipv6),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
