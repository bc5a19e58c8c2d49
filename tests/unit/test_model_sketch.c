/* model/sketch, peel, sketch_bytes: sums, what is listed of them, and their bytes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/peel.h"
#include "model/sketch_bytes.h"
#include "support/bytes.h"
#include "support/case.h"
#include "support/sketches.h"

static const enum duet_prf prfs[] = {DUET_PRF_SIPHASH, DUET_PRF_AES};
static const char *const prf_names[] = {"siphash", "aes"};

/* ---- golden files ---- */

static struct dt_span golden_file(const char *name)
{
    char path[512];
    FILE *file;
    uint8_t *data = malloc(DUET_SKETCH_BYTES_MAX);
    size_t size;

    assert_non_null(data);
    snprintf(path, sizeof(path), "%s/tests/golden/%s", SOURCE_DIR, name);
    file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("no file %s", path);
    size = fread(data, 1, DUET_SKETCH_BYTES_MAX, file);
    fclose(file);
    return dt_span_of(data, size);
}

/* As pairs() of tests/golden/sketch.py. */
static struct duet_sketch golden_sketch(const struct duet_digest_key *key, uint32_t width,
                                        int count)
{
    static const int32_t times[] = {1, 1, 1, 1, -1, 2, -3, 40, 32767, -32767};
    struct duet_sketch sketch = test_sketch_new(key, width);
    struct test_random random = {width};

    for (int i = 0; i < count; i++) {
        struct test_pair pair = test_random_pair(&random);

        test_sketch_add(&sketch, key, &pair, times[test_random_below(&random, 10)]);
    }
    return sketch;
}

static void assert_encoded(const struct duet_sketch *sketch, uint32_t width, uint32_t have,
                           const char *file)
{
    struct dt_span golden = golden_file(file);
    struct dt_buf out;

    dt_buf_init(&out, DUET_SKETCH_BYTES_MAX);
    duet_sketch_encode(sketch, width, have, &out);
    assert_int_equal(dt_buf_status(&out, "sketch"), DT_OK);
    assert_span_equal(dt_buf_span(&out), golden);
    dt_buf_fini(&out);
    bytes_free(golden);
}

static void assert_decoded(const struct duet_sketch *sketch, const char *file)
{
    struct dt_span golden = golden_file(file);
    struct duet_sketch read;

    assert_int_equal(duet_sketch_decode(&read, golden), DT_OK);
    assert_true(test_sketch_equal(&read, sketch));
    duet_sketch_fini(&read);
    bytes_free(golden);
}

static void tables_have_the_golden_bytes_and_are_read_from_them(void **state)
{
    static const struct {
        uint32_t width;
        int count;
    } files[] = {{16, 20}, {64, 120}, {256, 3000}};

    (void)state;
    for (size_t p = 0; p < 2; p++) {
        for (size_t f = 0; f < 3; f++) {
            struct duet_digest_key key = test_sketch_key(prfs[p]);
            struct duet_sketch sketch = golden_sketch(&key, files[f].width, files[f].count);
            char stem[64], name[96];

            snprintf(stem, sizeof(stem), "sketch-%u-%s", files[f].width, prf_names[p]);
            snprintf(name, sizeof(name), "%s.bin", stem);
            assert_encoded(&sketch, files[f].width, 0, name);
            assert_decoded(&sketch, name);
            if (files[f].width > 16) {
                struct dt_span refinement;
                struct duet_sketch narrow;

                snprintf(name, sizeof(name), "%s-folded.bin", stem);
                assert_encoded(&sketch, 16, 0, name);
                assert_int_equal(duet_sketch_copy(&narrow, &sketch), DT_OK);
                duet_sketch_fold(&narrow, 16);
                assert_decoded(&narrow, name);
                snprintf(name, sizeof(name), "%s-refines-16.bin", stem);
                assert_encoded(&sketch, files[f].width, 16, name);
                refinement = golden_file(name);
                assert_int_equal(duet_sketch_refine(&narrow, refinement), DT_OK);
                assert_true(test_sketch_equal(&narrow, &sketch));
                bytes_free(refinement);
                duet_sketch_fini(&narrow);
            }
            duet_sketch_fini(&sketch);
        }
    }
}

/* Reads the lines "peeled ID CONTENT NET" in turn. */
static void what_is_peeled_of_a_golden_table_is_the_golden_list(void **state)
{
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        struct duet_digest_key key = test_sketch_key(prfs[p]);
        struct dt_span text = golden_file("sketch.txt"), table;
        char name[64], line[128];
        struct duet_sketch sketch;
        struct duet_nets nets;
        size_t at = 0, listed = 0;

        snprintf(name, sizeof(name), "sketch-64-%s.bin", prf_names[p]);
        table = golden_file(name);
        assert_int_equal(duet_sketch_decode(&sketch, table), DT_OK);
        assert_int_equal(duet_peel(&sketch, &key, &nets), DUET_PEELED);
        assert_int_equal(nets.count, 120);
        while (at < text.size) {
            const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
            size_t length = (size_t)(end - (text.data + at));
            char id[DUET_ID_TEXT_SIZE], expected[128];

            assert_true(length < sizeof(line));
            memcpy(line, text.data + at, length);
            line[length] = '\0';
            at += length + 1;
            if (strncmp(line, "peeled ", 7) != 0)
                continue;
            duet_id_text(id, &nets.items[listed].id);
            snprintf(expected, sizeof(expected), "peeled %s %012llx %d", id,
                     (unsigned long long)nets.items[listed].content,
                     (int)nets.items[listed].net);
            assert_string_equal(expected, line);
            listed++;
        }
        assert_int_equal(listed, nets.count);
        duet_nets_fini(&nets);
        duet_sketch_fini(&sketch);
        bytes_free(table);
        bytes_free(text);
    }
}

static void terms_have_the_golden_value_under_either_prf(void **state)
{
    static const struct duet_id id = {DUET_ID_ISSUED, 1, 2, 3, 4};
    struct dt_span text = golden_file("sketch.txt");

    (void)state;
    for (size_t p = 0; p < 2; p++) {
        struct duet_digest_key key = test_sketch_key(prfs[p]);
        struct dt_u128 z = duet_digest_term(&key, &id, 0xabcdef012345);
        char line[128];

        snprintf(line, sizeof(line), "term.%s %016llx%016llx\n", prf_names[p],
                 (unsigned long long)z.hi, (unsigned long long)z.lo);
        assert_non_null(memmem(text.data, text.size, line, strlen(line)));
    }
    bytes_free(text);
}

/* ---- sums ---- */

enum { PARTS = 1000 };

/* Pairs with nets of all sizes, thrown onto `parts` sketches of random widths and put together in
 * a random order; then peeled. */
static void random_split_merge_and_peel(struct test_random *random,
                                        const struct duet_digest_key *key, size_t pairs,
                                        size_t parts, uint32_t low)
{
    struct duet_sketch *part = calloc(parts, sizeof(*part));
    struct duet_sketch whole = test_sketch_new(key, DUET_SKETCH_WIDTH_MAX), sum;
    struct duet_nets of_sum, of_whole;

    assert_non_null(part);
    for (size_t i = 0; i < parts; i++)
        part[i] = test_sketch_new(key, i == 0 ? low : low << test_random_below(random, 3));
    for (size_t i = 0; i < pairs; i++) {
        struct test_pair pair = test_random_pair(random);
        int32_t left = (int32_t)test_random_below(random, 2 * DUET_SKETCH_TIMES_MAX) -
                       DUET_SKETCH_TIMES_MAX;

        if (left == 0)
            left = 1;
        test_sketch_add(&whole, key, &pair, left);
        while (left != 0) { /* in shares, some of them of the other sign */
            int32_t share = test_random_once_in(random, 3)
                                ? left
                                : (int32_t)test_random_below(random, 60000) - 30000;

            test_sketch_add(&part[test_random_below(random, parts)], key, &pair, share);
            left -= share;
        }
    }
    sum = test_sketch_new(key, DUET_SKETCH_WIDTH_MAX);
    for (size_t i = parts; i > 0; i--) {
        size_t k = test_random_below(random, i);

        assert_int_equal(duet_sketch_merge(&sum, &part[k]), DT_OK);
        duet_sketch_fini(&part[k]);
        part[k] = part[i - 1];
    }
    free(part);
    assert_int_equal(sum.width, low); /* that of the narrowest */
    assert_true(duet_digest_equal(&sum.total, &whole.total));
    assert_int_equal(duet_peel(&whole, key, &of_whole), DUET_PEELED);
    assert_int_equal(duet_peel(&sum, key, &of_sum), DUET_PEELED);
    assert_int_equal(of_sum.count, pairs);
    assert_int_equal(of_whole.count, pairs);
    for (size_t i = 0; i < pairs; i++) {
        assert_true(duet_id_equal(&of_sum.items[i].id, &of_whole.items[i].id));
        assert_true(of_sum.items[i].content == of_whole.items[i].content);
        assert_int_equal(of_sum.items[i].net, of_whole.items[i].net);
    }
    duet_nets_fini(&of_sum);
    duet_nets_fini(&of_whole);
    duet_sketch_fini(&sum);
    duet_sketch_fini(&whole);
}

static void what_was_thrown_onto_many_parts_is_listed_from_their_sum(void **state)
{
    struct test_random random = {11};

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct duet_digest_key key = test_sketch_key(prfs[i % 2]);

        random_split_merge_and_peel(
            &random, &key, 1 + test_random_below(&random, 100),
            1 + test_random_below(&random, i % 10 == 0 ? PARTS : 20), 64);
    }
}

static struct duet_sketch random_sketch(struct test_random *random,
                                        const struct duet_digest_key *key, uint32_t width)
{
    struct duet_sketch sketch = test_sketch_new(key, width);
    size_t count = test_random_below(random, 500);

    for (size_t i = 0; i < count; i++) {
        struct test_pair pair = test_random_pair(random);

        test_sketch_add(&sketch, key, &pair, test_random_once_in(random, 4) ? -2 : 1);
    }
    return sketch;
}

static struct duet_sketch copy_of(const struct duet_sketch *sketch)
{
    struct duet_sketch copy;

    assert_int_equal(duet_sketch_copy(&copy, sketch), DT_OK);
    return copy;
}

static void addition_commutes_folding_commutes_and_subtraction_undoes(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    struct test_random random = {12};

    (void)state;
    for (int i = 0; i < 100; i++) {
        uint32_t width = 64u << test_random_below(&random, 4), less = width >> 2;
        struct duet_sketch a = random_sketch(&random, &key, width);
        struct duet_sketch b = random_sketch(&random, &key, width);
        struct duet_sketch ab = copy_of(&a), ba = copy_of(&b), folded = copy_of(&a);
        struct duet_sketch narrow_b = copy_of(&b);

        assert_int_equal(duet_sketch_merge(&ab, &b), DT_OK);
        assert_int_equal(duet_sketch_merge(&ba, &a), DT_OK);
        assert_true(test_sketch_equal(&ab, &ba));
        duet_sketch_fold(&ab, less);
        duet_sketch_fold(&folded, less);
        duet_sketch_fold(&narrow_b, less);
        assert_int_equal(duet_sketch_merge(&folded, &narrow_b), DT_OK);
        assert_true(test_sketch_equal(&ab, &folded)); /* fold(a + b) = fold(a) + fold(b) */
        assert_int_equal(duet_sketch_subtract(&ba, &a), DT_OK);
        assert_true(test_sketch_equal(&ba, &b));
        assert_int_equal(duet_sketch_subtract(&ba, &b), DT_OK);
        assert_true(duet_sketch_is_zero(&ba));
        /* different widths meet at the less */
        assert_int_equal(duet_sketch_subtract(&folded, &b), DT_OK);
        duet_sketch_fold(&a, less);
        assert_true(test_sketch_equal(&folded, &a));
        duet_sketch_fini(&a);
        duet_sketch_fini(&b);
        duet_sketch_fini(&ab);
        duet_sketch_fini(&ba);
        duet_sketch_fini(&folded);
        duet_sketch_fini(&narrow_b);
    }
}

static void sketches_under_different_keys_are_never_added(void **state)
{
    struct duet_digest_key key[3];

    (void)state;
    key[0] = test_sketch_key(DUET_PRF_SIPHASH);
    key[1] = test_sketch_key(DUET_PRF_AES);
    key[2] = key[0];
    key[2].number = 8;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) {
            struct duet_sketch a = test_sketch_new(&key[i], 64);
            struct duet_sketch b = test_sketch_new(&key[k], 16), before;

            before = copy_of(&a);
            assert_int_equal(duet_sketch_merge(&a, &b), i == k ? DT_OK : DT_EINVAL);
            if (i != k)
                assert_true(test_sketch_equal(&a, &before));
            assert_int_equal(duet_sketch_subtract(&a, &b), i == k ? DT_OK : DT_EINVAL);
            duet_sketch_fini(&a);
            duet_sketch_fini(&b);
            duet_sketch_fini(&before);
        }
    }
}

/* ---- peeling ---- */

static void a_difference_that_is_too_large_lists_nothing(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct test_random random = {13};

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct duet_sketch sketch = test_sketch_new(&key, 16);
        struct duet_nets nets;

        for (int k = 0; k < 64 + i; k++) {
            struct test_pair pair = test_random_pair(&random);

            test_sketch_add(&sketch, &key, &pair, k % 2 == 0 ? 1 : -1);
        }
        assert_int_equal(duet_peel(&sketch, &key, &nets), DUET_PEEL_BEYOND);
        assert_int_equal(nets.count, 0);
        assert_null(nets.items);
        duet_sketch_fini(&sketch);
    }
}

static void a_pair_counts_up_to_32767_times_and_no_further(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    struct test_random random = {14};

    (void)state;
    for (int32_t sign = -1; sign <= 1; sign += 2) {
        for (int32_t times = DUET_SKETCH_TIMES_MAX - 1; times <= DUET_SKETCH_TIMES_MAX + 1;
             times++) {
            struct duet_sketch sketch = test_sketch_new(&key, 16);
            struct test_pair pair = test_random_pair(&random);
            struct duet_nets nets;

            pair.id =
                (struct duet_id){0xf, DUET_INSTANCE_MAX, 0xffff, 0xffff, DUET_SEQUENCE_MAX};
            pair.content = DUET_CONTENT_MAX;
            test_sketch_add(&sketch, &key, &pair, sign * times);
            if (times > DUET_SKETCH_TIMES_MAX) {
                assert_int_equal(duet_peel(&sketch, &key, &nets), DUET_PEEL_BEYOND);
            } else {
                assert_int_equal(duet_peel(&sketch, &key, &nets), DUET_PEELED);
                assert_int_equal(nets.count, 1);
                assert_true(duet_id_equal(&nets.items[0].id, &pair.id));
                assert_true(nets.items[0].content == pair.content);
                assert_int_equal(nets.items[0].net, sign * times);
                duet_nets_fini(&nets);
            }
            duet_sketch_fini(&sketch);
        }
    }
}

static void the_wrong_key_lists_nothing(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    struct test_random random = {15};

    (void)state;
    for (int which = 0; which < 2; which++) {
        struct duet_sketch sketch = test_sketch_new(&key, 16);
        struct test_pair pair = test_random_pair(&random);
        struct duet_digest_key other = key;
        struct duet_nets nets;

        test_sketch_add(&sketch, &key, &pair, 1);
        if (which == 0)
            other.k1[3] ^= 1;
        else
            other.prf = DUET_PRF_AES;
        assert_int_equal(duet_peel(&sketch, &other, &nets), DUET_PEEL_BEYOND);
        duet_sketch_fini(&sketch);
    }
}

static void a_total_that_contradicts_the_cells_is_rejected(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    struct test_random random = {16};

    (void)state;
    for (int which = 0; which < 2; which++) {
        struct duet_sketch sketch = test_sketch_new(&key, 16);
        struct test_pair pair = test_random_pair(&random);
        struct duet_nets nets;

        test_sketch_add(&sketch, &key, &pair, 1);
        if (which == 0)
            sketch.total.count++;
        else
            sketch.total.sum.hi ^= 1;
        assert_int_equal(duet_peel(&sketch, &key, &nets), DUET_PEEL_BEYOND);
        duet_sketch_fini(&sketch);
    }
}

/* ---- bytes ---- */

static struct dt_buf encoded(const struct duet_sketch *sketch, uint32_t width,
                             uint32_t have)
{
    struct dt_buf out;

    dt_buf_init(&out, DUET_SKETCH_BYTES_MAX);
    duet_sketch_encode(sketch, width, have, &out);
    assert_false(out.failed);
    return out;
}

static void a_ladder_of_refinements_ends_at_the_whole_and_costs_what_it_costs(void **state)
{
    static const uint32_t rungs[] = {16, 64, 256, 1024, 4096};
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct test_random random = {17};
    struct duet_sketch full = test_sketch_new(&key, DUET_SKETCH_WIDTH_MAX), at;
    struct dt_buf part;
    size_t travelled;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct test_pair pair = test_random_pair(&random);

        test_sketch_add(&full, &key, &pair, 1);
    }
    part = encoded(&full, rungs[0], 0);
    travelled = part.size;
    assert_int_equal(duet_sketch_decode(&at, dt_buf_span(&part)), DT_OK);
    dt_buf_fini(&part);
    for (size_t i = 1; i < 5; i++) {
        part = encoded(&full, rungs[i], rungs[i - 1]);
        travelled += part.size;
        assert_int_equal(duet_sketch_refine(&at, dt_buf_span(&part)), DT_OK);
        assert_int_equal(at.width, rungs[i]);
        dt_buf_fini(&part);
    }
    assert_true(test_sketch_equal(&at, &full));
    /* the cells and a bit for each, as if all had come at once, and five heads */
    assert_true(travelled <= DUET_SKETCH_TABLES * DUET_SKETCH_WIDTH_MAX * 257 / 8 + 5 * 44);
    duet_sketch_fini(&at);
    duet_sketch_fini(&full);
}

static void a_refinement_of_another_state_is_refused(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct test_random random = {18};
    struct duet_sketch full = random_sketch(&random, &key, 256), narrow = copy_of(&full);
    struct test_pair pair = test_random_pair(&random);
    struct duet_sketch before;
    struct dt_buf part;

    (void)state;
    duet_sketch_fold(&narrow, 16);
    test_sketch_add(&full, &key, &pair, 1);
    part = encoded(&full, 64, 16);
    before = copy_of(&narrow);
    assert_int_equal(duet_sketch_refine(&narrow, dt_buf_span(&part)), DT_ECONFLICT);
    assert_true(test_sketch_equal(&narrow, &before));
    test_sketch_add(&narrow, &key, &pair, 1);
    assert_int_equal(duet_sketch_refine(&narrow, dt_buf_span(&part)), DT_OK);
    assert_int_equal(duet_sketch_refine(&narrow, dt_buf_span(&part)), DT_ECONFLICT);
    duet_sketch_fini(&before);
    assert_int_equal(duet_sketch_decode(&before, dt_buf_span(&part)), DT_ECONFLICT);
    dt_buf_fini(&part);
    duet_sketch_fini(&narrow);
    duet_sketch_fini(&full);
}

static void every_prefix_and_every_flipped_bit_is_refused(void **state)
{
    struct duet_digest_key key = test_sketch_key(DUET_PRF_SIPHASH);
    struct test_random random = {19};
    struct duet_sketch sketch = random_sketch(&random, &key, 16), read;
    struct dt_buf whole = encoded(&sketch, 16, 0);

    (void)state;
    for (size_t size = 0; size < whole.size; size++) {
        struct dt_span exact = bytes_exact(whole.data, size);

        assert_int_not_equal(duet_sketch_decode(&read, exact), DT_OK);
        bytes_free(exact);
    }
    for (size_t bit = 0; bit < 8 * whole.size; bit++) {
        whole.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(duet_sketch_decode(&read, dt_buf_span(&whole)), DT_OK);
        assert_null(read.cells);
        whole.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(duet_sketch_decode(&read, dt_buf_span(&whole)), DT_OK);
    duet_sketch_fini(&read);
    dt_buf_fini(&whole);
    duet_sketch_fini(&sketch);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_have_the_golden_bytes_and_are_read_from_them),
        cmocka_unit_test(what_is_peeled_of_a_golden_table_is_the_golden_list),
        cmocka_unit_test(terms_have_the_golden_value_under_either_prf),
        cmocka_unit_test(what_was_thrown_onto_many_parts_is_listed_from_their_sum),
        cmocka_unit_test(addition_commutes_folding_commutes_and_subtraction_undoes),
        cmocka_unit_test(sketches_under_different_keys_are_never_added),
        cmocka_unit_test(a_difference_that_is_too_large_lists_nothing),
        cmocka_unit_test(a_pair_counts_up_to_32767_times_and_no_further),
        cmocka_unit_test(the_wrong_key_lists_nothing),
        cmocka_unit_test(a_total_that_contradicts_the_cells_is_rejected),
        cmocka_unit_test(a_ladder_of_refinements_ends_at_the_whole_and_costs_what_it_costs),
        cmocka_unit_test(a_refinement_of_another_state_is_refused),
        cmocka_unit_test(every_prefix_and_every_flipped_bit_is_refused),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
