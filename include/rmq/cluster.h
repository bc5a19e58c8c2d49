/*
 * cluster.h - brokers: of all clusters that a name server knows, or of one topic's route.
 *
 * Threads, ownership, times and the outcomes that all have: admin.h.
 */
#ifndef RMQ_CLUSTER_H
#define RMQ_CLUSTER_H

#include "rmq/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One address: a master, or a slave, of a broker name. */
typedef struct rmq_broker {
    char cluster[128];    /* that it is of */
    char name[128];       /* the same for a master and its slaves */
    int64_t broker_id;    /* 0: the master */
    char address[272];    /* "host:port" */
    int32_t read_queues;  /* of a topic's route; 0 for a cluster, as the two below */
    int32_t write_queues; /* of a topic's route */
    int32_t perm;         /* RMQ_TOPIC_READ | RMQ_TOPIC_WRITE */
} rmq_broker;

/** Every broker that a name server knows (code 106), sorted by cluster, name and id. */
DT_API DT_MUST_USE dt_status rmq_cluster_brokers(rmq_client *client, rmq_broker **out,
                                                 size_t *count, int64_t timeout_ms);

/**
 * Who serves a topic (105), sorted in the same way. A name server is asked, never the cache.
 * @returns DT_OK; DT_ENOROUTE: it does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_topic_route(rmq_client *client, const char *topic,
                                             rmq_broker **out, size_t *count,
                                             int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
