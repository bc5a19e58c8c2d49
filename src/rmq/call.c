#include "rmq/call.h"

#include <stdio.h>

#include "base/file.h"
#include "rmq/peer.h"

/* ---------------------------------------------------------------- the table of sent calls */

static void table_remove(struct rmq_calls *calls, struct rmq_call *call)
{
    struct rmq_call **at = &calls->sent[(uint32_t)call->opaque % RMQ_CALL_BUCKETS];

    while (*at != call)
        at = &(*at)->next_in_bucket;
    *at = call->next_in_bucket;
}

struct rmq_call *rmq_calls_find(struct rmq_calls *calls, int32_t opaque)
{
    struct rmq_call *call = calls->sent[(uint32_t)opaque % RMQ_CALL_BUCKETS];

    while (call != NULL && call->opaque != opaque)
        call = call->next_in_bucket;
    return call;
}

int32_t rmq_calls_next_opaque(struct rmq_calls *calls)
{
    do
        calls->last_opaque = (int32_t)((uint32_t)calls->last_opaque + 1);
    while (rmq_calls_find(calls, calls->last_opaque) != NULL);
    return calls->last_opaque;
}

void rmq_call_sent(struct rmq_calls *calls, struct rmq_call *call)
{
    struct rmq_call **bucket = &calls->sent[(uint32_t)call->opaque % RMQ_CALL_BUCKETS];

    call->state = RMQ_CALL_SENT;
    call->next_in_bucket = *bucket;
    *bucket = call;
}

/* ---------------------------------------------------------------- ends */

void rmq_call_detach(struct rmq_calls *calls, struct rmq_call *call)
{
    if (call->state == RMQ_CALL_SENT)
        table_remove(calls, call);
    dt_list_remove(&call->link);
    call->conn = NULL;
    call->state = RMQ_CALL_IDLE;
}

void rmq_call_end(struct rmq_calls *calls, struct rmq_call *call, dt_status status,
                  const char *reason)
{
    rmq_call_detach(calls, call);
    call->state = RMQ_CALL_ENDING;
    call->end_status = status;
    snprintf(call->reason, sizeof(call->reason), "%s", reason);
    dt_list_append(&calls->ending, &call->link);
}

void rmq_calls_deliver(struct rmq_calls *calls)
{
    while (!dt_list_is_empty(&calls->ending)) {
        struct rmq_call *call = DT_CONTAINER(calls->ending.next, struct rmq_call, link);
        struct rmq_answer answer = {call->end_status, call->reason, NULL, {NULL, 0}};

        rmq_call_detach(calls, call);
        call->done(call, &answer);
    }
}

static void run_deliver(struct dt_op *op)
{
    struct rmq_calls *calls = DT_CONTAINER(op, struct rmq_calls, deliver_op);

    calls->deliver_posted = false;
    rmq_calls_deliver(calls);
}

void rmq_calls_deliver_later(struct rmq_calls *calls)
{
    if (calls->deliver_posted)
        return;
    calls->deliver_posted = true;
    dt_loop_post(calls->loop, &calls->deliver_op);
}

bool rmq_call_cancel(struct rmq_call *call)
{
    bool may_have_arrived = false;

    if (call->state == RMQ_CALL_IDLE)
        return false;
    if (call->state == RMQ_CALL_SENT) {
        struct rmq_conn *conn = call->conn;

        may_have_arrived = true; /* what is put goes out, if not yet then soon */
        conn->peers->calls.counters.cancelled++;
        conn->peer->counters.cancelled++;
        rmq_call_detach(&conn->peers->calls, call);
        return may_have_arrived;
    }
    if (call->state == RMQ_CALL_ENDING)
        may_have_arrived = call->end_status == DT_EINDOUBT;
    dt_list_remove(&call->link);
    call->state = RMQ_CALL_IDLE;
    return may_have_arrived;
}

/* ---------------------------------------------------------------- life */

void rmq_call_init(struct rmq_call *call)
{
    memset(call, 0, sizeof(*call));
    dt_list_init(&call->link);
    call->deadline_ms = INT64_MAX;
}

void rmq_calls_init(struct rmq_calls *calls, struct dt_loop *loop)
{
    calls->loop = loop;
    dt_list_init(&calls->ending);
    calls->deliver_op.run = run_deliver;
    dt_random_bytes(&calls->last_opaque, sizeof(calls->last_opaque));
    calls->last_opaque &= 0xffffff; /* short to write, and no two clients in step */
}
