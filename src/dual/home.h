/*
 * home.h - what an instance keeps on its own disk: <state_dir>/<name>/, locked while it lives.
 *
 *   lock     flock(2), gone at once after kill -9; holds the pid for messages
 *   state    "duet-instance 1\nnumber N\nboot N\nplan N\n", replaced whole and flushed
 *
 * The boot is written here before it is used, so that an id is never given out twice even if
 * the control store is put back to an older copy.
 */
#ifndef DUAL_HOME_H
#define DUAL_HOME_H

#include <limits.h>
#include <stdint.h>

#include "rmq/status.h"

struct duet_home {
    char folder[PATH_MAX];
    int lock_fd;
    bool known; /* a state file was there: the numbers below are from it */
    uint32_t number;
    int64_t boot; /* -1: none yet */
    int64_t plan;
};

/* DT_EINVAL: the name is not 1 to 100 of A-Z a-z 0-9 . _ - or starts with a dot; DT_EBUSY: a
 * living process holds it; DT_ECORRUPT: the state file is not ours. */
dt_status duet_home_open(const char *state_dir, const char *name, struct duet_home *home);
dt_status duet_home_save(const struct duet_home *home);
void duet_home_close(struct duet_home *home);

#endif
