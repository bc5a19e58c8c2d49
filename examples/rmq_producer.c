/* The smallest RocketMQ producer: each line of standard input is a message, its first word the
 * key. Messages of one key stay in order.
 *     rmq_producer HOST:PORT TOPIC < lines */
#include <stdio.h>
#include <string.h>

#include "rmq/rmq.h"

static void ended(void *opaque, dt_status status, const char *reason,
                  const rmq_receipt *receipt)
{
    (void)opaque, (void)receipt; /* where it was stored, if it was */
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", dt_status_name(status), reason);
}

int main(int argc, char **argv)
{
    rmq_client_config where = {.namesrv = argc == 3 ? argv[1] : NULL};
    rmq_producer_config config = {.group = "example-producers"};
    rmq_client *client = NULL;
    rmq_producer *producer = NULL;
    char line[1000], key[1000];
    dt_status status = rmq_client_new(&where, &client);

    if (status == DT_OK)
        status = rmq_producer_new(client, &config, &producer);
    while (status == DT_OK && fgets(line, sizeof(line), stdin)) {
        rmq_message message = {argv[2], line, strcspn(line, "\n"), .keys = key};
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(line, " \n"), line);
        rmq_target target = {.key = key, .key_size = strlen(key)};
        status = rmq_send_to_async(producer, &target, &message, 10000, ended, NULL);
    }
    if (status == DT_OK)
        status = rmq_producer_flush(producer, 10000);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", dt_status_name(status), dt_error_text());
    rmq_producer_free(producer), rmq_client_free(client);
    return status == DT_OK ? 0 : 1;
}
