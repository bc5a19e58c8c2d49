/*
 * kafka.h - what the files of the Kafka side share: the client, its handles, its errors.
 *
 * librdkafka has one handle type for everything; here is one handle per purpose, all from one
 * template of the user's properties. Only side/kafka_*.c includes this.
 */
#ifndef SIDE_KAFKA_H
#define SIDE_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "side/ops.h"

struct duet_kafka_group { /* a handle that may ask and commit for one group */
    struct duet_kafka_group *next;
    rd_kafka_t *handle;
    char name[];
};

struct duet_kafka_client {
    struct duet_side_client base;
    rd_kafka_conf_t *template; /* the user's properties ... */
    char **settings;           /* ... and their names */
    size_t setting_count;
    rd_kafka_t *admin; /* a consumer without a group: asking never creates a topic */
    pthread_mutex_t lock;
    struct duet_kafka_group *groups; /* lock held */
};

/* DT_EINVAL names the property. */
dt_status duet_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);
dt_status duet_kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);
/* Sets what the user's properties do not. */
dt_status duet_kafka_set_default(rd_kafka_conf_t *conf,
                                 const struct duet_kafka_client *client, const char *name,
                                 int64_t value);

/* A handle from `conf`, which is consumed in any case. `what` is for the error's sentence. */
dt_status duet_kafka_handle_take(rd_kafka_conf_t *conf, rd_kafka_type_t type,
                                 const char *what, rd_kafka_t **out);

/* The sentence and status of an error of librdkafka's. */
dt_status duet_kafka_error(rd_kafka_resp_err_t error, const char *format, ...)
    DT_PRINTF(2, 3);
dt_status duet_kafka_status(rd_kafka_resp_err_t error);

static inline int duet_kafka_timeout(int64_t timeout_ms)
{
    return timeout_ms > 3600000 ? 3600000 : timeout_ms < 1 ? 1 : (int)timeout_ms;
}

/* kafka_client.c: DT_EUNSUPPORTED where `what` is more than the cluster can do. */
dt_status duet_kafka_can_administer(struct duet_kafka_client *client, const char *what,
                                    int64_t timeout_ms);

/* kafka_group.c */
dt_status duet_kafka_committed(struct duet_side_client *client,
                               const struct duet_plan_route *route, const char *group,
                               int32_t partition, int64_t timeout_ms, int64_t *position);
dt_status duet_kafka_commit(struct duet_side_client *client,
                            const struct duet_plan_route *route, const char *group,
                            int32_t partition, int64_t position, int64_t timeout_ms);
dt_status duet_kafka_foreign_member(struct duet_side_client *client,
                                    const struct duet_plan_route *route, const char *group,
                                    const char *self, int64_t timeout_ms, bool *found,
                                    char member[DUET_NAME_SIZE]);
void duet_kafka_groups_free(struct duet_kafka_client *client);

/* kafka_sender.c, kafka_reader.c */
dt_status duet_kafka_sender_new(struct duet_side_client *client, size_t memory_max,
                                duet_sent_fn sent, void *context, struct duet_sender **out);
dt_status duet_kafka_reader_new(struct duet_side_client *client,
                                const struct duet_reader_config *config,
                                struct duet_reader **out);

#endif
