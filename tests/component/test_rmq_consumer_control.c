/* librmq: group consumers told what to read: subscriptions, pausing, seeking, starting, resets */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "consumer_world.h"
#include "rmq/codes.h"
#include "rmq/consumer_inside.h"
#include "support/case.h"

static const rmq_client_config quick = {.backoff_ms_min = 1, .backoff_ms_max = 4};

static void nothing_new_is_handed_out_while_paused(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;
    int64_t pulls;

    (void)state;
    world_open(&world, true, 1, &quick);
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, 0, 10);
    seen_wait(seen, &seen->handled, 10);
    for (int by_topic = 0; by_topic < 2; by_topic++) {
        int first = 10 + 10 * by_topic;

        assert_done(rmq_consumer_pause(consumer, by_topic ? world.topic : NULL));
        pulls = rmq_mock_requests(world.mock, RMQ_PULL_MESSAGE);
        send_numbers(&world, first, first + 10);
        /* it has been read, as the next pull shows */
        assert_true(
            rmq_mock_wait_requests(world.mock, RMQ_PULL_MESSAGE, pulls + 1, LONG_MS));
        assert_int_equal(seen->handled, first);
        assert_done(rmq_consumer_resume(consumer, by_topic ? world.topic : NULL));
        seen_wait(seen, &seen->handled, first + 10);
    }
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 30, 1);
    world_close(&world);
    seen_free(seen);
}

static void a_queue_is_read_again_from_where_it_is_sought(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 100);
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->handled, 100);
    assert_done(rmq_consumer_seek(consumer, world.topic, &world.queues[0], 60));
    seen_wait(seen, &seen->calls[99], 2);
    send_numbers(&world, 100, 110);
    seen_wait(seen, &seen->handled, 110);
    assert_done(rmq_consumer_seek(consumer, world.topic, &world.queues[0], 110));
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_int_equal(committed(&world), 110);
    assert_status(rmq_consumer_seek(consumer, world.topic, &world.queues[0], 1),
                  DT_ENOTFOUND);
    rmq_consumer_free(consumer);
    assert_int_equal(seen->calls[59], 1);
    assert_int_equal(seen->calls[60], 2);
    world_close(&world);
    seen_free(seen);
}

static void a_topic_is_read_again_from_a_time(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 3, &quick);
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, 0, 30);
    seen_wait(seen, &seen->handled, 30);
    assert_done(rmq_consumer_seek_time(consumer, world.topic, 0, LONG_MS));
    for (int i = 0; i < 30; i++)
        seen_wait(seen, &seen->calls[i], 2);
    assert_status(rmq_consumer_seek_time(consumer, "other", 0, LONG_MS), DT_ENOTFOUND);
    rmq_consumer_free(consumer);
    assert_int_equal(committed(&world), 30);
    world_close(&world);
    seen_free(seen);
}

static void where_nothing_is_committed_it_starts_as_told(void **state)
{
    rmq_start starts[] = {RMQ_START_FIRST, RMQ_START_LAST, RMQ_START_TIME};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        struct seen *seen = seen_new();
        rmq_consumer_config config = {.start = starts[i]};
        rmq_consumer *consumer;
        int expected = starts[i] == RMQ_START_LAST ? 10 : 30;

        world_open(&world, true, 2, &quick);
        config.start_wall_ms = dt_clock_wall_ms() - 60000;
        send_numbers(&world, 0, 20);
        consumer = group_consumer(&world, world.client, seen, &config);
        seen_wait_exactly(seen, &seen->held, 2);
        send_numbers(&world, 20, 30);
        seen_wait(seen, &seen->handled, expected);
        rmq_consumer_free(consumer);
        assert_int_equal(seen->handled, expected);
        assert_int_equal(committed(&world), 30);
        /* what is committed counts, wherever a new one would start */
        config.start = RMQ_START_FIRST;
        consumer = group_consumer(&world, world.client, seen, &config);
        seen_wait_exactly(seen, &seen->held, 2);
        rmq_consumer_free(consumer);
        assert_int_equal(seen->handled, expected);
        world_close(&world);
        seen_free(seen);
    }
}

static void only_wanted_tags_are_handled(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {0};
    rmq_subscription subscription = {NULL, "even || third"};
    rmq_producer *producer;
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < 60; i++) {
        char text[16];
        rmq_message message;

        snprintf(text, sizeof(text), "%d", i);
        message = text_message(&world, text);
        message.tags = i % 2 == 0 ? "even" : i % 3 == 0 ? "third" : NULL;
        assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    }
    rmq_producer_free(producer);
    subscription.topic = world.topic;
    config.subscriptions = &subscription;
    config.subscription_count = 1;
    consumer = group_consumer(&world, world.client, seen, &config);
    seen_wait(seen, &seen->handled, 40);
    rmq_consumer_free(consumer);
    for (int i = 0; i < 60; i++)
        assert_int_equal(seen->times[i], i % 2 == 0 || i % 3 == 0);
    world_close(&world);
    seen_free(seen);
}

static void topics_come_and_go_while_it_runs(void **state)
{
    struct world world, other;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, true, 2, &quick);
    other = world;
    snprintf(other.topic, sizeof(other.topic), "%.50s-b", world.topic);
    assert_done(rmq_topic_create(world.client, other.topic, 3, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, other.topic, &other.queues,
                                       &other.queue_count, LONG_MS));
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, 0, 10);
    seen_wait(seen, &seen->handled, 10);
    assert_done(rmq_consumer_subscribe(consumer, other.topic, NULL));
    seen_wait_exactly(seen, &seen->held, 5);
    send_numbers(&other, 10, 20);
    seen_wait(seen, &seen->handled, 20);
    /* another expression: nothing has that tag */
    assert_done(rmq_consumer_subscribe(consumer, other.topic, "none"));
    send_numbers(&other, 20, 30);
    send_numbers(&world, 30, 40);
    seen_wait(seen, &seen->handled, 30);
    assert_done(rmq_consumer_unsubscribe(consumer, other.topic));
    seen_wait_exactly(seen, &seen->held, 2);
    send_numbers(&world, 40, 50);
    seen_wait(seen, &seen->handled, 40);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, 20, 1);
    assert_handled(seen, 30, 50, 1);
    rmq_free(other.queues);
    world_close(&world);
    seen_free(seen);
}

/* ---------------------------------------------------------------- what brokers ask */

struct asking {
    rmq_client *client;
    struct rmq_command command;
    const char *body;
    struct dt_buf answer;
    int32_t code;
};

static void ask_on_loop(void *context)
{
    struct asking *asking = context;
    struct rmq_inbound_answer answer = {RMQ_SUCCESS, NULL, &asking->answer};

    rmq_inbound_handle(asking->client, &asking->command, dt_span_str(asking->body),
                       &answer);
    asking->code = answer.code;
}

/* As a broker asks it, in a header of its own. */
static void ask(struct asking *asking, rmq_client *client, int32_t code,
                const char *group_field, const char *group, const char *topic,
                const char *body)
{
    memset(asking, 0, sizeof(*asking));
    asking->client = client;
    asking->body = body;
    asking->command.code = code;
    asking->command.fields[0].name = dt_span_str(group_field);
    asking->command.fields[0].value = dt_span_str(group);
    asking->command.fields[1].name = dt_span_str("topic");
    asking->command.fields[1].value = dt_span_str(topic);
    asking->command.field_count = 2;
    dt_buf_init(&asking->answer, 1 << 20);
    assert_done(rmq_client_run(client, ask_on_loop, asking));
}

static void an_operators_reset_is_followed_in_both_forms(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;
    struct asking asking;
    char body[512];

    (void)state;
    world_open(&world, true, 1, &quick);
    send_numbers(&world, 0, 50);
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->handled, 50);
    snprintf(body, sizeof(body),
             "{\"offsetTable\":{{\"brokerName\":\"broker-a\",\"queueId\":0,"
             "\"topic\":\"%s\"}:45}}",
             world.topic);
    ask(&asking, world.client, RMQ_RESET_CONSUMER_CLIENT_OFFSET, "group",
        world_group(&world), world.topic, body);
    dt_buf_fini(&asking.answer);
    seen_wait(seen, &seen->calls[49], 2);
    assert_int_equal(seen->calls[44], 1);
    snprintf(body, sizeof(body),
             "{\"offsetTable\":[{\"brokerName\":\"broker-a\",\"offset\":30,\"queueId\":0,"
             "\"topic\":\"%s\"},{\"brokerName\":\"unknown\",\"offset\":3,\"queueId\":9}]}",
             world.topic);
    ask(&asking, world.client, RMQ_RESET_CONSUMER_CLIENT_OFFSET, "group",
        world_group(&world), world.topic, body);
    dt_buf_fini(&asking.answer);
    seen_wait(seen, &seen->calls[49], 3);
    assert_int_equal(seen->calls[29], 1);
    assert_int_equal(seen->calls[30], 2);
    ask(&asking, world.client, RMQ_RESET_CONSUMER_CLIENT_OFFSET, "group",
        world_group(&world), world.topic, "{\"offsetTable\":[1,{}");
    dt_buf_fini(&asking.answer);
    rmq_consumer_free(consumer);
    assert_int_equal(committed(&world), 50);
    world_close(&world);
    seen_free(seen);
}

static void a_broker_is_told_how_a_consumer_is_doing(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;
    struct asking asking;
    const char *text;

    (void)state;
    world_open(&world, true, 2, &quick);
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait_exactly(seen, &seen->held, 2);
    ask(&asking, world.client, RMQ_GET_CONSUMER_RUNNING_INFO, "consumerGroup",
        world_group(&world), "", "");
    assert_int_equal(asking.code, RMQ_SUCCESS);
    text = dt_buf_str(&asking.answer);
    assert_non_null(strstr(text, "\"PROP_CONSUME_TYPE\":\"CONSUME_PASSIVELY\""));
    assert_non_null(strstr(text, "\"mqTable\":{{\"brokerName\":\"broker-a\""));
    assert_non_null(strstr(text, "\"statusTable\":{"));
    dt_buf_fini(&asking.answer);
    ask(&asking, world.client, RMQ_GET_CONSUMER_RUNNING_INFO, "consumerGroup", "other", "",
        "");
    assert_int_equal(asking.code, RMQ_SYSTEM_ERROR);
    dt_buf_fini(&asking.answer);
    ask(&asking, world.client, 4711, "consumerGroup", "other", "", "");
    assert_int_equal(asking.code, RMQ_REQUEST_CODE_NOT_SUPPORTED);
    dt_buf_fini(&asking.answer);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

/* ---------------------------------------------------------------- bounds */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_open;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void set_gate(bool is_open)
{
    pthread_mutex_lock(&gate.mutex);
    gate.is_open = is_open;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.mutex);
}

/* The first message waits for the gate. */
static rmq_handled first_waits(void *opaque, rmq_delivery *delivery)
{
    pthread_mutex_lock(&gate.mutex);
    while (!gate.is_open && delivery->messages[0].body_size == 1 &&
           memcmp(delivery->messages[0].body, "0", 1) == 0)
        pthread_cond_wait(&gate.opened, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
    return seen_handle(opaque, delivery);
}

static void a_message_that_takes_long_bounds_what_is_handled_behind_it(void **state)
{
    enum { COUNT = 3000, SPAN = 100 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.queue_span_max = SPAN, .handler = first_waits};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, true, 2, &quick);
    send_numbers(&world, 0, COUNT); /* even ones behind 0, odd ones in the other queue */
    set_gate(false);
    consumer = group_consumer(&world, world.client, seen, &config);
    for (int i = 1; i < COUNT; i += 2) /* queues take turns: the first has had its own */
        seen_wait(seen, &seen->times[i], 1);
    pthread_mutex_lock(&seen->mutex);
    assert_int_equal(seen->times[0], 0);
    for (int i = 2 * SPAN; i < COUNT; i += 2)
        assert_int_equal(seen->calls[i], 0);
    pthread_mutex_unlock(&seen->mutex);
    set_gate(true);
    seen_wait(seen, &seen->handled, COUNT);
    rmq_consumer_free(consumer);
    assert_handled(seen, 0, COUNT, 1);
    world_close(&world);
    seen_free(seen);
}

static rmq_handled stop_myself(void *opaque, rmq_delivery *delivery)
{
    struct seen *seen = opaque;
    rmq_consumer *consumer;

    pthread_mutex_lock(&seen->mutex);
    while (seen->consumer == NULL)
        pthread_cond_wait(&seen->changed, &seen->mutex);
    consumer = seen->consumer;
    pthread_mutex_unlock(&seen->mutex);
    if (rmq_consumer_stop(consumer, LONG_MS) != DT_ESTATE)
        abort();
    return seen_handle(opaque, delivery);
}

static void a_handler_cannot_stop_its_own_consumer(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.handler = stop_myself};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 3);
    consumer = group_consumer(&world, world.client, seen, &config);
    pthread_mutex_lock(&seen->mutex);
    seen->consumer = consumer;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
    seen_wait(seen, &seen->handled, 3);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

/* ---------------------------------------------------------------- several brokers */

/* How far the consumer is in the queues of the topic that it holds; how many: added to *count. */
static int64_t handled_by(const struct world *world, rmq_consumer *consumer, size_t *count)
{
    rmq_held_queue *held;
    size_t held_count;
    int64_t sum = 0;

    assert_done(rmq_consumer_queues(consumer, &held, &held_count));
    for (size_t i = 0; i < held_count; i++)
        if (strcmp(held[i].topic, world->topic) == 0) {
            sum += held[i].handled;
            (*count)++;
        }
    rmq_free(held);
    return sum;
}

/* Waits until each queue is with one of the two, and read by it to its end: one that has changed
 * hands early is read again from where it was committed. ctest has the time-out. */
static void wait_until_read(const struct world *world, rmq_consumer *one,
                            rmq_consumer *other, int64_t messages)
{
    int64_t sum;
    size_t count;

    do {
        usleep(1000);
        count = 0;
        sum = handled_by(world, one, &count);
        sum += handled_by(world, other, &count);
    } while (count != world->queue_count || sum != messages);
}

static void queues_of_several_brokers_are_shared_and_one_may_be_away(void **state)
{
    static const rmq_client_config impatient = {.backoff_ms_min = 1,
                                                .backoff_ms_max = 4,
                                                .request_timeout_ms = 300,
                                                .connect_timeout_ms = 300};
    rmq_consumer_config config = {.rebalance_period_ms = 50};
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer, *other;
    rmq_client *client;
    int broker;

    (void)state;
    world_find(&world, true);
    assert_done(rmq_mock_broker_add(world.mock, "broker-b", 0, &broker));
    assert_done(rmq_mock_topic_create(world.mock, world.topic, 3));
    world.client = world_client(&world, &impatient);
    client = world_client(&world, &impatient);
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    assert_int_equal(world.queue_count, 6);
    consumer = group_consumer(&world, world.client, seen, &config);
    other = group_consumer(&world, client, seen, &config);
    send_numbers(&world, 0, 60);
    seen_wait(seen, &seen->handled, 60);
    seen_wait_exactly(seen, &seen->held, 6);
    assert_done(rmq_mock_broker_down(world.mock, broker, true));
    world.queue_count = 3; /* of broker-a */
    send_numbers(&world, 60, 120);
    seen_wait(seen, &seen->handled, 120);
    assert_done(rmq_mock_broker_down(world.mock, broker, false));
    world.queue_count = 6;
    send_numbers(&world, 120, 180);
    seen_wait(seen, &seen->handled, 180);
    wait_until_read(&world, consumer, other, 180);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    assert_done(rmq_consumer_stop(other, LONG_MS));
    assert_int_equal(committed(&world), 180);
    rmq_consumer_free(consumer);
    rmq_consumer_free(other);
    rmq_client_free(client);
    world_close(&world);
    seen_free(seen);
}

/* ---------------------------------------------------------------- faults */

static void a_stop_says_when_an_offset_could_not_be_committed(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, true, 1, &quick);
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, 0, 5);
    seen_wait(seen, &seen->handled, 5);
    rmq_mock_error(world.mock, RMQ_UPDATE_CONSUMER_OFFSET, RMQ_SYSTEM_ERROR, 1000000);
    assert_status(rmq_consumer_stop(consumer, 100), DT_EREFUSED);
    rmq_mock_error(world.mock, RMQ_UPDATE_CONSUMER_OFFSET, RMQ_SYSTEM_ERROR, 0);
    rmq_consumer_free(consumer);
    /* so they come again */
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->calls[4], 2);
    /* a commit that fails for a while is tried again */
    rmq_mock_error(world.mock, RMQ_UPDATE_CONSUMER_OFFSET, RMQ_SYSTEM_BUSY, 3);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    rmq_consumer_free(consumer);
    assert_int_equal(committed(&world), 5);
    world_close(&world);
    seen_free(seen);
}

static void a_stop_tells_of_handlers_that_still_run(void **state)
{
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, false, 1, &quick);
    send_numbers(&world, 0, 3);
    seen->block = 1;
    consumer = group_consumer(&world, world.client, seen, NULL);
    seen_wait(seen, &seen->running, 1);
    assert_status(rmq_consumer_stop(consumer, 50), DT_ETIMEDOUT);
    seen_set_block(seen, 0);
    rmq_consumer_free(consumer);
    world_close(&world);
    seen_free(seen);
}

static void broken_connections_lose_nothing(void **state)
{
    enum { COUNT = 1500 };
    struct world world;
    struct seen *seen = seen_new();
    rmq_consumer_config config = {.local_retry_ms = 10, .commit_period_ms = 20};
    rmq_consumer *consumer;

    (void)state;
    world_open(&world, true, 4, &quick);
    consumer = group_consumer(&world, world.client, seen, &config);
    for (int i = 0; i < COUNT; i += 100) {
        send_numbers(&world, i, i + 100);
        seen_wait(seen, &seen->handled, i + 20);
        rmq_mock_cut(world.mock);
    }
    seen_wait(seen, &seen->handled, COUNT);
    assert_done(rmq_consumer_stop(consumer, LONG_MS));
    rmq_consumer_free(consumer);
    assert_int_equal(committed(&world), COUNT);
    world_close(&world);
    seen_free(seen);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_is_handed_out_while_paused),
        cmocka_unit_test(a_queue_is_read_again_from_where_it_is_sought),
        cmocka_unit_test(a_topic_is_read_again_from_a_time),
        cmocka_unit_test(where_nothing_is_committed_it_starts_as_told),
        cmocka_unit_test(only_wanted_tags_are_handled),
        cmocka_unit_test(topics_come_and_go_while_it_runs),
        cmocka_unit_test(an_operators_reset_is_followed_in_both_forms),
        cmocka_unit_test(a_broker_is_told_how_a_consumer_is_doing),
        cmocka_unit_test(a_message_that_takes_long_bounds_what_is_handled_behind_it),
        cmocka_unit_test(a_handler_cannot_stop_its_own_consumer),
        cmocka_unit_test(queues_of_several_brokers_are_shared_and_one_may_be_away),
        cmocka_unit_test(a_stop_says_when_an_offset_could_not_be_committed),
        cmocka_unit_test(a_stop_tells_of_handlers_that_still_run),
        cmocka_unit_test(broken_connections_lose_nothing),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
