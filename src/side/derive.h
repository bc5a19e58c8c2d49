/*
 * derive.h - the identity of a record that nobody stamped (docs/wire-format.md).
 *
 * Only side/ includes this. Pure.
 */
#ifndef SIDE_DERIVE_H
#define SIDE_DERIVE_H

#include "config/zone.h"
#include "model/stamp.h"

struct duet_derive {
    uint8_t key_number;
    uint32_t topic_number;
    const struct duet_zone *zone;
};

/* Where and when a record was found. */
struct duet_found {
    int32_t partition;
    int64_t position;
    int64_t timestamp_ms; /* -1: none */
    int64_t store_ms;     /* RocketMQ only */
};

/* Kind 1; the leader epoch is not known to librdkafka 2.0, so boot is 0. */
void duet_derive_kafka(struct duet_stamp *stamp, const struct duet_derive *derive,
                       const struct duet_found *found);
/* Kind 2; boot is a hash of the store time, so that a re-used position is another id. */
void duet_derive_rocketmq(struct duet_stamp *stamp, const struct duet_derive *derive,
                          const struct duet_found *found);

#endif
