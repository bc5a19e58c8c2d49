/*
 * rmq_stub - the in-memory RocketMQ as a process of its own, for programs that are measured.
 *
 *   rmq_stub TOPIC QUEUES [FILL SIZE]
 *
 * Prints its name server's address when it serves and the topic holds FILL messages of SIZE bytes;
 * without FILL it keeps nothing of what it is sent. Ends when its stdin does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmq/mock.h"
#include "rmq/rmq.h"

enum { TIMEOUT_MS = 60000 };

static dt_status fill(const char *namesrv, const char *topic, long count, size_t size)
{
    const rmq_client_config config = {.namesrv = namesrv};
    const rmq_producer_config producing = {.group = "fill", .memory_max = (size_t)2 << 30};
    rmq_client *client = NULL;
    rmq_producer *producer = NULL;
    rmq_queue *queues = NULL;
    size_t queue_count = 0;
    char *body = malloc(size);
    dt_status status = body == NULL ? DT_ENOMEM : rmq_client_new(&config, &client);

    if (status == DT_OK)
        status = rmq_producer_new(client, &producing, &producer);
    if (status == DT_OK)
        status = rmq_topic_write_queues(client, topic, &queues, &queue_count, TIMEOUT_MS);
    if (body != NULL)
        memset(body, 'x', size);
    for (long i = 0; i < count && status == DT_OK; i++) {
        const rmq_message message = {.topic = topic, .body = body, .body_size = size};
        const rmq_queue *queue = &queues[(size_t)i % queue_count];

        if (i + (long)queue_count < count)
            status = rmq_send_async(producer, queue, &message, TIMEOUT_MS, NULL, NULL);
        else /* behind the last of its queue nothing is under way any more */
            status = rmq_send(producer, queue, &message, TIMEOUT_MS, NULL);
    }
    rmq_free(queues);
    rmq_producer_free(producer);
    rmq_client_free(client);
    free(body);
    return status;
}

int main(int argc, char **argv)
{
    const bool fills = argc == 5;
    const rmq_mock_config config = {.memory_max = (size_t)4 << 30, .forgets = !fills};
    rmq_mock *mock = NULL;
    dt_status status;

    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: rmq_stub TOPIC QUEUES [FILL SIZE]\n");
        return 2;
    }
    status = rmq_mock_new(&config, &mock);
    if (status == DT_OK)
        status = rmq_mock_topic_create(mock, argv[1], atoi(argv[2]));
    if (status == DT_OK && fills)
        status = fill(rmq_mock_namesrv(mock), argv[1], atol(argv[3]),
                      strtoul(argv[4], NULL, 10));
    if (status == DT_OK) {
        printf("%s\n", rmq_mock_namesrv(mock));
        fflush(stdout);
        while (getchar() != EOF)
            ;
    } else {
        fprintf(stderr, "rmq_stub: %s\n", dt_error_text());
    }
    rmq_mock_free(mock);
    return status == DT_OK ? 0 : 1;
}
