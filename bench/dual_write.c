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
#include <stdlib.h>

#include "duet/duet.h"
#include "load.h"

struct load {
    duet_producer *producer;
    size_t size;
    bool both;
};

static struct load_window window = LOAD_WINDOW;
static struct load_message message;

static void answered(void *opaque, duet_result result, const char *reason)
{
    (void)opaque;
    if (load_answered(&window, result == DUET_RESULT_DONE))
        fprintf(stderr, "%s\n", reason);
}

/* With --both: looks at what is pending each time half a window has been sent. */
static void wait_both(const struct load *load)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    duet_producer_stats stats;

    for (;;) {
        duet_producer_statistics(load->producer, &stats);
        if (stats.pending <= window.limit / 2)
            return;
        nanosleep(&moment, NULL);
    }
}

static dt_status run(const struct load *load, long count)
{
    dt_status status = DT_OK;

    for (long n = 0; n < count && status == DT_OK; n++) {
        if (load->both && n % (window.limit / 2) == 0)
            wait_both(load);
        load_take_room(&window);
        load_make(&message, n);
        const duet_message sent = {.key = message.key,
                                   .key_size = message.key_size,
                                   .value = message.body,
                                   .value_size = load->size,
                                   .event_time_ms = -1};
        status = duet_produce(load->producer, &sent, 0, answered, NULL);
    }
    return status == DT_OK ? duet_producer_flush(load->producer, -1) : status;
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
    struct load load = {.size = 128};
    const char *config = NULL;
    long count = 0, warmup = 0;
    int option;
    dt_status status;

    window.limit = 512;
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
            window.limit = atol(optarg);
            break;
        case 'b':
            load.both = true;
            break;
        default:
            return 2;
        }
    }
    if (!config || count < 1 || load.size < 8 || load.size > LOAD_SIZE_MAX ||
        window.limit < 2) {
        fprintf(stderr, "usage: dual_write --config F --count N [--warmup N] [--size B] "
                        "[--window N] [--both]\n");
        return 2;
    }
    status = duet_producer_open(config, "bench", &load.producer);
    if (status == DT_OK)
        status = run(&load, warmup);
    const double cpu = load_cpu_us();
    const int64_t begin_us = load_now_us();
    if (status == DT_OK)
        status = run(&load, count);
    const double used = load_cpu_us() - cpu;
    const double seconds = (double)(load_now_us() - begin_us) / 1e6;
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_text());
    duet_producer_close(load.producer);
    if (status != DT_OK)
        return 1;
    printf("{\"messages\":%ld,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us_per_message\":%.3f,"
           "\"errors\":%ld}\n",
           count, seconds, (double)count / seconds, used / (double)count,
           (long)window.failed);
    return window.failed == 0 ? 0 : 1;
}
