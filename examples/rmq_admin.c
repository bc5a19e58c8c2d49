/* How far a group is in a topic, and who is in it. Makes the topic where it is missing.
 *     rmq_admin HOST:PORT TOPIC GROUP */
#include <stdio.h>

#include "rmq/rmq.h"
#define TIMEOUT_MS 10000
static dt_status show(rmq_client *client, const char *topic, const char *group)
{
    rmq_progress *rows = NULL;
    rmq_connection *members = NULL;
    size_t count = 0;
    rmq_topic_config *configs = NULL;
    dt_status status = rmq_topic_config_get(client, topic, &configs, &count, TIMEOUT_MS);

    if (status == DT_ENOROUTE)
        status = rmq_topic_create(client, topic, 4, TIMEOUT_MS);
    if (status == DT_OK)
        status = rmq_group_progress(client, group, topic, &rows, &count, TIMEOUT_MS);
    for (size_t i = 0; status == DT_OK && i < count; i++)
        printf("queue %s/%d: %lld to be read\n", rows[i].queue.broker_name,
               (int)rows[i].queue.queue_id, (long long)rows[i].diff);
    if (status == DT_OK)
        status = rmq_group_connections(client, group, &members, &count, TIMEOUT_MS);
    for (size_t i = 0; status == DT_OK && i < count; i++)
        printf("member %s, %s %s\n", members[i].client_id, members[i].language,
               members[i].release);
    rmq_free(rows), rmq_free(members), rmq_free(configs);
    return status;
}

int main(int argc, char **argv)
{
    rmq_client_config where = {.namesrv = argc == 4 ? argv[1] : NULL};
    rmq_client *client = NULL;
    dt_status status = rmq_client_new(&where, &client);
    if (status == DT_OK && (status = show(client, argv[2], argv[3])) != DT_OK)
        fprintf(stderr, "%s: %s\n", dt_status_name(status), dt_error_text());
    return rmq_client_free(client), status == DT_OK ? 0 : 1;
}
