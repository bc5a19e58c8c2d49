/* librmq: connections that are cut at every byte of a request and of an answer, bytes in pieces */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault_world.h"
#include "rmq/codes.h"
#include "support/case.h"

/* No frame of these tests is as long; cut behind its end, a frame has come through whole. */
enum { FRAME_MAX = 1200, COUNT = 3 };

static void cut_at(struct world *world, rmq_mock_action action, int32_t request_code,
                   size_t bytes)
{
    rmq_mock_fault fault = fault_of(action, request_code, 1);

    fault.bytes = bytes;
    fault_add(world, fault);
}

/* ---------------------------------------------------------------- sends */

static void a_message_whose_request_is_cut_at_any_byte_is_stored_once(void **state)
{
    rmq_producer *producer;
    struct world world;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    for (size_t bytes = 0; bytes < FRAME_MAX; bytes += bytes < 500 ? 1 : 100) {
        rmq_message message = text_message(&world, "cut");
        int64_t before = rmq_mock_max_offset(world.mock, world.topic, 0);
        rmq_receipt receipt;

        cut_at(&world, RMQ_MOCK_CUT_REQUEST, 0, bytes);
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
        assert_int_equal(rmq_mock_faults_left(world.mock), 0);
        assert_int_equal(receipt.offset, before);
        assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), before + 1);
    }
    rmq_producer_free(producer);
    world_close(&world);
}

static void
a_message_whose_answer_is_cut_at_any_byte_is_done_with_the_copy_that_was_told(void **state)
{
    rmq_producer *producer;
    struct world world;
    bool was_whole = false;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    for (size_t bytes = 0; bytes < FRAME_MAX; bytes += bytes < 500 ? 1 : 100) {
        rmq_message message = text_message(&world, "cut");
        int64_t before = rmq_mock_max_offset(world.mock, world.topic, 0);
        rmq_receipt receipt;
        int64_t copies;

        cut_at(&world, RMQ_MOCK_CUT_ANSWER, 0, bytes);
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
        assert_int_equal(rmq_mock_faults_left(world.mock), 0);
        copies = rmq_mock_max_offset(world.mock, world.topic, 0) - before;
        /* an answer that came whole counts; every shorter one counts for nothing */
        assert_int_equal(copies, copies == 1 ? 1 : 2);
        assert_int_equal(receipt.offset, before + copies - 1);
        assert_false(was_whole && copies != 1);
        was_whole |= copies == 1;
    }
    assert_true(was_whole);
    rmq_producer_free(producer);
    world_close(&world);
}

/* With no time for another try the message is in doubt: never done, never "not stored". */
static void a_cut_with_no_time_left_is_in_doubt(void **state)
{
    static const rmq_mock_action actions[] = {RMQ_MOCK_CUT_REQUEST, RMQ_MOCK_CUT_ANSWER};
    rmq_client_config settings = {.backoff_ms_min = 1};

    (void)state;
    for (size_t bytes = 0; bytes < 320; bytes += 64) {
        for (int a = 0; a < 2; a++) {
            rmq_mock_fault fault = fault_of(actions[a], 0, INT64_MAX);
            struct sent *sent = sent_new();
            rmq_producer *producer;
            struct world world;
            int copies[1] = {0};

            fault_open(&world, 1, &settings);
            producer = world_producer(&world, NULL);
            fault.bytes = actions[a] == RMQ_MOCK_CUT_REQUEST ? bytes : bytes / 4;
            fault_add(&world, fault);
            assert_done(send_number(&world, producer, 0, sent, 0, 150));
            sent_wait(sent, 1);
            assert_int_equal(sent->one[0].status, DT_EINDOUBT);
            read_logs(&world, 1, copies, 1);
            assert_int_equal(copies[0] > 0, actions[a] == RMQ_MOCK_CUT_ANSWER);
            rmq_producer_free(producer);
            world_close(&world);
            sent_free(sent);
        }
    }
}

/* Batches, and what waits behind them: all of it arrives, in order, though some of it twice. */
static void batches_that_are_cut_keep_the_order(void **state)
{
    enum { MESSAGES = 4000 };
    rmq_producer_config settings = {.batch_count_max = 50};
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int *copies = calloc(MESSAGES, sizeof(*copies));

    (void)state;
    assert_non_null(copies);
    fault_open(&world, 2, NULL);
    producer = world_producer(&world, &settings);
    for (size_t i = 0; i < 60; i++) {
        rmq_mock_fault fault =
            fault_of(i % 2 == 0 ? RMQ_MOCK_CUT_REQUEST : RMQ_MOCK_CUT_ANSWER, 0, 1);

        fault.bytes = i * 53;
        fault.skip = 1;
        fault_add(&world, fault);
    }
    for (int i = 0; i < MESSAGES; i++)
        assert_done(send_number(&world, producer, (size_t)i % 2, sent, i, LONG_MS));
    sent_wait(sent, MESSAGES);
    read_logs(&world, 1, copies, MESSAGES);
    assert_int_equal(outcomes_agree(sent, copies, MESSAGES), MESSAGES);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
    free(copies);
}

/* ---------------------------------------------------------------- pulls */

static void fill(struct world *world, int count)
{
    struct sent *sent = sent_new();
    rmq_producer *producer = world_producer(world, NULL);

    for (int i = 0; i < count; i++)
        assert_done(send_number(world, producer, 0, sent, i, LONG_MS));
    sent_wait(sent, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
}

/* Reads the queue from its start: each number once, in order. */
static void read_all(struct world *world, rmq_pull_consumer *consumer, int count)
{
    int next = 0;

    assert_done(rmq_pull_consumer_assign(consumer, &world->queues[0], 0));
    while (next < count) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        assert_false(batch->moved);
        for (size_t i = 0; i < batch->count; i++, next++) {
            assert_int_equal(batch->messages[i].offset, next);
            assert_int_equal(number_of(&batch->messages[i]), next);
            assert_false(batch->messages[i].corrupt_body);
        }
        rmq_batch_free(batch);
    }
    assert_int_equal(next, count);
}

static void pulls_are_cut(rmq_mock_action action)
{
    rmq_pull_consumer *consumer;
    struct world world;

    fault_open(&world, 1, NULL);
    fill(&world, COUNT);
    consumer = world_consumer(&world, NULL);
    for (size_t bytes = 0; bytes < FRAME_MAX; bytes++) {
        cut_at(&world, action, RMQ_PULL_MESSAGE, bytes);
        cut_at(&world, action, RMQ_LITE_PULL_MESSAGE, bytes);
        read_all(&world, consumer, COUNT);
        assert_true(rmq_mock_faults_left(world.mock) < 2);
        rmq_mock_faults_clear(world.mock);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void a_pull_whose_request_is_cut_at_any_byte_loses_and_repeats_nothing(void **state)
{
    (void)state;
    pulls_are_cut(RMQ_MOCK_CUT_REQUEST);
}

static void a_pull_whose_answer_is_cut_at_any_byte_loses_and_repeats_nothing(void **state)
{
    (void)state;
    pulls_are_cut(RMQ_MOCK_CUT_ANSWER);
}

/* ---------------------------------------------------------------- pieces */

static void bytes_that_trickle_are_put_together(void **state)
{
    static const size_t sizes[] = {1, 2, 7, 64};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        rmq_pull_consumer *consumer;
        struct world world;

        fault_open(&world, 1, NULL);
        rmq_mock_pieces(world.mock, sizes[i]);
        fill(&world, 40);
        consumer = world_consumer(&world, NULL);
        read_all(&world, consumer, 40);
        assert_done(rmq_topic_create(world.client, world.topic, 2, LONG_MS));
        rmq_pull_consumer_free(consumer);
        world_close(&world);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_whose_request_is_cut_at_any_byte_is_stored_once),
        cmocka_unit_test(
            a_message_whose_answer_is_cut_at_any_byte_is_done_with_the_copy_that_was_told),
        cmocka_unit_test(a_cut_with_no_time_left_is_in_doubt),
        cmocka_unit_test(batches_that_are_cut_keep_the_order),
        cmocka_unit_test(a_pull_whose_request_is_cut_at_any_byte_loses_and_repeats_nothing),
        cmocka_unit_test(a_pull_whose_answer_is_cut_at_any_byte_loses_and_repeats_nothing),
        cmocka_unit_test(bytes_that_trickle_are_put_together),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
