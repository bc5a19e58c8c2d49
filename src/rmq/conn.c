#include "rmq/conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "rmq/client_inside.h"
#include "rmq/inbound.h"

enum {
    WARN_MS = 5000,
    OUT_SIZE_MAX = 64 * 1024 * 1024, /* bytes waiting to be written to one connection */
};

/* What an operator must see, but no peer can fill the log with. */
static void warn(struct rmq_peers *peers, const char *reason)
{
    if (dt_log_due(&peers->warned_ms, WARN_MS))
        rmq_client_log(peers->client, DT_LOG_WARNING, "%s", reason);
}

/* ---------------------------------------------------------------- the end */

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

        peers->calls.counters.failed++;
        peer->counters.failed++;
        rmq_call_end(&peers->calls, call, sent >= call->sent_end ? DT_EINDOUBT : status,
                     reason);
    }
    if (peer->conn == conn) {
        peer->conn = NULL;
        while (!dt_list_is_empty(&peer->waiting))
            rmq_peer_not_sent(peers, peer,
                              DT_CONTAINER(peer->waiting.next, struct rmq_call, link),
                              status, reason);
        if (!conn->is_open) {
            peer->failed_ms = dt_clock_ms();
            snprintf(peer->failure, sizeof(peer->failure), "%s", reason);
        }
    }
    peer->disconnects += conn->is_open;
    peer->connect_failures += !conn->is_open;
    peer->tx_bytes += sent;
    peer->rx_bytes += dt_tcp_received(conn->tcp);
    dt_list_remove(&conn->link);
    conn->tcp = NULL;
    free_conn(conn);
}

void rmq_conn_close(struct rmq_conn *conn, dt_status status, const char *reason)
{
    struct dt_tcp *tcp = conn->tcp;

    end_conn(conn, status, reason);
    dt_tcp_close(tcp);
}

/* Once when a peer goes away, not at every attempt to reach it. */
static void tell_lost(struct rmq_conn *conn, const char *reason)
{
    struct rmq_peer *peer = conn->peer;
    bool is_news = (conn->is_open || !peer->is_told) && dt_log_due(&peer->told_ms, WARN_MS);

    peer->is_told |= is_news;
    rmq_client_log(conn->peers->client, is_news ? DT_LOG_INFO : DT_LOG_DEBUG, "%s", reason);
}

static void on_closed(void *context, dt_status status, const char *reason)
{
    struct rmq_conn *conn = context;
    struct rmq_peers *peers = conn->peers;

    if (status == DT_EREFUSED) { /* TLS: an operator has to mend it, and it may be mended */
        warn(peers, reason);
        status = DT_EUNREACH;
    }
    tell_lost(conn, reason);
    end_conn(conn, status, reason);
    rmq_calls_deliver(&peers->calls);
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
        if (!call->repeatable)
            continue;
        conn->peers->calls.counters.failed++;
        conn->peer->counters.failed++;
        rmq_call_end(&conn->peers->calls, call, DT_EINDOUBT, reason);
    }
    if (dt_list_is_empty(&conn->pending))
        rmq_conn_close(conn, DT_EUNREACH, reason);
}

int64_t rmq_conn_expire(struct rmq_conn *conn, int64_t now_ms)
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
            next_ms = rmq_earlier(next_ms, call->expires_ms);
            continue;
        }
        snprintf(reason, sizeof(reason), "%.120s: no answer in time", conn->peer->address);
        is_silent |= dt_tcp_received(conn->tcp) == call->received_before;
        is_stuck |= !is_sent;
        peers->calls.counters.timed_out++;
        conn->peer->counters.timed_out++;
        rmq_call_end(&peers->calls, call, is_sent ? DT_EINDOUBT : DT_ETIMEDOUT, reason);
    }
    /* A request that ended as not sent must not go out after all. */
    if (is_stuck)
        rmq_conn_close(conn, DT_EUNREACH, reason);
    else if (is_silent || (conn->is_draining && dt_list_is_empty(&conn->pending)))
        drain(conn, reason);
    return next_ms;
}

/* ---------------------------------------------------------------- sending */

void rmq_conn_send(struct rmq_conn *conn, struct rmq_call *call)
{
    struct rmq_peers *peers = conn->peers;
    struct dt_buf *out = dt_tcp_out(conn->tcp);
    size_t size_before = out->size;

    call->opaque = rmq_calls_next_opaque(&peers->calls);
    call->encode(call, out, peers->client->header_type);
    if (peers->client->signer != NULL)
        rmq_signer_sign(peers->client->signer, out, size_before);
    if (out->failed) {
        out->size = size_before;
        out->failed = false;
        rmq_peer_not_sent(peers, conn->peer, call, DT_EUNREACH,
                          "too many bytes wait to be written, or no memory");
        rmq_calls_deliver_later(&peers->calls);
        return;
    }
    peers->calls.counters.sent++;
    conn->peer->counters.sent++;
    if (call->is_oneway) {
        peers->calls.counters.oneway++;
        conn->peer->counters.oneway++;
        rmq_call_end(&peers->calls, call, DT_OK, "");
        rmq_calls_deliver_later(&peers->calls);
        dt_tcp_flush(conn->tcp);
        return;
    }
    call->sent_us = dt_clock_us();
    call->conn = conn;
    call->conn_number = conn->number;
    call->sent_end = dt_tcp_put_position(conn->tcp);
    call->received_before = dt_tcp_received(conn->tcp);
    call->expires_ms =
        rmq_earlier(call->deadline_ms, call->sent_us / 1000 + call->timeout_ms);
    rmq_call_sent(&peers->calls, call);
    dt_list_append(&conn->pending, &call->link);
    dt_timer_set_sooner(peers->timer, call->expires_ms);
    dt_tcp_flush(conn->tcp);
}

static void on_opened(void *context)
{
    struct rmq_conn *conn = context;
    struct rmq_peer *peer = conn->peer;

    conn->is_open = true;
    peer->connects++;
    if (peer->is_told)
        rmq_client_log(conn->peers->client, DT_LOG_INFO, "%s: connected again",
                       peer->address);
    peer->is_told = false;
    peer->failed_ms = 0;
    while (!dt_list_is_empty(&peer->waiting)) {
        struct rmq_call *call = DT_CONTAINER(peer->waiting.next, struct rmq_call, link);

        rmq_call_detach(&conn->peers->calls, call);
        rmq_conn_send(conn, call);
    }
    rmq_heartbeat_opened(conn->peers->client, peer->address);
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
    struct rmq_call *call = rmq_calls_find(&peers->calls, command->opaque);
    struct rmq_answer answer = {DT_OK, "", command, body};

    if (call == NULL || call->conn != conn)
        return; /* too late, or cancelled */
    peers->calls.counters.answered++;
    conn->peer->counters.answered++;
    if (rmq_statistics_are_on(&peers->client->statistics) && !call->is_held)
        rmq_rtt_record(&conn->peer->rtt, dt_clock_us() - call->sent_us);
    rmq_call_detach(&peers->calls, call);
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
        rmq_conn_close(conn, DT_EUNREACH, reason);
        return false;
    }
    if (rmq_command_is_response(command))
        on_response(conn, command, frame->body);
    else
        on_request(conn, frame->type, command, frame->body);
    if (!conn->is_dead && conn->is_draining && dt_list_is_empty(&conn->pending))
        rmq_conn_close(conn, DT_EUNREACH, "no longer needed");
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
        rmq_conn_close(conn, DT_EUNREACH, reason);
    }
    conn->is_reading = false;
    if (conn->is_dead)
        free(conn);
    rmq_calls_deliver(&peers->calls);
    return used;
}

static const struct dt_tcp_events tcp_events = {on_opened, on_received, on_closed};

/* ---------------------------------------------------------------- the beginning */

dt_status rmq_conn_open(struct rmq_peers *peers, struct rmq_peer *peer)
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
