/*
 * plan.h - the plan of a migration: what is written where, and who is to read from where.
 *
 * One version number for all of it; instances adopt a plan while running and confirm its
 * version. The plan says what is wished; what is, stands in the groups' own stores.
 *
 * Plain values; a plan is built by the store and freed whole.
 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "model/steps.h"

#define DUET_NAME_SIZE        250 /* Kafka's longest topic name and a NUL */
#define DUET_BROKER_NAME_SIZE 128

struct duet_plan_queue { /* partition n of a route is this queue */
    char broker_name[DUET_BROKER_NAME_SIZE];
    int32_t queue_id;
};

struct duet_plan_group {
    char name[DUET_NAME_SIZE];
    enum duet_side
        *wish; /* of the live role, per partition; the shadow reads the other side */
};

struct duet_plan_route {
    char topic[DUET_NAME_SIZE];          /* Kafka's name */
    char rocketmq_topic[DUET_NAME_SIZE]; /* RocketMQ's */
    uint32_t topic_number;               /* of derived ids */
    int32_t partitions;
    enum duet_step step;
    enum duet_write write;
    unsigned critical; /* bit per side: some group is live there, or about to be */
    struct duet_plan_queue *queues; /* per partition */
    struct duet_plan_group *groups;
    size_t group_count;
    int64_t dual_write_since_ms; /* wall clock; 0: not yet */
};

struct duet_plan {
    int64_t version;
    char migration[DUET_NAME_SIZE];
    char timezone[64];
    uint8_t key_number;
    char key_fingerprint[17];
    struct duet_plan_route *routes; /* sorted by topic */
    size_t route_count;
};

void duet_plan_free(struct duet_plan *plan);
/* Deep copy, or NULL without memory. */
struct duet_plan *duet_plan_copy(const struct duet_plan *plan);
struct duet_plan_route *duet_plan_find(const struct duet_plan *plan, const char *topic);
struct duet_plan_group *duet_plan_find_group(const struct duet_plan_route *route,
                                             const char *group);

#endif
