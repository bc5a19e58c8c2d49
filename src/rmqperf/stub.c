#include "rmqperf/stub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "rmq/mock.h"

enum { QUEUES = 8, LINE_SIZE = 512 };

/* What is to be consumed is there before the clock starts. */
static dt_status fill(const char *namesrv, const struct perf_options *options)
{
    struct perf_options filling = *options;
    struct perf_session session;
    static struct perf_result result;
    dt_status status;

    filling.consume = false;
    filling.mode = PERF_ASYNC;
    filling.namesrv = namesrv;
    filling.count += options->warmup;
    filling.warmup = filling.rate = 0;
    filling.threads = 1;
    filling.inflight = 4096;
    filling.no_auto_batch = false;
    status = perf_session_open(&session, &filling);
    if (status == DT_OK)
        status = perf_produce(&session, &filling, &result);
    perf_session_close(&session);
    if (status == DT_OK && result.errors + result.in_doubt > 0)
        status = dt_error_set(DT_ENOMEM, "the stub did not take %lld of the messages",
                              (long long)(result.errors + result.in_doubt));
    return status;
}

static dt_status serve(const struct perf_options *options, rmq_mock **mock)
{
    /* room for each message, what the broker adds to it, and its place in the queue */
    size_t memory = (size_t)(options->count + options->warmup) *
                    (size_t)(options->consume ? options->size + 512 : 64);
    rmq_mock_config config = {.memory_max = memory + (64u << 20),
                              .default_queues = QUEUES,
                              .forgets = !options->consume};
    dt_status status = rmq_mock_new(&config, mock);

    if (status == DT_OK)
        status = rmq_mock_topic_create(*mock, options->topic, QUEUES);
    if (status == DT_OK && options->consume)
        status = fill(rmq_mock_namesrv(*mock), options);
    return status;
}

/* The child: says where its name server is, or what is wrong, and serves until the parent is gone. */
_Noreturn static void child(const struct perf_options *options, int fd)
{
    rmq_mock *mock = NULL;
    char line[LINE_SIZE];
    dt_status status;
    int size;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    status = serve(options, &mock);
    size = snprintf(line, sizeof(line), "%d %s", (int)status,
                    status == DT_OK ? rmq_mock_namesrv(mock) : dt_error_text());
    if (size >= LINE_SIZE)
        size = LINE_SIZE - 1;
    if (write(fd, line, (size_t)size) == size && status == DT_OK)
        while (read(fd, line, sizeof(line)) < 0 && errno == EINTR)
            ;
    rmq_mock_free(mock);
    _exit(0);
}

static dt_status read_answer(struct perf_stub *stub)
{
    char line[LINE_SIZE], *text;
    ssize_t size;
    dt_status status;

    do
        size = read(stub->fd, line, sizeof(line) - 1);
    while (size < 0 && errno == EINTR && !atomic_load(&perf_is_interrupted));
    if (size <= 0)
        return dt_error_set(DT_EIO, "the stub ended before it served");
    line[size] = '\0';
    status = (dt_status)strtol(line, &text, 10);
    if (status != DT_OK)
        return dt_error_set(status, "the stub:%s", text);
    snprintf(stub->namesrv, sizeof(stub->namesrv), "%s", text + 1);
    return DT_OK;
}

dt_status perf_stub_start(const struct perf_options *options, struct perf_stub *stub)
{
    int pair[2];
    dt_status status;

    stub->fd = -1;
    stub->pid = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return dt_error_errno(errno, "a pair of sockets for the stub");
    stub->pid = fork();
    if (stub->pid < 0) {
        status = dt_error_errno(errno, "a process for the stub");
        close(pair[0]);
        close(pair[1]);
        return status;
    }
    if (stub->pid == 0) {
        close(pair[0]);
        child(options, pair[1]);
    }
    close(pair[1]);
    stub->fd = pair[0];
    status = read_answer(stub);
    if (status != DT_OK)
        perf_stub_stop(stub);
    return status;
}

void perf_stub_stop(struct perf_stub *stub)
{
    if (stub->fd >= 0)
        close(stub->fd);
    if (stub->pid > 0)
        while (waitpid(stub->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    stub->fd = -1;
    stub->pid = -1;
}
