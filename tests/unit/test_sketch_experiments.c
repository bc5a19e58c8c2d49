/* sketches at large: how often a difference is listed, what the ladder costs, outages, chosen ids,
 * overloaded tables. SKETCH_FULL=1: as many trials as docs/sketches.md tells of, and its tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/drill.h"
#include "support/case.h"
#include "support/sketches.h"

static bool is_full(void)
{
    return getenv("SKETCH_FULL") != NULL;
}

/* A tenth of the trials, at least 5. */
static int trials(int full)
{
    return is_full() ? full : full / 10 < 5 ? 5 : full / 10;
}

static struct duet_digest_key some_key(uint64_t seed)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    struct test_random random = {seed};
    struct duet_digest_key key;

    test_random_fill(&random, master, sizeof(master));
    duet_keys_derive(master, 1, NULL, &key);
    key.prf = DUET_PRF_AES;
    return key;
}

/* `pairs` with a net of 1 or -1; every one a pair of its own. */
static void add_units(struct duet_sketch *sketch, const struct duet_digest_key *key,
                      struct test_random *random, int pairs)
{
    for (int i = 0; i < pairs; i++) {
        struct test_pair pair = test_random_pair(random);

        test_sketch_add(sketch, key, &pair, test_random_once_in(random, 2) ? 1 : -1);
    }
}

static bool is_listed(struct duet_sketch *sketch, const struct duet_digest_key *key,
                      int pairs)
{
    struct duet_nets nets;
    enum duet_peeled result = duet_peel(sketch, key, &nets);

    assert_int_not_equal(result, DUET_PEEL_NO_MEMORY);
    if (result == DUET_PEELED)
        assert_int_equal(nets.count, pairs); /* a list that is given is right */
    duet_nets_fini(&nets);
    return result == DUET_PEELED;
}

static int listed_of(uint32_t width, int pairs, int count, uint64_t seed)
{
    struct duet_digest_key key = some_key(seed);
    struct test_random random = {seed};
    int listed = 0;

    for (int i = 0; i < count; i++) {
        struct duet_sketch sketch = test_sketch_new(&key, width);

        add_units(&sketch, &key, &random, pairs);
        listed += is_listed(&sketch, &key, pairs);
        duet_sketch_fini(&sketch);
    }
    return listed;
}

static void a_difference_below_two_thirds_of_the_cells_is_listed(void **state)
{
    static const double loads[] = {0.30, 0.45, 0.55, 0.60, 0.65, 0.70, 0.74, 0.78};
    static const struct {
        uint32_t width;
        int trials, pairs; /* that many pairs are listed ... */
        double share;      /* ... in this share of the windows at least */
    } rows[] = {{16, 2000, 29, 0.96},
                {64, 2000, 166, 0.97},
                {256, 600, 717, 0.98},
                {1024, 120, 3031, 0.99},
                {4096, 20, 12000, 0.99}};

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        int count = trials(rows[r].trials);
        int listed = listed_of(rows[r].width, rows[r].pairs, count, r + 1);

        if (is_full()) {
            printf("| %u | %u KiB | %d: %.2f %% |", rows[r].width, rows[r].width / 8,
                   rows[r].pairs, 100.0 * listed / count);
            for (size_t l = 0; l < sizeof(loads) / sizeof(loads[0]); l++) {
                int pairs = (int)lround(loads[l] * DUET_SKETCH_TABLES * rows[r].width);

                printf(" %.1f |",
                       100.0 * listed_of(rows[r].width, pairs, count, 100 * r + l) / count);
            }
            printf("\n");
        }
        if (listed < rows[r].share * count)
            fail_msg("width %u: %d of %d", rows[r].width, listed, count);
    }
}

static void losses_duplicates_and_alterations_are_all_listed(void **state)
{
    static const int mixes[][3] = {
        {200, 0, 0}, {180, 20, 0}, {180, 0, 20}, {150, 50, 50}, {0, 200, 100}};
    struct duet_digest_key key = some_key(2);
    struct test_random random = {2};

    (void)state;
    for (size_t m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++) {
        for (int i = 0; i < trials(200); i++) {
            struct duet_sketch sketch = test_sketch_new(&key, 256);

            for (int k = 0; k < mixes[m][0] + mixes[m][1]; k++) {
                struct test_pair pair = test_random_pair(&random);

                test_sketch_add(
                    &sketch, &key, &pair,
                    k < mixes[m][0] ? -1 : 1 + (int32_t)test_random_below(&random, 3));
            }
            for (int k = 0; k < mixes[m][2]; k++) {
                struct test_pair pair = test_random_pair(&random);

                test_sketch_add(&sketch, &key, &pair, -1);
                pair.content ^= 1;
                test_sketch_add(&sketch, &key, &pair, 1);
            }
            assert_true(
                is_listed(&sketch, &key, mixes[m][0] + mixes[m][1] + 2 * mixes[m][2]));
            duet_sketch_fini(&sketch);
        }
    }
}

static void the_ladder_ends_at_the_width_that_is_needed(void **state)
{
    static const struct {
        int pairs, trials;
        uint32_t width_max; /* on average */
    } rows[] = {{1, 60, 16},      {20, 60, 24},    {40, 60, 64},    {100, 60, 160},
                {180, 60, 256},   {400, 40, 640},  {700, 40, 1024}, {1500, 24, 2048},
                {2900, 16, 4096}, {6000, 8, 4096}, {12000, 6, 4096}};
    struct duet_digest_key key = some_key(3);
    struct test_random random = {3};

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        int count = trials(rows[r].trials);
        double widths = 0;

        for (int i = 0; i < count; i++) {
            struct duet_sketch sketch = test_sketch_new(&key, DUET_SKETCH_WIDTH_MAX);
            struct duet_nets nets;
            uint32_t width;

            add_units(&sketch, &key, &random, rows[r].pairs);
            assert_int_equal(duet_peel_ladder(&sketch, &key, &nets, &width), DUET_PEELED);
            assert_int_equal(nets.count, rows[r].pairs);
            widths += width;
            duet_nets_fini(&nets);
            duet_sketch_fini(&sketch);
        }
        if (is_full())
            printf("| %d | %.1f KiB | %.2f |\n", rows[r].pairs, widths / count / 8,
                   widths * DUET_SKETCH_TABLES / count / rows[r].pairs);
        /* few trials may go one rung further */
        assert_true(widths <= (is_full() ? 1 : 4) * (double)rows[r].width_max * count);
    }
}

static void the_size_of_a_difference_is_estimated_from_a_narrow_table(void **state)
{
    static const double shares[] = {0.5, 0.9, 1.0};
    struct duet_digest_key key = some_key(4);
    struct test_random random = {4};

    (void)state;
    for (uint32_t width = 16; width <= 64; width *= 4) {
        for (int pairs = 200; pairs <= 20000; pairs *= 10) {
            for (size_t s = 0; s < 3; s++) {
                int count = trials(pairs > 2000 ? 40 : 100);
                double sum = 0, squares = 0;

                for (int i = 0; i < count; i++) {
                    struct duet_sketch sketch = test_sketch_new(&key, width);
                    double relative;

                    for (int k = 0; k < pairs; k++) {
                        struct test_pair pair = test_random_pair(&random);

                        test_sketch_add(&sketch, &key, &pair,
                                        k < shares[s] * pairs ? 1 : -1);
                    }
                    relative = duet_sketch_estimate(&sketch) / pairs;
                    sum += relative;
                    squares += (relative - 1) * (relative - 1);
                    duet_sketch_fini(&sketch);
                }
                if (is_full())
                    printf("| %u | %d | %.1f | %.2f | %.2f |\n", width, pairs, shares[s],
                           sum / count, sqrt(squares / count));
                assert_true(sum / count > 0.7 && sum / count < 1.35);
                assert_true(sqrt(squares / count) < (width == 16 ? 0.45 : 0.25));
            }
        }
    }
}

/* ---- outages ---- */

enum { OUTAGE_MESSAGES = 300000, OUTAGE_PRODUCERS = 3 };

static struct test_pair outage_message(uint64_t i)
{
    struct test_pair pair = {
        {DUET_ID_ISSUED, (uint32_t)(1 + i % OUTAGE_PRODUCERS), 1, 0, i / OUTAGE_PRODUCERS},
        (i * 0x9e3779b97f4a7c15) & DUET_CONTENT_MAX,
        100};

    return pair;
}

static enum duet_known all_issued(void *context, const struct duet_id *id)
{
    (void)context;
    (void)id;
    return DUET_KNOWN_ISSUED;
}

/* Scans both sides again, part by part. What is lost: [from, to). */
static void list_in_parts(struct duet_differences *list, const struct duet_digest_key *key,
                          unsigned bits, uint64_t from, uint64_t to)
{
    struct duet_sketch *parts = calloc((size_t)1 << bits, sizeof(*parts));

    assert_non_null(parts);
    for (size_t n = 0; n < (size_t)1 << bits; n++)
        parts[n] = test_sketch_new(key, DUET_PART_WIDTH);
    for (uint64_t i = 0; i < OUTAGE_MESSAGES; i++) {
        struct test_pair pair = outage_message(i);
        struct dt_u128 term = duet_digest_term(key, &pair.id, pair.content);
        struct duet_sketch *part = &parts[duet_part_of(term, bits)];

        duet_sketch_add_term(part, term, &pair.id, pair.content, pair.bytes, -1);
        if (i < from || i >= to)
            duet_sketch_add_term(part, term, &pair.id, pair.content, pair.bytes, 1);
    }
    for (size_t n = 0; n < (size_t)1 << bits; n++) {
        struct duet_nets nets[DUET_SIDES] = {{NULL, 0}, {NULL, 0}};

        assert_int_equal(duet_peel(&parts[n], key, &nets[DUET_ROCKETMQ]), DUET_PEELED);
        assert_int_equal(duet_differ_stored(list, nets, all_issued, NULL), DT_OK);
        duet_nets_fini(&nets[DUET_ROCKETMQ]);
        duet_sketch_fini(&parts[n]);
    }
    free(parts);
}

static void an_outage_of_a_tenth_is_listed_in_parts_and_told_as_ranges(void **state)
{
    enum { FROM = 100000, LOST = 30000 };
    struct duet_digest_key key = some_key(6);
    struct duet_sketch narrow = test_sketch_new(&key, 64);
    struct duet_differences list;
    double estimate;
    unsigned bits;

    (void)state;
    for (uint64_t i = FROM; i < FROM + LOST; i++) { /* the rest cancels */
        struct test_pair pair = outage_message(i);

        test_sketch_add(&narrow, &key, &pair, -1);
    }
    estimate = duet_sketch_estimate(&narrow);
    duet_sketch_fini(&narrow);
    assert_true(estimate >= LOST && estimate < 1.3 * LOST);
    assert_int_equal(duet_drill_choose(estimate, OUTAGE_MESSAGES), DUET_DRILL_PARTS);
    bits = duet_part_bits(estimate);
    assert_in_range(bits, 5, 7); /* at most 4 MiB of sketches */
    duet_differences_init(&list);
    list_in_parts(&list, &key, bits, FROM, FROM + LOST);
    assert_int_equal(list.count, LOST);
    duet_differences_sort(&list);
    assert_int_equal(list.count, OUTAGE_PRODUCERS);
    assert_int_equal(duet_differences_ids(&list), LOST);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].kind, DUET_DIFF_LOST);
        assert_int_equal(list.items[i].side, DUET_ROCKETMQ);
        assert_int_equal(list.items[i].sequence_to - list.items[i].id.sequence,
                         LOST / OUTAGE_PRODUCERS);
    }
    duet_differences_fini(&list);
}

static void a_side_that_has_nothing_is_told_in_a_range_a_producer(void **state)
{
    struct duet_idset issued, stored;
    struct duet_differences list;

    (void)state;
    assert_int_equal(duet_drill_choose(OUTAGE_MESSAGES, OUTAGE_MESSAGES),
                     DUET_DRILL_RANGES);
    duet_idset_init(&issued);
    duet_idset_init(&stored);
    duet_differences_init(&list);
    for (uint64_t i = 0; i < OUTAGE_MESSAGES; i++) {
        struct test_pair pair = outage_message(i);

        assert_int_equal(duet_idset_add(&issued, &pair.id, 1, NULL), DT_OK);
    }
    assert_int_equal(duet_differ_ranges(&list, &issued, &stored, DUET_ROCKETMQ, 0), DT_OK);
    assert_int_equal(list.count, OUTAGE_PRODUCERS);
    assert_int_equal(duet_differences_ids(&list), OUTAGE_MESSAGES);
    duet_differences_fini(&list);
    /* and the reverse is foreign */
    duet_differences_init(&list);
    assert_int_equal(duet_differ_ranges(&list, &stored, &issued, DUET_KAFKA, 0), DT_OK);
    assert_int_equal(list.items[0].kind, DUET_DIFF_FOREIGN);
    assert_int_equal(duet_differences_ids(&list), OUTAGE_MESSAGES);
    duet_differences_fini(&list);
    duet_idset_fini(&issued);
    duet_idset_fini(&stored);
}

/* ---- how it fails ---- */

static void an_overloaded_table_never_gives_a_wrong_list(void **state)
{
    (void)state;
    assert_int_equal(listed_of(64, 300, trials(3000), 8), 0); /* is_listed() looks */
}

static void small_differences_hardly_ever_fail(void **state)
{
    int failed[3];

    (void)state;
    failed[0] = trials(20000) - listed_of(64, 20, trials(20000), 91);
    failed[1] = trials(6000) - listed_of(64, 60, trials(6000), 92);
    failed[2] = trials(3000) - listed_of(256, 100, trials(3000), 93);
    if (is_full())
        printf(
            "failed: 20 pairs in 4x64: %d of 20000; 60 in 4x64: %d of 6000; 100 in 4x256: "
            "%d of 3000\n",
            failed[0], failed[1], failed[2]);
    assert_int_equal(failed[0], 0);   /* bound 1.1e-5 a window */
    assert_in_range(failed[1], 0, 3); /* 1.1e-4 */
    assert_int_equal(failed[2], 0);   /* 1.2e-6 */
}

/* Two ids that share all four cells of a 4x64 table, found by somebody who knows the key. */
static void find_collision(const struct duet_digest_key *key, struct test_random *random,
                           struct test_pair pair[2])
{
    enum { SLOTS = 1 << 24 };
    static struct duet_id *seen; /* by the four places */
    static uint8_t *used;

    seen = malloc(SLOTS * sizeof(*seen));
    used = calloc(SLOTS, 1);
    assert_non_null(seen);
    assert_non_null(used);
    for (;;) {
        struct test_pair one = test_random_pair(random);
        struct dt_u128 z;
        size_t slot = 0;

        one.content = 7;
        z = duet_digest_term(key, &one.id, one.content);
        for (int j = 0; j < DUET_SKETCH_TABLES; j++)
            slot = slot << 6 | (z.lo >> 16 * j & 63);
        if (used[slot]) {
            pair[0] = pair[1] = one;
            pair[1].id = seen[slot];
            break;
        }
        used[slot] = 1;
        seen[slot] = one.id;
    }
    free(seen);
    free(used);
}

static void chosen_ids_block_a_list_but_never_make_a_wrong_one(void **state)
{
    struct test_random random = {10};

    (void)state;
    for (int i = 0; i < trials(40); i++) {
        struct duet_digest_key known = some_key(1000 + (uint64_t)i);
        struct duet_digest_key secret = some_key(2000 + (uint64_t)i);
        struct test_pair chosen[2];

        find_collision(&known, &random, chosen);
        for (int rotated = 0; rotated < 2; rotated++) {
            const struct duet_digest_key *key = rotated ? &secret : &known;
            struct duet_sketch sketch = test_sketch_new(key, 64);

            add_units(&sketch, key, &random, 10);
            test_sketch_add(&sketch, key, &chosen[0], 1);
            test_sketch_add(&sketch, key, &chosen[1], 1);
            assert_int_equal(is_listed(&sketch, key, 12), rotated);
            duet_sketch_fini(&sketch);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_below_two_thirds_of_the_cells_is_listed),
        cmocka_unit_test(losses_duplicates_and_alterations_are_all_listed),
        cmocka_unit_test(the_ladder_ends_at_the_width_that_is_needed),
        cmocka_unit_test(the_size_of_a_difference_is_estimated_from_a_narrow_table),
        cmocka_unit_test(an_outage_of_a_tenth_is_listed_in_parts_and_told_as_ranges),
        cmocka_unit_test(a_side_that_has_nothing_is_told_in_a_range_a_producer),
        cmocka_unit_test(an_overloaded_table_never_gives_a_wrong_list),
        cmocka_unit_test(small_differences_hardly_ever_fail),
        cmocka_unit_test(chosen_ids_block_a_list_but_never_make_a_wrong_one),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
