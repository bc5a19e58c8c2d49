/*
 * The journal's process dies at a file call, any of them, and the machine with it: of what was
 * written and not synced, any part is lost, in pieces of 512 bytes. What was told to be durable is
 * there after, in order; nothing else than what was appended is.
 *
 * Each round is a child that goes on with the folder its predecessor left. JOURNAL_CRASHES says
 * how many rounds (500; 40 under ThreadSanitizer, where a process takes a second to end).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "journal/journal.h"
#include "support/case.h"
#include "support/random.h"

enum {
    SEGMENT = 8192,
    SECTOR = 512,
    LANES = 3,
    APPENDS = 60, /* per child */
    UNSYNCED_MAX = 256,
    CRASHED = 42, /* exit codes of the child */
    FINISHED = 43
};

/* What the child tells before it dies: shared memory outlives it. */
struct told {
    uint64_t appended[LANES]; /* messages that append() took, ever */
    uint64_t durable[LANES];  /* of them, those that are durable */
    uint64_t done[LANES];     /* those given to done() */
    int calls;                /* file calls that change something */
};

#ifdef __SANITIZE_THREAD__
#define ROUNDS 40
#else
#define ROUNDS 500
#endif

static struct told *told;

/* ---- the disk that dies ---- */

struct unsynced {
    int fd;
    off_t at;
    size_t size;
    uint8_t *before;
};

static struct unsynced unsynced[UNSYNCED_MAX];
static size_t unsynced_count;
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static int die_at; /* the file call that is the last */
static struct test_random fate;

/* Some of the sectors that were never synced have their old content again. */
static void lose_power(void)
{
    for (size_t i = unsynced_count; i-- > 0;) {
        const struct unsynced *lost = &unsynced[i];
        size_t left = lost->size, at = 0;

        while (left > 0) {
            size_t in_sector = SECTOR - (size_t)(lost->at + (off_t)at) % SECTOR;
            size_t size = in_sector < left ? in_sector : left;

            if (test_random_once_in(&fate, 2) &&
                pwrite(lost->fd, lost->before + at, size, lost->at + (off_t)at) < 0)
                _exit(1);
            at += size;
            left -= size;
        }
    }
    _exit(CRASHED);
}

static bool is_last_call(void)
{
    return __atomic_add_fetch(&told->calls, 1, __ATOMIC_SEQ_CST) == die_at;
}

static ssize_t dying_write(int fd, const void *data, size_t size, off_t at)
{
    struct unsynced *entry;
    ssize_t written;

    pthread_mutex_lock(&disk_lock);
    entry = &unsynced[unsynced_count];
    if (unsynced_count == UNSYNCED_MAX)
        _exit(2);
    entry->fd = fd;
    entry->at = at;
    entry->size = size;
    entry->before = malloc(size);
    if (entry->before == NULL || pread(fd, entry->before, size, at) != (ssize_t)size)
        _exit(3);
    unsynced_count++;
    if (is_last_call()) { /* torn: a part of it, and the power goes */
        if (pwrite(fd, data, test_random_below(&fate, size + 1), at) < 0)
            _exit(4);
        lose_power();
    }
    written = pwrite(fd, data, size, at);
    pthread_mutex_unlock(&disk_lock);
    return written;
}

static void forget_unsynced(int fd)
{
    size_t kept = 0;

    for (size_t i = 0; i < unsynced_count; i++)
        if (unsynced[i].fd == fd)
            free(unsynced[i].before);
        else
            unsynced[kept++] = unsynced[i];
    unsynced_count = kept;
}

static int dying_sync(int fd)
{
    pthread_mutex_lock(&disk_lock);
    if (is_last_call())
        lose_power();
    forget_unsynced(fd);
    pthread_mutex_unlock(&disk_lock);
    return 0;
}

static int dying_unlink(const char *path)
{
    if (is_last_call())
        lose_power();
    return unlink(path);
}

static int dying_reserve(int fd, off_t size)
{
    if (is_last_call())
        lose_power(); /* the file is there and empty */
    return ftruncate(fd, size);
}

static int no_sync_dir(const char *path)
{
    (void)path;
    return 0;
}

/* ---- the workload ---- */

static void fill(uint8_t *bytes, size_t size, size_t lane, uint64_t n)
{
    struct test_random random = {n * LANES + lane};

    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(n >> (56 - 8 * i));
    for (size_t i = 8; i < size; i++)
        bytes[i] = (uint8_t)test_random_next(&random);
}

static size_t size_of(size_t lane, uint64_t n)
{
    return 8 + (size_t)(n * 37 + lane * 101) % 700;
}

struct pending {
    uint64_t lsn;
    size_t lane;
    uint64_t n;
};

static struct pending accepted[APPENDS + 1];
static size_t accepted_count, told_count;
static pthread_mutex_t accepted_lock = PTHREAD_MUTEX_INITIALIZER;

static void progress(void *context, const struct duet_journal_progress *reached)
{
    (void)context;
    pthread_mutex_lock(&accepted_lock);
    for (; told_count < accepted_count && accepted[told_count].lsn <= reached->synced;
         told_count++)
        told->durable[accepted[told_count].lane] = accepted[told_count].n;
    pthread_mutex_unlock(&accepted_lock);
}

static void need(bool holds)
{
    if (!holds)
        _exit(5);
}

static void config_of(struct duet_journal_config *config, const char *dir)
{
    memset(config, 0, sizeof(*config));
    config->dir = dir;
    config->size_max = 64 * SEGMENT;
    config->segment_size = SEGMENT;
    config->fsync = DUET_FSYNC_ALWAYS;
}

static void append_one(struct duet_journal *journal, size_t lane, uint32_t id)
{
    static uint8_t bytes[SEGMENT];
    uint64_t n = told->appended[lane] + 1, lsn;
    size_t size = size_of(lane, n);
    dt_status status;

    fill(bytes, size, lane, n);
    do {
        /* held over the append: progress() must find it noted */
        pthread_mutex_lock(&accepted_lock);
        told->appended[lane] = n;
        status = duet_journal_append(journal, id, 0, dt_span_of(bytes, size), &lsn);
        if (status == DT_OK)
            accepted[accepted_count++] = (struct pending){lsn, lane, n};
        pthread_mutex_unlock(&accepted_lock);
    } while (status == DT_EBUSY);
    need(status == DT_OK);
}

static void child(const char *dir, uint64_t seed)
{
    struct duet_disk disk = {
        duet_disk_system.open, dying_reserve, dying_write, dying_sync, close,
        dying_unlink,          no_sync_dir};
    struct duet_journal_config config;
    struct duet_journal *journal;
    struct duet_journal_cursor cursors[LANES] = {{0, 0, 0}};
    struct test_random random = {seed};
    struct dt_buf payload;
    uint32_t ids[LANES];

    config_of(&config, dir);
    config.disk = &disk;
    config.progress = progress;
    need(duet_journal_open(&config, &journal) == DT_OK);
    dt_buf_init(&payload, SEGMENT);
    for (size_t lane = 0; lane < LANES; lane++)
        need(duet_journal_lane(journal, "t", (int32_t)lane, 1, &ids[lane]) == DT_OK);
    for (int i = 0; i < APPENDS; i++) {
        size_t lane = test_random_below(&random, LANES);
        struct duet_record_view record;
        dt_status status;

        append_one(journal, lane, ids[lane]);
        if (test_random_once_in(&random, 8)) {
            pthread_mutex_lock(&accepted_lock);
            uint64_t lsn = accepted[accepted_count - 1].lsn;
            pthread_mutex_unlock(&accepted_lock);
            need(duet_journal_wait(journal, DUET_FSYNC_ALWAYS, lsn,
                                   dt_clock_ms() + 20000) == DT_OK);
        }
        lane = test_random_below(&random, LANES);
        status = duet_journal_next(journal, ids[lane], &cursors[lane], &payload, &record);
        if (status == DT_OK && test_random_once_in(&random, 2)) {
            struct dt_scan scan = dt_scan_of(dt_buf_span(&payload));

            told->done[lane] = dt_scan_u64(&scan);
            need(duet_journal_done(journal, ids[lane], record.lsn, 1, 0) == DT_OK);
        }
    }
    duet_journal_close(journal);
    dt_buf_fini(&payload);
    _exit(FINISHED);
}

/* ---- what must be true after ---- */

/* Messages that a crash swallowed between others, before they were durable: sectors reach the
 * disk in any order. They are listed as damage once, and missing in that folder from then on. */
static struct hole {
    size_t lane;
    uint64_t n;
} holes[4096];
static size_t hole_count;

static bool is_known_hole(size_t lane, uint64_t n)
{
    for (size_t i = 0; i < hole_count; i++)
        if (holes[i].lane == lane && holes[i].n == n)
            return true;
    return false;
}

static void check_gap(struct duet_journal *journal, size_t lane, uint64_t from, uint64_t to)
{
    const struct duet_journal_damage *damages;

    for (uint64_t n = from; n < to; n++) {
        if (is_known_hole(lane, n))
            continue;
        assert_true(n > told->durable[lane]);
        assert_true(duet_journal_damages(journal, &damages) > 0);
        assert_true(hole_count < sizeof(holes) / sizeof(holes[0]));
        holes[hole_count++] = (struct hole){lane, n};
    }
}

/* Whatever is there continues from something not later than what is owed, to something not
 * before what was told durable; only what was not durable can be missing between. */
static void check_lane(struct duet_journal *journal, size_t lane)
{
    static uint8_t wanted[SEGMENT];
    struct duet_journal_cursor cursor = {0, 0, 0};
    struct duet_record_view record;
    struct dt_buf payload;
    uint64_t last = 0;
    uint32_t id;
    dt_status status;

    assert_int_equal(duet_journal_lane(journal, "t", (int32_t)lane, 1, &id), DT_OK);
    dt_buf_init(&payload, SEGMENT);
    while ((status = duet_journal_next(journal, id, &cursor, &payload, &record)) == DT_OK) {
        struct dt_scan scan = dt_scan_of(dt_buf_span(&payload));
        uint64_t n = dt_scan_u64(&scan);

        assert_true(n > last);
        if (last > 0)
            check_gap(journal, lane, last + 1, n);
        else if (n > told->done[lane] + 1)
            check_gap(journal, lane, told->done[lane] + 1, n);
        assert_int_equal(payload.size, size_of(lane, n));
        fill(wanted, payload.size, lane, n);
        assert_memory_equal(payload.data, wanted, payload.size);
        last = n;
    }
    assert_int_equal(status, DT_ENOTFOUND);
    if (last == 0) /* nothing is owed: so all that was durable is done */
        check_gap(journal, lane, told->done[lane] + 1, told->durable[lane] + 1);
    else
        assert_true(last >= told->durable[lane] && last <= told->appended[lane]);
    /* the next child goes on from what is there */
    if (last == 0)
        last = told->done[lane];
    told->appended[lane] = told->durable[lane] = last;
    dt_buf_fini(&payload);
}

static void check(const char *dir)
{
    struct duet_journal_config config;
    struct duet_journal *journal;

    config_of(&config, dir);
    config.fsync = DUET_FSYNC_NEVER;
    if (duet_journal_open(&config, &journal) != DT_OK)
        fail_msg("%s", dt_error_text());
    for (size_t lane = 0; lane < LANES; lane++)
        check_lane(journal, lane);
    duet_journal_close(journal);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void no_crash_at_any_file_call_loses_what_was_durable(void **state)
{
    const char *text = getenv("JOURNAL_CRASHES");
    int rounds = text != NULL ? atoi(text) : ROUNDS, crashed = 0;
    struct test_random random = {20261};
    char dir[64] = "";

    (void)state;
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                0);
    assert_true(told != MAP_FAILED);
    for (int round = 0; round < rounds; round++) {
        int status;
        pid_t pid;

        if (round % 20 == 0) { /* a fresh folder now and then */
            if (dir[0] != '\0')
                nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
            strcpy(dir, "/tmp/duet-journal-XXXXXX");
            assert_non_null(mkdtemp(dir));
            memset(told, 0, sizeof(*told));
            hole_count = 0;
        }
        told->calls = 0;
        die_at = 1 + (int)test_random_below(&random, 50);
        fate.state = test_random_next(&random);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(dir, (uint64_t)round);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != CRASHED && WEXITSTATUS(status) != FINISHED)
            fail_msg("round %d: the child ended with %d", round, WEXITSTATUS(status));
        crashed += WEXITSTATUS(status) == CRASHED;
        check(dir);
    }
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    munmap(told, sizeof(*told));
    print_message("%d rounds, %d crashes\n", rounds, crashed);
    assert_true(crashed > rounds / 2); /* the test is about crashes */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_crash_at_any_file_call_loses_what_was_durable),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
