/* mockmq: everything that it can be told to do wrong */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "rmq/batch.h"
#include "rmq/mock.h"
#include "support/bytes.h"
#include "support/case.h"
#include "support/raw_mq.h"

static const struct dt_span nothing = {NULL, 0};

static rmq_mock *started(int32_t queues)
{
    rmq_mock *mock;

    assert_int_equal(rmq_mock_new(NULL, &mock), DT_OK);
    assert_int_equal(rmq_mock_topic_create(mock, "flights", queues), DT_OK);
    return mock;
}

static void control(rmq_mock *mock, const char *text)
{
    char reply[256];

    assert_int_equal(rmq_mock_control(mock, text, reply, sizeof(reply)), DT_OK);
    assert_string_equal(reply, "ok");
}

static void put_item(struct dt_buf *out, const char *body, const char *properties)
{
    struct rmq_batch_item item = {0, 0, dt_span_str(body), dt_span_str(properties)};

    rmq_batch_item_put(out, &item);
}

/* The bodies of a queue, separated by spaces. */
static void assert_bodies(rmq_mock *mock, int32_t queue_id, const char *expected)
{
    struct rmq_stored stored;
    struct raw_peer peer;
    struct dt_buf bodies;
    int64_t offset = 0;

    dt_buf_init(&bodies, 10000);
    raw_open(&peer, rmq_mock_broker(mock));
    while (raw_pull(&peer, "flights", queue_id, offset, 32) == RMQ_SUCCESS) {
        while (raw_next_message(&peer, &stored)) {
            assert_int_equal(stored.queue_offset, offset++); /* no gap */
            dt_buf_put_span(&bodies, stored.body);
            dt_buf_put_u8(&bodies, ' ');
        }
    }
    assert_string_equal(dt_buf_str(&bodies), expected);
    raw_close(&peer);
    dt_buf_fini(&bodies);
}

/* ---------------------------------------------------------------- withhold */

static void withheld_messages_are_acknowledged_named_and_not_there(void **state)
{
    rmq_mock *mock = started(2);
    struct raw_message message = {"flights", 1, nothing, nothing, false};
    rmq_mock_withheld withheld;
    struct raw_peer peer;

    (void)state;
    control(mock, "withhold flights 2");
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "elsewhere", 0, "x"), RMQ_SUCCESS);
    assert_int_equal(rmq_mock_withheld_count(mock), 0);
    for (int i = 0; i < 4; i++) {
        char text[16], properties[64];

        snprintf(text, sizeof(text), "m%d", i);
        snprintf(properties, sizeof(properties),
                 "UNIQ_KEY\x01"
                 "key%d\x02"
                 "DUET\x01stamp%d\x02",
                 i, i);
        message.body = dt_span_str(text);
        message.properties = dt_span_str(properties);
        assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
        assert_int_equal(raw_i64(&peer, "queueOffset"), i < 2 ? 0 : i - 2);
    }
    assert_bodies(mock, 1, "m2 m3 ");
    assert_int_equal(rmq_mock_withheld_count(mock), 2);
    assert_int_equal(rmq_mock_withheld_get(mock, 1, &withheld), DT_OK);
    assert_string_equal(withheld.topic, "flights");
    assert_string_equal(withheld.duet, "stamp1");
    assert_string_equal(withheld.uniq_key, "key1");
    assert_int_equal(withheld.queue_id, 1);
    assert_int_equal(withheld.offset, 0);
    assert_int_equal(rmq_mock_withheld_get(mock, 2, &withheld), DT_ENOTFOUND);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void part_of_a_batch_is_withheld(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_message message = {"flights", 0, nothing, nothing, true};
    rmq_mock_withheld withheld;
    struct raw_peer peer;
    struct dt_buf body;
    struct dt_span ids;

    (void)state;
    dt_buf_init(&body, 1000);
    put_item(&body, "a", "DUET\x01sa\x02");
    put_item(&body, "b", "DUET\x01sb\x02");
    put_item(&body, "c", "");
    message.body = dt_buf_span(&body);
    assert_int_equal(rmq_mock_withhold(mock, "flights", 1), DT_OK);
    assert_int_equal(rmq_mock_withhold(mock, "flights", 1), DT_OK); /* adds up */
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store(&peer, &message), RMQ_SUCCESS);
    assert_true(rmq_command_str(&peer.answer, "msgId", &ids));
    assert_int_equal(ids.size, 3 * 33 - 1); /* all are acknowledged */
    assert_int_equal(rmq_mock_withheld_count(mock), 2);
    assert_int_equal(rmq_mock_withheld_get(mock, 1, &withheld), DT_OK);
    assert_string_equal(withheld.duet, "sb");
    assert_int_equal(withheld.offset, 1);
    assert_bodies(mock, 0, "c ");
    raw_close(&peer);
    dt_buf_fini(&body);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- errors, lost answers */

static void sends_are_answered_with_an_error_and_not_done(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_peer peer;

    (void)state;
    control(mock, "error 2 3");
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 3; i++)
        assert_int_equal(raw_store_text(&peer, "flights", 0, "no"), RMQ_SYSTEM_BUSY);
    assert_int_equal(raw_pull(&peer, "flights", 0, 0, 1), RMQ_PULL_NOT_FOUND); /* no send */
    assert_int_equal(raw_store_text(&peer, "flights", 0, "yes"), RMQ_SUCCESS);
    assert_bodies(mock, 0, "yes ");
    assert_int_equal(rmq_mock_requests(mock, 0), 4);
    assert_int_equal(rmq_mock_requests(mock, RMQ_SEND_MESSAGE_V2), 4);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void one_kind_of_request_gets_errors(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_peer peer;

    (void)state;
    rmq_mock_error(mock, RMQ_GET_ROUTEINFO_BY_TOPIC, RMQ_SYSTEM_ERROR, 1);
    raw_open(&peer, rmq_mock_namesrv(mock));
    for (int i = 0; i < 2; i++) {
        raw_begin(&peer, RMQ_GET_ROUTEINFO_BY_TOPIC);
        rmq_encode_str(&peer.encoder, "topic", "flights");
        assert_int_equal(raw_call(&peer, nothing), i == 0 ? RMQ_SYSTEM_ERROR : RMQ_SUCCESS);
    }
    rmq_mock_error(mock, 1 << 20, 1, 1); /* codes beyond those that are counted: nothing */
    assert_int_equal(rmq_mock_requests(mock, 1 << 20), 0);
    assert_false(rmq_mock_wait_requests(mock, -1, 0, 0));
    assert_false(rmq_mock_wait_requests(mock, RMQ_HEART_BEAT, 1, 1));
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_lost_answer_leaves_a_message_that_is_stored(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_message message = {"flights", 0, dt_span_str("in-doubt"), nothing, false};
    struct raw_peer peer;

    (void)state;
    rmq_mock_lose_answers(mock, 0, 1);
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin_send(&peer, &message);
    raw_send(&peer, message.body);
    assert_true(raw_is_closed(&peer));
    raw_close(&peer);
    assert_bodies(mock, 0, "in-doubt ");
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "flights", 0, "sure"), RMQ_SUCCESS);
    assert_bodies(mock, 0, "in-doubt sure ");
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- delay */

static void delayed_answers_show_who_does_not_wait_for_them(void **state)
{
    rmq_mock *mock = started(2);
    struct raw_message message = {"flights", 0, dt_span_str("x"), nothing, false};
    struct raw_peer peer;
    int64_t start_ms;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    control(mock, "delay 40");
    start_ms = dt_clock_ms();
    for (int i = 0; i < 3; i++) /* each queue has at most one at a time */
        assert_int_equal(raw_store_text(&peer, "flights", i % 2, "x"), RMQ_SUCCESS);
    assert_true(dt_clock_ms() - start_ms >= 3 * 40);
    assert_int_equal(rmq_mock_sends_at_once(mock), 1);
    for (int i = 0; i < 3; i++) { /* three into one queue */
        raw_begin_send(&peer, &message);
        raw_send(&peer, message.body);
    }
    for (int i = 0; i < 3; i++)
        raw_await(&peer, peer.opaque - 2 + i); /* in the order of the requests */
    assert_int_equal(rmq_mock_sends_at_once(mock), 3);
    control(mock, "delay 0");
    assert_int_equal(raw_store_text(&peer, "flights", 0, "x"), RMQ_SUCCESS);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_delayed_answer_dies_with_its_connection(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_message message = {"flights", 0, dt_span_str("x"), nothing, false};
    struct raw_peer peer;

    (void)state;
    rmq_mock_delay(mock, 60000);
    raw_open(&peer, rmq_mock_broker(mock));
    raw_begin_send(&peer, &message);
    raw_send(&peer, message.body);
    assert_true(rmq_mock_wait_requests(mock, 0, 1, RAW_WAIT_MS));
    rmq_mock_cut(mock);
    assert_true(raw_is_closed(&peer));
    rmq_mock_delay(mock, 0);
    raw_close(&peer);
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "flights", 0, "y"), RMQ_SUCCESS);
    assert_int_equal(rmq_mock_sends_at_once(mock), 1); /* the one that was cut is over */
    raw_close(&peer);
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- cut, restart, down */

static void a_cut_closes_every_connection(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_peer broker, namesrv;

    (void)state;
    raw_open(&broker, rmq_mock_broker(mock));
    raw_open(&namesrv, rmq_mock_namesrv(mock));
    assert_int_equal(raw_store_text(&broker, "flights", 0, "kept"), RMQ_SUCCESS);
    control(mock, "cut");
    assert_true(raw_is_closed(&broker));
    assert_true(raw_is_closed(&namesrv));
    assert_int_equal(rmq_mock_connections(mock), 0);
    raw_close(&broker);
    raw_close(&namesrv);
    assert_bodies(mock, 0, "kept ");
    rmq_mock_free(mock);
}

static void a_restart_keeps_data_and_offsets_but_not_members(void **state)
{
    static const char heartbeat[] =
        "{\"clientID\":\"c1\",\"consumerDataSet\":[{\"groupName\":"
        "\"CG\"}]}";
    rmq_mock *mock = started(1);
    struct raw_peer peer;
    char before[64];

    (void)state;
    snprintf(before, sizeof(before), "%s", rmq_mock_broker(mock));
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "flights", 0, "kept"), RMQ_SUCCESS);
    raw_begin(&peer, RMQ_HEART_BEAT);
    assert_int_equal(raw_call(&peer, dt_span_str(heartbeat)), RMQ_SUCCESS);
    assert_int_equal(raw_offset(&peer, RMQ_UPDATE_CONSUMER_OFFSET, "CG", "flights", 0, 1),
                     0);
    control(mock, "restart");
    assert_true(raw_is_closed(&peer));
    raw_close(&peer);
    assert_string_equal(rmq_mock_broker(mock), before);
    assert_bodies(mock, 0, "kept ");
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_offset(&peer, RMQ_QUERY_CONSUMER_OFFSET, "CG", "flights", 0, -1),
                     0);
    assert_int_equal(raw_i64(&peer, "offset"), 1);
    raw_begin(&peer, RMQ_GET_CONSUMER_LIST_BY_GROUP);
    rmq_encode_str(&peer.encoder, "consumerGroup", "CG");
    assert_int_equal(raw_call(&peer, nothing), RMQ_SYSTEM_ERROR);
    raw_close(&peer);
    rmq_mock_free(mock);
}

static void a_restart_that_loses_gives_offsets_out_again(void **state)
{
    rmq_mock *mock = started(2);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    for (int i = 0; i < 3; i++) {
        char text[16];

        snprintf(text, sizeof(text), "m%d", i);
        assert_int_equal(raw_store_text(&peer, "flights", 0, text), RMQ_SUCCESS);
    }
    assert_int_equal(raw_store_text(&peer, "flights", 1, "other"), RMQ_SUCCESS);
    control(mock, "restart lose");
    assert_true(raw_is_closed(&peer));
    raw_close(&peer);
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_pull(&peer, "flights", 0, 3, 32), RMQ_PULL_OFFSET_MOVED);
    assert_int_equal(raw_i64(&peer, "nextBeginOffset"), 2);
    assert_int_equal(raw_store_text(&peer, "flights", 0, "new"), RMQ_SUCCESS);
    assert_int_equal(raw_i64(&peer, "queueOffset"), 2);
    assert_bodies(mock, 0, "m0 m1 new ");
    assert_bodies(mock, 1, "");
    rmq_mock_restart(mock, 100); /* more than there is */
    assert_bodies(mock, 0, "");
    raw_close(&peer);
    rmq_mock_free(mock);
}

static bool connects(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected;

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    connected = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
    close(fd);
    return connected;
}

static void a_broker_that_is_down_refuses_until_it_is_up(void **state)
{
    rmq_mock *mock = started(1);
    struct raw_peer peer;

    (void)state;
    raw_open(&peer, rmq_mock_broker(mock));
    assert_int_equal(raw_store_text(&peer, "flights", 0, "kept"), RMQ_SUCCESS);
    control(mock, "down");
    assert_true(raw_is_closed(&peer));
    raw_close(&peer);
    assert_false(connects(rmq_mock_broker(mock)));
    assert_false(connects(rmq_mock_namesrv(mock)));
    control(mock, "restart");
    assert_false(connects(rmq_mock_broker(mock))); /* stays down */
    control(mock, "down");
    control(mock, "up");
    control(mock, "up");
    assert_true(connects(rmq_mock_broker(mock)));
    assert_bodies(mock, 0, "kept ");
    control(mock, "down");
    rmq_mock_free(mock);
}

/* Scripting comes from other threads, while requests are being served. */
static void cuts_and_restarts_in_mid_traffic_do_no_harm(void **state)
{
    rmq_mock *mock = started(4);
    int64_t stored = 0;

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct raw_message message = {"flights", round % 4, dt_span_str("x"), nothing,
                                      false};
        struct raw_peer peers[4];

        for (size_t i = 0; i < 4; i++) {
            raw_open(&peers[i], rmq_mock_broker(mock));
            raw_begin_pull(&peers[i], "flights", (int32_t)i, 0, 32, 60000);
            raw_send(&peers[i], nothing);
            raw_begin_send(&peers[i], &message);
            raw_send(&peers[i], message.body);
        }
        if (round % 3 == 0)
            rmq_mock_cut(mock);
        else if (round % 3 == 1)
            rmq_mock_restart(mock, 0);
        else
            assert_true(rmq_mock_wait_requests(mock, 0, ++stored, RAW_WAIT_MS));
        for (size_t i = 0; i < 4; i++)
            raw_close(&peers[i]);
    }
    rmq_mock_free(mock);
}

/* ---------------------------------------------------------------- texts */

static void bad_commands_get_a_sentence(void **state)
{
    static const char *const bad[] = {
        "",          "  \n",      "explode",    "withhold",       "withhold flights",
        "cut now",   "delay",     "delay -1",   "withhold f.g 1", "withhold flights one",
        "error 2",   "error 2 x", "error -1 1", "restart losing", "withhold flights 1 2",
        "delay 1 2", "down 1",    "up 1",       "a b c d e f",    "restart lose all",
    };
    rmq_mock *mock = started(1);
    char reply[256], small[8];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rmq_mock_control(mock, bad[i], reply, sizeof(reply)), DT_EINVAL);
        assert_string_not_equal(reply, "ok");
        assert_true(strlen(reply) > 10);
        assert_null(strchr(reply, '\n'));
    }
    assert_int_equal(rmq_mock_control(mock, "explode", small, sizeof(small)), DT_EINVAL);
    assert_int_equal(strlen(small), 7);
    control(mock, "  withhold\tflights  3 \n");
    rmq_mock_free(mock);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(withheld_messages_are_acknowledged_named_and_not_there),
        cmocka_unit_test(part_of_a_batch_is_withheld),
        cmocka_unit_test(sends_are_answered_with_an_error_and_not_done),
        cmocka_unit_test(one_kind_of_request_gets_errors),
        cmocka_unit_test(a_lost_answer_leaves_a_message_that_is_stored),
        cmocka_unit_test(delayed_answers_show_who_does_not_wait_for_them),
        cmocka_unit_test(a_delayed_answer_dies_with_its_connection),
        cmocka_unit_test(a_cut_closes_every_connection),
        cmocka_unit_test(a_restart_keeps_data_and_offsets_but_not_members),
        cmocka_unit_test(a_restart_that_loses_gives_offsets_out_again),
        cmocka_unit_test(a_broker_that_is_down_refuses_until_it_is_up),
        cmocka_unit_test(cuts_and_restarts_in_mid_traffic_do_no_harm),
        cmocka_unit_test(bad_commands_get_a_sentence),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
