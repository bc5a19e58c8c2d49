#include "support/pair.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "dual/wake.h"
#include "model/mapping_encode.h"

#define DEADLINE_MS 30000

static const char *route_settings = "";

void pair_route(const char *settings)
{
    route_settings = settings;
}

static void write_config(struct pair *pair, int32_t partitions, const char *settings)
{
    FILE *file = fopen(pair->config_path, "w");

    assert_non_null(file);
    fprintf(file,
            "migration: test\n"
            "store: sqlite:duet.db\n"
            "kafka: {bootstrap.servers: \"%s\"}\n"
            "rocketmq: {namesrv: \"%s\"}\n"
            "gates: {preset: test}\n%s"
            "routes:\n"
            "  - {topic: %s, partitions: %d, groups: [%s]%s}\n",
            duet_kafka_mock_address(pair->kafka), rmq_mock_namesrv(pair->rocketmq),
            settings, PAIR_TOPIC, (int)partitions, PAIR_GROUP, route_settings);
    route_settings = "";
    assert_int_equal(fclose(file), 0);
}

static void write_plan(struct pair *pair, int32_t partitions, enum duet_step step)
{
    struct duet_plan plan = {0};
    struct duet_plan_route route = {0};
    struct duet_plan_group group = {0};
    bool created;

    snprintf(plan.migration, sizeof(plan.migration), "test");
    snprintf(plan.timezone, sizeof(plan.timezone), "UTC");
    plan.key_number = pair->keys.number;
    snprintf(plan.key_fingerprint, sizeof(plan.key_fingerprint), "%s",
             pair->keys.fingerprint);
    plan.routes = &route;
    plan.route_count = 1;
    snprintf(route.topic, sizeof(route.topic), PAIR_TOPIC);
    snprintf(route.rocketmq_topic, sizeof(route.rocketmq_topic), PAIR_TOPIC);
    route.topic_number = 1;
    route.partitions = partitions;
    route.queues = calloc((size_t)partitions, sizeof(*route.queues));
    route.groups = &group;
    route.group_count = 1;
    snprintf(group.name, sizeof(group.name), PAIR_GROUP);
    group.wish = calloc((size_t)partitions, sizeof(*group.wish));
    assert_non_null(route.queues);
    assert_non_null(group.wish);
    for (int32_t p = 0; p < partitions; p++) {
        snprintf(route.queues[p].broker_name, sizeof(route.queues[p].broker_name),
                 "broker-a");
        route.queues[p].queue_id = p;
    }
    assert_int_equal(duet_store_plan_init(pair->store, &plan, &created), DT_OK);
    free(route.queues);
    free(group.wish);
    assert_int_equal(duet_store_plan_load(pair->store, &pair->plan), DT_OK);
    pair_plan(pair, step, DUET_KAFKA, 1u << DUET_KAFKA);
}

void pair_start(struct pair *pair, int32_t partitions, enum duet_step step,
                const char *settings)
{
    memset(pair, 0, sizeof(*pair));
    snprintf(pair->folder, sizeof(pair->folder), "/tmp/duet-pair-XXXXXX");
    assert_non_null(mkdtemp(pair->folder));
    snprintf(pair->config_path, sizeof(pair->config_path), "%s/duet.yaml", pair->folder);
    snprintf(pair->sink, sizeof(pair->sink), "sqlite:%s/sink", pair->folder);
    assert_int_equal(duet_kafka_mock_start(&pair->kafka), DT_OK);
    assert_int_equal(duet_kafka_mock_topic(pair->kafka, PAIR_TOPIC, partitions), DT_OK);
    assert_int_equal(rmq_mock_new(NULL, &pair->rocketmq), DT_OK);
    assert_int_equal(rmq_mock_topic_create(pair->rocketmq, PAIR_TOPIC, partitions), DT_OK);
    write_config(pair, partitions, settings);
    assert_int_equal(duet_config_load(pair->config_path, &pair->config), DT_OK);
    assert_int_equal(duet_keys_create(pair->config->key_path, 1), DT_OK);
    assert_int_equal(duet_keys_load(pair->config->key_path, &pair->keys), DT_OK);
    assert_int_equal(duet_store_open(pair->config->store, true, &pair->store), DT_OK);
    write_plan(pair, partitions, step);
}

static int remove_one(const char *path, const struct stat *about, int kind,
                      struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

void pair_stop(struct pair *pair)
{
    duet_plan_free(pair->plan);
    duet_store_close(pair->store);
    duet_config_free(pair->config);
    rmq_mock_free(pair->rocketmq);
    duet_kafka_mock_stop(pair->kafka);
    nftw(pair->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void pair_plan(struct pair *pair, enum duet_step step, enum duet_side wish,
               unsigned critical)
{
    struct duet_plan_route *route = &pair->plan->routes[0];

    route->step = step;
    route->write = duet_step_write(step);
    route->critical = critical;
    for (int32_t p = 0; p < route->partitions; p++)
        route->groups[0].wish[p] = wish;
    assert_int_equal(duet_store_plan_update(pair->store, pair->plan, "test", "", ""),
                     DT_OK);
}

struct sent {
    struct duet_wake wake;
    enum duet_outcome outcome;
    bool done;
    pthread_mutex_t lock;
};

static void note_sent(void *context, void *token, enum duet_outcome outcome,
                      const char *reason, int64_t position)
{
    struct sent *sent = context;

    (void)token;
    (void)reason;
    (void)position;
    pthread_mutex_lock(&sent->lock);
    sent->outcome = outcome;
    sent->done = true;
    pthread_mutex_unlock(&sent->lock);
    duet_wake_raise(&sent->wake);
}

void pair_send(struct pair *pair, enum duet_side side, int32_t partition, uint32_t instance,
               uint64_t sequence, const char *value)
{
    struct duet_id id = {
        .instance = instance, .partition = (uint16_t)partition, .sequence = sequence};

    pair_send_linked(pair, side, &id, value, NULL, 0);
}

void pair_send_linked(struct pair *pair, enum duet_side side, const struct duet_id *id,
                      const char *value, const struct duet_link_entry *entries,
                      size_t entry_count)
{
    const struct duet_plan_route *route = &pair->plan->routes[0];
    struct duet_stamp stamp = {.id = *id};
    uint8_t link[DUET_LINK_SIZE_MAX];
    char link_text[DT_BASE64_SIZE(DUET_LINK_SIZE_MAX)];
    struct duet_record record = {0};
    uint8_t bytes[DUET_STAMP_SIZE];
    char text[DUET_STAMP_TEXT_SIZE + 1];
    struct duet_rmq_message message;
    struct duet_property properties[8];
    struct dt_buf scratch;
    struct duet_send send = {.route = route,
                             .partition = id->partition,
                             .record = &record,
                             .stamp = bytes,
                             .message = &message,
                             .token = pair};
    struct duet_side_client *client;
    struct duet_sender *sender;
    struct sent sent = {.outcome = DUET_IN_DOUBT};
    bool done = false;

    record.value = dt_span_str(value);
    record.timestamp_ms = -1;
    stamp.key_number = pair->keys.number;
    stamp.flags = duet_mapping_flags(&record);
    stamp.window = duet_window_of(dt_clock_wall_ms());
    stamp.day = 15706;
    duet_stamp_encode(bytes, &stamp, &pair->keys.stamp, route->topic);
    duet_stamp_encode_text(text, &stamp, &pair->keys.stamp, route->topic);
    dt_buf_init(&scratch, 1 << 20);
    assert_int_equal(
        duet_mapping_encode(&message, &record, dt_span_str(text), &scratch, properties),
        DT_OK);
    if (entry_count > 0) {
        size_t size = duet_link_encode(link, entries, entry_count, &pair->keys.stamp,
                                       route->topic, id);

        dt_base64_encode(link_text, link, size);
        send.link = dt_span_of(link, size);
        assert_true(duet_mapping_add_link(
            &message, dt_span_of(link_text, DT_BASE64_SIZE(size)), properties));
    }
    assert_int_equal(duet_wake_init(&sent.wake), DT_OK);
    pthread_mutex_init(&sent.lock, NULL);
    assert_int_equal(duet_side_open(pair->config, side, "pair", &client), DT_OK);
    assert_int_equal(duet_sender_new(client, 1 << 20, note_sent, &sent, &sender), DT_OK);
    assert_int_equal(duet_sender_send(sender, &send), DT_OK);
    duet_sender_flush(sender);
    for (int64_t until_ms = dt_clock_ms() + DEADLINE_MS;
         !done && dt_clock_ms() < until_ms;) {
        duet_wake_wait(&sent.wake, 1000);
        pthread_mutex_lock(&sent.lock);
        done = sent.done;
        pthread_mutex_unlock(&sent.lock);
    }
    duet_sender_free(sender, 1000);
    duet_side_close(client);
    duet_wake_fini(&sent.wake);
    pthread_mutex_destroy(&sent.lock);
    dt_buf_fini(&scratch);
    assert_int_equal(sent.outcome, DUET_DONE);
}

struct log {
    uint64_t *sequences;
    size_t count, max;
};

static void add_sequence(void *context, const struct duet_read_record *record)
{
    struct log *log = context;

    if (log->count < log->max)
        log->sequences[log->count++] = record->stamp.id.sequence;
}

size_t pair_log(struct pair *pair, enum duet_side side, int32_t partition,
                uint64_t *sequences, size_t max)
{
    struct log log = {sequences, 0, max};

    pair_each(pair, side, partition, add_sequence, &log);
    return log.count;
}

void pair_each(struct pair *pair, enum duet_side side, int32_t partition,
               void (*visit)(void *context, const struct duet_read_record *record),
               void *context)
{
    struct duet_reader_config config = {0};
    struct duet_side_client *client;
    struct duet_reader *reader;
    struct duet_wake wake;
    int64_t begin, end, next = 0;

    assert_int_equal(duet_wake_init(&wake), DT_OK);
    assert_int_equal(duet_side_open(pair->config, side, "pair-log", &client), DT_OK);
    assert_int_equal(duet_side_bounds(client, &pair->plan->routes[0], partition,
                                      DEADLINE_MS, &begin, &end),
                     DT_OK);
    config.route = &pair->plan->routes[0];
    config.group = "pair-log";
    config.stamp_key = &pair->keys.stamp;
    config.zone = pair->config->zone;
    config.notify = duet_wake_notify;
    config.context = &wake;
    assert_int_equal(duet_reader_new(client, &config, &reader), DT_OK);
    if (end > begin)
        assert_int_equal(duet_reader_assign(reader, partition, begin), DT_OK);
    for (int64_t until_ms = dt_clock_ms() + DEADLINE_MS; next < end && end > begin;) {
        struct duet_read_batch *batch;

        assert_true(dt_clock_ms() < until_ms);
        assert_int_equal(duet_reader_poll(reader, 1000, &batch), DT_OK);
        if (batch == NULL) {
            duet_wake_wait(&wake, 100);
            continue;
        }
        for (size_t i = 0; i < batch->count; i++)
            visit(context, &batch->records[i]);
        if (batch->event == DUET_READ_RECORDS)
            next = batch->next_position;
        duet_read_batch_free(batch);
    }
    duet_reader_free(reader);
    duet_side_close(client);
    duet_wake_fini(&wake);
}

bool pair_wait(bool (*condition)(void *context), void *context)
{
    for (int64_t until_ms = dt_clock_ms() + DEADLINE_MS; dt_clock_ms() < until_ms;) {
        if (condition(context))
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

int64_t pair_number(const char *sink, enum duet_role role, const char *sql)
{
    char path[256];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    snprintf(path, sizeof(path), "%s/%s.db", sink + strlen("sqlite:"),
             duet_role_name(role));
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_ROW)
            number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}
