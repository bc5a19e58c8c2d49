/* rmq-perf: every mode against the in-memory broker, its JSON and its exit codes */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "rmq/mock.h"
#include "rmq/rmq.h"
#include "rmqperf/perf.h"
#include "support/case.h"

enum { CONSUMED = 3000, SENDS = 0 };

/* Runs it; *json is all of stdout, one object, or NULL. Returns its exit code. */
static int run_perf(const char *options, cJSON **json)
{
    char command[1024], text[4096];
    size_t size;
    FILE *out;
    int code;

    snprintf(command, sizeof(command), "'%s/bin/rmq-perf' %s 2>/dev/null", BINARY_DIR,
             options);
    out = popen(command, "r");
    assert_non_null(out);
    size = fread(text, 1, sizeof(text) - 1, out);
    text[size] = '\0';
    *json = cJSON_Parse(text);
    code = pclose(out);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static const cJSON *field(const cJSON *json, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);

    if (value == NULL)
        fail_msg("field %s is missing", name);
    return value;
}

static double number(const cJSON *json, const char *name)
{
    const cJSON *value = field(json, name);

    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

/* Exactly the fields of a result, all sensible, and no error. */
static void check_result(const cJSON *json, double messages, bool has_latency)
{
    static const char *const latencies[] = {"p50_us", "p99_us", "p999_us"};
    double rate = number(json, "rate"), seconds = number(json, "seconds");

    assert_int_equal(cJSON_GetArraySize(json), 9);
    assert_true(number(json, "messages") == messages);
    assert_true(seconds > 0 && rate > 0);
    assert_true(rate * seconds > messages * 0.99 && rate * seconds < messages * 1.01);
    assert_true(number(json, "cpu_us_per_message") > 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(has_latency ? number(json, latencies[i]) > 0
                                : cJSON_IsNull(field(json, latencies[i])));
    if (has_latency)
        assert_true(number(json, "p50_us") <= number(json, "p99_us") &&
                    number(json, "p99_us") <= number(json, "p999_us"));
    assert_true(number(json, "errors") == 0);
    assert_true(number(json, "in_doubt") == 0);
}

static void check_stub(const char *options, double messages, bool has_latency)
{
    cJSON *json;

    assert_int_equal(run_perf(options, &json), 0);
    check_result(json, messages, has_latency);
    cJSON_Delete(json);
}

static void each_mode_sends_its_count_to_the_stub(void **state)
{
    (void)state;
    check_stub("produce --topic t --stub --json --count 5000 --warmup 500", 5000, true);
    check_stub("produce --topic t --stub --json --count 5000 --no-auto-batch --threads 2",
               5000, true);
    check_stub(
        "produce --topic t --stub --json --count 700 --mode sync --threads 4 --size 1", 700,
        true);
    check_stub("produce --topic t --stub --json --count 1001 --mode batch --batch 25", 1001,
               true);
    check_stub("produce --topic t --stub --json --count 900 --inflight 1", 900, true);
}

static void the_stub_is_filled_before_it_is_consumed(void **state)
{
    cJSON *json;

    (void)state;
    assert_int_equal(
        run_perf("consume --topic t --stub --json --count 4000 --warmup 1000", &json), 0);
    assert_true(number(json, "messages") == 4000);
    assert_true(cJSON_IsNull(field(json, "p50_us")));
    assert_true(number(json, "errors") == 0);
    cJSON_Delete(json);
}

static void a_rate_is_kept_and_latency_counts_from_the_schedule(void **state)
{
    cJSON *json;

    (void)state;
    assert_int_equal(
        run_perf("produce --topic t --stub --json --count 1000 --rate 2000", &json), 0);
    assert_true(number(json, "seconds") >= 0.49);
    cJSON_Delete(json);
    /* a schedule that nobody can keep: the last are late by nearly the whole run */
    assert_int_equal(run_perf("produce --topic t --stub --json --count 2000 --mode sync "
                              "--rate 100000000",
                              &json),
                     0);
    assert_true(number(json, "p999_us") > number(json, "seconds") * 1e6 * 0.9);
    cJSON_Delete(json);
}

static void it_works_against_a_broker_and_makes_the_topic(void **state)
{
    rmq_mock *mock;
    char options[256];
    cJSON *json;
    int64_t stored = 0;

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    snprintf(options, sizeof(options),
             "produce --namesrv %s --topic fresh --count %d --warmup 8 --json",
             rmq_mock_namesrv(mock), CONSUMED - 8);
    assert_int_equal(run_perf(options, &json), 0);
    check_result(json, CONSUMED - 8, true);
    cJSON_Delete(json);
    for (int32_t queue = 0; queue < 8; queue++)
        stored += rmq_mock_max_offset(mock, "fresh", queue);
    assert_true(stored == CONSUMED);
    snprintf(options, sizeof(options),
             "consume --namesrv %s --topic fresh --count %d --threads 3 --json",
             rmq_mock_namesrv(mock), CONSUMED);
    assert_int_equal(run_perf(options, &json), 0);
    check_result(json, CONSUMED, false);
    cJSON_Delete(json);
    rmq_mock_free(mock);
}

static void perf_on(rmq_mock *mock, const char *rest, int count)
{
    char options[256];
    cJSON *json;

    snprintf(options, sizeof(options), "%s --namesrv %s --count %d --json", rest,
             rmq_mock_namesrv(mock), count);
    assert_int_equal(run_perf(options, &json), 0);
    check_result(json, count, strncmp(rest, "produce", 7) == 0);
    cJSON_Delete(json);
}

/* By the group over all queues of the topic. */
static int64_t committed(rmq_mock *mock)
{
    const rmq_client_config config = {.namesrv = rmq_mock_namesrv(mock)};
    rmq_client *client;
    rmq_progress *progress;
    size_t count;
    int64_t sum = 0;

    assert_int_equal(rmq_client_new(&config, &client), DT_OK);
    assert_int_equal(rmq_group_progress(client, "g", "t", &progress, &count, 5000), DT_OK);
    for (size_t i = 0; i < count; i++)
        sum += progress[i].consumer_offset;
    rmq_free(progress);
    rmq_client_free(client);
    return sum;
}

static void a_group_goes_on_behind_what_it_has_committed(void **state)
{
    rmq_mock *mock;

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    perf_on(mock, "produce --topic t", CONSUMED);
    perf_on(mock, "consume --topic t --group g --threads 3", CONSUMED);
    assert_true(committed(mock) == CONSUMED);
    perf_on(mock, "produce --topic t", 40);
    perf_on(mock, "consume --topic t --group g", 40);
    assert_true(committed(mock) == CONSUMED + 40); /* had it begun anew: CONSUMED at most */
    rmq_mock_free(mock);
}

static void what_goes_as_one_request_is_as_told(void **state)
{
    rmq_mock *mock;
    char options[256];
    cJSON *json;

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    snprintf(options, sizeof(options),
             "produce --namesrv %s --topic t --count 500 --no-auto-batch --json",
             rmq_mock_namesrv(mock));
    assert_int_equal(run_perf(options, &json), 0);
    cJSON_Delete(json);
    assert_true(rmq_mock_requests(mock, SENDS) == 500);
    snprintf(options, sizeof(options),
             "produce --namesrv %s --topic t --count 500 --mode batch --batch 50 --json",
             rmq_mock_namesrv(mock));
    assert_int_equal(run_perf(options, &json), 0);
    cJSON_Delete(json);
    assert_true(rmq_mock_requests(mock, SENDS) <
                750); /* 10 batches, if threads are in step */
    rmq_mock_free(mock);
}

static void refused_messages_are_errors_and_exit_1(void **state)
{
    rmq_mock *mock;
    char options[256];
    cJSON *json;

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    rmq_mock_error(mock, SENDS, 13, 3); /* MESSAGE_ILLEGAL */
    snprintf(options, sizeof(options),
             "produce --namesrv %s --topic t --count 50 --mode sync --json",
             rmq_mock_namesrv(mock));
    assert_int_equal(run_perf(options, &json), PERF_FAILED);
    assert_true(number(json, "errors") == 3);
    assert_true(number(json, "messages") == 50);
    cJSON_Delete(json);
    rmq_mock_free(mock);
}

static void check_error(const char *options, int code)
{
    cJSON *json;

    assert_int_equal(run_perf(options, &json), code);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    assert_true(cJSON_GetStringValue(field(json, "error"))[0] != '\0');
    assert_true(cJSON_GetStringValue(field(json, "where"))[0] != '\0');
    cJSON_Delete(json);
}

static void wrong_usage_exits_2_and_says_why_in_json(void **state)
{
    (void)state;
    check_error("--json", PERF_USAGE);
    check_error("produce --json --stub", PERF_USAGE);
    check_error("produce --json --topic t", PERF_USAGE);
    check_error("eat --json --topic t --stub", PERF_USAGE);
    check_error("produce consume --json --topic t --stub", PERF_USAGE);
    check_error("produce --topic t --stub --count 0 --json", PERF_USAGE);
    check_error("produce --topic t --stub --count 12x --json", PERF_USAGE);
    check_error("produce --topic t --stub --mode fast --json", PERF_USAGE);
    check_error("produce --topic t --stub --size --json", PERF_USAGE);
    check_error("produce --topic t --stub --json --sized 3", PERF_USAGE);
    check_error("produce --topic t --stub --json --mode batch --batch 4096 --size 4096",
                PERF_USAGE);
    check_error("produce --topic 'a b' --stub --json", PERF_USAGE);
    check_error("produce --topic t --namesrv nowhere --json", PERF_USAGE);
}

static void a_name_server_that_is_not_there_exits_3(void **state)
{
    rmq_mock *mock;
    char options[256];

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    snprintf(options, sizeof(options), "consume --namesrv %s --topic t --json",
             rmq_mock_namesrv(mock));
    rmq_mock_down(mock);
    check_error(options, PERF_UNREACHABLE);
    rmq_mock_free(mock);
}

static void consuming_a_topic_that_does_not_exist_is_wrong_usage(void **state)
{
    rmq_mock *mock;
    char options[256];

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    snprintf(options, sizeof(options), "consume --namesrv %s --topic nosuch --json",
             rmq_mock_namesrv(mock));
    check_error(options, PERF_USAGE);
    rmq_mock_free(mock);
}

static void a_signal_ends_it_with_4_and_what_was_measured(void **state)
{
    int out[2], code;
    char text[4096];
    size_t size = 0;
    ssize_t got;
    rmq_mock *mock;
    cJSON *json;
    pid_t pid;

    (void)state;
    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    assert_int_equal(pipe(out), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(BINARY_DIR "/bin/rmq-perf", "rmq-perf", "produce", "--topic", "t",
              "--namesrv", rmq_mock_namesrv(mock), "--rate", "1000", "--count", "1000000",
              "--json", NULL);
        _exit(127);
    }
    close(out[1]);
    assert_true(rmq_mock_wait_requests(mock, SENDS, 20, 60000));
    assert_int_equal(kill(pid, SIGTERM), 0);
    while ((got = read(out[0], text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)got;
    close(out[0]);
    text[size] = '\0';
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_int_equal(WIFEXITED(code) ? WEXITSTATUS(code) : -1, PERF_CUT_SHORT);
    json = cJSON_Parse(text);
    assert_true(number(json, "messages") > 0 && number(json, "messages") < 1000000);
    cJSON_Delete(json);
    rmq_mock_free(mock);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode_sends_its_count_to_the_stub),
        cmocka_unit_test(the_stub_is_filled_before_it_is_consumed),
        cmocka_unit_test(a_rate_is_kept_and_latency_counts_from_the_schedule),
        cmocka_unit_test(it_works_against_a_broker_and_makes_the_topic),
        cmocka_unit_test(a_group_goes_on_behind_what_it_has_committed),
        cmocka_unit_test(what_goes_as_one_request_is_as_told),
        cmocka_unit_test(refused_messages_are_errors_and_exit_1),
        cmocka_unit_test(wrong_usage_exits_2_and_says_why_in_json),
        cmocka_unit_test(a_name_server_that_is_not_there_exits_3),
        cmocka_unit_test(consuming_a_topic_that_does_not_exist_is_wrong_usage),
        cmocka_unit_test(a_signal_ends_it_with_4_and_what_was_measured),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
