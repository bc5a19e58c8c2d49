/*
 * sketch - what counting a message into a sketch costs, beside hashing its bytes alone.
 *
 *   sketch update SIZE siphash|aes [COUNT]   a message of SIZE canonical bytes: content digest,
 *                                            term, totals, four cells of a table of 32 KiB, warm
 *   sketch merge [COUNT]                     COUNT (1000) tables of 32 KiB into one
 *   sketch decode PAIRS [COUNT]              a difference of so many pairs in 32 KiB, COUNT times
 *
 * Prints one JSON object. `update` times both in turns of 100,000 messages and gives the medians:
 * {"ns":F,"xxh3_ns":F,"canonical_ns":F}, the last with the canonical form written, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "model/peel.h"

enum { TURN = 100000, BODIES = 16, WIDTH = 256, TURNS_MAX = 1000 };

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), ascending);
    return values[count / 2];
}

static struct duet_digest_key make_key(const char *prf)
{
    uint8_t master[DUET_MASTER_KEY_SIZE] = {1, 2, 3};
    struct duet_digest_key key;

    duet_keys_derive(master, 1, NULL, &key);
    key.prf = strcmp(prf, "aes") == 0 ? DUET_PRF_AES : DUET_PRF_SIPHASH;
    return key;
}

static struct duet_sketch make_sketch(const struct duet_digest_key *key, uint32_t width)
{
    struct duet_sketch sketch;

    if (duet_sketch_init(&sketch, duet_digest_key_number(key), width) != DT_OK)
        exit(1);
    return sketch;
}

static uint64_t sum_of_all; /* so that no work can be left out */

/* ---- update ---- */

struct work {
    struct duet_digest_key key;
    struct duet_sketch sketch;
    uint8_t *bodies;
    size_t size;
    struct duet_id id;
    struct dt_buf canonical;
};

static void hash_turn(struct work *work)
{
    for (int i = 0; i < TURN; i++)
        sum_of_all +=
            XXH3_128bits_withSecret(work->bodies + (size_t)(i % BODIES) * work->size,
                                    work->size, work->key.secret, sizeof(work->key.secret))
                .low64;
}

static void update_turn(struct work *work)
{
    for (int i = 0; i < TURN; i++) {
        work->id.sequence++;
        duet_sketch_count(
            &work->sketch, &work->key, &work->id,
            dt_span_of(work->bodies + (size_t)(i % BODIES) * work->size, work->size),
            work->size);
    }
}

static void canonical_turn(struct work *work)
{
    struct duet_stamp stamp = {1, 0, work->id, 22616640, 15706};

    for (int i = 0; i < TURN; i++) {
        struct duet_record record = {
            dt_span_str("N14228"),
            dt_span_of(work->bodies + (size_t)(i % BODIES) * work->size, work->size), NULL,
            0, 0};

        stamp.id.sequence = ++work->id.sequence;
        dt_buf_clear(&work->canonical);
        duet_canonical(&work->canonical, &stamp, &record, false);
        duet_sketch_count(&work->sketch, &work->key, &stamp.id,
                          dt_buf_span(&work->canonical), work->size);
    }
}

static double timed(void (*turn)(struct work *), struct work *work)
{
    double start = now_ns();

    turn(work);
    return (now_ns() - start) / TURN;
}

static void update(size_t size, const char *prf, int turns)
{
    static double ours[TURNS_MAX], hash[TURNS_MAX], whole[TURNS_MAX];
    struct work work = {.key = make_key(prf),
                        .bodies = malloc(BODIES * size),
                        .size = size,
                        .id = {.instance = 3, .boot = 1}};

    if (work.bodies == NULL)
        exit(1);
    for (size_t i = 0; i < BODIES * size; i++)
        work.bodies[i] = (uint8_t)(i * 2654435761u >> 13);
    work.sketch = make_sketch(&work.key, WIDTH);
    dt_buf_init(&work.canonical, size + 1000);
    update_turn(&work); /* warm */
    for (int i = 0; i < turns; i++) {
        hash[i] = timed(hash_turn, &work);
        ours[i] = timed(update_turn, &work);
        whole[i] = timed(canonical_turn, &work);
    }
    printf("{\"ns\":%.1f,\"xxh3_ns\":%.1f,\"canonical_ns\":%.1f}\n", median(ours, turns),
           median(hash, turns), median(whole, turns));
    dt_buf_fini(&work.canonical);
    duet_sketch_fini(&work.sketch);
    free(work.bodies);
}

/* ---- merge and decode ---- */

static void fill(struct duet_sketch *sketch, const struct duet_digest_key *key,
                 uint64_t first, uint64_t count)
{
    struct duet_id id = {.instance = 9};

    for (uint64_t i = 0; i < count; i++) {
        id.sequence = first + i;
        duet_sketch_add(sketch, key, &id, (id.sequence * 0x9e3779b97f4a7c15) >> 16, 100,
                        i % 2 == 0 ? 1 : -1);
    }
}

static void merge(int count)
{
    struct duet_digest_key key = make_key("aes");
    struct duet_sketch sum = make_sketch(&key, WIDTH);
    struct duet_sketch *parts = calloc((size_t)count, sizeof(*parts));
    double start, end;

    if (parts == NULL)
        exit(1);
    for (int i = 0; i < count; i++) {
        parts[i] = make_sketch(&key, WIDTH);
        fill(&parts[i], &key, (uint64_t)i * 2000, 2000);
    }
    start = now_ns();
    for (int i = 0; i < count; i++)
        if (duet_sketch_merge(&sum, &parts[i]) != DT_OK)
            exit(1);
    end = now_ns();
    printf("{\"ms\":%.3f}\n", (end - start) / 1e6);
    for (int i = 0; i < count; i++)
        duet_sketch_fini(&parts[i]);
    free(parts);
    duet_sketch_fini(&sum);
}

static void decode(uint64_t pairs, int count)
{
    static double took[TURNS_MAX];
    struct duet_digest_key key = make_key("aes");

    for (int i = 0; i < count; i++) {
        struct duet_sketch sketch = make_sketch(&key, WIDTH);
        struct duet_nets nets;
        double start;

        fill(&sketch, &key, (uint64_t)i << 20, pairs);
        start = now_ns();
        if (duet_peel(&sketch, &key, &nets) != DUET_PEELED || nets.count != pairs) {
            fprintf(stderr, "sketch: %d was not listed\n", i);
            exit(1);
        }
        took[i] = now_ns() - start;
        duet_nets_fini(&nets);
        duet_sketch_fini(&sketch);
    }
    printf("{\"ms\":%.3f}\n", median(took, count) / 1e6);
}

static int number(int argc, char **argv, int at, int otherwise)
{
    int value = argc > at ? atoi(argv[at]) : otherwise;

    return value > 0 && value <= TURNS_MAX ? value : otherwise;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "update") == 0 && argc > 3 && atoi(argv[2]) > 0)
        update((size_t)atoi(argv[2]), argv[3], number(argc, argv, 4, 21));
    else if (strcmp(what, "merge") == 0)
        merge(number(argc, argv, 2, 1000));
    else if (strcmp(what, "decode") == 0 && argc > 2 && atoi(argv[2]) > 0)
        decode((uint64_t)atoi(argv[2]), number(argc, argv, 3, 100));
    else {
        fprintf(stderr, "sketch update SIZE siphash|aes [TURNS] | merge [COUNT] | "
                        "decode PAIRS [COUNT]\n");
        return 2;
    }
    return sum_of_all == 1; /* never */
}
