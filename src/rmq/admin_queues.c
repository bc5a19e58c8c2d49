/* The queues that topics have. */
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/naming.h"

struct queues {
    bool to_write;
    rmq_queue *queues;
    size_t count;
};

static dt_status take_queues(void *context, const struct rmq_route *route)
{
    struct queues *taken = context;

    if (taken->to_write)
        return rmq_route_write_queues(route, &taken->queues, &taken->count);
    return rmq_route_read_queues(route, &taken->queues, &taken->count);
}

static dt_status queues_of(rmq_client *client, const char *topic, bool to_write,
                           rmq_queue **out, size_t *count, int64_t timeout_ms)
{
    struct queues taken = {to_write, NULL, 0};
    char room[RMQ_FULL_NAME_SIZE];
    dt_status status;

    if (client == NULL || out == NULL || count == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no client, no place for the queues or no time");
    *out = NULL;
    *count = 0;
    topic = rmq_namespace_wrap(client->space, topic, room);
    status = rmq_topic_name_check(topic);
    if (status == DT_OK)
        status = rmq_ask_route(client, topic, true, rmq_deadline_ms(timeout_ms),
                               take_queues, &taken);
    if (status != DT_OK)
        return dt_error_wrap(status, "queues of topic '%s'", topic);
    *out = taken.queues;
    *count = taken.count;
    return DT_OK;
}

dt_status rmq_topic_write_queues(rmq_client *client, const char *topic, rmq_queue **out,
                                 size_t *count, int64_t timeout_ms)
{
    return queues_of(client, topic, true, out, count, timeout_ms);
}

dt_status rmq_topic_read_queues(rmq_client *client, const char *topic, rmq_queue **out,
                                size_t *count, int64_t timeout_ms)
{
    return queues_of(client, topic, false, out, count, timeout_ms);
}
