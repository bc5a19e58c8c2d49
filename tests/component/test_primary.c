/* the change of primary while a producer runs: planned, with an outage, with a journal, and back */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL        "producer: {memory.max: 64KiB}\n"
#define MESSAGES_MAX 60000

static atomic_int answers[3]; /* by duet_result */
static atomic_int answered_to;
static atomic_bool out_of_order;

/* opaque: the message's number from 1 on, over one partition. */
static void note(void *opaque, duet_result result, const char *reason)
{
    int number = (int)(intptr_t)opaque;

    (void)reason;
    if (number != atomic_fetch_add(&answered_to, 1) + 1)
        atomic_store(&out_of_order, true);
    atomic_fetch_add(&answers[result], 1);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
    atomic_store(&answered_to, 0);
    atomic_store(&out_of_order, false);
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

static void produce(duet_producer *producer, int from, int to, size_t size,
                    int64_t timeout_ms)
{
    static char bytes[1000];

    for (int i = from; i < to; i++) {
        duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

        message.event_time_ms = -1;
        assert_int_equal(
            duet_produce(producer, &message, timeout_ms, note, (void *)(intptr_t)(i + 1)),
            DT_OK);
    }
}

struct expectation {
    duet_producer *producer;
    int64_t plan, done;
    int moving; /* -1: whatever */
};

static bool reached(void *context)
{
    struct expectation *e = context;
    duet_producer_stats stats;

    duet_producer_statistics(e->producer, &stats);
    return stats.plan_version >= e->plan && stats.done >= e->done &&
           (e->moving < 0 || stats.moving == e->moving);
}

static void wait_done(duet_producer *producer, int64_t done)
{
    struct expectation e = {producer, 0, done, -1};

    assert_true(pair_wait(reached, &e));
}

/* The plan is adopted, and so many partitions are not yet where it wants them. */
static void wait_plan(duet_producer *producer, const struct pair *pair, int moving)
{
    struct expectation e = {producer, pair->plan->version, 0, moving};

    assert_true(pair_wait(reached, &e));
}

static void switched(struct pair *pair)
{
    pair_plan(pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
}

/* The primary alone: a side where somebody is live is waited for until it is the primary, which
 * test_ack.c has. */
static void primary_only(struct pair *pair, enum duet_side side)
{
    pair_plan(pair, side == DUET_ROCKETMQ ? DUET_STEP_SWITCHED : DUET_STEP_DUAL_READ, side,
              0);
}

static void rolled_back(struct pair *pair)
{
    pair_plan(pair, DUET_STEP_DUAL_READ, DUET_KAFKA, 1u << DUET_KAFKA);
}

/* The side's log holds 0 .. count - 1, first copies in order; `again`: second ones may follow. */
static void need_log(struct pair *pair, enum duet_side side, uint64_t count, bool again)
{
    static uint64_t sequences[MESSAGES_MAX];
    size_t stored = pair_log(pair, side, 0, sequences, MESSAGES_MAX);
    uint64_t next = 0;

    for (size_t i = 0; i < stored; i++) {
        if (sequences[i] == next)
            next++;
        else if (!again || sequences[i] > next)
            fail_msg("%s: number %llu stands behind %llu", duet_side_name(side),
                     (unsigned long long)sequences[i], (unsigned long long)next);
    }
    assert_int_equal(next, count);
    if (!again)
        assert_int_equal(stored, count);
}

static void need_all_done(int count)
{
    assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), count);
    assert_int_equal(atomic_load(&answered_to), count);
    assert_false(atomic_load(&out_of_order));
}

/* ---- without trouble ---- */

struct load {
    duet_producer *producer;
    atomic_bool stop;
    int count;
    pthread_t thread;
};

static void *load_run(void *context)
{
    struct load *load = context;
    struct timespec moment = {0, 200000};

    while (!atomic_load(&load->stop) && load->count < MESSAGES_MAX - 10) {
        produce(load->producer, load->count, load->count + 5, 100, 0);
        load->count += 5;
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void the_primary_follows_the_plan_under_load(void **state)
{
    struct pair pair;
    struct load load = {0};

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    load.producer = open_producer(&pair);
    assert_int_equal(pthread_create(&load.thread, NULL, load_run, &load), 0);
    for (int round = 0; round < 3; round++) {
        switched(&pair);
        wait_plan(load.producer, &pair, 0);
        rolled_back(&pair);
        wait_plan(load.producer, &pair, 0);
    }
    switched(&pair);
    wait_plan(load.producer, &pair, 0);
    atomic_store(&load.stop, true);
    pthread_join(load.thread, NULL);
    assert_int_equal(duet_producer_flush(load.producer, 30000), DT_OK);
    /* it is RocketMQ's word that counts now */
    duet_kafka_mock_set_down(pair.kafka, true);
    produce(load.producer, load.count, load.count + 10, 100, 0);
    wait_done(load.producer, load.count + 10);
    duet_kafka_mock_set_down(pair.kafka, false);
    assert_int_equal(duet_producer_flush(load.producer, 30000), DT_OK);
    duet_producer_close(load.producer);
    need_all_done(load.count + 10);
    need_log(&pair, DUET_KAFKA, (uint64_t)load.count + 10, false);
    need_log(&pair, DUET_ROCKETMQ, (uint64_t)load.count + 10, false);
    pair_stop(&pair);
}

/* ---- the old primary is dead ---- */

static void down(struct pair *pair, enum duet_side side)
{
    if (side == DUET_KAFKA)
        duet_kafka_mock_set_down(pair->kafka, true);
    else
        rmq_mock_down(pair->rocketmq);
}

static void up(struct pair *pair, enum duet_side side)
{
    if (side == DUET_KAFKA)
        duet_kafka_mock_set_down(pair->kafka, false);
    else
        assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
}

/* What the dead side never answered is stored in the other first, and the callbacks say so. */
static void take_over_from(enum duet_side dead)
{
    struct pair pair;
    duet_producer *producer;

    pair_start(&pair, 1, dead == DUET_KAFKA ? DUET_STEP_DUAL_READ : DUET_STEP_SWITCHED, "");
    producer = open_producer(&pair);
    produce(producer, 0, 20, 100, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    down(&pair, dead);
    produce(producer, 20, 70, 100, 0);
    if (dead == DUET_KAFKA)
        switched(&pair);
    else
        rolled_back(&pair);
    produce(producer, 70, 100, 100, 0);
    wait_done(producer, 100);
    produce(producer, 100, 120, 100, 0);
    wait_done(producer, 120);
    wait_plan(producer, &pair, 0);
    up(&pair, dead);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_all_done(120);
    need_log(&pair, dead, 120, true);
    need_log(&pair, duet_other_side(dead), 120, false);
    pair_stop(&pair);
}

static void a_dead_kafka_is_taken_over_from(void **state)
{
    (void)state;
    take_over_from(DUET_KAFKA);
}

static void a_dead_rocketmq_is_taken_over_from(void **state)
{
    (void)state;
    take_over_from(DUET_ROCKETMQ);
}

static void what_was_answered_in_doubt_is_resolved_by_the_new_primary(void **state)
{
    struct pair pair;
    duet_producer *producer;
    struct expectation e = {0};
    int64_t totals[DUET_LEDGER_KINDS];
    struct duet_ledger_entry *entries;
    size_t count, resolved = 0;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, "");
    producer = open_producer(&pair);
    down(&pair, DUET_KAFKA);
    produce(producer, 0, 10, 100, 100);
    while (atomic_load(&answers[DUET_RESULT_IN_DOUBT]) < 10)
        assert_int_equal(duet_producer_flush(producer, 20), DT_ETIMEDOUT);
    switched(&pair);
    produce(producer, 10, 20, 100, 0);
    e = (struct expectation){producer, pair.plan->version, 10, 0};
    assert_true(pair_wait(reached, &e));
    up(&pair, DUET_KAFKA);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 10);
    need_log(&pair, DUET_KAFKA, 20, false);
    need_log(&pair, DUET_ROCKETMQ, 20, false);
    assert_int_equal(duet_store_ledger_totals(pair.store, totals), DT_OK);
    assert_int_equal(totals[DUET_LEDGER_IN_DOUBT], 0); /* none is left open ... */
    assert_int_equal(duet_store_ledger(pair.store, &entries, &count), DT_OK);
    for (size_t i = 0; i < count; i++)
        if (entries[i].kind == DUET_LEDGER_IN_DOUBT && entries[i].resolved)
            resolved += entries[i].sequence_to - entries[i].id.sequence;
    assert_int_equal(resolved, 10); /* ... and each is listed */
    free(entries);
    pair_stop(&pair);
}

/* ---- the new primary is behind ---- */

static void behind(enum duet_side to, const char *settings, int count)
{
    struct pair pair;
    duet_producer *producer;

    pair_start(&pair, 1, to == DUET_ROCKETMQ ? DUET_STEP_DUAL_READ : DUET_STEP_SWITCHED,
               settings);
    primary_only(&pair, duet_other_side(to));
    producer = open_producer(&pair);
    down(&pair, to);
    produce(producer, 0, count, 1000, 0);
    wait_done(producer, count);
    primary_only(&pair, to);
    wait_plan(producer, &pair, 1);
    produce(producer, count, count + 100, 1000, 0); /* as before, and nobody waits */
    wait_done(producer, count + 100);
    wait_plan(producer, &pair, 1);
    up(&pair, to);
    wait_plan(producer, &pair, 0);
    produce(producer, count + 100, count + 200, 1000, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_all_done(count + 200);
    need_log(&pair, DUET_KAFKA, (uint64_t)count + 200, to == DUET_KAFKA);
    need_log(&pair, DUET_ROCKETMQ, (uint64_t)count + 200, to == DUET_ROCKETMQ);
    pair_stop(&pair);
}

static void rocketmq_becomes_primary_once_its_journal_is_empty(void **state)
{
    (void)state;
    behind(DUET_ROCKETMQ, SMALL, 500);
}

static void kafka_becomes_primary_once_its_journal_is_empty(void **state)
{
    (void)state;
    behind(DUET_KAFKA, SMALL, 500);
}

static void a_plan_may_change_back_before_the_primary_has_moved(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SMALL);
    producer = open_producer(&pair);
    down(&pair, DUET_ROCKETMQ);
    produce(producer, 0, 200, 1000, 0);
    for (int round = 0; round < 3; round++) {
        primary_only(&pair, DUET_ROCKETMQ);
        wait_plan(producer, &pair, 1);
        primary_only(&pair, DUET_KAFKA);
        wait_plan(producer, &pair, 0);
    }
    produce(producer, 200, 300, 1000, 0);
    wait_done(producer, 300);
    up(&pair, DUET_ROCKETMQ);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_all_done(300);
    need_log(&pair, DUET_KAFKA, 300, false);
    need_log(&pair, DUET_ROCKETMQ, 300, true);
    pair_stop(&pair);
}

static void a_restart_first_sends_what_the_journal_owes_to_the_new_primary(void **state)
{
    struct pair pair;
    duet_producer *producer;
    static uint64_t sequences[MESSAGES_MAX];
    size_t count;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, SMALL);
    producer = open_producer(&pair);
    down(&pair, DUET_ROCKETMQ);
    produce(producer, 0, 300, 1000, 0);
    wait_done(producer, 300);
    duet_producer_close(producer);
    primary_only(&pair, DUET_ROCKETMQ);
    producer = open_producer(&pair); /* another boot: numbers from 0 again */
    wait_plan(producer, &pair, 1);
    produce(producer, 0, 5, 1000, 0);
    wait_done(producer, 5); /* by Kafka */
    up(&pair, DUET_ROCKETMQ);
    wait_plan(producer, &pair, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    count = pair_log(&pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX);
    assert_int_equal(count, 305);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sequences[i], i % 300);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primary_follows_the_plan_under_load),
        cmocka_unit_test(a_dead_kafka_is_taken_over_from),
        cmocka_unit_test(a_dead_rocketmq_is_taken_over_from),
        cmocka_unit_test(what_was_answered_in_doubt_is_resolved_by_the_new_primary),
        cmocka_unit_test(rocketmq_becomes_primary_once_its_journal_is_empty),
        cmocka_unit_test(kafka_becomes_primary_once_its_journal_is_empty),
        cmocka_unit_test(a_plan_may_change_back_before_the_primary_has_moved),
        cmocka_unit_test(a_restart_first_sends_what_the_journal_owes_to_the_new_primary),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
