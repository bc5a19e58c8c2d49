/* json: standard JSON, fastjson's dialect of it, and everything that is neither */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/json.h"
#include "support/bytes.h"
#include "support/case.h"

/* In memory of exactly its size; the caller frees it. */
static bool parse(const char *text, struct dt_span *memory, struct rmq_json *out)
{
    *memory = bytes_exact(text, strlen(text));
    return rmq_json_parse(*memory, out);
}

static bool parses(const char *text)
{
    struct dt_span memory;
    struct rmq_json root;
    bool ok = parse(text, &memory, &root);

    bytes_free(memory);
    return ok;
}

static void integer_keys_stand_without_quotes(void **state)
{
    struct dt_span memory;
    struct rmq_json root, key, value;
    struct rmq_json_iter iter;
    char text[32];

    (void)state;
    assert_true(parse("{\"t\":{0:\"a:1\", -1 : \"b:2\"},\"u\":[1,2]}", &memory, &root));
    iter = rmq_json_items(rmq_json_get(root, "t"));
    assert_true(rmq_json_next(&iter, &key, &value));
    assert_int_equal(key.kind, RMQ_JSON_NUMBER);
    assert_true(rmq_json_is(key, "0"));
    assert_true(rmq_json_copy(value, text, sizeof(text)));
    assert_string_equal(text, "a:1");
    assert_true(rmq_json_next(&iter, &key, &value));
    assert_true(rmq_json_is(key, "-1"));
    assert_false(rmq_json_next(&iter, &key, &value));
    assert_false(iter.failed);
    assert_true(rmq_json_is(rmq_json_get(rmq_json_get(root, "t"), "0"), "a:1"));
    bytes_free(memory);
}

static void objects_are_keys_too(void **state)
{
    struct dt_span memory;
    struct rmq_json root, key, value;
    struct rmq_json_iter iter;
    int64_t number = 0;

    (void)state;
    assert_true(
        parse("{\"offsetTable\":{{\"brokerName\":\"broker-a\",\"queueId\":3,\"topic\":"
              "\"T\"}:{\"maxOffset\":17},{}:null},\"topicPutTps\":0.0}",
              &memory, &root));
    iter = rmq_json_items(rmq_json_get(root, "offsetTable"));
    assert_true(rmq_json_next(&iter, &key, &value));
    assert_int_equal(key.kind, RMQ_JSON_OBJECT);
    assert_true(rmq_json_i64(rmq_json_get(key, "queueId"), &number));
    assert_int_equal(number, 3);
    assert_true(rmq_json_i64(rmq_json_get(value, "maxOffset"), &number));
    assert_int_equal(number, 17);
    assert_true(rmq_json_next(&iter, &key, &value));
    assert_int_equal(value.kind, RMQ_JSON_NULL);
    assert_false(rmq_json_next(&iter, &key, &value));
    bytes_free(memory);
}

static void missing_and_unknown_members_do_no_harm(void **state)
{
    struct dt_span memory;
    struct rmq_json root;

    (void)state;
    assert_true(
        parse("{\"x\":[{\"y\":[]},true,1e3],\"code\":1,\"code\":2}", &memory, &root));
    assert_int_equal(rmq_json_get(root, "absent").kind, RMQ_JSON_NONE);
    assert_int_equal(rmq_json_get(rmq_json_get(root, "absent"), "more").kind,
                     RMQ_JSON_NONE);
    assert_int_equal(rmq_json_i64_or(rmq_json_get(root, "absent"), 0, 9, 5), 5);
    assert_int_equal(rmq_json_i64_or(rmq_json_get(root, "code"), 0, 9, 5),
                     2); /* the last */
    assert_int_equal(rmq_json_i64_or(rmq_json_get(root, "code"), 3, 9, 5), 5); /* outside */
    assert_int_equal(rmq_json_i64_or(rmq_json_get(root, "x"), 0, 9, 5), 5);
    bytes_free(memory);
}

static void escapes_become_utf8(void **state)
{
    struct dt_span memory, text;
    struct dt_buf scratch;
    struct rmq_json root;

    (void)state;
    dt_buf_init(&scratch, 100);
    assert_true(
        parse("\"a\\u0001\\n\\\"\\\\\\/\\u00e4\\u4e2d\\ud83d\\ude00\\ud83d!\\x41\\v\"",
              &memory, &root));
    assert_true(rmq_json_text(root, &scratch, &text));
    assert_span_text(text,
                     "a\x01\n\"\\/\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\xef\xbf\xbd!A\x0b");
    assert_true(rmq_json_is(root,
                            "a\x01\n\"\\/\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\xef\xbf\xbd!"
                            "A\x0b"));
    assert_false(rmq_json_is(root, "a"));
    bytes_free(memory);

    dt_buf_clear(&scratch);
    assert_true(parse("\"plain\"", &memory, &root));
    assert_true(rmq_json_text(root, &scratch, &text));
    assert_int_equal(scratch.size, 0); /* points into the input */
    assert_span_text(text, "plain");
    bytes_free(memory);
    dt_buf_fini(&scratch);
}

static void a_text_that_does_not_fit_or_has_a_nul_is_not_copied(void **state)
{
    struct dt_span memory;
    struct rmq_json root;
    char out[6];

    (void)state;
    assert_true(parse("\"12345\"", &memory, &root));
    assert_true(rmq_json_copy(root, out, sizeof(out)));
    assert_false(rmq_json_copy(root, out, 5));
    assert_string_equal(out, "");
    bytes_free(memory);
    assert_true(parse("\"a\\u0000b\"", &memory, &root));
    assert_false(rmq_json_copy(root, out, sizeof(out)));
    bytes_free(memory);
}

static void numbers_keep_their_range(void **state)
{
    struct dt_span memory;
    struct rmq_json root;
    int64_t number = 77;

    (void)state;
    assert_true(
        parse("[-9223372036854775808,9223372036854775807,9223372036854775808,1.5,\"12\"]",
              &memory, &root));
    struct rmq_json_iter iter = rmq_json_items(root);
    struct rmq_json value;
    assert_true(rmq_json_next(&iter, NULL, &value) && rmq_json_i64(value, &number));
    assert_true(number == INT64_MIN);
    assert_true(rmq_json_next(&iter, NULL, &value) && rmq_json_i64(value, &number));
    assert_true(number == INT64_MAX);
    assert_true(rmq_json_next(&iter, NULL, &value));
    assert_false(rmq_json_i64(value, &number));
    assert_true(rmq_json_next(&iter, NULL, &value));
    assert_false(rmq_json_i64(value, &number));
    assert_true(rmq_json_next(&iter, NULL, &value) && rmq_json_i64(value, &number));
    assert_int_equal(number, 12);
    bytes_free(memory);
}

static void what_is_not_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",         " ",           "{",         "}",          "[1,]",  "{\"a\"}",
        "{\"a\":}", "{a:1}",       "{\"a\":1",  "{\"a\":1,}", "[1 2]", "\"",
        "\"\\\"",   "\"\\q\"",     "tru",       "nul",        "-",     "1.",
        "1e",       "1e+",         "01x",       "{1",         "{{}}",  "{{}:}",
        "{[1]:2}",  "\"\\u12g4\"", "\"\\u12\"", "{\"a\":1}}", "[1]]",  "nullx",
        "{true:1}", "{\"a\" 1}",   "+1",        "\"\\u12",    "[",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parses(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    assert_true(parses(" {\r\n\t} "));
    assert_true(parses("0"));
}

static void no_prefix_of_a_document_is_one(void **state)
{
    static const char text[] =
        "{\"a\":[1,{0:\"\\u00e4\"},null],{\"k\":true}:{\"b\":-1.5e3}}";

    (void)state;
    assert_true(parses(text));
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct dt_span prefix = bytes_exact(text, n);
        struct rmq_json root;

        assert_false(rmq_json_parse(prefix, &root));
        assert_int_equal(root.kind, RMQ_JSON_NONE);
        bytes_free(prefix);
    }
}

static void nesting_is_bounded(void **state)
{
    char text[4 * RMQ_JSON_DEPTH_MAX + 1];

    (void)state;
    for (size_t depth = 1; depth <= 2 * RMQ_JSON_DEPTH_MAX; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = 0;
        assert_int_equal(parses(text), depth <= RMQ_JSON_DEPTH_MAX);
        memset(text, '{', depth); /* objects as keys go as deep */
        text[depth] = 0;
        assert_false(parses(text));
    }
}

static void random_bytes_never_read_beyond_their_end(void **state)
{
    static const char alphabet[] = "{}[]\",:\\u0019eE+-.truefalsn ' ";
    uint64_t seed = 20130101;

    (void)state;
    for (int round = 0; round < 50000; round++) {
        char text[24];
        size_t size = random_below(&seed, sizeof(text));

        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[random_below(&seed, sizeof(alphabet) - 1)];
        struct dt_span memory = bytes_exact(text, size);
        struct rmq_json root, value;
        struct dt_buf scratch;

        dt_buf_init(&scratch, 64);
        if (rmq_json_parse(memory, &root)) {
            struct rmq_json_iter iter = rmq_json_items(root);
            struct dt_span out;

            while (rmq_json_next(&iter, NULL, &value))
                (void)rmq_json_text(value, &scratch, &out);
            assert_false(iter.failed); /* what was parsed once iterates */
        }
        dt_buf_fini(&scratch);
        bytes_free(memory);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_keys_stand_without_quotes),
        cmocka_unit_test(objects_are_keys_too),
        cmocka_unit_test(missing_and_unknown_members_do_no_harm),
        cmocka_unit_test(escapes_become_utf8),
        cmocka_unit_test(a_text_that_does_not_fit_or_has_a_nul_is_not_copied),
        cmocka_unit_test(numbers_keep_their_range),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(no_prefix_of_a_document_is_one),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(random_bytes_never_read_beyond_their_end),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
