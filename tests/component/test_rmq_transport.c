/* what goes wrong between a client and its servers: name servers of no use, silent and slow
 * peers, forks, request numbers that wrap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "fake_peer.h"
#include "rmq/client_inside.h"
#include "rmq_world.h"
#include "support/case.h"

/* ---------------------------------------------------------------- name servers of no use */

/* Answers every request with this code and body. */
struct stubborn {
    int32_t code;
    const char *body;
};

static void answer_one(int fd, const struct rmq_frame *frame,
                       const struct stubborn *stubborn)
{
    static struct rmq_command request; /* fakes serve one connection at a time */
    struct dt_buf scratch, out;
    struct rmq_encoder encoder;
    struct rmq_head head = rmq_head_request(stubborn->code, 0, RMQ_FLAG_RESPONSE);

    dt_buf_init(&scratch, 1 << 20);
    dt_buf_init(&out, 1 << 20);
    assert_int_equal(rmq_command_decode(frame->header, frame->type, &scratch, &request),
                     DT_OK);
    head.opaque = request.opaque;
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, head);
    rmq_encode_end(&encoder, strlen(stubborn->body));
    dt_buf_put_str(&out, stubborn->body);
    fake_write(fd, out.data, out.size);
    dt_buf_fini(&scratch);
    dt_buf_fini(&out);
}

static void answer_all(struct fake_peer *fake, int fd)
{
    uint8_t bytes[65536];
    size_t size = 0, count;
    struct rmq_frame frame;

    while ((count = fake_read(fake, fd, bytes + size, sizeof(bytes) - size)) > 0) {
        size += count;
        while (rmq_frame_cut(dt_span_of(bytes, size), sizeof(bytes), &frame) ==
               RMQ_CUT_FRAME) {
            answer_one(fd, &frame, fake->context);
            size -= frame.size;
            memmove(bytes, bytes + frame.size, size);
        }
    }
}

static void babble(struct fake_peer *fake, int fd)
{
    char bytes[1000];

    if (fake_read(fake, fd, bytes, sizeof(bytes)) > 0)
        fake_write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void swallow(struct fake_peer *fake, int fd)
{
    char bytes[4096];

    while (fake_read(fake, fd, bytes, sizeof(bytes)) > 0)
        ;
}

static void a_name_server_of_no_use_is_passed_over(void **state)
{
    static struct stubborn knows_nothing = {17, ""}, is_broken = {1, ""},
                           talks_nonsense = {0, "{\"brokerDatas\":["}, is_empty = {0, ""};
    static const struct {
        void (*serve)(struct fake_peer *fake, int fd);
        struct stubborn *stubborn;
    } cases[] = {{answer_all, &knows_nothing},
                 {answer_all, &is_broken},
                 {answer_all, &talks_nonsense},
                 {answer_all, &is_empty},
                 {babble, NULL},
                 {swallow, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rmq_client_config config = {.request_timeout_ms = 150};
        struct world world;
        struct fake_peer fake;
        char list[400], closed[32];
        rmq_queue *queues;
        size_t count;

        world_find(&world, true);
        fake_closed_address(closed);
        fake_start(&fake, cases[i].serve, cases[i].stubborn);
        snprintf(list, sizeof(list), "%s;%s;%s", fake.address, world.namesrv, closed);
        config.namesrv = list;
        assert_done(rmq_mock_topic_create(world.mock, world.topic, 3));
        for (size_t first = 0; first < 3; first++) { /* wherever it begins */
            world.client = world_client(&world, &config);
            world.client->names.current = first;
            assert_done(rmq_topic_write_queues(world.client, world.topic, &queues, &count,
                                               LONG_MS));
            assert_int_equal(count, 3);
            rmq_free(queues);
            rmq_client_free(world.client);
        }
        world.client = NULL;
        world_close(&world);
        fake_stop(&fake);
    }
}

static void a_topic_that_no_name_server_knows_is_said_to_be_unknown(void **state)
{
    struct world world;
    rmq_client_config config = {0};
    char list[400], closed[32];
    rmq_queue *queues;
    size_t count;

    (void)state;
    world_find(&world, true);
    fake_closed_address(closed);
    snprintf(list, sizeof(list), "%s;%s", world.namesrv, closed);
    config.namesrv = list;
    for (size_t first = 0; first < 2;
         first++) { /* the one that knows answers first, or last */
        world.client = world_client(&world, &config);
        world.client->names.current = first;
        assert_status(
            rmq_topic_write_queues(world.client, "no-such-topic", &queues, &count, LONG_MS),
            DT_ENOROUTE);
        rmq_client_free(world.client);
    }
    world.client = NULL;
    world_close(&world);
}

static void routes_are_fetched_again_on_a_timer_and_at_once_on_an_error(void **state)
{
    rmq_client_config often = {.route_period_ms = 20},
                      seldom = {.route_period_ms = 3600000};
    rmq_producer *producer;
    rmq_message message;
    struct world world;
    int64_t before;

    (void)state;
    world_open(&world, true, 1, &often);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    before = rmq_mock_requests(world.mock, 105);
    assert_true(rmq_mock_wait_requests(world.mock, 105, before + 3, LONG_MS));
    rmq_producer_free(producer);
    world_close(&world);

    world_open(&world, true, 1, &seldom);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    before = rmq_mock_requests(world.mock, 105);
    rmq_mock_error(world.mock, 0, 17,
                   1); /* the broker says that it does not have the topic */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_true(rmq_mock_requests(world.mock, 105) > before);
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- connections */

/* Swallows what comes by the first connection, and passes on what comes by later ones. */
static void swallow_then_forward(struct fake_peer *fake, int fd)
{
    struct sockaddr_in address = {0};
    char bytes[65536];
    ssize_t count;
    int far;

    if (atomic_load(&fake->connections) == 1) {
        swallow(fake, fd);
        return;
    }
    far = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(fake->context, ':') + 1));
    if (connect(far, (struct sockaddr *)&address, sizeof(address)) == 0) {
        struct pollfd all[3] = {
            {fd, POLLIN, 0}, {far, POLLIN, 0}, {fake->stop[0], POLLIN, 0}};

        while (poll(all, 3, -1) > 0 && (all[2].revents & POLLIN) == 0) {
            int from = (all[0].revents & (POLLIN | POLLHUP)) != 0 ? 0 : 1;

            count = recv(all[from].fd, bytes, sizeof(bytes), 0);
            if (count <= 0)
                break;
            fake_write(all[1 - from].fd, bytes, (size_t)count);
        }
    }
    close(far);
}

static void a_connection_that_is_only_half_there_is_replaced(void **state)
{
    rmq_client_config config = {.request_timeout_ms = 100};
    struct fake_peer fake;
    struct world world;
    rmq_queue *queues;
    size_t count;

    (void)state;
    world_find(&world, true);
    assert_done(rmq_mock_topic_create(world.mock, world.topic, 2));
    fake_start(&fake, swallow_then_forward, world.namesrv);
    config.namesrv = fake.address;
    world.client = world_client(&world, &config);
    assert_done(
        rmq_topic_write_queues(world.client, world.topic, &queues, &count, LONG_MS));
    assert_int_equal(count, 2);
    assert_int_equal(atomic_load(&fake.connections), 2);
    rmq_free(queues);
    rmq_client_free(world.client);
    world.client = NULL;
    fake_stop(&fake);
    world_close(&world);
}

static void set_last_opaque(void *context)
{
    struct rmq_client *client = context;

    client->peers.calls.last_opaque = INT32_MAX - 2;
}

static void request_numbers_wrap_and_skip_those_in_use(void **state)
{
    enum { COUNT = 300 };
    struct sent *sent = sent_new();
    struct world world;
    rmq_producer *producer;
    int numbers[COUNT + 8];

    (void)state;
    world_open(&world, true, 1, NULL);
    assert_done(rmq_client_run(world.client, set_last_opaque, world.client));
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
        if (i % 7 == 0)
            sent_wait(sent, i + 1);
        if (i == COUNT / 2) /* the same numbers once more, some of them under way */
            assert_done(rmq_client_run(world.client, set_last_opaque, world.client));
    }
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    assert_in_order(numbers, read_numbers(&world, 0, numbers, COUNT + 8, COUNT), COUNT);
    rmq_producer_free(producer);
    world_close(&world);
    sent_free(sent);
}

/* ---------------------------------------------------------------- slaves */

/* Sends numbers from `from` on and reads them back through `consumer`. */
static void send_and_read(struct world *world, rmq_producer *producer,
                          rmq_pull_consumer *consumer, int from, int count)
{
    struct sent *sent = sent_new();
    int next = from;

    for (int i = 0; i < count; i++)
        assert_done(send_number(world, producer, 0, sent, from + i, LONG_MS));
    sent_wait(sent, count);
    while (next < from + count) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++)
            assert_int_equal(number_of(&batch->messages[i]), next++);
        rmq_batch_free(batch);
    }
    sent_free(sent);
}

/* The next pull that arrives at this broker is counted as a fault. */
static void watch_pull(struct world *world, int broker)
{
    rmq_mock_fault fault = {.action = RMQ_MOCK_DELAY,
                            .request_code = RMQ_PULL_MESSAGE,
                            .broker = broker,
                            .count = 1};

    rmq_mock_faults_clear(world->mock);
    assert_done(rmq_mock_fault_add(world->mock, &fault));
}

static void a_slave_is_read_while_it_is_suggested_and_there(void **state)
{
    rmq_client_config config = {.backoff_ms_min = 1, .backoff_ms_max = 4};
    rmq_pull_consumer_config reading = {.suspend_ms = 20, .queue_requests_max = 1};
    struct world world;
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    int slave, next = 0;

    (void)state;
    world_find(&world, true);
    assert_done(rmq_mock_broker_add(world.mock, "broker-a", 1, &slave));
    world.client = world_client(&world, &config);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    producer = world_producer(&world, NULL);
    consumer = world_consumer(&world, &reading);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    watch_pull(&world, slave);
    send_and_read(&world, producer, consumer, next, 50);
    next += 50;
    assert_int_equal(rmq_mock_faults_left(world.mock), 1); /* nobody suggested it */
    assert_done(rmq_mock_broker_suggest(world.mock, 1, 1));
    assert_done(rmq_mock_broker_suggest(world.mock, slave, 1));
    while (rmq_mock_faults_left(world.mock) > 0) {
        send_and_read(&world, producer, consumer, next, 10);
        next += 10;
    }
    assert_done(rmq_mock_broker_down(world.mock, slave, true)); /* and still suggested */
    send_and_read(&world, producer, consumer, next, 50);
    next += 50;
    assert_done(rmq_mock_broker_listed(world.mock, slave, false)); /* and in no route */
    send_and_read(&world, producer, consumer, next, 50);
    next += 50;
    assert_done(rmq_mock_broker_down(world.mock, slave, false));
    assert_done(rmq_mock_broker_listed(world.mock, slave, true));
    watch_pull(&world, slave);
    while (rmq_mock_faults_left(world.mock) > 0) { /* it is found again */
        rmq_queue *queues;
        size_t count;

        assert_done(rmq_topic_write_queues(world.client, world.topic, &queues, &count,
                                           LONG_MS)); /* a fresh route */
        rmq_free(queues);
        send_and_read(&world, producer, consumer, next, 10);
        next += 10;
    }
    assert_done(rmq_mock_broker_suggest(world.mock, slave, 0)); /* back to the master */
    assert_done(rmq_mock_broker_suggest(world.mock, 1, 0));
    send_and_read(&world, producer, consumer, next, 50);
    next += 50;
    watch_pull(&world, slave);
    send_and_read(&world, producer, consumer, next, 50);
    assert_int_equal(rmq_mock_faults_left(world.mock), 1);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- fork */

/* Runs in the child: 0, or the number of what was wrong. */
static int use_after_fork(struct world *world, rmq_producer *producer,
                          rmq_pull_consumer *consumer)
{
    rmq_message message = text_message(world, "x");
    rmq_queue *queues;
    rmq_batch *batch;
    size_t count;
    int64_t offset;

    alarm(20); /* a hang is a failure */
    if (rmq_send(producer, &world->queues[0], &message, LONG_MS, NULL) != DT_ESTATE ||
        strstr(dt_error_text(), "fork") == NULL)
        return 1;
    if (rmq_send_async(producer, &world->queues[0], &message, LONG_MS, NULL, NULL) !=
        DT_ESTATE)
        return 2;
    if (rmq_pull_consumer_poll(consumer, LONG_MS, &batch) != DT_ESTATE ||
        rmq_pull_consumer_poll(consumer, 0, &batch) != DT_ESTATE)
        return 3;
    if (rmq_pull_consumer_assign(consumer, &world->queues[0], 0) != DT_ESTATE)
        return 4;
    rmq_pull_consumer_unassign(consumer, &world->queues[0]);
    if (rmq_topic_write_queues(world->client, world->topic, &queues, &count, LONG_MS) !=
        DT_ESTATE)
        return 5;
    if (rmq_offset_max(world->client, world->topic, &world->queues[0], LONG_MS, &offset) !=
        DT_ESTATE)
        return 6;
    if (rmq_client_credentials_set(world->client, "key", "secret", NULL) != DT_ESTATE)
        return 7;
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    rmq_client_free(world->client);
#if !defined(__SANITIZE_THREAD__) /* which has no threads after a fork */
    {
        rmq_client_config config = {.namesrv = world->namesrv};
        rmq_client *own;

        if (rmq_client_new(&config, &own) != DT_OK)
            return 8;
        if (rmq_topic_write_queues(own, world->topic, &queues, &count, LONG_MS) != DT_OK)
            return 9;
        rmq_free(queues);
        rmq_client_free(own);
    }
#endif
    return 0;
}

static void a_client_cannot_be_used_after_a_fork_and_nothing_hangs(void **state)
{
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    rmq_message message;
    struct world world;
    int64_t offset;
    int result;
    pid_t child;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    consumer = world_consumer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    child = fork();
    if (child == 0)
        _exit(use_after_fork(&world, producer, consumer));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    child = fork();
    if (child == 0)
        exit(0); /* with what is registered for the end */
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    /* the parent's goes on */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(
        rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &offset));
    assert_int_equal(offset, 2);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- access */

/* The next request with this code is refused as a broker with authentication does. */
static void deny(struct world *world, int32_t code)
{
    rmq_mock_fault fault = {.action = RMQ_MOCK_ANSWER,
                            .request_code = code,
                            .count = 1,
                            .response_code = RMQ_NO_PERMISSION,
                            .remark = "check signature failed."};

    assert_done(rmq_mock_fault_add(world->mock, &fault));
}

static void a_refusal_of_access_is_said_at_once(void **state)
{
    rmq_client_config config = {.access_key = "someone", .secret_key = "top-secret"};
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    rmq_batch *batch;
    rmq_message message;
    struct world world;
    int64_t started_ms, offset;

    (void)state;
    world_open(&world, true, 1, &config);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    deny(&world, 0);
    started_ms = dt_clock_ms();
    assert_status(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL),
                  DT_EREFUSED);
    assert_non_null(strstr(dt_error_text(), "denies access"));
    deny(&world, RMQ_GET_MAX_OFFSET);
    assert_status(
        rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &offset),
        DT_EREFUSED);
    assert_non_null(strstr(dt_error_text(), "denies access"));
    assert_null(strstr(dt_error_text(), "top-secret"));
    assert_true(dt_clock_ms() - started_ms < LONG_MS / 2);
    consumer = world_consumer(&world, NULL);
    deny(&world, RMQ_PULL_MESSAGE);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_status(rmq_pull_consumer_poll(consumer, LONG_MS, &batch), DT_EREFUSED);
    assert_non_null(strstr(dt_error_text(), "denies access"));
    assert_done(rmq_client_credentials_set(world.client, "other", "secret", "token"));
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch)); /* it went on trying */
    assert_int_equal(batch->count, 1);
    rmq_batch_free(batch);
    rmq_pull_consumer_free(consumer);
    assert_status(rmq_client_credentials_set(world.client, "other", NULL, NULL), DT_EINVAL);
    assert_done(rmq_client_credentials_set(world.client, NULL, NULL, NULL));
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_producer_free(producer);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_server_of_no_use_is_passed_over),
        cmocka_unit_test(a_topic_that_no_name_server_knows_is_said_to_be_unknown),
        cmocka_unit_test(routes_are_fetched_again_on_a_timer_and_at_once_on_an_error),
        cmocka_unit_test(a_connection_that_is_only_half_there_is_replaced),
        cmocka_unit_test(request_numbers_wrap_and_skip_those_in_use),
        cmocka_unit_test(a_slave_is_read_while_it_is_suggested_and_there),
        cmocka_unit_test(a_client_cannot_be_used_after_a_fork_and_nothing_hangs),
        cmocka_unit_test(a_refusal_of_access_is_said_at_once),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
