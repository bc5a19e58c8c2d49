#include "config/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "config/schema.h"
#include "config/values.h"

enum { SETTINGS_MAX = 500, GROUPS_MAX = 1000, ROUTES_MAX = 10000, WHERE_SIZE = 64 };

struct reading {
    struct duet_yaml *yaml;
    struct duet_config *config;
};

/* Where values go: the rows of `section`, called `where` in errors, into the struct `base`. */
struct place {
    const char *section;
    const char *where; /* "" at the top, "gates", "routes[0]" */
    void *base;
};

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "no memory for the configuration");
}

static dt_status refuse_shape(struct reading *reading, const yaml_node_t *node,
                              const char *name, const char *where, const char *allowed)
{
    char found[DUET_FOUND_SIZE];

    duet_yaml_found(found, node);
    return duet_yaml_error(reading->yaml, duet_yaml_line(node),
                           "found %s for '%s'%s%s; allowed is %s", found, name,
                           *where ? " in " : "", where, allowed);
}

static dt_status read_section(struct reading *reading, const struct place *place,
                              yaml_node_t *mapping);

/* ---- a mapping's keys ---- */

static dt_status unknown_key(struct reading *reading, const struct place *place,
                             const yaml_node_t *key)
{
    char found[DUET_FOUND_SIZE];
    struct dt_buf names;
    dt_status status;

    dt_buf_init(&names, 1024);
    duet_schema_names(&names, place->section);
    duet_yaml_found(found, key);
    status = duet_yaml_error(reading->yaml, duet_yaml_line(key),
                             "unknown key %s%s%s; allowed are %s", found,
                             *place->where ? " in " : "", place->where, dt_buf_str(&names));
    dt_buf_fini(&names);
    return status;
}

/* Every key is text and stands once. */
static dt_status check_keys(struct reading *reading, const char *where,
                            const yaml_node_t *mapping)
{
    const yaml_node_pair_t *first = mapping->data.mapping.pairs.start;
    const yaml_node_pair_t *end = mapping->data.mapping.pairs.top;

    if (end - first > SETTINGS_MAX)
        return duet_yaml_error(reading->yaml, duet_yaml_line(mapping),
                               "found %ld keys%s%s; allowed are %d", (long)(end - first),
                               *where ? " in " : "", where, SETTINGS_MAX);
    for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
        yaml_node_t *key = duet_yaml_node(reading->yaml, pair->key);
        const char *name = duet_yaml_text(key);

        if (name == NULL) {
            char found[DUET_FOUND_SIZE];

            duet_yaml_found(found, key);
            return duet_yaml_error(reading->yaml, duet_yaml_line(key),
                                   "found %s as a key%s%s; allowed is text", found,
                                   *where ? " in " : "", where);
        }
        for (const yaml_node_pair_t *other = first; other < pair; other++) {
            yaml_node_t *before = duet_yaml_node(reading->yaml, other->key);

            if (strcmp(duet_yaml_text(before), name) == 0)
                return duet_yaml_error(
                    reading->yaml, duet_yaml_line(key),
                    "key '%s'%s%s stands there twice (first in line %d); "
                    "allowed is once",
                    name, *where ? " in " : "", where, duet_yaml_line(before));
        }
    }
    return DT_OK;
}

static yaml_node_t *find(struct reading *reading, const yaml_node_t *mapping,
                         const char *name)
{
    const yaml_node_pair_t *pair;

    if (mapping == NULL)
        return NULL;
    for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++)
        if (strcmp(duet_yaml_text(duet_yaml_node(reading->yaml, pair->key)), name) == 0)
            return duet_yaml_node(reading->yaml, pair->value);
    return NULL;
}

/* ---- values by shape ---- */

static dt_status store(struct reading *reading, const struct duet_schema_key *key,
                       const struct place *place, const yaml_node_t *node, const char *text)
{
    struct duet_storing storing = {.key = key, .folder = reading->config->folder};
    void *field = (char *)place->base + key->offset;
    dt_status status = key->store(&storing, text, field);

    if (status != DT_EINVAL || node == NULL)
        return status;
    if (storing.sentence[0] != '\0')
        return duet_yaml_error(reading->yaml, duet_yaml_line(node), "%s", storing.sentence);
    return refuse_shape(reading, node, key->name, place->where, key->allowed);
}

static dt_status read_settings(struct reading *reading, const struct duet_schema_key *key,
                               const yaml_node_t *mapping)
{
    struct duet_config *config = reading->config;
    size_t count =
        (size_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);

    config->kafka = calloc(count ? count : 1, sizeof(*config->kafka));
    if (config->kafka == NULL)
        return no_memory();
    for (size_t i = 0; i < count; i++) {
        const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start + i;
        yaml_node_t *value = duet_yaml_node(reading->yaml, pair->value);
        yaml_node_t *at = duet_yaml_node(reading->yaml, pair->key);
        const char *name = duet_yaml_text(at), *text = duet_yaml_text(value);
        struct duet_setting *setting = &config->kafka[config->kafka_count];

        if (duet_schema_kafka_owned(name))
            return duet_yaml_error(reading->yaml, duet_yaml_line(at),
                                   "'%s' in %s is set by duet itself; allowed are all "
                                   "properties of librdkafka that it does not set",
                                   name, key->name);
        if (text == NULL)
            return refuse_shape(reading, value, name, key->name, "text or a number");
        config->kafka_count++;
        setting->line = duet_yaml_line(at);
        setting->name = strdup(name);
        setting->value = strdup(text);
        setting->line = duet_yaml_line(at);
        if (setting->name == NULL || setting->value == NULL)
            return no_memory();
    }
    for (size_t i = 0; i < duet_schema_count; i++) {
        const struct duet_schema_key *row = &duet_schema[i];

        if (strcmp(row->section, key->name) == 0 &&
            duet_config_kafka(config, row->name) == NULL)
            return duet_yaml_error(reading->yaml, duet_yaml_line(mapping),
                                   "'%s' is missing in %s; allowed is %s", row->name,
                                   key->name, row->allowed);
    }
    return DT_OK;
}

static dt_status read_names(struct reading *reading, const struct duet_schema_key *key,
                            const struct place *place, const yaml_node_t *list)
{
    struct duet_route_config *route = place->base;
    const yaml_node_item_t *item = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - item);

    if (count > GROUPS_MAX)
        return duet_yaml_error(reading->yaml, duet_yaml_line(list),
                               "found %zu names for '%s' in %s; allowed are %d", count,
                               key->name, place->where, GROUPS_MAX);
    route->groups = calloc(count ? count : 1, sizeof(*route->groups));
    if (route->groups == NULL)
        return no_memory();
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *node = duet_yaml_node(reading->yaml, item[i]);
        const char *name = duet_yaml_text(node);

        if (name == NULL || !duet_group_name_legal(name))
            return refuse_shape(reading, node, key->name, place->where, key->allowed);
        for (size_t j = 0; j < i; j++)
            if (strcmp(route->groups[j], name) == 0)
                return duet_yaml_error(reading->yaml, duet_yaml_line(node),
                                       "group '%s' stands in %s twice; allowed is once",
                                       name, place->where);
        route->groups[i] = strdup(name);
        if (route->groups[i] == NULL)
            return no_memory();
        route->group_count++;
    }
    return DT_OK;
}

static dt_status read_routes(struct reading *reading, const struct duet_schema_key *key,
                             const yaml_node_t *list)
{
    struct duet_config *config = reading->config;
    const yaml_node_item_t *item = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - item);
    dt_status status = DT_OK;

    if (count == 0 || count > ROUTES_MAX)
        return duet_yaml_error(reading->yaml, duet_yaml_line(list),
                               "found %zu routes; allowed are 1 to %d", count, ROUTES_MAX);
    config->routes = calloc(count, sizeof(*config->routes));
    if (config->routes == NULL)
        return no_memory();
    for (size_t i = 0; status == DT_OK && i < count; i++) {
        yaml_node_t *node = duet_yaml_node(reading->yaml, item[i]);
        char where[WHERE_SIZE];
        struct place place = {DUET_SECTION_ROUTE, where, &config->routes[i]};

        snprintf(where, sizeof(where), "%s[%zu]", key->name, i);
        config->route_count++;
        config->routes[i].line = duet_yaml_line(node);
        if (node->type != YAML_MAPPING_NODE)
            return refuse_shape(reading, node, where, "",
                                "a mapping such as {topic: NAME, partitions: 4}");
        status = read_section(reading, &place, node);
    }
    return status;
}

static dt_status read_node(struct reading *reading, const struct duet_schema_key *key,
                           const struct place *place, yaml_node_t *node)
{
    bool list = key->shape == DUET_SHAPE_NAMES || key->shape == DUET_SHAPE_ROUTES;
    struct place inside = {key->name, key->name, place->base};
    const char *text;

    if (key->shape == DUET_SHAPE_SCALAR) {
        text = duet_yaml_text(node);
        if (text == NULL)
            return refuse_shape(reading, node, key->name, place->where, key->allowed);
        return store(reading, key, place, node, text);
    }
    if (node->type != (list ? YAML_SEQUENCE_NODE : YAML_MAPPING_NODE))
        return refuse_shape(reading, node, key->name, place->where, key->allowed);
    switch (key->shape) {
    case DUET_SHAPE_NAMES:
        return read_names(reading, key, place, node);
    case DUET_SHAPE_ROUTES:
        return read_routes(reading, key, node);
    case DUET_SHAPE_SETTINGS: {
        dt_status status = check_keys(reading, key->name, node);

        return status != DT_OK ? status : read_settings(reading, key, node);
    }
    default:
        return read_section(reading, &inside, node);
    }
}

static dt_status use_default(struct reading *reading, const struct duet_schema_key *key,
                             const struct place *place, const yaml_node_t *mapping)
{
    const char *text = key->fallback;
    struct place inside = {key->name, key->name, place->base};

    if (text == NULL) {
        const yaml_node_t *at = mapping != NULL ? mapping : reading->yaml->root;

        return duet_yaml_error(reading->yaml, duet_yaml_line(at),
                               "'%s' is missing%s%s; allowed is %s", key->name,
                               *place->where ? " in " : "", place->where, key->allowed);
    }
    if (key->shape == DUET_SHAPE_SECTION)
        return read_section(reading, &inside, NULL);
    if (key->shape != DUET_SHAPE_SCALAR)
        return DT_OK; /* an empty list */
    if (key->fallback_test != NULL && strcmp(reading->config->gates.preset, "test") == 0)
        text = key->fallback_test;
    return store(reading, key, place, NULL, text);
}

/* Fills the section's rows in the table's order, so that the preset of the gates stands before
 * the keys whose default it decides. `mapping` NULL: all defaults. */
static dt_status read_section(struct reading *reading, const struct place *place,
                              yaml_node_t *mapping)
{
    dt_status status = DT_OK;

    if (mapping != NULL) {
        const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

        status = check_keys(reading, place->where, mapping);
        for (; status == DT_OK && pair < mapping->data.mapping.pairs.top; pair++) {
            yaml_node_t *key = duet_yaml_node(reading->yaml, pair->key);

            if (duet_schema_find(place->section, duet_yaml_text(key)) == NULL)
                status = unknown_key(reading, place, key);
        }
    }
    for (size_t i = 0; status == DT_OK && i < duet_schema_count; i++) {
        const struct duet_schema_key *key = &duet_schema[i];
        yaml_node_t *node;

        if (strcmp(key->section, place->section) != 0)
            continue;
        node = find(reading, mapping, key->name);
        status = node != NULL ? read_node(reading, key, place, node)
                              : use_default(reading, key, place, mapping);
    }
    return status;
}

dt_status duet_read_config(struct duet_yaml *yaml, struct duet_config *config)
{
    struct reading reading = {yaml, config};
    struct place top = {"", "", config};

    return read_section(&reading, &top, yaml->root);
}
