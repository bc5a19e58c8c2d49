/*
 * producer_send.c - the functions that hand messages over.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/choose.h"
#include "rmq/producer_inside.h"

enum {
    ID_SIZE = 32, /* of a UNIQ_KEY with an IPv4 address */
};

static const rmq_target by_turns; /* nothing chosen */

/* ---------------------------------------------------------------- handing over */

static dt_status check(rmq_producer *producer, const rmq_message *message,
                       int64_t timeout_ms)
{
    if (producer == NULL || message == NULL || message->topic == NULL)
        return dt_error_set(DT_EINVAL, "no producer, queue, message or topic");
    if (timeout_ms <= 0)
        return dt_error_set(DT_EINVAL, "no time to send");
    return rmq_client_check(producer->client, false);
}

/* Into the bound, then into the lane; or freed. */
static dt_status hand_over(rmq_producer *producer, struct rmq_lane *lane,
                           struct rmq_outgoing *outgoing, int64_t timeout_ms)
{
    size_t memory = rmq_outgoing_memory(outgoing);
    dt_status status;

    outgoing->deadline_ms =
        timeout_ms == RMQ_NO_DEADLINE ? INT64_MAX : rmq_deadline_ms(timeout_ms);
    status = rmq_room_take(&producer->room, memory,
                           !dt_loop_is_here(producer->client->loop), outgoing->deadline_ms);
    if (status == DT_OK) {
        status = rmq_lane_push(lane, outgoing);
        if (status != DT_OK)
            rmq_room_give(&producer->room, memory);
    }
    if (status != DT_OK)
        free(outgoing);
    return status;
}

dt_status rmq_send_async(rmq_producer *producer, const rmq_queue *queue,
                         const rmq_message *message, int64_t timeout_ms,
                         rmq_send_fn callback, void *opaque)
{
    struct rmq_outgoing *outgoing = NULL;
    struct rmq_lane *lane = NULL;
    dt_status status = check(producer, message, timeout_ms);

    if (status != DT_OK)
        return status;
    if (queue == NULL)
        return dt_error_set(DT_EINVAL, "no producer, queue, message or topic");
    status = rmq_producer_lane(producer, message->topic, queue, RMQ_LANE_ORDERED, &lane);
    if (status == DT_OK)
        status = rmq_outgoing_new(message, ID_SIZE, &producer->compressors, &outgoing);
    if (status != DT_OK)
        return status;
    outgoing->callback.one = callback;
    outgoing->opaque = opaque;
    return hand_over(producer, lane, outgoing, timeout_ms);
}

/* ---------------------------------------------------------------- targets */

static dt_status check_target(const rmq_target *target)
{
    if ((target->queue != NULL) + (target->key != NULL) + (target->select != NULL) > 1)
        return dt_error_set(DT_EINVAL, "a target has two of queue, key and select");
    return DT_OK;
}

/* The kind of lane through which the message goes in the end. */
static enum rmq_lane_kind kind_of(const rmq_target *target, bool is_oneway)
{
    if (is_oneway)
        return RMQ_LANE_ONEWAY;
    if (target->queue == NULL && target->key == NULL && target->select == NULL)
        return RMQ_LANE_SPREAD;
    return target->unordered ? RMQ_LANE_WINDOW : RMQ_LANE_ORDERED;
}

static void set_choice(struct rmq_outgoing *outgoing, const rmq_target *target)
{
    if (target->key != NULL) {
        outgoing->choice = RMQ_BY_KEY;
        outgoing->select.hash = rmq_key_hash(dt_span_of(target->key, target->key_size));
    } else if (target->select != NULL) {
        outgoing->choice = RMQ_BY_FUNCTION;
        outgoing->select.function = target->select;
        outgoing->select_opaque = target->select_opaque;
    }
}

/* Through the lane of its queue, or of the topic, which chooses one. Takes `outgoing` over. */
static dt_status send_to(rmq_producer *producer, const rmq_target *target,
                         const char *topic, bool is_oneway, int64_t timeout_ms,
                         struct rmq_outgoing *outgoing)
{
    enum rmq_lane_kind kind = kind_of(target, is_oneway);
    struct rmq_lane *lane = NULL;
    dt_status status =
        rmq_producer_lane(producer, topic, target->queue,
                          target->queue == NULL ? RMQ_LANE_TOPIC : kind, &lane);

    if (status != DT_OK) {
        free(outgoing);
        return status;
    }
    outgoing->kind = (uint8_t)kind;
    set_choice(outgoing, target);
    return hand_over(producer, lane, outgoing, timeout_ms);
}

static dt_status send_one(rmq_producer *producer, const rmq_target *target,
                          const rmq_message *message, bool is_oneway, int64_t timeout_ms,
                          rmq_send_fn callback, void *opaque)
{
    struct rmq_outgoing *outgoing = NULL;
    dt_status status = check(producer, message, timeout_ms);

    if (target == NULL)
        target = &by_turns;
    if (status == DT_OK)
        status = check_target(target);
    if (status == DT_OK)
        status = rmq_outgoing_new(message, ID_SIZE, &producer->compressors, &outgoing);
    if (status != DT_OK)
        return status;
    outgoing->callback.one = callback;
    outgoing->opaque = opaque;
    return send_to(producer, target, message->topic, is_oneway, timeout_ms, outgoing);
}

dt_status rmq_send_to_async(rmq_producer *producer, const rmq_target *target,
                            const rmq_message *message, int64_t timeout_ms,
                            rmq_send_fn callback, void *opaque)
{
    return send_one(producer, target, message, false, timeout_ms, callback, opaque);
}

dt_status rmq_send_oneway(rmq_producer *producer, const rmq_target *target,
                          const rmq_message *message)
{
    int64_t timeout_ms = producer == NULL ? 1 : producer->client->request_timeout_ms;

    return send_one(producer, target, message, true, timeout_ms, NULL, NULL);
}

dt_status rmq_send_batch_async(rmq_producer *producer, const rmq_target *target,
                               const rmq_message *messages, size_t count,
                               int64_t timeout_ms, rmq_batch_sent_fn callback, void *opaque)
{
    struct rmq_outgoing *batch = NULL;
    dt_status status = check(producer, messages, timeout_ms);

    if (status == DT_OK && count == 0)
        status = dt_error_set(DT_EINVAL, "a batch of no messages");
    if (target == NULL)
        target = &by_turns;
    if (status == DT_OK)
        status = check_target(target);
    if (status == DT_OK)
        status = rmq_outgoing_new_batch(messages, count, ID_SIZE, &batch);
    if (status != DT_OK)
        return status;
    batch->callback.all = callback;
    batch->opaque = opaque;
    return send_to(producer, target, messages[0].topic, false, timeout_ms, batch);
}

size_t rmq_key_index(const void *key, size_t key_size, size_t count)
{
    if (count == 0 || (key == NULL && key_size > 0))
        return 0;
    return rmq_hash_index(rmq_key_hash(dt_span_of(key, key_size)), count);
}

/* ---------------------------------------------------------------- and waiting */

struct sync_send {
    struct dt_event done;
    dt_status status;
    rmq_receipt *receipt; /* of a batch: as many as it has messages */
    char reason[DT_ERROR_MAX];
};

static void end_sync(struct sync_send *sync, dt_status status, const char *reason)
{
    sync->status = status;
    if (status != DT_OK)
        snprintf(sync->reason, sizeof(sync->reason), "%s", reason);
    dt_event_set(&sync->done);
}

static void on_sent(void *opaque, dt_status status, const char *reason,
                    const rmq_receipt *receipt)
{
    struct sync_send *sync = opaque;

    if (receipt != NULL && sync->receipt != NULL)
        *sync->receipt = *receipt;
    end_sync(sync, status, reason);
}

static void on_batch_sent(void *opaque, dt_status status, const char *reason,
                          rmq_receipts *receipts)
{
    struct sync_send *sync = opaque;
    size_t count =
        receipts == NULL || sync->receipt == NULL ? 0 : rmq_receipts_count(receipts);

    for (size_t i = 0; i < count; i++)
        rmq_receipts_get(receipts, i, &sync->receipt[i]);
    end_sync(sync, status, reason);
}

static dt_status start_sync(rmq_producer *producer, struct sync_send *sync,
                            rmq_receipt *receipt)
{
    dt_status status;

    if (producer == NULL)
        return dt_error_set(DT_EINVAL, "no producer");
    status = rmq_client_check(producer->client, true);
    if (status != DT_OK)
        return status;
    sync->receipt = receipt;
    dt_event_init(&sync->done);
    return DT_OK;
}

/* Waits if it was accepted: the lane keeps the deadline. */
static dt_status wait_sync(struct sync_send *sync, dt_status status)
{
    if (status == DT_OK) {
        dt_event_wait(&sync->done, INT64_MAX);
        status = sync->status;
        if (status != DT_OK)
            dt_error_set(status, "%s", sync->reason);
    }
    dt_event_fini(&sync->done);
    return status;
}

dt_status rmq_send(rmq_producer *producer, const rmq_queue *queue,
                   const rmq_message *message, int64_t timeout_ms, rmq_receipt *receipt)
{
    struct sync_send sync;
    dt_status status = start_sync(producer, &sync, receipt);

    if (status != DT_OK)
        return status;
    return wait_sync(&sync,
                     rmq_send_async(producer, queue, message, timeout_ms, on_sent, &sync));
}

dt_status rmq_send_to(rmq_producer *producer, const rmq_target *target,
                      const rmq_message *message, int64_t timeout_ms, rmq_receipt *receipt)
{
    struct sync_send sync;
    dt_status status = start_sync(producer, &sync, receipt);

    if (status != DT_OK)
        return status;
    return wait_sync(
        &sync, rmq_send_to_async(producer, target, message, timeout_ms, on_sent, &sync));
}

dt_status rmq_send_batch(rmq_producer *producer, const rmq_target *target,
                         const rmq_message *messages, size_t count, int64_t timeout_ms,
                         rmq_receipt *receipts)
{
    struct sync_send sync;
    dt_status status = start_sync(producer, &sync, receipts);

    if (status != DT_OK)
        return status;
    return wait_sync(&sync, rmq_send_batch_async(producer, target, messages, count,
                                                 timeout_ms, on_batch_sent, &sync));
}
