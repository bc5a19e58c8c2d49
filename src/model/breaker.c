#include "model/breaker.h"

#include <assert.h>

static const char *const names[] = {
#define NAME(name, text) [DUET_BREAKER_##name] = (text),
    DUET_BREAKER_STATES(NAME)
#undef NAME
};

void duet_breaker_init(struct duet_breaker *breaker, int64_t now_ms)
{
    *breaker = (struct duet_breaker){
        .state = DUET_BREAKER_CLOSED, .heard_ms = now_ms, .changed_ms = now_ms};
}

const char *duet_breaker_state_name(enum duet_breaker_state state)
{
    return names[state];
}

void duet_breaker_sent(struct duet_breaker *breaker, int64_t now_ms)
{
    if (breaker->owed++ == 0)
        breaker->heard_ms = now_ms;
    if (breaker->state == DUET_BREAKER_CLOSED)
        return;
    breaker->state = DUET_BREAKER_PROBING;
    breaker->probe_ms = now_ms + DUET_BREAKER_PROBE_MS;
}

bool duet_breaker_ended(struct duet_breaker *breaker, bool is_answer, int64_t now_ms)
{
    assert(breaker->owed > 0);
    breaker->owed--;
    if (!is_answer)
        return false;
    breaker->heard_ms = now_ms;
    if (breaker->state == DUET_BREAKER_CLOSED)
        return false;
    breaker->state = DUET_BREAKER_CLOSED;
    breaker->changed_ms = now_ms;
    return true;
}

static bool is_away(const struct duet_breaker *breaker, bool reachable, int64_t now_ms)
{
    return breaker->owed > 0 &&
           (!reachable || now_ms - breaker->heard_ms >= DUET_BREAKER_SILENT_MS);
}

bool duet_breaker_look(struct duet_breaker *breaker, bool reachable, int64_t now_ms)
{
    if (breaker->state == DUET_BREAKER_PROBING && now_ms >= breaker->probe_ms)
        breaker->state = DUET_BREAKER_OPEN; /* the next may go at once */
    if (breaker->state != DUET_BREAKER_CLOSED || !is_away(breaker, reachable, now_ms))
        return false;
    breaker->state = DUET_BREAKER_OPEN;
    breaker->probe_ms = now_ms + DUET_BREAKER_PROBE_MS;
    breaker->changed_ms = now_ms;
    breaker->opened++;
    return true;
}
