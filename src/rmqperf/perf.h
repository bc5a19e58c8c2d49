/*
 * perf.h - rmq-perf: what sending and receiving cost, over librmq's public interface alone.
 */
#ifndef RMQPERF_PERF_H
#define RMQPERF_PERF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "rmq/rmq.h"

enum {
    PERF_OK = 0,
    PERF_FAILED = 1,      /* a message failed, or is in doubt */
    PERF_USAGE = 2,       /* wrong usage */
    PERF_UNREACHABLE = 3, /* no name server or broker answers */
    PERF_CUT_SHORT = 4,   /* by a signal */
    PERF_INTERNAL = 5,
    PERF_THREADS_MAX = 256,
    PERF_CALL_MAX = 1024,   /* messages of one call of a group's handler */
    PERF_FIND_MS = 5000,    /* to find the topic */
    PERF_TIMEOUT_MS = 10000 /* of a message */
};

enum perf_mode { PERF_SYNC, PERF_ASYNC, PERF_BATCH };

struct perf_options {
    bool consume; /* else produce */
    bool json, stub, no_auto_batch;
    enum perf_mode mode;
    const char *namesrv, *topic;
    const char *group; /* NULL: none was named */
    int64_t size, count, threads, inflight, batch, rate,
        warmup; /* rate 0: as fast as it goes */
};

/* PERF_OK; PERF_USAGE: `error` says why. `wants_help`: print the help, and no more. */
int perf_options_read(int argc, char **argv, struct perf_options *options, bool *wants_help,
                      char *error, size_t error_size);
const char *perf_help(void);

/* What was measured, between the end of the warm-up and the end. */
struct perf_result {
    int64_t messages, errors, in_doubt;
    double seconds, cpu_us;
    struct dt_histogram latency_ns; /* empty: none was measured */
};

/* When the warm-up ended. */
struct perf_start {
    int64_t at_ns;
    double cpu_us;
};

void perf_start_now(struct perf_start *start);
void perf_stop_now(const struct perf_start *start, struct perf_result *result);

/* Set by SIGINT and SIGTERM: end soon. */
extern atomic_bool perf_is_interrupted;

/* A client and the queues of the topic. Freed with perf_session_close(), opened or not. */
struct perf_session {
    rmq_client *client;
    rmq_queue *queues;
    size_t queue_count;
};

dt_status perf_session_open(struct perf_session *session,
                            const struct perf_options *options);
void perf_session_close(struct perf_session *session);

/* DT_OK: it ran, `result` says how it went. Else nothing could be sent or received. */
dt_status perf_produce(struct perf_session *session, const struct perf_options *options,
                       struct perf_result *result);
/* All queues of the topic from their first message on, by polling. */
dt_status perf_consume(struct perf_session *session, const struct perf_options *options,
                       struct perf_result *result);
/* As a member of options->group. */
dt_status perf_consume_group(struct perf_session *session,
                             const struct perf_options *options,
                             struct perf_result *result);

/* A message body; its first bytes say which message it is. `body` has room for options->size. */
void perf_body_fill(char *body, int64_t size, int64_t number);

#endif
