/* mockmq: an in-memory RocketMQ that answers as a broker and a name server of 5.3.3 do */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rmq/batch.h"
#include "rmq/json.h"
#include "rmq/mock.h"
#include "rmq/properties.h"
#include "rmq/route.h"
#include "support/bytes.h"
#include "support/case.h"
#include "support/raw_mq.h"

static const struct dt_span nothing = {NULL, 0};

static rmq_mock *started(const rmq_mock_config *config)
{
    rmq_mock *mock;

    assert_int_equal(rmq_mock_new(config, &mock), DT_OK);
    return mock;
}

static rmq_mock *started_with_topic(int32_t queues)
{
    rmq_mock *mock = started(NULL);

    assert_int_equal(rmq_mock_topic_create(mock, "TopicTest", queues), DT_OK);
    return mock;
}

/* ---------------------------------------------------------------- name server */

static void golden_route_requests_are_answered(void **state)
{
    static const char *const golden[] = {
        "000000a6000000a27b22636f6465223a3130352c226578744669656c6473223a7b22746f706963223a"
        "2254"
        "6f70696354657374222c226163636570745374616e646172644a736f6e4f6e6c79223a227472756522"
        "7d2c"
        "22666c6167223a302c226c616e6775616765223a22435050222c226f7061717565223a312c22736572"
        "6961"
        "6c697a655479706543757272656e74525043223a224a534f4e222c2276657273696f6e223a3430317"
        "d",
        "0000004d010000490069010191000000010000000000000000000000340005746f7069630000000954"
        "6f70"
        "69635465737400166163636570745374616e646172644a736f6e4f6e6c790000000474727565"};
    rmq_mock *mock = started_with_topic(4);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct dt_span bytes = bytes_of_hex(golden[i]);
        struct rmq_route *route;
        struct raw_peer peer;

        raw_open(&peer, rmq_mock_namesrv(mock));
        raw_send_bytes(&peer, bytes);
        raw_await(&peer, 1);
        assert_int_equal(peer.answer.code, RMQ_SUCCESS);
        assert_int_equal(peer.answer_type, RMQ_HEADER_JSON);
        assert_int_equal(peer.answer.version, RMQ_VERSION_5_3_3);
        assert_non_null(memmem(peer.body.data, peer.body.size, "{\"0\":", 5));
        assert_int_equal(rmq_route_parse(peer.body, &route), DT_OK);
        assert_string_equal(rmq_route_master(route, "broker-a"), rmq_mock_broker(mock));
        assert_int_equal(route->shares[0].write_queues, 4);
        assert_int_equal(route->shares[0].perm, 6);
        rmq_route_free(route);
        raw_close(&peer);
        bytes_free(bytes);
    }
    rmq_mock_free(mock);
}

static void old_clients_get_routes_with_bare_keys(void **state)
{
    static const char header[] =
        "{\"code\":105,\"extFields\":{\"topic\":\"TopicTest\"},\"opaque\":"
        "5}";
    rmq_mock *mock = started_with_topic(1);
    struct rmq_route *route;
    struct raw_peer peer;
    struct dt_buf frame;

    (void)state;
    dt_buf_init(&frame, 1000);
    dt_buf_put_u32(&frame, 4 + sizeof(header) - 1);
    dt_buf_put_u32(&frame, sizeof(header) - 1);
    dt_buf_put(&frame, header, sizeof(header) - 1);
    raw_open(&peer, rmq_mock_namesrv(mock));
    raw_send_bytes(&peer, dt_buf_span(&frame));
    raw_await(&peer, 5);
    assert_non_null(memmem(peer.body.data, peer.body.size, "{0:", 3));
    assert_int_equal(rmq_route_parse(peer.body, &route), DT_OK);
    rmq_route_free(route);
    raw_close(&peer);
    dt_buf_fini(&frame);
    rmq_mock_free(mock);
}

static int32_t ask_route(struct raw_peer *peer, const char *topic)
{
    raw_begin(peer, RMQ_GET_ROUTEINFO_BY_TOPIC);
    rmq_encode_str(&peer->encoder, "topic", topic);
    return raw_call(peer, nothing);
}

static void the_name_server_knows_topics_and_the_cluster(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct rmq_route *route;
    struct raw_peer peer;
    struct rmq_json root;

    (void)state;
    raw_open(&peer, rmq_mock_namesrv(mock));
    assert_int_equal(ask_route(&peer, "Nowhere"), RMQ_TOPIC_NOT_EXIST);
    assert_int_equal(ask_route(&peer, RMQ_DEFAULT_TOPIC), RMQ_SUCCESS);
    assert_int_equal(rmq_route_parse(peer.body, &route), DT_OK);
    assert_int_equal(route->shares[0].perm, 7);
    assert_int_equal(route->shares[0].read_queues, 8);
    rmq_route_free(route);
    raw_begin(&peer, RMQ_GET_BROKER_CLUSTER_INFO);
    assert_int_equal(raw_call(&peer, nothing), RMQ_SUCCESS);
    assert_int_equal(rmq_route_parse_cluster(peer.body, &route), DT_OK);
    assert_string_equal(route->brokers[0].cluster, "DefaultCluster");
    rmq_route_free(route);
    raw_begin(&peer, RMQ_GET_ALL_TOPIC_LIST);
    assert_int_equal(raw_call(&peer, nothing), RMQ_SUCCESS);
    assert_true(rmq_json_parse(peer.body, &root));
    assert_int_equal(rmq_json_get(root, "topicList").kind, RMQ_JSON_ARRAY);
    raw_begin(&peer, RMQ_SEND_MESSAGE_V2); /* is not done at this port */
    assert_int_equal(raw_call(&peer, nothing), RMQ_REQUEST_CODE_NOT_SUPPORTED);
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- sending */

static void assert_property(struct dt_span properties, const char *name, const char *value)
{
    struct dt_span found;

    if (!rmq_properties_find(properties, name, &found))
        fail_msg("no property %s", name);
    if (value != NULL)
        assert_span_text(found, value);
}

static void a_message_is_stored_with_what_the_broker_adds(void **state)
{
    rmq_mock *mock = started_with_topic(2);
    struct raw_message message = {"TopicTest", 1, dt_span_str("hello"),
                                  dt_span_str("KEYS\x01k1\x02TAGS\x01TagA"), false};
    struct rmq_stored stored;
    struct raw_peer peer;
    struct dt_span id, value;
    char expected[RMQ_MESSAGE_ID_SIZE];

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 2; i++) {
        peer.type = i == 0 ? RMQ_HEADER_JSON : RMQ_HEADER_BINARY;
        assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
        assert_int_equal(raw_i64(&peer, "queueId"), 1);
        assert_int_equal(raw_i64(&peer, "queueOffset"), i);
        assert_true(rmq_command_str(&peer.answer, "transactionId", &value));
        assert_int_equal(value.size, 32);
        assert_true(rmq_command_str(&peer.answer, "MSG_REGION", &value));
        assert_true(rmq_command_str(&peer.answer, "msgId", &id));
        assert_int_equal(id.size, 32);
    }
    memcpy(expected, id.data, id.size);
    expected[id.size] = 0;
    peer.type = RMQ_HEADER_JSON;
    assert_int_equal(raw_pull(&peer, "TopicTest", 1, 0, 32), RMQ_SUCCESS);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 2);
    for (int i = 0; i < 2; i++) {
        char actual[RMQ_MESSAGE_ID_SIZE];

        assert_true(raw_next_message(&peer, &stored));
        assert_int_equal(stored.queue_id, 1);
        assert_int_equal(stored.queue_offset, i);
        assert_int_equal(stored.flag, 77);
        assert_true(stored.born_ms == 1700000000000);
        assert_span_text(stored.body, "hello");
        assert_span_text(stored.topic, "TopicTest");
        assert_property(stored.properties, "KEYS", "k1");
        assert_property(stored.properties, "TAGS", "TagA"); /* its end was missing */
        assert_property(stored.properties, "CLUSTER", "DefaultCluster");
        assert_property(stored.properties, "MSG_REGION", "DefaultRegion");
        assert_property(stored.properties, "TRACE_ON", "true");
        assert_property(stored.properties, "UNIQ_KEY", NULL);
        rmq_offset_id(actual, &stored.store_host, stored.physical_offset);
        if (i == 1)
            assert_string_equal(actual, expected);
    }
    assert_false(raw_next_message(&peer, &stored));
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void the_long_field_names_do_the_same(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct rmq_stored stored;
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin(&peer, RMQ_SEND_MESSAGE);
    rmq_encode_str(&peer.encoder, "producerGroup", "PG");
    rmq_encode_str(&peer.encoder, "topic", "TopicTest");
    rmq_encode_str(&peer.encoder, "defaultTopic", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(&peer.encoder, "defaultTopicQueueNums", 4);
    rmq_encode_int(&peer.encoder, "queueId", -1); /* the broker chooses */
    rmq_encode_int(&peer.encoder, "sysFlag", 0);
    rmq_encode_int(&peer.encoder, "bornTimestamp", 1);
    rmq_encode_int(&peer.encoder, "flag", 0);
    rmq_encode_str(&peer.encoder, "properties", "UNIQ_KEY\x01mine\x02");
    assert_int_equal(raw_call(&peer, dt_span_str("hi")), RMQ_SUCCESS);
    assert_int_equal(raw_i64(&peer, "queueId"), 0);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 32), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_property(stored.properties, "UNIQ_KEY", "mine");
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_topic_is_made_by_its_first_message(void **state)
{
    rmq_mock_config config = {.no_auto_create = true};
    rmq_mock *mock = started(NULL), *strict = started(&config);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_pull(&peer, "New", 0, 0, 32), RMQ_TOPIC_NOT_EXIST);
    assert_int_equal(raw_store_text(&peer, "New", 3, "x"), RMQ_SUCCESS); /* of min(4, 8) */
    assert_int_equal(raw_store_text(&peer, "New", 4, "x"), RMQ_INVALID_PARAMETER);
    assert_int_equal(rmq_mock_max_offset(mock, "New", 3), 1);
    assert_int_equal(rmq_mock_max_offset(mock, "New", 4), -1);
    assert_int_equal(raw_store_text(&peer, "%RETRY%CG", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(raw_store_text(&peer, "%RETRY%CG", 1, "x"), RMQ_INVALID_PARAMETER);
    raw_close(&peer);
    raw_open(&peer, rmq_mock_broker(strict));
    assert_int_equal(raw_store_text(&peer, "New", 0, "x"), RMQ_TOPIC_NOT_EXIST);
    raw_close(&peer);
    rmq_mock_free(mock);
    rmq_mock_free(strict);
}

static void what_a_broker_refuses_is_refused(void **state)
{
    static uint8_t big[RMQ_BODY_SIZE_MAX + 1];
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, {big, RMQ_BODY_SIZE_MAX}, nothing, false};
    struct raw_peer peer;
    struct dt_buf properties;
    char name[129];

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS); /* exactly 4 MiB */
    message.body.size++;
    assert_int_equal(raw_store(&peer, &message), RMQ_MESSAGE_ILLEGAL);
    assert_int_equal(raw_store_text(&peer, "TopicTest", 0, ""), RMQ_SYSTEM_ERROR);
    assert_int_equal(raw_store_text(&peer, "TopicTest", 1, "x"), RMQ_INVALID_PARAMETER);
    assert_int_equal(raw_store_text(&peer, "with.dots", 0, "x"), RMQ_INVALID_PARAMETER);
    assert_int_equal(raw_store_text(&peer, "SCHEDULE_TOPIC_XXXX", 0, "x"),
                     RMQ_NO_PERMISSION);
    memset(name, 'T', sizeof(name) - 1);
    name[128] = 0;
    assert_int_equal(raw_store_text(&peer, name, 0, "x"), RMQ_INVALID_PARAMETER);
    name[127] = 0;
    assert_int_equal(raw_store_text(&peer, name, 0, "x"), RMQ_SUCCESS);

    dt_buf_init(&properties,
                40000); /* 32,600 are taken; with what is added 32,767 is the end */
    dt_buf_put_str(&properties, "p\x01");
    for (int i = 0; i < 32598; i++)
        dt_buf_put_u8(&properties, 'v');
    message.body = dt_span_str("x");
    message.properties = dt_buf_span(&properties);
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    for (int i = 0; i < 90; i++)
        dt_buf_put_u8(&properties, 'v');
    message.properties = dt_buf_span(&properties);
    assert_int_equal(raw_store(&peer, &message), RMQ_MESSAGE_ILLEGAL);
    message.properties = dt_span_str("TRAN_MSG\x01true\x02");
    assert_int_equal(raw_store(&peer, &message), RMQ_NO_PERMISSION);
    raw_begin(&peer, RMQ_SEND_MESSAGE_V2); /* no fields */
    assert_int_equal(raw_call(&peer, dt_span_str("x")), RMQ_SYSTEM_ERROR);
    assert_int_equal(rmq_mock_max_offset(mock, "TopicTest", 0), 2);
    dt_buf_fini(&properties);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void put_item(struct dt_buf *out, const char *body, const char *properties)
{
    struct rmq_batch_item item = {0, 0, dt_span_str(body), dt_span_str(properties)};

    rmq_batch_item_put(out, &item);
}

static void a_batch_is_stored_in_order(void **state)
{
    /* body "a" with TAGS=x, body "bc" without properties */
    struct dt_span golden =
        bytes_of_hex("0000001e0000000000000000000000000000000161000754414753017802"
                     "000000180000000000000000000000000000000262630000");
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, golden, dt_span_str("WAIT\x01true\x02"),
                                  true};
    struct rmq_stored stored;
    struct raw_peer peer;
    struct dt_span value;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "TopicTest", 0, "first"), RMQ_SUCCESS);
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    assert_int_equal(raw_i64(&peer, "queueOffset"), 1);
    assert_true(rmq_command_str(&peer.answer, "msgId", &value));
    assert_int_equal(value.size, 32 + 1 + 32);
    assert_int_equal(value.data[32], ',');
    assert_false(rmq_command_str(&peer.answer, "transactionId", &value));
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 1, 32), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_span_text(stored.body, "a");
    assert_int_equal(stored.queue_offset, 1);
    assert_property(stored.properties, "TAGS", "x");
    assert_property(stored.properties, "WAIT", "true"); /* of the batch */
    assert_true(raw_next_message(&peer, &stored));
    assert_span_text(stored.body, "bc");
    assert_int_equal(stored.queue_offset, 2);
    assert_property(stored.properties, "CLUSTER", "DefaultCluster");
    assert_false(rmq_properties_find(stored.properties, "UNIQ_KEY", &value));
    assert_false(raw_next_message(&peer, &stored));
    raw_close(&peer);
    rmq_mock_free(mock);
    bytes_free(golden);
}

static void a_batch_that_is_none_is_refused_whole(void **state)
{
    static char big[32720];
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, nothing, nothing, true};
    struct raw_peer peer;
    struct dt_buf body;

    (void)state;
    dt_buf_init(&body, 8 << 20);
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store(&peer, &message), RMQ_SYSTEM_ERROR); /* empty */
    put_item(&body, "good", "");
    dt_buf_put_str(&body, "\x7f\xff\xff\xff");
    message.body = dt_buf_span(&body);
    assert_int_equal(raw_store(&peer, &message), RMQ_SYSTEM_ERROR);
    dt_buf_clear(&body); /* with what is added to it the second would overflow */
    memset(big, 'p', sizeof(big) - 1);
    big[1] = 1;
    put_item(&body, "good", "");
    put_item(&body, "bad", big);
    message.body = dt_buf_span(&body);
    assert_int_equal(raw_store(&peer, &message), RMQ_SYSTEM_ERROR);
    dt_buf_clear(&body); /* more than 4 MiB together */
    for (int i = 0; i < 130; i++)
        put_item(&body, "much", big);
    message.body = dt_buf_span(&body);
    assert_int_equal(raw_store(&peer, &message), RMQ_SYSTEM_ERROR);
    assert_int_equal(rmq_mock_max_offset(mock, "TopicTest", 0), 0);
    raw_close(&peer);
    dt_buf_fini(&body);
    rmq_mock_free(mock);
}

static void a_batch_that_does_not_say_so_is_one_message(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct rmq_stored stored;
    struct raw_peer peer;
    struct dt_buf body;

    (void)state;
    dt_buf_init(&body, 1000);
    put_item(&body, "a", "");
    put_item(&body, "b", "");
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin(&peer, RMQ_SEND_BATCH_MESSAGE);
    rmq_encode_str(&peer.encoder, "a", "PG");
    rmq_encode_str(&peer.encoder, "b", "TopicTest");
    rmq_encode_str(&peer.encoder, "c", RMQ_DEFAULT_TOPIC);
    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"d", "e", "f", "g", "h"};

        rmq_encode_int(&peer.encoder, names[i], 0);
    }
    assert_int_equal(raw_call(&peer, dt_buf_span(&body)), RMQ_SUCCESS);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 32), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_span_equal(stored.body, dt_buf_span(&body));
    assert_false(raw_next_message(&peer, &stored));
    raw_close(&peer);
    dt_buf_fini(&body);
    rmq_mock_free(mock);
}

static void a_oneway_request_is_done_and_not_answered(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, dt_span_str("x"), nothing, false};
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 1), RMQ_SUCCESS);
    raw_begin_flags(&peer, RMQ_UPDATE_CONSUMER_OFFSET, RMQ_FLAG_ONEWAY);
    rmq_encode_str(&peer.encoder, "consumerGroup", "CG");
    rmq_encode_str(&peer.encoder, "topic", "TopicTest");
    rmq_encode_int(&peer.encoder, "queueId", 0);
    rmq_encode_int(&peer.encoder, "commitOffset", 9);
    raw_send(&peer, nothing);
    /* the next answer on this connection is that to the next request */
    assert_int_equal(raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "CG", "TopicTest", 0, -1),
                     RMQ_SUCCESS);
    assert_int_equal(raw_i64(&peer, "offset"), 9);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_full_broker_answers_so_and_keeps_what_it_has(void **state)
{
    rmq_mock_config config = {.memory_max = 3000};
    rmq_mock *mock = started(&config);
    struct raw_peer peer;
    int stored = 0;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    while (raw_store_text(&peer, "T", 0, "some text") == RMQ_SUCCESS)
        stored++;
    assert_int_equal(peer.answer.code, RMQ_SERVICE_NOT_AVAILABLE);
    assert_true(stored > 3 && stored < 20);
    assert_int_equal(rmq_mock_max_offset(mock, "T", 0), stored);
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- pulling */

static void the_bounds_of_a_queue_are_answered_by_code(void **state)
{
    rmq_mock *mock = started_with_topic(2);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 32), RMQ_PULL_NOT_FOUND);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 0);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 5, 32), RMQ_PULL_OFFSET_MOVED);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 0);
    assert_int_equal(raw_store_text(&peer, "TopicTest", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 1, 32), RMQ_PULL_NOT_FOUND);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 1);
    assert_int_equal(raw_i64(&peer, "minOffset"), 0);
    assert_int_equal(raw_i64(&peer, "maxOffset"), 1);
    assert_int_equal(raw_i64(&peer, "suggestWhichBrokerId"), 0);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 2, 32), RMQ_PULL_OFFSET_MOVED);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 1);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, -1, 32), RMQ_PULL_OFFSET_MOVED);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 0);
    assert_int_equal(raw_pull(&peer, "TopicTest", 2, 0, 32), RMQ_INVALID_PARAMETER);
    assert_int_equal(raw_pull(&peer, "Nowhere", 0, 0, 32), RMQ_TOPIC_NOT_EXIST);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static size_t pulled(struct raw_peer *peer, int64_t offset, int32_t count_max)
{
    struct rmq_stored stored;
    size_t count = 0;

    assert_int_equal(raw_pull(peer, "TopicTest", 0, offset, count_max), RMQ_SUCCESS);
    while (raw_next_message(peer, &stored))
        assert_int_equal(stored.queue_offset, offset + (int64_t)count++);
    assert_int_equal(raw_i64(peer, "nextBeginOffset"), offset + (int64_t)count);
    return count;
}

static void a_pull_gives_32_messages_or_256_kib_but_at_least_one(void **state)
{
    static uint8_t big[300000];
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, {big, 100000}, nothing, false};
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 40; i++)
        assert_int_equal(raw_store_text(&peer, "TopicTest", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(pulled(&peer, 0, 100), 32);
    assert_int_equal(pulled(&peer, 0, 5), 5);
    assert_int_equal(pulled(&peer, 32, 32), 8);
    for (int i = 0; i < 4; i++)
        assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    message.body.size = sizeof(big);
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    assert_int_equal(pulled(&peer, 40, 32), 2);
    assert_int_equal(pulled(&peer, 44, 32), 1); /* larger than the bound by itself */
    raw_close(&peer);
    rmq_mock_free(mock);
}

static int32_t pull_tags(struct raw_peer *peer, const char *expression, const char *type)
{
    raw_begin(peer, RMQ_LITE_PULL_MESSAGE);
    rmq_encode_str(&peer->encoder, "consumerGroup", "CG");
    rmq_encode_str(&peer->encoder, "topic", "TopicTest");
    rmq_encode_int(&peer->encoder, "queueId", 0);
    rmq_encode_int(&peer->encoder, "queueOffset", 0);
    rmq_encode_int(&peer->encoder, "maxMsgNums", 32);
    rmq_encode_int(&peer->encoder, "sysFlag",
                   RMQ_PULL_LITE | (expression == NULL ? 0 : RMQ_PULL_SUBSCRIPTION));
    rmq_encode_int(&peer->encoder, "commitOffset", 0);
    rmq_encode_int(&peer->encoder, "suspendTimeoutMillis", 0);
    rmq_encode_int(&peer->encoder, "subVersion", 0);
    if (expression != NULL)
        rmq_encode_str(&peer->encoder, "subscription", expression);
    if (type != NULL)
        rmq_encode_str(&peer->encoder, "expressionType", type);
    return raw_call(peer, nothing);
}

static void tags_choose_messages(void **state)
{
    static const char heartbeat[] = "{\"clientID\":\"c1\",\"consumerDataSet\":[{"
                                    "\"groupName\":\"CG\",\"subscriptionDataSet\":"
                                    "[{\"topic\":\"TopicTest\",\"subString\":\"TagB\"}]}]}";
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, dt_span_str("x"), nothing, false};
    struct rmq_stored stored;
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 6; i++) {
        static const char *const tags[] = {"TAGS\x01TagA\x02", "TAGS\x01TagB\x02", ""};

        message.properties = dt_span_str(tags[i % 3]);
        assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    }
    assert_int_equal(pull_tags(&peer, "TagB || TagC", "TAG"), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_int_equal(stored.queue_offset, 1);
    assert_true(raw_next_message(&peer, &stored));
    assert_int_equal(stored.queue_offset, 4);
    assert_false(raw_next_message(&peer, &stored));
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 6);
    assert_int_equal(pull_tags(&peer, "TagC", NULL), RMQ_PULL_RETRY_IMMEDIATELY);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 6);
    assert_int_equal(pull_tags(&peer, "a > 1", "SQL92"), RMQ_SYSTEM_ERROR);
    assert_int_equal(pull_tags(&peer, NULL, NULL), RMQ_SUBSCRIPTION_NOT_EXIST);
    raw_begin(&peer, RMQ_HEART_BEAT);
    assert_int_equal(raw_call(&peer, dt_span_str(heartbeat)), RMQ_SUCCESS);
    assert_int_equal(pull_tags(&peer, NULL, NULL), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_int_equal(stored.queue_offset, 1);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_held_pull_wakes_at_once(void **state)
{
    rmq_mock *mock = started_with_topic(2);
    struct rmq_stored stored;
    struct raw_peer consumer, producer;
    int64_t start_ms;

    (void)state;
    raw_open(&consumer, rmq_mock_broker(mock));
    raw_open(&producer, rmq_mock_broker(mock));
    start_ms = dt_clock_ms();
    raw_begin_pull(&consumer, "TopicTest", 1, 0, 32, 60000);
    raw_send(&consumer, nothing);
    assert_true(rmq_mock_wait_requests(mock, RMQ_PULL_MESSAGE, 1, RAW_WAIT_MS));
    assert_int_equal(raw_store_text(&producer, "TopicTest", 0, "other queue"), RMQ_SUCCESS);
    assert_int_equal(raw_store_text(&producer, "TopicTest", 1, "this queue"), RMQ_SUCCESS);
    raw_await(&consumer, consumer.opaque);
    assert_int_equal(consumer.answer.code, RMQ_SUCCESS);
    assert_true(raw_next_message(&consumer, &stored));
    assert_span_text(stored.body, "this queue");
    assert_true(dt_clock_ms() - start_ms < 30000);
    raw_close(&producer);
    raw_close(&consumer);
    rmq_mock_free(mock);
}

static void a_held_pull_ends_with_its_time(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct raw_peer peer;
    int64_t start_ms = dt_clock_ms();

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin_pull(&peer, "TopicTest", 0, 0, 32, 50);
    assert_int_equal(raw_call(&peer, nothing), RMQ_PULL_NOT_FOUND);
    assert_true(dt_clock_ms() - start_ms >= 50);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_held_pull_dies_with_its_connection(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct raw_peer peer, other;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin_pull(&peer, "TopicTest", 0, 0, 32, 60000);
    raw_send(&peer, nothing);
    assert_true(rmq_mock_wait_requests(mock, RMQ_PULL_MESSAGE, 1, RAW_WAIT_MS));
    raw_close(&peer);
    raw_open(&other, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&other, "TopicTest", 0, "x"), RMQ_SUCCESS);
    raw_close(&other);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- offsets, groups, topics */

static void offsets_are_kept_per_group_and_queue(void **state)
{
    rmq_mock *mock = started_with_topic(2);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 3; i++)
        assert_int_equal(raw_store_text(&peer, "TopicTest", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(raw_offset(&peer, RMQ_GET_MAX_OFFSET, NULL, "TopicTest", 0, -1), 0);
    assert_int_equal(raw_i64(&peer, "offset"), 3);
    assert_int_equal(raw_offset(&peer, RMQ_GET_MIN_OFFSET, NULL, "TopicTest", 0, -1), 0);
    assert_int_equal(raw_i64(&peer, "offset"), 0);
    assert_int_equal(raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "CG", "TopicTest", 0, -1),
                     0);
    assert_int_equal(raw_i64(&peer, "offset"), 0); /* young topic: 0, not "not found" */
    raw_begin(&peer, RMQ_QUERY_CONSUMER_OFFSET);
    rmq_encode_str(&peer.encoder, "consumerGroup", "CG");
    rmq_encode_str(&peer.encoder, "topic", "TopicTest");
    rmq_encode_int(&peer.encoder, "queueId", 0);
    rmq_encode_bool(&peer.encoder, "setZeroIfNotFound", false);
    assert_int_equal(raw_call(&peer, nothing), RMQ_QUERY_NOT_FOUND);
    assert_int_equal(raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "CG", "Nowhere", 0, -1),
                     RMQ_QUERY_NOT_FOUND);
    assert_int_equal(raw_offset(&peer, RMQ_UPDATE_CONSUMER_OFFSET, "CG", "TopicTest", 0, 2),
                     RMQ_SUBSCRIPTION_GROUP_NOT_EXIST); /* until it pulls or heartbeats */
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 1), RMQ_SUCCESS);
    assert_int_equal(raw_offset(&peer, RMQ_UPDATE_CONSUMER_OFFSET, "CG", "TopicTest", 0, 2),
                     0);
    assert_int_equal(raw_offset(&peer, RMQ_UPDATE_CONSUMER_OFFSET, "CG", "TopicTest", 1, 7),
                     0);
    assert_int_equal(raw_offset(&peer, RMQ_UPDATE_CONSUMER_OFFSET, "CG", "Nowhere", 1, 7),
                     RMQ_TOPIC_NOT_EXIST);
    assert_int_equal(raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "CG", "TopicTest", 0, -1),
                     0);
    assert_int_equal(raw_i64(&peer, "offset"), 2);
    assert_int_equal(
        raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "Other", "TopicTest", 0, -1), 0);
    assert_int_equal(raw_i64(&peer, "offset"), 0);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static int64_t search(struct raw_peer *peer, int64_t wall_ms, const char *boundary)
{
    raw_begin(peer, RMQ_SEARCH_OFFSET_BY_TIMESTAMP);
    rmq_encode_str(&peer->encoder, "topic", "TopicTest");
    rmq_encode_int(&peer->encoder, "queueId", 0);
    rmq_encode_int(&peer->encoder, "timestamp", wall_ms);
    if (boundary != NULL)
        rmq_encode_str(&peer->encoder, "boundaryType", boundary);
    assert_int_equal(raw_call(peer, nothing), RMQ_SUCCESS);
    return raw_i64(peer, "offset");
}

static void offsets_are_found_by_store_time(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct rmq_stored stored;
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(search(&peer, 5, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(raw_store_text(&peer, "TopicTest", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(raw_pull(&peer, "TopicTest", 0, 0, 32), RMQ_SUCCESS);
    assert_true(raw_next_message(&peer, &stored));
    assert_int_equal(search(&peer, stored.store_ms, NULL), 0);
    assert_int_equal(search(&peer, stored.store_ms - 1000, "UPPER"), 0);
    assert_int_equal(search(&peer, stored.store_ms + 3600000, NULL), 3);
    assert_int_equal(search(&peer, INT64_MAX, "UPPER"), 2);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static int32_t heartbeat(struct raw_peer *peer, const char *client_id)
{
    char body[256];

    snprintf(body, sizeof(body),
             "{\"clientID\":\"%s\",\"consumerDataSet\":[{\"groupName\":\"CG\","
             "\"subscriptionDataSet\":[]}],\"producerDataSet\":[{\"groupName\":\"PG\"}]}",
             client_id);
    raw_begin(peer, RMQ_HEART_BEAT);
    return raw_call(peer, dt_span_str(body));
}

static void await_notification(struct raw_peer *peer)
{
    struct dt_span group;

    assert_true(raw_receive(peer, RAW_WAIT_MS));
    assert_int_equal(peer->answer.code, RMQ_NOTIFY_CONSUMER_IDS_CHANGED);
    assert_true(rmq_command_is_oneway(&peer->answer));
    assert_true(rmq_command_str(&peer->answer, "consumerGroup", &group));
    assert_span_text(group, "CG");
}

static void assert_members(struct raw_peer *peer, const char *expected)
{
    raw_begin(peer, RMQ_GET_CONSUMER_LIST_BY_GROUP);
    rmq_encode_str(&peer->encoder, "consumerGroup", "CG");
    if (expected == NULL) {
        assert_int_equal(raw_call(peer, nothing), RMQ_SYSTEM_ERROR);
        return;
    }
    assert_int_equal(raw_call(peer, nothing), RMQ_SUCCESS);
    assert_span_text(peer->body, expected);
}

static void members_are_told_of_each_other(void **state)
{
    rmq_mock *mock = started(NULL);
    struct raw_peer one, two, three;

    (void)state;
    raw_open(&one, rmq_mock_broker(mock));
    raw_open(&two, rmq_mock_broker(mock));
    raw_open(&three, rmq_mock_broker(mock));
    assert_members(&one, NULL);
    assert_int_equal(heartbeat(&one, "c1"), RMQ_SUCCESS);
    assert_int_equal(one.notifications, 1); /* before the answer */
    assert_int_equal(heartbeat(&one, "c1"), RMQ_SUCCESS);
    assert_int_equal(one.notifications, 1); /* nothing new */
    assert_int_equal(heartbeat(&two, "c2"), RMQ_SUCCESS);
    await_notification(&one);
    assert_members(&one, "{\"consumerIdList\":[\"c1\",\"c2\"]}");
    assert_int_equal(ask_route(&three, "%RETRY%CG"), RMQ_REQUEST_CODE_NOT_SUPPORTED);
    assert_int_equal(rmq_mock_max_offset(mock, "%RETRY%CG", 0), 0); /* was made */
    assert_int_equal(heartbeat(&three, "c3"), RMQ_SUCCESS);
    await_notification(&one);
    raw_begin(&two, RMQ_UNREGISTER_CLIENT);
    rmq_encode_str(&two.encoder, "clientID", "c2");
    rmq_encode_str(&two.encoder, "consumerGroup", "CG");
    assert_int_equal(raw_call(&two, nothing), RMQ_SUCCESS);
    await_notification(&one);
    raw_close(&three);
    await_notification(&one);
    assert_members(&one, "{\"consumerIdList\":[\"c1\"]}");
    raw_close(&one);
    raw_close(&two);
    rmq_mock_free(mock);
}

static void a_golden_heartbeat_is_answered(void **state)
{
    struct dt_span bytes = bytes_of_hex("000000af0000005f7b22636f6465223a33342c22666c616722"
                                        "3a302c226c616e6775616765223a22435050"
                                        "222c226f7061717565223a372c2273657269616c697a655479"
                                        "706543757272656e74525043223a224a534f"
                                        "4e222c2276657273696f6e223a3430317d7b22636c69656e74"
                                        "4944223a2263222c22636f6e73756d657244"
                                        "617461536574223a5b5d2c2270726f64756365724461746153"
                                        "6574223a5b7b2267726f75704e616d65223a"
                                        "225047227d5d7d");
    rmq_mock *mock = started(NULL);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_send_bytes(&peer, bytes);
    raw_await(&peer, 7);
    assert_int_equal(peer.answer.code, RMQ_SUCCESS);
    assert_int_equal(peer.answer.version, RMQ_VERSION_5_3_3);
    raw_begin(&peer, RMQ_HEART_BEAT);
    assert_int_equal(raw_call(&peer, dt_span_str("no json")), RMQ_SYSTEM_ERROR);
    raw_close(&peer);
    rmq_mock_free(mock);
    bytes_free(bytes);
}

static int32_t create_topic(struct raw_peer *peer, const char *topic, int32_t queues)
{
    raw_begin(peer, RMQ_UPDATE_AND_CREATE_TOPIC);
    rmq_encode_str(&peer->encoder, "topic", topic);
    rmq_encode_str(&peer->encoder, "defaultTopic", RMQ_DEFAULT_TOPIC);
    rmq_encode_int(&peer->encoder, "readQueueNums", queues);
    rmq_encode_int(&peer->encoder, "writeQueueNums", queues);
    rmq_encode_int(&peer->encoder, "perm", 6);
    rmq_encode_str(&peer->encoder, "topicFilterType", "SINGLE_TAG");
    rmq_encode_int(&peer->encoder, "topicSysFlag", 0);
    rmq_encode_bool(&peer->encoder, "order", false);
    return raw_call(peer, nothing);
}

static void topics_are_made_changed_and_described(void **state)
{
    rmq_mock *mock = started(NULL);
    struct raw_peer peer;
    struct rmq_json root, key, value;
    struct rmq_json_iter iter;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(create_topic(&peer, "Made", 2), RMQ_SUCCESS);
    assert_true(peer.answer.remark.size > 0); /* a remark is no failure */
    assert_int_equal(raw_store_text(&peer, "Made", 1, "x"), RMQ_SUCCESS);
    assert_int_equal(create_topic(&peer, "Made", 5), RMQ_SUCCESS);
    assert_int_equal(rmq_mock_max_offset(mock, "Made", 1), 1);
    assert_int_equal(rmq_mock_max_offset(mock, "Made", 4), 0);
    assert_int_equal(create_topic(&peer, "bad.name", 2), RMQ_INVALID_PARAMETER);
    assert_int_equal(create_topic(&peer, RMQ_DEFAULT_TOPIC, 2), RMQ_INVALID_PARAMETER);
    assert_int_equal(create_topic(&peer, "Made", -1), RMQ_SYSTEM_ERROR);
    raw_begin(&peer, RMQ_GET_TOPIC_CONFIG);
    rmq_encode_str(&peer.encoder, "topic", "Made");
    assert_int_equal(raw_call(&peer, nothing), RMQ_SUCCESS);
    assert_true(rmq_json_parse(peer.body, &root));
    assert_int_equal(rmq_json_i64_or(rmq_json_get(root, "writeQueueNums"), 0, 9, -1), 5);
    raw_begin(&peer, RMQ_GET_TOPIC_STATS_INFO); /* objects as keys */
    rmq_encode_str(&peer.encoder, "topic", "Made");
    assert_int_equal(raw_call(&peer, nothing), RMQ_SUCCESS);
    assert_true(rmq_json_parse(peer.body, &root));
    iter = rmq_json_items(rmq_json_get(root, "offsetTable"));
    for (int i = 0; i < 5; i++) {
        assert_true(rmq_json_next(&iter, &key, &value));
        assert_int_equal(rmq_json_i64_or(rmq_json_get(key, "queueId"), 0, 9, -1), i);
        assert_int_equal(rmq_json_i64_or(rmq_json_get(value, "maxOffset"), 0, 9, -1),
                         i == 1);
    }
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- peers without manners */

static void hostile_frames_close_the_connection(void **state)
{
    static const char *const bad[] = {
        "01000000",                             /* one byte over 16 MiB */
        "00000003",                             /* less than the header's length */
        "0000000800000005",                     /* header longer than its frame */
        "0000000602000002",                     /* no such header type */
        "00000006000000027b5d",                 /* {] */
        "0000000e0100000a00690101910000000100", /* binary, breaks off */
        "16030102000100",                       /* TLS */
    };
    rmq_mock *mock = started(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dt_span bytes = bytes_of_hex(bad[i]);
        struct raw_peer peer;

        raw_open(&peer, rmq_mock_broker(mock));
        raw_send_bytes(&peer, bytes);
        if (!raw_is_closed(&peer))
            fail_msg("was not closed: %s", bad[i]);
        raw_close(&peer);
        bytes_free(bytes);
    }
    rmq_mock_free(mock);
}

static void unknown_requests_are_answered_and_answers_ignored(void **state)
{
    rmq_mock *mock = started(NULL);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin(&peer, 200050);
    assert_int_equal(raw_call(&peer, nothing), RMQ_REQUEST_CODE_NOT_SUPPORTED);
    raw_begin_flags(&peer, 0, RMQ_FLAG_RESPONSE);
    raw_send(&peer, nothing);
    raw_begin(&peer, 0);
    assert_int_equal(raw_call(&peer, nothing), RMQ_REQUEST_CODE_NOT_SUPPORTED);
    raw_begin(&peer, RMQ_PULL_MESSAGE);
    rmq_encode_str(&peer.encoder, "consumerGroup", "CG");
    rmq_encode_str(&peer.encoder, "topic", "T");
    rmq_encode_str(&peer.encoder, "queueId", "one");
    assert_int_equal(raw_call(&peer, nothing), RMQ_SYSTEM_ERROR);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void answers_mirror_the_type_of_requests_if_told(void **state)
{
    rmq_mock_config config = {.mirror_header_type = true};
    rmq_mock *mock = started(&config);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    peer.type = RMQ_HEADER_BINARY;
    assert_int_equal(raw_store_text(&peer, "T", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(peer.answer_type, RMQ_HEADER_BINARY);
    assert_int_equal(raw_i64(&peer, "queueOffset"), 0);
    peer.type = RMQ_HEADER_JSON;
    assert_int_equal(raw_store_text(&peer, "T", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(peer.answer_type, RMQ_HEADER_JSON);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void frames_come_in_any_pieces(void **state)
{
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, dt_span_str("piecemeal"), nothing, false};
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin_send(&peer, &message);
    rmq_encode_end(&peer.encoder, message.body.size);
    dt_buf_put_span(&peer.out, message.body);
    for (size_t i = 0; i < peer.out.size; i++)
        raw_send_bytes(&peer, dt_span_of(peer.out.data + i, 1));
    raw_await(&peer, peer.opaque);
    assert_int_equal(peer.answer.code, RMQ_SUCCESS);
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- many */

#define MANY_ROUNDS 1000
#define MANY_QUEUES 4

static void thousands_of_messages_come_back_in_order(void **state)
{
    rmq_mock *mock = started_with_topic(MANY_QUEUES);
    struct raw_peer peer;
    struct dt_buf body, all;

    (void)state;
    dt_buf_init(&body, 1 << 20);
    dt_buf_init(&all, 16 << 20);
    raw_open(&peer, rmq_mock_broker(mock));
    for (int round = 0; round < MANY_ROUNDS; round++) { /* pipelined: all at once */
        struct raw_message message = {"TopicTest", round % MANY_QUEUES, nothing, nothing,
                                      true};

        dt_buf_clear(&body);
        for (int i = 0; i < 10; i++) {
            char text[32];

            snprintf(text, sizeof(text), "%d", round / MANY_QUEUES * 10 + i);
            put_item(&body, text, "");
        }
        raw_begin_send(&peer, &message);
        rmq_encode_end(&peer.encoder, body.size);
        dt_buf_put_span(&all, dt_buf_span(&peer.out));
        dt_buf_put_span(&all, dt_buf_span(&body));
    }
    raw_send_bytes(&peer, dt_buf_span(&all));
    for (int round = 0; round < MANY_ROUNDS; round++) {
        raw_await(&peer, round + 1);
        assert_int_equal(peer.answer.code, RMQ_SUCCESS);
        assert_int_equal(raw_i64(&peer, "queueOffset"), round / MANY_QUEUES * 10);
    }
    for (int32_t queue = 0; queue < MANY_QUEUES; queue++) {
        int64_t offset = 0;

        while (raw_pull(&peer, "TopicTest", queue, offset, 32) == RMQ_SUCCESS) {
            struct rmq_stored stored;

            while (raw_next_message(&peer, &stored)) {
                char text[32];

                snprintf(text, sizeof(text), "%lld", (long long)offset);
                assert_span_text(stored.body, text);
                assert_int_equal(stored.queue_offset, offset++);
            }
        }
        assert_int_equal(offset, MANY_ROUNDS / MANY_QUEUES * 10);
    }
    raw_close(&peer);
    dt_buf_fini(&body);
    dt_buf_fini(&all);
    rmq_mock_free(mock);
}

/* Whoever asks for much and reads nothing is not read from any more, and gets it all later. */
static void a_peer_that_does_not_read_its_answers_waits(void **state)
{
    static uint8_t big[250000];
    rmq_mock *mock = started_with_topic(1);
    struct raw_message message = {"TopicTest", 0, {big, sizeof(big)}, nothing, false};
    struct raw_peer peer;
    struct dt_buf all;
    int count = 200; /* 50 MB of answers */

    (void)state;
    dt_buf_init(&all, 1 << 20);
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    for (int i = 0; i < count; i++) {
        raw_begin_pull(&peer, "TopicTest", 0, 0, 1, 0);
        rmq_encode_end(&peer.encoder, 0);
        dt_buf_put_span(&all, dt_buf_span(&peer.out));
    }
    raw_send_bytes(&peer, dt_buf_span(&all));
    for (int i = 0; i < count; i++) {
        raw_await(&peer, i + 2);
        assert_int_equal(peer.answer.code, RMQ_SUCCESS);
        assert_true(peer.body.size > sizeof(big));
    }
    raw_close(&peer);
    dt_buf_fini(&all);
    rmq_mock_free(mock);
}

static void wrong_settings_are_refused(void **state)
{
    rmq_mock_config config = {.host = "not an address"};
    rmq_mock *mock, *second;

    (void)state;
    assert_int_equal(rmq_mock_new(&config, &mock), DT_EINVAL);
    assert_null(mock);
    mock = started(NULL);
    config.host = NULL;
    config.namesrv_port = (uint16_t)atoi(strchr(rmq_mock_namesrv(mock), ':') + 1);
    assert_int_equal(rmq_mock_new(&config, &second), DT_EIO); /* taken */
    assert_null(second);
    assert_int_equal(rmq_mock_topic_create(mock, "bad.name", 1), DT_EINVAL);
    assert_int_equal(rmq_mock_topic_create(mock, "T", 0), DT_EINVAL);
    rmq_mock_free(mock);
    rmq_mock_free(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_route_requests_are_answered),
        cmocka_unit_test(old_clients_get_routes_with_bare_keys),
        cmocka_unit_test(the_name_server_knows_topics_and_the_cluster),
        cmocka_unit_test(a_message_is_stored_with_what_the_broker_adds),
        cmocka_unit_test(the_long_field_names_do_the_same),
        cmocka_unit_test(a_topic_is_made_by_its_first_message),
        cmocka_unit_test(what_a_broker_refuses_is_refused),
        cmocka_unit_test(a_batch_is_stored_in_order),
        cmocka_unit_test(a_batch_that_is_none_is_refused_whole),
        cmocka_unit_test(a_batch_that_does_not_say_so_is_one_message),
        cmocka_unit_test(a_oneway_request_is_done_and_not_answered),
        cmocka_unit_test(a_full_broker_answers_so_and_keeps_what_it_has),
        cmocka_unit_test(the_bounds_of_a_queue_are_answered_by_code),
        cmocka_unit_test(a_pull_gives_32_messages_or_256_kib_but_at_least_one),
        cmocka_unit_test(tags_choose_messages),
        cmocka_unit_test(a_held_pull_wakes_at_once),
        cmocka_unit_test(a_held_pull_ends_with_its_time),
        cmocka_unit_test(a_held_pull_dies_with_its_connection),
        cmocka_unit_test(offsets_are_kept_per_group_and_queue),
        cmocka_unit_test(offsets_are_found_by_store_time),
        cmocka_unit_test(members_are_told_of_each_other),
        cmocka_unit_test(a_golden_heartbeat_is_answered),
        cmocka_unit_test(topics_are_made_changed_and_described),
        cmocka_unit_test(hostile_frames_close_the_connection),
        cmocka_unit_test(unknown_requests_are_answered_and_answers_ignored),
        cmocka_unit_test(answers_mirror_the_type_of_requests_if_told),
        cmocka_unit_test(frames_come_in_any_pieces),
        cmocka_unit_test(thousands_of_messages_come_back_in_order),
        cmocka_unit_test(a_peer_that_does_not_read_its_answers_waits),
        cmocka_unit_test(wrong_settings_are_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
