/*
 * the control store under kill -9: processes that write all kinds of things at once lose
 * nothing that was acknowledged, and what they were about to do is there whole or not at all
 *
 * By default 8 processes x 500 writes and 3 kills; DUET_TEST_FULL=1: 8 x 10,000, one kill per
 * second.
 */
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "support/case.h"
#include "test_store_support.h"

enum { PROCESSES = 8 };

/* Shared with the children: what a killed process has acknowledged is not lost with it. */
static _Atomic int64_t *acknowledged; /* per process: writes below have returned DT_OK */

static dt_status beat(struct duet_store *store, int process, int64_t write)
{
    struct duet_instance it = {.role = DUET_PRODUCER, .pid = write};

    snprintf(it.name, sizeof(it.name), "w%d", process);
    return duet_store_heartbeat(store, &it);
}

static dt_status report(struct duet_store *store, int process, int64_t write)
{
    struct duet_role_report it = {.version = write, .partition = process, .topic = "t"};
    struct duet_counts counts[DUET_SIDES];
    dt_status status = DT_OK;

    snprintf(it.group, sizeof(it.group), "g");
    for (int side = 0; side < DUET_SIDES; side++) {
        duet_counts_init(&counts[side]);
        if (status == DT_OK) /* two rows that must agree */
            status = duet_counts_add(&counts[side], (uint32_t)process + 1, 1,
                                     DUET_COUNT_READ, write);
    }
    if (status == DT_OK)
        status = duet_store_role_report(store, &it, counts);
    for (int side = 0; side < DUET_SIDES; side++)
        duet_counts_fini(&counts[side]);
    return status;
}

static dt_status list(struct duet_store *store, int process, int64_t write)
{
    struct duet_ledger_entry it[2] = {
        {.kind = DUET_LEDGER_GAP, .topic = "t", .partition = process, .position = write},
        {.kind = DUET_LEDGER_LATE, .topic = "t", .partition = process, .position = write}};

    return duet_store_ledger_put(store, it, 2);
}

static dt_status plan(struct duet_store *store, int process, int64_t write)
{
    char detail[64];
    dt_status status;

    snprintf(detail, sizeof(detail), "%d %lld", process, (long long)write);
    do {
        struct duet_plan *it;

        status = duet_store_plan_load(store, &it);
        if (status != DT_OK)
            return status;
        it->routes[0].groups[0].wish[process] ^= 1;
        status = duet_store_plan_update(store, it, "flip", detail, "");
        duet_plan_free(it);
    } while (status == DT_ECONFLICT);
    return status;
}

static void work(const struct place *place, int process, int64_t writes)
{
    static dt_status (*const kinds[])(struct duet_store *, int, int64_t) = {beat, report,
                                                                            list, plan};
    struct duet_store *store;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (duet_store_open(place->url, false, &store) != DT_OK) {
        fprintf(stderr, "process %d: %s\n", process, dt_error_text());
        _exit(1);
    }
    for (int64_t i = atomic_load(&acknowledged[process]); i < writes; i++) {
        if (kinds[i % 4](store, process, i) != DT_OK) {
            fprintf(stderr, "process %d, write %lld: %s\n", process, (long long)i,
                    dt_error_text());
            _exit(1);
        }
        atomic_store(&acknowledged[process], i + 1);
    }
    duet_store_close(store);
    _exit(0);
}

static pid_t start(const struct place *place, int process, int64_t writes)
{
    pid_t child = fork();

    if (child == 0)
        work(place, process, writes);
    assert_true(child > 0);
    return child;
}

static int64_t number(sqlite3 *db, const char *format, ...)
{
    sqlite3_stmt *statement;
    va_list args;
    int64_t out = -1;
    char *sql;

    va_start(args, format);
    sql = sqlite3_vmprintf(format, args);
    va_end(args);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return out;
}

/* The last write of a kind among those that were acknowledged. */
static int64_t last_of(int64_t writes, int64_t kind)
{
    return writes - 1 - (writes - 1 - kind) % 4;
}

static void expect_all(const struct place *place, int64_t writes)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(
        number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    for (int p = 0; p < PROCESSES; p++) {
        assert_int_equal(number(db, "SELECT pid FROM instance WHERE name = 'w%d'", p),
                         last_of(writes, 0));
        assert_int_equal(
            number(db, "SELECT version FROM role_report WHERE partition = %d", p),
            last_of(writes, 1));
        for (int side = 0; side < DUET_SIDES; side++)
            assert_int_equal(
                number(db, "SELECT c0 FROM role_count WHERE partition = %d AND side = %d",
                       p, side),
                last_of(writes, 1));
        for (int kind = 0; kind < 2; kind++) /* each once, although some were sent twice */
            assert_int_equal(
                number(db,
                       "SELECT count(DISTINCT position) = count(*) AND count(*) ="
                       " %lld FROM ledger WHERE partition = %d AND kind = %d",
                       (long long)(writes + 1) / 4, p,
                       kind == 0 ? (int)DUET_LEDGER_GAP : (int)DUET_LEDGER_LATE),
                1);
        assert_int_equal(number(db,
                                "SELECT count(DISTINCT detail) FROM audit WHERE detail LIKE"
                                " '%d %%'",
                                p),
                         writes / 4);
        /* flipped once per line: neither lost in between nor done without one */
        assert_int_equal(
            number(db,
                   "SELECT (SELECT count(*) FROM audit WHERE detail LIKE '%d %%')"
                   " %% 2 = (SELECT side FROM wish WHERE partition = %d)",
                   p, p),
            1);
    }
    assert_int_equal(
        number(db, "SELECT version = 1 + (SELECT count(*) FROM audit WHERE command ="
                   " 'flip') FROM plan"),
        1);
    sqlite3_close(db);
}

static int64_t total(void)
{
    int64_t sum = 0;

    for (int i = 0; i < PROCESSES; i++)
        sum += atomic_load(&acknowledged[i]);
    return sum;
}

/* Whether the next kill is due: by progress, so that each falls into the work, or by time. */
static bool is_due(bool full, int kills, int64_t writes, int64_t began_ms)
{
    if (full)
        return dt_clock_ms() - began_ms >= 1000 * (kills + 1);
    return kills < 3 && total() >= PROCESSES * writes * (kills + 1) / 4;
}

static void nothing_acknowledged_is_lost_whoever_is_killed(void **state)
{
    const struct place *place = *state;
    const char *wanted = getenv("DUET_TEST_FULL");
    bool full = wanted != NULL && wanted[0] == '1';
    int64_t writes = full ? 10000 : 500, began_ms;
    struct duet_store *store = store_open(place);
    struct duet_plan *first = plan_make(1, PROCESSES, 1);
    pid_t children[PROCESSES];
    int left = PROCESSES, kills = 0;
    bool created;

    assert_ok(duet_store_plan_init(store, first, &created));
    duet_plan_free(first);
    duet_store_close(store);
    acknowledged = mmap(NULL, PROCESSES * sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acknowledged != MAP_FAILED);
    began_ms = dt_clock_ms();
    for (int i = 0; i < PROCESSES; i++)
        children[i] = start(place, i, writes);
    while (left > 0) {
        const struct timespec pause = {0, 1000000};

        if (is_due(full, kills, writes, began_ms)) {
            uint32_t victim;

            dt_random_bytes(&victim, sizeof(victim));
            victim %= PROCESSES;
            if (children[victim] > 0) /* else it is done already */
                kill(children[victim], SIGKILL);
            kills++;
        }
        for (int i = 0; i < PROCESSES; i++) {
            int ended;

            if (children[i] == 0 || waitpid(children[i], &ended, WNOHANG) == 0)
                continue;
            if (WIFSIGNALED(ended)) {
                children[i] =
                    start(place, i, writes); /* goes on where it was acknowledged */
                continue;
            }
            assert_int_equal(ended, 0);
            children[i] = 0;
            left--;
        }
        nanosleep(&pause, NULL);
    }
    print_message("%d processes x %lld writes, %d kills: %.1f s\n", PROCESSES,
                  (long long)writes, kills, (double)(dt_clock_ms() - began_ms) / 1000);
    expect_all(place, writes);
    munmap(acknowledged, PROCESSES * sizeof(*acknowledged));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(nothing_acknowledged_is_lost_whoever_is_killed),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
