/*
 * partition.h - which partition a key belongs to: Kafka's murmur2, as its Java client does it.
 *
 * Pure. Fixed before the first send, over the partition count written in the plan, so a key has
 * one partition on both sides whatever client reads it.
 */
#ifndef MODEL_PARTITION_H
#define MODEL_PARTITION_H

#include "base/span.h"

uint32_t duet_murmur2(struct dt_span bytes);
/* (murmur2 & 0x7fffffff) mod partitions; partitions > 0. */
int32_t duet_partition_of_key(struct dt_span key, int32_t partitions);

#endif
