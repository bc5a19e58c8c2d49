#include "rmq/statistics.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "rmq/client_inside.h"

enum {
    INTERVAL_MS_MIN = 10,
    TEXT_SIZE_MAX = 256 * 1024 * 1024, /* thousands of queues take a few MiB */
    WARN_MS = 60000
};

/* ---------------------------------------------------------------- brokers */

static void put_calls(struct dt_json *json, const struct rmq_call_counters *counters)
{
    dt_json_kv_int(json, "sent", (int64_t)counters->sent);
    dt_json_kv_int(json, "oneway", (int64_t)counters->oneway);
    dt_json_kv_int(json, "answered", (int64_t)counters->answered);
    dt_json_kv_int(json, "timed_out", (int64_t)counters->timed_out);
    dt_json_kv_int(json, "failed", (int64_t)counters->failed);
    dt_json_kv_int(json, "cancelled", (int64_t)counters->cancelled);
    dt_json_kv_int(json, "not_sent", (int64_t)counters->not_sent);
}

static void put_rtt(struct dt_json *json, const struct rmq_rtt *rtt)
{
    static const struct dt_histogram none;
    const struct dt_histogram *histogram = rtt == NULL ? &none : &rtt->histogram;
    uint64_t count = histogram->count;

    dt_json_key(json, "rtt");
    dt_json_object(json);
    dt_json_kv_int(json, "count", (int64_t)count);
    dt_json_kv_int(json, "min_us", count == 0 ? 0 : (int64_t)histogram->min);
    dt_json_kv_int(json, "avg_us", count == 0 ? 0 : (int64_t)(rtt->sum_us / count));
    dt_json_kv_int(json, "max_us", (int64_t)histogram->max);
    dt_json_kv_int(json, "p50_us", (int64_t)dt_histogram_percentile(histogram, 0.5));
    dt_json_kv_int(json, "p99_us", (int64_t)dt_histogram_percentile(histogram, 0.99));
    dt_json_object_end(json);
}

/* Who an address is, by the routes that are known. */
static void put_role(struct dt_json *json, const struct rmq_client *client,
                     const char *address)
{
    const struct dt_link *link;

    for (link = client->topics.topics.next; link != &client->topics.topics;
         link = link->next) {
        const struct rmq_route *route = DT_CONTAINER(link, struct rmq_topic, link)->route;

        for (size_t i = 0; route != NULL && i < route->broker_count; i++)
            for (size_t j = 0; j < route->brokers[i].address_count; j++)
                if (strcmp(route->brokers[i].addresses[j].address, address) == 0) {
                    bool is_master = route->brokers[i].addresses[j].broker_id == 0;

                    dt_json_kv_string(json, "role", is_master ? "master" : "slave");
                    dt_json_kv_string(json, "name", route->brokers[i].name);
                    return;
                }
    }
    dt_json_kv_string(json, "role",
                      rmq_names_has(&client->names, address) ? "namesrv" : "unknown");
    dt_json_kv_string(json, "name", "");
}

static const char *state_of(const struct rmq_peer *peer)
{
    if (peer->conn != NULL)
        return peer->conn->is_open ? "open" : "connecting";
    return peer->failed_ms != 0 ? "down" : "idle";
}

static void put_peer(struct dt_json *json, const struct rmq_client *client,
                     const struct rmq_peer *peer)
{
    uint64_t tx_bytes = peer->tx_bytes, rx_bytes = peer->rx_bytes;
    size_t in_flight = 0, waiting = 0;
    const struct dt_link *link, *at;

    for (link = client->peers.conns.next; link != &client->peers.conns; link = link->next) {
        const struct rmq_conn *conn = DT_CONTAINER(link, struct rmq_conn, link);

        if (conn->peer != peer)
            continue;
        tx_bytes += dt_tcp_sent_position(conn->tcp);
        rx_bytes += dt_tcp_received(conn->tcp);
        for (at = conn->pending.next; at != &conn->pending; at = at->next)
            in_flight++;
    }
    for (at = peer->waiting.next; at != &peer->waiting; at = at->next)
        waiting++;
    dt_json_object(json);
    dt_json_kv_string(json, "address", peer->address);
    put_role(json, client, peer->address);
    dt_json_kv_string(json, "state", state_of(peer));
    dt_json_kv_int(json, "connects", (int64_t)peer->connects);
    dt_json_kv_int(json, "disconnects", (int64_t)peer->disconnects);
    dt_json_kv_int(json, "connect_failures", (int64_t)peer->connect_failures);
    dt_json_kv_int(json, "tx_bytes", (int64_t)tx_bytes);
    dt_json_kv_int(json, "rx_bytes", (int64_t)rx_bytes);
    dt_json_key(json, "requests");
    dt_json_object(json);
    put_calls(json, &peer->counters);
    dt_json_kv_int(json, "in_flight", (int64_t)in_flight);
    dt_json_kv_int(json, "waiting", (int64_t)waiting);
    dt_json_object_end(json);
    put_rtt(json, peer->rtt);
    dt_json_object_end(json);
}

static void put_brokers(struct dt_json *json, const struct rmq_client *client)
{
    const struct dt_link *link;

    dt_json_key(json, "brokers");
    dt_json_array(json);
    for (link = client->peers.peers.next; link != &client->peers.peers; link = link->next)
        put_peer(json, client, DT_CONTAINER(link, struct rmq_peer, link));
    dt_json_array_end(json);
}

/* ---------------------------------------------------------------- the client */

static size_t open_connections(const struct rmq_peers *peers)
{
    size_t count = 0;

    for (const struct dt_link *link = peers->conns.next; link != &peers->conns;
         link = link->next)
        count += DT_CONTAINER(link, struct rmq_conn, link)->is_open;
    return count;
}

static void put_client(struct dt_json *json, const struct rmq_statistics *statistics)
{
    const struct rmq_client *client = statistics->client;

    dt_json_kv_string(json, "client_id", client->id);
    dt_json_kv_string(json, "version", rmq_version());
    dt_json_kv_int(json, "time_ms", dt_clock_wall_ms());
    dt_json_kv_int(json, "age_ms", dt_clock_ms() - statistics->started_ms);
    dt_json_kv_int(json, "interval_ms", statistics->interval_ms);
    dt_json_kv_int(json, "connections", (int64_t)open_connections(&client->peers));
    dt_json_key(json, "requests");
    dt_json_object(json);
    put_calls(json, &client->peers.calls.counters);
    dt_json_object_end(json);
    dt_json_kv_int(json, "retries", (int64_t)client->retries);
    dt_json_key(json, "routes");
    dt_json_object(json);
    dt_json_kv_int(json, "refreshes", (int64_t)client->topics.refreshes);
    dt_json_kv_int(json, "failures", (int64_t)client->topics.failures);
    dt_json_kv_int(json, "changes", (int64_t)client->topics.changes);
    dt_json_object_end(json);
}

static void put_sources(struct dt_json *json, const char *key,
                        const struct dt_link *sources, struct rmq_statistics_sums *sums)
{
    const struct dt_link *link;

    dt_json_key(json, key);
    dt_json_array(json);
    for (link = sources->next; link != sources; link = link->next) {
        const struct rmq_statistics_source *source =
            DT_CONTAINER(link, struct rmq_statistics_source, link);

        source->write(source->owner, json, sums);
    }
    dt_json_array_end(json);
}

static void put_all(struct rmq_statistics *statistics, struct dt_buf *out)
{
    struct rmq_statistics_sums sums = {0, 0};
    struct dt_json json;

    dt_json_start(&json, out);
    dt_json_object(&json);
    put_client(&json, statistics);
    put_brokers(&json, statistics->client);
    put_sources(&json, "producers", &statistics->producers, &sums);
    put_sources(&json, "consumers", &statistics->consumers, &sums);
    dt_json_kv_int(&json, "memory_used", (int64_t)sums.memory_used);
    dt_json_kv_int(&json, "memory_max", (int64_t)sums.memory_max);
    dt_json_object_end(&json);
}

/* ---------------------------------------------------------------- the timer */

static void on_timer(void *context)
{
    struct rmq_statistics *statistics = context;
    struct rmq_peers *peers = &statistics->client->peers;
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link;
    struct dt_buf text;

    statistics->next_ms += statistics->interval_ms;
    if (statistics->next_ms <= now_ms) /* those that were missed are not made up for */
        statistics->next_ms = now_ms + statistics->interval_ms;
    dt_timer_set(statistics->timer, statistics->next_ms);
    dt_buf_init(&text, TEXT_SIZE_MAX);
    put_all(statistics, &text);
    dt_buf_put_u8(&text, 0);
    if (!text.failed) {
        for (link = peers->peers.next; link != &peers->peers; link = link->next)
            rmq_rtt_clear(DT_CONTAINER(link, struct rmq_peer, link)->rtt);
        statistics->fn(statistics->opaque, (const char *)text.data, text.size - 1);
    } else if (dt_log_due(&statistics->warned_ms, WARN_MS)) {
        rmq_client_log(statistics->client, DT_LOG_WARNING,
                       "statistics are left out: no memory for them");
    }
    dt_buf_fini(&text);
}

dt_status rmq_statistics_init(struct rmq_statistics *statistics, struct rmq_client *client,
                              const rmq_client_config *config)
{
    statistics->client = client;
    statistics->started_ms = dt_clock_ms();
    dt_list_init(&statistics->producers);
    dt_list_init(&statistics->consumers);
    if (config->statistics_interval_ms == 0)
        return DT_OK;
    if (config->statistics_interval_ms < INTERVAL_MS_MIN || config->statistics == NULL)
        return dt_error_set(DT_EINVAL,
                            "statistics_interval_ms is below %d, or there is no function "
                            "that takes the statistics",
                            INTERVAL_MS_MIN);
    statistics->interval_ms = config->statistics_interval_ms;
    statistics->fn = config->statistics;
    statistics->opaque = config->statistics_opaque;
    return dt_timer_new(client->loop, on_timer, statistics, &statistics->timer);
}

void rmq_statistics_start(struct rmq_statistics *statistics)
{
    if (!rmq_statistics_are_on(statistics))
        return;
    statistics->next_ms = dt_clock_ms() + statistics->interval_ms;
    dt_timer_set(statistics->timer, statistics->next_ms);
}

void rmq_statistics_close(struct rmq_statistics *statistics)
{
    dt_timer_free(statistics->timer);
    statistics->timer = NULL;
}

/* ---------------------------------------------------------------- sources */

static void run_join(struct dt_op *op)
{
    struct rmq_statistics_source *source =
        DT_CONTAINER(op, struct rmq_statistics_source, join);
    struct rmq_statistics *statistics = &source->client->statistics;

    dt_list_append(source->is_producer ? &statistics->producers : &statistics->consumers,
                   &source->link);
}

void rmq_statistics_join(struct rmq_client *client, struct rmq_statistics_source *source)
{
    source->client = client;
    source->join.run = run_join;
    dt_list_init(&source->link);
    dt_loop_post(client->loop, &source->join);
}

void rmq_statistics_leave(struct rmq_statistics_source *source)
{
    if (source->client != NULL)
        dt_list_remove(&source->link);
}
