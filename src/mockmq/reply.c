#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mockmq/mock.h"

void mock_reply_begin(struct mock_reply *reply)
{
    reply->code = RMQ_SUCCESS;
    reply->remark[0] = 0;
    reply->field_count = 0;
    reply->held = false;
    dt_buf_clear(&reply->text);
    dt_buf_clear(&reply->body);
}

void mock_reply_fail(struct mock_reply *reply, int32_t code, const char *format, ...)
{
    va_list args;

    reply->code = code;
    va_start(args, format);
    vsnprintf(reply->remark, sizeof(reply->remark), format, args);
    va_end(args);
}

void mock_reply_span(struct mock_reply *reply, const char *name, struct dt_span value)
{
    size_t i = reply->field_count;

    if (i == MOCK_REPLY_FIELDS)
        return;
    reply->fields[i].name = name;
    reply->fields[i].at = reply->text.size;
    dt_buf_put_span(&reply->text, value);
    reply->fields[i].size = reply->text.size - reply->fields[i].at;
    reply->field_count++;
}

void mock_reply_str(struct mock_reply *reply, const char *name, const char *value)
{
    mock_reply_span(reply, name, dt_span_str(value));
}

void mock_reply_int(struct mock_reply *reply, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    mock_reply_str(reply, name, text);
}

static void encode(struct mockmq *mock, struct mock_address to,
                   const struct mock_reply *reply, struct dt_buf *out)
{
    struct rmq_head head = {reply->code,       to.opaque,         RMQ_FLAG_RESPONSE,
                            RMQ_LANGUAGE_JAVA, RMQ_VERSION_5_3_3, {NULL, 0}};
    struct rmq_encoder encoder;

    if (reply->remark[0] != 0)
        head.remark = dt_span_str(reply->remark);
    rmq_encode_begin(&encoder, out, mock->mirror_header_type ? to.type : RMQ_HEADER_JSON,
                     head);
    for (size_t i = 0; i < reply->field_count; i++)
        rmq_encode_span(
            &encoder, reply->fields[i].name,
            dt_span_of(reply->text.data + reply->fields[i].at, reply->fields[i].size));
    rmq_encode_end(&encoder, reply->body.size);
    dt_buf_put_span(out, dt_buf_span(&reply->body));
    if (reply->text.failed || reply->body.failed)
        out->failed = true; /* half an answer is none: the connection will be closed */
}

static void delayed_free(struct mock_delayed *delayed)
{
    if (delayed->sending != NULL)
        delayed->sending->sending--;
    dt_buf_fini(&delayed->bytes);
    free(delayed);
}

/* No more than `size` bytes of what waits go out; then the connection is closed. */
static void cut_behind(struct mock_conn *conn, size_t size)
{
    if (conn->out.size > size)
        conn->out.size = size;
    conn->closing = true;
}

void mock_answer(struct mockmq *mock, struct mock_address to,
                 const struct mock_reply *reply, struct mock_queue *sending)
{
    struct mock_conn *conn = mock_conn_find(mock, to.conn_id);
    struct mock_delayed *delayed, **at = &mock->delayed;
    int64_t delay_ms = mock->delay_ms + to.delay_ms;
    size_t start;

    if (delay_ms <= 0 || conn == NULL) {
        if (sending != NULL)
            sending->sending--;
        if (conn == NULL)
            return;
        start = conn->out.size;
        encode(mock, to, reply, &conn->out);
        if (to.is_cut)
            cut_behind(conn, start + to.cut_at);
        return;
    }
    delayed = calloc(1, sizeof(*delayed));
    if (delayed == NULL) {
        if (sending != NULL)
            sending->sending--;
        conn->closing = true;
        return;
    }
    delayed->due_ms = mock_now_ms(mock) + delay_ms;
    delayed->is_cut = to.is_cut;
    delayed->cut_at = to.cut_at;
    delayed->conn_id = to.conn_id;
    delayed->sending = sending;
    dt_buf_init(&delayed->bytes, RMQ_FRAME_SIZE_MAX);
    encode(mock, to, reply, &delayed->bytes);
    while (*at != NULL && (*at)->due_ms <= delayed->due_ms)
        at = &(*at)->next;
    delayed->next = *at;
    *at = delayed;
}

void mock_delayed_run(struct mockmq *mock, int64_t now_ms)
{
    while (mock->delayed != NULL && mock->delayed->due_ms <= now_ms) {
        struct mock_delayed *delayed = mock->delayed;
        struct mock_conn *conn = mock_conn_find(mock, delayed->conn_id);

        mock->delayed = delayed->next;
        if (conn != NULL) {
            size_t start = conn->out.size;

            dt_buf_put_span(&conn->out, dt_buf_span(&delayed->bytes));
            if (delayed->is_cut)
                cut_behind(conn, start + delayed->cut_at);
            if (delayed->bytes.failed)
                conn->out.failed = true;
        }
        delayed_free(delayed);
    }
}

int64_t mock_delayed_due_ms(const struct mockmq *mock)
{
    return mock->delayed == NULL ? INT64_MAX : mock->delayed->due_ms;
}

void mock_delayed_drop(struct mockmq *mock, uint64_t conn_id)
{
    struct mock_delayed **at = &mock->delayed;

    while (*at != NULL) {
        struct mock_delayed *delayed = *at;

        if (delayed->conn_id != conn_id) {
            at = &delayed->next;
            continue;
        }
        *at = delayed->next;
        delayed_free(delayed);
    }
}

void mock_delayed_forget(struct mockmq *mock, const struct mock_topic *topic)
{
    for (struct mock_delayed *delayed = mock->delayed; delayed != NULL;
         delayed = delayed->next)
        if (delayed->sending != NULL && delayed->sending->topic == topic)
            delayed->sending = NULL;
}
