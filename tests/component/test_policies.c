/* every cell of the table in docs/dual-write.md: what each trouble costs under each policy */
#include <cJSON.h>
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

#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL "producer: {memory.max: 320KiB}\n"
#define TINY  "producer: {memory.max: 256KiB, journal.max: 10MiB}\n"

enum { MESSAGES_MAX = 8192 };

/* ---- a policy: a column of the table, and a direction ---- */

struct policy {
    bool is_intent, ack_both, critical; /* of the secondary */
    enum duet_side primary;
};

/* What is said of a message that the primary has while the other side has it not. */
static bool waits_for_both(const struct policy *policy)
{
    return policy->ack_both || (policy->critical && !policy->is_intent);
}

/* Each of them, for a primary. */
static void each_policy(enum duet_side primary, bool critical_too,
                        void (*cell)(const struct policy *policy))
{
    for (int i = 0; i < (critical_too ? 8 : 4); i++) {
        const struct policy policy = {.is_intent = (i & 1) != 0,
                                      .ack_both = (i & 2) != 0,
                                      .critical = (i & 4) != 0,
                                      .primary = primary};

        print_message("journal: %s, ack: %s, the other side %s\n",
                      policy.is_intent ? "intent" : "spill",
                      policy.ack_both ? "both" : "primary",
                      policy.critical ? "live" : "not live");
        cell(&policy);
    }
}

static enum duet_side secondary_of(const struct policy *policy)
{
    return duet_other_side(policy->primary);
}

static void start(struct pair *pair, const struct policy *policy, const char *settings)
{
    char route[64];
    unsigned critical = 1u << policy->primary;

    if (policy->critical)
        critical |= 1u << secondary_of(policy);
    snprintf(route, sizeof(route), ", journal: %s, ack: %s",
             policy->is_intent ? "intent" : "spill", policy->ack_both ? "both" : "primary");
    pair_route(route);
    pair_start(pair, 1, DUET_STEP_DUAL_WRITE, settings);
    pair_plan(pair,
              policy->primary == DUET_KAFKA ? DUET_STEP_DUAL_READ : DUET_STEP_SWITCHED,
              policy->primary, critical);
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

/* ---- answers ---- */

static atomic_int answers[3]; /* by duet_result */
static char last_reason[256];
static int told_fd = -1; /* of a child: a byte per message that is done */

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    if (result != DUET_RESULT_DONE)
        snprintf(last_reason, sizeof(last_reason), "%s", reason);
    atomic_fetch_add(&answers[result], 1);
    if (told_fd >= 0 && result == DUET_RESULT_DONE && write(told_fd, "x", 1) != 1)
        _exit(9);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
    last_reason[0] = '\0';
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

static dt_status produce_one(duet_producer *producer, size_t size, int64_t timeout_ms)
{
    static char bytes[1500000];
    duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, timeout_ms, note, NULL);
}

static void produce(duet_producer *producer, int count, int64_t timeout_ms)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(produce_one(producer, 100, timeout_ms), DT_OK);
}

struct wanted {
    duet_result result;
    int count;
};

static bool has_come(void *context)
{
    const struct wanted *wanted = context;

    return atomic_load(&answers[wanted->result]) >= wanted->count;
}

/* All that were answered were answered so. */
static void wait_answers(duet_result result, int count)
{
    struct wanted wanted = {result, count};

    assert_true(pair_wait(has_come, &wanted));
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&answers[i]), i == (int)result ? count : 0);
}

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

static void need_log(struct pair *pair, enum duet_side side, uint64_t count)
{
    static uint64_t sequences[MESSAGES_MAX];

    assert_int_equal(pair_log(pair, side, 0, sequences, MESSAGES_MAX), count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(sequences[i], i);
}

static void need_nothing_listed(struct pair *pair)
{
    static const enum duet_ledger_kind kinds[] = {DUET_LEDGER_DROPPED, DUET_LEDGER_REFUSED,
                                                  DUET_LEDGER_CANCELLED,
                                                  DUET_LEDGER_IN_DOUBT};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        assert_int_equal(ledger_total(pair, kinds[i]), 0);
}

/* ---- the secondary is away, and comes back ---- */

static void secondary_away(const struct policy *policy)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;

    start(&pair, policy, "");
    set_down(&pair, secondary_of(policy), true);
    producer = open_producer(&pair);
    produce(producer, 10, waits_for_both(policy) ? 300 : 0);
    if (waits_for_both(policy)) {
        wait_answers(DUET_RESULT_IN_DOUBT, 10);
        assert_non_null(strstr(last_reason, "has it"));
    } else {
        wait_answers(DUET_RESULT_DONE, 10);
    }
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.waits, 0);
    set_down(&pair, secondary_of(policy), false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    for (int side = 0; side < DUET_SIDES; side++)
        need_log(&pair, (enum duet_side)side, 10);
    need_nothing_listed(&pair);
    pair_stop(&pair);
}

static void rocketmq_is_away_and_not_the_primary(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, true, secondary_away);
}

static void kafka_is_away_and_not_the_primary(void **state)
{
    (void)state;
    each_policy(DUET_ROCKETMQ, true, secondary_away);
}

/* ---- the primary is away ---- */

static void primary_away(const struct policy *policy)
{
    struct pair pair;
    duet_producer *producer;

    start(&pair, policy, "");
    set_down(&pair, policy->primary, true);
    producer = open_producer(&pair);
    produce(producer, 10, 300);
    wait_answers(DUET_RESULT_IN_DOUBT, 10);
    need_log(&pair, secondary_of(policy), 0); /* the primary first */
    set_down(&pair, policy->primary, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    for (int side = 0; side < DUET_SIDES; side++)
        need_log(&pair, (enum duet_side)side, 10);
    need_nothing_listed(&pair);
    pair_stop(&pair);
}

static void the_primary_is_away(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, false, primary_away);
    each_policy(DUET_ROCKETMQ, false, primary_away);
}

/* ---- a record that the secondary can never take ---- */

/* More header bytes than RocketMQ's properties may have; more bytes than Kafka takes. */
static dt_status produce_refused(duet_producer *producer, enum duet_side by)
{
    static char bytes[33000];
    duet_message_header header = {"h", bytes, sizeof(bytes)};
    duet_message message = {.topic = PAIR_TOPIC, .value = "x", .value_size = 1};

    if (by == DUET_KAFKA)
        return produce_one(producer, 1500000, 0);
    message.headers = &header;
    message.header_count = 1;
    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, note, NULL);
}

static void refused(const struct policy *policy)
{
    struct pair pair;
    duet_producer *producer;
    uint64_t sequences[8];

    start(&pair, policy, "");
    producer = open_producer(&pair);
    produce(producer, 1, 0);
    assert_int_equal(produce_refused(producer, secondary_of(policy)),
                     policy->critical ? DT_ETOOBIG : DT_OK);
    produce(producer, 1, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    if (policy->critical) { /* sent to neither, and its number goes to the next */
        assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), 2);
        for (int side = 0; side < DUET_SIDES; side++)
            need_log(&pair, (enum duet_side)side, 2);
        need_nothing_listed(&pair);
    } else {
        assert_int_equal(atomic_load(&answers[DUET_RESULT_DONE]), policy->ack_both ? 2 : 3);
        assert_int_equal(atomic_load(&answers[DUET_RESULT_IN_DOUBT]), policy->ack_both);
        if (policy->ack_both)
            assert_non_null(strstr(last_reason, "has it"));
        need_log(&pair, policy->primary, 3);
        assert_int_equal(pair_log(&pair, secondary_of(policy), 0, sequences, 8), 2);
        assert_int_equal(sequences[0], 0);
        assert_int_equal(sequences[1], 2);
        assert_int_equal(ledger_total(&pair, DUET_LEDGER_REFUSED), 1);
        assert_int_equal(ledger_total(&pair, DUET_LEDGER_IN_DOUBT), 0);
    }
    pair_stop(&pair);
}

static void a_record_is_refused_by_the_secondary(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, true, refused);
    each_policy(DUET_ROCKETMQ, true, refused);
}

/* ---- the journal is full ---- */

static void full(const struct policy *policy)
{
    enum { COUNT = 340, SIZE = 40000, TIMEOUT_MS = 1500 };
    duet_result result = waits_for_both(policy) ? DUET_RESULT_IN_DOUBT : DUET_RESULT_DONE;
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    dt_status status = DT_OK;
    int count = 0;

    start(&pair, policy, TINY);
    set_down(&pair, secondary_of(policy), true);
    producer = open_producer(&pair);
    while (count < COUNT && status == DT_OK) {
        status = produce_one(producer, SIZE, TIMEOUT_MS);
        count += status == DT_OK;
    }
    assert_int_equal(status, policy->critical ? DT_ETIMEDOUT : DT_OK);
    wait_answers(result, count);
    duet_producer_statistics(producer, &stats);
    if (policy->critical)
        assert_int_equal(stats.dropped, 0);
    else
        assert_true(stats.dropped > 20);
    if (!policy->critical)
        assert_int_equal(stats.waits, 0);
    set_down(&pair, secondary_of(policy), false);
    assert_int_equal(duet_producer_flush(producer, 60000), DT_OK);
    duet_producer_statistics(producer, &stats);
    duet_producer_close(producer);
    assert_true(count > 200); /* 10 MiB of them */
    assert_int_equal(stats.secondary_done + stats.dropped, count);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_DROPPED), stats.dropped);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_IN_DOUBT), 0);
    pair_stop(&pair);
}

static void the_journal_for_rocketmq_is_full(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, true, full);
}

static void the_journal_for_kafka_is_full(void **state)
{
    (void)state;
    each_policy(DUET_ROCKETMQ, true, full);
}

/* ---- the producer is killed, and the host may be lost with its disk ---- */

enum { KILLED_COUNT = 300 };

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
        execl("/proc/self/exe", "test_policies", "--produce", pair->config_path, fd,
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(ends[1]);
    *told = ends[0];
    return pid;
}

static int produce_and_wait(const char *config_path, int fd)
{
    duet_producer *producer;

    told_fd = fd;
    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    for (int i = 0; i < KILLED_COUNT; i++)
        if (produce_one(producer, 1000, 0) != DT_OK)
            return 3;
    for (;;)
        pause();
}

struct killed {
    struct pair *pair;
    enum duet_side primary;
};

/* The primary has all, and the control store knows how many there are. */
static bool is_issued(void *context)
{
    static uint64_t sequences[MESSAGES_MAX];
    const struct killed *killed = context;
    struct duet_issue_report *reports;
    size_t count;
    bool is_told;

    assert_int_equal(
        duet_store_issue_reports(killed->pair->store, PAIR_TOPIC, &reports, &count), DT_OK);
    is_told = count == 1 && reports[0].issued_to == KILLED_COUNT;
    free(reports);
    return is_told && pair_log(killed->pair, killed->primary, 0, sequences, MESSAGES_MAX) ==
                          KILLED_COUNT;
}

/* How many the killed producer was told of as done. */
static int kill_producer(struct pair *pair, const struct policy *policy)
{
    struct killed killed = {pair, policy->primary};
    char bytes[KILLED_COUNT];
    int told, done = 0, status;
    pid_t pid = start_child(pair, &told);
    ssize_t got = 1;

    while (!policy->ack_both && got > 0 && done < KILLED_COUNT)
        done += (int)(got = read(told, bytes, sizeof(bytes)));
    assert_true(pair_wait(is_issued, &killed));
    assert_int_equal(kill(pid, SIGKILL), 0);
    while ((got = read(told, bytes, sizeof(bytes))) > 0)
        done += (int)got;
    close(told);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return done;
}

static void crash(const struct policy *policy)
{
    static uint64_t sequences[MESSAGES_MAX];
    struct pair pair;
    duet_producer *producer;
    size_t stored;

    start(&pair, policy, SMALL);
    set_down(&pair, secondary_of(policy), true);
    assert_int_equal(kill_producer(&pair, policy), policy->ack_both ? 0 : KILLED_COUNT);
    set_down(&pair, secondary_of(policy), false);
    producer = open_producer(&pair);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_log(&pair, policy->primary, KILLED_COUNT);
    stored = pair_log(&pair, secondary_of(policy), 0, sequences, MESSAGES_MAX);
    for (size_t i = 0; i < stored;
         i++) /* what is missing is the oldest: it was in memory */
        assert_int_equal(sequences[i], KILLED_COUNT - stored + i);
    if (policy->is_intent)
        assert_int_equal(stored, KILLED_COUNT);
    else /* 160 KiB */
        assert_in_range(stored, KILLED_COUNT - 164, KILLED_COUNT - 1);
    need_nothing_listed(&pair);
    pair_stop(&pair);
}

static void the_producer_crashes_while_rocketmq_is_away(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, false, crash);
}

static void the_producer_crashes_while_kafka_is_away(void **state)
{
    (void)state;
    each_policy(DUET_ROCKETMQ, false, crash);
}

/* What `duet report` says of a side: `field` over all days. */
static int64_t reported(const char *report, enum duet_side side, const char *field)
{
    cJSON *json = cJSON_Parse(report);
    const cJSON *row;
    int64_t sum = 0;

    assert_non_null(json);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(json, "days"))
    {
        const cJSON *of = cJSON_GetObjectItem(row, "side");

        if (cJSON_IsNull(cJSON_GetObjectItem(row, "group")) &&
            strcmp(of->valuestring, duet_side_name(side)) == 0)
            sum += (int64_t)cJSON_GetObjectItem(row, field)->valuedouble;
    }
    cJSON_Delete(json);
    return sum;
}

/* The command's answer; a report that is not equal ends with 1. */
static void run_report(struct pair *pair, char *out, size_t size)
{
    char command[400];
    FILE *pipe;
    size_t got;

    snprintf(command, sizeof(command), "%s/bin/duet report --daily --json --config %s",
             BINARY_DIR, pair->config_path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    assert_int_equal(WEXITSTATUS(pclose(pipe)), 1);
}

static void lost_host(const struct policy *policy)
{
    static char report[1 << 16];
    struct pair pair;
    duet_producer *producer;
    char command[128];

    start(&pair, policy, SMALL);
    set_down(&pair, secondary_of(policy), true);
    assert_int_equal(kill_producer(&pair, policy), policy->ack_both ? 0 : KILLED_COUNT);
    snprintf(command, sizeof(command), "rm -rf %s/state", pair.folder);
    assert_int_equal(system(command), 0);
    set_down(&pair, secondary_of(policy), false);
    producer = open_producer(&pair); /* on another host, under the same name */
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_log(&pair, policy->primary, KILLED_COUNT);
    need_log(&pair, secondary_of(policy), 0);
    run_report(&pair, report, sizeof(report));
    assert_int_equal(reported(report, policy->primary, "stored"), KILLED_COUNT);
    assert_int_equal(reported(report, secondary_of(policy), "stored"), 0);
    assert_int_equal(reported(report, secondary_of(policy), "issued"), KILLED_COUNT);
    pair_stop(&pair);
}

static void the_host_is_lost_while_rocketmq_is_away(void **state)
{
    (void)state;
    each_policy(DUET_KAFKA, false, lost_host);
}

static void the_host_is_lost_while_kafka_is_away(void **state)
{
    (void)state;
    each_policy(DUET_ROCKETMQ, false, lost_host);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rocketmq_is_away_and_not_the_primary),
        cmocka_unit_test(kafka_is_away_and_not_the_primary),
        cmocka_unit_test(the_primary_is_away),
        cmocka_unit_test(a_record_is_refused_by_the_secondary),
        cmocka_unit_test(the_journal_for_rocketmq_is_full),
        cmocka_unit_test(the_journal_for_kafka_is_full),
        cmocka_unit_test(the_producer_crashes_while_rocketmq_is_away),
        cmocka_unit_test(the_producer_crashes_while_kafka_is_away),
        cmocka_unit_test(the_host_is_lost_while_rocketmq_is_away),
        cmocka_unit_test(the_host_is_lost_while_kafka_is_away),
    };

    if (argc == 4 && strcmp(argv[1], "--produce") == 0)
        return produce_and_wait(argv[2], atoi(argv[3]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
