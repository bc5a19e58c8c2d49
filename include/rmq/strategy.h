/*
 * strategy.h - how the members of a consumer group divide the queues of a topic.
 */
#ifndef RMQ_STRATEGY_H
#define RMQ_STRATEGY_H

#include <stddef.h>

#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a strategy knows. Everything is borrowed for the call. */
typedef struct rmq_division {
    const char *group;          /* whose members divide */
    const char *topic;          /* whose queues are divided */
    const char *client_id;      /* ours; it is one of the members */
    const char *const *members; /* client ids, sorted, each once */
    size_t member_count;        /* at least 1 */
    const rmq_queue *queues;    /* of the topic, sorted by broker name and queue id */
    size_t queue_count;         /* how many */
} rmq_division;

/**
 * Chooses our queues: writes them to `mine`, which has room for all, and returns how many. Every
 * queue must go to exactly one member when each member computes this: the result may depend on
 * nothing but the division. Called on the consumer's own thread; queues that are not of the topic
 * are passed over.
 */
typedef size_t (*rmq_divide_fn)(void *opaque, const rmq_division *division,
                                rmq_queue *mine);

/** The same results as the Java client's strategies of these names. */
typedef enum rmq_strategy {
    RMQ_STRATEGY_AVERAGE,         /* neighbouring queues: AllocateMessageQueueAveragely */
    RMQ_STRATEGY_CIRCLE,          /* in turn: AllocateMessageQueueAveragelyByCircle */
    RMQ_STRATEGY_CONSISTENT_HASH, /* AllocateMessageQueueConsistentHash, 10 virtual nodes */
    RMQ_STRATEGY_OWN              /* `divide` of the settings */
} rmq_strategy;

#ifdef __cplusplus
}
#endif
#endif
