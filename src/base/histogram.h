/*
 * histogram.h - percentiles of many values in little memory: a log-linear histogram.
 *
 * Each power of two is cut into 128 buckets of equal width, values below 128 have one each. So a
 * percentile is exact below 128 and at most 1/256 (0.4 %) off above, for any 64-bit value; the
 * smallest and the largest value are exact. 58 KiB, no allocation.
 *
 * Thread: one at a time; threads that record at once each have their own and merge.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    DT_HISTOGRAM_BITS = 7, /* of a value that are kept, below its leading one */
    DT_HISTOGRAM_BUCKETS = (64 - DT_HISTOGRAM_BITS + 1) << DT_HISTOGRAM_BITS
};

struct dt_histogram {
    uint64_t count, min, max;
    uint64_t buckets[DT_HISTOGRAM_BUCKETS];
};

void dt_histogram_init(struct dt_histogram *histogram);
void dt_histogram_record(struct dt_histogram *histogram, uint64_t value);

/* Adds all that `from` has. */
void dt_histogram_merge(struct dt_histogram *into, const struct dt_histogram *from);

/**
 * The smallest value that at least this share of all values do not exceed ("nearest rank").
 * @param share 0 to 1: 0.5 is the median, 0.99 the 99th percentile.
 * @returns 0 when nothing was recorded.
 */
uint64_t dt_histogram_percentile(const struct dt_histogram *histogram, double share);

#endif
