/*
 * raw_mq.h - RocketMQ's requests as tests of the in-memory broker need them, over a raw_peer.
 */
#ifndef SUPPORT_RAW_MQ_H
#define SUPPORT_RAW_MQ_H

#include "rmq/stored.h"
#include "support/raw_peer.h"

/* What a send says; start from RAW_MESSAGE. */
struct raw_message {
    const char *topic;
    int32_t queue_id;
    struct dt_span body, properties;
    bool batch;
};

/* Puts a send (310, or 320 for a batch) into peer->out, not yet ended. */
void raw_begin_send(struct raw_peer *peer, const struct raw_message *message);
/* Sends and waits; the answer's code. */
int32_t raw_store(struct raw_peer *peer, const struct raw_message *message);
/* The same for a short text. */
int32_t raw_store_text(struct raw_peer *peer, const char *topic, int32_t queue_id,
                       const char *text);

/* Puts a pull of all tags into peer->out, not yet ended. */
void raw_begin_pull(struct raw_peer *peer, const char *topic, int32_t queue_id,
                    int64_t offset, int32_t count_max, int64_t suspend_ms);
int32_t raw_pull(struct raw_peer *peer, const char *topic, int32_t queue_id, int64_t offset,
                 int32_t count_max);
/* Takes the next message off the front of the last answer's body. */
bool raw_next_message(struct raw_peer *peer, struct rmq_stored *out);

/* Code 15, 14, 30 or 31; value < 0: no commitOffset. The answer's code. */
int32_t raw_offset(struct raw_peer *peer, int32_t code, const char *group,
                   const char *topic, int32_t queue_id, int64_t value);

#endif
