/*
 * compare.h - one table, live against shadow, on a connection to which both are attached.
 */
#ifndef STORE_COMPARE_H
#define STORE_COMPARE_H

#include "store/sink.h"
#include "store/sqlite.h"

/* The names of the attached databases. */
#define DUET_COMPARE_LIVE   "live"
#define DUET_COMPARE_SHADOW "shadow"

enum { DUET_COLUMN_NAME_SIZE = 256 };

struct duet_column {
    char name[DUET_COLUMN_NAME_SIZE];
    int key[DUET_ROLES]; /* place in the primary key, from 1; 0: not part of it */
    bool in[DUET_ROLES];
};

struct duet_compared { /* a table while it is compared */
    struct duet_sql *sql;
    struct duet_table_difference *out;
    struct duet_column *columns; /* of either side, key first if there is one */
    size_t count;
    size_t keys; /* rows are matched by the first `keys`; 0: whole rows */
    bool in[DUET_ROLES];
    size_t sample_max;
    struct dt_buf text; /* of the statement being made */
};

/* Appends a name in double quotes. */
void duet_sql_quote(struct dt_buf *out, const char *name);

/* Fills `out`, of which the table's name is set. DT_ENOTFOUND: it is on neither side. */
dt_status duet_compare_table(struct duet_sql *sql, size_t sample_max,
                             struct duet_table_difference *out);

/* Adds {"key":...,"live":...,"shadow":...} to the samples. The row holds the key, the rest of
 * live's columns, the rest of shadow's; a side that is false has no row and gives null. A row
 * of more than a megabyte gives no sample. */
dt_status duet_compare_sample(struct duet_compared *table, sqlite3_stmt *row, bool live,
                              bool shadow);

#endif
