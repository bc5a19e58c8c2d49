/*
 * consume_group.c - the receiving half as a member of a group: queues are shared with the group's
 * other members, the handler is called on the library's threads, offsets are committed.
 */
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmqperf/perf.h"

enum {
    LOOK_MS = 100,     /* how often who waits looks for a signal */
    SILENT_MS = 10000, /* nothing has come for so long: ask whether anybody is there */
    STOP_MS = 5000
};

struct run {
    int64_t warmup, wanted; /* wanted: with the warm-up */
    atomic_int_fast64_t received, corrupt;
    struct perf_start start;
};

/* What comes beyond the wanted number is taken, too: a measurement gives nothing back. */
static rmq_handled handle(void *opaque, rmq_delivery *delivery)
{
    struct run *run = opaque;
    int64_t count = (int64_t)delivery->count, corrupt = 0, before;

    for (size_t i = 0; i < delivery->count; i++)
        corrupt += delivery->messages[i].corrupt_body;
    if (corrupt > 0)
        atomic_fetch_add(&run->corrupt, corrupt);
    before = atomic_fetch_add(&run->received, count);
    if (before < run->warmup && before + count >= run->warmup)
        perf_start_now(&run->start);
    return RMQ_HANDLED;
}

/* A group without messages may wait for ever; one whose brokers are gone may not. */
static dt_status look_around(struct perf_session *session,
                             const struct perf_options *options)
{
    rmq_queue_stats *stats = NULL;
    size_t count;
    dt_status status =
        rmq_topic_stats(session->client, options->topic, &stats, &count, PERF_FIND_MS);

    rmq_free(stats);
    return status;
}

static dt_status wait_for_all(struct run *run, struct perf_session *session,
                              const struct perf_options *options)
{
    static const struct timespec look = {0, LOOK_MS * 1000000L};
    int64_t seen = -1, seen_ms = 0;

    for (;;) {
        int64_t received = atomic_load(&run->received);

        if (received >= run->wanted || atomic_load(&perf_is_interrupted))
            return DT_OK;
        if (received != seen) {
            seen = received;
            seen_ms = dt_clock_ms();
        } else if (dt_clock_ms() - seen_ms > SILENT_MS) {
            dt_status status = look_around(session, options);

            if (status != DT_OK)
                return status;
            seen_ms = dt_clock_ms();
        }
        nanosleep(&look, NULL);
    }
}

dt_status perf_consume_group(struct perf_session *session,
                             const struct perf_options *options, struct perf_result *result)
{
    const rmq_subscription subscription = {.topic = options->topic};
    struct run run = {.warmup = options->warmup,
                      .wanted = options->warmup + options->count};
    const rmq_consumer_config config = {.group = options->group,
                                        .subscriptions = &subscription,
                                        .subscription_count = 1,
                                        .handler = handle,
                                        .opaque = &run,
                                        .start = RMQ_START_FIRST,
                                        .threads = (int32_t)options->threads,
                                        .call_count_max = (int32_t)options->batch};
    rmq_consumer *consumer;
    dt_status status, stopped;

    perf_start_now(&run.start); /* before the first call of the handler */
    status = rmq_consumer_new(session->client, &config, &consumer);
    if (status != DT_OK)
        return status;
    dt_histogram_init(&result->latency_ns);
    status = wait_for_all(&run, session, options);
    perf_stop_now(&run.start, result);
    result->messages = atomic_load(&run.received) - options->warmup;
    if (result->messages < 0)
        result->messages = 0;
    if (result->messages > options->count)
        result->messages = options->count;
    result->errors = atomic_load(&run.corrupt);
    result->in_doubt = 0;
    stopped = rmq_consumer_stop(consumer, STOP_MS);
    rmq_consumer_free(consumer);
    return status != DT_OK ? status : stopped;
}
