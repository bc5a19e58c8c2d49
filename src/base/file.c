#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

dt_status dt_file_read(const char *path, struct dt_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    dt_status status = DT_OK;

    if (fd < 0) {
        if (errno == ENOENT)
            return dt_error_set(DT_ENOTFOUND, "%s: no such file", path);
        return dt_error_errno(errno, "cannot open %s", path);
    }
    for (;;) {
        uint8_t chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got == 0)
            break;
        if (got < 0) {
            if (errno == EINTR)
                continue;
            status = dt_error_errno(errno, "cannot read %s", path);
            break;
        }
        dt_buf_put(out, chunk, (size_t)got);
        if (out->failed) {
            status = dt_buf_status(out, path);
            break;
        }
    }
    close(fd);
    return status;
}

static dt_status write_all(int fd, const uint8_t *data, size_t size, const char *path)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);

        if (put < 0) {
            if (errno == EINTR)
                continue;
            return dt_error_errno(errno, "cannot write %s", path);
        }
        data += put;
        size -= (size_t)put;
    }
    if (fsync(fd) != 0)
        return dt_error_errno(errno, "cannot flush %s", path);
    return DT_OK;
}

static dt_status sync_parent(const char *path)
{
    char copy[PATH_MAX];
    int fd;
    int failed;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dt_error_errno(errno, "cannot open the folder of %s", path);
    failed = fsync(fd);
    close(fd);
    if (failed != 0)
        return dt_error_errno(errno, "cannot flush the folder of %s", path);
    return DT_OK;
}

dt_status dt_file_replace(const char *path, const void *data, size_t size, mode_t mode)
{
    char temporary[PATH_MAX];
    dt_status status;
    int fd;

    if (snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path, (long)getpid()) >=
        (int)sizeof(temporary))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", path);
    unlink(temporary); /* left by a killed process that had our pid */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return dt_error_errno(errno, "cannot create %s", temporary);
    status = write_all(fd, data, size, temporary);
    close(fd);
    if (status == DT_OK && rename(temporary, path) != 0)
        status = dt_error_errno(errno, "cannot rename %s to %s", temporary, path);
    if (status != DT_OK) {
        unlink(temporary);
        return status;
    }
    return sync_parent(path);
}

dt_status dt_file_make_dirs(const char *path)
{
    char copy[PATH_MAX];

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", path);
    for (char *at = copy + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return dt_error_errno(errno, "cannot create the folder %s", copy);
        *at = '/';
    }
    if (mkdir(copy, 0755) != 0 && errno != EEXIST)
        return dt_error_errno(errno, "cannot create the folder %s", copy);
    struct stat there;
    if (stat(copy, &there) == 0 && !S_ISDIR(there.st_mode))
        return dt_error_set(DT_EINVAL, "%s is not a folder", copy);
    return DT_OK;
}

dt_status dt_file_lock(const char *path, int *fd, pid_t *holder)
{
    char text[32];
    ssize_t length;
    int got = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    *fd = -1;
    *holder = 0;
    if (got < 0)
        return dt_error_errno(errno, "cannot open %s", path);
    if (flock(got, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;

        length = pread(got, text, sizeof(text) - 1, 0);
        if (length > 0) {
            text[length] = '\0';
            *holder = (pid_t)strtol(text, NULL, 10);
        }
        close(got);
        if (reason == EWOULDBLOCK)
            return dt_error_set(DT_EBUSY, "%s is held by process %ld", path, (long)*holder);
        return dt_error_errno(reason, "cannot lock %s", path);
    }
    /* The pid is only for the message above; the lock itself is the kernel's. */
    length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(got, 0) != 0 || pwrite(got, text, (size_t)length, 0) != length) {
        dt_status status = dt_error_errno(errno, "cannot write %s", path);

        close(got);
        return status;
    }
    *fd = got;
    return DT_OK;
}

void dt_file_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}

void dt_random_bytes(void *out, size_t size)
{
    uint8_t *to = out;

    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);

        if (got < 0) {
            assert(errno == EINTR);
            continue;
        }
        to += got;
        size -= (size_t)got;
    }
}
