/*
 * group.h - consumer groups: create, change, delete, list, progress, members, reset.
 *
 * Threads, ownership, times and the outcomes that all have: admin.h.
 *
 * A group lives on each broker by itself. Questions go to the masters that have the group's retry
 * topic (%RETRY%group), which the first heartbeat of a member makes; where no name server knows
 * that, to all masters of all clusters.
 */
#ifndef RMQ_GROUP_H
#define RMQ_GROUP_H

#include "rmq/client.h"
#include "rmq/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a group is. Start from rmq_group_defaults() when one is to be put. */
typedef struct rmq_group_config {
    bool consume_enable;     /* false: brokers refuse its pulls */
    bool from_min_enable;    /* a new group may start at the oldest message */
    bool broadcast_enable;   /* members may broadcast */
    bool orderly;            /* consumed in order, for POP consumers */
    bool notify_members;     /* members are told when others come and go */
    int32_t retry_queues;    /* of its retry topic, per broker; 1 */
    int32_t retry_max;       /* deliveries after the first, then the dead letters; 16 */
    int32_t consume_minutes; /* 15 */
    int64_t broker_id;       /* where members read from; 0: the master */
    int64_t slow_broker_id;  /* where, while the master is behind; 1 */
    char broker_name[128];   /* filled only: whose this is */
} rmq_group_config;

/** What brokers give a group that they make themselves. Thread: any; never fails. */
DT_API rmq_group_config rmq_group_defaults(void);

/**
 * Creates the group or makes it so, on every master of every cluster (code 200).
 * @param config NULL: rmq_group_defaults().
 */
DT_API DT_MUST_USE dt_status rmq_group_put(rmq_client *client, const char *group,
                                           const rmq_group_config *config,
                                           int64_t timeout_ms);

/**
 * What the group is on each master that has it (201, so that nothing is created by asking).
 * @returns DT_OK; DT_ENOTFOUND: no master has it.
 */
DT_API DT_MUST_USE dt_status rmq_group_config_get(rmq_client *client, const char *group,
                                                  rmq_group_config **out, size_t *count,
                                                  int64_t timeout_ms);

/**
 * Deletes the group from every master of every cluster (207). A member that lives makes it again
 * with its next heartbeat. Its retry and dead-letter topics, which hold messages, stay: see
 * rmq_topic_delete(). A group that is not there: DT_OK.
 * @param clean_offsets what it has committed goes, too (4.9 and later).
 */
DT_API DT_MUST_USE dt_status rmq_group_delete(rmq_client *client, const char *group,
                                              bool clean_offsets, int64_t timeout_ms);

/**
 * The names of all groups that some master knows (201), sorted, each once; those that brokers
 * bring along included.
 * @param out NULL-terminated array.
 */
DT_API DT_MUST_USE dt_status rmq_group_list(rmq_client *client, char ***out, size_t *count,
                                            int64_t timeout_ms);

/** How far a group is in a queue. */
typedef struct rmq_progress {
    char topic[256];         /* NUL-terminated */
    rmq_queue queue;         /* of it */
    int64_t broker_offset;   /* the next to be written */
    int64_t consumer_offset; /* the next to be read, as committed */
    int64_t diff;            /* the one less the other: messages not yet read */
    int64_t last_ms; /* when what was read last had been stored, since 1970; 0 unknown */
} rmq_progress;

/**
 * How far the group is in each queue of what it reads or has read, its retry topic included
 * (208); sorted by topic, broker name and queue id.
 * @param topic only of this one; NULL: of all.
 * @returns DT_OK, also with nothing: a group that no broker knows has read nothing.
 */
DT_API DT_MUST_USE dt_status rmq_group_progress(rmq_client *client, const char *group,
                                                const char *topic, rmq_progress **out,
                                                size_t *count, int64_t timeout_ms);

/** A member of a group, as a broker sees it. */
typedef struct rmq_connection {
    char client_id[320]; /* ip@instance_name, of clients of this library */
    char address[80];    /* "ip:port" of its end, of one of its connections */
    char language[16];   /* "JAVA", "CPP" ... "" where the broker does not know it */
    int32_t version;     /* of the protocol, an ordinal: 479 */
    char release[24];    /* the same for people: "5.3.3", "4.9.4-SNAPSHOT"; "" unknown */
} rmq_connection;

/**
 * The members that are connected now (203), each client id once, sorted.
 * @returns DT_OK, also with nobody.
 */
DT_API DT_MUST_USE dt_status rmq_group_connections(rmq_client *client, const char *group,
                                                   rmq_connection **out, size_t *count,
                                                   int64_t timeout_ms);

/**
 * The client ids that the brokers of `topic` know as members of `group` (38).
 * @param out NULL-terminated array, free with rmq_free() (one block). An empty group gives an
 * empty array and DT_OK.
 * @returns DT_OK; DT_ENOROUTE: the name server does not know the topic.
 */
DT_API DT_MUST_USE dt_status rmq_group_members(rmq_client *client, const char *group,
                                               const char *topic, int64_t timeout_ms,
                                               char ***out, size_t *count);

/** Where a reset has put a group. */
typedef struct rmq_position {
    rmq_queue queue; /* of the topic */
    int64_t offset;  /* the next to be read */
} rmq_position;

/** wall_ms of rmq_group_reset(): the end of each queue. */
#define RMQ_RESET_TO_END (-1)

/**
 * Puts the group to a time, on every queue of a topic: the next message it reads is the first
 * that was stored at it or later (222, isForce=true).
 *
 * Brokers from 5.2 on keep the new offset themselves and give it to whoever pulls next. Those
 * before tell the members that are online (220), which drop what they have read ahead; a group
 * without members is committed there (29, 30, 15). Messages that are being processed meanwhile
 * may be committed over it by members that do not know of resets: stop these first.
 *
 * @param wall_ms since 1970, or RMQ_RESET_TO_END.
 * @param out     where each queue is now, sorted by broker name and queue id; may be NULL with
 *                `count` NULL.
 * @returns DT_OK; DT_ENOROUTE: the name server does not know the topic; DT_ENOTFOUND: a broker
 *          before 5.2 has never heard of the group.
 */
DT_API DT_MUST_USE dt_status rmq_group_reset(rmq_client *client, const char *group,
                                             const char *topic, int64_t wall_ms,
                                             rmq_position **out, size_t *count,
                                             int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
