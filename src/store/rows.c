/* Rows that more than one table has, read into the model's values. */
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"
#include "store/ledger_row.h"

/* Capacity is the next power of two, so it needs no field beside the count. */
void *duet_array_add(void *array_pointer, size_t *count, size_t size)
{
    void *array;
    uint8_t *item;

    memcpy(&array, array_pointer, sizeof(array));
    if ((*count & (*count - 1)) == 0) { /* 0, 1, 2, 4, 8, ...: full */
        size_t capacity = *count == 0 ? 1 : 2 * *count;
        void *grown = realloc(array, capacity * size);

        if (grown == NULL) {
            (void)dt_error_set(DT_ENOMEM, "no memory for %zu rows", capacity);
            return NULL;
        }
        array = grown;
        memcpy(array_pointer, &array, sizeof(array));
    }
    item = (uint8_t *)array + *count * size;
    memset(item, 0, size);
    ++*count;
    return item;
}

dt_status duet_rows_count(const struct duet_rows *rows, int column,
                          struct duet_counts *counts)
{
    struct duet_count *row = duet_counts_at(counts, (uint32_t)duet_rows_int(rows, column),
                                            (uint16_t)duet_rows_int(rows, column + 1));

    if (row == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for counts");
    for (int i = 0; i < DUET_COUNTERS; i++)
        row->n[i] += duet_rows_int(rows, column + 2 + i);
    return DT_OK;
}

void duet_ledger_row_of(struct duet_ledger_row *row, const struct duet_ledger_entry *entry)
{
    uint64_t messages = 1; /* an entry of none would be hidden in every sum */

    if (entry->sequence_to > entry->id.sequence)
        messages = entry->sequence_to - entry->id.sequence;
    duet_id_encode(row->id, &entry->id);
    row->values[0] = duet_integer(entry->kind);
    row->values[1] = duet_text(entry->topic);
    row->values[2] = duet_text(entry->group);
    row->values[3] = duet_integer(entry->partition);
    row->values[4] = duet_integer(entry->side);
    row->values[5] = duet_sql_blob(dt_span_of(row->id, sizeof(row->id)));
    row->values[6] = duet_integer(entry->position);
    row->values[7] = duet_integer((int64_t)messages);
    row->values[8] = duet_integer(entry->at_ms);
    row->values[9] = duet_text(entry->reason);
    row->values[10] = duet_integer(entry->resolved);
}

dt_status duet_ledger_row_read(const struct duet_rows *rows, int column,
                               struct duet_ledger_entry *entry)
{
    struct dt_span id = duet_rows_bytes(rows, column + 5);

    if (id.size != DUET_ID_SIZE)
        return dt_error_set(DT_ECORRUPT, "%s: a ledger entry's id has %zu bytes",
                            rows->sql->path, id.size);
    entry->kind = (enum duet_ledger_kind)duet_rows_int(rows, column);
    DUET_ROWS_TEXT(rows, column + 1, entry->topic);
    DUET_ROWS_TEXT(rows, column + 2, entry->group);
    entry->partition = (int32_t)duet_rows_int(rows, column + 3);
    entry->side = (enum duet_side)duet_rows_int(rows, column + 4);
    duet_id_decode(&entry->id, id.data);
    entry->position = duet_rows_int(rows, column + 6);
    entry->sequence_to = entry->id.sequence + (uint64_t)duet_rows_int(rows, column + 7);
    entry->at_ms = duet_rows_int(rows, column + 8);
    DUET_ROWS_TEXT(rows, column + 9, entry->reason);
    entry->resolved = duet_rows_int(rows, column + 10) != 0;
    return DT_OK;
}
