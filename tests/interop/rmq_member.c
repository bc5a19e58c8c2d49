/*
 * rmq_member - a member of a consumer group, the twin of Member.java:
 *
 *   rmq_member NAMESRV TOPIC GROUP NAME average|circle|hash concurrent|orderly FAILS ATTEMPTS
 *
 * Prints "got QUEUE OFFSET TIMES BODY" for each message, after having refused those whose body
 * begins with "bad" FAILS times. Reads commands: "queues" prints "queues Q Q ...", "stop" ends it.
 * Stands on the public header alone. Exit: 0, or 1 with the reason on stderr.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmq/rmq.h"

enum { TIMEOUT_MS = 20000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int fails;

static int fail(const char *what)
{
    fprintf(stderr, "rmq_member: %s: %s\n", what, dt_error_text());
    return 1;
}

static rmq_handled handle(void *opaque, rmq_delivery *delivery)
{
    const rmq_received *message = delivery->messages;
    int size = (int)message->body_size;

    (void)opaque;
    pthread_mutex_lock(&lock);
    printf("got %d %lld %d %.*s\n", message->queue.queue_id, (long long)message->offset,
           message->reconsume_times, size, (const char *)message->body);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    delivery->delay_level = 1;
    if (size >= 3 && memcmp(message->body, "bad", 3) == 0 &&
        message->reconsume_times < fails)
        return RMQ_LATER;
    return RMQ_HANDLED;
}

static int print_queues(rmq_consumer *consumer, const char *topic)
{
    rmq_held_queue *queues;
    size_t count;

    if (rmq_consumer_queues(consumer, &queues, &count) != DT_OK)
        return fail("queues");
    pthread_mutex_lock(&lock);
    printf("queues");
    for (size_t i = 0; i < count; i++)
        if (strcmp(queues[i].topic, topic) == 0)
            printf(" %d", queues[i].queue.queue_id);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    rmq_free(queues);
    return 0;
}

int main(int argc, char **argv)
{
    rmq_client_config client_config = {0};
    rmq_consumer_config config = {.handler = handle};
    rmq_subscription subscription = {NULL, "*"};
    rmq_client *client;
    rmq_consumer *consumer;
    char line[64];
    int code = 0;

    if (argc != 9) {
        fprintf(stderr, "usage: rmq_member NAMESRV TOPIC GROUP NAME STRATEGY MODE FAILS "
                        "ATTEMPTS\n");
        return 1;
    }
    client_config.namesrv = argv[1];
    client_config.instance_name = argv[4];
    subscription.topic = argv[2];
    config.group = argv[3];
    config.subscriptions = &subscription;
    config.subscription_count = 1;
    config.strategy = strcmp(argv[5], "circle") == 0 ? RMQ_STRATEGY_CIRCLE
                      : strcmp(argv[5], "hash") == 0 ? RMQ_STRATEGY_CONSISTENT_HASH
                                                     : RMQ_STRATEGY_AVERAGE;
    config.orderly = strcmp(argv[6], "orderly") == 0;
    fails = atoi(argv[7]);
    config.max_attempts = atoi(argv[8]);
    if (rmq_client_new(&client_config, &client) != DT_OK)
        return fail("client");
    if (rmq_consumer_new(client, &config, &consumer) != DT_OK)
        return fail("consumer");
    puts("ready");
    fflush(stdout);
    while (code == 0 && fgets(line, sizeof(line), stdin) != NULL &&
           strcmp(line, "stop\n") != 0)
        code = print_queues(consumer, argv[2]);
    if (rmq_consumer_stop(consumer, TIMEOUT_MS) != DT_OK)
        code = fail("stop");
    rmq_consumer_free(consumer);
    rmq_client_free(client);
    puts("stopped");
    return code;
}
