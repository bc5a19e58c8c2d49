/* model/exceptions: what a cursor has passed although it is not in the set */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/exceptions.h"
#include "support/case.h"

static struct duet_exception at(int64_t position, int64_t other_end)
{
    struct duet_exception one = {.position = position,
                                 .id = {.instance = 1, .sequence = (uint64_t)position},
                                 .known = true,
                                 .other_end = other_end};

    return one;
}

static void add(struct duet_exceptions *list, int64_t position, int64_t other_end)
{
    struct duet_exception one = at(position, other_end);

    assert_int_equal(duet_exceptions_add(list, &one), DT_OK);
}

static void assert_positions(const struct duet_exceptions *list, const char *expected)
{
    char text[128] = "";

    for (size_t i = 0; i < list->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d ",
                 (int)list->items[i].position);
    assert_string_equal(text, expected);
}

static void positions_are_found_and_dropped(void **state)
{
    struct duet_exceptions list;

    (void)state;
    duet_exceptions_init(&list);
    for (int64_t p = 2; p <= 20; p += 2)
        add(&list, p, 0);
    assert_int_equal(duet_exceptions_at(&list, 0), 0);
    assert_int_equal(duet_exceptions_at(&list, 7), 3);
    assert_int_equal(duet_exceptions_at(&list, 8), 3);
    assert_int_equal(duet_exceptions_at(&list, 21), 10);
    duet_exceptions_truncate(&list, 13);
    assert_positions(&list, "2 4 6 8 10 12 ");
    duet_exceptions_remove(&list, 1);
    duet_exceptions_remove(&list, 4);
    assert_positions(&list, "2 6 8 10 ");
    duet_exceptions_shift(&list, 2);
    assert_positions(&list, "8 10 ");
    duet_exceptions_fini(&list);
}

static void one_is_due_when_nothing_else_brings_it(void **state)
{
    struct duet_idset processed;
    struct duet_exceptions_view view = {&processed, 4, false, 1000, 0};
    struct duet_id id = {.instance = 1, .sequence = 6};
    struct duet_exceptions list;

    (void)state;
    duet_idset_init(&processed);
    duet_exceptions_init(&list);
    add(&list, 5, 4);
    add(&list, 6, 5);
    add(&list, 7, -1); /* the other side has told no end yet */
    duet_exceptions_look(&list, &view);
    assert_int_equal(list.items[0].due_ms, 1000);
    assert_int_equal(list.items[1].due_ms, 0);
    assert_int_equal(list.items[2].due_ms, 0);
    view.other_still = true;
    view.now_ms = 2000;
    duet_exceptions_look(&list, &view);
    assert_int_equal(list.items[0].due_ms, 1000); /* since then */
    assert_int_equal(list.items[1].due_ms, 2000);
    assert_int_equal(list.items[2].due_ms, 2000);
    view.other_still = false;
    assert_int_equal(duet_idset_add(&processed, &id, 1, NULL), DT_OK);
    list.dirty = false;
    duet_exceptions_look(&list, &view);
    assert_positions(&list, "5 7 ");
    assert_true(list.dirty);
    assert_int_equal(list.items[1].due_ms, 0); /* it moves again: it may come from there */
    duet_exceptions_fini(&list);
    duet_idset_fini(&processed);
}

static void positions_are_stored_and_read_again(void **state)
{
    struct duet_exceptions list, again;
    struct duet_idset positions;

    (void)state;
    duet_idset_init(&positions);
    duet_exceptions_init(&list);
    duet_exceptions_init(&again);
    add(&list, 0, 0);
    add(&list, 1, 0);
    add(&list, 900000000000, 0);
    assert_true(list.dirty);
    assert_int_equal(duet_exceptions_store(&list, &positions), DT_OK);
    assert_false(list.dirty);
    assert_int_equal(positions.count, 1);
    assert_true(positions.entries[0].dirty);
    assert_int_equal(duet_exceptions_load(&again, &positions), DT_OK);
    assert_int_equal(again.count, 3);
    assert_int_equal(again.items[2].position, 900000000000);
    assert_false(again.items[2].known);
    assert_false(again.dirty);
    duet_exceptions_truncate(&list, 0);
    assert_int_equal(duet_exceptions_store(&list, &positions), DT_OK);
    assert_int_equal(positions.count, 1); /* a row that replaces the one before */
    assert_true(positions.entries[0].dirty);
    assert_int_equal(duet_exceptions_load(&again, &positions), DT_OK);
    assert_int_equal(again.count, 0);
    duet_exceptions_fini(&list);
    duet_exceptions_fini(&again);
    duet_idset_fini(&positions);
}

static void more_than_may_be_is_refused(void **state)
{
    struct duet_exceptions list;
    struct duet_idset positions;
    struct duet_id id = {.kind = DUET_ID_ROCKETMQ};

    (void)state;
    duet_exceptions_init(&list);
    duet_idset_init(&positions);
    assert_int_equal(duet_idset_close(&positions, &id, 0, DUET_EXCEPTIONS_MAX), DT_OK);
    assert_int_equal(duet_exceptions_load(&list, &positions), DT_OK);
    assert_int_equal(list.count, DUET_EXCEPTIONS_MAX);
    assert_int_equal(duet_idset_close(&positions, &id, 0, DUET_EXCEPTIONS_MAX + 1), DT_OK);
    assert_int_equal(duet_exceptions_load(&list, &positions), DT_ECORRUPT);
    assert_int_equal(list.count, 0);
    duet_exceptions_fini(&list);
    duet_idset_fini(&positions);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_are_found_and_dropped),
        cmocka_unit_test(one_is_due_when_nothing_else_brings_it),
        cmocka_unit_test(positions_are_stored_and_read_again),
        cmocka_unit_test(more_than_may_be_is_refused),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
