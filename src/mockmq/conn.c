#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mockmq/mock.h"

#define READ_SIZE 65536
#define PEEK_SIZE 16384
/* Answers that a peer does not take: beyond the first it is not read from any more, beyond the
 * second it is closed. */
#define OUT_HIGH ((size_t)4 << 20)
#define OUT_MAX  ((size_t)64 << 20)

/* An id is a slot's number and, above it, how often a slot was given out. */
static size_t slot_of(uint64_t id)
{
    return (size_t)(id & 0xffffffff) - MOCK_ID_CONNS;
}

struct mock_conn *mock_conn_find(struct mockmq *mock, uint64_t id)
{
    size_t slot = slot_of(id);

    if (slot >= mock->conn_slots || mock->conns[slot] == NULL ||
        mock->conns[slot]->id != id || mock->conns[slot]->closing)
        return NULL;
    return mock->conns[slot];
}

static bool add_slot(struct mockmq *mock, struct mock_conn *conn)
{
    struct mock_conn **conns;
    size_t slot = 0;

    while (slot < mock->conn_slots && mock->conns[slot] != NULL)
        slot++;
    if (slot == mock->conn_slots) {
        conns = realloc(mock->conns, (slot + 1) * sizeof(struct mock_conn *));
        if (conns == NULL)
            return false;
        mock->conns = conns;
        mock->conn_slots++;
    }
    mock->conns[slot] = conn;
    mock->conn_count++;
    conn->id = (uint64_t)++mock->conn_generation << 32 | (slot + MOCK_ID_CONNS);
    return true;
}

static void add_conn(struct mockmq *mock, int fd, const struct sockaddr_in *peer,
                     struct mock_node *node)
{
    struct mock_conn *conn = calloc(1, sizeof(*conn));
    int on = 1;

    if (conn == NULL || !add_slot(mock, conn)) {
        free(conn);
        close(fd);
        return;
    }
    conn->fd = fd;
    conn->node = node;
    conn->is_namesrv = node->is_namesrv;
    conn->peer.ip_size = 4;
    memcpy(conn->peer.ip, &peer->sin_addr, 4);
    conn->peer.port = ntohs(peer->sin_port);
    dt_buf_init(&conn->in, RMQ_FRAME_SIZE_MAX + READ_SIZE);
    dt_buf_init(&conn->out, OUT_MAX);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    mock_watch(mock, fd, conn->id, EPOLLIN, true);
}

void mock_conn_accept(struct mockmq *mock, struct mock_node *node)
{
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof(peer);
        int fd;

        memset(&peer, 0, sizeof(peer));
        fd = accept4(node->fd, (struct sockaddr *)&peer, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_conn(mock, fd, &peer, node);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                   errno == ENOBUFS) {
            mock_accept_again(mock, false); /* else epoll reports the same peer for ever */
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void close_conn(struct mockmq *mock, size_t slot)
{
    struct mock_conn *conn = mock->conns[slot];

    mock->conns[slot] = NULL;
    mock->conn_count--;
    close(conn->fd);
    mock_pulls_drop(mock, conn->id);
    mock_delayed_drop(mock, conn->id);
    mock_members_leave(mock, conn->id);
    dt_buf_fini(&conn->in);
    dt_buf_fini(&conn->out);
    free(conn);
}

/* Handles the frames that are there; what is left is the front of one. */
static void take_frames(struct mockmq *mock, struct mock_conn *conn)
{
    struct dt_span rest = dt_buf_span(&conn->in);
    struct rmq_frame frame;
    enum rmq_cut cut;

    conn->frames_wait = false;
    while (!conn->closing) {
        if (conn->out.size >= OUT_HIGH) {
            conn->frames_wait = true;
            break;
        }
        cut = rmq_frame_cut(rest, RMQ_FRAME_SIZE_MAX, &frame);
        if (cut == RMQ_CUT_MORE)
            break;
        if (cut == RMQ_CUT_CORRUPT || !mock_dispatch(mock, conn, &frame)) {
            conn->closing = true;
            break;
        }
        rest = dt_span_of(rest.data + frame.size, rest.size - frame.size);
    }
    dt_buf_consume(&conn->in, conn->in.size - rest.size);
}

static uint32_t front_u32(const uint8_t *bytes)
{
    struct dt_scan scan = dt_scan_of(dt_span_of(bytes, 4));

    return dt_scan_u32(&scan);
}

/* Of a request that is to be cut: where. RMQ_CUT_MORE: its header is not there yet. */
static enum rmq_cut peek_cut(struct mockmq *mock, struct mock_conn *conn,
                             size_t *frame_size)
{
    uint8_t bytes[PEEK_SIZE];
    ssize_t got = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK);
    struct mock_fault fault;
    size_t header_size;
    struct dt_span header;

    if (got <= 0)
        return RMQ_CUT_CORRUPT; /* whoever reads in earnest sees the same */
    if (got < RMQ_FRAME_PREFIX_SIZE)
        return RMQ_CUT_MORE;
    *frame_size = (size_t)front_u32(bytes) + 4u;
    header_size = front_u32(bytes + 4) & 0xffffff;
    if (*frame_size > RMQ_FRAME_SIZE_MAX ||
        header_size > sizeof(bytes) - RMQ_FRAME_PREFIX_SIZE)
        return RMQ_CUT_CORRUPT;
    if ((size_t)got < RMQ_FRAME_PREFIX_SIZE + header_size)
        return RMQ_CUT_MORE;
    header = dt_span_of(bytes + RMQ_FRAME_PREFIX_SIZE, header_size);
    if (bytes[4] > RMQ_HEADER_BINARY ||
        rmq_command_decode(header, (enum rmq_header_type)bytes[4], &mock->scratch,
                           &mock->command) != DT_OK)
        return RMQ_CUT_CORRUPT;
    if (mock_fault_take(mock, conn->node, mock->command.code, true, &fault)) {
        conn->is_cut = true;
        conn->cut_left = fault.is.bytes < *frame_size ? fault.is.bytes : *frame_size;
    }
    return RMQ_CUT_FRAME;
}

/* Takes off the socket what is still to be read, and no more. */
static void read_until_cut(struct mock_conn *conn)
{
    uint8_t bytes[PEEK_SIZE];
    ssize_t got = 1;

    while (conn->cut_left > 0 && got > 0) {
        size_t size = conn->cut_left < sizeof(bytes) ? conn->cut_left : sizeof(bytes);

        got = recv(conn->fd, bytes, size, 0);
        if (got > 0)
            conn->cut_left -= (size_t)got;
    }
    if (conn->cut_left == 0 || got == 0 || (errno != EAGAIN && errno != EINTR))
        conn->closing = true;
}

static void read_some(struct mockmq *mock, struct mock_conn *conn)
{
    size_t size = READ_SIZE;
    uint8_t *to;
    ssize_t got;

    if (mock->request_cuts > 0 && conn->in.size == 0 && !conn->is_cut) {
        size_t frame_size;

        switch (peek_cut(mock, conn, &frame_size)) {
        case RMQ_CUT_MORE:
            return;
        case RMQ_CUT_FRAME: /* the next one may be the one to be cut */
            size = frame_size < size ? frame_size : size;
            break;
        case RMQ_CUT_CORRUPT:
            break;
        }
    }
    if (conn->is_cut) {
        read_until_cut(conn);
        return;
    }
    if (mock->piece_max > 0 && mock->piece_max < size)
        size = mock->piece_max;
    to = dt_buf_reserve(&conn->in, size);
    if (to == NULL) {
        conn->closing = true;
        return;
    }
    got = recv(conn->fd, to, size, 0);
    if (got > 0) {
        dt_buf_commit(&conn->in, (size_t)got);
        take_frames(mock, conn);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        conn->closing = true;
    }
}

void mock_conn_event(struct mockmq *mock, struct mock_conn *conn, uint32_t events)
{
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        conn->closing = true;
    else if ((events & EPOLLIN) != 0)
        read_some(mock, conn);
    /* EPOLLOUT: the turn ends with writing everywhere */
}

static void write_some(const struct mockmq *mock, struct mock_conn *conn)
{
    bool in_pieces = mock->piece_max > 0 && !conn->closing;
    size_t done = 0;

    if (conn->out.failed)
        conn->closing = true;
    while (done < conn->out.size) {
        size_t size = conn->out.size - done;
        ssize_t sent;

        if (in_pieces && size > mock->piece_max)
            size = mock->piece_max;
        sent = send(conn->fd, conn->out.data + done, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            conn->closing = true;
        if (sent < 0)
            break;
        done += (size_t)sent;
        if (in_pieces)
            break; /* the next when the loop comes by again */
    }
    dt_buf_consume(&conn->out, done);
}

static void settle(struct mockmq *mock, struct mock_conn *conn)
{
    bool waiting, paused;

    write_some(mock, conn);
    while (conn->frames_wait && !conn->closing && conn->out.size < OUT_HIGH) {
        take_frames(mock, conn);
        write_some(mock, conn);
    }
    waiting = conn->out.size > 0;
    paused = conn->out.size >= OUT_HIGH;
    if (conn->closing || (waiting == conn->writes_waiting && paused == conn->reads_paused))
        return;
    conn->writes_waiting = waiting;
    conn->reads_paused = paused;
    mock_watch(mock, conn->fd, conn->id,
               (waiting ? EPOLLOUT : 0u) | (paused ? 0u : EPOLLIN), false);
}

/* Closing one may write to others (membership), handling one may answer others (held pulls): so
 * again until nothing was closed and nothing is new. */
void mock_conns_settle(struct mockmq *mock)
{
    bool again = true;

    while (again) {
        again = false;
        for (size_t i = 0; i < mock->conn_slots; i++)
            if (mock->conns[i] != NULL)
                settle(mock, mock->conns[i]);
        for (size_t i = 0; i < mock->conn_slots; i++) {
            struct mock_conn *conn = mock->conns[i];

            if (conn != NULL && conn->closing) {
                close_conn(mock, i);
                again = true;
            } else if (conn != NULL && conn->out.size > 0 && !conn->writes_waiting) {
                again = true;
            }
        }
    }
}

/* Those that connected, but were not accepted yet. */
static void refuse_waiting(int listener)
{
    int fd;

    while (listener >= 0 && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(fd);
}

void mock_conns_close(struct mockmq *mock, struct mock_node *node)
{
    for (size_t i = 0; i < mock->node_count; i++)
        if (node == NULL || mock->nodes[i] == node)
            refuse_waiting(mock->nodes[i]->fd);
    for (size_t i = 0; i < mock->conn_slots; i++)
        if (mock->conns[i] != NULL && (node == NULL || mock->conns[i]->node == node))
            mock->conns[i]->closing = true;
    for (size_t i = 0; i < mock->conn_slots; i++)
        if (mock->conns[i] != NULL && (node == NULL || mock->conns[i]->node == node))
            close_conn(mock, i);
}
