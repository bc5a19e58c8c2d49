#include "dual/producer_report.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dual/outgoing.h"
#include "dual/producer_statistics.h"

/* Copies one lane's counters; true if there was something new. */
static bool copy_lane(struct duet_lane *lane, bool all, struct duet_issue_report *report,
                      struct duet_counts *counts)
{
    struct duet_outbox *outbox = lane->outbox;
    bool wanted;

    pthread_mutex_lock(&outbox->lock);
    wanted = lane->counts_dirty || (all && lane->next_sequence > 0);
    if (wanted) {
        memset(report, 0, sizeof(*report));
        snprintf(report->topic, sizeof(report->topic), "%s", lane->box->route->topic);
        report->partition = lane->partition;
        report->instance = outbox->instance;
        report->boot = outbox->boot;
        report->issued_to = lane->next_sequence;
        for (size_t i = 0; i < lane->counts.count && wanted; i++) {
            const struct duet_count *from = &lane->counts.rows[i];
            struct duet_count *to;

            if (!from->dirty)
                continue;
            to = duet_counts_at(counts, from->window, from->day);
            if (to == NULL)
                wanted = false; /* the next report tries again: nothing was cleaned yet */
            else
                memcpy(to->n, from->n, sizeof(to->n));
        }
        if (wanted) {
            duet_counts_clean(&lane->counts);
            lane->counts_dirty = false;
        }
    }
    pthread_mutex_unlock(&outbox->lock);
    return wanted;
}

/* What was copied did not arrive: it is new again. */
static void mark_lane(struct duet_lane *lane, const struct duet_counts *counts)
{
    pthread_mutex_lock(&lane->outbox->lock);
    for (size_t i = 0; i < counts->count;
         i++) /* the rows exist: this makes them dirty only */
        (void)duet_counts_at(&lane->counts, counts->rows[i].window, counts->rows[i].day);
    lane->counts_dirty = true;
    pthread_mutex_unlock(&lane->outbox->lock);
}

static dt_status report_lane(struct duet_session *session, struct duet_lane *lane,
                             bool closed)
{
    struct duet_issue_report report;
    struct duet_counts counts;
    dt_status status = DT_OK;

    duet_counts_init(&counts);
    if (copy_lane(lane, closed, &report, &counts)) {
        report.closed = closed;
        status = duet_store_issue_report(session->store, &report, &counts);
        if (status != DT_OK)
            mark_lane(lane, &counts);
    }
    duet_counts_fini(&counts);
    return status;
}

/* Lock: held. Copies those that changed behind the first `count`. */
static size_t take_open(struct duet_lane *lane, struct duet_ledger_entry *to, size_t count)
{
    for (int k = 0; k < OUTBOX_KINDS; k++) {
        if (lane->open[k].dirty)
            to[count++] = lane->open[k].entry;
        lane->open[k].dirty = false;
    }
    for (size_t i = 0; i < lane->doubt_count; i++) {
        if (lane->doubts[i].dirty)
            to[count++] = lane->doubts[i].entry;
        lane->doubts[i].dirty = false;
    }
    return count;
}

/* Takes finished entries and copies of open ones that grew. *taken is the caller's. */
static size_t take_ledger(struct duet_outbox *outbox, struct duet_ledger_entry **taken)
{
    size_t count, open = 0;

    pthread_mutex_lock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            open += OUTBOX_KINDS + outbox->boxes[b].lanes[p].doubt_count;
    /* an upper bound of them */
    count = outbox->ledger_count;
    *taken = count + open == 0 ? NULL : malloc((count + open) * sizeof(**taken));
    if (*taken == NULL) {
        pthread_mutex_unlock(&outbox->lock);
        return 0;
    }
    if (count > 0)
        memcpy(*taken, outbox->ledger, count * sizeof(**taken));
    outbox->ledger_count = 0;
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            count = take_open(&outbox->boxes[b].lanes[p], *taken, count);
    pthread_mutex_unlock(&outbox->lock);
    return count;
}

/* Entries that did not arrive go back; putting one twice is harmless. */
static void give_back(struct duet_outbox *outbox, const struct duet_ledger_entry *entries,
                      size_t count)
{
    void *grown;

    pthread_mutex_lock(&outbox->lock);
    grown = realloc(outbox->ledger, (outbox->ledger_count + count) * sizeof(*entries));
    if (grown != NULL) {
        outbox->ledger = grown;
        outbox->ledger_capacity = outbox->ledger_count + count;
        memcpy(outbox->ledger + outbox->ledger_count, entries, count * sizeof(*entries));
        outbox->ledger_count += count;
    }
    pthread_mutex_unlock(&outbox->lock);
}

dt_status duet_producer_report_ledger(struct duet_session *session,
                                      struct duet_outbox *outbox)
{
    struct duet_ledger_entry *entries;
    size_t count = take_ledger(outbox, &entries);
    dt_status status = DT_OK;

    if (count > 0) {
        status = duet_store_ledger_put(session->store, entries, count);
        if (status != DT_OK)
            give_back(outbox, entries, count);
    }
    free(entries);
    return status;
}

dt_status duet_producer_report(struct duet_session *session, struct duet_outbox *outbox,
                               bool closed)
{
    struct duet_instance instance;
    dt_status status = DT_OK;
    bool settled;

    duet_session_instance(session, &instance);
    instance.role = DUET_PRODUCER;
    instance.number = outbox->instance;
    instance.boot = outbox->boot;
    instance.closed = closed;
    pthread_mutex_lock(&outbox->lock);
    /* From now on no id of an earlier window is made. The counts below are copied later, so
     * they hold all ids of earlier windows when the heartbeat with this window arrives. */
    if (duet_window_of(instance.heartbeat_ms) > outbox->window)
        outbox->window = duet_window_of(instance.heartbeat_ms);
    instance.window = outbox->window;
    instance.plan = outbox->plan->version;
    instance.in_doubt = outbox->doubtful;
    instance.dropped = outbox->stats.dropped;
    instance.pending_messages =
        outbox->primary_count + outbox->secondary_count + outbox->spilled_count;
    instance.pending_bytes =
        outbox->primary_bytes + outbox->secondary_bytes + outbox->spilled_bytes;
    instance.oldest_s = duet_outbox_oldest_s(outbox, instance.heartbeat_ms);
    for (int side = 0; side < DUET_SIDES; side++)
        snprintf(instance.breaker[side], sizeof(instance.breaker[side]), "%s",
                 duet_breaker_state_name(outbox->breaker[side].state));
    settled = outbox->doubtful == 0 && instance.pending_messages == 0;
    pthread_mutex_unlock(&outbox->lock);
    for (size_t b = 0; b < outbox->box_count && status == DT_OK; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count && status == DT_OK; p++)
            status = report_lane(session, &outbox->boxes[b].lanes[p], closed && settled);
    if (status == DT_OK)
        status = duet_producer_report_ledger(session, outbox);
    if (status == DT_OK)
        status = duet_store_heartbeat(session->store, &instance);
    return status;
}
