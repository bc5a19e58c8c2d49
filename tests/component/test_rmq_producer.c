/* librmq: the producer, its lanes, and how each message ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"

static void a_message_that_was_sent_says_where_it_is(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;
    rmq_receipt receipt;

    (void)state;
    world_open(&world, false, 2, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "hello");
    for (int64_t i = 0; i < 3; i++) {
        assert_done(rmq_send(producer, &world.queues[1], &message, LONG_MS, &receipt));
        assert_int_equal(receipt.offset, i);
        assert_int_equal(receipt.queue.queue_id, world.queues[1].queue_id);
        assert_string_equal(receipt.queue.broker_name, world.queues[1].broker_name);
        assert_int_equal(strlen(receipt.message_id), 32);
        assert_int_equal(strlen(receipt.offset_message_id), 32);
        assert_false(receipt.less_safe);
    }
    rmq_producer_free(producer);
    world_close(&world);
}

static void
each_message_of_a_batch_has_its_own_receipt_and_the_order_of_its_queue(void **state)
{
    enum { COUNT = 4000, QUEUES = 4 };
    static int numbers[COUNT];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int64_t next[QUEUES] = {0};

    (void)state;
    world_open(&world, false, QUEUES, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, (size_t)i % QUEUES, sent, i, LONG_MS));
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(sent->one[i].status, DT_OK);
        assert_int_equal(sent->one[i].calls, 1);
        assert_int_equal(sent->one[i].offset, next[i % QUEUES]++);
    }
    for (int q = 0; q < QUEUES; q++) {
        assert_int_equal(read_numbers(&world, (size_t)q, numbers, COUNT, COUNT / QUEUES),
                         COUNT / QUEUES);
        for (int i = 0; i < COUNT / QUEUES; i++)
            assert_int_equal(numbers[i], i * QUEUES + q);
    }
    if (world.mock != NULL) {
        assert_int_equal(rmq_mock_sends_at_once(world.mock), 1);
        assert_true(rmq_mock_requests(world.mock, 0) < COUNT / 2); /* batches were made */
    }
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void everything_of_a_message_arrives(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    static char big[20000];
    rmq_property properties[] = {
        {"COLOR", "blue"}, {"NOTE", "\xc3\xa4 \"quoted\"\n"}, {"BIG", big}};
    rmq_message message;
    rmq_receipt receipt;
    rmq_batch *batch;

    (void)state;
    memset(big, 'b', sizeof(big) - 1);
    world_open(&world, false, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "body");
    message.keys = "k1 k2";
    message.tags = "TagA";
    message.flag = 42;
    message.properties = properties;
    for (size_t count = 0; count <= 3; count++) {
        message.property_count = count;
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
    }
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    for (size_t seen = 0; seen < 4;) {
        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++, seen++) {
            const rmq_received *got = &batch->messages[i];

            assert_int_equal(got->offset, (int64_t)seen);
            assert_string_equal(got->topic, world.topic);
            assert_int_equal(got->body_size, 4);
            assert_memory_equal(got->body, "body", 4);
            assert_int_equal(got->flag, 42);
            assert_false(got->corrupt_body);
            assert_string_equal(rmq_received_property(got, "KEYS"), "k1 k2");
            assert_string_equal(rmq_received_property(got, "TAGS"), "TagA");
            assert_string_equal(rmq_received_property(got, "UNIQ_KEY"), got->message_id);
            for (size_t p = 0; p < 3; p++) {
                const char *value = rmq_received_property(got, properties[p].name);

                if (p < seen)
                    assert_string_equal(value, properties[p].value);
                else
                    assert_null(value);
            }
            if (seen == 3)
                assert_string_equal(got->message_id, receipt.message_id);
            assert_true(got->born_ms > 1600000000000 &&
                        got->store_ms >= got->born_ms - 60000);
        }
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
}

static void large_bodies_and_small_ones_keep_their_order(void **state)
{
    enum { COUNT = 12, LARGE = 4 * 1024 * 1024 };
    struct world world;
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    struct sent *sent = sent_new();
    char *body = malloc(LARGE);
    int seen = 0;

    (void)state;
    memset(body, 'L', LARGE);
    world_open(&world, false, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        rmq_message message = text_message(&world, "small");

        message.flag = i;
        if (i % 4 == 1) {
            message.body = body;
            message.body_size = i == 9 ? 700000 : LARGE;
        }
        assert_done(rmq_send_async(producer, &world.queues[0], &message, LONG_MS, sent_fn,
                                   &sent->one[i]));
    }
    sent_wait(sent, COUNT);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (seen < COUNT) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++, seen++) {
            assert_int_equal(sent->one[seen].status, DT_OK);
            assert_int_equal(batch->messages[i].flag, seen);
            assert_int_equal(batch->messages[i].body_size, seen % 4 != 1 ? 5
                                                           : seen == 9   ? 700000
                                                                         : LARGE);
            assert_false(batch->messages[i].corrupt_body);
        }
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    free(body);
    sent_free(sent);
    world_close(&world);
}

/* ---------------------------------------------------------------- trouble */

static void order_holds_over_errors_cuts_and_lost_answers(void **state)
{
    enum { COUNT = 3000 };
    static int numbers[2 * SENT_MAX];
    const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 5};
    struct world world;
    rmq_producer *producer;
    rmq_producer_config small = {.batch_count_max = 16};
    struct sent *sent = sent_new();
    int count;

    (void)state;
    world_open(&world, true, 1, &quick);
    producer = world_producer(&world, &small);
    for (int i = 0; i < COUNT; i++) {
        assert_done(send_number(&world, producer, 0, sent, i, RMQ_NO_DEADLINE));
        switch (i % 100) {
        case 10:
            rmq_mock_error(world.mock, 0, RMQ_SYSTEM_BUSY, 2);
            break;
        case 30:
            rmq_mock_lose_answers(world.mock, 0, 1);
            break;
        case 50:
            rmq_mock_cut(world.mock);
            break;
        case 70:
            rmq_mock_error(world.mock, 0, RMQ_SERVICE_NOT_AVAILABLE, 1);
            break;
        case 90:
            rmq_mock_error(world.mock, RMQ_GET_ROUTEINFO_BY_TOPIC, RMQ_TOPIC_NOT_EXIST, 1);
            break;
        default:
            break;
        }
    }
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_mock_error(world.mock, 0, 0, 0);
    rmq_mock_error(world.mock, RMQ_GET_ROUTEINFO_BY_TOPIC, 0, 0);
    count = read_numbers(&world, 0, numbers, 2 * SENT_MAX, COUNT);
    assert_in_order(numbers, count, COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void an_answer_after_the_deadline_leaves_doubt(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;
    int64_t started_ms;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "late");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_mock_delay(world.mock, 1000);
    started_ms = dt_clock_ms();
    assert_status(rmq_send(producer, &world.queues[0], &message, 200, NULL), DT_EINDOUBT);
    assert_true(dt_clock_ms() - started_ms >= 200);
    rmq_mock_delay(world.mock, 0);
    /* it was stored, as may happen; the lane goes on behind it */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 3);
    rmq_producer_free(producer);
    world_close(&world);
}

static void a_broker_that_is_away_means_not_done(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "never");
    world_down(&world);
    assert_status(rmq_send(producer, &world.queues[0], &message, 300, NULL), DT_ETIMEDOUT);
    assert_non_null(strstr(dt_error_text(), "not stored before the deadline"));
    assert_done(rmq_mock_up(world.mock));
    message = text_message(&world, "there");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 1);
    rmq_producer_free(producer);
    world_close(&world);
}

static void without_a_deadline_a_restart_is_waited_for(void **state)
{
    enum { COUNT = 50 };
    static int numbers[2 * COUNT];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int count;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        if (i == 10)
            rmq_mock_down(world.mock);
        if (i == 30)
            rmq_mock_restart(world.mock, 0);
        assert_done(send_number(&world, producer, 0, sent, i, RMQ_NO_DEADLINE));
    }
    assert_true(sent->ended <= COUNT);
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    count = read_numbers(&world, 0, numbers, 2 * COUNT, COUNT);
    assert_in_order(numbers, count, COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void a_refused_batch_fails_its_bad_message_only(void **state)
{
    enum { COUNT = 9 };
    static int numbers[COUNT];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int count, bad = -1;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    world_down(&world); /* so that all of them make one batch */
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    rmq_mock_error(world.mock, RMQ_SEND_BATCH_MESSAGE, RMQ_MESSAGE_ILLEGAL, 1);
    rmq_mock_error(world.mock, RMQ_SEND_MESSAGE_V2, RMQ_MESSAGE_ILLEGAL, 1);
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++) {
        if (sent->one[i].status == DT_OK)
            continue;
        assert_int_equal(sent->one[i].status, DT_EREFUSED);
        assert_non_null(strstr(sent->one[i].reason, "13"));
        assert_int_equal(bad, -1);
        bad = i;
    }
    assert_int_equal(bad, 0); /* the first to go alone met the error */
    count = read_numbers(&world, 0, numbers, COUNT, COUNT - 1);
    assert_int_equal(count, COUNT - 1);
    for (int i = 0; i < count; i++)
        assert_int_equal(numbers[i], i + 1);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void what_was_once_in_doubt_is_never_called_not_stored(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "once");
    rmq_mock_lose_answers(world.mock, 0, 1);
    /* the first is stored and its answer lost; a second copy is accepted */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 2);
    rmq_mock_lose_answers(world.mock, 0, 1000000);
    assert_status(rmq_send(producer, &world.queues[0], &message, 300, NULL), DT_EINDOUBT);
    rmq_mock_lose_answers(world.mock, 0, 0);
    rmq_producer_free(producer);
    world_close(&world);
}

static void an_answer_that_says_later_is_followed_until_the_deadline(void **state)
{
    static const int32_t codes[] = {RMQ_SYSTEM_BUSY,   RMQ_SERVICE_NOT_AVAILABLE,
                                    RMQ_NO_PERMISSION, RMQ_TOPIC_NOT_EXIST,
                                    RMQ_NO_BUYER_ID,   RMQ_GO_AWAY};
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "again");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        rmq_mock_error(world.mock, 0, codes[i], 2);
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    }
    rmq_mock_error(world.mock, 0, RMQ_SYSTEM_BUSY, 1000000);
    assert_status(rmq_send(producer, &world.queues[0], &message, 200, NULL), DT_ETIMEDOUT);
    assert_non_null(strstr(dt_error_text(), "the broker answers 2"));
    rmq_mock_error(world.mock, 0, RMQ_MESSAGE_ILLEGAL, 1);
    assert_status(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL),
                  DT_EREFUSED);
    rmq_producer_free(producer);
    world_close(&world);
}

static void stored_but_less_safe_is_stored(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message message;
    rmq_receipt receipt;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    for (int32_t code = RMQ_FLUSH_DISK_TIMEOUT; code <= RMQ_FLUSH_SLAVE_TIMEOUT; code++) {
        rmq_mock_error(world.mock, 0, code, 1);
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, &receipt));
        assert_true(receipt.less_safe);
        assert_int_equal(receipt.send_status, code);
    }
    rmq_producer_free(producer);
    world_close(&world);
}

static void a_slow_answer_of_an_earlier_try_changes_nothing(void **state)
{
    /* The answer comes after the time-out of the request, not of the message: it is sent again,
     * and the first answer, which comes meanwhile, belongs to nobody. */
    const rmq_client_config impatient = {.request_timeout_ms = 150};
    struct world world;
    rmq_producer *producer;
    rmq_message message;

    (void)state;
    world_open(&world, true, 1, &impatient);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "slow");
    rmq_mock_delay(world.mock, 400);
    assert_status(rmq_send(producer, &world.queues[0], &message, 1000, NULL), DT_EINDOUBT);
    rmq_mock_delay(world.mock, 0);
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- bounds and ends */

static void more_than_memory_max_is_not_accepted(void **state)
{
    rmq_producer_config config = {.memory_max = 10000};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    dt_status status = DT_OK;
    int accepted = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &config);
    world_down(&world);
    while (status == DT_OK && accepted < 1000) {
        status = send_number(&world, producer, 0, sent, accepted, RMQ_NO_DEADLINE);
        accepted += status == DT_OK;
    }
    assert_int_equal(status, DT_ENOMEM);
    assert_true(accepted > 10 && accepted < 100);
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, accepted);
    assert_done(send_number(&world, producer, 0, sent, accepted, LONG_MS)); /* room again */
    sent_wait(sent, accepted + 1);
    for (int i = 0; i <= accepted; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void freeing_ends_each_message_exactly_once(void **state)
{
    enum { COUNT = 100 };
    rmq_producer_config one_by_one = {.batch_count_max = 1};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, &one_by_one);
    rmq_mock_delay(world.mock, 200);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, RMQ_NO_DEADLINE));
    assert_true(rmq_mock_wait_requests(world.mock, 0, 1, LONG_MS));
    rmq_producer_free(producer);
    assert_int_equal(sent->ended, COUNT);
    assert_int_equal(sent->one[0].status, DT_OK); /* was on its way: waited for */
    for (int i = 1; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_ECLOSED);
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 1);
    sent_free(sent);
    world_close(&world);
}

static void freeing_while_the_broker_is_away_does_not_wait(void **state)
{
    enum { COUNT = 20 };
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    world_down(&world);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, RMQ_NO_DEADLINE));
    rmq_producer_free(producer);
    assert_int_equal(sent->ended, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_ECLOSED);
    sent_free(sent);
    world_close(&world);
}

static void freeing_without_an_answer_leaves_doubt(void **state)
{
    const rmq_client_config impatient = {.request_timeout_ms = 200};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, &impatient);
    producer = world_producer(&world, NULL);
    rmq_mock_delay(world.mock, 60000);
    assert_done(send_number(&world, producer, 0, sent, 0, RMQ_NO_DEADLINE));
    assert_true(rmq_mock_wait_requests(world.mock, 0, 1, LONG_MS));
    rmq_producer_free(producer);
    assert_int_equal(sent->ended, 1);
    assert_int_equal(sent->one[0].status, DT_EINDOUBT);
    sent_free(sent);
    world_close(&world);
}

static void deadlines_of_any_order_are_kept(void **state)
{
    static const int64_t timeouts_ms[] = {400, 100, LONG_MS, 50, 200, RMQ_NO_DEADLINE};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    world_down(&world);
    for (int i = 0; i < 6; i++)
        assert_done(send_number(&world, producer, 0, sent, i, timeouts_ms[i]));
    sent_wait(sent, 4);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sent->one[i].calls, timeouts_ms[i] < LONG_MS);
        if (timeouts_ms[i] < LONG_MS)
            assert_int_equal(sent->one[i].status, DT_ETIMEDOUT);
    }
    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, 6);
    assert_int_equal(sent->one[2].status, DT_OK);
    assert_int_equal(sent->one[5].status, DT_OK);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void what_brokers_would_refuse_is_refused_at_once(void **state)
{
    static char huge[33000];
    struct world world;
    rmq_producer *producer;
    rmq_property property = {"NAME", "value"};
    rmq_queue nowhere = {"", 0};
    rmq_message message;

    (void)state;
    world_open(&world, false, 1, NULL);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    message.properties = &property;
    message.property_count = 1;
    assert_status(rmq_send(producer, &nowhere, &message, 100, NULL), DT_EINVAL);
    assert_status(rmq_send(producer, &world.queues[0], &message, 0, NULL), DT_EINVAL);
    property.name = "";
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_EINVAL);
    property.name = "A\1B";
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_EINVAL);
    property.name = "NAME";
    property.value = "a\2b";
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_EINVAL);
    memset(huge, 'h', sizeof(huge) - 1);
    property.value = huge;
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_ETOOBIG);
    message.property_count = 0;
    message.body_size = 0;
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_EINVAL);
    message.body_size = 4 * 1024 * 1024 + 1; /* refused before it is read */
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_ETOOBIG);
    message = text_message(&world, "x");
    message.topic = "with.dot";
    assert_status(rmq_send(producer, &world.queues[0], &message, 100, NULL), DT_EINVAL);
    rmq_producer_free(producer);
    world_close(&world);
}

struct inside {
    struct world *world;
    rmq_producer *producer;
    struct sent *sent;
    dt_status waiting, not_waiting;
};

static void call_from_inside(void *opaque, dt_status status, const char *reason,
                             const rmq_receipt *receipt)
{
    struct inside *inside = opaque;
    rmq_message message = text_message(inside->world, "x");

    inside->waiting =
        rmq_send(inside->producer, &inside->world->queues[0], &message, LONG_MS, NULL);
    inside->not_waiting =
        send_number(inside->world, inside->producer, 0, inside->sent, 1, LONG_MS);
    sent_fn(&inside->sent->one[0], status, reason, receipt);
}

static void a_callback_may_send_but_not_wait(void **state)
{
    struct world world;
    struct inside inside = {&world, NULL, sent_new(), DT_OK, DT_OK};
    rmq_message message;

    (void)state;
    world_open(&world, false, 1, NULL);
    inside.producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_send_async(inside.producer, &world.queues[0], &message, LONG_MS,
                               call_from_inside, &inside));
    sent_wait(inside.sent, 2);
    assert_int_equal(inside.waiting, DT_ESTATE);
    assert_int_equal(inside.not_waiting, DT_OK);
    assert_int_equal(inside.sent->one[1].status, DT_OK);
    rmq_producer_free(inside.producer);
    sent_free(inside.sent);
    world_close(&world);
}

struct crowd {
    struct world *world;
    rmq_producer *producer;
    struct sent *sent;
    int from, count;
    pthread_t thread;
};

static void *crowd_main(void *argument)
{
    struct crowd *crowd = argument;

    for (int i = crowd->from; i < crowd->from + crowd->count; i++)
        if (send_number(crowd->world, crowd->producer, (size_t)i % 3, crowd->sent, i,
                        LONG_MS) != DT_OK)
            abort();
    return NULL;
}

static void several_threads_send_on_the_same_queues(void **state)
{
    enum { THREADS = 4, EACH = 500 };
    struct crowd crowd[THREADS];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int64_t total = 0;

    (void)state;
    world_open(&world, false, 3, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){&world, producer, sent, i * EACH, EACH, 0};
        pthread_create(&crowd[i].thread, NULL, crowd_main, &crowd[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(crowd[i].thread, NULL);
    sent_wait(sent, THREADS * EACH);
    for (int i = 0; i < THREADS * EACH; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    for (int i = 0; i < THREADS * EACH; i++)
        total += sent->one[i].offset; /* 0, 1, 2, ... in each queue */
    for (size_t q = 0; q < 3; q++) {
        int64_t count = THREADS * EACH / 3 + (q < THREADS * EACH % 3);

        total -= count * (count - 1) / 2;
    }
    assert_int_equal(total, 0);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

static void binary_headers_do_the_same(void **state)
{
    enum { COUNT = 200 };
    static int numbers[COUNT];
    const rmq_client_config binary = {.binary_header = true};
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    int count;

    (void)state;
    world_open(&world, false, 1, &binary);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    sent_wait(sent, COUNT);
    count = read_numbers(&world, 0, numbers, COUNT, COUNT);
    assert_int_equal(count, COUNT);
    assert_in_order(numbers, count, COUNT);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_was_sent_says_where_it_is),
        cmocka_unit_test(
            each_message_of_a_batch_has_its_own_receipt_and_the_order_of_its_queue),
        cmocka_unit_test(everything_of_a_message_arrives),
        cmocka_unit_test(large_bodies_and_small_ones_keep_their_order),
        cmocka_unit_test(order_holds_over_errors_cuts_and_lost_answers),
        cmocka_unit_test(an_answer_after_the_deadline_leaves_doubt),
        cmocka_unit_test(a_broker_that_is_away_means_not_done),
        cmocka_unit_test(without_a_deadline_a_restart_is_waited_for),
        cmocka_unit_test(a_refused_batch_fails_its_bad_message_only),
        cmocka_unit_test(what_was_once_in_doubt_is_never_called_not_stored),
        cmocka_unit_test(an_answer_that_says_later_is_followed_until_the_deadline),
        cmocka_unit_test(stored_but_less_safe_is_stored),
        cmocka_unit_test(a_slow_answer_of_an_earlier_try_changes_nothing),
        cmocka_unit_test(more_than_memory_max_is_not_accepted),
        cmocka_unit_test(freeing_ends_each_message_exactly_once),
        cmocka_unit_test(freeing_while_the_broker_is_away_does_not_wait),
        cmocka_unit_test(freeing_without_an_answer_leaves_doubt),
        cmocka_unit_test(deadlines_of_any_order_are_kept),
        cmocka_unit_test(what_brokers_would_refuse_is_refused_at_once),
        cmocka_unit_test(a_callback_may_send_but_not_wait),
        cmocka_unit_test(several_threads_send_on_the_same_queues),
        cmocka_unit_test(binary_headers_do_the_same),
    };

    signal(SIGPIPE, SIG_DFL);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
