#include "rmq/peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "rmq/client_inside.h"
#include "rmq/inbound.h"

enum {
    WARN_MS = 5000,
    OUT_SIZE_MAX = 64 * 1024 * 1024, /* bytes waiting to be written to one connection */
};

static const struct dt_tcp_events tcp_events;

/* What an operator must see, but no peer can fill the log with. */
static void warn(struct rmq_peers *peers, const char *reason)
{
    if (dt_log_due(&peers->warned_ms, WARN_MS))
        dt_log_warning("%s", reason);
}

/* ---------------------------------------------------------------- ends of calls */

void rmq_call_init(struct rmq_call *call)
{
    memset(call, 0, sizeof(*call));
    dt_list_init(&call->link);
    call->deadline_ms = INT64_MAX;
}

static void table_remove(struct rmq_peers *peers, struct rmq_call *call)
{
    struct rmq_call **at = &peers->sent[(uint32_t)call->opaque % RMQ_CALL_BUCKETS];

    while (*at != call)
        at = &(*at)->next_in_bucket;
    *at = call->next_in_bucket;
}

static struct rmq_call *table_find(struct rmq_peers *peers, int32_t opaque)
{
    struct rmq_call *call = peers->sent[(uint32_t)opaque % RMQ_CALL_BUCKETS];

    while (call != NULL && call->opaque != opaque)
        call = call->next_in_bucket;
    return call;
}

/* Takes the call off whatever it is in. */
static void detach(struct rmq_peers *peers, struct rmq_call *call)
{
    if (call->state == RMQ_CALL_SENT)
        table_remove(peers, call);
    dt_list_remove(&call->link);
    call->conn = NULL;
    call->state = RMQ_CALL_IDLE;
}

/* The call ends without an answer; done() is called by deliver(). */
static void end(struct rmq_peers *peers, struct rmq_call *call, dt_status status,
                const char *reason)
{
    detach(peers, call);
    call->state = RMQ_CALL_ENDING;
    call->end_status = status;
    snprintf(call->reason, sizeof(call->reason), "%s", reason);
    dt_list_append(&peers->ending, &call->link);
}

static void deliver(struct rmq_peers *peers)
{
    while (!dt_list_is_empty(&peers->ending)) {
        struct rmq_call *call = DT_CONTAINER(peers->ending.next, struct rmq_call, link);
        struct rmq_answer answer = {call->end_status, call->reason, NULL, {NULL, 0}};

        detach(peers, call);
        call->done(call, &answer);
    }
}

static void run_deliver(struct dt_op *op)
{
    struct rmq_peers *peers = DT_CONTAINER(op, struct rmq_peers, deliver_op);

    peers->deliver_posted = false;
    deliver(peers);
}

/* For ends that happen while the owner is calling us. */
static void deliver_later(struct rmq_peers *peers)
{
    if (peers->deliver_posted)
        return;
    peers->deliver_posted = true;
    dt_loop_post(peers->client->loop, &peers->deliver_op);
}

bool rmq_call_cancel(struct rmq_call *call)
{
    bool may_have_arrived = false;

    if (call->state == RMQ_CALL_IDLE)
        return false;
    if (call->state == RMQ_CALL_SENT) {
        struct rmq_conn *conn = call->conn;

        may_have_arrived = true; /* what is put goes out, if not yet then soon */
        detach(conn->peers, call);
        return may_have_arrived;
    }
    if (call->state == RMQ_CALL_ENDING)
        may_have_arrived = call->end_status == DT_EINDOUBT;
    dt_list_remove(&call->link);
    call->state = RMQ_CALL_IDLE;
    return may_have_arrived;
}

/* ---------------------------------------------------------------- ends of connections */

static void free_conn(struct rmq_conn *conn)
{
    if (conn->is_reading) {
        conn->is_dead = true;
        return;
    }
    free(conn);
}

/* The connection is gone or about to be closed: its calls end, and so do those that waited for
 * it. What was handed to the system before is in doubt. */
static void end_conn(struct rmq_conn *conn, dt_status status, const char *reason)
{
    struct rmq_peers *peers = conn->peers;
    struct rmq_peer *peer = conn->peer;
    uint64_t sent = dt_tcp_sent_position(conn->tcp);

    while (!dt_list_is_empty(&conn->pending)) {
        struct rmq_call *call = DT_CONTAINER(conn->pending.next, struct rmq_call, link);

        end(peers, call, sent >= call->sent_end ? DT_EINDOUBT : status, reason);
    }
    if (peer->conn == conn) {
        peer->conn = NULL;
        while (!dt_list_is_empty(&peer->waiting))
            end(peers, DT_CONTAINER(peer->waiting.next, struct rmq_call, link), status,
                reason);
        if (!conn->is_open) {
            peer->failed_ms = dt_clock_ms();
            snprintf(peer->failure, sizeof(peer->failure), "%s", reason);
        }
    }
    dt_list_remove(&conn->link);
    conn->tcp = NULL;
    free_conn(conn);
}

static void close_conn(struct rmq_conn *conn, dt_status status, const char *reason)
{
    struct dt_tcp *tcp = conn->tcp;

    end_conn(conn, status, reason);
    dt_tcp_close(tcp);
}

static void on_closed(void *context, dt_status status, const char *reason)
{
    struct rmq_conn *conn = context;
    struct rmq_peers *peers = conn->peers;

    if (status == DT_EREFUSED) { /* TLS: an operator has to mend it, and it may be mended */
        warn(peers, reason);
        status = DT_EUNREACH;
    }
    dt_log_debug("%s", reason);
    end_conn(conn, status, reason);
    deliver(peers);
}

/* No new calls on it. */
static void drain(struct rmq_conn *conn, const char *reason)
{
    struct dt_link *link, *next;

    if (conn->peer->conn == conn)
        conn->peer->conn = NULL;
    conn->is_draining = true;
    for (link = conn->pending.next; link != &conn->pending; link = next) {
        struct rmq_call *call = DT_CONTAINER(link, struct rmq_call, link);

        next = link->next;
        if (call->repeatable)
            end(conn->peers, call, DT_EINDOUBT, reason);
    }
    if (dt_list_is_empty(&conn->pending))
        close_conn(conn, DT_EUNREACH, reason);
}

/* ---------------------------------------------------------------- expiry */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Ends what has waited too long for its connection; returns the next time to look. */
static int64_t expire_waiting(struct rmq_peers *peers, struct rmq_peer *peer,
                              int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    struct dt_link *link, *next;

    for (link = peer->waiting.next; link != &peer->waiting; link = next) {
        struct rmq_call *call = DT_CONTAINER(link, struct rmq_call, link);
        char reason[RMQ_REASON_SIZE];

        next = link->next;
        if (call->deadline_ms > now_ms) {
            next_ms = earlier(next_ms, call->deadline_ms);
            continue;
        }
        snprintf(reason, sizeof(reason), "%.120s: no connection in time", peer->address);
        end(peers, call, DT_ETIMEDOUT, reason);
    }
    return next_ms;
}

static int64_t expire_pending(struct rmq_conn *conn, int64_t now_ms)
{
    struct rmq_peers *peers = conn->peers;
    int64_t next_ms = INT64_MAX;
    bool is_stuck = false, is_silent = false;
    char reason[RMQ_REASON_SIZE] = "";
    struct dt_link *link, *next;

    for (link = conn->pending.next; link != &conn->pending; link = next) {
        struct rmq_call *call = DT_CONTAINER(link, struct rmq_call, link);
        bool is_sent = dt_tcp_sent_position(conn->tcp) >= call->sent_end;

        next = link->next;
        if (call->expires_ms > now_ms) {
            next_ms = earlier(next_ms, call->expires_ms);
            continue;
        }
        snprintf(reason, sizeof(reason), "%.120s: no answer in time", conn->peer->address);
        is_silent |= dt_tcp_received(conn->tcp) == call->received_before;
        is_stuck |= !is_sent;
        end(peers, call, is_sent ? DT_EINDOUBT : DT_ETIMEDOUT, reason);
    }
    /* A request that ended as not sent must not go out after all. */
    if (is_stuck)
        close_conn(conn, DT_EUNREACH, reason);
    else if (is_silent || (conn->is_draining && dt_list_is_empty(&conn->pending)))
        drain(conn, reason);
    return next_ms;
}

static void on_timer(void *context)
{
    struct rmq_peers *peers = context;
    int64_t now_ms = dt_clock_ms();
    int64_t next_ms = INT64_MAX;
    struct dt_link *link, *next;

    for (link = peers->peers.next; link != &peers->peers; link = link->next)
        next_ms = earlier(
            next_ms,
            expire_waiting(peers, DT_CONTAINER(link, struct rmq_peer, link), now_ms));
    for (link = peers->conns.next; link != &peers->conns; link = next) {
        next = link->next;
        next_ms = earlier(
            next_ms, expire_pending(DT_CONTAINER(link, struct rmq_conn, link), now_ms));
    }
    dt_timer_set(peers->timer, next_ms);
    deliver(peers);
}

/* ---------------------------------------------------------------- sending */

static void send_call(struct rmq_conn *conn, struct rmq_call *call)
{
    struct rmq_peers *peers = conn->peers;
    struct rmq_call **bucket;
    struct dt_buf *out = dt_tcp_out(conn->tcp);
    size_t size_before = out->size;
    int64_t now_ms;

    do
        call->opaque = peers->last_opaque = (int32_t)((uint32_t)peers->last_opaque + 1);
    while (table_find(peers, call->opaque) != NULL);
    call->encode(call, out, peers->client->header_type);
    if (peers->client->signer != NULL)
        rmq_signer_sign(peers->client->signer, out, size_before);
    if (out->failed) {
        out->size = size_before;
        out->failed = false;
        end(peers, call, DT_EUNREACH, "too many bytes wait to be written, or no memory");
        deliver_later(peers);
        return;
    }
    if (call->is_oneway) {
        end(peers, call, DT_OK, "");
        deliver_later(peers);
        dt_tcp_flush(conn->tcp);
        return;
    }
    now_ms = dt_clock_ms();
    call->state = RMQ_CALL_SENT;
    call->conn = conn;
    call->conn_number = conn->number;
    call->sent_end = dt_tcp_put_position(conn->tcp);
    call->received_before = dt_tcp_received(conn->tcp);
    call->expires_ms = earlier(call->deadline_ms, now_ms + call->timeout_ms);
    bucket = &peers->sent[(uint32_t)call->opaque % RMQ_CALL_BUCKETS];
    call->next_in_bucket = *bucket;
    *bucket = call;
    dt_list_append(&conn->pending, &call->link);
    dt_timer_set_sooner(peers->timer, call->expires_ms);
    dt_tcp_flush(conn->tcp);
}

static void on_opened(void *context)
{
    struct rmq_conn *conn = context;
    struct rmq_peer *peer = conn->peer;

    conn->is_open = true;
    peer->failed_ms = 0;
    while (!dt_list_is_empty(&peer->waiting)) {
        struct rmq_call *call = DT_CONTAINER(peer->waiting.next, struct rmq_call, link);

        detach(conn->peers, call);
        send_call(conn, call);
    }
    rmq_heartbeat_opened(conn->peers->client, peer->address);
}

static struct rmq_peer *find_peer(struct rmq_peers *peers, const char *address)
{
    struct dt_link *link;

    for (link = peers->peers.next; link != &peers->peers; link = link->next) {
        struct rmq_peer *peer = DT_CONTAINER(link, struct rmq_peer, link);

        if (strcmp(peer->address, address) == 0)
            return peer;
    }
    return NULL;
}

static struct rmq_peer *make_peer(struct rmq_peers *peers, const char *address)
{
    struct rmq_peer *peer;

    if (peers->peer_count >= RMQ_PEERS_MAX || strlen(address) >= RMQ_ADDRESS_SIZE)
        return NULL;
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    dt_list_init(&peer->waiting);
    memcpy(peer->address, address, strlen(address) + 1);
    dt_list_append(&peers->peers, &peer->link);
    peers->peer_count++;
    return peer;
}

static dt_status connect_peer(struct rmq_peers *peers, struct rmq_peer *peer)
{
    struct rmq_client *client = peers->client;
    struct dt_tcp_config config = {peer->address, client->connect_timeout_ms,
                                   client->frame_size_max, OUT_SIZE_MAX, client->tls};
    struct rmq_conn *conn = calloc(1, sizeof(*conn));
    dt_status status;

    if (conn == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a connection");
    status = dt_tcp_open(client->loop, &config, &tcp_events, conn, &conn->tcp);
    if (status != DT_OK) {
        free(conn);
        return status;
    }
    conn->peers = peers;
    conn->peer = peer;
    conn->number = ++peers->last_conn_number;
    dt_list_init(&conn->pending);
    dt_list_append(&peers->conns, &conn->link);
    peer->conn = conn;
    return DT_OK;
}

/* Makes the peer have a connection, open or being made. After a failure it is left alone for
 * the shortest back-off, however many ask. */
static dt_status ensure_conn(struct rmq_peers *peers, struct rmq_peer *peer)
{
    if (peer->conn != NULL)
        return DT_OK;
    if (peer->failed_ms != 0 &&
        dt_clock_ms() - peer->failed_ms < peers->client->backoff_ms_min)
        return dt_error_set(DT_EUNREACH, "%s", peer->failure);
    return connect_peer(peers, peer);
}

void rmq_call_start(struct rmq_client *client, const char *address, struct rmq_call *call)
{
    struct rmq_peers *peers = &client->peers;
    struct rmq_peer *peer = find_peer(peers, address);
    dt_status status = DT_OK;

    assert(call->state == RMQ_CALL_IDLE);
    if (peers->is_closed) {
        end(peers, call, DT_ECLOSED, "the client is being closed");
        deliver_later(peers);
        return;
    }
    if (peer == NULL)
        peer = make_peer(peers, address);
    if (peer == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for a peer, or too many");
    else
        status = ensure_conn(peers, peer);
    if (status != DT_OK) {
        end(peers, call, DT_EUNREACH, dt_error_text());
        deliver_later(peers);
        return;
    }
    if (peer->conn->is_open) {
        send_call(peer->conn, call);
        return;
    }
    call->state = RMQ_CALL_WAITING;
    dt_list_append(&peer->waiting, &call->link);
    dt_timer_set_sooner(peers->timer, call->deadline_ms);
}

bool rmq_peer_is_open(struct rmq_peers *peers, const char *address)
{
    struct rmq_peer *peer = find_peer(peers, address);

    return peer != NULL && peer->conn != NULL && peer->conn->is_open;
}

/* ---------------------------------------------------------------- receiving */

/* A broker asks: it is answered, if an answer is wanted. */
static void on_request(struct rmq_conn *conn, enum rmq_header_type type,
                       const struct rmq_command *request, struct dt_span body)
{
    struct rmq_client *client = conn->peers->client;
    struct dt_buf *out = dt_tcp_out(conn->tcp), answer_body;
    struct rmq_inbound_answer answer = {RMQ_SUCCESS, NULL, &answer_body};
    struct rmq_encoder encoder;
    struct rmq_head head;
    size_t size_before = out->size;

    dt_buf_init(&answer_body, client->frame_size_max);
    rmq_inbound_handle(client, request, body, &answer);
    if (!rmq_command_is_oneway(request)) {
        head = rmq_head_request(answer.code, request->opaque, RMQ_FLAG_RESPONSE);
        if (answer.remark != NULL)
            head.remark = dt_span_str(answer.remark);
        rmq_encode_begin(&encoder, out, type, head);
        rmq_encode_end(&encoder, answer_body.size);
        dt_buf_put_span(out, dt_buf_span(&answer_body));
        if (out->failed || answer_body.failed) {
            out->size = size_before;
            out->failed = false;
        } else {
            dt_tcp_flush(conn->tcp);
        }
    }
    dt_buf_fini(&answer_body);
}

static void warn_denied(struct rmq_conn *conn, const struct rmq_command *command)
{
    char reason[RMQ_REASON_SIZE];

    snprintf(reason, sizeof(reason), "%.60s denies access%s: %.*s", conn->peer->address,
             conn->peers->client->signer == NULL ? " (no access key is set)" : "",
             (int)command->remark.size,
             command->remark.size == 0 ? "" : (const char *)command->remark.data);
    warn(conn->peers, reason);
}

static void on_response(struct rmq_conn *conn, const struct rmq_command *command,
                        struct dt_span body)
{
    struct rmq_peers *peers = conn->peers;
    struct rmq_call *call = table_find(peers, command->opaque);
    struct rmq_answer answer = {DT_OK, "", command, body};

    if (call == NULL || call->conn != conn)
        return; /* too late, or cancelled */
    detach(peers, call);
    if (command->code == RMQ_GO_AWAY && !conn->is_draining)
        drain(conn, "the peer is going away");
    if (rmq_command_is_denied(command))
        warn_denied(conn, command);
    call->done(call, &answer);
}

/* True: go on reading. */
static bool on_frame(struct rmq_conn *conn, const struct rmq_frame *frame)
{
    struct rmq_peers *peers = conn->peers;
    struct rmq_command *command = &peers->command;
    dt_status status =
        rmq_command_decode(frame->header, frame->type, &peers->scratch, command);

    if (status != DT_OK) {
        char reason[RMQ_REASON_SIZE];

        snprintf(reason, sizeof(reason), "%.80s: %.100s", conn->peer->address,
                 dt_error_text());
        warn(peers, reason);
        close_conn(conn, DT_EUNREACH, reason);
        return false;
    }
    if (rmq_command_is_response(command))
        on_response(conn, command, frame->body);
    else
        on_request(conn, frame->type, command, frame->body);
    if (!conn->is_dead && conn->is_draining && dt_list_is_empty(&conn->pending))
        close_conn(conn, DT_EUNREACH, "no longer needed");
    return !conn->is_dead;
}

static size_t on_received(void *context, struct dt_span bytes)
{
    struct rmq_conn *conn = context;
    struct rmq_peers *peers = conn->peers;
    struct rmq_frame frame;
    enum rmq_cut cut;
    size_t used = 0;

    conn->is_reading = true;
    for (;;) {
        cut = rmq_frame_cut(dt_span_of(bytes.data + used, bytes.size - used),
                            peers->client->frame_size_max, &frame);
        if (cut != RMQ_CUT_FRAME)
            break;
        used += frame.size;
        if (!on_frame(conn, &frame))
            break;
    }
    if (!conn->is_dead && cut == RMQ_CUT_CORRUPT) {
        char reason[RMQ_REASON_SIZE];

        snprintf(reason, sizeof(reason),
                 "%.120s: a frame that is too large or not of this protocol",
                 conn->peer->address);
        warn(peers, reason);
        close_conn(conn, DT_EUNREACH, reason);
    }
    conn->is_reading = false;
    if (conn->is_dead)
        free(conn);
    deliver(peers);
    return used;
}

static const struct dt_tcp_events tcp_events = {on_opened, on_received, on_closed};

/* ---------------------------------------------------------------- life */

dt_status rmq_peers_init(struct rmq_peers *peers, struct rmq_client *client)
{
    peers->client = client;
    dt_list_init(&peers->peers);
    dt_list_init(&peers->conns);
    dt_list_init(&peers->ending);
    peers->deliver_op.run = run_deliver;
    dt_random_bytes(&peers->last_opaque, sizeof(peers->last_opaque));
    peers->last_opaque &= 0xffffff; /* short to write, and no two clients in step */
    dt_buf_init(&peers->scratch, client->frame_size_max);
    return dt_timer_new(client->loop, on_timer, peers, &peers->timer);
}

static void free_peer(struct rmq_peers *peers, struct rmq_peer *peer)
{
    dt_list_remove(&peer->link);
    peers->peer_count--;
    free(peer);
}

void rmq_peers_prune(struct rmq_peers *peers,
                     bool (*keep)(struct rmq_client *client, const char *address))
{
    struct dt_link *link, *next, *other;

    for (link = peers->peers.next; link != &peers->peers; link = next) {
        struct rmq_peer *peer = DT_CONTAINER(link, struct rmq_peer, link);
        bool is_used = !dt_list_is_empty(&peer->waiting);

        next = link->next;
        for (other = peers->conns.next; other != &peers->conns; other = other->next) {
            struct rmq_conn *conn = DT_CONTAINER(other, struct rmq_conn, link);

            if (conn->peer == peer &&
                (conn != peer->conn || !conn->is_open || !dt_list_is_empty(&conn->pending)))
                is_used = true;
        }
        if (is_used || keep(peers->client, peer->address))
            continue;
        if (peer->conn != NULL)
            close_conn(peer->conn, DT_EUNREACH, "no longer needed");
        free_peer(peers, peer);
    }
}

void rmq_peers_close(struct rmq_peers *peers)
{
    peers->is_closed = true;
    while (!dt_list_is_empty(&peers->conns))
        close_conn(DT_CONTAINER(peers->conns.next, struct rmq_conn, link), DT_ECLOSED,
                   "the client is being closed");
    deliver(peers);
    dt_timer_free(peers->timer);
    peers->timer = NULL;
}

void rmq_peers_fini(struct rmq_peers *peers)
{
    while (!dt_list_is_empty(&peers->peers))
        free_peer(peers, DT_CONTAINER(peers->peers.next, struct rmq_peer, link));
    dt_buf_fini(&peers->scratch);
}
