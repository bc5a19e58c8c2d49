/*
 * outbox_inside.h - what the outbox's files share: outbox.c its life, outbox_primary.c the way in
 * and the primary's outcomes, outbox_secondary.c the copies that are owed, outbox_ledger.c what
 * left the normal path.
 *
 * Lock: outbox->lock held, all of it but where another thing is said.
 */
#ifndef DUAL_OUTBOX_INSIDE_H
#define DUAL_OUTBOX_INSIDE_H

#include "dual/outbox.h"
#include "dual/outgoing.h"

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
void duet_outbox_note_in_doubt(const struct duet_outgoing *outgoing, enum duet_side side,
                               const char *reason, bool resolved);

/* ---- the secondary ---- */

/* The primary has the message: it is owed to the secondary, or given up there. Takes it. */
void duet_outbox_owe_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing);
/* A copy that is in no list any more is owed no longer. Frees it. */
void duet_outbox_secondary_gone(struct duet_outbox *outbox, struct duet_outgoing *outgoing);
/* Hands the lane's copies to the sender, in order, as far as it takes them. */
void duet_outbox_pump(struct duet_lane *lane);

#endif
