/* track: the cursor and its check against what the log holds now */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "dual/track.h"
#include "support/case.h"

/* A log as a test sees it: ids and marks by position. */
struct log {
    struct duet_read_record records[400];
    int64_t end;
};

static void append(struct log *log, uint64_t sequence, uint64_t broker_mark)
{
    struct duet_read_record *record = &log->records[log->end];

    memset(record, 0, sizeof(*record));
    record->position = log->end++;
    record->stamp.id.instance = 1;
    record->stamp.id.sequence = sequence;
    record->broker_mark = broker_mark;
}

static void cursor_init(struct duet_cursor *cursor)
{
    memset(cursor, 0, sizeof(*cursor));
    duet_marks_init(&cursor->marks);
    duet_idset_init(&cursor->seen);
    duet_counts_init(&cursor->counts);
}

static void cursor_fini(struct duet_cursor *cursor)
{
    duet_idset_fini(&cursor->seen);
    duet_counts_fini(&cursor->counts);
}

/* Reads [from, to) as a role would on the side it processes, in batches of seven. */
static void read_to(struct duet_track *track, const struct log *log, int64_t from,
                    int64_t to)
{
    for (int64_t p = from; p < to; p++) {
        assert_int_equal(duet_track_push(track, &log->records[p]), DT_OK);
        track->next = p + 1;
        if (p % 7 == 6 || p + 1 == to)
            duet_track_pass_all(track, p + 1);
    }
}

/* Starts again on `log` and returns where reading goes on. */
static int64_t restart_on(struct duet_track *track, const struct log *log)
{
    int64_t position = duet_track_restart(track);

    while (track->phase == DUET_TRACK_CHECKING) {
        enum duet_check result = DUET_CHECK_MORE;

        for (int64_t p = position; result == DUET_CHECK_MORE; p++) {
            if (p >= log->end)
                result = duet_track_check_failed(track, 0, &position);
            else
                result = duet_track_check(track, &log->records[p], &position);
        }
    }
    return track->next;
}

static void each_side(void (*run)(enum duet_side side))
{
    run(DUET_KAFKA);
    run(DUET_ROCKETMQ);
}

static void run_unchanged(enum duet_side side)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;

    log.end = 0;
    for (uint64_t i = 0; i < 300; i++)
        append(&log, i, 1000 + i);
    cursor_init(&cursor);
    duet_track_init(&track, side, &cursor);
    assert_int_equal(duet_track_restart(&track), 0);
    read_to(&track, &log, 0, 250);
    duet_track_fini(&track);
    duet_track_init(&track, side, &cursor); /* a new process */
    assert_int_equal(restart_on(&track, &log), 250);
    assert_false(track.checked_back);
    assert_int_equal(cursor.position, 250);
    duet_track_fini(&track);
    cursor_fini(&cursor);
}

static void an_unchanged_log_is_read_on_from_the_cursor(void **state)
{
    (void)state;
    each_side(run_unchanged);
}

static void run_lost_tail(enum duet_side side)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;
    int64_t position;

    log.end = 0;
    for (uint64_t i = 0; i < 300; i++)
        append(&log, i, 1000 + i);
    cursor_init(&cursor);
    duet_track_init(&track, side, &cursor);
    duet_track_restart(&track);
    read_to(&track, &log, 0, 300);
    /* the broker lost 240.., and later messages took their positions */
    log.end = 240;
    for (uint64_t i = 0; i < 100; i++)
        append(&log, 5000 + i, 9000 + i);
    position = restart_on(&track, &log);
    assert_true(track.checked_back);
    assert_true(position <= 240); /* nothing that is new there is skipped */
    assert_true(position > 0);    /* and an older mark was still good */
    duet_track_fini(&track);
    cursor_fini(&cursor);
}

static void a_lost_tail_is_noticed_and_read_again(void **state)
{
    (void)state;
    each_side(run_lost_tail);
}

/* Rule MARK: the same id at the same place is not the same record. P0's message was lost with
 * the tail and sent again; it fell on its old position, but what stood before it is another
 * message now, which would never be read if the id alone were trusted. */
static void run_same_id(enum duet_side side)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;

    log.end = 0;
    append(&log, 0, 10);
    append(&log, 1, 11);
    append(&log, 2, 12);
    cursor_init(&cursor);
    duet_track_init(&track, side, &cursor);
    duet_track_restart(&track);
    read_to(&track, &log, 0, 3);
    log.end = 0;
    append(&log, 0, 20);
    append(&log, 77, 21); /* where 1 was */
    append(&log, 2, 22);
    append(&log, 1, 23);
    assert_true(restart_on(&track, &log) <= 1);
    duet_track_fini(&track);
    cursor_fini(&cursor);
}

static void an_id_alone_does_not_prove_a_position(void **state)
{
    (void)state;
    each_side(run_same_id);
}

static void a_log_that_lost_everything_is_read_from_its_beginning(void **state)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;

    (void)state;
    log.end = 0;
    for (uint64_t i = 0; i < 100; i++)
        append(&log, i, 1000 + i);
    cursor_init(&cursor);
    duet_track_init(&track, DUET_ROCKETMQ, &cursor);
    duet_track_restart(&track);
    read_to(&track, &log, 0, 100);
    log.end = 0;
    append(&log, 500, 5000);
    assert_int_equal(restart_on(&track, &log), 0);
    assert_true(track.checked_back);
    assert_int_equal(cursor.position, 0);
    duet_track_fini(&track);
    cursor_fini(&cursor);
}

static void the_keeper_moves_only_over_what_is_in_the_set(void **state)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;
    struct duet_idset done;
    bool added;

    (void)state;
    log.end = 0;
    for (uint64_t i = 0; i < 10; i++)
        append(&log, i, 1000 + i);
    cursor_init(&cursor);
    duet_idset_init(&done);
    duet_track_init(&track, DUET_ROCKETMQ, &cursor);
    duet_track_restart(&track);
    for (int64_t p = 0; p < log.end; p++) {
        assert_int_equal(duet_track_push(&track, &log.records[p]), DT_OK);
        track.next = p + 1;
        if (p != 4)
            assert_int_equal(duet_idset_add(&done, &log.records[p].stamp.id, 1, &added),
                             DT_OK);
    }
    assert_true(duet_track_keep(&track, &done));
    assert_int_equal(cursor.position, 4); /* pinned by the one that is not processed */
    assert_false(duet_track_keep(&track, &done));
    assert_int_equal(duet_idset_add(&done, &log.records[4].stamp.id, 1, &added), DT_OK);
    assert_true(duet_track_keep(&track, &done));
    assert_int_equal(cursor.position, 10);
    duet_track_fini(&track);
    cursor_fini(&cursor);
    duet_idset_fini(&done);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_log_is_read_on_from_the_cursor),
        cmocka_unit_test(a_lost_tail_is_noticed_and_read_again),
        cmocka_unit_test(an_id_alone_does_not_prove_a_position),
        cmocka_unit_test(a_log_that_lost_everything_is_read_from_its_beginning),
        cmocka_unit_test(the_keeper_moves_only_over_what_is_in_the_set),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
