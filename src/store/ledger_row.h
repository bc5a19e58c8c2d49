/*
 * ledger_row.h - a ledger entry as the row that the control store and the sinks keep.
 */
#ifndef STORE_LEDGER_ROW_H
#define STORE_LEDGER_ROW_H

#include "store/control_store.h"
#include "store/sqlite.h"

/* kind, topic, grp, partition, side, first_id, position, messages, at_ms, reason, resolved */
enum { DUET_LEDGER_COLUMNS = 11 };

struct duet_ledger_row {
    uint8_t id[DUET_ID_SIZE];
    duet_value values[DUET_LEDGER_COLUMNS]; /* borrow from the entry and from `id` */
};

void duet_ledger_row_of(struct duet_ledger_row *row, const struct duet_ledger_entry *entry);
/* The columns in this order, the first at `column`. */
dt_status duet_ledger_row_read(const struct duet_rows *rows, int column,
                               struct duet_ledger_entry *entry);

#endif
