#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

enum {
    TURN_WAIT_MS = 200, /* courtesy for the one in the turnstile; it needs a few ms */
    TURN_IGNORED_MS =
        5000 /* one that took longer is stopped or slow: not waited for again */
};

/* Sleeps between half and all of `us`, so that those who wait do not meet again. */
static void pause_us(struct duet_sql *sql, int64_t us)
{
    struct timespec pause;

    sql->random ^= sql->random << 13;
    sql->random ^= sql->random >> 7;
    sql->random ^= sql->random << 17;
    us = us / 2 + (int64_t)(sql->random % (uint64_t)(us / 2 + 1));
    pause.tv_sec = 0;
    pause.tv_nsec = us * 1000;
    nanosleep(&pause, NULL);
}

static int on_busy(void *context, int tries)
{
    struct duet_sql *sql = context;

    if (dt_clock_ms() >= sql->give_up_ms)
        return 0;
    if (sql->in_turn) /* nobody else asks, so it may be often */
        pause_us(sql, tries < 20 ? 100 : 500);
    else
        pause_us(sql, tries < 6 ? (int64_t)200 << tries : 10000);
    return 1;
}

void duet_sql_start(struct duet_sql *sql)
{
    sql->give_up_ms = dt_clock_ms() + sql->busy_ms;
    errno = 0;
}

/* ---- errors ---- */

static bool is_full(int error_number)
{
    /* EFBIG: a limit on the file's size is a full disk to whoever set it */
    return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

/* What the system said. SQLite keeps it for a statement that fails while it runs, but not for
 * one that fails in its commit; then it still stands in errno, which duet_sql_start() cleared. */
static int system_error(const struct duet_sql *sql, int left)
{
    int kept = sql->db != NULL ? sqlite3_system_errno(sql->db) : 0;

    return kept != 0 ? kept : left;
}

dt_status duet_sql_status(struct duet_sql *sql, int result)
{
    int error_number = system_error(sql, errno);
    const char *text = sql->db != NULL ? sqlite3_errmsg(sql->db) : sqlite3_errstr(result);
    int primary = result & 0xff;
    char reason[128];

    if (result == SQLITE_OK)
        return DT_OK;
    if (primary == SQLITE_FULL ||
        ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && is_full(error_number)))
        return dt_error_set(DT_ENOSPC, "%s: no space is left to write it", sql->path);
    if (result == SQLITE_IOERR_NOMEM)
        primary = SQLITE_NOMEM;
    switch (primary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return dt_error_set(DT_EBUSY, "%s: another process has kept it locked for %lld ms",
                            sql->path, (long long)sql->busy_ms);
    case SQLITE_NOTADB:
        return dt_error_set(DT_ECORRUPT, "%s is not a SQLite database", sql->path);
    case SQLITE_CORRUPT:
        return dt_error_set(DT_ECORRUPT, "%s is damaged: %s", sql->path, text);
    case SQLITE_CANTOPEN:
        return dt_error_set(
            DT_EUNREACH, "cannot open %s: %s", sql->path,
            error_number != 0 ? strerror_r(error_number, reason, sizeof(reason)) : text);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return dt_error_set(DT_EUNREACH, "%s cannot be written: %s", sql->path, text);
    case SQLITE_NOMEM:
        return dt_error_set(DT_ENOMEM, "%s: no memory", sql->path);
    case SQLITE_TOOBIG:
        return dt_error_set(DT_ETOOBIG, "%s: %s", sql->path, text);
    case SQLITE_IOERR:
        return dt_error_set(DT_EIO, "%s: %s (%s)", sql->path, text,
                            strerror_r(error_number, reason, sizeof(reason)));
    case SQLITE_INTERRUPT:
        return dt_error_set(DT_EIO, "%s: %s", sql->path, text);
    default:
        return dt_error_set(DT_ECORRUPT,
                            "%s does not have the layout that duet gave it: %s", sql->path,
                            text);
    }
}

/* ---- open and close ---- */

static dt_status pragma_setup(struct duet_sql *sql)
{
    int result;

    sqlite3_extended_result_codes(sql->db, 1);
    sqlite3_busy_handler(sql->db, on_busy, sql);
    sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sql->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    result = sqlite3_exec(sql->db,
                          "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                          "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192",
                          NULL, NULL, NULL);
    return duet_sql_status(sql, result);
}

static dt_status start(struct duet_sql *sql, const char *path)
{
    memset(sql, 0, sizeof(*sql));
    sql->turn_fd = -1;
    sql->busy_ms = DUET_SQL_BUSY_MS;
    dt_random_bytes(&sql->random, sizeof(sql->random));
    sql->random |= 1;
    duet_sql_start(sql);
    sql->path = strdup(path);
    if (sql->path == NULL)
        return dt_error_set(DT_ENOMEM, "%s: no memory", path);
    return DT_OK;
}

static dt_status make_folder_of(const char *path)
{
    char copy[PATH_MAX];

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", path);
    return dt_file_make_dirs(dirname(copy));
}

dt_status duet_sql_open(struct duet_sql *sql, const char *path, bool create)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    dt_status status = start(sql, path);

    if (status != DT_OK)
        return status;
    if (create) {
        status = make_folder_of(path);
        flags |= SQLITE_OPEN_CREATE;
    } else if (access(path, F_OK) != 0 && errno == ENOENT) {
        status = dt_error_set(DT_ENOTFOUND, "%s: no such file", path);
    }
    if (status == DT_OK)
        status = duet_sql_status(sql, sqlite3_open_v2(path, &sql->db, flags, NULL));
    if (status == DT_OK)
        status = pragma_setup(sql);
    if (status != DT_OK)
        duet_sql_close(sql);
    return status;
}

dt_status duet_sql_open_memory(struct duet_sql *sql)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    dt_status status = start(sql, ":memory:");

    if (status == DT_OK)
        status = duet_sql_status(sql, sqlite3_open_v2(":memory:", &sql->db, flags, NULL));
    if (status == DT_OK)
        status = pragma_setup(sql);
    if (status != DT_OK)
        duet_sql_close(sql);
    return status;
}

/* Changing the mode needs the file alone for a moment, and SQLite does not always ask the busy
 * handler then: two processes that create a store at once meet here. */
static dt_status make_wal(struct duet_sql *sql)
{
    duet_sql_start(sql);
    for (;;) {
        sqlite3_stmt *statement = NULL;
        int result =
            sqlite3_prepare_v2(sql->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
        bool is_wal = false;

        if (result == SQLITE_OK) {
            result = sqlite3_step(statement);
            if (result == SQLITE_ROW) {
                const unsigned char *mode = sqlite3_column_text(statement, 0);

                is_wal = mode != NULL && strcmp((const char *)mode, "wal") == 0;
                result = SQLITE_OK;
            }
        }
        sqlite3_finalize(statement);
        if (is_wal)
            return DT_OK;
        if (result == SQLITE_OK)
            return dt_error_set(DT_EUNREACH,
                                "%s: this file system cannot share a database (WAL needs "
                                "shared memory)",
                                sql->path);
        if ((result & 0xff) != SQLITE_BUSY || dt_clock_ms() >= sql->give_up_ms)
            return duet_sql_status(sql, result);
        pause_us(sql, 2000);
    }
}

dt_status duet_sql_adopt(struct duet_sql *sql)
{
    char turn[PATH_MAX];
    dt_status status = make_wal(sql);

    if (status != DT_OK)
        return status;
    /* Without it (no space, no right) nothing is wrong, only waiting is less fair. */
    if (snprintf(turn, sizeof(turn), "%s-turn", sql->path) < (int)sizeof(turn))
        sql->turn_fd = open(turn, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    return DT_OK;
}

void duet_sql_close(struct duet_sql *sql)
{
    if (sql->db != NULL)
        duet_sql_rollback(sql);
    for (size_t i = 0; i < sql->cached_count; i++)
        sqlite3_finalize(sql->cached[i].statement);
    free(sql->cached);
    if (sql->db != NULL && sqlite3_close(sql->db) != SQLITE_OK)
        dt_log_error("%s: a statement was still open", sql->path);
    if (sql->path != NULL && sql->turn_fd >= 0)
        close(sql->turn_fd);
    free(sql->path);
    memset(sql, 0, sizeof(*sql));
    sql->turn_fd = -1;
}

dt_status duet_url_path(const char *url, const char **path)
{
    static const char sqlite[] = "sqlite:";

    if (strncmp(url, sqlite, sizeof(sqlite) - 1) == 0 && url[sizeof(sqlite) - 1] != '\0') {
        *path = url + sizeof(sqlite) - 1;
        return DT_OK;
    }
    if (strncmp(url, "postgresql:", 11) == 0 || strncmp(url, "postgres:", 9) == 0)
        return dt_error_set(DT_EUNSUPPORTED,
                            "postgresql: stores are not supported yet, use sqlite:PATH");
    /* not echoed whole: an address may hold a password */
    return dt_error_set(DT_EINVAL, "the address of a store is sqlite:PATH, not '%.16s'",
                        url);
}

/* ---- transactions ---- */

/* One writer at a time asks for the lock; the next waits here, but not for one that is stopped
 * in it. */
static void turn_enter(struct duet_sql *sql)
{
    int64_t until = 0;
    int tries = 0;

    if (sql->turn_fd < 0)
        return;
    while (flock(sql->turn_fd, LOCK_EX | LOCK_NB) != 0) {
        int64_t now = dt_clock_ms();

        if (until == 0)
            until = now + TURN_WAIT_MS;
        if (now < sql->turn_ignored_ms || now >= sql->give_up_ms)
            return;
        if (now >= until) {
            sql->turn_ignored_ms = now + TURN_IGNORED_MS;
            return;
        }
        pause_us(sql, tries++ < 20 ? 100 : 500);
    }
    sql->in_turn = true;
}

static void turn_leave(struct duet_sql *sql)
{
    if (sql->in_turn)
        (void)flock(sql->turn_fd, LOCK_UN);
    sql->in_turn = false;
}

static int begin_immediate(struct duet_sql *sql)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sql->db, "BEGIN IMMEDIATE", -1, &statement, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_DONE)
            result = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return result;
}

dt_status duet_sql_begin(struct duet_sql *sql)
{
    int result;
    dt_status status;

    duet_sql_start(sql);
    turn_enter(sql);
    result = begin_immediate(sql);
    status = duet_sql_status(sql, result);
    turn_leave(sql);
    return status;
}

dt_status duet_sql_commit(struct duet_sql *sql)
{
    int result;

    if (sqlite3_get_autocommit(sql->db))
        return dt_error_set(DT_EIO, "%s: the transaction has been rolled back", sql->path);
    errno = 0;
    result = sqlite3_exec(sql->db, "COMMIT", NULL, NULL, NULL);
    if (result != SQLITE_OK) {
        dt_status status = duet_sql_status(sql, result);

        duet_sql_rollback(sql);
        return status;
    }
    return DT_OK;
}

void duet_sql_rollback(struct duet_sql *sql)
{
    if (!sqlite3_get_autocommit(sql->db))
        (void)sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
}

dt_status duet_sql_write(struct duet_sql *sql, duet_sql_work work, void *context)
{
    int64_t until = dt_clock_ms() + sql->busy_ms;
    dt_status status;

    for (;;) {
        bool begun;

        status = duet_sql_begin(sql);
        begun = status == DT_OK;
        if (begun)
            status = work(sql, context);
        if (status == DT_OK)
            status = duet_sql_commit(sql);
        if (status == DT_OK)
            return DT_OK;
        duet_sql_rollback(sql);
        /* a DT_EBUSY of begin has waited; one of the work is its own answer */
        if (status != DT_EBUSY || begun || dt_clock_ms() >= until)
            return status;
    }
}

dt_status duet_sql_read(struct duet_sql *sql, duet_sql_work work, void *context)
{
    dt_status status;

    duet_sql_start(sql);
    status = duet_sql_status(sql, sqlite3_exec(sql->db, "BEGIN", NULL, NULL, NULL));
    if (status == DT_OK)
        status = work(sql, context);
    duet_sql_rollback(sql); /* nothing was written */
    return status;
}
