#include "base/histogram.h"

#include <math.h>
#include <string.h>

#define LINEAR ((uint64_t)1 << DT_HISTOGRAM_BITS) /* below it each value has a bucket */

static unsigned shift_of(uint64_t value)
{
    return value < LINEAR ? 0 : 63 - (unsigned)__builtin_clzll(value) - DT_HISTOGRAM_BITS;
}

static size_t index_of(uint64_t value)
{
    unsigned shift = shift_of(value);

    if (value < LINEAR)
        return (size_t)value;
    return (size_t)(((uint64_t)shift << DT_HISTOGRAM_BITS) + (value >> shift));
}

/* The value in the middle of a bucket. */
static uint64_t middle_of(size_t index)
{
    unsigned shift;

    if (index < 2 * LINEAR)
        return index;
    shift = (unsigned)(index >> DT_HISTOGRAM_BITS) - 1;
    return (((uint64_t)index & (LINEAR - 1)) + LINEAR) << shift |
           (((uint64_t)1 << shift) - 1) >> 1;
}

void dt_histogram_init(struct dt_histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram->min = UINT64_MAX;
}

void dt_histogram_record(struct dt_histogram *histogram, uint64_t value)
{
    histogram->count++;
    if (value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[index_of(value)]++;
}

void dt_histogram_merge(struct dt_histogram *into, const struct dt_histogram *from)
{
    into->count += from->count;
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    for (size_t i = 0; i < DT_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t dt_histogram_percentile(const struct dt_histogram *histogram, double share)
{
    double wanted = ceil(share * (double)histogram->count);
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted;
    uint64_t seen = 0, value;
    size_t index = 0;

    if (histogram->count == 0)
        return 0;
    if (rank >= histogram->count)
        return histogram->max;
    while (seen + histogram->buckets[index] < rank)
        seen += histogram->buckets[index++];
    value = middle_of(index);
    if (value < histogram->min)
        return histogram->min;
    return value > histogram->max ? histogram->max : value;
}
