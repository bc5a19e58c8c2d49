/*
 * topic.h - topics: create, change, delete, list, their queues and statistics.
 *
 * Threads, ownership, times and the outcomes that all have: admin.h.
 */
#ifndef RMQ_TOPIC_H
#define RMQ_TOPIC_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bits of a topic's permissions. */
enum { RMQ_TOPIC_WRITE = 2, RMQ_TOPIC_READ = 4 };

/**
 * Creates the topic, or changes its number of queues, on every master of the cluster that is
 * called DefaultCluster, or of the only one; readable and writable (code 17).
 * @param queues read and write queues per broker, 1 to 65535.
 * @returns DT_OK when every master has it *and* the name server gives out its route;
 *          DT_EINDOUBT also when the masters have it and the name server does not show it yet.
 */
DT_API DT_MUST_USE dt_status rmq_topic_create(rmq_client *client, const char *topic,
                                              int32_t queues, int64_t timeout_ms);

/** What a topic is on its brokers. Start from {0} when one is to be put. */
typedef struct rmq_topic_config {
    int32_t read_queues;  /* per broker, 1 to 65535 */
    int32_t write_queues; /* the same */
    int32_t perm;         /* RMQ_TOPIC_READ | RMQ_TOPIC_WRITE; 0: both */
    bool order;           /* for people: brokers treat such a topic as any other */
    const char
        *attributes;     /* 5.x: "+message.type=FIFO,-reserve.time"; NULL: none. Not filled
                               by rmq_topic_config_get(). */
    const char *cluster; /* only its masters; NULL: as rmq_topic_create(). Not filled. */
    char broker_name[128]; /* filled only: whose this is */
} rmq_topic_config;

/**
 * Creates the topic or makes it so, on every master of a cluster (17). To take queues away, lower
 * write_queues first, let consumers read what is left, then lower read_queues.
 * @returns DT_OK and DT_EINDOUBT as rmq_topic_create(); DT_ENOTFOUND: no such cluster.
 */
DT_API DT_MUST_USE dt_status rmq_topic_put(rmq_client *client, const char *topic,
                                           const rmq_topic_config *config,
                                           int64_t timeout_ms);

/**
 * What the topic is on each master that has it (351; brokers before 5.0 answer with their whole
 * table, 21).
 * @param out sorted as the route is: one for each broker.
 * @returns DT_OK; DT_ENOROUTE: the name server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_config_get(rmq_client *client, const char *topic,
                                                  rmq_topic_config **out, size_t *count,
                                                  int64_t timeout_ms);

/**
 * Deletes the topic and its messages from every master of every cluster (215), then from each
 * name server of the client's list (216): on DT_OK none of these knows it. Committed offsets of
 * groups may stay. A topic that is not there is deleted already: DT_OK.
 */
DT_API DT_MUST_USE dt_status rmq_topic_delete(rmq_client *client, const char *topic,
                                              int64_t timeout_ms);

/**
 * The names of all topics that a name server knows (206), sorted, the system's own, %RETRY% and
 * %DLQ% included.
 * @param out NULL-terminated array.
 */
DT_API DT_MUST_USE dt_status rmq_topic_list(rmq_client *client, char ***out, size_t *count,
                                            int64_t timeout_ms);

/**
 * The queues that can be written (or read), sorted by broker name and queue id (105).
 * @param out the caller's, rmq_free(). @param count how many.
 * @returns DT_OK (asks the name server again, never only the cache); DT_ENOROUTE: the name
 * server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_write_queues(rmq_client *client, const char *topic,
                                                    rmq_queue **out, size_t *count,
                                                    int64_t timeout_ms);
/** Those that can be read; as rmq_topic_write_queues(). */
DT_API DT_MUST_USE dt_status rmq_topic_read_queues(rmq_client *client, const char *topic,
                                                   rmq_queue **out, size_t *count,
                                                   int64_t timeout_ms);

/** What a queue holds. */
typedef struct rmq_queue_stats {
    rmq_queue queue;         /* which */
    int64_t min_offset;      /* the first message still stored */
    int64_t max_offset;      /* the next to be written */
    int64_t last_updated_ms; /* when the last was stored, since 1970; 0: none is there */
} rmq_queue_stats;

/**
 * What each queue of the topic holds, by its masters (202); sorted by broker name and queue id.
 * @returns DT_OK; DT_ENOROUTE: the name server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_stats(rmq_client *client, const char *topic,
                                             rmq_queue_stats **out, size_t *count,
                                             int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
