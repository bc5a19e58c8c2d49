/*
 * two_brokers.h - two in-memory brokers behind a name server that gives out both for every topic.
 *
 * Include it after <cmocka.h> and rmq_world.h.
 */
#ifndef COMPONENT_TWO_BROKERS_H
#define COMPONENT_TWO_BROKERS_H

#include "fake_peer.h"
#include "rmq/codes.h"
#include "rmq/command.h"
#include "rmq/route.h"

enum { TWO_QUEUES = 2 /* of each broker */ };

struct two_brokers {
    rmq_mock *mocks[2]; /* broker-0, broker-1 */
    struct fake_peer names;
    rmq_client *client;
    const char *topic;
};

static inline void two_put_route(const struct two_brokers *two, struct dt_buf *out)
{
    struct rmq_route_address addresses[2];
    struct rmq_route_broker brokers[2];
    struct rmq_route_share shares[2];
    struct rmq_route route = {brokers, 2, shares, 2, NULL};

    memset(addresses, 0, sizeof(addresses));
    memset(brokers, 0, sizeof(brokers));
    memset(shares, 0, sizeof(shares));
    for (int i = 0; i < 2; i++) {
        snprintf(addresses[i].address, sizeof(addresses[i].address), "%s",
                 rmq_mock_broker(two->mocks[i]));
        snprintf(brokers[i].name, sizeof(brokers[i].name), "broker-%d", i);
        snprintf(brokers[i].cluster, sizeof(brokers[i].cluster), "c");
        brokers[i].addresses = &addresses[i];
        brokers[i].address_count = 1;
        snprintf(shares[i].broker_name, sizeof(shares[i].broker_name), "broker-%d", i);
        shares[i].read_queues = shares[i].write_queues = TWO_QUEUES;
        shares[i].perm = RMQ_PERM_READ | RMQ_PERM_WRITE;
    }
    rmq_route_write(&route, true, out);
}

static inline void two_serve_names(struct fake_peer *fake, int fd)
{
    uint8_t bytes[65536];
    size_t size = 0, more;

    while ((more = fake_read(fake, fd, bytes + size, sizeof(bytes) - size)) > 0) {
        struct rmq_frame frame;

        size += more;
        while (rmq_frame_cut(dt_span_of(bytes, size), sizeof(bytes), &frame) ==
               RMQ_CUT_FRAME) {
            struct rmq_head head = {0};
            struct rmq_command command;
            struct rmq_encoder encoder;
            struct dt_buf out, scratch;

            dt_buf_init(&out, 1 << 20);
            dt_buf_init(&scratch, 1 << 20);
            assert_int_equal(
                rmq_command_decode(frame.header, frame.type, &scratch, &command), DT_OK);
            head.opaque = command.opaque;
            head.flag = RMQ_FLAG_RESPONSE;
            rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, head);
            rmq_encode_end(&encoder, 0);
            two_put_route(fake->context, &out);
            rmq_encode_body_end(&encoder);
            fake_write(fd, out.data, out.size);
            dt_buf_fini(&out);
            dt_buf_fini(&scratch);
            size -= frame.size;
            memmove(bytes, bytes + frame.size, size);
        }
    }
}

static inline void two_open(struct two_brokers *two, const rmq_client_config *settings)
{
    rmq_client_config config = {0};

    memset(two, 0, sizeof(*two));
    two->topic = "two";
    for (int i = 0; i < 2; i++) {
        const char *const names[] = {"broker-0", "broker-1"};
        const rmq_mock_config mock = {.broker_name = names[i]};

        assert_done(rmq_mock_new(&mock, &two->mocks[i]));
        assert_done(rmq_mock_topic_create(two->mocks[i], two->topic, TWO_QUEUES));
    }
    fake_start(&two->names, two_serve_names, two);
    if (settings != NULL)
        config = *settings;
    config.namesrv = two->names.address;
    assert_done(rmq_client_new(&config, &two->client));
}

static inline void two_close(struct two_brokers *two)
{
    rmq_client_free(two->client);
    fake_stop(&two->names);
    rmq_mock_free(two->mocks[0]);
    rmq_mock_free(two->mocks[1]);
}

/* Messages that a broker has stored. */
static inline int64_t two_stored(const struct two_brokers *two, int broker)
{
    int64_t count = 0;

    for (int32_t i = 0; i < TWO_QUEUES; i++)
        count += rmq_mock_max_offset(two->mocks[broker], two->topic, i);
    return count;
}

#endif
