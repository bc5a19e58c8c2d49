#include "verify/log_source.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

#define SAVE_RECORDS  10000
#define SAVE_MS       1000
#define BATCH_RECORDS 1000
#define READ_AHEAD    ((size_t)4 << 20)
#define LEAVE_MS      10000 /* somebody else counts a partition: look again after this */
#define RETRY_MS      5000  /* a side that could not be read is tried again */

/* ---- connections ---- */

const struct duet_plan_route *duet_log_route(const struct duet_log_count *counter,
                                             const struct duet_log_source *source)
{
    return &counter->plan->routes[source->route];
}

bool duet_log_is_written(const struct duet_log_count *counter,
                         const struct duet_log_source *source)
{
    return duet_write_has(duet_log_route(counter, source)->write, source->side);
}

/* A side that is not written any more may still hold what has not been counted. */
bool duet_log_is_counted(const struct duet_log_count *counter,
                         const struct duet_log_source *source)
{
    bool counted = duet_log_is_written(counter, source);

    for (int32_t p = 0; p < source->part_count && !counted; p++)
        counted = source->parts[p].state.position > 0;
    return counted;
}

static void complain(struct duet_log_count *counter, const struct duet_log_source *source)
{
    if (dt_log_due(&counter->complained_ms[source->side], 60000))
        dt_log_warning("counting %s %s: %s", duet_side_name(source->side),
                       duet_log_route(counter, source)->topic, dt_error_text());
}

dt_status duet_log_open_client(struct duet_log_count *counter, enum duet_side side)
{
    if (counter->client[side] != NULL)
        return DT_OK;
    return duet_side_open(counter->config, side, counter->name, &counter->client[side]);
}

static dt_status open_reader(struct duet_log_count *counter, struct duet_log_source *source)
{
    struct duet_reader_config config = {.route = duet_log_route(counter, source),
                                        .group = counter->name,
                                        .stamp_key = &counter->keys.stamp,
                                        .zone = counter->config->zone,
                                        .memory_max = READ_AHEAD};
    dt_status status = duet_log_open_client(counter, source->side);

    if (source->reader != NULL || status != DT_OK)
        return status;
    return duet_reader_new(counter->client[source->side], &config, &source->reader);
}

/* Reads on, beginning with the record counted last, which must still be there. */
static dt_status assign(struct duet_log_source *source, int32_t partition)
{
    struct duet_log_part *part = &source->parts[partition];
    int64_t position = part->state.position;
    dt_status status;

    part->verify = position > 0;
    status = duet_reader_assign(source->reader, partition,
                                part->verify ? position - 1 : position);
    part->assigned = status == DT_OK;
    return status;
}

void duet_log_close_reader(struct duet_log_source *source)
{
    duet_reader_free(source->reader);
    source->reader = NULL;
    for (int32_t p = 0; p < source->part_count; p++)
        source->parts[p].assigned = false;
}

/* ---- load and save ---- */

dt_status duet_log_load(struct duet_log_count *counter, struct duet_log_source *source,
                        int32_t partition)
{
    struct duet_log_part *part = &source->parts[partition];
    struct duet_log_state state;
    dt_status status =
        duet_store_log_load(counter->store, duet_log_route(counter, source)->topic,
                            partition, source->side, &state);

    if (status != DT_OK)
        return status;
    duet_log_state_fini(&part->state);
    part->state = state;
    part->saved = state.position;
    part->loaded = true;
    part->unsaved = 0;
    part->has_foreign = false;
    if (part->assigned) {
        duet_reader_unassign(source->reader, partition);
        part->assigned = false;
    }
    return DT_OK;
}

/* What was noted goes first: putting it twice is harmless, losing it is not. */
static dt_status save_notes(struct duet_log_count *counter)
{
    dt_status status;

    if (counter->notes.count == 0)
        return DT_OK;
    status =
        duet_store_ledger_put(counter->store, counter->notes.entries, counter->notes.count);
    if (status == DT_OK)
        duet_log_notes_fini(&counter->notes);
    return status;
}

dt_status duet_log_save(struct duet_log_count *counter, struct duet_log_source *source,
                        int32_t partition)
{
    struct duet_log_part *part = &source->parts[partition];
    dt_status status = duet_log_part_note_foreign(part, &counter->notes);

    if (status == DT_OK)
        status = save_notes(counter);
    if (status == DT_OK)
        status = duet_store_log_save(counter->store, &part->state, part->saved);
    if (status == DT_ECONFLICT) { /* somebody else counts it: theirs is as good */
        status = duet_log_load(counter, source, partition);
        part->leave_ms = dt_clock_ms() + LEAVE_MS;
        return status;
    }
    if (status == DT_OK) {
        part->saved = part->state.position;
        part->unsaved = 0;
    }
    return status;
}

dt_status duet_log_save_all(struct duet_log_count *counter)
{
    dt_status status = DT_OK;

    for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
        for (int32_t p = 0; p < counter->sources[s].part_count && status == DT_OK; p++)
            if (counter->sources[s].parts[p].unsaved > 0)
                status = duet_log_save(counter, &counter->sources[s], p);
    counter->save_ms = 0;
    return status;
}

static dt_status save_if_due(struct duet_log_count *counter, struct duet_log_source *source,
                             const struct duet_log_part *part)
{
    int64_t now_ms = dt_clock_ms();

    if (part->unsaved == 0)
        return DT_OK;
    if (counter->save_ms == 0)
        counter->save_ms = now_ms;
    if (part->unsaved >= SAVE_RECORDS)
        return duet_log_save(counter, source, part->state.partition);
    return now_ms - counter->save_ms >= SAVE_MS ? duet_log_save_all(counter) : DT_OK;
}

/* ---- reading ---- */

/* The log is not where it was: bounds from the broker decide what that means. */
static dt_status moved(struct duet_log_count *counter, struct duet_log_source *source,
                       int32_t partition, int64_t begin, int64_t end, bool replaced)
{
    struct duet_log_part *part = &source->parts[partition];
    dt_status status = DT_OK;

    if (begin < 0 || end < 0)
        status =
            duet_side_bounds(counter->client[source->side], duet_log_route(counter, source),
                             partition, DUET_LOG_BOUNDS_MS, &begin, &end);
    if (status == DT_OK)
        status = duet_log_part_moved(part, begin, end, replaced, &counter->notes);
    if (status == DT_OK)
        status = duet_log_save(counter, source, partition);
    if (status != DT_OK)
        return status;
    part->assigned = false;
    if (part->leave_ms > dt_clock_ms() && part->target < 0)
        return DT_OK; /* the save met somebody else's */
    status = duet_reader_assign(source->reader, partition, part->state.position);
    part->assigned = status == DT_OK;
    part->verify = false;
    return status;
}

static dt_status count_batch(struct duet_log_count *counter, struct duet_log_source *source,
                             const struct duet_read_batch *batch)
{
    struct duet_log_part *part = &source->parts[batch->partition];

    for (size_t i = 0; i < batch->count; i++) {
        const struct duet_read_record *record = &batch->records[i];
        bool known = true;
        dt_status status;

        if (record->position < part->state.position) {
            if (part->verify && record->position == part->state.position - 1)
                known = duet_log_part_is_known(part, record);
            part->verify = false;
            if (known)
                continue;
            return moved(counter, source, batch->partition, -1, -1, true);
        }
        part->verify = false;
        status = duet_log_part_count(part, record, &counter->notes);
        if (status != DT_OK)
            return status;
    }
    if (batch->next_position > part->state.position) {
        part->state.position = batch->next_position;
        part->unsaved++;
    }
    if (batch->end >= 0)
        part->state.end = batch->end;
    return save_if_due(counter, source, part);
}

static dt_status handle(struct duet_log_count *counter, struct duet_log_source *source,
                        const struct duet_read_batch *batch)
{
    struct duet_log_part *part;

    if (batch->event == DUET_READ_INTERRUPTED) { /* positions may have been used again */
        for (int32_t p = 0; p < source->part_count; p++)
            if (source->parts[p].assigned) {
                dt_status status = assign(source, p);

                if (status != DT_OK)
                    return status;
            }
        return DT_OK;
    }
    part = &source->parts[batch->partition];
    if (!part->assigned)
        return DT_OK;
    if (batch->event == DUET_READ_RECORDS)
        return count_batch(counter, source, batch);
    if (part->verify && batch->begin == part->state.position &&
        batch->end >= batch->begin) { /* only the record looked back at is gone */
        dt_status status =
            duet_reader_assign(source->reader, batch->partition, part->state.position);

        part->verify = false;
        part->assigned = status == DT_OK;
        return status;
    }
    return moved(counter, source, batch->partition, batch->begin, batch->end, false);
}

/* One batch of the source, if there is one. */
dt_status duet_log_poll(struct duet_log_count *counter, struct duet_log_source *source,
                        bool *any)
{
    struct duet_read_batch *batch = NULL;
    dt_status status;

    if (source->reader == NULL)
        return DT_OK;
    status = duet_reader_poll(source->reader, BATCH_RECORDS, &batch);
    if (status == DT_EUNREACH) {
        complain(counter, source);
        duet_log_close_reader(source);
        source->retry_ms = dt_clock_ms() + RETRY_MS;
        return DT_OK;
    }
    if (status != DT_OK || batch == NULL)
        return status;
    *any = true;
    status = handle(counter, source, batch);
    duet_read_batch_free(batch);
    return status;
}

/* Makes the source be read: state, reader, assignment. A broker's trouble is not an error. */
dt_status duet_log_prepare(struct duet_log_count *counter, struct duet_log_source *source)
{
    int64_t now_ms = dt_clock_ms();
    dt_status status = DT_OK;

    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++)
        if (!source->parts[p].loaded)
            status = duet_log_load(counter, source, p);
    if (status != DT_OK || !duet_log_is_counted(counter, source) ||
        source->retry_ms > now_ms)
        return status;
    status = open_reader(counter, source);
    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++) {
        struct duet_log_part *part = &source->parts[p];

        if (part->assigned || (part->leave_ms > now_ms && part->target < 0))
            continue;
        if (part->leave_ms > 0) { /* does somebody still move it on? */
            int64_t seen = part->state.position;

            part->leave_ms = 0;
            status = duet_log_load(counter, source, p);
            if (status == DT_OK && part->state.position > seen && part->target < 0) {
                part->leave_ms = now_ms + LEAVE_MS;
                continue;
            }
        }
        if (status == DT_OK)
            status = assign(source, p);
    }
    if (status == DT_EUNREACH || status == DT_ENOTFOUND || status == DT_ENOROUTE) {
        complain(counter, source);
        if (source->reader != NULL)
            duet_log_close_reader(source);
        source->retry_ms = now_ms + RETRY_MS;
        return DT_OK;
    }
    return status;
}
