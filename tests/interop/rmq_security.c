/*
 * A real RocketMQ that takes nothing but TLS and signed requests, as `scripts/brokers --tls --acl`
 * starts it: what goes through, and what is said where it does not.
 *
 *     rmq_security NAMESRV FOLDER        FOLDER has tls/ and acl/
 *
 * Prints a line for each case; exits 1 with the first that is not as it should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rmq/rmq.h"

enum { LONG_MS = 30000, SHORT_MS = 1500 };

static const char *namesrv, *folder;

static const char *path_of(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void read_secret(const char *account, char out[100])
{
    FILE *file = fopen(path_of(account), "r");

    if (file == NULL || fgets(out, 100, file) == NULL) {
        fprintf(stderr, "no secret of %s\n", account);
        exit(1);
    }
    fclose(file);
}

static rmq_client *client_of(const rmq_tls_config *tls, const char *key, const char *secret)
{
    rmq_client_config config = {0};
    rmq_client *client;

    config.namesrv = namesrv;
    config.tls = tls;
    config.access_key = key;
    config.secret_key = secret;
    config.binary_header =
        key != NULL && strcmp(key, "guest-account") == 0; /* both headers */
    if (rmq_client_new(&config, &client) != DT_OK) {
        fprintf(stderr, "client: %s\n", dt_error_text());
        exit(1);
    }
    return client;
}

static void need(const char *what, dt_status status, dt_status wanted, const char *words)
{
    const char *text = status == DT_OK ? "" : dt_error_text();

    printf("%-44s %s%s%s\n", what, dt_status_name(status), text[0] == 0 ? "" : ": ", text);
    fflush(stdout);
    if (status == wanted && (words == NULL || strstr(text, words) != NULL))
        return;
    fprintf(stderr, "%s: wanted %s (%s)\n", what, dt_status_name(wanted),
            words == NULL ? "" : words);
    exit(1);
}

static dt_status send_one(rmq_client *client, const char *topic, int64_t timeout_ms)
{
    rmq_producer_config config = {.group = "senders"};
    rmq_message message = {0};
    rmq_producer *producer;
    rmq_queue *queues;
    size_t count;
    dt_status status = rmq_topic_write_queues(client, topic, &queues, &count, timeout_ms);

    if (status != DT_OK)
        return status;
    message.topic = topic;
    message.body = "hello";
    message.body_size = 5;
    status = rmq_producer_new(client, &config, &producer);
    if (status == DT_OK) {
        status = rmq_send(producer, &queues[0], &message, timeout_ms, NULL);
        rmq_producer_free(producer);
    }
    rmq_free(queues);
    return status;
}

static dt_status receive_one(rmq_client *client, const char *topic, const char *group,
                             int64_t timeout_ms)
{
    rmq_pull_consumer_config config = {.group = group, .topic = topic};
    rmq_pull_consumer *consumer;
    rmq_batch *batch = NULL;
    rmq_queue *queues;
    size_t count;
    dt_status status = rmq_topic_read_queues(client, topic, &queues, &count, timeout_ms);

    if (status != DT_OK)
        return status;
    status = rmq_pull_consumer_new(client, &config, &consumer);
    if (status == DT_OK) {
        status = rmq_pull_consumer_assign(consumer, &queues[0], 0);
        if (status == DT_OK)
            status = rmq_pull_consumer_poll(consumer, timeout_ms, &batch);
        rmq_batch_free(batch);
        rmq_pull_consumer_free(consumer);
    }
    rmq_free(queues);
    return status;
}

/* The server's certificate becomes another; it looks every half second whether it has. */
static void show(const char *name)
{
    static const char *const kinds[] = {"key", "pem"};
    char command[2048];

    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "cp '%s/tls/%s.%s' '%s/tls/server.%s'", folder,
                 name, kinds[i], folder, kinds[i]);
        if (system(command) != 0)
            exit(1);
    }
}

static dt_status ask(const rmq_tls_config *tls)
{
    rmq_client *client = client_of(tls, NULL, NULL);
    rmq_queue *queues = NULL;
    size_t count;
    dt_status status = rmq_topic_write_queues(client, "TBW102", &queues, &count, SHORT_MS);

    rmq_free(queues);
    rmq_client_free(client);
    return status;
}

/* Asks until the name server shows the certificate: then why it is refused. */
static void need_refusal(const rmq_tls_config *tls, const char *certificate,
                         const char *words)
{
    time_t end = time(NULL) + 30;
    dt_status status;

    show(certificate);
    do
        status = ask(tls);
    while ((status == DT_OK || strstr(dt_error_text(), words) == NULL) && time(NULL) < end);
    need(certificate, status, DT_EUNREACH, words);
}

int main(int argc, char **argv)
{
    rmq_tls_config tls = {0}, untrusting = {0}, careless = {.verify = RMQ_TLS_VERIFY_NONE};
    char admin_secret[100], guest_secret[100];
    rmq_client *client;
    rmq_queue *queues;
    size_t count;

    if (argc != 3)
        return 2;
    namesrv = argv[1];
    folder = argv[2];
    tls.ca_file = path_of("tls/ca.pem");
    untrusting.ca_file = path_of("tls/other.pem");
    read_secret("acl/admin", admin_secret);
    read_secret("acl/guest", guest_secret);

    client = client_of(&tls, "admin-account", admin_secret);
    need("admin: create topic 'open'", rmq_topic_create(client, "open", 2, LONG_MS), DT_OK,
         NULL);
    need("admin: create topic 'closed'", rmq_topic_create(client, "closed", 2, LONG_MS),
         DT_OK, NULL);
    need("admin: send", send_one(client, "closed", LONG_MS), DT_OK, NULL);
    need("admin: receive", receive_one(client, "closed", "any", LONG_MS), DT_OK, NULL);
    rmq_client_free(client);

    client = client_of(&tls, "guest-account", guest_secret);
    need("guest: send where it may", send_one(client, "open", LONG_MS), DT_OK, NULL);
    need("guest: receive where it may", receive_one(client, "open", "open", LONG_MS), DT_OK,
         NULL);
    need("guest: send where it may not", send_one(client, "closed", LONG_MS), DT_EREFUSED,
         "denies access");
    need("guest: receive where it may not", receive_one(client, "closed", "open", LONG_MS),
         DT_EREFUSED, "denies access");
    need("guest: create a topic", rmq_topic_create(client, "mine", 1, LONG_MS), DT_EREFUSED,
         "denies access");
    rmq_client_free(client);

    client = client_of(&tls, "admin-account", "not the secret");
    need("wrong secret", send_one(client, "open", LONG_MS), DT_EREFUSED, "denies access");
    need("the right one afterwards",
         rmq_client_credentials_set(client, "admin-account", admin_secret, NULL), DT_OK,
         NULL);
    need("  send", send_one(client, "open", LONG_MS), DT_OK, NULL);
    rmq_client_free(client);
    client = client_of(&tls, "nobody-account", "whatever");
    need("unknown access key", send_one(client, "open", LONG_MS), DT_EREFUSED,
         "denies access");
    rmq_client_free(client);
    client = client_of(&tls, NULL, NULL);
    need("no access key", send_one(client, "open", LONG_MS), DT_EREFUSED, "denies access");
    rmq_client_free(client);

    client = client_of(NULL, "admin-account", admin_secret);
    need("no TLS", rmq_topic_write_queues(client, "open", &queues, &count, SHORT_MS),
         DT_EUNREACH, "does it want TLS?");
    rmq_client_free(client);
    need("authority that we do not trust", ask(&untrusting), DT_EUNREACH,
         "no trusted authority has signed");
    need("any certificate, unverified", ask(&careless), DT_OK, NULL);
    need_refusal(&tls, "expired", "the peer's certificate has expired");
    need_refusal(&tls, "elsewhere", "the peer's certificate is not for '127.0.0.1'");
    need_refusal(&tls, "foreign", "no trusted authority has signed");
    return 0;
}
