/* librmq: to which queue a message goes, in what order, and where to when a broker fails */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"
#include "two_brokers.h"

/* Message number i has the body "i". */
static dt_status send_to(struct world *world, rmq_producer *producer,
                         const rmq_target *target, struct sent *sent, int i)
{
    char text[16];
    rmq_message message;

    snprintf(text, sizeof(text), "%d", i);
    message = text_message(world, text);
    return rmq_send_to_async(producer, target, &message, LONG_MS, sent_fn, &sent->one[i]);
}

static void assert_all_stored(struct sent *sent, int count)
{
    sent_wait(sent, count);
    for (int i = 0; i < count; i++) {
        if (sent->one[i].status != DT_OK)
            print_error("%d: %s\n", i, sent->one[i].reason);
        assert_int_equal(sent->one[i].status, DT_OK);
        assert_int_equal(sent->one[i].calls, 1);
    }
}

/* ---------------------------------------------------------------- choosing */

static void a_key_has_one_queue_and_its_messages_keep_their_order(void **state)
{
    enum { COUNT = 3000, KEYS = 40, QUEUES = 8 };
    static int numbers[COUNT];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int expected[256] = {0}, seen = 0;

    (void)state;
    world_open(&world, false, QUEUES, NULL);
    assert_true(world.queue_count <= 256);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        rmq_target target = {.key = key};

        target.key_size = (size_t)snprintf(key, sizeof(key), "key-%d", i % KEYS);
        expected[rmq_key_index(key, target.key_size, world.queue_count)]++;
        assert_done(send_to(&world, producer, &target, sent, i));
    }
    assert_all_stored(sent, COUNT);
    for (size_t q = 0; q < world.queue_count; q++) {
        int last[KEYS];
        int count = read_numbers(&world, q, numbers, COUNT, expected[q]);

        memset(last, -1, sizeof(last));
        for (int i = 0; i < count; i++) {
            char key[16];
            int length = snprintf(key, sizeof(key), "key-%d", numbers[i] % KEYS);

            assert_int_equal(rmq_key_index(key, (size_t)length, world.queue_count), q);
            assert_true(numbers[i] > last[numbers[i] % KEYS]);
            last[numbers[i] % KEYS] = numbers[i];
        }
        seen += count;
    }
    assert_int_equal(seen, COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static size_t second_or_none(void *opaque, const rmq_queue *queues, size_t count)
{
    assert_true(count >= 2);
    assert_int_equal(queues[1].queue_id, 1);
    return opaque == NULL ? 1 : count;
}

static void a_function_chooses_or_its_message_is_refused(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_target target = {.select = second_or_none};
    rmq_message message;
    rmq_receipt receipt;

    (void)state;
    world_open(&world, true, 2, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    for (int i = 0; i < 3; i++) {
        assert_done(rmq_send_to(producer, &target, &message, LONG_MS, &receipt));
        assert_int_equal(receipt.queue.queue_id, 1);
        assert_int_equal(receipt.offset, i);
    }
    target.select_opaque = &world;
    assert_status(rmq_send_to(producer, &target, &message, LONG_MS, &receipt), DT_EREFUSED);
    assert_int_equal(rmq_mock_requests(world.mock, 0), 3);
    target.key = "k";
    assert_status(rmq_send_to(producer, &target, &message, LONG_MS, &receipt), DT_EINVAL);
    rmq_producer_free(producer);
    world_close(&world);
}

static void by_turns_every_queue_gets_its_share(void **state)
{
    enum { QUEUES = 4, ROUNDS = 5, BURST = 2000 };
    struct world world;
    rmq_producer *producer;
    rmq_message message;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, QUEUES, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    for (int i = 0; i < QUEUES * ROUNDS; i++) /* one after the other: exactly */
        assert_done(rmq_send_to(producer, NULL, &message, LONG_MS, NULL));
    for (int q = 0; q < QUEUES; q++)
        assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, q), ROUNDS);
    for (int i = 0; i < BURST; i++) /* at once: nobody goes without */
        assert_done(send_to(&world, producer, NULL, sent, i));
    assert_all_stored(sent, BURST);
    for (int q = 0; q < QUEUES; q++)
        assert_true(rmq_mock_max_offset(world.mock, world.topic, q) > ROUNDS);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void a_topic_that_nobody_knows_ends_at_the_deadline(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    message.topic = "nowhere";
    assert_status(rmq_send_to(producer, NULL, &message, 200, NULL), DT_ETIMEDOUT);
    assert_non_null(strstr(dt_error_text(), "nowhere"));
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- without order */

static void unordered_messages_have_as_many_requests_in_flight_as_allowed(void **state)
{
    enum { COUNT = 200, MOST = 3 };
    const rmq_producer_config config = {.batch_count_max = 1, .queue_requests_max = MOST};
    struct world world;
    rmq_producer *producer;
    rmq_target target = {.unordered = true};
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    rmq_mock_delay(world.mock, 5);
    target.queue = &world.queues[0];
    for (int i = 0; i < COUNT; i++)
        assert_done(send_to(&world, producer, &target, sent, i));
    assert_all_stored(sent, COUNT);
    assert_int_equal(rmq_mock_sends_at_once(world.mock), MOST);
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void a_busy_broker_is_asked_less_until_all_is_stored(void **state)
{
    enum { COUNT = 500 };
    const rmq_producer_config config = {.batch_count_max = 1, .broker_requests_max = 64};
    const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 5};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 4, &quick);
    producer = world_producer(&world, &config);
    rmq_mock_error(world.mock, 0, RMQ_SYSTEM_BUSY, 300);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_to(&world, producer, NULL, sent, i));
    assert_all_stored(sent, COUNT);
    assert_int_equal(rmq_mock_requests(world.mock, 0), COUNT + 300);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void the_window_of_a_broker_bounds_all_its_lanes(void **state)
{
    enum { COUNT = 400, QUEUES = 8 };
    const rmq_producer_config config = {.batch_count_max = 1, .broker_requests_max = 1};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, QUEUES, NULL);
    producer = world_producer(&world, &config);
    for (int i = 0; i < COUNT; i++) { /* lanes of all kinds wait for their turn */
        rmq_target target = {.queue = &world.queues[i % QUEUES]};

        target.unordered = i % 3 == 0;
        assert_done(send_to(&world, producer, i % 3 == 1 ? NULL : &target, sent, i));
    }
    assert_all_stored(sent, COUNT);
    assert_int_equal(rmq_mock_requests(world.mock, 0), COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

/* ---------------------------------------------------------------- nobody answers */

static void oneway_messages_are_stored_and_not_answered(void **state)
{
    enum { COUNT = 500, QUEUES = 2 };
    struct world world;
    rmq_producer *producer;
    int64_t offset = 0;

    (void)state;
    world_open(&world, false, QUEUES, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        rmq_target target = {.queue = &world.queues[0]};
        rmq_message message = text_message(&world, "x");

        assert_done(rmq_send_oneway(producer, i % 2 == 0 ? &target : NULL, &message));
    }
    assert_done(rmq_producer_flush(producer, LONG_MS)); /* all have left */
    for (int64_t until_ms = dt_clock_ms() + LONG_MS; offset < COUNT;) {
        offset = 0;
        for (size_t q = 0; q < world.queue_count; q++) {
            int64_t end;

            assert_done(
                rmq_offset_max(world.client, world.topic, &world.queues[q], LONG_MS, &end));
            offset += end;
        }
        assert_true(dt_clock_ms() < until_ms);
    }
    assert_int_equal(offset, COUNT);
    rmq_producer_free(producer);
    world_close(&world);
}

static void oneway_messages_are_dropped_when_nobody_is_there(void **state)
{
    const rmq_client_config impatient = {.request_timeout_ms = 200};
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, &impatient);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    world_down(&world);
    for (int i = 0; i < 100; i++)
        assert_done(rmq_send_oneway(producer, NULL, &message));
    assert_done(rmq_producer_flush(producer, LONG_MS));
    assert_done(rmq_mock_up(world.mock));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 0);
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- two brokers */

static rmq_producer *two_producer(struct two_brokers *two)
{
    const rmq_producer_config config = {.group = "producers"};
    rmq_producer *producer;

    assert_done(rmq_producer_new(two->client, &config, &producer));
    return producer;
}

static void two_send(struct two_brokers *two, rmq_producer *producer, int64_t timeout_ms)
{
    const rmq_message message = {.topic = two->topic, .body = "x", .body_size = 1};

    assert_done(rmq_send_to(producer, NULL, &message, timeout_ms, NULL));
}

static void a_broker_that_is_down_is_left_out(void **state)
{
    enum { COUNT = 40 };
    struct two_brokers two;
    rmq_producer *producer;

    (void)state;
    two_open(&two, NULL);
    producer = two_producer(&two);
    two_send(&two, producer, LONG_MS);
    rmq_mock_down(two.mocks[0]);
    for (int i = 0; i < COUNT; i++)
        two_send(&two, producer, LONG_MS);
    assert_int_equal(two_stored(&two, 0) + two_stored(&two, 1), COUNT + 1);
    assert_true(two_stored(&two, 1) >= COUNT);
    rmq_producer_free(producer);
    two_close(&two);
}

static void what_one_broker_is_too_busy_for_goes_to_the_other(void **state)
{
    enum { COUNT = 40 };
    struct two_brokers two;
    rmq_producer *producer;

    (void)state;
    two_open(&two, NULL);
    producer = two_producer(&two);
    rmq_mock_error(two.mocks[1], 0, RMQ_SYSTEM_BUSY, 1000000);
    for (int i = 0; i < COUNT; i++)
        two_send(&two, producer, LONG_MS);
    assert_int_equal(two_stored(&two, 0), COUNT);
    assert_true(rmq_mock_requests(two.mocks[1], 0) <= 2); /* then it is left alone */
    rmq_producer_free(producer);
    two_close(&two);
}

static void a_message_whose_answer_is_lost_is_stored_by_the_other_broker(void **state)
{
    struct two_brokers two;
    rmq_producer *producer;

    (void)state;
    two_open(&two, NULL);
    producer = two_producer(&two);
    rmq_mock_lose_answers(two.mocks[0], 0, 1);
    for (int i = 0; i < 4; i++)
        two_send(&two, producer, LONG_MS);
    assert_int_equal(two_stored(&two, 0) + two_stored(&two, 1), 5); /* one of them twice */
    rmq_producer_free(producer);
    two_close(&two);
}

static void when_every_broker_fails_it_is_tried_until_one_is_back(void **state)
{
    enum { COUNT = 100 };
    struct two_brokers two;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    two_open(&two, NULL);
    producer = two_producer(&two);
    two_send(&two, producer, LONG_MS);
    rmq_mock_down(two.mocks[0]);
    rmq_mock_down(two.mocks[1]);
    for (int i = 0; i < COUNT; i++) {
        const rmq_message message = {.topic = two.topic, .body = "x", .body_size = 1};

        assert_done(
            rmq_send_to_async(producer, NULL, &message, LONG_MS, sent_fn, &sent->one[i]));
    }
    assert_status(rmq_producer_flush(producer, 100), DT_ETIMEDOUT);
    assert_done(rmq_mock_up(two.mocks[1]));
    assert_all_stored(sent, COUNT);
    assert_true(two_stored(&two, 1) >= COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    two_close(&two);
}

static void what_has_its_queue_stays_with_it(void **state)
{
    struct two_brokers two;
    rmq_producer *producer;
    const rmq_queue queue = {"broker-0", 1};
    const rmq_target target = {.queue = &queue, .unordered = true};

    (void)state;
    two_open(&two, NULL);
    producer = two_producer(&two);
    rmq_mock_error(two.mocks[0], 0, RMQ_SYSTEM_BUSY, 1000000);
    for (int i = 0; i < 2; i++) {
        const rmq_message message = {.topic = two.topic, .body = "x", .body_size = 1};

        assert_status(i == 0 ? rmq_send(producer, &queue, &message, 200, NULL)
                             : rmq_send_to(producer, &target, &message, 200, NULL),
                      DT_ETIMEDOUT);
    }
    assert_int_equal(two_stored(&two, 1), 0);
    rmq_producer_free(producer);
    two_close(&two);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_one_queue_and_its_messages_keep_their_order),
        cmocka_unit_test(a_function_chooses_or_its_message_is_refused),
        cmocka_unit_test(by_turns_every_queue_gets_its_share),
        cmocka_unit_test(a_topic_that_nobody_knows_ends_at_the_deadline),
        cmocka_unit_test(unordered_messages_have_as_many_requests_in_flight_as_allowed),
        cmocka_unit_test(a_busy_broker_is_asked_less_until_all_is_stored),
        cmocka_unit_test(the_window_of_a_broker_bounds_all_its_lanes),
        cmocka_unit_test(oneway_messages_are_stored_and_not_answered),
        cmocka_unit_test(oneway_messages_are_dropped_when_nobody_is_there),
        cmocka_unit_test(a_broker_that_is_down_is_left_out),
        cmocka_unit_test(what_one_broker_is_too_busy_for_goes_to_the_other),
        cmocka_unit_test(a_message_whose_answer_is_lost_is_stored_by_the_other_broker),
        cmocka_unit_test(when_every_broker_fails_it_is_tried_until_one_is_back),
        cmocka_unit_test(what_has_its_queue_stays_with_it),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
