/*
 * The RocketMQ side, on the in-memory one; on a real one if DUET_TEST_NAMESRV names it
 * (host:port).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "component/side_cases.h"
#include "rmq/mock.h"
#include "rmq/rmq.h"
#include "support/case.h"

static rmq_mock *mock;

static struct world *world_open(void)
{
    struct world *world = malloc(sizeof(*world));
    const char *address = getenv("DUET_TEST_NAMESRV");
    int32_t partitions;

    world_init(world, DUET_ROCKETMQ);
    world_name(world->route.topic, sizeof(world->route.topic), "side.test");
    must(duet_name_to_rocketmq(world->route.rocketmq_topic,
                               sizeof(world->route.rocketmq_topic), world->route.topic,
                               DUET_RMQ_TOPIC_MAX));
    if (address == NULL) {
        must(rmq_mock_new(NULL, &mock));
        address = rmq_mock_namesrv(mock);
    }
    world->config.namesrv = strdup(address);
    must(duet_side_open(&world->config, DUET_ROCKETMQ, "side-test", &world->client));
    must(duet_side_topic_create(world->client, world->route.rocketmq_topic, PARTITIONS,
                                TIMEOUT_MS));
    must(duet_side_topic_partitions(world->client, world->route.rocketmq_topic, &partitions,
                                    &world->queues, TIMEOUT_MS));
    assert_int_equal(partitions, PARTITIONS);
    world->route.queues = world->queues;
    return world;
}

static void world_close(struct world *world)
{
    world_fini(world);
    free(world->config.namesrv);
    free(world);
    rmq_mock_free(mock);
    mock = NULL;
}

static void a_topic_has_the_queues_it_was_made_with(void **state)
{
    struct world *world = world_open();
    int32_t partitions;

    (void)state;
    assert_int_equal(duet_side_of(world->client), DUET_ROCKETMQ);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(world->queues[i].queue_id, i);
        assert_string_equal(world->queues[i].broker_name, world->queues[0].broker_name);
    }
    assert_int_equal(
        duet_side_topic_create(world->client, world->route.rocketmq_topic, 3, TIMEOUT_MS),
        DT_EEXIST);
    assert_int_equal(duet_side_topic_partitions(world->client, "never-made", &partitions,
                                                NULL, TIMEOUT_MS),
                     DT_ENOTFOUND);
    world_close(world);
}

static void nobody_there_is_unreachable_in_time(void **state)
{
    struct duet_plan_queue queue = {.broker_name = "broker-a"};
    struct duet_plan_route route = {
        .topic = "x", .rocketmq_topic = "x", .partitions = 1, .queues = &queue};
    struct duet_config config = {.namesrv = (char[]){"127.0.0.1:1"}};
    struct duet_side_client *client;
    int32_t partitions;
    int64_t position, end, started_ms = dt_clock_ms();

    (void)state;
    must(duet_side_open(&config, DUET_ROCKETMQ, "x", &client));
    assert_int_equal(duet_side_topic_partitions(client, "x", &partitions, NULL, 300),
                     DT_EUNREACH);
    assert_int_equal(duet_side_topic_create(client, "x", 1, 300), DT_EUNREACH);
    assert_int_equal(duet_side_bounds(client, &route, 0, 300, &position, &end),
                     DT_EUNREACH);
    assert_int_equal(duet_side_bounds(client, &route, 1, 300, &position, &end), DT_EINVAL);
    assert_int_equal(duet_side_committed(client, &route, "g", 0, 300, &position),
                     DT_EUNREACH);
    assert_true(dt_clock_ms() - started_ms < 10000);
    duet_side_close(client);
}

/* A producer that knows nothing of duet. */
static void a_message_without_a_stamp_is_read_with_its_properties(void **state)
{
    struct world *world = world_open();
    rmq_client_config settings = {.namesrv = world->config.namesrv};
    rmq_producer_config producer_settings = {.group = "other"};
    const rmq_property property = {"color", "red"};
    rmq_message message = {.topic = world->route.rocketmq_topic,
                           .body = "text",
                           .body_size = 4,
                           .keys = "order-1",
                           .properties = &property,
                           .property_count = 1};
    rmq_queue queue;
    rmq_client *client;
    rmq_producer *producer;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    must(rmq_client_new(&settings, &client));
    must(rmq_producer_new(client, &producer_settings, &producer));
    memcpy(queue.broker_name, world->queues[1].broker_name, sizeof(queue.broker_name));
    queue.queue_id = world->queues[1].queue_id;
    must(rmq_send(producer, &queue, &message, TIMEOUT_MS, NULL));
    rmq_producer_free(producer);
    rmq_client_free(client);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 1, 0));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->count, 1);
    assert_int_equal(batch->records[0].verdict, DUET_STAMP_MISSING);
    assert_int_equal(batch->records[0].stamp.id.kind, DUET_ID_ROCKETMQ);
    assert_int_equal(batch->records[0].stamp.id.sequence, 0);
    assert_false(batch->records[0].corrupt);
    assert_span(batch->records[0].record.key, dt_span_str("order-1"));
    assert_span(batch->records[0].record.value, dt_span_str("text"));
    assert_int_equal(batch->records[0].record.header_count, 1);
    assert_span(batch->records[0].record.headers[0].name, dt_span_str("color"));
    assert_span(batch->records[0].record.headers[0].value, dt_span_str("red"));
    duet_read_batch_free(batch);
    duet_reader_free(reader);
    world_close(world);
}

static void a_reader_with_a_group_is_its_member(void **state)
{
    struct world *world = world_open();
    struct duet_reader *reader = world_reader(world);
    char member[DUET_NAME_SIZE];
    bool found = false;

    (void)state;
    must(duet_reader_assign(reader, 0, 0));
    for (int64_t end_ms = dt_clock_ms() + TIMEOUT_MS; !found && dt_clock_ms() < end_ms;)
        must(duet_side_foreign_member(world->client, &world->route, "side-test", "someone",
                                      TIMEOUT_MS, &found, member));
    assert_true(found);
    assert_non_null(strstr(member, "@side-test"));
    must(duet_side_foreign_member(world->client, &world->route, "side-test", "side-test",
                                  TIMEOUT_MS, &found, member));
    assert_false(found);
    must(duet_side_foreign_member(world->client, &world->route, "other-group", NULL,
                                  TIMEOUT_MS, &found, member));
    assert_false(found);
    duet_reader_free(reader);
    world_close(world);
}

static bool on_mock(struct world *world)
{
    if (mock != NULL)
        return true;
    world_close(world);
    skip();
    return false;
}

static void a_lost_connection_is_told_before_what_comes_after_it(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    if (!on_mock(world))
        return;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    reader = world_reader(world);
    must(duet_reader_assign(reader, 0, 0));
    must(send_odd(world, sender, 0, 0, 0, 0));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_RECORDS);
    duet_read_batch_free(batch);
    rmq_mock_down(mock);
    must(send_odd(world, sender, 0, 1, 0, 1));
    world_wait_reachable(sender, false);
    must(rmq_mock_up(mock));
    world_wait_outcomes(world, 2);
    assert_int_equal(world->sent[1].outcome, DUET_DONE);
    assert_true(duet_sender_reachable(sender));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_INTERRUPTED);
    assert_int_equal(batch->partition, -1);
    duet_read_batch_free(batch);
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_RECORDS);
    assert_int_equal(batch->records[0].stamp.id.sequence, 1);
    duet_read_batch_free(batch);
    duet_sender_free(sender, 1000);
    duet_reader_free(reader);
    world_close(world);
}

/* A broker that lost its newest messages: the reader stands beyond the end. */
static void a_log_that_lost_its_tail_has_moved(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;
    size_t seen = 0;

    (void)state;
    if (!on_mock(world))
        return;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    for (size_t i = 0; i < 10; i++)
        must(send_odd(world, sender, 2, i, 0, i));
    world_wait_outcomes(world, 10);
    duet_sender_free(sender, 1000);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 2, 0));
    while (seen < 10) {
        batch = world_read(world, reader, 10);
        seen += batch->count;
        duet_read_batch_free(batch);
    }
    rmq_mock_restart(mock, 3);
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_INTERRUPTED);
    duet_read_batch_free(batch);
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_MOVED);
    assert_int_equal(batch->partition, 2);
    assert_int_equal(batch->next_position, 10);
    assert_int_equal(batch->end, 7);
    duet_read_batch_free(batch);
    duet_reader_free(reader);
    world_close(world);
}

/* The broker keeps the answer back: sent, but never heard of. */
static void what_was_sent_and_never_answered_is_in_doubt(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;

    (void)state;
    if (!on_mock(world))
        return;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    must(send_odd(world, sender, 0, 0, 0, 0));
    world_wait_outcomes(world, 1);
    rmq_mock_delay(mock, 60000);
    must(send_odd(world, sender, 0, 1, 0, 1));
    assert_true(rmq_mock_wait_requests(mock, 0, 2, TIMEOUT_MS));
    must(send_odd(world, sender, 0, 2, 0, 2)); /* waits behind it */
    duet_sender_free(sender, 0);
    assert_int_equal(world->outcomes, 3);
    assert_int_equal(world->sent[1].outcome, DUET_IN_DOUBT);
    assert_int_equal(world->sent[2].outcome, DUET_NOT_DONE);
    rmq_mock_delay(mock, 0);
    world_close(world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_is_read_as_it_was),
        cmocka_unit_test(each_partition_keeps_its_order),
        cmocka_unit_test(nothing_from_before_a_move_comes_after_it),
        cmocka_unit_test(a_position_outside_the_log_is_told_with_what_is_there),
        cmocka_unit_test(an_idle_reader_is_woken_by_the_next_record),
        cmocka_unit_test(a_stamp_that_does_not_count_gives_a_derived_id),
        cmocka_unit_test(a_groups_position_is_what_was_committed),
        cmocka_unit_test(a_full_sender_says_so_and_ends_everything_once),
        cmocka_unit_test(a_topic_has_the_queues_it_was_made_with),
        cmocka_unit_test(nobody_there_is_unreachable_in_time),
        cmocka_unit_test(a_message_without_a_stamp_is_read_with_its_properties),
        cmocka_unit_test(a_reader_with_a_group_is_its_member),
        cmocka_unit_test(a_lost_connection_is_told_before_what_comes_after_it),
        cmocka_unit_test(a_log_that_lost_its_tail_has_moved),
        cmocka_unit_test(what_was_sent_and_never_answered_is_in_doubt),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
