/* Looking after topics, groups, offsets and messages: on the in-memory RocketMQ, and (all but the
 * cases that need faults) on a real one that DUET_TEST_NAMESRV names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "component/rmq_world.h"
#include "rmq/codes.h"
#include "support/case.h"

static bool has_name(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool topic_is_listed(struct world *world, const char *topic)
{
    char **names;
    size_t count;
    bool found;

    assert_done(rmq_topic_list(world->client, &names, &count, LONG_MS));
    assert_null(names[count]);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
    found = has_name(names, count, topic);
    rmq_free(names);
    return found;
}

static void group_name(const struct world *world, char out[80])
{
    snprintf(out, 80, "G-%s", world->topic);
}

/* Sends texts to a queue; receipts of each. */
static void send_texts(struct world *world, size_t queue, const char *keys, int count,
                       rmq_receipt *receipts)
{
    rmq_producer *producer = world_producer(world, NULL);

    for (int i = 0; i < count; i++) {
        char text[16];
        rmq_message message;

        snprintf(text, sizeof(text), "%d", i);
        message = text_message(world, text);
        message.keys = keys;
        assert_done(
            rmq_send(producer, &world->queues[queue], &message, LONG_MS, &receipts[i]));
    }
    rmq_producer_free(producer);
}

/* ---------------------------------------------------------------- topics */

static void a_topic_is_created_shown_changed_and_deleted(void **state)
{
    rmq_topic_config wish = {.read_queues = 3, .write_queues = 2, .perm = RMQ_TOPIC_READ};
    struct world world;
    rmq_topic_config *configs;
    rmq_broker *brokers;
    rmq_queue *queues;
    size_t count;

    (void)state;
    world_find(&world, false);
    world.client = world_client(&world, NULL);
    assert_false(topic_is_listed(&world, world.topic));
    assert_status(
        rmq_topic_config_get(world.client, world.topic, &configs, &count, LONG_MS),
        DT_ENOROUTE);
    assert_null(configs);
    assert_done(rmq_topic_create(world.client, world.topic, 4, LONG_MS));
    assert_true(topic_is_listed(&world, world.topic));
    assert_done(rmq_topic_config_get(world.client, world.topic, &configs, &count, LONG_MS));
    assert_int_equal(count, 1);
    assert_int_equal(configs[0].read_queues, 4);
    assert_int_equal(configs[0].write_queues, 4);
    assert_int_equal(configs[0].perm, RMQ_TOPIC_READ | RMQ_TOPIC_WRITE);
    assert_string_equal(configs[0].broker_name, "broker-a");
    rmq_free(configs);

    assert_done(rmq_topic_put(world.client, world.topic, &wish, LONG_MS));
    assert_done(rmq_topic_config_get(world.client, world.topic, &configs, &count, LONG_MS));
    assert_int_equal(configs[0].read_queues, 3);
    assert_int_equal(configs[0].write_queues, 2);
    assert_int_equal(configs[0].perm, RMQ_TOPIC_READ);
    rmq_free(configs);
    assert_done(rmq_topic_route(world.client, world.topic, &brokers, &count, LONG_MS));
    assert_int_equal(count, 1);
    assert_int_equal(brokers[0].read_queues, 3);
    assert_int_equal(brokers[0].write_queues, 2);
    assert_int_equal(brokers[0].perm, RMQ_TOPIC_READ);
    assert_int_equal(brokers[0].broker_id, 0);
    rmq_free(brokers);

    assert_done(rmq_topic_delete(world.client, world.topic, LONG_MS));
    assert_false(topic_is_listed(&world, world.topic));
    assert_status(
        rmq_topic_write_queues(world.client, world.topic, &queues, &count, LONG_MS),
        DT_ENOROUTE);
    assert_done(
        rmq_topic_delete(world.client, world.topic, LONG_MS)); /* twice is as once */
    world_close(&world);
}

static void topics_that_cannot_be_are_refused(void **state)
{
    rmq_topic_config wish = {.read_queues = 1, .write_queues = 1};
    struct world world;
    char **names;
    size_t count;

    (void)state;
    world_find(&world, false);
    world.client = world_client(&world, NULL);
    assert_status(rmq_topic_put(world.client, "with.dot", &wish, LONG_MS), DT_EINVAL);
    assert_status(rmq_topic_put(world.client, "T", NULL, LONG_MS), DT_EINVAL);
    wish.perm = 8;
    assert_status(rmq_topic_put(world.client, "T", &wish, LONG_MS), DT_EINVAL);
    wish.perm = 0;
    wish.write_queues = 0;
    assert_status(rmq_topic_put(world.client, "T", &wish, LONG_MS), DT_EINVAL);
    wish.write_queues = 1;
    wish.cluster = "no-such-cluster";
    assert_status(rmq_topic_put(world.client, "T", &wish, LONG_MS), DT_ENOTFOUND);
    assert_status(rmq_topic_delete(world.client, "", LONG_MS), DT_EINVAL);
    assert_status(rmq_topic_list(world.client, &names, &count, 0), DT_EINVAL);
    assert_status(rmq_topic_list(NULL, &names, &count, LONG_MS), DT_EINVAL);
    world_close(&world);
}

static void the_statistics_of_a_topic_are_those_of_its_queues(void **state)
{
    int64_t before_ms = dt_clock_wall_ms();
    struct world world;
    rmq_queue_stats *stats;
    rmq_receipt receipts[3];
    size_t count;

    (void)state;
    world_open(&world, false, 2, NULL);
    send_texts(&world, 1, NULL, 3, receipts);
    do { /* a real broker shows the end of a queue a moment late */
        assert_done(rmq_topic_stats(world.client, world.topic, &stats, &count, LONG_MS));
        assert_int_equal(count, 2);
        if (stats[1].max_offset < 3) {
            rmq_free(stats);
            stats = NULL;
        }
    } while (stats == NULL);
    assert_int_equal(stats[0].queue.queue_id, 0);
    assert_int_equal(stats[0].max_offset, 0);
    assert_int_equal(stats[1].queue.queue_id, 1);
    assert_string_equal(stats[1].queue.broker_name, world.queues[1].broker_name);
    assert_int_equal(stats[1].min_offset, 0);
    assert_int_equal(stats[1].max_offset, 3);
    assert_true(stats[1].last_updated_ms >= before_ms - 1000);
    assert_true(stats[1].last_updated_ms <= dt_clock_wall_ms() + 1000);
    rmq_free(stats);
    assert_status(rmq_topic_stats(world.client, "no-such-topic", &stats, &count, LONG_MS),
                  DT_ENOROUTE);
    world_close(&world);
}

static void the_brokers_of_all_clusters_are_listed(void **state)
{
    struct world world;
    rmq_broker *brokers;
    size_t count;

    (void)state;
    world_find(&world, false);
    world.client = world_client(&world, NULL);
    assert_done(rmq_cluster_brokers(world.client, &brokers, &count, LONG_MS));
    assert_int_equal(count, 1);
    assert_string_equal(brokers[0].cluster, "DefaultCluster");
    assert_string_equal(brokers[0].name, "broker-a");
    assert_int_equal(brokers[0].broker_id, 0);
    assert_non_null(strchr(brokers[0].address, ':'));
    rmq_free(brokers);
    world_close(&world);
}

/* ---------------------------------------------------------------- groups */

static void a_group_is_created_shown_changed_and_deleted(void **state)
{
    rmq_group_config wish = rmq_group_defaults(), *configs;
    struct world world;
    char group[80], **names;
    size_t count;

    (void)state;
    world_open(&world, false, 1, NULL);
    group_name(&world, group);
    assert_status(rmq_group_config_get(world.client, group, &configs, &count, LONG_MS),
                  DT_ENOTFOUND);
    assert_done(rmq_group_put(world.client, group, NULL, LONG_MS));
    assert_done(rmq_group_config_get(world.client, group, &configs, &count, LONG_MS));
    assert_int_equal(count, 1);
    assert_true(configs[0].consume_enable);
    assert_true(configs[0].notify_members);
    assert_false(configs[0].orderly);
    assert_int_equal(configs[0].retry_max, 16);
    assert_int_equal(configs[0].retry_queues, 1);
    assert_string_equal(configs[0].broker_name, "broker-a");
    rmq_free(configs);

    wish.retry_max = 3;
    wish.consume_enable = false;
    wish.orderly = true;
    assert_done(rmq_group_put(world.client, group, &wish, LONG_MS));
    assert_done(rmq_group_config_get(world.client, group, &configs, &count, LONG_MS));
    assert_int_equal(configs[0].retry_max, 3);
    assert_false(configs[0].consume_enable);
    assert_true(configs[0].orderly);
    rmq_free(configs);
    assert_done(rmq_group_list(world.client, &names, &count, LONG_MS));
    assert_true(has_name(names, count, group));
    rmq_free(names);

    assert_done(rmq_offset_commit(world.client, group, world.topic, &world.queues[0], 0,
                                  LONG_MS)); /* the group is known */
    assert_done(rmq_group_delete(world.client, group, true, LONG_MS));
    assert_done(rmq_group_list(world.client, &names, &count, LONG_MS));
    assert_false(has_name(names, count, group));
    rmq_free(names);
    assert_done(rmq_group_delete(world.client, group, true, LONG_MS));
    wish.retry_max = -2;
    assert_status(rmq_group_put(world.client, group, &wish, LONG_MS), DT_EINVAL);
    assert_status(rmq_group_put(world.client, "with.dot", NULL, LONG_MS), DT_EINVAL);
    world_close(&world);
}

static void the_progress_of_a_group_is_what_it_has_left_to_read(void **state)
{
    struct world world;
    rmq_progress *rows;
    rmq_receipt receipts[5];
    char group[80];
    size_t count;

    (void)state;
    world_open(&world, false, 2, NULL);
    group_name(&world, group);
    assert_done(rmq_group_progress(world.client, group, NULL, &rows, &count, LONG_MS));
    assert_int_equal(count, 0);
    rmq_free(rows);
    assert_done(rmq_group_put(world.client, group, NULL, LONG_MS));
    send_texts(&world, 0, NULL, 5, receipts);
    assert_done(
        rmq_offset_commit(world.client, group, world.topic, &world.queues[0], 2, LONG_MS));
    assert_done(
        rmq_offset_commit(world.client, group, world.topic, &world.queues[1], 0, LONG_MS));
    for (;;) {
        assert_done(
            rmq_group_progress(world.client, group, world.topic, &rows, &count, LONG_MS));
        if (count == 2 && rows[0].broker_offset == 5)
            break; /* a real broker shows the end of a queue a moment late */
        rmq_free(rows);
    }
    assert_string_equal(rows[0].topic, world.topic);
    assert_int_equal(rows[0].queue.queue_id, 0);
    assert_int_equal(rows[0].consumer_offset, 2);
    assert_int_equal(rows[0].diff, 3);
    assert_true(rows[0].last_ms > 0);
    assert_int_equal(rows[1].queue.queue_id, 1);
    assert_int_equal(rows[1].diff, 0);
    rmq_free(rows);
    assert_done(rmq_group_progress(world.client, group, "another", &rows, &count, LONG_MS));
    assert_int_equal(count, 0);
    rmq_free(rows);
    world_close(&world);
}

static void members_are_shown_with_id_address_language_and_version(void **state)
{
    rmq_pull_consumer_config settings = {.member = true};
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_connection *rows;
    char group[80];
    size_t count;

    (void)state;
    world_open(&world, false, 1, NULL);
    group_name(&world, group);
    assert_done(rmq_group_connections(world.client, group, &rows, &count, LONG_MS));
    assert_int_equal(count, 0);
    settings.group = group;
    consumer = world_consumer(&world, &settings);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    do {
        rmq_free(rows);
        assert_done(rmq_group_connections(world.client, group, &rows, &count, LONG_MS));
    } while (count == 0); /* the first heartbeat is on its way */
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].client_id, rmq_client_id(world.client));
    assert_string_equal(rows[0].language, "CPP");
    assert_int_equal(rows[0].version, 401);
    assert_string_equal(rows[0].release, "4.9.4");
    assert_non_null(strstr(rows[0].address, "127.0.0.1:"));
    rmq_free(rows);
    rmq_pull_consumer_free(consumer);
    assert_done(rmq_group_connections(world.client, group, &rows, &count, LONG_MS));
    assert_int_equal(count, 0);
    world_close(&world);
}

static void a_reset_puts_the_group_to_a_time_and_its_reader_follows(void **state)
{
    rmq_pull_consumer_config settings = {0};
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_position *rows;
    rmq_receipt receipts[4];
    rmq_batch *batch;
    char group[80];
    int64_t offset, end = 0;
    size_t count;

    (void)state;
    world_open(&world, false, 2, NULL);
    group_name(&world, group);
    assert_done(rmq_group_put(world.client, group, NULL, LONG_MS));
    send_texts(&world, 1, NULL, 4, receipts);
    while (end < 4)
        assert_done(
            rmq_offset_max(world.client, world.topic, &world.queues[1], LONG_MS, &end));
    assert_done(rmq_group_reset(world.client, group, world.topic, RMQ_RESET_TO_END, &rows,
                                &count, LONG_MS));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].queue.queue_id, 0);
    assert_int_equal(rows[0].offset, 0);
    assert_int_equal(rows[1].offset, 4);
    rmq_free(rows);
    assert_done(rmq_offset_query(world.client, group, world.topic, &world.queues[1],
                                 LONG_MS, &offset));
    assert_int_equal(offset, 4);
    assert_done(rmq_group_reset(world.client, group, world.topic, 0, NULL, NULL, LONG_MS));
    assert_done(rmq_offset_query(world.client, group, world.topic, &world.queues[1],
                                 LONG_MS, &offset));
    assert_int_equal(offset, 0);

    settings.group = group; /* reads at the end, and is told to go on at the beginning */
    consumer = world_consumer(&world, &settings);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[1], 4));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    assert_true(batch->moved);
    assert_int_equal(batch->next_offset, 0);
    rmq_batch_free(batch);
    rmq_pull_consumer_free(consumer);

    assert_status(
        rmq_group_reset(world.client, group, "no-such-topic", 0, NULL, NULL, LONG_MS),
        DT_ENOROUTE);
    assert_status(
        rmq_group_reset(world.client, group, world.topic, -2, NULL, NULL, LONG_MS),
        DT_EINVAL);
    world_close(&world);
}

/* ---------------------------------------------------------------- messages */

static void a_message_is_found_by_its_offset_id(void **state)
{
    struct world world;
    rmq_receipt receipts[3];
    rmq_batch *batch;
    char id[64];

    (void)state;
    world_open(&world, false, 2, NULL);
    send_texts(&world, 1, NULL, 3, receipts);
    assert_done(rmq_view_by_id(world.client, receipts[1].offset_message_id, world.topic,
                               LONG_MS, &batch));
    assert_int_equal(batch->count, 1);
    assert_int_equal(number_of(&batch->messages[0]), 1);
    assert_string_equal(batch->messages[0].topic, world.topic);
    assert_string_equal(batch->messages[0].message_id, receipts[1].message_id);
    assert_int_equal(batch->messages[0].offset, 1);
    assert_int_equal(batch->messages[0].queue.queue_id, 1);
    assert_string_equal(batch->messages[0].queue.broker_name, "broker-a");
    rmq_batch_free(batch);
    assert_status(rmq_view_by_id(world.client, receipts[1].offset_message_id,
                                 "another-topic", LONG_MS, &batch),
                  DT_ENOTFOUND);
    assert_null(batch);
    snprintf(id, sizeof(id), "%s", receipts[1].offset_message_id);
    memcpy(id + 16, "00FFFFFFFFFFFFFF", 16);
    assert_int_not_equal(rmq_view_by_id(world.client, id, NULL, LONG_MS, &batch), DT_OK);
    assert_null(batch);
    assert_status(rmq_view_by_id(world.client, "no id", NULL, LONG_MS, &batch), DT_EINVAL);
    assert_status(rmq_view_by_id(world.client, NULL, NULL, LONG_MS, &batch), DT_EINVAL);
    world_close(&world);
}

static void messages_are_found_by_key_and_only_those_that_have_it(void **state)
{
    int64_t until_ms = dt_clock_ms() + LONG_MS;
    struct world world;
    rmq_receipt receipts[2], others[1];
    rmq_batch *batch = NULL;
    dt_status status;

    (void)state;
    world_open(&world, false, 2, NULL);
    send_texts(&world, 0, "alpha beta", 2, receipts);
    send_texts(&world, 1, "bet", 1, others);
    do /* a real broker enters keys behind storing */
        status = rmq_view_by_key(world.client, world.topic, "beta", 10, 0, INT64_MAX,
                                 LONG_MS, &batch);
    while (status == DT_ENOTFOUND && dt_clock_ms() < until_ms);
    assert_int_equal(status, DT_OK);
    for (size_t i = 0; i < batch->count; i++) {
        assert_string_equal(rmq_received_property(&batch->messages[i], "KEYS"),
                            "alpha beta");
        assert_int_equal(batch->messages[i].queue.queue_id, 0);
    }
    rmq_batch_free(batch);
    do
        status = rmq_view_by_key(world.client, world.topic, others[0].message_id, 10, 0,
                                 INT64_MAX, LONG_MS, &batch);
    while (status == DT_ENOTFOUND && dt_clock_ms() < until_ms);
    assert_int_equal(status, DT_OK);
    assert_int_equal(batch->count, 1);
    assert_int_equal(batch->messages[0].queue.queue_id, 1);
    rmq_batch_free(batch);
    assert_status(
        rmq_view_by_key(world.client, world.topic, "be", 10, 0, INT64_MAX, LONG_MS, &batch),
        DT_ENOTFOUND);
    assert_status(rmq_view_by_key(world.client, world.topic, "a b", 10, 0, INT64_MAX,
                                  LONG_MS, &batch),
                  DT_EINVAL);
    assert_status(
        rmq_view_by_key(world.client, world.topic, "a", 65, 0, INT64_MAX, LONG_MS, &batch),
        DT_EINVAL);
    world_close(&world);
}

/* ---------------------------------------------------------------- outcomes */

/* What each call says when brokers answer an error, or nothing. */
static void each_call_tells_refused_unreachable_and_in_doubt_apart(void **state)
{
    enum { REFUSED = RMQ_SYSTEM_ERROR };
    struct world world;
    char **names;
    rmq_progress *rows;
    rmq_connection *connections;
    rmq_queue_stats *stats;
    size_t count;

    (void)state;
    world_open(&world, true, 1, NULL);
    rmq_mock_error(world.mock, RMQ_DELETE_TOPIC_IN_BROKER, REFUSED, 1);
    assert_status(rmq_topic_delete(world.client, world.topic, LONG_MS), DT_EREFUSED);
    rmq_mock_error(world.mock, RMQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, REFUSED, 1);
    assert_status(rmq_group_list(world.client, &names, &count, LONG_MS), DT_EREFUSED);
    rmq_mock_error(world.mock, RMQ_GET_CONSUME_STATS, RMQ_REQUEST_CODE_NOT_SUPPORTED, 1);
    assert_status(rmq_group_progress(world.client, "G", NULL, &rows, &count, LONG_MS),
                  DT_EUNSUPPORTED);
    rmq_mock_error(world.mock, RMQ_GET_CONSUMER_CONNECTION_LIST, RMQ_SYSTEM_BUSY, 1);
    assert_done(rmq_group_connections(world.client, "G", &connections, &count,
                                      LONG_MS)); /* again */
    rmq_mock_error(world.mock, RMQ_GET_TOPIC_STATS_INFO, RMQ_SYSTEM_BUSY, 1000000);
    assert_status(rmq_topic_stats(world.client, world.topic, &stats, &count, 200),
                  DT_EBUSY);
    rmq_mock_lose_answers(world.mock, RMQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, 1000000);
    assert_status(rmq_group_put(world.client, "G", NULL, 300), DT_EINDOUBT);
    rmq_mock_lose_answers(world.mock, RMQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, 1);
    assert_done(
        rmq_group_put(world.client, "G", NULL, LONG_MS)); /* done twice is as once */
    rmq_mock_error(world.mock, RMQ_INVOKE_BROKER_TO_RESET_OFFSET, RMQ_CONSUMER_NOT_ONLINE,
                   1);
    assert_done(rmq_group_reset(world.client, "G", world.topic, 0, NULL, NULL,
                                LONG_MS)); /* an old broker without members: committed */
    world_down(&world);
    assert_status(rmq_topic_list(world.client, &names, &count, 200), DT_EUNREACH);
    assert_status(rmq_group_put(world.client, "G", NULL, 200), DT_EUNREACH);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_created_shown_changed_and_deleted),
        cmocka_unit_test(topics_that_cannot_be_are_refused),
        cmocka_unit_test(the_statistics_of_a_topic_are_those_of_its_queues),
        cmocka_unit_test(the_brokers_of_all_clusters_are_listed),
        cmocka_unit_test(a_group_is_created_shown_changed_and_deleted),
        cmocka_unit_test(the_progress_of_a_group_is_what_it_has_left_to_read),
        cmocka_unit_test(members_are_shown_with_id_address_language_and_version),
        cmocka_unit_test(a_reset_puts_the_group_to_a_time_and_its_reader_follows),
        cmocka_unit_test(a_message_is_found_by_its_offset_id),
        cmocka_unit_test(messages_are_found_by_key_and_only_those_that_have_it),
        cmocka_unit_test(each_call_tells_refused_unreachable_and_in_doubt_apart),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
