/*
 * script.c - what the mock was told to do wrong, and what it has counted.
 */
#include <stdlib.h>

#include "mockmq/mock.h"
#include "rmq/properties.h"

bool mock_is_send(int32_t request_code)
{
    return request_code == RMQ_SEND_MESSAGE || request_code == RMQ_SEND_MESSAGE_V2 ||
           request_code == RMQ_SEND_BATCH_MESSAGE;
}

/* The script of a request code, or NULL for codes that have none. */
static struct mock_script *script_of(struct mockmq *mock, int32_t request_code)
{
    if (request_code < 0 || request_code >= MOCK_SCRIPTED_MAX)
        return NULL;
    return &mock->scripts[request_code];
}

void mock_count_request(struct mockmq *mock, int32_t request_code)
{
    struct mock_script *script = script_of(mock, request_code);

    if (script != NULL && request_code != 0)
        script->requests++;
    if (mock_is_send(request_code))
        mock->scripts[0].requests++;
    pthread_cond_broadcast(&mock->arrived);
}

/* Takes one of what is outstanding, for the code itself or for all sends. */
static struct mock_script *take(struct mockmq *mock, int32_t request_code, size_t counter)
{
    struct mock_script *candidates[2] = {
        request_code == 0 ? NULL : script_of(mock, request_code),
        mock_is_send(request_code) ? &mock->scripts[0] : NULL};

    for (size_t i = 0; i < 2; i++) {
        int64_t *left;

        if (candidates[i] == NULL)
            continue;
        left = counter == 0 ? &candidates[i]->errors : &candidates[i]->lost_answers;
        if (*left > 0) {
            (*left)--;
            return candidates[i];
        }
    }
    return NULL;
}

bool mock_script_error(struct mockmq *mock, int32_t request_code, int32_t *response_code)
{
    struct mock_script *script = take(mock, request_code, 0);

    if (script != NULL)
        *response_code = script->error_code;
    return script != NULL;
}

bool mock_script_loses_answer(struct mockmq *mock, int32_t request_code)
{
    return take(mock, request_code, 1) != NULL;
}

static void copy_property(struct dt_span properties, const char *name, char *out,
                          size_t size)
{
    struct dt_span value;

    out[0] = 0;
    if (rmq_properties_find(properties, name, &value) && value.size < size) {
        memcpy(out, value.data, value.size);
        out[value.size] = 0;
    }
}

bool mock_script_withholds(struct mockmq *mock, const struct mock_queue *queue,
                           int64_t offset, struct dt_span properties)
{
    for (size_t i = 0; i < mock->withhold_count; i++) {
        struct mock_withhold *withhold = &mock->withholds[i];
        rmq_mock_withheld *record;

        if (withhold->count <= 0 || strcmp(withhold->topic, queue->topic->name) != 0)
            continue;
        record = mock_table_add((void **)&mock->withheld, &mock->withheld_count,
                                &mock->withheld_capacity, sizeof(*record));
        if (record == NULL)
            return false; /* what cannot be put on record is not withheld */
        withhold->count--;
        memcpy(record->topic, queue->topic->name, sizeof(record->topic));
        record->queue_id = queue->id;
        record->offset = offset;
        copy_property(properties, "DUET", record->duet, sizeof(record->duet));
        copy_property(properties, "UNIQ_KEY", record->uniq_key, sizeof(record->uniq_key));
        return true;
    }
    return false;
}

void *mock_table_add(void **table, size_t *count, size_t *capacity, size_t item_size)
{
    char *item;

    if (*count >= MOCK_TABLE_MAX)
        return NULL;
    if (*count == *capacity) {
        size_t more = *capacity == 0 ? 16 : *capacity * 2;
        void *grown = realloc(*table, more * item_size);

        if (grown == NULL)
            return NULL;
        *table = grown;
        *capacity = more;
    }
    item = (char *)*table + (*count)++ * item_size;
    memset(item, 0, item_size);
    return item;
}
