/*
 * probe - what scenarios need to see, and to do, beside the product's own programs.
 *
 *   probe log --config F --side kafka|rocketmq [--topic T]
 *       every record of the log from its first to its end as it is now, one JSON object a line:
 *       {"partition":N,"position":N,"id":S,"verdict":S,"key":S|null,"value":S|null}
 *   probe put --kafka ADDRESS | --rocketmq NAMESRV  --topic T --partition N [--key K] --value V
 *             [--stamp TEXT]
 *       one record that no duet producer made. For Kafka the stamp is hex (the header's bytes),
 *       for RocketMQ the property's text.
 *
 * Exit: 0, or 1 with the reason on stderr.
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "config/config.h"
#include "config/keys.h"
#include "rmq/rmq.h"
#include "side/reader.h"
#include "store/control_store.h"

enum { TIMEOUT_MS = 20000 };

struct options {
    const char *config, *side, *topic, *kafka, *rocketmq, *key, *value, *stamp;
    int32_t partition;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "probe: %s: %s\n", what, why);
    return 1;
}

/* ------------------------------------------------------------------ log */

static void print_record(int32_t partition, const struct duet_read_record *record)
{
    struct dt_buf line;
    struct dt_json json;
    char id[DUET_ID_TEXT_SIZE];

    dt_buf_init(&line, 16 << 20);
    dt_json_start(&json, &line);
    dt_json_object(&json);
    dt_json_kv_int(&json, "partition", partition);
    dt_json_kv_int(&json, "position", record->position);
    duet_id_text(id, &record->stamp.id);
    dt_json_kv_string(&json, "id", id);
    dt_json_kv_string(
        &json, "verdict",
        record->verdict == DUET_STAMP_OK ? "ok" : duet_stamp_verdict_text(record->verdict));
    dt_json_key(&json, "key");
    if (record->record.key.data)
        dt_json_span(&json, record->record.key);
    else
        dt_json_null(&json);
    dt_json_key(&json, "value");
    if (record->record.value.data)
        dt_json_span(&json, record->record.value);
    else
        dt_json_null(&json);
    dt_json_object_end(&json);
    puts(dt_buf_str(&line));
    dt_buf_fini(&line);
}

static int read_partition(struct duet_reader *reader, int32_t partition, int64_t begin,
                          int64_t end)
{
    int64_t deadline_ms = dt_clock_ms() + TIMEOUT_MS, position = begin;

    if (duet_reader_assign(reader, partition, begin) != DT_OK)
        return fail("assign", dt_error_text());
    while (position < end) {
        struct duet_read_batch *batch = NULL;

        if (dt_clock_ms() > deadline_ms)
            return fail("log", "its end did not come in time");
        if (duet_reader_poll(reader, 1000, &batch) != DT_OK)
            return fail("poll", dt_error_text());
        if (!batch) {
            usleep(1000);
            continue;
        }
        if (batch->event == DUET_READ_MOVED)
            return fail("log", "its beginning is gone: the in-memory Kafka is full");
        if (batch->event == DUET_READ_RECORDS && batch->partition == partition) {
            for (size_t i = 0; i < batch->count; i++)
                if (batch->records[i].position < end)
                    print_record(partition, &batch->records[i]);
            position = batch->next_position;
        }
        duet_read_batch_free(batch);
    }
    duet_reader_unassign(reader, partition);
    return 0;
}

static int read_log(struct duet_side_client *client, const struct duet_plan_route *route,
                    const struct duet_keys *keys, const struct duet_config *config)
{
    struct duet_reader_config reading = {
        .route = route, .group = "probe", .stamp_key = &keys->stamp, .zone = config->zone};
    struct duet_reader *reader = NULL;
    int code = 0;

    if (duet_reader_new(client, &reading, &reader) != DT_OK)
        return fail("reader", dt_error_text());
    for (int32_t p = 0; p < route->partitions && code == 0; p++) {
        int64_t begin, end;
        if (duet_side_bounds(client, route, p, TIMEOUT_MS, &begin, &end) != DT_OK)
            code = fail("bounds", dt_error_text());
        else
            code = read_partition(reader, p, begin, end);
    }
    duet_reader_free(reader);
    return code;
}

static int command_log(const struct options *options)
{
    struct duet_config *config = NULL;
    struct duet_keys keys;
    struct duet_store *store = NULL;
    struct duet_plan *plan = NULL;
    struct duet_side_client *client = NULL;
    const struct duet_plan_route *route = NULL;
    enum duet_side side;
    int code;

    if (!options->side || !duet_side_parse(options->side, &side))
        return fail("log", "--side kafka or rocketmq is needed");
    if (duet_config_load(options->config, &config) != DT_OK ||
        duet_keys_load(config->key_path, &keys) != DT_OK ||
        duet_store_open(config->store, false, &store) != DT_OK ||
        duet_store_plan_load(store, &plan) != DT_OK ||
        duet_side_open(config, side, "probe", &client) != DT_OK) {
        code = fail("open", dt_error_text());
    } else {
        route = options->topic ? duet_plan_find(plan, options->topic) : &plan->routes[0];
        code =
            route ? read_log(client, route, &keys, config) : fail("log", "no such topic");
    }
    duet_side_close(client);
    duet_plan_free(plan);
    duet_store_close(store);
    duet_config_free(config);
    return code;
}

/* ------------------------------------------------------------------ put */

static int put_kafka(const struct options *options)
{
    char reason[512];
    uint8_t stamp[256];
    size_t size = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (const char *hex = options->stamp; hex && hex[0] && hex[1]; hex += 2) {
        char pair[3] = {hex[0], hex[1], 0};
        if (size < sizeof(stamp))
            stamp[size++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    if (rd_kafka_conf_set(conf, "bootstrap.servers", options->kafka, reason,
                          sizeof(reason)) != RD_KAFKA_CONF_OK)
        return fail("kafka", reason);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!kafka)
        return fail("kafka", reason);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    if (options->stamp)
        rd_kafka_header_add(headers, DUET_STAMP_KAFKA_HEADER, -1, stamp, (ssize_t)size);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        kafka, RD_KAFKA_V_TOPIC(options->topic), RD_KAFKA_V_PARTITION(options->partition),
        RD_KAFKA_V_KEY(options->key, options->key ? strlen(options->key) : 0),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)options->value, strlen(options->value)),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = rd_kafka_flush(kafka, TIMEOUT_MS);
    rd_kafka_destroy(kafka);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : fail("kafka", rd_kafka_err2str(error));
}

static int put_rocketmq(const struct options *options)
{
    const rmq_client_config client_config = {.namesrv = options->rocketmq};
    const rmq_producer_config producer_config = {.group = "probe"};
    const rmq_property property = {DUET_STAMP_PROPERTY, options->stamp};
    const rmq_message message = {.topic = options->topic,
                                 .body = options->value,
                                 .body_size = strlen(options->value),
                                 .keys = options->key,
                                 .properties = &property,
                                 .property_count = options->stamp ? 1 : 0};
    rmq_client *client = NULL;
    rmq_producer *producer = NULL;
    rmq_queue *queues = NULL;
    size_t count = 0;
    dt_status status = rmq_client_new(&client_config, &client);

    if (status == DT_OK)
        status = rmq_producer_new(client, &producer_config, &producer);
    if (status == DT_OK)
        status =
            rmq_topic_write_queues(client, options->topic, &queues, &count, TIMEOUT_MS);
    if (status == DT_OK && (size_t)options->partition >= count)
        return fail("rocketmq", "no such queue");
    if (status == DT_OK)
        status =
            rmq_send(producer, &queues[options->partition], &message, TIMEOUT_MS, NULL);
    int code = status == DT_OK ? 0 : fail("rocketmq", dt_error_text());
    rmq_free(queues);
    rmq_producer_free(producer);
    rmq_client_free(client);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"side", required_argument, NULL, 's'},
        {"topic", required_argument, NULL, 't'},
        {"kafka", required_argument, NULL, 'k'},
        {"rocketmq", required_argument, NULL, 'r'},
        {"partition", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'K'},
        {"value", required_argument, NULL, 'v'},
        {"stamp", required_argument, NULL, 'S'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.config = optarg;
            break;
        case 's':
            options.side = optarg;
            break;
        case 't':
            options.topic = optarg;
            break;
        case 'k':
            options.kafka = optarg;
            break;
        case 'r':
            options.rocketmq = optarg;
            break;
        case 'p':
            options.partition = atoi(optarg);
            break;
        case 'K':
            options.key = optarg;
            break;
        case 'v':
            options.value = optarg;
            break;
        case 'S':
            options.stamp = optarg;
            break;
        default:
            return 1;
        }
    }
    if (optind + 1 == argc && strcmp(argv[optind], "log") == 0 && options.config)
        return command_log(&options);
    if (optind + 1 == argc && strcmp(argv[optind], "put") == 0 && options.topic &&
        options.value && options.kafka)
        return put_kafka(&options);
    if (optind + 1 == argc && strcmp(argv[optind], "put") == 0 && options.topic &&
        options.value && options.rocketmq)
        return put_rocketmq(&options);
    return fail("usage", "log or put, see the head of probe.c");
}
