/* demo: the whole story in one command; what was withheld, and only that, is reported */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/case.h"

/* Runs the command; *json is the last line of stdout. Returns its exit code. */
static int run_demo(const char *options, cJSON **json)
{
    char command[1024], *line = NULL;
    size_t size = 0;
    FILE *out;
    int code;

    snprintf(command, sizeof(command), "'%s/bin/duet' demo --json %s", BINARY_DIR, options);
    out = popen(command, "r");
    assert_non_null(out);
    *json = NULL;
    while (getline(&line, &size, out) > 0) {
        cJSON_Delete(*json);
        *json = cJSON_Parse(line);
    }
    free(line);
    code = pclose(out);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static int64_t sum(const cJSON *days, const char *side, const char *field)
{
    const cJSON *row;
    int64_t all = 0;

    cJSON_ArrayForEach(row, days)
    {
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(row, field);

        if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(row, "group")) &&
            strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "side")),
                   side) == 0)
            all += (int64_t)number->valuedouble;
    }
    return all;
}

static void the_demo_exposes_what_was_withheld(void **state)
{
    cJSON *json;
    const cJSON *days;

    (void)state;
    assert_int_equal(run_demo("--rows 1000:2000 --withhold 2 --seed 3", &json), 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "withheld")),
                     2);
    assert_true(cJSON_GetObjectItemCaseSensitive(json, "reported")->valueint == 2);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "equal")));
    days = cJSON_GetObjectItemCaseSensitive(json, "days");
    assert_int_equal(sum(days, "kafka", "issued"), 1042);
    assert_int_equal(sum(days, "kafka", "stored"), 1042);
    assert_int_equal(sum(days, "rocketmq", "issued"), 1042);
    assert_int_equal(sum(days, "rocketmq", "stored"), 1040);
    cJSON_Delete(json);
}

static void wrong_rows_are_refused(void **state)
{
    cJSON *json;

    (void)state;
    assert_int_equal(run_demo("--rows 9:3", &json), 2);
    assert_non_null(cJSON_GetObjectItemCaseSensitive(json, "error"));
    cJSON_Delete(json);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_exposes_what_was_withheld),
        cmocka_unit_test(wrong_rows_are_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
