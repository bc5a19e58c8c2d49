#include "side/rocketmq_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/status.h"

struct rocketmq_batch {
    struct duet_batch_box box;
    struct duet_rocketmq_pulled *pulled;
    struct dt_buf scratch;       /* what the mapping decoded */
    struct duet_header *headers; /* of all records */
    size_t header_count, header_capacity;
    struct duet_read_record records[];
};

/* Room for one message at a time. */
struct working {
    struct duet_property *properties;
    struct duet_header headers[DUET_HEADERS_MAX];
};

struct duet_rocketmq_pulled *duet_rocketmq_pulled_new(rmq_batch *batch)
{
    struct duet_rocketmq_pulled *pulled = malloc(sizeof(*pulled));

    if (pulled == NULL)
        return NULL;
    pulled->batch = batch;
    atomic_init(&pulled->users, 1);
    return pulled;
}

void duet_rocketmq_pulled_release(struct duet_rocketmq_pulled *pulled)
{
    if (pulled == NULL || atomic_fetch_sub(&pulled->users, 1) > 1)
        return;
    rmq_batch_free(pulled->batch);
    free(pulled);
}

static void release(struct duet_batch_box *box)
{
    struct rocketmq_batch *batch = (struct rocketmq_batch *)box;

    duet_rocketmq_pulled_release(batch->pulled);
    dt_buf_fini(&batch->scratch);
    free(batch->headers);
}

static dt_status no_memory(void)
{
    return dt_error_set(DT_ENOMEM, "rocketmq: no memory for what was read");
}

static dt_status keep_headers(struct rocketmq_batch *batch,
                              const struct duet_record *record)
{
    size_t needed = batch->header_count + record->header_count;

    if (needed > batch->header_capacity) {
        size_t capacity = needed * 2;
        struct duet_header *larger =
            realloc(batch->headers, capacity * sizeof(*batch->headers));

        if (larger == NULL)
            return no_memory();
        batch->headers = larger;
        batch->header_capacity = capacity;
    }
    if (record->header_count > 0)
        memcpy(&batch->headers[batch->header_count], record->headers,
               record->header_count * sizeof(*batch->headers));
    batch->header_count = needed;
    return DT_OK;
}

/* The properties as spans; stamp and link are looked up on the way. */
static void read_properties(const rmq_received *message, struct duet_property *properties,
                            struct dt_span *stamp, struct dt_span *link)
{
    *stamp = *link = dt_span_of(NULL, 0);
    for (size_t i = 0; i < message->property_count; i++) {
        properties[i].name = dt_span_str(message->properties[i].name);
        properties[i].value = dt_span_str(message->properties[i].value);
        if (dt_span_equal_str(properties[i].name, DUET_STAMP_PROPERTY))
            *stamp = properties[i].value;
        else if (dt_span_equal_str(properties[i].name, DUET_PROPERTY_LINK))
            *link = properties[i].value;
    }
}

/* The scratch has room for it: it counts what all such texts take. */
static void read_link(const struct duet_rocketmq_origin *origin, struct dt_span text,
                      struct dt_buf *scratch, struct duet_read_record *out)
{
    struct duet_link link;
    uint8_t *to;
    size_t size;

    out->link_verdict = text.data == NULL ? DUET_LINK_MISSING : DUET_LINK_BAD_SIZE;
    if (text.size == 0 || (to = dt_buf_reserve(scratch, text.size)) == NULL ||
        !dt_base64_decode(to, &size, (const char *)text.data, text.size))
        return;
    out->link_verdict = duet_link_decode(&link, dt_span_of(to, size), origin->stamp_key,
                                         origin->topic, &out->stamp.id);
    if (out->link_verdict != DUET_LINK_OK)
        return;
    dt_buf_commit(scratch, size);
    out->link = dt_span_of(to, size);
}

static dt_status read_record(const struct duet_rocketmq_origin *origin,
                             struct rocketmq_batch *batch, const rmq_received *message,
                             struct duet_read_record *out, struct working *working)
{
    struct dt_span stamp, link;
    struct duet_rmq_message mapped = {.body = dt_span_of(message->body, message->body_size),
                                      .properties = working->properties,
                                      .property_count = message->property_count};
    struct duet_found found = {.partition = origin->partition,
                               .position = message->offset,
                               .timestamp_ms = message->born_ms,
                               .store_ms = message->store_ms};
    dt_status status = DT_OK;

    read_properties(message, working->properties, &stamp, &link);
    out->position = message->offset;
    out->broker_mark = (uint64_t)message->store_ms;
    out->corrupt = message->corrupt_body;
    out->verdict = duet_stamp_decode_text(&out->stamp, stamp, origin->stamp_key,
                                          origin->topic, origin->partition);
    if (out->verdict == DUET_STAMP_OK) {
        status = duet_mapping_decode(&out->record, &mapped, out->stamp.flags,
                                     &batch->scratch, working->headers);
        out->corrupt = out->corrupt || status != DT_OK;
        read_link(origin, link, &batch->scratch, out);
    } else {
        out->link_verdict = DUET_LINK_MISSING;
        duet_derive_rocketmq(&out->stamp, &origin->derive, &found);
    }
    if (status == DT_ENOMEM)
        return status;
    if (out->verdict != DUET_STAMP_OK || status != DT_OK) { /* as it is stored */
        status = duet_mapping_decode_foreign(&out->record, &mapped, working->headers);
        out->corrupt = out->corrupt || status != DT_OK;
    }
    out->record.timestamp_ms = message->born_ms;
    return keep_headers(batch, &out->record);
}

/* How much the mapping can decode, so that the scratch never moves; and the most properties. */
static void measure(const rmq_received *messages, size_t count, size_t *text_size,
                    size_t *property_count)
{
    *text_size = 0;
    *property_count = 1;
    for (size_t i = 0; i < count; i++) {
        const rmq_received *message = &messages[i];

        if (message->property_count > *property_count)
            *property_count = message->property_count;
        for (size_t j = 0; j < message->property_count; j++)
            if (strncmp(message->properties[j].name, "DUET_", 5) == 0)
                *text_size += strlen(message->properties[j].value);
    }
}

static dt_status read_records(const struct duet_rocketmq_origin *origin,
                              struct rocketmq_batch *batch, const rmq_received *messages,
                              size_t count)
{
    struct working *working = malloc(sizeof(*working));
    size_t text_size, property_count, header = 0;
    dt_status status = DT_OK;

    measure(messages, count, &text_size, &property_count);
    dt_buf_init(&batch->scratch, text_size);
    if (working == NULL)
        return no_memory();
    working->properties = calloc(property_count, sizeof(*working->properties));
    if (working->properties == NULL ||
        (text_size > 0 && dt_buf_reserve(&batch->scratch, text_size) == NULL))
        status = no_memory();
    for (size_t i = 0; status == DT_OK && i < count; i++)
        status = read_record(origin, batch, &messages[i], &batch->records[i], working);
    for (size_t i = 0; status == DT_OK && i < count; i++) { /* they have stopped moving */
        batch->records[i].record.headers = &batch->headers[header];
        header += batch->records[i].record.header_count;
    }
    free(working->properties);
    free(working);
    return status;
}

dt_status duet_rocketmq_batch_new(const struct duet_rocketmq_origin *origin,
                                  struct duet_rocketmq_pulled *pulled, size_t first,
                                  size_t count, struct duet_read_batch **out)
{
    const rmq_batch *from = pulled->batch;
    struct rocketmq_batch *batch =
        calloc(1, sizeof(*batch) + count * sizeof(batch->records[0]));
    dt_status status;

    if (batch == NULL)
        return no_memory();
    atomic_fetch_add(&pulled->users, 1);
    batch->pulled = pulled;
    batch->box.release = release;
    status = read_records(origin, batch, from->messages + first, count);
    if (status != DT_OK) {
        duet_read_batch_free(&batch->box.batch);
        return status;
    }
    batch->box.batch.event = DUET_READ_RECORDS;
    batch->box.batch.partition = origin->partition;
    batch->box.batch.records = batch->records;
    batch->box.batch.count = count;
    batch->box.batch.next_position = first + count < from->count
                                         ? from->messages[first + count].offset
                                         : from->next_offset;
    batch->box.batch.begin = from->min_offset;
    batch->box.batch.end = from->max_offset;
    *out = &batch->box.batch;
    return DT_OK;
}
