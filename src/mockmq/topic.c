#include <ctype.h>
#include <stdlib.h>

#include "mockmq/mock.h"
#include "rmq/stored.h"

struct mock_topic *mock_shard_topic(const struct mock_shard *shard, struct dt_span name)
{
    for (struct mock_topic *topic = shard->topics; topic != NULL; topic = topic->next)
        if (dt_span_equal_str(name, topic->name))
            return topic;
    return NULL;
}

struct mock_topic *mock_topic_find(struct mockmq *mock, struct dt_span name)
{
    return mock_shard_topic(mock->at->shard, name);
}

static bool starts_with(struct dt_span text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool mock_topic_is_legal(struct dt_span name)
{
    bool of_group = starts_with(name, "%RETRY%") || starts_with(name, "%DLQ%");

    if (name.size == 0 || name.size > (of_group ? RMQ_GROUP_SIZE_MAX : RMQ_TOPIC_SIZE_MAX))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum(name.data[i]) &&
            (name.data[i] == 0 || strchr("%|_-", name.data[i]) == NULL))
            return false;
    return true;
}

static bool grow_queues(struct mock_topic *topic, size_t count)
{
    struct mock_queue **queues;

    if (count <= topic->queue_count)
        return true;
    queues = realloc(topic->queues, count * sizeof(struct mock_queue *));
    if (queues == NULL)
        return false;
    topic->queues = queues;
    while (topic->queue_count < count) {
        struct mock_queue *queue = calloc(1, sizeof(*queue));

        if (queue == NULL)
            return false;
        queue->topic = topic;
        queue->id = (int32_t)topic->queue_count;
        queues[topic->queue_count++] = queue;
    }
    return true;
}

struct mock_topic *mock_topic_put(struct mockmq *mock, struct dt_span name,
                                  int32_t read_queues, int32_t write_queues, int32_t perm)
{
    struct mock_topic *topic = mock_topic_find(mock, name);
    int32_t most = read_queues > write_queues ? read_queues : write_queues;

    if (topic == NULL) {
        if (mock->topic_count >= MOCK_TOPICS_MAX || name.size >= sizeof(topic->name))
            return NULL;
        topic = calloc(1, sizeof(*topic));
        if (topic == NULL)
            return NULL;
        memcpy(topic->name, name.data, name.size);
        topic->next = mock->at->shard->topics;
        mock->at->shard->topics = topic;
        mock->topic_count++;
    }
    if (!grow_queues(topic, (size_t)most))
        return NULL;
    topic->read_queues = read_queues;
    topic->write_queues = write_queues;
    topic->perm = perm;
    return topic;
}

struct mock_queue *mock_queue_of(const struct mock_topic *topic, int64_t id)
{
    if (topic == NULL || id < 0 || (uint64_t)id >= topic->queue_count)
        return NULL;
    return topic->queues[id];
}

size_t mock_queue_end(const struct mockmq *mock, const struct mock_queue *queue)
{
    const struct mock_node *at = mock->at;
    size_t end = queue->count;

    if (at->id == 0)
        return end;
    if (at->is_frozen)
        return queue->frozen[at->slot] < end ? queue->frozen[at->slot] : end;
    return (uint64_t)at->lag < end - queue->base ? end - (size_t)at->lag : queue->base;
}

const struct mock_message *mock_queue_at(const struct mock_queue *queue, size_t offset)
{
    return &queue->messages[offset - queue->base];
}

static bool add_message(struct mock_queue *queue, struct mock_message message)
{
    size_t stored = queue->count - queue->base;

    if (stored == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 16 : queue->capacity * 2;
        struct mock_message *messages =
            realloc(queue->messages, capacity * sizeof(*messages));

        if (messages == NULL)
            return false;
        queue->messages = messages;
        queue->capacity = capacity;
    }
    queue->messages[stored] = message;
    queue->count++;
    return true;
}

static void forget(struct mockmq *mock, struct mock_message *message)
{
    mock->memory_used -= message->size + sizeof(*message);
    free(message->bytes);
}

bool mock_queue_store(struct mockmq *mock, struct mock_queue *queue,
                      struct rmq_stored *stored, int64_t offset, int64_t *physical_offset)
{
    struct mock_message message;
    size_t size = rmq_stored_size(stored);

    if (size + sizeof(message) > mock->memory_max - mock->memory_used)
        return false;
    stored->physical_offset = *physical_offset = mock->physical_offset;
    if (mock_script_withholds(mock, queue, offset, stored->properties)) {
        mock->physical_offset += (int64_t)size;
        return true;
    }
    if (mock->forgets) {
        mock_queue_expire(mock, queue, queue->count);
        mock->physical_offset += (int64_t)size;
        queue->base = ++queue->count;
        return true;
    }
    stored->queue_offset = (int64_t)queue->count;
    dt_buf_clear(&mock->stored);
    rmq_stored_put(&mock->stored, stored);
    message.store_ms = stored->store_ms;
    message.size = size;
    message.bytes = mock->stored.failed ? NULL : malloc(size);
    if (message.bytes == NULL)
        return false;
    memcpy(message.bytes, mock->stored.data, size);
    if (!add_message(queue, message)) {
        free(message.bytes);
        return false;
    }
    mock->physical_offset += (int64_t)size;
    mock->memory_used += size + sizeof(message);
    return true;
}

void mock_queue_lose(struct mockmq *mock, struct mock_queue *queue, size_t count)
{
    for (; count > 0 && queue->count > queue->base; count--)
        forget(mock, &queue->messages[--queue->count - queue->base]);
}

void mock_queue_expire(struct mockmq *mock, struct mock_queue *queue, size_t offset)
{
    size_t count = offset > queue->count  ? queue->count - queue->base
                   : offset > queue->base ? offset - queue->base
                                          : 0;

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        forget(mock, &queue->messages[i]);
    queue->base += count;
    memmove(queue->messages, queue->messages + count,
            (queue->count - queue->base) * sizeof(*queue->messages));
}

void mock_topics_lose(struct mockmq *mock, const struct mock_shard *shard, int64_t count)
{
    for (struct mock_topic *topic = shard->topics; topic != NULL; topic = topic->next)
        for (size_t i = 0; i < topic->queue_count; i++)
            mock_queue_lose(mock, topic->queues[i], (size_t)count);
}

static void free_topic(struct mockmq *mock, struct mock_topic *topic)
{
    for (size_t i = 0; i < topic->queue_count; i++) {
        mock_queue_lose(mock, topic->queues[i], SIZE_MAX);
        free(topic->queues[i]->messages);
        free(topic->queues[i]);
    }
    free(topic->queues);
    free(topic);
}

bool mock_topic_remove(struct mockmq *mock, struct mock_shard *shard, struct dt_span name)
{
    struct mock_topic *topic = mock_shard_topic(shard, name), **at = &shard->topics;

    if (topic == NULL)
        return false;
    while (*at != topic)
        at = &(*at)->next;
    *at = topic->next;
    mock->topic_count--;
    mock_topic_forget_users(mock, topic);
    free_topic(mock, topic);
    return true;
}

void mock_topics_free(struct mockmq *mock, struct mock_shard *shard)
{
    while (shard->topics != NULL) {
        struct mock_topic *topic = shard->topics;

        shard->topics = topic->next;
        free_topic(mock, topic);
    }
}
