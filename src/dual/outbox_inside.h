/*
 * outbox_inside.h - what the outbox's files share: outbox.c its life, outbox_put.c the way in,
 * outbox_primary.c the primary's list, outbox_sent.c the senders and their outcomes, outbox_breaker.c whether they answer,
 * outbox_secondary.c the copies that are owed, outbox_change.c the change of primary,
 * outbox_tick.c what time brings, outbox_answer.c the answers, outbox_end.c the last of them,
 * outbox_ledger.c what left the normal path, outbox_link.c what the next record tells of it.
 *
 * Lock: outbox->lock held, all of it but where another thing is said.
 */
#ifndef DUAL_OUTBOX_INSIDE_H
#define DUAL_OUTBOX_INSIDE_H

#include "dual/outbox.h"
#include "dual/outgoing.h"

/* A callback to be run once the lock is given up; callback NULL: none. */
struct duet_answer {
    duet_produce_fn callback;
    void *opaque;
    duet_result result;
    char reason[200];
};

/* ---- lists of messages ---- */

void duet_outgoing_append(struct duet_outgoing **first, struct duet_outgoing **last,
                          struct duet_outgoing *outgoing);
/* The message is in the list, nearly always the first. */
void duet_outgoing_take_out(struct duet_outgoing **first, struct duet_outgoing **last,
                            struct duet_outgoing *outgoing);

/* ---- waiting for room ---- */

void duet_outbox_wake_waiters(struct duet_outbox *outbox);
/* Gives the lock up while it waits. False after until_ms. */
bool duet_outbox_wait_room(struct duet_outbox *outbox, int64_t until_ms);

/* ---- the ledger ---- */

/* Notes that the message left the normal path; dense numbers of one kind become one range. */
void duet_outbox_note(enum outbox_kind which, const struct duet_outgoing *outgoing,
                      enum duet_side side, const char *reason);
void duet_outbox_fill_entry(struct duet_ledger_entry *entry, enum duet_ledger_kind kind,
                            const struct duet_outgoing *outgoing, enum duet_side side,
                            const char *reason);
void duet_outbox_ledger_push(struct duet_outbox *outbox,
                             const struct duet_ledger_entry *entry);
/* A copy that may or may not be stored, whose message was answered long ago. */
void duet_outbox_note_in_doubt(const struct duet_outgoing *outgoing, enum duet_side side,
                               const char *reason);
/* The message is answered as in doubt, now; and what it was in doubt about is known. */
void duet_outbox_doubt(struct duet_outgoing *outgoing, enum duet_side side,
                       const char *reason);
bool duet_outbox_is_doubted(const struct duet_outgoing *outgoing);
void duet_outbox_resolve(struct duet_outgoing *outgoing, bool stored);

/* ---- links ---- */

/* The lane's next message is to tell this. */
void duet_outbox_link_add(struct duet_lane *lane, const struct duet_link_entry *entry);
/* The message's number was given up, for this reason; what its own link told is untold again. */
void duet_outbox_give_number_up(const struct duet_outgoing *outgoing,
                                enum duet_link_kind kind);
void duet_outbox_link_untold(const struct duet_outgoing *outgoing);
/* The primary has the message, and with it what its link tells. */
void duet_outbox_link_told(const struct duet_outgoing *outgoing);
/* Gives a message whose id is fixed the lane's link, if there is one and it fits. */
void duet_outbox_link_attach(struct duet_outgoing *outgoing);
/* The message is on its way: what it carries waits no more. */
void duet_outbox_link_taken(const struct duet_outgoing *outgoing);

/* ---- sending and answering ---- */

/* Whether the lane may hand a message to the side's sender now: its breaker is closed, or this is
 * the one message a second, of a lane that has none there already. */
bool duet_outbox_may_send(const struct duet_lane *lane, enum duet_side side);
/* What time brings for the breakers. Lock: not held. */
void duet_outbox_look_at_sides(struct duet_outbox *outbox, int64_t now_ms);

/* Hands the message to the side's sender. As duet_sender_send(); DT_ECLOSED: it has ended. */
dt_status duet_outbox_send(struct duet_outgoing *outgoing, enum duet_side side);
/* Whether the side would refuse the message, as far as that can be told before. */
dt_status duet_outbox_check(struct duet_outgoing *outgoing, enum duet_side side);

/* Whether a message that the primary has is done only when the other side has it, too: where the
 * configuration says so, and while a live side is not the primary. */
bool duet_outbox_waits_for_both(const struct duet_outgoing *outgoing);

/* The message's one answer: counts it, and leaves the callback in `answer`. Again: no-op. */
void duet_outbox_answer(struct duet_outgoing *outgoing, struct duet_answer *answer,
                        duet_result result, const char *format, ...) DT_PRINTF(4, 5);
/* Lock: not held. */
void duet_answer_run(const struct duet_answer *answer);
/* The same for who has several: kept for duet_outbox_run_later(). False without memory. */
bool duet_outbox_answer_later(struct duet_outgoing *outgoing, duet_result result,
                              const char *format, ...) DT_PRINTF(3, 4);
/* Lock: not held. */
void duet_outbox_run_later(struct duet_outbox *outbox);

/* ---- the primary ---- */

/* Hands the lane's new messages to the primary's sender, in order, as far as it takes them. */
void duet_outbox_pump_primary(struct duet_lane *lane);
/* Takes out of the primary list; the message is no more of its bytes and count. */
void duet_outbox_primary_take(struct duet_outgoing *outgoing);
/* A message of the primary list may or may not be stored, and nobody is left to tell. Frees it. */
void duet_outbox_in_doubt(struct duet_outgoing *outgoing, enum duet_side side,
                          const char *reason, struct duet_answer *answer);
/* A message of the primary list ends without being stored anywhere. Frees it. */
void duet_outbox_cancel(struct duet_outgoing *outgoing, const char *reason,
                        struct duet_answer *answer);
/* The lane's primary has the message: it is owed to the other side, or gone. Takes it. */
void duet_outbox_primary_done(struct duet_outgoing *outgoing, struct duet_answer *answer);

/* ---- the secondary ---- */

/* The primary has the message: it is owed to the secondary, or given up there. Takes it. */
void duet_outbox_owe_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                               struct duet_answer *answer);
/* The one side that has it keeps it alone: whoever waits for both is told. */
void duet_outbox_keep_alone(struct duet_outgoing *outgoing, enum duet_side missing,
                            const char *reason, struct duet_answer *answer);
/* A copy that is in no list any more is owed no longer. Frees it. */
void duet_outbox_secondary_gone(struct duet_outbox *outbox, struct duet_outgoing *outgoing);
/* Appends to the secondary list; the bytes are counted by the caller. */
void duet_outbox_secondary_append(struct duet_outgoing *outgoing);
/* Takes out of the secondary list. */
void duet_outbox_secondary_take(struct duet_outgoing *outgoing);
/* Hands the lane's copies to the sender, in order, as far as it takes them. */
void duet_outbox_pump(struct duet_lane *lane);
/* What a sender said of a copy in the secondary list. */
void duet_outbox_secondary_sent(struct duet_outgoing *outgoing, enum duet_side side,
                                enum duet_outcome outcome, const char *reason,
                                struct duet_answer *answer);

/* ---- the change of primary ---- */

/* The primary a lane begins with, once the journal is known. */
void duet_lane_choose_primary(struct duet_lane *lane);
/* Goes as far towards the plan's primary as it may now. */
void duet_lane_change(struct duet_lane *lane);

#endif
