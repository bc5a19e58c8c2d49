/*
 * masters.h - the brokers that must be asked one after the other: those of all clusters, of a
 * topic, of a group.
 *
 * Thread: any but the net loop.
 */
#ifndef RMQ_MASTERS_H
#define RMQ_MASTERS_H

#include "rmq/ask.h"
#include "rmq/naming.h"

struct rmq_one_master {
    char name[RMQ_NAME_SIZE];
    char cluster[RMQ_NAME_SIZE];
    char address[RMQ_ADDRESS_SIZE];
};

struct rmq_masters {
    struct rmq_one_master *all; /* in the order of the name server's answer */
    size_t count;
};

/* Every cluster that a name server knows, as a route without queues (106); rmq_route_free(). */
DT_MUST_USE dt_status rmq_fetch_cluster(struct rmq_client *client, int64_t deadline_ms,
                                        struct rmq_route **out);

/**
 * Masters of every cluster; or of the one of that name; or of the brokers of a topic; or of those
 * that a group can be known to. Empty, for rmq_masters_fini(), unless DT_OK.
 * @returns DT_OK, with one at least; DT_EUNREACH; DT_ENOROUTE: no such topic; DT_ENOTFOUND: no
 *          such cluster; DT_ENOMEM ...
 */
DT_MUST_USE dt_status rmq_masters_of_all(struct rmq_client *client, int64_t deadline_ms,
                                         struct rmq_masters *out);
DT_MUST_USE dt_status rmq_masters_of_cluster(struct rmq_client *client, const char *cluster,
                                             int64_t deadline_ms, struct rmq_masters *out);
DT_MUST_USE dt_status rmq_masters_of_topic(struct rmq_client *client, const char *topic,
                                           int64_t deadline_ms, struct rmq_masters *out);
DT_MUST_USE dt_status rmq_masters_of_group(struct rmq_client *client, const char *group,
                                           int64_t deadline_ms, struct rmq_masters *out);
void rmq_masters_fini(struct rmq_masters *masters);

/**
 * Asks one master, by address. @returns as rmq_ask_address(); and DT_EUNSUPPORTED: the broker does
 * not know such a request.
 */
DT_MUST_USE dt_status rmq_ask_master(struct rmq_ask *ask,
                                     const struct rmq_one_master *master);

/* Checks what each of these functions is given: a client, a place for the result, some time. */
DT_MUST_USE dt_status rmq_admin_check(const rmq_client *client, const void *out,
                                      const void *count, int64_t timeout_ms);

/* Puts the client's namespace before a name, which then may lie in `room`, and checks it.
 * DT_EINVAL. */
DT_MUST_USE dt_status rmq_admin_topic(const rmq_client *client, const char **topic,
                                      char room[RMQ_FULL_NAME_SIZE]);
DT_MUST_USE dt_status rmq_admin_group(const rmq_client *client, const char **group,
                                      char room[RMQ_FULL_NAME_SIZE]);

#endif
