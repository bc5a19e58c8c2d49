/* naming: legal names, and names in a namespace */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rmq/naming.h"
#include "support/case.h"

static void a_namespace_is_put_before_names_and_taken_off(void **state)
{
    static const struct {
        const char *space, *name, *full, *back;
    } cases[] = {
        {"", "orders", "orders", "orders"},
        {"NS", "orders", "NS%orders", "orders"},
        {"NS", "NS%orders", "NS%orders", "orders"},
        {"NS", "NSorders", "NS%NSorders", "NSorders"},
        {"NS", "%RETRY%group", "%RETRY%NS%group", "%RETRY%NS%group"},
        {"NS", "%RETRY%NS%group", "%RETRY%NS%group", "%RETRY%NS%group"},
        {"NS", "%DLQ%group", "%DLQ%NS%group", "%DLQ%NS%group"},
        {"NS", "TBW102", "TBW102", "TBW102"},
        {"NS", "rmq_sys_TRACE_DATA", "rmq_sys_TRACE_DATA", "rmq_sys_TRACE_DATA"},
        {"NS", "CID_RMQ_SYS_TRANS", "CID_RMQ_SYS_TRANS", "CID_RMQ_SYS_TRANS"},
        {"NS", "other%orders", "NS%other%orders", "other%orders"},
        {"NS", "", "", ""},
    };
    char room[RMQ_FULL_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *full = rmq_namespace_wrap(cases[i].space, cases[i].name, room);

        assert_string_equal(full, cases[i].full);
        assert_string_equal(rmq_namespace_strip(cases[i].space, full), cases[i].back);
    }
    assert_null(rmq_namespace_wrap("NS", NULL, room));
}

static void a_name_that_grows_too_long_is_refused_not_cut(void **state)
{
    char space[126], name[121], room[RMQ_FULL_NAME_SIZE];

    (void)state;
    memset(space, 's', 125);
    space[125] = 0;
    memset(name, 'n', 120);
    name[120] = 0;
    assert_int_equal(rmq_namespace_check(space), DT_OK);
    assert_int_equal(strlen(rmq_namespace_wrap(space, name, room)), 246);
    assert_int_equal(rmq_topic_name_check(room), DT_EINVAL);
    assert_int_equal(rmq_topic_name_check(rmq_namespace_wrap(space, "n", room)), DT_OK);
}

static void namespaces_that_would_not_come_off_are_refused(void **state)
{
    (void)state;
    assert_int_equal(rmq_namespace_check(NULL), DT_OK);
    assert_int_equal(rmq_namespace_check(""), DT_OK);
    assert_int_equal(rmq_namespace_check("MQ_INST_1-a"), DT_OK);
    assert_int_equal(rmq_namespace_check("a%b"), DT_EINVAL);
    assert_int_equal(rmq_namespace_check("a|b"), DT_EINVAL);
    assert_int_equal(rmq_namespace_check("a b"), DT_EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_namespace_is_put_before_names_and_taken_off),
        cmocka_unit_test(a_name_that_grows_too_long_is_refused_not_cut),
        cmocka_unit_test(namespaces_that_would_not_come_off_are_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
