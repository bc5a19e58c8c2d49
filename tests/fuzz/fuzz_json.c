/*
 * The fastjson dialect: route answers, cluster answers, and tables whose keys are objects.
 *
 * Holds: what json.h accepts can be walked to its leaves; a route that was read and is written,
 * in both forms, reads as an equal one; its queues name known brokers.
 */
#include "fuzz/fuzz.h"
#include "rmq/json.h"
#include "rmq/route.h"

static size_t walk(struct rmq_json value, struct dt_span text, int depth)
{
    struct rmq_json_iter iter = rmq_json_items(value);
    struct rmq_json key, item;
    struct dt_buf scratch;
    struct dt_span plain;
    size_t count = 1;
    char small[32];
    int64_t number;

    FUZZ_NEED(depth <= RMQ_JSON_DEPTH_MAX);
    FUZZ_NEED(fuzz_is_within(value.raw, text));
    dt_buf_init(&scratch, value.raw.size);
    (void)rmq_json_text(value, &scratch, &plain);
    (void)rmq_json_i64(value, &number);
    (void)rmq_json_bool(value);
    if (rmq_json_copy(value, small, sizeof(small)))
        FUZZ_NEED(strlen(small) < sizeof(small));
    while (rmq_json_next(&iter, &key, &item)) {
        if (key.kind == RMQ_JSON_OBJECT) /* fastjson's: the key is an object */
            count += walk(key, text, depth + 1);
        count += walk(item, text, depth + 1);
    }
    FUZZ_NEED(!iter.failed);
    dt_buf_fini(&scratch);
    return count;
}

static void need_queues(const struct rmq_route *route)
{
    rmq_queue *queues = NULL;
    size_t count = 0;

    if (rmq_route_write_queues(route, &queues, &count) == DT_OK) {
        FUZZ_NEED(count <= RMQ_ROUTE_QUEUES_MAX);
        for (size_t i = 0; i < count; i++) {
            FUZZ_NEED(queues[i].queue_id >= 0);
            if (route->order_conf == NULL) /* which may name brokers that are down */
                FUZZ_NEED(rmq_route_master(route, queues[i].broker_name) != NULL);
        }
        free(queues);
    }
    if (rmq_route_read_queues(route, &queues, &count) == DT_OK) {
        for (size_t i = 0; i < count && i < 64; i++)
            (void)rmq_route_pull_address(route, queues[i].broker_name, (int64_t)i - 1);
        free(queues);
    }
}

static void write_again(const struct rmq_route *route)
{
    for (int standard = 0; standard < 2; standard++) {
        struct rmq_route *again;
        struct dt_buf out;

        dt_buf_init(&out, 1 << 24);
        rmq_route_write(route, standard == 1, &out);
        FUZZ_NEED(!out.failed);
        FUZZ_NEED(rmq_route_parse(dt_buf_span(&out), &again) == DT_OK);
        rmq_route_free(again);
        dt_buf_fini(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dt_span text = dt_span_of(data, size);
    struct rmq_route *route;
    struct rmq_json root;

    if (rmq_json_parse(text, &root)) {
        struct rmq_json table = rmq_json_get(root, "offsetTable");

        FUZZ_NEED(walk(root, text, 0) <= size + 1);
        (void)rmq_json_get(table, "0");
    }
    if (rmq_route_parse(text, &route) == DT_OK) {
        bool is_ascii = true; /* what is not UTF-8 is written as U+FFFD, and grows */

        for (size_t i = 0; i < size; i++)
            is_ascii = is_ascii && data[i] < 0x80;
        need_queues(route);
        FUZZ_NEED(rmq_route_equal(route, route));
        if (is_ascii && memchr(data, '\\', size) == NULL)
            write_again(route);
        rmq_route_free(route);
    }
    if (rmq_route_parse_cluster(text, &route) == DT_OK)
        rmq_route_free(route);
    return 0;
}
