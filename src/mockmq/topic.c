#include <ctype.h>
#include <stdlib.h>

#include "mockmq/mock.h"
#include "rmq/stored.h"

struct mock_topic *mock_topic_find(struct mockmq *mock, struct dt_span name)
{
    for (struct mock_topic *topic = mock->topics; topic != NULL; topic = topic->next)
        if (dt_span_equal_str(name, topic->name))
            return topic;
    return NULL;
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
        topic->next = mock->topics;
        mock->topics = topic;
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

static bool add_message(struct mock_queue *queue, struct mock_message message)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 16 : queue->capacity * 2;
        struct mock_message *messages =
            realloc(queue->messages, capacity * sizeof(*messages));

        if (messages == NULL)
            return false;
        queue->messages = messages;
        queue->capacity = capacity;
    }
    queue->messages[queue->count++] = message;
    return true;
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
    stored->queue_offset = (int64_t)queue->count;
    message.store_ms = stored->store_ms;
    if (mock->forgets) {
        message.bytes = NULL;
        message.size = 0;
        mock->physical_offset += (int64_t)size;
        mock->memory_used += sizeof(message);
        return add_message(queue, message);
    }
    dt_buf_clear(&mock->stored);
    rmq_stored_put(&mock->stored, stored);
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

static void drop_last(struct mockmq *mock, struct mock_queue *queue, int64_t count)
{
    for (; count > 0 && queue->count > 0; count--) {
        struct mock_message *last = &queue->messages[--queue->count];

        mock->memory_used -= last->size + sizeof(*last);
        free(last->bytes);
    }
}

void mock_topics_lose(struct mockmq *mock, int64_t count)
{
    for (struct mock_topic *topic = mock->topics; topic != NULL; topic = topic->next)
        for (size_t i = 0; i < topic->queue_count; i++)
            drop_last(mock, topic->queues[i], count);
}

void mock_topics_free(struct mockmq *mock)
{
    mock_topics_lose(mock, INT64_MAX);
    while (mock->topics != NULL) {
        struct mock_topic *topic = mock->topics;

        mock->topics = topic->next;
        for (size_t i = 0; i < topic->queue_count; i++) {
            free(topic->queues[i]->messages);
            free(topic->queues[i]);
        }
        free(topic->queues);
        free(topic);
    }
}
