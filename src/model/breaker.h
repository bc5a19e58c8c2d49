/*
 * breaker.h - whether a side is there, and how much it is asked while it is not.
 *
 *                 silent, or out of reach
 *        CLOSED ---------------------------> OPEN <------+
 *          ^                                  |          | no answer in time
 *          |              one is handed over  v          |
 *          +------------------------------ PROBING ------+
 *               any answer, from either
 *
 *   CLOSED   the side answers, or is owed nothing: everything is handed over
 *   OPEN     nothing is handed over but, once every DUET_BREAKER_PROBE_MS, one message; what was
 *            handed over before stays with the side's client, which goes on trying
 *   PROBING  that one message is on its way, and nothing else is handed over
 *
 * Pure: no clock; times are the caller's, in ms, and never go back.
 */
#ifndef MODEL_BREAKER_H
#define MODEL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define DUET_BREAKER_STATES(X)                                                             \
    X(CLOSED, "closed")                                                                    \
    X(OPEN, "open")                                                                        \
    X(PROBING, "probing")

enum duet_breaker_state {
#define DUET_BREAKER_ENUM(name, text) DUET_BREAKER_##name,
    DUET_BREAKER_STATES(DUET_BREAKER_ENUM)
#undef DUET_BREAKER_ENUM
};

enum {
    DUET_BREAKER_SILENT_MS = 3000, /* something is owed, and no answer came for so long */
    DUET_BREAKER_PROBE_MS = 1000
};

struct duet_breaker {
    enum duet_breaker_state state;
    uint64_t owed;      /* messages handed over and not ended */
    int64_t heard_ms;   /* the last answer, or when the first of those was handed over */
    int64_t probe_ms;   /* OPEN: the next not before; PROBING: given up then */
    int64_t changed_ms; /* when it was opened or closed last */
    uint64_t opened;    /* how often */
};

/* Closed, and owed nothing. */
void duet_breaker_init(struct duet_breaker *breaker, int64_t now_ms);

const char *duet_breaker_state_name(enum duet_breaker_state state);

/* Whether a message may be handed over now. */
static inline bool duet_breaker_may_send(const struct duet_breaker *breaker, int64_t now_ms)
{
    return breaker->state == DUET_BREAKER_CLOSED ||
           (breaker->state == DUET_BREAKER_OPEN && now_ms >= breaker->probe_ms);
}

/* One was handed over. */
void duet_breaker_sent(struct duet_breaker *breaker, int64_t now_ms);

/* One of them has ended. `is_answer`: by the side's word, whatever it says. True if that closed
 * the breaker. */
bool duet_breaker_ended(struct duet_breaker *breaker, bool is_answer, int64_t now_ms);

/* What time brings. `reachable`: as far as its client knows. True if that opened the breaker. */
bool duet_breaker_look(struct duet_breaker *breaker, bool reachable, int64_t now_ms);

#endif
