/* librmq: each answer that a broker can give to each kind of request, and what it means */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault_world.h"
#include "rmq/codes.h"
#include "support/case.h"

enum {
    SHORT_MS = 60,
    BATCH = 5,
    TRIES = 10 /* until no request is under way at the very moment of the deadline */
};

/* ---------------------------------------------------------------- sends */

/* How a message ends when each request of it, or only the first, is answered like that. */
struct send_case {
    int32_t code;
    const char *remark;
    dt_status always, once;
};

static const struct send_case send_cases[] = {
    {RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null", DT_EREFUSED, DT_EREFUSED},
    {RMQ_SYSTEM_ERROR, "create mapped file failed, server is busy or broken.", DT_ETIMEDOUT,
     DT_OK},
    {RMQ_SYSTEM_BUSY,
     "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: "
     "205ms, size of queue: 8",
     DT_ETIMEDOUT, DT_OK},
    {RMQ_SYSTEM_BUSY, "[PC_SYNCHRONIZED]broker busy, start flow control for a while",
     DT_ETIMEDOUT, DT_OK},
    {RMQ_REQUEST_CODE_NOT_SUPPORTED, " request type 310 not supported", DT_EREFUSED,
     DT_EREFUSED},
    {RMQ_MESSAGE_ILLEGAL,
     "the message is illegal, maybe msg body or properties length not "
     "matched.",
     DT_EREFUSED, DT_EREFUSED},
    {RMQ_SERVICE_NOT_AVAILABLE, "service not available now.", DT_ETIMEDOUT, DT_OK},
    {RMQ_NO_PERMISSION, "the broker[broker-a] sending message is forbidden", DT_ETIMEDOUT,
     DT_OK},
    {RMQ_NO_PERMISSION, "No accessKey is configured", DT_EREFUSED, DT_EREFUSED},
    {RMQ_TOPIC_NOT_EXIST, "topic[T] not exist, apply first please!", DT_ETIMEDOUT, DT_OK},
    {RMQ_INVALID_PARAMETER, "request queueId[9] is illegal", DT_EREFUSED, DT_EREFUSED},
    {RMQ_NO_BUYER_ID, "", DT_ETIMEDOUT, DT_OK},
    {RMQ_NOT_IN_CURRENT_UNIT, "", DT_ETIMEDOUT, DT_OK},
    {RMQ_FLOW_CONTROL, "flow control", DT_ETIMEDOUT, DT_OK},
    {RMQ_GO_AWAY, "go away", DT_ETIMEDOUT, DT_OK},
    {999, "a code of a later version", DT_EREFUSED, DT_EREFUSED},
};

enum { SEND_CASES = sizeof(send_cases) / sizeof(send_cases[0]) };

static void assert_ended(const struct send_case *is, const struct sent *sent, int i,
                         dt_status expected)
{
    if (sent->one[i].status != expected)
        print_error("code %d, '%s': message %d: %s: %s\n", (int)is->code, is->remark, i,
                    dt_status_name(sent->one[i].status), sent->one[i].reason);
    assert_int_equal(sent->one[i].status, expected);
}

/* One message to a topic of its own, whose log shows nothing else. False: it went unanswered. */
static bool send_alone_once(const struct send_case *is, int64_t count, int64_t timeout_ms,
                            dt_status expected)
{
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int copies[1] = {0};
    bool is_answered;

    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    fault_answer(&world, 0, is->code, is->remark, count);
    assert_done(send_number(&world, producer, 0, sent, 0, timeout_ms));
    sent_wait(sent, 1);
    is_answered = timeout_ms == LONG_MS || sent->one[0].status != DT_EINDOUBT;
    if (is_answered)
        assert_ended(is, sent, 0, expected);
    read_logs(&world, 1, copies, 1);
    assert_int_equal(outcomes_agree(sent, copies, 1), expected == DT_OK);
    assert_int_equal(copies[0], expected == DT_OK); /* no answer leads to a second copy */
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
    return is_answered;
}

static void send_alone(const struct send_case *is, int64_t count, int64_t timeout_ms,
                       dt_status expected)
{
    int tries = 0;

    while (!send_alone_once(is, count, timeout_ms, expected))
        assert_true(++tries < TRIES);
}

static void an_answer_to_a_message_tells_done_from_not_done(void **state)
{
    (void)state;
    for (int i = 0; i < SEND_CASES; i++) {
        send_alone(&send_cases[i], INT64_MAX, SHORT_MS, send_cases[i].always);
        send_alone(&send_cases[i], 1, LONG_MS, send_cases[i].once);
    }
}

/* What waits while the first message is under way goes as one batch. False: one went unanswered. */
static bool send_batch_once(const struct send_case *is, int32_t request_code, int64_t count,
                            int64_t timeout_ms, dt_status expected)
{
    rmq_mock_fault first = fault_of(RMQ_MOCK_DELAY, RMQ_SEND_MESSAGE_V2, 1);
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int copies[1 + BATCH] = {0};
    bool is_answered = true;

    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    first.delay_ms = 20;
    fault_add(&world, first);
    fault_answer(&world, request_code, is->code, is->remark, count);
    assert_done(send_number(&world, producer, 0, sent, 0, LONG_MS));
    assert_true(rmq_mock_wait_requests(world.mock, 0, 1, LONG_MS));
    for (int i = 1; i <= BATCH; i++)
        assert_done(send_number(&world, producer, 0, sent, i, timeout_ms));
    sent_wait(sent, 1 + BATCH);
    assert_true(rmq_mock_requests(world.mock, RMQ_SEND_BATCH_MESSAGE) > 0);
    for (int i = 1; i <= BATCH; i++)
        is_answered &= timeout_ms == LONG_MS || sent->one[i].status != DT_EINDOUBT;
    for (int i = 1; i <= BATCH && is_answered; i++)
        assert_ended(is, sent, i, expected);
    read_logs(&world, 1, copies, 1 + BATCH);
    assert_int_equal(outcomes_agree(sent, copies, 1 + BATCH),
                     1 + (expected == DT_OK ? BATCH : 0));
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
    return is_answered;
}

static void send_batch(const struct send_case *is, int32_t request_code, int64_t count,
                       int64_t timeout_ms, dt_status expected)
{
    int tries = 0;

    while (!send_batch_once(is, request_code, count, timeout_ms, expected))
        assert_true(++tries < TRIES);
}

static void an_answer_to_a_batch_tells_done_from_not_done(void **state)
{
    (void)state;
    for (int i = 0; i < SEND_CASES; i++) {
        const struct send_case *is = &send_cases[i];

        /* refused as a whole, its messages go one by one, and only those answer for themselves */
        send_batch(is, RMQ_SEND_BATCH_MESSAGE, 1, LONG_MS, DT_OK);
        send_batch(is, 0, INT64_MAX, 4 * SHORT_MS, is->always);
    }
}

static void an_answer_that_means_stored_is_done_and_leaves_one_copy(void **state)
{
    static const struct {
        int32_t code;
        rmq_send_status status;
    } cases[] = {{RMQ_SUCCESS, RMQ_SEND_OK},
                 {RMQ_FLUSH_DISK_TIMEOUT, RMQ_SEND_FLUSH_DISK_TIMEOUT},
                 {RMQ_SLAVE_NOT_AVAILABLE, RMQ_SEND_SLAVE_NOT_AVAILABLE},
                 {RMQ_FLUSH_SLAVE_TIMEOUT, RMQ_SEND_FLUSH_SLAVE_TIMEOUT}};
    rmq_producer *producer;
    struct world world;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < 4; i++) {
        rmq_mock_fault fault = fault_of(RMQ_MOCK_ANSWER_DONE, 0, 1);
        rmq_message message = text_message(&world, "kept");
        rmq_receipt receipt;

        fault.response_code = cases[i].code;
        fault_add(&world, fault);
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
        assert_int_equal(receipt.offset, i);
        assert_int_equal(receipt.send_status, cases[i].status);
        assert_int_equal(receipt.less_safe, cases[i].code != RMQ_SUCCESS);
        assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), i + 1);
    }
    rmq_producer_free(producer);
    world_close(&world);
}

/* A request that is carried out and never answered is in doubt, and later ones stay behind it. */
static void silence_is_in_doubt_and_keeps_the_order(void **state)
{
    /* several requests fit into the deadline, each long enough for a machine that has much to do */
    rmq_client_config settings = {.request_timeout_ms = 250};
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int copies[4] = {0};

    (void)state;
    fault_open(&world, 1, &settings);
    producer = world_producer(&world, NULL);
    fault_add(&world, fault_of(RMQ_MOCK_SILENT, 0, INT64_MAX));
    assert_done(send_number(&world, producer, 0, sent, 0, 1000));
    sent_wait(sent, 1);
    assert_int_equal(sent->one[0].status, DT_EINDOUBT);
    rmq_mock_faults_clear(world.mock);
    fault_add(&world, fault_of(RMQ_MOCK_SILENT, 0, 1));
    for (int i = 1; i < 4; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    sent_wait(sent, 4);
    read_logs(&world, 1, copies, 4);
    assert_int_equal(outcomes_agree(sent, copies, 4), 3);
    assert_true(copies[0] > 0);
    assert_true(copies[1] > 1); /* the copy nobody heard of, and the one that counts */
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* ---------------------------------------------------------------- questions */

static dt_status ask_route(struct world *world, int64_t timeout_ms)
{
    rmq_queue *queues = NULL;
    size_t count;
    dt_status status =
        rmq_topic_write_queues(world->client, world->topic, &queues, &count, timeout_ms);

    rmq_free(queues);
    return status;
}

static dt_status ask_max(struct world *world, int64_t timeout_ms)
{
    int64_t offset;

    return rmq_offset_max(world->client, world->topic, &world->queues[0], timeout_ms,
                          &offset);
}

static dt_status ask_min(struct world *world, int64_t timeout_ms)
{
    int64_t offset;

    return rmq_offset_min(world->client, world->topic, &world->queues[0], timeout_ms,
                          &offset);
}

static dt_status ask_time(struct world *world, int64_t timeout_ms)
{
    int64_t offset;

    return rmq_offset_by_time(world->client, world->topic, &world->queues[0], 1,
                              RMQ_BOUNDARY_LOWER, timeout_ms, &offset);
}

static dt_status ask_committed(struct world *world, int64_t timeout_ms)
{
    int64_t offset;

    return rmq_offset_query(world->client, "readers", world->topic, &world->queues[0],
                            timeout_ms, &offset);
}

static dt_status commit_seven(struct world *world, int64_t timeout_ms)
{
    return rmq_offset_commit(world->client, "readers", world->topic, &world->queues[0], 7,
                             timeout_ms);
}

static dt_status create_more(struct world *world, int64_t timeout_ms)
{
    return rmq_topic_create(world->client, world->topic, 3, timeout_ms);
}

static const struct {
    const char *name;
    int32_t request_code;
    dt_status (*ask)(struct world *world, int64_t timeout_ms);
} questions[] = {
    {"route", RMQ_GET_ROUTEINFO_BY_TOPIC, ask_route},
    {"max offset", RMQ_GET_MAX_OFFSET, ask_max},
    {"min offset", RMQ_GET_MIN_OFFSET, ask_min},
    {"offset by time", RMQ_SEARCH_OFFSET_BY_TIMESTAMP, ask_time},
    {"committed", RMQ_QUERY_CONSUMER_OFFSET, ask_committed},
    {"commit", RMQ_UPDATE_CONSUMER_OFFSET, commit_seven},
    {"create", RMQ_UPDATE_AND_CREATE_TOPIC, create_more},
};

enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

static bool may_pass(int32_t code)
{
    return code == RMQ_SYSTEM_BUSY || code == RMQ_SERVICE_NOT_AVAILABLE ||
           code == RMQ_FLOW_CONTROL || code == RMQ_GO_AWAY;
}

/* A group that has committed 3, and a topic of one queue. */
static void ask_open(struct world *world, const rmq_client_config *settings)
{
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    fault_open(world, 1, settings);
    consumer = world_consumer(world, NULL); /* its pull makes the group known */
    assert_done(rmq_pull_consumer_assign(consumer, &world->queues[0], 0));
    assert_true(rmq_mock_wait_requests(world->mock, RMQ_PULL_MESSAGE, 1, 200) ||
                rmq_mock_wait_requests(world->mock, RMQ_LITE_PULL_MESSAGE, 1, LONG_MS));
    assert_status(rmq_pull_consumer_poll(consumer, 0, &batch), DT_ETIMEDOUT);
    rmq_pull_consumer_free(consumer);
    assert_done(rmq_offset_commit(world->client, "readers", world->topic, &world->queues[0],
                                  3, LONG_MS));
}

/* What a changing request has done, seen without faults: 7 committed, 3 queues. */
static bool is_changed(struct world *world, int question)
{
    int64_t offset;

    rmq_mock_faults_clear(world->mock);
    if (questions[question].ask == commit_seven) {
        assert_done(rmq_offset_query(world->client, "readers", world->topic,
                                     &world->queues[0], LONG_MS, &offset));
        assert_true(offset == 3 || offset == 7);
        return offset == 7;
    }
    return rmq_mock_max_offset(world->mock, world->topic, 2) >= 0;
}

static bool changes(int question)
{
    return questions[question].ask == commit_seven ||
           questions[question].ask == create_more;
}

static void assert_asked(struct world *world, int question, int32_t code,
                         int64_t timeout_ms, dt_status expected)
{
    dt_status status = questions[question].ask(world, timeout_ms);

    for (int i = 0; i < TRIES && expected == DT_EBUSY &&
                    (status == DT_EINDOUBT || status == DT_EUNREACH);
         i++)
        status = questions[question].ask(world, timeout_ms);
    if (status != expected)
        print_error("%s, code %d: %s: %s\n", questions[question].name, (int)code,
                    dt_status_name(status), status == DT_OK ? "" : dt_error_text());
    assert_int_equal(status, expected);
}

static dt_status refused_as(int question, int32_t code)
{
    int32_t request_code = questions[question].request_code;

    if (code == RMQ_TOPIC_NOT_EXIST && request_code != RMQ_UPDATE_AND_CREATE_TOPIC)
        return DT_ENOROUTE;
    if (request_code != RMQ_UPDATE_AND_CREATE_TOPIC && code == RMQ_QUERY_NOT_FOUND)
        return DT_ENOTFOUND;
    if (code == RMQ_REQUEST_CODE_NOT_SUPPORTED &&
        request_code ==
            RMQ_UPDATE_AND_CREATE_TOPIC) /* administration tells versions apart */
        return DT_EUNSUPPORTED;
    return DT_EREFUSED;
}

static void an_answer_to_a_question_is_told_and_changes_nothing(void **state)
{
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR,
                                    RMQ_SYSTEM_BUSY,
                                    RMQ_REQUEST_CODE_NOT_SUPPORTED,
                                    RMQ_SERVICE_NOT_AVAILABLE,
                                    RMQ_TOPIC_NOT_EXIST,
                                    RMQ_QUERY_NOT_FOUND,
                                    RMQ_INVALID_PARAMETER,
                                    RMQ_FLOW_CONTROL,
                                    RMQ_GO_AWAY,
                                    999};

    (void)state;
    for (int q = 0; q < QUESTIONS; q++) {
        struct world world;

        if (questions[q].request_code == RMQ_GET_ROUTEINFO_BY_TOPIC)
            continue; /* below: what is known of routes stays good */
        ask_open(&world, NULL);
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
            fault_answer(&world, questions[q].request_code, codes[i], "no", INT64_MAX);
            assert_asked(&world, q, codes[i], SHORT_MS,
                         may_pass(codes[i]) ? DT_EBUSY : refused_as(q, codes[i]));
            if (changes(q))
                assert_false(is_changed(&world, q));
            rmq_mock_faults_clear(world.mock);
            if (!may_pass(codes[i]) || changes(q))
                continue;
            fault_answer(&world, questions[q].request_code, codes[i], "not yet", 2);
            assert_asked(&world, q, codes[i], LONG_MS, DT_OK);
        }
        world_close(&world);
    }
}

/* A name server that says no is asked again; only "no such topic" is believed at once, and only
 * of a topic that is asked for, not of one that is sent to. */
static void an_answer_about_routes_is_told_and_forgets_none(void **state)
{
    static const struct {
        int32_t code;
        dt_status expected;
    } cases[] = {
        {RMQ_TOPIC_NOT_EXIST, DT_ENOROUTE}, {RMQ_SYSTEM_ERROR, DT_EUNREACH},
        {RMQ_SYSTEM_BUSY, DT_EUNREACH},     {RMQ_REQUEST_CODE_NOT_SUPPORTED, DT_EUNREACH},
        {RMQ_GO_AWAY, DT_EUNREACH},         {999, DT_EUNREACH}};
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < 6; i++) {
        fault_answer(&world, RMQ_GET_ROUTEINFO_BY_TOPIC, cases[i].code, "no", INT64_MAX);
        assert_asked(&world, 0, cases[i].code, SHORT_MS, cases[i].expected);
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
        sent_wait(sent, i + 1);
        assert_int_equal(sent->one[i].status, DT_OK);
        rmq_mock_faults_clear(world.mock);
        assert_asked(&world, 0, -1, LONG_MS, DT_OK);
    }
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void a_heartbeat_that_is_refused_is_sent_again(void **state)
{
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR, RMQ_SYSTEM_BUSY,
                                    RMQ_SERVICE_NOT_AVAILABLE, RMQ_GO_AWAY, 999};
    rmq_client_config settings = {.heartbeat_period_ms = 50};
    rmq_pull_consumer_config member = {.member = true};

    (void)state;
    for (int i = 0; i < 5; i++) {
        rmq_pull_consumer *consumer;
        struct world world;
        size_t count = 0;

        fault_open(&world, 1, &settings);
        fault_answer(&world, RMQ_HEART_BEAT, codes[i], "no", 3);
        consumer = world_consumer(&world, &member);
        assert_true(rmq_mock_wait_requests(world.mock, RMQ_HEART_BEAT, 4, LONG_MS));
        while (count == 0) { /* ctest has the time-out */
            char **members;

            assert_done(rmq_group_members(world.client, "readers", world.topic, LONG_MS,
                                          &members, &count));
            if (count > 0)
                assert_string_equal(members[0], rmq_client_id(world.client));
            rmq_free(members);
        }
        rmq_pull_consumer_free(consumer);
        world_close(&world);
    }
}

static void a_change_that_is_not_answered_is_in_doubt_and_may_be_there(void **state)
{
    rmq_client_config settings = {.request_timeout_ms = 30};

    (void)state;
    for (int q = 0; q < QUESTIONS; q++) {
        static const rmq_mock_action actions[] = {RMQ_MOCK_SILENT, RMQ_MOCK_CUT_ANSWER,
                                                  RMQ_MOCK_CUT_REQUEST};

        for (int a = 0; a < 3; a++) {
            bool of_route = questions[q].request_code == RMQ_GET_ROUTEINFO_BY_TOPIC;
            rmq_mock_fault fault =
                fault_of(actions[a], questions[q].request_code, INT64_MAX);
            struct world world;

            ask_open(&world, &settings);
            fault.bytes = 9;
            fault_add(&world, fault);
            assert_asked(&world, q, -1, 100,
                         changes(q) && !of_route ? DT_EINDOUBT : DT_EUNREACH);
            if (changes(q))
                assert_int_equal(is_changed(&world, q), actions[a] != RMQ_MOCK_CUT_REQUEST);
            rmq_mock_faults_clear(world.mock);
            assert_asked(&world, q, -1, LONG_MS, DT_OK);
            world_close(&world);
        }
    }
}

/* ---------------------------------------------------------------- pulls */

/* Whatever a broker answers for a while, what is read in the end is all of it, once, in order. */
static void an_answer_to_a_pull_loses_and_repeats_nothing(void **state)
{
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR,
                                    RMQ_SYSTEM_BUSY,
                                    RMQ_REQUEST_CODE_NOT_SUPPORTED,
                                    RMQ_SERVICE_NOT_AVAILABLE,
                                    RMQ_NO_PERMISSION,
                                    RMQ_TOPIC_NOT_EXIST,
                                    RMQ_PULL_NOT_FOUND,
                                    RMQ_PULL_RETRY_IMMEDIATELY,
                                    RMQ_PULL_OFFSET_MOVED,
                                    RMQ_SUBSCRIPTION_PARSE_FAILED,
                                    RMQ_SUBSCRIPTION_NOT_EXIST,
                                    RMQ_SUBSCRIPTION_NOT_LATEST,
                                    RMQ_SUBSCRIPTION_GROUP_NOT_EXIST,
                                    RMQ_INVALID_PARAMETER,
                                    RMQ_FLOW_CONTROL,
                                    RMQ_GO_AWAY,
                                    999,
                                    RMQ_SUCCESS};
    enum { COUNT = 20 };
    rmq_producer *producer;
    struct sent *sent = sent_new();
    struct world world;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    sent_wait(sent, COUNT);
    rmq_mock_pull_limit(world.mock, 4, 65536);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        int numbers[COUNT + 1];
        int count;

        for (int k = 0; k < 2;
             k++) { /* the first of each of the two kinds of pull, and later ones */
            fault_answer(&world, RMQ_PULL_MESSAGE, codes[i], "forbidden now", 2);
            fault_answer(&world, RMQ_LITE_PULL_MESSAGE, codes[i], "forbidden now", 2);
        }
        count = read_numbers(&world, 0, numbers, COUNT + 1, COUNT);
        assert_int_equal(count, COUNT);
        for (int n = 0; n < COUNT; n++)
            assert_int_equal(numbers[n], n);
        rmq_mock_faults_clear(world.mock);
    }
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_to_a_message_tells_done_from_not_done),
        cmocka_unit_test(an_answer_to_a_batch_tells_done_from_not_done),
        cmocka_unit_test(an_answer_that_means_stored_is_done_and_leaves_one_copy),
        cmocka_unit_test(silence_is_in_doubt_and_keeps_the_order),
        cmocka_unit_test(an_answer_to_a_question_is_told_and_changes_nothing),
        cmocka_unit_test(an_answer_about_routes_is_told_and_forgets_none),
        cmocka_unit_test(a_heartbeat_that_is_refused_is_sent_again),
        cmocka_unit_test(a_change_that_is_not_answered_is_in_doubt_and_may_be_there),
        cmocka_unit_test(an_answer_to_a_pull_loses_and_repeats_nothing),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
