/*
 * intent_ask.c - reads what a side's log holds of a lane, after a restart.
 *
 * The producer before may have been killed with a request on its way: the end is asked for twice,
 * some time apart, and the log is read to the later one.
 */
#include "base/clock.h"
#include "base/status.h"
#include "dual/intent.h"
#include "dual/wake.h"
#include "side/reader.h"

#define BOUNDS_MS  1000
#define SETTLE_MS  1000
#define SILENT_MS  2000 /* nothing came for so long: it cannot be read now */
#define POLL_MS    50
#define AT_ONCE    1000
#define MEMORY_MAX (4u << 20)

struct asking {
    struct duet_lane *lane;
    struct duet_side_client *client;
    struct duet_plan_route route; /* queues and groups borrowed */
    struct duet_wake wake;
    struct duet_reader *reader;
    struct duet_idset *found;
};

static dt_status take(struct asking *asking, const struct duet_read_batch *batch)
{
    dt_status status = DT_OK;

    for (size_t i = 0; i < batch->count && status == DT_OK; i++) {
        const struct duet_stamp *stamp = &batch->records[i].stamp;
        bool added;

        if (batch->records[i].verdict == DUET_STAMP_OK)
            status = duet_idset_add(asking->found, &stamp->id, stamp->window, &added);
    }
    return status;
}

static dt_status read_to(struct asking *asking, int64_t from, int64_t end)
{
    int64_t next = from, heard_ms = dt_clock_ms();
    dt_status status = duet_reader_assign(asking->reader, asking->lane->partition, from);

    while (status == DT_OK && next < end) {
        struct duet_read_batch *batch;

        status = duet_reader_poll(asking->reader, AT_ONCE, &batch);
        if (status != DT_OK)
            break;
        if (batch == NULL) {
            if (dt_clock_ms() - heard_ms > SILENT_MS)
                return dt_error_set(DT_EUNREACH, "its log cannot be read now");
            duet_wake_wait(&asking->wake, POLL_MS);
            continue;
        }
        heard_ms = dt_clock_ms();
        if (batch->event == DUET_READ_RECORDS) {
            status = take(asking, batch);
            next = batch->next_position;
        } else if (batch->event == DUET_READ_MOVED) { /* retention was faster */
            next = batch->begin;
            status = duet_reader_assign(asking->reader, asking->lane->partition, next);
        }
        duet_read_batch_free(batch);
    }
    return status;
}

static dt_status find_end(struct asking *asking, int64_t *begin, int64_t *end)
{
    dt_status status = duet_side_bounds(asking->client, &asking->route,
                                        asking->lane->partition, BOUNDS_MS, begin, end);

    if (status != DT_OK)
        return status;
    duet_wake_wait(&asking->wake, SETTLE_MS);
    return duet_side_bounds(asking->client, &asking->route, asking->lane->partition,
                            BOUNDS_MS, begin, end);
}

dt_status duet_intent_ask(struct duet_lane *lane, enum duet_side side, int64_t position,
                          struct duet_idset *found)
{
    struct duet_outbox *outbox = lane->outbox;
    struct asking asking = {.lane = lane, .client = outbox->client[side], .found = found};
    struct duet_reader_config config = {.route = &asking.route,
                                        .stamp_key = &outbox->keys->stamp,
                                        .zone = outbox->zone,
                                        .memory_max = MEMORY_MAX,
                                        .notify = duet_wake_notify,
                                        .context = &asking.wake};
    struct duet_plan *plan;
    int64_t begin, end;
    dt_status status;

    /* the plan may be replaced meanwhile */
    pthread_mutex_lock(&outbox->lock);
    plan = duet_plan_copy(outbox->plan);
    pthread_mutex_unlock(&outbox->lock);
    if (plan == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a plan");
    asking.route = *duet_plan_find(plan, lane->box->topic);
    status = duet_wake_init(&asking.wake);
    if (status != DT_OK) {
        duet_plan_free(plan);
        return status;
    }
    status = find_end(&asking, &begin, &end);
    if (status == DT_OK)
        status = duet_reader_new(asking.client, &config, &asking.reader);
    if (status == DT_OK) {
        if (position < begin || position > end)
            position = begin; /* not noted; or a log that lost its end */
        status = read_to(&asking, position, end);
        duet_reader_free(asking.reader);
    }
    duet_wake_fini(&asking.wake);
    duet_plan_free(plan);
    return status;
}
