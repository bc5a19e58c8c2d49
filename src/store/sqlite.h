/*
 * sqlite.h - one SQLite database as the stores use it: opened, locked, asked, its errors named.
 *
 * WAL and synchronous=FULL: readers never wait for writers, and what COMMIT has answered
 * survives a power cut. Writers take the lock at BEGIN (IMMEDIATE), so that a transaction
 * that has begun is never refused half-way for another process's sake. Waiting for the lock
 * is bounded (busy_ms) and done here, with jitter; writers that wait stand at a turnstile
 * (a lock file beside the database), because SQLite's own lock is taken by whoever happens to
 * ask at the right moment: a role that commits batch after batch would keep a switch out.
 *
 * Thread: a handle belongs to one thread at a time.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "base/buf.h"
#include "duet/duet.h"

#define DUET_SQL_BUSY_MS 10000

struct duet_sql_cached {
    const char *text; /* a literal: its address is the key */
    sqlite3_stmt *statement;
};

struct duet_sql {
    sqlite3 *db;
    char *path;
    int turn_fd; /* the turnstile; -1: none, then waiting is only less fair */
    bool in_turn;
    int64_t turn_ignored_ms; /* until then: somebody stopped in it */
    int64_t busy_ms;         /* how long to wait for a lock */
    int64_t give_up_ms;      /* when the present wait ends */
    uint64_t random;         /* for the jitter */
    struct duet_sql_cached *cached;
    size_t cached_count, cached_capacity;
};

/* Opens the file; DT_ENOTFOUND if it is not there and not `create` (then its folder is made,
 * too). Nothing is written yet, so that a foreign file can be told and left alone. */
dt_status duet_sql_open(struct duet_sql *sql, const char *path, bool create);
/* From here on it is ours: WAL mode, and the turnstile. */
dt_status duet_sql_adopt(struct duet_sql *sql);
/* A database in memory, to attach others to. */
dt_status duet_sql_open_memory(struct duet_sql *sql);
void duet_sql_close(struct duet_sql *sql); /* also one that is all zeros */

/* Before a call that may wait or write: from now on busy_ms count, and errno is clear. */
void duet_sql_start(struct duet_sql *sql);

/* The status of a SQLite result, with a sentence that names the file. What a program's own,
 * fixed SQL cannot cause by itself ("no such table") is DT_ECORRUPT. */
dt_status duet_sql_status(struct duet_sql *sql, int result);

/* One transaction. `work` may run more than once: what it gives out counts only on DT_OK.
 * DT_OK commits, all else rolls back and is returned. */
typedef dt_status (*duet_sql_work)(struct duet_sql *sql, void *context);
dt_status duet_sql_write(struct duet_sql *sql, duet_sql_work work, void *context);
dt_status duet_sql_read(struct duet_sql *sql, duet_sql_work work, void *context);

/* The same by hand. A failed commit has rolled back. Rollback never fails. */
dt_status duet_sql_begin(struct duet_sql *sql);
dt_status duet_sql_commit(struct duet_sql *sql);
void duet_sql_rollback(struct duet_sql *sql);

/* ---- statements of our own: text literals, kept prepared; ?1, ?2, ... are the values ---- */

#define DUET_BIND(...)                                                                     \
    (const duet_value[]){__VA_ARGS__},                                                     \
        sizeof((const duet_value[]){__VA_ARGS__}) / sizeof(duet_value)
#define DUET_NO_BIND NULL, 0

static inline duet_value duet_sql_blob(struct dt_span span)
{
    duet_value value = {.type = DUET_BLOB, .data = span.data, .size = span.size};
    return value;
}

/* Binds to parameter `index` (from 1); the value must live until the statement is reset. */
int duet_sql_bind(sqlite3_stmt *statement, int index, const duet_value *value);

/* Runs to the end; *changed (may be NULL) is the number of rows written. */
dt_status duet_sql_run(struct duet_sql *sql, const char *text, const duet_value *values,
                       size_t count, int64_t *changed);
/* Several statements without parameters, not kept. */
dt_status duet_sql_script(struct duet_sql *sql, const char *text);

/* for (select; next;) {...} status = end; a failure anywhere comes out of end. Two loops over
 * the same text must not be open at once. */
struct duet_rows {
    struct duet_sql *sql;
    sqlite3_stmt *statement;
    dt_status status;
};
void duet_sql_select(struct duet_sql *sql, struct duet_rows *rows, const char *text,
                     const duet_value *values, size_t count);
/* For SQL made at run time: prepared for once. */
void duet_sql_select_once(struct duet_sql *sql, struct duet_rows *rows, const char *text);
bool duet_rows_next(struct duet_rows *rows);
dt_status duet_rows_end(struct duet_rows *rows);
dt_status duet_rows_end_once(struct duet_rows *rows);

int64_t duet_rows_int(const struct duet_rows *rows, int column);
struct dt_span duet_rows_bytes(const struct duet_rows *rows, int column); /* until next */
/* Cut to fit, NUL-terminated; NULL gives "". */
void duet_rows_text(const struct duet_rows *rows, int column, char *out, size_t size);

#define DUET_ROWS_TEXT(rows, column, array)                                                \
    duet_rows_text(rows, column, array, sizeof(array))

/* "sqlite:PATH" -> PATH; DT_EUNSUPPORTED for postgresql, DT_EINVAL for anything else. */
dt_status duet_url_path(const char *url, const char **path);

#endif
