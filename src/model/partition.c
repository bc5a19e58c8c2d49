#include "model/partition.h"

#include <assert.h>

/* As org.apache.kafka.common.utils.Utils.murmur2: its seed, and its bytes taken little-endian;
 * the shifts are Java's >>>, so all is unsigned here. */
uint32_t duet_murmur2(struct dt_span bytes)
{
    static const uint32_t seed = 0x9747b28c, m = 0x5bd1e995;
    const uint8_t *data = bytes.data;
    size_t whole = bytes.size & ~(size_t)3;
    uint32_t h = seed ^ (uint32_t)bytes.size;

    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 |
                     (uint32_t)data[i + 2] << 16 | (uint32_t)data[i + 3] << 24;

        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    switch (bytes.size - whole) {
    case 3:
        h ^= (uint32_t)data[whole + 2] << 16;
        /* fall through */
    case 2:
        h ^= (uint32_t)data[whole + 1] << 8;
        /* fall through */
    case 1:
        h ^= data[whole];
        h *= m;
        break;
    default:
        break;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int32_t duet_partition_of_key(struct dt_span key, int32_t partitions)
{
    assert(partitions > 0);
    return (int32_t)((duet_murmur2(key) & 0x7fffffff) % (uint32_t)partitions);
}
