/*
 * outbox_put.c - the way in: a message gets its lane, its number and stamp, and goes to the
 * primary, once there is room for it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/outbox_inside.h"
#include "model/mapping_encode.h"
#include "model/partition.h"

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

    outgoing->counted = outgoing->written;
    for (int side = 0; side < DUET_SIDES; side++)
        row->n[DUET_COUNT_ISSUED_KAFKA + side] += outgoing->written >> side & 1;
    lane->next_sequence++;
    lane->counts_dirty = true;
    duet_outbox_link_taken(outgoing);
}

/* Lock: held. Before a number can be on its way it is in the numbers file. */
static void note_number(const struct duet_lane *lane, uint64_t next)
{
    if (lane->numbers != NULL)
        duet_numbers_next(lane->numbers, next);
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

/* Lock: held. Where the message goes: as the plan says, and to the lane's primary while that is
 * not yet the plan's. */
static uint8_t sides_of(const struct duet_lane *lane)
{
    unsigned sides = 1u << lane->primary;

    for (int side = 0; side < DUET_SIDES; side++)
        if (duet_write_has(lane->box->route->write, (enum duet_side)side))
            sides |= 1u << side;
    return (uint8_t)sides;
}

/* Lock: held. Whether trouble on the message's secondary is the application's. */
static bool is_critical(const struct duet_outgoing *outgoing)
{
    enum duet_side secondary = duet_other_side(outgoing->lane->primary);

    return (outgoing->written & outgoing->lane->box->route->critical & (1u << secondary)) !=
           0;
}

/* Lock: held. Whether the message fits the bounds that its sender has to wait for. */
static bool has_room(const struct duet_outbox *outbox, const struct duet_outgoing *outgoing,
                     bool *secondary)
{
    int64_t size = (int64_t)outgoing->size;

    *secondary = false;
    if (outbox->primary_bytes + size > outbox->memory_max && outbox->primary_count > 0)
        return false;
    if (!is_critical(outgoing) || outbox->primary_count + outbox->secondary_count == 0)
        return true;
    *secondary =
        outbox->primary_bytes + outbox->secondary_bytes + size > outbox->memory_max;
    return !*secondary;
}

/* Lock: held. A live secondary that would refuse the record: the application's trouble, and sent
 * to neither side. */
static dt_status check_secondary_takes(struct duet_outgoing *outgoing)
{
    enum duet_side secondary = duet_other_side(outgoing->lane->primary);
    dt_status status;

    if (!is_critical(outgoing))
        return DT_OK;
    status = duet_outbox_check(outgoing, secondary);
    return status == DT_OK
               ? DT_OK
               : dt_error_wrap(status, "%s, where a group is live, would refuse it",
                               duet_side_name(secondary));
}

/* Lock: held. Hands it to the primary's sender, or leaves it to duet_outbox_pump_primary(). */
static dt_status send_primary(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    bool waits = lane->unsent != NULL || lane->change.holds ||
                 !duet_outbox_may_send(lane, lane->primary);
    dt_status status = DT_OK;

    if (waits || lane->box->is_intent) /* it is sent later: what can be told now is */
        status = duet_outbox_check(outgoing, lane->primary);
    if (status == DT_OK)
        status = duet_intent_put(outgoing);
    if (status != DT_OK || waits || outgoing->lsn != 0)
        return status;
    return duet_outbox_send(outgoing, lane->primary);
}

/* Lock: held; given up while waiting. On DT_OK the message is on its way. */
static dt_status put_locked(struct duet_outbox *outbox, struct duet_outgoing *outgoing,
                            int64_t event_time_ms)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_count *row;
    bool waited = false, secondary;
    dt_status status;

    for (;;) {
        if (outbox->closing)
            return dt_error_set(DT_ECLOSED, "the producer is being closed");
        outgoing->written = sides_of(lane);
        if (has_room(outbox, outgoing, &secondary)) {
            fix_id(outbox, outgoing, event_time_ms);
            status = check_secondary_takes(outgoing);
            if (status != DT_OK)
                return status;
            row =
                duet_counts_at(&lane->counts, outgoing->stamp.window, outgoing->stamp.day);
            if (row == NULL)
                return dt_error_set(DT_ENOMEM, "no memory for a counter");
            duet_outbox_link_attach(outgoing);
            note_number(lane, lane->next_sequence + 1);
            /* its outcome waits for our lock: the list below is made in time */
            status = send_primary(outgoing);
            if (status == DT_ETOOBIG && outgoing->link != NULL) { /* the next takes it */
                free(outgoing->link);
                outgoing->link = NULL;
                status = send_primary(outgoing);
            }
            if (status == DT_OK)
                break;
            note_number(lane, lane->next_sequence);
            if (status != DT_ENOMEM && status != DT_EBUSY && status != DT_ENOSPC)
                return status;
            if (status == DT_ENOSPC &&
                !waited) { /* the journal is full; somebody is live there */
                outbox->stats.waits++;
                waited = true;
            }
        } else if (secondary && !waited) {
            outbox->stats.waits++;
            waited = true;
        }
        if (!duet_outbox_wait_room(outbox, outgoing->deadline_ms) &&
            dt_clock_ms() >= outgoing->deadline_ms)
            return dt_error_set(DT_ETIMEDOUT,
                                "no room within the deadline: %lld bytes wait for %s, "
                                "%lld for %s, %lld are allowed",
                                (long long)outbox->primary_bytes,
                                duet_side_name(lane->primary),
                                (long long)outbox->secondary_bytes,
                                duet_side_name(duet_other_side(lane->primary)),
                                (long long)outbox->memory_max);
    }
    lane->is_unsorted |= outgoing->deadline_ms < lane->last_deadline_ms;
    lane->last_deadline_ms = outgoing->deadline_ms;
    duet_outgoing_append(&lane->primary_first, &lane->primary_last, outgoing);
    if (lane->unsent == NULL && (outgoing->with & (1u << lane->primary)) == 0)
        lane->unsent = outgoing;
    outbox->primary_bytes += (int64_t)outgoing->size;
    outbox->primary_count++;
    outbox->stats.produced++;
    outbox->produced_bytes += (int64_t)outgoing->size;
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
        duet_outgoing_free(outgoing);
    return status;
}
