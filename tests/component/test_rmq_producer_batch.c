/* librmq: batches that the caller makes: one request, one result, each message its own offset */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/event.h"
#include "rmq/codes.h"
#include "rmq_world.h"
#include "support/case.h"

enum { COUNT = 40 };

static char texts[COUNT][16];

static void number_messages(struct world *world, rmq_message *messages, int first)
{
    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d", first + i);
        messages[i] = text_message(world, texts[i]);
    }
}

static void a_batch_is_one_request_and_each_message_knows_its_place(void **state)
{
    const rmq_property own_id = {"UNIQ_KEY", "mine"};
    struct world world;
    rmq_producer *producer;
    rmq_message messages[COUNT];
    rmq_receipt receipts[COUNT];
    rmq_target target = {0};
    int numbers[2 * COUNT];

    (void)state;
    world_open(&world, false, 2, NULL);
    producer = world_producer(&world, NULL);
    target.queue = &world.queues[1];
    for (int round = 0; round < 2; round++) {
        number_messages(&world, messages, round * COUNT);
        messages[3].properties = &own_id;
        messages[3].property_count = 1;
        assert_done(rmq_send_batch(producer, &target, messages, COUNT, LONG_MS, receipts));
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(receipts[i].offset, round * COUNT + i);
            assert_string_equal(receipts[i].queue.broker_name, world.queues[1].broker_name);
            assert_int_equal(receipts[i].queue.queue_id, world.queues[1].queue_id);
            assert_int_equal(strlen(receipts[i].offset_message_id), 32);
            assert_int_equal(receipts[i].send_status, RMQ_SEND_OK);
            if (i == 3)
                assert_string_equal(receipts[i].message_id, "mine");
            else
                assert_int_equal(strlen(receipts[i].message_id), 32);
            for (int j = 0; j < i; j++)
                assert_string_not_equal(receipts[i].message_id, receipts[j].message_id);
        }
    }
    assert_int_equal(read_numbers(&world, 1, numbers, 2 * COUNT, 2 * COUNT), 2 * COUNT);
    for (int i = 0; i < 2 * COUNT; i++)
        assert_int_equal(numbers[i], i);
    if (world.mock != NULL)
        assert_int_equal(rmq_mock_requests(world.mock, RMQ_SEND_BATCH_MESSAGE), 2);
    rmq_producer_free(producer);
    world_close(&world);
}

static void batches_and_messages_of_a_queue_keep_their_order(void **state)
{
    enum { ROUNDS = 20 };
    static int numbers[ROUNDS * COUNT];
    struct world world;
    rmq_producer *producer;
    struct sent *sent = sent_new();
    rmq_target target = {0};

    (void)state;
    world_open(&world, false, 1, NULL);
    producer = world_producer(&world, NULL);
    target.queue = &world.queues[0];
    for (int round = 0; round < ROUNDS; round++) {
        rmq_message messages[COUNT];

        number_messages(&world, messages, round * COUNT);
        for (int i = 0; i < 3; i++)
            assert_done(send_number(&world, producer, 0, sent, round * COUNT + i, LONG_MS));
        assert_done(rmq_send_batch_async(producer, &target, messages + 3, COUNT - 3,
                                         LONG_MS, NULL, NULL));
    }
    assert_done(rmq_producer_flush(producer, LONG_MS));
    assert_int_equal(read_numbers(&world, 0, numbers, ROUNDS * COUNT, ROUNDS * COUNT),
                     ROUNDS * COUNT);
    for (int i = 0; i < ROUNDS * COUNT; i++)
        assert_int_equal(numbers[i], i);
    rmq_producer_free(producer);
    sent_free(sent);
    world_close(&world);
}

struct result {
    struct dt_event done;
    int calls;
    dt_status status;
    size_t count;
};

static void on_sent(void *opaque, dt_status status, const char *reason,
                    rmq_receipts *receipts)
{
    struct result *result = opaque;
    rmq_receipt one, again;

    (void)reason;
    result->calls++;
    result->status = status;
    if (receipts != NULL) { /* in any order */
        result->count = rmq_receipts_count(receipts);
        rmq_receipts_get(receipts, result->count - 1, &one);
        assert_int_equal(one.offset, result->count - 1);
        rmq_receipts_get(receipts, 0, &again);
        assert_int_equal(again.offset, 0);
        rmq_receipts_get(receipts, result->count - 1, &again);
        assert_memory_equal(&one, &again, sizeof(one));
    }
    dt_event_set(&result->done);
}

static void its_result_is_one_for_all(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_message messages[COUNT];
    struct result result = {.status = DT_OK};
    rmq_target target = {.key = "k", .key_size = 1};

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    number_messages(&world, messages, 0);
    rmq_mock_error(world.mock, 0, RMQ_MESSAGE_ILLEGAL, 1);
    dt_event_init(&result.done);
    assert_done(rmq_send_batch_async(producer, &target, messages, COUNT, LONG_MS, on_sent,
                                     &result));
    assert_true(dt_event_wait(&result.done, INT64_MAX));
    assert_int_equal(result.status, DT_EREFUSED);
    assert_int_equal(rmq_mock_requests(world.mock, 0), 1); /* never one by one */
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 0);
    dt_event_fini(&result.done);
    dt_event_init(&result.done);
    assert_done(rmq_send_batch_async(producer, &target, messages, COUNT, LONG_MS, on_sent,
                                     &result));
    assert_true(dt_event_wait(&result.done, INT64_MAX));
    assert_int_equal(result.status, DT_OK);
    assert_int_equal(result.count, COUNT);
    assert_int_equal(result.calls, 2);
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), COUNT);
    rmq_mock_error(world.mock, 0, RMQ_FLUSH_SLAVE_TIMEOUT, 1);
    {
        rmq_receipt receipts[COUNT];

        assert_done(rmq_send_batch(producer, NULL, messages, COUNT, LONG_MS, receipts));
        assert_int_equal(receipts[COUNT - 1].send_status, RMQ_SEND_FLUSH_SLAVE_TIMEOUT);
        assert_true(receipts[0].less_safe);
    }
    rmq_mock_error(world.mock, 0, RMQ_SYSTEM_BUSY, 1000000);
    assert_status(rmq_send_batch(producer, &target, messages, COUNT, 200, NULL),
                  DT_ETIMEDOUT);
    dt_event_fini(&result.done);
    rmq_producer_free(producer);
    world_close(&world);
}

static void what_cannot_go_together_is_refused_before_anything_is_sent(void **state)
{
    static char large[17000], body[4 << 20];
    const rmq_property long_one = {"p", large};
    const rmq_property not_waited = {"WAIT", "false"}, delayed = {"DELAY", "1"};
    struct world world;
    rmq_producer *producer;
    rmq_message messages[2];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < 8; i++) {
        dt_status expected = i == 7 ? DT_ETOOBIG : DT_EINVAL;

        messages[0] = messages[1] = text_message(&world, "x");
        messages[1].property_count = i >= 2 && i <= 4;
        switch (i) {
        case 0:
            messages[1].topic = "another";
            break;
        case 1:
            messages[1].delay_level = 1;
            break;
        case 2:
            messages[1].properties = &delayed;
            break;
        case 3:
            messages[1].properties = &not_waited;
            break;
        case 4:
            messages[1].properties = &long_one;
            break;
        case 5:
            messages[0].topic = messages[1].topic = "%RETRY%group";
            break;
        case 6:
            messages[1].body_size = 0;
            break;
        default:
            messages[1].body = body;
            messages[1].body_size = sizeof(body);
        }
        assert_status(rmq_send_batch(producer, NULL, messages, 2, LONG_MS, NULL), expected);
    }
    assert_status(rmq_send_batch(producer, NULL, messages, 0, LONG_MS, NULL), DT_EINVAL);
    assert_status(rmq_send_batch(producer, NULL, NULL, 1, LONG_MS, NULL), DT_EINVAL);
    assert_int_equal(rmq_mock_requests(world.mock, 0), 0);
    messages[0] = messages[1] = text_message(&world, "x");
    messages[0].properties = messages[1].properties = &not_waited;
    messages[0].property_count = messages[1].property_count = 1;
    assert_done(
        rmq_send_batch(producer, NULL, messages, 2, LONG_MS, NULL)); /* both alike */
    rmq_producer_free(producer);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_one_request_and_each_message_knows_its_place),
        cmocka_unit_test(batches_and_messages_of_a_queue_keep_their_order),
        cmocka_unit_test(its_result_is_one_for_all),
        cmocka_unit_test(what_cannot_go_together_is_refused_before_anything_is_sent),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
