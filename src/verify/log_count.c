#include "verify/log_count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"
#include "verify/log_source.h"

#define PAUSE_MS 5

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
            struct duet_log_source *source = &counter->sources[counter->source_count++];

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

void duet_log_count_free(struct duet_log_count *counter)
{
    if (counter == NULL)
        return;
    for (size_t s = 0; s < counter->source_count; s++) {
        struct duet_log_source *source = &counter->sources[s];

        if (source->reader != NULL)
            duet_log_close_reader(source);
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

/* ---- steps ---- */

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

dt_status duet_log_count_step(struct duet_log_count *counter, int64_t budget_ms)
{
    int64_t until_ms = dt_clock_ms() + budget_ms;
    bool any = true;
    dt_status status = adopt_plan(counter);

    for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
        status = duet_log_prepare(counter, &counter->sources[s]);
    while (any && status == DT_OK && dt_clock_ms() < until_ms) {
        any = false;
        for (size_t s = 0; s < counter->source_count && status == DT_OK; s++)
            status = duet_log_poll(counter, &counter->sources[s], &any);
    }
    if (status == DT_OK)
        status = duet_log_save_all(counter);
    return status;
}

/* ---- catching up ---- */

/* Takes the ends of the logs as they are now. */
static dt_status take_targets(struct duet_log_count *counter,
                              struct duet_log_source *source, bool reached[DUET_SIDES])
{
    dt_status status = duet_log_open_client(counter, source->side);

    for (int32_t p = 0; p < source->part_count && status == DT_OK; p++) {
        struct duet_log_part *part = &source->parts[p];
        int64_t begin, end;

        status = duet_log_load(counter, source, p); /* others may have counted meanwhile */
        if (status != DT_OK)
            return status;
        if (!duet_log_is_counted(counter, source))
            continue;
        status =
            duet_side_bounds(counter->client[source->side], duet_log_route(counter, source),
                             p, DUET_LOG_BOUNDS_MS, &begin, &end);
        if (status != DT_OK)
            break;
        part->target = end;
        part->leave_ms = 0;
        if (end < part->state.position) {
            status = duet_log_part_moved(part, begin, end, false, &counter->notes);
            if (status == DT_OK)
                status = duet_log_save(counter, source, p);
        }
    }
    if (status == DT_EUNREACH || status == DT_ENOROUTE || status == DT_ENOTFOUND ||
        status == DT_ETIMEDOUT) {
        for (int32_t p = 0; p < source->part_count; p++)
            source->parts[p].target = -1;
        if (duet_log_is_written(counter, source))
            reached[source->side] = false;
        return DT_OK; /* the other side is still to be counted */
    }
    source->retry_ms = 0;
    return status;
}

static bool is_behind(const struct duet_log_source *source)
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
            struct duet_log_source *source = &counter->sources[s];

            if (!is_behind(source))
                continue;
            behind = true;
            status = duet_log_prepare(counter, source);
            if (status == DT_OK)
                status = duet_log_poll(counter, source, &any);
        }
        if (!behind || dt_clock_ms() >= until_ms)
            break;
        if (!any && status == DT_OK)
            pause_ms(PAUSE_MS);
    }
    if (status == DT_OK)
        status = duet_log_save_all(counter);
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
        struct duet_log_source *source = &counter->sources[s];
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
        struct duet_log_source *source = &counter->sources[s];

        if (is_behind(source))
            reached[source->side] = false;
        for (int32_t p = 0; p < source->part_count; p++)
            source->parts[p].target = -1;
    }
    if (status == DT_OK && why[0] != '\0')
        return dt_error_set(DT_EUNREACH, "%s", why);
    return status;
}
