/*
 * table.h - aligned tables for people. Only src/cli/table.c knows libsmartcols.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "rmq/status.h"

struct cli_table;

/* Columns as "NAME" or ">NAME" (to the right), ended by NULL. Never NULL: without memory the
 * calls below do nothing. */
struct cli_table *cli_table_new(const char *const *columns);
/* A new line; its cells are filled from the left. `bad` makes it red on a terminal. */
void cli_table_line(struct cli_table *table, bool bad);
void cli_table_text(struct cli_table *table, const char *format, ...) DT_PRINTF(2, 3);
void cli_table_number(struct cli_table *table, int64_t number);
/* Prints to stdout (nothing if there is no line), and frees. */
void cli_table_print(struct cli_table *table);
void cli_table_print_to(struct cli_table *table, FILE *stream);

#endif
