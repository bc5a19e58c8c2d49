/*
 * kafka_batch.h - Kafka messages as a batch of records, which borrow from them.
 *
 * Only side/kafka_reader.c includes this.
 */
#ifndef SIDE_KAFKA_BATCH_H
#define SIDE_KAFKA_BATCH_H

#include <librdkafka/rdkafka.h>

#include "side/derive.h"
#include "side/ops.h"

struct duet_kafka_origin { /* of a reader's messages; borrowed during the call */
    const char *topic;
    const struct duet_stamp_key *stamp_key;
    struct duet_derive derive;
};

/* Makes a batch of `count` messages of one partition, at least one, none an error. It owns the
 * messages from then on; NULL (no memory): they stay the caller's. */
struct duet_read_batch *duet_kafka_batch_take(const struct duet_kafka_origin *origin,
                                              rd_kafka_message_t **messages, size_t count);

#endif
