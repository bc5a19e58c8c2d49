/* librmq: what a handler does not take: back to the broker, again after a delay, dead letters */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "consumer_world.h"
#include "rmq/codes.h"
#include "support/case.h"

static const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};

/* A mock whose clock stands. */
static void open_still(struct world *world, int32_t queues)
{
    rmq_mock_config config = {.virtual_time = true};

    world_find(world, true);
    rmq_mock_free(world->mock);
    assert_done(rmq_mock_new(&config, &world->mock));
    snprintf(world->namesrv, sizeof(world->namesrv), "%s", rmq_mock_namesrv(world->mock));
    world->client = world_client(world, &quick);
    assert_done(rmq_topic_create(world->client, world->topic, queues, LONG_MS));
    assert_done(rmq_topic_write_queues(world->client, world->topic, &world->queues,
                                       &world->queue_count, LONG_MS));
}

static int64_t end_of(struct world *world, const char *prefix)
{
    char topic[200];

    snprintf(topic, sizeof(topic), "%s%s", prefix, world_group(world));
    return rmq_mock_max_offset(world->mock, topic, 0);
}

static void what_is_not_taken_comes_again_with_its_own_topic(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;
    rmq_consumer_stats stats;

    (void)state;
    open_still(&world, 2);
    send_numbers(&world, 0, 40);
    seen->fail_times = 1;
    seen->fail_number = 7;
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->handled, 39);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, 1, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 9999)); /* level 3 is 10 s */
    assert_int_equal(end_of(&world, "%RETRY%"), 0);
    assert_done(rmq_mock_time_advance(world.mock, 1));
    seen_wait(seen, &seen->handled, 40);
    assert_int_equal(seen->calls[7], 2);
    assert_int_equal(seen->last_times, 1);
    assert_string_equal(seen->last_topic, world.topic);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    rmq_consumer_get_stats(consumer, &stats);
    assert_int_equal(stats.later, 1);
    assert_int_equal(stats.sent_back, 1);
    assert_int_equal(committed(&world), 40);
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 40, 1);
    assert_int_equal(end_of(&world, "%DLQ%"), -1);
    world_close(&world);
    seen_free(seen);
}

static void after_max_attempts_it_is_a_dead_letter(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.max_attempts = 3};
    rmq_consumer *consumer;

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 0, 1);
    seen->fail_times = 100;
    consumer = group_consumer(&world, world.client, seen, &config);
    for (int attempt = 1; attempt <= 4; attempt++) { /* the first, and three more */
        assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, attempt,
                                           LONG_MS));
        assert_done(rmq_mock_time_advance(world.mock, 8000000));
        if (attempt < 4)
            seen_wait(seen, &seen->calls[0], attempt + 1);
    }
    assert_int_equal(end_of(&world, "%DLQ%"), 1);
    assert_int_equal(end_of(&world, "%RETRY%"), 3);
    assert_int_equal(seen->last_times, 3);
    rmq_consumer_free(consumer);
    assert_int_equal(committed(&world), 1);
    world_close(&world);
    seen_free(seen);
}

static void a_delay_level_is_the_handlers_to_choose(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 0, 1);
    seen->fail_times = 1;
    seen->delay_level = 1; /* 1 s */
    consumer = group_consumer(&world, world.client, seen, NULL);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, 1, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 1000));
    seen_wait(seen, &seen->handled, 1);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static void a_hopeless_message_is_dead_at_once(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 0, 3);
    seen->fail_times = 1;
    seen->fail_number = 1;
    seen->delay_level = -1;
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->handled, 2);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, 1, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 0));
    rmq_consumer_free(consumer);
    assert_int_equal(end_of(&world, "%DLQ%"), 1);
    assert_int_equal(committed(&world), 3);
    world_close(&world);
    seen_free(seen);
}

static void what_no_broker_takes_back_is_given_again_here(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.local_retry_ms = 20, .call_count_max = 4};
    rmq_consumer *consumer;
    rmq_consumer_stats stats;

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 0, 10);
    rmq_mock_error(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, RMQ_SYSTEM_ERROR, 1000);
    seen->fail_times = 2;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->handled, 10);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    rmq_consumer_get_stats(consumer, &stats);
    assert_int_equal(stats.sent_back, 0);
    assert_true(stats.local_retry >= 10);
    assert_handled(seen, 0, 10, 1);
    assert_int_equal(committed(&world), 10);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static rmq_handled take_half(void *opaque, rmq_delivery *delivery)
{
    rmq_handled outcome = seen_handle(opaque, delivery);

    if (delivery->count < 2 || delivery->messages[0].reconsume_times > 0)
        return outcome;
    delivery->handled_count = delivery->count / 2;
    return RMQ_LATER;
}

static void only_what_is_behind_the_handled_ones_comes_again(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.call_count_max = 10, .handler = take_half};
    rmq_consumer *consumer;

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 0, 10);
    consumer = group_consumer(&world, world.client, seen, &config);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, 5, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 10000));
    seen_wait(seen, &seen->order_count, 15);
    rmq_consumer_free(consumer);
    for (int i = 0; i < 10; i++)
        assert_int_equal(seen->calls[i], i < 5 ? 1 : 2);
    world_close(&world);
    seen_free(seen);
}

static void a_dead_letter_keeps_what_it_was(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_pull_consumer_config letters = {0};
    rmq_pull_consumer *reader;
    rmq_consumer *consumer;
    rmq_queue queue = {"broker-a", 0};
    rmq_batch *batch;
    char topic[128];

    (void)state;
    open_still(&world, 1);
    send_numbers(&world, 42, 43);
    seen->fail_times = 1;
    seen->delay_level = -1;
    consumer = group_consumer(&world, world.client, seen, NULL);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_CONSUMER_SEND_MSG_BACK, 1, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 0));
    rmq_consumer_free(consumer);
    snprintf(topic, sizeof(topic), "%%DLQ%%%s", world_group(&world));
    letters.topic = topic;
    letters.group = "undertakers";
    assert_done(rmq_pull_consumer_new(world.client, &letters, &reader));
    assert_done(rmq_pull_consumer_assign(reader, &queue, 0));
    assert_done(rmq_pull_consumer_poll(reader, LONG_MS, &batch));
    assert_int_equal(batch->count, 1);
    assert_memory_equal(batch->messages[0].body, "42", 2);
    assert_string_equal(rmq_received_property(&batch->messages[0], "RETRY_TOPIC"),
                        world.topic);
    assert_non_null(rmq_received_property(&batch->messages[0], "ORIGIN_MESSAGE_ID"));
    rmq_batch_free(batch);
    rmq_pull_consumer_free(reader);
    world_close(&world);
    seen_free(seen);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_taken_comes_again_with_its_own_topic),
        cmocka_unit_test(after_max_attempts_it_is_a_dead_letter),
        cmocka_unit_test(a_delay_level_is_the_handlers_to_choose),
        cmocka_unit_test(a_hopeless_message_is_dead_at_once),
        cmocka_unit_test(what_no_broker_takes_back_is_given_again_here),
        cmocka_unit_test(only_what_is_behind_the_handled_ones_comes_again),
        cmocka_unit_test(a_dead_letter_keeps_what_it_was),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
