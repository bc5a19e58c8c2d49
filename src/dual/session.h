/*
 * session.h - what a producer and a consumer have in common: configuration, keys, home, plan.
 *
 * Opened in this order: configuration, plan in the control store, keys (number and fingerprint
 * must be the plan's), home (lock). Thread: the opener's; `plan` is swapped by its owner.
 */
#ifndef DUAL_SESSION_H
#define DUAL_SESSION_H

#include "config/config.h"
#include "config/keys.h"
#include "dual/home.h"
#include "store/control_store.h"

struct duet_session {
    struct duet_config *config;
    struct duet_keys keys;
    struct duet_home home;
    struct duet_store *store; /* for the thread that reports */
    struct duet_plan *plan;
    char name[DUET_NAME_SIZE];
    int64_t store_failed_ms; /* rate limit of the log line */
};

/* All but the home: for who acts in no instance's name. */
dt_status duet_session_join(const char *config_path, const char *name,
                            struct duet_session *session);
dt_status duet_session_open(const char *config_path, const char *name,
                            struct duet_session *session);
void duet_session_close(struct duet_session *session);

/* Looks whether the store has a newer plan than `version`; *plan is then it, else NULL. */
dt_status duet_session_newer_plan(struct duet_session *session, int64_t version,
                                  struct duet_plan **plan);

/* Fills name, pid, host, heartbeat time; the rest is the caller's. */
void duet_session_instance(const struct duet_session *session,
                           struct duet_instance *instance);

/* What a failing call to the store means while opening: locked for longer than calls wait is
 * DT_EUNREACH, since DT_EBUSY says that a living process has the name or the group. */
dt_status duet_session_store_status(dt_status status);

/* Logs a failing call to the store, at most one line in 10 s: the data plane goes on. */
void duet_session_store_failed(struct duet_session *session, const char *what);

#endif
