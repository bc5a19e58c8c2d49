#include "dual/home.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"

#define NAME_MAX_LENGTH 100

static bool legal_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > NAME_MAX_LENGTH || name[0] == '.')
        return false;
    return strspn(name,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
           length;
}

/* A path inside the home; the folder's length was checked when it was opened. */
static void inside(char out[PATH_MAX], const struct duet_home *home, const char *file)
{
    snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 32, home->folder, file);
}

static dt_status read_state(struct duet_home *home)
{
    char path[PATH_MAX];
    struct dt_buf text;
    dt_status status;

    inside(path, home, "state");
    dt_buf_init(&text, 4096);
    status = dt_file_read(path, &text);
    if (status == DT_ENOTFOUND) {
        status = DT_OK;
    } else if (status == DT_OK) {
        if (sscanf(dt_buf_str(&text),
                   "duet-instance 1\nnumber %" SCNu32 "\nboot %" SCNd64 "\nplan %" SCNd64,
                   &home->number, &home->boot, &home->plan) == 3 &&
            home->boot >= -1 && home->boot <= UINT16_MAX)
            home->known = true;
        else
            status = dt_error_set(DT_ECORRUPT, "%s is not a state file of duet", path);
    }
    dt_buf_fini(&text);
    return status;
}

dt_status duet_home_open(const char *state_dir, const char *name, struct duet_home *home)
{
    char path[PATH_MAX];
    pid_t holder;
    dt_status status;

    memset(home, 0, sizeof(*home));
    home->lock_fd = -1;
    home->boot = -1;
    if (!legal_name(name))
        return dt_error_set(
            DT_EINVAL,
            "the name '%s' is not allowed: 1 to %d of A-Z a-z 0-9 . _ -, not "
            "starting with a dot",
            name, NAME_MAX_LENGTH);
    if (snprintf(home->folder, sizeof(home->folder), "%s/%s", state_dir, name) >=
        PATH_MAX - 32)
        return dt_error_set(DT_EINVAL, "state_dir %s: the path is too long", state_dir);
    status = dt_file_make_dirs(home->folder);
    if (status != DT_OK)
        return dt_error_wrap(status, "state_dir of '%s'", name);
    inside(path, home, "lock");
    status = dt_file_lock(path, &home->lock_fd, &holder);
    if (status == DT_EBUSY)
        return dt_error_set(DT_EBUSY, "the name '%s' is in use: process %ld holds %s", name,
                            (long)holder, path);
    if (status == DT_OK)
        status = read_state(home);
    if (status != DT_OK)
        duet_home_close(home);
    return status;
}

dt_status duet_home_save(const struct duet_home *home)
{
    char path[PATH_MAX];
    char text[160];
    int length = snprintf(text, sizeof(text),
                          "duet-instance 1\nnumber %" PRIu32 "\nboot %" PRId64
                          "\nplan %" PRId64 "\n",
                          home->number, home->boot, home->plan);

    inside(path, home, "state");
    return dt_file_replace(path, text, (size_t)length, 0644);
}

void duet_home_close(struct duet_home *home)
{
    dt_file_unlock(home->lock_fd);
    home->lock_fd = -1;
}
