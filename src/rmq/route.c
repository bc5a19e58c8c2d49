#include "rmq/route.h"

#include <stdlib.h>

#include "base/status.h"
#include "rmq/json.h"

void rmq_route_free(struct rmq_route *route)
{
    if (route == NULL)
        return;
    for (size_t i = 0; i < route->broker_count; i++)
        free(route->brokers[i].addresses);
    free(route->brokers);
    free(route->shares);
    free(route->order_conf);
    free(route);
}

/* ---------------------------------------------------------------- reading */

static dt_status corrupt(const char *what)
{
    return dt_error_set(DT_ECORRUPT, "route: %s", what);
}

static dt_status too_many(const char *what)
{
    return dt_error_set(DT_ETOOBIG, "route: too many %s", what);
}

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "route: no memory");
}

/* How many members; NONE and null have none, anything but the kind expected is SIZE_MAX. */
static size_t count_of(struct rmq_json value, enum rmq_json_kind kind)
{
    struct rmq_json_iter iter = rmq_json_items(value);
    struct rmq_json item;
    size_t count = 0;

    if (value.kind == RMQ_JSON_NONE || value.kind == RMQ_JSON_NULL)
        return 0;
    if (value.kind != kind)
        return SIZE_MAX;
    while (rmq_json_next(&iter, NULL, &item))
        count++;
    return count;
}

static dt_status parse_addresses(struct rmq_json table, struct rmq_route_broker *broker)
{
    size_t count = count_of(table, RMQ_JSON_OBJECT);
    struct rmq_json_iter iter = rmq_json_items(table);
    struct rmq_json key, value;

    if (count == SIZE_MAX)
        return corrupt("brokerAddrs is not an object");
    if (count > RMQ_ROUTE_ADDRESSES_MAX)
        return too_many("addresses of one broker");
    if (count == 0)
        return DT_OK;
    broker->addresses = calloc(count, sizeof(*broker->addresses));
    if (broker->addresses == NULL)
        return no_memory();
    while (rmq_json_next(&iter, &key, &value)) {
        struct rmq_route_address *address = &broker->addresses[broker->address_count];

        if (!rmq_json_i64(key, &address->broker_id))
            return corrupt("a broker's id is not a number");
        if (!rmq_json_copy(value, address->address, sizeof(address->address)) ||
            strchr(address->address, ':') == NULL)
            return corrupt("a broker's address is not host:port");
        broker->address_count++;
    }
    return DT_OK;
}

static dt_status parse_broker(struct rmq_json value, struct rmq_route *route)
{
    struct rmq_route_broker *broker = &route->brokers[route->broker_count];
    struct rmq_json cluster = rmq_json_get(value, "cluster");

    route->broker_count++; /* what is filled in half is freed with the rest */
    if (!rmq_json_copy(rmq_json_get(value, "brokerName"), broker->name,
                       sizeof(broker->name)) ||
        broker->name[0] == 0)
        return corrupt("a broker without a name, or one that is too long");
    if (!rmq_json_copy(cluster, broker->cluster, sizeof(broker->cluster)) &&
        cluster.kind != RMQ_JSON_NONE && cluster.kind != RMQ_JSON_NULL)
        return corrupt("a cluster's name is too long");
    return parse_addresses(rmq_json_get(value, "brokerAddrs"), broker);
}

static dt_status parse_brokers(struct rmq_json list, enum rmq_json_kind kind,
                               struct rmq_route *route)
{
    size_t count = count_of(list, kind);
    struct rmq_json_iter iter = rmq_json_items(list);
    struct rmq_json value;

    if (count == SIZE_MAX)
        return corrupt("the brokers are not a list");
    if (count > RMQ_ROUTE_BROKERS_MAX)
        return too_many("brokers");
    if (count == 0)
        return DT_OK;
    route->brokers = calloc(count, sizeof(*route->brokers));
    if (route->brokers == NULL)
        return no_memory();
    while (rmq_json_next(&iter, NULL, &value)) {
        dt_status status = parse_broker(value, route);

        if (status != DT_OK)
            return status;
    }
    return DT_OK;
}

/* A number of queues, or -1. */
static int32_t queue_count(struct rmq_json share, const char *name)
{
    return (int32_t)rmq_json_i64_or(rmq_json_get(share, name), 0, RMQ_ROUTE_QUEUES_MAX, -1);
}

static int by_broker_name(const void *a, const void *b)
{
    return strcmp(((const struct rmq_route_share *)a)->broker_name,
                  ((const struct rmq_route_share *)b)->broker_name);
}

static dt_status parse_shares(struct rmq_json list, struct rmq_route *route)
{
    size_t count = count_of(list, RMQ_JSON_ARRAY);
    struct rmq_json_iter iter = rmq_json_items(list);
    struct rmq_json value;

    if (count == SIZE_MAX)
        return corrupt("queueDatas is not a list");
    if (count > RMQ_ROUTE_BROKERS_MAX)
        return too_many("brokers");
    if (count == 0)
        return DT_OK;
    route->shares = calloc(count, sizeof(*route->shares));
    if (route->shares == NULL)
        return no_memory();
    while (rmq_json_next(&iter, NULL, &value)) {
        struct rmq_route_share *share = &route->shares[route->share_count++];

        if (!rmq_json_copy(rmq_json_get(value, "brokerName"), share->broker_name,
                           sizeof(share->broker_name)))
            return corrupt("queues without a broker's name, or one that is too long");
        share->read_queues = queue_count(value, "readQueueNums");
        share->write_queues = queue_count(value, "writeQueueNums");
        share->perm =
            (int32_t)rmq_json_i64_or(rmq_json_get(value, "perm"), 0, INT32_MAX, 0);
        if (share->read_queues < 0 || share->write_queues < 0)
            return corrupt("a number of queues that cannot be");
    }
    qsort(route->shares, route->share_count, sizeof(*route->shares), by_broker_name);
    return DT_OK;
}

static dt_status parse_order_conf(struct rmq_json value, struct rmq_route *route)
{
    if (value.kind == RMQ_JSON_NONE || value.kind == RMQ_JSON_NULL || value.raw.size == 0)
        return DT_OK;
    route->order_conf = malloc(value.raw.size + 1);
    if (route->order_conf == NULL)
        return no_memory();
    if (!rmq_json_copy(value, route->order_conf, value.raw.size + 1))
        return corrupt("orderTopicConf is not text");
    return DT_OK;
}

static dt_status parse_topic(struct rmq_json root, struct rmq_route *route)
{
    dt_status status;

    if (count_of(rmq_json_get(root, "topicQueueMappingByBroker"), RMQ_JSON_OBJECT) > 0)
        return dt_error_set(DT_EUNSUPPORTED, "static topics are not supported");
    status = parse_brokers(rmq_json_get(root, "brokerDatas"), RMQ_JSON_ARRAY, route);
    if (status == DT_OK)
        status = parse_shares(rmq_json_get(root, "queueDatas"), route);
    if (status == DT_OK)
        status = parse_order_conf(rmq_json_get(root, "orderTopicConf"), route);
    return status;
}

static dt_status parse_cluster(struct rmq_json root, struct rmq_route *route)
{
    return parse_brokers(rmq_json_get(root, "brokerAddrTable"), RMQ_JSON_OBJECT, route);
}

static dt_status parse(struct dt_span text,
                       dt_status (*part)(struct rmq_json, struct rmq_route *),
                       struct rmq_route **out)
{
    struct rmq_route *route;
    struct rmq_json root;
    dt_status status;

    *out = NULL;
    if (!rmq_json_parse(text, &root) || root.kind != RMQ_JSON_OBJECT)
        return corrupt("not a JSON object");
    route = calloc(1, sizeof(*route));
    if (route == NULL)
        return no_memory();
    status = part(root, route);
    if (status == DT_OK)
        *out = route;
    else
        rmq_route_free(route);
    return status;
}

dt_status rmq_route_parse(struct dt_span text, struct rmq_route **out)
{
    return parse(text, parse_topic, out);
}

dt_status rmq_route_parse_cluster(struct dt_span text, struct rmq_route **out)
{
    return parse(text, parse_cluster, out);
}

/* ---------------------------------------------------------------- comparing, looking up */

static bool same_broker(const struct rmq_route_broker *a, const struct rmq_route_broker *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->cluster, b->cluster) != 0 ||
        a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++)
        if (a->addresses[i].broker_id != b->addresses[i].broker_id ||
            strcmp(a->addresses[i].address, b->addresses[i].address) != 0)
            return false;
    return true;
}

static bool same_share(const struct rmq_route_share *a, const struct rmq_route_share *b)
{
    return strcmp(a->broker_name, b->broker_name) == 0 &&
           a->read_queues == b->read_queues && a->write_queues == b->write_queues &&
           a->perm == b->perm;
}

bool rmq_route_equal(const struct rmq_route *a, const struct rmq_route *b)
{
    const char *a_conf = a->order_conf == NULL ? "" : a->order_conf;
    const char *b_conf = b->order_conf == NULL ? "" : b->order_conf;

    if (a->broker_count != b->broker_count || a->share_count != b->share_count ||
        strcmp(a_conf, b_conf) != 0)
        return false;
    for (size_t i = 0; i < a->broker_count; i++)
        if (!same_broker(&a->brokers[i], &b->brokers[i]))
            return false;
    for (size_t i = 0; i < a->share_count; i++)
        if (!same_share(&a->shares[i], &b->shares[i]))
            return false;
    return true;
}

const struct rmq_route_broker *rmq_route_broker(const struct rmq_route *route,
                                                const char *broker_name)
{
    for (size_t i = 0; i < route->broker_count; i++)
        if (strcmp(route->brokers[i].name, broker_name) == 0)
            return &route->brokers[i];
    return NULL;
}

static const char *address_of(const struct rmq_route_broker *broker, int64_t broker_id)
{
    for (size_t i = 0; broker != NULL && i < broker->address_count; i++)
        if (broker->addresses[i].broker_id == broker_id)
            return broker->addresses[i].address;
    return NULL;
}

const char *rmq_route_master(const struct rmq_route *route, const char *broker_name)
{
    return address_of(rmq_route_broker(route, broker_name), 0);
}

const char *rmq_route_pull_address(const struct rmq_route *route, const char *broker_name,
                                   int64_t suggested_id)
{
    const struct rmq_route_broker *broker = rmq_route_broker(route, broker_name);
    const char *address = address_of(broker, suggested_id);

    if (address == NULL && suggested_id > 0 && suggested_id < INT64_MAX)
        address = address_of(broker, suggested_id + 1);
    if (address == NULL && broker != NULL && broker->address_count > 0)
        address = broker->addresses[0].address;
    return address;
}
