/*
 * outbox_link.c - what records tell of numbers that were given up, and of boots that ended.
 *
 * A lane's `untold` waits for its next message, which takes it along on both copies. Once the
 * primary has that message it counts as told, and leaves the numbers file, too; whoever reads the
 * other side reads the primary's as well. If a copy of the message is given up after all, what it
 * carried is untold again.
 */
#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/status.h"
#include "dual/outbox_inside.h"
#include "model/mapping.h"
#include "model/mapping_encode.h"

/* A link goes with a message that is small against every limit of a broker; only where such do
 * not come, with any. */
#define SMALL_SIZE (64u << 10)
#define PATIENCE   16

void duet_outbox_link_add(struct duet_lane *lane, const struct duet_link_entry *entry)
{
    if (lane->numbers != NULL)
        duet_numbers_keep(lane->numbers, entry);
    if (!duet_link_list_add(&lane->untold, entry))
        dt_log_error("no memory to tell of numbers %llu to %llu of %s/%d: they may show as "
                     "gaps, beside what the ledger lists",
                     (unsigned long long)entry->from, (unsigned long long)entry->to - 1,
                     lane->box->topic, (int)lane->partition);
}

void duet_outbox_give_number_up(const struct duet_outgoing *outgoing,
                                enum duet_link_kind kind)
{
    const struct duet_id *id = &outgoing->stamp.id;
    struct duet_link_entry entry = {(uint8_t)kind, id->instance, id->boot, id->sequence,
                                    id->sequence + 1};

    duet_outbox_link_add(outgoing->lane, &entry);
    duet_outbox_link_untold(outgoing);
}

void duet_outbox_link_untold(const struct duet_outgoing *outgoing)
{
    const struct duet_outgoing_link *link = outgoing->link;

    for (size_t i = 0; link != NULL && i < link->told.count; i++)
        duet_outbox_link_add(outgoing->lane, &link->told.entries[i]);
}

void duet_outbox_link_told(const struct duet_outgoing *outgoing)
{
    const struct duet_outgoing_link *link = outgoing->link;

    for (size_t i = 0;
         link != NULL && outgoing->lane->numbers != NULL && i < link->told.count; i++)
        duet_numbers_forget(outgoing->lane->numbers, &link->told.entries[i]);
}

static bool fits(struct duet_lane *lane, const struct duet_outgoing *outgoing)
{
    size_t properties = duet_outgoing_properties_bound(outgoing) +
                        sizeof(DUET_PROPERTY_LINK) + DT_BASE64_SIZE(DUET_LINK_SIZE_MAX) + 2;

    if (properties > DUET_PROPERTIES_MAX)
        return false;
    return outgoing->size <= SMALL_SIZE || lane->link_passed >= PATIENCE;
}

void duet_outbox_link_attach(struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;
    struct duet_outgoing_link *link;

    free(outgoing->link);
    outgoing->link = NULL;
    if (lane->untold.count == 0 || !fits(lane, outgoing))
        return;
    link = malloc(sizeof(*link));
    if (link == NULL)
        return; /* the next one takes it */
    link->told.count = lane->untold.count < DUET_LINK_ENTRIES_MAX ? lane->untold.count
                                                                  : DUET_LINK_ENTRIES_MAX;
    memcpy(link->told.entries, lane->untold.entries,
           link->told.count * sizeof(link->told.entries[0]));
    link->size =
        duet_link_encode(link->bytes, link->told.entries, link->told.count,
                         &lane->outbox->keys->stamp, lane->box->topic, &outgoing->stamp.id);
    outgoing->link = link;
}

void duet_outbox_link_taken(const struct duet_outgoing *outgoing)
{
    struct duet_lane *lane = outgoing->lane;

    if (outgoing->link != NULL) {
        duet_link_list_take(&lane->untold, outgoing->link->told.count);
        lane->link_passed = 0;
    } else if (lane->untold.count > 0) {
        lane->link_passed++;
    }
}

/* ---- the numbers file ---- */

static size_t lane_count(const struct duet_outbox *outbox)
{
    size_t count = 0;

    for (size_t b = 0; b < outbox->box_count; b++)
        count += outbox->boxes[b].lane_count;
    return count;
}

dt_status duet_outbox_open_numbers(struct duet_outbox *outbox, const char *folder)
{
    size_t count = lane_count(outbox), i = 0;
    struct duet_numbers_name *names = calloc(count + 1, sizeof(*names));
    struct duet_numbers_lane **lanes = calloc(count + 1, sizeof(*lanes));
    dt_status status;

    for (size_t b = 0; names != NULL && b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            names[i++] = (struct duet_numbers_name){lane->box->topic, lane->partition,
                                                    &lane->untold};
        }
    if (names == NULL || lanes == NULL)
        status = dt_error_set(DT_ENOMEM, "no memory for the numbers file");
    else
        status = duet_numbers_open(folder, outbox->instance, outbox->boot, names, count,
                                   lanes, &outbox->numbers);
    i = 0;
    for (size_t b = 0; status == DT_OK && b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            outbox->boxes[b].lanes[p].numbers = lanes[i++];
    free(names);
    free(lanes);
    return status;
}
