/* model/idset when memory runs out: each allocation fails once, and the set stays as it was */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/case.h"
#include "support/random.h"

/* The file under test is compiled in here, with allocations that we can refuse. */
static int allocations_left = -1; /* -1: all succeed */

static bool refused(void)
{
    if (allocations_left == 0)
        return true;
    if (allocations_left > 0)
        allocations_left--;
    return false;
}

static void *limited_realloc(void *old, size_t size)
{
    return refused() ? NULL : realloc(old, size);
}

static void *limited_calloc(size_t count, size_t size)
{
    return refused() ? NULL : calloc(count, size);
}

#define realloc limited_realloc
#define calloc  limited_calloc
#include "model/idset.c"
#undef realloc
#undef calloc

static bool equal(const struct duet_idset *a, const struct duet_idset *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct duet_idset_entry *x = &a->entries[i], *y = &b->entries[i];

        if (x->end != y->end || x->hole_count != y->hole_count || x->boot != y->boot ||
            x->newest_window != y->newest_window || x->dirty != y->dirty)
            return false;
        for (size_t k = 0; k < x->hole_count; k++)
            if (x->holes[k].from != y->holes[k].from || x->holes[k].to != y->holes[k].to)
                return false;
    }
    return true;
}

static void fill(struct duet_idset *set, struct test_random *random)
{
    for (int i = 0; i < 30; i++) {
        struct duet_id id = {0, 1, (uint16_t)test_random_below(random, 3), 0,
                             test_random_below(random, 60)};

        assert_int_equal(duet_idset_add(set, &id, 1, NULL), DT_OK);
    }
    duet_idset_clean(set);
}

static void an_add_or_close_without_memory_changes_nothing(void **state)
{
    size_t failed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct test_random random = {seed};
        struct duet_idset set, before;
        struct duet_id id = {0, 1, (uint16_t)test_random_below(&random, 6), 0,
                             test_random_below(&random, 90)};
        dt_status status;
        bool added = true;

        duet_idset_init(&set);
        duet_idset_init(&before);
        fill(&set, &random);
        assert_int_equal(duet_idset_copy(&before, &set), DT_OK);
        allocations_left = (int)test_random_below(&random, 2);
        if (seed % 2 == 0) {
            status = duet_idset_add(&set, &id, 7, &added);
        } else {
            status = duet_idset_close(&set, &id, id.sequence, id.sequence + seed % 5 + 1);
            added = false;
        }
        allocations_left = -1;
        if (status != DT_OK) {
            assert_int_equal(status, DT_ENOMEM);
            assert_false(added);
            assert_true(equal(&set, &before));
            failed++;
        }
        duet_idset_fini(&set);
        duet_idset_fini(&before);
    }
    assert_true(failed > 100);
}

static void a_copy_without_memory_is_empty(void **state)
{
    struct test_random random = {1};
    struct duet_idset set, copy;
    int limit = 0;

    (void)state;
    duet_idset_init(&set);
    duet_idset_init(&copy);
    fill(&set, &random);
    for (;; limit++) {
        dt_status status;

        allocations_left = limit;
        status = duet_idset_copy(&copy, &set);
        allocations_left = -1;
        if (status == DT_OK)
            break;
        assert_int_equal(status, DT_ENOMEM);
        assert_int_equal(copy.count, 0);
    }
    assert_true(limit >= 2);
    assert_true(equal(&copy, &set));
    duet_idset_fini(&set);
    duet_idset_fini(&copy);
}

static void a_merge_without_memory_adds_nothing_wrong_and_can_be_repeated(void **state)
{
    (void)state;
    for (int limit = 0; limit < 12; limit++) {
        struct test_random random = {9};
        struct duet_idset a, b, whole;
        dt_status status;

        duet_idset_init(&a);
        duet_idset_init(&b);
        duet_idset_init(&whole);
        fill(&a, &random);
        fill(&b, &random);
        assert_int_equal(duet_idset_copy(&whole, &a), DT_OK);
        assert_int_equal(duet_idset_merge(&whole, &b), DT_OK);
        allocations_left = limit;
        status = duet_idset_merge(&a, &b);
        allocations_left = -1;
        assert_true(status == DT_OK || status == DT_ENOMEM);
        if (status != DT_OK)
            assert_int_equal(duet_idset_merge(&a, &b), DT_OK);
        assert_true(equal(&a, &whole));
        duet_idset_fini(&a);
        duet_idset_fini(&b);
        duet_idset_fini(&whole);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_add_or_close_without_memory_changes_nothing),
        cmocka_unit_test(a_copy_without_memory_is_empty),
        cmocka_unit_test(a_merge_without_memory_adds_nothing_wrong_and_can_be_repeated),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
