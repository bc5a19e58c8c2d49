#include "net/tcp.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "net/address.h"
#include "net/loop_uv.h"

enum {
    READ_SIZE = 64 * 1024, /* offered to each read */
    TLS_OVERHEAD = 64 * 1024 /* of a handshake */,
    KEEP_SIZE = 1024 * 1024, /* buffers that grew larger are given back when empty */
};

/* One attempt at a connection: what libuv may still use after we have let go of it. */
struct socket {
    uv_tcp_t uv;
    uv_connect_t connect;
    uv_write_t write;
    struct dt_buf writing; /* handed to libuv; empty if nothing is */
    struct dt_tcp *tcp;    /* NULL: let go */
};

struct resolve {
    uv_getaddrinfo_t uv;
    struct dt_tcp *tcp; /* NULL: let go */
};

struct dt_tcp {
    struct dt_loop *loop;
    const struct dt_tcp_events *events;
    void *context;
    struct dt_address address;
    struct resolve *resolve;   /* NULL: not under way */
    struct addrinfo *resolved; /* all addresses of the host */
    struct addrinfo *tried;    /* the one being connected to */
    struct socket *socket;     /* NULL: none yet */
    struct dt_timer *timer;    /* starts connecting, then bounds it */
    int64_t connect_until_ms;
    struct dt_tls_session *tls; /* NULL: none */
    bool is_connected;
    bool is_open; /* may be used: connected, and through with the TLS handshake */
    bool closed;  /* gone for its owner */
    int inside;   /* calls of events under way: freed after the last */
    size_t in_max;
    struct dt_buf in, out;
    uint64_t sent, received, writes;
    struct dt_write_turn turn;
};

static void connect_next(struct dt_tcp *tcp, int error);

/* ---------------------------------------------------------------- end */

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket *socket = DT_CONTAINER(handle, struct socket, uv);

    dt_buf_fini(&socket->writing);
    free(socket);
}

static void let_socket_go(struct dt_tcp *tcp)
{
    if (tcp->socket == NULL)
        return;
    tcp->socket->tcp = NULL;
    uv_close((uv_handle_t *)&tcp->socket->uv, on_socket_closed);
    tcp->socket = NULL;
}

static void leave(struct dt_tcp *tcp)
{
    if (--tcp->inside > 0 || !tcp->closed)
        return;
    dt_tls_session_free(tcp->tls);
    dt_buf_fini(&tcp->in);
    dt_buf_fini(&tcp->out);
    free(tcp);
}

void dt_tcp_close(struct dt_tcp *tcp)
{
    if (tcp == NULL || tcp->closed)
        return;
    tcp->inside++;
    tcp->closed = true;
    if (tcp->resolve != NULL) {
        tcp->resolve->tcp = NULL;
        uv_cancel((uv_req_t *)&tcp->resolve->uv);
        tcp->resolve = NULL;
    }
    let_socket_go(tcp);
    if (tcp->resolved != NULL)
        freeaddrinfo(tcp->resolved);
    tcp->resolved = tcp->tried = NULL;
    dt_timer_free(tcp->timer);
    tcp->timer = NULL;
    dt_list_remove(&tcp->turn.link);
    leave(tcp);
}

static void fail(struct dt_tcp *tcp, dt_status status, const char *what, const char *why)
{
    const struct dt_tcp_events *events = tcp->events;
    void *context = tcp->context;
    char reason[DT_HOST_SIZE + 256];

    snprintf(reason, sizeof(reason), "%s:%s: %s%s%s", tcp->address.host, tcp->address.port,
             what, why[0] == 0 ? "" : ": ", why);
    tcp->inside++;
    dt_tcp_close(tcp);
    events->closed(context, status, reason);
    leave(tcp);
}

/* ---------------------------------------------------------------- writing */

/* What is to be written as it is: with TLS, what came out of it. */
static struct dt_buf *wire_of(struct dt_tcp *tcp)
{
    return tcp->tls == NULL ? &tcp->out : dt_tls_out(tcp->tls);
}

/* Something is to be written at the end of this turn. */
static void write_later(struct dt_tcp *tcp)
{
    if (dt_list_is_empty(&tcp->turn.link))
        dt_list_append(&tcp->loop->written, &tcp->turn.link);
}

static void on_written(uv_write_t *request, int error)
{
    struct socket *socket = DT_CONTAINER(request, struct socket, write);
    struct dt_tcp *tcp = socket->tcp;

    dt_buf_clear(&socket->writing);
    if (tcp == NULL)
        return;
    if (error != 0) {
        fail(tcp, DT_EUNREACH, "writing", uv_strerror(error));
        return;
    }
    if (socket->writing.capacity > KEEP_SIZE)
        dt_buf_fini(&socket->writing);
    write_later(tcp);
}

static void empty(struct dt_buf *buf)
{
    if (buf->capacity > KEEP_SIZE)
        dt_buf_fini(buf);
    else
        dt_buf_clear(buf);
}

/* Hands everything that waits to the system, or what it does not take now to libuv, which
 * writes it when there is room. With TLS all of it is encrypted in one piece: it fills records,
 * and leaves in one write as well. */
static void write_out(struct dt_write_turn *turn)
{
    struct dt_tcp *tcp = DT_CONTAINER(turn, struct dt_tcp, turn);
    size_t size = tcp->is_open ? tcp->out.size : 0; /* of what was put */
    struct dt_buf *wire = wire_of(tcp);
    struct socket *socket = tcp->socket;
    uv_stream_t *stream;
    uv_buf_t bytes;
    struct dt_buf swap;
    int taken;

    if (!tcp->is_connected || socket->writing.size > 0)
        return;
    if (tcp->tls != NULL && size > 0) {
        if (!dt_tls_send(tcp->tls, dt_buf_span(&tcp->out))) {
            fail(tcp, DT_EREFUSED, dt_tls_reason(tcp->tls), "");
            return;
        }
        empty(&tcp->out);
    }
    if (wire->size == 0 || (tcp->tls == NULL && size == 0))
        return;
    stream = (uv_stream_t *)&socket->uv;
    bytes.base = (char *)wire->data;
    bytes.len = wire->size;
    taken = uv_try_write(stream, &bytes, 1);
    if (taken == UV_EAGAIN)
        taken = 0;
    if (taken < 0) {
        fail(tcp, DT_EUNREACH, "writing", uv_strerror(taken));
        return;
    }
    tcp->sent += size;
    tcp->writes++;
    if ((size_t)taken == wire->size) {
        empty(wire);
        return;
    }
    swap = socket->writing;
    socket->writing = *wire;
    *wire = swap;
    bytes.base += taken;
    bytes.len -= (size_t)taken;
    taken = uv_write(&socket->write, stream, &bytes, 1, on_written);
    if (taken < 0)
        fail(tcp, DT_EUNREACH, "writing", uv_strerror(taken));
}

struct dt_buf *dt_tcp_out(struct dt_tcp *tcp)
{
    return &tcp->out;
}

void dt_tcp_flush(struct dt_tcp *tcp)
{
    if (tcp->is_open && tcp->out.size > 0)
        write_later(tcp);
}

uint64_t dt_tcp_put_position(const struct dt_tcp *tcp)
{
    return tcp->sent + tcp->out.size;
}

uint64_t dt_tcp_sent_position(const struct dt_tcp *tcp)
{
    return tcp->sent;
}

uint64_t dt_tcp_writes(const struct dt_tcp *tcp)
{
    return tcp->writes;
}

uint64_t dt_tcp_received(const struct dt_tcp *tcp)
{
    return tcp->received;
}

/* ---------------------------------------------------------------- reading */

static void on_space_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct dt_tcp *tcp = DT_CONTAINER(handle, struct socket, uv)->tcp;
    uint8_t *space;

    (void)suggested;
    if (tcp->tls == NULL) {
        space =
            dt_buf_reserve(&tcp->in, READ_SIZE); /* else libuv calls on_read(UV_ENOBUFS) */
    } else {
        if (tcp->loop->raw == NULL)
            tcp->loop->raw = malloc(READ_SIZE);
        space = tcp->in.size > tcp->in_max ? NULL : tcp->loop->raw;
    }
    out->base = (char *)space;
    out->len = space == NULL ? 0 : READ_SIZE;
}

/* Gives its owner what is there. */
static void hand_over(struct dt_tcp *tcp)
{
    size_t used = tcp->events->received(tcp->context, dt_buf_span(&tcp->in));

    if (tcp->closed)
        return;
    dt_buf_consume(&tcp->in, used);
    if (tcp->in.size == 0 && tcp->in.capacity > KEEP_SIZE)
        dt_buf_fini(&tcp->in);
}

static void open_now(struct dt_tcp *tcp)
{
    dt_timer_stop(tcp->timer);
    tcp->is_open = true;
    tcp->events->opened(tcp->context);
    if (!tcp->closed)
        dt_tcp_flush(tcp);
}

/* Bytes of the peer that are encrypted; none, to begin. */
static void take_encrypted(struct dt_tcp *tcp, struct dt_span bytes)
{
    size_t size_before = tcp->in.size;
    enum dt_tls_step step = dt_tls_receive(tcp->tls, bytes, &tcp->in);

    if (dt_tls_out(tcp->tls)->size > 0)
        write_later(tcp);
    if (!tcp->is_open && dt_tls_is_open(tcp->tls))
        open_now(tcp);
    if (!tcp->closed && tcp->in.size > size_before)
        hand_over(tcp);
    if (tcp->closed || step == DT_TLS_GOES_ON)
        return;
    if (step == DT_TLS_FAILED) {
        write_out(&tcp->turn); /* the alert, so that the peer knows as well */
        if (!tcp->closed)
            fail(tcp, DT_EREFUSED, dt_tls_reason(tcp->tls), "");
        return;
    }
    fail(tcp, DT_EUNREACH, "the peer closed the connection", "");
}

static const char *why_ended(const struct dt_tcp *tcp)
{
    if (tcp->tls != NULL && !tcp->is_open)
        return "during the TLS handshake (does it speak TLS?)";
    if (tcp->tls == NULL && tcp->received == 0)
        return "before it said anything (does it want TLS?)";
    return "";
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *space)
{
    struct dt_tcp *tcp = DT_CONTAINER(stream, struct socket, uv)->tcp;

    if (count == UV_EOF) {
        fail(tcp, DT_EUNREACH, "the peer closed the connection", why_ended(tcp));
        return;
    }
    if (count < 0) {
        fail(tcp, DT_EUNREACH, "reading", uv_strerror((int)count));
        return;
    }
    if (count == 0)
        return;
    tcp->received += (uint64_t)count;
    tcp->inside++;
    if (tcp->tls == NULL) {
        dt_buf_commit(&tcp->in, (size_t)count);
        hand_over(tcp);
    } else {
        take_encrypted(tcp, dt_span_of(space->base, (size_t)count));
    }
    leave(tcp);
}

/* ---------------------------------------------------------------- connecting */

static void on_connected(uv_connect_t *request, int error)
{
    struct socket *socket = DT_CONTAINER(request, struct socket, connect);
    struct dt_tcp *tcp = socket->tcp;

    if (tcp == NULL)
        return;
    if (error == 0)
        error = uv_read_start((uv_stream_t *)&socket->uv, on_space_wanted, on_read);
    if (error != 0) {
        connect_next(tcp, error);
        return;
    }
    tcp->is_connected = true;
    dt_timer_set(tcp->timer, tcp->connect_until_ms);
    tcp->inside++;
    if (tcp->tls == NULL)
        open_now(tcp);
    else
        take_encrypted(tcp, dt_span_of(NULL, 0));
    leave(tcp);
}

/* Each address that is left gets its share of the time that is left: one that swallows
 * everything does not keep us from the others. */
static void set_share(struct dt_tcp *tcp)
{
    int64_t now_ms = dt_clock_ms(), count = 0;

    for (const struct addrinfo *one = tcp->tried; one != NULL; one = one->ai_next)
        count++;
    dt_timer_set(tcp->timer, now_ms + (tcp->connect_until_ms - now_ms) / count);
}

/* Starts to connect to tcp->tried. 0, or why not. */
static int connect_one(struct dt_tcp *tcp)
{
    struct socket *socket = calloc(1, sizeof(*socket));
    int error;

    if (socket == NULL)
        return UV_ENOMEM;
    dt_buf_init(&socket->writing, wire_of(tcp)->max);
    error = uv_tcp_init(&tcp->loop->uv, &socket->uv);
    if (error != 0) {
        free(socket);
        return error;
    }
    socket->tcp = tcp;
    tcp->socket = socket;
    uv_tcp_nodelay(&socket->uv, 1); /* libuv remembers it until there is a descriptor */
    return uv_tcp_connect(&socket->connect, &socket->uv, tcp->tried->ai_addr, on_connected);
}

/* Goes on to the next address of the host; the one before failed with `error`, 0: there was
 * none. A host that has an address of a kind that we have no route to fails here at once. */
static void connect_next(struct dt_tcp *tcp, int error)
{
    do {
        let_socket_go(tcp);
        tcp->tried = tcp->tried == NULL ? tcp->resolved : tcp->tried->ai_next;
        if (tcp->tried == NULL) {
            fail(tcp, DT_EUNREACH, "connecting", uv_strerror(error));
            return;
        }
        set_share(tcp);
        error = connect_one(tcp);
    } while (error != 0);
}

static void on_resolved(uv_getaddrinfo_t *request, int error, struct addrinfo *found)
{
    struct resolve *resolve = DT_CONTAINER(request, struct resolve, uv);
    struct dt_tcp *tcp = resolve->tcp;

    free(resolve);
    if (tcp == NULL) {
        freeaddrinfo(found);
        return;
    }
    tcp->resolve = NULL;
    if (error != 0) {
        fail(tcp, DT_EUNREACH, "no such host", uv_strerror(error));
        return;
    }
    tcp->resolved = found;
    connect_next(tcp, UV_EAI_NODATA);
}

static void on_time(void *context)
{
    struct dt_tcp *tcp = context;

    if (dt_clock_ms() >= tcp->connect_until_ms) {
        fail(tcp, DT_EUNREACH, "connecting",
             tcp->is_connected ? "no end of the TLS handshake in time"
                               : "no answer in time");
    } else {
        connect_next(tcp, UV_ETIMEDOUT); /* the first, or its share of the time is over */
    }
}

static dt_status resolve_host(struct dt_tcp *tcp)
{
    struct addrinfo hints = {0};
    int error;

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(tcp->address.host, tcp->address.port, &hints, &tcp->resolved) == 0)
        return DT_OK;
    tcp->resolved = NULL;
    tcp->resolve = calloc(1, sizeof(*tcp->resolve));
    if (tcp->resolve == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to look a host up");
    tcp->resolve->tcp = tcp;
    hints.ai_flags = AI_NUMERICSERV;
    error = uv_getaddrinfo(&tcp->loop->uv, &tcp->resolve->uv, on_resolved,
                           tcp->address.host, tcp->address.port, &hints);
    if (error != 0) {
        free(tcp->resolve);
        tcp->resolve = NULL;
        return dt_error_errno(-error, "looking up %s", tcp->address.host);
    }
    return DT_OK;
}

dt_status dt_tcp_open(struct dt_loop *loop, const struct dt_tcp_config *config,
                      const struct dt_tcp_events *events, void *context,
                      struct dt_tcp **out)
{
    struct dt_tcp *tcp = calloc(1, sizeof(*tcp));
    dt_status status = DT_OK;
    size_t in_max = config->in_max + READ_SIZE;

    *out = NULL;
    if (tcp == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a connection");
    tcp->loop = loop;
    tcp->events = events;
    tcp->context = context;
    tcp->turn.write = write_out;
    dt_list_init(&tcp->turn.link);
    tcp->in_max = config->in_max;
    if (config->tls != NULL)
        in_max +=
            2 * DT_TLS_RECORD_MAX; /* the rest of a record, and room to try the next */
    dt_buf_init(&tcp->in, in_max);
    dt_buf_init(&tcp->out, config->out_max);
    if (!dt_address_parse(config->address, strlen(config->address), &tcp->address))
        status = dt_error_set(DT_EINVAL, "'%s' is not host:port", config->address);
    if (status == DT_OK && config->tls != NULL)
        status = dt_tls_session_new(config->tls, tcp->address.host,
                                    config->out_max + config->out_max / 64 + TLS_OVERHEAD,
                                    &tcp->tls);
    if (status == DT_OK)
        status = dt_timer_new(loop, on_time, tcp, &tcp->timer);
    if (status == DT_OK)
        status = resolve_host(tcp);
    if (status != DT_OK) {
        dt_tcp_close(tcp);
        return status;
    }
    tcp->connect_until_ms = dt_clock_ms() + config->connect_timeout_ms;
    /* A known address is connected to in the next turn, so that no event comes before the caller
     * has the pointer. */
    dt_timer_set(tcp->timer, tcp->resolved != NULL ? dt_clock_ms() : tcp->connect_until_ms);
    *out = tcp;
    return DT_OK;
}
