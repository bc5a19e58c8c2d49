#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "net/event.h"
#include "rmq/client_inside.h"

enum {
    FRAME_SIZE_MIN = 4096,
};

const char *rmq_version(void)
{
    return DUET_VERSION;
}

void rmq_free(void *memory)
{
    free(memory);
}

const char *rmq_client_id(const rmq_client *client)
{
    return client->id;
}

int64_t rmq_deadline_ms(int64_t timeout_ms)
{
    int64_t now_ms = dt_clock_ms();

    return timeout_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + timeout_ms;
}

int64_t rmq_client_backoff_ms(struct rmq_client *client, unsigned failures)
{
    int64_t wait_ms = client->backoff_ms_min;

    while (failures > 1 && wait_ms < client->backoff_ms_max) {
        wait_ms *= 2;
        failures--;
    }
    if (wait_ms > client->backoff_ms_max)
        wait_ms = client->backoff_ms_max;
    client->random = client->random * 6364136223846793005u + 1442695040888963407u;
    return wait_ms - (int64_t)((client->random >> 33) % (uint64_t)(wait_ms / 2 + 1));
}

/* ---------------------------------------------------------------- on the loop */

struct run_op {
    struct dt_op op;
    void (*fn)(void *context);
    void *context;
    struct dt_event done;
};

static void run_and_tell(struct dt_op *op)
{
    struct run_op *run = DT_CONTAINER(op, struct run_op, op);

    run->fn(run->context);
    dt_event_set(&run->done);
}

dt_status rmq_client_check(const struct rmq_client *client, bool waits)
{
    if (dt_loop_is_forked(client->loop))
        return dt_error_set(DT_ESTATE,
                            "a client cannot be used after a fork: make a new one");
    if (waits && dt_loop_is_here(client->loop))
        return dt_error_set(DT_ESTATE, "a callback may not call a function that waits");
    return DT_OK;
}

dt_status rmq_client_run(struct rmq_client *client, void (*fn)(void *context),
                         void *context)
{
    struct run_op run;
    dt_status status = rmq_client_check(client, true);

    if (status != DT_OK)
        return status;
    run.op.run = run_and_tell;
    run.fn = fn;
    run.context = context;
    dt_event_init(&run.done);
    dt_loop_post(client->loop, &run.op);
    dt_event_wait(&run.done, INT64_MAX);
    dt_event_fini(&run.done);
    return DT_OK;
}

/* ---------------------------------------------------------------- settings */

/* The first address of this host that others can reach, else 127.0.0.1: part of ids only. */
static void find_own_ip(uint8_t out[4])
{
    struct ifaddrs *all = NULL;
    static const uint8_t loopback[4] = {127, 0, 0, 1};

    memcpy(out, loopback, 4);
    if (getifaddrs(&all) != 0)
        return;
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        struct sockaddr_in ipv4;

        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
            (one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0)
            continue;
        memcpy(&ipv4, one->ifa_addr, sizeof(ipv4));
        memcpy(out, &ipv4.sin_addr, 4);
        break;
    }
    freeifaddrs(all);
}

static dt_status set_id(struct rmq_client *client, const char *instance_name)
{
    char ip[INET_ADDRSTRLEN];
    uint32_t random;
    int length;

    find_own_ip(client->ip);
    inet_ntop(AF_INET, client->ip, ip, sizeof(ip));
    dt_random_bytes(&random, sizeof(random));
    if (instance_name != NULL && instance_name[0] != 0)
        length = snprintf(client->id, sizeof(client->id), "%s@%s", ip, instance_name);
    else
        length = snprintf(client->id, sizeof(client->id), "%s@%ld#%u", ip, (long)getpid(),
                          random);
    if (length >= (int)sizeof(client->id))
        return dt_error_set(DT_EINVAL, "the instance name is too long");
    return DT_OK;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static dt_status take_settings(struct rmq_client *client, const rmq_client_config *config)
{
    if (config->connect_timeout_ms < 0 || config->request_timeout_ms < 0 ||
        config->heartbeat_period_ms < 0 || config->route_period_ms < 0 ||
        config->backoff_ms_min < 0 || config->backoff_ms_max < 0)
        return dt_error_set(DT_EINVAL, "a time of the client's settings is negative");
    if (config->frame_size_max != 0 && (config->frame_size_max < FRAME_SIZE_MIN ||
                                        config->frame_size_max > RMQ_FRAME_SIZE_MAX))
        return dt_error_set(DT_EINVAL, "frame_size_max is not from %d to %d",
                            FRAME_SIZE_MIN, RMQ_FRAME_SIZE_MAX);
    client->connect_timeout_ms = or_default(config->connect_timeout_ms, 3000);
    client->request_timeout_ms = or_default(config->request_timeout_ms, 3000);
    client->heartbeat_period_ms = or_default(config->heartbeat_period_ms, 30000);
    client->route_period_ms = or_default(config->route_period_ms, 30000);
    client->backoff_ms_min = or_default(config->backoff_ms_min, 20);
    client->backoff_ms_max = or_default(config->backoff_ms_max, 1000);
    if (client->backoff_ms_max < client->backoff_ms_min)
        client->backoff_ms_max = client->backoff_ms_min;
    client->frame_size_max =
        config->frame_size_max == 0 ? RMQ_FRAME_SIZE_MAX : config->frame_size_max;
    if (rmq_namespace_check(config->name_space) != DT_OK)
        return DT_EINVAL;
    snprintf(client->space, sizeof(client->space), "%s",
             config->name_space == NULL ? "" : config->name_space);
    client->header_type = config->binary_header ? RMQ_HEADER_BINARY : RMQ_HEADER_JSON;
    return set_id(client, config->instance_name);
}

/* ---------------------------------------------------------------- credentials */

/* NULL for neither key. */
static dt_status make_signer(const char *access_key, const char *secret_key,
                             const char *security_token, struct rmq_signer **out)
{
    *out = NULL;
    if (access_key == NULL && secret_key == NULL) {
        if (security_token != NULL)
            return dt_error_set(DT_EINVAL, "a security token is nothing without its keys");
        return DT_OK;
    }
    return rmq_signer_new(access_key, secret_key, security_token, out);
}

struct change_signer {
    struct rmq_client *client;
    struct rmq_signer *signer; /* the new one; then the old one */
};

static void change_signer(void *context)
{
    struct change_signer *change = context;
    struct rmq_signer *before = change->client->signer;

    change->client->signer = change->signer;
    change->signer = before;
}

dt_status rmq_client_credentials_set(rmq_client *client, const char *access_key,
                                     const char *secret_key, const char *security_token)
{
    struct change_signer change = {client, NULL};
    dt_status status;

    if (client == NULL)
        return dt_error_set(DT_EINVAL, "no client given");
    status = make_signer(access_key, secret_key, security_token, &change.signer);
    if (status == DT_OK)
        status = rmq_client_run(client, change_signer, &change);
    rmq_signer_free(change.signer);
    return status;
}

/* ---------------------------------------------------------------- life */

static void start_on_loop(void *context)
{
    struct rmq_client *client = context;

    rmq_topics_start(&client->topics);
    rmq_statistics_start(&client->statistics);
}

static void close_on_loop(void *context)
{
    struct rmq_client *client = context;

    rmq_statistics_close(&client->statistics);
    rmq_heartbeat_close(&client->heartbeat);
    rmq_topics_close(&client->topics);
    rmq_peers_close(&client->peers);
}

static dt_status take_tls(const rmq_tls_config *config, struct dt_tls **out)
{
    static const enum dt_tls_verify verify[] = {[RMQ_TLS_VERIFY_FULL] = DT_TLS_VERIFY_FULL,
                                                [RMQ_TLS_VERIFY_CHAIN] =
                                                    DT_TLS_VERIFY_CHAIN,
                                                [RMQ_TLS_VERIFY_NONE] = DT_TLS_VERIFY_NONE};
    struct dt_tls_config settings = {0};

    if (config == NULL)
        return DT_OK;
    if ((unsigned)config->verify > RMQ_TLS_VERIFY_NONE)
        return dt_error_set(DT_EINVAL, "tls.verify is none of RMQ_TLS_VERIFY_...");
    settings.ca_file = config->ca_file;
    settings.certificate_file = config->certificate_file;
    settings.key_file = config->key_file;
    settings.key_password = config->key_password;
    settings.verify = verify[config->verify];
    return dt_tls_new(&settings, out);
}

/* What belongs to no loop. */
static void free_client(struct rmq_client *client)
{
    rmq_signer_free(client->signer);
    dt_tls_free(client->tls);
    rmq_names_fini(&client->names);
    free(client);
}

dt_status rmq_client_new(const rmq_client_config *config, rmq_client **out)
{
    struct rmq_client *client;
    dt_status status;

    if (out == NULL)
        return dt_error_set(DT_EINVAL, "no place for the client");
    *out = NULL;
    if (config == NULL)
        return dt_error_set(DT_EINVAL, "no settings for the client");
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a client");
    dt_list_init(&client->inbound);
    client->log.fn = config->log;
    client->log.opaque = config->log_opaque;
    atomic_init(&client->log.level_max, -1);
    dt_random_bytes(&client->random, sizeof(client->random));
    status = take_settings(client, config);
    if (status == DT_OK)
        status = rmq_names_init(&client->names, config->namesrv);
    if (status == DT_OK)
        status = make_signer(config->access_key, config->secret_key, config->security_token,
                             &client->signer);
    if (status == DT_OK)
        status = take_tls(config->tls, &client->tls);
    if (status == DT_OK)
        status = dt_loop_start("rmq", &client->loop);
    if (status != DT_OK) {
        free_client(client);
        return status;
    }
    status = rmq_peers_init(&client->peers, client);
    if (status == DT_OK)
        status = rmq_topics_init(&client->topics, client);
    if (status == DT_OK)
        status = rmq_heartbeat_init(&client->heartbeat, client);
    if (status == DT_OK)
        status = rmq_statistics_init(&client->statistics, client, config);
    if (status == DT_OK)
        status = rmq_client_run(client, start_on_loop, client);
    if (status != DT_OK) {
        dt_timer_free(client->peers.timer); /* unknown to the loop so far */
        dt_timer_free(client->topics.timer);
        dt_timer_free(client->heartbeat.timer);
        dt_timer_free(client->statistics.timer);
        dt_loop_stop(client->loop);
        free_client(client);
        return status;
    }
    *out = client;
    return DT_OK;
}

void rmq_client_free(rmq_client *client)
{
    if (client == NULL || rmq_client_run(client, close_on_loop, client) != DT_OK)
        return;
    dt_loop_stop(client->loop);
    rmq_peers_fini(&client->peers);
    free_client(client);
}
