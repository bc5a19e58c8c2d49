/*
 * probe - what scenarios need to see, and to do, beside the product's own programs.
 *
 *   probe log --config F --side kafka|rocketmq [--topic T]
 *       every record of the log from its first to its end as it is now, one JSON object a line:
 *       {"partition":N,"position":N,"id":S,"window":N,"verdict":S,"content":S,"key":S|null,
 *        "value":S|null}; content: a hash of key, value and headers
 *   probe repair --config F --side kafka|rocketmq [--topic T]
 *       writes to that side each copy that only the other side has, under its own stamp, and says
 *       {"repaired":N}
 *   probe put --kafka ADDRESS | --rocketmq NAMESRV  --topic T --partition N [--key K] --value V
 *             [--stamp TEXT]
 *       one record that no duet producer made. For Kafka the stamp is hex (the header's bytes),
 *       for RocketMQ the property's text.
 *
 * Exit: 0, or 1 with the reason on stderr.
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "config/config.h"
#include "config/keys.h"
#include "model/mapping_encode.h"
#include "rmq/rmq.h"
#include "side/reader.h"
#include "side/sender.h"
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

static uint64_t fnv1a(uint64_t hash, struct dt_span span)
{
    hash = (hash ^ (span.data != NULL)) * UINT64_C(1099511628211);
    for (size_t i = 0; i < 8; i++)
        hash = (hash ^ (span.size >> (8 * i) & 0xff)) * UINT64_C(1099511628211);
    for (size_t i = 0; i < span.size; i++)
        hash = (hash ^ span.data[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t content_of(const struct duet_record *record)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    hash = fnv1a(fnv1a(hash, record->key), record->value);
    for (size_t i = 0; i < record->header_count; i++)
        hash = fnv1a(fnv1a(hash, record->headers[i].name), record->headers[i].value);
    return hash;
}

/* Called for each record of a log, the batch it is in still there; false ends it. */
typedef bool (*visit_fn)(void *context, int32_t partition,
                         const struct duet_read_record *record);

static bool print_record(void *context, int32_t partition,
                         const struct duet_read_record *record)
{
    struct dt_buf line;
    struct dt_json json;
    char id[DUET_ID_TEXT_SIZE], content[20];

    (void)context;
    dt_buf_init(&line, 16 << 20);
    dt_json_start(&json, &line);
    dt_json_object(&json);
    dt_json_kv_int(&json, "partition", partition);
    dt_json_kv_int(&json, "position", record->position);
    duet_id_text(id, &record->stamp.id);
    dt_json_kv_string(&json, "id", id);
    dt_json_kv_int(&json, "window", record->stamp.window);
    snprintf(content, sizeof(content), "%016llx",
             (unsigned long long)content_of(&record->record));
    dt_json_kv_string(&json, "content", content);
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
    return true;
}

static int read_partition(struct duet_reader *reader, int32_t partition, int64_t begin,
                          int64_t end, visit_fn visit, void *context)
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
                if (batch->records[i].position < end &&
                    !visit(context, partition, &batch->records[i]))
                    return 1;
            position = batch->next_position;
        }
        duet_read_batch_free(batch);
    }
    duet_reader_unassign(reader, partition);
    return 0;
}

static int read_log(struct duet_side_client *client, const struct duet_plan_route *route,
                    const struct duet_keys *keys, const struct duet_config *config,
                    visit_fn visit, void *context)
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
            code = read_partition(reader, p, begin, end, visit, context);
    }
    duet_reader_free(reader);
    return code;
}

/* What a command works with. */
struct opened {
    struct duet_config *config;
    struct duet_keys keys;
    struct duet_store *store;
    struct duet_plan *plan;
    struct duet_side_client *client[DUET_SIDES];
    const struct duet_plan_route *route;
    enum duet_side side;
};

static int open_all(const struct options *options, struct opened *opened)
{
    memset(opened, 0, sizeof(*opened));
    if (!options->side || !duet_side_parse(options->side, &opened->side))
        return fail("usage", "--side kafka or rocketmq is needed");
    if (duet_config_load(options->config, &opened->config) != DT_OK ||
        duet_keys_load(opened->config->key_path, &opened->keys) != DT_OK ||
        duet_store_open(opened->config->store, false, &opened->store) != DT_OK ||
        duet_store_plan_load(opened->store, &opened->plan) != DT_OK ||
        duet_side_open(opened->config, DUET_KAFKA, "probe", &opened->client[0]) != DT_OK ||
        duet_side_open(opened->config, DUET_ROCKETMQ, "probe", &opened->client[1]) != DT_OK)
        return fail("open", dt_error_text());
    opened->route = options->topic ? duet_plan_find(opened->plan, options->topic)
                                   : &opened->plan->routes[0];
    return opened->route ? 0 : fail("open", "no such topic");
}

static void close_all(struct opened *opened)
{
    for (int side = 0; side < DUET_SIDES; side++)
        duet_side_close(opened->client[side]);
    duet_plan_free(opened->plan);
    duet_store_close(opened->store);
    duet_config_free(opened->config);
}

static int command_log(const struct options *options)
{
    struct opened opened;
    int code = open_all(options, &opened);

    if (code == 0)
        code = read_log(opened.client[opened.side], opened.route, &opened.keys,
                        opened.config, print_record, NULL);
    close_all(&opened);
    return code;
}

/* ------------------------------------------------------------------ repair */

enum { PARTITIONS_MAX = 64, PROPERTIES = DUET_HEADERS_MAX + 4 };

struct repair {
    struct opened opened;
    struct duet_idset there[PARTITIONS_MAX]; /* on the side that is repaired */
    struct duet_sender *sender;
    atomic_int answered, stored;
    int repaired;
};

static bool note_there(void *context, int32_t partition,
                       const struct duet_read_record *record)
{
    struct repair *repair = context;
    bool added;

    return record->verdict != DUET_STAMP_OK ||
           duet_idset_add(&repair->there[partition], &record->stamp.id, 1, &added) == DT_OK;
}

static void note_sent(void *context, void *token, enum duet_outcome outcome,
                      const char *reason, int64_t position)
{
    struct repair *repair = context;

    (void)token, (void)position;
    if (outcome != DUET_DONE)
        fail("repair", reason);
    atomic_fetch_add(&repair->stored, outcome == DUET_DONE);
    atomic_fetch_add(&repair->answered, 1);
}

/* One at a time: a repair of some thousands is fast enough, and in order. */
static bool send_copy(void *context, int32_t partition,
                      const struct duet_read_record *record)
{
    static struct duet_property properties[PROPERTIES];
    struct repair *repair = context;
    const struct opened *opened = &repair->opened;
    uint8_t stamp[DUET_STAMP_SIZE];
    char text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_rmq_message message;
    struct dt_buf scratch;
    struct duet_send send = {.route = opened->route,
                             .partition = partition,
                             .record = &record->record,
                             .stamp = stamp,
                             .message = &message};
    int64_t until_ms = dt_clock_ms() + TIMEOUT_MS;
    dt_status status;

    if (record->verdict != DUET_STAMP_OK ||
        duet_idset_has(&repair->there[partition], &record->stamp.id))
        return true;
    duet_stamp_encode(stamp, &record->stamp, &opened->keys.stamp, opened->route->topic);
    duet_stamp_encode_text(text, &record->stamp, &opened->keys.stamp, opened->route->topic);
    dt_buf_init(&scratch, 16 << 20);
    status = duet_mapping_encode(&message, &record->record, dt_span_str(text), &scratch,
                                 properties);
    if (status == DT_OK)
        status = duet_sender_send(repair->sender, &send);
    if (status == DT_OK)
        duet_sender_flush(repair->sender);
    if (status == DT_OK)
        repair->repaired++;
    while (status == DT_OK && atomic_load(&repair->answered) < repair->repaired &&
           dt_clock_ms() < until_ms)
        usleep(100);
    dt_buf_fini(&scratch);
    if (status != DT_OK)
        fail("repair", dt_error_text());
    return status == DT_OK && atomic_load(&repair->stored) == repair->repaired;
}

static int command_repair(const struct options *options)
{
    static struct repair repair;
    struct opened *opened = &repair.opened;
    int code = open_all(options, opened);

    if (code == 0 && opened->route->partitions > PARTITIONS_MAX)
        code = fail("repair", "too many partitions");
    if (code == 0)
        code = read_log(opened->client[opened->side], opened->route, &opened->keys,
                        opened->config, note_there, &repair);
    if (code == 0 && duet_sender_new(opened->client[opened->side], 16 << 20, note_sent,
                                     &repair, &repair.sender) != DT_OK)
        code = fail("repair", dt_error_text());
    if (code == 0)
        code = read_log(opened->client[duet_other_side(opened->side)], opened->route,
                        &opened->keys, opened->config, send_copy, &repair);
    if (repair.sender != NULL)
        duet_sender_free(repair.sender, TIMEOUT_MS);
    for (int p = 0; p < PARTITIONS_MAX; p++)
        duet_idset_fini(&repair.there[p]);
    close_all(opened);
    if (code == 0)
        printf("{\"repaired\":%d}\n", repair.repaired);
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
    if (optind + 1 == argc && strcmp(argv[optind], "repair") == 0 && options.config)
        return command_repair(&options);
    return fail("usage", "log, repair or put, see the head of probe.c");
}
