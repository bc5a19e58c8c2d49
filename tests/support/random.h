/*
 * random.h - numbers that look random and are the same in every run: for property tests.
 */
#ifndef SUPPORT_RANDOM_H
#define SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_random {
    uint64_t state; /* the seed */
};

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t test_random_next(struct test_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 .. below - 1 */
static inline size_t test_random_below(struct test_random *random, size_t below)
{
    return (size_t)(test_random_next(random) % below);
}

/* True once in `n` times. */
static inline bool test_random_once_in(struct test_random *random, size_t n)
{
    return test_random_below(random, n) == 0;
}

static inline void test_random_fill(struct test_random *random, void *out, size_t size)
{
    uint8_t *bytes = (uint8_t *)out;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)test_random_next(random);
}

#endif
