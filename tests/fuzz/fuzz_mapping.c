/*
 * Stamps, and RocketMQ messages read back into Kafka records.
 *
 * First byte: bit 0 a message without a stamp of ours, bits 2 and 3 the stamp's flags. Second:
 * the size of the body. The rest are its bytes, then properties.
 *
 * Holds: a stamp that counts is, written again, the same bytes, and never one for another topic;
 * a record that was read and is written reads as the same record.
 */
#include "fuzz/fuzz.h"
#include "model/mapping.h"
#include "model/mapping_encode.h"
#include "rmq/properties.h"

enum { PROPERTIES = 256, SCRATCH = 1 << 16, SCRATCH_OUT = 1 << 20 };

/* Of tests/golden/model.txt, whose stamps are in the corpus. */
static const struct duet_stamp_key key = {7,
                                          {0x50, 0x72, 0xad, 0xbe, 0xf6, 0x64, 0x7a, 0x0a,
                                           0x92, 0x5c, 0x35, 0x39, 0xb3, 0xe9, 0xbe, 0xf0}};

static void need_stamp(struct dt_span bytes)
{
    char text[DUET_STAMP_TEXT_SIZE + 1];
    uint8_t again[DUET_STAMP_SIZE];
    struct duet_stamp stamp;
    int32_t partition;

    for (partition = 0; partition < 4; partition++) {
        if (duet_stamp_decode(&stamp, bytes, &key, "flights", partition) == DUET_STAMP_OK) {
            duet_stamp_encode(again, &stamp, &key, "flights");
            FUZZ_NEED(dt_span_equal(dt_span_of(again, sizeof(again)), bytes));
        }
        if (duet_stamp_decode_text(&stamp, bytes, &key, "flights", partition) ==
            DUET_STAMP_OK) {
            duet_stamp_encode_text(text, &stamp, &key, "flights");
            FUZZ_NEED(dt_span_equal(dt_span_of(text, DUET_STAMP_TEXT_SIZE), bytes));
        }
    }
}

static void need_same(struct dt_span a, struct dt_span b)
{
    FUZZ_NEED((a.data == NULL) == (b.data == NULL));
    FUZZ_NEED(dt_span_equal(a, b));
}

/* The record is as an application might produce it: written, it must come back. */
static void write_again(const struct duet_record *record)
{
    static const char stamp_text[] = "AQEAAAAAAAAAAAABAAEAAAAAAAAAAQAAAAAAAA";
    static struct duet_property properties[DUET_HEADERS_MAX + 4];
    static struct duet_header headers[DUET_HEADERS_MAX];
    struct duet_rmq_message message;
    struct duet_record again;
    struct dt_buf out, scratch;

    dt_buf_init(&out, SCRATCH_OUT);
    dt_buf_init(&scratch, SCRATCH_OUT);
    if (duet_mapping_encode(&message, record, dt_span_str(stamp_text), &out, properties) ==
        DT_OK) {
        FUZZ_NEED(duet_mapping_decode(&again, &message, duet_mapping_flags(record),
                                      &scratch, headers) == DT_OK);
        need_same(again.key, record->key);
        need_same(again.value, record->value);
        FUZZ_NEED(again.header_count == record->header_count);
        for (size_t i = 0; i < again.header_count; i++) {
            FUZZ_NEED(dt_span_equal(again.headers[i].name, record->headers[i].name));
            need_same(again.headers[i].value, record->headers[i].value);
        }
    }
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

static void need_message(struct dt_span in, uint8_t how, size_t body_size)
{
    static struct duet_property properties[PROPERTIES];
    static struct duet_header headers[DUET_HEADERS_MAX];
    struct duet_rmq_message message = {.properties = properties};
    struct rmq_property_span property;
    struct duet_record record;
    struct dt_buf scratch;
    dt_status status;

    if (body_size > in.size)
        body_size = in.size;
    message.body = dt_span_of(in.data, body_size);
    in = dt_span_of(in.data + body_size, in.size - body_size);
    while (message.property_count < PROPERTIES && rmq_properties_next(&in, &property)) {
        properties[message.property_count].name = property.name;
        properties[message.property_count++].value = property.value;
    }
    dt_buf_init(&scratch, SCRATCH);
    if ((how & 1) != 0)
        status = duet_mapping_decode_foreign(&record, &message, headers);
    else
        status = duet_mapping_decode(&record, &message,
                                     how & (DUET_FLAG_NULL_VALUE | DUET_FLAG_EMPTY_VALUE),
                                     &scratch, headers);
    if (status == DT_OK) {
        FUZZ_NEED(record.header_count <= DUET_HEADERS_MAX);
        write_again(&record);
    }
    dt_buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    need_stamp(dt_span_of(data, size));
    if (size >= 2)
        need_message(dt_span_of(data + 2, size - 2), data[0], data[1]);
    return 0;
}
