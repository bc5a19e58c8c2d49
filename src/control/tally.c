/* tally.c - fills the model's tally of a route from the control store. */
#include "control/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* The model does not know the store: its counters have the same order. */
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), "counters differ")
SAME(DUET_COUNT_ISSUED_KAFKA, DUET_TALLY_ISSUED_KAFKA);
SAME(DUET_COUNT_ISSUED_ROCKETMQ, DUET_TALLY_ISSUED_ROCKETMQ);
SAME(DUET_COUNT_NOT_DONE, DUET_TALLY_NOT_DONE);
SAME(DUET_COUNT_STORED, DUET_TALLY_STORED);
SAME(DUET_COUNT_EXTRA, DUET_TALLY_EXTRA);
SAME(DUET_COUNT_FOREIGN, DUET_TALLY_FOREIGN);
SAME(DUET_COUNT_READ, DUET_TALLY_READ);
SAME(DUET_COUNT_PROCESSED, DUET_TALLY_PROCESSED);
SAME(DUET_COUNT_DUPLICATE, DUET_TALLY_DUPLICATE);
SAME(DUET_COUNT_FAILED, DUET_TALLY_FAILED);
SAME(DUET_COUNT_UNSTAMPED, DUET_TALLY_UNSTAMPED);

uint32_t duet_instance_settled(const struct duet_instance *instance)
{
    uint32_t settled = instance->window;

    if (instance->pending_messages >
        0) { /* the oldest copy it owes may be of this window */
        int64_t age_s = instance->oldest_s > 1 ? instance->oldest_s : 1;
        uint32_t owed = duet_window_of(instance->heartbeat_ms - age_s * 1000);

        if (owed < settled)
            settled = owed;
    }
    return settled;
}

/* Whether this boot may still fix ids; `settled` is its own then. */
static bool boot_lives(const struct duet_snapshot *snapshot, uint32_t number, uint16_t boot,
                       uint32_t *settled)
{
    *settled = UINT32_MAX;
    for (size_t i = 0; i < snapshot->instance_count; i++) {
        const struct duet_instance *instance = &snapshot->instances[i];

        if (instance->role != DUET_PRODUCER || instance->number != number ||
            instance->boot != boot || !duet_instance_alive(instance, snapshot->now_ms))
            continue;
        *settled = duet_instance_settled(instance);
        return true;
    }
    return false;
}

static struct duet_tally_boot *add_boot(struct duet_tally *tally)
{
    void *grown = realloc(tally->boots, (tally->boot_count + 1) * sizeof(*tally->boots));

    if (grown == NULL) {
        dt_error_set(DT_ENOMEM, "no memory for the producers of topic '%s'", tally->topic);
        return NULL;
    }
    tally->boots = grown;
    memset(&tally->boots[tally->boot_count], 0, sizeof(*tally->boots));
    return &tally->boots[tally->boot_count++];
}

static dt_status load_boots(struct duet_store *store, const struct duet_snapshot *snapshot,
                            struct duet_tally *tally)
{
    struct duet_issue_report *reports;
    size_t count;
    dt_status status = duet_store_issue_reports(store, tally->topic, &reports, &count);

    for (size_t i = 0; i < count && status == DT_OK; i++) {
        struct duet_tally_boot *boot;
        bool lives;

        if (reports[i].partition < 0 || reports[i].partition >= tally->partitions)
            continue;
        boot = add_boot(tally);
        if (boot == NULL) {
            status = DT_ENOMEM;
            break;
        }
        boot->partition = reports[i].partition;
        boot->instance = reports[i].instance;
        boot->boot = reports[i].boot;
        boot->issued_to = reports[i].issued_to;
        lives = boot_lives(snapshot, boot->instance, boot->boot, &boot->settled);
        boot->dead = !lives && !reports[i].closed;
        if (reports[i].closed)
            boot->settled = UINT32_MAX;
        duet_counts_init(&boot->counts);
        status = duet_store_issue_counts(store, &reports[i], &boot->counts);
    }
    free(reports);
    return status;
}

static bool has_boot(const struct duet_tally *tally, int32_t partition, uint32_t instance,
                     uint16_t number)
{
    for (size_t i = 0; i < tally->boot_count; i++)
        if (tally->boots[i].partition == partition &&
            tally->boots[i].instance == instance && tally->boots[i].boot == number)
            return true;
    return false;
}

/* Boots that are in a log and never reached the store with a report. */
static dt_status add_unreported(const struct duet_snapshot *snapshot,
                                struct duet_tally *tally)
{
    for (int side = 0; side < DUET_SIDES; side++)
        for (int32_t p = 0; p < tally->partitions; p++)
            for (size_t i = 0; i < tally->log[side][p].ids.count; i++) {
                const struct duet_idset_entry *entry = &tally->log[side][p].ids.entries[i];
                struct duet_tally_boot *boot;

                if (entry->kind != DUET_ID_ISSUED || entry->end == 0 ||
                    has_boot(tally, p, entry->instance, entry->boot))
                    continue;
                boot = add_boot(tally);
                if (boot == NULL)
                    return DT_ENOMEM;
                boot->partition = p;
                boot->instance = entry->instance;
                boot->boot = entry->boot;
                boot->dead =
                    !boot_lives(snapshot, boot->instance, boot->boot, &boot->settled);
                duet_counts_init(&boot->counts);
            }
    return DT_OK;
}

static dt_status load_logs(struct duet_store *store, struct duet_route_snapshot *of)
{
    struct duet_tally *tally = &of->tally;

    for (int side = 0; side < DUET_SIDES; side++) {
        tally->log[side] = calloc((size_t)tally->partitions, sizeof(*tally->log[side]));
        of->log_end[side] = calloc((size_t)tally->partitions, sizeof(*of->log_end[side]));
        if (tally->log[side] == NULL || of->log_end[side] == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for the logs of topic '%s'",
                                tally->topic);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        for (int32_t p = 0; p < tally->partitions; p++) {
            struct duet_log_state state;
            dt_status status =
                duet_store_log_load(store, tally->topic, p, (enum duet_side)side, &state);

            if (status != DT_OK)
                return status;
            tally->log[side][p].ids = state.ids; /* the tally owns them from here on */
            tally->log[side][p].counts = state.counts;
            of->log_end[side][p] = state.end > state.position ? state.end : state.position;
        }
    return DT_OK;
}

static dt_status load_listed(const struct duet_snapshot *snapshot, struct duet_tally *tally)
{
    tally->listed = calloc(snapshot->ledger_count + 1, sizeof(*tally->listed));
    if (tally->listed == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the ledger");
    for (size_t i = 0; i < snapshot->ledger_count; i++) {
        const struct duet_ledger_entry *entry = &snapshot->ledger[i];
        struct duet_tally_listed *listed = &tally->listed[tally->listed_count];

        if (strcmp(entry->topic, tally->topic) != 0 || entry->group[0] != '\0' ||
            entry->id.kind != DUET_ID_ISSUED || entry->resolved ||
            (entry->kind != DUET_LEDGER_DROPPED && entry->kind != DUET_LEDGER_REFUSED &&
             entry->kind != DUET_LEDGER_CANCELLED && entry->kind != DUET_LEDGER_ISOLATED))
            continue;
        listed->partition = entry->partition;
        listed->side = entry->side;
        listed->cancelled = entry->kind == DUET_LEDGER_CANCELLED;
        listed->id = entry->id;
        listed->sequence_to = entry->sequence_to;
        tally->listed_count++;
    }
    return DT_OK;
}

static bool group_reads(const struct duet_route_snapshot *of, const char *group, int side)
{
    for (size_t i = 0; i < of->report_count; i++) {
        const struct duet_role_report *report = &of->reports[i];

        if (strcmp(report->group, group) != 0)
            continue;
        if (report->read_to[side] > 0 ||
            ((int)report->side == side &&
             (report->role == DUET_LIVE || of->tally.shadow_due)))
            return true;
    }
    return false;
}

static dt_status load_groups(struct duet_store *store, struct duet_route_snapshot *of)
{
    struct duet_tally *tally = &of->tally;

    tally->groups = calloc(of->route->group_count + 1, sizeof(*tally->groups));
    if (tally->groups == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the groups of topic '%s'",
                            tally->topic);
    for (size_t g = 0; g < of->route->group_count; g++) {
        struct duet_tally_group *group = &tally->groups[tally->group_count++];

        snprintf(group->name, sizeof(group->name), "%s", of->route->groups[g].name);
        for (int side = 0; side < DUET_SIDES; side++) {
            dt_status status;

            duet_counts_init(&group->read[side]);
            duet_counts_init(&group->live[side]);
            duet_counts_init(&group->shadow[side]);
            group->reads[side] = group_reads(of, group->name, side);
            status = duet_store_group_counts(store, tally->topic, group->name,
                                             (enum duet_side)side, &group->read[side],
                                             &group->live[side], &group->shadow[side]);
            if (status != DT_OK)
                return status;
        }
    }
    return DT_OK;
}

dt_status duet_tally_load(struct duet_store *store, const struct duet_snapshot *snapshot,
                          struct duet_route_snapshot *of)
{
    struct duet_tally *tally = &of->tally;
    dt_status status;

    snprintf(tally->topic, sizeof(tally->topic), "%s", of->route->topic);
    tally->write = of->route->write;
    tally->shadow_due = duet_step_has_shadow(of->route->step);
    tally->partitions = of->route->partitions;
    status = load_logs(store, of);
    if (status == DT_OK)
        status = load_boots(store, snapshot, tally);
    if (status == DT_OK)
        status = add_unreported(snapshot, tally);
    if (status == DT_OK)
        status = load_listed(snapshot, tally);
    if (status == DT_OK)
        status = load_groups(store, of);
    return status;
}
