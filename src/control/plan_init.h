/*
 * plan_init.h - the first plan of a migration: topics on both sides, the key file, the store.
 */
#ifndef CONTROL_PLAN_INIT_H
#define CONTROL_PLAN_INIT_H

#include "config/config.h"
#include "config/keys.h"
#include "store/control_store.h"

/**
 * Creates what is missing; running it again changes nothing. Topics that are there must have the
 * partitions of the configuration.
 *
 * @param created out: there was no plan before.
 * @param plan    out, the caller's: the plan in the store.
 * @returns DT_OK; DT_ECONFLICT: there is a plan and the file differs (the sentence says where);
 * DT_EINVAL: other partition counts, colliding names, a bad key file; DT_EUNREACH; DT_EIO ...
 */
dt_status duet_plan_create(const struct duet_config *config, bool *created,
                           struct duet_plan **plan);

/* The plan that the configuration asks for, without queues and key. DT_EINVAL: two routes of one
 * RocketMQ topic. */
dt_status duet_plan_of_config(const struct duet_config *config, struct duet_plan **out);

struct duet_plan_difference {
    char what[DUET_NAME_SIZE + 64];
    char in_plan[128], in_file[128];
};
/* What the file asks for that the stored plan does not have, and the other way round. The array
 * is the caller's, free(). */
dt_status duet_plan_differences(const struct duet_config *config,
                                const struct duet_plan *plan,
                                struct duet_plan_difference **out, size_t *count);

/* The migration's keys, checked against the plan. DT_EINVAL: another key. */
dt_status duet_plan_keys(const struct duet_config *config, const struct duet_plan *plan,
                         struct duet_keys *keys);

#endif
