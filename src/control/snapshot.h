/*
 * snapshot.h - what the control store knows of a migration at one moment, gathered for status,
 * gates and report.
 *
 * The order matters and is kept here: first the instances (which windows no producer can issue
 * into any more), then the logs are counted to their ends, then everything is read. So what
 * belongs to a settled window has been counted when it is compared.
 */
#ifndef CONTROL_SNAPSHOT_H
#define CONTROL_SNAPSHOT_H

#include "model/gates.h"
#include "store/control_store.h"
#include "verify/log_count.h"

struct duet_route_snapshot {
    const struct duet_plan_route *route; /* in the plan */
    struct duet_role_report *reports;
    size_t report_count;
    struct duet_tally tally;
    int64_t *log_end[DUET_SIDES]; /* [partition], as the log counters last saw them */
};

struct duet_snapshot {
    struct duet_plan *plan;
    int64_t now_ms;
    struct duet_instance *instances;
    size_t instance_count;
    struct duet_route_snapshot *routes; /* as the plan's */
    uint32_t settled_below;             /* windows below can be compared */
    struct duet_ledger_entry *ledger;
    size_t ledger_count;
    int64_t ledger_totals[DUET_LEDGER_KINDS];
    bool counted;                 /* the logs were counted to their ends just before */
    bool unreachable[DUET_SIDES]; /* a written side could not be */
    char unreachable_why[512];
};

/**
 * @param counter counts the logs first, for at most count_ms; NULL: not wanted.
 * @returns DT_OK, also with a side that cannot be reached; else as the store says.
 */
dt_status duet_snapshot_take(struct duet_store *store, struct duet_log_count *counter,
                             int64_t count_ms, struct duet_snapshot **out);
void duet_snapshot_free(struct duet_snapshot *snapshot);

bool duet_instance_alive(const struct duet_instance *instance, int64_t now_ms);
/* The living consumer of a group, or NULL. */
const struct duet_instance *duet_find_consumer(const struct duet_instance *instances,
                                               size_t count, const char *group,
                                               int64_t now_ms);

/* Messages between the cursor of (group, role) and the end of the side it reads, or with
 * `keeper` of the side that it does not read. 0 where nothing is known. */
int64_t duet_snapshot_lag(const struct duet_snapshot *snapshot, size_t route,
                          const char *group, enum duet_role role, bool keeper);

/* The gates of the next step of a route. @param group only its lag; NULL: all groups. */
dt_status duet_snapshot_gates(const struct duet_snapshot *snapshot, size_t route,
                              const struct duet_gate_limits *limits, const char *group,
                              struct duet_gate out[DUET_GATES_MAX], size_t *count);

/* Lists in the ledger, as `gap`, the ids that one log lacks for good: of producers that have
 * ended, and not given up by them. Marks entries resolved whose ids have come since. */
dt_status duet_snapshot_list_gaps(struct duet_store *store,
                                  const struct duet_snapshot *snapshot);

#endif
