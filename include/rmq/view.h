/*
 * view.h - single messages: by the address of the copy, or by key.
 *
 * Threads, ownership, times and the outcomes that all have: admin.h. Messages come as a batch, as
 * a pull consumer gives it: the caller's, rmq_batch_free(). Its bounds and offsets say nothing;
 * each message has its own queue id and offset.
 */
#ifndef RMQ_VIEW_H
#define RMQ_VIEW_H

#include "rmq/client.h"
#include "rmq/message.h"
#include "rmq/pull_consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The message of an offset message id, as rmq_receipt has it (code 33). The id holds the broker's
 * address; one that no route names is connected to all the same, so take ids from who you trust.
 * @param id   32 or 56 hex digits.
 * @param topic the message's; NULL: not checked (brokers with ACL of 5.x want it).
 * @returns DT_OK with a batch of one (of several for an inner batch); DT_EINVAL: no such id;
 *          DT_ENOTFOUND: nothing is stored there any more, or of another topic.
 */
DT_API DT_MUST_USE dt_status rmq_view_by_id(rmq_client *client, const char *id,
                                            const char *topic, int64_t timeout_ms,
                                            rmq_batch **out);

/**
 * Messages of a topic that have the key among their KEYS, or as UNIQ_KEY, which is what users see
 * as message id (12). Every broker of the topic is asked for the newest of them; brokers look by a
 * 32-bit hash, what only shares that is left out here.
 *
 * @param begin_ms,end_ms stored in [begin_ms, end_ms], since 1970; 0 and INT64_MAX: whenever.
 * @param max   of each broker, 1 to 64: brokers give no more at once. To see others, narrow the
 *              time.
 * @returns DT_OK; DT_ENOTFOUND: no message has it; DT_ENOROUTE: no such topic. What was stored
 *          in the last moments may not be found yet: brokers enter keys behind storing.
 */
DT_API DT_MUST_USE dt_status rmq_view_by_key(rmq_client *client, const char *topic,
                                             const char *key, int32_t max, int64_t begin_ms,
                                             int64_t end_ms, int64_t timeout_ms,
                                             rmq_batch **out);

#ifdef __cplusplus
}
#endif
#endif
