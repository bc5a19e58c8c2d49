#include "support/raw_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"

void raw_open(struct raw_peer *peer, const char *address)
{
    struct sockaddr_in to;
    char host[64];
    const char *colon = strrchr(address, ':');
    int on = 1;

    memset(peer, 0, sizeof(*peer));
    dt_buf_init(&peer->in, 2 * RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&peer->out, 2 * RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&peer->scratch, RMQ_FRAME_SIZE_MAX);
    assert_non_null(colon);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->fd >= 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void raw_close(struct raw_peer *peer)
{
    close(peer->fd);
    dt_buf_fini(&peer->in);
    dt_buf_fini(&peer->out);
    dt_buf_fini(&peer->scratch);
}

void raw_begin_flags(struct raw_peer *peer, int32_t code, int32_t flag)
{
    dt_buf_clear(&peer->out);
    rmq_encode_begin(&peer->encoder, &peer->out, peer->type,
                     rmq_head_request(code, ++peer->opaque, flag));
}

void raw_begin(struct raw_peer *peer, int32_t code)
{
    raw_begin_flags(peer, code, 0);
}

void raw_send_bytes(struct raw_peer *peer, struct dt_span bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(peer->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        assert_true(sent > 0);
        bytes = dt_span_of(bytes.data + sent, bytes.size - (size_t)sent);
    }
}

void raw_send(struct raw_peer *peer, struct dt_span body)
{
    rmq_encode_end(&peer->encoder, body.size);
    dt_buf_put_span(&peer->out, body);
    assert_false(peer->out.failed);
    raw_send_bytes(peer, dt_buf_span(&peer->out));
}

/* Reads what there is; false at the end of the stream or of the time. */
static bool read_more(struct raw_peer *peer, int64_t deadline_ms)
{
    struct pollfd readable = {peer->fd, POLLIN, 0};
    int64_t left_ms = deadline_ms - dt_clock_ms();
    uint8_t *to;
    ssize_t got;

    if (poll(&readable, 1, left_ms < 0 ? 0 : (int)left_ms) <= 0)
        return false;
    to = dt_buf_reserve(&peer->in, 1 << 16);
    assert_non_null(to);
    got = recv(peer->fd, to, 1 << 16, 0);
    if (got <= 0)
        return false;
    dt_buf_commit(&peer->in, (size_t)got);
    return true;
}

bool raw_receive(struct raw_peer *peer, int timeout_ms)
{
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    struct rmq_frame frame;
    enum rmq_cut cut;

    dt_buf_consume(&peer->in, peer->frame_size);
    peer->frame_size = 0;
    for (;;) {
        cut = rmq_frame_cut(dt_buf_span(&peer->in), RMQ_FRAME_SIZE_MAX, &frame);
        assert_int_not_equal(cut, RMQ_CUT_CORRUPT);
        if (cut == RMQ_CUT_FRAME)
            break;
        if (!read_more(peer, deadline_ms))
            return false;
    }
    peer->frame_size = frame.size;
    peer->answer_type = frame.type;
    peer->body = frame.body;
    assert_int_equal(
        rmq_command_decode(frame.header, frame.type, &peer->scratch, &peer->answer), DT_OK);
    return true;
}

void raw_await(struct raw_peer *peer, int32_t opaque)
{
    for (;;) {
        assert_true(raw_receive(peer, RAW_WAIT_MS));
        if (rmq_command_is_response(&peer->answer)) {
            assert_int_equal(peer->answer.opaque, opaque);
            return;
        }
        peer->notifications++;
    }
}

int32_t raw_call(struct raw_peer *peer, struct dt_span body)
{
    raw_send(peer, body);
    raw_await(peer, peer->opaque);
    return peer->answer.code;
}

bool raw_is_closed(struct raw_peer *peer)
{
    int64_t deadline_ms = dt_clock_ms() + RAW_WAIT_MS;

    while (read_more(peer, deadline_ms))
        dt_buf_clear(&peer->in);
    peer->frame_size = 0;
    return dt_clock_ms() < deadline_ms;
}

int64_t raw_i64(const struct raw_peer *peer, const char *name)
{
    int64_t value = 0;

    if (!rmq_command_i64(&peer->answer, name, &value))
        fail_msg("the answer has no number '%s'", name);
    return value;
}
