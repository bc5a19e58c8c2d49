/*
 * control_store.h - the control store: plan, instances, confirmations, counts, ledger, audit.
 *
 * Many processes use one store at once; every function is one transaction unless it says
 * otherwise, retried inside on a busy database for up to 10 s. What arrives here as counts is
 * absolute, never an increment, with the position or version it belongs to: sending it twice,
 * or again after a restart, changes nothing.
 *
 * The data plane never depends on it: callers go on without it and send the same later.
 *
 * Thread: a handle may be used by one thread at a time; open one per thread.
 * Arrays that are given out (`**out`) are the caller's, to be freed with free(); NULL when
 * empty. Counts that are given out are added to what the caller initialised.
 * Outcomes of all: DT_OK; DT_EUNREACH: the file cannot be opened or written, or is a database of
 * something else; DT_EBUSY: locked for 10 s; DT_ENOSPC; DT_EIO; DT_ENOMEM; DT_ECORRUPT: the file
 * is damaged, or no database.
 */
#ifndef STORE_CONTROL_STORE_H
#define STORE_CONTROL_STORE_H

#include "model/counts.h"
#include "model/idset.h"
#include "model/plan.h"

#define DUET_STORE_SCHEMA 2 /* 1 was the layout before `log_cover`; migrated on open */

struct duet_store;

/* `url`: "sqlite:/path". Creates an empty store if `create`, else DT_ENOTFOUND. An older schema
 * is migrated; a newer one: DT_EUNSUPPORTED with both numbers. postgresql: DT_EUNSUPPORTED. */
dt_status duet_store_open(const char *url, bool create, struct duet_store **out);
void duet_store_close(struct duet_store *store);

/* ---- plan ---- */

/* Writes the first plan (version 1; routes, groups, queues; step planned, all wishes kafka, the
 * critical side kafka). If there is one: DT_OK with *created false when migration, zone, key
 * fingerprint and routes are the same (a group or route that was added since is DT_ECONFLICT,
 * too); else DT_ECONFLICT and the sentence says what differs. The queues of a plan that is there
 * are neither compared nor moved. */
dt_status duet_store_plan_init(struct duet_store *store, const struct duet_plan *plan,
                               bool *created);
/* DT_ENOTFOUND: `plan init` has not been run. */
dt_status duet_store_plan_version(struct duet_store *store, int64_t *version);
dt_status duet_store_plan_load(struct duet_store *store, struct duet_plan **out);
/* Replaces steps, writes, criticals, dual-write times and wishes of the plan whose version is
 * plan->version, and raises the version by one (also in *plan). DT_ECONFLICT: somebody was
 * faster. The audit line goes into the same transaction. */
dt_status duet_store_plan_update(struct duet_store *store, struct duet_plan *plan,
                                 const char *command, const char *detail,
                                 const char *reason);

/* ---- instances ---- */

enum duet_instance_role { DUET_PRODUCER, DUET_CONSUMER };

struct duet_instance { /* a row of `status` */
    char name[DUET_NAME_SIZE];
    enum duet_instance_role role;
    char group[DUET_NAME_SIZE]; /* consumers */
    uint32_t number;            /* producers: instance of their ids */
    uint16_t boot;
    int64_t pid;
    char host[65];
    int64_t plan;         /* the version it works by */
    int64_t heartbeat_ms; /* wall clock */
    bool closed;          /* ended in order */
    int64_t in_doubt, dropped, pending_messages, pending_bytes, oldest_s;
    char breaker[DUET_SIDES][16]; /* "closed", "open", "probing"; "none": it has none */
    uint32_t window; /* producers: no id of an earlier window will be fixed any more */
};

/* The number of a producer's name, given out at first use (from 1), and a boot higher than any
 * it had and than `boot_floor` (-1: none known). A name that has used boot 65535 gets a new
 * number and boot 0. */
dt_status duet_store_producer_boot(struct duet_store *store, const char *name,
                                   int64_t boot_floor, uint32_t *number, uint16_t *boot);

/* Registers or refreshes (name, role): all fields replaced. */
dt_status duet_store_heartbeat(struct duet_store *store,
                               const struct duet_instance *instance);
dt_status duet_store_instances(struct duet_store *store, struct duet_instance **out,
                               size_t *count);

/* One consumer name per group while sharing does not exist: takes the group for `name` if
 * nobody has it, the same name has it, its holder has ended in order (closed), or neither its
 * heartbeat nor its taking is younger than `stale_ms`. DT_EBUSY: another living one; *holder
 * says who (else it is `name`). */
dt_status duet_store_group_take(struct duet_store *store, const char *topic,
                                const char *group, const char *name, int64_t stale_ms,
                                char holder[DUET_NAME_SIZE]);
dt_status duet_store_group_release(struct duet_store *store, const char *topic,
                                   const char *group, const char *name);
/* Where a group's results lie, for `compare` ("sqlite:/dir"), without password. */
dt_status duet_store_sink_register(struct duet_store *store, const char *topic,
                                   const char *group, const char *url);
dt_status duet_store_sink(struct duet_store *store, const char *topic, const char *group,
                          char *url, size_t size); /* DT_ENOTFOUND */

/* ---- what the roles are, as their instances report it ---- */

struct duet_role_report { /* one (topic, group, role, partition) */
    char topic[DUET_NAME_SIZE];
    char group[DUET_NAME_SIZE];
    enum duet_role role;
    int32_t partition;
    enum duet_side side;
    int64_t version;              /* of the state; an older report never replaces a newer */
    int64_t position[DUET_SIDES]; /* the cursor */
    int64_t read_to[DUET_SIDES];  /* positions below have been read and counted */
    int64_t end[DUET_SIDES];      /* of the log, as last known */
    int64_t updated_ms;
    bool starting; /* not yet read up to where it begins */
};

/* Counters of a role, per side, absolute per (window, day). */
enum duet_role_counter {
    DUET_COUNT_READ,
    DUET_COUNT_PROCESSED,
    DUET_COUNT_DUPLICATE,
    DUET_COUNT_FAILED,
    DUET_COUNT_UNSTAMPED
};

/* Report and dirty rows of both sides' counters (`counts` NULL: none), in one transaction; the
 * rows stay dirty. A report whose version is older than the stored one is dropped whole (DT_OK). */
dt_status duet_store_role_report(struct duet_store *store,
                                 const struct duet_role_report *report,
                                 const struct duet_counts counts[DUET_SIDES]);
dt_status duet_store_role_reports(struct duet_store *store, const char *topic,
                                  struct duet_role_report **out, size_t *count);
/* Counts of one role and side, summed over the partitions with the given test: for each
 * partition those of the role (live or shadow) that has read further. */
dt_status
duet_store_group_counts(struct duet_store *store, const char *topic, const char *group,
                        enum duet_side side,
                        struct duet_counts *read_and_duplicates, /* READ, DUPLICATE,
                                                       UNSTAMPED of the further reader */
                        struct duet_counts *live, /* PROCESSED, FAILED of live */
                        struct duet_counts *shadow);

/* ---- what producers issued ---- */

enum duet_issue_counter {
    DUET_COUNT_ISSUED_KAFKA, /* ids fixed while kafka was written, less definite not-dones */
    DUET_COUNT_ISSUED_ROCKETMQ, /* the same for rocketmq */
    DUET_COUNT_NOT_DONE
};

struct duet_issue_report { /* one (topic, partition, instance, boot) */
    char topic[DUET_NAME_SIZE];
    int32_t partition;
    uint32_t instance;
    uint16_t boot;
    uint64_t issued_to; /* sequences below have been fixed */
    bool closed;        /* this boot fixes no more ids, all outcomes are known */
};
/* Report and dirty rows, in one transaction; the rows stay dirty. A report that is behind the
 * stored one is dropped whole (DT_OK). */
dt_status duet_store_issue_report(struct duet_store *store,
                                  const struct duet_issue_report *report,
                                  const struct duet_counts *counts);
dt_status duet_store_issue_reports(struct duet_store *store, const char *topic,
                                   struct duet_issue_report **out, size_t *count);
/* Of one (topic, partition, instance, boot). */
dt_status duet_store_issue_counts(struct duet_store *store,
                                  const struct duet_issue_report *of,
                                  struct duet_counts *counts);

/* ---- what the logs hold, by readers that are not the writers ---- */

enum duet_log_counter { DUET_COUNT_STORED, DUET_COUNT_EXTRA, DUET_COUNT_FOREIGN };

struct duet_log_state { /* one (topic, partition, side) */
    char topic[DUET_NAME_SIZE];
    int32_t partition;
    enum duet_side side;
    int64_t position;          /* everything below has been counted once */
    int64_t end;               /* of the log when last looked */
    struct duet_idset ids;     /* found in the log */
    struct duet_counts counts; /* STORED, EXTRA, FOREIGN per window and day */
};
/* Empty state at position 0 if there is none yet. */
dt_status duet_store_log_load(struct duet_store *store, const char *topic,
                              int32_t partition, enum duet_side side,
                              struct duet_log_state *out);
void duet_log_state_fini(struct duet_log_state *state);
/* Saves dirty rows if the stored position is still `from`; DT_ECONFLICT: another reader counted
 * in between, load again. */
dt_status duet_store_log_save(struct duet_store *store, struct duet_log_state *state,
                              int64_t from);

/* ---- ledger and audit ---- */

enum duet_ledger_kind {
    DUET_LEDGER_DROPPED,
    DUET_LEDGER_REFUSED,
    DUET_LEDGER_CANCELLED,
    DUET_LEDGER_ISOLATED,
    DUET_LEDGER_PURGED,
    DUET_LEDGER_LATE,
    DUET_LEDGER_FETCHED,
    DUET_LEDGER_FOREIGN,
    DUET_LEDGER_DUPLICATE,
    DUET_LEDGER_IN_DOUBT,
    DUET_LEDGER_GAP,
    DUET_LEDGER_KINDS
};
const char *duet_ledger_kind_name(enum duet_ledger_kind kind); /* "in_doubt", ... */

struct duet_ledger_entry {
    enum duet_ledger_kind kind;
    char topic[DUET_NAME_SIZE];
    char group[DUET_NAME_SIZE]; /* "" for producers and logs */
    int32_t partition;
    enum duet_side side;
    struct duet_id id;    /* the first */
    uint64_t sequence_to; /* one above the last; count = sequence_to - id.sequence */
    int64_t position;     /* in that side's log, -1 none */
    int64_t at_ms;        /* wall clock, first seen */
    char reason[160];
    bool resolved; /* an in-doubt entry whose fate became known */
};
/* Inserts, or extends and re-words the entry with the same (kind, topic, group, partition, side,
 * first id, position); resolved stays resolved. An entry counts for one message at least. */
dt_status duet_store_ledger_put(struct duet_store *store,
                                const struct duet_ledger_entry *entries, size_t count);
dt_status duet_store_ledger(struct duet_store *store, struct duet_ledger_entry **out,
                            size_t *count);
/* Messages (not entries) per kind, unresolved ones; of gaps each number once, however many list
 * it. */
dt_status duet_store_ledger_totals(struct duet_store *store,
                                   int64_t totals[DUET_LEDGER_KINDS]);

/* A line for what is done beside the plan. NULL texts give "". */
dt_status duet_store_audit(struct duet_store *store, const char *command,
                           const char *detail, const char *reason);

struct duet_audit_line {
    int64_t at_ms;
    char actor[128], command[64], detail[512], reason[256];
};
dt_status duet_store_audit_lines(struct duet_store *store, struct duet_audit_line **out,
                                 size_t *count);

#endif
