/* model/idset: against a plain array of flags, over random adds, closes, merges, copies, loads */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "model/idset.h"
#include "support/case.h"
#include "support/golden.h"
#include "support/random.h"

enum { NAMES = 6, NUMBERS = 70 };

/* What the set must say: a flag for every id of a small world. */
struct plain {
    bool known[NAMES];
    bool in[NAMES][NUMBERS];
    uint32_t window[NAMES];
};

static struct duet_id id_of(size_t name, uint64_t sequence)
{
    /* differ in each of the three parts; the partition is not looked at */
    static const struct duet_id names[NAMES] = {
        {0, 1, 1, 0, 0}, {0, 1, 2, 0, 0},
        {0, 2, 1, 0, 0}, {0, DUET_INSTANCE_MAX, 65535, 0, 0},
        {1, 1, 1, 0, 0}, {2, 0, 0, 0, 0},
    };
    struct duet_id id = names[name];

    id.sequence = sequence;
    id.partition = (uint16_t)sequence;
    return id;
}

static const struct duet_idset_entry *entry_of(const struct duet_idset *set, size_t name)
{
    struct duet_id id = id_of(name, 0);

    return duet_idset_find(set, id.kind, id.instance, id.boot);
}

/* Holes ascend, are not empty, do not touch, and the number below the end is in the set. */
static void assert_well_formed(const struct duet_idset_entry *entry)
{
    uint64_t at = 0;

    for (size_t i = 0; i < entry->hole_count; i++) {
        assert_true(i == 0 || entry->holes[i].from > at);
        assert_true(entry->holes[i].from < entry->holes[i].to);
        at = entry->holes[i].to;
    }
    assert_true(entry->hole_count == 0 || at < entry->end);
}

static void assert_same(const struct duet_idset *set, const struct plain *plain)
{
    uint64_t size = 0;
    size_t known = 0;

    for (size_t name = 0; name < NAMES; name++) {
        const struct duet_idset_entry *entry = entry_of(set, name);
        uint64_t end = 0;

        known += plain->known[name];
        assert_int_equal(entry != NULL, plain->known[name]);
        for (uint64_t n = 0; n < NUMBERS; n++) {
            struct duet_id id = id_of(name, n);

            if (duet_idset_has(set, &id) != plain->in[name][n])
                fail_msg("name %zu number %u", name, (unsigned)n);
            size += plain->in[name][n];
            end = plain->in[name][n] ? n + 1 : end;
        }
        if (entry == NULL)
            continue;
        assert_int_equal(entry->end, end);
        assert_int_equal(entry->newest_window, plain->window[name]);
        assert_well_formed(entry);
    }
    assert_int_equal(set->count, known);
    assert_int_equal(duet_idset_size(set), size);
}

static void add_somewhere(struct test_random *random, struct duet_idset *set,
                          struct plain *plain)
{
    size_t name = test_random_below(random, NAMES), n = test_random_below(random, NUMBERS);
    const struct duet_idset_entry *entry = entry_of(set, name);
    uint32_t window = (uint32_t)test_random_below(random, 1000);
    struct duet_id id;
    bool added;

    if (entry != NULL && entry->end < NUMBERS && test_random_once_in(random, 2))
        n = entry->end; /* the usual case: the next in sequence */
    id = id_of(name, n);
    assert_int_equal(duet_idset_add(set, &id, window, &added), DT_OK);
    assert_int_equal(added, !plain->in[name][n]);
    assert_true(!added || entry_of(set, name)->dirty);
    plain->known[name] = true;
    plain->in[name][n] = true;
    if (window > plain->window[name])
        plain->window[name] = window;
}

static void close_somewhere(struct test_random *random, struct duet_idset *set,
                            struct plain *plain)
{
    size_t name = test_random_below(random, NAMES);
    size_t from = test_random_below(random, NUMBERS);
    size_t to = from + test_random_below(random, NUMBERS - from + 1);
    struct duet_id id = id_of(name, 0);

    assert_int_equal(duet_idset_close(set, &id, from, to), DT_OK);
    for (size_t n = from; n < to; n++)
        plain->known[name] = plain->in[name][n] = true;
}

static void unite(struct plain *plain, const struct plain *other)
{
    for (size_t name = 0; name < NAMES; name++) {
        plain->known[name] |= other->known[name];
        if (other->window[name] > plain->window[name])
            plain->window[name] = other->window[name];
        for (size_t n = 0; n < NUMBERS; n++)
            plain->in[name][n] |= other->in[name][n];
    }
}

/* Writes every entry as a row and loads the rows into a new set. */
static void store_and_load(struct duet_idset *set)
{
    struct duet_idset loaded;
    struct dt_buf row;

    duet_idset_init(&loaded);
    dt_buf_init(&row, 4096);
    for (size_t i = set->count; i-- > 0;) { /* in any order */
        const struct duet_idset_entry *entry = &set->entries[i];

        dt_buf_clear(&row);
        duet_idset_entry_encode(entry, &row);
        assert_false(row.failed);
        assert_true((row.size == 0) == (entry->hole_count == 0));
        for (int twice = 0; twice < 2; twice++) /* the second replaces the first */
            assert_int_equal(duet_idset_entry_load(&loaded, entry->kind, entry->instance,
                                                   entry->boot, entry->end,
                                                   entry->newest_window, dt_buf_span(&row)),
                             DT_OK);
    }
    for (size_t i = 0; i < loaded.count; i++)
        assert_false(loaded.entries[i].dirty);
    dt_buf_fini(&row);
    duet_idset_fini(set);
    *set = loaded;
}

static void a_set_agrees_with_plain_flags_whatever_is_done_to_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct test_random random = {seed};
        struct duet_idset set[2], copy;
        struct plain plain[2];

        memset(plain, 0, sizeof(plain));
        duet_idset_init(&set[0]);
        duet_idset_init(&set[1]);
        duet_idset_init(&copy);
        for (int step = 0; step < 150; step++) {
            size_t which = test_random_below(&random, 2);

            switch (test_random_below(&random, 40)) {
            case 0:
                assert_int_equal(duet_idset_merge(&set[which], &set[1 - which]), DT_OK);
                unite(&plain[which], &plain[1 - which]);
                break;
            case 1:
                assert_int_equal(duet_idset_copy(&copy, &set[which]), DT_OK);
                assert_same(&copy, &plain[which]);
                break;
            case 2:
                store_and_load(&set[which]);
                break;
            case 3:
            case 4:
            case 5:
                close_somewhere(&random, &set[which], &plain[which]);
                break;
            default:
                add_somewhere(&random, &set[which], &plain[which]);
                break;
            }
            assert_same(&set[which], &plain[which]);
        }
        duet_idset_fini(&set[0]);
        duet_idset_fini(&set[1]);
        duet_idset_fini(&copy);
    }
}

struct found {
    bool in[NAMES][NUMBERS];
    size_t name;
    uint64_t end; /* of the interval before, same name */
    size_t calls;
};

static void note(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                 struct duet_interval interval)
{
    struct found *found = context;
    size_t name = 0;

    while (name < NAMES &&
           (id_of(name, 0).kind != kind || id_of(name, 0).instance != instance ||
            id_of(name, 0).boot != boot))
        name++;
    assert_in_range(name, 0, NAMES - 1);
    assert_true(found->calls == 0 || name >= found->name);
    /* maximal: two intervals of one name never touch */
    assert_true(found->calls == 0 || name != found->name || interval.from > found->end);
    assert_true(interval.from < interval.to && interval.to <= NUMBERS);
    for (uint64_t n = interval.from; n < interval.to; n++)
        found->in[name][n] = true;
    found->name = name;
    found->end = interval.to;
    found->calls++;
}

static void a_difference_names_exactly_what_only_the_first_has(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct test_random random = {seed * 7919};
        struct duet_idset a, b;
        struct plain in_a, in_b;
        struct found found;
        size_t steps = test_random_below(&random, 120);

        memset(&in_a, 0, sizeof(in_a));
        memset(&in_b, 0, sizeof(in_b));
        memset(&found, 0, sizeof(found));
        duet_idset_init(&a);
        duet_idset_init(&b);
        for (size_t i = 0; i < steps; i++) {
            add_somewhere(&random, &a, &in_a);
            if (test_random_once_in(&random, 8))
                close_somewhere(&random, &a, &in_a);
            if (test_random_once_in(&random, 10))
                close_somewhere(&random, &b, &in_b);
            if (test_random_once_in(&random, 2))
                add_somewhere(&random, &b, &in_b);
        }
        duet_idset_difference(&a, &b, note, &found);
        for (size_t name = 0; name < NAMES; name++)
            for (size_t n = 0; n < NUMBERS; n++)
                assert_int_equal(found.in[name][n], in_a.in[name][n] && !in_b.in[name][n]);
        memset(&found, 0, sizeof(found));
        duet_idset_difference(&a, &a, note, &found);
        assert_int_equal(found.calls, 0);
        duet_idset_fini(&a);
        duet_idset_fini(&b);
    }
}

static void what_was_not_seen_before_the_first_number_is_a_hole(void **state)
{
    struct duet_id first = id_of(0, 1000), before = id_of(0, 999), closed = id_of(0, 3);
    struct duet_idset set;
    bool added;

    (void)state;
    duet_idset_init(&set);
    assert_int_equal(duet_idset_add(&set, &first, 5, &added), DT_OK);
    assert_true(added);
    assert_false(duet_idset_has(&set, &before));
    assert_int_equal(entry_of(&set, 0)->hole_count, 1);
    assert_int_equal(duet_idset_size(&set), 1);
    assert_int_equal(duet_idset_close(&set, &closed, 0, 1000), DT_OK);
    assert_true(duet_idset_has(&set, &before));
    assert_int_equal(entry_of(&set, 0)->hole_count, 0);
    assert_int_equal(duet_idset_size(&set), 1001);
    duet_idset_fini(&set);
}

static void the_highest_sequence_there_is_fits(void **state)
{
    struct duet_id last = id_of(0, DUET_SEQUENCE_MAX), zero = id_of(0, 0);
    struct duet_idset set;
    struct dt_buf row;
    bool added;

    (void)state;
    duet_idset_init(&set);
    dt_buf_init(&row, 100);
    assert_int_equal(duet_idset_add(&set, &last, 0, &added), DT_OK);
    assert_int_equal(duet_idset_add(&set, &zero, 0, &added), DT_OK);
    duet_idset_entry_encode(entry_of(&set, 0), &row);
    assert_int_equal(
        duet_idset_entry_load(&set, 0, 1, 1, DUET_SEQUENCE_MAX + 1, 0, dt_buf_span(&row)),
        DT_OK);
    assert_true(duet_idset_has(&set, &last));
    assert_int_equal(duet_idset_size(&set), 2);
    dt_buf_fini(&row);
    duet_idset_fini(&set);
}

static void a_repeat_is_not_new_and_leaves_the_entry_clean(void **state)
{
    struct duet_id id = id_of(0, 7);
    struct duet_idset set;
    bool added;

    (void)state;
    duet_idset_init(&set);
    assert_int_equal(duet_idset_add(&set, &id, 5, &added), DT_OK);
    duet_idset_clean(&set);
    assert_int_equal(duet_idset_add(&set, &id, 5, &added), DT_OK);
    assert_false(added);
    assert_false(entry_of(&set, 0)->dirty);
    assert_int_equal(duet_idset_close(&set, &id, 7, 8), DT_OK);
    assert_int_equal(duet_idset_close(&set, &id, 9, 9), DT_OK);
    assert_false(entry_of(&set, 0)->dirty);
    id.sequence = 8;
    assert_int_equal(duet_idset_add(&set, &id, 5, NULL), DT_OK);
    assert_true(entry_of(&set, 0)->dirty);
    duet_idset_fini(&set);
}

static void a_merge_makes_dirty_only_what_it_changes(void **state)
{
    struct duet_id id = id_of(0, 3), other = id_of(1, 3);
    struct duet_idset a, b;

    (void)state;
    duet_idset_init(&a);
    duet_idset_init(&b);
    assert_int_equal(duet_idset_add(&a, &id, 9, NULL), DT_OK);
    assert_int_equal(duet_idset_add(&b, &id, 9, NULL), DT_OK);
    assert_int_equal(duet_idset_add(&b, &other, 9, NULL), DT_OK);
    duet_idset_clean(&a);
    assert_int_equal(duet_idset_merge(&a, &b), DT_OK);
    assert_false(entry_of(&a, 0)->dirty);
    assert_true(entry_of(&a, 1)->dirty);
    assert_int_equal(duet_idset_merge(&a, &a), DT_OK);
    assert_int_equal(duet_idset_size(&a), 2);
    duet_idset_fini(&a);
    duet_idset_fini(&b);
}

static void rows_have_the_golden_bytes(void **state)
{
    static const struct duet_interval closed[] = {{3, 5}, {6, 300}, {100000, 100001}};
    struct duet_id id = id_of(0, 0);
    struct duet_idset set;
    struct dt_buf row;

    (void)state;
    duet_idset_init(&set);
    dt_buf_init(&row, 100);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(duet_idset_close(&set, &id, closed[i].from, closed[i].to), DT_OK);
    duet_idset_entry_encode(entry_of(&set, 0), &row);
    test_assert_golden("holes", row.data, row.size);
    dt_buf_fini(&row);
    duet_idset_fini(&set);
}

static dt_status load(uint64_t end, const char *bytes, size_t size)
{
    uint8_t *exact =
        malloc(size > 0 ? size : 1); /* exact size: ASan sees one byte too many */
    struct duet_idset set;
    dt_status status;

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    duet_idset_init(&set);
    status = duet_idset_entry_load(&set, 0, 1, 1, end, 0, dt_span_of(exact, size));
    assert_int_equal(set.count, status == DT_OK);
    duet_idset_fini(&set);
    free(exact);
    return status;
}

static void rows_that_are_not_ascending_disjoint_and_below_the_end_are_corrupt(void **state)
{
    (void)state;
    assert_int_equal(load(10, "", 0), DT_OK);
    assert_int_equal(load(0, "", 0), DT_OK);
    assert_int_equal(load(10, "\x00\x02\x01\x06", 4), DT_OK);       /* 0-2, 3-9 */
    assert_int_equal(load(10, "\x00\x02\x01\x07", 4), DT_ECORRUPT); /* reaches the end */
    assert_int_equal(load(10, "\x00\x02\x00\x01", 4), DT_ECORRUPT); /* touches */
    assert_int_equal(load(10, "\x00\x00", 2), DT_ECORRUPT);         /* empty */
    assert_int_equal(load(10, "\x0a\x01", 2), DT_ECORRUPT);         /* at the end */
    assert_int_equal(load(0, "\x00\x01", 2), DT_ECORRUPT);          /* of nothing */
    assert_int_equal(load(10, "\x01", 1), DT_ECORRUPT);             /* cut short */
    assert_int_equal(load(10, "\x01\x81", 2), DT_ECORRUPT);         /* in a number */
    assert_int_equal(load(10, "\x81\x00\x01", 3), DT_ECORRUPT);     /* a longer 1 */
    assert_int_equal(load(10, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11),
                     DT_ECORRUPT); /* beyond 63 bits */
    assert_int_equal(load((DUET_SEQUENCE_MAX + 1) + 1, "", 0), DT_ECORRUPT);
}

static void random_rows_never_break_a_set(void **state)
{
    struct test_random random = {3};
    struct duet_idset set;

    (void)state;
    duet_idset_init(&set);
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[8];
        size_t size = test_random_below(&random, sizeof(bytes) + 1);
        dt_status status;

        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)test_random_below(
                &random, test_random_once_in(&random, 9) ? 256 : 6);
        status = duet_idset_entry_load(&set, 0, 1, 1, test_random_below(&random, 40), 1,
                                       dt_span_of(bytes, size));
        assert_true(status == DT_OK || status == DT_ECORRUPT);
        if (set.count > 0)
            assert_well_formed(&set.entries[0]);
    }
    duet_idset_fini(&set);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_agrees_with_plain_flags_whatever_is_done_to_it),
        cmocka_unit_test(a_difference_names_exactly_what_only_the_first_has),
        cmocka_unit_test(what_was_not_seen_before_the_first_number_is_a_hole),
        cmocka_unit_test(the_highest_sequence_there_is_fits),
        cmocka_unit_test(a_repeat_is_not_new_and_leaves_the_entry_clean),
        cmocka_unit_test(a_merge_makes_dirty_only_what_it_changes),
        cmocka_unit_test(rows_have_the_golden_bytes),
        cmocka_unit_test(
            rows_that_are_not_ascending_disjoint_and_below_the_end_are_corrupt),
        cmocka_unit_test(random_rows_never_break_a_set),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
