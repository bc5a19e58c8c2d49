/*
 * yaml_file.h - a YAML file as libyaml's document, and errors that say where.
 *
 * Only config/ includes this.
 */
#ifndef CONFIG_YAML_FILE_H
#define CONFIG_YAML_FILE_H

#include <yaml.h>

#include "base/span.h"
#include "rmq/status.h"

struct duet_yaml {
    const char *path; /* as the user gave it; borrowed */
    yaml_document_t document;
    yaml_node_t *root; /* a mapping */
};

/* Parses `text`: one document whose root is a mapping. On DT_OK the caller owns it. */
dt_status duet_yaml_parse(struct duet_yaml *yaml, const char *path, struct dt_span text);
void duet_yaml_fini(struct duet_yaml *yaml);

static inline int duet_yaml_line(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

static inline yaml_node_t *duet_yaml_node(struct duet_yaml *yaml, int index)
{
    return yaml_document_get_node(&yaml->document, index);
}

/* DT_EINVAL, "path:line: sentence". */
dt_status duet_yaml_error(const struct duet_yaml *yaml, int line, const char *format, ...)
    DT_PRINTF(3, 4);

/* What stands there, for an error: "'abc'", "a list", "nothing". Long text is cut. */
enum { DUET_FOUND_SIZE = 80 };
void duet_yaml_found(char out[DUET_FOUND_SIZE], const yaml_node_t *node);

/* The scalar's text, or NULL: no scalar, nothing (a plain empty value, ~, null), or it has a
 * NUL inside. */
const char *duet_yaml_text(const yaml_node_t *node);

#endif
