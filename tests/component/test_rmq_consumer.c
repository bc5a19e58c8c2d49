/* librmq: group consumers that share queues and handle messages concurrently */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "consumer_world.h"
#include "rmq/codes.h"
#include "support/case.h"

static const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};

static void every_message_is_handled_once(void **state)
{
    enum { COUNT = 2000 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;
    rmq_consumer_stats stats;

    (void)state;
    world_open(&world, false, 4, &quick);
    send_numbers(&world, 0, COUNT / 2);
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, COUNT / 2, COUNT);
    seen_wait(seen, &seen->handled, COUNT);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_handled(seen, 0, COUNT, 1);
    rmq_consumer_get_stats(consumer, &stats);
    assert_int_equal(stats.handled, COUNT);
    assert_int_equal(stats.later, 0);
    assert_int_equal(committed(&world), COUNT);
    assert_int_equal(seen->held, 0);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static void after_a_stop_nothing_that_was_handled_comes_again(void **state)
{
    enum { COUNT = 3000 };
    struct world world;
    struct seen *seen = seen_new();

    (void)state;
    world_open(&world, false, 3, &quick);
    send_numbers(&world, 0, COUNT);
    for (int wanted = 100; wanted <= COUNT; wanted += 290) {
        rmq_consumer *consumer = group_consumer(&world, world.client, seen, NULL);

        seen_wait(seen, &seen->handled, wanted);
        assert_done(rmq_consumer_stop(consumer, LONG_MS)); /* in the midst of it */
        rmq_consumer_free(consumer);
        assert_int_equal(committed(&world), seen->handled);
    }
    assert_int_equal(seen->handled, COUNT);
    assert_handled(seen, 0, COUNT, 1);
    world_close(&world);
    seen_free(seen);
}

static void a_slow_handler_is_helped_by_other_threads(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.threads = 6};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 20); /* one answer of the broker has them all */
    seen->block = 1;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->running, 6);
    seen_set_block(seen, 0);
    seen_wait(seen, &seen->handled, 20);
    assert_int_equal(seen->most_running, 6);
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 20, 1);
    world_close(&world);
    seen_free(seen);
}

static void a_call_has_as_many_messages_as_asked_for(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.call_count_max = 8};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 500);
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->handled, 500);
    assert_int_equal(seen->most_in_call, 8);
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 500, 1);
    world_close(&world);
    seen_free(seen);
}

static void members_share_the_queues_through_joins_and_leaves(void **state)
{
    enum { MEMBERS = 4, QUEUES = 10 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_client *clients[MEMBERS];
    rmq_consumer *consumers[MEMBERS] = {NULL};
    int sent = 0;

    (void)state;
    world_open(&world, false, QUEUES, &quick);
    for (int i = 0; i < MEMBERS; i++) {
        clients[i] = world_client(&world, &quick);
        consumers[i] = group_consumer(&world, clients[i], seen, NULL);
        if (i == 0)
            seen_wait_exactly(seen, &seen->held, QUEUES);
        send_numbers(&world, sent, sent + 200);
        sent += 200;
        seen_wait(seen, &seen->handled, sent);
    }
    for (int i = 0; i < MEMBERS - 1; i++) {
        rmq_held_queue *queues;
        size_t count, own = 0;

        assert_done(rmq_consumer_stop(consumers[i], LONG_MS));
        rmq_consumer_free(consumers[i]);
        seen_wait_exactly(seen, &seen->held, QUEUES);
        assert_done(rmq_consumer_queues(consumers[i + 1], &queues, &count));
        for (size_t k = 0; k < count; k++)
            own += strcmp(queues[k].topic, world.topic) == 0;
        assert_true(own > 0);
        rmq_free(queues);
        send_numbers(&world, sent, sent + 200);
        sent += 200;
        seen_wait(seen, &seen->handled, sent);
    }
    rmq_consumer_free(consumers[MEMBERS - 1]);
    assert_handled(seen, 0, sent, 2); /* twice only where a queue changed hands */
    assert_int_equal(committed(&world), sent);
    for (int i = 0; i < MEMBERS; i++)
        rmq_client_free(clients[i]);
    world_close(&world);
    seen_free(seen);
}

static size_t divide_backwards(void *opaque, const rmq_division *division, rmq_queue *mine)
{
    size_t count = 0;

    (void)opaque;
    for (size_t i = 0; i < division->queue_count; i++) {
        size_t owner = division->member_count - 1 - i % division->member_count;

        if (strcmp(division->members[owner], division->client_id) == 0)
            mine[count++] = division->queues[i];
    }
    return count;
}

static void every_strategy_leaves_no_queue_out(void **state)
{
    enum { QUEUES = 7 };
    struct world world;

    (void)state;
    world_open(&world, false, QUEUES, &quick);
    for (int strategy = 0; strategy <= RMQ_STRATEGY_OWN; strategy++) {
        rmq_consumer_config config = {.strategy = (rmq_strategy)strategy,
                                      .divide = divide_backwards};
        struct seen *seen = seen_new();
        rmq_client *other = world_client(&world, &quick);
        rmq_consumer *one = group_consumer(&world, world.client, seen, &config), *two;

        seen_wait_exactly(seen, &seen->held, QUEUES);
        two = group_consumer(&world, other, seen, &config);
        send_numbers(&world, strategy * 100, strategy * 100 + 100);
        seen_wait(seen, &seen->handled, 100);
        rmq_consumer_free(one);
        seen_wait_exactly(seen, &seen->held, QUEUES);
        rmq_consumer_free(two);
        rmq_client_free(other);
        seen_free(seen);
    }
    world_close(&world);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    struct world world;
    rmq_consumer *consumer, *again;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.group = "G", .handler = seen_handle};
    rmq_subscription empty = {"T", "a || || b"};
    char long_group[140];

    (void)state;
    world_open(&world, true, 1, &quick);
    assert_status(rmq_consumer_new(NULL, &config, &consumer), DT_EINVAL);
    config.handler = NULL;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.handler = seen_handle;
    config.threads = 5000;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.threads = 0;
    config.strategy = RMQ_STRATEGY_OWN;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.strategy = RMQ_STRATEGY_AVERAGE;
    config.start = RMQ_START_COMMITTED;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.start = RMQ_START_FIRST;
    config.commit_period_ms = -1;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.commit_period_ms = 0;
    config.subscriptions = &empty;
    config.subscription_count = 1;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.subscription_count = 0;
    memset(long_group, 'g', sizeof(long_group));
    long_group[121] = 0;
    config.group = long_group;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    config.group = NULL;
    assert_status(rmq_consumer_new(world.client, &config, &consumer), DT_EINVAL);
    consumer = group_consumer(&world, world.client, seen, NULL);
    config.group = world_group(&world);
    assert_status(rmq_consumer_new(world.client, &config, &again), DT_EEXIST);
    assert_status(rmq_consumer_stop(consumer, 0), DT_EINVAL);
    assert_status(rmq_consumer_pause(consumer, "other"), DT_ENOTFOUND);
    assert_status(rmq_consumer_unsubscribe(consumer, "other"), DT_ENOTFOUND);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_status(rmq_consumer_subscribe(consumer, "T2", NULL), DT_ECLOSED);
    rmq_consumer_free(consumer);
    rmq_consumer_free(NULL);
    world_close(&world);
    seen_free(seen);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_handled_once),
        cmocka_unit_test(after_a_stop_nothing_that_was_handled_comes_again),
        cmocka_unit_test(a_slow_handler_is_helped_by_other_threads),
        cmocka_unit_test(a_call_has_as_many_messages_as_asked_for),
        cmocka_unit_test(members_share_the_queues_through_joins_and_leaves),
        cmocka_unit_test(every_strategy_leaves_no_queue_out),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
