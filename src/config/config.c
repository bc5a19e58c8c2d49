#include "config/config.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "config/reading.h"
#include "model/mapping.h"

enum { FILE_SIZE_MAX = 1 << 20 };

static void route_fini(struct duet_route_config *route)
{
    free(route->topic);
    free(route->rocketmq_topic);
    for (size_t i = 0; i < route->group_count; i++)
        free(route->groups[i]);
    free(route->groups);
    free(route->ack);
    free(route->journal);
    free(route->fsync);
    free(route->delivery);
}

void duet_config_free(struct duet_config *config)
{
    if (config == NULL)
        return;
    free(config->path);
    free(config->folder);
    free(config->migration);
    free(config->store);
    free(config->server);
    free(config->state_dir);
    duet_zone_free(config->zone);
    free(config->timezone);
    for (size_t i = 0; i < config->kafka_count; i++) {
        free(config->kafka[i].name);
        free(config->kafka[i].value);
    }
    free(config->kafka);
    free(config->namesrv);
    free(config->rocketmq.name_space);
    free(config->rocketmq.access_key);
    free(config->rocketmq.secret_key_file);
    free(config->rocketmq.security_token_file);
    free(config->rocketmq.tls_verify);
    free(config->rocketmq.tls_ca_file);
    free(config->rocketmq.tls_certificate_file);
    free(config->rocketmq.tls_key_file);
    free(config->rocketmq.tls_key_password_file);
    free(config->gates.preset);
    for (size_t i = 0; i < config->route_count; i++)
        route_fini(&config->routes[i]);
    free(config->routes);
    free(config->key_path);
    free(config);
}

static dt_status find_folder(struct duet_config *config, const char *path)
{
    char copy[PATH_MAX], folder[PATH_MAX];

    if (strlen(path) >= sizeof(copy))
        return dt_error_set(DT_EINVAL, "%.100s...: the path is too long", path);
    strcpy(copy, path);
    if (realpath(dirname(copy), folder) == NULL)
        return dt_error_set(DT_ENOTFOUND, "%s: its folder is not there", path);
    config->path = strdup(path);
    config->folder = strdup(folder);
    if (config->path == NULL || config->folder == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the configuration");
    return DT_OK;
}

/* ---- what only the routes together can say ---- */

typedef const char *(*route_name_fn)(const struct duet_route_config *route);

static const char *kafka_name(const struct duet_route_config *route)
{
    return route->topic;
}

static const char *rocketmq_name(const struct duet_route_config *route)
{
    return route->rocketmq_topic;
}

static int by_kafka_name(const void *a, const void *b)
{
    return strcmp((*(struct duet_route_config *const *)a)->topic,
                  (*(struct duet_route_config *const *)b)->topic);
}

static int by_rocketmq_name(const void *a, const void *b)
{
    return strcmp((*(struct duet_route_config *const *)a)->rocketmq_topic,
                  (*(struct duet_route_config *const *)b)->rocketmq_topic);
}

static dt_status each_once(struct duet_yaml *yaml, struct duet_config *config,
                           int (*order)(const void *, const void *), route_name_fn name,
                           const char *what)
{
    struct duet_route_config **sorted = calloc(config->route_count, sizeof(*sorted));
    dt_status status = DT_OK;

    if (sorted == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the configuration");
    for (size_t i = 0; i < config->route_count; i++)
        sorted[i] = &config->routes[i];
    qsort(sorted, config->route_count, sizeof(*sorted), order);
    for (size_t i = 1; status == DT_OK && i < config->route_count; i++) {
        const struct duet_route_config *a = sorted[i - 1], *b = sorted[i];

        if (strcmp(name(a), name(b)) == 0)
            status =
                duet_yaml_error(yaml, a->line > b->line ? a->line : b->line,
                                "%s '%s' stands in a second route (the other: line %d); "
                                "allowed is one",
                                what, name(a), a->line > b->line ? b->line : a->line);
    }
    free(sorted);
    return status;
}

static dt_status map_topic(struct duet_yaml *yaml, struct duet_route_config *route)
{
    char mapped[DUET_RMQ_TOPIC_MAX + 1];

    if (route->rocketmq_topic != NULL)
        return DT_OK;
    if (duet_name_to_rocketmq(mapped, sizeof(mapped), route->topic, DUET_RMQ_TOPIC_MAX) !=
        DT_OK)
        return duet_yaml_error(
            yaml, route->line,
            "topic '%s' is too long for RocketMQ; allowed is a name of at "
            "most %d characters given with 'rocketmq'",
            route->topic, DUET_RMQ_TOPIC_MAX);
    route->rocketmq_topic = strdup(mapped);
    return route->rocketmq_topic != NULL
               ? DT_OK
               : dt_error_set(DT_ENOMEM, "no memory for the configuration");
}

/* With `spill`, a host that dies between the two writes leaves a hole that nobody tells of: to
 * wait for it in order would be for nothing. */
static dt_status check_delivery(struct duet_yaml *yaml,
                                const struct duet_route_config *route)
{
    if (strcmp(route->delivery, "order") != 0 || strcmp(route->journal, "intent") == 0 ||
        strcmp(route->ack, "both") == 0)
        return DT_OK;
    return duet_yaml_error(yaml, route->line,
                           "'delivery: order' of '%s' needs 'journal: intent' or 'ack: "
                           "both'; found 'journal: %s' and 'ack: %s'",
                           route->topic, route->journal, route->ack);
}

static dt_status finish(struct duet_yaml *yaml, struct duet_config *config)
{
    char key_path[PATH_MAX];
    dt_status status = DT_OK;

    for (size_t i = 0; status == DT_OK && i < config->route_count; i++)
        status = map_topic(yaml, &config->routes[i]);
    for (size_t i = 0; status == DT_OK && i < config->route_count; i++)
        status = check_delivery(yaml, &config->routes[i]);
    if (status == DT_OK)
        status = each_once(yaml, config, by_kafka_name, kafka_name, "topic");
    if (status == DT_OK)
        status =
            each_once(yaml, config, by_rocketmq_name, rocketmq_name, "the RocketMQ topic");
    if (status != DT_OK)
        return status;
    if (snprintf(key_path, sizeof(key_path), "%s/%s.keys",
                 strcmp(config->folder, "/") == 0 ? "" : config->folder,
                 config->migration) >= (int)sizeof(key_path))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", config->path);
    config->key_path = strdup(key_path);
    return config->key_path != NULL
               ? DT_OK
               : dt_error_set(DT_ENOMEM, "no memory for the configuration");
}

static dt_status read_text(struct duet_config *config, struct dt_span text)
{
    struct duet_yaml yaml;
    dt_status status = duet_yaml_parse(&yaml, config->path, text);

    if (status != DT_OK)
        return status;
    status = duet_read_config(&yaml, config);
    if (status == DT_OK)
        status = finish(&yaml, config);
    duet_yaml_fini(&yaml);
    return status;
}

dt_status duet_config_load(const char *path, struct duet_config **out)
{
    struct duet_config *config = calloc(1, sizeof(*config));
    struct dt_buf text;
    dt_status status;

    *out = NULL;
    if (config == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the configuration");
    dt_buf_init(&text, FILE_SIZE_MAX);
    status = find_folder(config, path);
    if (status == DT_OK) {
        status = dt_file_read(path, &text);
        if (status == DT_ETOOBIG)
            status = dt_error_set(DT_EINVAL,
                                  "%s:1: the file is too large; allowed is 1 MiB", path);
    }
    if (status == DT_OK)
        status = read_text(config, dt_buf_span(&text));
    dt_buf_fini(&text);
    if (status != DT_OK) {
        duet_config_free(config);
        return status;
    }
    *out = config;
    return DT_OK;
}

const struct duet_route_config *duet_config_route(const struct duet_config *config,
                                                  const char *topic)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (strcmp(config->routes[i].topic, topic) == 0)
            return &config->routes[i];
    return NULL;
}

const char *duet_config_kafka(const struct duet_config *config, const char *name)
{
    for (size_t i = 0; i < config->kafka_count; i++)
        if (strcmp(config->kafka[i].name, name) == 0)
            return config->kafka[i].value;
    return NULL;
}
