/* what is owed to RocketMQ and does not fit into memory: a journal, over outages, restarts, kills */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define CRITICAL_BOTH ((1u << DUET_KAFKA) | (1u << DUET_ROCKETMQ))
#define SMALL         "producer: {memory.max: 64KiB}\n"
#define MESSAGES_MAX  30000

static atomic_int done;

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    (void)reason;
    atomic_fetch_add(&done, result == DUET_RESULT_DONE);
}

static dt_status produce(duet_producer *producer, size_t size, int64_t timeout_ms)
{
    static char bytes[70000];
    duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, timeout_ms, note, NULL);
}

static void produce_all(duet_producer *producer, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(produce(producer, 1000, 0), DT_OK);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

struct reached {
    duet_producer *producer;
    int count;
    duet_producer_stats stats;
};

static bool is_done(void *context)
{
    struct reached *reached = context;

    duet_producer_statistics(reached->producer, &reached->stats);
    return reached->stats.done >= reached->count;
}

/* Kafka has acknowledged so many. */
static duet_producer_stats wait_done(duet_producer *producer, int count)
{
    struct reached reached = {producer, count, {0}};

    assert_true(pair_wait(is_done, &reached));
    return reached.stats;
}

/* Both logs hold 0 .. count - 1 in order, each once. */
static void need_logs(struct pair *pair, size_t count)
{
    static uint64_t sequences[MESSAGES_MAX];

    for (int side = 0; side < DUET_SIDES; side++) {
        assert_int_equal(pair_log(pair, (enum duet_side)side, 0, sequences, MESSAGES_MAX),
                         count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(sequences[i], i);
    }
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

static void an_outage_beyond_memory_drops_nothing(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    rmq_mock_down(pair.rocketmq);
    producer = open_producer(&pair);
    produce_all(producer, 2000);
    stats = wait_done(producer, 2000);
    assert_int_equal(stats.waits, 0);
    assert_int_equal(stats.dropped, 0);
    assert_true(stats.journal > 1900);
    assert_true(stats.journal_bytes > 1900 * 1000);
    assert_true(stats.pending >= stats.journal);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    produce_all(producer, 500); /* these queue behind the journal */
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.journal, 0);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.pending_bytes, 0);
    duet_producer_close(producer);
    need_logs(&pair, 2500);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), 0);
    pair_stop(&pair);
}

static bool is_spilled(void *context)
{
    struct reached *reached = context;

    duet_producer_statistics(reached->producer, &reached->stats);
    return reached->stats.journal >= reached->count;
}

/* So many copies are in the journal. */
static duet_producer_stats wait_journal(duet_producer *producer, int count)
{
    struct reached reached = {producer, count, {0}};

    assert_true(pair_wait(is_spilled, &reached));
    return reached.stats;
}

static void a_live_side_that_is_away_fills_the_journal_before_anybody_waits(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    pair_plan(&pair, DUET_STEP_SWITCHING, DUET_ROCKETMQ, CRITICAL_BOTH);
    rmq_mock_down(pair.rocketmq);
    producer = open_producer(&pair);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(produce(producer, 1000, 20000), DT_OK);
    /* nothing is done before RocketMQ has it, too: somebody is live there */
    stats = wait_journal(producer, 900);
    assert_true(stats.done < 100);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.done + stats.in_doubt,
                     1000); /* what went through the journal, too */
    duet_producer_close(producer);
    need_logs(&pair, 1000);
    pair_stop(&pair);
}

static size_t count_of_boot(struct pair *pair, enum duet_side side)
{
    static uint64_t sequences[MESSAGES_MAX];

    return pair_log(pair, side, 0, sequences, MESSAGES_MAX);
}

static void what_a_closed_producer_owes_its_next_start_sends(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    static uint64_t sequences[MESSAGES_MAX];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    rmq_mock_down(pair.rocketmq);
    producer = open_producer(&pair);
    produce_all(producer, 300);
    wait_done(producer, 300);
    duet_producer_close(
        producer); /* what is in memory is older than what is in the journal */
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), 0);

    producer = open_producer(&pair); /* and once more, with everything still owed */
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.pending, 300);
    produce_all(producer, 1); /* number 0 of this boot, behind all of them */
    wait_done(producer, 1);
    duet_producer_close(producer);

    producer = open_producer(&pair);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_true(stats.replayed >= 301);
    duet_producer_close(producer);
    assert_int_equal(pair_log(&pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX), 301);
    for (uint64_t i = 0; i < 300; i++)
        assert_int_equal(sequences[i], i);
    assert_int_equal(sequences[300], 0);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), 0);
    pair_stop(&pair);
}

static void what_is_read_back_and_not_stored_keeps_its_place(void **state)
{
    struct pair pair;
    duet_producer *producer;
    static uint64_t sequences[MESSAGES_MAX];
    size_t count, next = 0;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    producer = open_producer(&pair);
    for (int round = 0; round < 6; round++) { /* memory, journal, memory, journal, ... */
        rmq_mock_down(pair.rocketmq);
        produce_all(producer, 60 + round);
        wait_done(producer, 60 * (round + 1) + round * (round + 1) / 2);
        assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
        if (round % 2 == 0)
            assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    }
    rmq_mock_down(pair.rocketmq);
    duet_producer_close(producer);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    /* every one is there, and first copies are in order; a second copy may follow its first */
    count = pair_log(&pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (sequences[i] == next)
            next++;
        else
            assert_true(sequences[i] < next);
    }
    assert_int_equal(next, 6 * 60 + 15);
    pair_stop(&pair);
}

/* A child of its own: librdkafka's threads do not survive a fork. */
static pid_t start_child(struct pair *pair, int count, int told[2])
{
    pid_t pid;

    assert_int_equal(pipe(told), 0);
    pid = fork();
    if (pid == 0) {
        char text[32];

        snprintf(text, sizeof(text), "%d", count);
        dup2(told[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_spill", "--produce", pair->config_path, text,
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(told[1]);
    return pid;
}

/* The child: says "x" when Kafka has all and the journal has done what it can, then waits. */
static int produce_and_wait(const char *config_path, int count)
{
    duet_producer *producer;
    duet_producer_stats stats;

    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    for (int i = 0; i < count; i++)
        if (produce(producer, 1000, 0) != DT_OK)
            return 3;
    do {
        struct timespec moment = {0, 10000000};

        nanosleep(&moment, NULL);
        duet_producer_statistics(producer, &stats);
    } while (stats.done < count);
    if (write(STDOUT_FILENO, "x", 1) != 1)
        return 4;
    pause();
    return 5;
}

static void a_killed_producer_owes_only_what_was_in_memory(void **state)
{
    struct pair pair;
    duet_producer *producer;
    static uint64_t sequences[MESSAGES_MAX];
    size_t count;
    int told[2], status;
    pid_t pid;
    char x;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    rmq_mock_down(pair.rocketmq);
    pid = start_child(&pair, 1000, told);
    assert_int_equal(read(told[0], &x, 1), 1);
    close(told[0]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(count_of_boot(&pair, DUET_KAFKA), 1000);
    count = pair_log(&pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX);
    /* 32 KiB of memory held at most 32 of them, and the journal's own buffer is written at once */
    assert_true(count >= 1000 - 64 && count < 1000);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sequences[i], 1000 - count + i);
    pair_stop(&pair);
}

static void a_full_journal_drops_and_lists_where_nobody_is_live(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    size_t stored;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE,
               "producer: {memory.max: 64KiB, journal.max: 10MiB}\n");
    rmq_mock_down(pair.rocketmq);
    producer = open_producer(&pair);
    for (int i = 0; i < 400; i++)
        assert_int_equal(produce(producer, 40000, 0), DT_OK);
    stats = wait_done(producer, 400);
    assert_int_equal(stats.waits, 0);
    assert_true(stats.dropped > 100 && stats.dropped < 300);
    assert_true(stats.journal_bytes <= 10 << 20);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    stored = count_of_boot(&pair, DUET_ROCKETMQ);
    assert_int_equal(stored + (size_t)stats.dropped, 400);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), stats.dropped);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_beyond_memory_drops_nothing),
        cmocka_unit_test(a_live_side_that_is_away_fills_the_journal_before_anybody_waits),
        cmocka_unit_test(what_a_closed_producer_owes_its_next_start_sends),
        cmocka_unit_test(what_is_read_back_and_not_stored_keeps_its_place),
        cmocka_unit_test(a_killed_producer_owes_only_what_was_in_memory),
        cmocka_unit_test(a_full_journal_drops_and_lists_where_nobody_is_live),
    };

    if (argc == 4 && strcmp(argv[1], "--produce") == 0)
        return produce_and_wait(argv[2], atoi(argv[3]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
