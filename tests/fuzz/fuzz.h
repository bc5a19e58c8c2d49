/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is one file that defines LLVMFuzzerTestOneInput(). `make fuzz` links it with libFuzzer
 * under the sanitizers; every other build links it with replay.c, which runs it over the corpus.
 * Beside not crashing, a target states what must hold for every input: FUZZ_NEED().
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NEED(condition)                                                               \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* True if a span lies within the other: what a parser gives must point into its input. */
static inline bool fuzz_is_within(struct dt_span part, struct dt_span whole)
{
    return part.size == 0 || (part.data >= whole.data && part.size <= whole.size &&
                              (size_t)(part.data - whole.data) <= whole.size - part.size);
}

#endif
