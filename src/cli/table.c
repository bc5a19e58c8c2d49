#include "cli/table.h"

#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

struct cli_table {
    struct libscols_table *table; /* NULL without memory */
    struct libscols_line *line;
    size_t cell, lines;
};

struct cli_table *cli_table_new(const char *const *columns)
{
    static struct cli_table none;
    struct cli_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return &none;
    table->table = scols_new_table();
    if (table->table == NULL)
        return table;
    scols_table_enable_colors(table->table, cli_colour() ? 1 : 0);
    for (; *columns != NULL; columns++) {
        bool right = (*columns)[0] == '>';

        if (scols_table_new_column(table->table, *columns + (right ? 1 : 0), 0,
                                   right ? SCOLS_FL_RIGHT : 0) == NULL) {
            scols_unref_table(table->table);
            table->table = NULL;
            return table;
        }
    }
    return table;
}

void cli_table_line(struct cli_table *table, bool bad)
{
    if (table->table == NULL)
        return;
    table->line = scols_table_new_line(table->table, NULL);
    table->cell = 0;
    table->lines++;
    if (bad && table->line != NULL)
        scols_line_set_color(table->line, "red");
}

void cli_table_text(struct cli_table *table, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (table->table == NULL || table->line == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)scols_line_set_data(table->line, table->cell++, text);
}

void cli_table_number(struct cli_table *table, int64_t number)
{
    cli_table_text(table, "%lld", (long long)number);
}

void cli_table_print(struct cli_table *table)
{
    cli_table_print_to(table, stdout);
}

void cli_table_print_to(struct cli_table *table, FILE *stream)
{
    if (table->table == NULL) {
        if (table->lines > 0)
            fprintf(stderr, "duet: no memory for a table\n");
        return;
    }
    scols_table_set_stream(table->table, stream);
    if (table->lines > 0)
        scols_print_table(table->table);
    scols_unref_table(table->table);
    free(table);
}
