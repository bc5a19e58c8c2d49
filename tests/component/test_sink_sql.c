/* the handler's SQL: parameters by number, what it may not touch, one message undone alone */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "support/case.h"
#include "test_store_support.h"

#include "test_sink_support.h"

static struct duet_sink *begun(const struct place *place)
{
    struct duet_sink *sink = sink_open(place, DUET_LIVE);

    table_make(sink);
    assert_ok(duet_sink_begin(sink));
    return sink;
}

static dt_status run(struct duet_sink *sink, const char *sql)
{
    return duet_sink_exec(sink, sql, NULL, 0, NULL);
}

struct seen {
    duet_value values[8];
    char text[8][64];
    size_t columns;
    int rows, rows_max;
};

static bool see(void *context, const duet_value *values, size_t count)
{
    struct seen *seen = context;

    assert_true(count <= 8);
    seen->columns = count;
    for (size_t i = 0; i < count; i++) {
        seen->values[i] = values[i];
        if (values[i].type == DUET_TEXT || values[i].type == DUET_BLOB) {
            assert_true(values[i].size < sizeof(seen->text[i]));
            memcpy(seen->text[i], values[i].size > 0 ? values[i].data : "", values[i].size);
            seen->text[i][values[i].size] = '\0';
        }
    }
    seen->rows++;
    return seen->rows != seen->rows_max;
}

/* SQLite itself would give the first value to $2, which appears first. */
static void parameters_are_bound_by_number_and_as_often_as_wanted(void **state)
{
    struct duet_sink *sink = begun(*state);
    const duet_value values[] = {duet_integer(1), duet_integer(2), duet_integer(3)};
    struct seen seen = {0};

    assert_ok(duet_sink_query(sink, "SELECT $2, $1, $3, $2 + $2", values, 3, see, &seen));
    assert_int_equal(seen.rows, 1);
    assert_int_equal(seen.columns, 4);
    assert_int_equal(seen.values[0].integer, 2);
    assert_int_equal(seen.values[1].integer, 1);
    assert_int_equal(seen.values[2].integer, 3);
    assert_int_equal(seen.values[3].integer, 4);
    assert_ok(duet_sink_query(sink, "SELECT $2, $1, $3, $2 + $2", values, 3, see, &seen));
    assert_int_equal(seen.rows, 2);
    duet_sink_close(sink);
}

static void every_type_comes_back_as_it_went(void **state)
{
    struct duet_sink *sink = begun(*state);
    const duet_value values[] = {duet_null(),
                                 duet_integer(INT64_MIN),
                                 duet_real(0.1),
                                 duet_text("z\xc3\xbcrich"),
                                 duet_text(""),
                                 duet_text(NULL),
                                 {.type = DUET_BLOB, .data = "\0\xff", .size = 2},
                                 {.type = DUET_BLOB}};
    struct seen seen = {0};

    assert_ok(run(sink, "CREATE TABLE v (a, b, c, d, e, f, g, h)"));
    assert_ok(duet_sink_exec(sink, "INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                             values, 8, NULL));
    assert_ok(duet_sink_query(sink, "SELECT * FROM v", NULL, 0, see, &seen));
    assert_int_equal(seen.values[0].type, DUET_NULL);
    assert_int_equal(seen.values[1].type, DUET_INTEGER);
    assert_true(seen.values[1].integer == INT64_MIN);
    assert_int_equal(seen.values[2].type, DUET_REAL);
    assert_true(seen.values[2].real == 0.1);
    assert_int_equal(seen.values[3].type, DUET_TEXT);
    assert_string_equal(seen.text[3], "z\xc3\xbcrich");
    assert_int_equal(seen.values[4].type, DUET_TEXT);
    assert_int_equal(seen.values[4].size, 0);
    assert_int_equal(seen.values[5].type, DUET_NULL);
    assert_int_equal(seen.values[6].type, DUET_BLOB);
    assert_int_equal(seen.values[6].size, 2);
    assert_memory_equal(seen.text[6], "\0\xff", 2);
    assert_int_equal(seen.values[7].type, DUET_BLOB);
    assert_int_equal(seen.values[7].size, 0);
    duet_sink_close(sink);
}

static void a_wrong_number_or_kind_of_parameters_is_told(void **state)
{
    struct duet_sink *sink = begun(*state);
    const duet_value values[] = {duet_integer(1), duet_integer(2), {.type = (duet_type)9}};

    assert_status(duet_sink_exec(sink, "SELECT $1, $2", values, 1, NULL), DT_EINVAL);
    assert_said("2 parameters are used, 1 values given");
    assert_status(duet_sink_exec(sink, "SELECT $1", values, 2, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT 1", values, 1, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT $1, $3", values, 3, NULL), DT_EINVAL);
    assert_said("not every parameter before it");
    assert_status(duet_sink_exec(sink, "SELECT $1, ?", values, 2, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT :a", values, 1, NULL), DT_EINVAL);
    assert_said("$1, $2, ..., not :a");
    assert_status(duet_sink_exec(sink, "SELECT $0", values, 1, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT $01", values, 1, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT $1::text", values, 1, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT $99999999999", values, 1, NULL), DT_EINVAL);
    assert_status(duet_sink_exec(sink, "SELECT $1", &values[2], 1, NULL), DT_EINVAL);
    assert_said("no known type");
    assert_ok(duet_sink_commit(sink)); /* none of it harmed the transaction */
    duet_sink_close(sink);
}

static void wrong_sql_is_told_and_leaves_the_transaction_open(void **state)
{
    struct duet_sink *sink = begun(*state);
    int64_t changed = 7;

    assert_status(run(sink, "SELEC 1"), DT_EINVAL);
    assert_said("SELEC");
    assert_status(run(sink, "INSERT INTO nowhere VALUES (1)"), DT_EINVAL);
    assert_status(run(sink, ""), DT_EINVAL);
    assert_status(run(sink, " -- nothing"), DT_EINVAL);
    assert_status(run(sink, "SELECT 1; DELETE FROM effect"), DT_EINVAL);
    assert_said("one statement at a time");
    assert_ok(run(sink, "SELECT 1; -- the end\n ;"));
    assert_ok(effect(sink, 1));
    assert_status(
        duet_sink_exec(sink, "INSERT INTO effect VALUES (1, 1)", NULL, 0, &changed),
        DT_EINVAL);
    assert_said("UNIQUE");
    assert_int_equal(changed, 0);
    assert_status(run(sink, "INSERT INTO effect VALUES (2, NULL)"), DT_EINVAL);
    assert_said("NOT NULL");
    assert_status(run(sink, "INSERT INTO effect SELECT 3, zeroblob(2000000000)"),
                  DT_EINVAL);
    assert_status(run(sink, "SELECT abs(-9223372036854775807 - 1)"), DT_EINVAL);
    assert_ok(duet_sink_commit(sink));
    assert_int_equal(effects(sink).rows, 1);
    assert_status(run(sink, "SELECT 1"), DT_ESTATE); /* outside */
    assert_status(duet_sink_commit(sink), DT_ESTATE);
    duet_sink_close(sink);
}

static void rows_changed_are_those_of_this_statement(void **state)
{
    struct duet_sink *sink = begun(*state);
    int64_t changed;

    for (uint64_t i = 0; i < 5; i++)
        assert_ok(effect(sink, i));
    assert_ok(duet_sink_exec(sink, "UPDATE effect SET times = 9 WHERE id > 1", NULL, 0,
                             &changed));
    assert_int_equal(changed, 3);
    assert_ok(duet_sink_exec(sink, "SELECT * FROM effect", NULL, 0, &changed));
    assert_int_equal(changed, 0);
    assert_ok(duet_sink_exec(sink, "CREATE TABLE x (y)", NULL, 0, &changed));
    assert_int_equal(changed, 0);
    assert_ok(duet_sink_exec(sink, "DELETE FROM effect WHERE id = 77", NULL, 0, &changed));
    assert_int_equal(changed, 0);
    assert_ok(duet_sink_exec(sink, "DELETE FROM effect RETURNING id", NULL, 0, &changed));
    assert_int_equal(changed, 5);
    duet_sink_close(sink);
}

static void a_handler_cannot_touch_what_is_duets(void **state)
{
    static const char *const wrong[] = {
        "SELECT * FROM duet_state",
        "SELECT count(*) FROM main.duet_set",
        "SELECT 1 FROM effect WHERE EXISTS (SELECT 1 FROM DUET_State)",
        "UPDATE duet_state SET version = 9",
        "INSERT INTO Duet_State VALUES ('stats', 'flights', 1, 0, 1)",
        "DELETE FROM duet_count",
        "DROP TABLE duet_ledger",
        "ALTER TABLE duet_ledger RENAME TO x",
        "ALTER TABLE duet_ledger ADD COLUMN x",
        "CREATE INDEX x ON duet_set (kind)",
        "CREATE TRIGGER x AFTER UPDATE ON duet_state BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER x AFTER UPDATE ON main.duet_state BEGIN SELECT 1; END",
        "CREATE TABLE duet_mine (a)",
        "CREATE TEMP TABLE duet_state (a)",
        "CREATE VIEW duet_v AS SELECT 1",
        "CREATE TEMP VIEW duet_state AS SELECT 1",
        "INSERT INTO v SELECT 1",
        "SELECT * FROM w",
        "UPDATE sqlite_master SET sql = '' WHERE name = 'duet_state'",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SAVEPOINT x",
        "RELEASE duet_message",
        "ROLLBACK TO duet_message",
        "ATTACH '/tmp/x' AS x",
        "DETACH main",
        "PRAGMA user_version = 3",
        "PRAGMA synchronous = OFF",
        "SELECT * FROM pragma_table_info('effect')",
        "VACUUM",
    };
    struct duet_sink *sink = begun(*state);
    struct duet_role_state mine;

    assert_ok(duet_sink_load(sink, TOPIC, 0, DUET_KAFKA, &mine)); /* inside a transaction */
    assert_ok(duet_sink_savepoint(sink));
    /* detours: a view, and a trigger of its own table; what they do is looked at when used */
    assert_ok(run(sink, "CREATE VIEW w AS SELECT * FROM duet_state"));
    assert_ok(run(sink, "CREATE TABLE v (a)"));
    assert_ok(run(sink, "CREATE TRIGGER t AFTER INSERT ON v BEGIN"
                        " UPDATE duet_state SET version = 9; END"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (run(sink, wrong[i]) != DT_EINVAL)
            fail_msg("not refused: %s", wrong[i]);
    assert_status(run(sink, wrong[0]), DT_EINVAL);
    assert_said("'duet_state' belongs to duet");
    assert_ok(duet_sink_undo(sink));
    assert_ok(
        run(sink, "CREATE TABLE duetto (duet_column, \"rollback\")")); /* only a prefix */
    assert_ok(run(sink, "INSERT INTO duetto VALUES ('duet_state', 'OR ROLLBACK')"));
    assert_ok(run(sink, "SELECT duet_column FROM duetto -- rollback"));
    assert_ok(duet_sink_claim(sink, &mine));
    assert_ok(duet_sink_save(sink, &mine));
    assert_ok(duet_sink_commit(sink));
    duet_role_state_fini(&mine);
    duet_sink_close(sink);
}

/* OR ROLLBACK ends the transaction below everybody's feet. */
static void a_statement_that_could_end_the_transaction_is_refused(void **state)
{
    struct duet_sink *sink = begun(*state);

    assert_ok(effect(sink, 1));
    assert_status(run(sink, "INSERT OR ROLLBACK INTO effect VALUES (1, 1)"), DT_EINVAL);
    assert_said("ROLLBACK is not a handler's to use");
    assert_status(run(sink, "CREATE TABLE x (a PRIMARY KEY ON CONFLICT/**/rollback)"),
                  DT_EINVAL);
    assert_status(run(sink, "CREATE TRIGGER x BEFORE INSERT ON effect BEGIN"
                            " SELECT RAISE(ROLLBACK, 'no'); END"),
                  DT_EINVAL);
    assert_ok(duet_sink_commit(sink));
    assert_int_equal(effects(sink).rows, 1);
    duet_sink_close(sink);
}

static void a_failed_message_is_undone_alone(void **state)
{
    struct duet_sink *sink = begun(*state);

    assert_ok(duet_sink_savepoint(sink));
    assert_ok(effect(sink, 1));
    assert_ok(duet_sink_release(sink));
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(effect(sink, 1));
    assert_ok(effect(sink, 2));
    assert_status(duet_sink_savepoint(sink), DT_ESTATE);
    assert_ok(duet_sink_undo(sink));
    assert_status(duet_sink_undo(sink), DT_ESTATE);
    assert_status(duet_sink_release(sink), DT_ESTATE);
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(effect(sink, 3));
    assert_ok(duet_sink_release(sink));
    assert_ok(duet_sink_commit(sink));
    assert_int_equal(effects(sink).rows, 2);
    assert_int_equal(effects(sink).sum, 2);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(effect(sink, 4));
    duet_sink_rollback(sink); /* inside a savepoint */
    assert_int_equal(effects(sink).rows, 2);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_savepoint(sink)); /* which left nothing behind */
    duet_sink_close(sink);
}

/* It would fail the whole batch at COMMIT, for ever. */
static void a_deferred_foreign_key_fails_the_message_that_breaks_it(void **state)
{
    struct duet_sink *sink = begun(*state);

    assert_ok(run(sink, "CREATE TABLE child (id REFERENCES effect DEFERRABLE INITIALLY"
                        " DEFERRED)"));
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(run(sink, "INSERT INTO child VALUES (5)"));
    assert_ok(effect(sink, 5)); /* mended before its end */
    assert_ok(duet_sink_release(sink));
    assert_ok(duet_sink_savepoint(sink));
    assert_ok(run(sink, "INSERT INTO child VALUES (6)"));
    assert_status(duet_sink_release(sink), DT_EINVAL);
    assert_said("foreign key");
    assert_ok(duet_sink_undo(sink));
    assert_ok(duet_sink_commit(sink));
    assert_int_equal(effects(sink).rows, 1);
    duet_sink_close(sink);
}

struct nest {
    struct duet_sink *sink;
    int rows;
};

static bool nest(void *context, const duet_value *values, size_t count)
{
    struct nest *nested = context;
    const duet_value less[] = {values[0]};
    struct seen seen = {0};

    (void)count;
    nested->rows++;
    assert_ok(duet_sink_query(nested->sink, "SELECT id FROM effect WHERE id < $1", less, 1,
                              nest, nested));
    assert_ok(duet_sink_exec(nested->sink, "INSERT INTO trace VALUES ($1)", less, 1, NULL));
    assert_ok(
        duet_sink_query(nested->sink, "SELECT max(id) FROM effect", NULL, 0, see, &seen));
    assert_int_equal(seen.values[0].integer, 4);
    return true;
}

static void a_row_may_ask_again_also_with_the_same_text(void **state)
{
    struct duet_sink *sink = begun(*state);
    const duet_value all[] = {duet_integer(100)};
    struct nest nested = {sink, 0};
    struct seen seen = {0};

    assert_ok(run(sink, "CREATE TABLE trace (id)"));
    for (uint64_t i = 0; i < 5; i++)
        assert_ok(effect(sink, i));
    assert_ok(duet_sink_query(sink, "SELECT id FROM effect WHERE id < $1", all, 1, nest,
                              &nested));
    /* 4 is reached once, 3 from outside and from 4, 2 from those and from outside, ... */
    assert_int_equal(nested.rows, 1 + 2 + 4 + 8 + 16);
    assert_ok(duet_sink_query(sink, "SELECT count(*) FROM trace", NULL, 0, see, &seen));
    assert_int_equal(seen.values[0].integer, nested.rows);
    duet_sink_close(sink);
}

static void a_query_stops_when_the_row_function_says_so(void **state)
{
    struct duet_sink *sink = begun(*state);
    struct seen seen = {.rows_max = 2};

    for (uint64_t i = 0; i < 5; i++)
        assert_ok(effect(sink, i));
    assert_ok(
        duet_sink_query(sink, "SELECT id FROM effect ORDER BY id", NULL, 0, see, &seen));
    assert_int_equal(seen.rows, 2);
    assert_int_equal(seen.values[0].integer, 1);
    assert_ok(duet_sink_commit(sink)); /* nothing is left open that would hold it */
    duet_sink_close(sink);
}

static void more_texts_than_are_kept_prepared_work(void **state)
{
    struct duet_sink *sink = begun(*state);
    struct seen seen = {0};

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            char sql[64];

            snprintf(sql, sizeof(sql), "SELECT %d", i);
            assert_ok(duet_sink_query(sink, sql, NULL, 0, see, &seen));
            assert_int_equal(seen.values[0].integer, i);
        }
    }
    /* the key is the text, not where it lies */
    char sql[64];
    for (int i = 0; i < 10; i++) {
        snprintf(sql, sizeof(sql), "SELECT 10%d", i);
        assert_ok(duet_sink_query(sink, sql, NULL, 0, see, &seen));
        assert_int_equal(seen.values[0].integer, 100 + i);
    }
    duet_sink_close(sink);
}

static void a_kept_statement_follows_a_change_of_the_table(void **state)
{
    struct duet_sink *sink = begun(*state), *other;
    struct seen seen = {0};

    assert_ok(effect(sink, 1));
    assert_ok(duet_sink_query(sink, "SELECT * FROM effect", NULL, 0, see, &seen));
    assert_int_equal(seen.columns, 2);
    assert_ok(run(sink, "ALTER TABLE effect ADD COLUMN more"));
    assert_ok(duet_sink_query(sink, "SELECT * FROM effect", NULL, 0, see, &seen));
    assert_int_equal(seen.columns, 3);
    assert_ok(duet_sink_commit(sink));
    other = sink_open(*state, DUET_LIVE);
    sink_run(other, "ALTER TABLE effect ADD COLUMN other");
    duet_sink_close(other);
    assert_ok(duet_sink_begin(sink));
    assert_ok(duet_sink_query(sink, "SELECT * FROM effect", NULL, 0, see, &seen));
    assert_int_equal(seen.columns, 4);
    /* prepared again, it is still the handler's: not a way round the guard */
    assert_status(run(sink, "SELECT * FROM duet_state"), DT_EINVAL);
    duet_sink_close(sink);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(parameters_are_bound_by_number_and_as_often_as_wanted),
        cmocka_unit_test_in_place(every_type_comes_back_as_it_went),
        cmocka_unit_test_in_place(a_wrong_number_or_kind_of_parameters_is_told),
        cmocka_unit_test_in_place(wrong_sql_is_told_and_leaves_the_transaction_open),
        cmocka_unit_test_in_place(rows_changed_are_those_of_this_statement),
        cmocka_unit_test_in_place(a_handler_cannot_touch_what_is_duets),
        cmocka_unit_test_in_place(a_statement_that_could_end_the_transaction_is_refused),
        cmocka_unit_test_in_place(a_failed_message_is_undone_alone),
        cmocka_unit_test_in_place(a_deferred_foreign_key_fails_the_message_that_breaks_it),
        cmocka_unit_test_in_place(a_row_may_ask_again_also_with_the_same_text),
        cmocka_unit_test_in_place(a_query_stops_when_the_row_function_says_so),
        cmocka_unit_test_in_place(more_texts_than_are_kept_prepared_work),
        cmocka_unit_test_in_place(a_kept_statement_follows_a_change_of_the_table),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
