/*
 * Properties, tag expressions and the items of a batch.
 *
 * Holds: as many properties come as were counted; a found one is the last of its name; what is
 * legal and written reads the same.
 */
#include "fuzz/fuzz.h"
#include "rmq/batch.h"
#include "rmq/properties.h"
#include "rmq/tags.h"

static void need_properties(struct dt_span all)
{
    struct rmq_property_span property, again;
    struct dt_span rest = all, value, written;
    struct dt_buf out;
    size_t count = 0;

    dt_buf_init(&out, 1 << 22);
    while (rmq_properties_next(&rest, &property)) {
        count++;
        FUZZ_NEED(fuzz_is_within(property.name, all) &&
                  fuzz_is_within(property.value, all));
        FUZZ_NEED(fuzz_is_within(rest, all));
        if (rmq_property_is_legal(property.name, property.value)) {
            size_t before = out.size;

            rmq_properties_put(&out, property.name, property.value);
            FUZZ_NEED(out.size - before ==
                      rmq_property_size(property.name.size, property.value.size));
            written = dt_span_of(out.data + before, out.size - before);
            FUZZ_NEED(rmq_properties_next(&written, &again) && written.size == 0);
            FUZZ_NEED(dt_span_equal(again.name, property.name) &&
                      dt_span_equal(again.value, property.value));
        }
        if (dt_span_equal_str(property.name, "TAGS"))
            FUZZ_NEED(rmq_properties_find(all, "TAGS", &value));
    }
    FUZZ_NEED(count == rmq_properties_count(all));
    dt_buf_fini(&out);
}

static void need_tags(struct dt_span text)
{
    struct rmq_tag_filter filter;
    char expression[256];

    if (text.size >= sizeof(expression))
        return;
    if (text.size > 0)
        memcpy(expression, text.data, text.size);
    expression[text.size] = '\0';
    if (rmq_tag_filter_init(&filter, expression) != DT_OK)
        return;
    if (filter.count > 0)
        FUZZ_NEED(rmq_tag_filter_takes(&filter, filter.names));
    rmq_tag_filter_fini(&filter);
}

static void need_items(struct dt_span in)
{
    struct rmq_batch_item item, again;
    struct dt_buf out;

    while (in.size > 0 && rmq_batch_item_cut(in, &item) == RMQ_CUT_FRAME) {
        FUZZ_NEED(item.size <= in.size && fuzz_is_within(item.body, in) &&
                  fuzz_is_within(item.properties, in));
        dt_buf_init(&out, 1 << 22);
        rmq_batch_item_put(&out, &item);
        FUZZ_NEED(!out.failed && out.size == item.size);
        FUZZ_NEED(rmq_batch_item_cut(dt_buf_span(&out), &again) == RMQ_CUT_FRAME);
        FUZZ_NEED(again.flag == item.flag && dt_span_equal(again.body, item.body) &&
                  dt_span_equal(again.properties, item.properties));
        dt_buf_fini(&out);
        in = dt_span_of(in.data + item.size, in.size - item.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dt_span in = dt_span_of(data, size);

    need_properties(in);
    need_tags(in);
    need_items(in);
    return 0;
}
