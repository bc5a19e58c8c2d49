#include "dual/role_fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/role_hold.h"
#include "dual/rules.h"

#define LOOK_MS 200

/* A place further on is read from there, not by reading all in between. */
#define SEEK_OVER 2000

/* ---- which ---- */

static int64_t age_of(const struct duet_exception *one, int64_t now_ms)
{
    return one->due_ms > 0 ? now_ms - one->due_ms : -1;
}

static bool is_later(const struct duet_id *a, const struct duet_id *b)
{
    return a->instance == b->instance &&
           (a->boot != b->boot ? a->boot > b->boot : a->sequence > b->sequence);
}

/* Whether nothing that its producer issued before it is left. */
static bool is_first(const struct duet_exceptions *left, const struct duet_id *id)
{
    for (size_t i = 0; i < left->count; i++) {
        const struct duet_exception *one = &left->items[i];

        if (!one->known || (one->id.kind == DUET_ID_ISSUED && is_later(id, &one->id)))
            return false;
    }
    return true;
}

/* Whether it may be processed now. Where nothing of its producer is left before it, what is
 * missing is not to be had here: that is waited for as long again, and then no longer. */
static bool may_process(const struct duet_role_thread *role, const struct duet_part *part,
                        const struct duet_exceptions *left,
                        const struct duet_exception *one, int64_t now_ms)
{
    int64_t hold_ms = role->session->config->hold_ms, age_ms = age_of(one, now_ms);
    struct duet_before_view view = duet_role_before(part);

    if (age_ms < 0 || age_ms < hold_ms)
        return false;
    return !duet_rule(DUET_RULE_BEFORE) ||
           duet_before_find(&view, &one->id) == DUET_BEFORE_DONE ||
           (age_ms >= 2 * hold_ms && is_first(left, &one->id));
}

/* Per producer, in one look: the lowest that may go on, and what all later ones wait for. */
struct outlook {
    struct producer {
        uint32_t instance;
        bool goes; /* one that may be processed was found: those behind it follow */
        bool waits;
        struct duet_id missing; /* if it waits */
    } * producers;
    size_t count, capacity;
};

static struct producer *producer_of(struct outlook *outlook, const struct duet_id *id)
{
    for (size_t i = 0; i < outlook->count; i++)
        if (outlook->producers[i].instance == id->instance)
            return &outlook->producers[i];
    if (outlook->count == outlook->capacity) {
        size_t capacity = outlook->capacity == 0 ? 8 : 2 * outlook->capacity;
        void *grown = realloc(outlook->producers, capacity * sizeof(*outlook->producers));

        if (grown == NULL)
            return NULL; /* looked at each by each then */
        outlook->producers = grown;
        outlook->capacity = capacity;
    }
    outlook->producers[outlook->count] = (struct producer){.instance = id->instance};
    return &outlook->producers[outlook->count++];
}

static void note_first(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                       struct duet_interval missing)
{
    struct producer *producer = context;

    if (producer->waits)
        return;
    producer->waits = true;
    producer->missing = (struct duet_id){
        .kind = kind, .instance = instance, .boot = boot, .sequence = missing.from};
}

/* Whether to read it again: who it is has to be seen again, or it may be processed, or it may be
 * as soon as an earlier one of its producer, which is read with it, has been. */
static bool is_wanted(const struct duet_role_thread *role, const struct duet_part *part,
                      const struct duet_exceptions *left, const struct duet_exception *one,
                      struct outlook *outlook, int64_t now_ms)
{
    struct producer *producer = one->known && one->id.kind == DUET_ID_ISSUED
                                    ? producer_of(outlook, &one->id)
                                    : NULL;
    struct duet_before_view view = duet_role_before(part);

    if (!one->known)
        return true;
    if (age_of(one, now_ms) < role->session->config->hold_ms || one->due_ms == 0)
        return false;
    if (producer != NULL && producer->goes)
        return true;
    if (producer != NULL && producer->waits && is_later(&one->id, &producer->missing) &&
        age_of(one, now_ms) < 2 * role->session->config->hold_ms)
        return false;
    if (may_process(role, part, left, one, now_ms)) {
        if (producer != NULL)
            producer->goes = true;
        return true;
    }
    if (producer != NULL)
        duet_before_each(&view, &one->id, note_first, producer);
    return false;
}

/* The first and last place to read. False: none. */
static bool find_due(const struct duet_role_thread *role, const struct duet_part *part,
                     const struct duet_exceptions *left, size_t *first, size_t *last)
{
    struct outlook outlook = {NULL, 0, 0};
    int64_t now_ms = dt_clock_ms();
    bool any = false;

    *first = *last = 0;
    for (size_t i = 0; i < left->count; i++) {
        if (!is_wanted(role, part, left, &left->items[i], &outlook, now_ms))
            continue;
        if (!any)
            *first = i;
        *last = i;
        any = true;
    }
    free(outlook.producers);
    return any;
}

/* ---- start and end ---- */

static void read_from(struct duet_role_thread *role, struct duet_part *part,
                      enum duet_side side, int64_t position)
{
    struct duet_track *track = &part->track[side];

    track->phase = DUET_TRACK_FETCHING;
    track->fetch_next = position;
    duet_role_assign(role, part, side, position); /* IDLE if it cannot: all starts again */
}

void duet_role_start_fetch(struct duet_role_thread *role, struct duet_part *part)
{
    enum duet_side side = duet_other_side(part->state.side);
    struct duet_track *track = &part->track[side];
    int64_t now_ms = dt_clock_ms();
    size_t first, last;

    if (track->left.count == 0 || now_ms - part->fetch_looked_ms < LOOK_MS ||
        (track->phase != DUET_TRACK_READING && track->phase != DUET_TRACK_FULL))
        return;
    part->fetch_looked_ms = now_ms;
    if (!duet_rule(DUET_RULE_FETCH) || !find_due(role, part, &track->left, &first, &last))
        return;
    track->fetch_to = track->left.items[last].position;
    read_from(role, part, side, track->left.items[first].position);
}

/* The keeper goes on where it was. */
static void end(struct duet_role_thread *role, struct duet_part *part, enum duet_side side)
{
    struct duet_track *track = &part->track[side];

    track->phase = DUET_TRACK_READING;
    duet_role_assign(role, part, side, track->next);
}

/* The log has changed under what was left: as after a reconnect. */
static void start_again(struct duet_role_thread *role, struct duet_part *part,
                        enum duet_side side, int64_t position)
{
    struct duet_track *track = &part->track[side];

    duet_exceptions_truncate(&track->left, position);
    duet_role_assign(role, part, side, duet_track_restart(track));
}

/* ---- records ---- */

dt_status duet_role_purge_left(struct duet_role_thread *role, struct duet_part *part,
                               enum duet_side side, size_t count)
{
    struct duet_exceptions *left = &part->track[side].left;
    dt_status status = DT_OK;

    for (size_t i = 0; status == DT_OK && i < count; i++) {
        struct duet_id none = {0};
        char reason[160];

        snprintf(reason, sizeof(reason),
                 "%s: position %" PRId64 " of %s was removed before it was fetched",
                 duet_role_name(role->which), left->items[i].position,
                 duet_side_name(side));
        status = duet_role_note(role, DUET_LEDGER_PURGED, part, side,
                                left->items[i].known ? &left->items[i].id : &none,
                                left->items[i].position, reason);
    }
    if (status == DT_OK)
        duet_exceptions_shift(left, count);
    return status;
}

/* Those in [from, to) are not there: a log without them, such as a compacted one. */
static dt_status purge_between(struct duet_role_thread *role, struct duet_part *part,
                               enum duet_side side, int64_t from, int64_t to)
{
    struct duet_exceptions *left = &part->track[side].left;
    dt_status status = DT_OK;

    for (size_t i = duet_exceptions_at(left, from);
         status == DT_OK && i < left->count && left->items[i].position < to;) {
        char reason[160];
        struct duet_id none = {0};

        snprintf(reason, sizeof(reason),
                 "%s: position %" PRId64 " of %s is not in the log any more",
                 duet_role_name(role->which), left->items[i].position,
                 duet_side_name(side));
        status = duet_role_note(role, DUET_LEDGER_PURGED, part, side,
                                left->items[i].known ? &left->items[i].id : &none,
                                left->items[i].position, reason);
        if (status == DT_OK)
            duet_exceptions_remove(left, i);
    }
    return status;
}

dt_status duet_role_list_fetched(struct duet_role_thread *role, struct duet_part *part)
{
    dt_status status;

    if (part->fetched.topic[0] == '\0')
        return DT_OK;
    status = duet_role_put_ledger(role, &part->fetched);
    part->fetched.topic[0] = '\0';
    return status;
}

/* Numbers that follow one another are one entry: there may be many, as after an outage. */
static dt_status note_fetched(struct duet_role_thread *role, struct duet_part *part,
                              enum duet_side side, const struct duet_read_record *record)
{
    struct duet_ledger_entry *entry = &part->fetched;
    const struct duet_id *id = &record->stamp.id;
    char reason[160];
    dt_status status;

    if (entry->topic[0] != '\0' && entry->side == side && entry->id.kind == id->kind &&
        entry->id.instance == id->instance && entry->id.boot == id->boot &&
        entry->sequence_to == id->sequence) {
        entry->sequence_to++;
        return DT_OK;
    }
    status = duet_role_list_fetched(role, part);
    snprintf(reason, sizeof(reason), "%s: %s did not bring it in time; taken from %s",
             duet_role_name(role->which), duet_side_name(duet_other_side(side)),
             duet_side_name(side));
    duet_role_fill_entry(entry, role, DUET_LEDGER_FETCHED, part, side, id, record->position,
                         reason);
    return status;
}

static dt_status take(struct duet_role_thread *role, struct duet_part *part,
                      enum duet_side side, const struct duet_read_record *record,
                      size_t index)
{
    struct duet_exceptions *left = &part->track[side].left;
    struct duet_exception *one = &left->items[index];
    int64_t now_ms = dt_clock_ms();
    dt_status status;

    if (!one->known) {
        one->id = record->stamp.id;
        one->known = true;
        one->other_end = part->track[duet_other_side(side)].end;
    }
    if (duet_idset_has(&part->state.processed, &one->id)) {
        duet_exceptions_remove(left, index);
        return DT_OK;
    }
    if (!may_process(role, part, left, one, now_ms) || duet_role_holds(part, &one->id))
        return DT_OK;
    status = duet_role_process(role, part, side, record);
    if (status == DT_OK)
        status = note_fetched(role, part, side, record);
    if (status == DT_OK)
        duet_exceptions_remove(left, index);
    return status;
}

/* The place to read next: near by, further on, or none. */
static void go_on(struct duet_role_thread *role, struct duet_part *part,
                  enum duet_side side)
{
    struct duet_track *track = &part->track[side];
    size_t next = duet_exceptions_at(&track->left, track->fetch_next);

    if (next == track->left.count || track->left.items[next].position > track->fetch_to)
        end(role, part, side);
    else if (track->left.items[next].position - track->fetch_next > SEEK_OVER)
        read_from(role, part, side, track->left.items[next].position);
}

static dt_status outside(struct duet_role_thread *role, struct duet_part *part,
                         enum duet_side side, const struct duet_read_batch *batch)
{
    struct duet_track *track = &part->track[side];
    dt_status status;

    if (batch->begin < 0 || track->fetch_next >= batch->begin) {
        start_again(role, part, side, track->fetch_next);
        return DT_OK;
    }
    status = duet_role_purge_left(role, part, side,
                                  duet_exceptions_at(&track->left, batch->begin));
    if (status == DT_OK)
        end(role, part, side);
    return status;
}

dt_status duet_role_take_fetched(struct duet_role_thread *role, struct duet_part *part,
                                 enum duet_side side, const struct duet_read_batch *batch,
                                 size_t *handled)
{
    struct duet_track *track = &part->track[side];
    bool all = true;
    dt_status status = DT_OK;

    if (batch->event == DUET_READ_MOVED)
        return outside(role, part, side, batch);
    for (size_t i = 0; status == DT_OK && i < batch->count; i++) {
        const struct duet_read_record *record = &batch->records[i];
        size_t index;

        if (record->position < track->fetch_next)
            continue;
        status = purge_between(role, part, side, track->fetch_next, record->position);
        if (status != DT_OK)
            return status;
        track->fetch_next = record->position + 1;
        index = duet_exceptions_at(&track->left, record->position);
        if (index < track->left.count &&
            track->left.items[index].position == record->position) {
            const struct duet_exception *one = &track->left.items[index];

            if (one->known && !duet_id_equal(&one->id, &record->stamp.id)) {
                start_again(role, part, side, record->position);
                return DT_OK;
            }
            status = take(role, part, side, record, index);
            (*handled)++;
        }
        all = record->position < track->fetch_to;
        if (!all)
            break;
    }
    if (status == DT_OK && all && batch->next_position > track->fetch_next) {
        status = purge_between(role, part, side, track->fetch_next, batch->next_position);
        track->fetch_next = batch->next_position;
    }
    if (status == DT_OK)
        go_on(role, part, side);
    return status;
}
