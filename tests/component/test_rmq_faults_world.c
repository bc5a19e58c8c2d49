/* librmq: name servers and brokers that go down, change, lose their newest messages */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault_world.h"
#include "rmq/codes.h"
#include "support/case.h"

/* ---------------------------------------------------------------- worlds */

/* As fault_open(), on a mock that `before` has made larger. */
static void open_larger(struct world *world, int32_t queues,
                        const rmq_client_config *settings,
                        void (*before)(struct world *world))
{
    rmq_client_config config = {0};

    if (settings != NULL)
        config = *settings;
    config.backoff_ms_min = 1;
    config.backoff_ms_max = 5;
    world_find(world, true);
    before(world);
    snprintf(world->namesrv, sizeof(world->namesrv), "%s", rmq_mock_namesrv(world->mock));
    world->client = world_client(world, &config);
    assert_done(rmq_topic_create(world->client, world->topic, queues, LONG_MS));
    assert_done(rmq_topic_write_queues(world->client, world->topic, &world->queues,
                                       &world->queue_count, LONG_MS));
}

static void add_namesrv(struct world *world)
{
    int number;

    assert_done(rmq_mock_namesrv_add(world->mock, &number));
    assert_int_equal(number, 2);
}

static void add_master(struct world *world)
{
    int number;

    assert_done(rmq_mock_broker_add(world->mock, "broker-b", 0, &number));
    assert_int_equal(number, 2);
}

static void add_slave(struct world *world)
{
    int number;

    assert_done(rmq_mock_broker_add(world->mock, "broker-a", 1, &number));
    assert_int_equal(number, 2);
}

static void send_numbers(struct world *world, rmq_producer *producer, struct sent *sent,
                         int from, int to)
{
    for (int i = from; i < to; i++)
        assert_done(
            send_number(world, producer, (size_t)i % world->queue_count, sent, i, LONG_MS));
    sent_wait(sent, to);
    for (int i = from; i < to; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
}

/* Reads on until `count` messages came, all of them the next number; false: a batch says that
 * the offset was moved, which ends it. */
static bool read_on(rmq_pull_consumer *consumer, int *next, int count)
{
    while (count > 0) {
        bool moved;
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        moved = batch->moved;
        for (size_t i = 0; i < batch->count; i++, count--)
            assert_int_equal(number_of(&batch->messages[i]), (*next)++);
        rmq_batch_free(batch);
        if (moved)
            return false;
    }
    assert_int_equal(count, 0);
    return true;
}

/* ---------------------------------------------------------------- name servers */

static void a_name_server_that_is_down_stops_nobody_who_knows_his_routes(void **state)
{
    struct sent *sent = sent_new();
    rmq_producer *producer;
    rmq_queue *queues = NULL;
    struct world world;
    size_t count;

    (void)state;
    fault_open(&world, 2, NULL);
    producer = world_producer(&world, NULL);
    assert_done(rmq_mock_namesrv_down(world.mock, 1, true));
    send_numbers(&world, producer, sent, 0, 20);
    assert_status(rmq_topic_write_queues(world.client, world.topic, &queues, &count, 50),
                  DT_EUNREACH);
    assert_null(queues);
    rmq_mock_cut(world.mock); /* what is known survives a connection, too */
    send_numbers(&world, producer, sent, 20, 40);
    assert_done(rmq_mock_namesrv_down(world.mock, 1, false));
    assert_done(
        rmq_topic_write_queues(world.client, world.topic, &queues, &count, LONG_MS));
    rmq_free(queues);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void one_name_server_of_two_is_enough(void **state)
{
    struct world world;

    (void)state;
    open_larger(&world, 1, NULL, add_namesrv);
    for (int round = 0; round < 4; round++) {
        int down = 1 + round % 2;

        assert_done(rmq_mock_namesrv_down(world.mock, down, true));
        assert_done(rmq_topic_create(world.client, world.topic, 2 + round, LONG_MS));
        assert_done(rmq_mock_namesrv_down(world.mock, down, false));
    }
    assert_true(rmq_mock_max_offset(world.mock, world.topic, 4) == 0);
    world_close(&world);
}

/* ---------------------------------------------------------------- brokers */

static void a_broker_that_is_down_beyond_the_deadline_has_stored_nothing(void **state)
{
    enum { COUNT = 60 };
    rmq_mock_fault slow = fault_of(RMQ_MOCK_DELAY, 0, 1);
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int copies[COUNT] = {0};

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 1);
    slow.delay_ms = LONG_MS;
    fault_add(&world, slow);
    assert_done(
        send_number(&world, producer, 0, sent, 1, 200)); /* stored, never heard of */
    assert_true(rmq_mock_wait_requests(world.mock, 0, 2, LONG_MS));
    assert_done(rmq_mock_broker_down(world.mock, 1, true));
    for (int i = 2; i < 30; i++)
        assert_done(send_number(&world, producer, 0, sent, i, 50 + i));
    sent_wait(sent, 30);
    assert_int_equal(sent->one[1].status, DT_EINDOUBT);
    for (int i = 2; i < 30; i++)
        assert_int_equal(sent->one[i].status, DT_ETIMEDOUT);
    for (int i = 30; i < COUNT; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    assert_done(rmq_mock_broker_down(world.mock, 1, false));
    sent_wait(sent, COUNT);
    read_logs(&world, 1, copies, COUNT);
    assert_int_equal(outcomes_agree(sent, copies, COUNT), 1 + COUNT - 30);
    assert_true(copies[1] > 0);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static int broker_of(const rmq_queue *queue)
{
    return strcmp(queue->broker_name, "broker-b") == 0 ? 2 : 1;
}

static void a_broker_that_is_gone_takes_only_its_own_messages_along(void **state)
{
    enum { COUNT = 400 };
    struct sent *sent = sent_new();
    rmq_producer *producer;
    struct world world;
    int copies[COUNT] = {0};

    (void)state;
    open_larger(&world, 2, NULL, add_master);
    assert_int_equal(world.queue_count, 4);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        bool is_gone = i >= 100 && i < 200;

        if (i == 100) {
            sent_wait(sent, 100);
            assert_done(rmq_mock_broker_down(world.mock, 2, true));
            assert_done(rmq_mock_broker_listed(world.mock, 2, false));
        }
        if (i == 200) {
            sent_wait(sent, 200);
            assert_done(rmq_mock_broker_listed(world.mock, 2, true));
            assert_done(rmq_mock_broker_down(world.mock, 2, false));
        }
        assert_done(
            send_number(&world, producer, (size_t)i % 4, sent, i,
                        is_gone && broker_of(&world.queues[i % 4]) == 2 ? 50 : LONG_MS));
    }
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        if (broker_of(&world.queues[i % 4]) == 1 || i >= 200)
            assert_int_equal(sent->one[i].status, DT_OK);
        else if (i >= 100)
            assert_int_not_equal(sent->one[i].status, DT_OK);
    read_logs(&world, 1, copies, COUNT);
    read_logs(&world, 2, copies, COUNT);
    assert_true(outcomes_agree(sent, copies, COUNT) >= COUNT - 150);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void queues_that_are_added_and_taken_away_are_noticed(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int copies[31] = {0}, next = 20;
    rmq_message message;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 20);
    assert_done(rmq_mock_topic_put(world.mock, 1, world.topic, 3, 3, 6));
    rmq_free(world.queues);
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    assert_int_equal(world.queue_count, 3);
    for (int i = 20; i < 30; i++)
        assert_done(send_number(&world, producer, 2, sent, i, LONG_MS));
    sent_wait(sent, 30);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[2], 0));
    assert_true(read_on(consumer, &next, 10));
    assert_done(rmq_mock_topic_put(world.mock, 1, world.topic, 2, 2, 6));
    message = text_message(&world, "30");
    assert_status(rmq_send(producer, &world.queues[2], &message, LONG_MS, NULL),
                  DT_EREFUSED);
    read_logs(&world, 1, copies, 31);
    assert_int_equal(outcomes_agree(sent, copies, 30), 30);
    assert_int_equal(copies[30], 0);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* ---------------------------------------------------------------- lost messages */

static void a_lost_tail_is_told_and_reading_goes_on_behind_it(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 20);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(read_on(consumer, &next, 20));
    assert_done(rmq_mock_broker_restart(world.mock, 1, 5));
    assert_int_equal(rmq_mock_max_offset(world.mock, world.topic, 0), 15);
    assert_false(read_on(consumer, &next, 1));
    send_numbers(&world, producer, sent, 20, 30);
    assert_int_equal(sent->one[20].offset, 15); /* offsets are used again */
    assert_true(read_on(consumer, &next, 10));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void messages_that_expired_are_told_and_reading_goes_on_behind_them(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;
    int64_t min;

    (void)state;
    fault_open(&world, 1, NULL);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 20);
    assert_done(rmq_mock_expire(world.mock, 1, world.topic, 0, 12));
    assert_done(rmq_offset_min(world.client, world.topic, &world.queues[0], LONG_MS, &min));
    assert_int_equal(min, 12);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_false(read_on(consumer, &next, 1));
    next = 12;
    assert_true(read_on(consumer, &next, 8));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* ---------------------------------------------------------------- slaves */

/* How many pulls have come to a broker since it was told to count. */
static void count_pulls(struct world *world, int broker)
{
    static const int32_t codes[] = {RMQ_PULL_MESSAGE, RMQ_LITE_PULL_MESSAGE};

    for (int i = 0; i < 2; i++) {
        rmq_mock_fault fault = fault_of(RMQ_MOCK_DELAY, codes[i], 1000000);

        fault.broker = broker;
        fault_add(world, fault);
    }
}

static int64_t pulls_counted(struct world *world)
{
    return 2000000 - rmq_mock_faults_left(world->mock);
}

static void a_consumer_reads_where_the_master_sends_it(void **state)
{
    rmq_pull_consumer_config settings = {.pull_count = 4, .queue_requests_max = 1};
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;

    (void)state;
    open_larger(&world, 1, NULL, add_slave);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 40);
    rmq_mock_pull_limit(world.mock, 4, 65536);
    assert_done(rmq_mock_broker_suggest(world.mock, 1, 1));
    assert_done(rmq_mock_broker_suggest(world.mock, 2, 1));
    count_pulls(&world, 2);
    consumer = world_consumer(&world, &settings);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(read_on(consumer, &next, 40));
    assert_true(pulls_counted(&world) >= 8); /* all but the first, and a few on the way */
    /* it goes where it can when the slave is away, and the slave does where the master is */
    assert_done(rmq_mock_broker_down(world.mock, 2, true));
    send_numbers(&world, producer, sent, 40, 50);
    assert_true(read_on(consumer, &next, 10));
    assert_done(rmq_mock_broker_down(world.mock, 2, false));
    send_numbers(&world, producer, sent, 50, 60);
    assert_true(read_on(consumer, &next, 10));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void what_a_slave_has_is_read_while_the_master_is_down(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;

    (void)state;
    open_larger(&world, 1, NULL, add_slave);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 40);
    assert_done(rmq_mock_broker_down(world.mock, 1, true));
    assert_done(rmq_mock_broker_listed(world.mock, 1, false));
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(read_on(consumer, &next, 40));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* A slave that is behind gives what it has; nothing is passed over and nothing moved. */
static void a_slave_that_is_behind_hides_nothing(void **state)
{
    rmq_pull_consumer_config settings = {.suspend_ms = 50};
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;

    (void)state;
    open_larger(&world, 1, NULL, add_slave);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 20);
    assert_done(rmq_mock_slave_lag(world.mock, 2, RMQ_MOCK_FROZEN));
    send_numbers(&world, producer, sent, 20, 40);
    rmq_mock_pull_limit(world.mock, 4, 65536);
    assert_done(rmq_mock_broker_suggest(world.mock, 1, 1));
    consumer = world_consumer(&world, &settings);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(read_on(consumer, &next, 40));
    assert_done(rmq_mock_slave_lag(world.mock, 2, 3));
    send_numbers(&world, producer, sent, 40, 60);
    assert_true(read_on(consumer, &next, 20));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

static void after_a_change_of_the_master_sending_and_reading_go_on(void **state)
{
    struct sent *sent = sent_new();
    rmq_pull_consumer *consumer;
    rmq_producer *producer;
    struct world world;
    int next = 0;

    (void)state;
    open_larger(&world, 1, NULL, add_slave);
    producer = world_producer(&world, NULL);
    send_numbers(&world, producer, sent, 0, 20);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_true(read_on(consumer, &next, 20));
    assert_done(rmq_mock_slave_lag(world.mock, 2, 4));
    assert_done(rmq_mock_promote(world.mock, 2));
    assert_false(read_on(consumer, &next, 1)); /* four were never at the new master */
    send_numbers(&world, producer, sent, 20, 40);
    assert_int_equal(sent->one[20].offset, 16);
    assert_true(read_on(consumer, &next, 20));
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* ---------------------------------------------------------------- all of it */

static uint32_t random_of(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static void make_trouble(struct world *world, uint32_t *seed)
{
    static const int32_t codes[] = {RMQ_SYSTEM_BUSY, RMQ_SERVICE_NOT_AVAILABLE,
                                    RMQ_SYSTEM_ERROR, RMQ_MESSAGE_ILLEGAL, RMQ_GO_AWAY};
    rmq_mock_fault fault =
        fault_of((rmq_mock_action)random_of(seed, 6), 0, 1 + random_of(seed, 3));

    fault.broker = (int)random_of(seed, 3);
    fault.response_code = fault.action == RMQ_MOCK_ANSWER_DONE ? RMQ_FLUSH_DISK_TIMEOUT
                                                               : codes[random_of(seed, 5)];
    fault.bytes = random_of(seed, 500);
    fault.delay_ms = random_of(seed, 60);
    fault.skip = random_of(seed, 3);
    if (rmq_mock_faults_left(world->mock) < 20)
        fault_add(world, fault);
    switch (random_of(seed, 12)) {
    case 0:
        rmq_mock_cut(world->mock);
        break;
    case 1:
        assert_done(rmq_mock_broker_restart(world->mock, 1 + (int)random_of(seed, 2), 0));
        break;
    case 2:
        rmq_mock_pieces(world->mock, random_of(seed, 2) * 100);
        break;
    case 3:
        assert_done(rmq_mock_broker_down(world->mock, 2, random_of(seed, 2) == 0));
        break;
    case 4:
        assert_done(rmq_mock_namesrv_down(world->mock, 1, random_of(seed, 2) == 0));
        break;
    default:
        break;
    }
}

static void no_mixture_of_faults_makes_an_outcome_wrong(void **state)
{
    enum { COUNT = 3000 };
    rmq_client_config settings = {.request_timeout_ms = 100};
    const char *more = getenv("RMQ_FAULT_ROUNDS"); /* a search for the rare */
    uint32_t rounds = more == NULL ? 5 : (uint32_t)atoi(more);

    (void)state;
    for (uint32_t round = 1; round <= rounds; round++) {
        uint32_t seed = round;
        struct sent *sent = sent_new();
        int *copies = calloc(COUNT, sizeof(*copies));
        rmq_producer *producer;
        struct world world;

        assert_non_null(copies);
        open_larger(&world, 2, &settings, add_master);
        producer = world_producer(&world, NULL);
        for (int i = 0; i < COUNT; i++) {
            int64_t timeout_ms =
                random_of(&seed, 4) == 0 ? 20 + random_of(&seed, 100) : 3000;

            if (i % 20 == 0)
                make_trouble(&world, &seed);
            if (i % 100 == 0)
                sent_wait(sent, i / 2);
            assert_done(
                send_number(&world, producer, random_of(&seed, 4), sent, i, timeout_ms));
        }
        rmq_mock_faults_clear(world.mock);
        rmq_mock_pieces(world.mock, 0);
        assert_done(rmq_mock_broker_down(world.mock, 2, false));
        assert_done(rmq_mock_namesrv_down(world.mock, 1, false));
        sent_wait(sent, COUNT);
        read_logs(&world, 1, copies, COUNT);
        read_logs(&world, 2, copies, COUNT);
        assert_true(outcomes_agree(sent, copies, COUNT) > COUNT / 4);
        rmq_producer_free(producer);
        world_close(&world);
        sent_free(sent);
        free(copies);
    }
}

static void trouble_for_pulls(struct world *world, uint32_t *seed)
{
    static const int32_t codes[] = {RMQ_SYSTEM_ERROR,    RMQ_SYSTEM_BUSY,
                                    RMQ_TOPIC_NOT_EXIST, RMQ_PULL_NOT_FOUND,
                                    RMQ_FLOW_CONTROL,    RMQ_SUBSCRIPTION_NOT_LATEST};
    static const rmq_mock_action actions[] = {RMQ_MOCK_ANSWER, RMQ_MOCK_CUT_REQUEST,
                                              RMQ_MOCK_CUT_ANSWER, RMQ_MOCK_SILENT,
                                              RMQ_MOCK_DELAY};
    rmq_mock_fault fault =
        fault_of(actions[random_of(seed, 5)],
                 random_of(seed, 2) == 0 ? RMQ_PULL_MESSAGE : RMQ_LITE_PULL_MESSAGE, 1);

    fault.response_code = codes[random_of(seed, 6)];
    fault.bytes = random_of(seed, 6000);
    fault.delay_ms = random_of(seed, 30);
    fault.skip = random_of(seed, 3);
    if (rmq_mock_faults_left(world->mock) < 10)
        fault_add(world, fault);
    switch (random_of(seed, 20)) {
    case 0:
        rmq_mock_cut(world->mock);
        break;
    case 1:
        assert_done(rmq_mock_broker_restart(world->mock, 1, 0));
        break;
    case 2:
        rmq_mock_pieces(world->mock, random_of(seed, 2) * 1000);
        break;
    default:
        break;
    }
}

static int queue_at(const struct world *world, const rmq_queue *queue)
{
    return queue->queue_id == world->queues[0].queue_id ? 0 : 1;
}

static void no_mixture_of_faults_loses_repeats_or_reorders_what_is_read(void **state)
{
    enum { COUNT = 4000 };
    rmq_client_config settings = {.request_timeout_ms = 100};
    rmq_pull_consumer_config reading = {.suspend_ms = 50};

    (void)state;
    for (uint32_t round = 1; round <= 4; round++) {
        int64_t next[2] = {0, 0};
        uint32_t seed = round;
        struct sent *sent = sent_new();
        rmq_pull_consumer *consumer;
        rmq_producer *producer;
        struct world world;

        fault_open(&world, 2, &settings);
        producer = world_producer(&world, NULL);
        send_numbers(&world, producer, sent, 0, COUNT);
        rmq_mock_pull_limit(world.mock, 1 + (int32_t)random_of(&seed, 32), 65536);
        consumer = world_consumer(&world, &reading);
        for (int i = 0; i < 2; i++)
            assert_done(rmq_pull_consumer_assign(consumer, &world.queues[i], 0));
        while (next[0] + next[1] < COUNT) {
            rmq_batch *batch;
            int at;

            trouble_for_pulls(&world, &seed);
            assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
            at = queue_at(&world, &batch->queue);
            assert_false(batch->moved);
            for (size_t i = 0; i < batch->count; i++) {
                assert_int_equal(batch->messages[i].offset, next[at]);
                assert_int_equal(number_of(&batch->messages[i]), 2 * next[at] + at);
                next[at]++;
            }
            rmq_batch_free(batch);
        }
        assert_int_equal(next[0] + next[1], COUNT);
        rmq_pull_consumer_free(consumer);
        rmq_producer_free(producer);
        world_close(&world);
        sent_free(sent);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_server_that_is_down_stops_nobody_who_knows_his_routes),
        cmocka_unit_test(one_name_server_of_two_is_enough),
        cmocka_unit_test(a_broker_that_is_down_beyond_the_deadline_has_stored_nothing),
        cmocka_unit_test(a_broker_that_is_gone_takes_only_its_own_messages_along),
        cmocka_unit_test(queues_that_are_added_and_taken_away_are_noticed),
        cmocka_unit_test(a_lost_tail_is_told_and_reading_goes_on_behind_it),
        cmocka_unit_test(messages_that_expired_are_told_and_reading_goes_on_behind_them),
        cmocka_unit_test(a_consumer_reads_where_the_master_sends_it),
        cmocka_unit_test(what_a_slave_has_is_read_while_the_master_is_down),
        cmocka_unit_test(a_slave_that_is_behind_hides_nothing),
        cmocka_unit_test(after_a_change_of_the_master_sending_and_reading_go_on),
        cmocka_unit_test(no_mixture_of_faults_makes_an_outcome_wrong),
        cmocka_unit_test(no_mixture_of_faults_loses_repeats_or_reorders_what_is_read),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
