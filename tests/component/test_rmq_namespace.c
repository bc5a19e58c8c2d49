/* librmq: namespaces keep topics and groups of the same names apart */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "consumer_world.h"
#include "support/case.h"

static rmq_client *client_in(struct world *world, const char *space)
{
    rmq_client_config config = {.name_space = space, .backoff_ms_min = 1};

    return world_client(world, &config);
}

/* The world, seen from a namespace: its own client, the topic by its short name. */
static void enter(struct world *inside, struct world *world, const char *space)
{
    *inside = *world;
    snprintf(inside->topic, sizeof(inside->topic), "orders");
    inside->client = client_in(world, space);
    assert_done(rmq_topic_create(inside->client, "orders", 2, LONG_MS));
    assert_done(rmq_topic_write_queues(inside->client, "orders", &inside->queues,
                                       &inside->queue_count, LONG_MS));
}

static void leave(struct world *inside)
{
    rmq_free(inside->queues);
    rmq_client_free(inside->client);
}

static void namespaces_do_not_see_each_other(void **state)
{
    struct world world, spaces[2];
    int numbers[16];

    (void)state;
    world_find(&world, true);
    enter(&spaces[0], &world, "NS1");
    enter(&spaces[1], &world, "NS2");
    for (int i = 0; i < 2; i++) {
        rmq_producer *producer = world_producer(&spaces[i], NULL);
        rmq_message message = text_message(&spaces[i], "0");

        for (int sent = 0; sent <= i; sent++)
            assert_done(rmq_send(producer, &spaces[i].queues[0], &message, LONG_MS, NULL));
        rmq_producer_free(producer);
    }
    assert_int_equal(rmq_mock_max_offset(world.mock, "NS1%orders", 0), 1);
    assert_int_equal(rmq_mock_max_offset(world.mock, "NS2%orders", 0), 2);
    assert_int_equal(rmq_mock_max_offset(world.mock, "orders", 0), -1);
    assert_int_equal(read_numbers(&spaces[0], 0, numbers, 16, 1), 1);
    assert_int_equal(read_numbers(&spaces[1], 0, numbers, 16, 2), 2);
    leave(&spaces[0]);
    leave(&spaces[1]);
    rmq_mock_free(world.mock);
}

static void names_come_back_as_they_were_given(void **state)
{
    struct world world, inside;
    rmq_pull_consumer *reader;
    rmq_producer *producer;
    rmq_message message;
    rmq_batch *batch;
    int64_t offset;

    (void)state;
    world_find(&world, true);
    enter(&inside, &world, "NS1");
    producer = world_producer(&inside, NULL);
    message = text_message(&inside, "0");
    assert_done(rmq_send(producer, &inside.queues[0], &message, LONG_MS, NULL));
    reader = world_consumer(&inside, NULL);
    assert_done(rmq_pull_consumer_assign(reader, &inside.queues[0], 0));
    assert_done(rmq_pull_consumer_poll(reader, LONG_MS, &batch));
    assert_int_equal(batch->count, 1);
    assert_string_equal(batch->messages[0].topic, "orders");
    rmq_batch_free(batch);
    assert_done(rmq_offset_commit(inside.client, "readers", "orders", &inside.queues[0], 1,
                                  LONG_MS));
    assert_done(rmq_offset_query(inside.client, "readers", "orders", &inside.queues[0],
                                 LONG_MS, &offset));
    assert_int_equal(offset, 1);
    rmq_pull_consumer_free(reader);
    rmq_producer_free(producer);
    leave(&inside);

    /* without a namespace it is all there under its full names, and only there */
    inside.client = client_in(&world, NULL);
    assert_done(rmq_topic_write_queues(inside.client, "NS1%orders", &inside.queues,
                                       &inside.queue_count, LONG_MS));
    assert_done(rmq_offset_query(inside.client, "NS1%readers", "NS1%orders",
                                 &inside.queues[0], LONG_MS, &offset));
    assert_int_equal(offset, 1);
    assert_status(rmq_offset_query(inside.client, "readers", "NS1%orders",
                                   &inside.queues[0], LONG_MS, &offset),
                  DT_ENOTFOUND);
    leave(&inside);
    rmq_mock_free(world.mock);
}

struct told {
    struct seen *seen;
    atomic_int wrong;
};

static rmq_handled take(void *opaque, rmq_delivery *delivery)
{
    struct told *told = opaque;

    for (size_t i = 0; i < delivery->count; i++)
        if (strcmp(delivery->messages[i].topic, "orders") != 0)
            atomic_fetch_add(&told->wrong, 1);
    pthread_mutex_lock(&told->seen->mutex);
    told->seen->handled += (int)delivery->count;
    pthread_cond_broadcast(&told->seen->changed);
    pthread_mutex_unlock(&told->seen->mutex);
    return RMQ_HANDLED;
}

static void on_assigned(void *opaque, const char *topic, const rmq_queue *queue, bool given)
{
    struct told *told = opaque;

    (void)queue;
    (void)given;
    if (strcmp(topic, "orders") != 0 && strncmp(topic, "%RETRY%", 7) != 0)
        atomic_fetch_add(&told->wrong, 1);
}

static void a_group_is_its_namespaces_own(void **state)
{
    rmq_subscription subscription = {"orders", NULL};
    struct told told = {seen_new(), 0};
    rmq_consumer_config config = {.group = "workers",
                                  .subscriptions = &subscription,
                                  .subscription_count = 1,
                                  .handler = take,
                                  .assigned = on_assigned,
                                  .start = RMQ_START_FIRST,
                                  .opaque = &told};
    struct world world, inside;
    rmq_consumer *consumer;
    rmq_held_queue *queues;
    rmq_client *outside;
    char **members;
    size_t count, own = 0;

    (void)state;
    world_find(&world, true);
    enter(&inside, &world, "NS1");
    send_numbers(&inside, 0, 20);
    assert_done(rmq_consumer_new(inside.client, &config, &consumer));
    seen_wait(told.seen, &told.seen->handled, 20);
    assert_done(rmq_consumer_queues(consumer, &queues, &count));
    for (size_t i = 0; i < count; i++)
        own += strcmp(queues[i].topic, "orders") == 0;
    assert_int_equal(own, 2);
    rmq_free(queues);
    assert_done(rmq_consumer_pause(consumer, "orders"));
    assert_done(rmq_consumer_resume(consumer, "orders"));
    assert_done(
        rmq_group_members(inside.client, "workers", "orders", LONG_MS, &members, &count));
    assert_int_equal(count, 1);
    rmq_free(members);
    outside = client_in(&world, NULL);
    assert_done(
        rmq_group_members(outside, "workers", "NS1%orders", LONG_MS, &members, &count));
    assert_int_equal(count, 0);
    rmq_free(members);
    assert_done(
        rmq_group_members(outside, "NS1%workers", "NS1%orders", LONG_MS, &members, &count));
    assert_int_equal(count, 1);
    rmq_free(members);
    rmq_client_free(outside);
    rmq_consumer_free(consumer);
    assert_int_equal(atomic_load(&told.wrong), 0);
    leave(&inside);
    rmq_mock_free(world.mock);
    seen_free(told.seen);
}

static void a_namespace_that_cannot_be_is_refused(void **state)
{
    rmq_client_config config = {.namesrv = "127.0.0.1:1", .name_space = "a%b"};
    rmq_client *client;

    (void)state;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "a%b"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespaces_do_not_see_each_other),
        cmocka_unit_test(names_come_back_as_they_were_given),
        cmocka_unit_test(a_group_is_its_namespaces_own),
        cmocka_unit_test(a_namespace_that_cannot_be_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
