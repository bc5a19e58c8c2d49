/* consumer_statistics.h - what a consumer has counted, as a document. */
#ifndef DUAL_CONSUMER_STATISTICS_H
#define DUAL_CONSUMER_STATISTICS_H

#include "dual/role.h"
#include "dual/statistics.h"

/* Gives one, if it is due. Thread: duet_consumer_run()'s. */
void duet_consumer_give_statistics(struct duet_statistics *statistics,
                                   const struct duet_session *session, const char *group,
                                   struct duet_role_thread roles[DUET_ROLES]);

#endif
