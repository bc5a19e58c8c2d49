/* a role's state: what makes effects happen exactly once, each rule by itself */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include "base/clock.h"
#include "support/case.h"
#include "test_store_support.h"

#include "test_sink_support.h"

/* ---- what is saved is loaded ---- */

static void fill(struct duet_role_state *state)
{
    bool added;

    for (uint64_t i = 0; i < 100; i += 1 + i % 3) {
        struct duet_id id = id_of(1, 2, i);

        assert_ok(duet_idset_add(&state->processed, &id, 500, &added));
        id.instance = 7;
        assert_ok(duet_idset_add(&state->cursor[DUET_ROCKETMQ].seen, &id, 501, &added));
        duet_marks_add(&state->cursor[DUET_ROCKETMQ].marks, (int64_t)i, &id, 3 * i);
    }
    assert_ok(duet_counts_add(&state->cursor[DUET_KAFKA].counts, 9, 8, DUET_COUNT_READ, 5));
    assert_ok(
        duet_counts_add(&state->cursor[DUET_ROCKETMQ].counts, 9, 7, DUET_COUNT_FAILED, 6));
    state->cursor[DUET_ROCKETMQ].position = 99;
    state->cursor[DUET_ROCKETMQ].read_to = 123;
    state->cursor[DUET_ROCKETMQ].dirty = true;
}

static void expect_same(const struct duet_role_state *a, const struct duet_role_state *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->side, b->side);
    assert_int_equal(duet_idset_size(&a->processed), duet_idset_size(&b->processed));
    for (int side = 0; side < DUET_SIDES; side++) {
        const struct duet_cursor *x = &a->cursor[side], *y = &b->cursor[side];

        assert_int_equal(x->position, y->position);
        assert_int_equal(x->read_to, y->read_to);
        assert_int_equal(duet_idset_size(&x->seen), duet_idset_size(&y->seen));
        assert_int_equal(x->marks.count, y->marks.count);
        for (size_t i = 0; i < x->marks.count; i++) {
            assert_int_equal(x->marks.mark[i].position, y->marks.mark[i].position);
            assert_true(x->marks.mark[i].broker_mark == y->marks.mark[i].broker_mark);
            assert_true(duet_id_equal(&x->marks.mark[i].id, &y->marks.mark[i].id));
        }
        assert_int_equal(x->counts.count, y->counts.count);
        for (int i = 0; i < DUET_COUNTERS; i++)
            assert_int_equal(duet_counts_total(&x->counts, i),
                             duet_counts_total(&y->counts, i));
    }
}

static void a_state_is_loaded_as_it_was_saved(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_SHADOW);
    struct duet_role_state mine, back;
    struct duet_id id;
    bool has;

    assert_ok(duet_sink_has_state(sink, TOPIC, &has));
    assert_false(has);
    assert_ok(duet_sink_load(sink, TOPIC, 3, DUET_ROCKETMQ, &mine));
    assert_int_equal(mine.side, DUET_ROCKETMQ);
    assert_int_equal(mine.version, 0);
    assert_int_equal(mine.cursor[0].position, -1);
    assert_int_equal(mine.cursor[1].read_to, 0);
    assert_ok(duet_sink_has_state(sink, TOPIC, &has));
    assert_true(has);
    assert_ok(duet_sink_has_state(sink, "other", &has));
    assert_false(has);
    fill(&mine);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_claim(sink, &mine));
    assert_ok(duet_sink_save(sink, &mine));
    assert_ok(duet_sink_commit(sink));
    assert_false(mine.cursor[1].dirty || mine.processed.entries[0].dirty ||
                 mine.cursor[0].counts.rows[0].dirty);
    duet_sink_close(sink);

    sink = sink_open(*state, DUET_SHADOW);
    assert_ok(
        duet_sink_load(sink, TOPIC, 3, DUET_KAFKA, &back)); /* it has a side already */
    expect_same(&mine, &back);
    assert_false(back.cursor[1].dirty || back.processed.entries[0].dirty ||
                 back.cursor[0].counts.rows[0].dirty);
    for (uint64_t i = 0; i < 100; i++) {
        id = id_of(1, 2, i);
        assert_int_equal(duet_idset_has(&mine.processed, &id),
                         duet_idset_has(&back.processed, &id));
    }
    duet_role_state_fini(&mine);
    duet_role_state_fini(&back);
    assert_ok(duet_sink_load(sink, TOPIC, 2, DUET_KAFKA, &back)); /* another partition */
    assert_int_equal(back.version, 0);
    duet_role_state_fini(&back);
    duet_sink_close(sink);
}

/* ---- version: of two that think they own a partition, one commits ---- */

static void of_two_owners_that_claim_one_version_one_commits(void **state)
{
    struct duet_sink *one = sink_open(*state, DUET_LIVE),
                     *other = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine, theirs;
    struct tally tally;

    table_make(one);
    state_load(one, &mine);
    state_load(other, &theirs);
    assert_ok(batch(one, &mine, 0, 10));
    assert_status(batch(other, &theirs, 0, 10), DT_ECONFLICT); /* it slept meanwhile */
    assert_said("not of version 0");
    tally = effects(other);
    assert_int_equal(tally.rows, 10);
    assert_int_equal(tally.sum, 10);
    duet_role_state_fini(&theirs);
    state_load(other, &theirs); /* loads again and goes on where the set says */
    assert_ok(batch(other, &theirs, 5, 15));
    assert_status(batch(one, &mine, 10, 15), DT_ECONFLICT);
    tally = effects(one);
    assert_int_equal(tally.rows, 15);
    assert_int_equal(tally.sum, 15);
    duet_role_state_fini(&mine);
    duet_role_state_fini(&theirs);
    duet_sink_close(one);
    duet_sink_close(other);
}

static void owners_in_turns_and_at_once_do_each_message_once(void **state)
{
    const struct place *place = *state;
    struct duet_sink *sink = sink_open(place, DUET_LIVE);
    struct duet_role_state mine;
    struct tally tally;

    enum { OWNERS = 3, MESSAGES = 300, BATCH = 7 };
    table_make(sink);
    state_load(sink, &mine);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
    for (int i = 0; i < OWNERS; i++) {
        if (fork() != 0)
            continue;
        sink = sink_open(place, DUET_LIVE);
        state_load(sink, &mine);
        for (uint64_t from = 0; from < MESSAGES;) {
            dt_status status = batch(sink, &mine, from, from + BATCH);

            if (status == DT_OK) {
                from += BATCH;
                continue;
            }
            if (status != DT_ECONFLICT)
                _exit(1);
            duet_role_state_fini(&mine);
            state_load(sink, &mine);
        }
        duet_role_state_fini(&mine);
        duet_sink_close(sink);
        _exit(0);
    }
    for (int i = 0; i < OWNERS; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    sink = sink_open(place, DUET_LIVE);
    tally = effects(sink);
    assert_int_equal(tally.rows, tally.sum); /* none twice */
    assert_true(tally.rows >= MESSAGES);
    duet_sink_close(sink);
}

/* ---- atomic: effects and set entries together or not at all ---- */

static void a_rolled_back_batch_leaves_neither_effects_nor_set_entries(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine;
    struct tally tally;

    table_make(sink);
    state_load(sink, &mine);
    assert_ok(batch(sink, &mine, 0, 5));
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_claim(sink, &mine));
    assert_ok(effect(sink, 5));
    assert_ok(note(&mine, 5));
    assert_ok(duet_sink_save(sink, &mine));
    duet_sink_rollback(sink);
    duet_sink_rollback(sink); /* no harm */
    tally = effects(sink);
    assert_int_equal(tally.rows, 5);
    duet_role_state_fini(&mine);
    state_load(sink, &mine);
    assert_int_equal(mine.version, 1);
    assert_false(is_processed(&mine, 5));
    assert_true(is_processed(&mine, 4));
    assert_int_equal(mine.cursor[DUET_KAFKA].position, 5);
    assert_int_equal(
        duet_counts_total(&mine.cursor[DUET_KAFKA].counts, DUET_COUNT_PROCESSED), 5);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* A child commits [0, 5), then is killed with [5, 9) done but not committed. */
static void killed_in_a_transaction_only_the_commit_before_remains(void **state)
{
    const struct place *place = *state;
    struct duet_sink *sink;
    struct duet_role_state mine;
    struct tally tally;
    int ready[2];
    pid_t child;
    char byte;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        sink = sink_open(place, DUET_LIVE);
        table_make(sink);
        state_load(sink, &mine);
        if (batch(sink, &mine, 0, 5) != DT_OK || duet_sink_begin(sink) != DT_OK ||
            duet_sink_claim(sink, &mine) != DT_OK)
            _exit(1);
        for (uint64_t i = 5; i < 9; i++)
            if (effect(sink, i) != DT_OK || note(&mine, i) != DT_OK)
                _exit(1);
        if (duet_sink_save(sink, &mine) != DT_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    sink = sink_open(place, DUET_LIVE); /* at once: the lock died with it */
    tally = effects(sink);
    assert_int_equal(tally.rows, 5);
    assert_int_equal(tally.sum, 5);
    state_load(sink, &mine);
    assert_int_equal(mine.version, 1);
    assert_int_equal(duet_idset_size(&mine.processed), 5);
    assert_ok(batch(sink, &mine, 3, 9));
    tally = effects(sink);
    assert_int_equal(tally.rows, 9);
    assert_int_equal(tally.sum, 9);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* ---- the switch ---- */

static void a_switch_between_load_and_claim_makes_the_claim_fail(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_sink *other = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine;
    struct tally tally;

    table_make(sink);
    state_load(sink, &mine);
    assert_ok(duet_sink_switch(other, TOPIC, 0, DUET_KAFKA, DUET_ROCKETMQ));
    assert_status(batch(sink, &mine, 0, 5), DT_ECONFLICT);
    tally = effects(sink);
    assert_int_equal(tally.rows, 0);
    duet_role_state_fini(&mine);
    state_load(sink, &mine);
    assert_int_equal(mine.side, DUET_ROCKETMQ);
    assert_ok(batch(sink, &mine, 0, 5));
    assert_int_equal(mine.cursor[DUET_ROCKETMQ].position, 5);
    assert_ok(
        duet_sink_switch(other, TOPIC, 0, DUET_ROCKETMQ, DUET_KAFKA)); /* the way back */
    duet_role_state_fini(&mine);
    state_load(sink, &mine);
    assert_int_equal(mine.side, DUET_KAFKA);
    assert_true(is_processed(&mine, 4)); /* what was done there is not done again */
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
    duet_sink_close(other);
}

static void a_switch_happens_once_and_only_from_the_side_that_is_read(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_role_state mine;

    assert_status(duet_sink_switch(sink, TOPIC, 0, DUET_KAFKA, DUET_ROCKETMQ),
                  DT_ECONFLICT);
    assert_said("no state");
    state_load(sink, &mine);
    assert_ok(duet_sink_switch(sink, TOPIC, 0, DUET_KAFKA, DUET_ROCKETMQ));
    assert_status(duet_sink_switch(sink, TOPIC, 0, DUET_KAFKA, DUET_ROCKETMQ),
                  DT_ECONFLICT);
    assert_said("does not read kafka");
    duet_role_state_fini(&mine);
    state_load(sink, &mine);
    assert_int_equal(mine.version, 1); /* the second changed nothing */
    duet_role_state_fini(&mine);
    assert_ok(duet_sink_begin(sink));
    assert_status(duet_sink_switch(sink, TOPIC, 0, DUET_ROCKETMQ, DUET_KAFKA), DT_ESTATE);
    duet_sink_rollback(sink);
    duet_sink_close(sink);
}

/* Batch after batch, without a pause between them: the lock is never free for long. */
static void commit_for_ever(const struct place *place, int ready)
{
    struct duet_sink *sink = sink_open(place, DUET_LIVE);
    struct duet_role_state mine;

    state_load(sink, &mine);
    for (int64_t i = 0;; i++) {
        const duet_value values[] = {duet_integer(10000)};
        dt_status status = duet_sink_begin(sink);

        if (status == DT_OK)
            status = duet_sink_claim(sink, &mine);
        if (status == DT_ECONFLICT) { /* switched; still within the transaction */
            duet_role_state_fini(&mine);
            state_load(sink, &mine);
            status = duet_sink_claim(sink, &mine);
        }
        if (status == DT_OK)
            status =
                duet_sink_exec(sink,
                               "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
                               " FROM n WHERE i < $1) INSERT OR REPLACE INTO effect"
                               " SELECT i, 1 FROM n",
                               values, 1, NULL);
        if (status == DT_OK)
            status = duet_sink_commit(sink);
        if (status != DT_OK || (i == 2 && write(ready, "x", 1) != 1))
            _exit(1);
    }
}

/* Who happens to ask in the moment between two batches gets the lock; waiting must be better
 * than luck. */
static void a_switch_gets_through_to_a_role_that_never_pauses(void **state)
{
    const struct place *place = *state;
    struct duet_sink *sink = sink_open(place, DUET_LIVE);
    struct duet_role_state mine;
    int64_t slowest = 0;
    int ready[2];
    pid_t child;
    char byte;

    table_make(sink);
    state_load(sink, &mine);
    duet_role_state_fini(&mine);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        commit_for_ever(place, ready[1]);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (int i = 0; i < 20; i++) {
        int64_t began = dt_clock_ms(), took;

        assert_ok(duet_sink_switch(sink, TOPIC, 0, (enum duet_side)(i % 2),
                                   (enum duet_side)((i + 1) % 2)));
        took = dt_clock_ms() - began;
        if (took > slowest)
            slowest = took;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    print_message("slowest of 20 switches: %d ms\n", (int)slowest);
    assert_true(slowest < 2000);
    duet_sink_close(sink);
}

/* One that is frozen while it waits (a debugger, a paused machine) must not stop the others. */
static void a_waiter_that_is_stopped_delays_nobody_for_long(void **state)
{
    const struct place *place = *state;
    struct duet_sink *sink = sink_open(place, DUET_LIVE);
    struct duet_role_state mine;
    char turn[160];
    int64_t began;
    int fd;

    table_make(sink);
    state_load(sink, &mine);
    snprintf(turn, sizeof(turn), "%s/sink/live.db-turn", place->folder);
    fd = open(turn, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    began = dt_clock_ms();
    for (uint64_t i = 0; i < 50; i++)
        assert_ok(batch(sink, &mine, i, i + 1));
    assert_true(dt_clock_ms() - began < 2000); /* courtesy once, not 50 times */
    close(fd);
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* ---- live and shadow have nothing in common ---- */

static void the_live_role_does_not_wait_for_the_shadow_role(void **state)
{
    struct duet_sink *live = sink_open(*state, DUET_LIVE), *shadow;
    struct duet_role_state mine;
    int64_t began;

    shadow = sink_open(*state, DUET_SHADOW);
    table_make(live);
    table_make(shadow);
    assert_ok(duet_sink_begin(shadow));
    assert_ok(effect(shadow, 1));
    began = dt_clock_ms();
    state_load(live, &mine);
    assert_ok(batch(live, &mine, 0, 5));
    assert_true(dt_clock_ms() - began < 2000);
    duet_sink_rollback(shadow);
    assert_int_equal(effects(shadow).rows, 0);
    assert_int_equal(effects(live).rows, 5);
    duet_role_state_fini(&mine);
    duet_sink_close(live);
    duet_sink_close(shadow);
}

/* ---- ledger ---- */

static void ledger_entries_are_given_after_a_row_once_committed(void **state)
{
    struct duet_sink *sink = sink_open(*state, DUET_LIVE);
    struct duet_ledger_entry it = {.kind = DUET_LEDGER_ISOLATED,
                                   .side = DUET_ROCKETMQ,
                                   .id = id_of(1, 2, 3),
                                   .sequence_to = 4,
                                   .position = 77,
                                   .at_ms = 5,
                                   .topic = TOPIC,
                                   .group = GROUP,
                                   .reason = "no"};
    struct duet_ledger_entry *out;
    int64_t last;
    size_t count;

    assert_status(duet_sink_ledger(sink, &it), DT_ESTATE);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_ledger(sink, &it));
    duet_sink_rollback(sink);
    assert_ok(duet_sink_ledger_after(sink, 0, &out, &count, &last));
    assert_int_equal(count, 0);
    assert_int_equal(last, 0);
    assert_ok(duet_sink_begin(sink));
    for (int i = 0; i < DUET_SINK_LEDGER_MAX + 2; i++) {
        it.position = i;
        assert_ok(duet_sink_ledger(sink, &it));
    }
    assert_ok(duet_sink_commit(sink));
    assert_ok(duet_sink_ledger_after(sink, 0, &out, &count, &last));
    assert_int_equal(count, DUET_SINK_LEDGER_MAX);
    assert_int_equal(out[1].position, 1);
    assert_int_equal(out[1].kind, DUET_LEDGER_ISOLATED);
    assert_true(duet_id_equal(&out[1].id, &it.id));
    assert_int_equal(out[1].sequence_to, 4);
    assert_string_equal(out[1].reason, "no");
    free(out);
    assert_ok(duet_sink_ledger_after(sink, last, &out, &count, &last));
    assert_int_equal(count, 2);
    free(out);
    assert_ok(duet_sink_ledger_after(sink, last, &out, &count, &last));
    assert_int_equal(count, 0);
    assert_null(out);
    duet_sink_close(sink);
}

static void an_address_that_is_no_folder_is_refused(void **state)
{
    struct duet_sink *sink;

    (void)state;
    assert_status(duet_sink_open("postgresql://h/d", DUET_LIVE, GROUP, &sink),
                  DT_EUNSUPPORTED);
    assert_null(sink);
    assert_status(duet_sink_open("/tmp", DUET_LIVE, GROUP, &sink), DT_EINVAL);
    assert_int_not_equal(duet_sink_open("sqlite:/dev/null", DUET_LIVE, GROUP, &sink),
                         DT_OK);
    duet_sink_close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(a_state_is_loaded_as_it_was_saved),
        cmocka_unit_test_in_place(of_two_owners_that_claim_one_version_one_commits),
        cmocka_unit_test_in_place(owners_in_turns_and_at_once_do_each_message_once),
        cmocka_unit_test_in_place(
            a_rolled_back_batch_leaves_neither_effects_nor_set_entries),
        cmocka_unit_test_in_place(killed_in_a_transaction_only_the_commit_before_remains),
        cmocka_unit_test_in_place(a_switch_between_load_and_claim_makes_the_claim_fail),
        cmocka_unit_test_in_place(
            a_switch_happens_once_and_only_from_the_side_that_is_read),
        cmocka_unit_test_in_place(a_switch_gets_through_to_a_role_that_never_pauses),
        cmocka_unit_test_in_place(a_waiter_that_is_stopped_delays_nobody_for_long),
        cmocka_unit_test_in_place(the_live_role_does_not_wait_for_the_shadow_role),
        cmocka_unit_test_in_place(ledger_entries_are_given_after_a_row_once_committed),
        cmocka_unit_test(an_address_that_is_no_folder_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
