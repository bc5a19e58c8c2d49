#include "side/kafka_batch.h"

#include <stdlib.h>

struct kafka_batch {
    struct duet_batch_box box;
    rd_kafka_message_t **messages;
    size_t count;
    struct duet_header *headers; /* of all records */
    struct duet_read_record records[];
};

static void release(struct duet_batch_box *box)
{
    struct kafka_batch *batch = (struct kafka_batch *)box;

    for (size_t i = 0; i < batch->count; i++)
        rd_kafka_message_destroy(batch->messages[i]);
    free(batch->messages);
    free(batch->headers);
}

static size_t header_count(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return rd_kafka_header_cnt(headers);
}

static void read_headers(const rd_kafka_message_t *message, size_t count,
                         struct duet_header *out)
{
    rd_kafka_headers_t *headers;

    if (count == 0 ||
        rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t size;

        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        out[i].name = dt_span_str(name);
        out[i].value = dt_span_of(value, size);
    }
}

/* The last header of this name: whoever copies a record adds at the end. -1: none. */
static ptrdiff_t find_last(const struct duet_header *headers, size_t count,
                           const char *name)
{
    ptrdiff_t at = (ptrdiff_t)count - 1;

    while (at >= 0 && !dt_span_equal_str(headers[at].name, name))
        at--;
    return at;
}

static void take_out(struct duet_header *headers, size_t *count, ptrdiff_t at)
{
    (*count)--;
    memmove(&headers[at], &headers[at + 1], (*count - (size_t)at) * sizeof(*headers));
}

/* A stamp that does not count is a header like any other. */
static enum duet_stamp_verdict take_stamp(const struct duet_kafka_origin *origin,
                                          int32_t partition, struct duet_header *headers,
                                          size_t *count, struct duet_stamp *stamp)
{
    enum duet_stamp_verdict verdict;
    ptrdiff_t at = find_last(headers, *count, DUET_STAMP_KAFKA_HEADER);

    if (at < 0)
        return DUET_STAMP_MISSING;
    verdict = duet_stamp_decode(stamp, headers[at].value, origin->stamp_key, origin->topic,
                                partition);
    if (verdict == DUET_STAMP_OK)
        take_out(headers, count, at);
    return verdict;
}

/* The same for the link of a record with a stamp. */
static void take_link(const struct duet_kafka_origin *origin, struct duet_header *headers,
                      size_t *count, struct duet_read_record *out)
{
    ptrdiff_t at = find_last(headers, *count, DUET_LINK_KAFKA_HEADER);
    struct duet_link link;

    out->link_verdict = DUET_LINK_MISSING;
    if (at < 0)
        return;
    out->link_verdict = duet_link_decode(&link, headers[at].value, origin->stamp_key,
                                         origin->topic, &out->stamp.id);
    if (out->link_verdict != DUET_LINK_OK)
        return;
    out->link = headers[at].value;
    take_out(headers, count, at);
}

static void read_record(const struct duet_kafka_origin *origin,
                        const rd_kafka_message_t *message, struct duet_read_record *out,
                        struct duet_header *headers, size_t count)
{
    rd_kafka_timestamp_type_t type;

    out->position = message->offset;
    out->record.key = dt_span_of(message->key, message->key_len);
    out->record.value = dt_span_of(message->payload, message->len);
    out->record.timestamp_ms = rd_kafka_message_timestamp(message, &type);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        out->record.timestamp_ms = -1;
    read_headers(message, count, headers);
    out->verdict = take_stamp(origin, message->partition, headers, &count, &out->stamp);
    if (out->verdict == DUET_STAMP_OK)
        take_link(origin, headers, &count, out);
    else
        out->link_verdict = DUET_LINK_MISSING;
    out->record.headers = headers;
    out->record.header_count = count;
    if (out->verdict != DUET_STAMP_OK) {
        struct duet_found found = {.partition = message->partition,
                                   .position = message->offset,
                                   .timestamp_ms = out->record.timestamp_ms};

        duet_derive_kafka(&out->stamp, &origin->derive, &found);
    }
}

struct duet_read_batch *duet_kafka_batch_take(const struct duet_kafka_origin *origin,
                                              rd_kafka_message_t **messages, size_t count)
{
    struct kafka_batch *batch =
        calloc(1, sizeof(*batch) + count * sizeof(batch->records[0]));
    size_t headers_total = 0, headers_used = 0;

    if (batch == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        headers_total += header_count(messages[i]);
    batch->messages = malloc(count * sizeof(batch->messages[0]));
    batch->headers =
        malloc((headers_total ? headers_total : 1) * sizeof(batch->headers[0]));
    if (batch->messages == NULL || batch->headers == NULL) {
        free(batch->messages);
        free(batch->headers);
        free(batch);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        size_t of_this = header_count(messages[i]);

        batch->messages[i] = messages[i];
        read_record(origin, messages[i], &batch->records[i], &batch->headers[headers_used],
                    of_this);
        headers_used += of_this;
    }
    batch->count = count;
    batch->box.release = release;
    batch->box.batch.event = DUET_READ_RECORDS;
    batch->box.batch.partition = messages[0]->partition;
    batch->box.batch.records = batch->records;
    batch->box.batch.count = count;
    batch->box.batch.next_position = messages[count - 1]->offset + 1;
    batch->box.batch.begin = batch->box.batch.end = -1;
    return &batch->box.batch;
}
