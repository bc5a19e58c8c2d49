/*
 * rmq_load - sends numbered messages until it is told to stop, while somebody kills the broker.
 *
 *   rmq_load NAMESRV BROKER TOPIC QUEUES RATE        stops at the end of its stdin
 *
 * Each queue has an ordered lane and numbers of its own, from 0. Then it reads every queue and
 * judges: what was reported done is there, what was reported not done is not, and the order of
 * first copies is that of sending. Whenever the broker was away it prints how long the first
 * success took from when its port answered again, and at the end one JSON line. Stands on the
 * public headers alone. Exit: 0 all as reported, 1 not.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rmq/rmq.h"

enum {
    QUEUES_MAX = 16,
    PER_QUEUE_MAX = 4000000,
    DEADLINE_MS = 5000, /* shorter than some outages: all three outcomes come */
    READ_MS = 60000,
    AWAY_MS = 300, /* so long without a success: the broker was away */
    FULL_MS = 20
};

enum { FATE_OPEN, FATE_DONE, FATE_NOT_DONE, FATE_IN_DOUBT };

struct lane {
    rmq_queue queue;
    uint8_t *fates; /* by number */
    int32_t sent;
};

static struct lane lanes[QUEUES_MAX];
static int lane_count;
static atomic_llong done, not_done, in_doubt, last_success_ms, port_up_ms;
static atomic_int outages;
static atomic_llong slowest_ms = -1;
static struct sockaddr_in broker_address;
static atomic_bool is_over;

static int fail(const char *what)
{
    fprintf(stderr, "rmq_load: %s: %s\n", what, dt_error_text());
    return 1;
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---------------------------------------------------------------- sending */

static void on_sent(void *opaque, dt_status status, const char *reason,
                    const rmq_receipt *receipt)
{
    uint8_t *fate = opaque;

    (void)reason;
    (void)receipt;
    if (status == DT_OK) {
        long long now = now_ms(), up = atomic_exchange(&port_up_ms, 0);

        if (up != 0) {
            printf("first success %lld ms after the port answered\n", now - up);
            fflush(stdout);
            if (now - up > slowest_ms)
                slowest_ms = now - up;
            outages++;
        }
        last_success_ms = now;
        *fate = FATE_DONE;
        done++;
    } else if (status == DT_EINDOUBT) {
        *fate = FATE_IN_DOUBT;
        in_doubt++;
    } else {
        *fate = FATE_NOT_DONE;
        not_done++;
    }
}

static bool answers(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_up = fd >= 0 && connect(fd, (const struct sockaddr *)&broker_address,
                                    sizeof(broker_address)) == 0;

    if (fd >= 0)
        close(fd);
    return is_up;
}

/* Notes when the broker's port answers after it did not. */
static void *watch(void *unused)
{
    bool was_up = true;

    (void)unused;
    while (!is_over) {
        bool is_up = answers();

        if (is_up && !was_up)
            port_up_ms = now_ms();
        if (!is_up)
            port_up_ms = 0;
        was_up = is_up;
        poll(NULL, 0, 10);
    }
    return NULL;
}

static bool is_told_to_stop(int wait_ms)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;

    return poll(&in, 1, wait_ms) > 0 && read(0, &byte, 1) <= 0;
}

static dt_status send_one(rmq_producer *producer, const char *topic, struct lane *lane)
{
    char text[128];
    rmq_message message = {.topic = topic, .body = text, .body_size = sizeof(text)};
    dt_status status;

    memset(text, '.', sizeof(text));
    text[snprintf(text, 16, "%d", lane->sent)] = ' ';
    status = rmq_send_async(producer, &lane->queue, &message, DEADLINE_MS, on_sent,
                            &lane->fates[lane->sent]);
    if (status == DT_OK)
        lane->sent++;
    return status;
}

static int load(rmq_producer *producer, const char *topic, long rate)
{
    long long start = now_ms(), count = 0;
    int turn = 0;

    while (lanes[turn].sent < PER_QUEUE_MAX) {
        dt_status status;

        if (count * 1000 / rate > now_ms() - start) {
            if (is_told_to_stop(1))
                break;
            continue;
        }
        status = send_one(producer, topic, &lanes[turn]);
        if (status == DT_ENOMEM) { /* full: the broker is away */
            if (is_told_to_stop(FULL_MS))
                break;
            count = (now_ms() - start) * rate / 1000; /* what was missed is not caught up */
            continue;
        }
        if (status != DT_OK)
            return fail("send");
        turn = (turn + 1) % lane_count;
        count++;
    }
    if (rmq_producer_flush(producer, READ_MS) != DT_OK)
        return fail("flush");
    return 0;
}

/* ---------------------------------------------------------------- judging */

struct verdict {
    long long stored, copies, missing, extra, inversions;
};

static void judge(struct lane *lane, const uint8_t *times, struct verdict *verdict)
{
    for (int32_t i = 0; i < lane->sent; i++) {
        verdict->missing += lane->fates[i] == FATE_DONE && times[i] == 0;
        verdict->extra += lane->fates[i] == FATE_NOT_DONE && times[i] > 0;
        verdict->missing += lane->fates[i] == FATE_OPEN;
        verdict->copies += times[i] > 1;
    }
}

static int read_lane(rmq_client *client, const char *topic, struct lane *lane,
                     struct verdict *verdict)
{
    const rmq_pull_consumer_config config = {.topic = topic, .group = "load-readers"};
    uint8_t *times = calloc((size_t)lane->sent + 1, 1);
    rmq_pull_consumer *consumer = NULL;
    int64_t end = 0, next = 0;
    int32_t newest = -1;
    int code = 0;

    if (times == NULL || rmq_pull_consumer_new(client, &config, &consumer) != DT_OK ||
        rmq_offset_max(client, topic, &lane->queue, READ_MS, &end) != DT_OK ||
        rmq_pull_consumer_assign(consumer, &lane->queue, 0) != DT_OK)
        code = fail("reading");
    while (code == 0 && next < end) {
        rmq_batch *batch;

        if (rmq_pull_consumer_poll(consumer, READ_MS, &batch) != DT_OK) {
            code = fail("poll");
            break;
        }
        for (size_t i = 0; i < batch->count; i++) {
            char text[16] = "";
            int32_t number;

            memcpy(text, batch->messages[i].body, 15);
            number = (int32_t)strtol(text, NULL, 10);
            if (number < 0 || number >= lane->sent) {
                verdict->extra++;
                continue;
            }
            verdict->inversions += times[number] == 0 && number < newest;
            if (times[number] < UINT8_MAX)
                times[number]++;
            newest = number > newest ? number : newest;
            verdict->stored++;
        }
        next = batch->next_offset;
        rmq_batch_free(batch);
    }
    if (code == 0)
        judge(lane, times, verdict);
    rmq_pull_consumer_free(consumer);
    free(times);
    return code;
}

/* ---------------------------------------------------------------- all of it */

static int find_lanes(rmq_client *client, const char *topic, int count)
{
    rmq_queue *queues = NULL;
    size_t queue_count = 0;

    if (rmq_topic_create(client, topic, count, READ_MS) != DT_OK ||
        rmq_topic_write_queues(client, topic, &queues, &queue_count, READ_MS) != DT_OK)
        return fail("topic");
    for (size_t i = 0; i < queue_count && i < QUEUES_MAX; i++, lane_count++) {
        lanes[i].queue = queues[i];
        lanes[i].fates = calloc(PER_QUEUE_MAX, 1);
        if (lanes[i].fates == NULL)
            return fail("memory");
    }
    rmq_free(queues);
    return 0;
}

static int run(rmq_client *client, const char *topic, long rate)
{
    const rmq_producer_config config = {.group = "load", .memory_max = 8u << 20};
    struct verdict verdict = {0};
    rmq_producer *producer = NULL;
    pthread_t watcher;
    int code;

    if (rmq_producer_new(client, &config, &producer) != DT_OK)
        return fail("producer");
    if (pthread_create(&watcher, NULL, watch, NULL) != 0)
        return fail("thread");
    code = load(producer, topic, rate);
    is_over = true;
    pthread_join(watcher, NULL);
    rmq_producer_free(producer);
    for (int i = 0; code == 0 && i < lane_count; i++)
        code = read_lane(client, topic, &lanes[i], &verdict);
    printf("{\"done\":%lld,\"not_done\":%lld,\"in_doubt\":%lld,\"stored\":%lld,\"copies\":%"
           "lld,"
           "\"missing\":%lld,\"extra\":%lld,\"inversions\":%lld,\"outages\":%d,"
           "\"slowest_first_success_ms\":%lld",
           (long long)done, (long long)not_done, (long long)in_doubt, verdict.stored,
           verdict.copies, verdict.missing, verdict.extra, verdict.inversions, (int)outages,
           (long long)slowest_ms);
    return code != 0 || verdict.missing + verdict.extra + verdict.inversions > 0;
}

/* Where the topic's first queue is served: the broker of these tests has one address. */
static int find_broker(const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[64];

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return 1;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    broker_address.sin_family = AF_INET;
    broker_address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return inet_pton(AF_INET, host, &broker_address.sin_addr) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
    rmq_client_config config = {0};
    rmq_client *client = NULL;
    long before, after;
    int code;

    if (argc != 6 || find_broker(argv[2]) != 0) {
        fprintf(stderr, "usage: rmq_load NAMESRV BROKER TOPIC QUEUES RATE\n");
        return 2;
    }
    config.namesrv = argv[1];
    if (rmq_client_new(&config, &client) != DT_OK)
        return fail("client");
    code = find_lanes(client, argv[3], atoi(argv[4]));
    before = resident_kib();
    if (code == 0)
        code = run(client, argv[3], strtol(argv[5], NULL, 10));
    after = resident_kib();
    for (int i = 0; i < lane_count; i++) /* the fates are the test's own memory */
        after -= (lanes[i].sent + 1023) / 1024;
    printf(",\"resident_before_kib\":%ld,\"resident_after_kib\":%ld}\n", before, after);
    rmq_client_free(client);
    for (int i = 0; i < lane_count; i++)
        free(lanes[i].fates);
    return code;
}
