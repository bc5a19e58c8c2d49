/*
 * sink_internal.h - what the files of a sink share; the contract is sink.h.
 */
#ifndef STORE_SINK_INTERNAL_H
#define STORE_SINK_INTERNAL_H

#include "store/sink.h"
#include "store/sqlite.h"

enum { DUET_SINK_STATEMENTS = 64 }; /* of handlers, kept prepared */

struct duet_sink_statement;

struct duet_sink {
    struct duet_sql sql;
    enum duet_role role;
    char group[DUET_NAME_SIZE];
    bool in_transaction;
    bool in_savepoint;

    /* SQLite ends a transaction by itself when its disk is full. From then to rollback every
     * call fails with what it failed with; nothing may slip into a transaction of its own. */
    dt_status lost;
    char lost_text[256];

    bool in_handler; /* the statement being prepared or run is the application's */
    char denied[160];
    struct duet_sink_statement *statements[DUET_SINK_STATEMENTS];
    size_t statement_count;
    uint64_t uses;
};

/* DT_OK inside a transaction that is still there. */
dt_status duet_sink_check(const struct duet_sink *sink);
/* After a failure: remembers it if it has ended the transaction. Returns `status`. */
dt_status duet_sink_failed(struct duet_sink *sink, dt_status status);

/* The tables, made where they are missing. */
dt_status duet_sink_prepare(struct duet_sql *sql);

/* Keeps handlers off duet's tables and off what would leave the transaction. */
void duet_sink_guard(struct duet_sink *sink);
/* False, with the sentence in sink->denied, for SQL that could end the transaction. */
bool duet_sink_text_allowed(struct duet_sink *sink, const char *text);
void duet_sink_statements_free(struct duet_sink *sink);

#endif
