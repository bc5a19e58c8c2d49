#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "rmqperf/perf.h"
#include "rmqperf/stub.h"

atomic_bool perf_is_interrupted;

static void interrupt(int number)
{
    (void)number;
    atomic_store(&perf_is_interrupted, true);
}

static void listen_to_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---------------------------------------------------------------- what is printed */

static void print_error(const struct perf_options *options, const char *error,
                        const char *where)
{
    struct dt_buf text;
    struct dt_json json;

    fprintf(stderr, "rmq-perf: %s\n", error);
    if (!options->json)
        return;
    dt_buf_init(&text, 65536);
    dt_json_start(&json, &text);
    dt_json_object(&json);
    dt_json_kv_string(&json, "error", error);
    dt_json_kv_string(&json, "where", where);
    dt_json_object_end(&json);
    printf("%s\n", dt_buf_str(&text));
    dt_buf_fini(&text);
}

static void print_percentile(const struct perf_result *result, const char *name,
                             double share)
{
    if (result->latency_ns.count == 0)
        printf(",\"%s\":null", name);
    else
        printf(",\"%s\":%.1f", name,
               (double)dt_histogram_percentile(&result->latency_ns, share) / 1e3);
}

static double per(double value, double of)
{
    return of > 0 ? value / of : 0;
}

static void print_json(const struct perf_result *result)
{
    double messages = (double)result->messages;

    printf("{\"messages\":%lld,\"seconds\":%.6f,\"rate\":%.1f,\"cpu_us_per_message\":%.4f",
           (long long)result->messages, result->seconds, per(messages, result->seconds),
           per(result->cpu_us, messages));
    print_percentile(result, "p50_us", 0.5);
    print_percentile(result, "p99_us", 0.99);
    print_percentile(result, "p999_us", 0.999);
    printf(",\"errors\":%lld,\"in_doubt\":%lld}\n", (long long)result->errors,
           (long long)result->in_doubt);
}

static void print_text(const struct perf_result *result)
{
    double messages = (double)result->messages;
    const struct dt_histogram *latency = &result->latency_ns;

    printf("messages          %12lld\nseconds           %12.3f\nmessages/s        %12.0f\n"
           "CPU us/message    %12.3f\n",
           (long long)result->messages, result->seconds, per(messages, result->seconds),
           per(result->cpu_us, messages));
    if (latency->count > 0)
        printf("latency us  p50   %12.1f\n            p99   %12.1f\n"
               "            p99.9 %12.1f\n",
               (double)dt_histogram_percentile(latency, 0.5) / 1e3,
               (double)dt_histogram_percentile(latency, 0.99) / 1e3,
               (double)dt_histogram_percentile(latency, 0.999) / 1e3);
    printf("errors            %12lld\nin doubt          %12lld\n",
           (long long)result->errors, (long long)result->in_doubt);
}

/* ---------------------------------------------------------------- the run */

static int code_of(dt_status status)
{
    switch (status) {
    case DT_EINVAL:
    case DT_ENOROUTE: /* no such topic */
    case DT_ETOOBIG:
        return PERF_USAGE;
    case DT_EUNREACH:
    case DT_ETIMEDOUT:
    case DT_EBUSY:
    case DT_EINDOUBT: /* the commit at the end */
        return PERF_UNREACHABLE;
    case DT_EREFUSED:
        return PERF_FAILED;
    default:
        return PERF_INTERNAL;
    }
}

typedef dt_status (*perf_fn)(struct perf_session *session,
                             const struct perf_options *options,
                             struct perf_result *result);

static perf_fn run_kind(const struct perf_options *options)
{
    if (!options->consume)
        return perf_produce;
    return options->group != NULL ? perf_consume_group : perf_consume;
}

static int run(struct perf_options *options)
{
    static struct perf_result result;
    struct perf_stub stub = {.pid = -1, .fd = -1};
    struct perf_session session = {0};
    dt_status status = DT_OK;

    if (options->stub) {
        status = perf_stub_start(options, &stub);
        options->namesrv = stub.namesrv;
    }
    if (status == DT_OK)
        status = perf_session_open(&session, options);
    if (status == DT_OK)
        status = run_kind(options)(&session, options, &result);
    perf_session_close(&session);
    perf_stub_stop(&stub);
    if (status != DT_OK && !atomic_load(&perf_is_interrupted)) {
        print_error(options, dt_error_text(),
                    options->stub ? "the stub" : options->namesrv);
        return code_of(status);
    }
    (options->json ? print_json : print_text)(&result);
    if (atomic_load(&perf_is_interrupted))
        return PERF_CUT_SHORT;
    return result.errors == 0 && result.in_doubt == 0 ? PERF_OK : PERF_FAILED;
}

int main(int argc, char **argv)
{
    struct perf_options options;
    char error[512];
    bool wants_help;
    int code = perf_options_read(argc, argv, &options, &wants_help, error, sizeof(error));

    if (code != PERF_OK) {
        print_error(&options, error, "the command line");
        if (!options.json)
            fprintf(stderr, "%s", "rmq-perf --help lists all options\n");
        return code;
    }
    if (wants_help) {
        fputs(perf_help(), stdout);
        return PERF_OK;
    }
    listen_to_signals();
    return run(&options);
}
