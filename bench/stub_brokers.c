/*
 * stub_brokers - librdkafka's mock cluster and the in-memory RocketMQ as a process of their own,
 * so that the CPU of a client that is measured is the client's alone.
 *
 *   stub_brokers TOPIC PARTITIONS
 *
 * Prints KAFKA=host:port and NAMESRV=host:port when both have the topic. RocketMQ's half keeps
 * nothing of what it is sent, Kafka's the last 5 MiB of a partition. Ends when its stdin does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "rmq/mock.h"
#include "side/kafka_mock.h"

int main(int argc, char **argv)
{
    const rmq_mock_config config = {.forgets = true};
    struct duet_kafka_mock *kafka = NULL;
    rmq_mock *rocketmq = NULL;
    dt_status status;

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: stub_brokers TOPIC PARTITIONS\n");
        return 2;
    }
    status = duet_kafka_mock_start(&kafka);
    if (status == DT_OK)
        status = duet_kafka_mock_topic(kafka, argv[1], atoi(argv[2]));
    if (status == DT_OK)
        status = rmq_mock_new(&config, &rocketmq);
    if (status == DT_OK)
        status = rmq_mock_topic_create(rocketmq, argv[1], atoi(argv[2]));
    if (status == DT_OK) {
        printf("KAFKA=%s\nNAMESRV=%s\n", duet_kafka_mock_address(kafka),
               rmq_mock_namesrv(rocketmq));
        fflush(stdout);
        while (getchar() != EOF)
            ;
    } else {
        fprintf(stderr, "stub_brokers: %s\n", dt_error_text());
    }
    rmq_mock_free(rocketmq);
    duet_kafka_mock_stop(kafka);
    return status == DT_OK ? 0 : 1;
}
