/*
 * The journal of a vanished host is taken over: what it owes reaches the side it is owed to, in
 * order and under its own ids, also when whoever does it is killed; and its producer, coming back,
 * sends none of it again.
 */
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

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "dual/adopt.h"
#include "duet/duet.h"
#include "journal/journal.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL        "producer: {memory.max: 64KiB}\n"
#define MESSAGES_MAX 30000

static dt_status produce(duet_producer *producer)
{
    static const char bytes[1000] = "bytes of the message";
    duet_message message = {
        .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, NULL, NULL);
}

/* ---- children: librdkafka's threads do not survive a fork ---- */

static pid_t start_child(struct pair *pair, const char *what, const char *number, int *told)
{
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_adopt", what, pair->config_path, number,
              (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(ends[1]);
    *told = ends[0];
    return pid;
}

static void kill_child(pid_t pid, int told)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(told);
}

/* The child: the producer, which says "x" once the primary has all. */
static int produce_and_wait(const char *config_path, int count)
{
    duet_producer *producer;
    duet_producer_stats stats;

    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    for (int i = 0; i < count; i++)
        if (produce(producer) != DT_OK)
            return 3;
    do {
        usleep(10000);
        duet_producer_statistics(producer, &stats);
    } while (stats.done < count);
    if (write(STDOUT_FILENO, "x", 1) != 1)
        return 4;
    pause();
    return 5;
}

static void journal_dir(const struct pair *pair, char dir[200])
{
    snprintf(dir, 200, "%s/state/p1/journal", pair->folder);
}

static dt_status adopt(struct pair *pair, int64_t patience_ms,
                       struct duet_adopt_result *result)
{
    char dir[200];
    struct duet_adopt_config config = {.config_path = pair->config_path,
                                       .dir = dir,
                                       .reason = "its host is gone",
                                       .patience_ms = patience_ms};

    journal_dir(pair, dir);
    return duet_adopt(&config, result);
}

/* The child that adopts. */
static int adopt_once(const char *config_path)
{
    char dir[300];
    struct duet_adopt_config config = {.config_path = config_path,
                                       .dir = dir,
                                       .reason = "its host is gone",
                                       .patience_ms = 60000};
    struct duet_adopt_result result;
    const char *slash = strrchr(config_path, '/');

    snprintf(dir, sizeof(dir), "%.*s/state/p1/journal", (int)(slash - config_path),
             config_path);
    return duet_adopt(&config, &result) == DT_OK ? 0 : 1;
}

/* ---- what is known after ---- */

/* RocketMQ away, and the producer killed that owes it something. Returns how many there are. */
static int vanish(struct pair *pair, int count)
{
    char text[32], x;
    int told;
    pid_t pid;

    rmq_mock_down(pair->rocketmq);
    snprintf(text, sizeof(text), "%d", count);
    pid = start_child(pair, "--produce", text, &told);
    assert_int_equal(read(told, &x, 1), 1);
    kill_child(pid, told);
    return count;
}

/* The first copies in RocketMQ's log are in order; at most `twice` came again. Returns how many
 * different there are, `first` the lowest. */
static size_t read_log(struct pair *pair, uint64_t *first, size_t twice)
{
    static uint64_t sequences[MESSAGES_MAX];
    size_t stored = pair_log(pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX), count = 0,
           again = 0;
    uint64_t last = 0;

    *first = stored > 0 ? sequences[0] : 0;
    for (size_t i = 0; i < stored; i++) {
        if (i > 0 && sequences[i] <= last) {
            again++;
            continue;
        }
        assert_true(i == 0 || sequences[i] == last + 1);
        last = sequences[i];
        count++;
    }
    assert_true(again <= twice);
    return count;
}

static void need_state(struct pair *pair, enum duet_journal_adoption wanted)
{
    enum duet_journal_adoption state;
    char dir[200];

    journal_dir(pair, dir);
    assert_int_equal(duet_journal_adoption(dir, &state), DT_OK);
    assert_int_equal(state, wanted);
}

static size_t audit_lines(struct pair *pair)
{
    struct duet_audit_line *lines;
    size_t count, found = 0;

    assert_int_equal(duet_store_audit_lines(pair->store, &lines, &count), DT_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(lines[i].command, "journal adopt") == 0) {
            assert_string_equal(lines[i].reason, "its host is gone");
            assert_non_null(strstr(lines[i].detail, "messages owed"));
            found++;
        }
    free(lines);
    return found;
}

/* ---- */

static void what_a_vanished_host_owes_is_sent_and_never_again(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    duet_producer *producer;
    duet_producer_stats stats;
    uint64_t first;
    size_t count;
    char dir[200], command[400];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    vanish(&pair, 1000);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
    /* but for what was in memory alone */
    assert_true(result.messages > 900 && result.sent == result.messages &&
                result.left == 0);
    count = read_log(&pair, &first, 0);
    assert_int_equal(count, result.messages);
    assert_int_equal(first + count, 1000);
    need_state(&pair, DUET_JOURNAL_TAKEN);
    assert_int_equal(audit_lines(&pair), 1);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK); /* and again: nothing to do */
    assert_true(result.was_taken);
    assert_int_equal(audit_lines(&pair), 1);
    /* the host comes back */
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(produce(producer), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_state(&pair, DUET_JOURNAL_OWN); /* a new one; the other is kept beside it */
    journal_dir(&pair, dir);
    snprintf(command, sizeof(command), "test -f %s.taken-*/adopted", dir);
    assert_int_equal(system(command), 0);
    pair_stop(&pair);
}

static void while_its_producer_lives_it_is_refused(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    char x;
    int told;
    pid_t pid;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    rmq_mock_down(pair.rocketmq);
    pid = start_child(&pair, "--produce", "200", &told);
    assert_int_equal(read(told, &x, 1), 1);
    assert_int_equal(adopt(&pair, 1000, &result), DT_ESTATE);
    assert_non_null(strstr(dt_error_text(), "process"));
    need_state(&pair, DUET_JOURNAL_OWN);
    assert_int_equal(audit_lines(&pair), 0);
    kill_child(pid, told);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
    pair_stop(&pair);
}

static void without_the_side_it_gives_up_and_goes_on_later(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    duet_producer *producer = NULL;
    int64_t owed;
    uint64_t first;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    vanish(&pair, 300);
    assert_int_equal(adopt(&pair, 500, &result), DT_ETIMEDOUT);
    owed = result.messages;
    assert_true(owed > 200 && result.left == owed && result.sent == 0);
    need_state(&pair, DUET_JOURNAL_TAKING);
    /* its host comes back in between: what it owes is older than all it may send */
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_EBUSY);
    assert_non_null(strstr(dt_error_text(), "duet journal adopt"));
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
    assert_int_equal(result.messages, owed);
    assert_int_equal(read_log(&pair, &first, 0), owed);
    pair_stop(&pair);
}

static int64_t stored(struct pair *pair)
{
    return rmq_mock_max_offset(pair->rocketmq, PAIR_TOPIC, 0);
}

static void a_kill_at_any_time_loses_and_reorders_nothing(void **state)
{
    static const int64_t points[] = {1, 100, 1500};
    int64_t gone_on_with = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct pair pair;
        struct duet_adopt_result result;
        int64_t until_ms = dt_clock_ms() + 30000;
        uint64_t first;
        size_t count;
        int told;
        pid_t pid;

        pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
        vanish(&pair, 3000);
        assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
        pid = start_child(&pair, "--adopt", "0", &told);
        while (stored(&pair) < points[i])
            assert_true(dt_clock_ms() < until_ms);
        kill_child(pid, told);
        assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
        gone_on_with += result.messages;
        /* what was stored and not yet noted as such came twice, under its id */
        count = read_log(&pair, &first, 3000);
        assert_true(count > 2900);
        assert_int_equal(first + count, 3000);
        need_state(&pair, DUET_JOURNAL_TAKEN);
        pair_stop(&pair);
    }
    assert_true(gone_on_with > 0); /* some were killed in the middle */
}

static bool has_intended(void *context)
{
    struct duet_journal *look;
    struct duet_journal_stats stats;
    char dir[200];

    journal_dir(context, dir);
    if (duet_journal_look(dir, &look) != DT_OK)
        return false;
    duet_journal_stats(look, &stats);
    duet_journal_close(look);
    return stats.messages == 150;
}

static void with_intent_what_no_log_has_is_cancelled(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    struct duet_ledger_entry *entries;
    static uint64_t sequences[MESSAGES_MAX];
    size_t count;
    uint64_t first;
    int told;
    pid_t pid;

    (void)state;
    pair_route(", journal: intent");
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    vanish(&pair, 100); /* Kafka has these */
    duet_kafka_mock_set_down(pair.kafka, true);
    pid = start_child(&pair, "--intend", "50", &told);
    assert_true(pair_wait(has_intended, &pair));
    kill_child(pid, told);
    duet_kafka_mock_set_down(pair.kafka, false);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
    assert_int_equal(result.sent, 100);
    assert_int_equal(result.cancelled, 50);
    assert_int_equal(result.messages, 150);
    assert_int_equal(read_log(&pair, &first, 0), 100);
    assert_int_equal(pair_log(&pair, DUET_KAFKA, 0, sequences, MESSAGES_MAX), 100);
    assert_int_equal(duet_store_ledger(pair.store, &entries, &count), DT_OK);
    assert_true(count > 0 && entries[0].kind == DUET_LEDGER_CANCELLED);
    assert_int_equal(entries[0].sequence_to - entries[0].id.sequence, result.cancelled);
    free(entries);
    pair_stop(&pair);
}

/* The child: puts messages into the journal that Kafka cannot take. */
static int intend_and_wait(const char *config_path, int count)
{
    duet_producer *producer;

    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    for (int i = 0; i < count; i++)
        if (produce(producer) != DT_OK)
            return 3;
    pause();
    return 5;
}

static void what_is_damaged_in_it_is_listed(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    int64_t totals[DUET_LEDGER_KINDS];
    char path[240], dir[200];
    int fd;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    vanish(&pair, 300);
    journal_dir(&pair, dir);
    snprintf(path, sizeof(path), "%s/%016x.seg", dir, 1u);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "damaged!", 8, 100000), 8);
    close(fd);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(adopt(&pair, 30000, &result), DT_OK);
    assert_int_equal(result.isolated, 1);
    assert_int_equal(result.sent, result.messages);
    assert_int_equal(duet_store_ledger_totals(pair.store, totals), DT_OK);
    assert_int_equal(totals[DUET_LEDGER_ISOLATED], 1);
    pair_stop(&pair);
}

static void what_is_no_journal_is_said_and_not_made(void **state)
{
    struct pair pair;
    struct duet_adopt_result result;
    char dir[200];

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
    assert_int_equal(adopt(&pair, 1000, &result), DT_ENOTFOUND);
    journal_dir(&pair, dir);
    assert_int_not_equal(access(dir, F_OK), 0);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_vanished_host_owes_is_sent_and_never_again),
        cmocka_unit_test(while_its_producer_lives_it_is_refused),
        cmocka_unit_test(without_the_side_it_gives_up_and_goes_on_later),
        cmocka_unit_test(a_kill_at_any_time_loses_and_reorders_nothing),
        cmocka_unit_test(with_intent_what_no_log_has_is_cancelled),
        cmocka_unit_test(what_is_damaged_in_it_is_listed),
        cmocka_unit_test(what_is_no_journal_is_said_and_not_made),
    };

    if (argc == 4 && strcmp(argv[1], "--produce") == 0)
        return produce_and_wait(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "--intend") == 0)
        return intend_and_wait(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "--adopt") == 0)
        return adopt_once(argv[2]);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
