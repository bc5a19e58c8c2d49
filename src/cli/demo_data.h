/*
 * demo_data.h - rows of the flight file for the demo's producers.
 */
#ifndef CLI_DEMO_DATA_H
#define CLI_DEMO_DATA_H

#include <stdint.h>

#include "rmq/status.h"

/* How many rows (without the header) the file has. */
dt_status demo_data_count(const char *csv, int64_t *rows);

/* Writes header and rows [from, to), counted from 0. */
dt_status demo_data_slice(const char *csv, const char *out, int64_t from, int64_t to);

/* Writes the header and `count` rows of [from, to) chosen by the seed, in the file's order. */
dt_status demo_data_choose(const char *csv, const char *out, int64_t from, int64_t to,
                           int64_t count, uint64_t seed);

#endif
