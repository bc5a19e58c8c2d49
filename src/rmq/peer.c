#include "rmq/peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/client_inside.h"

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

/* Makes the peer have a connection, open or being made. After a failure it is left alone for
 * the shortest back-off, however many ask. */
static dt_status ensure_conn(struct rmq_peers *peers, struct rmq_peer *peer)
{
    if (peer->conn != NULL)
        return DT_OK;
    if (peer->failed_ms != 0 &&
        dt_clock_ms() - peer->failed_ms < peers->client->backoff_ms_min)
        return dt_error_set(DT_EUNREACH, "%s", peer->failure);
    return rmq_conn_open(peers, peer);
}

void rmq_peer_not_sent(struct rmq_peers *peers, struct rmq_peer *peer,
                       struct rmq_call *call, dt_status status, const char *reason)
{
    peers->calls.counters.not_sent++;
    if (peer != NULL)
        peer->counters.not_sent++;
    rmq_call_end(&peers->calls, call, status, reason);
}

void rmq_call_start(struct rmq_client *client, const char *address, struct rmq_call *call)
{
    struct rmq_peers *peers = &client->peers;
    struct rmq_peer *peer = find_peer(peers, address);
    dt_status status = DT_OK;

    assert(call->state == RMQ_CALL_IDLE);
    if (peers->is_closed) {
        rmq_peer_not_sent(peers, peer, call, DT_ECLOSED, "the client is being closed");
        rmq_calls_deliver_later(&peers->calls);
        return;
    }
    if (peer == NULL)
        peer = make_peer(peers, address);
    if (peer == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for a peer, or too many");
    else
        status = ensure_conn(peers, peer);
    if (status != DT_OK) {
        rmq_peer_not_sent(peers, peer, call, DT_EUNREACH, dt_error_text());
        rmq_calls_deliver_later(&peers->calls);
        return;
    }
    if (peer->conn->is_open) {
        rmq_conn_send(peer->conn, call);
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

/* ---------------------------------------------------------------- expiry */

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
            next_ms = rmq_earlier(next_ms, call->deadline_ms);
            continue;
        }
        snprintf(reason, sizeof(reason), "%.120s: no connection in time", peer->address);
        rmq_peer_not_sent(peers, peer, call, DT_ETIMEDOUT, reason);
    }
    return next_ms;
}

static void on_timer(void *context)
{
    struct rmq_peers *peers = context;
    int64_t now_ms = dt_clock_ms();
    int64_t next_ms = INT64_MAX;
    struct dt_link *link, *next;

    for (link = peers->peers.next; link != &peers->peers; link = link->next)
        next_ms = rmq_earlier(
            next_ms,
            expire_waiting(peers, DT_CONTAINER(link, struct rmq_peer, link), now_ms));
    for (link = peers->conns.next; link != &peers->conns; link = next) {
        next = link->next;
        next_ms = rmq_earlier(
            next_ms, rmq_conn_expire(DT_CONTAINER(link, struct rmq_conn, link), now_ms));
    }
    dt_timer_set(peers->timer, next_ms);
    rmq_calls_deliver(&peers->calls);
}

/* ---------------------------------------------------------------- life */

dt_status rmq_peers_init(struct rmq_peers *peers, struct rmq_client *client)
{
    peers->client = client;
    dt_list_init(&peers->peers);
    dt_list_init(&peers->conns);
    rmq_calls_init(&peers->calls, client->loop);
    dt_buf_init(&peers->scratch, client->frame_size_max);
    return dt_timer_new(client->loop, on_timer, peers, &peers->timer);
}

static void free_peer(struct rmq_peers *peers, struct rmq_peer *peer)
{
    dt_list_remove(&peer->link);
    peers->peer_count--;
    rmq_rtt_free(peer->rtt);
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
            rmq_conn_close(peer->conn, DT_EUNREACH, "no longer needed");
        free_peer(peers, peer);
    }
}

void rmq_peers_close(struct rmq_peers *peers)
{
    peers->is_closed = true;
    while (!dt_list_is_empty(&peers->conns))
        rmq_conn_close(DT_CONTAINER(peers->conns.next, struct rmq_conn, link), DT_ECLOSED,
                       "the client is being closed");
    rmq_calls_deliver(&peers->calls);
    dt_timer_free(peers->timer);
    peers->timer = NULL;
}

void rmq_peers_fini(struct rmq_peers *peers)
{
    while (!dt_list_is_empty(&peers->peers))
        free_peer(peers, DT_CONTAINER(peers->peers.next, struct rmq_peer, link));
    dt_buf_fini(&peers->scratch);
}
