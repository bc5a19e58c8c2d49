#include "dual/track.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dual/rules.h"

/* Kafka's mark: the hash's low bits say how many ids it covers. */
#define MARK_COUNT_BITS 0x7fu

void duet_track_init(struct duet_track *track, enum duet_side side,
                     struct duet_cursor *cursor)
{
    memset(track, 0, sizeof(*track));
    track->side = side;
    track->cursor = cursor;
    track->begin = track->end = -1;
}

void duet_track_fini(struct duet_track *track)
{
    free(track->items);
    track->items = NULL;
    duet_exceptions_fini(&track->left);
}

static struct duet_track_item *item_at(const struct duet_track *track, size_t index)
{
    return &track->items[(track->first + index) % track->capacity];
}

/* The mark of the item at `index`, from the ids remembered before it. */
static uint64_t mark_of(const struct duet_track *track, size_t index)
{
    /* not secret: the hash only has to tell one log from another */
    static const uint8_t key[DT_SIPHASH_KEY_SIZE] = "duet cursor mark";
    uint8_t ids[DUET_MARK_IDS][DUET_ID_SIZE];
    size_t count = index < DUET_MARK_IDS ? index : DUET_MARK_IDS;

    if (track->side == DUET_ROCKETMQ)
        return item_at(track, index)->broker_mark;
    for (size_t i = 0; i < count; i++)
        duet_id_encode(ids[i], &item_at(track, index - count + i)->id);
    return (dt_siphash64(key, ids, count * DUET_ID_SIZE) & ~(uint64_t)MARK_COUNT_BITS) |
           count;
}

static void add_mark(struct duet_track *track, size_t index)
{
    const struct duet_track_item *item = item_at(track, index);

    duet_marks_add(&track->cursor->marks, item->position, &item->id, mark_of(track, index));
}

/* Keeps at most DUET_MARK_IDS items that are under the cursor. */
static void trim_history(struct duet_track *track)
{
    while (track->history > DUET_MARK_IDS) {
        track->first = (track->first + 1) % track->capacity;
        track->history--;
    }
}

/* ---- checking ---- */

static size_t ids_before(const struct duet_track *track, const struct duet_mark *mark)
{
    return track->side == DUET_KAFKA ? (size_t)(mark->broker_mark & MARK_COUNT_BITS) : 0;
}

/* Looks for `mark` from now on, or reads from the cursor if it is NULL. */
static int64_t look_for(struct duet_track *track, const struct duet_mark *mark)
{
    track->history = track->pending = track->first = 0;
    if (mark == NULL || !duet_rule(DUET_RULE_MARK)) {
        track->phase = DUET_TRACK_READING;
        track->next = track->cursor->position;
    } else {
        track->phase = DUET_TRACK_CHECKING;
        track->check = *mark;
        track->next = mark->position - (int64_t)ids_before(track, mark);
        if (track->next < 0)
            track->next = 0;
    }
    return track->next;
}

int64_t duet_track_restart(struct duet_track *track)
{
    if (track->cursor->position < 0)
        track->cursor->position = 0;
    return look_for(track,
                    duet_marks_before(&track->cursor->marks, track->cursor->position));
}

enum duet_check duet_track_check_failed(struct duet_track *track, int64_t begin,
                                        int64_t *position)
{
    const struct duet_mark *older =
        duet_marks_before(&track->cursor->marks, track->check.position);

    track->checked_back = true;
    if (older == NULL) { /* nothing of what was read is there any more */
        track->cursor->position = begin > 0 ? begin : 0;
    } else {
        track->cursor->position = older->position + 1;
    }
    duet_marks_truncate(&track->cursor->marks, track->cursor->position);
    if (track->cursor->read_to > track->cursor->position)
        track->cursor->read_to = track->cursor->position;
    track->cursor->dirty = true;
    duet_exceptions_truncate(&track->left, track->cursor->position);
    *position = look_for(track, older);
    return DUET_CHECK_RESTART;
}

enum duet_check duet_track_check(struct duet_track *track,
                                 const struct duet_read_record *record, int64_t *position)
{
    size_t needed = ids_before(track, &track->check);

    if (duet_track_push(track, record, 0, -1) != DT_OK)
        return DUET_CHECK_MORE; /* without memory: the role sees it at its own next push */
    track->history += track->pending; /* all of it is before the cursor */
    track->pending = 0;
    if (record->position < track->check.position) {
        track->next = record->position + 1;
        return DUET_CHECK_MORE;
    }
    if (record->position == track->check.position) {
        size_t index = track->history - 1;
        /* retention may have taken some of the ids before: then the id alone must do */
        uint64_t mark = index >= needed ? mark_of(track, index) : track->check.broker_mark;

        if (index > needed && track->side == DUET_KAFKA)
            mark = track->check.broker_mark; /* more are known than then: the id alone */
        if (duet_mark_matches(&track->check, &record->stamp.id, mark)) {
            track->phase = DUET_TRACK_READING;
            track->next = record->position + 1;
            trim_history(track);
            return DUET_CHECK_READ_ON;
        }
    }
    return duet_track_check_failed(track, track->begin, position);
}

/* ---- reading ---- */

static dt_status grow(struct duet_track *track)
{
    size_t used = track->history + track->pending;
    size_t capacity = track->capacity == 0 ? 2 * DUET_MARK_IDS : track->capacity * 2;
    struct duet_track_item *items = malloc(capacity * sizeof(*items));

    if (items == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to remember %zu positions", capacity);
    for (size_t i = 0; i < used; i++)
        items[i] = *item_at(track, i);
    free(track->items);
    track->items = items;
    track->capacity = capacity;
    track->first = 0;
    return DT_OK;
}

dt_status duet_track_push(struct duet_track *track, const struct duet_read_record *record,
                          int64_t read_ms, int64_t other_end)
{
    struct duet_track_item *item;

    if (track->history + track->pending == track->capacity) {
        dt_status status = grow(track);

        if (status != DT_OK)
            return status;
    }
    item = item_at(track, track->history + track->pending);
    item->position = record->position;
    item->id = record->stamp.id;
    item->broker_mark = record->broker_mark;
    item->read_ms = read_ms;
    item->other_end = other_end;
    track->pending++;
    return DT_OK;
}

void duet_track_pass_all(struct duet_track *track, int64_t next_position, int64_t held)
{
    int64_t position = held >= 0 && held < next_position ? held : next_position;
    bool any = track->pending > 0;

    track->history += track->pending;
    track->pending = 0;
    if (any)
        add_mark(track, track->history - 1);
    trim_history(track);
    if (position != track->cursor->position || any) {
        track->cursor->position = position;
        track->cursor->dirty = true;
    }
}

/* ---- the keeper ---- */

/* Nothing else brings this one, as far as can be seen: the cursor goes on without it. Without
 * memory, or with too many of them, it waits. */
static bool leave(struct duet_track *track, const struct duet_track_item *item,
                  const struct duet_exceptions_view *view)
{
    struct duet_exception one = {.position = item->position,
                                 .id = item->id,
                                 .known = true,
                                 .other_end = item->other_end};

    return duet_rule(DUET_RULE_FETCH) && track->left.count < DUET_EXCEPTIONS_MAX &&
           view->now_ms - item->read_ms >= view->leave_ms &&
           duet_exceptions_passed(view, item->other_end) &&
           duet_exceptions_add(&track->left, &one) == DT_OK;
}

static bool passes(struct duet_track *track, const struct duet_exceptions_view *view)
{
    const struct duet_track_item *item = item_at(track, track->history);

    return duet_idset_has(view->processed, &item->id) || !duet_rule(DUET_RULE_CURSOR) ||
           leave(track, item, view);
}

bool duet_track_keep(struct duet_track *track, const struct duet_exceptions_view *view)
{
    size_t moved = 0;

    duet_exceptions_look(&track->left, view);
    while (track->pending > 0 && passes(track, view)) {
        track->history++;
        track->pending--;
        moved++;
    }
    if (moved > 0) {
        track->cursor->position = item_at(track, track->history - 1)->position + 1;
        track->cursor->dirty = true;
        add_mark(track, track->history - 1);
        trim_history(track);
    }
    if (track->pending == 0 && track->phase == DUET_TRACK_READING &&
        track->next >
            track->cursor->position) { /* the broker left a gap in its positions */
        track->cursor->position = track->next;
        track->cursor->dirty = true;
        moved++;
    }
    return moved > 0;
}

dt_status duet_track_load_left(struct duet_track *track)
{
    return duet_exceptions_load(&track->left, &track->cursor->left);
}

dt_status duet_track_store_left(struct duet_track *track)
{
    dt_status status;

    if (!track->left.dirty)
        return DT_OK;
    status = duet_exceptions_store(&track->left, &track->cursor->left);
    if (status == DT_OK)
        track->cursor->dirty = true;
    return status;
}

void duet_track_take_back(struct duet_track *track)
{
    if (track->left.count == 0)
        return;
    track->cursor->position = track->left.items[0].position;
    track->cursor->dirty = true;
    duet_marks_truncate(&track->cursor->marks, track->cursor->position);
    duet_exceptions_truncate(&track->left, 0);
}

int64_t duet_track_distance(const struct duet_track *track)
{
    int64_t position = track->cursor->position > 0 ? track->cursor->position : 0;

    return track->end > position ? track->end - position : 0;
}
