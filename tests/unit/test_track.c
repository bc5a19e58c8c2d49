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
        assert_int_equal(duet_track_push(track, &log->records[p], 0, -1), DT_OK);
        track->next = p + 1;
        if (p % 7 == 6 || p + 1 == to)
            duet_track_pass_all(track, p + 1, -1);
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

/* A keeper that has read a log of `count`, of which the set has all but the numbers 4 and 7. */
struct kept {
    struct log log;
    struct duet_cursor cursor;
    struct duet_track track;
    struct duet_idset done;
    struct duet_exceptions_view view;
};

static void kept_init(struct kept *kept, uint64_t count)
{
    memset(kept, 0, sizeof(*kept));
    for (uint64_t i = 0; i < count; i++)
        append(&kept->log, i, 1000 + i);
    cursor_init(&kept->cursor);
    duet_idset_init(&kept->done);
    duet_track_init(&kept->track, DUET_ROCKETMQ, &kept->cursor);
    duet_track_restart(&kept->track);
    for (int64_t p = 0; p < kept->log.end; p++) {
        assert_int_equal(duet_track_push(&kept->track, &kept->log.records[p], 100, 5),
                         DT_OK);
        kept->track.next = p + 1;
        if (p != 4 && p != 7)
            assert_int_equal(
                duet_idset_add(&kept->done, &kept->log.records[p].stamp.id, 1, NULL),
                DT_OK);
    }
    kept->view.processed = &kept->done;
    kept->view.now_ms = 100;
    kept->view.leave_ms = DUET_KEEPER_LEAVES_MS;
}

static void kept_fini(struct kept *kept)
{
    duet_track_fini(&kept->track);
    cursor_fini(&kept->cursor);
    duet_idset_fini(&kept->cursor.left);
    duet_idset_fini(&kept->done);
}

static void the_keeper_moves_over_what_is_in_the_set(void **state)
{
    static struct kept kept;

    (void)state;
    kept_init(&kept, 10);
    assert_true(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(kept.cursor.position, 4); /* the next is not processed */
    assert_false(duet_track_keep(&kept.track, &kept.view));
    for (int64_t p = 4; p <= 7; p += 3)
        assert_int_equal(duet_idset_add(&kept.done, &kept.log.records[p].stamp.id, 1, NULL),
                         DT_OK);
    assert_true(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(kept.cursor.position, 10);
    assert_int_equal(kept.track.left.count, 0);
    kept_fini(&kept);
}

static void what_nothing_brings_stays_beside_the_cursor(void **state)
{
    static struct kept kept;

    (void)state;
    kept_init(&kept, 10);
    kept.view.now_ms = 100 + DUET_KEEPER_LEAVES_MS;
    kept.view.other_next = 4; /* the other side may still bring it */
    assert_true(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(kept.cursor.position, 4);
    kept.view.other_next = 5;
    kept.view.now_ms--; /* and it has not been waited for long enough */
    assert_false(duet_track_keep(&kept.track, &kept.view));
    kept.view.now_ms++;
    assert_true(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(kept.cursor.position, 10);
    assert_int_equal(kept.track.left.count, 2);
    assert_int_equal(kept.track.left.items[0].position, 4);
    assert_int_equal(kept.track.left.items[1].position, 7);
    assert_int_equal(kept.track.left.items[0].due_ms, 0); /* found by the next look */
    assert_false(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(kept.track.left.items[0].due_ms, kept.view.now_ms);
    kept_fini(&kept);
}

static void what_was_left_is_kept_over_a_restart_and_taken_back_by_a_switch(void **state)
{
    static struct kept kept;

    (void)state;
    kept_init(&kept, 10);
    kept.view.now_ms = 100 + DUET_KEEPER_LEAVES_MS;
    kept.view.other_still = true;
    assert_true(duet_track_keep(&kept.track, &kept.view));
    assert_int_equal(duet_track_store_left(&kept.track), DT_OK);
    duet_track_fini(&kept.track);
    duet_track_init(&kept.track, DUET_ROCKETMQ, &kept.cursor);
    assert_int_equal(duet_track_load_left(&kept.track), DT_OK);
    assert_int_equal(kept.track.left.count, 2);
    assert_int_equal(kept.cursor.position, 10);
    duet_track_take_back(&kept.track);
    assert_int_equal(kept.cursor.position, 4);
    assert_int_equal(kept.track.left.count, 0);
    assert_true(restart_on(&kept.track, &kept.log) <= 4);
    assert_false(kept.track.checked_back);
    kept_fini(&kept);
}

static void what_a_lost_tail_held_is_not_left_any_more(void **state)
{
    static struct kept kept;

    (void)state;
    kept_init(&kept, 10);
    kept.view.now_ms = 100 + DUET_KEEPER_LEAVES_MS;
    kept.view.other_still = true;
    assert_true(duet_track_keep(&kept.track, &kept.view));
    for (int64_t p = 6; p < 10; p++)
        kept.log.records[p].broker_mark += 5; /* other records in their places */
    assert_true(restart_on(&kept.track, &kept.log) <= 6);
    assert_true(kept.track.checked_back);
    assert_true(kept.track.left.count <= 1);
    for (size_t i = 0; i < kept.track.left.count; i++)
        assert_true(kept.track.left.items[i].position < kept.cursor.position);
    kept_fini(&kept);
}

static void a_message_that_is_held_keeps_the_cursor_before_it(void **state)
{
    static struct log log;
    struct duet_cursor cursor;
    struct duet_track track;

    (void)state;
    log.end = 0;
    for (uint64_t i = 0; i < 100; i++)
        append(&log, i, 1000 + i);
    cursor_init(&cursor);
    duet_track_init(&track, DUET_KAFKA, &cursor);
    duet_track_restart(&track);
    read_to(&track, &log, 0, 40);
    for (int64_t p = 40; p < 60; p++)
        assert_int_equal(duet_track_push(&track, &log.records[p], 0, -1), DT_OK);
    duet_track_pass_all(&track, 60, 45);
    assert_int_equal(cursor.position, 45);
    assert_true(restart_on(&track, &log) <= 45);
    assert_false(track.checked_back);
    duet_track_pass_all(&track, 60, -1);
    assert_int_equal(cursor.position, 60);
    duet_track_fini(&track);
    cursor_fini(&cursor);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_log_is_read_on_from_the_cursor),
        cmocka_unit_test(a_lost_tail_is_noticed_and_read_again),
        cmocka_unit_test(an_id_alone_does_not_prove_a_position),
        cmocka_unit_test(a_log_that_lost_everything_is_read_from_its_beginning),
        cmocka_unit_test(the_keeper_moves_over_what_is_in_the_set),
        cmocka_unit_test(what_nothing_brings_stays_beside_the_cursor),
        cmocka_unit_test(what_was_left_is_kept_over_a_restart_and_taken_back_by_a_switch),
        cmocka_unit_test(what_a_lost_tail_held_is_not_left_any_more),
        cmocka_unit_test(a_message_that_is_held_keeps_the_cursor_before_it),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
