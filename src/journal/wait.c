/* wait.c - who waits for the disk. */
#include <errno.h>

#include "base/status.h"
#include "journal/journal_inside.h"

uint64_t duet_journal_kept(enum duet_fsync policy,
                           const struct duet_journal_progress *progress)
{
    return policy == DUET_FSYNC_ALWAYS ? progress->synced : progress->written;
}

bool journal_wait_changed(struct duet_journal *journal, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};

    if (until_ms <= 0 || journal->is_broken || journal->is_closing)
        return false;
    return pthread_cond_timedwait(&journal->changed, &journal->lock, &until) != ETIMEDOUT;
}

/* Waits until the number is kept; under the lock. */
static dt_status wait_kept(struct duet_journal *journal, enum duet_fsync policy,
                           uint64_t lsn, int64_t until_ms)
{
    while (duet_journal_kept(policy, &journal->reached) < lsn)
        if (!journal_wait_changed(journal, until_ms))
            break;
    if (duet_journal_kept(policy, &journal->reached) >= lsn)
        return DT_OK;
    if (journal->is_broken)
        return dt_error_set(DT_EIO, "journal '%s': %s", journal->dir,
                            journal->broken_reason);
    return dt_error_set(DT_ETIMEDOUT, "journal '%s': not kept in time", journal->dir);
}

dt_status duet_journal_wait(struct duet_journal *journal, enum duet_fsync policy,
                            uint64_t lsn, int64_t until_ms)
{
    dt_status status;

    pthread_mutex_lock(&journal->lock);
    status = wait_kept(journal, policy, lsn, until_ms);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

dt_status duet_journal_sync(struct duet_journal *journal, int64_t until_ms)
{
    dt_status status;

    pthread_mutex_lock(&journal->lock);
    while (!journal->is_broken && !journal_put_done(journal) &&
           journal_wait_changed(journal, until_ms))
        continue;
    if (!journal->is_broken && !journal_put_done(journal)) {
        status =
            dt_error_set(DT_ENOSPC, "journal '%s' has no room for its marks", journal->dir);
    } else {
        uint64_t last = journal->next_lsn - 1;

        if (last > journal->reached.synced && last > journal->sync_now_lsn)
            journal->sync_now_lsn = last;
        pthread_cond_signal(&journal->wake);
        status = wait_kept(journal, DUET_FSYNC_ALWAYS, last, until_ms);
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}
