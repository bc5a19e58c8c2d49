/*
 * dual_write - what a message that is written to both sides costs the client, through the SDK.
 *
 *   dual_write --config F --count N [--warmup N] [--size B] [--window N] [--both]
 *
 * The same load as NaiveDualWrite.java: keys, bodies of B bytes, at most `window` messages
 * outstanding. Outstanding are those whose callback has not come; with --both those that are not
 * yet on both sides, which is what the peer's window counts.
 *
 * Prints one JSON object about the N messages after the warm-up: user and system time of the
 * whole process per message, from the first call until every message is on both sides.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "duet/duet.h"

struct load {
    duet_producer *producer;
    size_t size;
    long window;
    bool both;
};

/* The window: callbacks give room, the sender takes it. It sleeps until half is free, as waking
 * for each single message would be measured instead of the product. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t room;
    long outstanding, limit;
    long failed;
} window = {.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER};

static void answered(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    pthread_mutex_lock(&window.lock);
    if (result != DUET_RESULT_DONE && window.failed++ == 0)
        fprintf(stderr, "%s\n", reason);
    if (--window.outstanding == window.limit / 2)
        pthread_cond_signal(&window.room);
    pthread_mutex_unlock(&window.lock);
}

static void take_room(void)
{
    pthread_mutex_lock(&window.lock);
    if (window.outstanding >= window.limit)
        while (window.outstanding > window.limit / 2)
            pthread_cond_wait(&window.room, &window.lock);
    window.outstanding++;
    pthread_mutex_unlock(&window.lock);
}

/* With --both: looks at what is pending each time half a window has been sent. */
static void wait_both(const struct load *load)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    duet_producer_stats stats;

    for (;;) {
        duet_producer_statistics(load->producer, &stats);
        if (stats.pending <= load->window / 2)
            return;
        nanosleep(&moment, NULL);
    }
}

static dt_status run(const struct load *load, long count)
{
    static char body[1 << 20];
    char key[32];
    dt_status status = DT_OK;

    for (long n = 0; n < count && status == DT_OK; n++) {
        if (load->both && n % (load->window / 2) == 0)
            wait_both(load);
        take_room();
        for (int i = 0; i < 8; i++)
            body[i] = (char)('a' + (n >> (4 * i) & 15));
        const int key_size = snprintf(key, sizeof(key), "key-%ld", n % 10000);
        const duet_message message = {.key = key,
                                      .key_size = (size_t)key_size,
                                      .value = body,
                                      .value_size = load->size,
                                      .event_time_ms = -1};
        status = duet_produce(load->producer, &message, 0, answered, NULL);
    }
    return status == DT_OK ? duet_producer_flush(load->producer, -1) : status;
}

static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"count", required_argument, NULL, 'n'},
        {"warmup", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 's'},
        {"window", required_argument, NULL, 'W'},
        {"both", no_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    struct load load = {.size = 128, .window = 512};
    const char *config = NULL;
    long count = 0, warmup = 0;
    int option;
    dt_status status;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 'n':
            count = atol(optarg);
            break;
        case 'w':
            warmup = atol(optarg);
            break;
        case 's':
            load.size = strtoul(optarg, NULL, 10);
            break;
        case 'W':
            load.window = atol(optarg);
            break;
        case 'b':
            load.both = true;
            break;
        default:
            return 2;
        }
    }
    if (!config || count < 1 || load.size < 8 || load.size > 1 << 20 || load.window < 2) {
        fprintf(stderr, "usage: dual_write --config F --count N [--warmup N] [--size B] "
                        "[--window N] [--both]\n");
        return 2;
    }
    window.limit = load.window;
    status = duet_producer_open(config, "bench", &load.producer);
    if (status == DT_OK)
        status = run(&load, warmup);
    const double cpu = cpu_us(), begin = now_s();
    if (status == DT_OK)
        status = run(&load, count);
    const double used = cpu_us() - cpu, seconds = now_s() - begin;
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_text());
    duet_producer_close(load.producer);
    if (status != DT_OK)
        return 1;
    printf("{\"messages\":%ld,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us_per_message\":%.3f,"
           "\"errors\":%ld}\n",
           count, seconds, (double)count / seconds, used / (double)count, window.failed);
    return window.failed == 0 ? 0 : 1;
}
