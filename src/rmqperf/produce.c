/*
 * produce.c - the sending half: threads that take the next number, send that message, and either
 * wait for it (sync, batch) or for room in the window (async).
 *
 * With a rate each number has a time at which it is due, fixed before the first; a thread sleeps
 * until then, and latency counts from then, also when nothing could be sent at that time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "net/event.h"
#include "rmqperf/perf.h"

enum {
    SAMPLE_EVERY = 16, /* async without a rate: one latency in so many messages */
    LOOK_MS = 100      /* how often who waits looks for a signal */
};

/* The messages that are not answered yet; callbacks give room, senders take it. Who finds it full
 * sleeps until half is free: to be woken for each message would be what is measured. */
struct window {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_int_fast64_t outstanding;
    int64_t limit;
};

struct run {
    struct perf_session *session;
    const struct perf_options *options;
    rmq_producer *producer;
    atomic_int_fast64_t next; /* numbers below are taken */
    int64_t count, begin_ns;
    struct window window;
    atomic_int_fast64_t errors, in_doubt, sent;
    /* async: the network thread records into it, sync: each thread when it ends, under the mutex */
    struct dt_histogram *latency_ns;
};

struct worker {
    pthread_t thread;
    struct run *run;
    char *body; /* room for those of one call */
    rmq_message *messages;
    struct dt_histogram latency_ns;
};

/* ---------------------------------------------------------------- the window */

static void wait_until(struct window *window, int64_t at_most)
{
    pthread_mutex_lock(&window->mutex);
    while (atomic_load(&window->outstanding) > at_most)
        dt_cond_wait(&window->changed, &window->mutex, dt_clock_ms() + LOOK_MS);
    pthread_mutex_unlock(&window->mutex);
}

static void take_room(struct window *window)
{
    if (atomic_fetch_add(&window->outstanding, 1) < window->limit)
        return;
    atomic_fetch_sub(&window->outstanding, 1);
    wait_until(window, window->limit / 2);
    atomic_fetch_add(&window->outstanding, 1);
}

static void give_room(struct window *window)
{
    int64_t left = atomic_fetch_sub(&window->outstanding, 1) - 1;

    if (left != window->limit / 2 && left != 0)
        return;
    pthread_mutex_lock(&window->mutex);
    pthread_cond_broadcast(&window->changed);
    pthread_mutex_unlock(&window->mutex);
}

/* ---------------------------------------------------------------- one message */

/* The first that fails says why. */
static void count_outcome(struct run *run, dt_status status, const char *reason)
{
    if (status == DT_OK)
        return;
    if (atomic_fetch_add(status == DT_EINDOUBT ? &run->in_doubt : &run->errors, 1) == 0)
        fprintf(stderr, "rmq-perf: %s\n", reason);
}

/* When the number is due, or now; sleeps until then. */
static int64_t wait_for_turn(const struct run *run, int64_t number)
{
    int64_t due_ns;
    struct timespec due;

    if (run->options->rate == 0)
        return dt_clock_ns();
    due_ns = run->begin_ns + (int64_t)((double)number * 1e9 / (double)run->options->rate);
    due.tv_sec = due_ns / 1000000000;
    due.tv_nsec = due_ns % 1000000000;
    if (due_ns > dt_clock_ns())
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR &&
               !atomic_load(&perf_is_interrupted))
            ;
    return due_ns;
}

static rmq_message message_of(const struct worker *worker, int64_t number)
{
    const struct perf_options *options = worker->run->options;

    perf_body_fill(worker->body, options->size, number);
    return (rmq_message){
        .topic = options->topic, .body = worker->body, .body_size = (size_t)options->size};
}

static const rmq_queue *queue_of(const struct run *run, int64_t number)
{
    return &run->session->queues[(size_t)number % run->session->queue_count];
}

/* ---------------------------------------------------------------- sync */

static void send_one(struct worker *worker, int64_t number)
{
    struct run *run = worker->run;
    int64_t begin_ns = wait_for_turn(run, number);
    rmq_message message = message_of(worker, number);
    dt_status status;

    status =
        rmq_send(run->producer, queue_of(run, number), &message, PERF_TIMEOUT_MS, NULL);
    count_outcome(run, status, dt_error_text());
    dt_histogram_record(&worker->latency_ns, (uint64_t)(dt_clock_ns() - begin_ns));
}

/* ---------------------------------------------------------------- batch */

/* One request, to one queue, waited for. Batches are numbered by their first message. */
static void send_batch(struct worker *worker, int64_t first, int64_t count)
{
    struct run *run = worker->run;
    const struct perf_options *options = run->options;
    int64_t begin_ns = wait_for_turn(run, first);
    const rmq_target target = {.queue = queue_of(run, first / options->batch)};
    uint64_t took_ns;
    dt_status status;

    for (int64_t i = 0; i < count; i++) {
        char *body = worker->body + i * options->size;

        perf_body_fill(body, options->size, first + i);
        worker->messages[i] = (rmq_message){
            .topic = options->topic, .body = body, .body_size = (size_t)options->size};
    }
    status = rmq_send_batch(run->producer, &target, worker->messages, (size_t)count,
                            PERF_TIMEOUT_MS, NULL);
    took_ns = (uint64_t)(dt_clock_ns() - begin_ns);
    for (int64_t i = 0; i < count; i++) {
        count_outcome(run, status, dt_error_text());
        dt_histogram_record(&worker->latency_ns, took_ns);
    }
}

/* ---------------------------------------------------------------- async */

/* A callback needs the run, of which there is one at a time, and when its message was sent, which
 * fits into the pointer: nothing is allocated for a message. */
static struct run *async_run;

static void on_answered(void *opaque, dt_status status, const char *reason,
                        const rmq_receipt *receipt)
{
    struct run *run = async_run;
    int64_t begin_ns = (int64_t)(intptr_t)opaque; /* 0: this one is not timed */

    (void)receipt;
    count_outcome(run, status, reason);
    if (begin_ns != 0)
        dt_histogram_record(run->latency_ns, (uint64_t)(dt_clock_ns() - begin_ns));
    give_room(&run->window);
}

static void hand_over(struct worker *worker, int64_t number)
{
    struct run *run = worker->run;
    bool is_timed = run->options->rate > 0 || number % SAMPLE_EVERY == 0;
    int64_t begin_ns = is_timed ? wait_for_turn(run, number) : 0;
    const rmq_target target = {.queue = queue_of(run, number),
                               .unordered = run->options->no_auto_batch};
    rmq_message message;
    dt_status status;

    take_room(&run->window);
    message = message_of(worker, number);
    status = rmq_send_to_async(run->producer, &target, &message, PERF_TIMEOUT_MS,
                               on_answered, (void *)(intptr_t)begin_ns);
    if (status == DT_OK)
        return;
    count_outcome(run, status, dt_error_text());
    give_room(&run->window);
}

/* ---------------------------------------------------------------- threads */

static void *work(void *context)
{
    struct worker *worker = context;
    struct run *run = worker->run;
    int64_t step = run->options->mode == PERF_BATCH ? run->options->batch : 1;
    int64_t number;

    while (!atomic_load_explicit(&perf_is_interrupted, memory_order_relaxed) &&
           (number = atomic_fetch_add(&run->next, step)) < run->count) {
        int64_t left = run->count - number;

        if (run->options->mode == PERF_SYNC)
            send_one(worker, number);
        else if (run->options->mode == PERF_ASYNC)
            hand_over(worker, number);
        else
            send_batch(worker, number, left < step ? left : step);
        atomic_fetch_add_explicit(&run->sent, left < step ? left : step,
                                  memory_order_relaxed);
    }
    return NULL;
}

static void free_worker(struct worker *worker)
{
    free(worker->body);
    free(worker->messages);
}

static dt_status start_worker(struct worker *worker, struct run *run)
{
    const struct perf_options *options = run->options;
    size_t count = options->mode == PERF_BATCH ? (size_t)options->batch : 1;
    int error;

    worker->run = run;
    dt_histogram_init(&worker->latency_ns);
    worker->body = malloc(count * (size_t)options->size);
    worker->messages = calloc(count, sizeof(*worker->messages));
    if (worker->body == NULL || worker->messages == NULL) {
        free_worker(worker);
        return dt_error_set(DT_ENOMEM, "no memory for bodies");
    }
    memset(worker->body, 'x', count * (size_t)options->size);
    error = pthread_create(&worker->thread, NULL, work, worker);
    if (error == 0)
        return DT_OK;
    free_worker(worker);
    return dt_error_errno(error, "a thread that sends");
}

/* Sends `count` messages with all threads, and waits for the last answer. */
static dt_status run_workers(struct run *run, int64_t count, struct worker *workers)
{
    dt_status status = DT_OK;
    int64_t started = 0;

    atomic_store(&run->next, 0);
    atomic_store(&run->sent, 0);
    atomic_store(&run->errors, 0);
    atomic_store(&run->in_doubt, 0);
    run->count = count;
    run->begin_ns = dt_clock_ns();
    while (started < run->options->threads && status == DT_OK) {
        status = start_worker(&workers[started], run);
        started += status == DT_OK;
    }
    if (status != DT_OK)
        atomic_store(&run->next, count); /* those that run end */
    for (int64_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        free_worker(&workers[i]);
    }
    wait_until(&run->window, 0);
    for (int64_t i = 0; i < started; i++)
        dt_histogram_merge(run->latency_ns, &workers[i].latency_ns);
    return status;
}

static dt_status run_both(struct run *run, struct worker *workers,
                          struct perf_result *result)
{
    struct perf_start start;
    dt_status status = DT_OK;

    dt_histogram_init(&result->latency_ns);
    if (run->options->warmup > 0)
        status = run_workers(run, run->options->warmup, workers);
    if (status != DT_OK)
        return status;
    dt_histogram_init(&result->latency_ns);
    perf_start_now(&start);
    status = run_workers(run, run->options->count, workers);
    perf_stop_now(&start, result);
    result->messages = atomic_load(&run->sent);
    result->errors = atomic_load(&run->errors);
    result->in_doubt = atomic_load(&run->in_doubt);
    return status;
}

static rmq_producer_config producer_config(const struct perf_options *options)
{
    int64_t waiting = options->inflight;

    if (options->mode == PERF_SYNC)
        waiting = options->threads;
    else if (options->mode == PERF_BATCH)
        waiting = options->threads * options->batch;
    return (rmq_producer_config){
        .group = options->group != NULL ? options->group : "rmq-perf",
        .memory_max = (size_t)waiting * ((size_t)options->size + 1024) + (1u << 20),
        .batch_count_max = options->no_auto_batch || options->mode == PERF_SYNC ? 1 : 0};
}

dt_status perf_produce(struct perf_session *session, const struct perf_options *options,
                       struct perf_result *result)
{
    const rmq_producer_config config = producer_config(options);
    struct worker *workers = calloc((size_t)options->threads, sizeof(*workers));
    struct run run = {.session = session,
                      .options = options,
                      .window.limit = options->inflight,
                      .latency_ns = &result->latency_ns};
    dt_status status;

    if (workers == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %lld threads",
                            (long long)options->threads);
    pthread_mutex_init(&run.window.mutex, NULL);
    dt_cond_init(&run.window.changed);
    async_run = &run;
    status = rmq_producer_new(session->client, &config, &run.producer);
    if (status == DT_OK)
        status = run_both(&run, workers, result);
    rmq_producer_free(run.producer);
    pthread_cond_destroy(&run.window.changed);
    pthread_mutex_destroy(&run.window.mutex);
    free(workers);
    return status;
}
