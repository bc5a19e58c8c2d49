/*
 * admin.h - looking after topics, groups, offsets and messages.
 *
 *     topic.h    topics: create, change, delete, list, queues, statistics
 *     group.h    groups: create, change, delete, list, progress, members, reset
 *     offset.h   bounds of queues, offsets by time, committed offsets
 *     cluster.h  brokers: of all clusters, or of a topic's route
 *     view.h     single messages: by id, by key
 *
 * What holds for every function in there:
 *
 * Thread: any but the client's network thread (so not from a callback: DT_ESTATE); several at
 * once. They wait for at most timeout_ms milliseconds (> 0), retries inside it included; a broker
 * that is busy, or a connection that breaks, is tried again until then.
 *
 * Strings and structures given are borrowed for the call. A block that is given out is one piece
 * of memory: the caller's, to be freed with rmq_free(); NULL and 0 unless DT_OK, and NULL when
 * there is nothing in it.
 *
 * Names stand without the namespace of the client (rmq/client.h), which is put before them on the way;
 * lists of all names, and names of retry and dead-letter topics, are as brokers have them.
 *
 * Outcomes beside a function's own: DT_EINVAL (an argument that cannot be, nothing was asked);
 * DT_ENOMEM; DT_ESTATE; DT_ECLOSED (the client is being freed); DT_EUNREACH (no name server or
 * broker could be reached in time: nothing was changed, as far as is known); DT_EREFUSED (a
 * broker said no, its code and words are in dt_error_text()); DT_EBUSY (a broker was too busy all
 * the time: nothing was changed); DT_ECORRUPT (an answer that is none); DT_EUNSUPPORTED (this
 * broker is too old); DT_EINDOUBT (a request that changes something was sent and not answered,
 * or carried out on some brokers and not on others). All that change something may be called
 * again after any outcome: done twice, they do the same as once.
 *
 * What many brokers must agree on is sent to each master in turn, and the first failure ends it.
 */
#ifndef RMQ_ADMIN_H
#define RMQ_ADMIN_H

#include "rmq/cluster.h"
#include "rmq/group.h"
#include "rmq/offset.h"
#include "rmq/topic.h"
#include "rmq/view.h"

#endif
