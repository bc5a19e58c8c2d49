/*
 * change.h - advance and rollback: the controller's part of a step.
 *
 * The controller writes wishes into the plan; instances carry them out in the groups' own stores
 * and report it. Any controller may die at any instruction: what is left is a plan that says
 * what is wished, and the next command completes it or leads it back.
 *
 * Order of a switch to RocketMQ:
 *   1. rocketmq becomes critical (trouble there is the application's from now on)
 *   2. every producer that has not ended in order confirms that plan, also one that has not been
 *      heard of lately: it may be cut off from the store and go on (--force waits for it no more)
 *   3. wishes and step are written in one transaction with the audit line
 *   4. every living instance carries them out
 *   5. kafka is critical no more once no group is live there
 * A way back writes the wishes at once and waits for nobody first; rocketmq stops being critical
 * when every living instance has left it.
 */
#ifndef CONTROL_CHANGE_H
#define CONTROL_CHANGE_H

#include "control/snapshot.h"

struct duet_change {
    const char *topic;      /* NULL: all routes */
    const char *group;      /* NULL: all groups */
    const char *partitions; /* "0,2,3" or "25%"; NULL: all */
    bool dry_run, force;
    const char *reason; /* goes to the audit log; NULL: none */
    int64_t wait_ms;    /* for instances, each time one waits */
    bool has_to;        /* rollback */
    enum duet_step to;
    bool (*interrupted)(void); /* asked while waiting; NULL: never */
};

struct duet_change_step {
    char topic[DUET_NAME_SIZE];
    char group[DUET_NAME_SIZE]; /* "": the whole route */
    enum duet_step from, to;
};

struct duet_change_result {
    struct duet_change_step *steps;
    size_t step_count;
    struct duet_gate *refused; /* gates that did not hold: in the way, or overridden */
    size_t refused_count;
    bool done; /* nothing was in the way; false is exit code 1 */
};

void duet_change_result_fini(struct duet_change_result *result);

/**
 * One step forward of what is selected.
 * @param counter counts the logs before gates are judged.
 * @returns DT_OK, result->done says whether it went through; DT_EINVAL: the selection is wrong
 * (unknown names, numbers, a part before dual-read); DT_ECLOSED: interrupted, the wish stays;
 * else as the store says.
 */
dt_status duet_advance(struct duet_store *store, struct duet_log_count *counter,
                       const struct duet_gate_limits *limits,
                       const struct duet_change *change, struct duet_change_result *result);

/* The way back, at any step but the last; needs no gate and no broker. Outcomes as above. */
dt_status duet_rollback(struct duet_store *store, const struct duet_change *change,
                        struct duet_change_result *result);

#endif
