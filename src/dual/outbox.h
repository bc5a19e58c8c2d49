/*
 * outbox.h - the dual producer's inside: ids, the primary first, then the secondary's lanes.
 *
 * Each lane (one partition of one route) knows its primary: the side that new messages go to
 * first. A message is in one list at a time: in the primary list until that side has it, then, in
 * that order, in the secondary list until the other side has it, then gone. What is waiting is
 * bounded: bytes unanswered by the primary, and bytes owed to the secondary, each by memory_max.
 *
 * A side that does not answer is handed one message a second (model/breaker.h); what is for it waits
 * in those lists, so nothing is reordered, and the bounds are the same.
 *
 * The primary follows the plan, lane by lane, by the rules LANE and PEND (outbox_change.c); until
 * a lane may move it goes on as before.
 *
 * Beyond half of the secondary's bound copies go to a journal on disk (spill.h). When that cannot
 * take them either: on a side where a group is live the application waits (in duet_outbox_put, up
 * to its deadline); elsewhere the copy is dropped after the primary has the message, and its id
 * range goes to the ledger. The application's callback never waits for
 * a secondary.
 *
 * Thread: put from any; outcomes arrive on the senders' threads; one lock protects all, and no
 * callback runs under it.
 */
#ifndef DUAL_OUTBOX_H
#define DUAL_OUTBOX_H

#include <pthread.h>

#include "dual/numbers.h"
#include "dual/session.h"
#include "duet/duet.h"
#include "journal/journal.h"
#include "model/breaker.h"
#include "model/replay_pace.h"
#include "side/sender.h"

/* What the outbox writes into the ledger. */
enum outbox_kind { OUTBOX_DROPPED, OUTBOX_REFUSED, OUTBOX_CANCELLED, OUTBOX_KINDS };

struct duet_outgoing;

/* So many copies of a lane are with the secondary's sender; the rest wait here, where the bound
 * and the plan can still decide about them. */
enum { DUET_LANE_WINDOW = 1024, SPILL_LANES = 2 };

/* A range of numbers that were answered as in doubt; outbox_answer.c. */
struct duet_doubt {
    struct duet_ledger_entry entry;
    uint64_t unresolved, cancelled; /* of them */
    bool dirty;
};

/* What the journal has of a lane for one side; spill.h. */
struct duet_spill_side {
    uint32_t id[SPILL_LANES];     /* in the journal */
    uint64_t unread[SPILL_LANES]; /* copies in the journal that are in no list here */
    struct duet_journal_cursor cursor[SPILL_LANES]; /* of the thread that reads */
    uint64_t old; /* of the unread, so many that an earlier process left at least */
    uint64_t last_lsn[SPILL_LANES]; /* of the last message in the journal */
    bool
        has_hole; /* the journal was damaged while it was read: less may come than is unread */
    /* of the thread that reads: what intent.h asks the other side's log for */
    uint64_t accepted_lsn; /* up to there it has all */
    bool is_asked;
    int64_t ask_ms; /* not asked again before */
    struct duet_idset found;
};

struct duet_lane { /* one partition of one route */
    struct duet_outbox *outbox;
    struct duet_box *box;
    int32_t partition;
    enum duet_side primary;
    struct {                 /* to the primary that the plan names: outbox_change.c */
        bool is_due;         /* it is another one */
        bool holds;          /* nothing new is sent for some milliseconds */
        int64_t until_ms;    /* ... then it is given up */
        int64_t retry_ms;    /* not held again before */
        int64_t progress_ms; /* when the old primary last answered */
    } change;
    uint64_t next_sequence;
    int64_t last_deadline_ms;
    bool is_unsorted; /* some deadline is before that of an earlier message */
    int64_t known_end
        [DUET_SIDES]; /* of the log: nothing sent later stands before it; 0: unknown */
    struct duet_numbers_lane *numbers; /* NULL: none is kept */
    struct duet_link_list untold;      /* waits for the next message: outbox_link.c */
    unsigned link_passed;              /* messages too large to carry it, in a row */
    struct duet_outgoing *primary_first, *primary_last;
    struct duet_outgoing *unsent; /* first of it that the primary's sender has not got */
    struct duet_outgoing *secondary_first, *secondary_last;
    struct duet_outgoing
        *unhanded; /* first of the secondary list that its sender has not got */
    size_t handed;
    size_t secondary_count;  /* in the secondary list */
    size_t with[DUET_SIDES]; /* with that side's sender, of both lists */
    struct {                 /* spill.h */
        struct duet_spill_side side[DUET_SIDES];
        int64_t oldest_ms; /* when the oldest of the unread was made, or before */
        struct duet_outgoing *behind_first, *behind_last;
        /* without their bytes: what is left of unread copies whose callback has not run */
        struct duet_outgoing *stub_first, *stub_last;
    } spill;
    struct duet_doubt *doubts;
    size_t doubt_count;
    struct duet_counts counts; /* duet_issue_counter */
    bool counts_dirty;
    struct {
        struct duet_ledger_entry entry; /* the range that may still grow */
        bool used, dirty;
    } open[OUTBOX_KINDS];
};

struct duet_box { /* one route */
    const struct duet_plan_route *route;
    char *topic; /* its Kafka name, which no plan changes: may be read without the lock */
    struct duet_lane *lanes; /* per partition */
    size_t lane_count;       /* fixed, as the array is: both may be read without the lock */
    int32_t round_robin;
    /* of the configuration */
    bool ack_both, is_intent;
    enum duet_fsync fsync;
};

struct duet_outbox {
    pthread_mutex_t lock;
    pthread_cond_t room;
    int waiters;
    bool closing;
    struct duet_plan *plan; /* adopted; owned */
    struct duet_box *boxes;
    size_t box_count;
    const struct duet_keys *keys;
    const struct duet_zone *zone;
    int64_t memory_max;
    int64_t primary_bytes, secondary_bytes, stub_bytes;
    int64_t primary_count, secondary_count;
    uint32_t instance;
    uint16_t boot;
    uint32_t window; /* of the last id; never goes back */
    struct duet_sender *sender[DUET_SIDES];
    struct duet_seat { /* what a sender tells its outcomes to */
        struct duet_outbox *outbox;
        enum duet_side side;
    } seat[DUET_SIDES];
    unsigned ended; /* bit per side: its sender takes nothing any more */
    struct duet_breaker breaker[DUET_SIDES];
    struct {
        bool is_told;      /* ... that it does not answer; the tick's alone */
        int64_t logged_ms; /* when that was */
        int64_t since_ms;  /* ... it has not answered */
    } away[DUET_SIDES];
    int64_t now_ms; /* as of the last tick: near enough for the breakers */
    struct duet_numbers *numbers;
    struct duet_side_client *client[DUET_SIDES]; /* of the senders */
    struct duet_journal *journal;                /* NULL: none */
    struct duet_journal_progress kept;
    bool journal_broken;
    int64_t spilled_count, spilled_bytes; /* in the journal, and in no list */
    pthread_t replay_thread;
    pthread_cond_t replay;
    bool replay_runs, replay_stop, replay_idle;
    int64_t cancelled_copies, doubtful_copies; /* listed so, of those from the journal */
    size_t replay_next;                        /* the lane whose turn it is */
    struct duet_replay_pace replay_pace;
    int64_t produced_bytes;
    size_t damages_listed; /* of those that reading the journal came across */
    struct dt_buf scratch; /* of the mapping */
    struct duet_property *properties;
    struct duet_ledger_entry *ledger; /* finished entries, not yet in the store */
    size_t ledger_count, ledger_capacity;
    duet_producer_stats stats;
    int64_t doubtful; /* answered as in doubt, still unresolved */
    struct duet_later *later_first, *later_last; /* answers to be run without the lock */
};

/* Takes `plan`. The senders are given before the first put. */
dt_status duet_outbox_init(struct duet_outbox *outbox, struct duet_plan *plan,
                           const struct duet_keys *keys, const struct duet_config *config,
                           uint32_t instance, uint16_t boot);
/* Opens the numbers file in `folder`: as duet_numbers_open(). Before the first put. */
dt_status duet_outbox_open_numbers(struct duet_outbox *outbox, const char *folder);
/* No sender may be alive any more. */
void duet_outbox_fini(struct duet_outbox *outbox);

/* duet_produce() without the checks of its arguments; `deadline_ms` on the monotonic clock. */
dt_status duet_outbox_put(struct duet_outbox *outbox, const duet_message *message,
                          int64_t deadline_ms, duet_produce_fn callback, void *opaque);

/* Outcomes of a side's sender; `context` is its seat, `token` a duet_outgoing. */
void duet_outbox_sent(void *context, void *token, enum duet_outcome outcome,
                      const char *reason, int64_t position);

/* Every some 50 ms: answers what is over its deadline as in doubt, hands over what waits, moves
 * lanes to the primary of the plan. */
void duet_outbox_tick(struct duet_outbox *outbox);

/* Takes the plan (of the same routes) from now on; messages under way keep their fate. */
void duet_outbox_adopt(struct duet_outbox *outbox, struct duet_plan *plan);

/* True when nothing is under way; else waits until that changed or until_ms. */
bool duet_outbox_wait_empty(struct duet_outbox *outbox, int64_t until_ms);

/* No more puts: those that wait return DT_ECLOSED. */
void duet_outbox_close(struct duet_outbox *outbox);

/* Frees both senders: the one first that is primary of the first lane, since what it still stores
 * is owed to the other. Waits up to timeout_ms for each. */
void duet_outbox_end_senders(struct duet_outbox *outbox, int64_t timeout_ms);

/* With both senders gone: answers what was never sent to a primary as not done. */
void duet_outbox_answer_unsent(struct duet_outbox *outbox);

/* Then: lists what a secondary never got as dropped, and lets go of it. */
void duet_outbox_give_up(struct duet_outbox *outbox);

#endif
