/*
 * role.c - a role's thread: polls both sides, keeps one transaction open for a batch, carries
 * out switches between transactions, starts over from the store when it lost a race.
 */
#include "dual/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/role_fetch.h"
#include "dual/role_gaps.h"
#include "dual/role_hold.h"
#include "dual/role_report.h"
#include "dual/rules.h"

#define WAIT_MS        100
#define KEEPER_SAVE_MS 200
#define PUBLISH_MS     500 /* where nothing is committed: ends of logs, `running` */
#define POLL_RECORDS   500
#define RETRY_MS       100
#define STILL_MS       2000 /* nothing came for so long: the other side is not waited for */
#define LINGER_MS      10 /* a small batch waits so long for more: a commit costs a flush */

/* ---- transaction ---- */

static dt_status begin(struct duet_role_thread *role)
{
    dt_status status;

    if (role->in_transaction)
        return DT_OK;
    status = duet_sink_begin(role->sink);
    if (status == DT_OK)
        role->in_transaction = true;
    return status;
}

dt_status duet_role_claim(struct duet_role_thread *role, struct duet_part *part)
{
    dt_status status;

    if (part->claimed)
        return DT_OK;
    status = begin(role);
    if (status == DT_OK && duet_rule(DUET_RULE_VERSION))
        status = duet_sink_claim(role->sink, &part->state);
    if (status == DT_OK)
        part->claimed = true;
    return status;
}

void duet_role_fill_entry(struct duet_ledger_entry *entry,
                          const struct duet_role_thread *role, enum duet_ledger_kind kind,
                          const struct duet_part *part, enum duet_side side,
                          const struct duet_id *id, int64_t position, const char *reason)
{
    memset(entry, 0, sizeof(*entry));
    entry->kind = kind;
    snprintf(entry->topic, sizeof(entry->topic), "%s", part->state.topic);
    snprintf(entry->group, sizeof(entry->group), "%s", role->group);
    entry->partition = part->state.partition;
    entry->side = side;
    entry->id = *id;
    entry->sequence_to = id->sequence + 1;
    entry->position = position;
    entry->at_ms = dt_clock_wall_ms();
    snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
}

dt_status duet_role_note(struct duet_role_thread *role, enum duet_ledger_kind kind,
                         const struct duet_part *part, enum duet_side side,
                         const struct duet_id *id, int64_t position, const char *reason)
{
    struct duet_ledger_entry entry;

    duet_role_fill_entry(&entry, role, kind, part, side, id, position, reason);
    return duet_role_put_ledger(role, &entry);
}

dt_status duet_role_put_ledger(struct duet_role_thread *role,
                               const struct duet_ledger_entry *entry)
{
    dt_status status = begin(role);

    return status == DT_OK ? duet_sink_ledger(role->sink, entry) : status;
}

static bool is_dirty(const struct duet_part *part)
{
    return part->claimed || part->state.cursor[DUET_KAFKA].dirty ||
           part->state.cursor[DUET_ROCKETMQ].dirty || part->track[DUET_KAFKA].left.dirty ||
           part->track[DUET_ROCKETMQ].left.dirty;
}

/* Without the rule ATOMIC the effects are committed before the set. */
static dt_status commit_effects_first(struct duet_role_thread *role)
{
    dt_status status = duet_sink_commit(role->sink);

    role->in_transaction = false;
    for (size_t p = 0; p < role->part_count; p++)
        role->parts[p].claimed = false;
    return status;
}

static dt_status save(struct duet_role_thread *role)
{
    dt_status status = DT_OK;

    if (role->in_transaction && !duet_rule(DUET_RULE_ATOMIC))
        status = commit_effects_first(role);
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++) {
        struct duet_part *part = &role->parts[p];

        if (!is_dirty(part))
            continue;
        status = duet_role_claim(role, part);
        if (status != DT_OK)
            break;
        duet_role_collect(role, part);
        status = duet_role_list_fetched(role, part);
        for (int side = 0; status == DT_OK && side < DUET_SIDES; side++)
            status = duet_track_store_left(&part->track[side]);
        if (status != DT_OK)
            break;
        status = duet_sink_save(role->sink, &part->state);
    }
    if (status == DT_OK && role->in_transaction)
        status = duet_sink_commit(role->sink);
    if (status != DT_OK)
        return status;
    role->in_transaction = false;
    for (size_t p = 0; p < role->part_count; p++)
        role->parts[p].claimed = false;
    role->saved_ms = dt_clock_ms();
    return duet_role_publish(role);
}

/* ---- loading and reading ---- */

void duet_role_assign(struct duet_role_thread *role, struct duet_part *part,
                      enum duet_side side, int64_t position)
{
    dt_status status =
        duet_reader_assign(role->reader[side], part->state.partition, position);

    if (status != DT_OK) {
        dt_log_warning("%s %s: cannot read %s/%d: %s", role->group,
                       duet_role_name(role->which), part->state.topic,
                       (int)part->state.partition, dt_error_text());
        part->track[side].phase = DUET_TRACK_IDLE; /* tried again by assign_idle() */
    }
}

dt_status duet_role_load(struct duet_role_thread *role, size_t p)
{
    struct duet_part *part = &role->parts[p];
    enum duet_side first = role->which == DUET_LIVE ? DUET_KAFKA : DUET_ROCKETMQ;
    dt_status status;

    for (int side = 0; side < DUET_SIDES; side++)
        duet_track_fini(&part->track[side]);
    duet_role_forget_held(role, part);
    part->fetched.topic[0] = '\0';
    if (part->loaded)
        duet_role_state_fini(&part->state);
    part->loaded = false;
    part->claimed = false;
    status =
        duet_sink_load(role->sink, role->route->topic, (int32_t)p, first, &part->state);
    if (status != DT_OK)
        return dt_error_wrap(status, "loading the state of %s %s/%d", role->group,
                             role->route->topic, (int)p);
    part->loaded = true;
    status = duet_role_load_gaps(role, part);
    if (status != DT_OK)
        return dt_error_wrap(status, "loading the gaps of %s %s/%d", role->group,
                             role->route->topic, (int)p);
    atomic_store(&role->worked_ms, dt_clock_ms()); /* the ends are asked for anew */
    for (int side = 0; side < DUET_SIDES; side++) {
        struct duet_track *track = &part->track[side];

        duet_track_init(track, (enum duet_side)side, &part->state.cursor[side]);
        track->moved_ms = dt_clock_ms();
        status = duet_track_load_left(track);
        if (status != DT_OK)
            return dt_error_wrap(status, "loading what %s %s/%d has left on %s",
                                 role->group, role->route->topic, (int)p,
                                 duet_side_name((enum duet_side)side));
    }
    duet_track_take_back(&part->track[part->state.side]);
    duet_role_collect_all(role, part);
    return DT_OK;
}

static void assign_idle(struct duet_role_thread *role)
{
    for (size_t p = 0; p < role->part_count; p++)
        for (int side = 0; side < DUET_SIDES; side++) {
            struct duet_part *part = &role->parts[p];
            struct duet_track *track = &part->track[side];

            if (track->phase == DUET_TRACK_FULL && track->pending < DUET_KEEPER_AHEAD / 2) {
                track->phase = DUET_TRACK_READING;
                duet_role_assign(role, part, (enum duet_side)side, track->next);
            } else if (track->phase == DUET_TRACK_IDLE) {
                duet_role_assign(role, part, (enum duet_side)side,
                                 duet_track_restart(track));
            }
        }
}

/* After a lost race or a failed commit: what is in memory is not what the store has. */
static dt_status start_over(struct duet_role_thread *role)
{
    dt_status status = DT_OK;

    duet_sink_rollback(role->sink);
    role->in_transaction = false;
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++)
        status = duet_role_load(role, p);
    return status;
}

/* ---- the switch ---- */

static dt_status carry_out(struct duet_role_thread *role, size_t p)
{
    struct duet_part *part = &role->parts[p];
    enum duet_side from = part->state.side;
    enum duet_side to = (enum duet_side)atomic_load(&part->wish);
    int64_t end = part->track[to].end;
    dt_status status;

    if (to == from)
        return DT_OK;
    status =
        duet_sink_switch(role->sink, part->state.topic, part->state.partition, from, to);
    if (status != DT_OK && status != DT_ECONFLICT)
        return status;
    status = duet_role_load(
        role, p); /* somebody else may have switched it: either way, load again */
    if (status != DT_OK)
        return status;
    if (!duet_rule(DUET_RULE_SPLIT) && end >= 0) {
        part->state.cursor[to].position = end;
        duet_marks_init(&part->state.cursor[to].marks);
    }
    dt_log_info("%s %s: %s/%d now reads %s, from %lld", role->group,
                duet_role_name(role->which), part->state.topic, (int)p,
                duet_side_name(part->state.side),
                (long long)part->state.cursor[part->state.side].position);
    atomic_store(&role->urgent, true);
    return DT_OK;
}

static dt_status carry_out_wishes(struct duet_role_thread *role)
{
    dt_status status = DT_OK;

    for (size_t p = 0; status == DT_OK && p < role->part_count; p++)
        status = carry_out(role, p);
    if (status == DT_OK && atomic_load(&role->urgent)) {
        status = duet_role_publish(role);
        duet_wake_raise(role->reporter);
    }
    return status;
}

/* ---- the loop ---- */

static dt_status read_side(struct duet_role_thread *role, enum duet_side side,
                           size_t *handled, bool *any)
{
    struct duet_read_batch *batch;
    dt_status status = duet_reader_poll(role->reader[side], POLL_RECORDS, &batch);

    if (status != DT_OK || batch == NULL)
        return status;
    *any = true;
    status = duet_role_handle(role, side, batch, handled);
    duet_read_batch_free(batch);
    return status;
}

/* Moves the keepers' cursors over what is in the set by now. */
static bool keep(struct duet_role_thread *role)
{
    bool moved = false;

    for (size_t p = 0; p < role->part_count; p++) {
        struct duet_part *part = &role->parts[p];
        const struct duet_track *read = &part->track[part->state.side];
        struct duet_exceptions_view view = {.processed = &part->state.processed,
                                            .other_next = read->next,
                                            .now_ms = dt_clock_ms()};

        view.leave_ms = role->session->config->hold_ms < DUET_KEEPER_LEAVES_MS
                            ? role->session->config->hold_ms
                            : DUET_KEEPER_LEAVES_MS;
        view.other_still = view.now_ms - read->moved_ms >= STILL_MS;
        moved |= duet_track_keep(&part->track[duet_other_side(part->state.side)], &view);
    }
    return moved;
}

static bool any_dirty(const struct duet_role_thread *role)
{
    for (size_t p = 0; p < role->part_count; p++)
        if (is_dirty(&role->parts[p]))
            return true;
    return false;
}

/* One batch: reads until it is large or old enough or nothing is there, then commits. */
static dt_status turn(struct duet_role_thread *role, bool *worked)
{
    const struct duet_config *config = role->session->config;
    int64_t start_ms = dt_clock_ms(), now_ms = start_ms;
    int64_t linger_ms = config->batch_ms_max < LINGER_MS ? config->batch_ms_max : LINGER_MS;
    size_t handled = 0;
    dt_status status = DT_OK;

    *worked = false;
    while (status == DT_OK && !atomic_load(&role->stop) &&
           handled < (size_t)config->batch_count_max &&
           now_ms - start_ms < config->batch_ms_max) {
        bool any = false;

        for (int side = 0; status == DT_OK && side < DUET_SIDES; side++)
            status = read_side(role, (enum duet_side)side, &handled, &any);
        *worked |= any;
        now_ms = dt_clock_ms();
        if (!any && (handled == 0 || now_ms - start_ms >= linger_ms))
            break;
        if (!any)
            duet_wake_wait(&role->wake, start_ms + linger_ms - now_ms);
    }
    if (status != DT_OK)
        return status;
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++)
        status = duet_role_release(role, &role->parts[p]);
    if (status != DT_OK)
        return status;
    keep(role);
    for (size_t p = 0; status == DT_OK && p < role->part_count; p++) {
        duet_role_start_fetch(role, &role->parts[p]);
        status = duet_role_watch_gaps(role, &role->parts[p]);
    }
    if (status != DT_OK)
        return status;
    if (handled > 0 || role->held_bytes > 0)
        atomic_store(&role->worked_ms, dt_clock_ms());
    if (role->in_transaction ||
        (any_dirty(role) &&
         (dt_clock_ms() - role->saved_ms >= KEEPER_SAVE_MS || atomic_load(&role->stop))))
        status = save(role);
    return status;
}

/* Whether the role can go on after this failure; it has rolled back and loaded again then. */
static bool recover(struct duet_role_thread *role, dt_status status)
{
    bool race = status == DT_ECONFLICT || status == DT_EBUSY;

    if (!race && status != DT_EUNREACH && status != DT_ENOMEM)
        return false;
    dt_log_info("%s %s: starting over from the store: %s", role->group,
                duet_role_name(role->which), dt_error_text());
    return start_over(role) == DT_OK;
}

/* A log whose end nobody has told may hold anything: until then a role is not idle. */
void duet_role_note_unanswered(struct duet_role_thread *role)
{
    int unanswered = -1;

    for (size_t p = 0; p < role->part_count; p++) {
        const struct duet_part *part = &role->parts[p];

        if (part->track[part->state.side].end < 0)
            unanswered = (int)part->state.side;
    }
    atomic_store(&role->unanswered, unanswered);
}

void *duet_role_run(void *context)
{
    struct duet_role_thread *role = context;
    dt_status status = DT_OK;

    while (!atomic_load(&role->stop)) {
        bool worked = false;

        if (!atomic_load(&role->enabled)) {
            atomic_store(&role->worked_ms, dt_clock_ms()); /* not idle: not asked to work */
            duet_wake_wait(&role->wake, WAIT_MS);
            continue;
        }
        status = carry_out_wishes(role);
        if (status == DT_OK) {
            assign_idle(role);
            status = turn(role, &worked);
        }
        duet_role_note_unanswered(role);
        if (status == DT_OK && !worked &&
            dt_clock_ms() - role->published_ms >= PUBLISH_MS) {
            role->published_ms = dt_clock_ms();
            status = duet_role_publish(role);
        }
        if (status != DT_OK && !recover(role, status))
            break;
        if (status != DT_OK)
            duet_wake_wait(&role->wake, RETRY_MS);
        else if (!worked)
            duet_wake_wait(&role->wake, WAIT_MS);
        status = DT_OK;
    }
    if (status == DT_OK && any_dirty(role))
        status = save(role);
    duet_sink_rollback(role->sink);
    if (status != DT_OK && status != DT_ECONFLICT) {
        snprintf(role->reason, sizeof(role->reason), "%s", dt_error_text());
        atomic_store(&role->ended, (int)status);
        duet_wake_raise(role->reporter);
    }
    return NULL;
}
