/* model/before: what a producer issued before a message, and whether the role has it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/before.h"
#include "support/case.h"

enum set {
    PROCESSED,
    SEEN,
    OTHER,
    ABSENT,
    ABSENT_OTHER,
    ENDED,
    ENDED_OTHER,
    GIVEN_UP,
    SETS
};

struct world {
    struct duet_idset sets[SETS];
};

static void add(struct world *world, enum set set, uint16_t boot, uint64_t from,
                uint64_t to)
{
    struct duet_id id = {.instance = 1, .boot = boot};

    assert_int_equal(duet_idset_close(&world->sets[set], &id, from, to), DT_OK);
}

static void process(struct world *world, uint16_t boot, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        struct duet_id id = {.instance = 1, .boot = boot, .sequence = n};

        assert_int_equal(duet_idset_add(&world->sets[PROCESSED], &id, 7, NULL), DT_OK);
        assert_int_equal(duet_idset_add(&world->sets[SEEN], &id, 7, NULL), DT_OK);
    }
}

static struct duet_before_view view_of(struct world *world)
{
    struct duet_before_view view = {
        .processed = &world->sets[PROCESSED],
        .side = DUET_KAFKA,
        .seen = {&world->sets[SEEN], &world->sets[OTHER]},
        .absent = {&world->sets[ABSENT], &world->sets[ABSENT_OTHER]},
        .ended = {&world->sets[ENDED], &world->sets[ENDED_OTHER]},
        .given_up = &world->sets[GIVEN_UP]};

    return view;
}

static enum duet_before before(struct world *world, uint16_t boot, uint64_t sequence)
{
    struct duet_before_view view = view_of(world);
    struct duet_id id = {.instance = 1, .boot = boot, .sequence = sequence};

    return duet_before_find(&view, &id);
}

static void note(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                 struct duet_interval interval)
{
    char *text = context;

    assert_int_equal(kind, DUET_ID_ISSUED);
    assert_int_equal(instance, 1);
    snprintf(text + strlen(text), 256 - strlen(text), "%d:%d-%d ", boot, (int)interval.from,
             (int)interval.to);
}

static void assert_missing(struct world *world, uint16_t boot, uint64_t sequence,
                           const char *expected)
{
    struct duet_before_view view = view_of(world);
    struct duet_id id = {.instance = 1, .boot = boot, .sequence = sequence};
    char text[256] = "";

    duet_before_each(&view, &id, note, text);
    assert_string_equal(text, expected);
}

static void world_fini(struct world *world)
{
    for (int i = 0; i < SETS; i++)
        duet_idset_fini(&world->sets[i]);
}

static void the_first_of_all_comes_after_nothing(void **state)
{
    struct world world = {0};

    (void)state;
    assert_int_equal(before(&world, 0, 0), DUET_BEFORE_DONE);
    assert_int_equal(before(&world, 3, 0), DUET_BEFORE_DONE); /* nobody knows of 0 to 2 */
    assert_int_equal(before(&world, 0, 2), DUET_BEFORE_MISSING);
    assert_missing(&world, 0, 2, "0:0-2 ");
    world_fini(&world);
}

static void a_hole_in_the_boot_is_missing(void **state)
{
    struct world world = {0};

    (void)state;
    process(&world, 4, 0, 3);
    assert_int_equal(before(&world, 4, 3), DUET_BEFORE_DONE);
    assert_int_equal(before(&world, 4, 5), DUET_BEFORE_MISSING);
    assert_missing(&world, 4, 5, "4:3-5 ");
    process(&world, 4, 5, 6);
    assert_int_equal(before(&world, 4, 6), DUET_BEFORE_MISSING); /* though 5 is there */
    assert_int_equal(before(&world, 4, 3), DUET_BEFORE_DONE);
    process(&world, 4, 3, 5);
    assert_int_equal(before(&world, 4, 6), DUET_BEFORE_DONE);
    world_fini(&world);
}

static void what_the_other_log_has_is_told_apart(void **state)
{
    struct world world = {0};

    (void)state;
    process(&world, 0, 0, 3);
    add(&world, OTHER, 0, 0, 3);
    assert_int_equal(before(&world, 0, 6), DUET_BEFORE_MISSING);
    add(&world, OTHER, 0, 4, 5);
    assert_int_equal(before(&world, 0, 6), DUET_BEFORE_OTHER);
    assert_int_equal(before(&world, 0, 4), DUET_BEFORE_MISSING); /* 4 is not before 4 */
    world_fini(&world);
}

static void earlier_boots_count_as_far_as_anybody_knows(void **state)
{
    struct world world = {0};

    (void)state;
    process(&world, 1, 0, 3);
    process(&world, 7, 0, 2);
    assert_int_equal(before(&world, 9, 0), DUET_BEFORE_DONE);
    add(&world, OTHER, 7, 2, 3);
    assert_int_equal(before(&world, 9, 0), DUET_BEFORE_OTHER);
    assert_missing(&world, 9, 0, "7:2-3 ");
    add(&world, ENDED_OTHER, 1, 0, 5);
    assert_missing(&world, 9, 1, "1:3-5 7:2-3 9:0-1 ");
    assert_int_equal(before(&world, 7, 2), DUET_BEFORE_DONE); /* begun before it was told */
    assert_missing(&world, 7, 2, "1:3-5 ");
    world_fini(&world);
}

static void a_boot_of_void_numbers_alone_vouches_for_no_earlier_one(void **state)
{
    struct world world = {0};

    (void)state;
    process(&world, 1, 0, 3);
    add(&world, ENDED, 1, 0, 4);
    add(&world, PROCESSED, 2, 0, 2);
    assert_int_equal(before(&world, 2, 2), DUET_BEFORE_MISSING);
    assert_missing(&world, 2, 2, "1:3-4 ");
    world_fini(&world);
}

static void what_is_on_neither_side_or_given_up_is_not_waited_for(void **state)
{
    struct world world = {0};

    (void)state;
    process(&world, 0, 0, 2);
    add(&world, ABSENT, 0, 3, 8);
    assert_missing(&world, 0, 10, "0:2-3 0:3-8 0:8-10 ");
    add(&world, ABSENT_OTHER, 0, 5, 9);
    assert_missing(&world, 0, 10, "0:2-3 0:3-5 0:8-9 0:9-10 ");
    add(&world, GIVEN_UP, 0, 2, 4);
    add(&world, GIVEN_UP, 0, 8, 10);
    assert_missing(&world, 0, 10, "0:4-5 ");
    add(&world, GIVEN_UP, 0, 4, 5);
    assert_int_equal(before(&world, 0, 10), DUET_BEFORE_DONE);
    world_fini(&world);
}

static void derived_ids_come_after_nothing(void **state)
{
    struct world world = {0};
    struct duet_before_view view = view_of(&world);
    struct duet_id id = {.kind = DUET_ID_KAFKA, .instance = 1, .sequence = 100};

    (void)state;
    assert_int_equal(duet_before_find(&view, &id), DUET_BEFORE_DONE);
}

/* The answer against a plain one, number by number. */
static void random_sets_agree_with_a_plain_answer(void **state)
{
    enum { NUMBERS = 12, BOOTS = 3 };
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct world world = {0};
        bool has[SETS][BOOTS][NUMBERS] = {{{false}}};
        uint64_t length[SETS][BOOTS] = {{0}};
        enum duet_before expected = DUET_BEFORE_DONE;
        uint16_t boot;
        uint64_t sequence;

        for (int set = 0; set < SETS; set++)
            for (int b = 0; b < BOOTS; b++) {
                int ranges = (int)((seed = seed * 1664525u + 1013904223u) >> 24) % 3;

                for (int r = 0; r < ranges; r++) {
                    uint64_t from =
                        ((seed = seed * 1664525u + 1013904223u) >> 16) % NUMBERS;
                    uint64_t to = from + 1 + ((seed >> 8) % (NUMBERS - from));

                    if (set == ENDED || set == ENDED_OTHER)
                        from = 0; /* as links say it */
                    add(&world, (enum set)set, (uint16_t)b, from, to);
                    for (uint64_t n = from; n < to; n++)
                        has[set][b][n] = true;
                    length[set][b] = to > length[set][b] ? to : length[set][b];
                }
            }
        boot = (uint16_t)((seed = seed * 1664525u + 1013904223u) >> 24) % BOOTS;
        sequence = ((seed = seed * 1664525u + 1013904223u) >> 20) % NUMBERS;
        for (int b = 0; b <= boot; b++) {
            uint64_t end = sequence;

            if (b < boot) {
                end = 0;
                for (int set = 0; set < SETS; set++)
                    if ((set == SEEN || set == OTHER || set == ENDED ||
                         set == ENDED_OTHER) &&
                        length[set][b] > end)
                        end = length[set][b];
            }
            for (uint64_t n = 0; n < end; n++) {
                if (has[PROCESSED][b][n] || has[GIVEN_UP][b][n] ||
                    (has[ABSENT][b][n] && has[ABSENT_OTHER][b][n]))
                    continue;
                if (has[OTHER][b][n])
                    expected = DUET_BEFORE_OTHER;
                else if (expected == DUET_BEFORE_DONE)
                    expected = DUET_BEFORE_MISSING;
            }
        }
        assert_int_equal(before(&world, boot, sequence), expected);
        world_fini(&world);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_all_comes_after_nothing),
        cmocka_unit_test(a_hole_in_the_boot_is_missing),
        cmocka_unit_test(what_the_other_log_has_is_told_apart),
        cmocka_unit_test(earlier_boots_count_as_far_as_anybody_knows),
        cmocka_unit_test(a_boot_of_void_numbers_alone_vouches_for_no_earlier_one),
        cmocka_unit_test(what_is_on_neither_side_or_given_up_is_not_waited_for),
        cmocka_unit_test(derived_ids_come_after_nothing),
        cmocka_unit_test(random_sets_agree_with_a_plain_answer),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
