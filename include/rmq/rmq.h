/*
 * rmq.h - a native client for Apache RocketMQ 4.9 and 5.x (remoting protocol).
 *
 * Stands alone: nothing in here knows Kafka or a migration.
 *
 * A client owns one network thread, the connections and the route cache; producers and
 * consumers live on a client. Every function may be called from any thread unless its comment
 * says otherwise. Callbacks run on the client's network thread: they must not block and must
 * not call a function that waits (those return DT_ESTATE there); they may start asynchronous
 * work. No callback runs with a lock of the library held.
 *
 * Times are milliseconds. Strings are NUL-terminated UTF-8 unless a size stands beside them.
 * On failure dt_error_text() says what and where, on the thread that got the status.
 */
#ifndef RMQ_RMQ_H
#define RMQ_RMQ_H

#include "rmq/admin.h"
#include "rmq/client.h"
#include "rmq/consumer.h"
#include "rmq/log.h"
#include "rmq/message.h"
#include "rmq/producer.h"
#include "rmq/pull_consumer.h"
#include "rmq/status.h"
#include "rmq/strategy.h"

#endif
