#include "side/kafka_mock.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#include "base/status.h"

struct duet_kafka_mock {
    rd_kafka_t *handle; /* the cluster lives in a handle that does nothing else */
    rd_kafka_mock_cluster_t *cluster;
};

dt_status duet_kafka_mock_start(struct duet_kafka_mock **out)
{
    struct duet_kafka_mock *mock = calloc(1, sizeof(*mock));
    rd_kafka_conf_t *conf;
    char text[256];

    *out = NULL;
    if (mock == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for an in-memory Kafka");
    conf = rd_kafka_conf_new();
    /* below warnings: that it has no bootstrap.servers is as it should be */
    rd_kafka_conf_set(conf, "log_level", "4", NULL, 0);
    mock->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (mock->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        free(mock);
        return dt_error_set(DT_EIO, "starting an in-memory Kafka: %s", text);
    }
    mock->cluster = rd_kafka_mock_cluster_new(mock->handle, 1);
    if (mock->cluster == NULL) {
        duet_kafka_mock_stop(mock);
        return dt_error_set(DT_EIO, "starting an in-memory Kafka failed");
    }
    *out = mock;
    return DT_OK;
}

void duet_kafka_mock_stop(struct duet_kafka_mock *mock)
{
    if (mock == NULL)
        return;
    if (mock->cluster != NULL)
        rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->handle);
    free(mock);
}

const char *duet_kafka_mock_address(const struct duet_kafka_mock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

dt_status duet_kafka_mock_topic(struct duet_kafka_mock *mock, const char *topic,
                                int32_t partitions)
{
    rd_kafka_resp_err_t error =
        rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1);

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return DT_OK;
    return dt_error_set(
        error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? DT_EEXIST : DT_EREFUSED,
        "in-memory Kafka: creating topic '%s': %s", topic, rd_kafka_err2str(error));
}

void duet_kafka_mock_set_down(struct duet_kafka_mock *mock, bool down)
{
    if (down)
        rd_kafka_mock_broker_set_down(mock->cluster, 1);
    else
        rd_kafka_mock_broker_set_up(mock->cluster, 1);
}
