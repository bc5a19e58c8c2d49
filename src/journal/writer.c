/* The journal's thread: prepares the next segment, writes what has gathered, syncs, deletes what
 * nobody is owed any more. */
#include "journal/journal_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

/* How old a "done" may become before it is written, and how often a full disk is tried again. */
#define DONE_PERIOD_MS  100
#define SPARE_PERIOD_MS 200

static void break_down(struct duet_journal *journal, const char *what, int error)
{
    if (!journal->is_broken)
        snprintf(journal->broken_reason, sizeof(journal->broken_reason), "%s: %s", what,
                 strerror(error));
    journal->is_broken = true;
    dt_log_error("journal '%s': %s", journal->dir, journal->broken_reason);
    pthread_cond_broadcast(&journal->changed);
}

/* ---- the spare segment ---- */

/* Lock: let go of meanwhile. */
static void make_spare(struct duet_journal *journal)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    uint64_t number = journal->current != NULL ? journal->current->header.number + 1
                                               : journal->spare_number;
    int fd, error = 0;

    if ((int64_t)(journal->segment_count + 1) * (int64_t)journal->segment_size >
        journal->size_max) {
        journal->spare = SPARE_BOUND;
        return;
    }
    pthread_mutex_unlock(&journal->lock);
    journal_path(journal, number, path);
    fd = journal->disk->open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || journal->disk->reserve(fd, (off_t)journal->segment_size) != 0 ||
        journal->disk->sync(fd) != 0 || journal->disk->sync_dir(journal->dir) != 0) {
        error = errno;
        if (fd >= 0) {
            journal->disk->close(fd);
            journal->disk->unlink(path);
        }
    }
    pthread_mutex_lock(&journal->lock);
    if (error == 0) {
        journal->spare = SPARE_READY;
        journal->spare_fd = fd;
        journal->spare_number = number;
        pthread_cond_broadcast(&journal->changed);
        return;
    }
    journal->spare_number = number;
    journal->spare_tried_ms = dt_clock_ms();
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        journal->spare = SPARE_FULL_DISK;
        pthread_cond_broadcast(&journal->changed);
    } else {
        break_down(journal, "making a segment", error);
    }
}

static bool wants_spare(const struct duet_journal *journal)
{
    return journal->spare != SPARE_READY && !journal->is_broken && !journal->is_closing;
}

/* ---- writing ---- */

/* Lock: not held. */
static int write_all(struct duet_journal *journal, const struct journal_chunk *chunk)
{
    const uint8_t *data = chunk->bytes.data;
    size_t left = chunk->bytes.size, at = chunk->at;

    while (left > 0) {
        ssize_t n = journal->disk->write_at(chunk->segment->fd, data, left, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? EIO : errno;
        data += n;
        at += (size_t)n;
        left -= (size_t)n;
    }
    return 0;
}

/* Lock: not held. Writes the chunks and syncs each of their files once. */
static int write_chunks(struct duet_journal *journal, struct journal_chunk *first,
                        bool sync)
{
    for (struct journal_chunk *chunk = first; chunk != NULL; chunk = chunk->next) {
        int error = write_all(journal, chunk);

        if (error != 0)
            return error;
        /* a segment that is left behind is synced whatever the policies: then the sync of a
         * younger one is a sync of everything */
        if (chunk->next != NULL ? chunk->next->segment != chunk->segment : sync)
            if (journal->disk->sync(chunk->segment->fd) != 0)
                return errno;
    }
    return 0;
}

static bool must_sync(const struct duet_journal *journal, int64_t now_ms)
{
    uint64_t synced = journal->reached.synced;

    return journal->is_closing || journal->sync_now_lsn > synced ||
           (journal->sync_later_lsn > synced &&
            now_ms - journal->synced_ms >= journal->fsync_interval_ms);
}

/* Lock: let go of while it tells. */
static void tell(struct duet_journal *journal)
{
    struct duet_journal_progress reached = journal->reached;

    pthread_cond_broadcast(&journal->changed);
    if (journal->progress == NULL)
        return;
    pthread_mutex_unlock(&journal->lock);
    journal->progress(journal->context, &reached);
    pthread_mutex_lock(&journal->lock);
}

/* Lock: let go of while it writes. Everything up to here is written, and synced if that is due. */
static void flush(struct duet_journal *journal)
{
    struct journal_chunk *first = journal->first_chunk, *next;
    uint64_t last_lsn = journal->next_lsn - 1;
    struct journal_segment *last = journal->current;
    int64_t now_ms = dt_clock_ms();
    bool sync = must_sync(journal, now_ms);
    int error;

    journal->first_chunk = journal->last_chunk = NULL;
    journal->pending_size = 0;
    pthread_mutex_unlock(&journal->lock);
    error = write_chunks(journal, first, sync);
    if (error == 0 && sync && first == NULL && last != NULL &&
        journal->disk->sync(last->fd) != 0)
        error = errno;
    pthread_mutex_lock(&journal->lock);
    if (error != 0) {
        break_down(journal, "writing", error);
    } else {
        for (struct journal_chunk *chunk = first; chunk != NULL; chunk = chunk->next) {
            struct journal_segment *segment = chunk->segment;

            segment->written_size = chunk->at + chunk->bytes.size;
            if (chunk->next != NULL && chunk->next->segment != segment) {
                journal->disk->close(segment->fd);
                segment->fd = -1;
            }
        }
        journal->reached.written = last_lsn;
        journal->writes += first != NULL;
        journal->syncs += sync;
        if (sync) {
            journal->reached.synced = last_lsn;
            journal->synced_ms = now_ms;
        }
    }
    for (struct journal_chunk *chunk = first; chunk != NULL; chunk = next) {
        next = chunk->next;
        dt_buf_fini(&chunk->bytes);
        free(chunk);
    }
    if (error == 0)
        tell(journal);
}

/* ---- deleting ---- */

/* Lock: let go of while it deletes. The oldest segments, while they owe nothing. */
static void drop_finished(struct duet_journal *journal)
{
    while (journal->oldest != NULL && journal->oldest != journal->current &&
           journal->oldest->owing == 0 && journal->oldest->fd < 0) {
        struct journal_segment *segment = journal->oldest;
        char path[DUET_JOURNAL_PATH_SIZE];

        journal->oldest = segment->next;
        journal->segment_count--;
        journal_path(journal, segment->header.number, path);
        pthread_mutex_unlock(&journal->lock);
        journal_cache_forget(journal, segment->header.number);
        if (journal->disk->unlink(path) != 0)
            dt_log_warning("journal: cannot delete '%s': %s", path, strerror(errno));
        pthread_mutex_lock(&journal->lock);
        journal_segment_free(journal, segment);
        if (journal->spare == SPARE_BOUND)
            journal->spare = SPARE_NONE;
    }
}

/* ---- the thread ---- */

static bool has_dirty_done(const struct duet_journal *journal)
{
    for (size_t i = 0; i < journal->lane_count; i++)
        if (journal->lanes[i].is_done_dirty || journal->lanes[i].is_accept_dirty)
            return true;
    return false;
}

static bool can_drop(const struct duet_journal *journal)
{
    return journal->oldest != NULL && journal->oldest != journal->current &&
           journal->oldest->owing == 0 && journal->oldest->fd < 0;
}

/* When there is something to do next; now_ms: at once. */
static int64_t next_work_ms(const struct duet_journal *journal, int64_t now_ms)
{
    int64_t at_ms = now_ms + 1000;

    if (journal->is_closing || can_drop(journal) ||
        (journal->is_broken ? !journal->has_told_broken
                            : journal->first_chunk != NULL ||
                                  journal->sync_now_lsn > journal->reached.synced))
        return now_ms;
    if (wants_spare(journal) && journal->spare == SPARE_NONE)
        return now_ms;
    if (wants_spare(journal) && journal->spare == SPARE_FULL_DISK)
        at_ms = journal->spare_tried_ms + SPARE_PERIOD_MS;
    if (journal->sync_later_lsn > journal->reached.synced && !journal->is_broken &&
        journal->synced_ms + journal->fsync_interval_ms < at_ms)
        at_ms = journal->synced_ms + journal->fsync_interval_ms;
    if (has_dirty_done(journal) && journal->done_ms + DONE_PERIOD_MS < at_ms)
        at_ms = journal->done_ms + DONE_PERIOD_MS;
    return at_ms;
}

static void sleep_until(struct duet_journal *journal, int64_t at_ms)
{
    struct timespec until = {at_ms / 1000, at_ms % 1000 * 1000000};

    pthread_cond_timedwait(&journal->wake, &journal->lock, &until);
}

/* Lock: let go of while it tells. */
static void tell_broken(struct duet_journal *journal)
{
    journal->has_told_broken = true;
    if (journal->broken == NULL)
        return;
    pthread_mutex_unlock(&journal->lock);
    journal->broken(journal->context, journal->broken_reason);
    pthread_mutex_lock(&journal->lock);
}

static void work(struct duet_journal *journal, int64_t now_ms)
{
    if (now_ms - journal->done_ms >= DONE_PERIOD_MS || journal->is_closing) {
        journal->done_ms = now_ms;
        if (!journal->is_broken)
            journal_put_done(journal);
    }
    if (!journal->is_broken && (journal->first_chunk != NULL ||
                                (journal->reached.synced < journal->reached.written &&
                                 must_sync(journal, now_ms))))
        flush(journal);
    if (journal->is_broken && !journal->has_told_broken)
        tell_broken(journal);
    drop_finished(journal);
    if (wants_spare(journal) && (journal->spare != SPARE_FULL_DISK ||
                                 now_ms - journal->spare_tried_ms >= SPARE_PERIOD_MS))
        make_spare(journal);
}

static void *run(void *context)
{
    struct duet_journal *journal = context;
    bool is_last;

    pthread_mutex_lock(&journal->lock);
    for (;;) {
        int64_t now_ms = dt_clock_ms(), at_ms = next_work_ms(journal, now_ms);

        if (at_ms > now_ms) {
            sleep_until(journal, at_ms);
            continue;
        }
        is_last = journal->is_closing; /* nobody appends any more: one turn writes all */
        work(journal, now_ms);
        if (is_last)
            break;
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

dt_status journal_writer_start(struct duet_journal *journal)
{
    sigset_t all, before;
    int error;

    /* the first segment is there before anybody appends: a full disk is known at once */
    pthread_mutex_lock(&journal->lock);
    make_spare(journal);
    pthread_mutex_unlock(&journal->lock);
    if (journal->spare == SPARE_FULL_DISK)
        return dt_error_set(DT_ENOSPC, "the disk is full");
    if (journal->is_broken)
        return dt_error_set(DT_EIO, "%s", journal->broken_reason);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&journal->thread, NULL, run, journal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return dt_error_set(DT_ENOMEM, "no thread for a journal: %s", strerror(error));
    journal->has_thread = true;
    return DT_OK;
}

void journal_writer_stop(struct duet_journal *journal)
{
    struct journal_chunk *next;
    char path[DUET_JOURNAL_PATH_SIZE];

    if (journal->has_thread) {
        pthread_mutex_lock(&journal->lock);
        journal->is_closing = true;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->lock);
        pthread_join(journal->thread, NULL);
    }
    for (struct journal_chunk *chunk = journal->first_chunk; chunk != NULL; chunk = next) {
        next = chunk->next; /* broken: these were never durable */
        dt_buf_fini(&chunk->bytes);
        free(chunk);
    }
    journal->first_chunk = journal->last_chunk = NULL;
    if (journal->spare == SPARE_READY) { /* an empty file is no use to anybody */
        journal->disk->close(journal->spare_fd);
        journal_path(journal, journal->spare_number, path);
        journal->disk->unlink(path);
        journal->spare = SPARE_NONE;
    }
}
