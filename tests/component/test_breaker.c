/* a side that is away: one probe a second, no storm; nothing lost or reordered when it is back */
#undef _GNU_SOURCE /* with it connect() takes a union that cannot be declared again */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "duet/duet.h"
#include "rmq/log.h"
#include "support/case.h"
#include "support/pair.h"

enum { PARTITIONS = 16, MESSAGES_MAX = 8192, BUSY = 2, WATCH_MS = 4000 };

/* ---- attempts to connect, of whatever library in this process ---- */

static atomic_int watched_port, attempts;

/* Our own goes before that of libc, for librdkafka's and libuv's calls, too. */
__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *address,
                                                   socklen_t size)
{
    if (address->sa_family == AF_INET &&
        ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port) ==
            atomic_load(&watched_port))
        atomic_fetch_add(&attempts, 1);
    return (int)syscall(SYS_connect, fd, address, size);
}

static void watch(const char *address)
{
    atomic_store(&watched_port, atoi(strrchr(address, ':') + 1));
    atomic_store(&attempts, 0);
}

/* ---- lines of the log ---- */

static atomic_int opened_lines, closed_lines;

static void take_line(void *opaque, int level, const char *line)
{
    (void)opaque;
    (void)level;
    atomic_fetch_add(&opened_lines, strstr(line, "does not answer") != NULL);
    atomic_fetch_add(&closed_lines, strstr(line, "answers again") != NULL);
}

static void take_lines(void)
{
    atomic_store(&opened_lines, 0);
    atomic_store(&closed_lines, 0);
    rmq_log_set(take_line, NULL);
}

/* ---- the producer ---- */

static atomic_int answers[3]; /* by duet_result */

static void note(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    (void)reason;
    atomic_fetch_add(&answers[result], 1);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    for (int i = 0; i < 3; i++)
        atomic_store(&answers[i], 0);
    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

/* Without a key: over all partitions by turns. */
static void produce(duet_producer *producer, int count, int64_t timeout_ms)
{
    static char bytes[100];

    for (int i = 0; i < count; i++) {
        duet_message message = {
            .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};

        message.event_time_ms = -1;
        assert_int_equal(duet_produce(producer, &message, timeout_ms, note, NULL), DT_OK);
    }
}

struct expectation {
    struct pair *pair;
    enum duet_side side;
    const char *state, * or ;
};

/* As every `duet status` sees it. */
static bool has_state(void *context)
{
    struct expectation *e = context;
    struct duet_instance *instances;
    size_t count;
    bool has = false;

    assert_int_equal(duet_store_instances(e->pair->store, &instances, &count), DT_OK);
    for (size_t i = 0; i < count; i++)
        has |= instances[i].role == DUET_PRODUCER &&
               (strcmp(instances[i].breaker[e->side], e->state) == 0 ||
                strcmp(instances[i].breaker[e->side], e->or) == 0);
    free(instances);
    return has;
}

static void wait_open(struct pair *pair, enum duet_side side)
{
    struct expectation e = {pair, side, "open", "probing"};

    assert_true(pair_wait(has_state, &e));
}

static void wait_closed(struct pair *pair, enum duet_side side)
{
    struct expectation e = {pair, side, "closed", "closed"};

    assert_true(pair_wait(has_state, &e));
}

static bool is_done(void *context)
{
    return atomic_load(&answers[DUET_RESULT_DONE]) >= *(int *)context;
}

static void wait_done(int count)
{
    assert_true(pair_wait(is_done, &count));
}

/* Each partition of both logs holds its numbers in order, each once; `again`: second copies may
 * follow, where an answer was lost. */
static void need_logs(struct pair *pair, int count, bool again)
{
    static uint64_t sequences[MESSAGES_MAX];

    for (int side = 0; side < DUET_SIDES; side++) {
        uint64_t all = 0;

        for (int32_t p = 0; p < PARTITIONS; p++) {
            size_t stored =
                pair_log(pair, (enum duet_side)side, p, sequences, MESSAGES_MAX);
            uint64_t next = 0;

            for (size_t i = 0; i < stored; i++) {
                if (sequences[i] == next)
                    next++;
                else if (!again || sequences[i] > next)
                    fail_msg("%s/%d: number %llu stands behind %llu", duet_side_name(side),
                             (int)p, (unsigned long long)sequences[i],
                             (unsigned long long)next);
            }
            all += next;
        }
        assert_int_equal(all, count);
    }
}

static void start(struct pair *pair, enum duet_side primary, const char *settings)
{
    pair_start(pair, PARTITIONS, DUET_STEP_DUAL_WRITE, settings);
    if (primary == DUET_ROCKETMQ)
        pair_plan(pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
}

/* How many more the counter shows after a while with the side still away. */
static int64_t sends_within(struct pair *pair, duet_producer *producer, int64_t ms)
{
    int64_t before = rmq_mock_requests(pair->rocketmq, 0);

    assert_int_equal(duet_producer_flush(producer, ms), DT_ETIMEDOUT);
    return rmq_mock_requests(pair->rocketmq, 0) - before;
}

/* ---- a RocketMQ that is there and takes nothing ---- */

static void busy(enum duet_side primary)
{
    struct pair pair;
    duet_producer *producer;
    int64_t sends;
    int before, count = 16 * PARTITIONS;

    take_lines();
    start(&pair, primary, "");
    producer = open_producer(&pair);
    produce(producer, count, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    wait_closed(&pair, DUET_ROCKETMQ);
    rmq_mock_error(pair.rocketmq, 0, BUSY, INT64_MAX);
    produce(producer, count, 0);
    wait_open(&pair, DUET_ROCKETMQ);
    sends = sends_within(&pair, producer, WATCH_MS);
    /* sixteen lanes that each back off to a second would make 64 */
    assert_in_range(sends, WATCH_MS / 1000 - 3, WATCH_MS / 1000 + 1);
    before = atomic_load(&answers[DUET_RESULT_DONE]);
    produce(producer, count, 0);
    if (primary == DUET_KAFKA)
        wait_done(3 * count); /* not its trouble */
    else
        assert_int_equal(before, count);
    rmq_mock_error(pair.rocketmq, 0, BUSY, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    wait_done(3 * count);
    wait_closed(&pair, DUET_ROCKETMQ);
    duet_producer_close(producer);
    rmq_log_set(NULL, NULL);
    need_logs(&pair, 3 * count, false);
    assert_int_equal(atomic_load(&opened_lines), 1);
    assert_int_equal(atomic_load(&closed_lines), 1);
    pair_stop(&pair);
}

static void a_secondary_that_takes_nothing_is_asked_once_a_second(void **state)
{
    (void)state;
    busy(DUET_KAFKA);
}

static void a_primary_that_takes_nothing_is_asked_once_a_second(void **state)
{
    (void)state;
    busy(DUET_ROCKETMQ);
}

/* ---- a side that nobody can connect to ---- */

static void set_down(struct pair *pair, enum duet_side side, bool down)
{
    if (side == DUET_KAFKA)
        duet_kafka_mock_set_down(pair->kafka, down);
    else if (down)
        rmq_mock_down(pair->rocketmq);
    else
        assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
}

static void away(enum duet_side side, enum duet_side primary)
{
    struct pair pair;
    duet_producer *producer;
    int count = 16 * PARTITIONS;

    start(&pair, primary, "");
    producer = open_producer(&pair);
    produce(producer, count, 0);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    set_down(&pair, side, true);
    produce(producer, count, 0);
    wait_open(&pair, side);
    watch(side == DUET_KAFKA ? duet_kafka_mock_address(pair.kafka)
                             : rmq_mock_broker(pair.rocketmq));
    assert_int_equal(duet_producer_flush(producer, WATCH_MS), DT_ETIMEDOUT);
    print_message("%s as %s: %d attempts in %d s\n", duet_side_name(side),
                  side == primary ? "primary" : "secondary", atomic_load(&attempts),
                  WATCH_MS / 1000);
    /* librdkafka tries both the address that it was told and the broker that it found there,
     * each about once a second */
    assert_in_range(atomic_load(&attempts), 1,
                    side == DUET_KAFKA ? 2 * WATCH_MS / 1000 + 5 : WATCH_MS / 1000 + 1);
    produce(producer, 4 * count, 0);
    if (side != primary)
        wait_done(6 * count);
    set_down(&pair, side, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    wait_done(6 * count);
    duet_producer_close(producer);
    need_logs(&pair, 6 * count, true);
    pair_stop(&pair);
}

static void a_rocketmq_that_is_away_is_tried_once_a_second(void **state)
{
    (void)state;
    away(DUET_ROCKETMQ, DUET_KAFKA);
    away(DUET_ROCKETMQ, DUET_ROCKETMQ);
}

static void a_kafka_that_is_away_is_tried_once_a_second(void **state)
{
    (void)state;
    away(DUET_KAFKA, DUET_KAFKA);
    away(DUET_KAFKA, DUET_ROCKETMQ);
}

/* Within a deadline that is shorter than the outage: in doubt, and then resolved, in order. */
static void what_waits_for_a_probe_is_in_doubt_at_its_deadline(void **state)
{
    struct pair pair;
    duet_producer *producer;
    int64_t totals[DUET_LEDGER_KINDS];

    (void)state;
    start(&pair, DUET_KAFKA, "");
    set_down(&pair, DUET_KAFKA, true);
    producer = open_producer(&pair);
    produce(producer, PARTITIONS, 0);
    wait_open(&pair, DUET_KAFKA);
    produce(producer, 4 * PARTITIONS, 300);
    while (atomic_load(&answers[DUET_RESULT_IN_DOUBT]) < 4 * PARTITIONS)
        assert_int_equal(duet_producer_flush(producer, 20), DT_ETIMEDOUT);
    set_down(&pair, DUET_KAFKA, false);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    need_logs(&pair, 5 * PARTITIONS, false);
    assert_int_equal(duet_store_ledger_totals(pair.store, totals), DT_OK);
    assert_int_equal(totals[DUET_LEDGER_IN_DOUBT], 0);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secondary_that_takes_nothing_is_asked_once_a_second),
        cmocka_unit_test(a_primary_that_takes_nothing_is_asked_once_a_second),
        cmocka_unit_test(a_rocketmq_that_is_away_is_tried_once_a_second),
        cmocka_unit_test(a_kafka_that_is_away_is_tried_once_a_second),
        cmocka_unit_test(what_waits_for_a_probe_is_in_doubt_at_its_deadline),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
