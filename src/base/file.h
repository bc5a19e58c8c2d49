/*
 * file.h - the few file operations that must be right: whole-file reads with a bound, writes
 * that are either there in full or not at all, and locks that die with their process.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/* Reads the whole file; DT_ETOOBIG beyond out->max, DT_ENOTFOUND if it is not there. */
dt_status dt_file_read(const char *path, struct dt_buf *out);

/* Replaces the file: temporary name, fsync, rename, fsync of the folder. After a crash the old
 * or the new content is there, never a mix. */
dt_status dt_file_replace(const char *path, const void *data, size_t size, mode_t mode);

/* Creates the folder and those above it (mode 0755, less umask); fine if it is there. */
dt_status dt_file_make_dirs(const char *path);

/* Takes an exclusive lock on `path` (created if missing) for as long as the process lives or
 * until dt_file_unlock(). DT_EBUSY if a living process holds it; *holder is then its pid, or 0
 * if unknown. The lock is flock(2): it is gone at once after kill -9. */
dt_status dt_file_lock(const char *path, int *fd, pid_t *holder);
void dt_file_unlock(int fd);

/* Fills `out` from the kernel's generator. Never fails once the kernel has booted. */
void dt_random_bytes(void *out, size_t size);

#endif
