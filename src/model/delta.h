/*
 * delta.h - what a reader, or a producer, has counted of one range of positions: the unit in which
 * counts travel and are added, each position once (docs/windows.md).
 *
 * A lane is where positions come from: a partition's log at one stage, or the numbers that one
 * boot of a producer issues in a partition. A delta is everything that stands in [from, to) of a
 * lane, window by window: sums always, a sketch if it is wanted. So rebalances, restarts and
 * repeats neither double nor lose counts: whoever adds deltas keeps the ranges that it has.
 *
 * Pure.
 */
#ifndef MODEL_DELTA_H
#define MODEL_DELTA_H

#include "model/sketch.h"

enum duet_stage {
    DUET_STAGE_I,  /* issued: ids fixed by producers; positions are sequences */
    DUET_STAGE_X,  /* cancelled: ids that were definitely not sent; taken from I */
    DUET_STAGE_K,  /* stored in Kafka, counted by a log reader; offsets */
    DUET_STAGE_R,  /* stored in RocketMQ; offsets */
    DUET_STAGE_CK, /* read by the group from Kafka; offsets */
    DUET_STAGE_CR, /* read by the group from RocketMQ; offsets */
    DUET_STAGE_VL, /* processed by the live role, contents are results; versions of its state */
    DUET_STAGE_VS, /* processed by the shadow role; versions */
    DUET_STAGES
};
const char *duet_stage_name(enum duet_stage stage); /* "I", "X", "K", ... */

struct duet_lane {
    enum duet_stage stage;
    uint32_t topic; /* number of the route's topic */
    uint32_t group; /* number of the group; 0: none (I, X, K, R) */
    uint16_t partition;
    uint8_t id_kind; /* I and X: of its ids (model/id.h); else 0, as the next two */
    uint32_t instance;
    uint16_t boot;
};
bool duet_lane_equal(const struct duet_lane *a, const struct duet_lane *b);

struct duet_delta_day {
    uint16_t day;
    int64_t count;
};

struct duet_delta_window {
    uint32_t window;
    bool has_order; /* each message with a key is in `order` */
    struct duet_digest digest, order;
    struct duet_delta_day *days; /* ascending; their counts sum up to the digest's */
    size_t day_count;
    struct duet_sketch sketch, order_sketch; /* cells NULL: none */
};

enum { DUET_DELTA_WINDOWS_MAX = 64, DUET_DELTA_BYTES_MAX = 16 << 20 };

struct duet_delta {
    struct duet_lane lane;
    uint16_t key;                      /* duet_digest_key_number() */
    uint32_t width;                    /* of the sketches that are made; 0: none */
    uint64_t from, to;                 /* [from, to) */
    struct duet_delta_window *windows; /* ascending */
    size_t window_count;
};

void duet_delta_init(struct duet_delta *delta, const struct duet_lane *lane, uint16_t key,
                     uint32_t width, uint64_t from);
void duet_delta_fini(struct duet_delta *delta);

/* One copy, or result, at `position` (`to` or above; what lies between is passed over). `order`:
 * of model/order.h, NULL if it has no key. DT_ENOMEM; DT_ETOOBIG: it would be the 65th window, so
 * cut the delta and begin the next one. Either leaves the delta as it was. */
struct duet_counted {
    const struct duet_id *id;
    uint32_t window;
    uint16_t day;
    uint64_t content;
    size_t bytes;
    const uint64_t *order;
};
dt_status duet_delta_count(struct duet_delta *delta, const struct duet_digest_key *key,
                           uint64_t position, const struct duet_counted *counted);

/* Nothing to be counted stands below `to`: records of others, gaps of the log. */
void duet_delta_pass(struct duet_delta *delta, uint64_t to);

/* The order of keys is not covered in that window (model/order.h was full, or did not see it from
 * its beginning). */
void duet_delta_without_order(struct duet_delta *delta, uint32_t window);

/* Bytes. DT_ECORRUPT: damaged, or no delta has such sums; DT_EUNSUPPORTED: another version. */
void duet_delta_encode(const struct duet_delta *delta, struct dt_buf *out);
dt_status duet_delta_decode(struct duet_delta *delta, struct dt_span bytes);

#endif
