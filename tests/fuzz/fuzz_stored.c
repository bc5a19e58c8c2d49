/*
 * The answer to a pull: stored messages, batches in them, compressed bodies.
 *
 * First byte: bit 0 lets a tag filter in, bit 1 sets the bodies' sums right first, so that
 * what is behind them is reached; second byte: the offset that was asked for.
 *
 * Holds: every message that comes out has its texts ended and a body within the bound, offsets
 * from the one asked for on; a stored message that is written again is the same bytes.
 */
#include "fuzz/fuzz.h"
#include "rmq/codes.h"
#include "rmq/received.h"

enum { BODY_MAX = 1 << 16, CRC_AT = 8 };

static void set_sums(uint8_t *data, size_t size)
{
    struct rmq_stored stored;

    for (size_t at = 0; at < size; at += stored.size) {
        uint32_t crc;

        if (rmq_stored_cut(dt_span_of(data + at, size - at), &stored) != RMQ_CUT_FRAME)
            return;
        crc = rmq_body_crc(stored.body);
        for (int i = 0; i < 4; i++)
            data[at + CRC_AT + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

static void write_again(struct dt_span in)
{
    struct rmq_stored stored, again;
    struct dt_buf out;

    for (; in.size > 0; in = dt_span_of(in.data + stored.size, in.size - stored.size)) {
        if (rmq_stored_cut(in, &stored) != RMQ_CUT_FRAME)
            return;
        FUZZ_NEED(stored.size > 0 && stored.size <= in.size);
        FUZZ_NEED(fuzz_is_within(stored.body, in) && fuzz_is_within(stored.topic, in) &&
                  fuzz_is_within(stored.properties, in));
        dt_buf_init(&out, 1 << 22);
        rmq_stored_put(&out, &stored);
        if (!out.failed) {
            FUZZ_NEED(out.size == rmq_stored_size(&stored));
            FUZZ_NEED(rmq_stored_cut(dt_buf_span(&out), &again) == RMQ_CUT_FRAME);
            FUZZ_NEED(dt_span_equal(again.body, stored.body) &&
                      dt_span_equal(again.topic, stored.topic) &&
                      dt_span_equal(again.properties, stored.properties));
            FUZZ_NEED(again.queue_offset == stored.queue_offset &&
                      again.born_ms == stored.born_ms &&
                      again.sys_flag == stored.sys_flag &&
                      memcmp(again.born_host.ip, stored.born_host.ip, 16) == 0);
        }
        dt_buf_fini(&out);
    }
}

static void need_sound(const rmq_batch *batch, int64_t asked)
{
    size_t texts = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const rmq_received *message = &batch->messages[i];

        FUZZ_NEED(message->offset >= asked);
        texts += strlen(message->topic) + strlen(message->message_id);
        for (size_t j = 0; j < message->property_count; j++) {
            texts += strlen(message->properties[j].name);
            texts += strlen(message->properties[j].value);
        }
        if ((message->sys_flag & RMQ_SYS_COMPRESSED) != 0 && !message->corrupt_body)
            FUZZ_NEED(message->body_size <= BODY_MAX);
        for (size_t j = 0; j < message->body_size; j++)
            texts += ((const uint8_t *)message->body)[j];
    }
    FUZZ_NEED(texts < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const rmq_queue queue = {"broker-a", 0};
    struct rmq_tag_filter tags;
    struct rmq_chunk *chunk;
    rmq_batch *batch;
    uint8_t *body;
    int64_t asked;

    if (size < 2)
        return 0;
    asked = data[1];
    body = malloc(size - 2 + 1);
    FUZZ_NEED(body != NULL);
    memcpy(body, data + 2, size - 2);
    if ((data[0] & 2) != 0)
        set_sums(body, size - 2);
    write_again(dt_span_of(body, size - 2));
    FUZZ_NEED(rmq_tag_filter_init(&tags, "TagA || TagB") == DT_OK);
    if (rmq_chunk_new(dt_span_of(body, size - 2), asked, &chunk) == DT_OK) {
        if (rmq_batch_make(chunk, &queue, BODY_MAX, (data[0] & 1) != 0 ? &tags : NULL,
                           &batch) == DT_OK) {
            need_sound(batch, asked);
            rmq_batch_free(batch);
        } else {
            free(chunk);
        }
    }
    rmq_tag_filter_fini(&tags);
    free(body);
    return 0;
}
