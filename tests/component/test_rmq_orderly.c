/* librmq: orderly consumers: locked queues, one call after the other, retried in place */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "consumer_world.h"
#include "rmq/codes.h"
#include "support/case.h"

static const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};

/* The numbers of a queue come in order, each for the first time behind the one before. */
static void assert_queue_order(const struct seen *seen, int queues)
{
    for (int queue = 0; queue < queues; queue++) {
        int next = queue;

        for (int i = 0; i < seen->order_count; i++) {
            if (seen->order[i] % queues != queue)
                continue;
            assert_true(seen->order[i] <= next);
            next += seen->order[i] == next ? queues : 0;
        }
    }
}

static void the_messages_of_a_queue_come_in_order(void **state)
{
    enum { QUEUES = 4, COUNT = 2000 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true, .threads = 8, .call_count_max = 3};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, QUEUES, &quick);
    send_numbers(&world, 0, COUNT / 2);
    consumer = group_consumer(&world, world.client, seen, &config);
    send_numbers(&world, COUNT / 2, COUNT);
    seen_wait(seen, &seen->handled, COUNT);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_handled(seen, 0, COUNT, 1);
    if (world.mock != NULL) {
        assert_queue_order(seen, QUEUES);
        assert_true(rmq_mock_requests(world.mock, RMQ_LOCK_BATCH_MQ) >= 1);
        assert_true(rmq_mock_requests(world.mock, RMQ_UNLOCK_BATCH_MQ) >= QUEUES);
    }
    assert_int_equal(committed(&world), COUNT);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static void what_fails_is_retried_before_what_is_behind_it(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true, .suspend_ms = 5};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 10);
    seen->fail_times = 3;
    seen->fail_number = 4;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->handled, 10);
    rmq_consumer_free(consumer);
    assert_int_equal(seen->calls[4], 4);
    assert_int_equal(seen->order_count, 13);
    for (int i = 0; i < 13; i++)
        assert_int_equal(seen->order[i], i < 4 ? i : i < 8 ? 4 : i - 3);
    world_close(&world);
    seen_free(seen);
}

static void after_max_attempts_the_queue_goes_on(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true, .suspend_ms = 5, .max_attempts = 3};
    rmq_consumer *consumer;
    char topic[200];

    (void)state;
    world_open(&world, true, 1, &quick);
    send_numbers(&world, 0, 6);
    seen->fail_times = 100;
    seen->fail_number = 2;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->handled, 5);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_int_equal(seen->calls[2], 3);
    assert_int_equal(seen->order[seen->order_count - 1], 5);
    assert_int_equal(committed(&world), 6);
    snprintf(topic, sizeof(topic), "%%DLQ%%%s", world_group(&world));
    assert_int_equal(rmq_mock_max_offset(world.mock, topic, 0), 1);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static void a_queue_changes_hands_without_losing_its_order(void **state)
{
    enum { QUEUES = 6, ROUNDS = 4, EACH = 300 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true, .threads = 4, .lock_period_ms = 50};
    rmq_client *clients[2];
    rmq_consumer *members[2];
    int sent = 0;

    (void)state;
    world_open(&world, true, QUEUES, &quick);
    clients[0] = world_client(&world, &quick);
    clients[1] = world_client(&world, &quick);
    members[0] = group_consumer(&world, clients[0], seen, &config);
    for (int round = 0; round < ROUNDS; round++) {
        int joining = (round + 1) % 2, leaving = round % 2;

        members[joining] = group_consumer(&world, clients[joining], seen, &config);
        send_numbers(&world, sent, sent + EACH);
        sent += EACH;
        seen_wait(seen, &seen->handled, sent - EACH / 2);
        assert_done(rmq_consumer_stop(members[leaving], LONG_MS));
        rmq_consumer_free(members[leaving]);
        seen_wait(seen, &seen->handled, sent);
    }
    rmq_consumer_free(members[ROUNDS % 2]);
    assert_handled(seen, 0, sent, 1); /* with locks nothing is read by two */
    assert_queue_order(seen, QUEUES);
    assert_int_equal(committed(&world), sent);
    rmq_client_free(clients[0]);
    rmq_client_free(clients[1]);
    world_close(&world);
    seen_free(seen);
}

static void a_lost_lock_stops_handing_out(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true, .lock_period_ms = 20, .threads = 2};
    rmq_consumer *consumer;
    int64_t requests;

    (void)state;
    world_open(&world, true, 1, &quick);
    consumer = group_consumer(&world, world.client, seen, &config);
    send_numbers(&world, 0, 5);
    seen_wait(seen, &seen->handled, 5);
    assert_done(rmq_consumer_commit(consumer));
    assert_done(rmq_mock_lock_take(world.mock, world_group(&world), world.topic, 0,
                                   "somebody else"));
    requests = rmq_mock_requests(world.mock, RMQ_LOCK_BATCH_MQ);
    /* asked in vain, and asked again for what is missing */
    assert_true(
        rmq_mock_wait_requests(world.mock, RMQ_LOCK_BATCH_MQ, requests + 3, LONG_MS));
    send_numbers(&world, 5, 10);
    assert_true(
        rmq_mock_wait_requests(world.mock, RMQ_LOCK_BATCH_MQ, requests + 6, LONG_MS));
    assert_int_equal(seen->handled, 5);
    assert_done(rmq_mock_lock_take(world.mock, world_group(&world), world.topic, 0,
                                   rmq_client_id(world.client)));
    seen_wait(seen, &seen->handled, 10);
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 10, 2); /* the last before the commit may come again */
    assert_int_equal(committed(&world), 10);
    world_close(&world);
    seen_free(seen);
}

static void a_stop_in_vain_leaves_the_running_handler_alone(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.orderly = true};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 3);
    seen->block = 1;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->running, 1);
    assert_status(rmq_consumer_stop(consumer, 50), DT_ETIMEDOUT);
    seen_set_block(seen, 0);
    rmq_consumer_free(consumer);
    assert_int_equal(seen->order_count, 1);
    world_close(&world);
    seen_free(seen);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_a_queue_come_in_order),
        cmocka_unit_test(what_fails_is_retried_before_what_is_behind_it),
        cmocka_unit_test(after_max_attempts_the_queue_goes_on),
        cmocka_unit_test(a_queue_changes_hands_without_losing_its_order),
        cmocka_unit_test(a_lost_lock_stops_handing_out),
        cmocka_unit_test(a_stop_in_vain_leaves_the_running_handler_alone),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
