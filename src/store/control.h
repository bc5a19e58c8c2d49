/*
 * control.h - what the files of the control store share; the contract is control_store.h.
 */
#ifndef STORE_CONTROL_H
#define STORE_CONTROL_H

#include "store/control_store.h"
#include "store/sqlite.h"

struct duet_store {
    struct duet_sql sql;
};

/* Creates or migrates the tables in a file that was just opened, or refuses it. */
dt_status duet_control_prepare(struct duet_sql *sql, bool create);

/* A line of the audit log, within the transaction that it tells of. NULL texts give "". */
dt_status duet_control_audit(struct duet_sql *sql, const char *command, const char *detail,
                             const char *reason);

/* One counter row from columns (minute, day, c0 ... c5) starting at `column`. */
dt_status duet_rows_count(const struct duet_rows *rows, int column,
                          struct duet_counts *counts);

/* Growing arrays that are given to the caller: room for one more item of `size`, zeroed. NULL
 * without memory, and the sentence is set; the array stays the caller's to free. */
void *duet_array_add(void *array_pointer, size_t *count, size_t size);

#endif
