/*
 * role.h - one role (live or shadow) of a group: its thread, its store, its readers.
 *
 * The two roles of a process share nothing but the plan's wishes: each has its own connections,
 * database and thread, so that neither waits for the other. Effects, processed set and cursors
 * change in one transaction, whose first statement claims the version that was loaded; a role
 * whose claim fails loads everything again and goes on from there.
 */
#ifndef DUAL_ROLE_H
#define DUAL_ROLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dual/session.h"
#include "dual/track.h"
#include "dual/wake.h"
#include "duet/duet.h"

struct duet_role_gap;
struct duet_hold;

struct duet_part { /* one partition */
    struct duet_role_state state;
    struct duet_track track[DUET_SIDES];
    bool loaded;
    bool claimed;               /* in the open transaction */
    atomic_int wish;            /* enum duet_side; set by the consumer's thread */
    struct duet_role_gap *gaps; /* role_gaps.h: numbers that are missing now */
    size_t gap_count;
    int64_t gaps_looked_ms, link_warned_ms;
    struct duet_hold *hold; /* role_hold.h: messages that are set aside */
    int64_t fetch_looked_ms;
    struct duet_ledger_entry fetched; /* of the open transaction; of no topic: none */
    /* for the reporter, under role->lock: */
    struct duet_role_report report;
    struct duet_counts reported[DUET_SIDES]; /* dirty rows are still to be sent */
    bool report_dirty;
    bool began; /* has read on from its place once: a later check of it is no new start */
};

struct duet_role_thread {
    enum duet_role which;
    const struct duet_session *session;
    const duet_consumer_config *application;
    const char *group;
    struct duet_plan_route *route; /* of the plan at open: names, queues, partitions */
    struct duet_plan *plan;        /* owns `route` */
    struct duet_sink *sink;
    struct duet_side_client *client[DUET_SIDES];
    struct duet_reader *reader[DUET_SIDES];
    struct duet_part *parts;
    size_t part_count;
    void *state;       /* the application's */
    bool ordered;      /* the route's `order`: a gap sets its producer's messages aside */
    size_t held_bytes; /* of all partitions */
    struct duet_wake wake;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    atomic_bool enabled;           /* the step wants this role to run */
    atomic_int_fast64_t worked_ms; /* monotonic: when a record was last handled */
    atomic_int unanswered; /* enum duet_side whose ends are not known yet; -1: none */
    atomic_int_fast64_t processed, duplicates, failed;
    bool in_transaction;
    int64_t saved_ms;     /* when keepers' cursors were last written */
    int64_t published_ms; /* when the reporter was last given the state */
    pthread_mutex_t lock; /* reports and ledger below */
    atomic_bool urgent;   /* a switch was carried out: report at once */
    struct duet_ledger_entry *ledger;
    size_t ledger_count;
    int64_t ledger_row;         /* of the sink, up to which entries were taken */
    struct duet_wake *reporter; /* raised when something urgent is there */
    atomic_int ended;           /* dt_status with which the thread ended */
    char reason[512];           /* its sentence; read after the thread was joined */
};

/* Opens store and sides; `wish` per partition and `enabled` are set by the caller before start.
 * `plan` is copied. */
dt_status duet_role_open(struct duet_role_thread *role, enum duet_role which,
                         const struct duet_session *session, const struct duet_plan *plan,
                         const char *topic, const duet_consumer_config *application,
                         struct duet_wake *reporter);
dt_status duet_role_start(struct duet_role_thread *role);
void duet_role_stop(
    struct duet_role_thread *role); /* asks and waits; the batch is committed */
void duet_role_close(struct duet_role_thread *role);

/* For the reporter: sends what is new to the store. */
dt_status duet_role_send_reports(struct duet_role_thread *role, struct duet_store *store);

/* ---- between the files of a role ---- */

/* Loads the state of a partition, and forgets what is in memory of it. */
dt_status duet_role_load(struct duet_role_thread *role, size_t p);
void *duet_role_run(void *context); /* the thread */
void duet_role_note_unanswered(struct duet_role_thread *role);

dt_status duet_role_claim(struct duet_role_thread *role, struct duet_part *part);
dt_status duet_role_handle(struct duet_role_thread *role, enum duet_side side,
                           struct duet_read_batch *batch, size_t *handled);
/* Calls the handler for a record whose id is not in the set, or passes it over. */
dt_status duet_role_process(struct duet_role_thread *role, struct duet_part *part,
                            enum duet_side side, const struct duet_read_record *record);
void duet_role_assign(struct duet_role_thread *role, struct duet_part *part,
                      enum duet_side side, int64_t position);
dt_status duet_role_note(struct duet_role_thread *role, enum duet_ledger_kind kind,
                         const struct duet_part *part, enum duet_side side,
                         const struct duet_id *id, int64_t position, const char *reason);
/* The entry that duet_role_note() writes. */
void duet_role_fill_entry(struct duet_ledger_entry *entry,
                          const struct duet_role_thread *role, enum duet_ledger_kind kind,
                          const struct duet_part *part, enum duet_side side,
                          const struct duet_id *id, int64_t position, const char *reason);
dt_status duet_role_put_ledger(struct duet_role_thread *role,
                               const struct duet_ledger_entry *entry);

#endif
