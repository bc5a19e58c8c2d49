/* The smallest RocketMQ consumer: a member of a group that prints what it gets, until it is
 * interrupted. Start it several times: the members share the queues.
 *     rmq_consumer HOST:PORT TOPIC GROUP */
#include <signal.h>
#include <stdio.h>

#include "rmq/rmq.h"

static rmq_handled handle(void *opaque, rmq_delivery *delivery)
{
    const rmq_received *message = delivery->messages;
    (void)opaque;
    printf("%.*s\n", (int)message->body_size, (const char *)message->body);
    fflush(stdout);
    return RMQ_HANDLED; /* or RMQ_LATER: it will come again */
}

int main(int argc, char **argv)
{
    rmq_client *client = NULL;
    rmq_consumer *consumer = NULL;
    sigset_t signals;
    if (argc != 4)
        return fprintf(stderr, "usage: rmq_consumer HOST:PORT TOPIC GROUP\n"), 2;
    sigemptyset(&signals), sigaddset(&signals, SIGINT), sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before the library makes its threads */
    rmq_client_config where = {.namesrv = argv[1]};
    rmq_consumer_config config = {.group = argv[3], .handler = handle};
    dt_status status = rmq_client_new(&where, &client);
    if (status == DT_OK)
        status = rmq_consumer_new(client, &config, &consumer);
    if (status == DT_OK)
        status = rmq_consumer_subscribe(consumer, argv[2], "*");
    if (status == DT_OK)
        sigwait(&signals, &argc), status = rmq_consumer_stop(consumer, 10000);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", dt_status_name(status), dt_error_text());
    rmq_consumer_free(consumer), rmq_client_free(client);
    return status == DT_OK ? 0 : 1;
}
