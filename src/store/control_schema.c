/*
 * The tables of the control store and how an older file becomes a newer one. A new file runs
 * through all steps, so that there is one way to each layout.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "store/control.h"

#define APPLICATION_ID 0x64756574 /* "duet" in the file's header */

/* Sides, roles, steps, writes and kinds are the numbers of their enums, which never change
 * their meaning. `grp`, `minute`, `log_end` and the like avoid SQL's own words. */
static const char schema_1[] =
    "CREATE TABLE plan (only INTEGER PRIMARY KEY CHECK (only = 1),"
    " version INTEGER NOT NULL, migration TEXT NOT NULL, timezone TEXT NOT NULL,"
    " key_number INTEGER NOT NULL, key_fingerprint TEXT NOT NULL);"
    "CREATE TABLE route (topic TEXT PRIMARY KEY, rocketmq_topic TEXT NOT NULL,"
    " topic_number INTEGER NOT NULL, partitions INTEGER NOT NULL, step INTEGER NOT NULL,"
    " write INTEGER NOT NULL, critical INTEGER NOT NULL,"
    " dual_write_since_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE route_queue (topic TEXT NOT NULL REFERENCES route,"
    " partition INTEGER NOT NULL, broker_name TEXT NOT NULL, queue_id INTEGER NOT NULL,"
    " PRIMARY KEY (topic, partition)) WITHOUT ROWID;"
    "CREATE TABLE route_group (topic TEXT NOT NULL REFERENCES route, grp TEXT NOT NULL,"
    " place INTEGER NOT NULL, PRIMARY KEY (topic, grp)) WITHOUT ROWID;"
    "CREATE TABLE wish (topic TEXT NOT NULL, grp TEXT NOT NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, PRIMARY KEY (topic, grp,"
    " partition), FOREIGN KEY (topic, grp) REFERENCES route_group) WITHOUT ROWID;"
    "CREATE TABLE producer (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
    " boot INTEGER NOT NULL);"
    "CREATE INDEX producer_name ON producer (name);"
    "CREATE TABLE instance (name TEXT NOT NULL, role INTEGER NOT NULL, grp TEXT NOT NULL,"
    " number INTEGER NOT NULL, boot INTEGER NOT NULL, pid INTEGER NOT NULL,"
    " host TEXT NOT NULL, plan INTEGER NOT NULL, heartbeat_ms INTEGER NOT NULL,"
    " closed INTEGER NOT NULL, in_doubt INTEGER NOT NULL, dropped INTEGER NOT NULL,"
    " pending_messages INTEGER NOT NULL, pending_bytes INTEGER NOT NULL,"
    " oldest_s INTEGER NOT NULL, breaker_kafka TEXT NOT NULL,"
    " breaker_rocketmq TEXT NOT NULL, minute INTEGER NOT NULL, PRIMARY KEY (name,"
    " role)) WITHOUT ROWID;"
    "CREATE TABLE group_holder (topic TEXT NOT NULL, grp TEXT NOT NULL,"
    " name TEXT NOT NULL, taken_ms INTEGER NOT NULL, PRIMARY KEY (topic,"
    " grp)) WITHOUT ROWID;"
    "CREATE TABLE sink (topic TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL,"
    " PRIMARY KEY (topic, grp)) WITHOUT ROWID;"
    "CREATE TABLE role_report (topic TEXT NOT NULL, grp TEXT NOT NULL,"
    " role INTEGER NOT NULL, partition INTEGER NOT NULL, side INTEGER NOT NULL,"
    " version INTEGER NOT NULL, position_kafka INTEGER NOT NULL,"
    " position_rocketmq INTEGER NOT NULL, read_to_kafka INTEGER NOT NULL,"
    " read_to_rocketmq INTEGER NOT NULL, end_kafka INTEGER NOT NULL,"
    " end_rocketmq INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " starting INTEGER NOT NULL, PRIMARY KEY (topic, grp, role,"
    " partition)) WITHOUT ROWID;"
    "CREATE TABLE role_count (topic TEXT NOT NULL, grp TEXT NOT NULL,"
    " role INTEGER NOT NULL, partition INTEGER NOT NULL, side INTEGER NOT NULL,"
    " minute INTEGER NOT NULL, day INTEGER NOT NULL, c0 INTEGER NOT NULL,"
    " c1 INTEGER NOT NULL, c2 INTEGER NOT NULL, c3 INTEGER NOT NULL, c4 INTEGER NOT NULL,"
    " c5 INTEGER NOT NULL, PRIMARY KEY (topic, grp, role, partition, side, minute,"
    " day)) WITHOUT ROWID;"
    "CREATE TABLE issue_report (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " instance INTEGER NOT NULL, boot INTEGER NOT NULL, issued_to INTEGER NOT NULL,"
    " closed INTEGER NOT NULL, PRIMARY KEY (topic, partition, instance,"
    " boot)) WITHOUT ROWID;"
    "CREATE TABLE issue_count (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " instance INTEGER NOT NULL, boot INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " day INTEGER NOT NULL, c0 INTEGER NOT NULL, c1 INTEGER NOT NULL,"
    " c2 INTEGER NOT NULL, c3 INTEGER NOT NULL, c4 INTEGER NOT NULL, c5 INTEGER NOT NULL,"
    " PRIMARY KEY (topic, partition, instance, boot, minute, day)) WITHOUT ROWID;"
    "CREATE TABLE ledger (entry INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " topic TEXT NOT NULL, grp TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, first_id BLOB NOT NULL, position INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL,"
    " resolved INTEGER NOT NULL, UNIQUE (kind, topic, grp, partition, side, first_id,"
    " position));"
    "CREATE TABLE audit (line INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
    " actor TEXT NOT NULL, command TEXT NOT NULL, detail TEXT NOT NULL,"
    " reason TEXT NOT NULL);";

static const char schema_2[] =
    "CREATE TABLE log_cover (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, position INTEGER NOT NULL, log_end INTEGER NOT NULL,"
    " PRIMARY KEY (topic, partition, side)) WITHOUT ROWID;"
    "CREATE TABLE log_count (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, minute INTEGER NOT NULL, day INTEGER NOT NULL,"
    " c0 INTEGER NOT NULL, c1 INTEGER NOT NULL, c2 INTEGER NOT NULL, c3 INTEGER NOT NULL,"
    " c4 INTEGER NOT NULL, c5 INTEGER NOT NULL, PRIMARY KEY (topic, partition, side,"
    " minute, day)) WITHOUT ROWID;"
    "CREATE TABLE log_set (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, kind INTEGER NOT NULL, instance INTEGER NOT NULL,"
    " boot INTEGER NOT NULL, set_end INTEGER NOT NULL, newest_minute INTEGER NOT NULL,"
    " holes BLOB NOT NULL, PRIMARY KEY (topic, partition, side, kind, instance,"
    " boot)) WITHOUT ROWID;";

static const char *const step_to[DUET_STORE_SCHEMA] = {schema_1, schema_2};

struct header {
    int64_t application;
    int64_t schema;
    bool has_tables;
};

static dt_status number(struct duet_sql *sql, const char *text, int64_t *out)
{
    struct duet_rows rows;

    *out = 0;
    duet_sql_select_once(sql, &rows, text);
    if (duet_rows_next(&rows))
        *out = duet_rows_int(&rows, 0);
    return duet_rows_end_once(&rows);
}

static dt_status read_header(struct duet_sql *sql, void *context)
{
    struct header *header = context;
    int64_t tables = 0;
    dt_status status = number(sql, "PRAGMA application_id", &header->application);

    if (status == DT_OK)
        status = number(sql, "PRAGMA user_version", &header->schema);
    if (status == DT_OK)
        status = number(sql, "SELECT count(*) FROM sqlite_master", &tables);
    header->has_tables = tables > 0;
    return status;
}

static bool is_empty(const struct header *header)
{
    return header->application == 0 && header->schema == 0 && !header->has_tables;
}

static dt_status check_header(struct duet_sql *sql, const struct header *header)
{
    if (is_empty(header))
        return DT_OK;
    if (header->application != APPLICATION_ID || header->schema < 1)
        return dt_error_set(DT_EUNREACH,
                            "%s is a SQLite database, but not a control store of duet",
                            sql->path);
    if (header->schema > DUET_STORE_SCHEMA)
        return dt_error_set(DT_EUNSUPPORTED,
                            "%s: the store has schema %lld, this duet knows up to %d",
                            sql->path, (long long)header->schema, DUET_STORE_SCHEMA);
    return DT_OK;
}

/* Under the write lock, and looks again: another process may have done it in between. */
static dt_status migrate(struct duet_sql *sql, void *context)
{
    struct header header;
    char pragma[64];
    dt_status status = read_header(sql, &header);

    (void)context;
    if (status == DT_OK)
        status = check_header(sql, &header);
    for (int64_t schema = header.schema; status == DT_OK && schema < DUET_STORE_SCHEMA;
         schema++)
        status = duet_sql_script(sql, step_to[schema]);
    if (status != DT_OK || header.schema == DUET_STORE_SCHEMA)
        return status;
    snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, DUET_STORE_SCHEMA);
    return duet_sql_script(sql, pragma);
}

dt_status duet_control_prepare(struct duet_sql *sql, bool create)
{
    struct header header;
    dt_status status = duet_sql_read(sql, read_header, &header);

    if (status == DT_OK)
        status = check_header(sql, &header);
    if (status != DT_OK)
        return status;
    if (is_empty(&header) && !create) /* or it is being made at this moment */
        return dt_error_set(DT_ENOTFOUND, "%s: the store is empty", sql->path);
    status = duet_sql_adopt(sql);
    if (status == DT_OK && header.schema < DUET_STORE_SCHEMA)
        status = duet_sql_write(sql, migrate, NULL);
    return status;
}

dt_status duet_store_open(const char *url, bool create, struct duet_store **out)
{
    struct duet_store *store;
    const char *path;
    dt_status status = duet_url_path(url, &path);

    *out = NULL;
    if (status != DT_OK)
        return status;
    store = calloc(1, sizeof(*store));
    if (store == NULL)
        return dt_error_set(DT_ENOMEM, "%s: no memory", path);
    status = duet_sql_open(&store->sql, path, create);
    if (status == DT_OK)
        status = duet_control_prepare(&store->sql, create);
    if (status != DT_OK) {
        dt_error_wrap(status, "opening the control store");
        duet_store_close(store);
        return status;
    }
    *out = store;
    return DT_OK;
}

void duet_store_close(struct duet_store *store)
{
    if (store == NULL)
        return;
    duet_sql_close(&store->sql);
    free(store);
}
