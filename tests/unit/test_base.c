/* base: buffers with a bound, scanners, SipHash vectors, base64url, files and locks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/siphash.h"
#include "base/status.h"
#include "support/case.h"

static void a_buffer_never_grows_beyond_its_maximum(void **state)
{
    struct dt_buf buf;

    (void)state;
    dt_buf_init(&buf, 10);
    dt_buf_put_str(&buf, "12345678");
    assert_false(buf.failed);
    dt_buf_put_u32(&buf, 1);
    assert_true(buf.failed);
    assert_int_equal(buf.size, 8);
    assert_int_equal(dt_buf_status(&buf, "x"), DT_ETOOBIG);
    dt_buf_clear(&buf);
    dt_buf_put_u16(&buf, 0x0102);
    assert_false(buf.failed);
    assert_int_equal(buf.data[0], 1);
    dt_buf_fini(&buf);
}

static void a_scan_beyond_the_end_fails_and_stays_failed(void **state)
{
    const uint8_t bytes[] = {0, 1, 2, 3, 4};
    struct dt_scan scan = dt_scan_of(dt_span_of(bytes, sizeof(bytes)));

    (void)state;
    assert_int_equal(dt_scan_u32(&scan), 0x00010203);
    assert_int_equal(dt_scan_u16(&scan), 0);
    assert_false(dt_scan_ok(&scan));
    assert_int_equal(dt_scan_u8(&scan), 0);
}

static void siphash_gives_the_published_vectors(void **state)
{
    /* first and last of the reference vectors: key 00..0f, input 00, 01, 02, ... */
    uint8_t key[16], input[64];

    (void)state;
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    for (int i = 0; i < 64; i++)
        input[i] = (uint8_t)i;
    assert_true(dt_siphash64(key, input, 0) == 0x726fdb47dd0e0e31ull);
    assert_true(dt_siphash64(key, input, 15) == 0xa129ca6149be45e5ull);
    struct dt_u128 hash =
        dt_siphash128(key, input, 0); /* a3817f04 ba25a8e6 6df67214 c7550293 */
    assert_true(hash.lo == 0xe6a825ba047f81a3ull && hash.hi == 0x930255c71472f66dull);
}

static void base64url_round_trips_and_refuses_what_is_not_canonical(void **state)
{
    uint8_t bytes[28], back[64];
    char text[DT_BASE64_SIZE(28)];
    size_t size;

    (void)state;
    dt_random_bytes(bytes, sizeof(bytes));
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        dt_base64_encode(text, bytes, n);
        assert_true(dt_base64_decode(back, &size, text, DT_BASE64_SIZE(n)));
        assert_int_equal(size, n);
        assert_memory_equal(back, bytes, n);
    }
    assert_int_equal(DT_BASE64_SIZE(28), 38);
    assert_true(dt_base64_decode(back, &size, "_-8", 3));
    assert_false(dt_base64_decode(back, &size, "_-9", 3)); /* an unused bit is set */
    assert_false(dt_base64_decode(back, &size, "A", 1));
    assert_false(dt_base64_decode(back, &size, "AA==", 4));
}

static void json_is_escaped_and_separated(void **state)
{
    struct dt_buf out;
    struct dt_json json;

    (void)state;
    dt_buf_init(&out, 1024);
    dt_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "a", "x\"\\\n\xff\xc3\xa4");
    dt_json_key(&json, "b");
    dt_json_array(&json);
    dt_json_int(&json, -5);
    dt_json_null(&json);
    dt_json_object(&json);
    dt_json_object_end(&json);
    dt_json_array_end(&json);
    dt_json_kv_bool(&json, "c", true);
    dt_json_object_end(&json);
    assert_string_equal(dt_buf_str(&out), "{\"a\":\"x\\\"\\\\\\u000a\\ufffd\xc3\xa4\","
                                          "\"b\":[-5,null,{}],\"c\":true}");
    dt_buf_fini(&out);
}

static void a_file_is_replaced_whole(void **state)
{
    char folder[] = "/tmp/duet-base-XXXXXX";
    char path[128], deep[64];
    struct dt_buf buf;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(deep, sizeof(deep), "%s/a/b", folder);
    assert_int_equal(dt_file_make_dirs(deep), DT_OK);
    assert_int_equal(dt_file_make_dirs(deep), DT_OK);
    snprintf(path, sizeof(path), "%s/x", deep);
    dt_buf_init(&buf, 100);
    assert_int_equal(dt_file_read(path, &buf), DT_ENOTFOUND);
    assert_int_equal(dt_file_replace(path, "one", 3, 0600), DT_OK);
    assert_int_equal(dt_file_replace(path, "three", 5, 0600), DT_OK);
    assert_int_equal(dt_file_read(path, &buf), DT_OK);
    assert_string_equal(dt_buf_str(&buf), "three");
    dt_buf_fini(&buf);
    unlink(path);
    rmdir(deep);
    snprintf(deep, sizeof(deep), "%s/a", folder);
    rmdir(deep);
    assert_int_equal(rmdir(folder), 0); /* nothing temporary was left behind */
}

static void a_lock_names_its_holder_and_dies_with_it(void **state)
{
    char path[] = "/tmp/duet-lock-XXXXXX";
    int ready[2], fd = mkstemp(path), mine;
    pid_t child, holder;
    char byte;

    (void)state;
    close(fd);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int held;
        pid_t other;

        if (dt_file_lock(path, &held, &other) == DT_OK && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(dt_file_lock(path, &mine, &holder), DT_EBUSY);
    assert_int_equal(holder, child);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(dt_file_lock(path, &mine, &holder), DT_OK);
    dt_file_unlock(mine);
    close(ready[0]);
    close(ready[1]);
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_never_grows_beyond_its_maximum),
        cmocka_unit_test(a_scan_beyond_the_end_fails_and_stays_failed),
        cmocka_unit_test(siphash_gives_the_published_vectors),
        cmocka_unit_test(base64url_round_trips_and_refuses_what_is_not_canonical),
        cmocka_unit_test(json_is_escaped_and_separated),
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(a_lock_names_its_holder_and_dies_with_it),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
