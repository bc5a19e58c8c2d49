#include "dual/chores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "verify/log_count.h"

#define PERIOD_MS         500
#define COUNT_BUDGET_MS   500
#define COMMIT_TIMEOUT_MS 3000

static int64_t live_position(struct duet_role_thread *live, size_t p, enum duet_side side)
{
    int64_t position;

    pthread_mutex_lock(&live->lock);
    position = live->parts[p].report.position[side];
    pthread_mutex_unlock(&live->lock);
    return position;
}

/* One failure ends the round for that side: it is down, and the next round tries again. */
static void commit_side(struct duet_chores *chores, enum duet_side side)
{
    struct duet_role_thread *live = chores->live;

    for (size_t p = 0; p < live->part_count && !atomic_load(&chores->stop); p++) {
        int64_t position = live_position(live, p, side);

        if (position <= chores->committed[side][p])
            continue;
        if (duet_side_commit(chores->client[side], live->route, live->group, (int32_t)p,
                             position, COMMIT_TIMEOUT_MS) != DT_OK) {
            if (dt_log_due(&chores->failed_ms, 30000))
                dt_log_warning("%s: positions are not committed to %s: %s", live->group,
                               duet_side_name(side), dt_error_text());
            return;
        }
        chores->committed[side][p] = position;
    }
}

static void *run(void *context)
{
    struct duet_chores *chores = context;
    struct duet_log_count *counter = NULL;

    while (!atomic_load(&chores->stop)) {
        if (counter == NULL &&
            duet_log_count_new(chores->session->config, &chores->session->keys,
                               chores->session->name, chores->live->route->topic,
                               &counter) != DT_OK)
            counter = NULL; /* the store is away: again in the next round */
        if (counter != NULL && duet_log_count_step(counter, COUNT_BUDGET_MS) != DT_OK &&
            dt_log_due(&chores->failed_ms, 30000))
            dt_log_warning("counting the logs: %s", dt_error_text());
        for (int side = 0; side < DUET_SIDES; side++)
            commit_side(chores, (enum duet_side)side);
        duet_wake_wait(&chores->wake, PERIOD_MS);
    }
    duet_log_count_free(counter);
    return NULL;
}

dt_status duet_chores_start(struct duet_chores *chores, const struct duet_session *session,
                            struct duet_role_thread *live)
{
    dt_status status;

    memset(chores, 0, sizeof(*chores));
    chores->session = session;
    chores->live = live;
    status = duet_wake_init(&chores->wake);
    for (int side = 0; status == DT_OK && side < DUET_SIDES; side++) {
        char name[2 * DUET_NAME_SIZE];

        chores->committed[side] =
            calloc(live->part_count, sizeof(*chores->committed[side]));
        if (chores->committed[side] == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for %zu positions", live->part_count);
        snprintf(name, sizeof(name), "%s-positions", session->name);
        status = duet_side_open(session->config, (enum duet_side)side, name,
                                &chores->client[side]);
    }
    if (status != DT_OK)
        return status;
    if (pthread_create(&chores->thread, NULL, run, chores) != 0)
        return dt_error_set(DT_ENOMEM, "cannot start a thread");
    chores->started = true;
    return DT_OK;
}

void duet_chores_stop(struct duet_chores *chores)
{
    if (chores->session == NULL)
        return;
    if (chores->started) {
        atomic_store(&chores->stop, true);
        duet_wake_raise(&chores->wake);
        pthread_join(chores->thread, NULL);
        atomic_store(&chores->stop, false);
        for (int side = 0; side < DUET_SIDES; side++) /* what the last batch moved */
            commit_side(chores, (enum duet_side)side);
    }
    for (int side = 0; side < DUET_SIDES; side++) {
        if (chores->client[side] != NULL)
            duet_side_close(chores->client[side]);
        free(chores->committed[side]);
    }
    duet_wake_fini(&chores->wake);
    chores->session = NULL;
}
