#include "dual/session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

dt_status duet_session_store_status(dt_status status)
{
    return status == DT_EBUSY ? dt_error_wrap(DT_EUNREACH, "control store") : status;
}

static dt_status check_keys(struct duet_session *session)
{
    dt_status status = duet_keys_load(session->config->key_path, &session->keys);

    if (status != DT_OK)
        return dt_error_wrap(status, "the migration's key");
    if (session->keys.number != session->plan->key_number ||
        strcmp(session->keys.fingerprint, session->plan->key_fingerprint) != 0)
        return dt_error_set(
            DT_EINVAL, "%s holds key %u (%s), but the plan was made with key %u (%s)",
            session->config->key_path, session->keys.number, session->keys.fingerprint,
            session->plan->key_number, session->plan->key_fingerprint);
    return DT_OK;
}

dt_status duet_session_join(const char *config_path, const char *name,
                            struct duet_session *session)
{
    dt_status status;

    memset(session, 0, sizeof(*session));
    session->home.lock_fd = -1;
    snprintf(session->name, sizeof(session->name), "%s", name);
    status = duet_config_load(config_path, &session->config);
    if (status == DT_OK)
        status = duet_store_open(session->config->store, false, &session->store);
    if (status == DT_OK)
        status = duet_store_plan_load(session->store, &session->plan);
    status = duet_session_store_status(status);
    if (status == DT_ENOTFOUND)
        dt_error_wrap(status, "there is no plan yet; run `duet plan init` first");
    if (status == DT_OK &&
        strcmp(session->plan->migration, session->config->migration) != 0)
        status =
            dt_error_set(DT_EINVAL, "the store belongs to the migration '%s', not to '%s'",
                         session->plan->migration, session->config->migration);
    if (status == DT_OK)
        status = check_keys(session);
    if (status != DT_OK)
        duet_session_close(session);
    return status;
}

dt_status duet_session_open(const char *config_path, const char *name,
                            struct duet_session *session)
{
    dt_status status = duet_session_join(config_path, name, session);

    if (status != DT_OK)
        return status;
    status = duet_home_open(session->config->state_dir, name, &session->home);
    if (status != DT_OK)
        duet_session_close(session);
    return status;
}

void duet_session_close(struct duet_session *session)
{
    duet_plan_free(session->plan);
    duet_store_close(session->store);
    duet_home_close(&session->home);
    duet_config_free(session->config);
    memset(session, 0, sizeof(*session));
    session->home.lock_fd = -1;
}

dt_status duet_session_newer_plan(struct duet_session *session, int64_t version,
                                  struct duet_plan **plan)
{
    int64_t newest;
    dt_status status;

    *plan = NULL;
    status = duet_store_plan_version(session->store, &newest);
    if (status != DT_OK || newest == version)
        return status;
    return duet_store_plan_load(session->store, plan);
}

void duet_session_instance(const struct duet_session *session,
                           struct duet_instance *instance)
{
    memset(instance, 0, sizeof(*instance));
    snprintf(instance->name, sizeof(instance->name), "%s", session->name);
    instance->pid = getpid();
    if (gethostname(instance->host, sizeof(instance->host) - 1) != 0)
        snprintf(instance->host, sizeof(instance->host), "unknown");
    instance->heartbeat_ms = dt_clock_wall_ms();
    for (int side = 0; side < DUET_SIDES; side++)
        snprintf(instance->breaker[side], sizeof(instance->breaker[side]), "none");
}

void duet_session_store_failed(struct duet_session *session, const char *what)
{
    if (dt_log_due(&session->store_failed_ms, 10000))
        dt_log_warning("control store: %s: %s; traffic goes on, it is tried again", what,
                       dt_error_text());
}
