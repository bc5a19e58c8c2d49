/* the control store's file: created once, migrated, or refused with a sentence that helps */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/control.h"
#include "support/case.h"
#include "test_store_support.h"

/* The layout of schema 1, as files of that age have it: it must never follow the code. */
static const char schema_1_file[] =
    "PRAGMA application_id = 1685415284; PRAGMA user_version = 1; PRAGMA journal_mode = "
    "WAL;"
    "CREATE TABLE plan (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT "
    "NULL,"
    " migration TEXT NOT NULL, timezone TEXT NOT NULL, key_number INTEGER NOT NULL,"
    " key_fingerprint TEXT NOT NULL);"
    "CREATE TABLE route (topic TEXT PRIMARY KEY, rocketmq_topic TEXT NOT NULL,"
    " topic_number INTEGER NOT NULL, partitions INTEGER NOT NULL, step INTEGER NOT NULL,"
    " write INTEGER NOT NULL, critical INTEGER NOT NULL,"
    " dual_write_since_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE route_queue (topic TEXT NOT NULL REFERENCES route, partition INTEGER NOT "
    "NULL,"
    " broker_name TEXT NOT NULL, queue_id INTEGER NOT NULL,"
    " PRIMARY KEY (topic, partition)) WITHOUT ROWID;"
    "CREATE TABLE route_group (topic TEXT NOT NULL REFERENCES route, grp TEXT NOT NULL,"
    " place INTEGER NOT NULL, PRIMARY KEY (topic, grp)) WITHOUT ROWID;"
    "CREATE TABLE wish (topic TEXT NOT NULL, grp TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, PRIMARY KEY (topic, grp, partition),"
    " FOREIGN KEY (topic, grp) REFERENCES route_group) WITHOUT ROWID;"
    "CREATE TABLE producer (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
    " boot INTEGER NOT NULL);"
    "CREATE INDEX producer_name ON producer (name);"
    "CREATE TABLE instance (name TEXT NOT NULL, role INTEGER NOT NULL, grp TEXT NOT NULL,"
    " number INTEGER NOT NULL, boot INTEGER NOT NULL, pid INTEGER NOT NULL, host TEXT NOT "
    "NULL,"
    " plan INTEGER NOT NULL, heartbeat_ms INTEGER NOT NULL, closed INTEGER NOT NULL,"
    " in_doubt INTEGER NOT NULL, dropped INTEGER NOT NULL, pending_messages INTEGER NOT "
    "NULL,"
    " pending_bytes INTEGER NOT NULL, oldest_s INTEGER NOT NULL, breaker_kafka TEXT NOT "
    "NULL,"
    " breaker_rocketmq TEXT NOT NULL, minute INTEGER NOT NULL,"
    " PRIMARY KEY (name, role)) WITHOUT ROWID;"
    "CREATE TABLE group_holder (topic TEXT NOT NULL, grp TEXT NOT NULL, name TEXT NOT NULL,"
    " taken_ms INTEGER NOT NULL, PRIMARY KEY (topic, grp)) WITHOUT ROWID;"
    "CREATE TABLE sink (topic TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL,"
    " PRIMARY KEY (topic, grp)) WITHOUT ROWID;"
    "CREATE TABLE role_report (topic TEXT NOT NULL, grp TEXT NOT NULL, role INTEGER NOT "
    "NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, version INTEGER NOT NULL,"
    " position_kafka INTEGER NOT NULL, position_rocketmq INTEGER NOT NULL,"
    " read_to_kafka INTEGER NOT NULL, read_to_rocketmq INTEGER NOT NULL,"
    " end_kafka INTEGER NOT NULL, end_rocketmq INTEGER NOT NULL, updated_ms INTEGER NOT "
    "NULL,"
    " starting INTEGER NOT NULL, PRIMARY KEY (topic, grp, role, partition)) WITHOUT ROWID;"
    "CREATE TABLE role_count (topic TEXT NOT NULL, grp TEXT NOT NULL, role INTEGER NOT "
    "NULL,"
    " partition INTEGER NOT NULL, side INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " day INTEGER NOT NULL, c0 INTEGER NOT NULL, c1 INTEGER NOT NULL, c2 INTEGER NOT NULL,"
    " c3 INTEGER NOT NULL, c4 INTEGER NOT NULL, c5 INTEGER NOT NULL,"
    " PRIMARY KEY (topic, grp, role, partition, side, minute, day)) WITHOUT ROWID;"
    "CREATE TABLE issue_report (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " instance INTEGER NOT NULL, boot INTEGER NOT NULL, issued_to INTEGER NOT NULL,"
    " closed INTEGER NOT NULL, PRIMARY KEY (topic, partition, instance, boot)) WITHOUT "
    "ROWID;"
    "CREATE TABLE issue_count (topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " instance INTEGER NOT NULL, boot INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " day INTEGER NOT NULL, c0 INTEGER NOT NULL, c1 INTEGER NOT NULL, c2 INTEGER NOT NULL,"
    " c3 INTEGER NOT NULL, c4 INTEGER NOT NULL, c5 INTEGER NOT NULL,"
    " PRIMARY KEY (topic, partition, instance, boot, minute, day)) WITHOUT ROWID;"
    "CREATE TABLE ledger (entry INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " topic TEXT NOT NULL, grp TEXT NOT NULL, partition INTEGER NOT NULL,"
    " side INTEGER NOT NULL, first_id BLOB NOT NULL, position INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL,"
    " resolved INTEGER NOT NULL,"
    " UNIQUE (kind, topic, grp, partition, side, first_id, position));"
    "CREATE TABLE audit (line INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT "
    "NULL,"
    " command TEXT NOT NULL, detail TEXT NOT NULL, reason TEXT NOT NULL);";

static const char schema_1_rows[] =
    "INSERT INTO plan VALUES (1, 41, 'old', 'UTC', 1, 'ff');"
    "INSERT INTO route VALUES ('t', 't', 1, 2, 1, 1, 1, 77);"
    "INSERT INTO route_group VALUES ('t', 'g', 0);"
    "INSERT INTO wish VALUES ('t', 'g', 0, 0), ('t', 'g', 1, 1);"
    "INSERT INTO producer VALUES (5, 'p', 6);";

static void sql_run(const char *path, const char *sql)
{
    sqlite3 *db;
    char *reason = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &reason) != SQLITE_OK)
        fail_msg("%s", reason);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t sql_number(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t number;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

static void make_folder(const struct place *place)
{
    char folder[128];

    snprintf(folder, sizeof(folder), "%s/sub", place->folder);
    assert_ok(dt_file_make_dirs(folder));
}

static void a_store_of_schema_1_is_migrated_and_keeps_its_rows(void **state)
{
    const struct place *place = *state;
    struct duet_store *store;
    struct duet_log_state log;
    struct duet_plan *plan;
    uint32_t number;
    uint16_t boot;

    make_folder(place);
    sql_run(place->path, schema_1_file);
    sql_run(place->path, schema_1_rows);
    assert_ok(
        duet_store_open(place->url, false, &store)); /* no right to create is needed */
    assert_ok(duet_store_plan_load(store, &plan));
    assert_int_equal(plan->version, 41);
    assert_int_equal(plan->routes[0].step, DUET_STEP_DUAL_WRITE);
    assert_int_equal(plan->routes[0].groups[0].wish[1], DUET_ROCKETMQ);
    duet_plan_free(plan);
    assert_ok(duet_store_producer_boot(store, "p", -1, &number, &boot));
    assert_int_equal(number, 5);
    assert_int_equal(boot, 7);
    assert_ok(
        duet_store_log_load(store, "t", 0, DUET_KAFKA, &log)); /* what schema 2 brought */
    log.position = 9;
    assert_ok(duet_store_log_save(store, &log, 0));
    duet_log_state_fini(&log);
    duet_store_close(store);
    assert_int_equal(sql_number(place->path, "PRAGMA user_version"), DUET_STORE_SCHEMA);
    assert_ok(
        duet_store_open(place->url, false, &store)); /* and again, with nothing to do */
    duet_store_close(store);
}

/* What a file went through must not show in its layout. */
static void a_migrated_store_has_the_layout_of_a_new_one(void **state)
{
    const struct place *place = *state;
    struct duet_store *store;
    char fresh[160], url[180], attach[400];
    sqlite3 *db;
    sqlite3_stmt *statement;

    make_folder(place);
    sql_run(place->path, schema_1_file);
    assert_ok(duet_store_open(place->url, false, &store));
    duet_store_close(store);
    snprintf(fresh, sizeof(fresh), "%s/fresh.db", place->folder);
    snprintf(url, sizeof(url), "sqlite:%s", fresh);
    assert_ok(duet_store_open(url, true, &store));
    duet_store_close(store);
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    snprintf(attach, sizeof(attach), "ATTACH '%s' AS fresh", fresh);
    assert_int_equal(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(
                         db,
                         "SELECT name FROM (SELECT type, name, sql FROM main.sqlite_master"
                         " UNION ALL SELECT type, name, sql FROM fresh.sqlite_master)"
                         " GROUP BY type, name, sql HAVING count(*) <> 2",
                         -1, &statement, NULL),
                     SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        fail_msg("%s differs", sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void a_newer_store_is_refused_with_both_numbers(void **state)
{
    const struct place *place = *state;
    struct duet_store *store = store_open(place);

    duet_store_close(store);
    sql_run(place->path, "PRAGMA user_version = 3");
    assert_status(duet_store_open(place->url, true, &store), DT_EUNSUPPORTED);
    assert_null(store);
    assert_said("the store has schema 3, this duet knows up to 2");
}

static void a_foreign_database_is_refused_and_left_alone(void **state)
{
    const struct place *place = *state;
    struct duet_store *store;

    make_folder(place);
    sql_run(place->path, "CREATE TABLE bills (amount)");
    assert_status(duet_store_open(place->url, true, &store), DT_EUNREACH);
    assert_said("not a control store of duet");
    assert_int_equal(sql_number(place->path, "SELECT count(*) FROM sqlite_master"), 1);
    assert_int_equal(sql_number(place->path, "PRAGMA application_id"), 0);
    /* not even its journal mode was changed */
    assert_int_equal(sql_number(place->path, "SELECT journal_mode = 'delete' FROM"
                                             " pragma_journal_mode"),
                     1);
    sql_run(place->path,
            "DROP TABLE bills; PRAGMA user_version = 1"); /* of somebody, still */
    assert_status(duet_store_open(place->url, true, &store), DT_EUNREACH);
}

static void what_is_no_database_or_not_there_is_told_apart(void **state)
{
    const struct place *place = *state;
    struct duet_store *store;
    char text[8192], url[160];

    assert_status(duet_store_open(place->url, false, &store), DT_ENOTFOUND);
    assert_said("no such file");
    assert_int_not_equal(access(place->path, F_OK), 0); /* looking made nothing */
    make_folder(place);
    assert_ok(dt_file_replace(place->path, "", 0, 0644));
    assert_status(duet_store_open(place->url, false, &store), DT_ENOTFOUND);
    memset(text, 'x', sizeof(text));
    assert_ok(dt_file_replace(place->path, text, sizeof(text), 0644));
    assert_status(duet_store_open(place->url, true, &store), DT_ECORRUPT);
    assert_said("is not a SQLite database");
    snprintf(url, sizeof(url), "sqlite:%s", place->folder); /* a folder */
    assert_status(duet_store_open(url, true, &store), DT_EUNREACH);
    assert_status(duet_store_open("postgresql://u@h/d", true, &store), DT_EUNSUPPORTED);
    assert_status(duet_store_open("duet.db", true, &store), DT_EINVAL);
    assert_status(duet_store_open("sqlite:", true, &store), DT_EINVAL);
    assert_null(store);
}

static void processes_that_create_a_store_at_once_all_get_it(void **state)
{
    const struct place *place = *state;
    int start[2];
    char byte;

    enum { PROCESSES = 8 };
    for (int round = 0; round < 5; round++) {
        assert_int_equal(pipe(start), 0);
        for (int i = 0; i < PROCESSES; i++) {
            if (fork() != 0)
                continue;
            struct duet_store *store;
            uint32_t number;
            uint16_t boot;
            char name[16];

            close(start[1]);
            (void)!read(start[0], &byte, 1); /* until all are there */
            snprintf(name, sizeof(name), "p%d", i);
            if (duet_store_open(place->url, true, &store) != DT_OK ||
                duet_store_producer_boot(store, name, -1, &number, &boot) != DT_OK) {
                fprintf(stderr, "%s\n", dt_error_text());
                _exit(1);
            }
            duet_store_close(store);
            _exit(0);
        }
        close(start[0]);
        close(start[1]);
        for (int i = 0; i < PROCESSES; i++) {
            int status;

            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
        }
        assert_int_equal(
            sql_number(place->path, "SELECT count(DISTINCT number) FROM producer"),
            PROCESSES);
        assert_int_equal(sql_number(place->path, "SELECT sum(boot) FROM producer"), 0);
        remove(place->path);
    }
}

static void a_store_that_stays_locked_is_busy_after_a_bounded_wait(void **state)
{
    const struct place *place = *state;
    struct duet_store *store = store_open(place);
    struct duet_instance it = {.role = DUET_PRODUCER, .name = "p"};
    int64_t began, took, version;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store->sql.busy_ms = 300;
    began = dt_clock_ms();
    assert_status(duet_store_heartbeat(store, &it), DT_EBUSY);
    took = dt_clock_ms() - began;
    assert_true(took >= 300 && took < 5000);
    assert_said("locked");
    /* who only reads does not wait */
    assert_status(duet_store_plan_version(store, &version), DT_ENOTFOUND);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_ok(duet_store_heartbeat(store, &it));
    sqlite3_close(db);
    duet_store_close(store);
}

static void closing_nothing_does_nothing(void **state)
{
    (void)state;
    duet_store_close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(a_store_of_schema_1_is_migrated_and_keeps_its_rows),
        cmocka_unit_test_in_place(a_migrated_store_has_the_layout_of_a_new_one),
        cmocka_unit_test_in_place(a_newer_store_is_refused_with_both_numbers),
        cmocka_unit_test_in_place(a_foreign_database_is_refused_and_left_alone),
        cmocka_unit_test_in_place(what_is_no_database_or_not_there_is_told_apart),
        cmocka_unit_test_in_place(processes_that_create_a_store_at_once_all_get_it),
        cmocka_unit_test_in_place(a_store_that_stays_locked_is_busy_after_a_bounded_wait),
        cmocka_unit_test(closing_nothing_does_nothing),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
