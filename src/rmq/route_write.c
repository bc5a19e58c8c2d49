/*
 * route_write.c - routes as a name server writes them, keys in the order that fastjson gives.
 */
#include "base/json_writer.h"
#include "rmq/decimal.h"
#include "rmq/route.h"

/* {"brokerAddrs":{0:"host:port"},...}. An integer key without quotes is no JSON, so the writer
 * gets that object as raw text. */
static void write_addresses(struct dt_json *json, const struct rmq_route_broker *broker,
                            bool standard)
{
    struct dt_buf table;
    struct dt_json text;

    dt_buf_init(&table, RMQ_ROUTE_ADDRESSES_MAX * (RMQ_ADDRESS_SIZE * 6 + 32));
    dt_buf_put_u8(&table, '{');
    for (size_t i = 0; i < broker->address_count; i++) {
        if (i > 0)
            dt_buf_put_u8(&table, ',');
        if (standard)
            dt_buf_put_u8(&table, '"');
        rmq_put_decimal(&table, broker->addresses[i].broker_id);
        dt_buf_put_str(&table, standard ? "\":" : ":");
        dt_json_start(&text, &table);
        dt_json_string(&text, broker->addresses[i].address);
    }
    dt_buf_put_u8(&table, '}');
    dt_json_key(json, "brokerAddrs");
    dt_json_raw(json, dt_buf_str(&table));
    if (table.failed)
        json->out->failed = true;
    dt_buf_fini(&table);
}

static void write_broker(struct dt_json *json, const struct rmq_route_broker *broker,
                         bool standard)
{
    dt_json_object(json);
    write_addresses(json, broker, standard);
    dt_json_kv_string(json, "brokerName", broker->name);
    dt_json_kv_string(json, "cluster", broker->cluster);
    dt_json_kv_bool(json, "enableActingMaster", false);
    dt_json_object_end(json);
}

static void write_share(struct dt_json *json, const struct rmq_route_share *share)
{
    dt_json_object(json);
    dt_json_kv_string(json, "brokerName", share->broker_name);
    dt_json_kv_int(json, "perm", share->perm);
    dt_json_kv_int(json, "readQueueNums", share->read_queues);
    dt_json_kv_int(json, "topicSysFlag", 0);
    dt_json_kv_int(json, "writeQueueNums", share->write_queues);
    dt_json_object_end(json);
}

void rmq_route_write(const struct rmq_route *route, bool standard, struct dt_buf *out)
{
    struct dt_json json;

    dt_json_start(&json, out);
    dt_json_object(&json);
    dt_json_key(&json, "brokerDatas");
    dt_json_array(&json);
    for (size_t i = 0; i < route->broker_count; i++)
        write_broker(&json, &route->brokers[i], standard);
    dt_json_array_end(&json);
    dt_json_key(&json, "filterServerTable");
    dt_json_raw(&json, "{}");
    if (route->order_conf != NULL)
        dt_json_kv_string(&json, "orderTopicConf", route->order_conf);
    dt_json_key(&json, "queueDatas");
    dt_json_array(&json);
    for (size_t i = 0; i < route->share_count; i++)
        write_share(&json, &route->shares[i]);
    dt_json_array_end(&json);
    dt_json_object_end(&json);
}

/* True for the first broker of its cluster. */
static bool opens_cluster(const struct rmq_route *route, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(route->brokers[i].cluster, route->brokers[index].cluster) == 0)
            return false;
    return true;
}

void rmq_route_write_cluster(const struct rmq_route *route, struct dt_buf *out)
{
    struct dt_json json;

    dt_json_start(&json, out);
    dt_json_object(&json);
    dt_json_key(&json, "brokerAddrTable");
    dt_json_object(&json);
    for (size_t i = 0; i < route->broker_count; i++) {
        dt_json_key(&json, route->brokers[i].name);
        write_broker(&json, &route->brokers[i], false);
    }
    dt_json_object_end(&json);
    dt_json_key(&json, "clusterAddrTable");
    dt_json_object(&json);
    for (size_t i = 0; i < route->broker_count; i++) {
        if (!opens_cluster(route, i))
            continue;
        dt_json_key(&json, route->brokers[i].cluster);
        dt_json_array(&json);
        for (size_t j = i; j < route->broker_count; j++)
            if (strcmp(route->brokers[j].cluster, route->brokers[i].cluster) == 0)
                dt_json_string(&json, route->brokers[j].name);
        dt_json_array_end(&json);
    }
    dt_json_object_end(&json);
    dt_json_object_end(&json);
}
