#include "dual/producer_statistics.h"

#include "base/clock.h"
#include "dual/outgoing.h"
#include "dual/spill.h"

enum { TEXT_SIZE_MAX = 64 << 20 }; /* a partition takes some 200 bytes */

void duet_outbox_statistics(struct duet_outbox *outbox, duet_producer_stats *out)
{
    pthread_mutex_lock(&outbox->lock);
    *out = outbox->stats;
    out->pending = outbox->primary_count + outbox->secondary_count + outbox->spilled_count;
    out->pending_bytes =
        outbox->primary_bytes + outbox->secondary_bytes + outbox->spilled_bytes;
    out->journal = outbox->spilled_count;
    out->journal_bytes = outbox->spilled_bytes;
    out->moving = 0;
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++)
            out->moving += outbox->boxes[b].lanes[p].change.is_due;
    pthread_mutex_unlock(&outbox->lock);
}

static int64_t older(const struct duet_outgoing *first, int64_t oldest_ms)
{
    return first != NULL && first->made_ms < oldest_ms ? first->made_ms : oldest_ms;
}

int64_t duet_outbox_oldest_s(const struct duet_outbox *outbox, int64_t now_ms)
{
    int64_t oldest_ms = INT64_MAX;

    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            const struct duet_lane *lane = &outbox->boxes[b].lanes[p];

            oldest_ms = older(lane->primary_first, oldest_ms);
            oldest_ms = older(lane->secondary_first, oldest_ms);
            oldest_ms = older(lane->spill.behind_first, oldest_ms);
            for (int side = 0; side < DUET_SIDES; side++)
                if (duet_spill_owes(lane, (enum duet_side)side) &&
                    lane->spill.oldest_ms < oldest_ms)
                    oldest_ms = lane->spill.oldest_ms;
        }
    if (oldest_ms >= now_ms)
        return oldest_ms == INT64_MAX ? 0 : 1;
    return (now_ms - oldest_ms + 999) / 1000;
}

/* ---- the document ---- */

/* Lock: held. */
static void put_counters(struct dt_json *json, const struct duet_outbox *outbox)
{
    const duet_producer_stats *stats = &outbox->stats;

    dt_json_kv_int(json, "plan", stats->plan_version);
    dt_json_kv_int(json, "instance", outbox->instance);
    dt_json_kv_int(json, "boot", outbox->boot);
    dt_json_kv_int(json, "produced", stats->produced);
    dt_json_kv_int(json, "produced_bytes", outbox->produced_bytes);
    dt_json_kv_int(json, "done", stats->done);
    dt_json_kv_int(json, "not_done", stats->not_done);
    dt_json_kv_int(json, "in_doubt", stats->in_doubt);
    dt_json_kv_int(json, "unresolved", outbox->doubtful);
    dt_json_kv_int(json, "secondary_done", stats->secondary_done);
    dt_json_kv_int(json, "dropped", stats->dropped);
    dt_json_kv_int(json, "refused", stats->refused);
    dt_json_kv_int(json, "waits", stats->waits);
    dt_json_kv_int(json, "waiting", outbox->waiters);
}

/* Lock: held. */
static void put_memory(struct dt_json *json, const struct duet_outbox *outbox)
{
    dt_json_key(json, "memory");
    dt_json_object(json);
    dt_json_kv_int(json, "max", outbox->memory_max);
    dt_json_kv_int(json, "primary_messages", outbox->primary_count);
    dt_json_kv_int(json, "primary_bytes", outbox->primary_bytes);
    dt_json_kv_int(json, "secondary_messages", outbox->secondary_count);
    dt_json_kv_int(json, "secondary_bytes", outbox->secondary_bytes);
    dt_json_kv_int(json, "callback_bytes", outbox->stub_bytes);
    dt_json_object_end(json);
}

/* Lock: held. */
static void put_journal(struct dt_json *json, const struct duet_outbox *outbox,
                        int64_t disk_bytes)
{
    dt_json_key(json, "journal");
    dt_json_object(json);
    dt_json_kv_int(json, "messages", outbox->spilled_count);
    dt_json_kv_int(json, "bytes", outbox->spilled_bytes);
    dt_json_kv_int(json, "disk_bytes", disk_bytes);
    dt_json_kv_int(json, "oldest_s", duet_outbox_oldest_s(outbox, dt_clock_wall_ms()));
    dt_json_kv_int(json, "spilled", outbox->stats.spilled);
    dt_json_kv_int(json, "replayed", outbox->stats.replayed);
    dt_json_kv_int(json, "replay_rate",
                   outbox->replay_pace.percent == 0 ? 0
                                                    : outbox->replay_pace.messages.rate);
    dt_json_kv_bool(json, "broken", outbox->journal_broken);
    dt_json_object_end(json);
}

/* Lock: held. */
static void put_side(struct dt_json *json, const struct duet_outbox *outbox,
                     enum duet_side side, int64_t now_ms)
{
    const struct duet_breaker *breaker = &outbox->breaker[side];
    int64_t silent_ms = breaker->owed > 0 ? now_ms - breaker->heard_ms : 0;

    dt_json_key(json, duet_side_name(side));
    dt_json_object(json);
    dt_json_kv_string(json, "breaker", duet_breaker_state_name(breaker->state));
    dt_json_kv_int(json, "breaker_ms", now_ms - breaker->changed_ms);
    dt_json_kv_int(json, "opened", (int64_t)breaker->opened);
    dt_json_kv_int(json, "handed", (int64_t)breaker->owed);
    dt_json_kv_int(json, "silent_ms", silent_ms > 0 ? silent_ms : 0);
    dt_json_object_end(json);
}

static int64_t journal_of(const struct duet_lane *lane)
{
    uint64_t count = 0;

    for (int side = 0; side < DUET_SIDES; side++)
        for (int which = 0; which < SPILL_LANES; which++)
            count += lane->spill.side[side].unread[which];
    return (int64_t)count;
}

/* Lock: held. */
static void put_lane(struct dt_json *json, const struct duet_lane *lane)
{
    dt_json_object(json);
    dt_json_kv_int(json, "partition", lane->partition);
    dt_json_kv_string(json, "primary", duet_side_name(lane->primary));
    dt_json_kv_bool(json, "moving", lane->change.is_due);
    dt_json_kv_int(json, "issued", (int64_t)lane->next_sequence);
    for (int side = 0; side < DUET_SIDES; side++)
        dt_json_kv_int(json, side == DUET_KAFKA ? "handed_kafka" : "handed_rocketmq",
                       (int64_t)lane->with[side]);
    dt_json_kv_int(json, "owed", (int64_t)lane->secondary_count);
    dt_json_kv_int(json, "journal", journal_of(lane));
    dt_json_object_end(json);
}

/* Lock: held. */
static void put_routes(struct dt_json *json, const struct duet_outbox *outbox)
{
    dt_json_key(json, "routes");
    dt_json_array(json);
    for (size_t b = 0; b < outbox->box_count; b++) {
        const struct duet_box *box = &outbox->boxes[b];

        dt_json_object(json);
        dt_json_kv_string(json, "topic", box->topic);
        dt_json_kv_string(json, "write", duet_write_name(box->route->write));
        dt_json_key(json, "partitions");
        dt_json_array(json);
        for (size_t p = 0; p < box->lane_count; p++)
            put_lane(json, &box->lanes[p]);
        dt_json_array_end(json);
        dt_json_object_end(json);
    }
    dt_json_array_end(json);
}

void duet_producer_give_statistics(struct duet_statistics *statistics,
                                   const struct duet_session *session,
                                   struct duet_outbox *outbox)
{
    struct duet_journal_stats journal = {0};
    int64_t now_ms = dt_clock_ms();
    struct dt_json json;
    struct dt_buf text;

    if (!duet_statistics_are_due(statistics, now_ms))
        return;
    if (outbox->journal != NULL)
        duet_journal_stats(outbox->journal, &journal);
    dt_buf_init(&text, TEXT_SIZE_MAX);
    dt_json_start(&json, &text);
    duet_statistics_begin(&json, statistics, session, "producer", now_ms);
    pthread_mutex_lock(&outbox->lock);
    put_counters(&json, outbox);
    put_memory(&json, outbox);
    put_journal(&json, outbox, journal.disk_bytes);
    dt_json_key(&json, "sides");
    dt_json_object(&json);
    for (int side = 0; side < DUET_SIDES; side++)
        put_side(&json, outbox, (enum duet_side)side, now_ms);
    dt_json_object_end(&json);
    put_routes(&json, outbox);
    pthread_mutex_unlock(&outbox->lock);
    dt_json_object_end(&json);
    duet_statistics_give(statistics, &text, now_ms);
}
