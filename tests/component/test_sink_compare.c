/* compare: which rows differ between live and shadow, and how, while both are in use */
#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include "support/case.h"
#include "test_store_support.h"

#include "test_sink_support.h"

struct both {
    struct duet_sink *role[DUET_ROLES];
    const struct place *place;
    struct duet_table_difference *out;
    size_t count;
};

static void both_open(struct both *both, const struct place *place)
{
    memset(both, 0, sizeof(*both));
    both->place = place;
    both->role[DUET_LIVE] = sink_open(place, DUET_LIVE);
    both->role[DUET_SHADOW] = sink_open(place, DUET_SHADOW);
}

static void on_both(struct both *both, const char *sql)
{
    sink_run(both->role[DUET_LIVE], sql);
    sink_run(both->role[DUET_SHADOW], sql);
}

static void compare(struct both *both, const char *table, size_t sample_max)
{
    const char *const tables[] = {table};

    duet_table_differences_free(both->out, both->count);
    assert_ok(duet_sink_compare(both->place->sink, GROUP, table != NULL ? tables : NULL,
                                table != NULL ? 1 : 0, sample_max, &both->out,
                                &both->count));
}

static void both_close(struct both *both)
{
    duet_table_differences_free(both->out, both->count);
    duet_sink_close(both->role[DUET_LIVE]);
    duet_sink_close(both->role[DUET_SHADOW]);
}

static void expect(const struct duet_table_difference *it, int64_t rows_live,
                   int64_t rows_shadow, int64_t only_live, int64_t only_shadow,
                   int64_t different)
{
    if (it->rows_live != rows_live || it->rows_shadow != rows_shadow ||
        it->only_live != only_live || it->only_shadow != only_shadow ||
        it->different != different)
        fail_msg("%s: %lld %lld rows, only live %lld, only shadow %lld, different %lld",
                 it->table, (long long)it->rows_live, (long long)it->rows_shadow,
                 (long long)it->only_live, (long long)it->only_shadow,
                 (long long)it->different);
}

static void equal_tables_are_equal_and_ours_are_not_looked_at(void **state)
{
    struct both both;

    both_open(&both, *state);
    on_both(&both, "CREATE TABLE carrier_day (carrier TEXT, day TEXT, flights INTEGER,"
                   " PRIMARY KEY (carrier, day))");
    on_both(&both, "CREATE TABLE another (x)");
    on_both(&both,
            "INSERT INTO carrier_day VALUES ('AA', '2013-01-01', 5), ('UA', '2013-01-01',"
            " NULL)");
    sink_run(both.role[0], "INSERT INTO another VALUES (1), (2), (2), (NULL)");
    sink_run(both.role[1], "INSERT INTO another VALUES (2), (NULL), (1), (2)");
    compare(&both, NULL, 10);
    assert_int_equal(both.count, 2);
    assert_string_equal(both.out[0].table, "another");
    expect(&both.out[0], 4, 4, 0, 0, 0);
    assert_string_equal(both.out[1].table, "carrier_day");
    expect(&both.out[1], 2, 2, 0, 0, 0);
    assert_int_equal(both.out[1].sample_count, 0);
    both_close(&both);
}

static void rows_are_matched_by_key_and_the_sample_says_how_they_differ(void **state)
{
    struct both both;

    both_open(&both, *state);
    on_both(&both, "CREATE TABLE t (day TEXT, n INTEGER, carrier TEXT, raw, PRIMARY KEY"
                   " (carrier, day))");
    sink_run(both.role[0],
             "INSERT INTO t VALUES ('d1', 5, 'AA', x'00ff'), ('d2', NULL, 'AA', 1),"
             " ('d3', 7, 'B''\"B', NULL), ('d4', 1, 'same', 0.5)");
    sink_run(both.role[1], "INSERT INTO t VALUES ('d1', 6, 'AA', 'x'), ('d2', 0, 'AA', 1),"
                           " ('d9', 7, 'CC', 0.1), ('d4', 1, 'same', 0.5)");
    compare(&both, "t", 10);
    expect(&both.out[0], 4, 4, 1, 1, 2);
    assert_int_equal(both.out[0].sample_count, 4);
    assert_string_equal(both.out[0].sample[0],
                        "{\"key\":{\"carrier\":\"AA\",\"day\":\"d1\"},"
                        "\"live\":{\"n\":5,\"raw\":\"00ff\"},"
                        "\"shadow\":{\"n\":6,\"raw\":\"x\"}}");
    assert_string_equal(both.out[0].sample[1],
                        "{\"key\":{\"carrier\":\"AA\",\"day\":\"d2\"},"
                        "\"live\":{\"n\":null,\"raw\":1},"
                        "\"shadow\":{\"n\":0,\"raw\":1}}");
    assert_string_equal(both.out[0].sample[2],
                        "{\"key\":{\"carrier\":\"B'\\\"B\",\"day\":\"d3\"},"
                        "\"live\":{\"n\":7,\"raw\":null},\"shadow\":null}");
    assert_string_equal(both.out[0].sample[3],
                        "{\"key\":{\"carrier\":\"CC\",\"day\":\"d9\"},\"live\":null,"
                        "\"shadow\":{\"n\":7,\"raw\":0.10000000000000001}}");
    for (size_t i = 0; i < 4; i++) {
        cJSON *json = cJSON_Parse(both.out[0].sample[i]);

        assert_non_null(json);
        cJSON_Delete(json);
    }
    compare(&both, "t", 1);
    expect(&both.out[0], 4, 4, 1, 1, 2); /* counted all, shown one */
    assert_int_equal(both.out[0].sample_count, 1);
    compare(&both, "t", 0);
    assert_int_equal(both.out[0].sample_count, 0);
    assert_null(both.out[0].sample);
    both_close(&both);
}

static void a_table_that_one_side_lacks_counts_all_its_rows(void **state)
{
    struct both both;

    both_open(&both, *state);
    sink_run(both.role[0], "CREATE TABLE l (k INTEGER PRIMARY KEY, v)");
    sink_run(both.role[0], "INSERT INTO l VALUES (1, 'a'), (2, 'b')");
    sink_run(both.role[1], "CREATE TABLE s (v)");
    sink_run(both.role[1], "INSERT INTO s VALUES (1), (1), (2)");
    compare(&both, NULL, 10);
    assert_int_equal(both.count, 2);
    expect(&both.out[0], 2, 0, 2, 0, 0);
    assert_string_equal(both.out[0].sample[1],
                        "{\"key\":{\"k\":2},\"live\":{\"v\":\"b\"},\"shadow\":null}");
    expect(&both.out[1], 0, 3, 0, 3, 0);
    assert_string_equal(both.out[1].sample[0],
                        "{\"key\":{},\"live\":null,\"shadow\":{\"v\":1}}");
    both_close(&both);
}

static void rows_without_a_key_are_compared_as_a_multiset(void **state)
{
    struct both both;

    both_open(&both, *state);
    on_both(&both, "CREATE TABLE t (a, b)");
    sink_run(both.role[0], "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (NULL, 'y')");
    sink_run(both.role[1],
             "INSERT INTO t VALUES (1, 'x'), (NULL, 'y'), (NULL, 'y'), (3, NULL)");
    compare(&both, "t", 10);
    expect(&both.out[0], 3, 4, 1, 2, 0);
    assert_int_equal(both.out[0].sample_count, 3);
    both_close(&both);
}

/* What SQLite calls equal is not always the same. */
static void values_are_compared_by_type_and_bytes(void **state)
{
    struct both both;

    both_open(&both, *state);
    on_both(&both,
            "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v TEXT COLLATE NOCASE)");
    on_both(&both, "CREATE TABLE u (k INTEGER PRIMARY KEY, v)");
    on_both(&both, "CREATE TABLE w (v COLLATE NOCASE)");
    sink_run(both.role[0],
             "INSERT INTO t VALUES ('a', 'same'), ('b', 'Upper'), ('C', 'key')");
    sink_run(both.role[1],
             "INSERT INTO t VALUES ('a', 'same'), ('b', 'upper'), ('c', 'key')");
    sink_run(both.role[0], "INSERT INTO u VALUES (1, 1), (2, '2'), (3, NULL), (4, x'61')");
    sink_run(both.role[1], "INSERT INTO u VALUES (1, 1.0), (2, 2), (3, NULL), (4, 'a')");
    sink_run(both.role[0], "INSERT INTO w VALUES ('a'), (1)");
    sink_run(both.role[1], "INSERT INTO w VALUES ('A'), (1.0)");
    compare(&both, NULL, 10);
    expect(&both.out[0], 3, 3, 0, 0, 2);
    expect(&both.out[1], 4, 4, 0, 0, 3);
    expect(&both.out[2], 2, 2, 2, 2, 0);
    both_close(&both);
}

/* SQLite allows them, any number; they match nothing, not even themselves. */
static void keys_that_are_null_are_compared_as_whole_rows(void **state)
{
    struct both both;

    both_open(&both, *state);
    on_both(&both, "CREATE TABLE t (k TEXT PRIMARY KEY, v)");
    on_both(&both, "INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3)");
    compare(&both, "t", 10);
    expect(&both.out[0], 3, 3, 0, 0, 0);
    sink_run(both.role[1], "UPDATE t SET v = 9 WHERE v = 2");
    compare(&both, "t", 10);
    expect(&both.out[0], 3, 3, 1, 1, 0);
    both_close(&both);
}

static void odd_names_and_other_columns_are_no_trouble(void **state)
{
    struct both both;

    both_open(&both, *state);
    sink_run(both.role[0],
             "CREATE TABLE \"a \"\"b; --\" (\"or'der\" INTEGER PRIMARY KEY, \"x y\","
             " gone)");
    sink_run(both.role[1],
             "CREATE TABLE \"a \"\"b; --\" (\"x y\", \"or'der\" INTEGER PRIMARY KEY,"
             " extra)");
    sink_run(both.role[0],
             "INSERT INTO \"a \"\"b; --\" VALUES (1, 'v', NULL), (2, 'w', 5)");
    sink_run(both.role[1],
             "INSERT INTO \"a \"\"b; --\" VALUES ('v', 1, NULL), ('w', 2, NULL)");
    compare(&both, NULL, 10);
    assert_string_equal(both.out[0].table, "a \"b; --");
    expect(&both.out[0], 2, 2, 0, 0, 1); /* a column that one side lacks is null there */
    assert_string_equal(
        both.out[0].sample[0],
        "{\"key\":{\"or'der\":2},\"live\":{\"extra\":null,\"gone\":5,\"x "
        "y\":\"w\"},\"shadow\":{\"extra\":null,\"gone\":null,\"x y\":\"w\"}}");
    both_close(&both);
}

static void what_cannot_be_compared_is_told(void **state)
{
    const struct place *place = *state;
    const char *const nowhere[] = {"nowhere"}, *const ours[] = {"Duet_state"};
    struct duet_table_difference *out;
    struct both both;
    size_t count;
    char odd[160];

    assert_status(duet_sink_compare(place->sink, GROUP, NULL, 0, 5, &out, &count),
                  DT_ENOTFOUND);
    assert_said("there is no live store");
    both_open(&both, place);
    assert_status(duet_sink_compare(place->sink, GROUP, nowhere, 1, 5, &out, &count),
                  DT_ENOTFOUND);
    assert_said("'nowhere' is on neither side");
    assert_status(duet_sink_compare(place->sink, GROUP, ours, 1, 5, &out, &count),
                  DT_EINVAL);
    assert_null(out);
    compare(&both, NULL, 5); /* no tables at all */
    assert_int_equal(both.count, 0);
    both_close(&both);
    /* an address that means something else to a URI */
    snprintf(odd, sizeof(odd), "sqlite:%s/100%%41?mode=rw#x", place->folder);
    for (int role = 0; role < DUET_ROLES; role++) {
        struct duet_sink *sink;

        assert_ok(duet_sink_open(odd, (enum duet_role)role, GROUP, &sink));
        table_make(sink);
        duet_sink_close(sink);
    }
    assert_ok(duet_sink_compare(odd, GROUP, NULL, 0, 5, &out, &count));
    assert_int_equal(count, 1);
    duet_table_differences_free(out, count);
}

/* Each batch moves one from `a` to `b`: in any snapshot their sum is what it was. */
static void it_sees_one_moment_of_each_side_while_a_consumer_writes(void **state)
{
    const struct place *place = *state;
    struct both both;
    pid_t child;

    both_open(&both, place);
    on_both(&both, "CREATE TABLE a (k INTEGER PRIMARY KEY, v)");
    on_both(&both, "CREATE TABLE b (k INTEGER PRIMARY KEY, v)");
    sink_run(both.role[0],
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE"
             " i < 1000) INSERT INTO a SELECT i, 0 FROM n");
    child = fork();
    if (child == 0) {
        struct duet_sink *sink;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sink = sink_open(place, DUET_LIVE);
        for (int64_t i = 1; i <= 1000; i++) {
            const duet_value id[] = {duet_integer(i)};

            if (duet_sink_begin(sink) != DT_OK ||
                duet_sink_exec(sink, "DELETE FROM a WHERE k = $1", id, 1, NULL) != DT_OK ||
                duet_sink_exec(sink, "INSERT INTO b VALUES ($1, 0)", id, 1, NULL) !=
                    DT_OK ||
                duet_sink_commit(sink) != DT_OK)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 30; i++) {
        compare(&both, NULL, 1);
        assert_int_equal(both.out[0].rows_live + both.out[1].rows_live, 1000);
        assert_int_equal(both.out[0].only_live, both.out[0].rows_live);
        assert_int_equal(both.out[1].only_live, both.out[1].rows_live);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    both_close(&both);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(equal_tables_are_equal_and_ours_are_not_looked_at),
        cmocka_unit_test_in_place(
            rows_are_matched_by_key_and_the_sample_says_how_they_differ),
        cmocka_unit_test_in_place(a_table_that_one_side_lacks_counts_all_its_rows),
        cmocka_unit_test_in_place(rows_without_a_key_are_compared_as_a_multiset),
        cmocka_unit_test_in_place(values_are_compared_by_type_and_bytes),
        cmocka_unit_test_in_place(keys_that_are_null_are_compared_as_whole_rows),
        cmocka_unit_test_in_place(odd_names_and_other_columns_are_no_trouble),
        cmocka_unit_test_in_place(what_cannot_be_compared_is_told),
        cmocka_unit_test_in_place(it_sees_one_moment_of_each_side_while_a_consumer_writes),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
