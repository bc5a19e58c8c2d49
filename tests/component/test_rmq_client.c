/* librmq: the client below producers and consumers: name servers, connections, answers, topics */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_peer.h"
#include "rmq/command.h"
#include "rmq_world.h"
#include "support/case.h"

/* ---------------------------------------------------------------- topics */

static void a_topic_that_was_created_can_be_used_at_once(void **state)
{
    struct world world;
    rmq_queue *queues;
    size_t count;
    int64_t offset;

    (void)state;
    world_open(&world, false, 4, NULL);
    assert_done(rmq_topic_read_queues(world.client, world.topic, &queues, &count, LONG_MS));
    assert_int_equal(count, world.queue_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(queues[i].broker_name, world.queues[i].broker_name);
        assert_int_equal(queues[i].queue_id, world.queues[i].queue_id);
        assert_done(
            rmq_offset_min(world.client, world.topic, &queues[i], LONG_MS, &offset));
        assert_int_equal(offset, 0);
        assert_done(
            rmq_offset_max(world.client, world.topic, &queues[i], LONG_MS, &offset));
        assert_int_equal(offset, 0);
    }
    rmq_free(queues);
    /* again with more */
    assert_done(rmq_topic_create(world.client, world.topic, 6, LONG_MS));
    assert_done(
        rmq_topic_write_queues(world.client, world.topic, &queues, &count, LONG_MS));
    assert_int_equal(count, world.queue_count / 4 * 6);
    rmq_free(queues);
    world_close(&world);
}

static void what_does_not_exist_is_said_to(void **state)
{
    struct world world;
    rmq_queue *queues, queue = {"no-such-broker", 0};
    size_t count;
    int64_t offset;

    (void)state;
    world_open(&world, false, 1, NULL);
    assert_status(
        rmq_topic_write_queues(world.client, "no-such-topic", &queues, &count, LONG_MS),
        DT_ENOROUTE);
    assert_null(queues);
    assert_non_null(strstr(dt_error_text(), "no-such-topic"));
    assert_status(
        rmq_offset_max(world.client, "no-such-topic", &world.queues[0], LONG_MS, &offset),
        DT_ENOROUTE);
    assert_status(rmq_offset_max(world.client, world.topic, &queue, 300, &offset),
                  DT_EUNREACH);
    assert_status(rmq_topic_create(world.client, "with.dot", 1, LONG_MS), DT_EINVAL);
    assert_status(rmq_topic_create(world.client, "", 1, LONG_MS), DT_EINVAL);
    assert_status(rmq_topic_create(world.client, "T", 0, LONG_MS), DT_EINVAL);
    assert_status(rmq_topic_create(world.client, "TBW102", 1, LONG_MS), DT_EREFUSED);
    world_close(&world);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    static const char *const lists[] = {NULL,       "",      ";",      "host",
                                        "host:",    ":9876", "host:0", "host:65536",
                                        "host:12x", "a:1;b", "h o:1"};
    rmq_client_config config = {0};
    rmq_client *client;

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        config.namesrv = lists[i];
        assert_status(rmq_client_new(&config, &client), DT_EINVAL);
        assert_null(client);
    }
    config.namesrv = "localhost:9876; [::1]:9876;::1:9877";
    config.instance_name = "me";
    assert_done(rmq_client_new(&config, &client));
    assert_non_null(strstr(rmq_client_id(client), "@me"));
    assert_true(strlen(rmq_version()) >= 5);
    rmq_client_free(client);
    config.request_timeout_ms = -1;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    rmq_client_free(NULL);
}

/* ---------------------------------------------------------------- name servers */

static void nobody_answers_within_the_time_given(void **state)
{
    rmq_client_config config = {0};
    char closed[32];
    rmq_client *client;
    rmq_queue *queues;
    size_t count;
    int64_t started_ms = dt_clock_ms();

    (void)state;
    fake_closed_address(closed);
    config.namesrv = closed;
    assert_done(rmq_client_new(&config, &client));
    assert_status(rmq_topic_write_queues(client, "T", &queues, &count, 200), DT_EUNREACH);
    assert_non_null(strstr(dt_error_text(), closed));
    assert_true(dt_clock_ms() - started_ms >= 190);
    config.namesrv = "no-such-host.invalid:9876";
    rmq_client_free(client);
    assert_done(rmq_client_new(&config, &client));
    assert_status(rmq_topic_write_queues(client, "T", &queues, &count, 200), DT_EUNREACH);
    rmq_client_free(client);
}

static void swallow(struct fake_peer *fake, int fd)
{
    char bytes[4096];

    while (fake_read(fake, fd, bytes, sizeof(bytes)) > 0)
        ;
}

static void the_next_name_server_is_asked(void **state)
{
    rmq_client_config config = {.request_timeout_ms = 200};
    struct fake_peer silent;
    struct world world;
    char closed[32], list[400];

    (void)state;
    fake_closed_address(closed);
    fake_start(&silent, swallow, NULL);
    for (int i = 0; i < 6; i++) { /* it begins anywhere in the list */
        rmq_queue *queues;
        size_t count;

        world_find(&world, false);
        snprintf(list, sizeof(list), "%s;%s;%s", closed, silent.address, world.namesrv);
        config.namesrv = list;
        world.client = world_client(&world, &config);
        assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
        assert_done(
            rmq_topic_write_queues(world.client, world.topic, &queues, &count, LONG_MS));
        rmq_free(queues);
        world_close(&world);
    }
    fake_stop(&silent);
}

/* Passes bytes on to a real name server. */
static void forward(struct fake_peer *fake, int fd)
{
    struct sockaddr_in address = {0};
    char bytes[65536];
    ssize_t count;
    int far = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd all[3] = {{fd, POLLIN, 0}, {far, POLLIN, 0}, {fake->stop[0], POLLIN, 0}};

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(fake->context, ':') + 1));
    if (connect(far, (struct sockaddr *)&address, sizeof(address)) == 0) {
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

static void the_route_is_kept_while_no_name_server_answers(void **state)
{
    rmq_client_config config = {.route_period_ms = 50};
    struct fake_peer middle;
    struct world world;
    rmq_producer *producer;
    rmq_message message;
    int64_t offset;

    (void)state;
    world_find(&world, true);
    fake_start(&middle, forward, world.namesrv);
    config.namesrv = middle.address;
    world.client = world_client(&world, &config);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    producer = world_producer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    fake_stop(&middle);
    rmq_mock_cut(world.mock); /* the broker must be found again */
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    rmq_mock_cut(world.mock);
    assert_done(
        rmq_offset_max(world.client, world.topic, &world.queues[0], LONG_MS, &offset));
    assert_true(offset >= 2);
    rmq_producer_free(producer);
    world_close(&world);
}

static void a_broker_that_comes_back_elsewhere_is_found(void **state)
{
    rmq_mock_config settings = {0};
    struct world world;
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    rmq_message message;
    rmq_batch *batch;
    size_t seen = 0;

    (void)state;
    world_open(&world, true, 1, NULL);
    producer = world_producer(&world, NULL);
    consumer = world_consumer(&world, NULL);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    rmq_batch_free(batch);
    settings.namesrv_port = (uint16_t)atoi(strrchr(world.namesrv, ':') + 1);
    rmq_mock_free(world.mock);
    assert_done(
        rmq_mock_new(&settings, &world.mock)); /* empty, its broker on another port */
    assert_done(rmq_mock_topic_create(world.mock, world.topic, 1));
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (seen == 0) {
        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        seen += batch->count;
        rmq_batch_free(batch);
    }
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
}

/* ---------------------------------------------------------------- strange peers */

/* What a fake name server answers to a request for a route. */
struct strange {
    struct dt_buf answer;
    size_t piece;        /* bytes per write; 0: all at once */
    struct dt_buf first; /* not empty: written before, and a frame is waited for */
    struct rmq_command reply;
    struct dt_buf scratch;
    atomic_bool was_closed; /* by the client */
};

static bool read_frame(struct fake_peer *fake, int fd, struct dt_buf *in,
                       struct rmq_frame *frame)
{
    uint8_t bytes[4096];

    while (rmq_frame_cut(dt_buf_span(in), 65536, frame) != RMQ_CUT_FRAME) {
        size_t count = fake_read(fake, fd, bytes, sizeof(bytes));

        if (count == 0)
            return false;
        dt_buf_put(in, bytes, count);
    }
    return true;
}

/* Puts the opaque of the request into the answer, which has INT32_MIN for it. */
static void set_opaque(struct dt_buf *answer, int32_t opaque)
{
    static const char text[] = "-2147483648";
    static const uint8_t binary[] = {0x80, 0, 0, 0};
    uint8_t *at = memmem(answer->data, answer->size, text, sizeof(text) - 1);
    char number[16];

    if (at != NULL) {
        snprintf(number, sizeof(number), "%-11d", (int)opaque);
        memcpy(at, number, sizeof(text) - 1);
        return;
    }
    at = memmem(answer->data, answer->size, binary, sizeof(binary));
    if (at != NULL)
        for (int i = 0; i < 4; i++)
            at[i] = (uint8_t)((uint32_t)opaque >> (24 - 8 * i));
}

static void answer_strangely(struct fake_peer *fake, int fd)
{
    struct strange *strange = fake->context;
    struct rmq_command request;
    struct rmq_frame frame;
    struct dt_buf in, out;

    dt_buf_init(&in, 65536);
    dt_buf_init(&out, 1 << 20);
    if (read_frame(fake, fd, &in, &frame) &&
        rmq_command_decode(frame.header, frame.type, &strange->scratch, &request) ==
            DT_OK) {
        dt_buf_consume(&in, frame.size);
        if (strange->first.size > 0) {
            fake_write(fd, strange->first.data, strange->first.size);
            if (read_frame(fake, fd, &in, &frame) &&
                rmq_command_decode(frame.header, frame.type, &strange->scratch,
                                   &strange->reply) == DT_OK)
                dt_buf_clear(&strange->first);
        }
        dt_buf_put_span(&out, dt_buf_span(&strange->answer));
        set_opaque(&out, request.opaque);
        for (size_t at = 0; at < out.size; at += strange->piece) {
            size_t size = strange->piece == 0 ? out.size : strange->piece;

            fake_write(fd, out.data + at, at + size > out.size ? out.size - at : size);
            if (strange->piece == 0)
                break;
        }
        while (fake_read(fake, fd, out.data, 1) > 0)
            ;
        atomic_store(&strange->was_closed, true);
    }
    dt_buf_fini(&in);
    dt_buf_fini(&out);
}

static dt_status ask_strange(struct strange *strange, int64_t timeout_ms)
{
    rmq_client_config config = {0};
    struct fake_peer fake;
    rmq_client *client;
    rmq_queue *queues;
    size_t count;
    dt_status status;

    fake_start(&fake, answer_strangely, strange);
    config.namesrv = fake.address;
    assert_done(rmq_client_new(&config, &client));
    status = rmq_topic_write_queues(client, "T", &queues, &count, timeout_ms);
    rmq_client_free(client);
    fake_stop(&fake);
    return status;
}

static void strange_init(struct strange *strange)
{
    memset(strange, 0, sizeof(*strange));
    dt_buf_init(&strange->answer, 1 << 20);
    dt_buf_init(&strange->first, 1 << 20);
    dt_buf_init(&strange->scratch, 65536);
}

static void strange_fini(struct strange *strange)
{
    dt_buf_fini(&strange->answer);
    dt_buf_fini(&strange->first);
    dt_buf_fini(&strange->scratch);
}

static void put_no_route(struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_TOPIC_NOT_EXIST, INT32_MIN, RMQ_FLAG_RESPONSE));
    rmq_encode_end(&encoder, 0);
}

static void an_answer_is_understood_in_pieces_and_in_either_form(void **state)
{
    (void)state;
    for (int type = RMQ_HEADER_JSON; type <= RMQ_HEADER_BINARY; type++) {
        for (size_t piece = 0; piece <= 3; piece++) {
            struct strange strange;

            strange_init(&strange);
            put_no_route(&strange.answer, (enum rmq_header_type)type);
            strange.piece = piece;
            assert_status(ask_strange(&strange, LONG_MS), DT_ENOROUTE);
            strange_fini(&strange);
        }
    }
}

static void a_frame_that_announces_too_much_ends_the_connection_at_once(void **state)
{
    static const uint8_t announcements[][8] = {
        {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1}, /* 2 GiB */
        {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1}, /* negative */
        {0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1}, /* one byte over 16 MiB */
        {0x00, 0x00, 0x00, 0x10, 9, 0, 0, 1}, /* no such header type */
        {0x00, 0x00, 0x00, 0x10, 0, 1, 0, 1}, /* header longer than its frame */
        {'H', 'T', 'T', 'P', '/', '1', '.', '1'}};

    (void)state;
    for (size_t i = 0; i < sizeof(announcements) / sizeof(announcements[0]); i++) {
        struct strange strange;

        strange_init(&strange);
        dt_buf_put(&strange.answer, announcements[i], 8);
        assert_status(ask_strange(&strange, 300), DT_EUNREACH);
        assert_true(atomic_load(&strange.was_closed));
        strange_fini(&strange);
    }
}

static void answers_that_nobody_waits_for_are_dropped(void **state)
{
    struct strange strange;
    struct rmq_encoder encoder;

    (void)state;
    strange_init(&strange);
    for (int32_t i = 0; i < 3; i++) {
        rmq_encode_begin(&encoder, &strange.answer, RMQ_HEADER_JSON,
                         rmq_head_request(RMQ_SUCCESS, 1000 + i, RMQ_FLAG_RESPONSE));
        rmq_encode_end(&encoder, 0);
    }
    put_no_route(&strange.answer, RMQ_HEADER_JSON);
    assert_status(ask_strange(&strange, LONG_MS), DT_ENOROUTE);
    strange_fini(&strange);
}

static void requests_of_a_broker_are_answered_if_they_want_it(void **state)
{
    struct strange strange;
    struct rmq_encoder encoder;

    (void)state;
    strange_init(&strange);
    rmq_encode_begin(
        &encoder, &strange.first, RMQ_HEADER_JSON,
        rmq_head_request(RMQ_NOTIFY_CONSUMER_IDS_CHANGED, 76, RMQ_FLAG_ONEWAY));
    rmq_encode_end(&encoder, 0);
    rmq_encode_begin(&encoder, &strange.first, RMQ_HEADER_BINARY,
                     rmq_head_request(326, 77, 0));
    rmq_encode_end(&encoder, 0);
    put_no_route(&strange.answer, RMQ_HEADER_JSON);
    assert_status(ask_strange(&strange, LONG_MS), DT_ENOROUTE);
    assert_int_equal(strange.first.size, 0); /* there was a reply */
    assert_int_equal(strange.reply.opaque, 77);
    assert_int_equal(strange.reply.code, RMQ_REQUEST_CODE_NOT_SUPPORTED);
    assert_true(rmq_command_is_response(&strange.reply));
    strange_fini(&strange);
}

/* ---------------------------------------------------------------- rest */

static int64_t cpu_ms(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void an_idle_client_costs_nothing(void **state)
{
    struct world world;
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    rmq_pull_consumer_config member = {.member = true};
    rmq_message message;
    rmq_batch *batch;
    int64_t before_ms;

    (void)state;
    world_open(&world, false, 4, NULL);
    producer = world_producer(&world, NULL);
    consumer = world_consumer(&world, &member);
    message = text_message(&world, "x");
    assert_done(rmq_send(producer, &world.queues[0], &message, 400, NULL));
    for (size_t i = 0; i < world.queue_count; i++)
        assert_done(rmq_pull_consumer_assign(consumer, &world.queues[i], 0));
    assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
    rmq_batch_free(batch);
    before_ms = cpu_ms();
    assert_status(rmq_pull_consumer_poll(consumer, 1000, &batch), DT_ETIMEDOUT);
    assert_true(cpu_ms() - before_ms < 50);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_that_was_created_can_be_used_at_once),
        cmocka_unit_test(what_does_not_exist_is_said_to),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(nobody_answers_within_the_time_given),
        cmocka_unit_test(the_next_name_server_is_asked),
        cmocka_unit_test(the_route_is_kept_while_no_name_server_answers),
        cmocka_unit_test(a_broker_that_comes_back_elsewhere_is_found),
        cmocka_unit_test(an_answer_is_understood_in_pieces_and_in_either_form),
        cmocka_unit_test(a_frame_that_announces_too_much_ends_the_connection_at_once),
        cmocka_unit_test(answers_that_nobody_waits_for_are_dropped),
        cmocka_unit_test(requests_of_a_broker_are_answered_if_they_want_it),
        cmocka_unit_test(an_idle_client_costs_nothing),
    };

    signal(SIGPIPE, SIG_DFL);
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
