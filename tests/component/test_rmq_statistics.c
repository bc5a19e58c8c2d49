/* librmq: the client's statistics say what was done, and docs/rmq-statistics.md says what they say */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "consumer_world.h"
#include "support/case.h"

enum { INTERVAL_MS = 10, FIELDS_MAX = 400, FIELD_SIZE = 100 };

/* ---------------------------------------------------------------- documents that were given */

struct document {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    cJSON *last;
    int count;
    bool was_short; /* one was not as long as it was said to be */
};

static void document_init(struct document *document)
{
    memset(document, 0, sizeof(*document));
    pthread_mutex_init(&document->mutex, NULL);
    pthread_cond_init(&document->changed, NULL);
}

static void document_fini(struct document *document)
{
    cJSON_Delete(document->last);
    pthread_cond_destroy(&document->changed);
    pthread_mutex_destroy(&document->mutex);
}

static void take(void *opaque, const char *json, size_t size)
{
    struct document *document = opaque;
    const char *end = NULL;
    cJSON *parsed = cJSON_ParseWithOpts(json, &end, 1);

    pthread_mutex_lock(&document->mutex);
    cJSON_Delete(document->last);
    document->last = parsed;
    document->was_short |= strlen(json) != size;
    document->count++;
    pthread_cond_broadcast(&document->changed);
    pthread_mutex_unlock(&document->mutex);
}

static rmq_client_config with_statistics(struct document *document)
{
    return (rmq_client_config){.backoff_ms_min = 1,
                               .backoff_ms_max = 4,
                               .statistics_interval_ms = INTERVAL_MS,
                               .statistics = take,
                               .statistics_opaque = document};
}

/* Waits for a document that `is_wanted` agrees to; the caller lets go of it. */
typedef bool (*wanted_fn)(const cJSON *json, const void *context);

static const cJSON *wait_for(struct document *document, wanted_fn is_wanted,
                             const void *context)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    pthread_mutex_lock(&document->mutex);
    while (document->last == NULL || !is_wanted(document->last, context))
        if (pthread_cond_timedwait(&document->changed, &document->mutex, &until) != 0) {
            char *text = cJSON_Print(document->last);

            fprintf(stderr, "the last of %d documents: %s\n", document->count, text);
            free(text);
            fail_msg("no document came that says what it should");
        }
    assert_false(document->was_short);
    return document->last;
}

static void let_go(struct document *document)
{
    pthread_mutex_unlock(&document->mutex);
}

static const cJSON *field(const cJSON *json, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);

    if (value == NULL)
        print_error("no field '%s'\n", name);
    assert_non_null(value);
    return value;
}

static int64_t number(const cJSON *json, const char *name)
{
    const cJSON *value = field(json, name);

    assert_true(cJSON_IsNumber(value));
    return (int64_t)value->valuedouble;
}

static bool is_text(const cJSON *json, const char *name, const char *text)
{
    return strcmp(field(json, name)->valuestring, text) == 0;
}

/* The element of an array whose field has this text; NULL: none. */
static const cJSON *element(const cJSON *json, const char *array, const char *name,
                            const char *text)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, field(json, array)) if (is_text(one, name, text)) return one;
    return NULL;
}

static const cJSON *of_queue(const cJSON *json, const rmq_queue *queue)
{
    const cJSON *one;

    cJSON_ArrayForEach(
        one,
        field(json, "queues")) if (is_text(one, "broker_name", queue->broker_name) &&
                                   number(one, "queue_id") == queue->queue_id) return one;
    return NULL;
}

static const cJSON *first(const cJSON *json, const char *array)
{
    return cJSON_GetArrayItem(field(json, array), 0);
}

/* The first queue of a consumer's topic, not of the group's retry topic; NULL: none. */
static const cJSON *queue_of(const cJSON *consumer)
{
    const cJSON *topic;

    cJSON_ArrayForEach(
        topic,
        field(consumer,
              "topics")) if (cJSON_IsFalse(field(topic, "retry"))) return first(topic,
                                                                                "queues");
    return NULL;
}

/* ---------------------------------------------------------------- the page */

struct fields {
    size_t count;
    struct {
        char name[FIELD_SIZE];
        char type[16];
    } all[FIELDS_MAX];
};

static int find_field(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->all[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void add_field(struct fields *fields, const char *name, const char *type)
{
    if (find_field(fields, name) >= 0)
        return;
    assert_true(fields->count < FIELDS_MAX);
    snprintf(fields->all[fields->count].name, FIELD_SIZE, "%s", name);
    snprintf(fields->all[fields->count].type, sizeof(fields->all[0].type), "%s", type);
    fields->count++;
}

/* Lines of the page's tables: | `name` | type | meaning | */
static void read_page(struct fields *fields)
{
    FILE *page = fopen(SOURCE_DIR "/docs/rmq-statistics.md", "r");
    char line[1000], name[FIELD_SIZE], type[16];

    assert_non_null(page);
    while (fgets(line, sizeof(line), page) != NULL) {
        if (sscanf(line, "| `%99[^`]` | %15[a-z] |", name, type) != 2)
            continue;
        assert_int_equal(find_field(fields, name), -1); /* once */
        add_field(fields, name, type);
    }
    fclose(page);
}

static const char *type_of(const cJSON *value)
{
    if (cJSON_IsString(value))
        return "string";
    if (cJSON_IsBool(value))
        return "bool";
    if (cJSON_IsArray(value))
        return "array";
    return cJSON_IsObject(value) ? "object" : "int";
}

static void read_document(struct fields *fields, const cJSON *json, const char *prefix)
{
    const cJSON *value, *one;

    cJSON_ArrayForEach(value, json)
    {
        char name[FIELD_SIZE], inside[FIELD_SIZE + 4];

        snprintf(name, sizeof(name), "%s%s", prefix, value->string);
        add_field(fields, name,
                  cJSON_IsNumber(value) && strcmp(value->string, "batch_avg") == 0
                      ? "number"
                      : type_of(value));
        if (cJSON_IsNumber(value) && strcmp(value->string, "batch_avg") != 0)
            assert_true(value->valuedouble == (double)(int64_t)value->valuedouble);
        snprintf(inside, sizeof(inside), "%s%s", name, cJSON_IsArray(value) ? "[]." : ".");
        if (cJSON_IsObject(value))
            read_document(fields, value, inside);
        if (cJSON_IsArray(value))
            cJSON_ArrayForEach(one, value) read_document(fields, one, inside);
    }
}

static bool has_all(const cJSON *json, const void *context)
{
    const cJSON *group = element(json, "consumers", "kind", "group");
    const cJSON *pull = element(json, "consumers", "kind", "pull");

    (void)context;
    return group != NULL && pull != NULL && queue_of(group) != NULL &&
           queue_of(pull) != NULL && cJSON_GetArraySize(field(json, "producers")) > 0 &&
           cJSON_GetArraySize(field(first(json, "producers"), "queues")) > 0;
}

static void the_page_has_every_field_and_no_other(void **state)
{
    static struct fields page, given;
    struct world world;
    struct document document;
    struct seen *seen = seen_new();
    rmq_client_config config;
    rmq_message message;
    rmq_producer *producer;
    rmq_consumer *group;
    rmq_pull_consumer *pull;
    int wrong = 0;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    world_open(&world, false, 2, &config);
    producer = world_producer(&world, NULL);
    message = text_message(&world, "1");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    group = group_consumer(&world, world.client, seen, NULL);
    pull = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(pull, &world.queues[0], 0));
    read_document(&given, wait_for(&document, has_all, NULL), "");
    let_go(&document);
    rmq_pull_consumer_free(pull);
    rmq_consumer_free(group);
    rmq_producer_free(producer);
    world_close(&world);
    document_fini(&document);
    seen_free(seen);

    read_page(&page);
    assert_true(page.count > 100);
    for (size_t i = 0; i < given.count; i++) {
        int at = find_field(&page, given.all[i].name);

        if (at >= 0 && strcmp(page.all[at].type, given.all[i].type) == 0)
            continue;
        print_error("%s (%s) is given and not, or otherwise, on the page\n",
                    given.all[i].name, given.all[i].type);
        wrong++;
    }
    for (size_t i = 0; i < page.count; i++) {
        if (find_field(&given, page.all[i].name) >= 0)
            continue;
        print_error("%s is on the page and not given\n", page.all[i].name);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* ---------------------------------------------------------------- producers */

static bool has_stored(const cJSON *json, const void *context)
{
    int64_t stored = 0, wanted = *(const int *)context;
    const cJSON *producer, *queue;

    cJSON_ArrayForEach(producer, field(json, "producers"))
        cJSON_ArrayForEach(queue, field(producer, "queues")) stored +=
        number(queue, "stored");
    return stored == wanted && number(json, "memory_used") == 0;
}

static void assert_all_accounted(const cJSON *requests, int64_t under_way)
{
    assert_int_equal(number(requests, "sent"),
                     number(requests, "oneway") + number(requests, "answered") +
                         number(requests, "timed_out") + number(requests, "failed") +
                         number(requests, "cancelled") + under_way);
}

static void check_brokers(const cJSON *json)
{
    int64_t sent = 0, under_way = 0;
    const cJSON *one;

    cJSON_ArrayForEach(one, field(json, "brokers"))
    {
        const cJSON *requests = field(one, "requests"), *rtt = field(one, "rtt");

        sent += number(requests, "sent");
        under_way += number(requests, "in_flight");
        assert_all_accounted(requests, number(requests, "in_flight"));
        assert_true(number(rtt, "min_us") <= number(rtt, "p50_us"));
        assert_true(number(rtt, "p50_us") <= number(rtt, "p99_us"));
        assert_true(number(rtt, "p99_us") <= number(rtt, "max_us"));
        assert_true(number(rtt, "min_us") <= number(rtt, "avg_us"));
        assert_true(number(rtt, "avg_us") <= number(rtt, "max_us"));
    }
    assert_int_equal(number(field(json, "requests"), "sent"), sent);
    assert_all_accounted(field(json, "requests"), under_way);
}

static void what_is_sent_is_counted(void **state)
{
    enum { ONES = 100, BATCH = 10, BODY = 200 };
    const int all = ONES + BATCH;
    struct world world;
    struct document document;
    struct sent *sent = sent_new();
    char body[BODY];
    rmq_message batch[BATCH];
    rmq_target target = {0};
    rmq_producer *producer;
    rmq_client_config config;
    const cJSON *json, *queue;

    (void)state;
    memset(body, 'x', sizeof(body));
    document_init(&document);
    config = with_statistics(&document);
    world_open(&world, true, 2, &config);
    producer = world_producer(&world, NULL);
    for (int i = 0; i < BATCH; i++) {
        batch[i] = text_message(&world, "");
        batch[i].body = body;
        batch[i].body_size = sizeof(body);
    }
    for (int i = 0; i < ONES; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));
    target.queue = &world.queues[1];
    assert_done(rmq_send_batch(producer, &target, batch, BATCH, LONG_MS, NULL));
    sent_wait(sent, ONES);

    json = wait_for(&document, has_stored, &all);
    check_brokers(json);
    assert_true(is_text(json, "version", rmq_version()));
    assert_true(is_text(json, "client_id", rmq_client_id(world.client)));
    assert_int_equal(number(json, "interval_ms"), INTERVAL_MS);
    assert_in_range(number(json, "time_ms"), dt_clock_wall_ms() - LONG_MS,
                    dt_clock_wall_ms());
    assert_in_range(number(json, "age_ms"), 1, LONG_MS);
    assert_in_range(number(json, "connections"), 2, 2); /* name server, broker */
    assert_true(number(field(json, "routes"), "refreshes") > 0);
    assert_int_equal(number(json, "retries"), 0);
    assert_int_equal(number(json, "memory_max"), 64 << 20);
    assert_true(number(element(json, "brokers", "role", "master"), "tx_bytes") >
                BATCH * BODY);
    assert_int_equal(number(element(json, "brokers", "role", "master"), "connects"), 1);
    assert_true(is_text(element(json, "brokers", "role", "master"), "name", "broker-a"));
    assert_true(is_text(element(json, "brokers", "role", "namesrv"), "state", "open"));

    queue = of_queue(first(json, "producers"), &world.queues[0]);
    assert_true(is_text(queue, "lane", "ordered") && is_text(queue, "state", "ready"));
    assert_true(is_text(queue, "topic", world.topic));
    assert_int_equal(number(queue, "stored"), ONES);
    assert_int_equal(number(queue, "messages"), ONES);
    assert_in_range(number(queue, "requests"), 1, ONES);
    assert_true(field(queue, "batch_avg")->valuedouble * (double)number(queue, "requests") >
                ONES - 1);
    assert_int_equal(number(queue, "queued") + number(queue, "in_flight"), 0);

    queue = of_queue(first(json, "producers"), &world.queues[1]);
    assert_int_equal(number(queue, "stored"), BATCH);
    assert_int_equal(number(queue, "requests"), 1);
    assert_int_equal(number(queue, "batches"), 1);
    assert_int_equal(field(queue, "batch_avg")->valuedouble, BATCH);
    assert_in_range(number(queue, "bytes"), BATCH * BODY, BATCH * (BODY + 200));
    assert_int_equal(number(queue, "not_stored") + number(queue, "in_doubt"), 0);
    let_go(&document);
    rmq_producer_free(producer);
    world_close(&world);
    document_fini(&document);
    sent_free(sent);
}

static bool has_one_in_flight(const cJSON *json, const void *context)
{
    const cJSON *producer = first(json, "producers");
    const cJSON *queue = producer == NULL ? NULL : of_queue(producer, context);

    return queue != NULL && number(queue, "in_flight") == 1 && number(queue, "queued") == 4;
}

static void what_waits_is_counted(void **state)
{
    const int all = 5;
    const rmq_mock_config still = {.virtual_time = true};
    struct world world = {.topic = "waiting"};
    struct document document;
    struct sent *sent = sent_new();
    rmq_producer *producer;
    rmq_client_config config;
    const cJSON *json;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    config.request_timeout_ms = LONG_MS;
    assert_done(rmq_mock_new(&still, &world.mock));
    assert_done(rmq_mock_topic_create(world.mock, world.topic, 1));
    config.namesrv = rmq_mock_namesrv(world.mock);
    assert_done(rmq_client_new(&config, &world.client));
    assert_done(rmq_topic_write_queues(world.client, world.topic, &world.queues,
                                       &world.queue_count, LONG_MS));
    producer = world_producer(&world, NULL);
    rmq_mock_delay(world.mock, 1000);
    assert_done(send_number(&world, producer, 0, sent, 0, LONG_MS));
    assert_true(rmq_mock_wait_requests(world.mock, 0, 1, LONG_MS));
    for (int i = 1; i < all; i++)
        assert_done(send_number(&world, producer, 0, sent, i, LONG_MS));

    json = wait_for(&document, has_one_in_flight, &world.queues[0]);
    assert_int_equal(
        number(of_queue(first(json, "producers"), &world.queues[0]), "requests_in_flight"),
        1);
    assert_int_equal(number(first(first(json, "producers"), "brokers"), "window"), 256);
    assert_int_equal(
        number(first(first(json, "producers"), "brokers"), "requests_in_flight"), 1);
    assert_true(number(first(json, "producers"), "memory_used") > 0);
    assert_int_equal(number(first(json, "producers"), "memory_used"),
                     number(json, "memory_used"));
    let_go(&document);
    rmq_mock_delay(world.mock, 0);
    assert_done(rmq_mock_time_advance(world.mock, 1000));
    sent_wait(sent, all);
    wait_for(&document, has_stored, &all);
    let_go(&document);
    rmq_producer_free(producer);
    world_close(&world);
    document_fini(&document);
    sent_free(sent);
}

/* ---------------------------------------------------------------- a broker that is down */

static bool is_down(const cJSON *json, const void *context)
{
    const cJSON *producer = first(json, "producers");
    const cJSON *broker = element(json, "brokers", "role", "master");
    const cJSON *queue = producer == NULL ? NULL : of_queue(producer, context);

    return broker != NULL && queue != NULL && is_text(broker, "state", "down") &&
           is_text(queue, "state", "backoff") && number(queue, "queued") == 1;
}

static void a_broker_that_is_down_shows(void **state)
{
    const int all = 2;
    struct world world;
    struct document document;
    struct sent *sent = sent_new();
    rmq_producer *producer;
    rmq_client_config config;
    const cJSON *json, *broker, *queue;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    config.backoff_ms_min = 50; /* so that it is seen */
    config.backoff_ms_max = 50;
    world_open(&world, true, 1, &config);
    producer = world_producer(&world, NULL);
    assert_done(send_number(&world, producer, 0, sent, 0, LONG_MS));
    sent_wait(sent, 1);
    world_down(&world);
    assert_done(send_number(&world, producer, 0, sent, 1, LONG_MS));

    json = wait_for(&document, is_down, &world.queues[0]);
    check_brokers(json);
    broker = element(json, "brokers", "role", "master");
    assert_int_equal(number(broker, "connects"), 1);
    assert_int_equal(number(broker, "disconnects"), 1);
    assert_true(number(broker, "connect_failures") > 0);
    assert_true(number(field(broker, "requests"), "not_sent") > 0);
    queue = of_queue(first(json, "producers"), &world.queues[0]);
    assert_true(number(queue, "backoffs") > 0 && number(queue, "retries") >= 0);
    assert_non_null(
        strstr(field(queue, "trouble")->valuestring, rmq_mock_broker(world.mock)));
    assert_int_equal(number(queue, "stored"), 1);
    let_go(&document);

    assert_done(rmq_mock_up(world.mock));
    sent_wait(sent, all);
    json = wait_for(&document, has_stored, &all);
    check_brokers(json);
    broker = element(json, "brokers", "role", "master");
    assert_true(is_text(broker, "state", "open"));
    assert_int_equal(number(broker, "connects"), 2);
    queue = of_queue(first(json, "producers"), &world.queues[0]);
    assert_true(is_text(queue, "trouble", "") && is_text(queue, "state", "ready"));
    let_go(&document);
    rmq_producer_free(producer);
    world_close(&world);
    document_fini(&document);
    sent_free(sent);
}

/* ---------------------------------------------------------------- consumers */

struct lag_wish {
    const char *kind;
    int64_t lag, handled;
};

static bool has_lag(const cJSON *json, const void *context)
{
    const struct lag_wish *wish = context;
    const cJSON *consumer = element(json, "consumers", "kind", wish->kind);
    const cJSON *queue = consumer == NULL ? NULL : queue_of(consumer);

    return queue != NULL && number(consumer, "lag") == wish->lag &&
           number(queue, "lag") == wish->lag &&
           number(queue, "handled_offset") == wish->handled;
}

static void the_lag_of_a_pull_consumer_shrinks_as_it_polls(void **state)
{
    enum { COUNT = 60 };
    struct world world;
    struct document document;
    rmq_pull_consumer *consumer;
    rmq_client_config config;
    const cJSON *queue;
    int64_t polled = 0;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    world_open(&world, true, 1, &config);
    send_numbers(&world, 0, COUNT);
    consumer = world_consumer(&world, NULL);
    assert_done(rmq_pull_consumer_assign(consumer, &world.queues[0], 0));
    while (polled < COUNT) {
        struct lag_wish wish = {"pull", COUNT - polled, polled};
        rmq_batch *batch;
        const cJSON *json = wait_for(&document, has_lag, &wish);

        queue = queue_of(first(json, "consumers"));
        assert_int_equal(number(queue, "max_offset"), COUNT);
        assert_int_equal(number(queue, "taken_offset"), polled);
        assert_int_equal(number(queue, "committed_offset"), -1);
        assert_in_range(number(queue, "held_messages"), 0, COUNT - polled);
        assert_int_equal(number(queue, "held_messages"),
                         number(queue, "next_offset") - polled);
        assert_true((number(queue, "held_bytes") > 0) ==
                    (number(queue, "held_messages") > 0));
        assert_in_range(number(queue, "max_offset_age_ms"), 0, LONG_MS);
        let_go(&document);
        assert_done(rmq_pull_consumer_poll(consumer, LONG_MS, &batch));
        polled = batch->next_offset;
        rmq_batch_free(batch);
    }
    queue = queue_of(first(
        wait_for(&document, has_lag, &(struct lag_wish){"pull", 0, COUNT}), "consumers"));
    assert_int_equal(number(queue, "messages"), COUNT);
    assert_true(number(queue, "pulls") >= 2);
    let_go(&document);
    rmq_pull_consumer_free(consumer);
    world_close(&world);
    document_fini(&document);
}

static bool has_committed(const cJSON *json, const void *context)
{
    const cJSON *group = element(json, "consumers", "kind", "group");

    return number(queue_of(group), "committed_offset") == *(const int64_t *)context;
}

static void the_lag_of_a_group_shrinks_as_its_messages_are_handled(void **state)
{
    enum { COUNT = 40 };
    struct world world;
    struct document document;
    struct seen *seen = seen_new();
    rmq_consumer_config settings = {.threads = 1};
    rmq_client_config config;
    rmq_consumer *consumer;
    const cJSON *group;
    const int64_t all = COUNT;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    world_open(&world, true, 1, &config);
    send_numbers(&world, 0, COUNT);
    seen->block = 1;
    consumer = group_consumer(&world, world.client, seen, &settings);
    seen_wait(seen, &seen->running, 1);
    group = first(wait_for(&document, has_lag, &(struct lag_wish){"group", COUNT, 0}),
                  "consumers");
    assert_int_equal(number(group, "threads"), 1);
    assert_int_equal(number(group, "threads_active"), 1);
    assert_int_equal(number(group, "handled"), 0);
    assert_true(number(queue_of(group), "taken_offset") > 0);
    let_go(&document);

    seen_set_block(seen, 0);
    seen_wait(seen, &seen->handled, COUNT);
    wait_for(&document, has_lag, &(struct lag_wish){"group", 0, COUNT});
    let_go(&document);
    assert_done(rmq_consumer_commit(consumer));
    group = first(wait_for(&document, has_committed, &all), "consumers");
    assert_int_equal(number(group, "handled"), COUNT);
    assert_int_equal(number(group, "sent_back"), 0);
    assert_true(number(group, "rebalances") > 0 && number(group, "commits") > 0);
    assert_non_null(element(group, "topics", "topic", world.topic));
    let_go(&document);
    rmq_consumer_free(consumer);
    world_close(&world);
    document_fini(&document);
    seen_free(seen);
}

static bool has_dead(const cJSON *json, const void *context)
{
    const cJSON *group = element(json, "consumers", "kind", "group");

    (void)context;
    return number(group, "dead_lettered") == 1 && number(group, "handled") == 4;
}

static void what_goes_to_the_dead_letters_is_counted(void **state)
{
    struct world world;
    struct document document;
    struct seen *seen = seen_new();
    rmq_client_config config;
    rmq_consumer *consumer;
    const cJSON *group;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    world_open(&world, true, 1, &config);
    seen->fail_number = 2;
    seen->fail_times = 1;
    seen->delay_level = -1;
    consumer = group_consumer(&world, world.client, seen, NULL);
    send_numbers(&world, 0, 5);
    group = element(wait_for(&document, has_dead, NULL), "consumers", "kind", "group");
    assert_int_equal(number(group, "later"), 1);
    assert_int_equal(number(group, "sent_back"), 1);
    assert_int_equal(number(group, "local_retry"), 0);
    let_go(&document);
    rmq_consumer_free(consumer);
    world_close(&world);
    document_fini(&document);
    seen_free(seen);
}

/* ---------------------------------------------------------------- settings and ends */

static void half_a_wish_for_statistics_is_refused(void **state)
{
    struct document document;
    rmq_client_config config;
    rmq_client *client;

    (void)state;
    document_init(&document);
    config = with_statistics(&document);
    config.namesrv = "127.0.0.1:9";
    config.statistics = NULL;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    config = with_statistics(&document);
    config.namesrv = "127.0.0.1:9";
    config.statistics_interval_ms = -1;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    config.statistics_interval_ms = 9;
    assert_status(rmq_client_new(&config, &client), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "statistics_interval_ms"));
    document_fini(&document);
}

static bool has_none_of(const cJSON *json, const void *context)
{
    (void)context;
    return cJSON_GetArraySize(field(json, "producers")) == 0 &&
           cJSON_GetArraySize(field(json, "consumers")) == 0;
}

/* What `take` is given is gone right after: a sanitizer would see a late call. */
static void who_is_freed_leaves_and_nothing_comes_after_the_client(void **state)
{
    struct document *document = malloc(sizeof(*document));
    struct world world;
    struct seen *seen = seen_new();
    rmq_client_config config;
    rmq_message message;
    rmq_producer *producer;
    rmq_pull_consumer *pull;
    rmq_consumer *group;

    (void)state;
    assert_non_null(document);
    document_init(document);
    config = with_statistics(document);
    world_open(&world, true, 1, &config);
    producer = world_producer(&world, NULL);
    pull = world_consumer(&world, NULL);
    group = group_consumer(&world, world.client, seen, NULL);
    assert_done(rmq_pull_consumer_assign(pull, &world.queues[0], 0));
    message = text_message(&world, "1");
    assert_done(rmq_send(producer, &world.queues[0], &message, LONG_MS, NULL));
    wait_for(document, has_all, NULL);
    let_go(document);
    rmq_consumer_free(group);
    rmq_pull_consumer_free(pull);
    rmq_producer_free(producer);
    wait_for(document, has_none_of, NULL);
    let_go(document);
    world_close(&world);
    document_fini(document);
    free(document);
    seen_free(seen);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_every_field_and_no_other),
        cmocka_unit_test(what_is_sent_is_counted),
        cmocka_unit_test(what_waits_is_counted),
        cmocka_unit_test(a_broker_that_is_down_shows),
        cmocka_unit_test(the_lag_of_a_pull_consumer_shrinks_as_it_polls),
        cmocka_unit_test(the_lag_of_a_group_shrinks_as_its_messages_are_handled),
        cmocka_unit_test(what_goes_to_the_dead_letters_is_counted),
        cmocka_unit_test(half_a_wish_for_statistics_is_refused),
        cmocka_unit_test(who_is_freed_leaves_and_nothing_comes_after_the_client),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
