/* librmq: the consumer that reads chosen queues, offsets in the broker, and membership */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"

/* Numbers from..to-1 into a queue, one behind the other. */
static void fill(struct world *world, size_t queue, int from, int to)
{
    rmq_producer *producer = world_producer(world, NULL);
    struct sent *sent = sent_new();

    for (int i = from; i < to; i++)
        assert_done(send_number(world, producer, queue, sent, i, LONG_MS));
    sent_wait(sent, to - from);
    for (int i = from; i < to; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
}

/* Reads until the number `last` has come; numbers must follow each other from `from` on. */
static void expect_numbers(rmq_pull_consumer *consumer, int from, int last)
{
    int next = from;

    while (next <= last) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++) {
            assert_int_equal(number_of(&batch->messages[i]), next);
            assert_int_equal(batch->messages[i].offset, next);
            next++;
        }
        assert_int_equal(batch->next_offset, next);
        rmq_batch_free(batch);
    }
}

static void a_queue_is_read_from_the_chosen_offset(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;

    (void)state;
    world_open(&world, false, 2, NULL);
    fill(&world, 1, 0, 300);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[1], 0));
    expect_numbers(consumer, 0, 299);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[1], 250));
    expect_numbers(consumer, 250, 299);
    assert_int_equal(rmq_pull_consumer_silent_ms(consumer), 0);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void queues_take_turns(void **state)
{
    enum { QUEUES = 3, EACH = 400 };
    rmq_pull_consumer_config few = {.pull_count = 8};
    struct world world;
    rmq_pull_consumer *consumer;
    int next[QUEUES] = {0}, seen = 0;

    (void)state;
    world_open(&world, false, QUEUES, NULL);
    for (size_t q = 0; q < QUEUES; q++)
        fill(&world, q, 0, EACH);
    consumer = world_consumer(&world, &few);
    for (size_t q = 0; q < QUEUES; q++)
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[q], 0));
    while (seen < QUEUES * EACH) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        assert_true(batch->queue.queue_id >= 0 && batch->queue.queue_id < QUEUES);
        for (size_t i = 0; i < batch->count; i++, seen++) {
            assert_int_equal(batch->messages[i].queue.queue_id, batch->queue.queue_id);
            assert_int_equal(number_of(&batch->messages[i]), next[batch->queue.queue_id]++);
        }
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

struct later {
    struct world *world;
    rmq_producer *producer;
    pthread_t thread;
};

/* Sends when the reader's request is waiting at the broker. */
static void *send_later(void *argument)
{
    struct later *later = argument;
    rmq_message message = text_message(later->world, "0");

    if (later->world->mock != NULL)
        (void)rmq_mock_wait_requests(later->world->mock, RMQ_PULL_MESSAGE, 1, LONG_MS);
    if (rmq_send(later->producer, &later->world->queues[0], &message, LONG_MS, NULL) !=
        DT_OK)
        abort();
    return NULL;
}

static void a_waiting_reader_gets_a_new_message_at_once(void **state)
{
    struct world world;
    struct later later;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    int64_t started_ms;

    (void)state;
    world_open(&world, false, 1, NULL);
    consumer = world_consumer(&world, NULL);
    assert_status(rmq_pull_consumer_poll(consumer, 0, &batch), DT_ETIMEDOUT);
    assert_null(batch);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    later.world = &world;
    later.producer = world_producer(&world, NULL);
    started_ms = dt_clock_ms();
    pthread_create(&later.thread, NULL, send_later, &later);
    expect_numbers(consumer, 0, 0);
    assert_true(dt_clock_ms() - started_ms <
                4000); /* a held request that nobody wakes: 5 s */
    pthread_join(later.thread, NULL);
    rmq_producer_free(later.producer);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void an_offset_outside_the_queue_is_reported_and_left(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    (void)state;
    world_open(&world, false, 1, NULL);
    fill(&world, 0, 0, 10);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    expect_numbers(consumer, 0, 9); /* all of them can be seen now */
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 1000000));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    assert_true(batch->moved);
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->next_offset, 10);
    assert_int_equal(batch->min_offset, 0);
    assert_int_equal(batch->max_offset, 10);
    rmq_batch_free(batch);
    fill(&world, 0, 10, 12);
    expect_numbers(consumer, 10, 11);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void nothing_from_before_a_move_comes_after_it(void **state)
{
    enum { COUNT = 2000 };
    struct world world;
    rmq_pull_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, NULL);
    fill(&world, 0, 0, COUNT);
    consumer = world_consumer(&world, NULL);
    for (int i = 0; i < 100; i++) {
        int offset = (i * 619) % (COUNT - 1);

        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], offset));
        if (i % 3 != 0) /* else moved again before anything came */
            expect_numbers(consumer, offset, offset + i % 2);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void a_queue_that_was_unassigned_is_silent(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    (void)state;
    world_open(&world, false, 2, NULL);
    fill(&world, 0, 0, 1000);
    fill(&world, 1, 0, 10);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    rmq_batch_free(batch);
    rmq_pull_consumer_unassign(consumer, &world.queues[0]);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[1], 0));
    expect_numbers(consumer, 0, 9);
    assert_status(rmq_pull_consumer_poll(consumer, 0, &batch), DT_ETIMEDOUT);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void no_more_is_read_ahead_than_allowed(void **state)
{
    enum { COUNT = 2000 };
    rmq_pull_consumer_config narrow = {.queue_memory_max = 20000};
    struct world world;
    rmq_pull_consumer *consumer;
    int64_t offset;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill(&world, 0, 0, COUNT);
    consumer = world_consumer(&world, &narrow);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 2, LONG_MS));
    for (int i = 0; i < 50; i++) /* time in which it could read on, if it would */
        assert_done(
            rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &offset));
    /* an answer has 32 messages of some 150 bytes: four fill the room, a fifth is allowed */
    assert_true(rmq_mock_requests(world.mock, RMQ_PULL_MESSAGE) <= 6);
    expect_numbers(consumer, 0, COUNT - 1);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void lost_connections_are_reported_and_survived(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    bool interrupted = false;
    int next = 10;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill(&world, 0, 0, 10);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    expect_numbers(consumer, 0, 9);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 2, LONG_MS));
    rmq_mock_cut(world.mock);
    fill(&world, 0, 10, 20);
    while (next < 20) {
        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        assert_false(batch->moved);
        interrupted |= batch->interrupted;
        for (size_t i = 0; i < batch->count; i++)
            assert_int_equal(number_of(&batch->messages[i]), next++);
        rmq_batch_free(batch);
    }
    assert_true(interrupted);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void a_lost_tail_moves_the_reader(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    (void)state;
    world_open(&world, true, 1, NULL);
    fill(&world, 0, 0, 10);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    expect_numbers(consumer, 0, 9);
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 2, LONG_MS));
    rmq_mock_restart(world.mock, 4);
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    assert_true(batch->moved);
    assert_true(batch->interrupted);
    assert_int_equal(batch->next_offset, 6);
    rmq_batch_free(batch);
    fill(&world, 0, 6, 9);
    expect_numbers(consumer, 6, 8);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void silence_is_measured_while_no_broker_answers(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    (void)state;
    world_open(&world, true, 1, NULL);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, 1, LONG_MS));
    rmq_mock_down(world.mock);
    while (rmq_pull_consumer_silent_ms(consumer) < 50)
        assert_status(rmq_pull_consumer_poll(consumer, 10, &batch), DT_ETIMEDOUT);
    assert_done(rmq_mock_up(world.mock));
    fill(&world, 0, 0, 1);
    expect_numbers(consumer, 0, 0);
    assert_int_equal(rmq_pull_consumer_silent_ms(consumer), 0);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void errors_on_pulls_are_come_over(void **state)
{
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR,
                                    RMQ_SYSTEM_BUSY,
                                    RMQ_NO_PERMISSION,
                                    RMQ_TOPIC_NOT_EXIST,
                                    RMQ_PULL_NOT_FOUND,
                                    RMQ_PULL_RETRY_IMMEDIATELY,
                                    RMQ_SUBSCRIPTION_NOT_LATEST,
                                    RMQ_SUBSCRIPTION_GROUP_NOT_EXIST,
                                    RMQ_FLOW_CONTROL,
                                    RMQ_GO_AWAY,
                                    9999};
    const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};
    struct world world;
    rmq_pull_consumer *consumer;

    (void)state;
    world_open(&world, true, 1, &quick);
    fill(&world, 0, 0, 40);
    consumer = world_consumer(&world, NULL);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        rmq_mock_error(world.mock, RMQ_PULL_MESSAGE, codes[i], 3);
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
        expect_numbers(consumer, 0, 39);
    }
    rmq_mock_lose_answers(world.mock, RMQ_PULL_MESSAGE, 3);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 5));
    expect_numbers(consumer, 5, 39);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void an_empty_answer_at_once_makes_no_busy_loop(void **state)
{
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;

    (void)state;
    world_open(&world, true, 1, NULL);
    consumer = world_consumer(&world, NULL);
    rmq_mock_error(world.mock, RMQ_PULL_MESSAGE, RMQ_PULL_NOT_FOUND, 1000000);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_status(rmq_pull_consumer_poll(consumer, 500, &batch), DT_ETIMEDOUT);
    assert_true(rmq_mock_requests(world.mock, RMQ_PULL_MESSAGE) < 20);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

/* ---------------------------------------------------------------- ready */

struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    int count;
};

static void ring(void *opaque)
{
    struct bell *bell = opaque;

    pthread_mutex_lock(&bell->mutex);
    bell->count++;
    pthread_cond_broadcast(&bell->rung);
    pthread_mutex_unlock(&bell->mutex);
}

static void a_reader_that_does_not_wait_is_called(void **state)
{
    struct bell bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    rmq_pull_consumer_config config = {.ready = ring, .opaque = &bell};
    struct world world;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    int answered = 0, next = 0;

    (void)state;
    world_open(&world, false, 1, NULL);
    fill(&world, 0, 0, 100);
    consumer = world_consumer(&world, &config);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (next < 150) {
        dt_status status = rmq_pull_consumer_poll(consumer, 0, &batch);

        if (status == DT_OK) {
            for (size_t i = 0; i < batch->count; i++)
                assert_int_equal(number_of(&batch->messages[i]), next++);
            rmq_batch_free(batch);
            continue;
        }
        assert_int_equal(status, DT_ETIMEDOUT);
        if (next == 100)
            fill(&world, 0, 100, 150);
        pthread_mutex_lock(&bell.mutex);
        while (bell.count == answered)
            pthread_cond_wait(&bell.rung, &bell.mutex);
        answered = bell.count;
        pthread_mutex_unlock(&bell.mutex);
    }
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

/* ---------------------------------------------------------------- groups */

static size_t members(struct world *world, const char *group, const char *client_id,
                      bool *found)
{
    char **ids;
    size_t count;

    assert_done(
        rmq_group_members(world->client, group, world->topic, LONG_MS, &ids, &count));
    *found = false;
    for (size_t i = 0; i < count; i++)
        *found |= strcmp(ids[i], client_id) == 0;
    assert_null(ids[count]);
    rmq_free(ids);
    return count;
}

static void members_are_listed_while_they_live(void **state)
{
    rmq_client_config named = {.instance_name = "second"};
    char group[80];
    rmq_pull_consumer_config config = {.group = group, .member = true};
    struct world world, other;
    rmq_pull_consumer *first, *second;
    bool found;

    (void)state;
    world_open(&world, false, 1, NULL);
    snprintf(group, sizeof(group), "G-%s", world.topic);
    assert_int_equal(members(&world, group, "nobody", &found), 0);
    first = world_consumer(&world, &config);
    while (members(&world, group, rmq_client_id(world.client), &found) != 1)
        ;
    assert_true(found);
    other = world;
    other.client = world_client(&world, &named);
    second = world_consumer(&other, &config);
    while (members(&world, group, rmq_client_id(other.client), &found) != 2)
        ;
    assert_true(found);
    rmq_pull_consumer_free(first);
    assert_int_equal(members(&world, group, rmq_client_id(other.client), &found), 1);
    assert_true(found);
    rmq_pull_consumer_free(second);
    assert_int_equal(members(&world, group, "nobody", &found), 0);
    rmq_client_free(other.client);
    world_close(&world);
}

static void a_member_is_back_in_the_list_after_a_lost_connection(void **state)
{
    rmq_pull_consumer_config config = {.member = true};
    struct world world;
    rmq_pull_consumer *consumer;
    bool found;

    (void)state;
    world_open(&world, true, 1, NULL);
    consumer = world_consumer(&world, &config);
    while (members(&world, "readers", rmq_client_id(world.client), &found) != 1)
        ;
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    rmq_mock_restart(world.mock, 0);
    while (members(&world, "readers", rmq_client_id(world.client), &found) != 1)
        ;
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

static void offsets_of_a_group_are_kept_by_the_broker(void **state)
{
    char group[80];
    rmq_pull_consumer_config config = {.group = group, .member = true};
    struct world world;
    rmq_pull_consumer *consumer;
    dt_status status;
    bool found;
    int64_t offset = -7;

    (void)state;
    world_open(&world, false, 2, NULL);
    snprintf(group, sizeof(group), "G-%s", world.topic);
    fill(&world, 1, 0, 20);
    status = rmq_offset_query(world.client, group, world.topic, &world.queues[1], LONG_MS,
                              &offset);
    if (world.mock != NULL || status != DT_OK)
        assert_int_equal(status, DT_ENOTFOUND);
    else
        assert_int_equal(offset, 0); /* a broker of 4.x, on a topic as young as this */
    consumer = world_consumer(&world, &config);
    while (members(&world, group, rmq_client_id(world.client), &found) != 1)
        ;
    assert_done(
        rmq_offset_commit(world.client, group, world.topic, &world.queues[1], 17, LONG_MS));
    assert_done(rmq_offset_query(world.client, group, world.topic, &world.queues[1],
                                 LONG_MS, &offset));
    assert_int_equal(offset, 17);
    assert_done(
        rmq_offset_min(world.client, world.topic, &world.queues[1], LONG_MS, &offset));
    assert_int_equal(offset, 0);
    do /* a real broker shows the end of a queue a moment late */
        assert_done(
            rmq_offset_max(world.client, world.topic, &world.queues[1], LONG_MS, &offset));
    while (world.mock == NULL && offset < 20);
    assert_int_equal(offset, 20);
    assert_done(
        rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &offset));
    assert_int_equal(offset, 0);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_is_read_from_the_chosen_offset),
        cmocka_unit_test(queues_take_turns),
        cmocka_unit_test(a_waiting_reader_gets_a_new_message_at_once),
        cmocka_unit_test(an_offset_outside_the_queue_is_reported_and_left),
        cmocka_unit_test(nothing_from_before_a_move_comes_after_it),
        cmocka_unit_test(a_queue_that_was_unassigned_is_silent),
        cmocka_unit_test(no_more_is_read_ahead_than_allowed),
        cmocka_unit_test(lost_connections_are_reported_and_survived),
        cmocka_unit_test(a_lost_tail_moves_the_reader),
        cmocka_unit_test(silence_is_measured_while_no_broker_answers),
        cmocka_unit_test(errors_on_pulls_are_come_over),
        cmocka_unit_test(an_empty_answer_at_once_makes_no_busy_loop),
        cmocka_unit_test(a_reader_that_does_not_wait_is_called),
        cmocka_unit_test(members_are_listed_while_they_live),
        cmocka_unit_test(a_member_is_back_in_the_list_after_a_lost_connection),
        cmocka_unit_test(offsets_of_a_group_are_kept_by_the_broker),
    };

    signal(SIGPIPE, SIG_DFL);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
