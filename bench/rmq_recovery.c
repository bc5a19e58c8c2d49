/*
 * rmq_recovery - how soon a producer is back after its broker was.
 *
 *   rmq_recovery NAMESRV TOPIC BROKER_PORT
 *
 * Sends to one queue, message after message. When one has failed, waits for the broker's port to
 * be open again (asked by connecting to it, as any client would), then for the first message that
 * is stored, and prints {"recovery_s":F}, the time between the two. The broker is killed and
 * started by who runs this.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rmq/rmq.h"

enum { TIMEOUT_MS = 10000, SEND_MS = 250, LOOK_MS = 5 };

static atomic_bool has_failed;
static atomic_llong open_ns;

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Notes when the port is open, once a message has failed. */
static void *watch(void *context)
{
    const struct timespec moment = {.tv_nsec = LOOK_MS * 1000000};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*(uint16_t *)context)};
    bool is_open = false;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (!is_open) {
        nanosleep(&moment, NULL);
        if (!atomic_load(&has_failed))
            continue;
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        is_open = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        close(fd);
    }
    atomic_store(&open_ns, now_ns());
    return NULL;
}

static dt_status recover(rmq_producer *producer, const char *topic, const rmq_queue *queue)
{
    const rmq_message message = {.topic = topic, .body = "recovery", .body_size = 8};
    long long end_ns = now_ns() + 60LL * 1000000000;
    dt_status status = DT_OK;

    while (now_ns() < end_ns) {
        status = rmq_send(producer, queue, &message, SEND_MS, NULL);
        if (status != DT_OK)
            atomic_store(&has_failed, true);
        else if (atomic_load(&open_ns) != 0) {
            printf("{\"recovery_s\":%.4f}\n",
                   (double)(now_ns() - atomic_load(&open_ns)) / 1e9);
            return DT_OK;
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    const rmq_client_config config = {.namesrv = argc == 4 ? argv[1] : NULL};
    const rmq_producer_config producing = {.group = "bench-recovery"};
    uint16_t port = argc == 4 ? (uint16_t)atoi(argv[3]) : 0;
    rmq_client *client = NULL;
    rmq_producer *producer = NULL;
    rmq_queue *queues = NULL;
    size_t count = 0;
    pthread_t watcher;
    dt_status status = rmq_client_new(&config, &client);

    if (status == DT_OK)
        status = rmq_producer_new(client, &producing, &producer);
    if (status == DT_OK)
        status = rmq_topic_write_queues(client, argv[2], &queues, &count, TIMEOUT_MS);
    if (status == DT_OK && pthread_create(&watcher, NULL, watch, &port) == 0)
        status = recover(producer, argv[2], &queues[0]);
    if (status != DT_OK)
        fprintf(stderr, "rmq_recovery: %s\n", dt_error_text());
    rmq_free(queues);
    rmq_producer_free(producer);
    rmq_client_free(client);
    return status == DT_OK && atomic_load(&open_ns) != 0 ? 0 : 1;
}
