/* The property names that RocketMQ keeps for itself (MessageConst of its Java code, and what
 * brokers, the proxy and timers add). */
#include "model/mapping.h"

#include <stdlib.h>

/* Ascending as memcmp() orders them. */
static const char *const reserved[] = {
    "1ST_POP_TIME",
    "ARRIVE_TIME",
    "BORN_TIMESTAMP",
    "BUYER_ID",
    "CHECK_IMMUNITY_TIME_IN_SECONDS",
    "CLUSTER",
    "CONSUME_START_TIME",
    "CORRECTION_FLAG",
    "CORRELATION_ID",
    "DELAY",
    "DLQ_ORIGIN_MESSAGE_ID",
    "DLQ_ORIGIN_TOPIC",
    "DUP_INFO",
    "EXTEND_UNIQ_INFO",
    "INNER_BASE",
    "INNER_MULTI_DISPATCH",
    "INNER_MULTI_QUEUE_OFFSET",
    "INNER_NUM",
    "INSTANCE_ID",
    "KEYS",
    "LITE_TOPIC",
    "MAX_OFFSET",
    "MAX_RECONSUME_TIMES",
    "MIN_OFFSET",
    "MQ2_FLAG",
    "MSG_REGION",
    "MSG_TYPE",
    "ORIGIN_MESSAGE_ID",
    "PGROUP",
    "POP_CK",
    "POP_CK_OFFSET",
    "PROPERTY_FORWARD_QUEUE_ID",
    "PUSH_REPLY_TIME",
    "REAL_QID",
    "REAL_TOPIC",
    "RECONSUME_TIME",
    "REDIRECT",
    "REPLY_TO_CLIENT",
    "RETRY_TOPIC",
    "TAGS",
    "TIMER_DELAY_LEVEL",
    "TIMER_DELAY_MS",
    "TIMER_DELAY_SEC",
    "TIMER_DELIVER_MS",
    "TIMER_DEL_UNIQKEY",
    "TIMER_DEQUEUE_MS",
    "TIMER_ENGINE_TYPE",
    "TIMER_ENQUEUE_MS",
    "TIMER_OUT_MS",
    "TIMER_ROLL_LABEL",
    "TIMER_ROLL_TIMES",
    "TRACE_CONTEXT",
    "TRACE_ON",
    "TRANSACTION_CHECK_TIMES",
    "TRANSFER_FLAG",
    "TRAN_MSG",
    "TRAN_PREPARED_QUEUE_OFFSET",
    "TTL",
    "UNIQ_KEY",
    "WAIT",
    "__BORNHOST",
    "__CRC32#",
    "__RMQ.TRANSIENT.",
    "__SHARDINGKEY",
    "__STARTDELIVERTIME",
    "__transactionId__",
};

#define TRANSIENT_PREFIX "__RMQ.TRANSIENT."

static int compare_name(const void *key, const void *element)
{
    const struct dt_span *name = key;
    const char *const *text = element;
    size_t size = strlen(*text);
    int order = memcmp(name->data, *text, name->size < size ? name->size : size);

    if (order != 0)
        return order;
    return (name->size > size) - (name->size < size);
}

bool duet_property_reserved(struct dt_span name)
{
    size_t prefix = strlen(TRANSIENT_PREFIX);

    if (name.size == 0)
        return false;
    if (name.size > prefix && memcmp(name.data, TRANSIENT_PREFIX, prefix) == 0)
        return true;
    return bsearch(&name, reserved, sizeof(reserved) / sizeof(reserved[0]),
                   sizeof(reserved[0]), compare_name) != NULL;
}
