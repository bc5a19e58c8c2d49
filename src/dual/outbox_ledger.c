#include "dual/outbox_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* Lock: held. Never loses an entry silently: without memory it goes to the log. */
void duet_outbox_ledger_push(struct duet_outbox *outbox,
                             const struct duet_ledger_entry *entry)
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

void duet_outbox_fill_entry(struct duet_ledger_entry *entry, enum duet_ledger_kind kind,
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
void duet_outbox_note(enum outbox_kind which, const struct duet_outgoing *outgoing,
                      enum duet_side side, const char *reason)
{
    static const enum duet_ledger_kind kinds[OUTBOX_KINDS] = {
        DUET_LEDGER_DROPPED, DUET_LEDGER_REFUSED, DUET_LEDGER_CANCELLED};
    struct duet_lane *lane = outgoing->lane;

    duet_outbox_give_number_up(outgoing, which == OUTBOX_CANCELLED ? DUET_LINK_VOID
                                         : side == DUET_KAFKA      ? DUET_LINK_ABSENT_KAFKA
                                                              : DUET_LINK_ABSENT_ROCKETMQ);
    if (lane->open[which].used && lane->open[which].entry.side == side &&
        lane->open[which].entry.sequence_to == outgoing->stamp.id.sequence &&
        lane->open[which].entry.id.boot == outgoing->stamp.id.boot &&
        lane->open[which].entry.id.instance == outgoing->stamp.id.instance) {
        lane->open[which].entry.sequence_to++;
        lane->open[which].dirty = true;
        return;
    }
    if (lane->open[which].used && lane->open[which].dirty)
        duet_outbox_ledger_push(lane->outbox, &lane->open[which].entry);
    duet_outbox_fill_entry(&lane->open[which].entry, kinds[which], outgoing, side, reason);
    lane->open[which].used = true;
    lane->open[which].dirty = true;
}

void duet_outbox_note_in_doubt(const struct duet_outgoing *outgoing, enum duet_side side,
                               const char *reason)
{
    struct duet_ledger_entry entry;

    outgoing->lane->outbox->doubtful_copies++;
    duet_outbox_fill_entry(&entry, DUET_LEDGER_IN_DOUBT, outgoing, side, reason);
    duet_outbox_ledger_push(outgoing->lane->outbox, &entry);
}
