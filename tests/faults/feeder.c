/*
 * feeder - an application whose memory of what it was told outlives it.
 *
 *   feeder --config F --name N --results FILE --count C [--first I] [--rate PER_S] [--threads T]
 *          [--keys K] [--size BYTES] [--timeout MS] [--flush MS] [--seed S] [--poison]
 *          [--sizes A,B,...] [--insist] [--without RULE[,RULE]] [--linger]
 *
 * Sends messages I .. I + C - 1; message n has the value "NAME:n:" and filling, and a key that one
 * thread alone uses. What became of each is written into FILE, a mapping: it is there after a
 * kill -9, and whoever watches may read it at any time. FILE is made anew (see struct results).
 *
 *   --poison    keys, values and headers are random bytes, null, empty, repeated, too many
 *   --sizes     values of these sizes in turn
 *   --insist    what is in doubt is sent again as a new message: what an application must not do
 *   --without   takes a rule of the protocol away (dual/rules.h), to see what it prevents
 *   --linger    after the flush it stays open until SIGTERM
 *
 * Exit: 0 sent and flushed, 1 the flush did not end in time, 2 usage, 3 the producer did not open.
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dual/rules.h"
#include "duet/duet.h"
#include "support/random.h"

enum { THREADS_MAX = 16, SIZES_MAX = 32, VALUE_MAX = 8 << 20, STATS = 16, HEADERS_MAX = 8 };

/* States of a message; DONE and later are what the callback said. */
enum { NEVER, CALLING, ACCEPTED, DONE, NOT_DONE, IN_DOUBT, UNACCEPTED };

struct result {
    int64_t begun_us, ended_us; /* monotonic: the call, the callback (or the refusal) */
    _Atomic int32_t state;
    int32_t code; /* of duet_produce(), where it did not accept */
};

struct results { /* the file */
    _Atomic int64_t stats[STATS];
    struct result of[];
};

/* stats[]; judge.py has the same list */
enum {
    PRODUCED,
    SPILLED,
    REPLAYED,
    DROPPED,
    REFUSED,
    WAITS,
    PENDING,
    JOURNAL,
    JOURNAL_BYTES,
    PLAN,
    MOVING,
    CLOCK_STEPS,
    OPENED,
    SENT,
    FLUSHED,
    INSISTED
};

static struct options {
    const char *config, *name, *results;
    int64_t count, first, timeout_ms, flush_ms;
    double rate;
    int threads, keys;
    size_t size, sizes[SIZES_MAX];
    int size_count;
    uint64_t seed;
    bool poison, insist, linger;
} options = {.threads = 1, .keys = 16, .size = 100, .flush_ms = 60000};

static struct results *results;
static duet_producer *producer;
static _Atomic int64_t insisted; /* in doubt, to be sent again */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ------------------------------------------------------------------ messages */

static void answered(void *opaque, duet_result result, const char *reason)
{
    struct result *of = opaque;

    of->ended_us = now_us(CLOCK_MONOTONIC);
    if (result == DUET_RESULT_IN_DOUBT && options.insist)
        atomic_fetch_add(&insisted, 1);
    atomic_store(&of->state, DONE + (int32_t)result);
    if (result != DUET_RESULT_DONE && of == results->of + options.first)
        fprintf(stderr, "the first: %s\n", reason);
}

struct poison {
    duet_message_header headers[HEADERS_MAX];
    char names[HEADERS_MAX][24];
    uint8_t bytes[HEADERS_MAX][64];
    uint8_t key[32];
};

/* Whatever Kafka takes. The message stays known by the beginning of its value, or by its key where
 * the value is null or empty. */
static void make_poison(duet_message *message, struct poison *poison,
                        struct test_random *random, char *value)
{
    size_t count = test_random_below(random, HEADERS_MAX + 1);

    test_random_fill(random, poison->key, sizeof(poison->key));
    if (test_random_once_in(random, 8)) {
        message->key = value;
        message->key_size = message->value_size;
        message->value = test_random_once_in(random, 2) ? NULL : value;
        message->value_size = 0;
    } else if (test_random_once_in(random, 3)) {
        message->key = poison->key;
        message->key_size = test_random_below(random, sizeof(poison->key));
    }
    for (size_t i = 0; i < count; i++) {
        static const char *const known[] = {
            "KEYS", "TAGS", "DELAY",    "DUET_X", "a.b",      "a b", "WAIT",
            "",     "x",    "UNIQ_KEY", "PGROUP", "\xc3\xa4", "x"};
        size_t size = test_random_below(random, sizeof(poison->bytes[i]));

        snprintf(poison->names[i], sizeof(poison->names[i]), "%s",
                 known[test_random_below(random, sizeof(known) / sizeof(known[0]))]);
        test_random_fill(random, poison->bytes[i], sizeof(poison->bytes[i]));
        poison->headers[i].name = poison->names[i];
        poison->headers[i].value = test_random_once_in(random, 4) ? NULL : poison->bytes[i];
        poison->headers[i].size = poison->headers[i].value == NULL ? 0 : size;
    }
    message->headers = poison->headers;
    message->header_count = count;
    if (test_random_once_in(random, 40)) { /* more than RocketMQ's properties hold */
        size_t size = 40000;

        memset(value + 1000, 'p', size);
        poison->headers[0].name = "large";
        poison->headers[0].value = value + 1000;
        poison->headers[0].size = size;
        message->header_count = count == 0 ? 1 : count;
    } else if (message->value_size > 0) {
        test_random_fill(random, (uint8_t *)value + message->value_size, 40);
        message->value_size += 40;
    }
}

struct feed {
    int thread;
    char *value;
};

static void send_one(const struct feed *feed, int64_t n, struct test_random *random)
{
    struct result *of = results->of + n;
    struct poison poison;
    char key[32];
    duet_message message = {.event_time_ms = -1};
    dt_status status;

    message.value = feed->value;
    message.value_size =
        (size_t)snprintf(feed->value, 200, "%s:%lld:", options.name, (long long)n);
    if (options.poison) {
        make_poison(&message, &poison, random, feed->value);
    } else {
        size_t size =
            options.size_count > 0 ? options.sizes[n % options.size_count] : options.size;

        snprintf(key, sizeof(key), "k%d-%lld", feed->thread,
                 (long long)(n / options.threads % options.keys));
        message.key = key;
        message.key_size = strlen(key);
        if (size > message.value_size) {
            memset(feed->value + message.value_size, 'v', size - message.value_size);
            message.value_size = size;
        }
    }
    of->begun_us = now_us(CLOCK_MONOTONIC);
    atomic_store(&of->state, CALLING);
    status = duet_produce(producer, &message, options.timeout_ms, answered, of);
    if (status == DT_OK) {
        int32_t calling = CALLING;

        /* the callback may have been first */
        atomic_compare_exchange_strong(&of->state, &calling, ACCEPTED);
    } else {
        of->ended_us = now_us(CLOCK_MONOTONIC);
        of->code = (int32_t)status;
        atomic_store(&of->state, UNACCEPTED);
    }
}

static void *feed_some(void *context)
{
    struct feed *feed = context;
    struct test_random random = {options.seed + (uint64_t)feed->thread};
    int64_t start_us = now_us(CLOCK_MONOTONIC);

    for (int64_t i = feed->thread; i < options.count && !stopped; i += options.threads) {
        if (options.rate > 0) {
            int64_t due_us = start_us + (int64_t)((double)i * 1e6 / options.rate), left_us;

            /* not until a moment: libfaketime would give it the offset of the wall clock */
            while (!stopped && (left_us = due_us - now_us(CLOCK_MONOTONIC)) > 0) {
                const struct timespec pause = {left_us / 1000000, left_us % 1000000 * 1000};

                clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
            }
        }
        send_one(feed, options.first + i, &random);
    }
    return NULL;
}

/* ------------------------------------------------------------------ what is watched */

/* Once in some milliseconds: statistics into the file, steps of the wall clock counted. */
static void *watch(void *context)
{
    atomic_bool *ended = context;
    int64_t ahead_us = now_us(CLOCK_REALTIME) - now_us(CLOCK_MONOTONIC);

    for (bool last = false; !last;) {
        const struct timespec pause = {0, 5000000};
        duet_producer_stats stats;
        int64_t ahead_now_us;

        last = atomic_load(ended);
        duet_producer_statistics(producer, &stats);
        atomic_store(&results->stats[PRODUCED], stats.produced);
        atomic_store(&results->stats[SPILLED], stats.spilled);
        atomic_store(&results->stats[REPLAYED], stats.replayed);
        atomic_store(&results->stats[DROPPED], stats.dropped);
        atomic_store(&results->stats[REFUSED], stats.refused);
        atomic_store(&results->stats[WAITS], stats.waits);
        atomic_store(&results->stats[PENDING], stats.pending);
        atomic_store(&results->stats[JOURNAL], stats.journal);
        atomic_store(&results->stats[JOURNAL_BYTES], stats.journal_bytes);
        atomic_store(&results->stats[PLAN], stats.plan_version);
        atomic_store(&results->stats[MOVING], stats.moving);
        ahead_now_us = now_us(CLOCK_REALTIME) - now_us(CLOCK_MONOTONIC);
        if (llabs(ahead_now_us - ahead_us) > 60000000)
            atomic_fetch_add(&results->stats[CLOCK_STEPS], 1);
        ahead_us = ahead_now_us;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return NULL;
}

/* What was in doubt, under new ids: at the end of the file, where nobody counts them as issued. */
static void insist(struct feed *feed)
{
    struct test_random random = {options.seed};

    for (int64_t n = options.first; n < options.first + options.count; n++)
        if (atomic_load(&results->of[n].state) == IN_DOUBT) {
            send_one(feed, n, &random);
            atomic_fetch_add(&results->stats[INSISTED], 1);
        }
}

static bool map_results(void)
{
    size_t size =
        sizeof(*results) + (size_t)(options.first + options.count) * sizeof(struct result);
    int fd = open(options.results, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        perror(options.results);
        return false;
    }
    results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return results != MAP_FAILED;
}

static int run(void)
{
    struct feed feeds[THREADS_MAX];
    pthread_t threads[THREADS_MAX], watcher;
    atomic_bool ended = false;
    dt_status status = duet_producer_open(options.config, options.name, &producer);

    if (status != DT_OK) {
        fprintf(stderr, "feeder: %s\n", dt_error_text());
        return 3;
    }
    pthread_create(&watcher, NULL, watch, &ended);
    atomic_store(&results->stats[OPENED], 1);
    for (int i = 0; i < options.threads; i++) {
        feeds[i] = (struct feed){i, malloc(VALUE_MAX)};
        if (feeds[i].value == NULL)
            return 3;
        pthread_create(&threads[i], NULL, feed_some, &feeds[i]);
    }
    for (int i = 0; i < options.threads; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&results->stats[SENT], 1);
    status = duet_producer_flush(producer, options.flush_ms);
    if (atomic_load(&insisted) > 0) {
        insist(&feeds[0]);
        status = duet_producer_flush(producer, options.flush_ms);
    }
    if (status != DT_OK)
        fprintf(stderr, "feeder: %s\n", dt_error_text());
    atomic_store(&results->stats[FLUSHED], status == DT_OK);
    while (options.linger && !stopped)
        pause();
    atomic_store(&ended, true);
    pthread_join(watcher, NULL);
    duet_producer_close(producer);
    for (int i = 0; i < options.threads; i++)
        free(feeds[i].value);
    return status == DT_OK ? 0 : 1;
}

/* ------------------------------------------------------------------ options */

static bool parse_rules(char *text)
{
    static const struct {
        const char *name;
        enum duet_rule rule;
    } rules[] = {{"FIFO", DUET_RULE_FIFO},
                 {"LANE", DUET_RULE_LANE},
                 {"PEND", DUET_RULE_PEND},
                 {"LINK", DUET_RULE_LINK}};
    unsigned without = 0;

    for (char *rest = text, *word; (word = strtok_r(rest, ",", &rest)) != NULL;) {
        size_t i = 0;

        while (i < sizeof(rules) / sizeof(rules[0]) && strcmp(rules[i].name, word) != 0)
            i++;
        if (i == sizeof(rules) / sizeof(rules[0]))
            return false;
        without |= (unsigned)rules[i].rule;
    }
    duet_rules_without(without);
    return true;
}

static bool parse_sizes(char *text)
{
    for (char *rest = text, *word; (word = strtok_r(rest, ",", &rest)) != NULL;) {
        size_t size = strtoul(word, NULL, 10);

        if (options.size_count == SIZES_MAX || size > VALUE_MAX)
            return false;
        options.sizes[options.size_count++] = size;
    }
    return options.size_count > 0;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"name", required_argument, NULL, 'n'},
        {"results", required_argument, NULL, 'r'},
        {"count", required_argument, NULL, 'C'},
        {"first", required_argument, NULL, 'f'},
        {"rate", required_argument, NULL, 'R'},
        {"threads", required_argument, NULL, 't'},
        {"keys", required_argument, NULL, 'k'},
        {"size", required_argument, NULL, 's'},
        {"timeout", required_argument, NULL, 'T'},
        {"flush", required_argument, NULL, 'F'},
        {"seed", required_argument, NULL, 'S'},
        {"poison", no_argument, NULL, 'p'},
        {"sizes", required_argument, NULL, 'z'},
        {"insist", no_argument, NULL, 'i'},
        {"without", required_argument, NULL, 'w'},
        {"linger", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct sigaction action = {.sa_handler = on_signal};
    bool good = true;
    int option;

    while (good && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.config = optarg;
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'r':
            options.results = optarg;
            break;
        case 'C':
            options.count = atoll(optarg);
            break;
        case 'f':
            options.first = atoll(optarg);
            break;
        case 'R':
            options.rate = atof(optarg);
            break;
        case 't':
            options.threads = atoi(optarg);
            break;
        case 'k':
            options.keys = atoi(optarg);
            break;
        case 's':
            options.size = strtoul(optarg, NULL, 10);
            break;
        case 'T':
            options.timeout_ms = atoll(optarg);
            break;
        case 'F':
            options.flush_ms = atoll(optarg);
            break;
        case 'S':
            options.seed = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            options.poison = true;
            break;
        case 'z':
            good = parse_sizes(optarg);
            break;
        case 'i':
            options.insist = true;
            break;
        case 'w':
            good = parse_rules(optarg);
            break;
        case 'l':
            options.linger = true;
            break;
        default:
            good = false;
        }
    }
    if (!good || optind != argc || !options.config || !options.name || !options.results ||
        options.count < 0 || options.threads < 1 || options.threads > THREADS_MAX ||
        options.keys < 1 || options.size > VALUE_MAX / 2) {
        fprintf(stderr, "feeder: wrong usage, see the head of feeder.c\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    return map_results() ? run() : 2;
}
