#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmqperf/perf.h"

enum { QUEUES = 8 };

/* The queues; a topic to be written that is missing is made. */
static dt_status find_queues(struct perf_session *session,
                             const struct perf_options *options)
{
    dt_status status;

    if (options->consume)
        return rmq_topic_read_queues(session->client, options->topic, &session->queues,
                                     &session->queue_count, PERF_FIND_MS);
    status = rmq_topic_write_queues(session->client, options->topic, &session->queues,
                                    &session->queue_count, PERF_FIND_MS);
    if (status != DT_ENOROUTE)
        return status;
    status = rmq_topic_create(session->client, options->topic, QUEUES, PERF_FIND_MS);
    if (status == DT_OK)
        status = rmq_topic_write_queues(session->client, options->topic, &session->queues,
                                        &session->queue_count, PERF_FIND_MS);
    return status;
}

dt_status perf_session_open(struct perf_session *session,
                            const struct perf_options *options)
{
    const rmq_client_config config = {.namesrv = options->namesrv};
    dt_status status;

    memset(session, 0, sizeof(*session));
    status = rmq_client_new(&config, &session->client);
    if (status == DT_OK)
        status = find_queues(session, options);
    if (status == DT_OK && session->queue_count == 0)
        status =
            dt_error_set(DT_ENOROUTE, "topic '%s' has no queue for that", options->topic);
    return status;
}

void perf_session_close(struct perf_session *session)
{
    rmq_free(session->queues);
    rmq_client_free(session->client);
}

/* User and system time of all threads of this process. */
static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void perf_start_now(struct perf_start *start)
{
    start->cpu_us = cpu_us();
    start->at_ns = dt_clock_ns();
}

void perf_stop_now(const struct perf_start *start, struct perf_result *result)
{
    result->seconds = (double)(dt_clock_ns() - start->at_ns) / 1e9;
    result->cpu_us = cpu_us() - start->cpu_us;
}

void perf_body_fill(char *body, int64_t size, int64_t number)
{
    for (int i = 0; i < 8 && i < size; i++)
        body[i] = (char)('a' + (number >> (4 * i) & 15));
}
