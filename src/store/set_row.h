/*
 * set_row.h - entries of an id set and counters as rows, for the control store and the sinks.
 */
#ifndef STORE_SET_ROW_H
#define STORE_SET_ROW_H

#include "model/idset.h"
#include "store/sqlite.h"

/* Far above any real entry: a hole takes a few bytes, and a blob may have 1 GB. */
#define DUET_HOLES_MAX ((size_t)512 << 20)

/* Columns kind, instance, boot, set_end, newest_minute, holes starting at `column`. */
static inline dt_status duet_rows_set_entry(const struct duet_rows *rows, int column,
                                            struct duet_idset *set)
{
    return duet_idset_entry_load(set, (uint8_t)duet_rows_int(rows, column),
                                 (uint32_t)duet_rows_int(rows, column + 1),
                                 (uint16_t)duet_rows_int(rows, column + 2),
                                 (uint64_t)duet_rows_int(rows, column + 3),
                                 (uint32_t)duet_rows_int(rows, column + 4),
                                 duet_rows_bytes(rows, column + 5));
}

#endif
