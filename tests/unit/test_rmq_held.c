/* held: what of a queue is handed out, and what may be committed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmq/held.h"
#include "support/case.h"

static const rmq_queue queue = {"b", 0};

/* A work with messages offset..next-1, open. */
static struct rmq_work *add_work(struct rmq_held *held, int64_t offset, int64_t next)
{
    struct rmq_work *work = rmq_work_new((size_t)(next - offset));
    struct rmq_stored stored;
    struct rmq_chunk *chunk;
    struct dt_buf bytes;
    rmq_batch *batch;

    assert_non_null(work);
    dt_buf_init(&bytes, 1 << 20);
    for (int64_t i = offset; i < next; i++) {
        memset(&stored, 0, sizeof(stored));
        stored.queue_offset = i;
        stored.born_host.ip_size = stored.store_host.ip_size = 4;
        stored.body = dt_span_str("x");
        stored.topic = dt_span_str("T");
        rmq_stored_put(&bytes, &stored);
    }
    assert_int_equal(rmq_chunk_new(dt_buf_span(&bytes), offset, &chunk), DT_OK);
    chunk->next_offset = next;
    assert_int_equal(rmq_batch_make(chunk, &queue, 1 << 20, NULL, &batch), DT_OK);
    rmq_held_append(held, work, offset, next, 0);
    work->users = 1;
    rmq_work_open(work, batch);
    dt_buf_fini(&bytes);
    return work;
}

/* Claims and handles the next messages of a work. */
static size_t handle(struct rmq_work *work, size_t count)
{
    size_t index, got = rmq_work_claim(work, count, &index);

    if (got > 0)
        rmq_work_mark(work, index, got, RMQ_MESSAGE_DONE);
    return got;
}

static struct rmq_held *new_held(void)
{
    struct rmq_held *held = rmq_held_new(NULL, &queue);

    assert_non_null(held);
    return held;
}

static void the_lowest_that_is_not_handled_may_be_committed(void **state)
{
    struct rmq_held *held = new_held();
    struct rmq_work *one, *two;
    size_t index;

    (void)state;
    held->taken = 10;
    assert_int_equal(rmq_held_low(held), 10);
    one = add_work(held, 10, 14);
    two = add_work(held, 14, 18);
    assert_int_equal(rmq_held_low(held), 10);
    assert_int_equal(handle(two, 4), 4);
    rmq_work_leave(two); /* all handled: gone */
    assert_int_equal(rmq_held_low(held), 10);
    assert_int_equal(rmq_work_claim(one, 1, &index), 1);
    assert_int_equal(handle(one, 1), 1); /* the second before the first */
    assert_int_equal(rmq_held_low(held), 10);
    rmq_work_mark(one, index, 1, RMQ_MESSAGE_DONE);
    assert_int_equal(rmq_held_low(held), 12);
    assert_int_equal(handle(one, 9), 2);
    assert_int_equal(rmq_held_low(held), 18);
    rmq_work_leave(one);
    rmq_held_free(held);
}

static void closing_leaves_to_do_what_lies_before_a_handled_message(void **state)
{
    (void)state;
    for (int second_is_gone = 0; second_is_gone < 2; second_is_gone++) {
        struct rmq_held *held = new_held();
        struct rmq_work *one, *two, *three;

        held->taken = 0;
        one = add_work(held, 0, 4);
        two = add_work(held, 4, 8);
        three = add_work(held, 8, 12);
        assert_int_equal(handle(one, 1), 1);
        assert_int_equal(handle(two, second_is_gone ? 4 : 2), second_is_gone ? 4 : 2);
        if (second_is_gone)
            rmq_work_leave(two);
        rmq_held_close(held);
        assert_int_equal(handle(three, 4), 0); /* nothing of it was given out */
        if (!second_is_gone)
            assert_int_equal(handle(two, 4), 0);
        assert_false(rmq_held_is_idle(held));
        assert_int_equal(handle(one, 4), 3);
        assert_int_equal(rmq_held_low(held), second_is_gone ? 8 : 6);
        rmq_work_leave(one);
        if (!second_is_gone)
            rmq_work_leave(two);
        rmq_work_leave(three);
        assert_true(rmq_held_is_idle(held));
        rmq_held_free(held);
    }
}

static void a_last_work_that_is_handled_keeps_all_before_it_open(void **state)
{
    struct rmq_held *held = new_held();
    struct rmq_work *one, *two;

    (void)state;
    one = add_work(held, 0, 4);
    two = add_work(held, 4, 8);
    assert_int_equal(handle(two, 4), 4);
    rmq_work_leave(two);
    rmq_held_close(held);
    assert_int_equal(handle(one, 9), 4);
    assert_int_equal(rmq_held_low(held), 8);
    rmq_work_leave(one);
    rmq_held_free(held);
}

static void a_detached_work_counts_for_nothing(void **state)
{
    struct rmq_held *held = new_held();
    struct rmq_work *one;

    (void)state;
    one = add_work(held, 5, 9);
    assert_int_equal(handle(one, 2), 2);
    rmq_held_detach(held);
    assert_null(one->held);
    assert_int_equal(handle(one, 2), 0);
    held->taken = 3;
    assert_int_equal(rmq_held_low(held), 3);
    assert_true(rmq_held_is_idle(held));
    rmq_held_free(held);
    rmq_work_leave(one); /* frees it */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_that_is_not_handled_may_be_committed),
        cmocka_unit_test(closing_leaves_to_do_what_lies_before_a_handled_message),
        cmocka_unit_test(a_last_work_that_is_handled_keeps_all_before_it_open),
        cmocka_unit_test(a_detached_work_counts_for_nothing),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
