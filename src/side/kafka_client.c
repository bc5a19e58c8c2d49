/* The Kafka side's client: topics and the bounds of their logs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "side/kafka.h"

enum { AGAIN_MS = 50, RECONNECT_MS = 1000 };

static void wait_a_little(void)
{
    struct timespec time = {.tv_nsec = AGAIN_MS * 1000000L};

    nanosleep(&time, NULL);
}

/* One metadata request. *partitions 0: the topic is there, but its leaders are not yet. */
static dt_status ask_partitions(struct duet_kafka_client *client, rd_kafka_topic_t *topic,
                                int32_t *partitions, int64_t timeout_ms)
{
    const struct rd_kafka_metadata *metadata;
    const char *name = rd_kafka_topic_name(topic);
    rd_kafka_resp_err_t error;
    dt_status status = DT_OK;

    error = rd_kafka_metadata(client->admin, 0, topic, &metadata,
                              duet_kafka_timeout(timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return duet_kafka_error(error, "asking for topic '%s'", name);
    *partitions = 0;
    error = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                     : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        *partitions = metadata->topics[0].partition_cnt;
    else if (error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        status = duet_kafka_error(error, "topic '%s'", name);
    rd_kafka_metadata_destroy(metadata);
    return status;
}

static dt_status topic_handle(struct duet_kafka_client *client, const char *name,
                              rd_kafka_topic_t **topic)
{
    *topic = rd_kafka_topic_new(client->admin, name, NULL);
    if (*topic == NULL)
        return duet_kafka_error(rd_kafka_last_error(), "topic '%s'", name);
    return DT_OK;
}

static dt_status topic_partitions(struct duet_side_client *base, const char *name,
                                  int32_t *partitions, struct duet_plan_queue **queues,
                                  int64_t timeout_ms)
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    rd_kafka_topic_t *topic;
    dt_status status;

    (void)queues; /* stays NULL: a partition of Kafka is its number */
    status = topic_handle(client, name, &topic);
    if (status != DT_OK)
        return status;
    for (;;) {
        status = ask_partitions(client, topic, partitions, deadline_ms - dt_clock_ms());
        if (status != DT_OK || *partitions > 0)
            break;
        if (dt_clock_ms() >= deadline_ms) {
            status = dt_error_set(DT_EUNREACH, "kafka: topic '%s' has no leader yet", name);
            break;
        }
        wait_a_little();
    }
    rd_kafka_topic_destroy(topic);
    return status;
}

/* librdkafka's in-memory cluster has no administration: it names a controller that is no broker
 * of it, and a request for its groups would hang the handle (2.0.2). */
dt_status duet_kafka_can_administer(struct duet_kafka_client *client, const char *what,
                                    int64_t timeout_ms)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client->admin, 0, NULL, &metadata,
                                                  duet_kafka_timeout(timeout_ms));
    int32_t controller;
    bool found = false;

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return duet_kafka_error(error, "%s", what);
    controller = rd_kafka_controllerid(client->admin, duet_kafka_timeout(timeout_ms));
    for (int i = 0; i < metadata->broker_cnt; i++)
        found = found || metadata->brokers[i].id == controller;
    rd_kafka_metadata_destroy(metadata);
    if (controller < 0)
        return dt_error_set(DT_EUNREACH, "kafka: %s: the cluster has no controller now",
                            what);
    if (!found)
        return dt_error_set(DT_EUNSUPPORTED,
                            "kafka: %s: an in-memory cluster cannot be asked to", what);
    return DT_OK;
}

/* ---- creating ---- */

static dt_status created(rd_kafka_event_t *event, const char *topic)
{
    const rd_kafka_topic_result_t **results;
    size_t count;

    if (event == NULL)
        return dt_error_set(DT_EUNREACH, "kafka: creating topic '%s': no answer in time",
                            topic);
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        dt_status status = duet_kafka_status(rd_kafka_event_error(event));

        return dt_error_set(status, "kafka: creating topic '%s': %s", topic,
                            rd_kafka_event_error_string(event));
    }
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
                                                  &count);
    if (count != 1)
        return dt_error_set(DT_ECORRUPT, "kafka: creating topic '%s': %zu results", topic,
                            count);
    if (rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return DT_OK;
    return dt_error_set(duet_kafka_status(rd_kafka_topic_result_error(results[0])),
                        "kafka: creating topic '%s': %s", topic,
                        rd_kafka_topic_result_error_string(results[0]));
}

static dt_status create(struct duet_kafka_client *client, const char *topic,
                        int32_t partitions, int64_t timeout_ms)
{
    char text[512];
    rd_kafka_NewTopic_t *wish =
        rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof(text));
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    dt_status status;

    if (wish == NULL)
        return dt_error_set(DT_EINVAL, "kafka: topic '%s': %s", topic, text);
    options = rd_kafka_AdminOptions_new(client->admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    queue = rd_kafka_queue_new(client->admin);
    rd_kafka_AdminOptions_set_request_timeout(options, duet_kafka_timeout(timeout_ms), text,
                                              sizeof(text));
    rd_kafka_CreateTopics(client->admin, &wish, 1, options, queue);
    event = rd_kafka_queue_poll(queue, duet_kafka_timeout(timeout_ms) + AGAIN_MS);
    status = created(event, topic);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(wish);
    return status;
}

static dt_status topic_create(struct duet_side_client *base, const char *topic,
                              int32_t partitions, int64_t timeout_ms)
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    dt_status status = duet_kafka_can_administer(client, "creating a topic", timeout_ms);

    if (status == DT_OK)
        status = create(client, topic, partitions, deadline_ms - dt_clock_ms());
    while (status == DT_OK) {
        int32_t visible;

        status = topic_partitions(base, topic, &visible, NULL, deadline_ms - dt_clock_ms());
        if (status == DT_OK && visible == partitions)
            return DT_OK;
        if (status != DT_OK && status != DT_ENOTFOUND)
            break;
        if (dt_clock_ms() >= deadline_ms)
            return dt_error_set(DT_EUNREACH, "kafka: topic '%s' is not visible in time",
                                topic);
        status = DT_OK;
        wait_a_little();
    }
    return status;
}

static dt_status bounds(struct duet_side_client *base, const struct duet_plan_route *route,
                        int32_t partition, int64_t timeout_ms, int64_t *begin, int64_t *end)
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        client->admin, route->topic, partition, begin, end, duet_kafka_timeout(timeout_ms));

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return duet_kafka_error(error, "asking for the bounds of %s partition %d",
                                route->topic, partition);
    return DT_OK;
}

/* ---- the client ---- */

static void client_close(struct duet_side_client *base)
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;

    duet_kafka_groups_free(client);
    if (client->admin != NULL)
        rd_kafka_destroy(client->admin);
    if (client->template != NULL)
        rd_kafka_conf_destroy(client->template);
    for (size_t i = 0; i < client->setting_count; i++)
        free(client->settings[i]);
    free(client->settings);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static const struct duet_side_ops kafka_ops = {
    .side = DUET_KAFKA,
    .close = client_close,
    .topic_partitions = topic_partitions,
    .topic_create = topic_create,
    .bounds = bounds,
    .committed = duet_kafka_committed,
    .commit = duet_kafka_commit,
    .foreign_member = duet_kafka_foreign_member,
    .sender_new = duet_kafka_sender_new,
    .reader_new = duet_kafka_reader_new,
};

static bool is_set(const struct duet_kafka_client *client, const char *name)
{
    for (size_t i = 0; i < client->setting_count; i++)
        if (strcmp(client->settings[i], name) == 0)
            return true;
    return false;
}

/* A broker that is away is tried once a second, like the other side's: librdkafka's own bound of
 * 10 s is how late it would be seen to be back. */
static dt_status set_reconnect(struct duet_kafka_client *client)
{
    if (is_set(client, "reconnect.backoff.ms") ||
        is_set(client, "reconnect.backoff.max.ms"))
        return DT_OK;
    return duet_kafka_set_int(client->template, "reconnect.backoff.max.ms", RECONNECT_MS);
}

static dt_status fill_template(struct duet_kafka_client *client,
                               const struct duet_config *config, const char *name)
{
    dt_status status = DT_OK;

    client->template = rd_kafka_conf_new();
    client->settings =
        calloc(config->kafka_count ? config->kafka_count : 1, sizeof(*client->settings));
    if (client->settings == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a client");
    for (size_t i = 0; status == DT_OK && i < config->kafka_count; i++) {
        const struct duet_setting *setting = &config->kafka[i];

        client->settings[i] = strdup(setting->name);
        if (client->settings[i] == NULL)
            return dt_error_set(DT_ENOMEM, "kafka: no memory for a client");
        client->setting_count++;
        status = duet_kafka_set(client->template, setting->name, setting->value);
        if (status != DT_OK && config->path != NULL)
            dt_error_wrap(status, "%s:%d", config->path, setting->line);
    }
    if (status == DT_OK)
        status = duet_kafka_set(client->template, "client.id", name);
    if (status == DT_OK)
        status = set_reconnect(client);
    return status;
}

dt_status duet_kafka_open(const struct duet_config *config, const char *name,
                          struct duet_side_client **out)
{
    struct duet_kafka_client *client = calloc(1, sizeof(*client));
    dt_status status;

    if (client == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a client");
    client->base.ops = &kafka_ops;
    pthread_mutex_init(&client->lock, NULL);
    status = fill_template(client, config, name);
    if (status == DT_OK)
        status = duet_kafka_handle_take(rd_kafka_conf_dup(client->template),
                                        RD_KAFKA_CONSUMER, "client", &client->admin);
    if (status != DT_OK) {
        client_close(&client->base);
        return status;
    }
    *out = &client->base;
    return DT_OK;
}
