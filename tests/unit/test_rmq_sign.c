/* sign: signatures of requests, against vectors that the reference client's tests expect too */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/hmac.h"
#include "rmq/sign.h"
#include "support/bytes.h"
#include "support/case.h"

static void hmac_sha1_is_the_reference_clients(void **state)
{
    static const struct {
        const char *text, *secret, *signature;
    } golden[] = {{"RocketMQ", "12345678", "IUc8rrO/0gDch8CjObLQsW2rsiA="},
                  {"Hello RocketMQ Client ACL Feature", "adiaushdiaushd",
                   "tAb/54Rwwcq+pbH8Loi7FWX4QSQ="},
                  {"RocketMQ{}", "12345678", "pq0tPL2lAz7bhIfEGHu4hhut1Yw="}};

    (void)state;
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        struct dt_hmac *hmac;
        char text[DT_HMAC_TEXT_SIZE];

        assert_int_equal(dt_hmac_sha1_new(dt_span_str(golden[i].secret), &hmac), DT_OK);
        for (int again = 0; again < 2; again++) { /* in one piece, then byte by byte */
            dt_hmac_start(hmac);
            if (again == 0)
                dt_hmac_put(hmac, dt_span_str(golden[i].text));
            for (size_t at = 0; again == 1 && golden[i].text[at] != 0; at++)
                dt_hmac_put(hmac, dt_span_of(golden[i].text + at, 1));
            assert_true(dt_hmac_end(hmac, text));
            assert_string_equal(text, golden[i].signature);
        }
        dt_hmac_free(hmac);
    }
}

/* ---------------------------------------------------------------- frames */

static void put_route(struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "topic", "TopicTest");
    rmq_encode_bool(encoder, "acceptStandardJsonOnly", true);
}

static void put_send(struct rmq_encoder *encoder)
{
    rmq_encode_bool(encoder, "m", false); /* the order on the wire is nothing to the text */
    rmq_encode_str(encoder, "a", "PG");
    rmq_encode_str(encoder, "b", "TopicTest");
    rmq_encode_str(encoder, "c", "TBW102");
    rmq_encode_int(encoder, "d", 4);
    rmq_encode_int(encoder, "e", 2);
    rmq_encode_int(encoder, "f", 0);
    rmq_encode_int(encoder, "g", 1700000000000);
    rmq_encode_int(encoder, "h", 0);
    rmq_encode_str(encoder, "i", "KEYS\001k1\002TAGS\001TagA\002");
    rmq_encode_int(encoder, "j", 0);
    rmq_encode_bool(encoder, "k", false);
}

static const struct golden {
    int32_t code;
    void (*put)(struct rmq_encoder *encoder);
    const char *access_key, *token, *body, *signature;
} golden_frames[] = {
    {RMQ_HEART_BEAT, NULL, "RocketMQ", NULL, "{}", "pq0tPL2lAz7bhIfEGHu4hhut1Yw="},
    {RMQ_GET_ROUTEINFO_BY_TOPIC, put_route, "rocketmq2", NULL, "",
     "EvCVn1/pIhQGNcZnAZsj264sC2k="},
    {RMQ_SEND_MESSAGE_V2, put_send, "RocketMQ", NULL, "hello",
     "8zm5Y0SslYfC/vZ+NMbQMxX642A="},
    {RMQ_SEND_MESSAGE_V2, put_send, "RocketMQ", "tok", "hello",
     "cDnFBP0OI3DRfY/JScMDJDeVmcM="},
};

static void put_frame(const struct golden *golden, enum rmq_header_type type,
                      struct dt_buf *out)
{
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type, rmq_head_request(golden->code, 77, 0));
    if (golden->put != NULL)
        golden->put(&encoder);
    rmq_encode_end(&encoder, strlen(golden->body));
    dt_buf_put_str(out, golden->body);
    assert_false(out->failed);
}

static void assert_field(const struct rmq_command *command, const char *name,
                         const char *value)
{
    char text[100];

    assert_true(rmq_command_text(command, name, text, sizeof(text)));
    assert_string_equal(text, value);
}

static void assert_signed(const struct golden *golden, struct dt_span bytes,
                          struct rmq_command *command, struct dt_buf *scratch)
{
    struct dt_span exact = bytes_exact(bytes.data, bytes.size);
    struct rmq_frame frame;
    struct dt_span value;

    assert_int_equal(rmq_frame_cut(exact, RMQ_FRAME_SIZE_MAX, &frame), RMQ_CUT_FRAME);
    assert_int_equal(frame.size, exact.size);
    assert_int_equal(frame.body.size, strlen(golden->body));
    assert_memory_equal(frame.body.data, golden->body, frame.body.size);
    assert_int_equal(rmq_command_decode(frame.header, frame.type, scratch, command), DT_OK);
    assert_int_equal(command->code, golden->code);
    assert_int_equal(command->opaque, 77);
    assert_field(command, "AccessKey", golden->access_key);
    assert_field(command, "Signature", golden->signature);
    if (golden->token != NULL)
        assert_field(command, "SecurityToken", golden->token);
    else
        assert_false(rmq_command_str(command, "SecurityToken", &value));
    if (golden->put == put_send)
        assert_field(command, "i", "KEYS\001k1\002TAGS\001TagA\002");
    bytes_free(exact);
}

static void golden_requests_are_signed_in_both_headers(void **state)
{
    struct rmq_command *command = malloc(sizeof(*command));
    struct dt_buf out, scratch;

    (void)state;
    assert_non_null(command);
    dt_buf_init(&out, 100000);
    dt_buf_init(&scratch, 100000);
    for (size_t i = 0; i < sizeof(golden_frames) / sizeof(golden_frames[0]); i++) {
        const struct golden *golden = &golden_frames[i];

        for (int type = RMQ_HEADER_JSON; type <= RMQ_HEADER_BINARY; type++) {
            struct rmq_signer *signer;

            assert_int_equal(
                rmq_signer_new(golden->access_key, "12345678", golden->token, &signer),
                DT_OK);
            dt_buf_clear(&out);
            dt_buf_put_str(&out, "frames before it"); /* stay as they are */
            for (int again = 0; again < 2; again++) {
                size_t start = out.size;

                put_frame(golden, (enum rmq_header_type)type, &out);
                rmq_signer_sign(signer, &out, start);
                assert_false(out.failed);
                assert_signed(golden, dt_span_of(out.data + start, out.size - start),
                              command, &scratch);
            }
            assert_memory_equal(out.data, "frames before it", 16);
            rmq_signer_free(signer);
        }
    }
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
    free(command);
}

static void a_frame_that_grows_too_large_fails(void **state)
{
    struct rmq_encoder encoder;
    struct rmq_signer *signer;
    struct dt_buf out;
    uint8_t *body = calloc(1, RMQ_FRAME_SIZE_MAX);

    (void)state;
    assert_non_null(body);
    assert_int_equal(rmq_signer_new("RocketMQ", "12345678", NULL, &signer), DT_OK);
    dt_buf_init(&out, (size_t)2 * RMQ_FRAME_SIZE_MAX);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON,
                     rmq_head_request(RMQ_SEND_MESSAGE_V2, 1, 0));
    rmq_encode_end(&encoder, 0);
    dt_buf_put(&out, body, RMQ_FRAME_SIZE_MAX - out.size);
    rmq_encode_body_end(&encoder);
    assert_false(out.failed); /* just fits */
    rmq_signer_sign(signer, &out, 0);
    assert_true(out.failed);
    rmq_signer_free(signer);
    dt_buf_fini(&out);
    free(body);
}

static void half_of_a_pair_of_keys_is_refused(void **state)
{
    struct rmq_signer *signer;

    (void)state;
    assert_int_equal(rmq_signer_new("key", NULL, NULL, &signer), DT_EINVAL);
    assert_int_equal(rmq_signer_new("key", "", NULL, &signer), DT_EINVAL);
    assert_int_equal(rmq_signer_new(NULL, "secret", "token", &signer), DT_EINVAL);
    assert_null(signer);
}

static void the_no_of_access_control_is_told_from_others(void **state)
{
    static const struct {
        int32_t code;
        const char *remark;
        bool denied;
    } answers[] = {
        {16, "check signature failed.", true},
        {16, "User:x is not found.", true},
        {16, "User:x has no permission to access Topic:y from 127.0.0.1", true},
        {16, "", true},
        {1, "org.apache.rocketmq.acl.common.AclException: No accessKey is configured",
         true},
        {16, "the topic[T] sending message is forbidden", false},
        {16, "the broker[broker-a] sending message is forbidden", false},
        {16, "the topic[T] pulling message is forbidden", false},
        {1, "service not available now, maybe disk full", false},
        {0, "AclException", false},
        {2, "check signature failed.", false},
    };
    struct rmq_command *command = calloc(1, sizeof(*command));

    (void)state;
    assert_non_null(command);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        command->code = answers[i].code;
        command->remark = dt_span_str(answers[i].remark);
        assert_int_equal(rmq_command_is_denied(command), answers[i].denied);
    }
    free(command);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_sha1_is_the_reference_clients),
        cmocka_unit_test(golden_requests_are_signed_in_both_headers),
        cmocka_unit_test(a_frame_that_grows_too_large_fails),
        cmocka_unit_test(half_of_a_pair_of_keys_is_refused),
        cmocka_unit_test(the_no_of_access_control_is_told_from_others),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
