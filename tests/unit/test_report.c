/* report: what was issued when producers die, days that interleave, equality, exact ids */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/report.h"
#include "support/case.h"

enum { P = 2, INSTANCE = 7, DAY = 15706 /* 2013-01-01 */, W = 1000 };

/* ---- a small world: messages are fixed, reported, stored and processed ---- */

struct world {
    struct duet_tally tally;
};

static void world_init(struct world *world)
{
    struct duet_tally *tally = &world->tally;

    memset(world, 0, sizeof(*world));
    snprintf(tally->topic, sizeof(tally->topic), "t");
    tally->write = DUET_WRITE_KAFKA_ROCKETMQ;
    tally->partitions = P;
    for (int side = 0; side < DUET_SIDES; side++)
        tally->log[side] = calloc(P, sizeof(*tally->log[side]));
    tally->boots = calloc(16, sizeof(*tally->boots));
    tally->listed = calloc(16, sizeof(*tally->listed));
    tally->groups = calloc(4, sizeof(*tally->groups));
}

static void world_fini(struct world *world)
{
    duet_tally_fini(&world->tally);
}

static struct duet_tally_boot *boot_of(struct world *world, int32_t partition,
                                       uint16_t number)
{
    struct duet_tally *tally = &world->tally;
    struct duet_tally_boot *boot;

    for (size_t i = 0; i < tally->boot_count; i++)
        if (tally->boots[i].partition == partition && tally->boots[i].boot == number)
            return &tally->boots[i];
    boot = &tally->boots[tally->boot_count++];
    boot->partition = partition;
    boot->instance = INSTANCE;
    boot->boot = number;
    boot->settled = UINT32_MAX;
    return boot;
}

/* `count` more ids fixed in (window, day), and reported; `both`: meant for RocketMQ, too. */
static void issue(struct duet_tally_boot *boot, uint32_t window, int day, int count,
                  bool both)
{
    boot->issued_to += (uint64_t)count;
    assert_int_equal(duet_counts_add(&boot->counts, window, (uint16_t)day,
                                     DUET_TALLY_ISSUED_KAFKA, count),
                     DT_OK);
    if (both)
        assert_int_equal(duet_counts_add(&boot->counts, window, (uint16_t)day,
                                         DUET_TALLY_ISSUED_ROCKETMQ, count),
                         DT_OK);
}

static void store(struct world *world, enum duet_side side, int32_t partition,
                  uint16_t boot, uint64_t sequence, uint32_t window, int day)
{
    struct duet_tally_log_state *log = &world->tally.log[side][partition];
    struct duet_id id = {DUET_ID_ISSUED, INSTANCE, boot, (uint16_t)partition, sequence};
    bool added;

    assert_int_equal(duet_idset_add(&log->ids, &id, window, &added), DT_OK);
    assert_int_equal(duet_counts_add(&log->counts, window, (uint16_t)day,
                                     added ? DUET_TALLY_STORED : DUET_TALLY_EXTRA, 1),
                     DT_OK);
}

static void store_both(struct world *world, int32_t partition, uint16_t boot,
                       uint64_t sequence, uint32_t window, int day)
{
    store(world, DUET_KAFKA, partition, boot, sequence, window, day);
    store(world, DUET_ROCKETMQ, partition, boot, sequence, window, day);
}

static struct duet_tally_group *add_group(struct world *world, const char *name)
{
    struct duet_tally_group *group = &world->tally.groups[world->tally.group_count++];

    snprintf(group->name, sizeof(group->name), "%s", name);
    group->reads[DUET_KAFKA] = group->reads[DUET_ROCKETMQ] = true;
    return group;
}

static void process(struct duet_tally_group *group, int day, int count)
{
    assert_int_equal(
        duet_counts_add(&group->read[DUET_KAFKA], W, (uint16_t)day, DUET_TALLY_READ, count),
        DT_OK);
    assert_int_equal(duet_counts_add(&group->read[DUET_ROCKETMQ], W, (uint16_t)day,
                                     DUET_TALLY_READ, count),
                     DT_OK);
    assert_int_equal(duet_counts_add(&group->live[DUET_KAFKA], W, (uint16_t)day,
                                     DUET_TALLY_PROCESSED, count),
                     DT_OK);
    assert_int_equal(duet_counts_add(&group->shadow[DUET_ROCKETMQ], W, (uint16_t)day,
                                     DUET_TALLY_PROCESSED, count),
                     DT_OK);
}

struct sums {
    int64_t issued[DUET_SIDES], unresolved[DUET_SIDES];
};

static struct sums sums_of_day(struct world *world, int day)
{
    struct duet_counts issued;
    struct sums sums = {{0, 0}, {0, 0}};

    duet_counts_init(&issued);
    assert_int_equal(duet_tally_issued(&world->tally, &issued), DT_OK);
    for (size_t i = 0; i < issued.count; i++)
        for (int side = 0; side < DUET_SIDES; side++) {
            if (day >= 0 && issued.rows[i].day != day)
                continue;
            sums.issued[side] += issued.rows[i].n[DUET_ISSUED_KAFKA + side];
            sums.unresolved[side] += issued.rows[i].n[DUET_UNRESOLVED_KAFKA + side];
        }
    duet_counts_fini(&issued);
    return sums;
}

static void expect_day(struct world *world, int day, int64_t kafka, int64_t rocketmq,
                       int64_t unresolved)
{
    struct sums sums = sums_of_day(world, day);

    assert_int_equal(sums.issued[DUET_KAFKA], kafka);
    assert_int_equal(sums.issued[DUET_ROCKETMQ], rocketmq);
    assert_int_equal(sums.unresolved[DUET_KAFKA], unresolved);
}

static bool report_equal(struct world *world, struct duet_report *report)
{
    duet_report_init(report);
    assert_int_equal(duet_report_add(report, &world->tally, 0, UINT16_MAX), DT_OK);
    duet_report_finish(report);
    return report->equal;
}

/* ---- issued ---- */

static void what_a_living_producer_reports_is_taken_as_it_is(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 5, true);
    issue(boot_of(&world, 1, 0), W, DAY + 1, 3, true);
    store_both(&world, 0, 0, 0, W, DAY);
    expect_day(&world, DAY, 5, 5, 0);
    expect_day(&world, DAY + 1, 3, 3, 0);
    world_fini(&world);
}

static void
a_producer_that_died_with_all_reported_and_stored_leaves_nothing_open(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 3, true);
    boot->dead = true;
    for (uint64_t i = 0; i < 3; i++)
        store_both(&world, 0, 0, i, W, DAY);
    expect_day(&world, DAY, 3, 3, 0);
    world_fini(&world);
}

static void ids_stored_after_the_last_report_count_as_issued_on_their_days(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 2, true);
    boot->dead = true;
    store_both(&world, 0, 0, 0, W, DAY);
    store_both(&world, 0, 0, 1, W, DAY);
    store_both(&world, 0, 0, 2, W, DAY + 1);    /* not reported, another day */
    store(&world, DUET_KAFKA, 0, 0, 3, W, DAY); /* not reported, not in RocketMQ */
    expect_day(&world, DAY, 3, 3, 0);
    expect_day(&world, DAY + 1, 1, 1, 0);
    world_fini(&world);
}

static void a_boot_that_never_reported_is_known_by_its_ids(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    boot_of(&world, 0, 3)->dead = true;
    store_both(&world, 0, 3, 0, W, DAY);
    store_both(&world, 0, 3, 2, W + 1, DAY + 2); /* 1 is nowhere */
    expect_day(&world, DAY, 1, 1, 0);
    expect_day(&world, DAY + 2, 2, 2, 1); /* on the boot's last day */
    world_fini(&world);
}

static void reported_ids_in_no_log_are_unresolved_on_their_day(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    /* days interleave: event times jump within a window */
    issue(boot, W, DAY, 2, true);
    issue(boot, W, DAY + 1, 2, true);
    issue(boot, W + 1, DAY, 2, true);
    boot->dead = true;
    store_both(&world, 0, 0, 0, W, DAY);
    store_both(&world, 0, 0, 1, W, DAY + 1);
    store_both(&world, 0, 0, 2, W, DAY);
    /* 3 (window W, DAY + 1), 4 and 5 (window W + 1, DAY) are nowhere */
    expect_day(&world, DAY, 4, 4, 2);
    expect_day(&world, DAY + 1, 2, 2, 1);
    world_fini(&world);
}

static void an_id_that_was_given_up_is_not_unresolved(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;
    struct duet_tally_listed *listed;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 2, true);
    /* number 2 was not done: taken out of issued, counted and listed */
    boot->issued_to++;
    assert_int_equal(duet_counts_add(&boot->counts, W, DAY, DUET_TALLY_NOT_DONE, 1), DT_OK);
    listed = &world.tally.listed[world.tally.listed_count++];
    listed->cancelled = true;
    listed->id = (struct duet_id){DUET_ID_ISSUED, INSTANCE, 0, 0, 2};
    listed->sequence_to = 3;
    boot->dead = true;
    store_both(&world, 0, 0, 0, W, DAY);
    store_both(&world, 0, 0, 1, W, DAY);
    expect_day(&world, DAY, 2, 2, 0);
    /* one cancelled after the last report, below an id that was stored */
    listed = &world.tally.listed[world.tally.listed_count++];
    listed->cancelled = true;
    listed->id = (struct duet_id){DUET_ID_ISSUED, INSTANCE, 0, 0, 3};
    listed->sequence_to = 4;
    store_both(&world, 0, 0, 4, W, DAY);
    expect_day(&world, DAY, 3, 3, 0);
    world_fini(&world);
}

static void none_is_hidden_when_the_days_cannot_tell(void **state)
{
    struct world world;
    struct duet_tally_boot *boot, *other;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 2, true);
    boot->dead = true;
    /* another boot stored without reporting covers up the deficit of that day */
    other = boot_of(&world, 0, 1);
    other->dead = true;
    store_both(&world, 0, 1, 0, W, DAY);
    store_both(&world, 0, 1, 1, W, DAY);
    /* boot 0's two ids are nowhere */
    struct sums sums = sums_of_day(&world, -1);
    assert_int_equal(sums.issued[DUET_KAFKA], 4);
    assert_int_equal(sums.unresolved[DUET_KAFKA], 2);
    assert_int_equal(sums.unresolved[DUET_ROCKETMQ], 2);
    world_fini(&world);
}

static void two_dead_boots_share_the_surplus_of_a_day(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    for (uint16_t b = 0; b < 2; b++) {
        struct duet_tally_boot *boot = boot_of(&world, 0, b);

        issue(boot, W + b, DAY, 1, true);
        boot->dead = true;
        store_both(&world, 0, b, 0, W + b, DAY);
        store_both(&world, 0, b, 1, W + b, DAY + 1);
        store_both(&world, 0, b, 2, W + b, DAY + 2);
    }
    expect_day(&world, DAY, 2, 2, 0);
    expect_day(&world, DAY + 1, 2, 2, 0);
    expect_day(&world, DAY + 2, 2, 2, 0);
    world_fini(&world);
}

static void for_a_dead_boot_issued_is_stored_plus_unresolved_whatever_was_lost(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct world world;
        struct duet_tally_boot *boot;
        unsigned random = seed * 2654435761u;
        int fixed = 20, reported, stored = 0, highest = -1;
        struct sums sums;

        world_init(&world);
        boot = boot_of(&world, 1, 0);
        reported = (int)(random >> 8 & 15);
        for (int i = 0; i < fixed; i++) {
            uint32_t window = W + (uint32_t)i / 6;
            int day = DAY + (i * 7 + (int)seed) % 3;

            random = random * 1664525u + 1013904223u;
            if (i < reported)
                issue(boot, window, day, 1, true);
            if (random >> 30 != 0) { /* three of four arrive */
                store(&world, DUET_KAFKA, 1, 0, (uint64_t)i, window, day);
                stored++;
                highest = i;
            }
        }
        boot->dead = true;
        sums = sums_of_day(&world, -1);
        if (highest + 1 < reported)
            highest = reported - 1;
        assert_int_equal(sums.issued[DUET_KAFKA], highest + 1);
        assert_int_equal(sums.unresolved[DUET_KAFKA], highest + 1 - stored);
        world_fini(&world);
    }
}

/* ---- rows ---- */

static void rows_come_by_day_and_only_for_sides_that_are_written_or_read(void **state)
{
    struct world world;
    struct duet_report report;
    struct duet_tally_group *group;

    (void)state;
    world_init(&world);
    world.tally.write = DUET_WRITE_KAFKA;
    issue(boot_of(&world, 0, 0), W, DAY + 1, 1, false);
    issue(boot_of(&world, 1, 0), W, DAY, 1, false);
    store(&world, DUET_KAFKA, 0, 0, 0, W, DAY + 1);
    store(&world, DUET_KAFKA, 1, 0, 0, W, DAY);
    group = add_group(&world, "g");
    group->reads[DUET_ROCKETMQ] = false;
    for (int d = 0; d < 2; d++) {
        assert_int_equal(duet_counts_add(&group->read[DUET_KAFKA], W, (uint16_t)(DAY + d),
                                         DUET_TALLY_READ, 1),
                         DT_OK);
        assert_int_equal(duet_counts_add(&group->live[DUET_KAFKA], W, (uint16_t)(DAY + d),
                                         DUET_TALLY_PROCESSED, 1),
                         DT_OK);
    }
    assert_true(report_equal(&world, &report));
    assert_int_equal(report.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(report.rows[i].day, DAY + i / 2);
        assert_int_equal(report.rows[i].side, DUET_KAFKA);
        assert_string_equal(report.rows[i].group, i % 2 == 0 ? "" : "g");
    }
    assert_int_equal(report.rows[0].issued, 1);
    assert_int_equal(report.rows[1].live, 1);
    duet_report_fini(&report);
    world_fini(&world);
}

static void days_out_of_the_range_are_left_out(void **state)
{
    struct world world;
    struct duet_report report;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 1, true);
    issue(boot_of(&world, 1, 0), W, DAY + 3, 1, true);
    duet_report_init(&report);
    assert_int_equal(duet_report_add(&report, &world.tally, DAY + 1, DAY + 3), DT_OK);
    assert_int_equal(report.count, 2);
    assert_int_equal(report.rows[0].day, DAY + 3);
    duet_report_fini(&report);
    world_fini(&world);
}

static void totals_add_the_days_of_each_kind_of_row(void **state)
{
    struct world world;
    struct duet_report report, total;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 2, true);
    issue(boot_of(&world, 1, 0), W, DAY + 1, 3, true);
    report_equal(&world, &report);
    duet_report_init(&total);
    assert_int_equal(duet_report_total(&report, &total), DT_OK);
    assert_int_equal(total.count, 2);
    assert_int_equal(total.rows[0].issued, 5);
    assert_int_equal(total.rows[1].issued, 5);
    assert_false(total.equal);
    duet_report_fini(&total);
    duet_report_fini(&report);
    world_fini(&world);
}

/* ---- equal ---- */

/* Three messages of one day, everywhere, processed by one group in both roles. */
static struct duet_tally_group *all_is_well(struct world *world)
{
    struct duet_tally_group *group;

    world_init(world);
    world->tally.shadow_due = true;
    issue(boot_of(world, 0, 0), W, DAY, 3, true);
    for (uint64_t i = 0; i < 3; i++)
        store_both(world, 0, 0, i, W, DAY);
    group = add_group(world, "g");
    process(group, DAY, 3);
    return group;
}

static void all_is_equal_when_every_number_agrees(void **state)
{
    struct world world;
    struct duet_report report;

    (void)state;
    all_is_well(&world);
    assert_true(report_equal(&world, &report));
    assert_string_equal(report.why, "");
    duet_report_fini(&report);
    world_fini(&world);
}

static void nothing_at_all_is_equal(void **state)
{
    struct world world;
    struct duet_report report;

    (void)state;
    world_init(&world);
    add_group(&world, "g");
    assert_true(report_equal(&world, &report));
    assert_int_equal(report.count, 0);
    duet_report_fini(&report);
    world_fini(&world);
}

static void each_disagreement_makes_it_unequal(void **state)
{
    struct world world;
    struct duet_report report;
    struct duet_tally_group *group;

    (void)state;
    for (int which = 0; which < 7; which++) {
        group = all_is_well(&world);
        switch (which) {
        case 0: /* RocketMQ lacks one */
            assert_int_equal(duet_counts_add(&world.tally.log[DUET_ROCKETMQ][0].counts, W,
                                             DAY, DUET_TALLY_STORED, -1),
                             DT_OK);
            break;
        case 1: /* a further copy that nobody has read */
            store(&world, DUET_ROCKETMQ, 0, 0, 1, W, DAY);
            break;
        case 2: /* one not processed live */
            assert_int_equal(
                duet_counts_add(&group->live[DUET_KAFKA], W, DAY, DUET_TALLY_PROCESSED, -1),
                DT_OK);
            break;
        case 3: /* one given up */
            assert_int_equal(duet_counts_add(&group->shadow[DUET_ROCKETMQ], W, DAY,
                                             DUET_TALLY_FAILED, 1),
                             DT_OK);
            break;
        case 4: /* one processed on another day than it was issued */
            assert_int_equal(duet_counts_add(&group->shadow[DUET_ROCKETMQ], W, DAY,
                                             DUET_TALLY_PROCESSED, -1),
                             DT_OK);
            assert_int_equal(duet_counts_add(&group->shadow[DUET_ROCKETMQ], W, DAY + 1,
                                             DUET_TALLY_PROCESSED, 1),
                             DT_OK);
            break;
        case 5: /* not read by any reader of the group */
            assert_int_equal(
                duet_counts_add(&group->read[DUET_KAFKA], W, DAY, DUET_TALLY_READ, -1),
                DT_OK);
            break;
        default: /* a dead producer's id in no log */
            issue(boot_of(&world, 0, 0), W, DAY, 1, true);
            boot_of(&world, 0, 0)->dead = true;
        }
        assert_false(report_equal(&world, &report));
        assert_true(report.why[0] != '\0');
        duet_report_fini(&report);
        world_fini(&world);
    }
}

static void a_further_copy_that_was_read_and_passed_over_is_equal(void **state)
{
    struct world world;
    struct duet_report report;
    struct duet_tally_group *group = all_is_well(&world);

    (void)state;
    store(&world, DUET_ROCKETMQ, 0, 0, 1, W, DAY);
    assert_int_equal(
        duet_counts_add(&group->read[DUET_ROCKETMQ], W, DAY, DUET_TALLY_READ, 1), DT_OK);
    assert_int_equal(
        duet_counts_add(&group->read[DUET_ROCKETMQ], W, DAY, DUET_TALLY_DUPLICATE, 1),
        DT_OK);
    assert_true(report_equal(&world, &report));
    duet_report_fini(&report);
    world_fini(&world);
}

static void live_may_be_shared_between_the_sides_after_a_switch(void **state)
{
    struct world world;
    struct duet_report report;
    struct duet_tally_group *group = all_is_well(&world);

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct duet_counts *of = k == 0 ? group->live : group->shadow;
        int from = k == 0 ? DUET_KAFKA : DUET_ROCKETMQ;

        assert_int_equal(duet_counts_add(&of[from], W, DAY, DUET_TALLY_PROCESSED, -2),
                         DT_OK);
        assert_int_equal(duet_counts_add(&of[1 - from], W, DAY, DUET_TALLY_PROCESSED, 2),
                         DT_OK);
    }
    assert_true(report_equal(&world, &report));
    duet_report_fini(&report);
    world_fini(&world);
}

/* ---- exact ids ---- */

static struct duet_missing *find(struct world *world, size_t *count)
{
    struct duet_missing *missing;

    assert_int_equal(duet_missing_find(&world->tally, &missing, count), DT_OK);
    return missing;
}

static void a_withheld_copy_is_named_by_window_partition_and_id(void **state)
{
    struct world world;
    struct duet_missing *missing;
    size_t count;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 1, 4), W, DAY, 3, true);
    issue(boot_of(&world, 1, 4), W + 2, DAY, 3, true);
    for (uint64_t i = 0; i < 6; i++) {
        store(&world, DUET_KAFKA, 1, 4, i, i < 3 ? W : W + 2, DAY);
        if (i != 2 && i != 3 && i != 5)
            store(&world, DUET_ROCKETMQ, 1, 4, i, i < 3 ? W : W + 2, DAY);
    }
    missing = find(&world, &count);
    assert_int_equal(count, 3); /* 2 and 3 are of different windows */
    assert_int_equal(missing[0].window, W);
    assert_int_equal(missing[0].id.sequence, 2);
    assert_int_equal(missing[0].sequence_to, 3);
    assert_int_equal(missing[1].window, W + 2);
    assert_int_equal(missing[1].id.sequence, 3);
    assert_int_equal(missing[2].id.sequence, 5);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(missing[i].partition, 1);
        assert_int_equal(missing[i].side, DUET_ROCKETMQ);
        assert_int_equal(missing[i].id.instance, INSTANCE);
        assert_int_equal(missing[i].id.boot, 4);
        assert_false(missing[i].nowhere);
    }
    free(missing);
    world_fini(&world);
}

static void what_was_never_meant_for_rocketmq_is_not_missing_there(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;
    size_t count;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 3, false);     /* Kafka only */
    issue(boot, W + 1, DAY, 2, false); /* the minute of the change: 2 of Kafka only, */
    issue(boot, W + 1, DAY, 2, true);  /* then 2 of both */
    issue(boot, W + 2, DAY, 2, true);
    for (uint64_t i = 0; i < 9; i++) {
        uint32_t window = i < 3 ? W : i < 7 ? W + 1 : W + 2;

        store(&world, DUET_KAFKA, 0, 0, i, window, DAY);
        if (i >= 5 && i != 8)
            store(&world, DUET_ROCKETMQ, 0, 0, i, window, DAY);
    }
    struct duet_missing *missing = find(&world, &count);
    assert_int_equal(count, 1);
    assert_int_equal(missing[0].id.sequence, 8);
    free(missing);
    world_fini(&world);
}

static void after_the_way_back_to_kafka_alone_the_rest_is_not_missing(void **state)
{
    struct world world;
    struct duet_tally_boot *boot;
    size_t count;

    (void)state;
    world_init(&world);
    boot = boot_of(&world, 0, 0);
    issue(boot, W, DAY, 2, true);
    issue(boot, W + 1, DAY, 1, true);
    issue(boot, W + 1, DAY, 1, false);
    issue(boot, W + 2, DAY, 2, false);
    for (uint64_t i = 0; i < 6; i++) {
        store(&world, DUET_KAFKA, 0, 0, i, W, DAY);
        if (i < 2)
            store(&world, DUET_ROCKETMQ, 0, 0, i, W, DAY);
    }
    struct duet_missing *missing = find(&world, &count);
    assert_int_equal(count, 1);
    assert_int_equal(missing[0].id.sequence, 2);
    assert_int_equal(missing[0].sequence_to, 3);
    free(missing);
    world_fini(&world);
}

static void what_the_ledger_lists_is_not_named_again(void **state)
{
    struct world world;
    struct duet_tally_listed *listed;
    size_t count;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 10, true);
    for (uint64_t i = 0; i < 10; i++) {
        store(&world, DUET_KAFKA, 0, 0, i, W, DAY);
        if (i < 2)
            store(&world, DUET_ROCKETMQ, 0, 0, i, W, DAY);
    }
    listed = &world.tally.listed[world.tally.listed_count++];
    listed->side = DUET_ROCKETMQ;
    listed->id = (struct duet_id){DUET_ID_ISSUED, INSTANCE, 0, 0, 3};
    listed->sequence_to = 9;
    struct duet_missing *missing = find(&world, &count);
    assert_int_equal(count, 2);
    assert_int_equal(missing[0].id.sequence, 2);
    assert_int_equal(missing[0].sequence_to, 3);
    assert_int_equal(missing[1].id.sequence, 9);
    free(missing);
    world_fini(&world);
}

static void windows_that_are_not_settled_are_left_alone(void **state)
{
    struct world world;
    size_t count;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 1, true);
    issue(boot_of(&world, 0, 0), W + 1, DAY, 1, true);
    store(&world, DUET_KAFKA, 0, 0, 0, W, DAY);
    store(&world, DUET_KAFKA, 0, 0, 1, W + 1, DAY);
    boot_of(&world, 0, 0)->settled = W + 1;
    struct duet_missing *missing = find(&world, &count);
    assert_int_equal(count, 1);
    assert_int_equal(missing[0].window, W);
    free(missing);
    world_fini(&world);
}

static void ids_in_no_log_and_ids_that_kafka_lacks_are_told_apart(void **state)
{
    struct world world;
    size_t count;

    (void)state;
    world_init(&world);
    issue(boot_of(&world, 0, 0), W, DAY, 4, true);
    boot_of(&world, 0, 0)->dead = true;
    store_both(&world, 0, 0, 0, W, DAY);
    store(&world, DUET_ROCKETMQ, 0, 0, 2, W, DAY);
    struct duet_missing *missing = find(&world, &count);
    assert_int_equal(count, 3);
    assert_int_equal(missing[0].id.sequence, 1);
    assert_true(missing[0].nowhere);
    assert_int_equal(missing[1].id.sequence, 2);
    assert_false(missing[1].nowhere);
    assert_int_equal(missing[1].side, DUET_KAFKA);
    assert_int_equal(missing[2].id.sequence, 3);
    assert_true(missing[2].nowhere);
    free(missing);
    world_fini(&world);
}

static void a_window_has_a_text(void **state)
{
    char text[18];

    (void)state;
    duet_window_text(text, 0);
    assert_string_equal(text, "1970-01-01T00:00Z");
    duet_window_text(text, (uint32_t)DAY * 1440 + 9 * 60 + 15);
    assert_string_equal(text, "2013-01-01T09:15Z");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_living_producer_reports_is_taken_as_it_is),
        cmocka_unit_test(
            a_producer_that_died_with_all_reported_and_stored_leaves_nothing_open),
        cmocka_unit_test(ids_stored_after_the_last_report_count_as_issued_on_their_days),
        cmocka_unit_test(a_boot_that_never_reported_is_known_by_its_ids),
        cmocka_unit_test(reported_ids_in_no_log_are_unresolved_on_their_day),
        cmocka_unit_test(an_id_that_was_given_up_is_not_unresolved),
        cmocka_unit_test(none_is_hidden_when_the_days_cannot_tell),
        cmocka_unit_test(two_dead_boots_share_the_surplus_of_a_day),
        cmocka_unit_test(
            for_a_dead_boot_issued_is_stored_plus_unresolved_whatever_was_lost),
        cmocka_unit_test(rows_come_by_day_and_only_for_sides_that_are_written_or_read),
        cmocka_unit_test(days_out_of_the_range_are_left_out),
        cmocka_unit_test(totals_add_the_days_of_each_kind_of_row),
        cmocka_unit_test(all_is_equal_when_every_number_agrees),
        cmocka_unit_test(nothing_at_all_is_equal),
        cmocka_unit_test(each_disagreement_makes_it_unequal),
        cmocka_unit_test(a_further_copy_that_was_read_and_passed_over_is_equal),
        cmocka_unit_test(live_may_be_shared_between_the_sides_after_a_switch),
        cmocka_unit_test(a_withheld_copy_is_named_by_window_partition_and_id),
        cmocka_unit_test(what_was_never_meant_for_rocketmq_is_not_missing_there),
        cmocka_unit_test(after_the_way_back_to_kafka_alone_the_rest_is_not_missing),
        cmocka_unit_test(what_the_ledger_lists_is_not_named_again),
        cmocka_unit_test(windows_that_are_not_settled_are_left_alone),
        cmocka_unit_test(ids_in_no_log_and_ids_that_kafka_lacks_are_told_apart),
        cmocka_unit_test(a_window_has_a_text),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
