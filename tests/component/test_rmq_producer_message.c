/* librmq: what becomes of a message on its way: compression, delays */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq_world.h"
#include "support/case.h"

/* The next batch of queue 0 from `offset` on; its first message. */
static rmq_batch *read_one(struct world *world, int64_t offset)
{
    rmq_pull_consumer *consumer = world_consumer(world, NULL);
    rmq_batch *batch;

    assert_done(rmq_pull_consumer_assign(consumer, &world->queues[0], offset));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    rmq_pull_consumer_free(consumer);
    return batch;
}

static void large_bodies_are_compressed_with_each_codec_and_read_back(void **state)
{
    enum { SIZE = 50000 };
    static char body[SIZE];
    struct world world;
    int64_t offset = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i / 100 % 26);
    world_open(&world, false, 1, NULL);
    for (int codec = RMQ_COMPRESSION_NONE; codec <= RMQ_COMPRESSION_ZSTD; codec++) {
        static const int32_t flags[] = {0, 0x301, 0x101, 0x201};
        const rmq_producer_config config = {.compression = (rmq_compression)codec};
        rmq_producer *producer = world_producer(&world, &config);
        rmq_message message = {
            .topic = world.topic, .body = body, .body_size = SIZE, .keys = "k"};
        rmq_batch *batch;

        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
        batch = read_one(&world, offset);
        assert_int_equal(batch->messages[0].sys_flag & 0x701, flags[codec]);
        assert_int_equal(batch->messages[0].body_size, SIZE);
        assert_memory_equal(batch->messages[0].body, body, SIZE);
        assert_string_equal(rmq_received_property(&batch->messages[0], "KEYS"), "k");
        rmq_batch_free(batch);
        message.body_size = 4095; /* too small */
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
        batch = read_one(&world, offset + 1);
        assert_int_equal(batch->messages[0].sys_flag & 0x701, 0);
        assert_int_equal(batch->messages[0].body_size, 4095);
        rmq_batch_free(batch);
        rmq_producer_free(producer);
        offset += 2;
    }
    world_close(&world);
}

static void compressed_and_plain_messages_keep_their_order(void **state)
{
    enum { COUNT = 200 };
    static char text[5000];
    const rmq_producer_config config = {.compression = RMQ_COMPRESSION_ZSTD};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    memset(text, ' ', sizeof(text));
    world_open(&world, false, 1, NULL);
    producer = world_producer(&world, &config);
    for (int i = 0; i < COUNT; i++) {
        rmq_message message = text_message(&world, text);

        message.body = text;
        message.body_size = i % 3 == 0 ? sizeof(text) : 8;
        assert_done(rmq_send_async(producer, &world.queues[0], &message, LONG_MS, sent_fn,
                                   &sent->one[i]));
    }
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(sent->one[i].status, DT_OK);
        assert_int_equal(sent->one[i].offset, i);
    }
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void two_delays_or_a_negative_one_are_refused(void **state)
{
    const rmq_message bad[] = {{.delay_level = 1, .delay_ms = 1},
                               {.delay_level = 1, .deliver_wall_ms = 1},
                               {.delay_ms = 1, .deliver_wall_ms = 1},
                               {.delay_level = -1},
                               {.delay_ms = -1},
                               {.deliver_wall_ms = -1}};
    struct world world;
    rmq_producer *producer;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rmq_message message = bad[i];

        message.topic = world.topic;
        message.body = "x";
        message.body_size = 1;
        assert_status(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL),
                      DT_EINVAL);
    }
    assert_int_equal(rmq_mock_requests(world.mock, 0), 0);
    rmq_producer_free(producer);
    world_close(&world);
}

static void delayed_messages_and_those_not_waited_for_travel_alone(void **state)
{
    enum { COUNT = 12 };
    const rmq_property not_waited = {"WAIT", "false"};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    world_down(&world); /* so that all of them wait, and could go as one batch */
    for (int i = 0; i < COUNT; i++) {
        rmq_message message = text_message(&world, "x");

        message.delay_level = i % 4 == 1;
        if (i % 4 == 3) {
            message.properties = &not_waited;
            message.property_count = 1;
        }
        assert_done(rmq_send_async(producer, &world.queues[0], &message, LONG_MS, sent_fn,
                                   &sent->one[i]));
    }
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    assert_int_equal(rmq_mock_requests(world.mock, 0),
                     COUNT); /* two plain ones never meet */
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_bodies_are_compressed_with_each_codec_and_read_back),
        cmocka_unit_test(compressed_and_plain_messages_keep_their_order),
        cmocka_unit_test(two_delays_or_a_negative_one_are_refused),
        cmocka_unit_test(delayed_messages_and_those_not_waited_for_travel_alone),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
