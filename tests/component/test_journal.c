/* The journal on a real folder: FIFO lanes, reopening, the bound, a full disk, damage, the lock */
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
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "journal/journal.h"
#include "support/case.h"

enum { SEGMENT = 8192, WAIT_MS = 20000 };

struct world {
    char dir[64];
    struct duet_journal_config config;
    struct duet_journal *journal;
    uint32_t a, b; /* lanes */
};

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void open_again(struct world *world)
{
    assert_int_equal(duet_journal_open(&world->config, &world->journal), DT_OK);
    assert_int_equal(duet_journal_lane(world->journal, "orders", 0, 1, &world->a), DT_OK);
    assert_int_equal(duet_journal_lane(world->journal, "orders", 1, 1, &world->b), DT_OK);
    assert_int_not_equal(world->a, world->b);
}

static void open_world(struct world *world, int64_t size_max)
{
    memset(world, 0, sizeof(*world));
    strcpy(world->dir, "/tmp/duet-journal-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    world->config.dir = world->dir;
    world->config.size_max = size_max;
    world->config.segment_size = SEGMENT;
    world->config.fsync = DUET_FSYNC_ALWAYS;
    open_again(world);
}

static void close_world(struct world *world)
{
    duet_journal_close(world->journal);
    nftw(world->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A message that says which it is; `size` bytes in all. */
static struct dt_span message(char lane, int n, size_t size)
{
    static char text[SEGMENT];

    memset(text, '.', size);
    snprintf(text, sizeof(text), "%c%d;", lane, n);
    return dt_span_of(text, size);
}

/* Appends, patiently where the journal only waits for its thread. */
static dt_status append(struct world *world, uint32_t lane, char name, int n, size_t size,
                        uint64_t *lsn)
{
    int64_t until_ms = dt_clock_ms() + WAIT_MS;
    dt_status status;

    do
        status = duet_journal_append(world->journal, lane, 7, message(name, n, size), lsn);
    while (status == DT_EBUSY && dt_clock_ms() < until_ms);
    return status;
}

static uint64_t need_append(struct world *world, uint32_t lane, char name, int n,
                            size_t size)
{
    uint64_t lsn;

    assert_int_equal(append(world, lane, name, n, size, &lsn), DT_OK);
    return lsn;
}

static void need_durable(struct world *world, uint64_t lsn)
{
    assert_int_equal(
        duet_journal_wait(world->journal, DUET_FSYNC_ALWAYS, lsn, dt_clock_ms() + WAIT_MS),
        DT_OK);
}

/* The next message of the lane is that one; returns its number. */
static uint64_t need_next(struct world *world, uint32_t lane,
                          struct duet_journal_cursor *cursor, char name, int n)
{
    struct duet_record_view record;
    struct dt_buf payload;
    char wanted[32];

    dt_buf_init(&payload, SEGMENT);
    assert_int_equal(duet_journal_next(world->journal, lane, cursor, &payload, &record),
                     DT_OK);
    snprintf(wanted, sizeof(wanted), "%c%d;", name, n);
    assert_memory_equal(payload.data, wanted, strlen(wanted));
    assert_int_equal(record.lane, lane);
    assert_int_equal(record.flags, 7);
    assert_int_equal(record.side, 1);
    dt_buf_fini(&payload);
    return record.lsn;
}

static void need_no_more(struct world *world, uint32_t lane,
                         struct duet_journal_cursor *cursor)
{
    struct duet_record_view record;
    struct dt_buf payload;

    dt_buf_init(&payload, SEGMENT);
    assert_int_equal(duet_journal_next(world->journal, lane, cursor, &payload, &record),
                     DT_ENOTFOUND);
    dt_buf_fini(&payload);
}

static void need_done(struct world *world, uint32_t lane, uint64_t lsn, uint64_t messages,
                      uint64_t bytes)
{
    assert_int_equal(duet_journal_done(world->journal, lane, lsn, messages, bytes), DT_OK);
}

/* ---- */

static void lanes_are_fifo_and_apart(void **state)
{
    struct world world;
    struct duet_journal_cursor at_a = {0}, at_b = {0};
    uint64_t last = 0;

    (void)state;
    open_world(&world, 1 << 20);
    for (int n = 0; n < 300; n++) {
        last = need_append(&world, n % 3 == 0 ? world.b : world.a, n % 3 == 0 ? 'b' : 'a',
                           n, 20 + (size_t)n);
    }
    need_durable(&world, last);
    for (int n = 0; n < 300; n++)
        if (n % 3 != 0)
            need_next(&world, world.a, &at_a, 'a', n);
    for (int n = 0; n < 300; n += 3)
        need_next(&world, world.b, &at_b, 'b', n);
    need_no_more(&world, world.a, &at_a);
    need_no_more(&world, world.b, &at_b);
    /* a lane that is read to its end goes on with what is appended later */
    need_durable(&world, need_append(&world, world.a, 'a', 300, 50));
    need_next(&world, world.a, &at_a, 'a', 300);
    close_world(&world);
}

static void what_is_owed_is_there_after_a_restart(void **state)
{
    struct world world;
    struct duet_journal_cursor at_a = {0}, at_b = {0};
    struct duet_journal_stats stats;
    uint64_t lsn = 0, seventh = 0;

    (void)state;
    open_world(&world, 1 << 20);
    for (int n = 0; n < 100; n++) {
        lsn = need_append(&world, world.a, 'a', n, 300);
        if (n == 69)
            seventh = lsn;
        need_append(&world, world.b, 'b', n, 10);
    }
    need_done(&world, world.a, seventh, 70, (size_t)70 * 300);
    duet_journal_close(world.journal);
    open_again(&world);
    duet_journal_stats(world.journal, &stats);
    assert_int_equal(stats.messages, 130);
    assert_int_equal(stats.bytes, 30 * 300 + 100 * 10);
    assert_true(stats.oldest_wall_ms > 0);
    for (int n = 70; n < 100; n++)
        need_next(&world, world.a, &at_a, 'a', n);
    for (int n = 0; n < 100; n++)
        need_next(&world, world.b, &at_b, 'b', n);
    need_no_more(&world, world.a, &at_a);
    /* and new ones queue behind them */
    need_durable(&world, need_append(&world, world.b, 'b', 100, 10));
    need_next(&world, world.b, &at_b, 'b', 100);
    close_world(&world);
}

static int64_t disk_bytes(struct world *world)
{
    struct duet_journal_stats stats;

    duet_journal_stats(world->journal, &stats);
    return stats.disk_bytes;
}

static void the_bound_is_an_answer_and_finished_segments_go(void **state)
{
    struct world world;
    struct duet_journal_cursor at = {0};
    uint64_t lsn, last = 0;
    int64_t until_ms = dt_clock_ms() + WAIT_MS;
    int count = 0;
    dt_status status;

    (void)state;
    open_world(&world, 4 * SEGMENT);
    while ((status = append(&world, world.a, 'a', count, 1000, &lsn)) == DT_OK) {
        last = lsn;
        count++;
    }
    assert_int_equal(status, DT_ENOSPC);
    assert_true(count > 20 && count < 32);
    assert_true(disk_bytes(&world) <= 4 * SEGMENT);
    need_durable(&world, last);
    for (int n = 0; n < count; n++)
        lsn = need_next(&world, world.a, &at, 'a', n);
    assert_int_equal(lsn, last);
    need_done(&world, world.a, last, (uint64_t)count, (uint64_t)count * 1000);
    /* the room comes back */
    while (append(&world, world.a, 'a', count, 1000, &lsn) == DT_ENOSPC)
        assert_true(dt_clock_ms() < until_ms);
    for (int n = count + 1; n < 500; n++) {
        uint64_t next = need_append(&world, world.a, 'a', n, 1000);

        need_done(&world, world.a, next, 1, 1000);
    }
    assert_true(disk_bytes(&world) <= 4 * SEGMENT);
    close_world(&world);
}

/* ---- a disk that is full ---- */

static int full; /* reserve() fails so often */

static int full_reserve(int fd, off_t size)
{
    if (__atomic_load_n(&full, __ATOMIC_SEQ_CST) != 0) {
        errno = ENOSPC;
        return -1;
    }
    return duet_disk_system.reserve(fd, size);
}

static void a_full_disk_is_an_answer_and_passes(void **state)
{
    struct duet_disk disk = duet_disk_system;
    struct world world;
    struct duet_journal_cursor at = {0};
    int64_t until_ms = dt_clock_ms() + WAIT_MS;
    uint64_t lsn;
    dt_status status;
    int count = 0;

    (void)state;
    disk.reserve = full_reserve;
    open_world(&world, 1 << 20);
    duet_journal_close(world.journal);
    world.config.disk = &disk;
    __atomic_store_n(&full, 1, __ATOMIC_SEQ_CST);
    assert_int_equal(duet_journal_open(&world.config, &world.journal), DT_ENOSPC);
    assert_non_null(strstr(dt_error_text(), "full"));
    __atomic_store_n(&full, 0, __ATOMIC_SEQ_CST);
    open_again(&world);
    need_append(&world, world.a, 'a', count++, 1000);
    __atomic_store_n(&full, 1, __ATOMIC_SEQ_CST);
    while ((status = append(&world, world.a, 'a', count, 1000, &lsn)) == DT_OK)
        count++;
    assert_int_equal(status, DT_ENOSPC);
    __atomic_store_n(&full, 0, __ATOMIC_SEQ_CST);
    while ((status = append(&world, world.a, 'a', count, 1000, &lsn)) != DT_OK)
        assert_true(dt_clock_ms() < until_ms);
    need_durable(&world, lsn);
    for (int n = 0; n <= count; n++)
        need_next(&world, world.a, &at, 'a', n);
    close_world(&world);
}

static ssize_t failing_write(int fd, const void *data, size_t size, off_t offset)
{
    if (__atomic_load_n(&full, __ATOMIC_SEQ_CST) != 0) {
        errno = EIO;
        return -1;
    }
    return duet_disk_system.write_at(fd, data, size, offset);
}

static void a_disk_that_fails_breaks_the_journal_and_says_so(void **state)
{
    struct duet_disk disk = duet_disk_system;
    struct world world;
    uint64_t lsn, kept;

    (void)state;
    disk.write_at = failing_write;
    __atomic_store_n(&full, 0, __ATOMIC_SEQ_CST);
    open_world(&world, 1 << 20);
    duet_journal_close(world.journal);
    world.config.disk = &disk;
    open_again(&world);
    kept = need_append(&world, world.a, 'a', 0, 100);
    need_durable(&world, kept);
    __atomic_store_n(&full, 1, __ATOMIC_SEQ_CST);
    lsn = need_append(&world, world.a, 'a', 1, 100);
    assert_int_equal(
        duet_journal_wait(world.journal, DUET_FSYNC_ALWAYS, lsn, dt_clock_ms() + WAIT_MS),
        DT_EIO);
    assert_int_equal(append(&world, world.a, 'a', 2, 100, &lsn), DT_EIO);
    assert_int_equal(
        duet_journal_wait(world.journal, DUET_FSYNC_ALWAYS, kept, dt_clock_ms() + WAIT_MS),
        DT_OK);
    __atomic_store_n(&full, 0, __ATOMIC_SEQ_CST);
    close_world(&world);
}

static void looking_sees_what_is_owed_and_changes_nothing(void **state)
{
    struct world world;
    struct duet_journal *look;
    struct duet_journal_stats stats;
    struct duet_journal_cursor cursor = {0};
    struct duet_record_view record;
    struct dt_buf payload;
    uint64_t lsn;

    (void)state;
    open_world(&world, 10 * SEGMENT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            duet_journal_append(world.journal, world.a, 0, dt_span_str("owed"), &lsn),
            DT_OK);
    assert_int_equal(
        duet_journal_wait(world.journal, DUET_FSYNC_ALWAYS, lsn, dt_clock_ms() + WAIT_MS),
        DT_OK);
    /* while its owner has it */
    assert_int_equal(duet_journal_look(world.dir, &look), DT_OK);
    duet_journal_stats(look, &stats);
    assert_int_equal(stats.messages, 3);
    dt_buf_init(&payload, 1024);
    for (int i = 0; i < 3; i++)
        assert_int_equal(duet_journal_next(look, world.a, &cursor, &payload, &record),
                         DT_OK);
    assert_int_equal(duet_journal_next(look, world.a, &cursor, &payload, &record),
                     DT_ENOTFOUND);
    dt_buf_fini(&payload);
    assert_int_equal(duet_journal_append(look, world.a, 0, dt_span_str("no"), &lsn),
                     DT_EIO);
    duet_journal_close(look);
    /* its owner goes on, and finds everything after a restart */
    assert_int_equal(
        duet_journal_append(world.journal, world.a, 0, dt_span_str("owed"), &lsn), DT_OK);
    duet_journal_close(world.journal);
    open_again(&world);
    duet_journal_stats(world.journal, &stats);
    assert_int_equal(stats.messages, 4);
    assert_int_equal(duet_journal_look("/nowhere", &look), DT_ENOTFOUND);
    close_world(&world);
}

/* ---- damage ---- */

static void segment_path(const struct world *world, unsigned number, char path[128])
{
    snprintf(path, 128, "%s/%016x.seg", world->dir, number);
}

static void flip(const struct world *world, unsigned number, off_t at)
{
    char path[128];
    uint8_t byte;
    int fd;

    segment_path(world, number, path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void damage_in_the_middle_is_isolated_and_listed(void **state)
{
    struct world world;
    const struct duet_journal_damage *damages;
    struct duet_journal_cursor at = {0};
    uint64_t lsns[20];
    char path[128];

    (void)state;
    open_world(&world, 1 << 20);
    for (int n = 0; n < 20; n++)
        lsns[n] = need_append(&world, world.a, 'a', n, 1000);
    duet_journal_close(world.journal);
    /* the second message, and the whole second segment of three */
    flip(&world, 1, 64 + 40 + 1024 + 500);
    segment_path(&world, 2, path);
    assert_int_equal(unlink(path), 0);
    open_again(&world);
    assert_int_equal(duet_journal_damages(world.journal, &damages), 2);
    assert_int_equal(damages[0].segment, 1);
    assert_int_equal(damages[0].lsn_from, lsns[1]);
    assert_int_equal(damages[0].lsn_to, lsns[1] + 1);
    assert_int_equal(damages[1].segment, 3);
    assert_true(damages[1].lsn_from <= lsns[7] && damages[1].lsn_to > lsns[13]);
    need_next(&world, world.a, &at, 'a', 0);
    for (int n = 2; n < 7; n++)
        need_next(&world, world.a, &at, 'a', n);
    for (int n = 14; n < 20; n++)
        need_next(&world, world.a, &at, 'a', n);
    need_no_more(&world, world.a, &at);
    close_world(&world);
}

static void a_segment_without_a_header_is_set_aside(void **state)
{
    struct world world;
    const struct duet_journal_damage *damages;
    struct duet_journal_cursor at = {0};
    char path[160];

    (void)state;
    open_world(&world, 1 << 20);
    for (int n = 0; n < 10; n++)
        need_append(&world, world.a, 'a', n, 1000);
    duet_journal_close(world.journal);
    flip(&world, 1, 20);
    open_again(&world);
    assert_int_equal(duet_journal_damages(world.journal, &damages), 1);
    assert_non_null(strstr(damages[0].what, "set aside"));
    snprintf(path, sizeof(path), "%s/%016x.seg.damaged", world.dir, 1u);
    assert_int_equal(access(path, R_OK), 0);
    for (int n = 7; n < 10; n++)
        need_next(&world, world.a, &at, 'a', n);
    close_world(&world);
}

static void segments_of_two_journals_are_refused(void **state)
{
    struct world world, other;
    char from[128], to[128];

    (void)state;
    open_world(&world, 1 << 20);
    open_world(&other, 1 << 20);
    need_append(&world, world.a, 'a', 0, 100);
    for (int n = 0; n < 10; n++)
        need_append(&other, other.a, 'a', n, 1000);
    duet_journal_close(world.journal);
    duet_journal_close(other.journal);
    segment_path(&other, 2, from);
    segment_path(&world, 2, to);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(duet_journal_open(&world.config, &world.journal), DT_ECORRUPT);
    assert_non_null(strstr(dt_error_text(), "two journals"));
    other.journal = NULL;
    close_world(&world);
    close_world(&other);
}

static void one_process_at_a_time_has_it(void **state)
{
    struct world world;
    struct duet_journal *second;
    char pid[32];

    (void)state;
    open_world(&world, 1 << 20);
    assert_int_equal(duet_journal_open(&world.config, &second), DT_EBUSY);
    assert_null(second);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(dt_error_text(), pid));
    close_world(&world);
}

static void bad_wishes_are_sentences(void **state)
{
    struct world world;
    struct duet_journal *journal;
    uint64_t lsn;
    uint32_t lane;
    char name[300];

    (void)state;
    open_world(&world, 1 << 20);
    assert_int_equal(append(&world, world.a, 'a', 0, SEGMENT - 64, &lsn), DT_ETOOBIG);
    assert_int_equal(duet_journal_append(world.journal, 99, 0, message('a', 0, 9), &lsn),
                     DT_EINVAL);
    assert_int_equal(duet_journal_done(world.journal, world.a, 5, 1, 1), DT_EINVAL);
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    assert_int_equal(duet_journal_lane(world.journal, name, 0, 0, &lane), DT_EINVAL);
    world.config.segment_size = 100;
    assert_int_equal(duet_journal_open(&world.config, &journal), DT_EINVAL);
    world.config.segment_size = SEGMENT;
    world.config.size_max = SEGMENT;
    assert_int_equal(duet_journal_open(&world.config, &journal), DT_EINVAL);
    assert_non_null(strstr(dt_error_text(), "two segments"));
    close_world(&world);
}

static void an_interval_makes_durable_in_its_time(void **state)
{
    struct world world;
    struct duet_journal_stats stats;

    (void)state;
    open_world(&world, 1 << 20);
    duet_journal_close(world.journal);
    world.config.fsync = DUET_FSYNC_INTERVAL;
    world.config.fsync_interval_ms = 200;
    open_again(&world);
    for (int n = 0; n < 50; n++)
        need_append(&world, world.a, 'a', n, 100);
    need_durable(&world, need_append(&world, world.a, 'a', 50, 100));
    duet_journal_stats(world.journal, &stats);
    assert_true(stats.syncs >= 1 && stats.syncs <= stats.writes + 1);
    close_world(&world);
}

/* ---- policies ---- */

struct told {
    pthread_mutex_t lock;
    struct duet_journal_progress reached;
    int calls;
    bool went_back;
    char broken[160];
};

static void note_progress(void *context, const struct duet_journal_progress *reached)
{
    struct told *told = context;

    pthread_mutex_lock(&told->lock);
    told->went_back |= reached->written < told->reached.written ||
                       reached->synced < told->reached.synced ||
                       reached->synced > reached->written;
    told->reached = *reached;
    told->calls++;
    pthread_mutex_unlock(&told->lock);
}

static void note_broken(void *context, const char *reason)
{
    struct told *told = context;

    pthread_mutex_lock(&told->lock);
    snprintf(told->broken, sizeof(told->broken), "%s", reason);
    pthread_mutex_unlock(&told->lock);
}

static void open_telling(struct world *world, struct told *told)
{
    duet_journal_close(world->journal);
    memset(told, 0, sizeof(*told));
    pthread_mutex_init(&told->lock, NULL);
    world->config.progress = note_progress;
    world->config.broken = note_broken;
    world->config.context = told;
    open_again(world);
}

static struct told look_at(struct told *told)
{
    struct told copy;

    pthread_mutex_lock(&told->lock);
    copy = *told;
    pthread_mutex_unlock(&told->lock);
    return copy;
}

/* A disk that takes its time to sync. */
static int sync_delay_ms;

static int slow_sync(int fd)
{
    struct timespec delay = {0,
                             1000000L * __atomic_load_n(&sync_delay_ms, __ATOMIC_SEQ_CST)};

    (void)fd;
    nanosleep(&delay, NULL);
    return 0;
}

static uint64_t syncs_of(struct world *world)
{
    struct duet_journal_stats stats;

    duet_journal_stats(world->journal, &stats);
    return stats.syncs;
}

static void each_lane_keeps_the_promise_of_its_policy(void **state)
{
    struct duet_disk disk = duet_disk_system;
    struct world world;
    struct told told, seen;
    uint64_t later, never, now;
    uint64_t before;

    (void)state;
    disk.sync = slow_sync;
    __atomic_store_n(&sync_delay_ms, 0, __ATOMIC_SEQ_CST);
    open_world(&world, 1 << 20);
    world.config.disk = &disk;
    world.config.fsync = DUET_FSYNC_INTERVAL;
    world.config.fsync_interval_ms = 3600 * 1000;
    open_telling(&world, &told);
    /* an hour may have passed since the machine was started, and what comes first be due */
    need_append(&world, world.a, 'a', 0, 100);
    assert_int_equal(duet_journal_sync(world.journal, dt_clock_ms() + WAIT_MS), DT_OK);
    before = syncs_of(&world);
    later = need_append(&world, world.a, 'a', 1, 100);
    duet_journal_lane_policy(world.journal, world.b, DUET_FSYNC_NEVER);
    never = need_append(&world, world.b, 'b', 0, 100);
    /* written is enough for both, and nothing is synced for them */
    assert_int_equal(duet_journal_wait(world.journal, DUET_FSYNC_INTERVAL, later,
                                       dt_clock_ms() + WAIT_MS),
                     DT_OK);
    assert_int_equal(
        duet_journal_wait(world.journal, DUET_FSYNC_NEVER, never, dt_clock_ms() + WAIT_MS),
        DT_OK);
    assert_int_equal(syncs_of(&world), before);
    assert_int_equal(duet_journal_wait(world.journal, DUET_FSYNC_ALWAYS, never, 1),
                     DT_ETIMEDOUT);
    /* one that has to be synced takes all before it along */
    duet_journal_lane_policy(world.journal, world.b, DUET_FSYNC_ALWAYS);
    now = need_append(&world, world.b, 'b', 1, 100);
    need_durable(&world, now);
    assert_true(syncs_of(&world) > before);
    /* and so does who asks for it */
    later = need_append(&world, world.a, 'a', 2, 100);
    assert_int_equal(duet_journal_sync(world.journal, dt_clock_ms() + WAIT_MS), DT_OK);
    need_durable(&world, later);
    duet_journal_close(world.journal);
    world.journal = NULL;
    seen = look_at(&told);
    assert_false(seen.went_back);
    assert_int_equal(seen.broken[0], '\0');
    assert_true(duet_journal_kept(DUET_FSYNC_ALWAYS, &seen.reached) >= later);
    close_world(&world);
}

struct appender {
    pthread_t thread;
    struct world *world;
    char lane;
    uint32_t id;
};

enum { APPENDERS = 8, APPENDS = 50 };

static void *append_and_wait(void *context)
{
    struct appender *appender = context;
    uint8_t bytes[64] = {0};
    uint64_t lsn;

    for (int i = 0; i < APPENDS; i++) {
        if (duet_journal_append_until(appender->world->journal, appender->id, 0,
                                      dt_span_of(bytes, sizeof(bytes)),
                                      dt_clock_ms() + WAIT_MS, &lsn) != DT_OK)
            return appender;
        if (duet_journal_wait(appender->world->journal, DUET_FSYNC_ALWAYS, lsn,
                              dt_clock_ms() + WAIT_MS) != DT_OK)
            return appender;
    }
    return NULL;
}

static void threads_that_wait_share_their_syncs(void **state)
{
    struct duet_disk disk = duet_disk_system;
    struct appender appenders[APPENDERS];
    struct duet_journal_stats stats;
    struct world world;
    struct told told;
    void *failed;

    (void)state;
    disk.sync = slow_sync;
    __atomic_store_n(&sync_delay_ms, 5, __ATOMIC_SEQ_CST);
    open_world(&world, 1 << 20);
    world.config.disk = &disk;
    open_telling(&world, &told);
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.world = &world, .id = i % 2 ? world.a : world.b};
        assert_int_equal(
            pthread_create(&appenders[i].thread, NULL, append_and_wait, &appenders[i]), 0);
    }
    for (int i = 0; i < APPENDERS; i++) {
        pthread_join(appenders[i].thread, &failed);
        assert_null(failed);
    }
    duet_journal_stats(world.journal, &stats);
    assert_int_equal(stats.messages, APPENDERS * APPENDS);
    assert_true(stats.syncs <= APPENDERS * APPENDS / 2);
    assert_true(look_at(&told).calls <= (int)stats.writes); /* once for each group */
    close_world(&world);
}

static void a_broken_journal_tells_who_waits(void **state)
{
    struct duet_disk disk = duet_disk_system;
    struct world world;
    struct told told;
    int64_t until_ms = dt_clock_ms() + WAIT_MS;
    uint64_t lsn;

    (void)state;
    disk.write_at = failing_write;
    __atomic_store_n(&full, 0, __ATOMIC_SEQ_CST);
    open_world(&world, 1 << 20);
    world.config.disk = &disk;
    open_telling(&world, &told);
    __atomic_store_n(&full, 1, __ATOMIC_SEQ_CST);
    lsn = need_append(&world, world.a, 'a', 0, 100);
    while (look_at(&told).broken[0] == '\0')
        assert_true(dt_clock_ms() < until_ms);
    assert_true(look_at(&told).reached.written < lsn);
    close_world(&world);
}

/* ---- marks ---- */

static void a_cancelled_message_never_comes_back(void **state)
{
    struct world world;
    struct duet_journal_cursor at = {0};
    struct duet_journal_stats stats;
    struct duet_journal_lane *lanes;
    size_t count;
    uint64_t lsn[6], mark;

    (void)state;
    open_world(&world, 1 << 20);
    for (int n = 0; n < 6; n++)
        lsn[n] = need_append(&world, world.a, 'a', n, 100);
    need_done(&world, world.a, lsn[0], 1, 100);
    assert_int_equal(duet_journal_cancel(world.journal, world.a, lsn[0], 100, &mark),
                     DT_EINVAL);
    assert_int_equal(duet_journal_cancel(world.journal, world.a, lsn[4], 100, &mark),
                     DT_OK);
    assert_int_equal(duet_journal_cancel(world.journal, world.a, lsn[2], 100, &mark),
                     DT_OK);
    need_durable(&world, mark);
    assert_int_equal(duet_journal_accept(world.journal, world.a, lsn[3]), DT_OK);
    need_next(&world, world.a, &at, 'a', 1);
    need_next(&world, world.a, &at, 'a', 3);
    for (int round = 0; round < 2; round++) {
        memset(&at, 0, sizeof(at));
        duet_journal_close(world.journal);
        open_again(&world);
        duet_journal_stats(world.journal, &stats);
        assert_int_equal(stats.messages, 3);
        assert_int_equal(stats.bytes, 300);
        assert_int_equal(duet_journal_lanes(world.journal, &lanes, &count), DT_OK);
        assert_int_equal(lanes[world.a].accepted_lsn, lsn[3]);
        free(lanes);
        need_next(&world, world.a, &at, 'a', 1);
        need_next(&world, world.a, &at, 'a', 3);
        need_next(&world, world.a, &at, 'a', 5);
        need_no_more(&world, world.a, &at);
    }
    need_done(&world, world.a, lsn[3], 2, 200);
    need_next(&world, world.a, &(struct duet_journal_cursor){0}, 'a', 5);
    need_done(&world, world.a, lsn[5], 1, 100);
    duet_journal_stats(world.journal, &stats);
    assert_int_equal(stats.messages, 0);
    close_world(&world);
}

static void segments_of_cancelled_messages_go_too(void **state)
{
    struct world world;
    int64_t until_ms = dt_clock_ms() + WAIT_MS;
    uint64_t lsn, mark;

    (void)state;
    open_world(&world, 4 * SEGMENT);
    for (int n = 0; n < 200; n++) { /* ten times what fits */
        while (append(&world, world.a, 'a', n, 1000, &lsn) == DT_ENOSPC)
            assert_true(dt_clock_ms() < until_ms);
        assert_int_equal(duet_journal_cancel(world.journal, world.a, lsn, 1000, &mark),
                         DT_OK);
    }
    close_world(&world);
}

static void a_full_journal_still_takes_notes(void **state)
{
    struct world world;
    struct duet_journal_cursor at = {0};
    uint64_t lsn, first = 0, mark;

    (void)state;
    open_world(&world, 2 * SEGMENT);
    while (append(&world, world.a, 'a', 0, 400, &lsn) == DT_OK)
        if (first == 0)
            first = lsn;
    assert_int_equal(duet_journal_cancel(world.journal, world.a, first, 400, &mark), DT_OK);
    assert_int_equal(duet_journal_sync(world.journal, dt_clock_ms() + WAIT_MS), DT_OK);
    duet_journal_close(world.journal);
    open_again(&world);
    assert_int_equal(need_next(&world, world.a, &at, 'a', 0), first + 1);
    close_world(&world);
}

/* ---- file systems in memory ---- */

/* What /proc/self/mounts says of the longest mount point that the path begins with. */
static void file_system_of(const char *path, char type[64])
{
    FILE *mounts = fopen("/proc/self/mounts", "r");
    char line[4096], point[1024], found[64];
    size_t longest = 0;

    assert_non_null(mounts);
    strcpy(type, "");
    while (fgets(line, sizeof(line), mounts) != NULL)
        if (sscanf(line, "%*s %1023s %63s", point, found) == 2 &&
            strncmp(path, point, strlen(point)) == 0 && strlen(point) >= longest) {
            longest = strlen(point);
            strcpy(type, found);
        }
    fclose(mounts);
}

static void a_folder_in_memory_is_known(void **state)
{
    static const char *const folders[] = {"/dev/shm", "/dev/shm/not/there/yet",
                                          BINARY_DIR, BINARY_DIR "/not/there/yet",
                                          "/",        "/proc"};
    char type[64];
    bool is_volatile;

    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        file_system_of(folders[i], type);
        assert_int_equal(duet_journal_is_volatile(folders[i], &is_volatile), DT_OK);
        assert_int_equal(is_volatile, strcmp(type, "tmpfs") == 0);
    }
    assert_int_equal(duet_journal_is_volatile("not-there", &is_volatile), DT_OK);
    assert_int_equal(duet_journal_is_volatile("/proc/self/mounts/x", &is_volatile), DT_OK);
    assert_false(is_volatile);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_are_fifo_and_apart),
        cmocka_unit_test(what_is_owed_is_there_after_a_restart),
        cmocka_unit_test(the_bound_is_an_answer_and_finished_segments_go),
        cmocka_unit_test(a_full_disk_is_an_answer_and_passes),
        cmocka_unit_test(a_disk_that_fails_breaks_the_journal_and_says_so),
        cmocka_unit_test(looking_sees_what_is_owed_and_changes_nothing),
        cmocka_unit_test(damage_in_the_middle_is_isolated_and_listed),
        cmocka_unit_test(a_segment_without_a_header_is_set_aside),
        cmocka_unit_test(segments_of_two_journals_are_refused),
        cmocka_unit_test(one_process_at_a_time_has_it),
        cmocka_unit_test(bad_wishes_are_sentences),
        cmocka_unit_test(an_interval_makes_durable_in_its_time),
        cmocka_unit_test(each_lane_keeps_the_promise_of_its_policy),
        cmocka_unit_test(threads_that_wait_share_their_syncs),
        cmocka_unit_test(a_broken_journal_tells_who_waits),
        cmocka_unit_test(a_cancelled_message_never_comes_back),
        cmocka_unit_test(segments_of_cancelled_messages_go_too),
        cmocka_unit_test(a_full_journal_still_takes_notes),
        cmocka_unit_test(a_folder_in_memory_is_known),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
