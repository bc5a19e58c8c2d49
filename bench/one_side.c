/*
 * one_side - what a message costs that is written to one side alone: to Kafka with librdkafka, or
 * to RocketMQ with librmq, without anything of duet between. The peers of dual_write.
 *
 *   one_side --kafka ADDRESS|--namesrv ADDRESS --topic T --count N [--warmup N] [--size B]
 *            [--window N] [--partitions N] [--stamped]
 *
 * Sends as duet does: to Kafka idempotently, without client-side expiry, all other settings
 * librdkafka's own; to RocketMQ in ordered lanes with automatic batches. --stamped adds what
 * makes the bytes those of a dual write: a header of 28 bytes, a property of 38 characters.
 *
 * Prints one JSON object, as dual_write.
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "rmq/rmq.h"

enum { QUEUES_MAX = 64, POLL_EVERY = 64, TIMEOUT_MS = 60000 };

static const char stamp_text[] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
static struct load_window window = LOAD_WINDOW;
static struct load_message message;

struct load {
    const char *topic;
    long size, partitions;
    bool stamped;
    /* one of them */
    rd_kafka_t *kafka;
    rmq_producer *rocketmq;
    rd_kafka_topic_t *kafka_topic;
    rmq_queue queues[QUEUES_MAX];
};

/* ---- Kafka ---- */

static void kafka_answered(rd_kafka_t *handle, const rd_kafka_message_t *sent, void *opaque)
{
    (void)handle, (void)opaque;
    if (load_answered(&window, sent->err == RD_KAFKA_RESP_ERR_NO_ERROR))
        fprintf(stderr, "%s\n", rd_kafka_err2str(sent->err));
}

static rd_kafka_t *kafka_open(const char *address)
{
    static const char *const settings[][2] = {{"enable.idempotence", "true"},
                                              {"message.timeout.ms", "0"},
                                              {"queue.buffering.max.messages", "10000000"},
                                              {"partitioner", "murmur2_random"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text)) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", text);
            return NULL;
        }
    rd_kafka_conf_set(conf, "bootstrap.servers", address, text, sizeof(text));
    rd_kafka_conf_set_dr_msg_cb(conf, kafka_answered);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
}

static bool kafka_send(struct load *load, long n)
{
    if (n % POLL_EVERY == 0)
        rd_kafka_poll(load->kafka, 0);
    while (window.outstanding >= window.limit)
        rd_kafka_poll(load->kafka, 100);
    window.outstanding++;
    if (!load->stamped)
        return rd_kafka_produce(load->kafka_topic, RD_KAFKA_PARTITION_UA,
                                RD_KAFKA_MSG_F_COPY, message.body, (size_t)load->size,
                                message.key, message.key_size, NULL) == 0;
    return rd_kafka_producev(load->kafka, RD_KAFKA_V_RKT(load->kafka_topic),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_VALUE(message.body, (size_t)load->size),
                             RD_KAFKA_V_KEY(message.key, message.key_size),
                             RD_KAFKA_V_HEADER("duet", stamp_text, 28),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- RocketMQ ---- */

static void rocketmq_answered(void *opaque, dt_status status, const char *reason,
                              const rmq_receipt *receipt)
{
    (void)opaque, (void)receipt;
    if (load_answered(&window, status == DT_OK))
        fprintf(stderr, "%s\n", reason);
}

static bool rocketmq_open(struct load *load, const char *namesrv, rmq_client **client)
{
    const rmq_client_config config = {.namesrv = namesrv};
    const rmq_producer_config producing = {.group = "one-side",
                                           .memory_max = (size_t)1 << 30};
    rmq_queue *queues = NULL;
    size_t count = 0;

    if (rmq_client_new(&config, client) != DT_OK ||
        rmq_producer_new(*client, &producing, &load->rocketmq) != DT_OK ||
        rmq_topic_write_queues(*client, load->topic, &queues, &count, TIMEOUT_MS) != DT_OK)
        return false;
    if (count > QUEUES_MAX)
        count = QUEUES_MAX;
    memcpy(load->queues, queues, count * sizeof(queues[0]));
    if (load->partitions > (long)count)
        load->partitions = (long)count;
    rmq_free(queues);
    return count > 0;
}

static bool rocketmq_send(struct load *load, long n)
{
    static const rmq_property stamp = {"DUET", stamp_text};
    const rmq_message sent = {.topic = load->topic,
                              .body = message.body,
                              .body_size = (size_t)load->size,
                              .keys = message.key,
                              .properties = &stamp,
                              .property_count = load->stamped};

    load_take_room(&window);
    return rmq_send_async(load->rocketmq, &load->queues[n % load->partitions], &sent,
                          RMQ_NO_DEADLINE, rocketmq_answered, NULL) == DT_OK;
}

/* ---- both ---- */

static bool run(struct load *load, long count)
{
    bool good = true;

    for (long n = 0; n < count && good; n++) {
        load_make(&message, n);
        good = load->kafka != NULL ? kafka_send(load, n) : rocketmq_send(load, n);
    }
    if (load->kafka != NULL)
        while (window.outstanding > 0 && good)
            rd_kafka_poll(load->kafka, 100);
    else if (good)
        load_wait(&window, 0);
    return good;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"kafka", required_argument, NULL, 'k'},
        {"namesrv", required_argument, NULL, 'r'},
        {"topic", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'n'},
        {"warmup", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 's'},
        {"window", required_argument, NULL, 'W'},
        {"partitions", required_argument, NULL, 'p'},
        {"stamped", no_argument, NULL, 'S'},
        {NULL, 0, NULL, 0},
    };
    static struct load load = {.size = 128, .partitions = 4};
    const char *kafka = NULL, *namesrv = NULL;
    rmq_client *client = NULL;
    long count = 0, warmup = 0;
    int option;
    bool good;

    window.limit = 512;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'k':
            kafka = optarg;
            break;
        case 'r':
            namesrv = optarg;
            break;
        case 't':
            load.topic = optarg;
            break;
        case 'n':
            count = atol(optarg);
            break;
        case 'w':
            warmup = atol(optarg);
            break;
        case 's':
            load.size = atol(optarg);
            break;
        case 'W':
            window.limit = atol(optarg);
            break;
        case 'p':
            load.partitions = atol(optarg);
            break;
        case 'S':
            load.stamped = true;
            break;
        default:
            return 2;
        }
    }
    if ((kafka == NULL) == (namesrv == NULL) || load.topic == NULL || count < 1 ||
        load.size < 8 || load.size > LOAD_SIZE_MAX || window.limit < 2 ||
        load.partitions < 1) {
        fprintf(stderr,
                "usage: one_side --kafka ADDRESS|--namesrv ADDRESS --topic T --count N "
                "[--warmup N] [--size B] [--window N] [--partitions N] [--stamped]\n");
        return 2;
    }
    if (kafka != NULL) {
        load.kafka = kafka_open(kafka);
        if (load.kafka != NULL)
            load.kafka_topic = rd_kafka_topic_new(load.kafka, load.topic, NULL);
        good = load.kafka_topic != NULL;
    } else {
        good = rocketmq_open(&load, namesrv, &client);
    }
    good = good && run(&load, warmup);
    const double cpu = load_cpu_us();
    const int64_t begin_us = load_now_us();
    good = good && run(&load, count);
    const double used = load_cpu_us() - cpu;
    const double seconds = (double)(load_now_us() - begin_us) / 1e6;
    if (load.kafka_topic != NULL)
        rd_kafka_topic_destroy(load.kafka_topic);
    if (load.kafka != NULL)
        rd_kafka_destroy(load.kafka);
    rmq_producer_free(load.rocketmq);
    rmq_client_free(client);
    if (!good) {
        fprintf(stderr, "one_side: sending failed\n");
        return 1;
    }
    printf("{\"messages\":%ld,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us_per_message\":%.3f,"
           "\"errors\":%ld}\n",
           count, seconds, (double)count / seconds, used / (double)count,
           (long)window.failed);
    return window.failed == 0 ? 0 : 1;
}
