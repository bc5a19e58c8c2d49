/*
 * gather.h - a table out of the answers of several brokers: the frame that functions of the
 * administration share.
 *
 *   begin    checks what the function was given, empties its result
 *   names    of topic and group, as brokers see them
 *   each     asks the masters one after the other; their answers go into `rows`
 *   end      gives the rows out, sorted, and frees the rest
 *
 * Thread: any but the net loop.
 */
#ifndef RMQ_GATHER_H
#define RMQ_GATHER_H

#include "rmq/masters.h"
#include "rmq/rows.h"

struct rmq_gather {
    struct rmq_client *client;
    int64_t deadline_ms;
    const char *topic, *group; /* NULL: not named */
    struct rmq_masters masters;
    const char *broker_name; /* of the master that is asked */
    struct rmq_rows rows;
    void **out;
    size_t *count;
    char topic_room[RMQ_FULL_NAME_SIZE], group_room[RMQ_FULL_NAME_SIZE];
};

/* DT_EINVAL. After a failure of these three there is nothing to end. */
DT_MUST_USE dt_status rmq_gather_begin(struct rmq_gather *gather, rmq_client *client,
                                       size_t item_size, int64_t timeout_ms, void **out,
                                       size_t *count);
DT_MUST_USE dt_status rmq_gather_topic(struct rmq_gather *gather, const char *topic);
DT_MUST_USE dt_status rmq_gather_group(struct rmq_gather *gather, const char *group);

/* Unless `status`, of finding the masters, is a failure: ask() for each of them, until one fails. */
typedef dt_status (*rmq_gather_fn)(struct rmq_gather *gather,
                                   const struct rmq_one_master *master);
DT_MUST_USE dt_status rmq_gather_each(struct rmq_gather *gather, dt_status status,
                                      rmq_gather_fn ask);

/* compare() NULL: in the order of the answers. A failure's sentence begins with `what 'name'`. */
DT_MUST_USE dt_status rmq_gather_end(struct rmq_gather *gather, dt_status status,
                                     int (*compare)(const void *a, const void *b),
                                     const char *what, const char *name);

#endif
