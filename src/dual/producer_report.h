/*
 * producer_report.h - what a producer tells the control store: counts, ledger, heartbeat.
 *
 * Thread: the producer's own (or its closer's), one at a time; takes the outbox's lock only to
 * copy. A store that cannot be reached costs nothing but lateness: all of it is absolute and
 * sent again.
 */
#ifndef DUAL_PRODUCER_REPORT_H
#define DUAL_PRODUCER_REPORT_H

#include "dual/outbox.h"

/* `closed`: the last report of this boot. Returns what the store said. */
dt_status duet_producer_report(struct duet_session *session, struct duet_outbox *outbox,
                               bool closed);

/* Only what left the normal path. What did not arrive goes with the next call. */
dt_status duet_producer_report_ledger(struct duet_session *session,
                                      struct duet_outbox *outbox);

#endif
