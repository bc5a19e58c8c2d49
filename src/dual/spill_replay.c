/*
 * spill_replay.c - reads the journal back into the secondary lists while their sender has room.
 *
 * It does so at a pace that follows what is produced (model/replay_pace.h), lane by lane by turns.
 *
 * Only this thread reads, and only it moves a lane's cursors; it reads without the lock, so that
 * nobody waits for the disk with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
#include "dual/outgoing_bytes.h"
#include "dual/spill_inside.h"
#include "journal/journal.h"

#define TURN_COUNT     256         /* messages of one lane in one go */
#define BROKEN_MAX     8           /* of them, such as are no messages */
#define TURN_BYTES     (1u << 20)  /* the same */
#define PAYLOAD_MAX    (16u << 20) /* more than a segment holds */
#define IDLE_MS        200
#define UNWRITTEN_MS   5 /* until what was appended can be read */
#define WARN_PERIOD_MS 10000
#define ASK_AGAIN_MS   3000

struct turn {
    struct duet_outgoing *first, *last;
    uint64_t count; /* taken from the journal, those that are no messages included */
    int64_t bytes;  /* of their payloads */
    size_t size;    /* in memory */
    uint64_t holes; /* damaged since the journal was opened; counted nowhere */
    struct broken { /* whole, and no messages */
        uint64_t lsn;
        char reason[100];
    } broken[BROKEN_MAX];
    size_t broken_count;
    struct duet_outgoing *cancelled_first, *cancelled_last; /* in no log */
    bool asks; /* what comes next may not be in the other side's log ... */
    int64_t ask_from;
    size_t size_max; /* ends with the message that reaches it */
    enum duet_side side;
    int which; /* of the side's lanes in the journal */
};

/* Of which side, and which of its two; front before main. */
static int lane_to_read(const struct duet_lane *lane, enum duet_side *side)
{
    *side = duet_spill_owes(lane, DUET_KAFKA) ? DUET_KAFKA : DUET_ROCKETMQ;
    return lane->spill.side[*side].unread[SPILL_FRONT] > 0 ? SPILL_FRONT : SPILL_MAIN;
}

/* Lock: held. */
static bool wants_more(const struct duet_lane *lane)
{
    const struct duet_outbox *outbox = lane->outbox;

    if (!duet_spill_owes(lane, DUET_KAFKA) && !duet_spill_owes(lane, DUET_ROCKETMQ))
        return false;
    return lane->unhanded == NULL && lane->handed < DUET_LANE_WINDOW / 2 &&
           (lane->handed == 0 || outbox->secondary_bytes < outbox->memory_max / 2);
}

/* Lock: held. What is read back leaves half of the bound to what comes from the application. */
static size_t turn_size(const struct duet_outbox *outbox)
{
    int64_t room = outbox->memory_max / 2 - outbox->secondary_bytes;

    if (room <= 0)
        return 1; /* one message */
    return room < TURN_BYTES ? (size_t)room : TURN_BYTES;
}

/* Puts the cursor back before the record: it is read again. */
static void read_again(struct turn *turn, struct duet_journal_cursor *cursor,
                       const struct duet_record_view *record)
{
    turn->count--;
    turn->bytes -= (int64_t)record->payload.size;
    cursor->lsn = record->lsn - 1;
    cursor->segment = 0;
}

/* A record of `journal: intent` that an earlier process may never have got into the primary. */
static bool is_question(const struct duet_lane *lane, const struct duet_spill_side *spill,
                        const struct duet_record_view *record,
                        const struct duet_outgoing *outgoing)
{
    const struct duet_outbox *outbox = lane->outbox;

    return (record->flags & DUET_INTENT_FLAG) != 0 && record->lsn > spill->accepted_lsn &&
           (outgoing->stamp.id.instance != outbox->instance ||
            outgoing->stamp.id.boot != outbox->boot);
}

/* Lock: not held. */
static dt_status read_turn(struct duet_lane *lane, uint64_t unread, struct dt_buf *payload,
                           struct turn *turn)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[turn->side];
    struct duet_journal_cursor *cursor = &spill->cursor[turn->which];
    struct duet_record_view record;
    dt_status status = DT_OK;

    while (turn->count < unread && turn->count < TURN_COUNT &&
           turn->broken_count < BROKEN_MAX && turn->size < turn->size_max) {
        struct duet_outgoing *outgoing;

        status = duet_journal_next(outbox->journal, spill->id[turn->which], cursor, payload,
                                   &record);
        if (status == DT_ECORRUPT) {
            turn->holes++;
            continue;
        }
        if (status != DT_OK)
            break;
        turn->count++;
        turn->bytes += (int64_t)record.payload.size;
        status = duet_outgoing_decode(record.payload, outbox->keys, lane->box->topic,
                                      lane->partition, &outgoing);
        if (status == DT_ECORRUPT) {
            struct broken *broken = &turn->broken[turn->broken_count++];

            broken->lsn = record.lsn;
            snprintf(broken->reason, sizeof(broken->reason), "%s", dt_error_text());
            dt_log_error("record %llu of the journal is given up: %s",
                         (unsigned long long)record.lsn, dt_error_text());
            status = DT_OK;
            continue;
        }
        if (status != DT_OK) { /* no memory: it is read again */
            read_again(turn, cursor, &record);
            break;
        }
        outgoing->lane = lane;
        outgoing->lsn = record.lsn;
        outgoing->written = outgoing->counted = 1u << DUET_KAFKA | 1u << DUET_ROCKETMQ;
        outgoing->stored = (uint8_t)(1u << duet_other_side(turn->side));
        outgoing->answered = true;
        outgoing->journal_lane = spill->id[turn->which];
        outgoing->journal_size = (uint32_t)record.payload.size;
        if (is_question(lane, spill, &record, outgoing)) {
            if (!spill->is_asked) {
                turn->asks = true;
                turn->ask_from = duet_outgoing_noted(record.payload);
                duet_outgoing_free(outgoing);
                read_again(turn, cursor, &record);
                break;
            }
            if (!duet_idset_has(&spill->found, &outgoing->stamp.id)) {
                duet_outgoing_append(&turn->cancelled_first, &turn->cancelled_last,
                                     outgoing);
                continue;
            }
        }
        turn->size += outgoing->size;
        duet_outgoing_append(&turn->first, &turn->last, outgoing);
    }
    return status;
}

/* Lock: held. The lane was read to its end, and holes have swallowed what is still expected. */
static void give_up_lost(struct duet_lane *lane, const struct turn *turn)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[turn->side];
    uint64_t lost = spill->unread[turn->which];

    if (!spill->has_hole || lost == 0 ||
        spill->cursor[turn->which].lsn < spill->last_lsn[turn->which])
        return;
    spill->unread[turn->which] = 0;
    spill->old -= lost < spill->old ? lost : spill->old;
    outbox->spilled_count -= (int64_t)lost;
    if (outbox->spilled_count == 0) /* how many bytes they had is not known */
        outbox->spilled_bytes = 0;
}

/* Lock: held. What is given up up to the cursor holds the journal's segments no more, once the
 * copies before it are stored. */
static void pass_over(struct duet_lane *lane, const struct turn *turn)
{
    struct duet_journal *journal = lane->outbox->journal;
    const struct duet_spill_side *spill = &lane->spill.side[turn->side];
    uint32_t id = spill->id[turn->which];
    uint64_t lsn = spill->cursor[turn->which].lsn;
    struct duet_outgoing *last = lane->secondary_last;

    if (last == NULL) {
        if (duet_journal_done(journal, id, lsn, 0, 0) != DT_OK)
            dt_log_error("the journal: %s", dt_error_text());
    } else if (last->lsn != 0 && last->journal_lane == id && last->lsn < lsn) {
        last->lsn = lsn;
    }
}

/* Lock: held. */
static void take_turn(struct duet_lane *lane, struct turn *turn)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_spill_side *spill = &lane->spill.side[turn->side];
    struct duet_outgoing *next;

    spill->unread[turn->which] -= turn->count;
    spill->old -= turn->count < spill->old ? turn->count : spill->old;
    outbox->spilled_count -= (int64_t)turn->count;
    outbox->spilled_bytes -= turn->bytes;
    duet_replay_pace_took(&outbox->replay_pace, (int64_t)turn->count, turn->bytes);
    for (size_t i = 0; i < turn->broken_count; i++)
        duet_spill_isolate_record(lane, turn->side, turn->broken[i].lsn,
                                  turn->broken[i].reason);
    while (turn->cancelled_first != NULL) {
        struct duet_outgoing *cancelled = turn->cancelled_first;

        turn->cancelled_first = cancelled->next;
        duet_outbox_note(OUTBOX_CANCELLED, cancelled, duet_other_side(turn->side),
                         "its producer ended before it was in any log");
        outbox->cancelled_copies++;
        duet_intent_cancelled(cancelled);
        duet_outgoing_free(cancelled);
    }
    for (struct duet_outgoing *at = turn->first; at != NULL; at = next) {
        next = at->next;
        outbox->secondary_bytes += (int64_t)at->size;
        outbox->secondary_count++;
        outbox->stats.replayed++;
        duet_spill_take_stub(at);
        duet_outbox_secondary_append(at);
    }
    if (turn->holes > 0)
        lane->spill.side[turn->side].has_hole = true;
    give_up_lost(lane, turn);
    if (turn->holes > 0 || turn->broken_count > 0 || spill->has_hole)
        pass_over(lane, turn);
    duet_spill_settle_behind(lane);
    duet_outbox_pump(lane);
    duet_outbox_wake_waiters(outbox);
}

/* Lock: not held. Asks the log of the side that was the primary what it has. */
static void ask(struct duet_lane *lane, const struct turn *turn)
{
    struct duet_spill_side *spill = &lane->spill.side[turn->side];
    enum duet_side primary = duet_other_side(turn->side);
    dt_status status;

    if (dt_clock_ms() < spill->ask_ms)
        return;
    status = duet_intent_ask(lane, primary, turn->ask_from, &spill->found);
    spill->is_asked = status == DT_OK;
    if (status == DT_OK)
        return;
    dt_log_warning("%s/%d: what an earlier process left waits until the log of %s can be "
                   "read: %s",
                   lane->box->topic, (int)lane->partition, duet_side_name(primary),
                   dt_error_text());
    spill->ask_ms = dt_clock_ms() + ASK_AGAIN_MS;
}

/* Lock: held, given up while it reads. True if something came back. */
static bool replay_lane(struct duet_lane *lane, struct dt_buf *payload, int64_t *warned_ms)
{
    struct duet_outbox *outbox = lane->outbox;
    struct turn turn = {.size_max = turn_size(outbox)};
    uint64_t unread;
    dt_status status;

    turn.which = lane_to_read(lane, &turn.side);
    unread = lane->spill.side[turn.side].unread[turn.which];
    pthread_mutex_unlock(&outbox->lock);
    status = read_turn(lane, unread, payload, &turn);
    if (turn.holes > 0 && duet_spill_isolate_found(outbox) != DT_OK)
        dt_log_error("what is damaged in the journal cannot be listed yet: %s",
                     dt_error_text());
    if (status != DT_OK && status != DT_ENOTFOUND &&
        dt_clock_ms() - *warned_ms > WARN_PERIOD_MS) {
        *warned_ms = dt_clock_ms();
        dt_log_error("the journal cannot be read now: %s", dt_error_text());
    }
    if (turn.asks && turn.count == 0)
        ask(lane, &turn);
    pthread_mutex_lock(&outbox->lock);
    if (turn.count > 0 || lane->spill.side[turn.side].has_hole || turn.holes > 0)
        take_turn(lane, &turn);
    return turn.count > 0 || turn.holes > 0;
}

/* Lock: held. `idle`: until somebody has room, if that is sooner. */
static void sleep_for(struct duet_outbox *outbox, int64_t ms, bool idle)
{
    int64_t at_ms = dt_clock_ms() + ms;
    struct timespec until = {at_ms / 1000, at_ms % 1000 * 1000000};

    outbox->replay_idle = idle;
    pthread_cond_timedwait(&outbox->replay, &outbox->lock, &until);
    outbox->replay_idle = false;
}

static size_t count_lanes(const struct duet_outbox *outbox)
{
    size_t count = 0;

    for (size_t b = 0; b < outbox->box_count; b++)
        count += outbox->boxes[b].lane_count;
    return count;
}

static struct duet_lane *lane_at(const struct duet_outbox *outbox, size_t index)
{
    struct duet_box *box = outbox->boxes;

    while (index >= box->lane_count)
        index -= box++->lane_count;
    return &box->lanes[index];
}

/* Lock: held. In how many ms the journal may be read on, 0: now. */
static int64_t pace_ms(struct duet_outbox *outbox)
{
    duet_replay_pace_look(&outbox->replay_pace, outbox->stats.produced,
                          outbox->produced_bytes, dt_clock_ms());
    return duet_replay_pace_wait_ms(&outbox->replay_pace);
}

/* What a round over all lanes came to. */
struct round {
    bool any, unwritten;
    int64_t
        wait_ms; /* the pace's; the next round begins with the lane that did not get its turn */
};

/* Lock: held, given up while it reads. */
static void replay_round(struct duet_outbox *outbox, size_t count, struct dt_buf *payload,
                         int64_t *warned_ms, struct round *round)
{
    size_t next = outbox->replay_next;

    (void)pace_ms(
        outbox); /* it follows what is produced, also while nothing is read back */
    for (size_t i = 0; i < count && !outbox->replay_stop; i++) {
        struct duet_lane *lane = lane_at(outbox, (next + i) % count);

        if (lane->spill.behind_first != NULL)
            duet_spill_settle_behind(lane);
        if (round->wait_ms > 0 || !wants_more(lane))
            continue;
        round->wait_ms = pace_ms(outbox);
        if (round->wait_ms > 0) {
            outbox->replay_next = (next + i) % count;
            continue; /* the others may have something to settle */
        }
        if (replay_lane(lane, payload, warned_ms))
            round->any = true;
        else
            round->unwritten = true;
    }
}

void *duet_spill_run(void *context)
{
    struct duet_outbox *outbox = context;
    size_t count = count_lanes(outbox);
    int64_t warned_ms = INT64_MIN / 2;
    struct dt_buf payload;

    dt_buf_init(&payload, PAYLOAD_MAX);
    pthread_mutex_lock(&outbox->lock);
    while (!outbox->replay_stop) {
        struct round round = {false, false, 0};

        replay_round(outbox, count, &payload, &warned_ms, &round);
        if (outbox->later_first != NULL) {
            pthread_mutex_unlock(&outbox->lock);
            duet_outbox_run_later(outbox);
            pthread_mutex_lock(&outbox->lock);
        }
        if (outbox->replay_stop)
            break;
        if (round.wait_ms > 0)
            sleep_for(outbox, round.wait_ms, false);
        else if (!round.any)
            sleep_for(outbox, round.unwritten ? UNWRITTEN_MS : IDLE_MS, true);
    }
    pthread_mutex_unlock(&outbox->lock);
    dt_buf_fini(&payload);
    return NULL;
}
