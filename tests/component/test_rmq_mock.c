/* rmq/mock.h: nodes, faults and time of the in-memory RocketMQ */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"

static void open_as(struct world *world, const rmq_mock_config *config)
{
    memset(world, 0, sizeof(*world));
    snprintf(world->topic, sizeof(world->topic), "virtual");
    assert_done(rmq_mock_new(config, &world->mock));
    snprintf(world->namesrv, sizeof(world->namesrv), "%s", rmq_mock_namesrv(world->mock));
    world->client = world_client(world, NULL);
    assert_done(rmq_topic_create(world->client, world->topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world->client, world->topic, &world->queues,
                                       &world->queue_count, LONG_MS));
}

static void open_virtual(struct world *world)
{
    rmq_mock_config config = {.virtual_time = true};

    open_as(world, &config);
}

static void time_stands_until_it_is_advanced(void **state)
{
    enum { HOUR = 3600000 };
    rmq_producer *producer;
    struct world world;
    rmq_message message;
    int64_t start_ms, offset;

    (void)state;
    open_virtual(&world);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "now");
    start_ms = rmq_mock_time_wall_ms(world.mock);
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_int_equal(rmq_mock_time_wall_ms(world.mock), start_ms);
    assert_done(rmq_mock_time_advance(world.mock, HOUR));
    assert_int_equal(rmq_mock_time_wall_ms(world.mock), start_ms + HOUR);
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(rmq_offset_by_time(world.client, world.topic, &world.queues[0],
                                   start_ms + 1, RMQ_BOUNDARY_LOWER, LONG_MS, &offset));
    assert_int_equal(offset, 1);
    assert_status(rmq_mock_time_advance(world.mock, -1), DT_EINVAL);
    rmq_producer_free(producer);
    world_close(&world);
}

static void delays_and_held_pulls_end_when_their_time_comes(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    rmq_batch *batch;
    struct world world;
    int64_t pulls;

    (void)state;
    open_virtual(&world);
    producer = world_producer(&world, NULL);
    rmq_mock_delay(world.mock, 1000);
    assert_done(send_number(&world, producer, 0, sent, 0, LONG_MS));
    assert_true(rmq_mock_wait_requests(world.mock, 0, 1, LONG_MS));
    assert_int_equal(rmq_mock_sends_at_once(world.mock), 1);
    assert_done(rmq_mock_time_advance(world.mock, 999));
    assert_int_equal(sent->ended, 0);
    assert_done(rmq_mock_time_advance(world.mock, 1));
    sent_wait(sent, 1);
    assert_int_equal(sent->one[0].status, DT_OK);
    rmq_mock_delay(world.mock, 0);

    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 1));
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 1, LONG_MS));
    pulls = rmq_mock_requests(world.mock, RMQ_PULL_MESSAGE);
    assert_done(rmq_mock_time_advance(world.mock, 60000)); /* longer than it is held */
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, pulls + 1, LONG_MS));
    assert_done(send_number(&world, producer, 0, sent, 1, LONG_MS));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    assert_int_equal(batch->count, 1);
    rmq_batch_free(batch);
    sent_wait(sent, 2);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void a_delayed_message_comes_when_its_level_is_over(void **state)
{
    rmq_producer *producer;
    struct world world;
    rmq_message message;

    (void)state;
    open_virtual(&world);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "later");
    message.delay_level = 18; /* two hours */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(rmq_mock_time_advance(world.mock, 7200000 - 1));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 0);
    assert_done(rmq_mock_time_advance(world.mock, 1));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 1);
    rmq_producer_free(producer);
    world_close(&world);
}

static void a_member_that_is_silent_for_two_minutes_leaves(void **state)
{
    rmq_pull_consumer_config settings = {.member = true, .group = "silent"};
    rmq_pull_consumer *consumer;
    rmq_mock_config config = {.virtual_time = true, .members_expire = true};
    struct world world;
    char **members;
    size_t count;

    (void)state;
    open_as(&world, &config);
    consumer = world_consumer(&world, &settings);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_HEART_BEAT, 1, LONG_MS));
    assert_done(rmq_mock_time_advance(world.mock, 119000));
    assert_done(
        rmq_group_members(world.client, "silent", world.topic, LONG_MS, &members, &count));
    assert_int_equal(count, 1);
    rmq_free(members);
    assert_done(rmq_mock_time_advance(world.mock, 1001));
    assert_done(
        rmq_group_members(world.client, "silent", world.topic, LONG_MS, &members, &count));
    assert_int_equal(count, 0);
    rmq_free(members);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void what_cannot_be_is_refused(void **state)
{
    rmq_mock_fault fault = {.action = RMQ_MOCK_ANSWER, .count = 1};
    rmq_mock *mock;
    char body[8];
    size_t size;
    int number;

    (void)state;
    assert_done(rmq_mock_new(NULL, &mock));
    assert_status(rmq_mock_time_advance(mock, 1), DT_ESTATE);
    assert_status(rmq_mock_broker_add(mock, "broker-a", 0, &number), DT_EEXIST);
    assert_status(rmq_mock_broker_add(mock, "", 0, &number), DT_EINVAL);
    assert_done(rmq_mock_broker_add(mock, "broker-a", 2, &number));
    assert_status(rmq_mock_broker_add(mock, "broker-a", 2, &number), DT_EEXIST);
    assert_status(rmq_mock_slave_lag(mock, 1, 3), DT_EINVAL);
    assert_status(rmq_mock_promote(mock, 1), DT_EINVAL);
    assert_status(rmq_mock_promote(mock, 9), DT_ENOTFOUND);
    assert_status(rmq_mock_broker_down(mock, 9, true), DT_ENOTFOUND);
    assert_status(rmq_mock_namesrv_down(mock, 0, true), DT_ENOTFOUND);
    assert_null(rmq_mock_broker_address(mock, 3));
    assert_non_null(rmq_mock_broker_address(mock, 2));
    assert_status(rmq_mock_topic_delete(mock, 1, "none"), DT_ENOTFOUND);
    assert_status(rmq_mock_body(mock, 1, "none", 0, 0, body, sizeof(body), &size),
                  DT_ENOTFOUND);
    fault.count = 0;
    assert_status(rmq_mock_fault_add(mock, &fault), DT_EINVAL);
    fault.count = 1;
    for (int i = 0; i < 256; i++)
        assert_done(rmq_mock_fault_add(mock, &fault));
    assert_status(rmq_mock_fault_add(mock, &fault), DT_ENOMEM);
    assert_int_equal(rmq_mock_faults_left(mock), 256);
    rmq_mock_faults_clear(mock);
    assert_int_equal(rmq_mock_faults_left(mock), 0);
    rmq_mock_free(mock);
}

static void
messages_that_are_forgotten_leave_a_queue_that_begins_where_it_ends(void **state)
{
    rmq_mock_config config = {.forgets = true};
    struct world world = {.topic = "forgets"};
    rmq_producer *producer;
    rmq_message message;
    rmq_receipt receipt;
    int64_t min, max;

    (void)state;
    assert_done(rmq_mock_new(&config, &world.mock));
    snprintf(world.namesrv, sizeof(world.namesrv), "%s", rmq_mock_namesrv(world.mock));
    world.client = world_client(&world, NULL);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    producer = world_producer(&world, NULL);
    message = text_message(&world, "gone");
    for (int i = 0; i < 10; i++) {
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
        assert_int_equal(receipt.offset, i);
    }
    assert_done(rmq_offset_min(world.client, world.topic, &world.queues[0], LONG_MS, &min));
    assert_done(rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &max));
    assert_int_equal(min, 10);
    assert_int_equal(max, 10);
    rmq_producer_free(producer);
    world_close(&world);
}

/* Committed offsets, and topics, belong to a broker name: the same queue of two is not one. */
static void brokers_of_two_names_share_nothing(void **state)
{
    rmq_pull_consumer *consumer;
    struct world world;
    int64_t offset;
    int number;

    (void)state;
    world_find(&world, true);
    assert_done(rmq_mock_broker_add(world.mock, "broker-b", 0, &number));
    world.client = world_client(&world, NULL);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    assert_int_equal(world.queue_count, 2);
    assert_string_equal(world.queues[0].broker_name, "broker-a");
    assert_string_equal(world.queues[1].broker_name, "broker-b");
    consumer = world_consumer(&world, NULL); /* its pulls make the group known */
    for (int i = 0; i < 2; i++)
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[i], 0));
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 2, LONG_MS));
    assert_done(rmq_offset_commit(world.client, "readers", world.topic, &world.queues[0], 3,
                                  LONG_MS));
    assert_status(rmq_offset_query(world.client, "readers", world.topic, &world.queues[1],
                                   LONG_MS, &offset),
                  DT_ENOTFOUND);
    assert_done(rmq_mock_topic_delete(world.mock, 2, world.topic));
    rmq_free(world.queues);
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    assert_int_equal(world.queue_count, 1);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_stands_until_it_is_advanced),
        cmocka_unit_test(delays_and_held_pulls_end_when_their_time_comes),
        cmocka_unit_test(a_delayed_message_comes_when_its_level_is_over),
        cmocka_unit_test(a_member_that_is_silent_for_two_minutes_leaves),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(
            messages_that_are_forgotten_leave_a_queue_that_begins_where_it_ends),
        cmocka_unit_test(brokers_of_two_names_share_nothing),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
