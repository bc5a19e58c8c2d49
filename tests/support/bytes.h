/*
 * bytes.h - bytes for tests: from hex, in exactly sized memory, and random but repeatable.
 *
 * Include it after <cmocka.h>.
 */
#ifndef SUPPORT_BYTES_H
#define SUPPORT_BYTES_H

#include <stdlib.h>

#include "base/span.h"

/* The bytes of some hex digits, free() them. */
static inline struct dt_span bytes_of_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *bytes = malloc(size == 0 ? 1 : size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return dt_span_of(bytes, size);
}

/* A copy in memory of exactly that size: a sanitizer sees a read of one byte too many. */
static inline struct dt_span bytes_exact(const void *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    return dt_span_of(copy, size);
}

static inline void bytes_free(struct dt_span bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

#define assert_span_equal(a, b)                                                            \
    do {                                                                                   \
        struct dt_span left_ = (a), right_ = (b);                                          \
        assert_int_equal(left_.size, right_.size);                                         \
        if (left_.size > 0)                                                                \
            assert_memory_equal(left_.data, right_.data, left_.size);                      \
    } while (0)

#define assert_span_text(a, text) assert_span_equal(a, dt_span_str(text))

/* splitmix64: the same numbers for the same seed, everywhere. */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *seed, size_t bound)
{
    return (size_t)(random_next(seed) % bound);
}

#endif
