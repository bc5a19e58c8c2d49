/*
 * stub.h - the in-memory broker in a process of its own, so that its CPU is not the client's.
 */
#ifndef RMQPERF_STUB_H
#define RMQPERF_STUB_H

#include <sys/types.h>

#include "rmqperf/perf.h"

struct perf_stub {
    pid_t pid;
    int fd; /* closing it ends the child */
    char namesrv[64];
};

/* Starts the child and waits until its broker answers, and holds the messages to be consumed.
 * Call it before there is a thread or a client. DT_EIO, DT_ENOMEM, or what the child met. */
DT_MUST_USE dt_status perf_stub_start(const struct perf_options *options,
                                      struct perf_stub *stub);
void perf_stub_stop(struct perf_stub *stub);

#endif
