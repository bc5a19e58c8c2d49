#include "verify/log_count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "verify/log_part.h"

#define SAVE_RECORDS  10000
#define SAVE_MS       1000
#define BATCH_RECORDS 1000
#define READ_AHEAD    ((size_t)4 << 20)
#define LEAVE_MS      10000 /* somebody else counts a partition: look again after this */
#define RETRY_MS      5000  /* a side that could not be read is tried again */
#define BOUNDS_MS     5000
#define PAUSE_MS      5

struct source { /* one topic of one side */
    enum duet_side side;
    size_t route; /* in the plan */
    struct duet_reader *reader;
    struct duet_log_part *parts;
    int32_t part_count;
    int64_t retry_ms; /* no reader before this moment */
};

struct duet_log_count {
    const struct duet_config *config;
    struct duet_keys keys;
    char name[2 * DUET_NAME_SIZE];
    struct duet_store *store;
    struct duet_plan *plan;
    struct duet_side_client *client[DUET_SIDES];
    struct source *sources;
    size_t source_count;
    struct duet_log_notes notes;
    int64_t save_ms; /* monotonic: when something unsaved was first counted */
    int64_t complained_ms[DUET_SIDES];
};

/* ---- start and end ---- */

static dt_status make_sources(struct duet_log_count *counter, const char *topic)
{
    counter->sources =
        calloc(counter->plan->route_count * DUET_SIDES + 1, sizeof(*counter->sources));
    if (counter->sources == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a log counter");
    for (size_t r = 0; r < counter->plan->route_count; r++) {
        const struct duet_plan_route *route = &counter->plan->routes[r];

        if (topic != NULL && strcmp(topic, route->topic) != 0)
            continue;
        for (int side = 0; side < DUET_SIDES; side++) {
            struct source *source = &counter->sources[counter->source_count++];

            source->side = (enum duet_side)side;
            source->route = r;
            source->parts = calloc((size_t)route->partitions, sizeof(*source->parts));
            if (source->parts == NULL)
                return dt_error_set(DT_ENOMEM, "no memory for a log counter");
            source->part_count = route->partitions;
            for (int32_t p = 0; p < route->partitions; p++) {
                source->parts[p].target = -1;
                source->parts[p].kind_number = route->topic_number;
            }
        }
    }
    return DT_OK;
}

dt_status duet_log_count_new(const struct duet_config *config, const struct duet_keys *keys,
                             const char *name, const char *topic,
                             struct duet_log_count **out)
{
    struct duet_log_count *counter = calloc(1, sizeof(*counter));
    dt_status status;

    *out = NULL;
    if (counter == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a log counter");
    counter->config = config;
    counter->keys = *keys;
    snprintf(counter->name, sizeof(counter->name), "%s-count", name);
    status = duet_store_open(config->store, false, &counter->store);
    if (status == DT_OK)
        status = duet_store_plan_load(counter->store, &counter->plan);
    if (status == DT_OK)
        status = make_sources(counter, topic);
    if (status != DT_OK) {
        duet_log_count_free(counter);
        return status;
    }
    *out = counter;
    return DT_OK;
}

static void close_reader(struct source *source)
{
    duet_reader_free(source->reader);
    source->reader = NULL;
    for (int32_t p = 0; p < source->part_count; p++)
        source->parts[p].assigned = false;
}

void duet_log_count_free(struct duet_log_count *counter)
{
    if (counter == NULL)
        return;
    for (size_t s = 0; s < counter->source_count; s++) {
        struct source *source = &counter->sources[s];

        if (source->reader != NULL)
            close_reader(source);
        for (int32_t p = 0; p < source->part_count; p++)
            duet_log_state_fini(&source->parts[p].state);
        free(source->parts);
    }
    free(counter->sources);
    for (int side = 0; side < DUET_SIDES; side++)
        if (counter->client[side] != NULL)
            duet_side_close(counter->client[side]);
    duet_log_notes_fini(&counter->notes);
    duet_plan_free(counter->plan);
    if (counter->store != NULL)
        duet_store_close(counter->store);
    free(counter);
}

/* ---- plan and connections ---- */

static const struct duet_plan_route *route_of(const struct duet_log_count *counter,
                                              const struct source *source)
{
    return &counter->plan->routes[source->route];
}

/* A plan's routes and partitions never change: only what is written does. */
static dt_status adopt_plan(struct duet_log_count *counter)
{
    struct duet_plan *plan;
    int64_t version;
    dt_status status = duet_store_plan_version(counter->store, &version);

    if (status != DT_OK || version == counter->plan->version)
        return status;
    status = duet_store_plan_load(counter->store, &plan);
    if (status != DT_OK)
        return status;
    if (plan->route_count != counter->plan->route_count) {
        duet_plan_free(plan);
        return dt_error_set(DT_ESTATE, "the plan has other routes than before");
    }
    duet_plan_free(counter->plan);
    counter->plan = plan;
    return DT_OK;
}

static bool is_written(const struct duet_log_count *counter, const struct source *source)
{
    return duet_write_has(route_of(counter, source)->write, source->side);
}

/* A side that is not written any more may still hold what has not been counted. */
static bool is_counted(const struct duet_log_count *counter, const struct source *source)
{
    bool counted = is_written(counter, source);

    for (int32_t p = 0; p < source->part_count && !counted; p++)
        counted = source->parts[p].state.position > 0;
    return counted;
}

static void complain(struct duet_log_count *counter, const struct source *source)
{
    if (dt_log_due(&counter->complained_ms[source->side], 60000))
        dt_log_warning("counting %s %s: %s", duet_side_name(source->side),
                       route_of(counter, source)->topic, dt_error_text());
}

static dt_status open_client(struct duet_log_count *counter, enum duet_side side)
{
    if (counter->client[side] != NULL)
        return DT_OK;
    return duet_side_open(counter->config, side, counter->name, &counter->client[side]);
}

static dt_status open_reader(struct duet_log_count *counter, struct source *source)
{
    struct duet_reader_config config = {.route = route_of(counter, source),
                                        .group = counter->name,
                                        .stamp_key = &counter->keys.stamp,
                                        .zone = counter->config->zone,
                                        .memory_max = READ_AHEAD};
    dt_status status = open_client(counter, source->side);

    if (source->reader != NULL || status != DT_OK)
        return status;
    return duet_reader_new(counter->client[source->side], &config, &source->reader);
}

/* Reads on, beginning with the record counted last, which must still be there. */
static dt_status assign(struct source *source, int32_t partition)
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

/* ---- load and save ---- */

static dt_status load_part(struct duet_log_count *counter, struct source *source,
                           int32_t partition)
{
    struct duet_log_part *part = &source->parts[partition];
    struct duet_log_state state;
    dt_status status = duet_store_log_load(counter->store, route_of(counter, source)->topic,
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

static dt_status save_part(struct duet_log_count *counter, struct source *source,
                           int32_t partition)
{
    struct duet_log_part *part = &source->parts[partition];
    dt_status status = duet_log_part_note_foreign(part, &counter->notes);

    if (status == DT_OK)
        status = save_notes(counter);
    if (status == DT_OK)
        status = duet_store_log_save(counter->store, &part->state, part->saved);
    if (status == DT_ECONFLICT) { /* somebody else counts it: theirs is as good */
        status = load_part(counter, source, partition);
        part->leave_ms = dt_clock_ms() + LEAVE_MS;
        return status;
    }
    if (status == DT_OK) {
        part->saved = part->state.position;
        part->unsaved = 0;
    }
    return status;
}

static dt_status save_all(struct duet_log_count *counter)
{
    dt_status status = DT_OK;

    for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
        for (int32_t p = 0; p < counter->sources[s].part_count && status == DT_OK; p++)
            if (counter->sources[s].parts[p].unsaved > 0)
                status = save_part(counter, &counter->sources[s], p);
    counter->save_ms = 0;
    return status;
}

static dt_status save_if_due(struct duet_log_count *counter, struct source *source,
                             const struct duet_log_part *part)
{
    int64_t now_ms = dt_clock_ms();

    if (part->unsaved == 0)
        return DT_OK;
    if (counter->save_ms == 0)
        counter->save_ms = now_ms;
    if (part->unsaved >= SAVE_RECORDS)
        return save_part(counter, source, part->state.partition);
    return now_ms - counter->save_ms >= SAVE_MS ? save_all(counter) : DT_OK;
}

/* ---- reading ---- */

/* The log is not where it was: bounds from the broker decide what that means. */
static dt_status moved(struct duet_log_count *counter, struct source *source,
                       int32_t partition, int64_t begin, int64_t end, bool replaced)
{
    struct duet_log_part *part = &source->parts[partition];
    dt_status status = DT_OK;

    if (begin < 0 || end < 0)
        status = duet_side_bounds(counter->client[source->side], route_of(counter, source),
                                  partition, BOUNDS_MS, &begin, &end);
    if (status == DT_OK)
        status = duet_log_part_moved(part, begin, end, replaced, &counter->notes);
    if (status == DT_OK)
        status = save_part(counter, source, partition);
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

static dt_status count_batch(struct duet_log_count *counter, struct source *source,
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

static dt_status handle(struct duet_log_count *counter, struct source *source,
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
static dt_status poll_source(struct duet_log_count *counter, struct source *source,
                             bool *any)
{
    struct duet_read_batch *batch = NULL;
    dt_status status;

    if (source->reader == NULL)
        return DT_OK;
    status = duet_reader_poll(source->reader, BATCH_RECORDS, &batch);
    if (status == DT_EUNREACH) {
        complain(counter, source);
        close_reader(source);
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
static dt_status prepare(struct duet_log_count *counter, struct source *source)
{
    int64_t now_ms = dt_clock_ms();
    dt_status status = DT_OK;

    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++)
        if (!source->parts[p].loaded)
            status = load_part(counter, source, p);
    if (status != DT_OK || !is_counted(counter, source) || source->retry_ms > now_ms)
        return status;
    status = open_reader(counter, source);
    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++) {
        struct duet_log_part *part = &source->parts[p];

        if (part->assigned || (part->leave_ms > now_ms && part->target < 0))
            continue;
        if (part->leave_ms > 0) { /* does somebody still move it on? */
            int64_t seen = part->state.position;

            part->leave_ms = 0;
            status = load_part(counter, source, p);
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
            close_reader(source);
        source->retry_ms = now_ms + RETRY_MS;
        return DT_OK;
    }
    return status;
}

dt_status duet_log_count_step(struct duet_log_count *counter, int64_t budget_ms)
{
    int64_t until_ms = dt_clock_ms() + budget_ms;
    bool any = true;
    dt_status status = adopt_plan(counter);

    for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
        status = prepare(counter, &counter->sources[s]);
    while (any && status == DT_OK && dt_clock_ms() < until_ms) {
        any = false;
        for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
            status = poll_source(counter, &counter->sources[s], &any);
    }
    if (status == DT_OK)
        status = save_all(counter);
    return status;
}

/* ---- catching up ---- */

/* Takes the ends of the logs as they are now. */
static dt_status take_targets(struct duet_log_count *counter, struct source *source,
                              bool reached[DUET_SIDES])
{
    dt_status status = open_client(counter, source->side);

    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++) {
        struct duet_log_part *part = &source->parts[p];
        int64_t begin, end;

        status = load_part(counter, source, p); /* others may have counted meanwhile */
        if (status != DT_OK)
            return status;
        if (!is_counted(counter, source))
            continue;
        status = duet_side_bounds(counter->client[source->side], route_of(counter, source),
                                  p, BOUNDS_MS, &begin, &end);
        if (status != DT_OK)
            break;
        part->target = end;
        part->leave_ms = 0;
        if (end < part->state.position) {
            status = duet_log_part_moved(part, begin, end, false, &counter->notes);
            if (status == DT_OK)
                status = save_part(counter, source, p);
        }
    }
    if (status == DT_EUNREACH || status == DT_ENOROUTE || status == DT_ENOTFOUND ||
        status == DT_ETIMEDOUT) {
        for (int32_t p = 0; p < source->part_count; p++)
            source->parts[p].target = -1;
        if (is_written(counter, source))
            reached[source->side] = false;
        return DT_OK; /* the other side is still to be counted */
    }
    source->retry_ms = 0;
    return status;
}

static bool is_behind(const struct source *source)
{
    for (int32_t p = 0; p < source->part_count; p++)
        if (source->parts[p].target > source->parts[p].state.position)
            return true;
    return false;
}

static void pause_ms(int64_t milliseconds)
{
    struct timespec pause = {0, (long)milliseconds * 1000000};

    nanosleep(&pause, NULL);
}

static dt_status read_to_targets(struct duet_log_count *counter, int64_t until_ms)
{
    dt_status status = DT_OK;
    bool behind = true, any;

    while (status == DT_OK) {
        behind = any = false;
        for (size_t s = 0; s < counter->source_count && status == DT_OK; s++) {
            struct source *source = &counter->sources[s];

            if (!is_behind(source))
                continue;
            behind = true;
            status = prepare(counter, source);
            if (status == DT_OK)
                status = poll_source(counter, source, &any);
        }
        if (!behind || dt_clock_ms() >= until_ms)
            break;
        if (!any && status == DT_OK)
            pause_ms(PAUSE_MS);
    }
    if (status == DT_OK)
        status = save_all(counter);
    if (status == DT_OK && behind)
        status = dt_error_set(DT_ETIMEDOUT,
                              "the logs could not be counted to their ends in time");
    return status;
}

dt_status duet_log_count_catch_up(struct duet_log_count *counter, int64_t timeout_ms,
                                  bool reached[DUET_SIDES])
{
    int64_t until_ms = dt_clock_ms() + timeout_ms;
    char why[DT_ERROR_MAX] = "";
    dt_status status = adopt_plan(counter);

    reached[DUET_KAFKA] = reached[DUET_ROCKETMQ] = true;
    for (size_t s = 0; s < counter->source_count && status == DT_OK; s++) {
        struct source *source = &counter->sources[s];
        bool before = reached[source->side];

        if (!before) /* it did not answer for another topic */
            continue;
        status = take_targets(counter, source, reached);
        if (status == DT_OK && !reached[source->side])
            snprintf(why, sizeof(why), "%s", dt_error_text());
    }
    if (status == DT_OK)
        status = read_to_targets(counter, until_ms);
    for (size_t s = 0; s < counter->source_count; s++) {
        struct source *source = &counter->sources[s];

        if (is_behind(source))
            reached[source->side] = false;
        for (int32_t p = 0; p < source->part_count; p++)
            source->parts[p].target = -1;
    }
    if (status == DT_OK && why[0] != '\0')
        return dt_error_set(DT_EUNREACH, "%s", why);
    return status;
}
