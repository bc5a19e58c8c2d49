/*
 * disk.h - the file calls of the journal, in one table, so that a test can stand between: kill
 * the process at the n-th write, tear it, fill the disk.
 *
 * Each returns 0 (or a descriptor, or a size) or -1 with errno, as the call of its name.
 */
#ifndef JOURNAL_DISK_H
#define JOURNAL_DISK_H

#include <sys/types.h>

struct duet_disk {
    int (*open)(const char *path, int flags, mode_t mode);
    /* Reserves the blocks of a new file: a later write into them finds its space. */
    int (*reserve)(int fd, off_t size);
    ssize_t (*write_at)(int fd, const void *data, size_t size, off_t offset);
    int (*sync)(int fd); /* data, and what is needed to find it again */
    int (*close)(int fd);
    int (*unlink)(const char *path);
    int (*sync_dir)(const char *path);
};

/* The operating system's. */
extern const struct duet_disk duet_disk_system;

#endif
