/*
 * Links, end to end: what a producer gives up is told by its next record, on both copies, over
 * closes and kills; and the roles that read it miss nothing without a reason.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "dual/rules.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define CRITICAL_BOTH ((1u << DUET_KAFKA) | (1u << DUET_ROCKETMQ))
#define NO_JOURNAL    "producer: {memory.max: 64KiB, journal.max: 0}\n"
#define NO_HOLD       "consumer: {hold.ms: 0}\n"

static dt_status produce_value(duet_producer *producer, const char *value, size_t size)
{
    duet_message message = {.topic = PAIR_TOPIC, .value = value, .value_size = size};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, NULL, NULL);
}

static dt_status produce(duet_producer *producer, int count, size_t size)
{
    static char bytes[70000];
    dt_status status = DT_OK;

    for (int i = 0; status == DT_OK && i < count; i++)
        status = produce_value(producer, bytes, size);
    return status;
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

struct reached {
    duet_producer *producer;
    int64_t done, given_up;
    duet_producer_stats stats;
};

static bool is_reached(void *context)
{
    struct reached *reached = context;

    duet_producer_statistics(reached->producer, &reached->stats);
    return reached->stats.done >= reached->done &&
           reached->stats.dropped + reached->stats.refused + reached->stats.not_done >=
               reached->given_up;
}

static duet_producer_stats wait_stats(duet_producer *producer, int64_t done,
                                      int64_t given_up)
{
    struct reached reached = {producer, done, given_up, {0}};

    assert_true(pair_wait(is_reached, &reached));
    return reached.stats;
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

/* ---- what the logs tell ---- */

struct log { /* of one side */
    struct duet_idset ids;
    struct duet_idset told[DUET_LINK_KINDS]; /* by links of its records */
    struct pair *pair;
    int64_t links, records;
    struct duet_stamp last;
    bool last_linked;
};

static void note_record(void *context, const struct duet_read_record *record)
{
    struct log *log = context;
    struct duet_link link;
    bool added;

    assert_int_equal(record->verdict, DUET_STAMP_OK);
    assert_int_equal(duet_idset_add(&log->ids, &record->stamp.id, 1, &added), DT_OK);
    log->records++;
    log->last = record->stamp;
    log->last_linked = record->link.data != NULL;
    if (record->link.data == NULL)
        return;
    log->links++;
    assert_int_equal(duet_link_decode(&link, record->link, &log->pair->keys.stamp,
                                      PAIR_TOPIC, &record->stamp.id),
                     DUET_LINK_OK);
    for (size_t i = 0; i < link.count; i++) {
        const struct duet_link_entry *entry = &link.entries[i];
        struct duet_id id = {.instance = entry->instance, .boot = entry->boot};

        assert_int_equal(
            duet_idset_close(&log->told[entry->kind], &id, entry->from, entry->to), DT_OK);
    }
}

static struct log read_log(struct pair *pair, enum duet_side side)
{
    struct log log = {.pair = pair};

    pair_each(pair, side, 0, note_record, &log);
    return log;
}

static void log_fini(struct log *log)
{
    duet_idset_fini(&log->ids);
    for (int i = 0; i < DUET_LINK_KINDS; i++)
        duet_idset_fini(&log->told[i]);
}

static void count_numbers(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                          struct duet_interval numbers)
{
    uint64_t *count = context;

    (void)kind, (void)instance, (void)boot;
    *count += numbers.to - numbers.from;
}

/* How many of `a` are not in `b`. */
static uint64_t difference(const struct duet_idset *a, const struct duet_idset *b)
{
    uint64_t count = 0;

    duet_idset_difference(a, b, count_numbers, &count);
    return count;
}

/* Each number that only one log has is told of, by the other log's records, and nothing else. */
static void need_told(struct pair *pair, enum duet_side with, enum duet_side without,
                      int64_t expected)
{
    struct log full = read_log(pair, with), lacking = read_log(pair, without);
    int kind = without == DUET_KAFKA ? DUET_LINK_ABSENT_KAFKA : DUET_LINK_ABSENT_ROCKETMQ;

    assert_int_equal(difference(&full.ids, &lacking.ids), expected);
    assert_int_equal(difference(&lacking.told[kind], &lacking.ids), expected);
    assert_int_equal(duet_idset_size(&lacking.told[kind]), expected);
    /* and the side that has them tells the same */
    assert_int_equal(duet_idset_size(&full.told[kind]), expected);
    log_fini(&full);
    log_fini(&lacking);
}

/* ---- the producer ---- */

static void dropped_numbers_are_told_by_the_next_record_on_both_sides(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, NO_JOURNAL);
    producer = open_producer(&pair);
    rmq_mock_down(pair.rocketmq);
    assert_int_equal(produce(producer, 500, 1000), DT_OK);
    stats = wait_stats(producer, 500, 300);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    assert_int_equal(produce(producer, 1, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    assert_int_equal(produce(producer, 10, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_told(&pair, DUET_KAFKA, DUET_ROCKETMQ, stats.dropped);
    {
        struct log kafka = read_log(&pair, DUET_KAFKA);

        assert_false(kafka.last_linked); /* told once it was, no more */
        log_fini(&kafka);
    }
    pair_stop(&pair);
}

static void the_first_record_of_a_boot_tells_where_the_one_before_ended(void **state)
{
    struct pair pair;
    struct log log;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    for (int boot = 0; boot < 3; boot++) {
        duet_producer *producer = open_producer(&pair);

        if (boot != 1) /* a boot that fixes nothing is not told of */
            assert_int_equal(produce(producer, 5, 10), DT_OK);
        assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
        duet_producer_close(producer);
    }
    for (int side = 0; side < DUET_SIDES; side++) {
        log = read_log(&pair, (enum duet_side)side);
        assert_int_equal(log.records, 10);
        assert_int_equal(log.links, 1);
        assert_int_equal(log.told[DUET_LINK_ENDED].count, 1);
        assert_int_equal(log.told[DUET_LINK_ENDED].entries[0].end, 5);
        assert_int_equal(log.told[DUET_LINK_ENDED].entries[0].boot, log.last.id.boot - 2);
        log_fini(&log);
    }
    pair_stop(&pair);
}

/* A copy that waits in the journal keeps its link there. */
static void a_link_goes_through_the_journal(void **state)
{
    struct pair pair;
    duet_producer *producer;
    struct log log;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    producer = open_producer(&pair);
    assert_int_equal(produce(producer, 3, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    rmq_mock_down(pair.rocketmq);
    producer = open_producer(&pair);
    assert_int_equal(produce(producer, 1, 10), DT_OK);
    wait_stats(producer, 1, 0);
    duet_producer_close(producer);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    log = read_log(&pair, DUET_ROCKETMQ);
    assert_int_equal(log.records, 4);
    assert_int_equal(log.links, 1);
    assert_int_equal(log.told[DUET_LINK_ENDED].entries[0].end, 3);
    log_fini(&log);
    pair_stop(&pair);
}

/* A live primary that refuses a record: its number is void, on no side. */
static void a_cancelled_number_is_void(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
    producer = open_producer(&pair);
    assert_int_equal(produce(producer, 3, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    rmq_mock_error(pair.rocketmq, 0, 13 /* message illegal */, 1);
    assert_int_equal(produce(producer, 1, 10), DT_OK);
    wait_stats(producer, 3, 1);
    assert_int_equal(produce(producer, 2, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    for (int side = 0; side < DUET_SIDES; side++) {
        struct log log = read_log(&pair, (enum duet_side)side);

        assert_int_equal(log.records, 5);
        assert_int_equal(duet_idset_size(&log.told[DUET_LINK_VOID]), 1);
        assert_int_equal(difference(&log.told[DUET_LINK_VOID], &log.ids), 1);
        log_fini(&log);
    }
    pair_stop(&pair);
}

/* ---- kill ---- */

static pid_t start_child(const struct pair *pair, int count, int told[2])
{
    pid_t pid;

    assert_int_equal(pipe(told), 0);
    pid = fork();
    if (pid == 0) {
        char text[32];

        snprintf(text, sizeof(text), "%d", count);
        dup2(told[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_link", "--produce", pair->config_path, text,
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(told[1]);
    return pid;
}

/* The child: says how many it dropped once Kafka has all, then waits to be killed. */
static int produce_and_wait(const char *config_path, int count)
{
    struct reached reached = {.done = count};

    if (duet_producer_open(config_path, "p1", &reached.producer) != DT_OK)
        return 2;
    if (produce(reached.producer, count, 1000) != DT_OK)
        return 3;
    if (!pair_wait(is_reached, &reached))
        return 4;
    if (write(STDOUT_FILENO, &reached.stats.dropped, sizeof(reached.stats.dropped)) < 0)
        return 5;
    for (;;)
        pause();
}

static int64_t kill_after(const struct pair *pair, int count)
{
    int64_t dropped = -1;
    int told[2], status;
    pid_t pid = start_child(pair, count, told);

    assert_int_equal(read(told[0], &dropped, sizeof(dropped)), sizeof(dropped));
    close(told[0]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return dropped;
}

static void a_killed_producer_is_told_of_by_its_next_boot(void **state)
{
    struct pair pair;
    duet_producer *producer;
    struct log kafka, rocketmq;
    int64_t dropped;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, NO_JOURNAL);
    rmq_mock_down(pair.rocketmq);
    dropped = kill_after(&pair, 500);
    assert_true(dropped > 300);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    producer = open_producer(&pair);
    assert_int_equal(produce(producer, 1, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    kafka = read_log(&pair, DUET_KAFKA);
    rocketmq = read_log(&pair, DUET_ROCKETMQ);
    assert_int_equal(kafka.records, 501);
    assert_int_equal(rocketmq.records, 1); /* the rest was in memory alone, or dropped */
    assert_int_equal(rocketmq.told[DUET_LINK_ENDED].count, 1);
    /* exact: what the kill took from memory is no given-up number, and shows as missing */
    assert_int_equal(rocketmq.told[DUET_LINK_ENDED].entries[0].end, 500);
    assert_int_equal(duet_idset_size(&rocketmq.told[DUET_LINK_ABSENT_ROCKETMQ]), dropped);
    assert_true(dropped < 500);
    log_fini(&kafka);
    log_fini(&rocketmq);
    pair_stop(&pair);
}

/* ---- with roles that read ---- */

static const char *const schema[] = {"create table if not exists done(value text)", NULL};

static dt_status handle(duet_delivery *delivery, void *state)
{
    size_t size;
    const void *value = duet_delivery_value(delivery, &size);
    duet_value values[1] = {duet_text_n(value, size)};

    (void)state;
    return duet_exec(delivery, "insert into done(value) values ($1)", values, 1, NULL);
}

struct running {
    duet_consumer *consumer;
    pthread_t thread;
    dt_status status;
};

static void *run_consumer(void *context)
{
    struct running *running = context;

    running->status = duet_consumer_run(running->consumer, 0);
    return NULL;
}

static void start_consumer(struct running *running, struct pair *pair)
{
    duet_consumer_config config = {.config_path = pair->config_path,
                                   .group = PAIR_GROUP,
                                   .name = "c1",
                                   .sink = pair->sink,
                                   .schema = schema,
                                   .handler = handle};

    assert_int_equal(duet_consumer_open(&config, &running->consumer), DT_OK);
    assert_int_equal(pthread_create(&running->thread, NULL, run_consumer, running), 0);
}

static void stop_consumer(struct running *running)
{
    duet_consumer_stop(running->consumer);
    pthread_join(running->thread, NULL);
    duet_consumer_close(running->consumer);
    assert_int_equal(running->status, DT_OK);
}

struct expectation {
    struct pair *pair;
    enum duet_role role;
    int64_t rows;
    int64_t gaps; /* -1: as they are */
};

static bool holds(void *context)
{
    const struct expectation *e = context;

    return pair_number(e->pair->sink, e->role, "select count(*) from done") == e->rows &&
           (e->gaps < 0 || ledger_total(e->pair, DUET_LEDGER_GAP) == e->gaps);
}

static void wait_rows(struct pair *pair, enum duet_role role, int64_t rows, int64_t gaps)
{
    struct expectation e = {pair, role, rows, gaps};

    if (!pair_wait(holds, &e))
        fail_msg("%s: %lld rows of %lld, %lld gaps of %lld", duet_role_name(role),
                 (long long)pair_number(pair->sink, role, "select count(*) from done"),
                 (long long)rows, (long long)ledger_total(pair, DUET_LEDGER_GAP),
                 (long long)gaps);
}

/* Writes the copies that `lacking` has not, each under its own stamp, twice. */
static void repair(struct pair *pair, enum duet_side with, enum duet_side lacking)
{
    struct log full = read_log(pair, with), log = read_log(pair, lacking);

    for (size_t i = 0; i < full.ids.count; i++)
        for (uint64_t n = 0; n < full.ids.entries[i].end; n++) {
            struct duet_id id = {.instance = full.ids.entries[i].instance,
                                 .boot = full.ids.entries[i].boot,
                                 .sequence = n};

            if (!duet_idset_has(&full.ids, &id) || duet_idset_has(&log.ids, &id))
                continue;
            for (int copy = 0; copy < 2; copy++)
                pair_send_linked(pair, lacking, &id, "repaired", NULL, 0);
        }
    log_fini(&full);
    log_fini(&log);
}

/* One side is not critical and away, with no journal at all, while messages flow. */
static void outage(struct pair *pair, duet_producer *producer, enum duet_side away)
{
    if (away == DUET_ROCKETMQ)
        rmq_mock_down(pair->rocketmq);
    else
        duet_kafka_mock_set_down(pair->kafka, true);
    assert_int_equal(produce(producer, 120, 1000), DT_OK);
    wait_stats(producer, 130, 20);
    if (away == DUET_ROCKETMQ)
        assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
    else
        duet_kafka_mock_set_down(pair->kafka, false);
    assert_int_equal(produce(producer, 10, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    assert_int_equal(produce(producer, 10, 10),
                     DT_OK); /* after the last that was dropped */
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
}

static void check_outage(enum duet_step step, enum duet_side live)
{
    enum duet_side away = duet_other_side(live);
    struct pair pair;
    struct running running;
    duet_producer *producer;
    duet_producer_stats stats;

    duet_rules_without(DUET_RULE_FETCH); /* which would bring them from the other side */
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NO_JOURNAL NO_HOLD);
    if (step != DUET_STEP_DUAL_READ)
        pair_plan(&pair, step, live, 1u << live);
    producer = open_producer(&pair);
    start_consumer(&running, &pair);
    assert_int_equal(produce(producer, 10, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    outage(&pair, producer, away);
    stats = wait_stats(producer, 150, 0);
    assert_true(stats.dropped > 20);
    duet_producer_close(producer);
    /* live has all; the shadow lacks what was dropped, and knows why: no gap stays */
    wait_rows(&pair, DUET_LIVE, 150, -1);
    wait_rows(&pair, DUET_SHADOW, 150 - stats.dropped, 0);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), stats.dropped);
    repair(&pair, live, away);
    wait_rows(&pair, DUET_SHADOW, 150, 0);
    stop_consumer(&running);
    assert_int_equal(pair_number(pair.sink, DUET_SHADOW,
                                 "select count(*) from done where value = 'repaired'"),
                     stats.dropped);
    assert_int_equal(pair_number(pair.sink, DUET_LIVE, "select count(*) from done"), 150);
    pair_stop(&pair);
    duet_rules_without(0);
}

/* The same, and nobody repairs: the shadow takes what was dropped from the other side. */
static void check_fetched(enum duet_step step, enum duet_side live)
{
    enum duet_side away = duet_other_side(live);
    struct pair pair;
    struct running running;
    duet_producer *producer;
    duet_producer_stats stats;

    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NO_JOURNAL "consumer: {hold.ms: 300}\n");
    if (step != DUET_STEP_DUAL_READ)
        pair_plan(&pair, step, live, 1u << live);
    producer = open_producer(&pair);
    start_consumer(&running, &pair);
    assert_int_equal(produce(producer, 10, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    outage(&pair, producer, away);
    stats = wait_stats(producer, 150, 0);
    assert_true(stats.dropped > 20);
    duet_producer_close(producer);
    wait_rows(&pair, DUET_LIVE, 150, -1);
    wait_rows(&pair, DUET_SHADOW, 150, 0);
    stop_consumer(&running);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_FETCHED), stats.dropped);
    pair_stop(&pair);
}

static void an_outage_leaves_no_gap_without_a_reason(void **state)
{
    (void)state;
    check_outage(DUET_STEP_DUAL_READ, DUET_KAFKA);
}

static void what_an_outage_dropped_is_fetched(void **state)
{
    (void)state;
    check_fetched(DUET_STEP_DUAL_READ, DUET_KAFKA);
    check_fetched(DUET_STEP_SWITCHED, DUET_ROCKETMQ);
}

static void nor_does_one_with_the_sides_swapped(void **state)
{
    (void)state;
    check_outage(DUET_STEP_SWITCHED, DUET_ROCKETMQ);
}

/* Killed with copies in memory: those are missing on RocketMQ, seen over the restart, and no
 * other number is called missing. */
static void a_kill_shows_exactly_what_it_took(void **state)
{
    struct pair pair;
    struct running running;
    duet_producer *producer;
    int64_t dropped;

    (void)state;
    duet_rules_without(DUET_RULE_FETCH);
    pair_start(&pair, 1, DUET_STEP_DUAL_READ, NO_JOURNAL NO_HOLD);
    start_consumer(&running, &pair);
    rmq_mock_down(pair.rocketmq);
    dropped = kill_after(&pair, 500);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    producer = open_producer(&pair);
    assert_int_equal(produce(producer, 1, 10), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    wait_rows(&pair, DUET_LIVE, 501, -1);
    wait_rows(&pair, DUET_SHADOW, 1, 500 - dropped);
    repair(&pair, DUET_KAFKA, DUET_ROCKETMQ);
    wait_rows(&pair, DUET_SHADOW, 501, 0);
    stop_consumer(&running);
    pair_stop(&pair);
    duet_rules_without(0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropped_numbers_are_told_by_the_next_record_on_both_sides),
        cmocka_unit_test(the_first_record_of_a_boot_tells_where_the_one_before_ended),
        cmocka_unit_test(a_link_goes_through_the_journal),
        cmocka_unit_test(a_cancelled_number_is_void),
        cmocka_unit_test(a_killed_producer_is_told_of_by_its_next_boot),
        cmocka_unit_test(an_outage_leaves_no_gap_without_a_reason),
        cmocka_unit_test(what_an_outage_dropped_is_fetched),
        cmocka_unit_test(nor_does_one_with_the_sides_swapped),
        cmocka_unit_test(a_kill_shows_exactly_what_it_took),
    };

    if (argc == 4 && strcmp(argv[1], "--produce") == 0)
        return produce_and_wait(argv[2], atoi(argv[3]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
