/*
 * offset.h - bounds of queues, offsets by time, and what groups have committed.
 *
 * Threads, ownership, times and the outcomes that all have: admin.h. Beside these: DT_ENOROUTE
 * (the name server does not know the topic, or the broker does not have it).
 */
#ifndef RMQ_OFFSET_H
#define RMQ_OFFSET_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** First offset that is still stored (code 31), and the next one to be written (30). */
DT_API DT_MUST_USE dt_status rmq_offset_min(rmq_client *client, const char *topic,
                                            const rmq_queue *queue, int64_t timeout_ms,
                                            int64_t *offset);
/** The next offset to be written; as rmq_offset_min(). */
DT_API DT_MUST_USE dt_status rmq_offset_max(rmq_client *client, const char *topic,
                                            const rmq_queue *queue, int64_t timeout_ms,
                                            int64_t *offset);

/** Of the messages around a time, the first stored at it or later (the queue's end if there is
 * none), or the last stored at it or before (the queue's beginning if there is none). */
typedef enum rmq_boundary { RMQ_BOUNDARY_LOWER, RMQ_BOUNDARY_UPPER } rmq_boundary;

/** An offset by the time at which the broker stored (29). @param wall_ms since 1970. Brokers
 * before 5.1.4 know the lower boundary only; those before 5.1 answer the last message for a time
 * behind it, instead of the end. */
DT_API DT_MUST_USE dt_status rmq_offset_by_time(rmq_client *client, const char *topic,
                                                const rmq_queue *queue, int64_t wall_ms,
                                                rmq_boundary boundary, int64_t timeout_ms,
                                                int64_t *offset);

/** The group's committed offset: the next one to read (14, with setZeroIfNotFound=false; a 4.x
 * broker may answer 0 for a new group on a young topic). DT_ENOTFOUND: none is stored. */
DT_API DT_MUST_USE dt_status rmq_offset_query(rmq_client *client, const char *group,
                                              const char *topic, const rmq_queue *queue,
                                              int64_t timeout_ms, int64_t *offset);

/** Sets it (15). DT_ENOTFOUND: the broker has never heard of the group; rmq_group_put(), the
 * first heartbeat or the first pull of a member creates it. */
DT_API DT_MUST_USE dt_status rmq_offset_commit(rmq_client *client, const char *group,
                                               const char *topic, const rmq_queue *queue,
                                               int64_t offset, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
