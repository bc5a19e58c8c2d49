/* How the RocketMQ side is reached as the configuration says: TLS, credentials, namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "rmq/client_inside.h"
#include "rmq/mock.h"
#include "side/rocketmq.h"
#include "support/case.h"
#include "support/certs.h"
#include "support/tls_front.h"

enum { TIMEOUT_MS = 20000 };

#define must(call)                                                                         \
    do {                                                                                   \
        if ((call) != DT_OK)                                                               \
            fail_msg("%s: %s", #call, dt_error_text());                                    \
    } while (0)

static char folder[] = "/tmp/duet-access-XXXXXX";

static char *path_of(const char *name)
{
    static char paths[8][100];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static char *file_with(const char *name, const char *text)
{
    char *path = path_of(name);

    must(dt_file_replace(path, text, strlen(text), 0600));
    return path;
}

static void topics_are_made_through_tls_and_in_the_namespace(void **state)
{
    struct tls_front_config front = {.dir = folder, .name = "server"};
    struct tls_front *broker, *namesrv;
    struct duet_config config = {0};
    char space[] = "x";
    rmq_mock *mock;
    rmq_client *client;

    (void)state;
    must(rmq_mock_new(NULL, &mock));
    front.backend = rmq_mock_broker(mock);
    broker = tls_front_start(&front);
    front.from = front.backend;
    front.to = tls_front_address(broker);
    front.backend = rmq_mock_namesrv(mock);
    namesrv = tls_front_start(&front);
    config.namesrv = strdup(tls_front_address(namesrv));
    config.rocketmq.tls = true;
    config.rocketmq.tls_ca_file = path_of("ca.pem");
    config.rocketmq.name_space = space;
    must(duet_rocketmq_connect(&config, "me", &client));
    must(rmq_topic_create(client, "flights", 2, TIMEOUT_MS));
    assert_int_equal(rmq_mock_max_offset(mock, "x%flights", 0), 0);
    assert_int_equal(rmq_mock_max_offset(mock, "flights", 0), -1);
    rmq_client_free(client);
    tls_front_stop(namesrv);
    tls_front_stop(broker);
    rmq_mock_free(mock);
    free(config.namesrv);
}

static bool is_signing(struct duet_config *config)
{
    rmq_client *client;
    bool signs;

    must(duet_rocketmq_connect(config, "me", &client));
    signs = client->signer != NULL; /* it was made before the client's thread */
    rmq_client_free(client);
    return signs;
}

static void credentials_come_from_files_or_the_environment(void **state)
{
    char address[] = "127.0.0.1:1", key[] = "me";
    struct duet_config config = {.namesrv = address};
    rmq_client *client;

    (void)state;
    assert_false(is_signing(&config));
    config.rocketmq.access_key = key;
    assert_int_equal(duet_rocketmq_connect(&config, "me", &client), DT_EINVAL);
    config.rocketmq.secret_key_file = file_with("secret", "very secret\n");
    assert_true(is_signing(&config));
    config.rocketmq.security_token_file = file_with("token", "token");
    assert_true(is_signing(&config));
    config = (struct duet_config){.namesrv = address};
    setenv("DUET_ROCKETMQ_ACCESS_KEY", "me", 1);
    setenv("DUET_ROCKETMQ_SECRET_KEY", "very secret", 1);
    assert_true(is_signing(&config));
    unsetenv("DUET_ROCKETMQ_ACCESS_KEY");
    assert_int_equal(duet_rocketmq_connect(&config, "me", &client), DT_EINVAL);
    unsetenv("DUET_ROCKETMQ_SECRET_KEY");
    unlink(path_of("secret"));
    unlink(path_of("token"));
}

static void a_file_without_a_secret_is_refused_by_name_only(void **state)
{
    static const char nul[] = "top\0secret";
    char address[] = "127.0.0.1:1", key[] = "me";
    struct duet_config config = {.namesrv = address, .rocketmq = {.access_key = key}};
    rmq_client *client;

    (void)state;
    config.rocketmq.secret_key_file = path_of("nothing");
    assert_int_equal(duet_rocketmq_connect(&config, "me", &client), DT_ENOTFOUND);
    assert_non_null(strstr(dt_error_text(), "nothing"));
    config.rocketmq.secret_key_file = file_with("empty", "\n");
    assert_int_equal(duet_rocketmq_connect(&config, "me", &client), DT_EINVAL);
    must(dt_file_replace(path_of("empty"), nul, sizeof(nul), 0600));
    assert_int_equal(duet_rocketmq_connect(&config, "me", &client), DT_EINVAL);
    assert_null(strstr(dt_error_text(), "top"));
    unlink(path_of("empty"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_made_through_tls_and_in_the_namespace),
        cmocka_unit_test(credentials_come_from_files_or_the_environment),
        cmocka_unit_test(a_file_without_a_secret_is_refused_by_name_only),
    };
    int failed;

    if (mkdtemp(folder) == NULL)
        return 2;
    certs_make(folder);
    failed = test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
    certs_remove(folder);
    return failed;
}
