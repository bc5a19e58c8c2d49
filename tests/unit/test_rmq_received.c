/* rmq: from the bytes of a pull's answer to messages */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "rmq/batch.h"
#include "rmq/codes.h"
#include "rmq/received.h"
#include "support/case.h"

static const rmq_queue queue = {"broker-a", 3};

static struct rmq_stored message_at(int64_t offset, const char *body,
                                    const char *properties)
{
    struct rmq_stored stored = {0};

    stored.queue_id = 3;
    stored.flag = 7;
    stored.queue_offset = offset;
    stored.physical_offset = 1000 + offset;
    stored.born_ms = 1700000000000;
    stored.store_ms = 1700000000123;
    stored.born_host.ip_size = stored.store_host.ip_size = 4;
    stored.born_host.ip[0] = stored.store_host.ip[0] = 10;
    stored.store_host.port = 10911;
    stored.reconsume_times = 2;
    stored.topic = dt_span_str("flights");
    stored.body = dt_span_str(body);
    stored.properties = dt_span_str(properties);
    return stored;
}

static rmq_batch *batch_of_tagged(struct dt_buf *bytes, int64_t asked, const char *tags)
{
    struct rmq_tag_filter filter;
    struct rmq_chunk *chunk;
    rmq_batch *batch;
    uint8_t *exact = malloc(bytes->size + 1);

    assert_false(bytes->failed);
    memcpy(exact, bytes->data, bytes->size);
    assert_int_equal(rmq_chunk_new(dt_span_of(exact, bytes->size), asked, &chunk), DT_OK);
    free(exact);
    assert_int_equal(rmq_tag_filter_init(&filter, tags), DT_OK);
    assert_int_equal(rmq_batch_make(chunk, &queue, 1 << 20, &filter, &batch), DT_OK);
    rmq_tag_filter_fini(&filter);
    dt_buf_fini(bytes);
    return batch;
}

static rmq_batch *batch_of(struct dt_buf *bytes, int64_t asked)
{
    return batch_of_tagged(bytes, asked, "*");
}

static void put(struct dt_buf *out, struct rmq_stored stored)
{
    if (out->max == 0)
        dt_buf_init(out, 1 << 20);
    rmq_stored_put(out, &stored);
}

static void all_of_a_message_is_given(void **state)
{
    struct dt_buf bytes = {0};
    const rmq_received *message;
    rmq_batch *batch;

    (void)state;
    put(&bytes, message_at(5, "hello", "KEYS\1k1 k2\2TAGS\1a\2UNIQ_KEY\1ID5\2"));
    put(&bytes, message_at(6, "", ""));
    batch = batch_of(&bytes, 5);
    assert_int_equal(batch->count, 2);
    message = &batch->messages[0];
    assert_string_equal(message->topic, "flights");
    assert_string_equal(message->queue.broker_name, "broker-a");
    assert_int_equal(message->queue.queue_id, 3);
    assert_int_equal(message->offset, 5);
    assert_int_equal(message->physical_offset, 1005);
    assert_int_equal(message->born_ms, 1700000000000);
    assert_int_equal(message->store_ms, 1700000000123);
    assert_int_equal(message->flag, 7);
    assert_int_equal(message->reconsume_times, 2);
    assert_int_equal(message->body_size, 5);
    assert_memory_equal(message->body, "hello", 5);
    assert_false(message->corrupt_body);
    assert_int_equal(message->property_count, 3);
    assert_string_equal(message->properties[0].name, "KEYS");
    assert_string_equal(message->properties[0].value, "k1 k2");
    assert_string_equal(rmq_received_property(message, "TAGS"), "a");
    assert_null(rmq_received_property(message, "TAG"));
    assert_string_equal(message->message_id, "ID5");
    /* nobody gave the second one an id: its place on the broker is one */
    message = &batch->messages[1];
    assert_int_equal(message->property_count, 0);
    assert_int_equal(message->body_size, 0);
    assert_string_equal(message->message_id, "0A00000000002A9F00000000000003EE");
    rmq_batch_free(batch);
}

static void a_last_property_without_its_end_does_no_harm_to_what_follows(void **state)
{
    struct dt_buf bytes = {0};
    rmq_batch *batch;

    (void)state;
    for (int i = 0; i < 3; i++)
        put(&bytes, message_at(i, "body", "A\1x\2LAST\1value"));
    batch = batch_of(&bytes, 0);
    assert_int_equal(batch->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(batch->messages[i].offset, i);
        assert_string_equal(rmq_received_property(&batch->messages[i], "LAST"), "value");
        assert_string_equal(rmq_received_property(&batch->messages[i], "A"), "x");
        assert_string_equal(batch->messages[i].topic, "flights");
    }
    rmq_batch_free(batch);
}

static void messages_before_the_wanted_offset_are_left_out(void **state)
{
    struct dt_buf bytes = {0};
    rmq_batch *batch;

    (void)state;
    for (int i = 0; i < 5; i++)
        put(&bytes, message_at(i, "body", "A\1x\2"));
    batch = batch_of(&bytes, 3);
    assert_int_equal(batch->count, 2);
    assert_int_equal(batch->messages[0].offset, 3);
    rmq_batch_free(batch);
}

static void compressed_bodies_are_given_plain(void **state)
{
    static char plain[5000];
    uint8_t packed[6000];
    uLongf size = sizeof(packed);
    struct rmq_stored stored = message_at(1, "", "A\1x\2");
    struct dt_buf bytes = {0};
    rmq_batch *batch;

    (void)state;
    memset(plain, 'p', sizeof(plain));
    assert_int_equal(compress(packed, &size, (const Bytef *)plain, sizeof(plain)), Z_OK);
    stored.sys_flag = RMQ_SYS_COMPRESSED;
    stored.body = dt_span_of(packed, size);
    put(&bytes, stored);
    put(&bytes, message_at(2, "plain", ""));
    packed[size / 2] ^=
        0x55; /* its CRC is computed over the damage: only zlib can see it */
    stored.body = dt_span_of(packed, size);
    put(&bytes, stored);
    batch = batch_of(&bytes, 0);
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->messages[0].body_size, sizeof(plain));
    assert_memory_equal(batch->messages[0].body, plain, sizeof(plain));
    assert_false(batch->messages[0].corrupt_body);
    assert_int_equal(batch->messages[1].body_size, 5);
    assert_true(batch->messages[2].corrupt_body);
    assert_int_equal(batch->messages[2].body_size, size);
    rmq_batch_free(batch);
}

static void a_body_that_was_damaged_is_marked(void **state)
{
    struct dt_buf bytes = {0};
    rmq_batch *batch;
    uint8_t *body;

    (void)state;
    put(&bytes, message_at(1, "hello", "A\1x\2"));
    body = memmem(bytes.data, bytes.size, "hello", 5);
    assert_non_null(body);
    body[1] ^= 1;
    batch = batch_of(&bytes, 0);
    assert_int_equal(batch->count, 1);
    assert_true(batch->messages[0].corrupt_body);
    assert_memory_equal(batch->messages[0].body, "hdllo", 5);
    rmq_batch_free(batch);
}

static void what_is_no_row_of_messages_is_corrupt(void **state)
{
    struct dt_buf bytes = {0};
    size_t one;

    (void)state;
    put(&bytes, message_at(1, "hello", "A\1x\2"));
    one = bytes.size;
    put(&bytes, message_at(2, "hello", "A\1x\2"));
    for (size_t size = 0; size <= bytes.size; size++) {
        struct rmq_chunk *chunk;
        uint8_t *exact = malloc(size == 0 ? 1 : size); /* ASan sees one byte too many */
        bool is_whole = size == 0 || size == one || size == bytes.size;

        memcpy(exact, bytes.data, size);
        assert_int_equal(rmq_chunk_new(dt_span_of(exact, size), 0, &chunk),
                         is_whole ? DT_OK : DT_ECORRUPT);
        free(chunk);
        free(exact);
    }
    dt_buf_fini(&bytes);
}

static void only_messages_with_a_wanted_tag_are_given(void **state)
{
    struct dt_buf bytes = {0};
    struct rmq_tag_filter filter;
    rmq_batch *batch;

    (void)state;
    put(&bytes, message_at(0, "a", "TAGS\1red\2"));
    put(&bytes, message_at(1, "b", "KEYS\1red\2")); /* none at all */
    put(&bytes, message_at(2, "c", "TAGS\1redder\2"));
    put(&bytes, message_at(3, "d", "K\1v\2TAGS\1dark blue\2UNIQ_KEY\1ID3\2"));
    put(&bytes, message_at(4, "e", "TAGS\1green\2"));
    batch = batch_of_tagged(&bytes, 0, " red ||dark blue|| violet");
    assert_int_equal(batch->count, 2);
    assert_int_equal(batch->messages[0].offset, 0);
    assert_int_equal(batch->messages[1].offset, 3);
    assert_memory_equal(batch->messages[1].body, "d", 1);
    assert_int_equal(batch->messages[1].property_count, 3);
    assert_string_equal(batch->messages[1].message_id, "ID3");
    rmq_batch_free(batch);
    assert_int_equal(rmq_tag_filter_init(&filter, "a || || b"), DT_EINVAL);
    assert_int_equal(rmq_tag_filter_init(&filter, "||"), DT_EINVAL);
}

/* A batch of three, stored as one message at offset 10. */
static void put_inner_batch(struct dt_buf *out, struct dt_buf *body)
{
    static const char *const properties[] = {"UNIQ_KEY\1A\2", "", "TAGS\1t\2UNIQ_KEY\1C"};
    struct rmq_stored stored = message_at(10, "", "INNER_NUM\0013\2INNER_BASE\00110\2");

    dt_buf_init(body, 1 << 20);
    for (int i = 0; i < 3; i++) {
        struct rmq_batch_item item = {0, 100 + i, dt_span_str(&"abc"[i]),
                                      dt_span_str(properties[i])};

        item.body.size = 1;
        rmq_batch_item_put(body, &item);
    }
    stored.sys_flag = 0x40 | 0x80;
    stored.body = dt_buf_span(body);
    put(out, stored);
}

static void an_inner_batch_is_given_as_its_members(void **state)
{
    struct dt_buf bytes = {0}, body;
    rmq_batch *batch;

    (void)state;
    put_inner_batch(&bytes, &body);
    put(&bytes, message_at(13, "z", ""));
    batch = batch_of(&bytes, 0);
    assert_int_equal(batch->count, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(batch->messages[i].offset, 10 + i);
        assert_int_equal(batch->messages[i].flag, 100 + i);
        assert_int_equal(batch->messages[i].body_size, 1);
        assert_memory_equal(batch->messages[i].body, &"abc"[i], 1);
        assert_string_equal(batch->messages[i].topic, "flights");
        assert_int_equal(batch->messages[i].store_ms, 1700000000123);
        assert_false(batch->messages[i].corrupt_body);
    }
    assert_string_equal(batch->messages[0].message_id, "A");
    assert_int_equal(strlen(batch->messages[1].message_id), 32); /* of the outer message */
    assert_string_equal(rmq_received_property(&batch->messages[2], "TAGS"), "t");
    assert_string_equal(batch->messages[2].message_id, "C");
    assert_int_equal(batch->messages[3].offset, 13);
    rmq_batch_free(batch);
    dt_buf_fini(&body);
}

static void reading_may_begin_within_an_inner_batch(void **state)
{
    struct dt_buf bytes = {0}, body;
    rmq_batch *batch;

    (void)state;
    put_inner_batch(&bytes, &body);
    batch = batch_of(&bytes, 12);
    assert_int_equal(batch->count, 1);
    assert_int_equal(batch->messages[0].offset, 12);
    assert_memory_equal(batch->messages[0].body, "c", 1);
    rmq_batch_free(batch);
    dt_buf_fini(&body);
}

static void a_body_that_only_says_it_is_a_batch_is_refused(void **state)
{
    struct dt_buf bytes = {0};
    struct rmq_stored stored = message_at(10, "no batch", "");
    struct rmq_chunk *chunk;

    (void)state;
    stored.sys_flag = 0x40 | 0x80;
    put(&bytes, stored);
    assert_int_equal(rmq_chunk_new(dt_buf_span(&bytes), 0, &chunk), DT_ECORRUPT);
    assert_null(chunk);
    dt_buf_fini(&bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_message_is_given),
        cmocka_unit_test(a_last_property_without_its_end_does_no_harm_to_what_follows),
        cmocka_unit_test(messages_before_the_wanted_offset_are_left_out),
        cmocka_unit_test(compressed_bodies_are_given_plain),
        cmocka_unit_test(a_body_that_was_damaged_is_marked),
        cmocka_unit_test(what_is_no_row_of_messages_is_corrupt),
        cmocka_unit_test(only_messages_with_a_wanted_tag_are_given),
        cmocka_unit_test(an_inner_batch_is_given_as_its_members),
        cmocka_unit_test(reading_may_begin_within_an_inner_batch),
        cmocka_unit_test(a_body_that_only_says_it_is_a_batch_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
