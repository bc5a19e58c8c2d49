/* librmq: what happens when a producer's memory is full, and how long its lanes wait for more */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "net/event.h"
#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"

/* ---------------------------------------------------------------- full */

static void count_one(void *opaque)
{
    atomic_fetch_add((atomic_int *)opaque, 1);
}

/* Sends to queue 0 until it is refused; how many were accepted. */
static int send_until_full(struct world *world, rmq_producer *producer, struct sent *sent,
                           dt_status expected)
{
    dt_status status = DT_OK;
    int accepted = 0;

    while (status == DT_OK) {
        assert_true(accepted < 1000);
        status = send_number(world, producer, 0, sent, accepted, RMQ_NO_DEADLINE);
        accepted += status == DT_OK;
    }
    assert_int_equal(status, expected);
    return accepted;
}

static void who_was_refused_is_told_once_when_there_is_room(void **state)
{
    atomic_int told = 0;
    rmq_producer_config config = {
        .memory_max = 10000, .room_ready = count_one, .room_opaque = &told};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int accepted;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    world_down(&world);
    accepted = send_until_full(&world, producer, sent, DT_ENOMEM);
    assert_status(send_number(&world, producer, 0, sent, SENT_MAX - 1, LONG_MS), DT_ENOMEM);
    assert_int_equal(atomic_load(&told), 0);
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, accepted);
    assert_done(rmq_producer_flush(producer, LONG_MS));
    assert_int_equal(atomic_load(&told), 1);
    assert_done(send_number(&world, producer, 0, sent, accepted, LONG_MS));
    sent_wait(sent, accepted + 1);
    assert_done(rmq_producer_flush(producer, LONG_MS));
    assert_int_equal(atomic_load(&told), 1); /* nobody was refused since */
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

struct filler {
    struct world *world;
    rmq_producer *producer;
    struct sent *sent;
    int first;
};

enum { FILLERS = 4, EACH = 500 };

static void *fill(void *argument)
{
    struct filler *filler = argument;

    for (int i = filler->first; i < filler->first + EACH; i++)
        assert_done(send_number(filler->world, filler->producer, 0, filler->sent, i,
                                RMQ_NO_DEADLINE));
    return NULL;
}

static void threads_that_block_all_get_their_room(void **state)
{
    const rmq_producer_config config = {.memory_max = 10000, .when_full = RMQ_FULL_BLOCK};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    struct filler fillers[FILLERS];
    pthread_t threads[FILLERS];

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    world_down(&world); /* so that all of them get to the bound */
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = (struct filler){&world, producer, sent, i * EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &fillers[i]), 0);
    }
    assert_done(rmq_mock_up(world.mock));
    for (int i = 0; i < FILLERS; i++)
        pthread_join(threads[i], NULL);
    sent_wait(sent, FILLERS * EACH);
    for (int i = 0; i < FILLERS * EACH; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), FILLERS * EACH);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void who_blocks_does_so_until_its_deadline_and_sends_nothing(void **state)
{
    rmq_producer_config config = {.memory_max = 10000};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new(), *blocked = sent_new();
    int64_t began_ms;
    int room;

    (void)state;
    world_open(&world, true, 1, NULL);
    world_down(&world);
    producer = world_producer(&world, &config);
    room = send_until_full(&world, producer, sent, DT_ENOMEM);
    rmq_producer_free(producer);
    config.when_full = RMQ_FULL_BLOCK;
    producer = world_producer(&world, &config);
    for (int i = 0; i < room; i++)
        assert_done(send_number(&world, producer, 0, blocked, i, RMQ_NO_DEADLINE));
    began_ms = dt_clock_ms();
    assert_status(send_number(&world, producer, 0, blocked, room, 200), DT_ETIMEDOUT);
    assert_true(dt_clock_ms() - began_ms >= 199);
    assert_done(rmq_mock_up(world.mock));
    assert_done(rmq_producer_flush(producer, LONG_MS));
    assert_int_equal(blocked->ended, room);
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), room);
    rmq_producer_free(producer);
    sent_free(sent);
    sent_free(blocked);
    world_close(&world);
}

struct in_callback {
    struct world *world;
    rmq_producer *producer;
    dt_status status;
    struct dt_event done;
};

static void send_in_callback(void *opaque, dt_status status, const char *reason,
                             const rmq_receipt *receipt)
{
    struct in_callback *in = opaque;
    rmq_message message = text_message(in->world, "x");

    (void)status;
    (void)reason;
    (void)receipt;
    do
        in->status = rmq_send_async(in->producer, &in->world->queues[0], &message,
                                    RMQ_NO_DEADLINE, NULL, NULL);
    while (in->status == DT_OK);
    dt_event_set(&in->done);
}

static void a_callback_never_blocks(void **state)
{
    const rmq_producer_config config = {.memory_max = 10000, .when_full = RMQ_FULL_BLOCK};
    struct world world;
    struct in_callback in = {.world = &world};
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    dt_event_init(&in.done);
    in.producer = world_producer(&world, &config);
    message = text_message(&world, "x");
    assert_done(rmq_send_async(in.producer, &world.queues[0], &message, LONG_MS,
                               send_in_callback, &in));
    assert_true(dt_event_wait(&in.done, INT64_MAX));
    assert_int_equal(in.status, DT_ENOMEM);
    rmq_producer_free(in.producer);
    dt_event_fini(&in.done);
    world_close(&world);
}

static void more_than_all_of_the_memory_is_too_big_at_once(void **state)
{
    const rmq_producer_config config = {.memory_max = 1000, .when_full = RMQ_FULL_BLOCK};
    static char body[2000];
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    message = text_message(&world, "x");
    message.body = body;
    message.body_size = sizeof(body);
    assert_status(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL),
                  DT_ETOOBIG);
    message.body_size = 1;
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- linger */

static void messages_that_come_within_the_linger_go_together(void **state)
{
    enum { COUNT = 5 };
    const rmq_producer_config config = {.linger_ms = 300};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int64_t began_ms;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    began_ms = dt_clock_ms();
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    sent_wait(sent, COUNT);
    assert_true(dt_clock_ms() - began_ms >= 290); /* two clocks are compared */
    assert_int_equal(rmq_mock_requests(world.mock, 0), 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].offset, i);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

/* These linger for an hour, unless something is the matter. */
static void a_batch_that_is_full_does_not_linger(void **state)
{
    const rmq_producer_config configs[] = {
        {.linger_ms = 3600000, .batch_count_max = 4},
        {.linger_ms = 3600000, .batch_size_max = 300},
    };

    (void)state;
    for (size_t c = 0; c < 2; c++) {
        struct world world;
        rmq_producer *producer;
        struct sent *sent = sent_new();

        world_open(&world, true, 1, NULL);
        producer = world_producer(&world, &configs[c]);
        for (int i = 0; i < 8; i++)
            assert_done(send_number(&world, producer, 0, sent, i, RMQ_NO_DEADLINE));
        sent_wait(sent, 4);
        rmq_producer_free(producer);
        sent_free(sent);
        world_close(&world);
    }
}

static void a_flush_ends_the_linger_and_waits_for_the_callbacks(void **state)
{
    enum { COUNT = 3 };
    const rmq_producer_config config = {.linger_ms = 3600000};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 2, NULL);
    producer = world_producer(&world, &config);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, (size_t)i % 2, sent, i, RMQ_NO_DEADLINE));
    assert_int_equal(rmq_mock_requests(world.mock, 0), 0);
    assert_done(rmq_producer_flush(producer, LONG_MS));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(sent->one[i].calls, 1);
        assert_int_equal(sent->one[i].status, DT_OK);
    }
    assert_done(rmq_producer_flush(producer, LONG_MS)); /* nothing to wait for */
    assert_status(rmq_producer_flush(producer, 0), DT_EINVAL);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void no_message_lingers_beyond_its_deadline(void **state)
{
    const rmq_producer_config config = {.linger_ms = 3600000};
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_producer_free(producer);
    world_close(&world);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    const rmq_producer_config bad[] = {{.group = "g", .linger_ms = -1},
                                       {.group = "g", .queue_requests_max = -1},
                                       {.group = "g", .broker_requests_max = -1},
                                       {.group = "g", .when_full = (rmq_when_full)2},
                                       {.group = "g", .compression = (rmq_compression)9},
                                       {.group = "g", .compression_level = -1},
                                       {.group = "no name"}};
    struct world world;
    rmq_producer *producer;

    (void)state;
    world_open(&world, true, 1, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_status(rmq_producer_new(world.client, &bad[i], &producer), DT_EINVAL);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_refused_is_told_once_when_there_is_room),
        cmocka_unit_test(threads_that_block_all_get_their_room),
        cmocka_unit_test(who_blocks_does_so_until_its_deadline_and_sends_nothing),
        cmocka_unit_test(a_callback_never_blocks),
        cmocka_unit_test(more_than_all_of_the_memory_is_too_big_at_once),
        cmocka_unit_test(messages_that_come_within_the_linger_go_together),
        cmocka_unit_test(a_batch_that_is_full_does_not_linger),
        cmocka_unit_test(a_flush_ends_the_linger_and_waits_for_the_callbacks),
        cmocka_unit_test(no_message_lingers_beyond_its_deadline),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
