/*
 * outbox_change.c - a lane moves to the primary that the plan names, while it is in use.
 *
 * It may when
 *   LANE  nothing is owed to the new primary: what the old one had before is there, and
 *   PEND  nothing is in doubt at the old primary.
 * So the new primary's log goes on exactly behind what it has, whatever the old one's answers were.
 *
 * Under load both lists always hold something. So when little is owed, new messages are held back
 * for the milliseconds in which both run empty; if they do not, they are sent as before, and
 * the next try comes later. Callers never wait for this: what is held is accepted.
 *
 * An old primary that does not answer leaves its messages in doubt for ever. Then they are first
 * written to the new primary, in order and under their ids, while the old one's sender still has
 * them: whichever order the answers come in, they stand before everything later on both sides.
 */
#include "base/clock.h"
#include "base/log.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
#include "dual/rules.h"
#include "dual/spill.h"

#define HOLD_COUNT_MAX                                                                     \
    512 /* more than so many copies do not go out within the time below */
#define HOLD_MS   200
#define RETRY_MS  1000
#define SILENT_MS 3000 /* an old primary that said nothing for so long is taken over from */

static enum duet_side wanted(const struct duet_lane *lane)
{
    return duet_write_primary(lane->box->route->write);
}

void duet_lane_choose_primary(struct duet_lane *lane)
{
    enum duet_side side = wanted(lane);

    /* what is owed to it goes there first; should both be owed, there is no better choice */
    if (duet_spill_owes(lane, side) && !duet_spill_owes(lane, duet_other_side(side)))
        side = duet_other_side(side);
    lane->primary = side;
    duet_lane_change(lane);
}

/* The rule LANE. */
static bool owes_nothing(const struct duet_lane *lane)
{
    return (lane->secondary_first == NULL && !duet_spill_is_behind(lane)) ||
           !duet_rule(DUET_RULE_LANE);
}

/* The rule PEND: what waits to be sent is not in doubt. */
static bool pends_nothing(const struct duet_lane *lane)
{
    return lane->primary_first == lane->unsent || !duet_rule(DUET_RULE_PEND);
}

/* What is unanswered at the old primary is to be stored in the new one before anything later. */
static void move(struct duet_lane *lane, enum duet_side to)
{
    bool takes_over = lane->primary_first != lane->unsent;

    dt_log_info("topic %s, partition %d: %s is the primary now%s", lane->box->route->topic,
                (int)lane->partition, duet_side_name(to),
                takes_over ? "; what the other side has not answered goes there, too" : "");
    lane->primary = to;
    lane->change.holds = lane->change.is_due = false;
    lane->change.retry_ms = 0;
    if (takes_over && duet_rule(DUET_RULE_PEND))
        lane->unsent = lane->primary_first;
    duet_outbox_pump_primary(lane);
}

static void hold(struct duet_lane *lane, int64_t now_ms)
{
    lane->change.holds = true;
    lane->change.until_ms = now_ms + HOLD_MS;
    duet_sender_flush(lane->outbox->sender[lane->primary]);
}

static void release(struct duet_lane *lane)
{
    lane->change.holds = false;
    duet_outbox_pump_primary(lane);
}

static bool is_silent(const struct duet_lane *lane, int64_t now_ms)
{
    return now_ms - lane->change.progress_ms >= SILENT_MS ||
           lane->outbox->breaker[lane->primary].state != DUET_BREAKER_CLOSED ||
           !duet_sender_reachable(lane->outbox->sender[lane->primary]);
}

void duet_lane_change(struct duet_lane *lane)
{
    enum duet_side to = wanted(lane);
    int64_t now_ms;

    if (to == lane->primary) {
        lane->change.is_due = false;
        if (lane->change.holds)
            release(lane); /* the plan changed back meanwhile */
        return;
    }
    now_ms = dt_clock_ms();
    if (!lane->change.is_due)
        lane->change.progress_ms = now_ms;
    lane->change.is_due = true;
    if (owes_nothing(lane) && (pends_nothing(lane) || is_silent(lane, now_ms))) {
        if (duet_intent_turn(lane, to) == DT_OK)
            move(lane, to); /* else the journal has no room now: at the next tick */
    } else if (lane->change.holds && now_ms >= lane->change.until_ms) {
        lane->change.retry_ms = now_ms + RETRY_MS;
        release(lane);
    } else if (!lane->change.holds && now_ms >= lane->change.retry_ms &&
               lane->secondary_count <= HOLD_COUNT_MAX && !duet_spill_is_behind(lane) &&
               !is_silent(lane, now_ms)) {
        hold(lane, now_ms);
    }
}
