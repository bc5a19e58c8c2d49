/*
 * assign.h - which of a topic's queues a member of a group reads.
 *
 * Every member computes this for itself, Java clients among them: the results are those of the
 * Java client's strategies, to the queue. Members and queues must come sorted, as rmq_members_sort
 * and rmq_queues_sort leave them.
 *
 * Pure.
 */
#ifndef RMQ_ASSIGN_H
#define RMQ_ASSIGN_H

#include "rmq/strategy.h"

/**
 * Writes our queues to `mine`, which has room for all, in the order of the queues.
 *
 * @returns DT_OK, also with none (we are not one of the members); DT_ENOMEM.
 */
DT_MUST_USE dt_status rmq_assign(rmq_strategy strategy, const rmq_division *division,
                                 rmq_queue *mine, size_t *mine_count);

/* By their bytes; what stands there twice is left out. How many are left. */
size_t rmq_members_sort(char **members, size_t count);
size_t rmq_queues_sort(rmq_queue *queues, size_t count);

/* Where a queue stands among sorted ones; `count`: nowhere. */
size_t rmq_queues_find(const rmq_queue *queues, size_t count, const rmq_queue *queue);

int rmq_queue_compare(const rmq_queue *a, const rmq_queue *b);

#endif
