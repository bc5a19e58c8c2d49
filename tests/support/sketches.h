/*
 * sketches.h - keys and pairs for tests of sketches, the same as tests/golden/sketch.py makes.
 *
 * Include it after <cmocka.h>.
 */
#ifndef SUPPORT_SKETCHES_H
#define SUPPORT_SKETCHES_H

#include "model/sketch.h"
#include "support/random.h"

/* Number 7 of the master key 00 01 ... 1f. */
static inline struct duet_digest_key test_sketch_key(enum duet_prf prf)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    struct duet_digest_key key;

    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)i;
    duet_keys_derive(master, 7, NULL, &key);
    key.prf = prf;
    return key;
}

struct test_pair {
    struct duet_id id;
    uint64_t content;
    size_t bytes;
};

static inline struct test_pair test_random_pair(struct test_random *random)
{
    struct test_pair pair;

    pair.id.kind = (uint8_t)test_random_below(random, 3);
    pair.id.instance = (uint32_t)test_random_below(random, DUET_INSTANCE_MAX + 1);
    pair.id.boot = (uint16_t)test_random_below(random, 65536);
    pair.id.partition = (uint16_t)test_random_below(random, 65536);
    pair.id.sequence = test_random_next(random) & DUET_SEQUENCE_MAX;
    pair.content = test_random_next(random) & DUET_CONTENT_MAX;
    pair.bytes = test_random_below(random, 100000);
    return pair;
}

static inline void test_sketch_add(struct duet_sketch *sketch,
                                   const struct duet_digest_key *key,
                                   const struct test_pair *pair, int32_t times)
{
    duet_sketch_add(sketch, key, &pair->id, pair->content, pair->bytes, times);
}

static inline struct duet_sketch test_sketch_new(const struct duet_digest_key *key,
                                                 uint32_t width)
{
    struct duet_sketch sketch;

    assert_int_equal(duet_sketch_init(&sketch, duet_digest_key_number(key), width), DT_OK);
    return sketch;
}

static inline bool test_sketch_equal(const struct duet_sketch *a,
                                     const struct duet_sketch *b)
{
    return a->width == b->width && a->key == b->key &&
           duet_digest_equal(&a->total, &b->total) &&
           memcmp(a->cells, b->cells, DUET_SKETCH_TABLES * a->width * sizeof(*a->cells)) ==
               0;
}

#endif
