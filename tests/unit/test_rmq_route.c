/* route: who serves a topic, in both dialects, and the queues that follow */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/route.h"
#include "support/bytes.h"
#include "support/case.h"

/* as name servers write it for old clients: broker ids stand without quotes */
static const char plain[] =
    "{\"brokerDatas\":[{\"brokerAddrs\":{0:\"127.0.0.1:10911\",1:\"127.0.0.1:11011\"},"
    "\"brokerName\":\"broker-a\",\"cluster\":\"DefaultCluster\",\"enableActingMaster\":"
    "false}],"
    "\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,"
    "\"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":3}]}";

static const char standard[] =
    "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"127.0.0.1:10911\",\"1\":\"127.0.0.1:"
    "11011\"},"
    "\"brokerName\":\"broker-a\",\"cluster\":\"DefaultCluster\",\"enableActingMaster\":"
    "false}],"
    "\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,"
    "\"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":3}]}";

static const char cluster[] =
    "{\"brokerAddrTable\":{\"broker-a\":{\"brokerAddrs\":{0:\"127.0.0.1:10911\"},"
    "\"brokerName\":\"broker-a\",\"cluster\":\"DefaultCluster\",\"enableActingMaster\":"
    "false}},"
    "\"clusterAddrTable\":{\"DefaultCluster\":[\"broker-a\"]}}";

static struct rmq_route *parsed(const char *text)
{
    struct dt_span bytes = bytes_exact(text, strlen(text));
    struct rmq_route *route;

    assert_int_equal(rmq_route_parse(bytes, &route), DT_OK);
    bytes_free(bytes);
    return route;
}

static dt_status parse_status(const char *text)
{
    struct dt_span bytes = bytes_exact(text, strlen(text));
    struct rmq_route *route;
    dt_status status = rmq_route_parse(bytes, &route);

    assert_int_equal(status == DT_OK, route != NULL);
    rmq_route_free(route);
    bytes_free(bytes);
    return status;
}

static void both_dialects_give_the_same_route(void **state)
{
    struct rmq_route *a = parsed(plain), *b = parsed(standard);

    (void)state;
    assert_true(rmq_route_equal(a, b));
    assert_int_equal(a->broker_count, 1);
    assert_string_equal(a->brokers[0].cluster, "DefaultCluster");
    assert_string_equal(rmq_route_master(a, "broker-a"), "127.0.0.1:10911");
    assert_null(rmq_route_master(a, "broker-b"));
    assert_string_equal(rmq_route_pull_address(a, "broker-a", 1), "127.0.0.1:11011");
    assert_string_equal(rmq_route_pull_address(a, "broker-a", 7), "127.0.0.1:10911");
    assert_null(rmq_route_pull_address(a, "broker-b", 0));
    b->shares[0].write_queues++;
    assert_false(rmq_route_equal(a, b));
    rmq_route_free(a);
    rmq_route_free(b);
}

static void routes_are_written_as_name_servers_do(void **state)
{
    struct rmq_route *route = parsed(plain);
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 4096);
    rmq_route_write(route, false, &out);
    assert_string_equal(dt_buf_str(&out), plain);
    dt_buf_clear(&out);
    rmq_route_write(route, true, &out);
    assert_string_equal(dt_buf_str(&out), standard);
    rmq_route_free(route);

    dt_buf_clear(&out);
    assert_int_equal(rmq_route_parse_cluster(dt_span_str(cluster), &route), DT_OK);
    assert_int_equal(route->share_count, 0);
    assert_string_equal(rmq_route_master(route, "broker-a"), "127.0.0.1:10911");
    rmq_route_write_cluster(route, &out);
    assert_string_equal(dt_buf_str(&out), cluster);
    rmq_route_free(route);
    dt_buf_fini(&out);
}

static void queues_are_sorted_and_need_permission_and_a_master(void **state)
{
    struct rmq_route *route = parsed(
        "{\"queueDatas\":[{\"brokerName\":\"b\",\"perm\":6,\"readQueueNums\":1,"
        "\"writeQueueNums\":"
        "2},{\"brokerName\":\"c\",\"perm\":2,\"readQueueNums\":1,\"writeQueueNums\":1},"
        "{\"brokerName\":\"d\",\"perm\":4,\"readQueueNums\":1,\"writeQueueNums\":9},"
        "{\"brokerName\":\"e\",\"perm\":6,\"readQueueNums\":2,\"writeQueueNums\":2},"
        "{\"brokerName\":\"a\",\"perm\":6,\"readQueueNums\":2,\"writeQueueNums\":1}],"
        "\"brokerDatas\":[{\"brokerName\":\"a\",\"brokerAddrs\":{\"0\":\"h:1\"}},"
        "{\"brokerName\":\"b\",\"brokerAddrs\":{\"0\":\"h:2\"}},"
        "{\"brokerName\":\"c\",\"brokerAddrs\":{\"0\":\"h:3\"}},"
        "{\"brokerName\":\"e\",\"brokerAddrs\":{\"1\":\"h:4\"}}]}");
    static const char *const write_names[] = {"a", "b", "b", "c"};
    static const int32_t write_ids[] = {0, 0, 1, 0};
    static const char *const read_names[] = {"a", "a", "b", "d", "e", "e"};
    rmq_queue *queues;
    size_t count;

    (void)state;
    assert_int_equal(rmq_route_write_queues(route, &queues, &count), DT_OK);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(queues[i].broker_name, write_names[i]);
        assert_int_equal(queues[i].queue_id, write_ids[i]);
    }
    free(queues);
    assert_int_equal(rmq_route_read_queues(route, &queues, &count), DT_OK);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(queues[i].broker_name, read_names[i]);
    free(queues);
    rmq_route_free(route);
}

static void an_order_configuration_decides_alone(void **state)
{
    struct rmq_route *route = parsed("{\"orderTopicConf\":\"z:2;a:1;\"}");
    rmq_queue *queues;
    size_t count;

    (void)state;
    assert_int_equal(rmq_route_write_queues(route, &queues, &count), DT_OK);
    assert_int_equal(count, 3);
    assert_string_equal(queues[0].broker_name, "z");
    assert_int_equal(queues[1].queue_id, 1);
    assert_string_equal(queues[2].broker_name, "a");
    free(queues);
    rmq_route_free(route);
    route = parsed("{\"orderTopicConf\":\"z:x\"}");
    assert_int_equal(rmq_route_write_queues(route, &queues, &count), DT_ECORRUPT);
    assert_null(queues);
    assert_int_equal(count, 0);
    rmq_route_free(route);
    route = parsed("{\"orderTopicConf\":\"z:60000;y:60000\"}");
    assert_int_equal(rmq_route_write_queues(route, &queues, &count), DT_ETOOBIG);
    assert_null(queues);
    rmq_route_free(route);
}

static void an_empty_route_has_no_queues(void **state)
{
    struct rmq_route *route = parsed("{\"brokerDatas\":null,\"unknown\":{1:[2]}}");
    rmq_queue *queues;
    size_t count;

    (void)state;
    assert_int_equal(rmq_route_write_queues(route, &queues, &count), DT_OK);
    assert_int_equal(count, 0);
    assert_null(queues);
    rmq_route_free(route);
}

static void what_is_no_route_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse_status(""), DT_ECORRUPT);
    assert_int_equal(parse_status("[]"), DT_ECORRUPT);
    assert_int_equal(parse_status("{\"brokerDatas\":{}}"), DT_ECORRUPT);
    assert_int_equal(parse_status("{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"h:1\"}}]}"),
                     DT_ECORRUPT);
    assert_int_equal(
        parse_status(
            "{\"brokerDatas\":[{\"brokerName\":\"a\",\"brokerAddrs\":{\"x\":\"h:1\"}}]}"),
        DT_ECORRUPT);
    assert_int_equal(
        parse_status(
            "{\"brokerDatas\":[{\"brokerName\":\"a\",\"brokerAddrs\":{0:\"nowhere\"}}]}"),
        DT_ECORRUPT);
    assert_int_equal(
        parse_status("{\"queueDatas\":[{\"brokerName\":\"a\",\"readQueueNums\":-1,"
                     "\"writeQueueNums\":1}]}"),
        DT_ECORRUPT);
    assert_int_equal(
        parse_status("{\"queueDatas\":[{\"brokerName\":\"a\",\"readQueueNums\":1,"
                     "\"writeQueueNums\":2147483647}]}"),
        DT_ECORRUPT);
    assert_int_equal(
        parse_status("{\"topicQueueMappingByBroker\":{\"a\":{\"topic\":\"T\"}}}"),
        DT_EUNSUPPORTED);
    assert_int_equal(parse_status("{\"topicQueueMappingByBroker\":{}}"), DT_OK);
}

static void more_brokers_than_a_bound_are_refused(void **state)
{
    struct dt_buf text;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        dt_buf_init(&text, 1 << 20);
        dt_buf_put_str(&text, "{\"brokerDatas\":[{\"brokerName\":\"b\"}");
        for (size_t i = 1; i < RMQ_ROUTE_BROKERS_MAX + over; i++)
            dt_buf_put_str(&text, ",{\"brokerName\":\"b\"}");
        dt_buf_put_str(&text, "]}");
        assert_int_equal(parse_status(dt_buf_str(&text)), over == 0 ? DT_OK : DT_ETOOBIG);
        dt_buf_fini(&text);
    }
    dt_buf_init(&text, 4096);
    dt_buf_put_str(&text,
                   "{\"brokerDatas\":[{\"brokerName\":\"b\",\"brokerAddrs\":{0:\"h:1\"");
    for (size_t i = 0; i < RMQ_ROUTE_ADDRESSES_MAX; i++)
        dt_buf_put_str(&text, ",1:\"h:1\"");
    dt_buf_put_str(&text, "}}]}");
    assert_int_equal(parse_status(dt_buf_str(&text)), DT_ETOOBIG);
    dt_buf_fini(&text);
}

static void no_prefix_of_a_route_is_one(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(plain) - 1; n++) {
        struct dt_span prefix = bytes_exact(plain, n);
        struct rmq_route *route;

        assert_int_equal(rmq_route_parse(prefix, &route), DT_ECORRUPT);
        assert_null(route);
        bytes_free(prefix);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_dialects_give_the_same_route),
        cmocka_unit_test(routes_are_written_as_name_servers_do),
        cmocka_unit_test(queues_are_sorted_and_need_permission_and_a_master),
        cmocka_unit_test(an_order_configuration_decides_alone),
        cmocka_unit_test(an_empty_route_has_no_queues),
        cmocka_unit_test(what_is_no_route_is_refused),
        cmocka_unit_test(more_brokers_than_a_bound_are_refused),
        cmocka_unit_test(no_prefix_of_a_route_is_one),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
