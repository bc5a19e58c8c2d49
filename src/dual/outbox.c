#include "dual/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/outbox_inside.h"

#define SCRATCH_MAX (8u << 20)

/* ---- start and end ---- */

static void read_settings(struct duet_box *box, const struct duet_route_config *route)
{
    box->fsync = DUET_FSYNC_INTERVAL;
    if (route == NULL)
        return;
    box->ack_both = strcmp(route->ack, "both") == 0;
    box->is_intent = strcmp(route->journal, "intent") == 0;
    if (strcmp(route->fsync, "always") == 0 ||
        (strcmp(route->fsync, "auto") == 0 && box->is_intent))
        box->fsync = DUET_FSYNC_ALWAYS;
    else if (strcmp(route->fsync, "never") == 0)
        box->fsync = DUET_FSYNC_NEVER;
}

static dt_status make_boxes(struct duet_outbox *outbox, const struct duet_config *config)
{
    outbox->boxes = calloc(outbox->plan->route_count + 1, sizeof(*outbox->boxes));
    if (outbox->boxes == NULL)
        return DT_ENOMEM;
    for (size_t r = 0; r < outbox->plan->route_count; r++) {
        struct duet_box *box = &outbox->boxes[r];
        const struct duet_route_config *route;

        box->route = &outbox->plan->routes[r];
        route = duet_config_route(config, box->route->topic);
        read_settings(box, route);
        box->lanes = calloc((size_t)box->route->partitions, sizeof(*box->lanes));
        if (box->lanes == NULL)
            return DT_ENOMEM;
        box->topic = strdup(box->route->topic);
        if (box->topic == NULL)
            return DT_ENOMEM;
        box->lane_count = (size_t)box->route->partitions;
        outbox->box_count++;
        for (int32_t p = 0; p < box->route->partitions; p++) {
            box->lanes[p].outbox = outbox;
            box->lanes[p].box = box;
            box->lanes[p].partition = p;
            box->lanes[p].primary = duet_write_primary(box->route->write);
            duet_counts_init(&box->lanes[p].counts);
            duet_link_list_init(&box->lanes[p].untold);
        }
    }
    return DT_OK;
}

dt_status duet_outbox_init(struct duet_outbox *outbox, struct duet_plan *plan,
                           const struct duet_keys *keys, const struct duet_config *config,
                           uint32_t instance, uint16_t boot)
{
    pthread_condattr_t monotonic;

    memset(outbox, 0, sizeof(*outbox));
    pthread_mutex_init(&outbox->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&outbox->room, &monotonic);
    pthread_cond_init(&outbox->replay, &monotonic);
    pthread_condattr_destroy(&monotonic);
    outbox->now_ms = dt_clock_ms();
    for (int side = 0; side < DUET_SIDES; side++) {
        outbox->seat[side] = (struct duet_seat){outbox, (enum duet_side)side};
        duet_breaker_init(&outbox->breaker[side], outbox->now_ms);
    }
    outbox->plan = plan;
    outbox->keys = keys;
    outbox->zone = config->zone;
    outbox->memory_max = config->memory_max;
    duet_replay_pace_init(&outbox->replay_pace, config->replay_percent, outbox->now_ms);
    outbox->instance = instance;
    outbox->boot = boot;
    dt_buf_init(&outbox->scratch, SCRATCH_MAX);
    outbox->properties = calloc(DUET_HEADERS_MAX + 4, sizeof(*outbox->properties));
    if (outbox->properties == NULL || make_boxes(outbox, config) != DT_OK)
        return dt_error_set(DT_ENOMEM, "no memory for the producer's lanes");
    return DT_OK;
}

static void free_list(struct duet_outgoing *first)
{
    while (first != NULL) {
        struct duet_outgoing *next = first->next;

        duet_outgoing_free(first);
        first = next;
    }
}

void duet_outbox_fini(struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++) {
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            free_list(lane->primary_first);
            free_list(lane->secondary_first);
            free_list(lane->spill.behind_first);
            free_list(lane->spill.stub_first);
            free(lane->doubts);
            for (int side = 0; side < DUET_SIDES; side++)
                duet_idset_fini(&lane->spill.side[side].found);
            duet_counts_fini(&lane->counts);
            duet_link_list_fini(&lane->untold);
        }
        free(outbox->boxes[b].lanes);
        free(outbox->boxes[b].topic);
    }
    free(outbox->boxes);
    duet_numbers_close(outbox->numbers);
    free(outbox->properties);
    free(outbox->ledger);
    dt_buf_fini(&outbox->scratch);
    duet_plan_free(outbox->plan);
    pthread_cond_destroy(&outbox->replay);
    pthread_cond_destroy(&outbox->room);
    pthread_mutex_destroy(&outbox->lock);
}

/* ---- lists and waiting ---- */

void duet_outgoing_append(struct duet_outgoing **first, struct duet_outgoing **last,
                          struct duet_outgoing *outgoing)
{
    outgoing->next = NULL;
    if (*last == NULL)
        *first = outgoing;
    else
        (*last)->next = outgoing;
    *last = outgoing;
}

/* Nearly always the first. */
void duet_outgoing_take_out(struct duet_outgoing **first, struct duet_outgoing **last,
                            struct duet_outgoing *outgoing)
{
    struct duet_outgoing *before = NULL;

    for (struct duet_outgoing *at = *first; at != outgoing; at = at->next) {
        assert(at != NULL);
        before = at;
    }
    if (before == NULL)
        *first = outgoing->next;
    else
        before->next = outgoing->next;
    if (*last == outgoing)
        *last = before;
    outgoing->next = NULL;
}

void duet_outbox_wake_waiters(struct duet_outbox *outbox)
{
    if (outbox->waiters > 0)
        pthread_cond_broadcast(&outbox->room);
}

/* Lock: held. False after until_ms. */
bool duet_outbox_wait_room(struct duet_outbox *outbox, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    int error;

    outbox->waiters++;
    error = pthread_cond_timedwait(&outbox->room, &outbox->lock, &until);
    outbox->waiters--;
    return error != ETIMEDOUT;
}

/* ---- plan and end of work ---- */

void duet_outbox_adopt(struct duet_outbox *outbox, struct duet_plan *plan)
{
    struct duet_plan *old;

    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++) {
        const struct duet_plan_route *route =
            duet_plan_find(plan, outbox->boxes[b].route->topic);

        /* a plan's routes and partitions are fixed when it is made */
        assert(route != NULL && route->partitions == outbox->boxes[b].route->partitions);
        outbox->boxes[b].route = route;
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            duet_lane_change(&outbox->boxes[b].lanes[p]);
    }
    old = outbox->plan;
    outbox->plan = plan;
    outbox->stats.plan_version = plan->version;
    duet_outbox_wake_waiters(outbox); /* a side may not be critical any more */
    pthread_mutex_unlock(&outbox->lock);
    duet_plan_free(old);
}

bool duet_outbox_wait_empty(struct duet_outbox *outbox, int64_t until_ms)
{
    bool empty;

    pthread_mutex_lock(&outbox->lock);
    while (
        !(empty =
              outbox->primary_count + outbox->secondary_count + outbox->spilled_count == 0))
        if (!duet_outbox_wait_room(outbox, until_ms))
            break;
    pthread_mutex_unlock(&outbox->lock);
    return empty;
}

void duet_outbox_close(struct duet_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->closing = true;
    duet_outbox_wake_waiters(outbox);
    pthread_mutex_unlock(&outbox->lock);
}

void duet_outbox_end_senders(struct duet_outbox *outbox, int64_t timeout_ms)
{
    enum duet_side first =
        outbox->box_count > 0 ? outbox->boxes[0].lanes[0].primary : DUET_KAFKA;
    const enum duet_side order[DUET_SIDES] = {first, duet_other_side(first)};

    for (int i = 0; i < DUET_SIDES; i++) {
        pthread_mutex_lock(&outbox->lock);
        outbox->ended |= 1u << order[i];
        pthread_mutex_unlock(&outbox->lock);
        if (outbox->sender[order[i]] != NULL)
            duet_sender_free(outbox->sender[order[i]], timeout_ms);
        outbox->sender[order[i]] = NULL;
    }
}
