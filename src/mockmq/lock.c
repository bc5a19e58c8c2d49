/*
 * lock.c - queues that a member of a group has locked (41, 42): orderly consumers rely on it.
 */
#include <stdio.h>

#include "base/json_writer.h"
#include "mockmq/mock.h"
#include "rmq/json.h"

enum { LOCK_LIFE_MS = 60000 };

/* What a request has, and one of its queues. */
struct wish {
    char client_id[MOCK_NAME_SIZE], group[MOCK_NAME_SIZE], topic[MOCK_NAME_SIZE];
    int32_t queue_id;
};

static bool read_owner(const struct mock_call *call, struct rmq_json *root,
                       struct wish *wish)
{
    return rmq_json_parse(call->body, root) &&
           rmq_json_copy(rmq_json_get(*root, "clientId"), wish->client_id,
                         sizeof(wish->client_id)) &&
           rmq_json_copy(rmq_json_get(*root, "consumerGroup"), wish->group,
                         sizeof(wish->group));
}

static bool read_queue(struct rmq_json queue, struct wish *wish)
{
    wish->queue_id =
        (int32_t)rmq_json_i64_or(rmq_json_get(queue, "queueId"), 0, MOCK_QUEUES_MAX, -1);
    return wish->queue_id >= 0 &&
           rmq_json_copy(rmq_json_get(queue, "topic"), wish->topic, sizeof(wish->topic));
}

static struct mock_lock *find(struct mockmq *mock, const struct wish *wish)
{
    for (size_t i = 0; i < mock->lock_count; i++) {
        struct mock_lock *lock = &mock->locks[i];

        if (lock->shard == mock->at->shard && lock->queue_id == wish->queue_id &&
            strcmp(lock->group, wish->group) == 0 && strcmp(lock->topic, wish->topic) == 0)
            return lock;
    }
    return NULL;
}

static bool take(struct mockmq *mock, const struct wish *wish)
{
    struct mock_lock *lock = find(mock, wish);
    int64_t now_ms = mock_now_ms(mock);

    if (lock == NULL) {
        lock = mock_table_add((void **)&mock->locks, &mock->lock_count,
                              &mock->lock_capacity, sizeof(*lock));
        if (lock == NULL)
            return false;
        lock->shard = mock->at->shard;
        lock->queue_id = wish->queue_id;
        memcpy(lock->group, wish->group, sizeof(lock->group));
        memcpy(lock->topic, wish->topic, sizeof(lock->topic));
    } else if (lock->client_id[0] != 0 && strcmp(lock->client_id, wish->client_id) != 0 &&
               now_ms - lock->last_ms <= LOCK_LIFE_MS) {
        return false;
    }
    memcpy(lock->client_id, wish->client_id, sizeof(lock->client_id));
    lock->last_ms = now_ms;
    return true;
}

static void malformed(struct mock_reply *reply)
{
    mock_reply_fail(reply, RMQ_SYSTEM_ERROR, "java.lang.NullPointerException: null");
}

void mock_handle_lock(struct mockmq *mock, const struct mock_call *call,
                      struct mock_reply *reply)
{
    struct rmq_json root, queue;
    struct rmq_json_iter iter;
    struct dt_json json;
    struct wish wish;

    if (!read_owner(call, &root, &wish)) {
        malformed(reply);
        return;
    }
    dt_json_start(&json, &reply->body);
    dt_json_object(&json);
    dt_json_key(&json, "lockOKMQSet");
    dt_json_array(&json);
    iter = rmq_json_items(rmq_json_get(root, "mqSet"));
    while (rmq_json_next(&iter, NULL, &queue)) {
        if (!read_queue(queue, &wish) || !take(mock, &wish))
            continue;
        dt_json_object(&json);
        dt_json_kv_string(&json, "brokerName", mock->at->shard->name);
        dt_json_kv_int(&json, "queueId", wish.queue_id);
        dt_json_kv_string(&json, "topic", wish.topic);
        dt_json_object_end(&json);
    }
    dt_json_array_end(&json);
    dt_json_object_end(&json);
}

void mock_handle_unlock(struct mockmq *mock, const struct mock_call *call,
                        struct mock_reply *reply)
{
    struct rmq_json root, queue;
    struct rmq_json_iter iter;
    struct wish wish;

    if (!read_owner(call, &root, &wish)) {
        malformed(reply);
        return;
    }
    iter = rmq_json_items(rmq_json_get(root, "mqSet"));
    while (rmq_json_next(&iter, NULL, &queue)) {
        struct mock_lock *lock = read_queue(queue, &wish) ? find(mock, &wish) : NULL;

        if (lock != NULL && strcmp(lock->client_id, wish.client_id) == 0)
            lock->client_id[0] = 0;
    }
}

dt_status rmq_mock_lock_take(rmq_mock *mock, const char *group, const char *topic,
                             int32_t queue_id, const char *client_id)
{
    dt_status status = DT_ENOTFOUND;

    pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->lock_count; i++) {
        struct mock_lock *lock = &mock->locks[i];

        if (lock->queue_id != queue_id || strcmp(lock->group, group) != 0 ||
            strcmp(lock->topic, topic) != 0 || lock->client_id[0] == 0)
            continue;
        snprintf(lock->client_id, sizeof(lock->client_id), "%s", client_id);
        lock->last_ms = mock_now_ms(mock);
        status = DT_OK;
    }
    pthread_mutex_unlock(&mock->lock);
    return status;
}
