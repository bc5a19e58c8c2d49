#include "rmq/ask.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/status.h"

/* ---------------------------------------------------------------- one question */

void rmq_ask_init(struct rmq_ask *ask, struct rmq_client *client, int32_t request_code,
                  int64_t deadline_ms)
{
    memset(ask, 0, sizeof(*ask));
    ask->client = client;
    ask->request_code = request_code;
    ask->deadline_ms = deadline_ms;
}

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct rmq_ask *ask = call->owner;
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(ask->request_code, call->opaque, 0));
    if (ask->put != NULL)
        ask->put(ask, &encoder);
    rmq_encode_end(&encoder, 0);
    if (ask->put_body != NULL) {
        ask->put_body(ask, out);
        rmq_encode_body_end(&encoder);
    }
}

static void take_answer(struct rmq_ask *ask, const struct rmq_answer *answer)
{
    const struct rmq_command *command = answer->command;

    ask->status = answer->status;
    if (answer->status != DT_OK) {
        snprintf(ask->reason, sizeof(ask->reason), "%s", answer->reason);
    } else {
        ask->response_code = command->code;
        ask->is_denied = rmq_command_is_denied(command);
        ask->is_unsigned = ask->client->signer == NULL;
        snprintf(ask->reason, sizeof(ask->reason), "%.*s", (int)command->remark.size,
                 command->remark.size == 0 ? "" : (const char *)command->remark.data);
        if (command->code != RMQ_SUCCESS)
            ask->status = DT_EREFUSED;
        else if (ask->read != NULL && !ask->read(ask, command, answer->body))
            ask->status = DT_ECORRUPT;
    }
    dt_event_set(&ask->done);
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    take_answer(call->owner, answer);
}

static void on_names_answer(struct rmq_names_call *names_call,
                            const struct rmq_answer *answer)
{
    take_answer(names_call->call.owner, answer);
}

static void start(struct dt_op *op)
{
    struct rmq_ask *ask = DT_CONTAINER(op, struct rmq_ask, op);
    bool to_names = ask->address[0] == 0;
    struct rmq_call *call = to_names ? &ask->names_call.call : &ask->call;

    rmq_call_init(call);
    call->encode = encode;
    call->owner = ask;
    call->deadline_ms = ask->deadline_ms;
    if (to_names) {
        ask->names_call.done = on_names_answer;
        rmq_names_ask(ask->client, &ask->names_call);
        return;
    }
    call->done = on_answer;
    call->timeout_ms = ask->client->request_timeout_ms;
    rmq_call_start(ask->client, ask->address, call);
}

/* Asks ask->address and waits. Ends by the deadline, because the call does. */
static dt_status ask_once(struct rmq_ask *ask)
{
    dt_status status = rmq_client_check(ask->client, true);

    if (status != DT_OK)
        return status;
    ask->op.run = start;
    ask->response_code = -1;
    ask->is_denied = false;
    dt_event_init(&ask->done);
    dt_loop_post(ask->client->loop, &ask->op);
    dt_event_wait(&ask->done, INT64_MAX);
    dt_event_fini(&ask->done);
    return ask->status;
}

bool rmq_ask_pause(struct rmq_client *client, unsigned failures, int64_t deadline_ms)
{
    /* the client's random state is the loop's: half of the longest wait will do here */
    int64_t wait_ms = client->backoff_ms_min;
    int64_t left_ms = deadline_ms - dt_clock_ms();
    struct timespec pause;

    while (failures-- > 1 && wait_ms < client->backoff_ms_max / 2)
        wait_ms *= 2;
    if (left_ms <= 0)
        return false;
    if (wait_ms > left_ms)
        wait_ms = left_ms;
    pause.tv_sec = (time_t)(wait_ms / 1000);
    pause.tv_nsec = (long)(wait_ms % 1000) * 1000000;
    nanosleep(&pause, NULL);
    return dt_clock_ms() < deadline_ms;
}

/* ---------------------------------------------------------------- routes */

struct ask_route {
    struct dt_op op;
    struct rmq_client *client;
    const char *topic;
    bool fresh;
    rmq_use_route_fn use;
    void *context;
    struct rmq_topic_wait wait;
    dt_status status;
    char reason[DT_ERROR_MAX];
    struct dt_event done;
};

static void end_route(struct ask_route *ask, dt_status status, const char *reason)
{
    ask->status = status;
    snprintf(ask->reason, sizeof(ask->reason), "%s", reason);
    dt_event_set(&ask->done);
}

static void use_route(struct ask_route *ask, const struct rmq_topic *topic)
{
    dt_status status = ask->use(ask->context, topic->route);

    end_route(ask, status, status == DT_OK ? "" : dt_error_text());
}

static void on_route(struct rmq_topic_wait *wait, struct rmq_topic *topic, dt_status status,
                     const char *reason)
{
    struct ask_route *ask = DT_CONTAINER(wait, struct ask_route, wait);

    if (status == DT_OK)
        use_route(ask, topic);
    else
        end_route(ask, status, reason);
}

static void start_route(struct dt_op *op)
{
    struct ask_route *ask = DT_CONTAINER(op, struct ask_route, op);
    struct rmq_topic *topic = rmq_topic_get(ask->client, ask->topic);

    if (topic == NULL) {
        end_route(ask, DT_ENOMEM, "no memory for a topic, or its name is too long");
        return;
    }
    if (!ask->fresh && topic->route != NULL) {
        use_route(ask, topic);
        return;
    }
    ask->wait.done = on_route;
    rmq_topic_refresh(topic, &ask->wait);
}

static void cancel_route(void *context)
{
    struct ask_route *ask = context;

    rmq_topic_wait_cancel(&ask->wait);
}

static dt_status ask_route_once(struct rmq_client *client, const char *topic, bool fresh,
                                int64_t deadline_ms, rmq_use_route_fn use, void *context)
{
    struct ask_route ask;
    dt_status status = rmq_client_check(client, true);
    bool is_done;

    if (status != DT_OK)
        return status;
    memset(&ask, 0, sizeof(ask));
    ask.op.run = start_route;
    ask.client = client;
    ask.topic = topic;
    ask.fresh = fresh;
    ask.use = use;
    ask.context = context;
    rmq_topic_wait_init(&ask.wait);
    dt_event_init(&ask.done);
    dt_loop_post(client->loop, &ask.op);
    is_done = dt_event_wait(&ask.done, deadline_ms);
    if (!is_done) {
        dt_status ignored = rmq_client_run(client, cancel_route, &ask);

        (void)ignored;
        is_done = dt_event_wait(&ask.done, 0); /* it may have come meanwhile */
    }
    dt_event_fini(&ask.done);
    if (!is_done)
        return dt_error_set(DT_EUNREACH, "no name server answers in time");
    if (ask.status != DT_OK)
        dt_error_set(ask.status, "%s", ask.reason);
    return ask.status;
}

dt_status rmq_ask_route(struct rmq_client *client, const char *topic, bool fresh,
                        int64_t deadline_ms, rmq_use_route_fn use, void *context)
{
    unsigned failures = 0;
    dt_status status;

    do
        status = ask_route_once(client, topic, fresh, deadline_ms, use, context);
    while (status == DT_EUNREACH && rmq_ask_pause(client, ++failures, deadline_ms));
    return status;
}

/* ---------------------------------------------------------------- until it is answered */

/* Answers that another try may change. */
static bool may_pass(const struct rmq_ask *ask)
{
    return ask->response_code == RMQ_SYSTEM_BUSY ||
           ask->response_code == RMQ_SERVICE_NOT_AVAILABLE ||
           ask->response_code == RMQ_FLOW_CONTROL || ask->response_code == RMQ_GO_AWAY;
}

struct find_master {
    const char *broker_name;
    char *address;
};

static dt_status find_master(void *context, const struct rmq_route *route)
{
    struct find_master *find = context;
    const char *address = rmq_route_master(route, find->broker_name);

    if (address == NULL) /* a slave knows as well, and takes what its master would */
        address = rmq_route_pull_address(route, find->broker_name, 0);
    if (address == NULL)
        return dt_error_set(DT_EUNREACH, "the name server knows no broker '%s'",
                            find->broker_name);
    snprintf(find->address, RMQ_ADDRESS_SIZE, "%s", address);
    return DT_OK;
}

/* After a failure a name server is asked again; while none answers, what is known stays good. */
static dt_status find_address(struct rmq_ask *ask, const char *topic,
                              struct find_master *find, bool again)
{
    dt_status status = DT_EUNREACH;

    if (again)
        status =
            ask_route_once(ask->client, topic, true, ask->deadline_ms, find_master, find);
    if (status == DT_EUNREACH)
        status =
            ask_route_once(ask->client, topic, false, ask->deadline_ms, find_master, find);
    return status;
}

/* topic NULL: ask->address is right already. */
static dt_status ask_until_answered(struct rmq_ask *ask, const char *topic,
                                    const char *broker_name)
{
    struct find_master find = {broker_name, ask->address};
    char what[RMQ_ADDRESS_SIZE + 32];
    bool is_in_doubt = false;
    dt_status status;
    unsigned failures = 0;

    do {
        status = DT_OK;
        if (topic != NULL)
            status = find_address(ask, topic, &find, failures > 0);
        if (status == DT_ESTATE || status == DT_ECLOSED || status == DT_ENOMEM ||
            (status == DT_ENOROUTE && !is_in_doubt))
            return status;
        if (status != DT_OK) {
            snprintf(ask->reason, sizeof(ask->reason), "%.*s", RMQ_REASON_SIZE - 1,
                     dt_error_text());
        } else {
            status = ask_once(ask);
            if (status == DT_ESTATE)
                return status;
        }
        is_in_doubt |= status == DT_EINDOUBT;
        if (status == DT_OK || status == DT_ECLOSED || status == DT_ECORRUPT ||
            (status == DT_EREFUSED && !may_pass(ask)))
            break;
    } while (rmq_ask_pause(ask->client, ++failures, ask->deadline_ms));

    if (status == DT_OK)
        return DT_OK;
    snprintf(what, sizeof(what), "%s", ask->address[0] == 0 ? "name server" : ask->address);
    if (status == DT_ECORRUPT)
        return dt_error_set(status,
                            "%s: the answer to request %d lacks what it should have", what,
                            ask->request_code);
    if (status == DT_EREFUSED && ask->is_denied && (!is_in_doubt || !ask->changes))
        return dt_error_set(status, "%s denies access%s: %s", what,
                            ask->is_unsigned ? " (no access key is set)" : "", ask->reason);
    if (status == DT_EREFUSED && (!is_in_doubt || !ask->changes))
        return dt_error_set(may_pass(ask) ? DT_EBUSY : status, "%s answers %d: %s", what,
                            ask->response_code, ask->reason);
    if (status == DT_ECLOSED)
        return dt_error_set(status, "%s", ask->reason);
    return dt_error_set(is_in_doubt && ask->changes ? DT_EINDOUBT : DT_EUNREACH, "%s",
                        ask->reason);
}

dt_status rmq_ask_names(struct rmq_ask *ask)
{
    ask->address[0] = 0;
    return ask_until_answered(ask, NULL, NULL);
}

dt_status rmq_ask_address(struct rmq_ask *ask, const char *address)
{
    snprintf(ask->address, sizeof(ask->address), "%s", address);
    return ask_until_answered(ask, NULL, NULL);
}

dt_status rmq_ask_broker(struct rmq_ask *ask, const char *topic, const char *broker_name)
{
    return ask_until_answered(ask, topic, broker_name);
}
