/*
 * consumer.c - the public consumer: opens session, roles and chores; while it runs, its thread
 * adopts plans, heartbeats and reports.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/chores.h"
#include "dual/consumer_statistics.h"
#include "dual/role.h"

#define PERIOD_MS            100
#define REPORT_MS            500
#define STALE_MS             5000 /* a name whose heartbeat is older does not hold its group any more */
#define COMMITTED_TIMEOUT_MS 10000
#define ANSWER_MS            30000 /* for a side to say where its logs end */

struct duet_consumer {
    duet_consumer_config application; /* with our own copies of its strings */
    char *group, *sink;
    struct duet_session session;
    struct duet_role_thread role[DUET_ROLES];
    struct duet_chores chores;
    struct duet_wake wake;
    struct duet_plan_route *route; /* in session.plan */
    char topic[DUET_NAME_SIZE];
    atomic_bool stop;
    bool has_group;
    struct duet_statistics statistics;
};

/* ---- opening ---- */

/* The route named, or the only one that lists the group. */
static dt_status find_route(struct duet_consumer *consumer, const char *topic)
{
    struct duet_plan *plan = consumer->session.plan;
    size_t found = 0;

    for (size_t r = 0; r < plan->route_count; r++) {
        struct duet_plan_route *route = &plan->routes[r];

        if ((topic != NULL && strcmp(route->topic, topic) != 0) ||
            duet_plan_find_group(route, consumer->group) == NULL)
            continue;
        consumer->route = route;
        found++;
    }
    if (found == 1) {
        snprintf(consumer->topic, sizeof(consumer->topic), "%s", consumer->route->topic);
        return DT_OK;
    }
    if (topic != NULL && duet_plan_find(plan, topic) == NULL)
        return dt_error_set(DT_EINVAL, "'%s' is no topic of a route of '%s'", topic,
                            plan->migration);
    if (found == 0)
        return dt_error_set(DT_EINVAL, "no route%s%s lists the group '%s'",
                            topic != NULL ? " of topic " : "", topic != NULL ? topic : "",
                            consumer->group);
    return dt_error_set(DT_EINVAL, "%zu routes list the group '%s': name the topic", found,
                        consumer->group);
}

/* "sqlite:DIR" with DIR made and absolute, so that `compare` finds it from anywhere. */
static dt_status resolve_sink(const char *sink, char **out)
{
    static const char scheme[] = "sqlite:";
    char path[PATH_MAX];
    dt_status status;

    *out = NULL;
    if (strncmp(sink, "postgresql:", 11) == 0)
        return dt_error_set(DT_EUNSUPPORTED,
                            "sink %s: postgresql comes later; this version "
                            "has sqlite:DIR",
                            sink);
    if (strncmp(sink, scheme, sizeof(scheme) - 1) != 0 || sink[sizeof(scheme) - 1] == '\0')
        return dt_error_set(DT_EINVAL, "sink '%s' is not of the form sqlite:DIR", sink);
    status = dt_file_make_dirs(sink + sizeof(scheme) - 1);
    if (status != DT_OK)
        return dt_error_wrap(status, "the sink's folder");
    if (realpath(sink + sizeof(scheme) - 1, path) == NULL)
        return dt_error_set(DT_EINVAL, "sink '%s' is no folder", sink);
    *out = malloc(strlen(path) + sizeof(scheme));
    if (*out == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a path");
    sprintf(*out, "%s%s", scheme, path);
    return DT_OK;
}

/* A group that plain consumers have moved must not be read again from the beginning. */
static dt_status refuse_foreign_group(struct duet_consumer *consumer)
{
    struct duet_side_client *kafka;
    struct duet_sink *sink;
    bool has_state = false;
    dt_status status = duet_sink_open(consumer->sink, DUET_LIVE, consumer->group, &sink);

    if (status != DT_OK)
        return status;
    status = duet_sink_has_state(sink, consumer->topic, &has_state);
    duet_sink_close(sink);
    if (status != DT_OK || has_state)
        return status;
    status = duet_side_open(consumer->session.config, DUET_KAFKA, consumer->session.name,
                            &kafka);
    if (status != DT_OK)
        return status;
    for (int32_t p = 0; status == DT_OK && p < consumer->route->partitions; p++) {
        int64_t position;
        dt_status known = duet_side_committed(kafka, consumer->route, consumer->group, p,
                                              COMMITTED_TIMEOUT_MS, &position);

        if (known == DT_OK)
            status = dt_error_set(DT_EINVAL,
                                  "group '%s' has a committed position in Kafka (%s/%d at "
                                  "%lld), but %s has no "
                                  "state of it: starting an existing group comes later; "
                                  "use its old sink, or a "
                                  "new group",
                                  consumer->group, consumer->topic, (int)p,
                                  (long long)position, consumer->sink);
        else if (known != DT_ENOTFOUND)
            status = dt_error_wrap(known, "asking Kafka for the positions of group '%s'",
                                   consumer->group);
    }
    duet_side_close(kafka);
    return status;
}

static dt_status take_group(struct duet_consumer *consumer)
{
    struct duet_session *session = &consumer->session;
    char holder[DUET_NAME_SIZE] = "";
    dt_status status = duet_store_group_take(
        session->store, consumer->topic, consumer->group, session->name, STALE_MS, holder);

    if (status == DT_EBUSY && holder[0] != '\0')
        return dt_error_set(
            DT_EBUSY,
            "group '%s' of %s is held by the living consumer '%s'; sharing a "
            "group between instances comes later",
            consumer->group, consumer->topic, holder);
    consumer->has_group = status == DT_OK;
    return duet_session_store_status(status);
}

/* What the plan wishes, told to the roles; they carry it out between two batches. */
static void tell_roles(struct duet_consumer *consumer)
{
    const struct duet_plan_group *group =
        duet_plan_find_group(consumer->route, consumer->group);

    for (int32_t p = 0; p < consumer->route->partitions; p++) {
        enum duet_side live = group->wish[p];

        atomic_store(&consumer->role[DUET_LIVE].parts[p].wish, (int)live);
        atomic_store(&consumer->role[DUET_SHADOW].parts[p].wish,
                     (int)duet_other_side(live));
    }
    atomic_store(&consumer->role[DUET_LIVE].enabled, true);
    atomic_store(&consumer->role[DUET_SHADOW].enabled,
                 duet_step_has_shadow(consumer->route->step));
    for (int which = 0; which < DUET_ROLES; which++)
        duet_wake_raise(&consumer->role[which].wake);
}

static dt_status heartbeat(struct duet_consumer *consumer, bool closed)
{
    struct duet_session *session = &consumer->session;
    struct duet_instance instance;

    duet_session_instance(session, &instance);
    instance.role = DUET_CONSUMER;
    snprintf(instance.group, sizeof(instance.group), "%s", consumer->group);
    instance.plan = session->plan->version;
    instance.closed = closed;
    return duet_store_heartbeat(session->store, &instance);
}

static dt_status open_parts(struct duet_consumer *consumer,
                            const duet_consumer_config *config)
{
    struct duet_session *session = &consumer->session;
    dt_status status = duet_session_open(config->config_path, config->name, session);

    if (status == DT_OK)
        status = find_route(consumer, config->topic);
    if (status == DT_OK)
        status = resolve_sink(config->sink, &consumer->sink);
    consumer->application.sink = consumer->sink;
    if (status == DT_OK)
        status = take_group(consumer);
    if (status == DT_OK)
        status = refuse_foreign_group(consumer);
    for (int which = 0; status == DT_OK && which < DUET_ROLES; which++)
        status = duet_role_open(&consumer->role[which], (enum duet_role)which, session,
                                session->plan, consumer->topic, &consumer->application,
                                &consumer->wake);
    if (status == DT_OK)
        status = duet_session_store_status(duet_store_sink_register(
            session->store, consumer->topic, consumer->group, consumer->sink));
    if (status == DT_OK)
        status = duet_session_store_status(heartbeat(consumer, false));
    return status;
}

dt_status duet_consumer_open(const duet_consumer_config *config, duet_consumer **out)
{
    duet_consumer *consumer;
    dt_status status;

    if (out == NULL || config == NULL || config->config_path == NULL ||
        config->group == NULL || config->name == NULL || config->sink == NULL ||
        config->handler == NULL)
        return dt_error_set(DT_EINVAL, "a configuration, group, name, sink and handler are "
                                       "needed");
    *out = NULL;
    consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a consumer");
    consumer->application = *config;
    consumer->session.home.lock_fd = -1;
    consumer->group = strdup(config->group);
    consumer->application.group = consumer->group;
    status = duet_wake_init(&consumer->wake);
    if (status == DT_OK && consumer->group == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for a name");
    if (status == DT_OK)
        status = open_parts(consumer, config);
    if (status != DT_OK) {
        duet_consumer_close(consumer);
        return status;
    }
    *out = consumer;
    return DT_OK;
}

/* ---- running ---- */

static void look_for_plan(struct duet_consumer *consumer)
{
    struct duet_session *session = &consumer->session;
    struct duet_plan *plan;

    if (duet_session_newer_plan(session, session->plan->version, &plan) != DT_OK) {
        duet_session_store_failed(session, "looking for a newer plan");
        return;
    }
    if (plan == NULL)
        return;
    dt_log_info("consumer '%s': plan %lld", session->name, (long long)plan->version);
    duet_plan_free(session->plan);
    session->plan = plan;
    consumer->route = duet_plan_find(plan, consumer->topic);
    tell_roles(consumer);
    if (heartbeat(consumer, false) != DT_OK)
        duet_session_store_failed(session, "confirming a plan");
}

static dt_status send_reports(struct duet_consumer *consumer)
{
    dt_status status = DT_OK;

    for (int which = 0; status == DT_OK && which < DUET_ROLES; which++)
        status = duet_role_send_reports(&consumer->role[which], consumer->session.store);
    return status;
}

/* Whether nothing has been there to do for so long in any role. A side that does not answer at
 * all cannot be told from one that is empty: that is said, not taken for idle. */
static dt_status look_idle(struct duet_consumer *consumer, int64_t until_idle_ms,
                           bool *idle)
{
    int64_t now_ms = dt_clock_ms();

    *idle = until_idle_ms > 0;
    for (int which = 0; *idle && which < DUET_ROLES; which++) {
        struct duet_role_thread *role = &consumer->role[which];
        int64_t quiet_ms = now_ms - atomic_load(&role->worked_ms);
        int unanswered = atomic_load(&role->unanswered);

        if (!atomic_load(&role->enabled))
            continue;
        if (unanswered >= 0 && quiet_ms >= until_idle_ms && quiet_ms >= ANSWER_MS)
            return dt_error_set(DT_EUNREACH,
                                "%s has not answered for %lld s: what is left to read for "
                                "the %s role of group '%s' is not known",
                                duet_side_name((enum duet_side)unanswered),
                                (long long)quiet_ms / 1000,
                                duet_role_name((enum duet_role)which), consumer->group);
        *idle = unanswered < 0 && quiet_ms >= until_idle_ms;
    }
    return DT_OK;
}

/* What ended a role ends the consumer; its sentence becomes this thread's. */
static dt_status role_ended(struct duet_consumer *consumer)
{
    for (int which = 0; which < DUET_ROLES; which++) {
        struct duet_role_thread *role = &consumer->role[which];
        dt_status status = (dt_status)atomic_load(&role->ended);

        if (status != DT_OK) {
            duet_role_stop(role);
            return dt_error_set(status, "the %s role of group '%s': %s",
                                duet_role_name((enum duet_role)which), consumer->group,
                                role->reason);
        }
    }
    return DT_OK;
}

static dt_status run_loop(struct duet_consumer *consumer, int64_t until_idle_ms)
{
    int64_t report_ms = 0;
    bool idle = false;
    dt_status status = DT_OK;

    while (!atomic_load(&consumer->stop)) {
        bool urgent = atomic_load(&consumer->role[DUET_LIVE].urgent) ||
                      atomic_load(&consumer->role[DUET_SHADOW].urgent);

        look_for_plan(consumer);
        if (urgent || dt_clock_ms() - report_ms >= REPORT_MS) {
            report_ms = dt_clock_ms();
            if (send_reports(consumer) != DT_OK || heartbeat(consumer, false) != DT_OK)
                duet_session_store_failed(&consumer->session, "reporting counts");
        }
        duet_consumer_give_statistics(&consumer->statistics, &consumer->session,
                                      consumer->group, consumer->role);
        status = role_ended(consumer);
        if (status == DT_OK)
            status = look_idle(consumer, until_idle_ms, &idle);
        if (status != DT_OK || idle)
            break;
        duet_wake_wait(&consumer->wake, PERIOD_MS);
    }
    return status;
}

dt_status duet_consumer_run(duet_consumer *consumer, int64_t until_idle_ms)
{
    char reason[DT_ERROR_MAX];
    dt_status status = DT_OK;

    tell_roles(consumer);
    for (int which = 0; status == DT_OK && which < DUET_ROLES; which++)
        status = duet_role_start(&consumer->role[which]);
    if (status == DT_OK)
        status = duet_chores_start(&consumer->chores, &consumer->session,
                                   &consumer->role[DUET_LIVE]);
    if (status == DT_OK)
        status = run_loop(consumer, until_idle_ms);
    snprintf(reason, sizeof(reason), "%s", dt_error_text());
    for (int which = 0; which < DUET_ROLES; which++)
        duet_role_stop(&consumer->role[which]);
    duet_chores_stop(&consumer->chores);
    if (send_reports(consumer) != DT_OK)
        dt_log_warning("consumer '%s': the last report did not reach the control store: %s",
                       consumer->session.name, dt_error_text());
    return status == DT_OK ? DT_OK : dt_error_set(status, "%s", reason);
}

void duet_consumer_stop(duet_consumer *consumer)
{
    atomic_store(&consumer->stop, true);
    duet_wake_raise(&consumer->wake);
}

void duet_consumer_statistics(duet_consumer *consumer, duet_consumer_stats *out)
{
    struct duet_role_thread *live = &consumer->role[DUET_LIVE];
    struct duet_role_thread *shadow = &consumer->role[DUET_SHADOW];

    out->live = atomic_load(&live->processed);
    out->shadow = atomic_load(&shadow->processed);
    out->duplicates = atomic_load(&live->duplicates) + atomic_load(&shadow->duplicates);
    out->failed = atomic_load(&live->failed) + atomic_load(&shadow->failed);
}

dt_status duet_consumer_set_statistics(duet_consumer *consumer, int64_t interval_ms,
                                       duet_statistics_fn fn, void *opaque)
{
    if (consumer == NULL)
        return dt_error_set(DT_EINVAL, "a consumer is needed");
    return duet_statistics_set(&consumer->statistics, interval_ms, fn, opaque);
}

void duet_consumer_close(duet_consumer *consumer)
{
    if (consumer == NULL)
        return;
    for (int which = 0; which < DUET_ROLES; which++)
        duet_role_close(&consumer->role[which]);
    if (consumer->has_group) {
        if (heartbeat(consumer, true) != DT_OK ||
            duet_store_group_release(consumer->session.store, consumer->topic,
                                     consumer->group, consumer->session.name) != DT_OK)
            duet_session_store_failed(&consumer->session, "leaving the group");
    }
    duet_session_close(&consumer->session);
    if (consumer->wake.fd > 0)
        duet_wake_fini(&consumer->wake);
    free(consumer->group);
    free(consumer->sink);
    free(consumer);
}
