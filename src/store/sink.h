/*
 * sink.h - the store of one role of one group: the application's tables and, beside them and in
 * the same transactions, the role's state (design: side, version, processed set, cursors).
 *
 *   begin -> claim (version must be the one loaded) -> effects -> save -> commit
 *
 * SQLite: <dir>/live.db and <dir>/shadow.db, WAL, synchronous=FULL; tables starting duet_ are
 * ours. Thread: a handle belongs to one thread.
 * Outcomes of all: DT_OK; DT_ENOSPC: the disk is full, nothing of the transaction happened;
 * DT_EBUSY; DT_EIO; DT_ENOMEM; DT_EUNREACH; DT_ECORRUPT; DT_ESTATE: outside a transaction what
 * needs one, or the reverse. After a failure that has ended the transaction (a full disk) every
 * call up to the rollback fails with it, commit and undo included. After a rollback, also one
 * by a failed commit, states that were changed or claimed are to be loaded again.
 */
#ifndef STORE_SINK_H
#define STORE_SINK_H

#include "duet/duet.h"
#include "model/counts.h"
#include "model/idset.h"
#include "model/marks.h"
#include "store/control_store.h"

struct duet_sink;

/* What a role remembers about one side of a partition. */
struct duet_cursor {
    int64_t
        position; /* every id before it is in the processed set, or in `left`; -1: not begun */
    int64_t read_to; /* positions below have been counted; 0 at first */
    struct duet_marks marks;
    struct duet_idset seen; /* ids read on this side: a second copy is a duplicate */
    struct duet_idset
        absent; /* numbers known not to be on this side: nobody waits for them */
    struct duet_idset
        ended; /* boots known to be over, as links of this side say: [0, end) */
    struct duet_idset left; /* positions before `position` whose ids are not in the set */
    struct duet_counts counts; /* duet_role_counter per window and day */
    bool dirty;
};

/* The state of (group, role, partition). */
struct duet_role_state {
    char topic[DUET_NAME_SIZE];
    int32_t partition;
    enum duet_side side;
    int64_t version;
    struct duet_idset processed;
    struct duet_cursor cursor[DUET_SIDES];
};

/* `url`: "sqlite:DIR"; the folder is created. postgresql: DT_EUNSUPPORTED. */
dt_status duet_sink_open(const char *url, enum duet_role role, const char *group,
                         struct duet_sink **out);
void duet_sink_close(struct duet_sink *sink);

/* Whether the store has a state of this group for the topic at all. */
dt_status duet_sink_has_state(struct duet_sink *sink, const char *topic, bool *has);
/* Loads a consistent state; where there is none, creates one of version 0 that reads
 * `first_side` with empty cursors. Inside a transaction or not. On failure *out needs no fini. */
dt_status duet_sink_load(struct duet_sink *sink, const char *topic, int32_t partition,
                         enum duet_side first_side, struct duet_role_state *out);
void duet_role_state_fini(struct duet_role_state *state);

dt_status duet_sink_begin(struct duet_sink *sink); /* takes the write lock */
/* version := version + 1 where version = state->version; DT_ECONFLICT if that matched no row:
 * somebody else committed or switched; roll back and load again. */
dt_status duet_sink_claim(struct duet_sink *sink, struct duet_role_state *state);
/* Writes what is dirty in the state: set, cursors, counts; then it is clean. */
dt_status duet_sink_save(struct duet_sink *sink, struct duet_role_state *state);
dt_status duet_sink_ledger(struct duet_sink *sink, const struct duet_ledger_entry *entry);
/* A commit that fails has rolled back. */
dt_status duet_sink_commit(struct duet_sink *sink);
/* Never fails: what is not committed is gone. Inside a savepoint, too; outside of all, no-op. */
void duet_sink_rollback(struct duet_sink *sink);

/* One message's effects within the transaction: undone alone if its handler fails. One at a
 * time. release: DT_EINVAL if a deferred foreign key is broken; undo then. */
dt_status duet_sink_savepoint(struct duet_sink *sink);
dt_status duet_sink_release(struct duet_sink *sink);
dt_status duet_sink_undo(struct duet_sink *sink);

/* One statement of the handler, with $1 ... $count bound by number. Only inside a transaction.
 * DT_EINVAL: the message's or the handler's fault: wrong SQL or number of values, a constraint
 * that does not hold, a value too large, a table starting duet_ or the transaction itself
 * touched. The transaction is then as it was before the statement. `row` may call both again, but must not
 * write the table that is being read: SQLite may then come to the same row again. */
dt_status duet_sink_exec(struct duet_sink *sink, const char *sql, const duet_value *values,
                         size_t count, int64_t *changed);
dt_status duet_sink_query(struct duet_sink *sink, const char *sql, const duet_value *values,
                          size_t count, duet_row_fn row, void *context);

/* The switch: one conditional statement in a transaction of its own:
 * side := to, version := version + 1 where the partition's side is `from`. DT_ECONFLICT: it was
 * not (already switched, or unknown). Any process may do it while others use the store. */
dt_status duet_sink_switch(struct duet_sink *sink, const char *topic, int32_t partition,
                           enum duet_side from, enum duet_side to);

/* The group's ledger entries above `after` (a row number; 0: from the first), to be copied into
 * the control store; at most DUET_SINK_LEDGER_MAX at a time, so ask until there is none. *last
 * is the row of the last one given, or `after`. The caller frees *out with free(). */
#define DUET_SINK_LEDGER_MAX 4096
dt_status duet_sink_ledger_after(struct duet_sink *sink, int64_t after,
                                 struct duet_ledger_entry **out, size_t *count,
                                 int64_t *last);

/* The gaps of a partition that were listed and are not resolved yet; at most
 * DUET_SINK_LEDGER_MAX, the oldest. The caller frees *out with free(). */
dt_status duet_sink_open_gaps(struct duet_sink *sink, const char *topic, int32_t partition,
                              struct duet_ledger_entry **out, size_t *count);

/* ---- compare: the application's tables, live against shadow ---- */

struct duet_table_difference {
    char table[128];
    int64_t rows_live, rows_shadow, only_live, only_shadow, different;
    char **sample; /* JSON objects: {"key":{...},"live":{...}|null,"shadow":{...}|null} */
    size_t sample_count;
};
/* Tables by primary key (rowid tables without one: whole rows as a multiset). `tables` NULL:
 * all that either side has and that do not start with duet_. At most `sample_max` samples each.
 * DT_ENOTFOUND: a named table is in neither, or a store is missing. */
dt_status duet_sink_compare(const char *url, const char *group, const char *const *tables,
                            size_t table_count, size_t sample_max,
                            struct duet_table_difference **out, size_t *count);
void duet_table_differences_free(struct duet_table_difference *differences, size_t count);

#endif
