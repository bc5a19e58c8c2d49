/* a client over TLS: the in-memory RocketMQ behind fronts that speak it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <openssl/ssl.h>

#include "fake_peer.h"
#include "rmq_world.h"
#include "support/case.h"
#include "support/certs.h"
#include "support/tls_front.h"

static char dir[] = "/tmp/duet-tls-XXXXXX";

static const char *file(const char *name)
{
    static char paths[16][128];
    static int next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

/* A mock whose name server and broker are reached through fronts only. */
struct tls_world {
    rmq_mock *mock;
    struct tls_front *broker, *namesrv;
};

static void tls_open(struct tls_world *world, const struct tls_front_config *settings)
{
    struct tls_front_config config = *settings;

    config.dir = dir;
    assert_done(rmq_mock_new(NULL, &world->mock));
    config.backend = rmq_mock_broker(world->mock);
    world->broker = tls_front_start(&config);
    config.from = config.backend;
    config.to = tls_front_address(world->broker);
    config.backend = rmq_mock_namesrv(world->mock);
    world->namesrv = tls_front_start(&config);
}

static void tls_close(struct tls_world *world)
{
    tls_front_stop(world->namesrv);
    tls_front_stop(world->broker);
    rmq_mock_free(world->mock);
}

static rmq_client *client_of(const char *namesrv, const rmq_tls_config *tls)
{
    rmq_client_config config = {0};
    rmq_client *client;

    config.namesrv = namesrv;
    config.tls = tls;
    assert_done(rmq_client_new(&config, &client));
    return client;
}

/* Asks for a topic's route with these settings: what comes of it. */
static dt_status ask(const char *namesrv, const rmq_tls_config *tls, int64_t timeout_ms)
{
    rmq_client *client = client_of(namesrv, tls);
    rmq_queue *queues = NULL;
    size_t count;
    dt_status status =
        rmq_topic_write_queues(client, "TBW102", &queues, &count, timeout_ms);

    rmq_free(queues);
    rmq_client_free(client);
    return status;
}

/* Asks until it is refused with these words: on a busy machine the time may be over before. */
static void assert_refused(const char *namesrv, const rmq_tls_config *tls,
                           const char *words)
{
    int64_t until_ms = dt_clock_ms() + LONG_MS;
    dt_status status;

    do
        status = ask(namesrv, tls, 300);
    while (status == DT_EUNREACH && strstr(dt_error_text(), words) == NULL &&
           dt_clock_ms() < until_ms);
    if (status != DT_EUNREACH || strstr(dt_error_text(), words) == NULL)
        fail_msg("wanted '%s', got %s: %s", words, dt_status_name(status), dt_error_text());
}

static void assert_fails(const char *certificate, const rmq_tls_config *tls,
                         const char *reason)
{
    struct tls_front_config settings = {.name = certificate};
    struct tls_world world;

    tls_open(&world, &settings);
    assert_refused(tls_front_address(world.namesrv), tls, reason);
    assert_int_equal(rmq_mock_requests(world.mock, 105), 0);
    tls_close(&world);
}

/* ---------------------------------------------------------------- it works */

static void messages_travel_both_ways_over_tls(void **state)
{
    enum { COUNT = 200, SIZE = 100000 };
    struct tls_front_config settings = {.name = "server"};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    struct tls_world front;
    struct world world = {0};
    struct sent *sent = sent_new();
    rmq_producer *producer;
    rmq_pull_consumer *consumer;
    char *body = malloc(SIZE);
    int read = 0;

    (void)state;
    assert_non_null(body);
    tls_open(&front, &settings);
    snprintf(world.topic, sizeof(world.topic), "secret");
    world.client = client_of(tls_front_address(front.namesrv), &tls);
    assert_done(rmq_topic_create(world.client, world.topic, 1, LONG_MS));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    producer = world_producer(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        rmq_message message = text_message(&world, body);

        memset(body, 'a' + i % 26, SIZE);
        message.body_size = (size_t)(1 + i * 491);
        assert_done(rmq_send_async(producer, &world.queues[0], &message, LONG_MS, sent_fn,
                                   &sent->one[i]));
    }
    sent_wait(sent, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(sent->one[i].status, DT_OK);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (read < COUNT) {
        rmq_batch *batch;

        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        for (size_t i = 0; i < batch->count; i++, read++) {
            memset(body, 'a' + read % 26, SIZE);
            assert_int_equal(batch->messages[i].body_size, 1 + read * 491);
            assert_memory_equal(batch->messages[i].body, body,
                                batch->messages[i].body_size);
        }
        rmq_batch_free(batch);
    }
    assert_true(tls_front_handshakes(front.broker) > 0);
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    rmq_free(world.queues);
    rmq_client_free(world.client);
    tls_close(&front);
    sent_free(sent);
    free(body);
}

static void the_hosts_name_is_verified_and_sent(void **state)
{
    struct tls_front_config settings = {.name = "server"};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    struct tls_world world;
    char address[64], sni[256];

    (void)state;
    tls_open(&world, &settings);
    snprintf(address, sizeof(address), "localhost:%d", tls_front_port(world.namesrv));
    assert_done(ask(address, &tls, LONG_MS));
    tls_front_sni(world.namesrv, sni);
    assert_string_equal(sni, "localhost");
    tls_close(&world);
}

static void a_client_certificate_is_shown_where_one_is_wanted(void **state)
{
    struct tls_front_config settings = {.name = "server", .wants_client = true};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    struct tls_world world;

    (void)state;
    tls_open(&world, &settings);
    assert_refused(tls_front_address(world.namesrv), &tls, "no client certificate is set");
    tls.certificate_file = file("foreign.pem");
    tls.key_file = file("foreign.key");
    assert_refused(tls_front_address(world.namesrv), &tls,
                   "does not accept our client certificate");
    tls.certificate_file = file("client.pem");
    tls.key_file = file("client.key");
    assert_done(ask(tls_front_address(world.namesrv), &tls, LONG_MS));
    tls.key_file = file("locked.key");
    tls.key_password = "open sesame";
    assert_done(ask(tls_front_address(world.namesrv), &tls, LONG_MS));
    tls_close(&world);
}

static void tls_1_2_is_spoken_where_there_is_nothing_newer(void **state)
{
    struct tls_front_config settings = {.name = "server", .version_max = TLS1_2_VERSION};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    struct tls_world world;

    (void)state;
    tls_open(&world, &settings);
    assert_done(ask(tls_front_address(world.namesrv), &tls, LONG_MS));
    tls_close(&world);
    settings.version_max = TLS1_1_VERSION;
    tls_open(&world, &settings);
    assert_refused(tls_front_address(world.namesrv), &tls, "no version from 1.2 on");
    tls_close(&world);
}

/* ---------------------------------------------------------------- it refuses */

static void a_certificate_that_does_not_hold_is_refused_and_said_why(void **state)
{
    rmq_tls_config tls = {.ca_file = file("ca.pem")};

    (void)state;
    assert_fails("foreign", &tls, "no trusted authority has signed the peer's certificate");
    assert_fails("expired", &tls, "the peer's certificate has expired");
    assert_fails("early", &tls, "the peer's certificate is not valid yet");
    assert_fails("elsewhere", &tls, "the peer's certificate is not for '127.0.0.1'");
    tls.verify = RMQ_TLS_VERIFY_CHAIN;
    assert_fails("foreign", &tls, "no trusted authority has signed the peer's certificate");
    assert_fails("expired", &tls, "the peer's certificate has expired");
    tls.verify = RMQ_TLS_VERIFY_FULL;
    tls.ca_file = NULL; /* the system does not know our authority */
    assert_fails("server", &tls, "no trusted authority has signed the peer's certificate");
}

static void verification_can_be_lessened(void **state)
{
    struct tls_front_config settings = {.name = "elsewhere"};
    rmq_tls_config tls = {.ca_file = file("ca.pem"), .verify = RMQ_TLS_VERIFY_CHAIN};
    struct tls_world world;

    (void)state;
    tls_open(&world, &settings);
    assert_done(ask(tls_front_address(world.namesrv), &tls, LONG_MS));
    tls_close(&world);
    settings.name = "foreign";
    tls.verify = RMQ_TLS_VERIFY_NONE;
    tls.ca_file = NULL;
    tls_open(&world, &settings);
    assert_done(ask(tls_front_address(world.namesrv), &tls, LONG_MS));
    tls_close(&world);
}

static void speak_plain(struct fake_peer *fake, int fd)
{
    static const char hello[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    char bytes[1000];

    if (fake_read(fake, fd, bytes, sizeof(bytes)) > 0)
        fake_write(fd, hello, sizeof(hello) - 1);
    while (fake_read(fake, fd, bytes, sizeof(bytes)) > 0)
        ;
}

static void hang_up(struct fake_peer *fake, int fd)
{
    char bytes[1000];

    (void)fake_read(fake, fd, bytes, sizeof(bytes));
}

static void a_peer_without_tls_is_told_from_one_with(void **state)
{
    struct tls_front_config settings = {.name = "server"};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    struct tls_world world;
    struct fake_peer fake;

    (void)state;
    fake_start(&fake, speak_plain, NULL);
    assert_refused(fake.address, &tls, "TLS: the peer does not speak it");
    fake_stop(&fake);
    fake_start(&fake, hang_up, NULL);
    assert_refused(fake.address, &tls, "does it speak TLS?");
    fake_stop(&fake);
    tls_open(&world, &settings);
    assert_refused(tls_front_address(world.namesrv), NULL, "");
    tls_close(&world);
}

static void a_handshake_that_does_not_end_is_ended(void **state)
{
    struct tls_front_config settings = {.name = "server", .is_silent = true};
    rmq_tls_config tls = {.ca_file = file("ca.pem")};
    rmq_client_config config = {0};
    rmq_client *client;
    struct tls_world world;
    rmq_queue *queues;
    size_t count;

    (void)state;
    tls_open(&world, &settings);
    config.namesrv = tls_front_address(world.namesrv);
    config.tls = &tls;
    config.connect_timeout_ms = 100;
    assert_done(rmq_client_new(&config, &client));
    do
        assert_status(rmq_topic_write_queues(client, "T", &queues, &count, 400),
                      DT_EUNREACH);
    while (strstr(dt_error_text(), "no end of the TLS handshake in time") == NULL);
    rmq_client_free(client);
    tls_close(&world);
}

static void files_that_are_not_what_they_should_be_are_refused_at_once(void **state)
{
    const struct {
        rmq_tls_config tls;
        dt_status status;
        const char *reason;
    } wrong[] = {
        {{.ca_file = "/no/such/file"}, DT_EIO, "/no/such/file"},
        {{.ca_file = "/dev/null"}, DT_EINVAL, "/dev/null"},
        {{.ca_file = file("ca.key")}, DT_EINVAL, "ca.key"},
        {{.certificate_file = "/no/such/file"}, DT_EIO, "/no/such/file"},
        {{.key_file = "/no/such/file"}, DT_EINVAL, "certificate"},
        {{.certificate_file = "/dev/null"}, DT_EINVAL, "/dev/null"},
    };
    rmq_client_config config = {.namesrv = "127.0.0.1:1"};
    rmq_tls_config tls = {.ca_file = file("ca.pem"),
                          .certificate_file = file("client.pem")};
    rmq_client *client;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        config.tls = &wrong[i].tls;
        assert_status(rmq_client_new(&config, &client), wrong[i].status);
        assert_non_null(strstr(dt_error_text(), wrong[i].reason));
        assert_null(client);
    }
    config.tls = &tls;
    tls.key_file = file("server.key");
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    tls.key_file = file("locked.key"); /* and no password */
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    tls.key_password = "open barley";
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    assert_null(strstr(dt_error_text(), "barley"));
    tls.key_file = file("client.key");
    tls.verify = (rmq_tls_verify)7;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_travel_both_ways_over_tls),
        cmocka_unit_test(the_hosts_name_is_verified_and_sent),
        cmocka_unit_test(a_client_certificate_is_shown_where_one_is_wanted),
        cmocka_unit_test(tls_1_2_is_spoken_where_there_is_nothing_newer),
        cmocka_unit_test(a_certificate_that_does_not_hold_is_refused_and_said_why),
        cmocka_unit_test(verification_can_be_lessened),
        cmocka_unit_test(a_peer_without_tls_is_told_from_one_with),
        cmocka_unit_test(a_handshake_that_does_not_end_is_ended),
        cmocka_unit_test(files_that_are_not_what_they_should_be_are_refused_at_once),
    };
    int failed;

    if (mkdtemp(dir) == NULL)
        return 2;
    certs_make(dir);
    failed = test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
    certs_remove(dir);
    return failed;
}
