#include "side/derive.h"

#include "model/counts.h"

static void fill(struct duet_stamp *stamp, const struct duet_derive *derive,
                 const struct duet_found *found)
{
    int64_t when_ms = found->timestamp_ms > 0 ? found->timestamp_ms : 0;

    memset(stamp, 0, sizeof(*stamp));
    stamp->key_number = derive->key_number;
    stamp->id.instance = derive->topic_number & DUET_INSTANCE_MAX;
    stamp->id.partition = (uint16_t)found->partition;
    stamp->id.sequence = (uint64_t)found->position & DUET_SEQUENCE_MAX;
    stamp->window = duet_window_of(when_ms);
    stamp->day = duet_day_of(when_ms, duet_zone_offset_s(derive->zone, when_ms));
}

void duet_derive_kafka(struct duet_stamp *stamp, const struct duet_derive *derive,
                       const struct duet_found *found)
{
    fill(stamp, derive, found);
    stamp->id.kind = DUET_ID_KAFKA;
}

/* The finaliser of SplitMix64, folded: neighbouring times are far apart. */
static uint16_t hash_of_time(int64_t store_ms)
{
    uint64_t x = (uint64_t)store_ms;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (uint16_t)(x ^ x >> 16 ^ x >> 32 ^ x >> 48);
}

void duet_derive_rocketmq(struct duet_stamp *stamp, const struct duet_derive *derive,
                          const struct duet_found *found)
{
    fill(stamp, derive, found);
    stamp->id.kind = DUET_ID_ROCKETMQ;
    stamp->id.boot = hash_of_time(found->store_ms);
}
