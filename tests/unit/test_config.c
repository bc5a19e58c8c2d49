/* config: schema, errors with file and line, time zones, key files, the generated page */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/status.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/posix_rule.h"
#include "support/case.h"

#define SIDES                                                                              \
    "kafka: {bootstrap.servers: \"127.0.0.1:9092\"}\n"                                     \
    "rocketmq: {namesrv: \"127.0.0.1:9876\"}\n"
#define ROUTE "routes:\n  - topic: flights\n"

static char folder[] = "/tmp/duet-config-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/duet.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put_file(const char *text, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct duet_config *load(const char *text)
{
    struct duet_config *config;

    put_file(text, strlen(text));
    if (duet_config_load(path, &config) != DT_OK)
        fail_msg("%s", dt_error_text());
    return config;
}

/* The text is refused with exactly "<path>:<line>: <sentence>". */
static void refused(const char *text, int line, const char *sentence)
{
    struct duet_config *config;
    char expected[DT_ERROR_MAX];

    put_file(text, strlen(text));
    assert_int_equal(duet_config_load(path, &config), DT_EINVAL);
    assert_null(config);
    snprintf(expected, sizeof(expected), "%s:%d: %s", path, line, sentence);
    assert_string_equal(dt_error_text(), expected);
}

/* ---- what is read ---- */

static void every_key_has_its_default(void **state)
{
    struct duet_config *config = load(SIDES ROUTE);
    char expected[128];

    (void)state;
    assert_string_equal(config->path, path);
    assert_string_equal(config->folder, folder);
    assert_string_equal(config->migration, "duet");
    snprintf(expected, sizeof(expected), "sqlite:%s/duet.db", folder);
    assert_string_equal(config->store, expected);
    snprintf(expected, sizeof(expected), "%s/state", folder);
    assert_string_equal(config->state_dir, expected);
    snprintf(expected, sizeof(expected), "%s/duet.keys", folder);
    assert_string_equal(config->key_path, expected);
    assert_null(config->server);
    assert_string_equal(config->timezone, "UTC");
    assert_int_equal(duet_zone_offset_s(config->zone, 0), 0);
    assert_string_equal(duet_config_kafka(config, "bootstrap.servers"), "127.0.0.1:9092");
    assert_null(duet_config_kafka(config, "linger.ms"));
    assert_string_equal(config->namesrv, "127.0.0.1:9876");
    assert_null(config->rocketmq.name_space);
    assert_null(config->rocketmq.access_key);
    assert_null(config->rocketmq.secret_key_file);
    assert_false(config->rocketmq.tls);
    assert_string_equal(config->rocketmq.tls_verify, "full");
    assert_null(config->rocketmq.tls_ca_file);
    assert_string_equal(config->gates.preset, "production");
    assert_int_equal(config->gates.windows_min, 1440);
    assert_int_equal(config->gates.span_min_s, 86400);
    assert_int_equal(config->gates.dual_write_min_s, 604800);
    assert_true(config->gates.retention_compared);
    assert_int_equal(config->gates.lag_max, 1000);
    assert_int_equal(config->memory_max, 64 << 20);
    assert_int_equal(config->send_timeout_ms, 30000);
    assert_int_equal(config->batch_count_max, 500);
    assert_int_equal(config->batch_ms_max, 50);
    assert_int_equal(config->handler_tries, 3);
    assert_int_equal(config->route_count, 1);
    assert_string_equal(config->routes[0].topic, "flights");
    assert_string_equal(config->routes[0].rocketmq_topic, "flights");
    assert_int_equal(config->routes[0].partitions, 4);
    assert_int_equal(config->routes[0].group_count, 0);
    assert_int_equal(config->routes[0].line, 4);
    duet_config_free(config);
}

static void assert_in_folder(const struct duet_config *config, const char *given,
                             const char *name)
{
    size_t length = strlen(config->folder);

    assert_memory_equal(given, config->folder, length);
    assert_int_equal(given[length], '/');
    assert_string_equal(given + length + 1, name);
}

static void every_key_can_be_given(void **state)
{
    struct duet_config *config =
        load("# comment\n"
             "migration: flights\n"
             "store: postgresql://duet@db.example/control\n"
             "\n"
             "state_dir: /var/lib/duet\n"
             "day: {timezone: \"-03:30\"}\n"
             "kafka:\n"
             "  bootstrap.servers: a:1,b:2\n"
             "  linger.ms: 5\n"
             "  enable.ssl.certificate.verification: false\n"
             "rocketmq:\n"
             "  namesrv: a:1;[::1]:2\n"
             "  namespace: NS\n"
             "  access_key: me\n"
             "  secret_key_file: secrets/key\n"
             "  security_token_file: /run/token\n"
             "  tls: true\n"
             "  tls.verify: chain\n"
             "  tls.ca_file: ca.pem\n"
             "  tls.certificate_file: me.pem\n"
             "  tls.key_file: me.key\n"
             "  tls.key_password_file: me.password\n"
             "gates: {lag_max: 5, preset: test, span_min_s: 7, retention_compared: true}\n"
             "producer: {memory.max: 2 GiB, timeout_ms: 1}\n"
             "consumer: {batch.messages: 1, batch.ms: 2, handler.tries: 4}\n"
             "routes:\n"
             "- {topic: a.b, rocketmq: a-b, partitions: 65535, groups: [one, two words],\n"
             "   copy: direct, journal: spill, ack: primary}\n"
             "- topic: c\n"
             "  groups: [one]\n");

    (void)state;
    assert_string_equal(config->store, "postgresql://duet@db.example/control");
    assert_null(config->server);
    assert_string_equal(config->state_dir, "/var/lib/duet");
    assert_int_equal(duet_zone_offset_s(config->zone, 0), -(3 * 60 + 30) * 60);
    assert_int_equal(config->kafka_count, 3);
    assert_string_equal(duet_config_kafka(config, "linger.ms"), "5");
    assert_string_equal(duet_config_kafka(config, "enable.ssl.certificate.verification"),
                        "false");
    assert_string_equal(config->namesrv, "a:1;[::1]:2");
    assert_string_equal(config->rocketmq.name_space, "NS");
    assert_string_equal(config->rocketmq.access_key, "me");
    assert_in_folder(config, config->rocketmq.secret_key_file, "secrets/key");
    assert_string_equal(config->rocketmq.security_token_file, "/run/token");
    assert_true(config->rocketmq.tls);
    assert_string_equal(config->rocketmq.tls_verify, "chain");
    assert_in_folder(config, config->rocketmq.tls_ca_file, "ca.pem");
    assert_in_folder(config, config->rocketmq.tls_certificate_file, "me.pem");
    assert_in_folder(config, config->rocketmq.tls_key_file, "me.key");
    assert_in_folder(config, config->rocketmq.tls_key_password_file, "me.password");
    assert_string_equal(config->gates.preset, "test");
    assert_int_equal(config->gates.windows_min, 0);
    assert_int_equal(config->gates.span_min_s, 7);
    assert_int_equal(config->gates.dual_write_min_s, 0);
    assert_true(config->gates.retention_compared);
    assert_int_equal(config->gates.lag_max, 5);
    assert_true(config->memory_max == INT64_C(2) << 30);
    assert_int_equal(config->send_timeout_ms, 1);
    assert_int_equal(config->batch_count_max, 1);
    assert_int_equal(config->batch_ms_max, 2);
    assert_int_equal(config->handler_tries, 4);
    assert_int_equal(config->route_count, 2);
    assert_string_equal(duet_config_route(config, "a.b")->rocketmq_topic, "a-b");
    assert_int_equal(config->routes[0].partitions, 65535);
    assert_int_equal(config->routes[0].group_count, 2);
    assert_string_equal(config->routes[0].groups[1], "two words");
    assert_int_equal(config->routes[1].line, 29);
    assert_null(duet_config_route(config, "b"));
    duet_config_free(config);
}

static void a_name_that_rocketmq_refuses_is_mapped(void **state)
{
    struct duet_config *config = load(SIDES "routes: [{topic: a.b}]\n");

    (void)state;
    assert_string_not_equal(config->routes[0].rocketmq_topic, "a.b");
    assert_null(strchr(config->routes[0].rocketmq_topic, '.'));
    duet_config_free(config);
}

static void order_is_for_routes_whose_gaps_are_told_of(void **state)
{
    struct duet_config *config =
        load(SIDES "routes: [{topic: a, delivery: order, journal: intent},\n"
                   "  {topic: b, delivery: order, ack: both}, {topic: c}]\n");

    (void)state;
    assert_string_equal(config->routes[0].delivery, "order");
    assert_string_equal(config->routes[1].delivery, "order");
    assert_string_equal(config->routes[2].delivery, "flow");
    duet_config_free(config);
    refused(SIDES ROUTE "    delivery: order\n", 4,
            "'delivery: order' of 'flights' needs 'journal: intent' or 'ack: both'; found "
            "'journal: spill' and 'ack: primary'");
    refused(SIDES ROUTE "    delivery: fast\n", 5,
            "found 'fast' for 'delivery' in routes[0]; allowed is flow or order");
}

/* ---- what is refused ---- */

static void an_unknown_key_is_named_with_what_is_allowed(void **state)
{
    (void)state;
    refused(
        SIDES ROUTE "    partition: 4\n", 5,
        "unknown key 'partition' in routes[0]; allowed are topic, rocketmq, partitions, "
        "groups, copy, journal, fsync, ack, delivery");
    refused(
        SIDES "gate: {}\n" ROUTE, 3,
        "unknown key 'gate'; allowed are migration, store, server, state_dir, day, kafka, "
        "rocketmq, gates, producer, consumer, routes");
    refused(SIDES "gates:\n  windows: 4\n" ROUTE, 4,
            "unknown key 'windows' in gates; allowed are preset, windows_min, span_min_s, "
            "dual_write_min_s, retention_compared, lag_max");
}

static void a_wrong_value_is_shown_with_what_is_allowed(void **state)
{
    (void)state;
    refused(SIDES ROUTE "    partitions: four\n", 5,
            "found 'four' for 'partitions' in routes[0]; allowed is 1 to 65535");
    refused(SIDES ROUTE "    partitions: 0\n", 5,
            "found '0' for 'partitions' in routes[0]; allowed is 1 to 65535");
    refused(SIDES ROUTE "    partitions: 65536\n", 5,
            "found '65536' for 'partitions' in routes[0]; allowed is 1 to 65535");
    refused(SIDES ROUTE "    partitions: 99999999999999999999\n", 5,
            "found '99999999999999999999' for 'partitions' in routes[0]; allowed is 1 to "
            "65535");
    refused(SIDES "producer: {memory.max: 64MB}\n" ROUTE, 3,
            "found '64MB' for 'memory.max' in producer; allowed is bytes, KiB, MiB or GiB, "
            "from 64KiB to 64GiB");
    refused(
        SIDES "producer: {memory.max: 99999999999GiB}\n" ROUTE, 3,
        "found '99999999999GiB' for 'memory.max' in producer; allowed is bytes, KiB, MiB "
        "or GiB, from 64KiB to 64GiB");
    refused(SIDES "gates: {preset: or}\n" ROUTE, 3,
            "found 'or' for 'preset' in gates; allowed is production or test");
    refused(SIDES "gates: {retention_compared: yes}\n" ROUTE, 3,
            "found 'yes' for 'retention_compared' in gates; allowed is true or false");
    refused(
        "migration: a/b\n" SIDES ROUTE, 1,
        "found 'a/b' for 'migration'; allowed is 1 to 64 of a-z A-Z 0-9 . _ -, beginning "
        "with a letter or digit");
    refused(
        "store: mysql:x\n" SIDES ROUTE, 1,
        "found 'mysql:x' for 'store'; allowed is sqlite:PATH, or postgresql://user@host/db "
        "without a password");
    refused("day: {timezone: Mars/Olympus}\n" SIDES ROUTE, 1,
            "time zone 'Mars/Olympus' is not known; allowed is UTC, a fixed offset such as "
            "+08:00, or an IANA name such as Europe/Berlin (Debian package tzdata)");
    refused("kafka: {bootstrap.servers: a:1}\nrocketmq: {namesrv: localhost}\n" ROUTE, 2,
            "found 'localhost' for 'namesrv' in rocketmq; allowed is host:port, several "
            "separated by semicolons");
    refused(
        SIDES "routes: [{topic: a b}]\n", 3,
        "found 'a b' for 'topic' in routes[0]; allowed is 1 to 249 of a-z A-Z 0-9 . _ -");
    refused(
        SIDES "routes: [{topic: ..}]\n", 3,
        "found '..' for 'topic' in routes[0]; allowed is 1 to 249 of a-z A-Z 0-9 . _ -");
    refused(
        SIDES "routes: [{topic: a.b, rocketmq: a.b}]\n", 3,
        "found 'a.b' for 'rocketmq' in routes[0]; allowed is 1 to 127 of a-z A-Z 0-9 _ - % "
        "|");
    refused(
        SIDES "routes: [{topic: a, groups: ['']}]\n", 3,
        "found '' for 'groups' in routes[0]; allowed is a list of group names, each once, "
        "printable, at most 120 bytes in RocketMQ");
}

static void a_wrong_shape_is_shown_with_what_is_allowed(void **state)
{
    (void)state;
    refused(SIDES "routes: flights\n", 3,
            "found 'flights' for 'routes'; allowed is a list of at least one route");
    refused(SIDES "routes: []\n", 3, "found 0 routes; allowed are 1 to 10000");
    refused(SIDES "routes: [flights]\n", 3,
            "found 'flights' for 'routes[0]'; allowed is a mapping such as {topic: NAME, "
            "partitions: 4}");
    refused(
        SIDES "routes: [{topic: [a]}]\n", 3,
        "found a list for 'topic' in routes[0]; allowed is 1 to 249 of a-z A-Z 0-9 . _ -");
    refused(
        SIDES "routes: [{topic: a, groups: b}]\n", 3,
        "found 'b' for 'groups' in routes[0]; allowed is a list of group names, each once, "
        "printable, at most 120 bytes in RocketMQ");
    refused(SIDES "gates:\n" ROUTE, 3, "found nothing for 'gates'; allowed is a mapping");
    refused(
        SIDES "migration: ~\n" ROUTE, 3,
        "found nothing for 'migration'; allowed is 1 to 64 of a-z A-Z 0-9 . _ -, beginning "
        "with a letter or digit");
    refused("kafka: {bootstrap.servers: a:1, x: {}}\nrocketmq: {namesrv: a:1}\n" ROUTE, 1,
            "found a mapping for 'x' in kafka; allowed is text or a number");
    refused(
        "server: https://host:8443\n" SIDES ROUTE, 1,
        "'server' comes later: this version has no `duet server`, instances use `store`");
    refused("[]: 3\n", 1, "found a list as a key; allowed is text");
    refused("- a\n", 1, "found a list; allowed is a mapping of keys");
    refused(SIDES ROUTE "---\na: b\n", 5, "found a second document; allowed is one");
    refused("store: \"sqlite:a\\0b\"\n", 1,
            "found text with a NUL in it for 'store'; allowed is sqlite:PATH, or "
            "postgresql://user@host/db without a password");
}

static void what_is_required_is_asked_for(void **state)
{
    (void)state;
    refused("rocketmq: {namesrv: a:1}\n" ROUTE, 1,
            "'kafka' is missing; allowed is a mapping of librdkafka properties");
    refused(
        "kafka:\n  linger.ms: 5\nrocketmq: {namesrv: a:1}\n" ROUTE, 2,
        "'bootstrap.servers' is missing in kafka; allowed is host:port, several separated "
        "by commas");
    refused("kafka: {bootstrap.servers: a:1}\nrocketmq: {}\n" ROUTE, 2,
            "'namesrv' is missing in rocketmq; allowed is host:port, several separated by "
            "semicolons");
    refused(SIDES, 1, "'routes' is missing; allowed is a list of at least one route");
    refused(SIDES "routes:\n  - partitions: 3\n", 4,
            "'topic' is missing in routes[0]; allowed is 1 to 249 of a-z A-Z 0-9 . _ -");
}

static void what_stands_there_twice_is_refused(void **state)
{
    (void)state;
    refused(SIDES "migration: a\nmigration: b\n" ROUTE, 4,
            "key 'migration' stands there twice (first in line 3); allowed is once");
    refused(SIDES "routes:\n  - {topic: b}\n  - {topic: a}\n  - {topic: b}\n", 6,
            "topic 'b' stands in a second route (the other: line 4); allowed is one");
    refused(
        SIDES "routes:\n  - {topic: a.b, rocketmq: c}\n  - {topic: c}\n", 5,
        "the RocketMQ topic 'c' stands in a second route (the other: line 4); allowed is "
        "one");
    refused(SIDES "routes:\n  - topic: a\n    groups:\n    - g\n    - h\n    - g\n", 8,
            "group 'g' stands in routes[0] twice; allowed is once");
}

static void what_duet_sets_itself_is_refused(void **state)
{
    (void)state;
    refused(
        "kafka:\n  bootstrap.servers: a:1\n  acks: 1\nrocketmq: {namesrv: a:1}\n" ROUTE, 3,
        "'acks' in kafka is set by duet itself; allowed are all properties of librdkafka "
        "that it does not set");
}

static void what_comes_later_is_refused_with_a_sentence(void **state)
{
    (void)state;
    refused(SIDES ROUTE "    copy: relay\n", 5,
            "copy: relay is not supported by this version; allowed is direct");
}

static void a_password_in_the_file_is_refused_and_not_repeated(void **state)
{
    static const char sentence[] = "a password stands in the file; allowed is "
                                   "postgresql://user@host/db with the password "
                                   "in ~/.pgpass or the environment variable PGPASSWORD";

    (void)state;
    refused("store: postgresql://duet:secret@host/db\n" SIDES ROUTE, 1, sentence);
    refused("store: postgresql://host/db?a=b&password=secret\n" SIDES ROUTE, 1, sentence);
    duet_config_free(load("store: postgresql://host:5432/db?a=b\n" SIDES ROUTE));
}

static void broken_yaml_is_an_error_at_its_line(void **state)
{
    static char large[(1 << 20) + 2];
    struct duet_config *config;

    (void)state;
    refused("", 1, "the file is empty; allowed is a mapping of keys");
    refused("# nothing\n", 1, "the file is empty; allowed is a mapping of keys");
    refused(
        "kafka:\n\tx: y\n", 2,
        "found character that cannot start any token, while scanning for the next token "
        "(column 1); allowed is YAML");
    refused("migration: [a\nstore: b\n", 2,
            "did not find expected ',' or ']', while parsing a flow sequence (column 6); "
            "allowed is YAML");
    refused("a: b\nmigration: \xff\xfe\n", 2,
            "invalid leading UTF-8 octet; allowed is UTF-8 text");
    memset(large, '#', sizeof(large) - 1);
    refused(large, 1, "the file is too large; allowed is 1 MiB");
    unlink(path);
    assert_int_equal(duet_config_load(path, &config), DT_ENOTFOUND);
    assert_int_equal(duet_config_load("/nowhere/duet.yaml", &config), DT_ENOTFOUND);
    assert_int_equal(duet_config_load(folder, &config), DT_EIO);
}

static void no_cut_or_damaged_file_crashes(void **state)
{
    static const char good[] =
        SIDES "gates: {preset: test, lag_max: 5}\nproducer: &p {timeout_ms: 5}\nconsumer: "
              "*p\n" ROUTE "    groups: [&a \"b\", 'c']\n";
    char text[sizeof(good)];
    struct duet_config *config;
    unsigned seed = 7;

    (void)state;
    for (size_t n = 0; n < sizeof(good) - 1; n++) {
        put_file(good, n);
        if (duet_config_load(path, &config) == DT_OK)
            duet_config_free(config);
    }
    for (int round = 0; round < 2000; round++) {
        memcpy(text, good, sizeof(good));
        for (int i = 0; i < 3; i++)
            text[(size_t)rand_r(&seed) % (sizeof(good) - 1)] =
                "{}[]:,&*-\n '\"\t\xc3z"[rand_r(&seed) % 16];
        put_file(text, sizeof(good) - 1);
        if (duet_config_load(path, &config) == DT_OK)
            duet_config_free(config);
    }
}

/* ---- time zones ---- */

static int32_t offset_at(const char *name, int64_t utc_s)
{
    struct duet_zone *zone;
    int32_t offset_s;

    if (duet_zone_load(name, &zone) != DT_OK) {
        if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
            skip(); /* no zone files on this machine */
        fail_msg("%s", dt_error_text());
    }
    offset_s = duet_zone_offset_s(zone, utc_s * 1000);
    duet_zone_free(zone);
    return offset_s;
}

static void fixed_offsets_need_no_zone_file(void **state)
{
    struct duet_zone *zone;

    (void)state;
    assert_int_equal(offset_at("UTC", 0), 0);
    assert_int_equal(offset_at("+08:00", -1), 8 * 3600);
    assert_int_equal(offset_at("-14:00", INT64_C(9000000000)), -14 * 3600);
    assert_int_equal(duet_zone_load("+14:01", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("+8:00", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("+08:60", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("../../../etc/passwd", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("Europe/../Europe/Berlin", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("/etc/localtime", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("", &zone), DT_EINVAL);
    assert_int_equal(duet_zone_load("Europe", &zone), DT_EINVAL);
}

static void new_york_changes_at_the_second(void **state)
{
    (void)state;
    /* 2013-03-10 07:00 UTC and 2013-11-03 06:00 UTC; in the table */
    assert_int_equal(offset_at("America/New_York", 1362898799), -5 * 3600);
    assert_int_equal(offset_at("America/New_York", 1362898800), -4 * 3600);
    assert_int_equal(offset_at("America/New_York", 1383458399), -4 * 3600);
    assert_int_equal(offset_at("America/New_York", 1383458400), -5 * 3600);
    /* 2060-03-14 07:00 UTC and 2060-11-07 06:00 UTC: by the rule */
    assert_int_equal(offset_at("America/New_York", 2846473199), -5 * 3600);
    assert_int_equal(offset_at("America/New_York", 2846473200), -4 * 3600);
    assert_int_equal(offset_at("America/New_York", 2867032799), -4 * 3600);
    assert_int_equal(offset_at("America/New_York", 2867032800), -5 * 3600);
    /* before there were zones: local mean time */
    assert_int_equal(offset_at("America/New_York", -INT64_C(3000000000)), -17762);
}

static void berlin_changes_at_the_second(void **state)
{
    (void)state;
    /* 2013-03-31 01:00 UTC and 2013-10-27 01:00 UTC */
    assert_int_equal(offset_at("Europe/Berlin", 1364691599), 3600);
    assert_int_equal(offset_at("Europe/Berlin", 1364691600), 7200);
    assert_int_equal(offset_at("Europe/Berlin", 1382835599), 7200);
    assert_int_equal(offset_at("Europe/Berlin", 1382835600), 3600);
    /* 2100-03-28 01:00 UTC and 2100-10-31 01:00 UTC */
    assert_int_equal(offset_at("Europe/Berlin", 4109878799), 3600);
    assert_int_equal(offset_at("Europe/Berlin", 4109878800), 7200);
    assert_int_equal(offset_at("Europe/Berlin", 4128627599), 7200);
    assert_int_equal(offset_at("Europe/Berlin", 4128627600), 3600);
}

/* The C library knows one zone per process, but it may be asked: every zone agrees with it. */
static void all_zones_agree_with_the_c_library(void **state)
{
    static const char *const names[] = {
        "Europe/Dublin",     "Australia/Lord_Howe", "Asia/Kathmandu",
        "America/Sao_Paulo", "Africa/Casablanca",   "Pacific/Apia",
        "America/St_Johns",  "Asia/Shanghai",       "Antarctica/Troll",
        "Pacific/Auckland",  "America/Asuncion",    "Asia/Gaza",
        "Europe/Lisbon",     "Atlantic/Azores",     "America/Scoresbysund"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct duet_zone *zone;

        offset_at(names[i], 0); /* skips without zone files */
        assert_int_equal(duet_zone_load(names[i], &zone), DT_OK);
        setenv("TZ", names[i], 1);
        tzset();
        for (time_t at = -4000000000; at < 9000000000; at += 997 * 1009) {
            struct tm local;

            localtime_r(&at, &local);
            if (duet_zone_offset_s(zone, (int64_t)at * 1000) != local.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", names[i], (long long)at,
                         duet_zone_offset_s(zone, (int64_t)at * 1000), local.tm_gmtoff);
        }
        duet_zone_free(zone);
    }
    unsetenv("TZ");
    tzset();
}

static void a_zone_rule_is_read_or_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "C0",
                                        "CET",
                                        "CET-1CEST,",
                                        "CET-1CEST,M3.5.0",
                                        "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0",
                                        "CET-1CEST,M3.5.7,M10.5.0",
                                        "CET-1CEST,M3.5.0,M10.5.0x",
                                        "<+03-3",
                                        "CET-1CEST,M3",
                                        "CET-25",
                                        "CET-1CEST,J0,J365",
                                        "CET-1CEST,366,1"};
    struct duet_rule rule;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(duet_rule_parse(&rule, wrong[i]));
    assert_true(duet_rule_parse(&rule, "<+0330>-3:30"));
    assert_int_equal(duet_rule_offset_s(&rule, 0), 12600);
    assert_true(
        duet_rule_parse(&rule, "AAA0BBB,J60/0,J61/0")); /* 1 March, leap year or not */
    assert_int_equal(duet_rule_offset_s(&rule, 951868799), 0); /* 2000-02-29 23:59:59 */
    assert_int_equal(duet_rule_offset_s(&rule, 951868800), 3600);
    assert_true(duet_rule_parse(&rule, "AAA0BBB,59/0,60/0")); /* 29 February 2000 */
    assert_int_equal(duet_rule_offset_s(&rule, 951782400), 3600);
    assert_int_equal(duet_rule_offset_s(&rule, 951868800), 0);
}

/* ---- the key file ---- */

static void a_key_file_is_made_once_and_read_back(void **state)
{
    struct duet_keys keys, again;
    struct stat file;

    (void)state;
    assert_int_equal(duet_keys_load(path, &keys), DT_ENOTFOUND);
    assert_int_equal(duet_keys_create(path, 255), DT_OK);
    assert_int_equal(duet_keys_create(path, 1), DT_EEXIST);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(duet_keys_load(path, &keys), DT_OK);
    assert_int_equal(duet_keys_load(path, &again), DT_OK);
    assert_memory_equal(&keys, &again, sizeof(keys));
    assert_int_equal(keys.number, 255);
    assert_int_equal(keys.stamp.number, 255);
    assert_int_equal(strlen(keys.fingerprint), 16);
}

static void every_half_of_the_key_shows_in_the_fingerprint(void **state)
{
    struct duet_keys keys[3];
    char text[128];

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "duet-keys 1\nkey 7 %032x%032x\n", i == 1, i == 2);
        put_file(text, strlen(text));
        chmod(path, 0600);
        assert_int_equal(duet_keys_load(path, &keys[i]), DT_OK);
    }
    assert_string_not_equal(keys[0].fingerprint, keys[1].fingerprint);
    assert_string_not_equal(keys[0].fingerprint, keys[2].fingerprint);
}

static void an_open_or_malformed_key_file_is_refused(void **state)
{
    static const char digits[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const wrong[] = {"",
                                        "duet-keys 2\nkey 1 %s\n",
                                        "duet-keys 1\nkey 256 %s\n",
                                        "duet-keys 1\nkey  %s\n",
                                        "duet-keys 1\nkey 1 %s0\n",
                                        "duet-keys 1\nkey 1 %s\n\n",
                                        "duet-keys 1\nkey 1 %.63s\n",
                                        "duet-keys 1\nkey 1 %.63sg\n",
                                        "duet-keys 1\nkey 1 %s"};
    struct duet_keys keys;
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), wrong[i], digits);
#pragma GCC diagnostic pop
        put_file(text, strlen(text));
        chmod(path, 0600);
        assert_int_equal(duet_keys_load(path, &keys), DT_EINVAL);
    }
    snprintf(text, sizeof(text), "duet-keys 1\nkey 1 %s\n", digits);
    put_file(text, strlen(text));
    chmod(path, 0640);
    assert_int_equal(duet_keys_load(path, &keys), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "0640"));
    chmod(path, 0400);
    assert_int_equal(duet_keys_load(path, &keys), DT_OK);
    assert_int_equal(duet_keys_load(folder, &keys), DT_EINVAL);
}

/* ---- the page for users ---- */

static void the_page_for_users_is_the_schema(void **state)
{
    static const char page[] = SOURCE_DIR "/docs/configuration.md";
    struct dt_buf made, there;

    (void)state;
    dt_buf_init(&made, 1 << 20);
    dt_buf_init(&there, 1 << 20);
    duet_config_document(&made);
    assert_int_equal(dt_buf_status(&made, "page"), DT_OK);
    if (getenv("DUET_UPDATE_DOCS") != NULL)
        assert_int_equal(dt_file_replace(page, made.data, made.size, 0644), DT_OK);
    assert_int_equal(dt_file_read(page, &there), DT_OK);
    assert_string_equal(dt_buf_str(&there), dt_buf_str(&made));
    dt_buf_fini(&made);
    dt_buf_fini(&there);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_key_has_its_default, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_key_can_be_given, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_name_that_rocketmq_refuses_is_mapped, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(order_is_for_routes_whose_gaps_are_told_of,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_unknown_key_is_named_with_what_is_allowed,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_wrong_value_is_shown_with_what_is_allowed,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_wrong_shape_is_shown_with_what_is_allowed,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_required_is_asked_for, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_stands_there_twice_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_duet_sets_itself_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_comes_later_is_refused_with_a_sentence,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_password_in_the_file_is_refused_and_not_repeated,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(broken_yaml_is_an_error_at_its_line, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(no_cut_or_damaged_file_crashes, make_folder,
                                        remove_folder),
        cmocka_unit_test(fixed_offsets_need_no_zone_file),
        cmocka_unit_test(new_york_changes_at_the_second),
        cmocka_unit_test(berlin_changes_at_the_second),
        cmocka_unit_test(all_zones_agree_with_the_c_library),
        cmocka_unit_test(a_zone_rule_is_read_or_refused),
        cmocka_unit_test_setup_teardown(a_key_file_is_made_once_and_read_back, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_half_of_the_key_shows_in_the_fingerprint,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(an_open_or_malformed_key_file_is_refused,
                                        make_folder, remove_folder),
        cmocka_unit_test(the_page_for_users_is_the_schema),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
