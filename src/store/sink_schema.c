/* duet's own tables in a sink, beside the application's. */
#include "base/status.h"
#include "store/sink_internal.h"

#define SINK_SCHEMA 1

/* duet_set.which: "processed", or the side whose log was read ("kafka", "rocketmq"), of it what
 * links say ("kafka-absent", "kafka-ended", ...), and the positions that its cursor has passed
 * though their ids are not processed ("kafka-left"; kind, instance and boot say nothing there). */
static const char tables[] =
    "CREATE TABLE IF NOT EXISTS duet_meta (name TEXT PRIMARY KEY,"
    " value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS duet_state (grp TEXT NOT NULL, topic TEXT NOT NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, version INTEGER NOT NULL,"
    " PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS duet_set (grp TEXT NOT NULL, topic TEXT NOT NULL,"
    " partition INTEGER NOT NULL, which TEXT NOT NULL, kind INTEGER NOT NULL,"
    " instance INTEGER NOT NULL, boot INTEGER NOT NULL, set_end INTEGER NOT NULL,"
    " newest_minute INTEGER NOT NULL, holes BLOB NOT NULL, PRIMARY KEY (grp, topic,"
    " partition, which, kind, instance, boot)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS duet_cursor (grp TEXT NOT NULL, topic TEXT NOT NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, position INTEGER NOT NULL,"
    " read_to INTEGER NOT NULL, marks BLOB NOT NULL, PRIMARY KEY (grp, topic, partition,"
    " side)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS duet_count (grp TEXT NOT NULL, topic TEXT NOT NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " day INTEGER NOT NULL, c0 INTEGER NOT NULL, c1 INTEGER NOT NULL,"
    " c2 INTEGER NOT NULL, c3 INTEGER NOT NULL, c4 INTEGER NOT NULL, c5 INTEGER NOT NULL,"
    " PRIMARY KEY (grp, topic, partition, side, minute, day)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS duet_ledger (entry INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind INTEGER NOT NULL, topic TEXT NOT NULL, grp TEXT NOT NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, first_id BLOB NOT NULL,"
    " position INTEGER NOT NULL, messages INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " reason TEXT NOT NULL, resolved INTEGER NOT NULL);";

static dt_status read_schema(struct duet_sql *sql, int64_t *schema)
{
    struct duet_rows rows;
    bool there = false;
    dt_status status;

    *schema = 0;
    duet_sql_select(sql, &rows, "SELECT 1 FROM main.sqlite_master WHERE name = 'duet_meta'",
                    DUET_NO_BIND);
    there = duet_rows_next(&rows);
    status = duet_rows_end(&rows);
    if (status != DT_OK || !there)
        return status;
    duet_sql_select(sql, &rows, "SELECT value FROM main.duet_meta WHERE name = 'schema'",
                    DUET_NO_BIND);
    if (duet_rows_next(&rows))
        *schema = duet_rows_int(&rows, 0);
    status = duet_rows_end(&rows);
    if (status == DT_OK && *schema > SINK_SCHEMA)
        return dt_error_set(DT_EUNSUPPORTED,
                            "%s: the sink has schema %lld, this duet knows up to %d",
                            sql->path, (long long)*schema, SINK_SCHEMA);
    return status;
}

static dt_status create(struct duet_sql *sql, void *context)
{
    dt_status status = duet_sql_script(sql, tables);

    (void)context;
    if (status != DT_OK)
        return status;
    return duet_sql_run(sql, "REPLACE INTO duet_meta (name, value) VALUES ('schema', ?1)",
                        DUET_BIND(duet_integer(SINK_SCHEMA)), NULL);
}

dt_status duet_sink_prepare(struct duet_sql *sql)
{
    int64_t schema;
    dt_status status = duet_sql_adopt(sql);

    if (status == DT_OK)
        status = read_schema(sql, &schema);
    if (status == DT_OK && schema < SINK_SCHEMA)
        status = duet_sql_write(sql, create, NULL);
    return status;
}
