/*
 * kafka_mock.h - librdkafka's in-memory Kafka, for the sandbox, the demo and tests.
 *
 * Its limits: 5 MiB per partition, then older messages vanish; no create-topic request; no
 * restart with data. Other processes reach it over loopback.
 */
#ifndef SIDE_KAFKA_MOCK_H
#define SIDE_KAFKA_MOCK_H

#include <stdint.h>

#include "rmq/status.h"

struct duet_kafka_mock;

dt_status duet_kafka_mock_start(struct duet_kafka_mock **out);
void duet_kafka_mock_stop(struct duet_kafka_mock *mock);
const char *duet_kafka_mock_address(const struct duet_kafka_mock *mock); /* host:port */
dt_status duet_kafka_mock_topic(struct duet_kafka_mock *mock, const char *topic,
                                int32_t partitions);
/* Down: connections are cut and refused; what is stored stays. */
void duet_kafka_mock_set_down(struct duet_kafka_mock *mock, bool down);

#endif
