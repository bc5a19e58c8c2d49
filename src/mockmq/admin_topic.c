/*
 * admin_topic.c - taking topics away.
 */
#include "mockmq/mock.h"

void mock_handle_topic_delete(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct dt_span topic;

    /* one that is not there is deleted as well */
    if (mock_call_str(call, reply, "topic", &topic))
        (void)mock_topic_remove(mock, mock->at->shard, topic);
}

/* Name servers look at the brokers' own tables: there is nothing to forget. */
void mock_handle_topic_forget(struct mockmq *mock, const struct mock_call *call,
                              struct mock_reply *reply)
{
    struct dt_span topic;

    (void)mock;
    (void)mock_call_str(call, reply, "topic", &topic);
}
