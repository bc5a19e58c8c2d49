/*
 * The Kafka side, on librdkafka's in-memory cluster; on a real broker if DUET_TEST_KAFKA names
 * one (host:port).
 */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "component/side_cases.h"
#include "side/kafka_mock.h"
#include "support/case.h"

static struct duet_kafka_mock *mock;

static struct world *world_open(void)
{
    struct world *world = malloc(sizeof(*world));
    const char *address = getenv("DUET_TEST_KAFKA");

    world_init(world, DUET_KAFKA);
    world_name(world->route.topic, sizeof(world->route.topic), "side.test");
    if (address == NULL) {
        must(duet_kafka_mock_start(&mock));
        must(duet_kafka_mock_topic(mock, world->route.topic, PARTITIONS));
        address = duet_kafka_mock_address(mock);
    }
    world->settings[0].name = strdup("bootstrap.servers");
    world->settings[0].value = strdup(address);
    world->config.kafka_count = 1;
    must(duet_side_open(&world->config, DUET_KAFKA, "side-test", &world->client));
    if (mock == NULL)
        must(duet_side_topic_create(world->client, world->route.topic, PARTITIONS,
                                    TIMEOUT_MS));
    return world;
}

static void world_close(struct world *world)
{
    world_fini(world);
    free(world->settings[0].name);
    free(world->settings[0].value);
    free(world);
    duet_kafka_mock_stop(mock);
    mock = NULL;
}

static void a_topic_has_the_partitions_it_was_made_with(void **state)
{
    struct world *world = world_open();
    int32_t partitions;

    (void)state;
    must(duet_side_topic_partitions(world->client, world->route.topic, &partitions, NULL,
                                    TIMEOUT_MS));
    assert_int_equal(partitions, PARTITIONS);
    assert_int_equal(duet_side_of(world->client), DUET_KAFKA);
    if (mock != NULL) {
        assert_int_equal(duet_side_topic_create(world->client, "other", 3, TIMEOUT_MS),
                         DT_EUNSUPPORTED);
        assert_int_equal(duet_kafka_mock_topic(mock, world->route.topic, 3), DT_EEXIST);
    } else {
        assert_int_equal(
            duet_side_topic_create(world->client, world->route.topic, 3, TIMEOUT_MS),
            DT_EEXIST);
        assert_int_equal(duet_side_topic_partitions(world->client, "never.made",
                                                    &partitions, NULL, TIMEOUT_MS),
                         DT_ENOTFOUND);
    }
    world_close(world);
}

static void a_property_that_librdkafka_does_not_know_is_named(void **state)
{
    struct duet_setting setting = {
        .name = (char[]){"no.such"}, .value = (char[]){"1"}, .line = 7};
    struct duet_config config = {
        .path = (char[]){"duet.yaml"}, .kafka = &setting, .kafka_count = 1};
    struct duet_side_client *client;

    (void)state;
    assert_int_equal(duet_side_open(&config, DUET_KAFKA, "x", &client), DT_EINVAL);
    assert_null(client);
    assert_string_equal(dt_error_text(),
                        "duet.yaml:7: kafka 'no.such': No such configuration property: "
                        "\"no.such\"; allowed is what librdkafka's list says");
}

static void nobody_there_is_unreachable_in_time(void **state)
{
    struct duet_setting setting = {.name = (char[]){"bootstrap.servers"},
                                   .value = (char[]){"127.0.0.1:1"}};
    struct duet_config config = {.kafka = &setting, .kafka_count = 1};
    struct duet_plan_route route = {.topic = "x", .partitions = 1};
    struct duet_side_client *client;
    int32_t partitions;
    int64_t position, end, started_ms = dt_clock_ms();

    (void)state;
    must(duet_side_open(&config, DUET_KAFKA, "x", &client));
    assert_int_equal(duet_side_topic_partitions(client, "x", &partitions, NULL, 300),
                     DT_EUNREACH);
    assert_int_equal(duet_side_topic_create(client, "x", 1, 300), DT_EUNREACH);
    assert_int_equal(duet_side_bounds(client, &route, 0, 300, &position, &end),
                     DT_EUNREACH);
    assert_int_equal(duet_side_committed(client, &route, "g", 0, 300, &position),
                     DT_EUNREACH);
    assert_int_equal(duet_side_commit(client, &route, "g", 0, 1, 300), DT_EUNREACH);
    assert_true(dt_clock_ms() - started_ms < 10000);
    duet_side_close(client);
}

static void a_record_too_large_is_refused_at_once(void **state)
{
    size_t size = 2 << 20;
    uint8_t *large = calloc(1, size);
    struct duet_record record = {.value = {large, size}, .timestamp_ms = -1};
    struct world *world = world_open();
    struct duet_sender *sender;

    (void)state;
    must(duet_sender_new(world->client, 64 << 20, world_sent, world, &sender));
    assert_int_equal(world_send(world, sender, 0, 0, &record, 0), DT_ETOOBIG);
    duet_sender_free(sender, 1000);
    assert_int_equal(world->outcomes, 0);
    free(large);
    world_close(world);
}

/* A producer of another library, or one that uses no stamps. */
static void a_record_without_a_stamp_is_read_with_its_headers(void **state)
{
    static const char header[] = "not a stamp";
    static const int64_t hour_ms = 3600000;
    struct world *world = world_open();
    const char *address =
        mock != NULL ? duet_kafka_mock_address(mock) : getenv("DUET_TEST_KAFKA");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *producer;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    assert_int_equal(
        rd_kafka_conf_set(conf, "bootstrap.servers", address, text, sizeof(text)),
        RD_KAFKA_CONF_OK);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(producer);
    /* 17:00 UTC of some day just past: the day after at +08:00 */
    int64_t when_ms =
        (world->now_ms - 17 * hour_ms) / (24 * hour_ms) * (24 * hour_ms) + 17 * hour_ms;
    const rd_kafka_vu_t message[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = world->route.topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 2},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = when_ms},
        {.vtype = RD_KAFKA_VTYPE_HEADER,
         .u.header = {"duet", header, (ssize_t)sizeof(header) - 1}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {"other", NULL, 0}}};

    assert_null(rd_kafka_produceva(producer, message, 5));
    assert_int_equal(rd_kafka_flush(producer, TIMEOUT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 2, 0));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->count, 1);
    assert_int_equal(batch->records[0].verdict, DUET_STAMP_BAD_SIZE);
    assert_int_equal(batch->records[0].stamp.id.kind, DUET_ID_KAFKA);
    assert_int_equal(batch->records[0].stamp.day, when_ms / (24 * hour_ms) + 1);
    assert_int_equal(batch->records[0].record.header_count, 2);
    assert_null(batch->records[0].record.key.data);
    assert_null(batch->records[0].record.value.data);
    assert_span(batch->records[0].record.headers[0].value, dt_span_str(header));
    duet_read_batch_free(batch);
    duet_reader_free(reader);
    world_close(world);
}

static void a_lost_connection_is_told_before_what_comes_after_it(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    if (mock == NULL) {
        world_close(world);
        skip();
    }
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    reader = world_reader(world);
    must(duet_reader_assign(reader, 0, 0));
    must(send_odd(world, sender, 0, 0, 0, 0));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_RECORDS);
    duet_read_batch_free(batch);

    duet_kafka_mock_set_down(mock, true);
    must(send_odd(world, sender, 0, 1, 0, 1));
    world_wait_reachable(sender, false);
    duet_kafka_mock_set_down(mock, false);
    world_wait_outcomes(world, 2);
    assert_int_equal(world->sent[1].outcome, DUET_DONE);
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_INTERRUPTED);
    assert_int_equal(batch->partition, -1);
    duet_read_batch_free(batch);
    batch = world_read(world, reader, 10);
    while (batch->event == DUET_READ_INTERRUPTED) {
        duet_read_batch_free(batch);
        batch = world_read(world, reader, 10);
    }
    assert_int_equal(batch->records[0].stamp.id.sequence, 1);
    duet_read_batch_free(batch);
    world_wait_reachable(sender, true);
    duet_sender_free(sender, 1000);
    duet_reader_free(reader);
    world_close(world);
}

static void what_was_never_sent_is_not_done(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;

    (void)state;
    if (mock == NULL) {
        world_close(world);
        skip();
    }
    duet_kafka_mock_set_down(mock, true);
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    for (size_t i = 0; i < 10; i++)
        must(send_odd(world, sender, 0, i, 0, i));
    duet_sender_free(sender, 0);
    assert_int_equal(world->outcomes, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(world->sent[i].outcome, DUET_NOT_DONE);
        assert_int_equal(world->sent[i].position, -1);
    }
    world_close(world);
}

/* The in-memory broker keeps 5 MiB of a partition. */
static void a_log_that_lost_its_beginning_has_moved(void **state)
{
    static uint8_t large[500 * 1024];
    struct duet_record record = {.value = {large, sizeof(large)}, .timestamp_ms = -1};
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    if (mock == NULL) {
        world_close(world);
        skip();
    }
    must(duet_sender_new(world->client, 64 << 20, world_sent, world, &sender));
    for (size_t i = 0; i < 30; i++)
        must(world_send(world, sender, 0, i, &record, i));
    world_wait_outcomes(world, 30);
    duet_sender_free(sender, 1000);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 0, 0));
    batch = world_read(world, reader, 10);
    assert_int_equal(batch->event, DUET_READ_MOVED);
    assert_true(batch->begin > 0);
    assert_int_equal(batch->end, 30);
    assert_int_equal(batch->next_position, 0);
    duet_read_batch_free(batch);
    duet_reader_free(reader);
    world_close(world);
}

static rd_kafka_t *plain_member(struct world *world, const char *group)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *consumer;
    char text[256];

    rd_kafka_conf_set(conf, "bootstrap.servers", world->settings[0].value, text,
                      sizeof(text));
    rd_kafka_conf_set(conf, "group.id", group, text, sizeof(text));
    rd_kafka_conf_set(conf, "client.id", "plain", text, sizeof(text));
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    assert_non_null(consumer);
    rd_kafka_topic_partition_list_add(topics, world->route.topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(consumer, topics), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

static void a_member_of_another_name_is_foreign(void **state)
{
    struct world *world = world_open();
    char group[64], member[DUET_NAME_SIZE];
    rd_kafka_t *consumer;
    bool found;

    (void)state;
    world_name(group, sizeof(group), "group");
    if (mock != NULL) { /* it has no such request */
        assert_int_equal(duet_side_foreign_member(world->client, &world->route, group, NULL,
                                                  TIMEOUT_MS, &found, member),
                         DT_EUNSUPPORTED);
        world_close(world);
        return;
    }
    must(duet_side_foreign_member(world->client, &world->route, group, NULL, TIMEOUT_MS,
                                  &found, member));
    assert_false(found);
    consumer = plain_member(world, group);
    for (int64_t end_ms = dt_clock_ms() + TIMEOUT_MS; !found && dt_clock_ms() < end_ms;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 10);

        if (message != NULL)
            rd_kafka_message_destroy(message);
        must(duet_side_foreign_member(world->client, &world->route, group, "someone",
                                      TIMEOUT_MS, &found, member));
    }
    assert_true(found);
    assert_non_null(strstr(member, "plain"));
    must(duet_side_foreign_member(world->client, &world->route, group, "plain", TIMEOUT_MS,
                                  &found, member));
    assert_false(found);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
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
        cmocka_unit_test(a_topic_has_the_partitions_it_was_made_with),
        cmocka_unit_test(a_property_that_librdkafka_does_not_know_is_named),
        cmocka_unit_test(nobody_there_is_unreachable_in_time),
        cmocka_unit_test(a_record_too_large_is_refused_at_once),
        cmocka_unit_test(a_record_without_a_stamp_is_read_with_its_headers),
        cmocka_unit_test(a_lost_connection_is_told_before_what_comes_after_it),
        cmocka_unit_test(what_was_never_sent_is_not_done),
        cmocka_unit_test(a_log_that_lost_its_beginning_has_moved),
        cmocka_unit_test(a_member_of_another_name_is_foreign),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
