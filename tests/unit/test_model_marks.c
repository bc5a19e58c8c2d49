/* model/marks: what is kept of a long log, and that a log which lost its tail is recognised */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/marks.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/random.h"

static struct duet_id id_at(int64_t position)
{
    struct duet_id id = {DUET_ID_ISSUED, 1, 1, 0, (uint64_t)position & DUET_SEQUENCE_MAX};

    return id;
}

static void add(struct duet_marks *marks, int64_t position, uint64_t broker_mark)
{
    struct duet_id id = id_at(position);

    duet_marks_add(marks, position, &id, broker_mark);
}

/* Ascending, within the bound, the newest last. */
static void assert_well_formed(const struct duet_marks *marks, int64_t newest)
{
    assert_in_range(marks->count, 1, DUET_MARKS_MAX);
    assert_true(marks->mark[marks->count - 1].position == newest);
    for (size_t i = 1; i < marks->count; i++)
        assert_true(marks->mark[i - 1].position < marks->mark[i].position);
}

/* The largest factor from one distance to the next, over all marks but the newest. */
static double largest_step(const struct duet_marks *marks)
{
    int64_t newest = marks->mark[marks->count - 1].position;
    double largest = 0;

    for (size_t i = 0; i + 2 < marks->count; i++) {
        double step = (double)(newest - marks->mark[i].position) /
                      (double)(newest - marks->mark[i + 1].position);

        largest = step > largest ? step : largest;
    }
    return largest;
}

static void at_every_distance_there_is_a_mark_nearby(void **state)
{
    const int64_t last = 1000000;
    struct duet_marks marks;

    (void)state;
    duet_marks_init(&marks);
    for (int64_t position = 0; position <= last; position++) {
        add(&marks, position, 7);
        if (position < 2000 || position % 997 == 0 || position == last) {
            assert_well_formed(&marks, position);
            /* so for each distance, one of at least a quarter of it: a reader that must go
             * back by d reads again 4 d at most, and twice that on average */
            assert_true(largest_step(&marks) <= 4.0);
            assert_true(position == 0 ||
                        marks.mark[marks.count - 2].position == position - 1);
            assert_true(marks.mark[0].position == 0);
        }
    }
    assert_in_range(marks.count, 12, 22);
}

static void twenty_four_marks_span_a_log_of_any_length(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct test_random random = {seed};
        struct duet_marks marks;
        int64_t position = 0;

        duet_marks_init(&marks);
        for (int i = 0; i < 100000; i++) {
            position += INT64_C(1) + (int64_t)test_random_below(&random, 20000);
            add(&marks, position, 7);
        }
        assert_true(position > 900000000);
        assert_well_formed(&marks, position);
        /* beyond what one record's own distance explains, no step is larger than that of 24
         * marks over 10^9 */
        for (size_t i = 0; i + 2 < marks.count; i++) {
            double far = (double)(position - marks.mark[i].position);
            double near = (double)(position - marks.mark[i + 1].position);

            if (near > 40000)
                assert_true(far / near <= 6.0);
        }
    }
}

static void jumps_of_any_size_keep_the_bound(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct test_random random = {seed};
        struct duet_marks marks;
        int64_t position = (int64_t)test_random_below(&random, 5);

        duet_marks_init(&marks);
        for (int i = 0; i < 200; i++) {
            add(&marks, position, 7);
            assert_well_formed(&marks, position);
            if (position > INT64_MAX / 3)
                break;
            position += INT64_C(1) << test_random_below(&random, 1 + seed % 60);
        }
    }
}

static void the_mark_before_a_cursor_is_found_from_the_newest_back(void **state)
{
    const struct duet_mark *mark;
    struct duet_marks marks;
    int64_t position = 1000;
    size_t tries = 0;

    (void)state;
    duet_marks_init(&marks);
    assert_null(duet_marks_before(&marks, INT64_MAX));
    for (int64_t i = 0; i < 1000; i++)
        add(&marks, i, 7);
    while ((mark = duet_marks_before(&marks, position)) != NULL) {
        assert_true(mark->position < position);
        assert_true(tries > 0 || mark->position == 999);
        position = mark->position;
        tries++;
    }
    assert_int_equal(tries, marks.count);
    assert_int_equal(position, 0);
}

static void going_back_drops_what_was_read_beyond(void **state)
{
    struct duet_marks marks;

    (void)state;
    duet_marks_init(&marks);
    for (int64_t i = 0; i < 100; i++)
        add(&marks, i, 7);
    duet_marks_truncate(&marks, 60);
    assert_true(marks.mark[marks.count - 1].position < 60);
    assert_true(marks.count > 0);
    add(&marks, 10, 8); /* a lower position drops all from it on */
    assert_well_formed(&marks, 10);
    add(&marks, 10, 9); /* and so does the same one */
    assert_well_formed(&marks, 10);
    assert_int_equal(marks.mark[marks.count - 1].broker_mark, 9);
    duet_marks_truncate(&marks, 0);
    assert_int_equal(marks.count, 0);
}

/* A log as a reader sees it: ids, and the broker's mark of each append. */
struct log {
    struct duet_id id[600];
    uint64_t broker_mark[600];
    int64_t end;
};

static void append(struct log *log, struct duet_id id, uint64_t broker_mark)
{
    log->id[log->end] = id;
    log->broker_mark[log->end++] = broker_mark;
}

/* What a reader does after a reconnect: back from mark to mark until one matches. */
static int64_t resume_at(const struct duet_marks *marks, const struct log *log,
                         int64_t cursor)
{
    const struct duet_mark *mark;

    while ((mark = duet_marks_before(marks, cursor)) != NULL) {
        cursor = mark->position;
        if (cursor < log->end &&
            duet_mark_matches(mark, &log->id[cursor], log->broker_mark[cursor]))
            return cursor + 1;
    }
    return 0;
}

static void a_lost_tail_is_noticed_even_if_the_same_ids_came_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct test_random random = {seed};
        struct duet_marks marks;
        int64_t read, kept;
        static struct log log;

        log.end = 0;
        duet_marks_init(&marks);
        while (log.end < 500)
            append(&log, id_at(log.end), 1000 + (uint64_t)log.end);
        read = 1 + (int64_t)test_random_below(&random, 500);
        for (int64_t i = 0; i < read; i++)
            duet_marks_add(&marks, i, &log.id[i], log.broker_mark[i]);
        assert_true(resume_at(&marks, &log, read) == read); /* nothing happened */

        /* the broker loses its tail; producers send the same records again, in another order
         * or in the same: at a position stands an old id, but never an old append */
        kept = (int64_t)test_random_below(&random, (size_t)read);
        log.end = kept;
        while (log.end < 500) {
            int64_t from = test_random_once_in(&random, 3)
                               ? (int64_t)test_random_below(&random, 500)
                               : log.end;

            append(&log, id_at(from), 5000 + (uint64_t)log.end);
        }
        assert_true(resume_at(&marks, &log, read) <= kept);
        /* and it does not go back much further than it has to */
        assert_true(kept < 4 ||
                    read - resume_at(&marks, &log, read) <= 4 * (read - kept) + 4);
    }
}

static void an_equal_id_with_another_broker_mark_does_not_match(void **state)
{
    struct duet_id id = id_at(5), other = id_at(6);
    struct duet_mark mark = {5, id, 77};

    (void)state;
    assert_true(duet_mark_matches(&mark, &id, 77));
    assert_false(duet_mark_matches(&mark, &id, 78));
    assert_false(duet_mark_matches(&mark, &other, 77));
}

static void marks_have_the_golden_bytes(void **state)
{
    struct duet_id first = {DUET_ID_ISSUED, 1, 2, 3, 4};
    struct duet_id kafka = {DUET_ID_KAFKA, 12, 5, 0, 123456789};
    struct duet_marks marks;
    struct dt_buf out;

    (void)state;
    duet_marks_init(&marks);
    dt_buf_init(&out, 4096);
    duet_marks_add(&marks, 9, &first, UINT64_C(1357000000000));
    duet_marks_add(&marks, 10, &kafka, UINT64_MAX);
    duet_marks_encode(&marks, &out);
    test_assert_golden("marks", out.data, out.size);
    dt_buf_fini(&out);
}

static void marks_round_trip_and_broken_bytes_are_corrupt(void **state)
{
    struct duet_marks marks, back;
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 4096);
    duet_marks_init(&marks);
    duet_marks_encode(&marks, &out);
    assert_int_equal(duet_marks_decode(&back, dt_buf_span(&out)), DT_OK);
    assert_int_equal(back.count, 0);
    assert_int_equal(duet_marks_decode(&back, dt_span_of(NULL, 0)), DT_OK);

    for (int64_t i = 0; i < 100000; i += 3)
        add(&marks, i, (uint64_t)i * 3);
    dt_buf_clear(&out);
    duet_marks_encode(&marks, &out);
    assert_int_equal(duet_marks_decode(&back, dt_buf_span(&out)), DT_OK);
    assert_int_equal(back.count, marks.count);
    for (size_t i = 0; i < marks.count; i++) {
        assert_true(back.mark[i].position == marks.mark[i].position);
        assert_true(
            duet_mark_matches(&back.mark[i], &marks.mark[i].id, marks.mark[i].broker_mark));
    }
    for (size_t n = 1; n < out.size; n++) {
        uint8_t *exact = malloc(n); /* exact size: ASan sees one byte too many */

        assert_non_null(exact);
        memcpy(exact, out.data, n);
        assert_int_equal(duet_marks_decode(&back, dt_span_of(exact, n)),
                         n % 30 == 1 ? DT_OK : DT_ECORRUPT);
        free(exact);
    }
    out.data[0] = 2; /* a format that is not known */
    assert_int_equal(duet_marks_decode(&back, dt_buf_span(&out)), DT_ECORRUPT);
    out.data[0] = 1;
    memcpy(out.data + 1, out.data + 1 + 30, 8); /* two at one position */
    assert_int_equal(duet_marks_decode(&back, dt_buf_span(&out)), DT_ECORRUPT);
    assert_int_equal(back.count, 0);
    dt_buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_distance_there_is_a_mark_nearby),
        cmocka_unit_test(twenty_four_marks_span_a_log_of_any_length),
        cmocka_unit_test(jumps_of_any_size_keep_the_bound),
        cmocka_unit_test(the_mark_before_a_cursor_is_found_from_the_newest_back),
        cmocka_unit_test(going_back_drops_what_was_read_beyond),
        cmocka_unit_test(a_lost_tail_is_noticed_even_if_the_same_ids_came_again),
        cmocka_unit_test(an_equal_id_with_another_broker_mark_does_not_match),
        cmocka_unit_test(marks_have_the_golden_bytes),
        cmocka_unit_test(marks_round_trip_and_broken_bytes_are_corrupt),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
