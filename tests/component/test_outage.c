/*
 * A side is away for long while a producer works: whoever waits, what it takes, what is left.
 *
 * The brokers are here, the producer is a process of its own, so that its resident size is what it
 * needs itself. DUET_AWAY_S and DUET_RATE make it longer: `make test-full`.
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
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

enum {
    PARTITIONS = 32,
    VALUE_SIZE = 100,
    BEFORE_MS = 1000,
    AFTER_MS = 2000,
    MEMORY_MIB = 16, /* producer.memory.max */
    MORE_MIB = 32,   /* the most that the process takes beside it */
    MESSAGES_MAX = 1000000
};

#define MEMORY "producer: {memory.max: 16MiB}\n"

static int setting(const char *name, int usual, int sanitized)
{
    const char *text = getenv(name);

    return text != NULL ? atoi(text) : IS_SANITIZED ? sanitized : usual;
}

static int away_ms(void)
{
    return setting("DUET_AWAY_S", 30, 6) * 1000;
}

static int rate(void)
{
    return setting("DUET_RATE", 5000, 1000);
}

/* ---- the producer's process ---- */

static atomic_llong answers[3]; /* by duet_result */
static atomic_llong worst_us;   /* from the call to the callback */

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(void *opaque, duet_result result, const char *reason)
{
    int64_t took_us = now_us() - (int64_t)(intptr_t)opaque;
    long long worst = atomic_load(&worst_us);

    (void)reason;
    while (took_us > worst && !atomic_compare_exchange_weak(&worst_us, &worst, took_us))
        ;
    atomic_fetch_add(&answers[result], 1);
}

/* What it says when it ends. */
struct told {
    long long produced, done, not_done, in_doubt, waits, dropped, call_us, answer_us;
};

/* At an even rate for so long; then everything to each side. */
static int work(const char *config_path, int per_s, int for_ms)
{
    static char bytes[VALUE_SIZE];
    const struct timespec moment = {0, 1000000};
    int64_t begun_us = now_us(), sent = 0, call_us = 0;
    duet_producer *producer;
    duet_producer_stats stats;

    if (duet_producer_open(config_path, "p1", &producer) != DT_OK)
        return 2;
    begun_us = now_us();
    while (now_us() - begun_us < (int64_t)for_ms * 1000) {
        int64_t due = (now_us() - begun_us) * per_s / 1000000;

        for (; sent < due; sent++) {
            duet_message message = {
                .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};
            int64_t before_us = now_us(), took_us;

            message.event_time_ms = -1;
            if (duet_produce(producer, &message, 0, note, (void *)(intptr_t)before_us) !=
                DT_OK)
                return 3;
            took_us = now_us() - before_us;
            call_us = took_us > call_us ? took_us : call_us;
        }
        nanosleep(&moment, NULL);
    }
    if (duet_producer_flush(producer, 300000) != DT_OK)
        return 4;
    duet_producer_statistics(producer, &stats);
    duet_producer_close(producer);
    printf("%lld %lld %lld %lld %lld %lld %lld %lld\n", (long long)stats.produced,
           atomic_load(&answers[0]), atomic_load(&answers[1]), atomic_load(&answers[2]),
           (long long)stats.waits, (long long)stats.dropped, (long long)call_us,
           atomic_load(&worst_us));
    return 0;
}

/* ---- here ---- */

struct child {
    pid_t pid;
    int out;
    int64_t first_kib, most_kib; /* resident */
};

/* A child of its own: librdkafka's threads do not survive a fork. */
static struct child start_child(struct pair *pair, int for_ms)
{
    struct child child = {0};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    child.pid = fork();
    if (child.pid == 0) {
        char per_s[16], ms[16];

        snprintf(per_s, sizeof(per_s), "%d", rate());
        snprintf(ms, sizeof(ms), "%d", for_ms);
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_outage", "--work", pair->config_path, per_s, ms,
              (char *)NULL);
        _exit(127);
    }
    assert_true(child.pid > 0);
    close(ends[1]);
    child.out = ends[0];
    return child;
}

static void look_at(struct child *child)
{
    char path[64], line[256];
    long long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)child->pid);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "VmRSS: %lld", &kib);
    fclose(file);
    if (child->first_kib == 0)
        child->first_kib = kib;
    if (kib > child->most_kib)
        child->most_kib = kib;
}

static void watch(struct child *child, int64_t for_ms)
{
    const struct timespec moment = {0, 50000000};
    int64_t until_ms = dt_clock_ms() + for_ms;

    while (dt_clock_ms() < until_ms) {
        look_at(child);
        nanosleep(&moment, NULL);
    }
}

static struct told end_of(struct child *child)
{
    const struct timespec moment = {0, 50000000};
    struct told told = {0};
    int status = 0;
    FILE *out = fdopen(child->out, "r");

    assert_non_null(out);
    while (waitpid(child->pid, &status, WNOHANG) == 0) {
        look_at(child);
        nanosleep(&moment, NULL);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(fscanf(out, "%lld %lld %lld %lld %lld %lld %lld %lld", &told.produced,
                            &told.done, &told.not_done, &told.in_doubt, &told.waits,
                            &told.dropped, &told.call_us, &told.answer_us),
                     8);
    fclose(out);
    print_message("%lld messages, longest call %lld ms, longest answer %lld ms; resident "
                  "%lld MiB at first, %lld MiB at most\n",
                  told.produced, told.call_us / 1000, told.answer_us / 1000,
                  (long long)child->first_kib / 1024, (long long)child->most_kib / 1024);
    return told;
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

/* Each partition of the side holds its numbers in order; second copies may follow, where an answer
 * was lost. */
static void need_log(struct pair *pair, enum duet_side side, long long count)
{
    static uint64_t sequences[MESSAGES_MAX];
    long long all = 0;

    for (int32_t p = 0; p < PARTITIONS; p++) {
        size_t stored = pair_log(pair, side, p, sequences, MESSAGES_MAX);
        uint64_t next = 0;

        for (size_t i = 0; i < stored; i++) {
            if (sequences[i] == next)
                next++;
            else if (sequences[i] > next)
                fail_msg("%s/%d: number %llu stands behind %llu", duet_side_name(side),
                         (int)p, (unsigned long long)sequences[i],
                         (unsigned long long)next);
        }
        all += (long long)next;
    }
    assert_int_equal(all, count);
}

static void need_all(struct pair *pair, const struct child *child, const struct told *told)
{
    assert_true(told->produced > (long long)rate() * away_ms() / 1000 * 8 / 10);
    assert_int_equal(told->done, told->produced);
    assert_int_equal(told->not_done + told->in_doubt, 0);
    assert_int_equal(told->waits, 0);
    assert_int_equal(told->dropped, 0);
    if (!IS_SANITIZED)
        assert_true(child->most_kib <= (MEMORY_MIB + MORE_MIB) * 1024);
    for (int side = 0; side < DUET_SIDES; side++)
        need_log(pair, (enum duet_side)side, told->produced);
}

static void start(struct pair *pair, enum duet_side primary)
{
    pair_start(pair, PARTITIONS, DUET_STEP_DUAL_WRITE, MEMORY);
    if (primary == DUET_ROCKETMQ)
        pair_plan(pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
}

/* Callbacks come from the primary's acknowledgement, and nobody waits for the other. */
static void secondary_away(enum duet_side secondary)
{
    struct pair pair;
    struct child child;
    struct told told;

    start(&pair, duet_other_side(secondary));
    child = start_child(&pair, BEFORE_MS + away_ms() + AFTER_MS);
    watch(&child, BEFORE_MS);
    set_down(&pair, secondary, true);
    watch(&child, away_ms());
    set_down(&pair, secondary, false);
    told = end_of(&child);
    need_all(&pair, &child, &told);
    assert_true(told.answer_us < 10000000); /* less than the outage by far */
    pair_stop(&pair);
}

static void rocketmq_is_away_and_nobody_waits_for_it(void **state)
{
    (void)state;
    secondary_away(DUET_ROCKETMQ);
}

static void kafka_is_away_and_nobody_waits_for_it(void **state)
{
    (void)state;
    secondary_away(DUET_KAFKA);
}

/* The secondary, the primary, then both, each for a part of the time; the primary's for less than
 * the deadline of a send, and than memory lasts. */
static void each_is_away_in_turn_and_then_both(void **state)
{
    enum { TIMES = 3 };
    static const unsigned sides[TIMES] = {1u << DUET_ROCKETMQ, 1u << DUET_KAFKA,
                                          1u << DUET_KAFKA | 1u << DUET_ROCKETMQ};
    struct pair pair;
    struct child child;
    struct told told;
    int64_t part_ms = away_ms() / 10;

    (void)state;
    part_ms = part_ms > 3000 ? 3000 : part_ms;
    start(&pair, DUET_KAFKA);
    child = start_child(&pair, away_ms());
    watch(&child, BEFORE_MS);
    for (int64_t until_ms = dt_clock_ms() + away_ms() * 7 / 10; dt_clock_ms() < until_ms;)
        for (int i = 0; i < TIMES; i++) {
            for (int side = 0; side < DUET_SIDES; side++)
                if ((sides[i] & (1u << side)) != 0)
                    set_down(&pair, (enum duet_side)side, true);
            watch(&child, part_ms);
            for (int side = 0; side < DUET_SIDES; side++)
                if ((sides[i] & (1u << side)) != 0)
                    set_down(&pair, (enum duet_side)side, false);
            watch(&child, part_ms / 2);
        }
    told = end_of(&child);
    need_all(&pair, &child, &told);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rocketmq_is_away_and_nobody_waits_for_it),
        cmocka_unit_test(kafka_is_away_and_nobody_waits_for_it),
        cmocka_unit_test(each_is_away_in_turn_and_then_both),
    };

    if (argc == 5 && strcmp(argv[1], "--work") == 0)
        return work(argv[2], atoi(argv[3]), atoi(argv[4]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
