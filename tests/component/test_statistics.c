/* the SDK's statistics say what happens, and docs/sdk-statistics.md says what they say */
#include <cJSON.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "duet/duet.h"
#include "support/case.h"
#include "support/pair.h"

enum { FIELDS_MAX = 200, FIELD_SIZE = 100, COUNT = 500 };

/* ---- documents ---- */

struct document {
    pthread_mutex_t lock;
    char *text; /* the last */
    int count;
    bool closed; /* nothing may come any more */
};

static void document_init(struct document *document)
{
    memset(document, 0, sizeof(*document));
    pthread_mutex_init(&document->lock, NULL);
}

static void take(void *opaque, const char *json, size_t size)
{
    struct document *document = opaque;

    pthread_mutex_lock(&document->lock);
    assert_false(document->closed);
    assert_int_equal(strlen(json), size);
    free(document->text);
    document->text = strdup(json);
    document->count++;
    pthread_mutex_unlock(&document->lock);
}

static cJSON *document_last(struct document *document)
{
    cJSON *json;

    pthread_mutex_lock(&document->lock);
    json = document->text == NULL ? NULL : cJSON_Parse(document->text);
    pthread_mutex_unlock(&document->lock);
    return json;
}

static void document_fini(struct document *document)
{
    free(document->text);
    pthread_mutex_destroy(&document->lock);
}

static const cJSON *at(const cJSON *json, const char *path)
{
    char copy[200], *rest = copy, *name;

    snprintf(copy, sizeof(copy), "%s", path);
    while (json != NULL && (name = strsep(&rest, ".")) != NULL)
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(name))
                                   : cJSON_GetObjectItemCaseSensitive(json, name);
    return json;
}

static int64_t number(const cJSON *json, const char *path)
{
    const cJSON *value = at(json, path);

    assert_true(cJSON_IsNumber(value));
    return (int64_t)value->valuedouble;
}

static bool is_text(const cJSON *json, const char *path, const char *text)
{
    const cJSON *value = at(json, path);

    assert_true(cJSON_IsString(value));
    return strcmp(value->valuestring, text) == 0;
}

/* Waits for a document that is right; it is the caller's. */
struct wanted {
    struct document *document;
    bool (*is_right)(const cJSON *json);
    cJSON *json;
};

static bool has_come(void *context)
{
    struct wanted *wanted = context;

    wanted->json = document_last(wanted->document);
    if (wanted->json != NULL && wanted->is_right(wanted->json))
        return true;
    cJSON_Delete(wanted->json);
    wanted->json = NULL;
    return false;
}

static cJSON *wait_for(struct document *document, bool (*is_right)(const cJSON *json))
{
    struct wanted wanted = {document, is_right, NULL};

    assert_true(pair_wait(has_come, &wanted));
    return wanted.json;
}

/* ---- the page ---- */

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

/* Lines of the section's table: | `name` | type | meaning | */
static void read_page(struct fields *fields, const char *section)
{
    FILE *page = fopen(SOURCE_DIR "/docs/sdk-statistics.md", "r");
    char line[1000], name[FIELD_SIZE], type[16], heading[40];
    bool inside = false;

    assert_non_null(page);
    while (fgets(line, sizeof(line), page) != NULL) {
        if (sscanf(line, "## %39[A-Za-z]", heading) == 1)
            inside = strcmp(heading, section) == 0;
        if (!inside || sscanf(line, "| `%99[^`]` | %15[a-z] |", name, type) != 2)
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

/* As the page names what is there for each side and role. */
static const char *general(const char *name)
{
    if (strcmp(name, "kafka") == 0 || strcmp(name, "rocketmq") == 0)
        return "SIDE";
    return strcmp(name, "live") == 0 || strcmp(name, "shadow") == 0 ? "ROLE" : name;
}

static void read_document(struct fields *fields, const cJSON *json, const char *prefix)
{
    const cJSON *value, *one;

    cJSON_ArrayForEach(value, json)
    {
        char name[FIELD_SIZE], inside[FIELD_SIZE + 4];

        snprintf(name, sizeof(name), "%s%s", prefix, general(value->string));
        add_field(fields, name, type_of(value));
        if (cJSON_IsNumber(value))
            assert_true(value->valuedouble == (double)(int64_t)value->valuedouble);
        snprintf(inside, sizeof(inside), "%s%s", name, cJSON_IsArray(value) ? "[]." : ".");
        if (cJSON_IsObject(value))
            read_document(fields, value, inside);
        if (cJSON_IsArray(value))
            cJSON_ArrayForEach(one, value) read_document(fields, one, inside);
    }
}

static void need_page(const cJSON *json, const char *section)
{
    static struct fields page, given;
    int wrong = 0;

    memset(&page, 0, sizeof(page));
    memset(&given, 0, sizeof(given));
    read_page(&page, section);
    read_document(&given, json, "");
    assert_true(page.count > 10);
    for (size_t i = 0; i < given.count; i++) {
        int known = find_field(&page, given.all[i].name);

        if (known < 0 || strcmp(page.all[known].type, given.all[i].type) != 0) {
            print_error("not in the page: %s, %s\n", given.all[i].name, given.all[i].type);
            wrong++;
        }
    }
    for (size_t i = 0; i < page.count; i++)
        if (find_field(&given, page.all[i].name) < 0) {
            print_error("in the page only: %s\n", page.all[i].name);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

/* ---- a producer ---- */

static void produce(duet_producer *producer, int count, size_t size)
{
    static char bytes[1000];

    for (int i = 0; i < count; i++) {
        duet_message message = {.topic = PAIR_TOPIC, .value = bytes, .value_size = size};

        message.event_time_ms = -1;
        assert_int_equal(duet_produce(producer, &message, 0, NULL, NULL), DT_OK);
    }
}

static bool is_away(const cJSON *json)
{
    return number(json, "done") == COUNT && number(json, "journal.messages") > 0 &&
           (is_text(json, "sides.rocketmq.breaker", "open") ||
            is_text(json, "sides.rocketmq.breaker", "probing"));
}

static bool is_settled(const cJSON *json)
{
    return number(json, "secondary_done") == COUNT &&
           number(json, "journal.messages") == 0 &&
           is_text(json, "sides.rocketmq.breaker", "closed");
}

static void a_producer_tells_of_an_outage_and_its_end(void **state)
{
    struct document document;
    struct pair pair;
    duet_producer *producer;
    cJSON *json;
    int64_t sum = 0;

    (void)state;
    document_init(&document);
    pair_start(&pair, 2, DUET_STEP_DUAL_WRITE, "producer: {memory.max: 64KiB}\n");
    rmq_mock_down(pair.rocketmq);
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    assert_int_equal(duet_producer_set_statistics(producer, 20, take, &document), DT_OK);
    produce(producer, COUNT, 1000);
    json = wait_for(&document, is_away);
    need_page(json, "Producer");
    assert_true(is_text(json, "name", "p1"));
    assert_true(is_text(json, "role", "producer"));
    assert_int_equal(number(json, "plan"), pair.plan->version);
    assert_int_equal(number(json, "produced"), COUNT);
    assert_true(number(json, "produced_bytes") > COUNT * 1000);
    assert_int_equal(number(json, "secondary_done"), 0);
    assert_int_equal(number(json, "waits"), 0);
    assert_int_equal(number(json, "memory.max"), 64 << 10);
    assert_true(number(json, "memory.secondary_bytes") <= 64 << 10);
    assert_int_equal(number(json, "memory.secondary_messages") +
                         number(json, "journal.messages"),
                     COUNT);
    assert_true(number(json, "journal.bytes") > number(json, "journal.messages") * 1000);
    assert_true(number(json, "journal.disk_bytes") >= number(json, "journal.bytes"));
    assert_true(number(json, "journal.oldest_s") >= 1);
    assert_true(number(json, "sides.rocketmq.silent_ms") >= 3000);
    assert_int_equal(number(json, "sides.rocketmq.opened"), 1);
    assert_true(number(json, "sides.rocketmq.handed") > 0);
    assert_true(is_text(json, "sides.kafka.breaker", "closed"));
    assert_int_equal(number(json, "sides.kafka.handed"), 0);
    assert_true(is_text(json, "routes.0.write", "kafka+rocketmq"));
    for (int p = 0; p < 2; p++) {
        char path[64];

        snprintf(path, sizeof(path), "routes.0.partitions.%d.journal", p);
        sum += number(json, path);
        snprintf(path, sizeof(path), "routes.0.partitions.%d.issued", p);
        assert_int_equal(number(json, path), COUNT / 2);
        snprintf(path, sizeof(path), "routes.0.partitions.%d.primary", p);
        assert_true(is_text(json, path, "kafka"));
    }
    assert_int_equal(sum, number(json, "journal.messages"));
    cJSON_Delete(json);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    json = wait_for(&document, is_settled);
    assert_int_equal(number(json, "sides.rocketmq.opened"), 1);
    assert_int_equal(number(json, "sides.rocketmq.handed"), 0);
    assert_true(number(json, "journal.replayed") > 0);
    assert_int_equal(number(json, "journal.replayed"), number(json, "journal.spilled"));
    assert_int_equal(number(json, "memory.secondary_bytes"), 0);
    cJSON_Delete(json);
    assert_int_equal(duet_producer_set_statistics(producer, 1000, take, NULL), DT_ESTATE);
    duet_producer_close(producer);
    pthread_mutex_lock(&document.lock);
    document.closed = true;
    pthread_mutex_unlock(&document.lock);
    pair_stop(&pair);
    document_fini(&document);
}

static void wrong_settings_are_refused_with_a_sentence(void **state)
{
    struct pair pair;
    duet_producer *producer;

    (void)state;
    pair_start(&pair, 1, DUET_STEP_DUAL_WRITE, "");
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    assert_int_equal(duet_producer_set_statistics(producer, 9, take, NULL), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "below 10 ms"));
    assert_int_equal(duet_producer_set_statistics(producer, 100, NULL, NULL), DT_EINVAL);
    assert_int_equal(duet_producer_set_statistics(NULL, 100, take, NULL), DT_EINVAL);
    assert_int_equal(duet_consumer_set_statistics(NULL, 100, take, NULL), DT_EINVAL);
    duet_producer_close(producer);
    pair_stop(&pair);
}

/* ---- a consumer ---- */

static dt_status handle(duet_delivery *delivery, void *context)
{
    (void)delivery;
    (void)context;
    return DT_OK;
}

static bool has_read_all(const cJSON *json)
{
    return number(json, "roles.live.processed") == COUNT &&
           number(json, "roles.shadow.processed") == COUNT &&
           at(json, "roles.live.partitions.1.kafka.lag") != NULL &&
           at(json, "roles.shadow.partitions.1.rocketmq.lag") != NULL &&
           number(json, "roles.live.partitions.0.kafka.lag") == 0 &&
           number(json, "roles.live.partitions.1.kafka.lag") == 0 &&
           number(json, "roles.shadow.partitions.0.rocketmq.position") == COUNT / 2;
}

static void *run_consumer(void *consumer)
{
    assert_int_equal(duet_consumer_run(consumer, 0), DT_OK);
    return NULL;
}

static void a_consumer_tells_how_far_each_role_is(void **state)
{
    struct document document;
    struct pair pair;
    duet_producer *producer;
    duet_consumer *consumer;
    duet_consumer_config config = {.group = PAIR_GROUP, .name = "c1", .handler = handle};
    pthread_t thread;
    cJSON *json;

    (void)state;
    document_init(&document);
    pair_start(&pair, 2, DUET_STEP_DUAL_READ, "");
    assert_int_equal(duet_producer_open(pair.config_path, "p1", &producer), DT_OK);
    produce(producer, COUNT, 100);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    config.config_path = pair.config_path;
    config.sink = pair.sink;
    assert_int_equal(duet_consumer_open(&config, &consumer), DT_OK);
    assert_int_equal(duet_consumer_set_statistics(consumer, 50, take, &document), DT_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_consumer, consumer), 0);
    json = wait_for(&document, has_read_all);
    need_page(json, "Consumer");
    assert_true(is_text(json, "role", "consumer"));
    assert_true(is_text(json, "group", PAIR_GROUP));
    assert_true(is_text(json, "topic", PAIR_TOPIC));
    assert_true(is_text(json, "roles.live.partitions.0.side", "kafka"));
    assert_true(is_text(json, "roles.shadow.partitions.0.side", "rocketmq"));
    assert_int_equal(number(json, "roles.live.failed"), 0);
    cJSON_Delete(json);
    duet_consumer_stop(consumer);
    pthread_join(thread, NULL);
    duet_consumer_close(consumer);
    pair_stop(&pair);
    document_fini(&document);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_producer_tells_of_an_outage_and_its_end),
        cmocka_unit_test(wrong_settings_are_refused_with_a_sentence),
        cmocka_unit_test(a_consumer_tells_how_far_each_role_is),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
