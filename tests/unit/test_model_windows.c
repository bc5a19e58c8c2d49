/* model/ranges, window, windows: positions counted once; sealed, settled and compared by position */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/windows.h"
#include "support/case.h"
#include "support/sketches.h"

enum { NOW = 1000, STORED = DUET_COMPARED_STORED_KAFKA | DUET_COMPARED_STORED_ROCKETMQ };

/* ---- ranges ---- */

static void ranges_are_the_set_that_a_bitmap_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct test_random random = {seed};
        bool bitmap[100] = {false};
        struct duet_ranges ranges;

        duet_ranges_init(&ranges);
        for (int i = 0; i < 30; i++) {
            size_t from = test_random_below(&random, 100);
            size_t to = from + test_random_below(&random, 101 - from);
            uint64_t covered = 0;
            struct duet_interval hole;
            size_t at = from;

            for (size_t k = from; k < to; k++)
                covered += bitmap[k];
            assert_int_equal(duet_ranges_covered(&ranges, from, to), covered);
            while (at < to && bitmap[at])
                at++;
            assert_int_equal(duet_ranges_hole(&ranges, from, to, &hole), at < to);
            if (at < to) {
                size_t end = at;

                while (end < to && !bitmap[end])
                    end++;
                assert_int_equal(hole.from, at);
                assert_int_equal(hole.to, end);
            }
            if (test_random_once_in(&random, 2)) {
                assert_int_equal(duet_ranges_add(&ranges, from, to), DT_OK);
                memset(bitmap + from, true, to - from);
            }
        }
        for (size_t i = 1; i < ranges.count; i++)
            assert_true(ranges.items[i - 1].to < ranges.items[i].from);
        duet_ranges_fini(&ranges);
    }
}

/* ---- a small collector ---- */

struct world {
    struct duet_digest_key key;
    struct duet_windows windows;
};

static const struct duet_lane kafka = {.stage = DUET_STAGE_K};
static const struct duet_lane rocketmq = {.stage = DUET_STAGE_R};

static struct world *new_world(void)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->key = test_sketch_key(DUET_PRF_AES);
    duet_windows_init(&world->windows, duet_digest_key_number(&world->key), STORED);
    assert_int_equal(duet_windows_expect(&world->windows, &kafka, 0), DT_OK);
    assert_int_equal(duet_windows_expect(&world->windows, &rocketmq, 0), DT_OK);
    duet_windows_step(&world->windows, 1, NOW);
    return world;
}

static void free_world(struct world *world)
{
    duet_windows_fini(&world->windows);
    free(world);
}

static struct duet_lane issued_by(uint32_t instance)
{
    return (struct duet_lane){
        .stage = DUET_STAGE_I, .id_kind = DUET_ID_ISSUED, .instance = instance, .boot = 1};
}

/* Messages with sequences first..last of producer `instance`, all of one window, at positions
 * from `from` on of the lane. */
static enum duet_applied apply(struct world *world, const struct duet_lane *lane,
                               uint64_t from, uint32_t instance, uint64_t first,
                               uint64_t last, uint32_t window)
{
    struct duet_delta delta, read;
    enum duet_applied applied;
    struct duet_interval rest;
    struct dt_buf bytes;

    duet_delta_init(&delta, lane, world->windows.key, 16, from);
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        struct duet_id id = {DUET_ID_ISSUED, instance, 1, 0, sequence};
        struct duet_counted counted = {&id, window, 1, sequence + 7, 10, NULL};

        assert_int_equal(
            duet_delta_count(&delta, &world->key, from + sequence - first, &counted),
            DT_OK);
    }
    dt_buf_init(&bytes, DUET_DELTA_BYTES_MAX);
    duet_delta_encode(&delta, &bytes);
    duet_delta_fini(&delta);
    assert_int_equal(duet_delta_decode(&read, dt_buf_span(&bytes)), DT_OK);
    dt_buf_fini(&bytes);
    assert_int_equal(duet_windows_apply(&world->windows, &read, &applied, &rest), DT_OK);
    duet_delta_fini(&read);
    return applied;
}

/* The producer says that it is done with all windows before `open_from`. */
static void hear(struct world *world, uint32_t instance, uint16_t boot, uint32_t open_from,
                 uint32_t newest, uint64_t fixed)
{
    struct duet_windows_end end = {1, 0, fixed, 0};
    struct duet_windows_producer said = {.id_kind = DUET_ID_ISSUED,
                                         .instance = instance,
                                         .boot = boot,
                                         .open_from = open_from,
                                         .newest = newest,
                                         .heard_ms = world->windows.now_ms,
                                         .ends = &end,
                                         .end_count = 1};

    assert_int_equal(duet_windows_hear(&world->windows, &said), DT_OK);
}

static enum duet_window_state state_of(struct world *world, uint32_t window)
{
    duet_windows_step(&world->windows, world->windows.now_ms + 1, NOW);
    return duet_windows_find(&world->windows, window)->state;
}

static void give_ends(struct world *world, uint64_t of_kafka, uint64_t of_rocketmq)
{
    uint64_t ends[] = {of_kafka, of_rocketmq};

    assert_true(duet_windows_want_ends(&world->windows));
    assert_int_equal(duet_windows_give_ends(&world->windows, ends, 2), DT_OK);
}

static size_t count_waiting[4];
static struct duet_waiting last_waiting;

static void note_waiting(void *context, const struct duet_waiting *waiting)
{
    (void)context;
    count_waiting[waiting->what]++;
    last_waiting = *waiting;
}

static void look_waiting(struct world *world, uint32_t window)
{
    memset(count_waiting, 0, sizeof(count_waiting));
    duet_windows_waiting(&world->windows, duet_windows_find(&world->windows, window),
                         note_waiting, NULL);
}

/* ---- one window's way ---- */

static void a_window_is_sealed_settled_and_verified_by_position(void **state)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);

    (void)state;
    assert_int_equal(apply(world, &lane, 0, 5, 0, 9, 900), DUET_APPLIED);
    hear(world, 5, 1, 900, 900, 0);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_OPEN);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_PRODUCER], 1);
    assert_int_equal(last_waiting.producer->instance, 5);
    hear(world, 5, 1, 901, 900, 12); /* it has fixed two more than it has told */
    assert_int_equal(state_of(world, 900), DUET_WINDOW_OPEN);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_ISSUED], 1);
    assert_int_equal(last_waiting.hole.from, 10);
    assert_int_equal(last_waiting.hole.to, 12);
    assert_int_equal(apply(world, &lane, 10, 5, 10, 11, 900), DUET_APPLIED);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_ENDS], 1);
    give_ends(world, 12, 12);
    assert_int_equal(apply(world, &kafka, 0, 5, 0, 11, 900), DUET_APPLIED);
    assert_int_equal(apply(world, &rocketmq, 0, 5, 0, 5, 900), DUET_APPLIED);
    assert_int_equal(apply(world, &rocketmq, 8, 5, 8, 11, 900), DUET_APPLIED);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_READER], 1);
    assert_int_equal(last_waiting.lane->stage, DUET_STAGE_R);
    assert_int_equal(last_waiting.hole.from, 6);
    assert_int_equal(last_waiting.hole.to, 8);
    assert_int_equal(apply(world, &rocketmq, 6, 5, 6, 7, 900), DUET_APPLIED);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    assert_false(duet_window_is_stale(duet_windows_find(&world->windows, 900)));
    free_world(world);
}

/* Ten messages of window 900, of which RocketMQ lacks the last. */
static struct world *diverged_world(void)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);

    apply(world, &lane, 0, 5, 0, 9, 900);
    apply(world, &kafka, 0, 5, 0, 9, 900);
    apply(world, &rocketmq, 0, 5, 0, 8, 900);
    hear(world, 5, 1, 901, 900, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    give_ends(world, 10, 9);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_DIVERGED);
    return world;
}

static void what_differs_is_listed_repaired_and_verified(void **state)
{
    struct world *world = diverged_world();
    struct duet_window *window = duet_windows_find(&world->windows, 900);
    struct duet_nets nets[DUET_SIDES] = {{NULL, 0}, {NULL, 0}};
    struct duet_differences list;
    struct duet_sketch sketch;

    (void)state;
    assert_int_equal(duet_window_unequal(window, STORED), DUET_COMPARED_STORED_ROCKETMQ);
    assert_int_equal(
        duet_window_difference(window, DUET_STAGE_R, DUET_STAGE_I, false, &sketch), DT_OK);
    assert_int_equal(duet_peel(&sketch, &world->key, &nets[DUET_ROCKETMQ]), DUET_PEELED);
    duet_sketch_fini(&sketch);
    duet_differences_init(&list);
    assert_int_equal(duet_differ_stored(&list, nets, duet_windows_known, &world->windows),
                     DT_OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].kind, DUET_DIFF_LOST);
    assert_int_equal(list.items[0].side, DUET_ROCKETMQ);
    assert_int_equal(list.items[0].id.sequence, 9);
    duet_differences_fini(&list);
    duet_nets_fini(&nets[DUET_ROCKETMQ]);

    assert_int_equal(duet_windows_repaired(&world->windows, 900), DT_OK);
    assert_int_equal(apply(world, &rocketmq, 9, 5, 9, 9, 900), DUET_APPLIED);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_REPAIRED);
    assert_true(duet_window_is_stale(window));
    give_ends(world, 10, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    assert_int_equal(duet_windows_repaired(&world->windows, 900), DT_ESTATE);
    free_world(world);
}

static void a_repair_that_did_not_help_diverges_again(void **state)
{
    struct world *world = diverged_world();

    (void)state;
    assert_int_equal(duet_windows_repaired(&world->windows, 900), DT_OK);
    give_ends(world, 10, 9);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_DIVERGED);
    free_world(world);
}

static void a_late_copy_reopens_and_the_verdict_is_stale_until_it_is_compared(void **state)
{
    struct world *world = diverged_world();
    struct duet_window *window = duet_windows_find(&world->windows, 900);

    (void)state;
    assert_int_equal(apply(world, &rocketmq, 9, 5, 9, 9, 900), DUET_APPLIED);
    assert_int_equal(window->state, DUET_WINDOW_SEALED);
    assert_int_equal(window->verdict, DUET_WINDOW_DIVERGED);
    assert_true(duet_window_is_stale(window));
    assert_true(window->unsettled_ms > 1); /* since just now, not since its beginning */
    give_ends(world, 10, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    assert_false(duet_window_is_stale(window));
    /* and a duplicate, later still */
    assert_int_equal(apply(world, &rocketmq, 10, 5, 3, 3, 900), DUET_APPLIED);
    give_ends(world, 10, 11);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_DIVERGED);
    free_world(world);
}

static void ids_that_are_told_late_open_the_window(void **state)
{
    struct world *world = diverged_world();
    struct duet_lane lane = issued_by(6);

    (void)state;
    assert_int_equal(apply(world, &lane, 0, 6, 0, 2, 900), DUET_APPLIED);
    assert_int_equal(duet_windows_find(&world->windows, 900)->state, DUET_WINDOW_OPEN);
    free_world(world);
}

static void ends_that_were_read_before_the_seal_are_not_taken(void **state)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);
    uint64_t early[] = {0, 0};

    (void)state;
    apply(world, &lane, 0, 5, 0, 9, 900);
    assert_false(duet_windows_want_ends(&world->windows)); /* and somebody reads them now */
    hear(world, 5, 1, 901, 900, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    assert_int_equal(duet_windows_give_ends(&world->windows, early, 2), DT_OK);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_ENDS], 1);
    free_world(world);
}

static void add_to(struct duet_window *window, const struct duet_digest_key *key,
                   enum duet_stage stage, uint64_t content, uint64_t order)
{
    struct duet_lane lane = {.stage = stage};
    struct duet_id id = {DUET_ID_ISSUED, 1, 1, 0, 7};
    struct duet_counted counted = {&id, 900, 1, content, 10, &order};
    struct duet_delta delta;

    duet_delta_init(&delta, &lane, duet_digest_key_number(key), 0, 7);
    assert_int_equal(duet_delta_count(&delta, key, 7, &counted), DT_OK);
    assert_int_equal(duet_window_add(window, stage, &delta.windows[0]), DT_OK);
    duet_delta_fini(&delta);
}

static void each_comparison_looks_at_its_two_stages(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    static const struct {
        enum duet_stage stage; /* where the content, or the order, is another one */
        uint64_t content, order;
        unsigned unequal;
    } rows[] = {
        {DUET_STAGES, 0, 0, 0},
        {DUET_STAGE_K, 6, 3, DUET_COMPARED_STORED_KAFKA | DUET_COMPARED_READ_KAFKA},
        {DUET_STAGE_R, 6, 3, DUET_COMPARED_STORED_ROCKETMQ | DUET_COMPARED_READ_ROCKETMQ},
        {DUET_STAGE_R, 5, 4, DUET_COMPARED_ORDER},
        {DUET_STAGE_CK, 6, 3, DUET_COMPARED_READ_KAFKA},
        {DUET_STAGE_CR, 6, 3, DUET_COMPARED_READ_ROCKETMQ},
        {DUET_STAGE_VS, 6, 3, DUET_COMPARED_RESULTS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct duet_window window = {.number = 900};

        for (int s = 0; s < DUET_STAGES; s++) {
            if (s == DUET_STAGE_X)
                continue;
            if (s == (int)rows[i].stage)
                add_to(&window, &key, (enum duet_stage)s, rows[i].content, rows[i].order);
            else
                add_to(&window, &key, (enum duet_stage)s, 5, 3);
        }
        assert_int_equal(duet_window_unequal(&window, ~0u), rows[i].unequal);
        assert_int_equal(duet_window_unequal(&window, DUET_COMPARED_RESULTS),
                         rows[i].unequal & DUET_COMPARED_RESULTS);
        if (rows[i].stage == DUET_STAGES) { /* what was cancelled is not issued */
            add_to(&window, &key, DUET_STAGE_X, 5, 3);
            assert_int_equal(duet_window_unequal(&window, ~0u),
                             DUET_COMPARED_STORED_KAFKA | DUET_COMPARED_STORED_ROCKETMQ);
        }
        assert_int_equal(window.days[0].count[DUET_STAGE_K], 1); /* days are kept beside */
        window.stage[DUET_STAGE_K].without_order = true;
        assert_int_equal(duet_window_unequal(&window, DUET_COMPARED_ORDER), 0);
        duet_window_fini(&window);
    }
}

/* ---- who is silent ---- */

static void a_silent_producer_is_named_and_waited_for_until_declared_dead(void **state)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);

    (void)state;
    assert_int_equal(duet_windows_declare(&world->windows, DUET_ID_ISSUED, 8, 0), DT_OK);
    apply(world, &lane, 0, 5, 0, 9, 900);
    hear(world, 5, 1, 901, 900, 10);
    for (int i = 0; i < 1000; i++) /* no time helps */
        assert_int_equal(state_of(world, 900), DUET_WINDOW_OPEN);
    look_waiting(world, 900);
    assert_int_equal(count_waiting[DUET_WAITS_PRODUCER], 1);
    assert_int_equal(last_waiting.producer->instance, 8);
    assert_int_equal(last_waiting.producer->heard_ms, -1);
    assert_int_equal(duet_windows_forget(&world->windows, DUET_ID_ISSUED, 9), DT_ENOTFOUND);
    assert_int_equal(duet_windows_forget(&world->windows, DUET_ID_ISSUED, 8), DT_OK);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    hear(world, 8, 1, 902, 901, 0); /* it was alive */
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    free_world(world);
}

static void what_a_dead_producer_had_not_told_is_a_tail(void **state)
{
    struct world *world = new_world();
    struct duet_id id = {DUET_ID_ISSUED, 5, 1, 0, 3}, other = {DUET_ID_ISSUED, 77, 1, 0, 3};
    struct duet_lane lane = issued_by(5);
    struct duet_lane cancelled = lane;

    (void)state;
    cancelled.stage = DUET_STAGE_X;
    hear(world, 5, 1, 900, 900, 0);
    assert_int_equal(duet_windows_known(&world->windows, &id), DUET_KNOWN_TAIL);
    assert_int_equal(duet_windows_forget(&world->windows, DUET_ID_ISSUED, 5), DT_OK);
    assert_int_equal(duet_windows_known(&world->windows, &id), DUET_KNOWN_TAIL);
    apply(world, &lane, 0, 5, 0, 3, 900);
    assert_int_equal(duet_windows_known(&world->windows, &id), DUET_KNOWN_ISSUED);
    apply(world, &cancelled, 3, 5, 3, 3, 900);
    assert_int_equal(duet_windows_known(&world->windows, &id), DUET_KNOWN_CANCELLED);
    id.sequence = 4;
    assert_int_equal(duet_windows_known(&world->windows, &id), DUET_KNOWN_TAIL);
    assert_int_equal(duet_windows_known(&world->windows, &other), DUET_KNOWN_NOT);
    free_world(world);
}

static void an_old_word_of_a_producer_changes_nothing(void **state)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);

    (void)state;
    apply(world, &lane, 0, 5, 0, 9, 900);
    hear(world, 5, 2, 901, 900, 10);
    hear(world, 5, 2, 800, 800, 0); /* under way for long */
    hear(world, 5, 1, 0, 0, 0);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    free_world(world);
}

static void one_message_of_the_year_2099_keeps_nothing_open(void **state)
{
    enum { YEAR_2099 = 68000000 };
    struct world *world = new_world();
    struct duet_lane five = issued_by(5), six = issued_by(6);

    (void)state;
    apply(world, &five, 0, 5, 0, 8, 900);
    apply(world, &six, 0, 6, 0, 0, YEAR_2099);
    hear(world, 5, 1, 901, 900, 9);
    hear(world, 6, 1, YEAR_2099, YEAR_2099, 0);
    /* who has issued in it, and goes on, holds it; nobody else does, and nothing else is held */
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    assert_int_equal(state_of(world, YEAR_2099), DUET_WINDOW_OPEN);
    look_waiting(world, YEAR_2099);
    assert_int_equal(count_waiting[DUET_WAITS_PRODUCER], 1);
    assert_int_equal(last_waiting.producer->instance, 6);
    hear(world, 6, 2, 901, 900, 1); /* it was started again, with the right clock */
    assert_int_equal(state_of(world, YEAR_2099), DUET_WINDOW_SEALED);
    give_ends(world, 10, 10);
    apply(world, &kafka, 0, 5, 0, 8, 900);
    apply(world, &rocketmq, 0, 5, 0, 8, 900);
    apply(world, &kafka, 9, 6, 0, 0, YEAR_2099);
    apply(world, &rocketmq, 9, 6, 0, 0, YEAR_2099);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    assert_int_equal(state_of(world, YEAR_2099), DUET_WINDOW_VERIFIED);
    free_world(world);
}

/* ---- ranges of deltas ---- */

static void a_range_is_counted_once(void **state)
{
    struct world *world = new_world();
    struct duet_delta delta;
    enum duet_applied applied;
    struct duet_interval rest;
    struct duet_lane unknown = {.stage = DUET_STAGE_K, .partition = 9};

    (void)state;
    assert_int_equal(apply(world, &kafka, 0, 5, 0, 9, 900), DUET_APPLIED);
    assert_int_equal(apply(world, &kafka, 0, 5, 0, 9, 900), DUET_REPEATED);
    assert_int_equal(apply(world, &kafka, 3, 5, 3, 5, 900), DUET_REPEATED);
    assert_int_equal(apply(world, &kafka, 15, 5, 15, 19, 900), DUET_APPLIED);
    duet_delta_init(&delta, &kafka, world->windows.key, 0, 5);
    duet_delta_pass(&delta, 30);
    assert_int_equal(duet_windows_apply(&world->windows, &delta, &applied, &rest), DT_OK);
    assert_int_equal(applied, DUET_OVERLAPS);
    assert_int_equal(rest.from, 10);
    assert_int_equal(rest.to, 15);
    assert_int_equal(
        duet_windows_find(&world->windows, 900)->stage[DUET_STAGE_K].digest.count, 15);
    delta.key ^= 1; /* counted under another key */
    assert_int_equal(duet_windows_apply(&world->windows, &delta, &applied, &rest),
                     DT_EINVAL);
    duet_delta_fini(&delta);
    duet_delta_init(&delta, &unknown, world->windows.key, 0, 5);
    assert_int_equal(duet_windows_apply(&world->windows, &delta, &applied, &rest),
                     DT_EINVAL);
    duet_delta_fini(&delta);
    free_world(world);
}

static void what_retention_removed_uncounted_is_unverifiable_not_lost(void **state)
{
    struct world *world = new_world();
    struct duet_lane lane = issued_by(5);

    (void)state;
    apply(world, &lane, 0, 5, 0, 9, 900);
    apply(world, &lane, 10, 5, 10, 19, 901);
    apply(world, &kafka, 0, 5, 0, 9, 900);
    apply(world, &rocketmq, 0, 5, 0, 9, 900);
    hear(world, 5, 1, 901, 901, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_SEALED);
    give_ends(world, 10, 10);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    /* the readers fall behind, and Kafka drops what comes next */
    assert_int_equal(duet_windows_purged(&world->windows, &kafka, 5, 8, 901), DT_OK);
    assert_false(
        duet_windows_find(&world->windows, 901)->tainted); /* it had been counted */
    assert_int_equal(duet_windows_purged(&world->windows, &kafka, 10, 15, 902), DT_OK);
    apply(world, &kafka, 15, 5, 15, 19, 901);
    apply(world, &rocketmq, 10, 5, 10, 19, 901);
    apply(world, &rocketmq, 20, 6, 0, 0, 902);
    apply(world, &rocketmq, 21, 6, 1, 1, 903);
    hear(world, 5, 1, 910, 901, 20);
    assert_int_equal(state_of(world, 901), DUET_WINDOW_SEALED);
    give_ends(world, 20, 22);
    assert_int_equal(state_of(world, 900), DUET_WINDOW_VERIFIED);
    assert_int_equal(state_of(world, 901), DUET_WINDOW_UNVERIFIABLE);
    assert_int_equal(state_of(world, 902), DUET_WINDOW_UNVERIFIABLE); /* made later */
    assert_int_equal(state_of(world, 903), DUET_WINDOW_DIVERGED);
    free_world(world);
}

/* ---- putting away ---- */

static void at_most_64_windows_are_in_memory_and_others_come_back_when_needed(void **state)
{
    struct world *world = new_world();
    struct duet_window taken, back;
    struct dt_buf bytes;
    uint32_t number;

    (void)state;
    assert_false(duet_windows_evictable(&world->windows, &number));
    for (uint32_t i = 0; i < DUET_WINDOWS_MAX; i++)
        assert_int_equal(apply(world, &kafka, i, 5, i, i, 800 + i), DUET_APPLIED);
    assert_int_equal(apply(world, &kafka, 64, 5, 64, 64, 900), DUET_FULL);
    assert_int_equal(world->windows.count, DUET_WINDOWS_MAX);
    assert_true(duet_windows_evictable(&world->windows, &number));
    assert_int_equal(number, 800);
    assert_int_equal(duet_windows_take(&world->windows, number, &taken), DT_OK);
    dt_buf_init(&bytes, DUET_DELTA_BYTES_MAX);
    duet_window_encode(&taken, &bytes);
    duet_window_fini(&taken);
    assert_int_equal(apply(world, &kafka, 64, 5, 64, 64, 900), DUET_APPLIED);
    assert_int_equal(apply(world, &kafka, 65, 5, 65, 65, 800), DUET_AWAY);
    assert_int_equal(duet_window_decode(&back, dt_buf_span(&bytes)), DT_OK);
    assert_int_equal(duet_windows_give(&world->windows, &back), DT_ETOOBIG);
    assert_int_equal(duet_windows_take(&world->windows, 801, &taken), DT_OK);
    duet_window_fini(&taken);
    assert_int_equal(duet_windows_give(&world->windows, &back), DT_OK);
    assert_int_equal(apply(world, &kafka, 65, 5, 65, 65, 800), DUET_APPLIED);
    assert_int_equal(
        duet_windows_find(&world->windows, 800)->stage[DUET_STAGE_K].digest.count, 2);
    assert_int_equal(duet_windows_take(&world->windows, 801, &taken), DT_ENOTFOUND);
    dt_buf_fini(&bytes);
    free_world(world);
}

static void windows_that_hold_nothing_up_are_put_away_first(void **state)
{
    struct world *world = diverged_world();
    uint32_t number;

    (void)state;
    apply(world, &kafka, 10, 9, 0, 0, 850);
    apply(world, &kafka, 11, 9, 1, 1, NOW + 5000);
    apply(world, &kafka, 12, 9, 2, 2, NOW + 4000);
    hear(world, 9, 1, 700, NOW + 5000, 0);
    duet_windows_step(&world->windows, 5, NOW);
    for (int i = 0; i < 4; i++) {
        static const uint32_t order[] = {900, NOW + 5000, NOW + 4000, 850};
        struct duet_window taken;

        assert_true(duet_windows_evictable(&world->windows, &number));
        assert_int_equal(number, order[i]);
        assert_int_equal(duet_windows_take(&world->windows, number, &taken), DT_OK);
        duet_window_fini(&taken);
    }
    free_world(world);
}

static void a_damaged_window_is_refused(void **state)
{
    struct world *world = diverged_world();
    struct duet_window read;
    struct dt_buf bytes;

    (void)state;
    dt_buf_init(&bytes, DUET_DELTA_BYTES_MAX);
    duet_window_encode(duet_windows_find(&world->windows, 900), &bytes);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_not_equal(duet_window_decode(&read, dt_span_of(bytes.data, size)),
                             DT_OK);
    for (size_t bit = 0; bit < 8 * bytes.size; bit += 3) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(duet_window_decode(&read, dt_buf_span(&bytes)), DT_OK);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(duet_window_decode(&read, dt_buf_span(&bytes)), DT_OK);
    assert_int_equal(read.state, DUET_WINDOW_DIVERGED);
    duet_window_fini(&read);
    dt_buf_fini(&bytes);
    free_world(world);
}

static void only_the_steps_of_the_machine_are_taken(void **state)
{
    (void)state;
    for (int from = 0; from < DUET_WINDOW_STATE_COUNT; from++) {
        assert_string_not_equal(duet_window_state_name((enum duet_window_state)from),
                                "unknown");
        assert_false(
            duet_window_may((enum duet_window_state)from, (enum duet_window_state)from));
        if (from != DUET_WINDOW_SETTLED && from != DUET_WINDOW_REPAIRED)
            assert_false(
                duet_window_may((enum duet_window_state)from, DUET_WINDOW_VERIFIED));
    }
    assert_true(duet_window_may(DUET_WINDOW_DIVERGED, DUET_WINDOW_REPAIRED));
    assert_false(duet_window_may(DUET_WINDOW_VERIFIED, DUET_WINDOW_REPAIRED));
    assert_false(duet_window_may(DUET_WINDOW_OPEN, DUET_WINDOW_SETTLED));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_the_set_that_a_bitmap_is),
        cmocka_unit_test(a_window_is_sealed_settled_and_verified_by_position),
        cmocka_unit_test(what_differs_is_listed_repaired_and_verified),
        cmocka_unit_test(a_repair_that_did_not_help_diverges_again),
        cmocka_unit_test(a_late_copy_reopens_and_the_verdict_is_stale_until_it_is_compared),
        cmocka_unit_test(ids_that_are_told_late_open_the_window),
        cmocka_unit_test(ends_that_were_read_before_the_seal_are_not_taken),
        cmocka_unit_test(each_comparison_looks_at_its_two_stages),
        cmocka_unit_test(a_silent_producer_is_named_and_waited_for_until_declared_dead),
        cmocka_unit_test(what_a_dead_producer_had_not_told_is_a_tail),
        cmocka_unit_test(an_old_word_of_a_producer_changes_nothing),
        cmocka_unit_test(one_message_of_the_year_2099_keeps_nothing_open),
        cmocka_unit_test(a_range_is_counted_once),
        cmocka_unit_test(what_retention_removed_uncounted_is_unverifiable_not_lost),
        cmocka_unit_test(at_most_64_windows_are_in_memory_and_others_come_back_when_needed),
        cmocka_unit_test(windows_that_hold_nothing_up_are_put_away_first),
        cmocka_unit_test(a_damaged_window_is_refused),
        cmocka_unit_test(only_the_steps_of_the_machine_are_taken),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
