/*
 * outbox_answer.c - the one answer that each message gets, and what was answered in doubt.
 *
 * Answers that are found out while many messages are looked at (deadlines, copies that are refused
 * at once) are kept until the lock is given up: duet_outbox_run_later().
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "dual/outbox_inside.h"

struct duet_later {
    struct duet_later *next;
    struct duet_answer answer;
};

bool duet_outbox_waits_for_both(const struct duet_outgoing *outgoing)
{
    const struct duet_lane *lane = outgoing->lane;
    unsigned other = 1u << duet_other_side(lane->primary);

    if (lane->box->ack_both)
        return true;
    return !lane->box->is_intent &&
           (outgoing->written & lane->box->route->critical & other) != 0;
}

static void count_answer(struct duet_outgoing *outgoing, duet_result result)
{
    struct duet_outbox *outbox = outgoing->lane->outbox;

    outgoing->answered = true;
    outbox->stats.done += result == DUET_RESULT_DONE;
    outbox->stats.not_done += result == DUET_RESULT_NOT_DONE;
    outbox->stats.in_doubt += result == DUET_RESULT_IN_DOUBT;
}

void duet_outbox_answer(struct duet_outgoing *outgoing, struct duet_answer *answer,
                        duet_result result, const char *format, ...)
{
    va_list arguments;

    if (outgoing->answered)
        return;
    count_answer(outgoing, result);
    answer->callback = outgoing->callback;
    answer->opaque = outgoing->opaque;
    answer->result = result;
    answer->reason[0] = '\0';
    if (result == DUET_RESULT_DONE)
        return;
    va_start(arguments, format);
    vsnprintf(answer->reason, sizeof(answer->reason), format, arguments);
    va_end(arguments);
}

void duet_answer_run(const struct duet_answer *answer)
{
    if (answer->callback != NULL)
        answer->callback(answer->opaque, answer->result, answer->reason);
}

bool duet_outbox_answer_later(struct duet_outgoing *outgoing, duet_result result,
                              const char *format, ...)
{
    struct duet_outbox *outbox = outgoing->lane->outbox;
    struct duet_later *later;
    va_list arguments;

    if (outgoing->answered)
        return true;
    later = malloc(sizeof(*later));
    if (later == NULL)
        return false;
    count_answer(outgoing, result);
    later->next = NULL;
    later->answer.callback = outgoing->callback;
    later->answer.opaque = outgoing->opaque;
    later->answer.result = result;
    va_start(arguments, format);
    vsnprintf(later->answer.reason, sizeof(later->answer.reason), format, arguments);
    va_end(arguments);
    if (outbox->later_last == NULL)
        outbox->later_first = later;
    else
        outbox->later_last->next = later;
    outbox->later_last = later;
    return true;
}

void duet_outbox_run_later(struct duet_outbox *outbox)
{
    struct duet_later *later;

    pthread_mutex_lock(&outbox->lock);
    later = outbox->later_first;
    outbox->later_first = outbox->later_last = NULL;
    pthread_mutex_unlock(&outbox->lock);
    while (later != NULL) {
        struct duet_later *next = later->next;

        duet_answer_run(&later->answer);
        free(later);
        later = next;
    }
}

/* ---- in doubt ---- */

/* The range that the message continues, or room for a new one; NULL without memory. */
static struct duet_doubt *
doubt_of(struct duet_lane *lane, const struct duet_outgoing *outgoing, enum duet_side side)
{
    struct duet_doubt *last =
        lane->doubt_count > 0 ? &lane->doubts[lane->doubt_count - 1] : NULL;
    void *grown;

    if (last != NULL && last->entry.side == side &&
        last->entry.id.boot == outgoing->stamp.id.boot &&
        last->entry.id.instance == outgoing->stamp.id.instance &&
        last->entry.sequence_to == outgoing->stamp.id.sequence)
        return last;
    grown = realloc(lane->doubts, (lane->doubt_count + 1) * sizeof(*lane->doubts));
    if (grown == NULL)
        return NULL;
    lane->doubts = grown;
    last = &lane->doubts[lane->doubt_count++];
    last->unresolved = 0;
    last->cancelled = 0;
    return last;
}

void duet_outbox_doubt(struct duet_outgoing *outgoing, enum duet_side side,
                       const char *reason)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_doubt *doubt = doubt_of(lane, outgoing, side);

    outgoing->doubted = true;
    lane->outbox->doubtful++;
    if (doubt == NULL) {
        dt_log_error("no memory for a ledger entry: in doubt, %s/%d %llu",
                     lane->box->route->topic, (int)lane->partition,
                     (unsigned long long)outgoing->stamp.id.sequence);
        return;
    }
    if (doubt->unresolved++ == 0)
        duet_outbox_fill_entry(&doubt->entry, DUET_LEDGER_IN_DOUBT, outgoing, side, reason);
    doubt->entry.sequence_to = outgoing->stamp.id.sequence + 1;
    doubt->dirty = true;
}

static struct duet_doubt *find_doubt(struct duet_lane *lane,
                                     const struct duet_outgoing *outgoing)
{
    const struct duet_id *id = &outgoing->stamp.id;

    for (size_t i = 0; i < lane->doubt_count; i++) {
        const struct duet_ledger_entry *entry = &lane->doubts[i].entry;

        if (entry->id.instance == id->instance && entry->id.boot == id->boot &&
            entry->id.sequence <= id->sequence && id->sequence < entry->sequence_to)
            return &lane->doubts[i];
    }
    return NULL;
}

bool duet_outbox_is_doubted(const struct duet_outgoing *outgoing)
{
    return find_doubt(outgoing->lane, outgoing) != NULL;
}

void duet_outbox_resolve(struct duet_outgoing *outgoing, bool stored)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_doubt *doubt;

    if (!outgoing->doubted)
        return;
    outgoing->doubted = false;
    lane->outbox->doubtful--;
    doubt = find_doubt(lane, outgoing);
    if (doubt == NULL)
        return;
    doubt->cancelled += !stored;
    if (--doubt->unresolved > 0)
        return;
    doubt->entry.resolved = true;
    doubt->entry.at_ms = dt_clock_wall_ms();
    if (doubt->cancelled == 0)
        snprintf(doubt->entry.reason, sizeof(doubt->entry.reason), "answered late: stored");
    else
        snprintf(doubt->entry.reason, sizeof(doubt->entry.reason),
                 "answered late: %llu not stored, listed as cancelled",
                 (unsigned long long)doubt->cancelled);
    duet_outbox_ledger_push(lane->outbox, &doubt->entry);
    lane->doubt_count--;
    for (struct duet_doubt *at = doubt; at < &lane->doubts[lane->doubt_count]; at++)
        at[0] = at[1];
}
