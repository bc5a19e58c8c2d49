/* a full disk: the transaction is gone as a whole, and work goes on when there is room */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "store/control.h"
#include "store/sink_internal.h"
#include "support/case.h"
#include "test_store_support.h"

#include "test_sink_support.h"

/* A file of this process cannot grow beyond `size`; SQLite gets EFBIG where ENOSPC would come
 * from a disk. */
static void files_limit(rlim_t size)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static dt_status big_effect(struct duet_sink *sink)
{
    return duet_sink_exec(sink, "INSERT INTO big VALUES (randomblob(100000))", NULL, 0,
                          NULL);
}

/* [5, 10) cannot be committed: too large for the log. */
static void fail_for_space(struct duet_sink *sink, struct duet_role_state *mine)
{
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_claim(sink, mine));
    for (uint64_t i = 5; i < 10; i++) {
        assert_ok(effect(sink, i));
        assert_ok(big_effect(sink));
        assert_ok(note(mine, i));
    }
    assert_ok(duet_sink_save(sink, mine));
    assert_status(duet_sink_commit(sink), DT_ENOSPC);
    assert_said("no space is left");
}

static void a_commit_that_finds_the_disk_full_leaves_nothing(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine;

    table_make(sink);
    sink_run(sink, "CREATE TABLE big (bytes)");
    state_load(sink, &mine);
    assert_ok(batch(sink, &mine, 0, 5));
    files_limit(200000);
    for (int i = 0; i < 3; i++) {
        fail_for_space(sink, &mine);
        duet_role_state_fini(&mine);
        state_load(sink, &mine); /* reading goes on */
        assert_int_equal(mine.version, 1);
        assert_false(is_processed(&mine, 5));
        assert_int_equal(effects(sink).rows, 5);
    }
    files_limit(RLIM_INFINITY);
    assert_ok(batch(sink, &mine, 5, 10));
    assert_int_equal(effects(sink).rows, 10);
    assert_int_equal(effects(sink).sum, 10);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* The page cache spills in the middle: SQLite ends the transaction below the handler, which
 * may not even look at what its statement returned. */
static void a_disk_full_in_mid_transaction_fails_all_up_to_the_rollback(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine;
    dt_status status = DT_OK;

    table_make(sink);
    sink_run(sink, "CREATE TABLE big (bytes)");
    state_load(sink, &mine);
    assert_ok(batch(sink, &mine, 0, 5));
    files_limit(1000000);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_claim(sink, &mine));
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(effect(sink, 5));
    for (int i = 0; i < 1000 && status == DT_OK; i++)
        status = big_effect(sink);
    assert_int_equal(status, DT_ENOSPC);
    assert_status(effect(sink, 6), DT_ENOSPC); /* not in a transaction of its own */
    assert_said("no space is left");
    assert_status(duet_sink_undo(sink), DT_ENOSPC);
    assert_status(duet_sink_save(sink, &mine), DT_ENOSPC);
    assert_status(duet_sink_claim(sink, &mine), DT_ENOSPC);
    assert_status(duet_sink_commit(sink), DT_ENOSPC);
    assert_int_equal(effects(sink).rows, 5);
    files_limit(RLIM_INFINITY);
    duet_role_state_fini(&mine);
    state_load(sink, &mine);
    assert_ok(batch(sink, &mine, 5, 10));
    assert_int_equal(effects(sink).rows, 10);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* SQLITE_FULL, as a disk without space gives it. */
static void a_database_that_may_not_grow_is_out_of_space(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    dt_status status = DT_OK;

    table_make(sink);
    sink_run(sink, "CREATE TABLE big (bytes)");
    assert_int_equal(
        sqlite3_exec(sink->sql.db, "PRAGMA max_page_count = 60", NULL, NULL, NULL),
        SQLITE_OK);
    assert_ok(duet_sink_begin(sink));
    for (int i = 0; i < 10 && status == DT_OK; i++)
        status = big_effect(sink);
    assert_int_equal(status, DT_ENOSPC);
    assert_status(duet_sink_commit(sink), DT_ENOSPC);
    assert_int_equal(
        sqlite3_exec(sink->sql.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
        SQLITE_OK);
    assert_ok(duet_sink_begin(sink));
    assert_ok(big_effect(sink));
    assert_ok(duet_sink_commit(sink));
    duet_sink_close(sink);
}

static void a_sink_on_a_full_disk_cannot_be_opened_and_can_later(void **state)
{
    const struct place *place = *state;
    struct duet_sink *sink;

    files_limit(3000); /* less than a page */
    assert_status(duet_sink_open(place->sink, DUET_LIVE, GROUP, &sink), DT_ENOSPC);
    assert_null(sink);
    files_limit(RLIM_INFINITY);
    sink = sink_open(place, DUET_LIVE);
    table_make(sink);
    duet_sink_close(sink);
}

static void the_control_store_says_so_and_goes_on_when_there_is_room(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_ledger_entry it = {.kind = DUET_LEDGER_GAP, .topic = "t"}, *out;
    size_t count, written = 0;
    dt_status status = DT_OK;

    files_limit(300000);
    for (int64_t i = 0; i < 1000 && status == DT_OK; i++) {
        it.position = i;
        status = duet_store_ledger_put(store, &it, 1);
        written += status == DT_OK;
    }
    assert_int_equal(status, DT_ENOSPC);
    files_limit(RLIM_INFINITY);
    assert_ok(duet_store_ledger(store, &out, &count));
    assert_int_equal(count, written); /* what was said to be there is, and no more */
    free(out);
    assert_ok(duet_store_ledger_put(store, &it, 1));
    duet_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(a_commit_that_finds_the_disk_full_leaves_nothing),
        cmocka_unit_test_in_place(
            a_disk_full_in_mid_transaction_fails_all_up_to_the_rollback),
        cmocka_unit_test_in_place(a_database_that_may_not_grow_is_out_of_space),
        cmocka_unit_test_in_place(a_sink_on_a_full_disk_cannot_be_opened_and_can_later),
        cmocka_unit_test_in_place(the_control_store_says_so_and_goes_on_when_there_is_room),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
