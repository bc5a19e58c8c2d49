/*
 * rmq_idle - how much memory a client takes that has done its work and waits.
 *
 *   rmq_idle NAMESRV TOPIC
 *
 * One client with a producer that has sent a message to each queue and a consumer that holds a
 * long poll on each. Prints {"rss_kib":N}: the resident size of the whole process.
 */
#include <stdio.h>
#include <string.h>

#include "rmq/rmq.h"

enum { TIMEOUT_MS = 10000 };

static long rss_kib(void)
{
    char line[256];
    long size = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &size) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return size;
}

static dt_status work(rmq_client *client, const char *topic, rmq_producer *producer,
                      rmq_pull_consumer *consumer)
{
    const rmq_message message = {.topic = topic, .body = "idle", .body_size = 4};
    rmq_queue *queues = NULL;
    size_t count = 0;
    rmq_batch *batch = NULL;
    dt_status status = rmq_topic_write_queues(client, topic, &queues, &count, TIMEOUT_MS);

    for (size_t i = 0; i < count && status == DT_OK; i++) {
        status = rmq_send(producer, &queues[i], &message, TIMEOUT_MS, NULL);
        if (status == DT_OK)
            status = rmq_pull_consumer_assign_from(consumer, &queues[i], RMQ_START_LAST, 0,
                                                   TIMEOUT_MS, NULL);
    }
    rmq_free(queues);
    if (status == DT_OK) /* until the polls are under way: nothing comes */
        status = rmq_pull_consumer_poll(consumer, 2000, &batch);
    rmq_batch_free(batch);
    return status == DT_ETIMEDOUT ? DT_OK : status;
}

int main(int argc, char **argv)
{
    const rmq_client_config config = {.namesrv = argc == 3 ? argv[1] : NULL};
    const rmq_producer_config producing = {.group = "bench-idle"};
    const rmq_pull_consumer_config consuming = {.topic = argc == 3 ? argv[2] : NULL,
                                                .group = "bench-idle"};
    rmq_client *client = NULL;
    rmq_producer *producer = NULL;
    rmq_pull_consumer *consumer = NULL;
    dt_status status = rmq_client_new(&config, &client);

    if (status == DT_OK)
        status = rmq_producer_new(client, &producing, &producer);
    if (status == DT_OK)
        status = rmq_pull_consumer_new(client, &consuming, &consumer);
    if (status == DT_OK)
        status = work(client, argv[2], producer, consumer);
    if (status == DT_OK)
        printf("{\"rss_kib\":%ld}\n", rss_kib());
    else
        fprintf(stderr, "rmq_idle: %s\n", dt_error_text());
    rmq_pull_consumer_free(consumer);
    rmq_producer_free(producer);
    rmq_client_free(client);
    return status == DT_OK ? 0 : 1;
}
