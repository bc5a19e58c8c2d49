/*
 * naming.h - which names of topics and groups brokers take, and how a namespace stands in them.
 * Pure.
 *
 * A namespace is a prefix that clients put before the names of their users and take off again:
 * `orders` of namespace MQ_INST_1 is `MQ_INST_1%orders` to a broker, and a group's retry topic is
 * `%RETRY%MQ_INST_1%group`.
 */
#ifndef RMQ_NAMING_H
#define RMQ_NAMING_H

#include "rmq/codes.h"
#include "rmq/status.h"

/* DT_OK, or DT_EINVAL with a sentence. Letters, digits, % | - and _; 127 or 255 bytes. */
DT_MUST_USE dt_status rmq_topic_name_check(const char *topic);
DT_MUST_USE dt_status rmq_group_name_check(const char *group);

/* Letters, digits, - and _; "" or NULL is none. */
DT_MUST_USE dt_status rmq_namespace_check(const char *space);

/* What brokers call it: `name` itself without a namespace, for the system's own names, for one
 * that has the namespace already, and for NULL; else in `room`. What is too long stays so, for
 * the checks above to refuse. */
enum { RMQ_FULL_NAME_SIZE = 2 * (RMQ_GROUP_SIZE_MAX + 1) };
const char *rmq_namespace_wrap(const char *space, const char *name,
                               char room[RMQ_FULL_NAME_SIZE]);

/* What users call it: a place in `name`. A retry or dead-letter topic keeps it: the namespace
 * stands in its middle. */
const char *rmq_namespace_strip(const char *space, const char *name);

#endif
