/* producer_statistics.h - what a producer has counted, as numbers and as a document. */
#ifndef DUAL_PRODUCER_STATISTICS_H
#define DUAL_PRODUCER_STATISTICS_H

#include "dual/outbox.h"
#include "dual/statistics.h"

void duet_outbox_statistics(struct duet_outbox *outbox, duet_producer_stats *out);

/* For how long the oldest message that is not everywhere has been under way: in seconds, never less
 * than it is, 0 if there is none. Lock: outbox->lock held. */
int64_t duet_outbox_oldest_s(const struct duet_outbox *outbox, int64_t now_wall_ms);

/* Gives one, if it is due. Thread: the producer's own. */
void duet_producer_give_statistics(struct duet_statistics *statistics,
                                   const struct duet_session *session,
                                   struct duet_outbox *outbox);

#endif
