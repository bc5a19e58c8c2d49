/*
 * brokers.h - Kafka and RocketMQ in memory, for sandbox and demo.
 */
#ifndef CLI_BROKERS_H
#define CLI_BROKERS_H

#include "rmq/mock.h"
#include "side/kafka_mock.h"

struct cli_brokers {
    struct duet_kafka_mock *kafka;
    rmq_mock *rocketmq;
};

dt_status cli_brokers_start(struct cli_brokers *brokers);
void cli_brokers_stop(struct cli_brokers *brokers);
/* Creates the topic on both; the RocketMQ name is mapped. */
dt_status cli_brokers_topic(struct cli_brokers *brokers, const char *topic,
                            int32_t partitions);

#endif
