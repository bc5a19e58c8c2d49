#include "dual/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/outgoing.h"
#include "dual/rules.h"
#include "model/mapping_encode.h"
#include "model/partition.h"

/* So many copies of a lane are with the secondary's sender; the rest wait here, where the bound
 * and the plan can still decide about them. */
#define LANE_WINDOW 1024

#define SCRATCH_MAX (8u << 20)

static const char closed_reason[] = "the producer was closed before the copy was stored";

/* ---- start and end ---- */

static dt_status make_boxes(struct duet_outbox *outbox)
{
    outbox->boxes = calloc(outbox->plan->route_count + 1, sizeof(*outbox->boxes));
    if (outbox->boxes == NULL)
        return DT_ENOMEM;
    for (size_t r = 0; r < outbox->plan->route_count; r++) {
        struct duet_box *box = &outbox->boxes[r];

        box->route = &outbox->plan->routes[r];
        box->lanes = calloc((size_t)box->route->partitions, sizeof(*box->lanes));
        if (box->lanes == NULL)
            return DT_ENOMEM;
        box->lane_count = (size_t)box->route->partitions;
        outbox->box_count++;
        for (int32_t p = 0; p < box->route->partitions; p++) {
            box->lanes[p].outbox = outbox;
            box->lanes[p].box = box;
            box->lanes[p].partition = p;
            duet_counts_init(&box->lanes[p].counts);
        }
    }
    return DT_OK;
}

dt_status duet_outbox_init(struct duet_outbox *outbox, struct duet_plan *plan,
                           const struct duet_keys *keys, const struct duet_config *config,
                           uint32_t instance, uint16_t boot)
{
    pthread_condattr_t monotonic;

    memset(outbox, 0, sizeof(*outbox));
    pthread_mutex_init(&outbox->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&outbox->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    outbox->plan = plan;
    outbox->keys = keys;
    outbox->zone = config->zone;
    outbox->memory_max = config->memory_max;
    outbox->instance = instance;
    outbox->boot = boot;
    dt_buf_init(&outbox->scratch, SCRATCH_MAX);
    outbox->properties = calloc(DUET_HEADERS_MAX + 4, sizeof(*outbox->properties));
    if (outbox->properties == NULL || make_boxes(outbox) != DT_OK)
        return dt_error_set(DT_ENOMEM, "no memory for the producer's lanes");
    return DT_OK;
}

static void free_list(struct duet_outgoing *first)
{
    while (first != NULL) {
        struct duet_outgoing *next = first->next;

        free(first);
        first = next;
    }
}

void duet_outbox_fini(struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++) {
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            free_list(lane->primary_first);
            free_list(lane->secondary_first);
            duet_counts_fini(&lane->counts);
        }
        free(outbox->boxes[b].lanes);
    }
    free(outbox->boxes);
    free(outbox->properties);
    free(outbox->ledger);
    dt_buf_fini(&outbox->scratch);
    duet_plan_free(outbox->plan);
    pthread_cond_destroy(&outbox->room);
    pthread_mutex_destroy(&outbox->lock);
}

/* ---- the ledger ---- */

/* Lock: held. Never loses an entry silently: without memory it goes to the log. */
static void ledger_push(struct duet_outbox *outbox, const struct duet_ledger_entry *entry)
{
    if (outbox->ledger_count == outbox->ledger_capacity) {
        size_t capacity = outbox->ledger_capacity == 0 ? 16 : outbox->ledger_capacity * 2;
        void *grown = realloc(outbox->ledger, capacity * sizeof(*outbox->ledger));

        if (grown == NULL) {
            dt_log_error("no memory for a ledger entry: %s %s/%d %llu..%llu",
                         duet_ledger_kind_name(entry->kind), entry->topic,
                         (int)entry->partition, (unsigned long long)entry->id.sequence,
                         (unsigned long long)entry->sequence_to);
            return;
        }
        outbox->ledger = grown;
        outbox->ledger_capacity = capacity;
    }
    outbox->ledger[outbox->ledger_count++] = *entry;
}

static void fill_entry(struct duet_ledger_entry *entry, enum duet_ledger_kind kind,
                       const struct duet_outgoing *outgoing, enum duet_side side,
                       const char *reason)
{
    memset(entry, 0, sizeof(*entry));
    entry->kind = kind;
    snprintf(entry->topic, sizeof(entry->topic), "%s", outgoing->lane->box->route->topic);
    entry->partition = outgoing->lane->partition;
    entry->side = side;
    entry->id = outgoing->stamp.id;
    entry->sequence_to = outgoing->stamp.id.sequence + 1;
    entry->position = -1;
    entry->at_ms = dt_clock_wall_ms();
    snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
}

/* Lock: held. Dense numbers of one kind become one range. */
static void ledger_note(enum outbox_kind which, const struct duet_outgoing *outgoing,
                        enum duet_side side, const char *reason)
{
    static const enum duet_ledger_kind kinds[OUTBOX_KINDS] = {
        DUET_LEDGER_DROPPED, DUET_LEDGER_REFUSED, DUET_LEDGER_CANCELLED};
    struct duet_lane *lane = outgoing->lane;

    if (lane->open[which].used &&
        lane->open[which].entry.sequence_to == outgoing->stamp.id.sequence) {
        lane->open[which].entry.sequence_to++;
        lane->open[which].dirty = true;
        return;
    }
    if (lane->open[which].used && lane->open[which].dirty)
        ledger_push(lane->outbox, &lane->open[which].entry);
    fill_entry(&lane->open[which].entry, kinds[which], outgoing, side, reason);
    lane->open[which].used = true;
    lane->open[which].dirty = true;
}

static void ledger_in_doubt(const struct duet_outgoing *outgoing, enum duet_side side,
                            const char *reason, bool resolved)
{
    struct duet_ledger_entry entry;

    fill_entry(&entry, DUET_LEDGER_IN_DOUBT, outgoing, side, reason);
    entry.resolved = resolved;
    ledger_push(outgoing->lane->outbox, &entry);
}

/* ---- lists ---- */

static void append(struct duet_outgoing **first, struct duet_outgoing **last,
                   struct duet_outgoing *outgoing)
{
    outgoing->next = NULL;
    if (*last == NULL)
        *first = outgoing;
    else
        (*last)->next = outgoing;
    *last = outgoing;
}

/* Nearly always the first. */
static void take_out(struct duet_outgoing **first, struct duet_outgoing **last,
                     struct duet_outgoing *outgoing)
{
    struct duet_outgoing *before = NULL;

    for (struct duet_outgoing *at = *first; at != outgoing; at = at->next) {
        assert(at != NULL);
        before = at;
    }
    if (before == NULL)
        *first = outgoing->next;
    else
        before->next = outgoing->next;
    if (*last == outgoing)
        *last = before;
    outgoing->next = NULL;
}

static void wake_waiters(struct duet_outbox *outbox)
{
    if (outbox->waiters > 0)
        pthread_cond_broadcast(&outbox->room);
}

/* Lock: held. False after until_ms. */
static bool wait_room(struct duet_outbox *outbox, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    int error;

    outbox->waiters++;
    error = pthread_cond_timedwait(&outbox->room, &outbox->lock, &until);
    outbox->waiters--;
    return error != ETIMEDOUT;
}

/* ---- the secondary ---- */

/* Lock: held. */
static void secondary_gone(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    outbox->secondary_bytes -= (int64_t)outgoing->size;
    outbox->secondary_count--;
    wake_waiters(outbox);
    free(outgoing);
}

static dt_status send_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    struct duet_rmq_message message;
    struct duet_send send = {outgoing->lane->box->route,
                             outgoing->lane->partition,
                             NULL,
                             NULL,
                             &message,
                             outgoing};
    dt_status status;

    dt_buf_clear(&outbox->scratch);
    status = duet_mapping_encode(&message, &outgoing->record,
                                 dt_span_of(outgoing->stamp_text, DUET_STAMP_TEXT_SIZE),
                                 &outbox->scratch, outbox->properties);
    if (status != DT_OK)
        return status;
    return duet_sender_send(outbox->sender[DUET_ROCKETMQ], &send);
}

/* Lock: held. Without the rule FIFO the newest goes first. */
static struct duet_outgoing *next_unhanded(struct duet_lane *lane)
{
    struct duet_outgoing *next = lane->unhanded;

    if (next != NULL && !duet_rule(DUET_RULE_FIFO))
        for (struct duet_outgoing *at = next; at != NULL; at = at->next)
            if (!at->handed)
                next = at;
    return next != NULL && next->handed ? NULL : next;
}

static void skip_handed(struct duet_lane *lane)
{
    while (lane->unhanded != NULL && lane->unhanded->handed)
        lane->unhanded = lane->unhanded->next;
}

/* Lock: held. Hands the lane's copies to the sender, in order, as far as it takes them. */
static void pump(struct duet_lane *lane)
{
    struct duet_outbox *outbox = lane->outbox;
    struct duet_outgoing *next;

    while (lane->handed < LANE_WINDOW && (next = next_unhanded(lane)) != NULL) {
        dt_status status = send_secondary(outbox, next);

        if (status == DT_ENOMEM || status == DT_ECLOSED)
            return; /* the sender is full: again after its next outcome, or at the next tick */
        next->handed = true;
        skip_handed(lane);
        if (status == DT_OK) {
            lane->handed++;
            continue;
        }
        ledger_note(OUTBOX_REFUSED, next, DUET_ROCKETMQ, dt_error_text());
        outbox->stats.refused++;
        take_out(&lane->secondary_first, &lane->secondary_last, next);
        secondary_gone(outbox, next);
    }
}

/* Lock: held. The primary has the message: it is owed to the secondary, or given up there. */
static void owe_secondary(struct duet_outbox *outbox, struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    bool critical = (lane->box->route->critical & (1u << DUET_ROCKETMQ)) != 0;

    if (!critical &&
        outbox->secondary_bytes + (int64_t)outgoing->size > outbox->memory_max) {
        ledger_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ,
                    "the memory bound was reached while no group is live there");
        outbox->stats.dropped++;
        free(outgoing);
        return;
    }
    outbox->secondary_bytes += (int64_t)outgoing->size;
    outbox->secondary_count++;
    append(&lane->secondary_first, &lane->secondary_last, outgoing);
    if (lane->unhanded == NULL)
        lane->unhanded = outgoing;
    pump(lane);
}

void duet_outbox_secondary_sent(void *context, void *token, enum duet_outcome outcome,
                                const char *reason, int64_t position)
{
    struct duet_outbox *outbox = context;
    struct duet_outgoing *outgoing = token;
    struct duet_lane *lane = outgoing->lane;

    (void)position;
    pthread_mutex_lock(&outbox->lock);
    take_out(&lane->secondary_first, &lane->secondary_last, outgoing);
    lane->handed--;
    if (outcome == DUET_DONE) {
        outbox->stats.secondary_done++;
    } else if (outcome == DUET_IN_DOUBT) {
        ledger_in_doubt(outgoing, DUET_ROCKETMQ, reason, false);
    } else if (outbox->closing) {
        ledger_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ, closed_reason);
        outbox->stats.dropped++;
    } else {
        ledger_note(OUTBOX_REFUSED, outgoing, DUET_ROCKETMQ, reason);
        outbox->stats.refused++;
    }
    secondary_gone(outbox, outgoing);
    if (!outbox->closing)
        pump(lane);
    pthread_mutex_unlock(&outbox->lock);
}

/* ---- the primary ---- */

/* Lock: held. A definite "not done" takes the number out of what was issued. */
static void uncount(struct duet_outgoing *outgoing)
{
    struct duet_counts *counts = &outgoing->lane->counts;
    uint32_t window = outgoing->stamp.window;
    uint16_t day = outgoing->stamp.day;

    /* the row exists since the id was counted: this cannot fail */
    (void)duet_counts_add(counts, window, day, DUET_COUNT_ISSUED_KAFKA, -1);
    if (outgoing->to_secondary)
        (void)duet_counts_add(counts, window, day, DUET_COUNT_ISSUED_ROCKETMQ, -1);
    (void)duet_counts_add(counts, window, day, DUET_COUNT_NOT_DONE, 1);
    outgoing->lane->counts_dirty = true;
}

void duet_outbox_primary_sent(void *context, void *token, enum duet_outcome outcome,
                              const char *reason, int64_t position)
{
    static const duet_result results[] = {[DUET_DONE] = DUET_RESULT_DONE,
                                          [DUET_NOT_DONE] = DUET_RESULT_NOT_DONE,
                                          [DUET_IN_DOUBT] = DUET_RESULT_IN_DOUBT};
    struct duet_outbox *outbox = context;
    struct duet_outgoing *outgoing = token;
    struct duet_lane *lane = outgoing->lane;
    duet_produce_fn callback;
    void *opaque = outgoing->opaque;

    (void)position;
    pthread_mutex_lock(&outbox->lock);
    callback = outgoing->answered ? NULL : outgoing->callback;
    take_out(&lane->primary_first, &lane->primary_last, outgoing);
    outbox->primary_bytes -= (int64_t)outgoing->size;
    outbox->primary_count--;
    if (outgoing->answered && outcome != DUET_IN_DOUBT) {
        outbox->doubtful--;
        ledger_in_doubt(outgoing, DUET_KAFKA,
                        outcome == DUET_DONE ? "answered late: stored"
                                             : "answered late: not stored",
                        true);
    }
    if (!outgoing->answered) {
        outbox->stats.done += outcome == DUET_DONE;
        outbox->stats.not_done += outcome == DUET_NOT_DONE;
        outbox->stats.in_doubt += outcome == DUET_IN_DOUBT;
    }
    if (outcome == DUET_DONE && outgoing->to_secondary) {
        owe_secondary(outbox, outgoing);
    } else {
        if (outcome == DUET_NOT_DONE) {
            uncount(outgoing);
            ledger_note(OUTBOX_CANCELLED, outgoing, DUET_KAFKA, reason);
        } else if (outcome == DUET_IN_DOUBT && !outgoing->answered) {
            outbox->doubtful++;
            ledger_in_doubt(outgoing, DUET_KAFKA, reason, false);
        }
        free(outgoing);
    }
    wake_waiters(outbox);
    pthread_mutex_unlock(&outbox->lock);
    if (callback != NULL)
        callback(opaque, results[outcome], outcome == DUET_DONE ? "" : reason);
}

/* Lock: held. Gives the message its number and stamp; take_number() makes it used. */
static void fix_id(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                   int64_t event_time_ms)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_stamp *stamp = &outgoing->stamp;
    int64_t now_ms = dt_clock_wall_ms();
    uint32_t window = duet_window_of(now_ms);
    int64_t event_ms = event_time_ms < 0 ? now_ms : event_time_ms;

    if (window > outbox->window)
        outbox->window = window;
    stamp->key_number = outbox->keys->stamp.number;
    stamp->flags = duet_mapping_flags(&outgoing->record);
    stamp->id.kind = DUET_ID_ISSUED;
    stamp->id.instance = outbox->instance;
    stamp->id.boot = outbox->boot;
    stamp->id.partition = (uint16_t)lane->partition;
    stamp->id.sequence = lane->next_sequence;
    stamp->window = outbox->window;
    stamp->day = duet_day_of(event_ms, duet_zone_offset_s(outbox->zone, event_ms));
    duet_stamp_encode(outgoing->stamp_bytes, stamp, &outbox->keys->stamp,
                      lane->box->route->topic);
    duet_stamp_encode_text(outgoing->stamp_text, stamp, &outbox->keys->stamp,
                           lane->box->route->topic);
}

/* Lock: held. From here on the number is issued; `row` counts it. */
static void take_number(struct duet_outgoing *outgoing, struct duet_count *row)
{
    struct duet_lane *lane = outgoing->lane;

    row->n[DUET_COUNT_ISSUED_KAFKA]++;
    if (outgoing->to_secondary)
        row->n[DUET_COUNT_ISSUED_ROCKETMQ]++;
    lane->next_sequence++;
    lane->counts_dirty = true;
}

static struct duet_box *find_box(struct duet_outbox *outbox, const char *topic)
{
    if (topic == NULL)
        return outbox->box_count == 1 ? &outbox->boxes[0] : NULL;
    for (size_t b = 0; b < outbox->box_count; b++)
        if (strcmp(outbox->boxes[b].route->topic, topic) == 0)
            return &outbox->boxes[b];
    return NULL;
}

static struct duet_lane *choose_lane(struct duet_box *box, const struct duet_record *record)
{
    int32_t partitions = box->route->partitions;

    if (record->key.data != NULL)
        return &box->lanes[duet_partition_of_key(record->key, partitions)];
    box->round_robin = (box->round_robin + 1) % partitions;
    return &box->lanes[box->round_robin];
}

/* Lock: held. Whether the message fits the bounds that its sender has to wait for. */
static bool has_room(const struct duet_outbox *outbox, const struct duet_outgoing *outgoing,
                     bool *secondary)
{
    int64_t size = (int64_t)outgoing->size;
    bool critical = outgoing->to_secondary &&
                    (outgoing->lane->box->route->critical & (1u << DUET_ROCKETMQ)) != 0;

    *secondary = false;
    if (outbox->primary_bytes + size > outbox->memory_max && outbox->primary_count > 0)
        return false;
    if (!critical || outbox->primary_count + outbox->secondary_count == 0)
        return true;
    *secondary =
        outbox->primary_bytes + outbox->secondary_bytes + size > outbox->memory_max;
    return !*secondary;
}

/* Lock: held. A live RocketMQ that would refuse the record: the application's trouble, and sent
 * to neither side. Encoding it is the only exact test, so it is done only where it is near. */
static dt_status check_secondary_takes(struct duet_outbox *outbox,
                                       const struct duet_outgoing *outgoing)
{
    struct duet_rmq_message message;

    if (!outgoing->to_secondary ||
        (outgoing->lane->box->route->critical & (1u << DUET_ROCKETMQ)) == 0)
        return DT_OK;
    if (duet_outgoing_properties_bound(outgoing) < DUET_PROPERTIES_MAX &&
        outgoing->record.value.size <= DUET_BODY_MAX)
        return DT_OK;
    dt_buf_clear(&outbox->scratch);
    return duet_mapping_encode(&message, &outgoing->record,
                               dt_span_of(outgoing->stamp_text, DUET_STAMP_TEXT_SIZE),
                               &outbox->scratch, outbox->properties);
}

/* Lock: held; given up while waiting. On DT_OK the message is on its way. */
static dt_status put_locked(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                            int64_t event_time_ms)
{
    struct duet_send send = {NULL, 0,       &outgoing->record, outgoing->stamp_bytes,
                             NULL, outgoing};
    struct duet_count *row;
    bool waited = false, secondary;
    dt_status status;

    for (;;) {
        struct duet_lane *lane = outgoing->lane;

        if (outbox->closing)
            return dt_error_set(DT_ECLOSED, "the producer is being closed");
        outgoing->to_secondary = duet_write_has(lane->box->route->write, DUET_ROCKETMQ);
        if (has_room(outbox, outgoing, &secondary)) {
            fix_id(outbox, outgoing, event_time_ms);
            status = check_secondary_takes(outbox, outgoing);
            if (status != DT_OK)
                return dt_error_wrap(status,
                                     "RocketMQ, where a group is live, would refuse it");
            row =
                duet_counts_at(&lane->counts, outgoing->stamp.window, outgoing->stamp.day);
            if (row == NULL)
                return dt_error_set(DT_ENOMEM, "no memory for a counter");
            send.route = lane->box->route;
            send.partition = lane->partition;
            /* its outcome waits for our lock: the list below is made in time */
            status = duet_sender_send(outbox->sender[DUET_KAFKA], &send);
            if (status == DT_OK)
                break;
            if (status != DT_ENOMEM)
                return status;
        } else if (secondary && !waited) {
            outbox->stats.waits++;
            waited = true;
        }
        if (!wait_room(outbox, outgoing->deadline_ms) &&
            dt_clock_ms() >= outgoing->deadline_ms)
            return dt_error_set(DT_ETIMEDOUT,
                                "no room within the deadline: %lld bytes wait for "
                                "kafka, %lld for rocketmq, %lld are allowed",
                                (long long)outbox->primary_bytes,
                                (long long)outbox->secondary_bytes,
                                (long long)outbox->memory_max);
    }
    append(&outgoing->lane->primary_first, &outgoing->lane->primary_last, outgoing);
    outbox->primary_bytes += (int64_t)outgoing->size;
    outbox->primary_count++;
    outbox->stats.produced++;
    take_number(outgoing, row);
    return DT_OK;
}

dt_status duet_outbox_put(struct duet_outbox *outbox, const duet_message *message,
                          int64_t deadline_ms, duet_produce_fn callback, void *opaque)
{
    struct duet_outgoing *outgoing = duet_outgoing_new(message);
    struct duet_box *box;
    dt_status status;

    if (outgoing == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a message of %zu bytes",
                            message->value_size);
    outgoing->callback = callback;
    outgoing->opaque = opaque;
    outgoing->deadline_ms = deadline_ms;
    pthread_mutex_lock(&outbox->lock);
    box = find_box(outbox, message->topic);
    if (box == NULL) {
        status =
            message->topic != NULL
                ? dt_error_set(DT_EINVAL, "'%s' is no topic of a route", message->topic)
                : dt_error_set(DT_EINVAL, "there are %zu routes: name the topic",
                               outbox->box_count);
    } else {
        outgoing->lane = choose_lane(box, &outgoing->record);
        status = put_locked(outbox, outgoing, message->event_time_ms);
    }
    pthread_mutex_unlock(&outbox->lock);
    if (status != DT_OK)
        free(outgoing);
    return status;
}

/* ---- the rest ---- */

/* Lock: held. The first message of the lane that is over its deadline and not yet answered. */
static struct duet_outgoing *find_late(struct duet_lane *lane, int64_t now_ms)
{
    for (struct duet_outgoing *at = lane->primary_first; at != NULL; at = at->next)
        if (!at->answered)
            return at->deadline_ms <= now_ms ? at : NULL;
    return NULL;
}

static void expire(struct duet_outbox *outbox, struct duet_lane *lane, int64_t now_ms)
{
    for (;;) {
        struct duet_outgoing *late;
        duet_produce_fn callback;
        void *opaque;

        pthread_mutex_lock(&outbox->lock);
        late = find_late(lane, now_ms);
        if (late == NULL) {
            if (lane->unhanded != NULL)
                pump(lane);
            pthread_mutex_unlock(&outbox->lock);
            return;
        }
        late->answered = true;
        callback = late->callback;
        opaque = late->opaque;
        outbox->stats.in_doubt++;
        outbox->doubtful++;
        ledger_in_doubt(late, DUET_KAFKA, "not answered within the send's deadline", false);
        pthread_mutex_unlock(&outbox->lock);
        if (callback != NULL)
            callback(opaque, DUET_RESULT_IN_DOUBT,
                     "kafka has not answered within the deadline");
    }
}

void duet_outbox_tick(struct duet_outbox *outbox)
{
    int64_t now_ms = dt_clock_ms();

    for (size_t b = 0; b < outbox->box_count; b++) /* boxes and lanes never change */
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            expire(outbox, &outbox->boxes[b].lanes[p], now_ms);
}

void duet_outbox_adopt(struct duet_outbox *outbox, struct duet_plan *plan)
{
    struct duet_plan *old;

    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++) {
        const struct duet_plan_route *route =
            duet_plan_find(plan, outbox->boxes[b].route->topic);

        /* a plan's routes and partitions are fixed when it is made */
        assert(route != NULL && route->partitions == outbox->boxes[b].route->partitions);
        outbox->boxes[b].route = route;
    }
    old = outbox->plan;
    outbox->plan = plan;
    outbox->stats.plan_version = plan->version;
    wake_waiters(outbox); /* a side may not be critical any more */
    pthread_mutex_unlock(&outbox->lock);
    duet_plan_free(old);
}

bool duet_outbox_wait_empty(struct duet_outbox *outbox, int64_t until_ms)
{
    bool empty;

    pthread_mutex_lock(&outbox->lock);
    while (!(empty = outbox->primary_count + outbox->secondary_count == 0))
        if (!wait_room(outbox, until_ms))
            break;
    pthread_mutex_unlock(&outbox->lock);
    return empty;
}

void duet_outbox_close(struct duet_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->closing = true;
    wake_waiters(outbox);
    pthread_mutex_unlock(&outbox->lock);
}

void duet_outbox_give_up(struct duet_outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            lane->unhanded = NULL;
            while (lane->secondary_first != NULL) {
                struct duet_outgoing *outgoing = lane->secondary_first;

                ledger_note(OUTBOX_DROPPED, outgoing, DUET_ROCKETMQ, closed_reason);
                outbox->stats.dropped++;
                take_out(&lane->secondary_first, &lane->secondary_last, outgoing);
                secondary_gone(outbox, outgoing);
            }
        }
    pthread_mutex_unlock(&outbox->lock);
}
