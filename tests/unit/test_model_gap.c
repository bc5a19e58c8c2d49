/* model/gap: what is missing, and what only looks like it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/gap.h"
#include "support/case.h"

enum set { PROCESSED, SEEN, ABSENT, ENDED, OTHER, SETS };

struct world {
    struct duet_idset sets[SETS];
};

static void add(struct world *world, enum set set, uint16_t boot, uint64_t from,
                uint64_t to)
{
    struct duet_id id = {.instance = 1, .boot = boot};

    assert_int_equal(duet_idset_close(&world->sets[set], &id, from, to), DT_OK);
}

/* Seen on the side that is read, and processed from there. */
static void read_main(struct world *world, uint16_t boot, uint64_t from, uint64_t to)
{
    add(world, SEEN, boot, from, to);
    add(world, PROCESSED, boot, from, to);
}

/* The gaps as "boot:from-to ". */
static void assert_gaps(struct world *world, const char *expected)
{
    const struct duet_gap_view view = {&world->sets[PROCESSED], &world->sets[SEEN],
                                       &world->sets[ABSENT], &world->sets[ENDED],
                                       &world->sets[OTHER]};
    struct duet_gap *gaps;
    char text[256] = "";
    size_t count;

    assert_int_equal(duet_gaps_find(&view, &gaps, &count), DT_OK);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d:%d-%d ",
                 gaps[i].id.boot, (int)gaps[i].id.sequence, (int)gaps[i].to);
    free(gaps);
    for (int i = 0; i < SETS; i++)
        duet_idset_fini(&world->sets[i]);
    assert_string_equal(text, expected);
}

static void a_number_between_two_is_missing(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 5);
    read_main(&world, 1, 6, 8);
    read_main(&world, 1, 10, 11);
    read_main(&world, 2, 1, 3);
    assert_gaps(&world, "1:5-6 1:8-10 2:0-1 ");
}

static void what_came_from_the_other_side_is_not_missing(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 5);
    read_main(&world, 1, 6, 8);
    add(&world, PROCESSED, 1, 5, 6);
    assert_gaps(&world, "");
}

static void void_and_absent_numbers_are_explained(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 5);
    read_main(&world, 1, 20, 21);
    add(&world, PROCESSED, 1, 5, 10); /* void */
    add(&world, ABSENT, 1, 10, 18);
    assert_gaps(&world, "1:18-20 ");
}

static void the_other_side_may_be_ahead(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 5);
    add(&world, OTHER, 1, 0, 100);
    assert_gaps(&world, "");
}

static void a_boot_that_is_over_lacks_what_the_other_side_has(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 97);
    add(&world, OTHER, 1, 0, 100);
    add(&world, ENDED, 1, 0, 103); /* 100 to 102 were with the process that died */
    assert_gaps(&world, "1:97-100 ");
}

static void a_boot_of_which_nothing_came_is_missed_as_a_whole(void **state)
{
    struct world world = {0};

    (void)state;
    add(&world, OTHER, 1, 0, 3);
    add(&world, ENDED, 1, 0, 3);
    assert_gaps(&world, "1:0-3 ");
}

static void numbers_that_no_side_has_shown_died_with_their_process(void **state)
{
    struct world world = {0};

    (void)state;
    read_main(&world, 1, 0, 97);
    add(&world, OTHER, 1, 0, 97);
    add(&world, ENDED, 1, 0, 103);
    assert_gaps(&world, "");
}

static void positions_have_gaps_of_their_own(void **state)
{
    struct world world = {0};
    struct duet_id id = {.kind = DUET_ID_KAFKA, .instance = 4};

    (void)state;
    assert_int_equal(duet_idset_close(&world.sets[SEEN], &id, 5, 6), DT_OK);
    assert_gaps(&world, "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_between_two_is_missing),
        cmocka_unit_test(what_came_from_the_other_side_is_not_missing),
        cmocka_unit_test(void_and_absent_numbers_are_explained),
        cmocka_unit_test(the_other_side_may_be_ahead),
        cmocka_unit_test(a_boot_that_is_over_lacks_what_the_other_side_has),
        cmocka_unit_test(a_boot_of_which_nothing_came_is_missed_as_a_whole),
        cmocka_unit_test(numbers_that_no_side_has_shown_died_with_their_process),
        cmocka_unit_test(positions_have_gaps_of_their_own),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
