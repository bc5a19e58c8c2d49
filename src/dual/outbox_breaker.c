/*
 * outbox_breaker.c - what a side that does not answer is still handed: model/breaker.h, for both.
 *
 * What its sender has already stays there and is tried again by the library below. So the one
 * message a second comes from a lane that has nothing there: it tells a side that is away from one
 * where a single partition is.
 */
#include "base/log.h"
#include "dual/outbox_inside.h"

#define LOG_MS 10000 /* a side that comes and goes is told of so often */

bool duet_outbox_may_send(const struct duet_lane *lane, enum duet_side side)
{
    const struct duet_outbox *outbox = lane->outbox;
    const struct duet_breaker *breaker = &outbox->breaker[side];

    return breaker->state == DUET_BREAKER_CLOSED ||
           (lane->with[side] == 0 && duet_breaker_may_send(breaker, outbox->now_ms));
}

/* Lock: not held. A side that comes and goes gives two lines in LOG_MS. */
static void tell(struct duet_outbox *outbox, enum duet_side side,
                 const struct duet_breaker *now)
{
    bool is_away = now->state != DUET_BREAKER_CLOSED;

    if (is_away && !outbox->away[side].is_told &&
        dt_log_due(&outbox->away[side].logged_ms, LOG_MS)) {
        dt_log_warning("%s does not answer: what is for it waits, and it is asked once a "
                       "second",
                       duet_side_name(side));
        outbox->away[side].is_told = true;
        outbox->away[side].since_ms = now->heard_ms;
    } else if (!is_away && outbox->away[side].is_told) {
        dt_log_info("%s answers again, after %.1f s", duet_side_name(side),
                    (double)(now->changed_ms - outbox->away[side].since_ms) / 1000);
        outbox->away[side].is_told = false;
    }
}

void duet_outbox_look_at_sides(struct duet_outbox *outbox, int64_t now_ms)
{
    struct duet_breaker now[DUET_SIDES];

    pthread_mutex_lock(&outbox->lock);
    outbox->now_ms = now_ms;
    for (int side = 0; side < DUET_SIDES; side++) {
        bool reachable = duet_sender_reachable(outbox->sender[side]);

        (void)duet_breaker_look(&outbox->breaker[side], reachable, now_ms);
        now[side] = outbox->breaker[side];
    }
    pthread_mutex_unlock(&outbox->lock);
    for (int side = 0; side < DUET_SIDES; side++)
        tell(outbox, (enum duet_side)side, &now[side]);
}
