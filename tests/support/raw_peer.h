/*
 * raw_peer.h - a client of nothing but a socket and the codec, for tests of brokers.
 *
 * Blocking, with a time limit on every wait; whatever goes wrong fails the test.
 */
#ifndef SUPPORT_RAW_PEER_H
#define SUPPORT_RAW_PEER_H

#include "rmq/command.h"

#define RAW_WAIT_MS 10000

struct raw_peer {
    int fd;
    enum rmq_header_type type; /* of the requests it writes; JSON unless set */
    int32_t opaque;            /* of the last request */
    struct dt_buf in, out, scratch;
    struct rmq_encoder encoder;

    /* what was received last; valid until the next is */
    size_t frame_size;
    enum rmq_header_type answer_type;
    struct rmq_command answer;
    struct dt_span body;
    size_t notifications; /* requests of the broker that came in between */
};

void raw_open(struct raw_peer *peer, const char *address);
void raw_close(struct raw_peer *peer);

/* Starts a request; its fields are added with rmq_encode_*(&peer->encoder, ...). */
void raw_begin(struct raw_peer *peer, int32_t code);
void raw_begin_flags(struct raw_peer *peer, int32_t code, int32_t flag);
/* Ends and sends it. */
void raw_send(struct raw_peer *peer, struct dt_span body);
void raw_send_bytes(struct raw_peer *peer, struct dt_span bytes);

/* Waits for the next frame. False: the connection was closed, or nothing came in time. */
bool raw_receive(struct raw_peer *peer, int timeout_ms);
/* Sends, and waits for the answer to it. Gives the answer's code. */
int32_t raw_call(struct raw_peer *peer, struct dt_span body);
/* Waits for the answer to that opaque. */
void raw_await(struct raw_peer *peer, int32_t opaque);
/* True once the far side has closed; what it sent before is passed over. */
bool raw_is_closed(struct raw_peer *peer);

int64_t raw_i64(const struct raw_peer *peer, const char *name); /* a field; fails without */

#endif
