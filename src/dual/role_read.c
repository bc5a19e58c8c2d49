/*
 * role_read.c - what a role does with the records of one batch: check, count, process, keep.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/delivery.h"
#include "dual/role.h"
#include "dual/role_fetch.h"
#include "dual/role_gaps.h"
#include "dual/role_hold.h"
#include "dual/rules.h"

/* Whether the role has done this id. Without the rule HOLES only the highest counts. */
static bool is_done(const struct duet_role_state *state, const struct duet_id *id)
{
    const struct duet_idset_entry *entry;

    if (duet_rule(DUET_RULE_HOLES))
        return duet_idset_has(&state->processed, id);
    entry = duet_idset_find(&state->processed, id->kind, id->instance, id->boot);
    return entry != NULL && id->sequence < entry->end;
}

/* Counts a position once, however often it is read again. */
static dt_status count_read(struct duet_role_thread *role, struct duet_cursor *cursor,
                            const struct duet_read_record *record)
{
    const struct duet_stamp *stamp = &record->stamp;
    struct duet_count *row;
    bool first;
    dt_status status;

    if (record->position < cursor->read_to)
        return DT_OK;
    status = duet_idset_add(&cursor->seen, &stamp->id, stamp->window, &first);
    if (status != DT_OK)
        return status;
    row = duet_counts_at(&cursor->counts, stamp->window, stamp->day);
    if (row == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a counter");
    row->n[DUET_COUNT_READ]++;
    if (!first) {
        row->n[DUET_COUNT_DUPLICATE]++;
        atomic_fetch_add(&role->duplicates, 1);
    }
    if (record->verdict != DUET_STAMP_OK)
        row->n[DUET_COUNT_UNSTAMPED]++;
    cursor->read_to = record->position + 1;
    cursor->dirty = true;
    return DT_OK;
}

/* One call of the handler; its effects stay or are undone as a whole. */
static dt_status call_handler(struct duet_role_thread *role, struct duet_delivery *delivery,
                              dt_status *answer, bool *done)
{
    dt_status status = duet_sink_savepoint(role->sink);

    *done = false;
    if (status != DT_OK)
        return status;
    dt_error_set(DT_OK, "%s", ""); /* what it says about its failure, nothing older */
    *answer = role->application->handler(delivery, role->state);
    if (*answer == DT_OK && delivery->fatal == DT_OK) {
        *answer = duet_sink_release(role->sink);
        if (*answer != DT_EINVAL) { /* which is the message's own: a deferred constraint */
            *done = *answer == DT_OK;
            return *answer;
        }
    }
    if (delivery->fatal != DT_OK)
        return delivery->fatal; /* the whole transaction is rolled back */
    return duet_sink_undo(role->sink);
}

static dt_status isolate(struct duet_role_thread *role, struct duet_part *part,
                         enum duet_side side, const struct duet_read_record *record,
                         dt_status answer)
{
    char reason[160];

    snprintf(reason, sizeof(reason), "%s: the handler failed %" PRId64 " times: %s%s%.60s",
             duet_role_name(role->which), role->session->config->handler_tries,
             dt_status_name(answer), dt_error_text()[0] != '\0' ? ": " : "",
             dt_error_text());
    dt_log_warning("%s %s/%d: message at %s %" PRId64 " is isolated: %s", role->group,
                   part->state.topic, (int)part->state.partition, duet_side_name(side),
                   record->position, reason);
    atomic_fetch_add(&role->failed, 1);
    return duet_role_note(role, DUET_LEDGER_ISOLATED, part, side, &record->stamp.id,
                          record->position, reason);
}

dt_status duet_role_process(struct duet_role_thread *role, struct duet_part *part,
                            enum duet_side side, const struct duet_read_record *record)
{
    struct duet_cursor *cursor = &part->state.cursor[side];
    struct duet_delivery delivery;
    bool done = false, added;
    dt_status status, answer = DT_OK;

    if (duet_rule(DUET_RULE_PASS_OVER) && is_done(&part->state, &record->stamp.id))
        return DT_OK;
    status = duet_role_claim(role, part);
    for (int64_t i = 0;
         status == DT_OK && !done && i < role->session->config->handler_tries; i++) {
        duet_delivery_init(&delivery, record, part->state.topic, part->state.partition,
                           role->which, side, role->sink);
        status = call_handler(role, &delivery, &answer, &done);
    }
    if (status == DT_OK && !done)
        status = isolate(role, part, side, record, answer);
    if (status == DT_OK)
        status = duet_idset_add(&part->state.processed, &record->stamp.id,
                                record->stamp.window, &added);
    if (status == DT_OK)
        status = duet_counts_add(&cursor->counts, record->stamp.window, record->stamp.day,
                                 done ? DUET_COUNT_PROCESSED : DUET_COUNT_FAILED, 1);
    if (status == DT_OK) {
        cursor->dirty = true;
        atomic_fetch_add(&role->processed, done);
    }
    return status;
}

/* The log is not the one that was read: say so, and go back as far as the track says. */
static dt_status gone_back(struct duet_role_thread *role, struct duet_part *part,
                           enum duet_side side)
{
    struct duet_track *track = &part->track[side];
    struct duet_id none = {0};

    if (!track->checked_back)
        return DT_OK;
    track->checked_back = false;
    dt_log_warning("%s %s: %s %s/%d: what stands before the cursor is not what was read; "
                   "reading again from %" PRId64,
                   role->group, duet_role_name(role->which), duet_side_name(side),
                   part->state.topic, (int)part->state.partition, track->cursor->position);
    return duet_role_note(
        role, DUET_LEDGER_GAP, part, side, &none, track->cursor->position,
        "the log lost what stood before the cursor; reading again from here");
}

/* True if the record is to be handled; false if it only served the check. */
static dt_status check(struct duet_role_thread *role, struct duet_part *part,
                       enum duet_side side, const struct duet_read_record *record,
                       bool *restarted)
{
    struct duet_track *track = &part->track[side];
    int64_t position;
    enum duet_check result = duet_track_check(track, record, &position);

    *restarted = result == DUET_CHECK_RESTART;
    if (!*restarted)
        return DT_OK;
    duet_role_assign(role, part, side, position);
    return gone_back(role, part, side);
}

/* The broker says that the position is outside its log. */
static dt_status moved(struct duet_role_thread *role, struct duet_part *part,
                       enum duet_side side, const struct duet_read_batch *batch)
{
    struct duet_track *track = &part->track[side];
    struct duet_id none = {0};
    int64_t position;
    dt_status status = DT_OK;

    if (track->phase == DUET_TRACK_CHECKING) {
        if (batch->begin > track->check.position - DUET_MARK_IDS &&
            batch->begin <= track->check.position && track->next < batch->begin) {
            position = track->next =
                batch->begin; /* retention took some of the ids before */
        } else {
            (void)duet_track_check_failed(track, batch->begin, &position);
        }
        duet_role_assign(role, part, side, position);
        return gone_back(role, part, side);
    }
    if (batch->begin >= 0 && track->next < batch->begin) {
        char reason[160];

        snprintf(reason, sizeof(reason),
                 "%s: positions %" PRId64 " to %" PRId64
                 " were removed before they were read",
                 duet_role_name(role->which), track->next, batch->begin - 1);
        dt_log_warning("%s %s/%d: %s", duet_side_name(side), part->state.topic,
                       (int)part->state.partition, reason);
        status = duet_role_note(role, DUET_LEDGER_PURGED, part, side, &none, track->next,
                                reason);
        if (status == DT_OK)
            status = duet_role_purge_left(role, part, side,
                                          duet_exceptions_at(&track->left, batch->begin));
        track->cursor->position = batch->begin;
        track->cursor->dirty = true;
        position = duet_track_restart(track);
        if (track->phase == DUET_TRACK_CHECKING) { /* its mark is gone with the rest */
            duet_marks_init(&track->cursor->marks);
            position = duet_track_restart(track);
        }
    } else {
        position =
            duet_track_restart(track); /* a lost tail: the marks will tell how much */
    }
    duet_role_assign(role, part, side, position);
    return status;
}

static void interrupted(struct duet_role_thread *role, enum duet_side side)
{
    for (size_t p = 0; p < role->part_count; p++) {
        struct duet_track *track = &role->parts[p].track[side];

        if (track->phase != DUET_TRACK_IDLE)
            duet_role_assign(role, &role->parts[p], side, duet_track_restart(track));
    }
}

static void pause_if_far(struct duet_role_thread *role, struct duet_part *part,
                         enum duet_side side)
{
    struct duet_track *track = &part->track[side];

    if (track->phase == DUET_TRACK_READING && track->pending >= DUET_KEEPER_AHEAD) {
        duet_reader_unassign(role->reader[side], part->state.partition);
        track->phase = DUET_TRACK_FULL;
    }
}

dt_status duet_role_handle(struct duet_role_thread *role, enum duet_side side,
                           struct duet_read_batch *batch, size_t *handled)
{
    struct duet_part *part;
    struct duet_track *track;
    bool main, restarted;
    dt_status status = DT_OK;

    if (batch->event == DUET_READ_INTERRUPTED) {
        interrupted(role, side);
        return DT_OK;
    }
    part = &role->parts[batch->partition];
    track = &part->track[side];
    if (batch->begin >= 0)
        track->begin = batch->begin;
    if (batch->end >= 0)
        track->end = batch->end;
    if (batch->count > 0)
        track->moved_ms = dt_clock_ms();
    if (track->phase == DUET_TRACK_FETCHING)
        return duet_role_take_fetched(role, part, side, batch, handled);
    if (batch->event == DUET_READ_MOVED)
        return moved(role, part, side, batch);
    main = part->state.side == side;
    for (size_t i = 0; i < batch->count; i++) {
        const struct duet_read_record *record = &batch->records[i];

        if (track->phase == DUET_TRACK_CHECKING) {
            status = check(role, part, side, record, &restarted);
            if (status != DT_OK || restarted)
                return status;
            continue;
        }
        if (track->phase != DUET_TRACK_READING || record->position < track->next)
            continue;
        status = duet_role_begin_boot(part, side, record);
        if (status == DT_OK)
            status = count_read(role, track->cursor, record);
        if (status == DT_OK)
            status = duet_role_take_link(role, part, side, record);
        if (status == DT_OK && main)
            status = duet_role_take(role, part, record);
        if (status == DT_OK)
            status = duet_track_push(track, record, dt_clock_ms(),
                                     part->track[duet_other_side(side)].end);
        if (status != DT_OK)
            return status;
        track->next = record->position + 1;
        (*handled)++;
    }
    if (track->phase == DUET_TRACK_READING) {
        if (batch->next_position > track->next)
            track->next = batch->next_position;
        if (main)
            duet_track_pass_all(track, track->next, duet_role_held_from(part));
        else
            pause_if_far(role, part, side);
    }
    return DT_OK;
}
