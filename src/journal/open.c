/* open.c - a journal's life: made or found, looked at, ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "journal/journal_inside.h"

enum { SEGMENT_MIN = 4096, SEGMENT_MAX = 1 << 30 };

static dt_status check_config(const struct duet_journal_config *config)
{
    if (config->segment_size < SEGMENT_MIN || config->segment_size > SEGMENT_MAX)
        return dt_error_set(DT_EINVAL, "a journal's segment has %d to %d bytes, not %zu",
                            SEGMENT_MIN, SEGMENT_MAX, config->segment_size);
    if (config->size_max < 2 * (int64_t)config->segment_size)
        return dt_error_set(
            DT_EINVAL, "a journal's bound is at least two segments: %lld bytes, not %lld",
            2 * (long long)config->segment_size, (long long)config->size_max);
    return DT_OK;
}

static dt_status lock_folder(struct duet_journal *journal)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    pid_t holder = 0;
    dt_status status = dt_file_make_dirs(journal->dir);

    if (status != DT_OK)
        return status;
    snprintf(path, sizeof(path), "%s/lock", journal->dir);
    status = dt_file_lock(path, &journal->lock_fd, &holder);
    if (status == DT_EBUSY)
        return dt_error_set(DT_EBUSY, "journal '%s' is open in process %ld", journal->dir,
                            (long)holder);
    return status;
}

/* With the lock held: who takes a journal over marks it under the same lock. */
static dt_status check_owner(const struct duet_journal_config *config)
{
    enum duet_journal_adoption state;
    dt_status status = duet_journal_adoption(config->dir, &state);

    if (status != DT_OK || config->takes_over || state == DUET_JOURNAL_OWN)
        return status;
    return dt_error_set(DT_ESTATE,
                        state == DUET_JOURNAL_TAKEN
                            ? "it has been taken over, see '%s/adopted'"
                            : "it is being taken over: run `duet journal adopt` to its end "
                              "first, see '%s/adopted'",
                        config->dir);
}

static struct duet_journal *make(const char *dir)
{
    struct duet_journal *journal = calloc(1, sizeof(*journal));
    pthread_condattr_t monotonic;

    if (journal == NULL || (journal->dir = strdup(dir)) == NULL) {
        free(journal);
        dt_error_set(DT_ENOMEM, "no memory for a journal");
        return NULL;
    }
    journal->lock_fd = journal->spare_fd = -1;
    journal->next_lsn = 1;
    pthread_mutex_init(&journal->lock, NULL);
    pthread_mutex_init(&journal->read_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->wake, &monotonic);
    pthread_cond_init(&journal->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return journal;
}

dt_status duet_journal_open(const struct duet_journal_config *config,
                            struct duet_journal **out)
{
    struct duet_journal *journal;
    dt_status status = check_config(config);

    *out = NULL;
    if (status != DT_OK)
        return status;
    journal = make(config->dir);
    if (journal == NULL)
        return DT_ENOMEM;
    journal->disk = config->disk != NULL ? config->disk : &duet_disk_system;
    journal->size_max = config->size_max;
    journal->segment_size = config->segment_size;
    journal->fsync = config->fsync;
    journal->fsync_interval_ms = config->fsync_interval_ms;
    journal->progress = config->progress;
    journal->broken = config->broken;
    journal->context = config->context;
    status = lock_folder(journal);
    if (status == DT_OK)
        status = check_owner(config);
    if (status == DT_OK)
        status = journal_recover(journal);
    if (status == DT_OK)
        status = journal_writer_start(journal);
    if (status != DT_OK) {
        duet_journal_close(journal);
        return dt_error_wrap(status, "opening journal '%s'", config->dir);
    }
    *out = journal;
    return DT_OK;
}

/* A segment that a living writer has just deleted makes the first tries fail. */
enum { LOOKS = 5 };

static dt_status look_once(const char *dir, struct duet_journal **out)
{
    struct duet_journal *journal = make(dir);
    dt_status status;

    if (journal == NULL)
        return DT_ENOMEM;
    journal->disk = &duet_disk_system;
    journal->is_look = journal->is_broken = true;
    snprintf(journal->broken_reason, sizeof(journal->broken_reason),
             "it is only looked at");
    status = journal_recover(journal);
    if (status == DT_OK)
        *out = journal;
    else
        duet_journal_close(journal);
    return status;
}

dt_status duet_journal_look(const char *dir, struct duet_journal **out)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    dt_status status = DT_ENOTFOUND;

    *out = NULL;
    snprintf(path, sizeof(path), "%s/lock", dir);
    if (access(path, F_OK) != 0)
        return dt_error_set(DT_ENOTFOUND, "'%s' is no journal: %s", dir, strerror(errno));
    for (int i = 0; i < LOOKS && status == DT_ENOTFOUND; i++)
        status = look_once(dir, out);
    return status == DT_ENOTFOUND ? dt_error_wrap(DT_EBUSY, "looking into '%s'", dir)
                                  : status;
}

void duet_journal_close(struct duet_journal *journal)
{
    if (journal == NULL)
        return;
    journal_writer_stop(journal);
    while (journal->oldest != NULL) {
        struct journal_segment *next = journal->oldest->next;

        journal_segment_free(journal, journal->oldest);
        journal->oldest = next;
    }
    for (size_t i = 0; i < journal->lane_count; i++)
        journal_lane_fini(&journal->lanes[i]);
    free(journal->lanes);
    free(journal->damages);
    free(journal->found);
    journal_cache_free(journal);
    if (journal->spare_fd >= 0 && journal->spare == SPARE_READY)
        journal->disk->close(journal->spare_fd);
    if (journal->lock_fd >= 0)
        dt_file_unlock(journal->lock_fd);
    pthread_cond_destroy(&journal->wake);
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->read_lock);
    pthread_mutex_destroy(&journal->lock);
    free(journal->dir);
    free(journal);
}
