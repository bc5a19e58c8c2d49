#include "dual/role_gaps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/role_hold.h"
#include "dual/rules.h"

#define LOOK_MS 200
#define WARN_MS 10000

/* ---- links ---- */

static bool is_dirty(const struct duet_idset *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].dirty)
            return true;
    return false;
}

static dt_status take_entry(struct duet_part *part, enum duet_side side,
                            const struct duet_link_entry *entry)
{
    struct duet_role_state *state = &part->state;
    struct duet_id id = {
        .kind = DUET_ID_ISSUED, .instance = entry->instance, .boot = entry->boot};
    struct duet_idset *set = NULL;

    switch ((enum duet_link_kind)entry->kind) {
    case DUET_LINK_VOID:
        set = &state->processed;
        break;
    case DUET_LINK_ABSENT_KAFKA:
        set = &state->cursor[DUET_KAFKA].absent;
        break;
    case DUET_LINK_ABSENT_ROCKETMQ:
        set = &state->cursor[DUET_ROCKETMQ].absent;
        break;
    case DUET_LINK_ENDED:
    case DUET_LINK_ENDED_AT_LEAST:
        set = duet_rule(DUET_RULE_BOOTGAP) ? &state->cursor[side].ended : NULL;
        break;
    case DUET_LINK_KINDS:
        break;
    }
    if (set == NULL || (entry->kind < DUET_LINK_ENDED && !duet_rule(DUET_RULE_LINK)))
        return DT_OK;
    return duet_idset_close(set, &id, entry->from, entry->to);
}

dt_status duet_role_take_link(struct duet_role_thread *role, struct duet_part *part,
                              enum duet_side side, const struct duet_read_record *record)
{
    struct duet_link link;
    dt_status status = DT_OK;

    if (record->link.data == NULL) {
        if (record->link_verdict != DUET_LINK_MISSING && side == DUET_ROCKETMQ &&
            dt_clock_ms() - part->link_warned_ms >= WARN_MS) {
            part->link_warned_ms = dt_clock_ms();
            dt_log_warning("%s %s/%d position %" PRId64 ": %s; it counts for nothing",
                           duet_side_name(side), part->state.topic,
                           (int)part->state.partition, record->position,
                           duet_link_verdict_text(record->link_verdict));
        }
        return DT_OK;
    }
    /* the reader has found it right: this only reads it */
    if (duet_link_decode(&link, record->link, &role->session->keys.stamp, part->state.topic,
                         &record->stamp.id) != DUET_LINK_OK)
        return DT_OK;
    for (size_t i = 0; status == DT_OK && i < link.count; i++)
        status = take_entry(part, side, &link.entries[i]);
    for (int s = 0; s < DUET_SIDES; s++) {
        struct duet_cursor *cursor = &part->state.cursor[s];

        if (is_dirty(&cursor->absent) || is_dirty(&cursor->ended))
            cursor->dirty = true;
    }
    if (is_dirty(&part->state.processed))
        part->state.cursor[side].dirty = true;
    return status;
}

dt_status duet_role_begin_boot(struct duet_part *part, enum duet_side side,
                               const struct duet_read_record *record)
{
    struct duet_cursor *cursor = &part->state.cursor[side];
    const struct duet_id *id = &record->stamp.id;

    if (part->track[side].begin <= 0 || id->kind != DUET_ID_ISSUED || id->sequence == 0 ||
        duet_idset_find(&cursor->seen, id->kind, id->instance, id->boot) != NULL)
        return DT_OK;
    cursor->dirty = true;
    return duet_idset_close(&cursor->absent, id, 0, id->sequence);
}

/* ---- the list ---- */

static dt_status note(struct duet_role_thread *role, struct duet_part *part,
                      const struct duet_role_gap *gap, bool resolved)
{
    struct duet_ledger_entry entry = {.kind = DUET_LEDGER_GAP,
                                      .partition = part->state.partition,
                                      .side = gap->side,
                                      .id = gap->gap.id,
                                      .sequence_to = gap->gap.to,
                                      .position = gap->position,
                                      .at_ms = dt_clock_wall_ms(),
                                      .resolved = resolved};

    snprintf(entry.topic, sizeof(entry.topic), "%s", part->state.topic);
    snprintf(entry.group, sizeof(entry.group), "%s", role->group);
    if (resolved)
        snprintf(entry.reason, sizeof(entry.reason),
                 "%s: missing on %s for a time; it came, or its producer told why",
                 duet_role_name(role->which), duet_side_name(gap->side));
    else
        snprintf(entry.reason, sizeof(entry.reason),
                 "%s: missing on %s, and nothing tells why", duet_role_name(role->which),
                 duet_side_name(gap->side));
    return duet_role_put_ledger(role, &entry);
}

static bool same(const struct duet_role_gap *known, const struct duet_gap *gap,
                 enum duet_side side)
{
    return known->side == side && known->gap.to == gap->to &&
           duet_id_equal(&known->gap.id, &gap->id);
}

static bool overlaps(const struct duet_role_gap *known, const struct duet_gap *gap,
                     enum duet_side side)
{
    const struct duet_id *a = &known->gap.id, *b = &gap->id;

    return known->side == side && a->instance == b->instance && a->boot == b->boot &&
           a->sequence < gap->to && b->sequence < known->gap.to;
}

/* A gap as it is now: what was known of it goes on. A part of one that was listed is another
 * entry, so it needs another place: entries with one first number and place are one. */
static struct duet_role_gap follow(const struct duet_part *part, const struct duet_gap *gap,
                                   enum duet_side side, int64_t now_ms)
{
    int64_t position = part->state.cursor[side].position;
    struct duet_role_gap next = {*gap, side, now_ms, position > 0 ? position : 0, false};

    next.gap.id.partition = (uint16_t)part->state.partition;
    for (size_t i = 0; i < part->gap_count; i++) {
        const struct duet_role_gap *known = &part->gaps[i];

        if (same(known, &next.gap, side))
            return *known;
        if (!overlaps(known, &next.gap, side))
            continue;
        if (known->since_ms < next.since_ms)
            next.since_ms = known->since_ms;
        if (known->listed && next.position <= known->position)
            next.position = known->position + 1;
    }
    return next;
}

static bool is_in(const struct duet_role_gap *gaps, size_t count,
                  const struct duet_role_gap *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (same(&gaps[i], &wanted->gap, wanted->side))
            return true;
    return false;
}

/* Whether the other side's log has any of it. */
static bool is_on_other_side(const struct duet_part *part, const struct duet_gap *gap)
{
    const struct duet_idset_entry *seen =
        duet_idset_find(&part->state.cursor[duet_other_side(part->state.side)].seen,
                        gap->id.kind, gap->id.instance, gap->id.boot);
    uint64_t to;

    for (uint64_t at = gap->id.sequence; at < gap->to; at = to)
        if (duet_idset_run(seen, at, &to))
            return true;
    return false;
}

static dt_status replace(struct duet_role_thread *role, struct duet_part *part,
                         const struct duet_gap *found, size_t count, int64_t now_ms)
{
    struct duet_role_gap *next = calloc(count + 1, sizeof(*next));
    dt_status status = DT_OK;

    if (next == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %zu gaps", count);
    for (size_t i = 0; i < count; i++)
        next[i] = follow(part, &found[i], part->state.side, now_ms);
    for (size_t i = 0; status == DT_OK && i < part->gap_count; i++)
        if (part->gaps[i].listed && !is_in(next, count, &part->gaps[i]))
            status = note(role, part, &part->gaps[i], true);
    for (size_t i = 0; status == DT_OK && i < count; i++) {
        if (next[i].listed ||
            now_ms - next[i].since_ms <
                duet_role_patience_ms(role, duet_rule(DUET_RULE_FETCH) &&
                                                is_on_other_side(part, &next[i].gap)))
            continue;
        next[i].listed = true;
        status = note(role, part, &next[i], false);
    }
    free(part->gaps);
    part->gaps = next;
    part->gap_count = count;
    return status;
}

dt_status duet_role_watch_gaps(struct duet_role_thread *role, struct duet_part *part)
{
    const struct duet_cursor *main = &part->state.cursor[part->state.side];
    const struct duet_cursor *other =
        &part->state.cursor[duet_other_side(part->state.side)];
    struct duet_gap_view view = {&part->state.processed, &main->seen, &main->absent,
                                 &main->ended, &other->seen};
    int64_t now_ms = dt_clock_ms();
    struct duet_gap *found;
    size_t count;
    dt_status status;

    if (now_ms - part->gaps_looked_ms < LOOK_MS)
        return DT_OK;
    part->gaps_looked_ms = now_ms;
    status = duet_gaps_find(&view, &found, &count);
    if (status == DT_OK && (count > 0 || part->gap_count > 0))
        status = replace(role, part, found, count, now_ms);
    free(found);
    return status;
}

dt_status duet_role_load_gaps(struct duet_role_thread *role, struct duet_part *part)
{
    struct duet_ledger_entry *entries;
    size_t count;
    dt_status status = duet_sink_open_gaps(role->sink, part->state.topic,
                                           part->state.partition, &entries, &count);

    duet_role_forget_gaps(part);
    if (status != DT_OK || count == 0)
        return status;
    part->gaps = calloc(count, sizeof(*part->gaps));
    if (part->gaps == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for %zu gaps", count);
    for (size_t i = 0; status == DT_OK && i < count; i++) {
        if (entries[i].id.kind != DUET_ID_ISSUED || entries[i].id.instance == 0)
            continue; /* a place in a log, not a number */
        part->gaps[part->gap_count++] =
            (struct duet_role_gap){{entries[i].id, entries[i].sequence_to},
                                   entries[i].side,
                                   dt_clock_ms(),
                                   entries[i].position,
                                   true};
    }
    free(entries);
    return status;
}

void duet_role_forget_gaps(struct duet_part *part)
{
    free(part->gaps);
    part->gaps = NULL;
    part->gap_count = 0;
    part->gaps_looked_ms = 0;
}
