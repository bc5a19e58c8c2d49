/* log counter: each record once whoever counts, foreign records, lost tails, a side that is away */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/status.h"
#include "control/snapshot.h"
#include "support/case.h"
#include "support/pair.h"
#include "verify/log_count.h"

enum { TIMEOUT_MS = 30000 };

static struct duet_log_count *open_counter(struct pair *pair, const char *name)
{
    struct duet_log_count *counter;

    assert_int_equal(duet_log_count_new(pair->config, &pair->keys, name, NULL, &counter),
                     DT_OK);
    return counter;
}

static void catch_up(struct pair *pair)
{
    struct duet_log_count *counter = open_counter(pair, "test");
    bool reached[DUET_SIDES];
    dt_status status = duet_log_count_catch_up(counter, TIMEOUT_MS, reached);

    if (status != DT_OK)
        fail_msg("%s", dt_error_text());
    assert_true(reached[DUET_KAFKA] && reached[DUET_ROCKETMQ]);
    duet_log_count_free(counter);
}

struct counted {
    int64_t stored, extra, foreign, position;
    uint64_t ids;
};

static struct counted counted(struct pair *pair, enum duet_side side, int32_t partition)
{
    struct duet_log_state state;
    struct counted out;

    assert_int_equal(duet_store_log_load(pair->store, PAIR_TOPIC, partition, side, &state),
                     DT_OK);
    out.stored = duet_counts_total(&state.counts, DUET_COUNT_STORED);
    out.extra = duet_counts_total(&state.counts, DUET_COUNT_EXTRA);
    out.foreign = duet_counts_total(&state.counts, DUET_COUNT_FOREIGN);
    out.position = state.position;
    out.ids = duet_idset_size(&state.ids);
    duet_log_state_fini(&state);
    return out;
}

static void expect(struct pair *pair, enum duet_side side, int32_t partition,
                   int64_t stored, int64_t extra, int64_t foreign)
{
    struct counted is = counted(pair, side, partition);

    assert_int_equal(is.stored, stored);
    assert_int_equal(is.extra, extra);
    assert_int_equal(is.foreign, foreign);
    assert_int_equal(is.ids, stored);
    assert_int_equal(is.position, stored + extra + foreign);
}

/* Under another key its stamp is not right. */
static void send_foreign(struct pair *pair, enum duet_side side, uint64_t sequence)
{
    pair->keys.stamp.key[0] ^= 1;
    pair_send(pair, side, 0, 9, sequence, "foreign");
    pair->keys.stamp.key[0] ^= 1;
}

static size_t ledger_of(struct pair *pair, enum duet_ledger_kind kind, int64_t *messages,
                        struct duet_ledger_entry *first)
{
    struct duet_ledger_entry *entries;
    size_t count, found = 0;

    *messages = 0;
    assert_int_equal(duet_store_ledger(pair->store, &entries, &count), DT_OK);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != kind || entries[i].group[0] != '\0')
            continue;
        if (found++ == 0)
            *first = entries[i];
        *messages += (int64_t)(entries[i].sequence_to - entries[i].id.sequence);
    }
    free(entries);
    return found;
}

static void new_ids_further_copies_and_foreign_records_are_told_apart(void **state)
{
    struct pair pair;
    struct duet_ledger_entry entry;
    int64_t messages;

    (void)state;
    pair_start(&pair, 2, DUET_STEP_DUAL_WRITE, "");
    for (int side = 0; side < DUET_SIDES; side++) {
        for (uint64_t i = 0; i < 5; i++)
            pair_send(&pair, (enum duet_side)side, 0, 7, i, "x");
        pair_send(&pair, (enum duet_side)side, 1, 7, 0, "x");
        pair_send(&pair, (enum duet_side)side, 0, 7, 3, "x"); /* once more */
        for (uint64_t i = 0; i < 3; i++)
            send_foreign(&pair, (enum duet_side)side, i);
    }
    catch_up(&pair);
    for (int side = 0; side < DUET_SIDES; side++) {
        expect(&pair, (enum duet_side)side, 0, 5, 1, 3);
        expect(&pair, (enum duet_side)side, 1, 1, 0, 0);
    }
    /* side by side: one range on each side, with the reason */
    assert_int_equal(ledger_of(&pair, DUET_LEDGER_FOREIGN, &messages, &entry), 2);
    assert_int_equal(messages, 6);
    assert_int_equal(entry.position, 6);
    assert_string_equal(entry.reason, duet_stamp_verdict_text(DUET_STAMP_BAD_CHECK));
    /* again: nothing is counted twice */
    catch_up(&pair);
    pair_send(&pair, DUET_KAFKA, 0, 7, 5, "x");
    catch_up(&pair);
    expect(&pair, DUET_KAFKA, 0, 6, 1, 3);
    expect(&pair, DUET_ROCKETMQ, 0, 5, 1, 3);
    pair_stop(&pair);
}

struct counting {
    struct pair *pair;
    char name[16];
    pthread_t thread;
    dt_status status;
};

static void *count(void *context)
{
    struct counting *counting = context;
    struct duet_log_count *counter;

    counting->status = duet_log_count_new(counting->pair->config, &counting->pair->keys,
                                          counting->name, NULL, &counter);
    for (int i = 0; i < 10 && counting->status == DT_OK; i++) {
        bool reached[DUET_SIDES];

        counting->status = i % 2 == 0
                               ? duet_log_count_step(counter, 200)
                               : duet_log_count_catch_up(counter, TIMEOUT_MS, reached);
    }
    duet_log_count_free(counter);
    return NULL;
}

static void several_at_a_time_count_each_record_once(void **state)
{
    struct pair pair;
    struct counting counting[3];
    enum { RECORDS = 300 };

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (uint64_t i = 0; i < RECORDS / 2; i++)
        pair_send(&pair, DUET_KAFKA, 0, 7, i, "x");
    for (int i = 0; i < 3; i++) {
        counting[i].pair = &pair;
        snprintf(counting[i].name, sizeof(counting[i].name), "counter-%d", i);
        assert_int_equal(pthread_create(&counting[i].thread, NULL, count, &counting[i]), 0);
    }
    for (uint64_t i = RECORDS / 2; i < RECORDS; i++)
        pair_send(&pair, DUET_KAFKA, 0, 7, i, "x");
    for (int i = 0; i < 3; i++) {
        pthread_join(counting[i].thread, NULL);
        assert_int_equal(counting[i].status, DT_OK);
    }
    catch_up(&pair);
    expect(&pair, DUET_KAFKA, 0, RECORDS, 0, 0);
    pair_stop(&pair);
}

static void a_log_that_lost_its_tail_is_listed_and_counted_anew(void **state)
{
    struct pair pair;
    struct duet_ledger_entry entry;
    int64_t messages;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (uint64_t i = 0; i < 10; i++)
        pair_send(&pair, DUET_ROCKETMQ, 0, 7, i, "x");
    catch_up(&pair);
    expect(&pair, DUET_ROCKETMQ, 0, 10, 0, 0);
    rmq_mock_restart(pair.rocketmq, 3);
    catch_up(&pair);
    expect(&pair, DUET_ROCKETMQ, 0, 7, 0, 0);
    assert_int_equal(ledger_of(&pair, DUET_LEDGER_GAP, &messages, &entry), 1);
    assert_int_equal(entry.position, 7);
    assert_int_equal(messages, 3);
    assert_int_equal(entry.side, DUET_ROCKETMQ);
    pair_stop(&pair);
}

static void positions_used_again_are_noticed(void **state)
{
    struct pair pair;
    struct duet_ledger_entry entry;
    int64_t messages;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (uint64_t i = 0; i < 10; i++)
        pair_send(&pair, DUET_ROCKETMQ, 0, 7, i, "x");
    catch_up(&pair);
    /* the tail is lost, and as many others stand in its place before anybody looks */
    rmq_mock_restart(pair.rocketmq, 3);
    for (uint64_t i = 20; i < 24; i++)
        pair_send(&pair, DUET_ROCKETMQ, 0, 7, i, "x");
    catch_up(&pair);
    expect(&pair, DUET_ROCKETMQ, 0, 11, 0, 0);
    assert_int_equal(ledger_of(&pair, DUET_LEDGER_GAP, &messages, &entry), 1);
    pair_stop(&pair);
}

static void a_side_that_is_away_is_said_and_the_other_is_counted(void **state)
{
    struct pair pair;
    struct duet_log_count *counter;
    bool reached[DUET_SIDES];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_send(&pair, DUET_KAFKA, 0, 7, 0, "x");
    pair_send(&pair, DUET_ROCKETMQ, 0, 7, 0, "x");
    rmq_mock_down(pair.rocketmq);
    counter = open_counter(&pair, "test");
    assert_int_equal(duet_log_count_catch_up(counter, TIMEOUT_MS, reached), DT_EUNREACH);
    assert_true(reached[DUET_KAFKA]);
    assert_false(reached[DUET_ROCKETMQ]);
    expect(&pair, DUET_KAFKA, 0, 1, 0, 0);
    assert_int_equal(duet_log_count_step(counter, 100),
                     DT_OK); /* no error in the background */
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_log_count_catch_up(counter, TIMEOUT_MS, reached), DT_OK);
    expect(&pair, DUET_ROCKETMQ, 0, 1, 0, 0);
    duet_log_count_free(counter);
    pair_stop(&pair);
}

static void a_side_that_is_not_written_is_not_asked(void **state)
{
    struct pair pair;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_PLANNED, "");
    pair_send(&pair, DUET_KAFKA, 0, 7, 0, "x");
    rmq_mock_down(pair.rocketmq);
    catch_up(&pair);
    expect(&pair, DUET_KAFKA, 0, 1, 0, 0);
    pair_stop(&pair);
}

static void what_a_dead_producer_left_out_is_listed_and_resolved_when_it_comes(void **state)
{
    struct pair pair;
    struct duet_log_count *counter;
    struct duet_snapshot *snapshot;
    struct duet_ledger_entry entry;
    int64_t messages;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (uint64_t i = 0; i < 4; i++)
        pair_send(&pair, DUET_KAFKA, 0, 7, i, "x");
    pair_send(&pair, DUET_ROCKETMQ, 0, 7, 0, "x");
    pair_send(&pair, DUET_ROCKETMQ, 0, 7, 2, "x");
    counter = open_counter(&pair, "test");
    assert_int_equal(duet_snapshot_take(pair.store, counter, TIMEOUT_MS, &snapshot), DT_OK);
    assert_true(snapshot->counted);
    assert_int_equal(duet_snapshot_list_gaps(pair.store, snapshot), DT_OK);
    duet_snapshot_free(snapshot);
    assert_int_equal(ledger_of(&pair, DUET_LEDGER_GAP, &messages, &entry), 2);
    assert_int_equal(messages, 2);
    assert_int_equal(entry.side, DUET_ROCKETMQ);
    assert_int_equal(entry.id.sequence, 1);
    assert_non_null(strstr(entry.reason, "died"));
    /* somebody repairs one of them */
    pair_send(&pair, DUET_ROCKETMQ, 0, 7, 1, "x");
    assert_int_equal(duet_snapshot_take(pair.store, counter, TIMEOUT_MS, &snapshot), DT_OK);
    assert_int_equal(duet_snapshot_list_gaps(pair.store, snapshot), DT_OK);
    duet_snapshot_free(snapshot);
    ledger_of(&pair, DUET_LEDGER_GAP, &messages, &entry);
    assert_true(entry.resolved);
    duet_log_count_free(counter);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ids_further_copies_and_foreign_records_are_told_apart),
        cmocka_unit_test(several_at_a_time_count_each_record_once),
        cmocka_unit_test(a_log_that_lost_its_tail_is_listed_and_counted_anew),
        cmocka_unit_test(positions_used_again_are_noticed),
        cmocka_unit_test(a_side_that_is_away_is_said_and_the_other_is_counted),
        cmocka_unit_test(a_side_that_is_not_written_is_not_asked),
        cmocka_unit_test(
            what_a_dead_producer_left_out_is_listed_and_resolved_when_it_comes),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
