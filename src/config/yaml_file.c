#include "config/yaml_file.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/status.h"

dt_status duet_yaml_error(const struct duet_yaml *yaml, int line, const char *format, ...)
{
    char sentence[DT_ERROR_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    return dt_error_set(DT_EINVAL, "%s:%d: %s", yaml->path, line, sentence);
}

static int line_of_offset(struct dt_span text, size_t offset)
{
    int line = 1;

    for (size_t i = 0; i < text.size && i < offset; i++)
        line += text.data[i] == '\n';
    return line;
}

static dt_status parser_error(const struct duet_yaml *yaml, const yaml_parser_t *parser,
                              struct dt_span text)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";

    if (parser->error == YAML_MEMORY_ERROR)
        return dt_error_set(DT_ENOMEM, "%s: no memory to read it", yaml->path);
    if (parser->error == YAML_READER_ERROR)
        return duet_yaml_error(yaml, line_of_offset(text, parser->problem_offset),
                               "%s; allowed is UTF-8 text", problem);
    return duet_yaml_error(yaml, (int)parser->problem_mark.line + 1,
                           "%s%s%s (column %d); allowed is YAML", problem,
                           parser->context != NULL ? ", " : "",
                           parser->context != NULL ? parser->context : "",
                           (int)parser->problem_mark.column + 1);
}

static dt_status no_second_document(const struct duet_yaml *yaml, yaml_parser_t *parser,
                                    struct dt_span text)
{
    yaml_document_t second;
    dt_status status = DT_OK;

    if (!yaml_parser_load(parser, &second))
        return parser_error(yaml, parser, text);
    if (yaml_document_get_root_node(&second) != NULL)
        status = duet_yaml_error(yaml, (int)second.start_mark.line + 1,
                                 "found a second document; allowed is one");
    yaml_document_delete(&second);
    return status;
}

static dt_status check_root(struct duet_yaml *yaml)
{
    char found[DUET_FOUND_SIZE];

    yaml->root = yaml_document_get_root_node(&yaml->document);
    if (yaml->root == NULL)
        return duet_yaml_error(yaml, 1, "the file is empty; allowed is a mapping of keys");
    if (yaml->root->type == YAML_MAPPING_NODE)
        return DT_OK;
    duet_yaml_found(found, yaml->root);
    return duet_yaml_error(yaml, duet_yaml_line(yaml->root),
                           "found %s; allowed is a mapping of keys", found);
}

dt_status duet_yaml_parse(struct duet_yaml *yaml, const char *path, struct dt_span text)
{
    yaml_parser_t parser;
    dt_status status;

    yaml->path = path;
    yaml->root = NULL;
    if (!yaml_parser_initialize(&parser))
        return dt_error_set(DT_ENOMEM, "%s: no memory to read it", path);
    yaml_parser_set_input_string(&parser, text.size > 0 ? text.data : (const uint8_t *)"",
                                 text.size);
    if (!yaml_parser_load(&parser, &yaml->document)) {
        status = parser_error(yaml, &parser, text);
        yaml_parser_delete(&parser);
        return status;
    }
    status = check_root(yaml);
    if (status == DT_OK)
        status = no_second_document(yaml, &parser, text);
    if (status != DT_OK)
        duet_yaml_fini(yaml);
    yaml_parser_delete(&parser);
    return status;
}

void duet_yaml_fini(struct duet_yaml *yaml)
{
    yaml_document_delete(&yaml->document);
    yaml->root = NULL;
}

const char *duet_yaml_text(const yaml_node_t *node)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length)
        return NULL;
    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return NULL;
    return text;
}

void duet_yaml_found(char out[DUET_FOUND_SIZE], const yaml_node_t *node)
{
    const char *text = duet_yaml_text(node);
    size_t used = 1;

    if (text == NULL) {
        bool other = node->type == YAML_SCALAR_NODE && node->data.scalar.length > 4;

        snprintf(out, DUET_FOUND_SIZE, "%s",
                 node->type == YAML_MAPPING_NODE    ? "a mapping"
                 : node->type == YAML_SEQUENCE_NODE ? "a list"
                 : other                            ? "text with a NUL in it"
                                                    : "nothing");
        return;
    }
    out[0] = '\'';
    while (*text != '\0' && used < DUET_FOUND_SIZE - 6) {
        unsigned char c = (unsigned char)*text++;

        out[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    while (*text != '\0' && (out[used - 1] & 0xc0) == 0x80)
        used--; /* do not cut a UTF-8 sequence: drop its tail ... */
    if (*text != '\0' && ((unsigned char)out[used - 1] & 0xc0) == 0xc0)
        used--; /* ... and its head */
    snprintf(out + used, DUET_FOUND_SIZE - used, "%s'", *text != '\0' ? "..." : "");
}
