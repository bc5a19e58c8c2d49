/* outgoing: messages as they are written when they are handed over */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmq/batch.h"
#include "rmq/outgoing.h"
#include "rmq/properties.h"
#include "support/bytes.h"
#include "support/case.h"

enum { ID_SIZE = 32 };

static struct rmq_outgoing *outgoing_of(const rmq_message *message)
{
    struct rmq_compressors compressors;
    struct rmq_outgoing *outgoing;

    assert_int_equal(rmq_compressors_init(&compressors, RMQ_COMPRESSION_NONE, 0, 0), DT_OK);
    assert_int_equal(rmq_outgoing_new(message, ID_SIZE, &compressors, &outgoing), DT_OK);
    rmq_compressors_fini(&compressors);
    return outgoing;
}

static void a_delay_becomes_the_property_that_brokers_know(void **state)
{
    const struct {
        rmq_message message;
        const char *name, *value;
    } cases[] = {
        {{.delay_level = 3}, "DELAY", "3"},
        {{.delay_ms = 86400000}, "TIMER_DELAY_MS", "86400000"},
        {{.deliver_wall_ms = 1700000000000}, "TIMER_DELIVER_MS", "1700000000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rmq_message message = cases[i].message;
        struct rmq_outgoing *outgoing;
        struct dt_span value;

        message.topic = "t";
        message.body = "x";
        message.body_size = 1;
        outgoing = outgoing_of(&message);
        assert_true(
            rmq_properties_find(rmq_outgoing_properties(outgoing), cases[i].name, &value));
        assert_span_text(value, cases[i].value);
        assert_true(outgoing->alone);
        free(outgoing);
    }
}

static void it_is_the_item_of_a_batch_that_it_may_become(void **state)
{
    const rmq_property property = {"p", "v"};
    const rmq_message message = {.topic = "t",
                                 .body = "body",
                                 .body_size = 4,
                                 .keys = "k",
                                 .tags = "tag",
                                 .properties = &property,
                                 .property_count = 1,
                                 .flag = 7};
    struct rmq_outgoing *outgoing = outgoing_of(&message);
    struct rmq_batch_item item;
    struct dt_span value;

    (void)state;
    assert_int_equal(
        rmq_batch_item_cut(dt_span_of(outgoing->item, outgoing->item_size), &item),
        RMQ_CUT_FRAME);
    assert_int_equal(item.size, outgoing->item_size);
    assert_int_equal(item.flag, 7);
    assert_span_text(item.body, "body");
    assert_true(rmq_properties_find(item.properties, "KEYS", &value));
    assert_span_text(value, "k");
    assert_true(rmq_properties_find(item.properties, "TAGS", &value));
    assert_span_text(value, "tag");
    assert_true(rmq_properties_find(item.properties, "p", &value));
    assert_span_text(value, "v");
    assert_true(rmq_properties_find(item.properties, "UNIQ_KEY", &value));
    assert_int_equal(value.size, ID_SIZE);
    assert_false(outgoing->alone);
    free(outgoing);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delay_becomes_the_property_that_brokers_know),
        cmocka_unit_test(it_is_the_item_of_a_batch_that_it_may_become),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
