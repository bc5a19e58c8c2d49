/*
 * spill_inside.h - what spill_open.c (its life), spill.c (into the journal) and spill_replay.c (back
 * out) share.
 */
#ifndef DUAL_SPILL_INSIDE_H
#define DUAL_SPILL_INSIDE_H

#include "dual/spill.h"

/* Of a partition's lanes in the journal, front is read first. Its bit in the lane's side. */
enum { SPILL_FRONT, SPILL_MAIN, SPILL_FRONT_BIT = 0x80 };

/* Lock: outbox->lock held. Puts the copy into the journal's lane for the side it is for. What
 * duet_journal_append() returns. */
dt_status duet_spill_append(struct duet_lane *lane, int which,
                            const struct duet_outgoing *outgoing, uint64_t *lsn);

/* A copy that was read back takes over from its stub. */
void duet_spill_take_stub(struct duet_outgoing *outgoing);

/* Lock: outbox->lock held. What waits behind the journal goes into it, or, with nothing left to
 * read there, into the secondary list. */
void duet_spill_settle_behind(struct duet_lane *lane);

/* spill_damage.c; Lock: not held. Puts what the damage took into the ledger. `journal` is the
 * outbox's before it is used, else one that is looked at. DT_EIO, DT_ENOMEM. */
dt_status duet_spill_isolate(struct duet_outbox *outbox, struct duet_journal *journal,
                             const struct duet_journal_damage *damage);
/* The same for what reading came across since the last call. */
dt_status duet_spill_isolate_found(struct duet_outbox *outbox);
/* Lanes of the journal without a name get theirs from their messages' stamps; what cannot be
 * given to any partition is listed. Before the first append. */
dt_status duet_spill_name_lanes(struct duet_outbox *outbox);
/* Lock: held. A record that is whole, and no message. */
void duet_spill_isolate_record(struct duet_lane *lane, enum duet_side side, uint64_t lsn,
                               const char *reason);

/* The thread; its argument is the outbox. */
void *duet_spill_run(void *outbox);

#endif
