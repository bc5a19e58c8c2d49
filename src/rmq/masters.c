#include "rmq/masters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

static const char default_cluster[] = "DefaultCluster";

dt_status rmq_admin_check(const rmq_client *client, const void *out, const void *count,
                          int64_t timeout_ms)
{
    if (client == NULL || out == NULL || count == NULL || timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no client, no place for the answer or no time");
    return DT_OK;
}

dt_status rmq_admin_topic(const rmq_client *client, const char **topic,
                          char room[RMQ_FULL_NAME_SIZE])
{
    *topic = rmq_namespace_wrap(client->space, *topic, room);
    return rmq_topic_name_check(*topic);
}

dt_status rmq_admin_group(const rmq_client *client, const char **group,
                          char room[RMQ_FULL_NAME_SIZE])
{
    *group = rmq_namespace_wrap(client->space, *group, room);
    return rmq_group_name_check(*group);
}

/* ---------------------------------------------------------------- the cluster */

static bool read_cluster(struct rmq_ask *ask, const struct rmq_command *command,
                         struct dt_span body)
{
    (void)command;
    return rmq_route_parse_cluster(body, ask->result) == DT_OK;
}

dt_status rmq_fetch_cluster(struct rmq_client *client, int64_t deadline_ms,
                            struct rmq_route **out)
{
    struct rmq_ask ask;

    *out = NULL;
    rmq_ask_init(&ask, client, RMQ_GET_BROKER_CLUSTER_INFO, deadline_ms);
    ask.read = read_cluster;
    ask.result = out;
    return rmq_ask_names(&ask);
}

/* The one with the default name, else the only one. */
static const char *choose_cluster(const struct rmq_route *route)
{
    for (size_t i = 0; i < route->broker_count; i++)
        if (strcmp(route->brokers[i].cluster, default_cluster) == 0)
            return default_cluster;
    for (size_t i = 1; i < route->broker_count; i++)
        if (strcmp(route->brokers[i].cluster, route->brokers[0].cluster) != 0)
            return NULL;
    return route->broker_count > 0 ? route->brokers[0].cluster : NULL;
}

/* ---------------------------------------------------------------- masters */

/* `cluster` NULL: of any. */
static dt_status take_masters(struct rmq_masters *masters, const struct rmq_route *route,
                              const char *cluster)
{
    memset(masters, 0, sizeof(*masters));
    masters->all = calloc(route->broker_count + 1, sizeof(*masters->all));
    if (masters->all == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for brokers' addresses");
    for (size_t i = 0; i < route->broker_count; i++) {
        const struct rmq_route_broker *broker = &route->brokers[i];
        const char *address = rmq_route_master(route, broker->name);
        struct rmq_one_master *master = &masters->all[masters->count];

        if (address == NULL || (cluster != NULL && strcmp(broker->cluster, cluster) != 0))
            continue;
        memcpy(master->name, broker->name, sizeof(master->name));
        memcpy(master->cluster, broker->cluster, sizeof(master->cluster));
        snprintf(master->address, sizeof(master->address), "%s", address);
        masters->count++;
    }
    if (masters->count > 0)
        return DT_OK;
    rmq_masters_fini(masters);
    return dt_error_set(DT_EUNREACH, "the name server knows no master");
}

void rmq_masters_fini(struct rmq_masters *masters)
{
    free(masters->all);
    memset(masters, 0, sizeof(*masters));
}

dt_status rmq_masters_of_all(struct rmq_client *client, int64_t deadline_ms,
                             struct rmq_masters *out)
{
    struct rmq_route *route;
    dt_status status = rmq_fetch_cluster(client, deadline_ms, &route);

    memset(out, 0, sizeof(*out));
    if (status == DT_OK)
        status = take_masters(out, route, NULL);
    rmq_route_free(route);
    return status;
}

dt_status rmq_masters_of_cluster(struct rmq_client *client, const char *cluster,
                                 int64_t deadline_ms, struct rmq_masters *out)
{
    struct rmq_route *route;
    const char *wanted = cluster;
    dt_status status = rmq_fetch_cluster(client, deadline_ms, &route);
    bool is_known = false;

    memset(out, 0, sizeof(*out));
    if (status != DT_OK)
        goto done;
    if (wanted == NULL)
        wanted = choose_cluster(route);
    if (wanted == NULL) {
        status = dt_error_set(
            DT_EUNREACH, route->broker_count == 0
                             ? "the name server knows no broker"
                             : "there are several clusters, and none is DefaultCluster");
        goto done;
    }
    for (size_t i = 0; i < route->broker_count; i++)
        is_known |= strcmp(route->brokers[i].cluster, wanted) == 0;
    if (is_known)
        status = take_masters(out, route, wanted);
    else
        status = dt_error_set(DT_ENOTFOUND, "there is no cluster '%s'", wanted);
done:
    rmq_route_free(route);
    return status;
}

static dt_status take_all(void *context, const struct rmq_route *route)
{
    return take_masters(context, route, NULL);
}

dt_status rmq_masters_of_topic(struct rmq_client *client, const char *topic,
                               int64_t deadline_ms, struct rmq_masters *out)
{
    memset(out, 0, sizeof(*out));
    return rmq_ask_route(client, topic, true, deadline_ms, take_all, out);
}

dt_status rmq_masters_of_group(struct rmq_client *client, const char *group,
                               int64_t deadline_ms, struct rmq_masters *out)
{
    char retry[RMQ_GROUP_SIZE_MAX + sizeof("%RETRY%")];
    dt_status status = DT_ENOROUTE;

    memset(out, 0, sizeof(*out));
    /* a topic's name is shorter than a group's may be */
    if (snprintf(retry, sizeof(retry), "%%RETRY%%%s", group) <= RMQ_TOPIC_SIZE_MAX)
        status = rmq_masters_of_topic(client, retry, deadline_ms, out);
    if (status == DT_ENOROUTE)
        status = rmq_masters_of_all(client, deadline_ms, out);
    return status;
}

dt_status rmq_ask_master(struct rmq_ask *ask, const struct rmq_one_master *master)
{
    dt_status status = rmq_ask_address(ask, master->address);

    if (status == DT_EREFUSED && ask->response_code == RMQ_REQUEST_CODE_NOT_SUPPORTED)
        return dt_error_set(DT_EUNSUPPORTED, "broker '%s' (%s) does not know request %d",
                            master->name, master->address, ask->request_code);
    return status;
}
