/* command: remoting headers in JSON and binary, against bytes of the reference client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/command.h"
#include "support/bytes.h"
#include "support/case.h"

static const char route_json[] =
    "000000a6000000a27b22636f6465223a3130352c226578744669656c6473223a7b22746f706963223a2254"
    "6f"
    "70696354657374222c226163636570745374616e646172644a736f6e4f6e6c79223a2274727565227d2c22"
    "66"
    "6c6167223a302c226c616e6775616765223a22435050222c226f7061717565223a312c2273657269616c69"
    "7a"
    "655479706543757272656e74525043223a224a534f4e222c2276657273696f6e223a3430317d";

static const char route_binary[] =
    "0000004d010000490069010191000000010000000000000000000000340005746f70696300000009546f70"
    "69"
    "635465737400166163636570745374616e646172644a736f6e4f6e6c790000000474727565";

static const char answer_binary[] =
    "0000001b0100001700110001df0000000700000001000000026e6f00000000";

/* Cuts and decodes a frame that lies in memory of exactly its size. */
static void decode_frame(struct dt_span bytes, struct dt_buf *scratch,
                         struct rmq_command *out)
{
    struct rmq_frame frame;

    assert_int_equal(rmq_frame_cut(bytes, RMQ_FRAME_SIZE_MAX, &frame), RMQ_CUT_FRAME);
    assert_int_equal(frame.size, bytes.size);
    assert_int_equal(rmq_command_decode(frame.header, frame.type, scratch, out), DT_OK);
}

static void assert_route_request(const struct rmq_command *command)
{
    struct dt_span value;

    assert_int_equal(command->code, RMQ_GET_ROUTEINFO_BY_TOPIC);
    assert_int_equal(command->language, RMQ_LANGUAGE_CPP);
    assert_int_equal(command->version, 401);
    assert_int_equal(command->opaque, 1);
    assert_int_equal(command->flag, 0);
    assert_null(command->remark.data);
    assert_int_equal(command->field_count, 2);
    assert_true(rmq_command_str(command, "topic", &value));
    assert_span_text(value, "TopicTest");
    assert_true(rmq_command_bool(command, "acceptStandardJsonOnly"));
    assert_false(rmq_command_str(command, "topi", &value));
    assert_int_equal(value.size, 0);
}

static void golden_requests_are_read(void **state)
{
    static const char *const golden[] = {route_json, route_binary};
    struct rmq_command command;
    struct dt_buf scratch;

    (void)state;
    dt_buf_init(&scratch, 4096);
    for (size_t i = 0; i < 2; i++) {
        struct dt_span bytes = bytes_of_hex(golden[i]);

        decode_frame(bytes, &scratch, &command);
        assert_route_request(&command);
        bytes_free(bytes);
    }
    dt_buf_fini(&scratch);
}

static void a_golden_binary_answer_is_read(void **state)
{
    struct dt_span bytes = bytes_of_hex(answer_binary);
    struct rmq_command command;
    struct dt_buf scratch;

    (void)state;
    dt_buf_init(&scratch, 4096);
    decode_frame(bytes, &scratch, &command);
    assert_int_equal(command.code, RMQ_TOPIC_NOT_EXIST);
    assert_int_equal(command.language, RMQ_LANGUAGE_JAVA);
    assert_int_equal(command.version, RMQ_VERSION_5_3_3);
    assert_int_equal(command.opaque, 7);
    assert_true(rmq_command_is_response(&command));
    assert_false(rmq_command_is_oneway(&command));
    assert_span_text(command.remark, "no");
    assert_int_equal(command.field_count, 0);
    bytes_free(bytes);
    dt_buf_fini(&scratch);
}

static void requests_are_written_as_the_golden_bytes(void **state)
{
    static const char *const golden[] = {route_json, route_binary};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct dt_span bytes = bytes_of_hex(golden[i]);
        struct rmq_encoder encoder;
        struct dt_buf out;

        dt_buf_init(&out, 4096);
        rmq_encode_begin(&encoder, &out, i == 0 ? RMQ_HEADER_JSON : RMQ_HEADER_BINARY,
                         rmq_head_request(RMQ_GET_ROUTEINFO_BY_TOPIC, 1, 0));
        rmq_encode_str(&encoder, "topic", "TopicTest");
        rmq_encode_bool(&encoder, "acceptStandardJsonOnly", true);
        rmq_encode_end(&encoder, 0);
        assert_false(out.failed);
        assert_span_equal(dt_buf_span(&out), bytes);
        dt_buf_fini(&out);
        bytes_free(bytes);
    }
}

static void an_answer_is_written_as_the_golden_bytes(void **state)
{
    struct dt_span bytes = bytes_of_hex(answer_binary);
    struct rmq_head head = {
        17, 7, RMQ_FLAG_RESPONSE, RMQ_LANGUAGE_JAVA, 479, dt_span_str("no")};
    struct rmq_encoder encoder;
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 4096);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_BINARY, head);
    rmq_encode_end(&encoder, 0);
    assert_span_equal(dt_buf_span(&out), bytes);
    dt_buf_fini(&out);
    bytes_free(bytes);
}

static void the_size_of_a_body_is_announced_before_or_after_it(void **state)
{
    struct rmq_encoder encoder;
    struct rmq_frame frame;
    struct dt_buf out;

    (void)state;
    dt_buf_init(&out, 4096);
    dt_buf_put_str(&out, "earlier"); /* a frame need not be the first thing in a buffer */
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON,
                     rmq_head_request(RMQ_HEART_BEAT, 7, 0));
    rmq_encode_end(&encoder, 2);
    dt_buf_put_str(&out, "{}");
    dt_buf_consume(&out, 7);
    assert_int_equal(rmq_frame_cut(dt_buf_span(&out), 4096, &frame), RMQ_CUT_FRAME);
    assert_span_text(frame.body, "{}");
    assert_int_equal(frame.size, out.size);

    dt_buf_clear(&out);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_BINARY,
                     rmq_head_request(RMQ_HEART_BEAT, 7, 0));
    rmq_encode_end(&encoder, 0);
    dt_buf_put_str(&out, "[1,2]");
    rmq_encode_body_end(&encoder);
    assert_int_equal(rmq_frame_cut(dt_buf_span(&out), 4096, &frame), RMQ_CUT_FRAME);
    assert_span_text(frame.body, "[1,2]");
    assert_int_equal(frame.size, out.size);
    dt_buf_fini(&out);
}

static dt_status decode_text(const char *text, struct dt_buf *scratch,
                             struct rmq_command *out, struct dt_span *memory)
{
    *memory = bytes_exact(text, strlen(text));
    return rmq_command_decode(*memory, RMQ_HEADER_JSON, scratch, out);
}

static void json_is_read_as_brokers_write_it(void **state)
{
    struct rmq_command command;
    struct dt_buf scratch;
    struct dt_span memory, value;
    int64_t number = 0;

    (void)state;
    dt_buf_init(&scratch, 4096);
    /* numbers and booleans as values, null, escapes, keys that are unknown, no version */
    assert_int_equal(decode_text("{\"extFields\":{\"n\":12,\"b\":TRUE_,\"s\":null}}",
                                 &scratch, &command, &memory),
                     DT_ECORRUPT);
    bytes_free(memory);
    assert_int_equal(
        decode_text("{\"x\":[1],\"flag\":1,\"extFields\":{\"n\":12,\"b\":true,\"s\":null,"
                    "\"q\\u0041\":"
                    "\"a\\u0001b\\u0002\",\"d\":0.5,\"e\":\"\",\"r\":\"1\",\"r\":\"2\"},"
                    "\"opaque\":-5,"
                    "\"language\":\"KLINGON\",\"remark\":\"\\\"no\\\"\",\"code\":0}",
                    &scratch, &command, &memory),
        DT_OK);
    assert_int_equal(command.opaque, -5);
    assert_int_equal(command.language, -1);
    assert_int_equal(command.version, 0);
    assert_span_text(command.remark, "\"no\"");
    assert_true(rmq_command_i64(&command, "n", &number));
    assert_int_equal(number, 12);
    assert_true(rmq_command_bool(&command, "b"));
    assert_false(rmq_command_str(&command, "s", &value));
    assert_true(rmq_command_str(&command, "qA", &value));
    assert_span_text(value, "a\x01"
                            "b\x02");
    assert_true(rmq_command_str(&command, "e", &value));
    assert_int_equal(value.size, 0);
    assert_true(rmq_command_i64(&command, "r", &number)); /* the last counts */
    assert_int_equal(number, 2);
    assert_false(rmq_command_i64(&command, "d", &number));
    assert_int_equal(number, 2);
    bytes_free(memory);
    assert_int_equal(decode_text("{}", &scratch, &command, &memory), DT_OK);
    assert_int_equal(command.code, 0);
    assert_int_equal(command.language, RMQ_LANGUAGE_JAVA);
    bytes_free(memory);
    assert_int_equal(decode_text("{\"language\":3,\"extFields\":null,\"remark\":null}",
                                 &scratch, &command, &memory),
                     DT_OK);
    assert_int_equal(command.language, 3);
    bytes_free(memory);
    dt_buf_fini(&scratch);
}

static void fields_come_as_numbers_and_text_within_bounds(void **state)
{
    struct rmq_command command;
    struct dt_buf scratch;
    struct dt_span memory;
    int32_t small = 9;
    char text[5];

    (void)state;
    dt_buf_init(&scratch, 4096);
    assert_int_equal(
        decode_text("{\"extFields\":{\"big\":\"2147483648\",\"low\":\"-2147483648\","
                    "\"t\":\"four\",\"l\":\"fiver\",\"z\":\"a\\u0000\",\"m\":\"-\","
                    "\"h\":\"12x\",\"T\":\"TRUE\",\"y\":\"yes!\"}}",
                    &scratch, &command, &memory),
        DT_OK);
    assert_false(rmq_command_i32(&command, "big", &small));
    assert_int_equal(small, 9);
    assert_true(rmq_command_i32(&command, "low", &small));
    assert_true(small == INT32_MIN);
    assert_false(rmq_command_i32(&command, "m", &small));
    assert_false(rmq_command_i32(&command, "h", &small));
    assert_false(rmq_command_i32(&command, "none", &small));
    assert_true(rmq_command_text(&command, "t", text, sizeof(text)));
    assert_string_equal(text, "four");
    assert_false(rmq_command_text(&command, "l", text, sizeof(text)));
    assert_string_equal(text, "");
    assert_false(rmq_command_text(&command, "z", text, sizeof(text)));
    assert_true(rmq_command_bool(&command, "T"));
    assert_false(rmq_command_bool(&command, "y"));
    bytes_free(memory);
    dt_buf_fini(&scratch);
}

static void every_cut_off_header_is_corrupt(void **state)
{
    static const char *const golden[] = {route_json, route_binary, answer_binary};
    struct rmq_command command;
    struct dt_buf scratch;

    (void)state;
    dt_buf_init(&scratch, 4096);
    for (size_t i = 0; i < 3; i++) {
        struct dt_span bytes = bytes_of_hex(golden[i]);
        struct rmq_frame frame;

        assert_int_equal(rmq_frame_cut(bytes, 4096, &frame), RMQ_CUT_FRAME);
        for (size_t n = 0; n < frame.header.size; n++) {
            struct dt_span prefix = bytes_exact(frame.header.data, n);

            assert_int_equal(rmq_command_decode(prefix, frame.type, &scratch, &command),
                             DT_ECORRUPT);
            bytes_free(prefix);
        }
        bytes_free(bytes);
    }
    dt_buf_fini(&scratch);
}

static void hostile_lengths_are_corrupt(void **state)
{
    static const char *const bad[] = {
        "0011 00 01df 00000007 00000001 ffffffff 00000000",               /* remark */
        "0011 00 01df 00000007 00000001 00000000 ffffffff",               /* fields */
        "0011 00 01df 00000007 00000001 00000000 00000006 ffff 00000000", /* a name */
        "0011 00 01df 00000007 00000001 00000000 00000006 0000 7fffffff", /* a value */
        "0011 00 01df 00000007 00000001 00000000 00000003 000000",        /* breaks off */
    };
    struct rmq_command command;
    struct dt_buf scratch;

    (void)state;
    dt_buf_init(&scratch, 4096);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char hex[128];
        size_t size = 0;

        for (const char *c = bad[i]; *c != 0; c++)
            if (*c != ' ')
                hex[size++] = *c;
        hex[size] = 0;
        struct dt_span bytes = bytes_of_hex(hex);
        assert_int_equal(rmq_command_decode(bytes, RMQ_HEADER_BINARY, &scratch, &command),
                         DT_ECORRUPT);
        bytes_free(bytes);
    }
    dt_buf_fini(&scratch);
}

static void too_many_fields_are_refused(void **state)
{
    static const enum rmq_header_type types[] = {RMQ_HEADER_JSON, RMQ_HEADER_BINARY};
    struct rmq_command command;
    struct dt_buf scratch, out;
    struct rmq_frame frame;

    (void)state;
    dt_buf_init(&scratch, 4096);
    dt_buf_init(&out, 65536);
    for (size_t t = 0; t < 2; t++) {
        for (size_t count = RMQ_FIELDS_MAX; count <= RMQ_FIELDS_MAX + 1; count++) {
            struct rmq_encoder encoder;

            dt_buf_clear(&out);
            rmq_encode_begin(&encoder, &out, types[t], rmq_head_request(1, 1, 0));
            for (size_t i = 0; i < count; i++)
                rmq_encode_int(&encoder, "f", (int64_t)i);
            rmq_encode_end(&encoder, 0);
            assert_int_equal(rmq_frame_cut(dt_buf_span(&out), 65536, &frame),
                             RMQ_CUT_FRAME);
            assert_int_equal(
                rmq_command_decode(frame.header, frame.type, &scratch, &command),
                count == RMQ_FIELDS_MAX ? DT_OK : DT_ETOOBIG);
        }
    }
    dt_buf_fini(&scratch);
    dt_buf_fini(&out);
}

static void what_a_binary_header_cannot_say_fails_or_is_left_out(void **state)
{
    struct rmq_encoder encoder;
    struct rmq_command command;
    struct dt_buf out, scratch;

    (void)state;
    dt_buf_init(&out, 4096);
    dt_buf_init(&scratch, 4096);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_BINARY, rmq_head_request(200050, 1, 0));
    rmq_encode_end(&encoder, 0);
    assert_true(out.failed); /* it would come out as 3442 */

    dt_buf_clear(&out);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_BINARY, rmq_head_request(310, 1, 0));
    rmq_encode_str(&encoder, "i", ""); /* brokers read it as null */
    rmq_encode_int(&encoder, "e", -1);
    rmq_encode_end(&encoder, 0);
    decode_frame(dt_buf_span(&out), &scratch, &command);
    assert_int_equal(command.field_count, 1);

    dt_buf_clear(&out);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, rmq_head_request(310, 1, 0));
    rmq_encode_end(&encoder, RMQ_FRAME_SIZE_MAX);
    assert_true(out.failed);

    struct dt_buf tiny; /* a bound that is reached in mid-frame */
    dt_buf_init(&tiny, 40);
    rmq_encode_begin(&encoder, &tiny, RMQ_HEADER_JSON, rmq_head_request(310, 1, 0));
    rmq_encode_int(&encoder, "e", 1);
    rmq_encode_end(&encoder, 0);
    rmq_encode_body_end(&encoder);
    assert_true(tiny.failed);
    dt_buf_fini(&tiny);
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
    struct rmq_encoder encoder;
    struct rmq_command command;
    struct dt_buf out, scratch;
    struct dt_span value;

    (void)state;
    dt_buf_init(&out, 4096);
    dt_buf_init(&scratch, 4096);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, rmq_head_request(310, 1, 0));
    rmq_encode_str(&encoder, "i", "a\xff\xc3\xa4\xed\xa0\x80\x7f\xf0\x9f\x98\x80\xc3");
    rmq_encode_end(&encoder, 0);
    decode_frame(dt_buf_span(&out), &scratch, &command);
    assert_true(rmq_command_str(&command, "i", &value));
    assert_span_text(value, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f"
                            "\xf0\x9f\x98\x80\xef\xbf\xbd");
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

static void random_headers_come_back_as_they_were(void **state)
{
    static const char *const names[] = {"a", "topic", "queueOffset", "x1", "consumerGroup"};
    /* ASCII with both separators, quotes, backslashes; and characters of 2, 3 and 4 bytes */
    static const char *const pieces[] = {
        "\x01", "\x02", "\"",       "\\",           "x",
        "/",    "\n",   "\xc3\xa4", "\xe4\xb8\xad", "\xf0\x9f\x98\x80",
        "long"};
    uint64_t seed = 7;
    struct dt_buf out, scratch;

    (void)state;
    dt_buf_init(&out, 65536);
    dt_buf_init(&scratch, 65536);
    for (int round = 0; round < 4000; round++) {
        enum rmq_header_type type = (enum rmq_header_type)(round & 1);
        char values[RMQ_FIELDS_MAX][64], remark[64] = "";
        size_t count = random_below(&seed, sizeof(names) / sizeof(names[0]) + 1);
        struct rmq_head head = {
            (int16_t)random_next(&seed),       (int32_t)random_next(&seed),
            (int32_t)random_below(&seed, 4),   (int32_t)random_below(&seed, 13),
            (int32_t)random_below(&seed, 600), {NULL, 0}};
        struct rmq_encoder encoder;
        struct rmq_command command;
        struct dt_span value, exact;

        for (size_t i = random_below(&seed, 9); i > 0; i--)
            strcat(remark, pieces[random_below(&seed, sizeof(pieces) / sizeof(pieces[0]))]);
        if (remark[0] != 0)
            head.remark = dt_span_str(remark);
        dt_buf_clear(&out);
        rmq_encode_begin(&encoder, &out, type, head);
        for (size_t f = 0; f < count; f++) {
            values[f][0] = 0;
            for (size_t i = 1 + random_below(&seed, 9); i > 0; i--)
                strcat(values[f],
                       pieces[random_below(&seed, sizeof(pieces) / sizeof(pieces[0]))]);
            rmq_encode_str(&encoder, names[f], values[f]);
        }
        rmq_encode_end(&encoder, 0);
        assert_false(out.failed);
        exact = bytes_exact(out.data, out.size);
        decode_frame(exact, &scratch, &command);
        assert_int_equal(command.code, head.code);
        assert_int_equal(command.opaque, head.opaque);
        assert_int_equal(command.flag, head.flag);
        assert_int_equal(command.language, head.language);
        assert_int_equal(command.version, head.version);
        assert_span_equal(command.remark, head.remark);
        assert_int_equal(command.field_count, count);
        for (size_t f = 0; f < count; f++) {
            assert_true(rmq_command_str(&command, names[f], &value));
            assert_span_text(value, values[f]);
        }
        bytes_free(exact);
    }
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

static void a_header_changed_at_random_is_read_or_refused(void **state)
{
    static const char *const golden[] = {route_json, route_binary, answer_binary};
    uint64_t seed = 11;
    struct dt_buf scratch;

    (void)state;
    dt_buf_init(&scratch, 4096);
    for (int round = 0; round < 30000; round++) {
        struct dt_span bytes = bytes_of_hex(golden[round % 3]);
        uint8_t *changed = (uint8_t *)(uintptr_t)bytes.data;
        struct rmq_command command;
        struct rmq_frame frame;

        for (size_t i = 1 + random_below(&seed, 3); i > 0; i--)
            changed[random_below(&seed, bytes.size)] = (uint8_t)random_next(&seed);
        if (rmq_frame_cut(bytes, 65536, &frame) == RMQ_CUT_FRAME) {
            dt_status status =
                rmq_command_decode(frame.header, frame.type, &scratch, &command);

            assert_true(status == DT_OK || status == DT_ECORRUPT || status == DT_ETOOBIG);
        }
        bytes_free(bytes);
    }
    dt_buf_fini(&scratch);
}

/* Reads a JSON header; returns how many fields it has, or -1 if it is refused. */
static int fields_of(const char *header, struct rmq_command *out)
{
    struct dt_buf scratch;
    int count = -1;

    dt_buf_init(&scratch, 65536);
    if (rmq_command_decode(dt_span_str(header), RMQ_HEADER_JSON, &scratch, out) == DT_OK)
        count = (int)out->field_count;
    dt_buf_fini(&scratch);
    return count;
}

static void of_repeated_fields_the_last_count(void **state)
{
    struct rmq_command command;

    (void)state;
    assert_int_equal(fields_of("{\"extFields\":{\"a\":\"1\",\"b\":\"2\"},\"code\":7,"
                               "\"extFields\":{\"c\":\"3\"}}",
                               &command),
                     1);
    assert_true(dt_span_equal_str(command.fields[0].name, "c"));
    assert_int_equal(command.code, 7);
    assert_int_equal(
        fields_of("{\"extFields\":{\"a\":\"1\"},\"extFields\":null}", &command), 0);
    assert_int_equal(fields_of("{\"extFields\":[{\"a\":1}],\"code\":1}", &command), 0);
    assert_int_equal(fields_of("{\"extFields\": {} }", &command), 0);
    assert_int_equal(fields_of("{\"extFields\":{\"a\":\"1\",},\"code\":1}", &command), -1);
    assert_int_equal(fields_of("{\"extFields\":{\"a\" \"1\"},\"code\":1}", &command), -1);
    assert_int_equal(fields_of("{\"extFields\":{\"a\":\"1\"", &command), -1);
    assert_int_equal(fields_of("{\"extFields\":{\"a\":\"1\"} \"code\":1}", &command), -1);
}

/* Text is looked through eight bytes at a time: what needs an escape is found at each place. */
static void every_character_is_escaped_at_every_place(void **state)
{
    struct rmq_command command;
    struct dt_buf out, scratch;
    struct rmq_frame frame;
    uint8_t text[21];

    (void)state;
    for (unsigned c = 1; c < 128; c++)
        for (size_t at = 0; at < sizeof(text); at++) {
            struct rmq_encoder encoder;

            memset(text, 'x', sizeof(text));
            text[at] = (uint8_t)c;
            dt_buf_init(&out, 65536);
            dt_buf_init(&scratch, 65536);
            rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, rmq_head_request(1, 2, 0));
            rmq_encode_span(&encoder, "i", dt_span_of(text, sizeof(text)));
            rmq_encode_end(&encoder, 0);
            assert_int_equal(rmq_frame_cut(dt_buf_span(&out), 65536, &frame),
                             RMQ_CUT_FRAME);
            assert_true(frame.header.size >= sizeof(text));
            assert_true(c >= 0x20 ||
                        memchr(frame.header.data, (int)c, frame.header.size) == NULL);
            assert_int_equal(
                rmq_command_decode(frame.header, frame.type, &scratch, &command), DT_OK);
            assert_true(
                dt_span_equal(command.fields[0].value, dt_span_of(text, sizeof(text))));
            dt_buf_fini(&scratch);
            dt_buf_fini(&out);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_requests_are_read),
        cmocka_unit_test(a_golden_binary_answer_is_read),
        cmocka_unit_test(requests_are_written_as_the_golden_bytes),
        cmocka_unit_test(an_answer_is_written_as_the_golden_bytes),
        cmocka_unit_test(the_size_of_a_body_is_announced_before_or_after_it),
        cmocka_unit_test(json_is_read_as_brokers_write_it),
        cmocka_unit_test(fields_come_as_numbers_and_text_within_bounds),
        cmocka_unit_test(every_cut_off_header_is_corrupt),
        cmocka_unit_test(hostile_lengths_are_corrupt),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(what_a_binary_header_cannot_say_fails_or_is_left_out),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
        cmocka_unit_test(random_headers_come_back_as_they_were),
        cmocka_unit_test(of_repeated_fields_the_last_count),
        cmocka_unit_test(every_character_is_escaped_at_every_place),
        cmocka_unit_test(a_header_changed_at_random_is_read_or_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
