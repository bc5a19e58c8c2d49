#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmqperf/perf.h"

static const char help[] =
    "rmq-perf produce|consume --namesrv A --topic T [options]\n"
    "\n"
    "Sends messages to RocketMQ, or receives them, and says what each cost: user and "
    "system\n"
    "time of this process per message, messages per second, latency.\n"
    "\n"
    "  --namesrv A       name servers, host:port;host:port\n"
    "  --topic T         the topic; produce makes it, with 8 queues, if it is missing\n"
    "  --group G         consume: as a member of this group, which shares the queues, "
    "begins where\n"
    "                    it has committed, else at the first message, and commits; without "
    "it: all\n"
    "                    queues from their first message on. produce: the producer's "
    "group\n"
    "                    (rmq-perf)\n"
    "  --count N         messages that are measured (100000); consume ends after them\n"
    "  --warmup N        messages before them that are not (0)\n"
    "  --threads N       that send or receive (1)\n"
    "  --stub            against an in-memory broker, whose CPU is not counted; no "
    "--namesrv\n"
    "  --json            one JSON object on stdout, also for errors\n"
    "produce:\n"
    "  --mode M          async (default), sync: one message a thread at a time, batch: one "
    "explicit\n"
    "                    batch a thread at a time\n"
    "  --size B          bytes of a body (128)\n"
    "  --inflight N      async: messages that are not answered yet (512)\n"
    "  --batch N         messages of an explicit batch (32); consume --group: of one call "
    "of the\n"
    "                    handler\n"
    "  --no-auto-batch   async: one request for each message, in no order, as the Java "
    "client does\n"
    "  --rate PER_S      messages per second on a schedule fixed in advance; latency then "
    "counts\n"
    "                    from the time at which a message was due. Without it as fast as "
    "it goes\n"
    "\n"
    "Latency is from handing over to the answer; of a batch, that of all of its messages. "
    "Without\n"
    "--rate async measures it of every 16th message, as reading the clock costs, too.\n"
    "\n"
    "Exit: 0 fine, 1 errors or messages in doubt, 2 wrong usage, 3 not reachable, 4 cut "
    "short by a\n"
    "signal, 5 internal error.\n";

const char *perf_help(void)
{
    return help;
}

static int wrong(char *error, size_t size, const char *format, ...) DT_PRINTF(3, 4);

static int wrong(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return PERF_USAGE;
}

/* Where the number of an option goes, and what it may be. */
static int64_t *number_of(struct perf_options *options, int key, int64_t *min, int64_t *max)
{
    *min = 1;
    *max = INT64_C(1000000000000);
    switch (key) {
    case 's':
        *max = 4 << 20;
        return &options->size;
    case 'n':
        return &options->count;
    case 'T':
        *max = PERF_THREADS_MAX;
        return &options->threads;
    case 'i':
        *max = 10000000;
        return &options->inflight;
    case 'b':
        *max = 4096;
        return &options->batch;
    case 'r':
        *max = 100000000;
        return &options->rate;
    case 'w':
        *min = 0;
        return &options->warmup;
    default:
        return NULL;
    }
}

static bool read_mode(const char *text, enum perf_mode *mode)
{
    static const char *const names[] = {"sync", "async", "batch"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            *mode = (enum perf_mode)i;
            return true;
        }
    return false;
}

static int read_option(struct perf_options *options, int key, const char *name, char *error,
                       size_t size)
{
    int64_t min, max, *number = number_of(options, key, &min, &max);
    char *end;

    if (number != NULL) {
        errno = 0;
        *number = strtoll(optarg, &end, 10);
        if (errno != 0 || end == optarg || *end != '\0' || *number < min || *number > max)
            return wrong(error, size, "--%s '%.40s': a number from %lld to %lld", name,
                         optarg, (long long)min, (long long)max);
        return PERF_OK;
    }
    switch (key) {
    case 'a':
        options->namesrv = optarg;
        break;
    case 't':
        options->topic = optarg;
        break;
    case 'g':
        options->group = optarg;
        break;
    case 'N':
        options->no_auto_batch = true;
        break;
    case 'S':
        options->stub = true;
        break;
    case 'j':
        options->json = true;
        break;
    default:
        if (!read_mode(optarg, &options->mode))
            return wrong(error, size, "--mode '%.40s': sync, async or batch", optarg);
    }
    return PERF_OK;
}

static int check(const struct perf_options *options, char *error, size_t size)
{
    if (options->topic == NULL)
        return wrong(error, size, "--topic is missing");
    if (options->namesrv == NULL && !options->stub)
        return wrong(error, size, "--namesrv is missing (or --stub)");
    if (options->mode == PERF_BATCH && options->batch * (options->size + 512) > 4 << 20)
        return wrong(error, size,
                     "--batch %lld of --size %lld: over 4 MiB, which brokers refuse",
                     (long long)options->batch, (long long)options->size);
    if (options->consume && options->group != NULL && options->batch > PERF_CALL_MAX)
        return wrong(error, size, "--batch %lld: consume --group takes 1 to %d",
                     (long long)options->batch, PERF_CALL_MAX);
    return PERF_OK;
}

int perf_options_read(int argc, char **argv, struct perf_options *options, bool *wants_help,
                      char *error, size_t error_size)
{
    static const struct option known[] = {
        {"namesrv", required_argument, NULL, 'a'},
        {"topic", required_argument, NULL, 't'},
        {"group", required_argument, NULL, 'g'},
        {"mode", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},
        {"threads", required_argument, NULL, 'T'},
        {"inflight", required_argument, NULL, 'i'},
        {"batch", required_argument, NULL, 'b'},
        {"no-auto-batch", no_argument, NULL, 'N'},
        {"rate", required_argument, NULL, 'r'},
        {"warmup", required_argument, NULL, 'w'},
        {"stub", no_argument, NULL, 'S'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int key, at = 0, code;

    *options = (struct perf_options){.mode = PERF_ASYNC,
                                     .size = 128,
                                     .count = 100000,
                                     .threads = 1,
                                     .inflight = 512,
                                     .batch = 32};
    *wants_help = false;
    for (int i = 1; i < argc; i++) /* an error before it is one of JSON, too */
        options->json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    while ((key = getopt_long(argc, argv, ":", known, &at)) != -1) {
        if (key == 'h') {
            *wants_help = true;
            return PERF_OK;
        }
        if (key == '?' || key == ':')
            return wrong(error, error_size, "%.60s: %s", argv[optind - 1],
                         key == '?' ? "no such option" : "its value is missing");
        code = read_option(options, key, known[at].name, error, error_size);
        if (code != PERF_OK)
            return code;
    }
    if (optind + 1 != argc ||
        (strcmp(argv[optind], "produce") != 0 && strcmp(argv[optind], "consume") != 0))
        return wrong(error, error_size, "say one of: produce, consume");
    options->consume = argv[optind][0] == 'c';
    return check(options, error, error_size);
}
