/* Brokers: of all clusters, or of a topic's route, one row per address. */
#include "base/status.h"
#include "rmq/masters.h"
#include "rmq/naming.h"
#include "rmq/rows.h"

static const struct rmq_route_share *share_of(const struct rmq_route *route,
                                              const char *broker_name)
{
    for (size_t i = 0; i < route->share_count; i++)
        if (strcmp(route->shares[i].broker_name, broker_name) == 0)
            return &route->shares[i];
    return NULL;
}

static void add_address(struct rmq_rows *rows, const struct rmq_route_broker *broker,
                        const struct rmq_route_address *address,
                        const struct rmq_route_share *share)
{
    rmq_broker *row = rmq_rows_add(rows);

    if (row == NULL)
        return;
    memcpy(row->cluster, broker->cluster, sizeof(row->cluster));
    memcpy(row->name, broker->name, sizeof(row->name));
    row->broker_id = address->broker_id;
    memcpy(row->address, address->address, sizeof(row->address));
    if (share == NULL)
        return;
    row->read_queues = share->read_queues;
    row->write_queues = share->write_queues;
    row->perm = share->perm;
}

static dt_status take_brokers(void *context, const struct rmq_route *route)
{
    for (size_t i = 0; i < route->broker_count; i++) {
        const struct rmq_route_broker *broker = &route->brokers[i];

        for (size_t j = 0; j < broker->address_count; j++)
            add_address(context, broker, &broker->addresses[j],
                        share_of(route, broker->name));
    }
    return DT_OK;
}

static int compare(const void *a, const void *b)
{
    const rmq_broker *one = a, *other = b;
    int order = strcmp(one->cluster, other->cluster);

    if (order == 0)
        order = strcmp(one->name, other->name);
    return order != 0
               ? order
               : (one->broker_id > other->broker_id) - (one->broker_id < other->broker_id);
}

static dt_status give(struct rmq_rows *rows, dt_status status, rmq_broker **out,
                      size_t *count)
{
    rmq_rows_sort(rows, compare);
    if (status == DT_OK)
        status = rmq_rows_give(rows, (void **)out, count);
    rmq_rows_fini(rows);
    return status;
}

dt_status rmq_cluster_brokers(rmq_client *client, rmq_broker **out, size_t *count,
                              int64_t timeout_ms)
{
    struct rmq_rows rows;
    struct rmq_route *route = NULL;
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    rmq_rows_init(&rows, sizeof(rmq_broker));
    status = rmq_fetch_cluster(client, rmq_deadline_ms(timeout_ms), &route);
    if (status == DT_OK)
        status = take_brokers(&rows, route);
    rmq_route_free(route);
    status = give(&rows, status, out, count);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "the brokers of all clusters");
}

dt_status rmq_topic_route(rmq_client *client, const char *topic, rmq_broker **out,
                          size_t *count, int64_t timeout_ms)
{
    char topic_room[RMQ_FULL_NAME_SIZE];
    struct rmq_rows rows;
    dt_status status = rmq_admin_check(client, out, count, timeout_ms);

    if (status != DT_OK)
        return status;
    *out = NULL;
    *count = 0;
    status = rmq_admin_topic(client, &topic, topic_room);
    if (status != DT_OK)
        return status;
    rmq_rows_init(&rows, sizeof(rmq_broker));
    status = rmq_ask_route(client, topic, true, rmq_deadline_ms(timeout_ms), take_brokers,
                           &rows);
    status = give(&rows, status, out, count);
    return status == DT_OK ? DT_OK : dt_error_wrap(status, "the route of '%s'", topic);
}
