#include "cli/brokers.h"

#include <stddef.h>

#include "base/status.h"
#include "model/mapping.h"

dt_status cli_brokers_start(struct cli_brokers *brokers)
{
    dt_status status;

    brokers->kafka = NULL;
    brokers->rocketmq = NULL;
    status = duet_kafka_mock_start(&brokers->kafka);
    if (status == DT_OK)
        status = rmq_mock_new(NULL, &brokers->rocketmq);
    if (status != DT_OK)
        cli_brokers_stop(brokers);
    return status;
}

void cli_brokers_stop(struct cli_brokers *brokers)
{
    rmq_mock_free(brokers->rocketmq);
    if (brokers->kafka != NULL)
        duet_kafka_mock_stop(brokers->kafka);
    brokers->kafka = NULL;
    brokers->rocketmq = NULL;
}

dt_status cli_brokers_topic(struct cli_brokers *brokers, const char *topic,
                            int32_t partitions)
{
    char name[DUET_RMQ_TOPIC_MAX + 1];
    dt_status status = duet_name_to_rocketmq(name, sizeof(name), topic, DUET_RMQ_TOPIC_MAX);

    if (status == DT_OK)
        status = duet_kafka_mock_topic(brokers->kafka, topic, partitions);
    if (status == DT_OK)
        status = rmq_mock_topic_create(brokers->rocketmq, name, partitions);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "topic '%s'", topic);
}
