/* role_open.c - opening, starting, stopping and closing of a role. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/role.h"
#include "dual/role_gaps.h"
#include "dual/role_hold.h"

static dt_status create_tables(struct duet_role_thread *role)
{
    const char *const *schema = role->application->schema;
    dt_status status;

    if (schema == NULL || *schema == NULL)
        return DT_OK;
    status = duet_sink_begin(role->sink);
    for (; status == DT_OK && *schema != NULL; schema++)
        status = duet_sink_exec(role->sink, *schema, NULL, 0, NULL);
    if (status == DT_OK)
        status = duet_sink_commit(role->sink);
    if (status != DT_OK) {
        duet_sink_rollback(role->sink);
        dt_error_wrap(status, "creating the tables of the %s role",
                      duet_role_name(role->which));
    }
    return status;
}

static dt_status open_reader(struct duet_role_thread *role, enum duet_side side)
{
    struct duet_reader_config config = {0};
    char name[2 * DUET_NAME_SIZE];
    dt_status status;

    snprintf(name, sizeof(name), "%s-%s", role->session->name, duet_role_name(role->which));
    status = duet_side_open(role->session->config, side, name, &role->client[side]);
    if (status != DT_OK)
        return status;
    config.route = role->route;
    config.group = role->group;
    config.stamp_key = &role->session->keys.stamp;
    config.zone = role->session->config->zone;
    config.notify = duet_wake_notify;
    config.context = &role->wake;
    return duet_reader_new(role->client[side], &config, &role->reader[side]);
}

static dt_status open_parts(struct duet_role_thread *role)
{
    dt_status status = DT_OK;

    role->part_count = (size_t)role->route->partitions;
    role->parts = calloc(role->part_count, sizeof(*role->parts));
    if (role->parts == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %zu partitions", role->part_count);
    for (size_t p = 0; p < role->part_count; p++) {
        for (int side = 0; side < DUET_SIDES; side++)
            duet_counts_init(&role->parts[p].reported[side]);
        role->parts[p].hold = calloc(1, sizeof(*role->parts[p].hold));
        if (role->parts[p].hold == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for partition %zu", p);
    }
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++) {
        status = duet_role_load(role, p);
    }
    return status;
}

dt_status duet_role_open(struct duet_role_thread *role, enum duet_role which,
                         const struct duet_session *session, const struct duet_plan *plan,
                         const char *topic, const duet_consumer_config *application,
                         struct duet_wake *reporter)
{
    const struct duet_route_config *route;
    dt_status status;

    memset(role, 0, sizeof(*role));
    role->which = which;
    role->session = session;
    role->application = application;
    role->group = application->group;
    role->reporter = reporter;
    role->wake.fd = -1;
    pthread_mutex_init(&role->lock, NULL);
    role->plan = duet_plan_copy(plan);
    if (role->plan == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the plan");
    role->route = duet_plan_find(role->plan, topic);
    route = duet_config_route(session->config, topic);
    role->ordered = route != NULL && strcmp(route->delivery, "order") == 0;
    role->state = application->state_new != NULL
                      ? application->state_new(application->context, duet_role_name(which))
                      : application->context;
    status = duet_wake_init(&role->wake);
    if (status == DT_OK)
        status = duet_sink_open(application->sink, which, role->group, &role->sink);
    if (status == DT_OK)
        status = create_tables(role);
    if (status == DT_OK)
        status = open_reader(role, DUET_KAFKA);
    if (status == DT_OK)
        status = open_reader(role, DUET_ROCKETMQ);
    if (status == DT_OK)
        status = open_parts(role);
    return status;
}

dt_status duet_role_start(struct duet_role_thread *role)
{
    duet_role_note_unanswered(role);
    atomic_store(&role->worked_ms, dt_clock_ms());
    if (pthread_create(&role->thread, NULL, duet_role_run, role) != 0)
        return dt_error_set(DT_ENOMEM, "cannot start the thread of the %s role",
                            duet_role_name(role->which));
    role->started = true;
    return DT_OK;
}

void duet_role_stop(struct duet_role_thread *role)
{
    if (!role->started)
        return;
    atomic_store(&role->stop, true);
    duet_wake_raise(&role->wake);
    pthread_join(role->thread, NULL);
    role->started = false;
}

void duet_role_close(struct duet_role_thread *role)
{
    if (role->plan == NULL)
        return;
    duet_role_stop(role);
    for (int side = 0; side < DUET_SIDES; side++) {
        if (role->reader[side] != NULL)
            duet_reader_free(role->reader[side]);
        if (role->client[side] != NULL)
            duet_side_close(role->client[side]);
    }
    for (size_t p = 0; role->parts != NULL && p < role->part_count; p++) {
        for (int side = 0; side < DUET_SIDES; side++) {
            duet_track_fini(&role->parts[p].track[side]);
            duet_counts_fini(&role->parts[p].reported[side]);
        }
        duet_role_forget_gaps(&role->parts[p]);
        if (role->parts[p].hold != NULL)
            duet_role_forget_held(role, &role->parts[p]);
        free(role->parts[p].hold);
        if (role->parts[p].loaded)
            duet_role_state_fini(&role->parts[p].state);
    }
    free(role->parts);
    free(role->ledger);
    if (role->sink != NULL)
        duet_sink_close(role->sink);
    if (role->application->state_new != NULL && role->application->state_free != NULL)
        role->application->state_free(role->state);
    if (role->wake.fd >= 0)
        duet_wake_fini(&role->wake);
    duet_plan_free(role->plan);
    pthread_mutex_destroy(&role->lock);
    role->plan = NULL;
}
