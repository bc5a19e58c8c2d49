/* model/counts: rows per window and day, their sums; days of the Gregorian calendar */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/counts.h"
#include "support/case.h"
#include "support/random.h"

static void rows_stay_sorted_and_sums_exact(void **state)
{
    static int64_t expected[50][4][DUET_COUNTERS];
    struct test_random random = {1};
    struct duet_counts counts;
    size_t rows = 0;

    (void)state;
    memset(expected, 0, sizeof(expected));
    duet_counts_init(&counts);
    for (int i = 0; i < 20000; i++) {
        uint32_t window = (uint32_t)test_random_below(&random, 50);
        uint16_t day = (uint16_t)test_random_below(&random, 4);
        int which = (int)test_random_below(&random, DUET_COUNTERS);
        int64_t amount = (int64_t)test_random_below(&random, 9) - 2;

        assert_int_equal(duet_counts_add(&counts, window, day, which, amount), DT_OK);
        expected[window][day][which] += amount;
    }
    for (uint32_t window = 0; window < 50; window++)
        for (uint16_t day = 0; day < 4; day++, rows++) {
            assert_int_equal(counts.rows[rows].window, window);
            assert_int_equal(counts.rows[rows].day, day);
            assert_true(counts.rows[rows].dirty);
            assert_memory_equal(counts.rows[rows].n, expected[window][day],
                                sizeof(counts.rows[rows].n));
        }
    assert_int_equal(counts.count, rows);
    duet_counts_fini(&counts);
}

static void one_window_may_hold_several_days(void **state)
{
    struct duet_counts counts;

    (void)state;
    duet_counts_init(&counts);
    assert_int_equal(duet_counts_add(&counts, 7, 15706, 0, 1), DT_OK);
    assert_int_equal(duet_counts_add(&counts, 7, 15707, 0, 1), DT_OK);
    assert_int_equal(duet_counts_add(&counts, 7, 15706, 0, 1), DT_OK);
    assert_int_equal(counts.count, 2);
    assert_int_equal(counts.rows[0].n[0], 2);
    assert_int_equal(duet_counts_total(&counts, 0), 3);
    assert_int_equal(duet_counts_total(&counts, 1), 0);
    duet_counts_fini(&counts);
}

static void a_merge_adds_row_by_row_and_marks_only_those(void **state)
{
    struct duet_counts a, b;

    (void)state;
    duet_counts_init(&a);
    duet_counts_init(&b);
    assert_int_equal(duet_counts_add(&a, 1, 1, 0, 10), DT_OK);
    assert_int_equal(duet_counts_add(&a, 3, 1, 0, 30), DT_OK);
    assert_int_equal(duet_counts_add(&b, 2, 1, 5, 7), DT_OK);
    assert_int_equal(duet_counts_add(&b, 3, 1, 0, 5), DT_OK);
    duet_counts_clean(&a);
    assert_int_equal(duet_counts_merge(&a, &b), DT_OK);
    assert_int_equal(a.count, 3);
    assert_false(a.rows[0].dirty);
    assert_true(a.rows[1].dirty);
    assert_true(a.rows[2].dirty);
    assert_int_equal(a.rows[1].n[5], 7);
    assert_int_equal(a.rows[2].n[0], 35);
    assert_int_equal(duet_counts_merge(&a, &a), DT_OK);
    assert_int_equal(duet_counts_total(&a, 0), 90);
    duet_counts_fini(&a);
    duet_counts_fini(&b);
}

static void windows_are_whole_minutes(void **state)
{
    (void)state;
    assert_int_equal(duet_window_of(0), 0);
    assert_int_equal(duet_window_of(59999), 0);
    assert_int_equal(duet_window_of(60000), 1);
    assert_int_equal(duet_window_of(INT64_C(1356998400000)), 22616640);
    assert_int_equal(duet_window_of(-1), 0);
    assert_int_equal(duet_window_of(INT64_MIN), 0);
    assert_int_equal(duet_window_of(INT64_MAX), UINT32_MAX);
}

/* Counts the calendar day by day, by the rules as one reads them. */
static void every_day_of_the_range_has_its_date(void **state)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1970, month = 1, date = 1;

    (void)state;
    for (uint32_t day = 0; day <= UINT16_MAX; day++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        char text[11], expected[40];
        uint16_t back;

        snprintf(expected, sizeof(expected), "%04d-%02d-%02d", year, month, date);
        duet_day_text(text, (uint16_t)day);
        assert_string_equal(text, expected);
        assert_true(duet_day_parse(text, &back));
        assert_int_equal(back, day);
        if (++date > length[month - 1] + (month == 2 && leap)) {
            date = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    assert_int_equal(year, 2149);
    assert_int_equal(month, 6);
    assert_int_equal(date, 7);
}

static void known_days_are_right(void **state)
{
    char text[11];
    uint16_t day;

    (void)state;
    duet_day_text(text, 15706);
    assert_string_equal(text, "2013-01-01");
    assert_true(duet_day_parse("2000-02-29", &day));
    assert_int_equal(day, 11016);
    assert_true(duet_day_parse("2149-06-06", &day));
    assert_int_equal(day, 65535);
}

static void text_that_is_no_date_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",           "2013-1-1",   "2013-02-29", "2100-02-29", "2013-13-01",  "2013-00-10",
        "2013-04-31", "2013-01-00", "1969-12-31", "2149-06-07", "2013-01-010", "2013/01/01",
        "+013-01-01", "2013-01-0a", " 013-01-01", "9999-12-31",
    };
    uint16_t day;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (duet_day_parse(wrong[i], &day))
            fail_msg("%s was taken for a date", wrong[i]);
}

static void a_day_begins_at_midnight_of_its_zone(void **state)
{
    const int64_t midnight = INT64_C(15706) * 86400000; /* 2013-01-01 00:00 UTC */

    (void)state;
    assert_int_equal(duet_day_of(midnight, 0), 15706);
    assert_int_equal(duet_day_of(midnight - 1, 0), 15705);
    assert_int_equal(duet_day_of(midnight - 1, 8 * 3600), 15706);
    assert_int_equal(duet_day_of(midnight - 8 * 3600000, 8 * 3600), 15706);
    assert_int_equal(duet_day_of(midnight - 8 * 3600000 - 1, 8 * 3600), 15705);
    assert_int_equal(duet_day_of(midnight, -5 * 3600), 15705);
    assert_int_equal(duet_day_of(midnight + 5 * 3600000, -5 * 3600), 15706);
    assert_int_equal(duet_day_of(midnight, 5 * 3600 + 45 * 60), 15706);
}

static void moments_outside_the_range_give_its_ends(void **state)
{
    (void)state;
    assert_int_equal(duet_day_of(-1, 0), 0);
    assert_int_equal(duet_day_of(0, -3600), 0);
    assert_int_equal(duet_day_of(INT64_MIN, INT32_MIN), 0);
    assert_int_equal(duet_day_of(INT64_MAX, INT32_MAX), 65535);
    assert_int_equal(duet_day_of(INT64_C(65536) * 86400000 - 1, 0), 65535);
    assert_int_equal(duet_day_of(INT64_C(65536) * 86400000, 0), 65535);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stay_sorted_and_sums_exact),
        cmocka_unit_test(one_window_may_hold_several_days),
        cmocka_unit_test(a_merge_adds_row_by_row_and_marks_only_those),
        cmocka_unit_test(windows_are_whole_minutes),
        cmocka_unit_test(every_day_of_the_range_has_its_date),
        cmocka_unit_test(known_days_are_right),
        cmocka_unit_test(text_that_is_no_date_is_refused),
        cmocka_unit_test(a_day_begins_at_midnight_of_its_zone),
        cmocka_unit_test(moments_outside_the_range_give_its_ends),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
