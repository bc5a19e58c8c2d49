/*
 * spill.h - what is owed to the secondary and does not fit into memory: a journal on disk.
 *
 * A lane's copies stand in three places, oldest first:
 *
 *   the secondary list  in memory: with the sender, or about to be
 *   the journal         what came while half of the bound was used, or something of the lane was
 *                       in the journal already
 *   the behind list     in memory again: what the journal could not take (full, disk full)
 *
 * A copy in the journal whose callback waits for both sides leaves a stub without its bytes in
 * memory, at most half of the bound; beyond that the callback runs as in doubt.
 *
 * Copies move up in that order only, so that a lane is never reordered. A thread of its own reads
 * the journal back while the sender has room; nobody else waits for the disk.
 *
 * For each side a lane of the outbox is two lanes of the journal: `front` holds what was left in
 * memory when a producer was closed, and is older than what stands in `main`. One side at a time
 * has anything there, since a lane changes its primary only when nothing is owed to the new one.
 *
 * Lock: outbox->lock held, but where another thing is said.
 */
#ifndef DUAL_SPILL_H
#define DUAL_SPILL_H

#include "dual/outbox.h"

/**
 * Opens the journal in `folder`, finds what an earlier process owes, and puts what is damaged into
 * the outbox's ledger. Before the first put; the senders are there. Lock: not held.
 * @returns DT_OK; what duet_journal_open() returns; DT_ENOMEM.
 */
DT_MUST_USE dt_status duet_spill_open(struct duet_outbox *outbox, const char *folder,
                                      int64_t size_max);

/* The same for a journal of another producer, which is to be taken over. */
DT_MUST_USE dt_status duet_spill_adopt(struct duet_outbox *outbox, const char *folder,
                                       int64_t size_max);

/* Starts to read back what is owed: once the ledger has reached the control store, since what is
 * damaged is not found any more when what stands around it is done. No journal: no-op. DT_ENOMEM. */
DT_MUST_USE dt_status duet_spill_start(struct duet_outbox *outbox);

/* Stops reading back. Before the senders are freed. Lock: not held. */
void duet_spill_stop(struct duet_outbox *outbox);

/* With both senders gone: keeps what they never stored for the next start; what cannot be kept
 * stays in the lists. Lock: not held. */
void duet_spill_keep(struct duet_outbox *outbox);

/* Lock: not held. Nothing open: no-op. */
void duet_spill_close(struct duet_outbox *outbox);

/* Whether the journal holds copies of the lane for this side. */
bool duet_spill_owes(const struct duet_lane *lane, enum duet_side side);

/* Whether new copies of the lane have to queue behind what is not in the secondary list. */
bool duet_spill_is_behind(const struct duet_lane *lane);

/* Takes the copy if it belongs into the journal or behind it. False: not taken, it belongs into
 * the secondary list. `critical`: it may not be dropped, and fits into the bound. */
bool duet_spill_take(struct duet_lane *lane, struct duet_outgoing *outgoing, bool critical,
                     bool *dropped);

/* The secondary has stored or refused a copy that came from the journal. */
void duet_spill_done(struct duet_lane *lane, const struct duet_outgoing *outgoing);

/* Lets go of stubs whose callback has run. */
void duet_spill_forget_stubs(struct duet_lane *lane);

/* The lane has room for more from the journal. */
void duet_spill_wake(struct duet_outbox *outbox);

#endif
