/*
 * admin.h - topics, offsets and groups, asked of name servers and brokers.
 *
 * These block for at most timeout_ms (> 0), retries inside it included. Beside their own
 * outcomes each may return DT_EINVAL, DT_ENOMEM, DT_ESTATE (called from a callback), DT_ECLOSED,
 * DT_EUNREACH (no name server or broker could be reached in time: nothing was changed, as far
 * as is known), DT_EREFUSED (the broker's answer is in the text), DT_EBUSY (the broker was too
 * busy all the time), DT_ECORRUPT (an answer that is none), DT_EINDOUBT (a changing request was
 * sent and not answered).
 */
#ifndef RMQ_ADMIN_H
#define RMQ_ADMIN_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Creates the topic, or changes its number of queues, on every master of the default cluster.
 * @param queues read and write queues per broker, 1 to 65535.
 * @returns DT_OK when every master has it *and* the name server gives out its route.
 */
DT_API DT_MUST_USE dt_status rmq_topic_create(rmq_client *client, const char *topic,
                                              int32_t queues, int64_t timeout_ms);

/**
 * The queues that can be written (or read), sorted by broker name and queue id.
 * @param out the caller's, free() it with rmq_free(). @param count how many.
 * @returns DT_OK (asks the name server again, never only the cache); DT_ENOROUTE: the name
 * server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_write_queues(rmq_client *client, const char *topic,
                                                    rmq_queue **out, size_t *count,
                                                    int64_t timeout_ms);
DT_API DT_MUST_USE dt_status rmq_topic_read_queues(rmq_client *client, const char *topic,
                                                   rmq_queue **out, size_t *count,
                                                   int64_t timeout_ms);

/** First offset that is still stored (codes 31), and the next one to be written (30). */
DT_API DT_MUST_USE dt_status rmq_offset_min(rmq_client *client, const char *topic,
                                            const rmq_queue *queue, int64_t timeout_ms,
                                            int64_t *offset);
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
/** Sets it (15). DT_ENOTFOUND: the broker has never heard of the group; the first heartbeat or
 * pull of a member creates it. */
DT_API DT_MUST_USE dt_status rmq_offset_commit(rmq_client *client, const char *group,
                                               const char *topic, const rmq_queue *queue,
                                               int64_t offset, int64_t timeout_ms);

/**
 * The client ids that the brokers of `topic` know as members of `group` (38).
 * @param out NULL-terminated array, free with rmq_free() (one block). An empty group gives an
 * empty array and DT_OK.
 */
DT_API DT_MUST_USE dt_status rmq_group_members(rmq_client *client, const char *group,
                                               const char *topic, int64_t timeout_ms,
                                               char ***out, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
