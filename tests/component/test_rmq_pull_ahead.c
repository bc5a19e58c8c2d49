/* librmq: reading ahead with several requests under way, and what a reader may ask for */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq/pull_consumer_inside.h"
#include "rmq_world.h"
#include "support/case.h"
#include "support/random.h"

static const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};

/* Message i, from..to-1, has the body "base + i", spaces behind it if they are to be uneven. */
static void fill_with(struct world *world, int from, int to, int base, bool uneven)
{
    rmq_producer *producer = world_producer(world, NULL);
    struct sent *sent = sent_new();
    char text[600];

    for (int i = from; i < to; i++) {
        rmq_message message = text_message(world, text);

        snprintf(text, sizeof(text), "%-*d", uneven ? (i * 7919) % 590 : 1, base + i);
        message.body_size = strlen(text);
        message.tags = i % 3 == 0 ? "fizz" : i % 5 == 0 ? "buzz" : NULL;
        assert_done(rmq_send_async(producer, &world->queues[0], &message, LONG_MS, sent_fn,
                                   &sent->one[i]));
    }
    sent_wait(sent, to - from);
    for (int i = from; i < to; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
}

static int value_of(const rmq_received *message)
{
    char text[16] = "";

    memcpy(text, message->body, message->body_size < 15 ? message->body_size : 15);
    return atoi(text);
}

/* Takes one batch that continues at *next; true if it says that a connection was lost. */
static bool read_on(rmq_pull_consumer *consumer, int *next)
{
    rmq_batch *batch;
    bool interrupted;

    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    assert_false(batch->moved);
    interrupted = batch->interrupted;
    for (size_t i = 0; i < batch->count; i++) {
        assert_int_equal(batch->messages[i].offset, *next);
        assert_int_equal(value_of(&batch->messages[i]), *next);
        (*next)++;
    }
    assert_int_equal(batch->next_offset, *next);
    rmq_batch_free(batch);
    return interrupted;
}

static int64_t under_way(rmq_pull_consumer *consumer)
{
    return (int64_t)(atomic_load(&consumer->counters.requests) -
                     atomic_load(&consumer->counters.answers));
}

static void several_requests_are_under_way_while_there_is_much_to_read(void **state)
{
    enum { COUNT = 3000 };
    struct world world;
    rmq_pull_consumer *consumer;
    int64_t most = 0;
    int next = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, COUNT, 0, false);
    rmq_mock_pull_limit(world.mock, 8, 65536);
    rmq_mock_delay(world.mock, 2);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (next < COUNT) {
        int64_t now;

        read_on(consumer, &next);
        now = under_way(consumer);
        most = now > most ? now : most;
    }
    assert_true(most > 4 && most <= 9);
    rmq_mock_delay(world.mock, 0);
    /* hardly a request in vain */
    assert_true(rmq_mock_requests(world.mock, RMQ_PULL_MESSAGE) < COUNT / 8 + 40);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void one_request_waits_at_the_end(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    int64_t answers;
    int next = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, 500, 0, false);
    rmq_mock_pull_limit(world.mock, 8, 0);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (next < 500)
        read_on(consumer, &next);
    answers = (int64_t)atomic_load(&consumer->counters.answers);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, answers + 1, LONG_MS));
    assert_int_equal(under_way(consumer), 1);
    for (int to = 501; to < 520; to++) { /* each new message comes by itself */
        fill_with(&world, to - 1, to, 0, false);
        while (next < to)
            read_on(consumer, &next);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void answers_of_uneven_size_leave_no_gap(void **state)
{
    enum { COUNT = 3000 };
    struct world world;
    rmq_pull_consumer *consumer;
    int next = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, COUNT, 0, true);
    consumer = world_consumer(&world, NULL);
    for (int round = 0; round < 3; round++) {
        rmq_mock_pull_limit(world.mock, 8 + 12 * round, (size_t)(3000 << round));
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
        for (next = 0; next < COUNT;)
            read_on(consumer, &next);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void errors_and_cuts_in_mid_stream_lose_and_repeat_nothing(void **state)
{
    enum { COUNT = 6000 };
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR,   RMQ_SYSTEM_BUSY,
                                    RMQ_FLOW_CONTROL,   RMQ_PULL_RETRY_IMMEDIATELY,
                                    RMQ_PULL_NOT_FOUND, RMQ_GO_AWAY};
    rmq_pull_consumer_config narrow = {.queue_memory_max = 30000};
    struct test_random random = {7};
    struct world world;
    rmq_pull_consumer *consumer;
    bool interrupted = false;
    int next = 0, trouble_at = 50;

    (void)state;
    world_open(&world, true, 1, &quick);
    fill_with(&world, 0, COUNT, 0, true);
    rmq_mock_pull_limit(world.mock, 8, 3000);
    consumer = world_consumer(&world, &narrow);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (next < COUNT) {
        interrupted |= read_on(consumer, &next);
        if (next < trouble_at)
            continue;
        trouble_at = next + 1 + (int)test_random_below(&random, 200);
        switch (test_random_below(&random, 4)) {
        case 0:
            rmq_mock_cut(world.mock);
            break;
        case 1:
            rmq_mock_lose_answers(world.mock, RMQ_PULL_MESSAGE, 2);
            break;
        case 2:
            rmq_mock_restart(world.mock, 0);
            break;
        default:
            rmq_mock_error(
                world.mock, RMQ_PULL_MESSAGE,
                codes[test_random_below(&random, sizeof(codes) / sizeof(codes[0]))],
                1 + (int64_t)test_random_below(&random, 4));
        }
    }
    assert_true(interrupted);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

/* The broker comes back without its newest messages, and stores others at their offsets. */
static void nothing_of_a_lost_tail_is_mixed_with_what_replaced_it(void **state)
{
    enum { COUNT = 1000, LOST = 400, OTHER = 100000 };
    struct world world;

    (void)state;
    for (int stop_at = 1; stop_at <= 600; stop_at += 149) {
        rmq_pull_consumer_config narrow = {.queue_memory_max = 40000};
        rmq_pull_consumer *consumer;
        bool interrupted = false;
        int next = 0;

        world_open(&world, true, 1, &quick);
        fill_with(&world, 0, COUNT, 0, false);
        rmq_mock_pull_limit(world.mock, 8, 0);
        consumer = world_consumer(&world, &narrow);
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
        while (next < stop_at)
            read_on(consumer, &next);
        rmq_mock_restart(world.mock, LOST);
        fill_with(&world, COUNT - LOST, COUNT + 100, OTHER, false);
        while (next < COUNT + 100) {
            rmq_batch *batch;

            assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
            interrupted |= batch->interrupted;
            if (batch
                    ->moved) { /* reading was beyond the end before the new tail had grown */
                assert_true(interrupted);
                assert_int_equal(batch->count, 0);
                next = (int)batch->next_offset;
            }
            for (size_t i = 0; i < batch->count; i++, next++) {
                bool is_new = interrupted && next >= COUNT - LOST;

                assert_int_equal(batch->messages[i].offset, next);
                assert_int_equal(value_of(&batch->messages[i]),
                                 is_new ? OTHER + next : next);
            }
            rmq_batch_free(batch);
        }
        assert_true(interrupted);
        rmq_pull_consumer_free(consumer);
        world_close(&world);
    }
}

static void only_wanted_tags_come_however_far_apart(void **state)
{
    enum { COUNT = 5000 };
    rmq_pull_consumer_config config = {.subscription = "buzz || other"};
    struct world world;
    rmq_pull_consumer *consumer;
    int64_t next_offset = 0;
    int next = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, COUNT, 0, false);
    rmq_mock_pull_limit(world.mock, 8, 0);
    consumer = world_consumer(&world, &config);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (next_offset < COUNT) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++) {
            do
                next++;
            while (next % 3 == 0 || next % 5 != 0);
            assert_int_equal(batch->messages[i].offset, next);
        }
        assert_true(batch->next_offset > next_offset && batch->next_offset > next);
        next_offset = batch->next_offset;
        rmq_batch_free(batch);
    }
    assert_int_equal(next, 4990);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void a_paused_queue_is_silent_and_loses_nothing(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    int next = 0;

    (void)state;
    world_open(&world, false, 1, NULL);
    fill_with(&world, 0, 500, 0, false);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    read_on(consumer, &next);
    rmq_pull_consumer_pause(consumer, &world.queues[0]);
    assert_status(rmq_pull_consumer_poll(consumer, 0, &batch), DT_ETIMEDOUT);
    fill_with(&world, 500, 600, 0, false);
    assert_status(rmq_pull_consumer_poll(consumer, 20, &batch), DT_ETIMEDOUT);
    rmq_pull_consumer_resume(consumer, &world.queues[0]);
    while (next < 600)
        read_on(consumer, &next);
    rmq_pull_consumer_pause(consumer, &world.queues[0]);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 10));
    for (next = 10; next < 600;) /* a move ends the pause */
        read_on(consumer, &next);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void no_more_messages_are_read_ahead_than_allowed(void **state)
{
    rmq_pull_consumer_config few = {.queue_count_max = 100};
    rmq_pull_consumer_config near = {.queue_span_max = 100};
    const rmq_pull_consumer_config *configs[] = {&few, &near};
    struct world world;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, 2000, 0, false);
    for (int c = 0; c < 2; c++) {
        rmq_pull_consumer *consumer = world_consumer(&world, configs[c]);
        int64_t offset;
        int next = 0;

        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
        while (atomic_load(&consumer->counters.messages) < 64)
            assert_done(rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS,
                                       &offset));
        for (int i = 0; i < 50; i++) /* time in which it could read on, if it would */
            assert_done(rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS,
                                       &offset));
        assert_true(atomic_load(&consumer->counters.messages) <= 100 + 31);
        while (next < 2000)
            read_on(consumer, &next);
        rmq_pull_consumer_free(consumer);
    }
    world_close(&world);
}

static void reading_starts_where_it_is_told(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    int64_t offset, store_ms;
    int next = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill_with(&world, 0, 40, 0, false);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign_from(consumer, &world.queues[0], RMQ_START_FIRST,
                                              0, LONG_MS, &offset));
    assert_int_equal(offset, 0);
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    store_ms = batch->messages[batch->count - 1].store_ms;
    rmq_batch_free(batch);
    while (time(NULL) * 1000 <= store_ms) /* the clock shows another second */
        usleep(1000);
    fill_with(&world, 40, 50, 0, false);
    assert_done(rmq_pull_consumer_assign_from(consumer, &world.queues[0], RMQ_START_TIME,
                                              store_ms + 1, LONG_MS, &offset));
    assert_true(offset <= 40 && offset > 31);
    next = (int)offset;
    while (next < 50)
        read_on(consumer, &next);
    assert_done(rmq_pull_consumer_assign_from(consumer, &world.queues[0], RMQ_START_LAST, 0,
                                              LONG_MS, &offset));
    assert_int_equal(offset, 50);
    fill_with(&world, 50, 60, 0, false);
    while (next < 60)
        read_on(consumer, &next);
    assert_status(rmq_pull_consumer_assign_from(consumer, &world.queues[0],
                                                RMQ_START_COMMITTED, 0, LONG_MS, &offset),
                  DT_ENOTFOUND);
    assert_done(rmq_offset_commit(world.client, "readers", world.topic, &world.queues[0], 7,
                                  LONG_MS));
    assert_done(rmq_pull_consumer_assign_from(consumer, &world.queues[0],
                                              RMQ_START_COMMITTED, 0, LONG_MS, NULL));
    for (next = 7; next < 60;)
        read_on(consumer, &next);
    assert_status(rmq_pull_consumer_assign_from(consumer, &world.queues[0], (rmq_start)9, 0,
                                                LONG_MS, &offset),
                  DT_EINVAL);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    const rmq_pull_consumer_config bad[] = {
        {.queue_requests_max = 33}, {.queue_requests_max = -1}, {.queue_span_max = -1},
        {.subscription = "a ||"},   {.pull_count = -1},
    };
    struct world world;

    (void)state;
    world_open(&world, true, 1, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rmq_pull_consumer_config config = bad[i];
        rmq_pull_consumer *consumer;

        config.topic = world.topic;
        config.group = "readers";
        assert_status(rmq_pull_consumer_new(world.client, &config, &consumer), DT_EINVAL);
        assert_null(consumer);
    }
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_requests_are_under_way_while_there_is_much_to_read),
        cmocka_unit_test(one_request_waits_at_the_end),
        cmocka_unit_test(answers_of_uneven_size_leave_no_gap),
        cmocka_unit_test(errors_and_cuts_in_mid_stream_lose_and_repeat_nothing),
        cmocka_unit_test(nothing_of_a_lost_tail_is_mixed_with_what_replaced_it),
        cmocka_unit_test(only_wanted_tags_come_however_far_apart),
        cmocka_unit_test(a_paused_queue_is_silent_and_loses_nothing),
        cmocka_unit_test(no_more_messages_are_read_ahead_than_allowed),
        cmocka_unit_test(reading_starts_where_it_is_told),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
