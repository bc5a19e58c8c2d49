/* volatile.c - file systems that live in memory. */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/status.h"
#include "journal/journal_inside.h"

dt_status duet_journal_is_volatile(const char *dir, bool *is_volatile)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    struct statfs about;

    *is_volatile = false;
    if (strlen(dir) >= sizeof(path))
        return dt_error_set(DT_EINVAL, "the path '%.80s...' is too long", dir);
    strcpy(path, dir);
    while (statfs(path[0] != '\0' ? path : ".", &about) != 0) {
        char *slash = strrchr(path, '/');

        if ((errno != ENOENT && errno != ENOTDIR) || path[0] == '\0')
            return dt_error_set(DT_EIO, "the file system of '%s': %s", dir,
                                strerror(errno));
        if (slash == NULL) /* the folder that we are in */
            path[0] = '\0';
        else if (slash == path) /* the root is always there */
            slash[1] = '\0';
        else
            *slash = '\0';
    }
    *is_volatile = about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC;
    return DT_OK;
}
