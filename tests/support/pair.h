/*
 * pair.h - a Kafka and a RocketMQ in memory with a migration on them, for component tests.
 *
 * The plan is written straight into the store: what the command adds around it has its own
 * tests. Everything lies in a temporary folder that pair_stop() removes.
 */
#ifndef SUPPORT_PAIR_H
#define SUPPORT_PAIR_H

#include "config/config.h"
#include "config/keys.h"
#include "rmq/mock.h"
#include "side/kafka_mock.h"
#include "side/reader.h"
#include "side/sender.h"
#include "store/control_store.h"
#include "store/sink.h"

#define PAIR_TOPIC "flights"
#define PAIR_GROUP "stats"

struct pair {
    struct duet_kafka_mock *kafka;
    rmq_mock *rocketmq;
    char folder[64];
    char config_path[128];
    char sink[128]; /* "sqlite:FOLDER/sink" */
    struct duet_config *config;
    struct duet_keys keys;
    struct duet_store *store;
    struct duet_plan *plan; /* as loaded last */
};

/* `settings`: more lines for the configuration file, or "". Fails the test if it cannot. */
void pair_start(struct pair *pair, int32_t partitions, enum duet_step step,
                const char *settings);
/* More keys of the route for the next pair_start() only, such as ", ack: both". */
void pair_route(const char *settings);
void pair_stop(struct pair *pair);

/* Changes the plan: the step, the live role's wish for every partition, the critical sides. */
void pair_plan(struct pair *pair, enum duet_step step, enum duet_side wish,
               unsigned critical);

/* Sends a record with an id of instance `instance`, boot 0, to one side only, as a producer's
 * copy; waits until it is stored. `value` is text. */
void pair_send(struct pair *pair, enum duet_side side, int32_t partition, uint32_t instance,
               uint64_t sequence, const char *value);

/* The same under any id and with a link, if there are entries. */
void pair_send_linked(struct pair *pair, enum duet_side side, const struct duet_id *id,
                      const char *value, const struct duet_link_entry *entries,
                      size_t entry_count);

/* The ids (sequence numbers) of a side's log partition, in order, by reading it to its end. */
size_t pair_log(struct pair *pair, enum duet_side side, int32_t partition,
                uint64_t *sequences, size_t max);

/* Calls `visit` for each record of a side's log partition, in order. */
void pair_each(struct pair *pair, enum duet_side side, int32_t partition,
               void (*visit)(void *context, const struct duet_read_record *record),
               void *context);

/* Waits until `condition` holds, at most 30 s; false then. Polls: for what lies in a file. */
bool pair_wait(bool (*condition)(void *context), void *context);

/* One number from an SQL query on a database file; -1 if there is none. */
int64_t pair_number(const char *sink, enum duet_role role, const char *sql);

#endif
