#include "journal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int system_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int system_reserve(int fd, off_t size)
{
    int error = posix_fallocate(fd, 0, size);

    errno = error;
    return error == 0 ? 0 : -1;
}

static int system_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result, error;

    if (fd < 0)
        return -1;
    result = fsync(fd);
    error = errno;
    close(fd);
    errno = error;
    return result;
}

const struct duet_disk duet_disk_system = {
    system_open, system_reserve, pwrite, fdatasync, close, unlink, system_sync_dir,
};
