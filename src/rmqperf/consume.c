/*
 * consume.c - the receiving half: all queues of the topic, read by polling.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "rmqperf/perf.h"

enum {
    LOOK_MS = 100,     /* how often who waits looks for a signal */
    SILENT_MS = 10000, /* no broker has answered for so long: give up */
};

struct run {
    const struct perf_options *options;
    rmq_pull_consumer *consumer;
    atomic_int_fast64_t received, corrupt;
    struct perf_start start;
    atomic_bool failed;
    pthread_mutex_t mutex; /* of what the first thread that fails says */
    dt_status status;
    char reason[DT_ERROR_MAX];
};

static void fail(struct run *run, dt_status status)
{
    pthread_mutex_lock(&run->mutex);
    if (!atomic_load(&run->failed)) {
        run->status = status;
        snprintf(run->reason, sizeof(run->reason), "%s", dt_error_text());
    }
    atomic_store(&run->failed, true);
    pthread_mutex_unlock(&run->mutex);
}

static void take(struct run *run, const rmq_batch *batch)
{
    int64_t warmup = run->options->warmup;
    int64_t before, corrupt = 0;

    for (size_t i = 0; i < batch->count; i++)
        corrupt += batch->messages[i].corrupt_body;
    if (corrupt > 0)
        atomic_fetch_add(&run->corrupt, corrupt);
    before = atomic_fetch_add(&run->received, (int64_t)batch->count);
    if (before < warmup && before + (int64_t)batch->count >= warmup)
        perf_start_now(&run->start);
}

static void *work(void *context)
{
    struct run *run = context;
    int64_t wanted = run->options->warmup + run->options->count;

    while (atomic_load(&run->received) < wanted && !atomic_load(&perf_is_interrupted) &&
           !atomic_load(&run->failed)) {
        rmq_batch *batch = NULL;
        dt_status status = rmq_pull_consumer_poll(run->consumer, LOOK_MS, &batch);

        if (status == DT_ETIMEDOUT &&
            rmq_pull_consumer_silent_ms(run->consumer) > SILENT_MS)
            fail(run, dt_error_set(DT_EUNREACH, "no broker has answered for %d s",
                                   SILENT_MS / 1000));
        else if (status != DT_OK && status != DT_ETIMEDOUT)
            fail(run, status);
        if (batch != NULL)
            take(run, batch);
        rmq_batch_free(batch);
    }
    return NULL;
}

static dt_status assign(struct run *run, const struct perf_session *session)
{
    dt_status status = DT_OK;

    for (size_t i = 0; i < session->queue_count && status == DT_OK; i++)
        status = rmq_pull_consumer_assign_from(run->consumer, &session->queues[i],
                                               RMQ_START_FIRST, 0, PERF_TIMEOUT_MS, NULL);
    return status;
}

static dt_status run_threads(struct run *run)
{
    pthread_t threads[PERF_THREADS_MAX];
    int64_t started = 0;
    int error = 0;

    while (started < run->options->threads && error == 0) {
        error = pthread_create(&threads[started], NULL, work, run);
        started += error == 0;
    }
    if (error != 0)
        fail(run, dt_error_errno(error, "a thread that receives"));
    for (int64_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (run->status != DT_OK)
        return dt_error_set(run->status, "%s", run->reason);
    return DT_OK;
}

dt_status perf_consume(struct perf_session *session, const struct perf_options *options,
                       struct perf_result *result)
{
    const rmq_pull_consumer_config config = {.topic = options->topic, .group = "rmq-perf"};
    struct run run = {.options = options, .status = DT_OK};
    dt_status status = rmq_pull_consumer_new(session->client, &config, &run.consumer);

    if (status != DT_OK)
        return status;
    pthread_mutex_init(&run.mutex, NULL);
    dt_histogram_init(&result->latency_ns);
    perf_start_now(&run.start);
    status = assign(&run, session);
    if (status == DT_OK)
        status = run_threads(&run);
    perf_stop_now(&run.start, result);
    result->messages = atomic_load(&run.received) - options->warmup;
    if (result->messages < 0)
        result->messages = 0;
    if (result->messages > options->count) /* the last batch had more */
        result->messages = options->count;
    result->errors = atomic_load(&run.corrupt);
    result->in_doubt = 0;
    rmq_pull_consumer_free(run.consumer);
    pthread_mutex_destroy(&run.mutex);
    return status;
}
