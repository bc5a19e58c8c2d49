/* what was kept for a side goes there beside live traffic: paced, in order, nobody slowed */
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
#include "model/replay_pace.h"
#include "support/case.h"
#include "support/pair.h"

enum {
    PARTITIONS = 4,
    BACKLOG = 20000,
    LIVE_PER_MS = 2,
    LIVE_MAX = 60000,
    MESSAGES_MAX = 60000,
    TURN = 256
};

static atomic_int done, others;

/* Of the live traffic: how long each primary acknowledgement took, in us. */
static struct live {
    duet_producer *producer;
    atomic_bool stop;
    atomic_int sent;
    int64_t sent_us[LIVE_MAX];
    atomic_llong took_us[LIVE_MAX];
    pthread_t thread;
} live;

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* opaque: 1 + the message's place in the live traffic; NULL: of the backlog. */
static void note(void *opaque, duet_result result, const char *reason)
{
    size_t place = (size_t)opaque;

    (void)reason;
    if (place > 0)
        atomic_store(&live.took_us[place - 1], now_us() - live.sent_us[place - 1] + 1);
    atomic_fetch_add(result == DUET_RESULT_DONE ? &done : &others, 1);
}

static dt_status produce(duet_producer *producer, void *opaque)
{
    static char bytes[100];
    duet_message message = {
        .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, note, opaque);
}

static void *run_live(void *context)
{
    const struct timespec moment = {0, 1000000};

    (void)context;
    while (!atomic_load(&live.stop)) {
        for (int i = 0; i < LIVE_PER_MS; i++) {
            int place = atomic_load(&live.sent);

            if (place == LIVE_MAX)
                return NULL;
            live.sent_us[place] = now_us();
            if (produce(live.producer, (void *)(intptr_t)(place + 1)) != DT_OK)
                return NULL;
            atomic_store(&live.sent, place + 1);
        }
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Of the live messages from .. to - 1, which are answered. */
static int64_t median_us(int from, int to)
{
    static int64_t took[LIVE_MAX];

    assert_true(to > from);
    for (int i = from; i < to; i++) {
        took[i] = atomic_load(&live.took_us[i]);
        assert_true(took[i] > 0);
    }
    qsort(took + from, (size_t)(to - from), sizeof(took[0]), by_number);
    return took[from + (to - from) / 2];
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

static bool is_spilled(void *context)
{
    duet_producer_stats stats;

    duet_producer_statistics(context, &stats);
    return stats.done >= BACKLOG;
}

/* Until the journal is empty; how many live messages were sent meanwhile. */
static void watch_replay(duet_producer *producer, int64_t begun_ms)
{
    const struct timespec moment = {0, 20000000};
    duet_producer_stats stats;

    do {
        nanosleep(&moment, NULL);
        duet_producer_statistics(producer, &stats);
        /* the live traffic is less than would raise the floor */
        assert_true(stats.replayed <= (dt_clock_ms() - begun_ms + DUET_REPLAY_BURST_MS) *
                                              DUET_REPLAY_MESSAGES_MIN / 1000 +
                                          2 * TURN);
        assert_true(dt_clock_ms() - begun_ms < 60000);
    } while (stats.journal > 0);
    print_message("%lld read back in %lld ms\n", (long long)stats.replayed,
                  (long long)(dt_clock_ms() - begun_ms));
    assert_true(stats.replayed > BACKLOG * 9 / 10);
}

static void need_logs(struct pair *pair, int count)
{
    static uint64_t sequences[MESSAGES_MAX];

    for (int side = 0; side < DUET_SIDES; side++) {
        size_t all = 0;

        for (int32_t p = 0; p < PARTITIONS; p++) {
            size_t stored =
                pair_log(pair, (enum duet_side)side, p, sequences, MESSAGES_MAX);

            for (size_t i = 0; i < stored; i++)
                assert_int_equal(sequences[i], i);
            all += stored;
        }
        assert_int_equal(all, count);
    }
}

static void beside_live_traffic(enum duet_side secondary)
{
    const struct timespec moment = {0, 20000000};
    struct pair pair;
    duet_producer_stats stats;
    int64_t begun_ms, before_us, beside_us;
    int healthy, replayed;

    pair_start(&pair, PARTITIONS, DUET_STEP_DUAL_WRITE,
               "producer: {memory.max: 256KiB, journal.max: 100MiB}\n");
    if (secondary == DUET_KAFKA)
        pair_plan(&pair, DUET_STEP_SWITCHED, DUET_ROCKETMQ, 1u << DUET_ROCKETMQ);
    memset(&live, 0, sizeof(live));
    atomic_store(&done, 0);
    atomic_store(&others, 0);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &live.producer), DT_OK);
    set_down(&pair, secondary, true);
    for (int i = 0; i < BACKLOG; i++)
        assert_int_equal(produce(live.producer, NULL), DT_OK);
    assert_true(pair_wait(is_spilled, live.producer));
    assert_int_equal(pthread_create(&live.thread, NULL, run_live, NULL), 0);
    /* until the pace has forgotten how fast the backlog came */
    for (int64_t until_ms = dt_clock_ms() + 4000;
         (healthy = atomic_load(&live.sent)) < 1000 || dt_clock_ms() < until_ms;)
        nanosleep(&moment, NULL);
    begun_ms = dt_clock_ms();
    set_down(&pair, secondary, false);
    watch_replay(live.producer, begun_ms);
    replayed = atomic_load(&live.sent);
    atomic_store(&live.stop, true);
    pthread_join(live.thread, NULL);
    assert_int_equal(duet_producer_flush(live.producer, 30000), DT_OK);
    duet_producer_statistics(live.producer, &stats);
    duet_producer_close(live.producer);
    before_us = median_us(0, healthy);
    beside_us = median_us(healthy, replayed);
    print_message("primary acknowledgement: median %lld us, beside the replay %lld us\n",
                  (long long)before_us, (long long)beside_us);
    assert_true(beside_us <= 3 * before_us + 20000);
    assert_int_equal(stats.waits, 0);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(atomic_load(&others), 0);
    assert_int_equal(atomic_load(&done), BACKLOG + atomic_load(&live.sent));
    need_logs(&pair, BACKLOG + atomic_load(&live.sent));
    pair_stop(&pair);
}

static void what_rocketmq_is_owed_is_paced_beside_live_traffic(void **state)
{
    (void)state;
    beside_live_traffic(DUET_ROCKETMQ);
}

static void what_kafka_is_owed_is_paced_beside_live_traffic(void **state)
{
    (void)state;
    beside_live_traffic(DUET_KAFKA);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rocketmq_is_owed_is_paced_beside_live_traffic),
        cmocka_unit_test(what_kafka_is_owed_is_paced_beside_live_traffic),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
