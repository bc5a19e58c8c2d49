#include "model/drill.h"

enum { DENSE = 8 }; /* an eighth */

enum duet_drill duet_drill_choose(double differing, uint64_t counted)
{
    if (duet_sketch_next_width(0, differing) != 0)
        return DUET_DRILL_LADDER;
    return duet_drill_beyond_ladder(differing, counted);
}

enum duet_drill duet_drill_beyond_ladder(double differing, uint64_t counted)
{
    return differing * DENSE > (double)counted ? DUET_DRILL_RANGES : DUET_DRILL_PARTS;
}

unsigned duet_part_bits(double differing)
{
    unsigned bits = 0;

    while (bits < DUET_PART_BITS_MAX &&
           differing > (double)DUET_PART_PAIRS * (double)(UINT32_C(1) << bits))
        bits++;
    return bits;
}

/* Bits 64 to 95: places are of the lower 64, checks of the upper 32. */
uint32_t duet_part_of(struct dt_u128 term, unsigned bits)
{
    return bits == 0 ? 0 : (uint32_t)term.hi >> (32 - bits);
}

struct visiting {
    struct duet_differences *list;
    enum duet_difference_kind kind;
    enum duet_side side;
    uint16_t partition;
    dt_status status;
};

static void add_interval(void *context, uint8_t kind, uint32_t instance, uint16_t boot,
                         struct duet_interval interval)
{
    struct visiting *visiting = context;
    struct duet_id first = {kind, instance, boot, visiting->partition, interval.from};

    if (visiting->status != DT_OK || duet_differ_is_without(visiting->kind))
        return;
    visiting->status =
        duet_differences_add(visiting->list, visiting->kind, visiting->side, &first, 1);
    if (visiting->status == DT_OK)
        visiting->list->items[visiting->list->count - 1].sequence_to = interval.to;
}

dt_status duet_differ_ranges(struct duet_differences *list, const struct duet_idset *issued,
                             const struct duet_idset *stored, enum duet_side side,
                             uint16_t partition)
{
    struct visiting visiting = {list, DUET_DIFF_LOST, side, partition, DT_OK};

    duet_idset_difference(issued, stored, add_interval, &visiting);
    visiting.kind = DUET_DIFF_FOREIGN;
    duet_idset_difference(stored, issued, add_interval, &visiting);
    return visiting.status;
}
