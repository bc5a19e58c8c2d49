/*
 * group.c - consumer groups and their members: heartbeats, leaving, telling the others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "mockmq/mock.h"
#include "rmq/json.h"

enum { SILENCE_MS = 120000 }; /* after which a broker takes a member for gone */

bool mock_group_is_known(const struct mockmq *mock, struct dt_span name)
{
    for (size_t i = 0; i < mock->group_count; i++)
        if (dt_span_equal_str(name, mock->groups[i].name))
            return true;
    return false;
}

void mock_group_add(struct mockmq *mock, struct dt_span name)
{
    struct mock_group *group;

    if (name.size == 0 || name.size >= MOCK_NAME_SIZE || mock_group_is_known(mock, name))
        return;
    group = mock_table_add((void **)&mock->groups, &mock->group_count,
                           &mock->group_capacity, sizeof(*group));
    if (group != NULL)
        memcpy(group->name, name.data, name.size);
}

void mock_group_configure(struct mockmq *mock, struct dt_span name, struct dt_span config)
{
    char *text = strndup((const char *)config.data, config.size);

    mock_group_add(mock, name);
    for (size_t i = 0; i < mock->group_count; i++) {
        if (!dt_span_equal_str(name, mock->groups[i].name))
            continue;
        free(mock->groups[i].config);
        mock->groups[i].config = text;
        return;
    }
    free(text);
}

void mock_group_remove(struct mockmq *mock, struct dt_span name)
{
    for (size_t i = 0; i < mock->group_count; i++) {
        if (!dt_span_equal_str(name, mock->groups[i].name))
            continue;
        free(mock->groups[i].config);
        mock->groups[i] = mock->groups[--mock->group_count];
        return;
    }
}

struct mock_member *mock_member_find(struct mockmq *mock, struct dt_span group,
                                     struct dt_span client_id)
{
    for (size_t i = 0; i < mock->member_count; i++)
        if (mock->members[i].node == mock->at &&
            dt_span_equal_str(group, mock->members[i].group) &&
            dt_span_equal_str(client_id, mock->members[i].client_id))
            return &mock->members[i];
    return NULL;
}

/* The broker's own request, oneway, to each member of the group. */
static void notify(struct mockmq *mock, const struct mock_node *node, const char *group)
{
    for (size_t i = 0; i < mock->member_count; i++) {
        struct mock_conn *conn = mock_conn_find(mock, mock->members[i].conn_id);
        struct rmq_head head = {RMQ_NOTIFY_CONSUMER_IDS_CHANGED,
                                mock->opaque++,
                                RMQ_FLAG_ONEWAY,
                                RMQ_LANGUAGE_JAVA,
                                RMQ_VERSION_5_3_3,
                                {NULL, 0}};
        struct rmq_encoder encoder;

        if (mock->members[i].node != node || strcmp(mock->members[i].group, group) != 0 ||
            conn == NULL)
            continue;
        rmq_encode_begin(&encoder, &conn->out, RMQ_HEADER_JSON, head);
        rmq_encode_str(&encoder, "consumerGroup", group);
        rmq_encode_end(&encoder, 0);
    }
}

static void remove_member(struct mockmq *mock, struct mock_member *member)
{
    const struct mock_node *node = member->node;
    char group[MOCK_NAME_SIZE];
    size_t index = (size_t)(member - mock->members);

    memcpy(group, member->group, sizeof(group));
    memmove(member, member + 1, (mock->member_count - index - 1) * sizeof(*member));
    mock->member_count--;
    notify(mock, node, group);
}

void mock_members_leave(struct mockmq *mock, uint64_t conn_id)
{
    for (size_t i = 0; i < mock->member_count;) {
        if (mock->members[i].conn_id == conn_id)
            remove_member(mock, &mock->members[i]);
        else
            i++;
    }
}

void mock_members_run(struct mockmq *mock, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;

    if (now_ms < mock_members_due_ms(mock))
        return;
    for (size_t i = 0; i < mock->member_count;) {
        int64_t end_ms = mock->members[i].seen_ms + SILENCE_MS;

        if (end_ms <= now_ms) {
            remove_member(mock, &mock->members[i]);
            continue;
        }
        due_ms = end_ms < due_ms ? end_ms : due_ms;
        i++;
    }
    mock->members_due_ms = due_ms;
}

int64_t mock_members_due_ms(const struct mockmq *mock)
{
    return mock->member_count == 0 || !mock->members_expire ? INT64_MAX
                                                            : mock->members_due_ms;
}

/* True if that is news to the group. */
static bool join(struct mockmq *mock, const char *group, const char *client_id,
                 uint64_t conn_id)
{
    struct mock_member *member =
        mock_member_find(mock, dt_span_str(group), dt_span_str(client_id));

    if (member != NULL)
        member->seen_ms = mock_now_ms(mock);
    if (member != NULL && member->conn_id == conn_id)
        return false;
    if (member == NULL) {
        member = mock_table_add((void **)&mock->members, &mock->member_count,
                                &mock->member_capacity, sizeof(*member));
        if (member == NULL)
            return false;
        member->node = mock->at;
        member->seen_ms = mock_now_ms(mock);
        if (mock->member_count == 1)
            mock->members_due_ms = member->seen_ms + SILENCE_MS;
        memcpy(member->group, group, strlen(group) + 1);
        memcpy(member->client_id, client_id, strlen(client_id) + 1);
    }
    member->conn_id = conn_id;
    return true;
}

/* ---------------------------------------------------------------- subscriptions */

static struct mock_subscription *
subscription_find(struct mockmq *mock, struct dt_span group, struct dt_span topic)
{
    for (size_t i = 0; i < mock->subscription_count; i++)
        if (dt_span_equal_str(group, mock->subscriptions[i].group) &&
            dt_span_equal_str(topic, mock->subscriptions[i].topic))
            return &mock->subscriptions[i];
    return NULL;
}

const char *mock_subscription_of(struct mockmq *mock, struct dt_span group,
                                 struct dt_span topic)
{
    struct mock_subscription *subscription = subscription_find(mock, group, topic);

    return subscription == NULL ? NULL : subscription->expression;
}

/* True if that is news. */
static bool subscribe(struct mockmq *mock, const char *group, struct rmq_json data)
{
    struct rmq_json text = rmq_json_get(data, "subString");
    struct mock_subscription *subscription;
    char topic[MOCK_NAME_SIZE], *expression;
    bool is_news;

    if (!rmq_json_copy(rmq_json_get(data, "topic"), topic, sizeof(topic)))
        return false;
    expression = calloc(1, text.raw.size + 1);
    if (expression == NULL)
        return false;
    (void)rmq_json_copy(text, expression, text.raw.size + 1);
    subscription = subscription_find(mock, dt_span_str(group), dt_span_str(topic));
    if (subscription == NULL) {
        subscription =
            mock_table_add((void **)&mock->subscriptions, &mock->subscription_count,
                           &mock->subscription_capacity, sizeof(*subscription));
        if (subscription == NULL) {
            free(expression);
            return false;
        }
        memcpy(subscription->group, group, sizeof(subscription->group));
        memcpy(subscription->topic, topic, sizeof(subscription->topic));
    }
    is_news = subscription->expression == NULL ||
              strcmp(subscription->expression, expression) != 0;
    free(subscription->expression);
    subscription->expression = expression;
    return is_news;
}

/* ---------------------------------------------------------------- requests */

/* Each group has a topic for what is to be retried. */
static void create_retry_topic(struct mockmq *mock, const char *group)
{
    char name[MOCK_NAME_SIZE + 8];
    struct dt_span topic;

    snprintf(name, sizeof(name), "%%RETRY%%%s", group);
    topic = dt_span_str(name);
    if (mock_topic_is_legal(topic) && mock_topic_find(mock, topic) == NULL)
        (void)mock_topic_put(mock, topic, 1, 1, RMQ_PERM_READ | RMQ_PERM_WRITE);
}

static void heartbeat_of_group(struct mockmq *mock, const struct mock_call *call,
                               const char *client_id, struct rmq_json data)
{
    struct rmq_json_iter iter = rmq_json_items(rmq_json_get(data, "subscriptionDataSet"));
    char group[MOCK_NAME_SIZE] = "";
    struct rmq_json subscription;
    struct mock_member *member;
    bool is_news;

    if (!rmq_json_copy(rmq_json_get(data, "groupName"), group, sizeof(group)) ||
        group[0] == 0)
        return;
    mock_group_add(mock, dt_span_str(group));
    create_retry_topic(mock, group);
    is_news = join(mock, group, client_id, call->conn->id);
    member = mock_member_find(mock, dt_span_str(group), dt_span_str(client_id));
    if (member != NULL) {
        member->language = call->command->language;
        member->version = call->command->version;
    }
    while (rmq_json_next(&iter, NULL, &subscription))
        is_news |= subscribe(mock, group, subscription);
    if (is_news)
        notify(mock, call->conn->node, group); /* before the answer, as a broker does it */
}

void mock_handle_heartbeat(struct mockmq *mock, const struct mock_call *call,
                           struct mock_reply *reply)
{
    struct rmq_json root, group;
    struct rmq_json_iter iter;
    char client_id[MOCK_NAME_SIZE];

    if (!rmq_json_parse(call->body, &root) ||
        !rmq_json_copy(rmq_json_get(root, "clientID"), client_id, sizeof(client_id))) {
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null");
        return;
    }
    iter = rmq_json_items(rmq_json_get(root, "consumerDataSet"));
    while (rmq_json_next(&iter, NULL, &group))
        heartbeat_of_group(mock, call, client_id, group);
    mock_reply_str(reply, "IS_SUPPORT_HEART_BEAT_V2", "true");
    mock_reply_str(reply, "IS_SUB_CHANGE", "true");
}

void mock_handle_unregister(struct mockmq *mock, const struct mock_call *call,
                            struct mock_reply *reply)
{
    struct mock_member *member;
    struct dt_span client_id, group;

    if (!mock_call_str(call, reply, "clientID", &client_id))
        return;
    if (!rmq_command_str(call->command, "consumerGroup", &group))
        return; /* producers are not kept */
    member = mock_member_find(mock, group, client_id);
    if (member != NULL)
        remove_member(mock, member);
}

void mock_handle_members(struct mockmq *mock, const struct mock_call *call,
                         struct mock_reply *reply)
{
    struct dt_span group;
    struct dt_json json;
    size_t count = 0;

    if (!mock_call_str(call, reply, "consumerGroup", &group))
        return;
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "consumerIdList");
    dt_json_array(&json);
    for (size_t i = 0; i < mock->member_count; i++) {
        if (mock->members[i].node == mock->at &&
            dt_span_equal_str(group, mock->members[i].group)) {
            dt_json_string(&json, mock->members[i].client_id);
            count++;
        }
    }
    dt_json_array_end(&json);
    dt_json_object_end(&json);
    if (count == 0) {
        dt_buf_clear(&reply->body);
        mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "no consumer for this group, %.*s",
                        (int)(group.size < 255 ? group.size : 255),
                        (const char *)group.data);
    }
}
