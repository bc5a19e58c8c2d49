/* journal: intent: on disk before it is sent; what a kill leaves is completed or cancelled */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL        "producer: {memory.max: 64KiB}\n"
#define MESSAGES_MAX 60000

static atomic_int answers[3]; /* by duet_result */
static int told_fd = -1;      /* of a child: a byte per message that is done */

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    (void)reason;
    atomic_fetch_add(&answers[result], 1);
    if (told_fd >= 0 && result == DUET_RESULT_DONE && write(told_fd, "x", 1) != 1)
        _exit(9);
}

static dt_status produce_one(duet_producer *producer, size_t size, int64_t timeout_ms)
{
    static char bytes[70000];
    duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, timeout_ms, note, NULL);
}

static void produce(duet_producer *producer, int count, size_t size)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(produce_one(producer, size, 0), DT_OK);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

static void start(struct pair *pair, enum duet_step step, const char *settings)
{
    pair_route(", journal: intent");
    pair_start(pair, 1, step, settings);
}

static int wanted;

static bool has_done(void *context)
{
    (void)context;
    return atomic_load(&answers[DUET_RESULT_DONE]) >= wanted;
}

static void wait_done(int count)
{
    wanted = count;
    assert_true(pair_wait(has_done, NULL));
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

/* A log: how many different numbers; the first copies ascend, as the numbers of one boot do. */
static size_t read_log(struct pair *pair, enum duet_side side, uint64_t *distinct)
{
    static uint64_t all[MESSAGES_MAX];
    size_t stored = pair_log(pair, side, 0, all, MESSAGES_MAX), count = 0;

    for (size_t i = 0; i < stored; i++) {
        bool known = false;

        if (count == 0 || all[i] > distinct[count - 1]) {
            distinct[count++] = all[i];
            continue;
        }
        for (size_t k = count; k-- > 0 && !known;)
            known = distinct[k] == all[i];
        if (!known)
            fail_msg("%s: number %llu stands behind %llu", duet_side_name(side),
                     (unsigned long long)all[i], (unsigned long long)distinct[count - 1]);
    }
    return count;
}

static size_t need_equal_logs(struct pair *pair)
{
    static uint64_t kafka[MESSAGES_MAX], rocketmq[MESSAGES_MAX];
    size_t count = read_log(pair, DUET_KAFKA, kafka);

    assert_int_equal(read_log(pair, DUET_ROCKETMQ, rocketmq), count);
    assert_memory_equal(kafka, rocketmq, count * sizeof(kafka[0]));
    return count;
}

static void set_down(struct pair *pair, enum duet_side side, bool down)
{
    if (side == DUET_KAFKA)
        duet_kafka_mock_set_down(pair->kafka, down);
    else if (down)
        rmq_mock_down(pair->rocketmq);
    else
        assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
}

/* ---- without a kill ---- */

static void every_message_goes_through_the_journal_to_both(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    for (int primary = 0; primary < DUET_SIDES; primary++) {
        start(&pair, primary == DUET_KAFKA ? DUET_STEP_DUAL_WRITE : DUET_STEP_SWITCHED, "");
        producer = open_producer(&pair);
        produce(producer, 500, 100);
        assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
        duet_producer_close(producer);
        assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 500);
        assert_int_equal(need_equal_logs(&pair), 500);
        producer = open_producer(&pair); /* and nothing is left */
        assert_int_equal(duet_producer_flush(producer, 100), DT_OK);
        duet_producer_close(producer);
        pair_stop(&pair);
    }
}

/* Copies that memory has no room for are let go of and read back. */
static void outage_of_secondary(enum duet_step step, enum duet_side secondary)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;

    start(&pair, step, SMALL);
    set_down(&pair, secondary, true);
    producer = open_producer(&pair);
    produce(producer, 600, 1000);
    wait_done(600); /* by the primary */
    duet_producer_statistics(producer, &stats);
    assert_true(stats.journal > 500);
    assert_int_equal(stats.dropped, 0);
    set_down(&pair, secondary, false);
    produce(producer, 100, 1000);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(need_equal_logs(&pair), 700);
    pair_stop(&pair);
}

static void an_outage_of_the_secondary_is_bridged(void **state)
{
    (void)state;
    outage_of_secondary(DUET_STEP_DUAL_WRITE, DUET_ROCKETMQ);
    outage_of_secondary(DUET_STEP_SWITCHED, DUET_KAFKA);
}

static void a_live_side_that_is_not_the_primary_is_not_waited_for(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    start(&pair, DUET_STEP_DUAL_READ, "");
    pair_plan(&pair, DUET_STEP_SWITCHING, DUET_ROCKETMQ,
              1u << DUET_KAFKA | 1u << DUET_ROCKETMQ);
    set_down(&pair, DUET_ROCKETMQ, true);
    producer = open_producer(&pair);
    produce(producer, 20, 100);
    wait_done(20); /* Kafka and the journal have it */
    set_down(&pair, DUET_ROCKETMQ, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(need_equal_logs(&pair), 20);
    pair_stop(&pair);
}

static void a_dead_primary_is_taken_over_from(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    start(&pair, DUET_STEP_DUAL_READ, "");
    producer = open_producer(&pair);
    produce(producer, 20, 100);
    wait_done(20);
    set_down(&pair, DUET_KAFKA, true);
    produce(producer, 30, 100);
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
    produce(producer, 30, 100);
    wait_done(80);
    set_down(&pair, DUET_KAFKA, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(need_equal_logs(&pair), 80);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 5000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_CANCELLED), 0);
    pair_stop(&pair);
}

/* ---- whose trouble a full journal is ---- */

static void full_journal(unsigned critical, dt_status last)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    static uint64_t sequences[MESSAGES_MAX];
    dt_status status = DT_OK;
    int count = 0;

    start(&pair, DUET_STEP_DUAL_READ,
          "producer: {memory.max: 64KiB, journal.max: 10MiB}\n");
    pair_plan(&pair, DUET_STEP_DUAL_READ, DUET_KAFKA, critical);
    set_down(&pair, DUET_ROCKETMQ, true);
    producer = open_producer(&pair);
    while (count < 400 && status == DT_OK) {
        status = produce_one(producer, 40000, 2000);
        count += status == DT_OK;
    }
    assert_int_equal(status, last);
    wait_done(count);
    duet_producer_statistics(producer, &stats);
    if (last == DT_OK)
        assert_true(stats.dropped > 100);
    else
        assert_int_equal(stats.dropped, 0);
    set_down(&pair, DUET_ROCKETMQ, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    duet_producer_close(producer);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), stats.dropped);
    assert_int_equal(read_log(&pair, DUET_ROCKETMQ, sequences) + (size_t)stats.dropped,
                     (size_t)count);
    pair_stop(&pair);
}

static void
a_full_journal_drops_where_nobody_is_live_and_blocks_where_somebody_is(void **state)
{
    (void)state;
    full_journal(1u << DUET_KAFKA, DT_OK);
    full_journal(1u << DUET_KAFKA | 1u << DUET_ROCKETMQ, DT_ETIMEDOUT);
}

static void a_state_dir_in_memory_is_refused_with_a_sentence(void **state)
{
    struct pair pair;
    duet_producer *producer = NULL;
    char settings[256], command[128];

    (void)state;
    snprintf(settings, sizeof(settings), "state_dir: /dev/shm/duet-intent-%d\n",
             (int)getpid());
    start(&pair, DUET_STEP_DUAL_WRITE, settings);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "producer.journal.volatile"));
    pair_stop(&pair);
    strcat(settings, "producer: {journal.volatile: true}\n");
    start(&pair, DUET_STEP_DUAL_WRITE, settings);
    producer = open_producer(&pair);
    produce(producer, 1, 10);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    pair_stop(&pair);
    snprintf(command, sizeof(command), "rm -rf /dev/shm/duet-intent-%d", (int)getpid());
    assert_int_equal(system(command), 0);
}

/* ---- kill ---- */

/* A child of its own: librdkafka's threads do not survive a fork. */
static pid_t start_child(struct pair *pair, int *told)
{
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        char fd[16];

        snprintf(fd, sizeof(fd), "%d", ends[1]);
        execl("/proc/self/exe", "test_intent", "--produce", pair->config_path, fd,
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(ends[1]);
    *told = ends[0];
    return pid;
}

static int produce_for_ever(const char *config_path, int fd)
{
    duet_producer *producer;

    told_fd = fd;
    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    for (;;)
        if (produce_one(producer, 200, 0) != DT_OK)
            return 3;
}

/* Kills the child once so many messages are done. Returns how many were. */
static int kill_child_at(struct pair *pair, int done)
{
    char bytes[4096];
    int told, count = 0, status;
    pid_t pid = start_child(pair, &told);
    ssize_t got = 1;

    while (got > 0 && count < done)
        count += (int)(got = read(told, bytes, sizeof(bytes)));
    assert_true(got > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while ((got = read(told, bytes, sizeof(bytes))) > 0)
        count += (int)got;
    close(told);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return count;
}

static void a_killed_producer_leaves_nothing_half_done(void **state)
{
    static const int points[] = {1, 37, 400, 2500};

    (void)state;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct pair pair;
        duet_producer *producer;
        size_t count;
        int done;

        start(&pair, i % 2 == 0 ? DUET_STEP_DUAL_WRITE : DUET_STEP_SWITCHED, "");
        done = kill_child_at(&pair, points[i]);
        producer = open_producer(&pair);
        assert_int_equal(duet_producer_flush(producer, 60000), DT_OK);
        duet_producer_close(producer);
        count = need_equal_logs(&pair);
        print_message("%d done, %zu on both sides, %lld cancelled\n", done, count,
                      (long long)ledger_total(&pair, DUET_LEDGER_CANCELLED));
        assert_true(count >= (size_t)done);
        assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), 0);
        pair_stop(&pair);
    }
}

/* With the primary unreadable after the restart nothing is guessed. */
static void while_the_primary_cannot_be_read_its_lane_waits(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    static uint64_t before[MESSAGES_MAX], after[MESSAGES_MAX];
    size_t count;
    int done;

    (void)state;
    start(&pair, DUET_STEP_DUAL_WRITE, "");
    set_down(&pair, DUET_ROCKETMQ, true);
    done = kill_child_at(&pair, 200);
    set_down(&pair, DUET_KAFKA, true);
    set_down(&pair, DUET_ROCKETMQ, false);
    count = pair_log(&pair, DUET_ROCKETMQ, 0, before, MESSAGES_MAX);
    producer = open_producer(&pair);
    /* long enough for it to be asked more than once */
    assert_int_equal(duet_producer_flush(producer, 6000), DT_ETIMEDOUT);
    duet_producer_statistics(producer, &stats);
    assert_true(stats.journal > 0);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_CANCELLED), 0);
    set_down(&pair, DUET_KAFKA, false);
    assert_int_equal(duet_producer_flush(producer, 60000), DT_OK);
    duet_producer_close(producer);
    assert_true(pair_log(&pair, DUET_ROCKETMQ, 0, after, MESSAGES_MAX) >= count);
    assert_true(need_equal_logs(&pair) >= (size_t)done);
    pair_stop(&pair);
}

/* Kafka never has them: they are cancelled and listed, and the other side never sees them. */
static void what_no_log_has_is_cancelled_and_listed(void **state)
{
    struct pair pair;
    duet_producer *producer;
    int told, status;
    pid_t pid;
    static uint64_t sequences[MESSAGES_MAX];
    struct duet_ledger_entry *entries;
    size_t count;

    (void)state;
    start(&pair, DUET_STEP_DUAL_WRITE, "");
    set_down(&pair, DUET_KAFKA, true);
    pid = start_child(&pair, &told);
    { /* until the journal has some */
        char command[320];

        snprintf(
            command, sizeof(command),
            "for i in $(seq 300); do [ \"$(cat %s/state/p1/journal/*.seg 2>/dev/null | "
            "tr -d '\\0' | head -c 20000 | wc -c)\" -gt 10000 ] && exit 0; sleep 0.1; "
            "done; exit 1",
            pair.folder);
        assert_int_equal(system(command), 0);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(told);
    set_down(&pair, DUET_KAFKA, false);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 60000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(pair_log(&pair, DUET_KAFKA, 0, sequences, MESSAGES_MAX), 0);
    assert_int_equal(pair_log(&pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX), 0);
    assert_int_equal(duet_store_ledger(pair.store, &entries, &count), DT_OK);
    assert_true(count > 0);
    assert_int_equal(entries[0].kind, DUET_LEDGER_CANCELLED);
    assert_int_equal(entries[0].id.sequence, 0);
    assert_true(entries[0].sequence_to > 10);
    free(entries);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_goes_through_the_journal_to_both),
        cmocka_unit_test(an_outage_of_the_secondary_is_bridged),
        cmocka_unit_test(a_live_side_that_is_not_the_primary_is_not_waited_for),
        cmocka_unit_test(a_dead_primary_is_taken_over_from),
        cmocka_unit_test(
            a_full_journal_drops_where_nobody_is_live_and_blocks_where_somebody_is),
        cmocka_unit_test(a_state_dir_in_memory_is_refused_with_a_sentence),
        cmocka_unit_test(a_killed_producer_leaves_nothing_half_done),
        cmocka_unit_test(while_the_primary_cannot_be_read_its_lane_waits),
        cmocka_unit_test(what_no_log_has_is_cancelled_and_listed),
    };

    if (argc == 4 && strcmp(argv[1], "--produce") == 0)
        return produce_for_ever(argv[2], atoi(argv[3]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
