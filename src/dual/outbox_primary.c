#include "dual/outbox_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "model/mapping_encode.h"
#include "model/partition.h"

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
    duet_outgoing_take_out(&lane->primary_first, &lane->primary_last, outgoing);
    outbox->primary_bytes -= (int64_t)outgoing->size;
    outbox->primary_count--;
    if (outgoing->answered && outcome != DUET_IN_DOUBT) {
        outbox->doubtful--;
        duet_outbox_note_in_doubt(outgoing, DUET_KAFKA,
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
        duet_outbox_owe_secondary(outbox, outgoing);
    } else {
        if (outcome == DUET_NOT_DONE) {
            uncount(outgoing);
            duet_outbox_note(OUTBOX_CANCELLED, outgoing, DUET_KAFKA, reason);
        } else if (outcome == DUET_IN_DOUBT && !outgoing->answered) {
            outbox->doubtful++;
            duet_outbox_note_in_doubt(outgoing, DUET_KAFKA, reason, false);
        }
        free(outgoing);
    }
    duet_outbox_wake_waiters(outbox);
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
    outgoing->made_ms = now_ms;
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
    struct duet_send send = {
        .record = &outgoing->record, .stamp = outgoing->stamp_bytes, .token = outgoing};
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
        if (!duet_outbox_wait_room(outbox, outgoing->deadline_ms) &&
            dt_clock_ms() >= outgoing->deadline_ms)
            return dt_error_set(DT_ETIMEDOUT,
                                "no room within the deadline: %lld bytes wait for "
                                "kafka, %lld for rocketmq, %lld are allowed",
                                (long long)outbox->primary_bytes,
                                (long long)outbox->secondary_bytes,
                                (long long)outbox->memory_max);
    }
    duet_outgoing_append(&outgoing->lane->primary_first, &outgoing->lane->primary_last,
                         outgoing);
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
                duet_outbox_pump(lane);
            pthread_mutex_unlock(&outbox->lock);
            return;
        }
        late->answered = true;
        callback = late->callback;
        opaque = late->opaque;
        outbox->stats.in_doubt++;
        outbox->doubtful++;
        duet_outbox_note_in_doubt(late, DUET_KAFKA,
                                  "not answered within the send's deadline", false);
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
