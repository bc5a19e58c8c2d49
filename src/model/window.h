/*
 * window.h - one window of a route, or of a route and group: its sums at every stage, its state.
 *
 *   OPEN        producers may still issue ids in it, or owe copies of it to a side
 *   SEALED      no producer can: what was issued is complete, if nobody comes late
 *   SETTLED     every reader has passed the ends that the logs had after it was sealed
 *   VERIFIED    compared, and equal
 *   DIVERGED    compared, and not equal
 *   REPAIRED    what was missing has been written; to be settled and compared once more
 *   UNVERIFIABLE  a part was removed by retention before it was counted
 *
 * Never closed for good: what comes late is added, and the window is sealed, settled and compared
 * again; until then its verdict is stale.
 *
 * Pure.
 */
#ifndef MODEL_WINDOW_H
#define MODEL_WINDOW_H

#include "model/delta.h"

#define DUET_WINDOW_STATES(X)                                                              \
    X(OPEN, "open")                                                                        \
    X(SEALED, "sealed")                                                                    \
    X(SETTLED, "settled")                                                                  \
    X(VERIFIED, "verified")                                                                \
    X(DIVERGED, "diverged")                                                                \
    X(REPAIRED, "repaired")                                                                \
    X(UNVERIFIABLE, "unverifiable")

enum duet_window_state {
#define X(name, text) DUET_WINDOW_##name,
    DUET_WINDOW_STATES(X)
#undef X
        DUET_WINDOW_STATE_COUNT
};
const char *duet_window_state_name(enum duet_window_state state);

/* Whether that step is one of the machine's. */
bool duet_window_may(enum duet_window_state from, enum duet_window_state to);

struct duet_window_stage {
    struct duet_digest digest, order;
    bool without_order; /* somewhere it was not followed */
    struct duet_sketch sketch,
        order_sketch; /* of what brought one; cells NULL: nothing did */
};

struct duet_window_day {
    uint16_t day;
    int64_t count[DUET_STAGES];
};

struct duet_window {
    uint32_t number; /* minutes since 1970 */
    enum duet_window_state state;
    uint64_t version;               /* goes up with each change of its sums */
    uint64_t verdict_version;       /* the one that `verdict` is about */
    enum duet_window_state verdict; /* the last one; OPEN: none yet */
    int64_t unsettled_ms; /* since when it has been without an up-to-date verdict */
    bool tainted;         /* a part was removed before it was counted */
    bool asked_ends;      /* the ends are being read for it */
    bool has_ends;        /* of the logs, read after it was sealed */
    uint64_t *ends;       /* one per expected lane; has_ends */
    size_t end_count;
    struct duet_window_stage stage[DUET_STAGES];
    struct duet_window_day *days; /* ascending */
    size_t day_count;
};

/* Whether something has been added since the last verdict. */
bool duet_window_is_stale(const struct duet_window *window);

/* What the sums say, whatever the state. */
enum duet_compared {
    DUET_COMPARED_NONE = 0,
    DUET_COMPARED_STORED_KAFKA = 1 << 0,    /* K against I - X */
    DUET_COMPARED_STORED_ROCKETMQ = 1 << 1, /* R against I - X */
    DUET_COMPARED_ORDER = 1 << 2,           /* R against K, the order of keys */
    DUET_COMPARED_READ_KAFKA = 1 << 3,      /* CK against K */
    DUET_COMPARED_READ_ROCKETMQ = 1 << 4,   /* CR against R */
    DUET_COMPARED_RESULTS = 1 << 5          /* VL against VS */
};
/* The comparisons, of those asked for, that do not come out equal. */
unsigned duet_window_unequal(const struct duet_window *window, unsigned asked);

/* The sketch of stage a minus stage b (b of I means I - X). DT_ENOTFOUND: one of them did not bring
 * sketches for all that it counted, so they are to be asked for, or made by a scan. */
dt_status duet_window_difference(const struct duet_window *window, enum duet_stage a,
                                 enum duet_stage b, bool order, struct duet_sketch *out);

/* Adds what a delta has of it. DT_ENOMEM, DT_EINVAL (another key): it is as it was. */
dt_status duet_window_add(struct duet_window *window, enum duet_stage stage,
                          const struct duet_delta_window *counted);

/* Takes away what duet_window_add() has added, where the rest of a delta failed. */
void duet_window_undo(struct duet_window *window, enum duet_stage stage,
                      const struct duet_delta_window *counted);

void duet_window_fini(struct duet_window *window);

/* As bytes, to be put away and taken back (docs/windows.md). DT_ECORRUPT, DT_EUNSUPPORTED. */
void duet_window_encode(const struct duet_window *window, struct dt_buf *out);
dt_status duet_window_decode(struct duet_window *window, struct dt_span bytes);

#endif
