/* dual/numbers: what a producer's numbers file tells the next boot, whole, old, damaged */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/crc32c.h"
#include "dual/numbers.h"
#include "support/case.h"

enum {
    HEAD_SIZE = 128,
    LANE_SIZE = 2048,
    KERNEL_AT = 16,
    CHECK_AT = 64,
    SLOTS_AT = 288,
    SLOTS = 55
};

struct world {
    char folder[64], path[96];
    struct duet_link_list untold[2];
    struct duet_numbers_lane *lanes[2];
    struct duet_numbers *numbers;
};

static struct world make(void)
{
    struct world world = {.folder = "/tmp/duet-numbers-XXXXXX"};

    assert_non_null(mkdtemp(world.folder));
    snprintf(world.path, sizeof(world.path), "%s/numbers", world.folder);
    return world;
}

static void start(struct world *world, uint16_t boot)
{
    struct duet_numbers_name names[2] = {{"flights", 0, &world->untold[0]},
                                         {"flights", 1, &world->untold[1]}};

    for (int i = 0; i < 2; i++)
        duet_link_list_fini(&world->untold[i]);
    assert_int_equal(
        duet_numbers_open(world->folder, 7, boot, names, 2, world->lanes, &world->numbers),
        DT_OK);
}

static void stop(struct world *world)
{
    duet_numbers_close(world->numbers);
    world->numbers = NULL;
}

static void end(struct world *world)
{
    char aside[128];

    stop(world);
    for (int i = 0; i < 2; i++)
        duet_link_list_fini(&world->untold[i]);
    snprintf(aside, sizeof(aside), "%s.damaged", world->path);
    (void)unlink(aside);
    assert_int_equal(unlink(world->path), 0);
    assert_int_equal(rmdir(world->folder), 0);
}

static void keep(struct world *world, uint8_t kind, uint16_t boot, uint64_t from,
                 uint64_t to)
{
    struct duet_link_entry entry = {kind, 7, boot, from, to};

    duet_numbers_keep(world->lanes[0], &entry);
}

static void forget(struct world *world, uint8_t kind, uint16_t boot, uint64_t from,
                   uint64_t to)
{
    struct duet_link_entry entry = {kind, 7, boot, from, to};

    duet_numbers_forget(world->lanes[0], &entry);
}

/* "kind boot:from-to ..." of the first partition. */
static void assert_untold(const struct world *world, const char *expected)
{
    char text[512] = "";

    for (size_t i = 0; i < world->untold[0].count; i++) {
        const struct duet_link_entry *entry = &world->untold[0].entries[i];

        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %d:%d-%d",
                 i > 0 ? ", " : "", duet_link_kind_name(entry->kind), entry->boot,
                 (int)entry->from, (int)entry->to);
    }
    assert_string_equal(text, expected);
}

static void write_at(const struct world *world, long at, uint8_t byte)
{
    FILE *file = fopen(world->path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
}

static void set_head_check(const struct world *world)
{
    uint8_t head[CHECK_AT];
    FILE *file = fopen(world->path, "rb");
    uint32_t check;

    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof(head), file), sizeof(head));
    assert_int_equal(fclose(file), 0);
    check = dt_crc32c(0, head, sizeof(head));
    for (int i = 0; i < 4; i++)
        write_at(world, CHECK_AT + i, ((const uint8_t *)&check)[i]);
}

static void the_next_boot_knows_where_the_last_one_ended(void **state)
{
    struct world world = make();

    (void)state;
    start(&world, 1);
    assert_untold(&world, "");
    duet_numbers_next(world.lanes[0], 100);
    stop(&world);
    start(&world, 2); /* fixes none: nothing is to be told of it */
    assert_untold(&world, "ended 1:0-100");
    assert_int_equal(world.untold[1].count, 0);
    stop(&world);
    start(&world, 3); /* not told yet: kept */
    assert_untold(&world, "ended 1:0-100");
    forget(&world, DUET_LINK_ENDED, 1, 0, 100);
    duet_numbers_next(world.lanes[0], 1);
    stop(&world);
    start(&world, 4);
    assert_untold(&world, "ended 3:0-1");
    end(&world);
}

static void what_no_record_told_is_kept(void **state)
{
    struct world world = make();

    (void)state;
    start(&world, 1);
    keep(&world, DUET_LINK_VOID, 1, 5, 6);
    keep(&world, DUET_LINK_VOID, 1, 6, 7);
    keep(&world, DUET_LINK_ABSENT_ROCKETMQ, 1, 7, 20);
    keep(&world, DUET_LINK_VOID, 1, 30, 31);
    forget(&world, DUET_LINK_ABSENT_ROCKETMQ, 1, 10, 12);
    forget(&world, DUET_LINK_VOID, 1, 30, 31);
    stop(&world);
    start(&world, 2);
    assert_untold(&world, "void 1:5-7, absent-rocketmq 1:7-10, absent-rocketmq 1:12-20");
    end(&world);
}

static void a_host_that_went_down_leaves_at_least(void **state)
{
    struct world world = make();

    (void)state;
    start(&world, 1);
    duet_numbers_next(world.lanes[0], 9);
    stop(&world);
    write_at(&world, KERNEL_AT, '~'); /* another kernel has made it ... */
    set_head_check(&world);
    start(&world, 2);
    assert_untold(&world, "ended-at-least 1:0-9");
    end(&world);
}

static void more_than_fits_is_counted_not_lost_silently(void **state)
{
    struct world world = make();

    (void)state;
    start(&world, 1);
    for (uint64_t i = 0; i < SLOTS + 5; i++)
        keep(&world, DUET_LINK_VOID, 1, 2 * i, 2 * i + 1);
    stop(&world);
    start(&world, 2);
    assert_int_equal(world.untold[0].count, SLOTS);
    end(&world);
}

static void a_damaged_file_is_set_aside(void **state)
{
    struct world world = make();
    char aside[128];

    (void)state;
    start(&world, 1);
    duet_numbers_next(world.lanes[0], 9);
    stop(&world);
    assert_int_equal(truncate(world.path, HEAD_SIZE + LANE_SIZE), 0);
    start(&world, 2);
    assert_untold(&world, "");
    snprintf(aside, sizeof(aside), "%s.damaged", world.path);
    assert_int_equal(access(aside, R_OK), 0);
    duet_numbers_next(world.lanes[0], 3);
    stop(&world);
    start(&world, 3); /* the new one is fine */
    assert_untold(&world, "ended 2:0-3");
    end(&world);
}

static void a_damaged_partition_leaves_the_others(void **state)
{
    struct world world = make();

    (void)state;
    start(&world, 1);
    duet_numbers_next(world.lanes[0], 9);
    duet_numbers_next(world.lanes[1], 9);
    keep(&world, DUET_LINK_VOID, 1, 1, 2);
    keep(&world, DUET_LINK_VOID, 1, 3, 4);
    stop(&world);
    write_at(&world, HEAD_SIZE + SLOTS_AT + 4, 0xff); /* the first slot's instance */
    start(&world, 2);
    assert_untold(&world, "ended 1:0-9, void 1:3-4");
    stop(&world);
    write_at(&world, HEAD_SIZE, 'F'); /* the name of the first partition */
    start(&world, 3);
    assert_untold(&world, "");
    assert_int_equal(world.untold[1].count, 1);
    end(&world);
}

static void what_touches_is_one_entry(void **state)
{
    struct world world = {.folder = ""};
    struct duet_link_entry entries[] = {{DUET_LINK_VOID, 7, 1, 5, 6},
                                        {DUET_LINK_VOID, 7, 1, 8, 9},
                                        {DUET_LINK_ABSENT_KAFKA, 7, 1, 6, 7},
                                        {DUET_LINK_VOID, 7, 2, 6, 7},
                                        {DUET_LINK_VOID, 7, 1, 6, 8}};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_true(duet_link_list_add(&world.untold[0], &entries[i]));
    assert_untold(&world, "void 1:5-9, absent-kafka 1:6-7, void 2:6-7");
    duet_link_list_take(&world.untold[0], 2);
    assert_untold(&world, "void 2:6-7");
    duet_link_list_fini(&world.untold[0]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_boot_knows_where_the_last_one_ended),
        cmocka_unit_test(what_no_record_told_is_kept),
        cmocka_unit_test(a_host_that_went_down_leaves_at_least),
        cmocka_unit_test(more_than_fits_is_counted_not_lost_silently),
        cmocka_unit_test(a_damaged_file_is_set_aside),
        cmocka_unit_test(a_damaged_partition_leaves_the_others),
        cmocka_unit_test(what_touches_is_one_entry),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
