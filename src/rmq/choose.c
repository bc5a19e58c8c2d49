#include "rmq/choose.h"

/* One code point of UTF-8; a byte that begins none stands for itself. */
static uint32_t next_point(struct dt_span *text)
{
    uint32_t first = text->data[0];
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
    uint32_t point = more == 3 ? first & 7 : more == 2 ? first & 15 : first & 31;
    bool is_whole = more > 0 && first < 0xf5 && text->size > more;

    for (size_t i = 1; is_whole && i <= more; i++) {
        is_whole = (text->data[i] & 0xc0) == 0x80;
        point = point << 6 | (text->data[i] & 63);
    }
    if (!is_whole) {
        point = first;
        more = 0;
    }
    *text = dt_span_of(text->data + more + 1, text->size - more - 1);
    return point;
}

int32_t rmq_key_hash(struct dt_span key)
{
    uint32_t hash = 0;

    while (key.size > 0) {
        uint32_t point = next_point(&key);

        if (point >= 0x10000) { /* Java hashes UTF-16 */
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + point;
    }
    return (int32_t)hash;
}

size_t rmq_hash_index(int32_t hash, size_t count)
{
    int64_t rest = (int64_t)hash % (int64_t)count;

    return (size_t)(rest < 0 ? -rest : rest);
}

static bool is_better(struct rmq_rank a, struct rmq_rank b)
{
    if (a.level != b.level)
        return a.level < b.level;
    return a.level >= RMQ_RANK_AVOIDED && a.until_ms < b.until_ms;
}

size_t rmq_choose_turn(uint32_t *turn, size_t count,
                       struct rmq_rank (*rank)(const void *context, size_t index),
                       const void *context)
{
    size_t best = *turn % count;
    struct rmq_rank best_rank = rank(context, best);

    for (size_t i = 1; i < count && best_rank.level != RMQ_RANK_FREE; i++) {
        size_t index = (*turn + i) % count;
        struct rmq_rank its = rank(context, index);

        if (is_better(its, best_rank)) {
            best = index;
            best_rank = its;
        }
    }
    *turn = (uint32_t)best + 1;
    return best;
}
