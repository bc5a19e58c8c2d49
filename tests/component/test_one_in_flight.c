/*
 * The rule ONE: one request in flight per RocketMQ queue, and what happens with two.
 *
 * A broker answers the first request of a queue "busy, come again". A lane sends it again before
 * anything later; two lanes for one queue, which is what two requests in flight are, let the
 * later message overtake.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "dual/wake.h"
#include "rmq/codes.h"
#include "rmq/mock.h"
#include "rmq/rmq.h"
#include "support/case.h"

struct sending {
    rmq_mock *mock;
    rmq_client *client;
    pthread_mutex_t lock;
    int answered;
    struct duet_wake wake;
};

static void note(void *opaque, dt_status status, const char *reason,
                 const rmq_receipt *receipt)
{
    struct sending *sending = opaque;

    (void)reason;
    (void)receipt;
    assert_int_equal(status, DT_OK);
    pthread_mutex_lock(&sending->lock);
    sending->answered++;
    pthread_mutex_unlock(&sending->lock);
    duet_wake_raise(&sending->wake);
}

static void send_one(struct sending *sending, rmq_producer *producer,
                     const rmq_queue *queue, const char *body)
{
    rmq_message message = {0};

    message.topic = "t";
    message.body = body;
    message.body_size = 1;
    assert_int_equal(
        rmq_send_async(producer, queue, &message, RMQ_NO_DEADLINE, note, sending), DT_OK);
}

static void wait_answers(struct sending *sending, int wanted)
{
    int answered = 0;

    for (int64_t until_ms = dt_clock_ms() + 30000; answered < wanted;) {
        assert_true(dt_clock_ms() < until_ms);
        duet_wake_wait(&sending->wake, 1000);
        pthread_mutex_lock(&sending->lock);
        answered = sending->answered;
        pthread_mutex_unlock(&sending->lock);
    }
}

/* The bodies as they lie in the queue, and how many requests were at the broker at once. */
static void stored_order(int lanes, char order[3], int64_t *at_once)
{
    rmq_client_config client_config = {0};
    rmq_producer_config config = {.group = "p", .batch_count_max = 1};
    rmq_pull_consumer_config reading = {.topic = "t", .group = "c"};
    struct sending sending = {.answered = 0};
    rmq_producer *producers[2] = {NULL, NULL};
    rmq_pull_consumer *consumer;
    rmq_queue *queues;
    size_t count, got = 0;

    pthread_mutex_init(&sending.lock, NULL);
    assert_int_equal(duet_wake_init(&sending.wake), DT_OK);
    assert_int_equal(rmq_mock_new(NULL, &sending.mock), DT_OK);
    assert_int_equal(rmq_mock_topic_create(sending.mock, "t", 1), DT_OK);
    client_config.namesrv = rmq_mock_namesrv(sending.mock);
    assert_int_equal(rmq_client_new(&client_config, &sending.client), DT_OK);
    assert_int_equal(rmq_topic_write_queues(sending.client, "t", &queues, &count, 10000),
                     DT_OK);
    for (int i = 0; i < lanes; i++)
        assert_int_equal(rmq_producer_new(sending.client, &config, &producers[i]), DT_OK);
    rmq_mock_delay(sending.mock,
                   100); /* long enough for a second request to come, if any does */
    rmq_mock_error(sending.mock, 0, RMQ_SYSTEM_BUSY, 1);
    send_one(&sending, producers[0], &queues[0], "1");
    assert_true(rmq_mock_wait_requests(sending.mock, 0, 1, 30000));
    send_one(&sending, producers[lanes - 1], &queues[0], "2");
    wait_answers(&sending, 2);
    *at_once = rmq_mock_sends_at_once(sending.mock);
    rmq_mock_delay(sending.mock, 0);
    assert_int_equal(rmq_pull_consumer_new(sending.client, &reading, &consumer), DT_OK);
    assert_int_equal(rmq_pull_consumer_assign(consumer, &queues[0], 0), DT_OK);
    while (got < 2) {
        rmq_batch *batch;

        assert_int_equal(rmq_pull_consumer_poll(consumer, 30000, &batch), DT_OK);
        for (size_t i = 0; i < batch->count && got < 2; i++)
            order[got++] = *(const char *)batch->messages[i].body;
        rmq_batch_free(batch);
    }
    order[2] = '\0';
    rmq_pull_consumer_free(consumer);
    for (int i = 0; i < lanes; i++)
        rmq_producer_free(producers[i]);
    rmq_free(queues);
    rmq_client_free(sending.client);
    rmq_mock_free(sending.mock);
    duet_wake_fini(&sending.wake);
    pthread_mutex_destroy(&sending.lock);
}

static void one_request_in_flight_keeps_the_order(void **state)
{
    char order[3];
    int64_t at_once;

    (void)state;
    stored_order(1, order, &at_once);
    assert_string_equal(order, "12");
    assert_int_equal(at_once, 1);
}

static void two_requests_in_flight_do_not(void **state)
{
    char order[3];
    int64_t at_once;

    (void)state;
    stored_order(2, order, &at_once);
    assert_string_equal(order, "21");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_in_flight_keeps_the_order),
        cmocka_unit_test(two_requests_in_flight_do_not),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
