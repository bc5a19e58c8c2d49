#include <string.h>

#include "config/config.h"
#include "config/schema.h"

static const char head[] = "# Configuration\n"
                           "\n"
                           "One YAML file, named with `--config` or by the environment "
                           "variable `DUET_CONFIG`. A wrong "
                           "key, type\n"
                           "or value is an error with file, line, what was found and what "
                           "is allowed. Relative paths in "
                           "it start\n"
                           "at the file's folder; folders that are missing are created.\n"
                           "\n"
                           "This page is made from the table that the file is read with.\n"
                           "\n"
                           "```yaml\n"
                           "migration: flights\n"
                           "store: sqlite:duet.db\n"
                           "state_dir: ./state\n"
                           "day: {timezone: UTC}\n"
                           "kafka: {bootstrap.servers: \"127.0.0.1:9092\"}\n"
                           "rocketmq: {namesrv: \"127.0.0.1:9876\"}\n"
                           "gates: {preset: test}\n"
                           "routes:\n"
                           "  - topic: flights\n"
                           "    partitions: 4\n"
                           "    groups: [carrier-stats]\n"
                           "```\n";

/* `|` would end a table's cell. */
static void put_cell(struct dt_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            dt_buf_put_u8(out, '\\');
        dt_buf_put_u8(out, (uint8_t)*text);
    }
}

static void put_default(struct dt_buf *out, const struct duet_schema_key *key)
{
    if (key->fallback == NULL)
        dt_buf_put_str(out, "required");
    else if (*key->fallback == '\0')
        dt_buf_put_str(out, key->shape == DUET_SHAPE_SCALAR ? "none" : "empty");
    else
        dt_buf_printf(out, "`%s`", key->fallback);
    if (key->fallback_test != NULL)
        dt_buf_printf(out, "; preset `test`: `%s`", key->fallback_test);
}

static void put_section(struct dt_buf *out, const char *section)
{
    dt_buf_put_str(out, "\n| key | type | default | allowed | what it does |\n"
                        "|---|---|---|---|---|\n");
    for (size_t i = 0; i < duet_schema_count; i++) {
        const struct duet_schema_key *key = &duet_schema[i];

        if (strcmp(key->section, section) != 0)
            continue;
        dt_buf_printf(out, "| `%s` | %s | ", key->name, key->type);
        put_default(out, key);
        dt_buf_put_str(out, " | ");
        put_cell(out, key->allowed);
        dt_buf_put_str(out, " | ");
        put_cell(out, key->about);
        dt_buf_put_str(out, " |\n");
    }
}

void duet_config_document(struct dt_buf *out)
{
    dt_buf_put_str(out, head);
    dt_buf_put_str(out, "\n## At the top\n");
    put_section(out, "");
    for (size_t i = 0; i < duet_schema_count; i++) {
        const struct duet_schema_key *key = &duet_schema[i];

        if (*key->section != '\0' || key->shape == DUET_SHAPE_SCALAR)
            continue;
        if (key->shape == DUET_SHAPE_ROUTES) {
            dt_buf_printf(out, "\n## `%s`\n\nOne mapping for each.\n", DUET_SECTION_ROUTE);
            put_section(out, DUET_SECTION_ROUTE);
            continue;
        }
        dt_buf_printf(out, "\n## `%s`\n", key->name);
        put_section(out, key->name);
        if (key->shape != DUET_SHAPE_SETTINGS)
            continue;
        dt_buf_put_str(out, "\nduet sets these itself and refuses them here:\n");
        for (size_t j = 0; duet_schema_kafka_own[j] != NULL; j++)
            dt_buf_printf(out, "`%s`%s\n", duet_schema_kafka_own[j],
                          duet_schema_kafka_own[j + 1] != NULL ? "," : ".");
    }
}
