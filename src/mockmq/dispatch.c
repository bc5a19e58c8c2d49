/*
 * dispatch.c - who handles which request, and the mandatory fields of requests.
 */
#include "mockmq/mock.h"

static const struct {
    int32_t code;
    bool namesrv; /* at which of the two ports */
    mock_handler *handler;
} handlers[] = {
    {RMQ_GET_ROUTEINFO_BY_TOPIC, true, mock_handle_route},
    {RMQ_GET_BROKER_CLUSTER_INFO, true, mock_handle_cluster},
    {RMQ_GET_ALL_TOPIC_LIST, true, mock_handle_topic_list},
    {RMQ_SEND_MESSAGE, false, mock_handle_send},
    {RMQ_SEND_MESSAGE_V2, false, mock_handle_send},
    {RMQ_SEND_BATCH_MESSAGE, false, mock_handle_send},
    {RMQ_PULL_MESSAGE, false, mock_handle_pull},
    {RMQ_LITE_PULL_MESSAGE, false, mock_handle_pull},
    {RMQ_HEART_BEAT, false, mock_handle_heartbeat},
    {RMQ_UNREGISTER_CLIENT, false, mock_handle_unregister},
    {RMQ_GET_CONSUMER_LIST_BY_GROUP, false, mock_handle_members},
    {RMQ_CONSUMER_SEND_MSG_BACK, false, mock_handle_send_back},
    {RMQ_LOCK_BATCH_MQ, false, mock_handle_lock},
    {RMQ_UNLOCK_BATCH_MQ, false, mock_handle_unlock},
    {RMQ_QUERY_CONSUMER_OFFSET, false, mock_handle_offset_query},
    {RMQ_UPDATE_CONSUMER_OFFSET, false, mock_handle_offset_update},
    {RMQ_SEARCH_OFFSET_BY_TIMESTAMP, false, mock_handle_offset_search},
    {RMQ_GET_MAX_OFFSET, false, mock_handle_offset_max},
    {RMQ_GET_MIN_OFFSET, false, mock_handle_offset_min},
    {RMQ_UPDATE_AND_CREATE_TOPIC, false, mock_handle_topic_create},
    {RMQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, false, mock_handle_group_create},
    {RMQ_GET_TOPIC_STATS_INFO, false, mock_handle_topic_stats},
    {RMQ_GET_TOPIC_CONFIG, false, mock_handle_topic_config},
    {RMQ_DELETE_TOPIC_IN_BROKER, false, mock_handle_topic_delete},
    {RMQ_DELETE_TOPIC_IN_NAMESRV, true, mock_handle_topic_forget},
    {RMQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, false, mock_handle_group_list},
    {RMQ_DELETE_SUBSCRIPTIONGROUP, false, mock_handle_group_delete},
    {RMQ_GET_CONSUME_STATS, false, mock_handle_progress},
    {RMQ_GET_CONSUMER_CONNECTION_LIST, false, mock_handle_connections},
    {RMQ_INVOKE_BROKER_TO_RESET_OFFSET, false, mock_handle_reset},
    {RMQ_VIEW_MESSAGE_BY_ID, false, mock_handle_view},
    {RMQ_QUERY_MESSAGE, false, mock_handle_query},
};

static void missing(struct mock_reply *reply, const char *name)
{
    mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                    "org.apache.rocketmq.remoting.exception.RemotingCommandException: the "
                    "custom field <%s> is null",
                    name);
}

bool mock_call_str(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   struct dt_span *value)
{
    if (rmq_command_str(call->command, name, value))
        return true;
    missing(reply, name);
    return false;
}

bool mock_call_i64(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   int64_t *value)
{
    struct dt_span text;

    if (!mock_call_str(call, reply, name, &text))
        return false;
    if (rmq_command_i64(call->command, name, value))
        return true;
    mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                    "java.lang.NumberFormatException: For input string: \"%.*s\"",
                    (int)(text.size < 64 ? text.size : 64), (const char *)text.data);
    return false;
}

bool mock_call_i32(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   int32_t *value)
{
    int64_t number;

    if (!mock_call_i64(call, reply, name, &number))
        return false;
    if (number >= INT32_MIN && number <= INT32_MAX) {
        *value = (int32_t)number;
        return true;
    }
    mock_reply_fail(reply, RMQ_SYSTEM_ERROR,
                    "java.lang.NumberFormatException: For input string: \"%lld\"",
                    (long long)number);
    return false;
}

/* Hands the request to whom it concerns. */
static void carry_out(struct mockmq *mock, const struct mock_call *call,
                      struct mock_reply *reply)
{
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (handlers[i].code == call->command->code &&
            handlers[i].namesrv == call->conn->is_namesrv) {
            handlers[i].handler(mock, call, reply);
            return;
        }
    }
    mock_reply_fail(reply, RMQ_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
                    (int)call->command->code);
}

/* What a rule makes of the request, or of its answer. */
static void handle(struct mockmq *mock, const struct mock_fault *fault,
                   const struct mock_call *call, struct mock_reply *reply)
{
    int32_t response_code;

    if (mock_script_error(mock, call->command->code, &response_code)) {
        mock_reply_fail(reply, response_code,
                        response_code == RMQ_NO_PERMISSION /* else it is about identity */
                            ? "this is forbidden because it was asked for"
                            : "answered so because it was asked for");
        return;
    }
    if (fault != NULL && fault->is.action == RMQ_MOCK_ANSWER) {
        mock_reply_fail(reply, fault->is.response_code, "%s", fault->remark);
        return;
    }
    carry_out(mock, call, reply);
    if (fault != NULL && fault->is.action == RMQ_MOCK_ANSWER_DONE && !reply->held)
        mock_reply_fail(reply, fault->is.response_code, "%s", fault->remark);
}

static struct mock_address address_of(const struct mock_conn *conn,
                                      const struct mock_fault *fault, int32_t opaque,
                                      enum rmq_header_type type)
{
    struct mock_address from = {conn->id, opaque, type, 0, false, 0};

    if (fault != NULL && fault->is.action == RMQ_MOCK_DELAY)
        from.delay_ms = fault->is.delay_ms;
    if (fault != NULL && fault->is.action == RMQ_MOCK_CUT_ANSWER) {
        from.is_cut = true;
        from.cut_at = fault->is.bytes;
    }
    return from;
}

/* Counts the request as under way at its queue, which it may still have to make. */
static void begin_send(struct mockmq *mock, struct mock_call *call)
{
    if (mock_is_send(call->command->code))
        call->sending = mock_send_queue(mock, call->command);
    if (call->sending != NULL && ++call->sending->sending > mock->sends_at_once)
        mock->sends_at_once = call->sending->sending;
}

bool mock_dispatch(struct mockmq *mock, struct mock_conn *conn,
                   const struct rmq_frame *frame)
{
    struct mock_call call = {conn, &mock->command, frame->type, frame->body, {0}, NULL};
    struct mock_fault taken, *fault = NULL;
    bool oneway, lost, silent;

    if (rmq_command_decode(frame->header, frame->type, &mock->scratch, &mock->command) !=
        DT_OK)
        return false;
    if (rmq_command_is_response(&mock->command))
        return true; /* nothing was asked that has an answer */
    mock_count_request(mock, mock->command.code);
    if (mock->request_cuts > 0 &&
        mock_fault_take(mock, conn->node, mock->command.code, true, &taken))
        return false; /* it came in the same piece as the one before */
    if (mock->fault_count > 0 &&
        mock_fault_take(mock, conn->node, mock->command.code, false, &taken))
        fault = &taken;
    if (conn->node->shard != NULL)
        mock->at = conn->node;
    call.from = address_of(conn, fault, mock->command.opaque, frame->type);
    oneway = rmq_command_is_oneway(&mock->command);
    begin_send(mock, &call);
    mock_reply_begin(&mock->reply);
    handle(mock, fault, &call, &mock->reply);
    lost = mock_script_loses_answer(mock, mock->command.code);
    silent = fault != NULL && fault->is.action == RMQ_MOCK_SILENT;
    if (!lost && !silent && !oneway && !mock->reply.held) {
        mock_answer(mock, call.from, &mock->reply, call.sending);
        return true;
    }
    if (call.sending != NULL)
        call.sending->sending--;
    return !lost;
}
