/*
 * naming.h - which names of topics and groups brokers take. Pure.
 */
#ifndef RMQ_NAMING_H
#define RMQ_NAMING_H

#include "rmq/status.h"

/* DT_OK, or DT_EINVAL with a sentence. Letters, digits, % | - and _; 127 or 255 bytes. */
DT_MUST_USE dt_status rmq_topic_name_check(const char *topic);
DT_MUST_USE dt_status rmq_group_name_check(const char *group);

#endif
